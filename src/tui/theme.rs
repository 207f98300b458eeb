//! Colours: the sixteen of ANSI on the terminal's own background, so that light and dark terminals
//! both stay readable. Nothing is told by colour alone: it is bold, underlined or reversed as well, or
//! a sign stands beside it. Without colours (`NO_COLOR`) that is all there is.

use ratatui::style::{Color, Modifier, Style};

/// See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    pub colors: bool,
}

impl Theme {
    pub fn plain(self) -> Style {
        Style::new()
    }

    /// What matters less: times, lines between parts, notices.
    pub fn faint(self) -> Style {
        self.colored(Color::DarkGray, Style::new(), Style::new().add_modifier(Modifier::DIM))
    }

    /// Bars above and below the messages.
    pub fn bar(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Part of a bar that must be noticed.
    pub fn alarm(self) -> Style {
        self.bar().add_modifier(Modifier::BOLD).patch(self.foreground(Color::Red))
    }

    /// A user's name: always the same colour for the same name.
    pub fn name(self, name: &str, own: bool) -> Style {
        if own {
            return Style::new().add_modifier(Modifier::BOLD);
        }
        let sum = name.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        self.foreground(NAMES[sum % NAMES.len()])
    }

    /// Something about this user: its name in a message, a count of such messages.
    pub fn highlight(self) -> Style {
        self.foreground(Color::Magenta).add_modifier(Modifier::BOLD)
    }

    /// Messages that nobody has read.
    pub fn unread(self) -> Style {
        self.foreground(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    pub fn error(self) -> Style {
        self.foreground(Color::Red)
    }

    /// What was searched and found, or is chosen.
    pub fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn foreground(self, color: Color) -> Style {
        self.colored(color, Style::new(), Style::new())
    }

    fn colored(self, color: Color, with: Style, without: Style) -> Style {
        if self.colors { with.fg(color) } else { without }
    }
}

/// Colours of names: those that are readable on black and on white; red is for errors.
const NAMES: [Color; 6] =
    [Color::Cyan, Color::Green, Color::Blue, Color::Magenta, Color::LightRed, Color::Yellow];
