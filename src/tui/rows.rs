//! Lines of a conversation as rows of the screen, from the newest upwards, and only as many as are
//! asked for: the cost of a redraw depends on the size of the screen, not of the conversation.
//!
//! A [`Block`] is what belongs together: a message with all its rows, or a run of people coming and
//! going. Every block begins with a row of its own that no text of a user can imitate: the time
//! stands in columns where texts never are.

use std::ops::Range;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use ratatui::style::Style;
use ratatui::text::{Line as Row, Span};

use crate::client::scrollback::{Kind, Line, LineNumber, Scrollback, Seal};
use crate::client::session::room::Saying;
use crate::proto::time::Timestamp;
use crate::tui::theme::Theme;
use crate::tui::traffic;
use crate::tui::wrap::{width, wrap};

/// How lines are to look.
#[derive(Clone, Debug)]
pub struct Look<'a> {
    pub columns: usize,
    pub zone: &'a TimeZone,
    pub theme: Theme,
    /// The user's own name; messages that have it stand out.
    pub own: &'a str,
    /// The unread line stands before this line.
    pub mark: Option<LineNumber>,
    /// Words to make visible, in small letters.
    pub words: Option<String>,
}

/// Lines that are shown together.
#[derive(Clone, Debug)]
pub struct Block {
    pub lines: Range<LineNumber>,
    pub rows: Vec<Row<'static>>,
}

/// The blocks of a conversation from some line upwards.
pub struct Upward<'a> {
    look: &'a Look<'a>,
    scrollback: Option<&'a Scrollback>,
    /// Lines that were read and not shown yet; the last of them is before `next`.
    chunk: Vec<Line>,
    next: LineNumber,
}

impl<'a> Upward<'a> {
    /// Begins with the line before `end`.
    pub fn new(look: &'a Look<'a>, scrollback: Option<&'a Scrollback>, end: LineNumber) -> Upward<'a> {
        let kept = scrollback.map_or(0..0, Scrollback::numbers);
        // A line that was dropped meanwhile has become the oldest that is there.
        let next = end.max(kept.start.saturating_add(1)).min(kept.end);
        Upward { look, scrollback, chunk: Vec::new(), next }
    }

    fn peek(&mut self) -> Option<&Line> {
        if self.chunk.is_empty() {
            let scrollback = self.scrollback?;
            self.chunk = scrollback.lines(self.next.saturating_sub(CHUNK_LINES)..self.next);
        }
        self.chunk.last()
    }

    fn pop(&mut self) -> Option<Line> {
        self.peek()?;
        self.next -= 1;
        self.chunk.pop()
    }
}

impl Iterator for Upward<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let end = self.next;
        let line = self.pop()?;
        let look = self.look;
        let day = look.day(line.at);
        let mut run = vec![line];
        while traffic::is_traffic(run[0].kind) && look.mark != Some(self.next) {
            let same = |line: &&Line| traffic::is_traffic(line.kind) && look.day(line.at) == day;
            if self.peek().filter(same).is_none() {
                break;
            }
            run.extend(self.pop());
        }
        run.reverse();
        let first = self.next;
        let before = self.peek().map(|line| look.day(line.at));
        let mut rows = Vec::new();
        if before != Some(day) {
            rows.push(look.rule(&day.strftime("%A, %-d %B %Y").to_string(), look.theme.faint()));
        }
        if look.mark == Some(first) && before.is_some() {
            rows.push(look.rule("unread", look.theme.unread()));
        }
        match &run[..] {
            [line] => look.line(line, &mut rows),
            run => look.traffic(run, &mut rows),
        }
        Some(Block { lines: first..end, rows })
    }
}

impl Look<'_> {
    /// A text that waits to be confirmed.
    pub fn unconfirmed(&self, saying: &Saying) -> Vec<Row<'static>> {
        let faint = self.theme.faint();
        let mut rows = Vec::new();
        let head = if saying.me { Head::Sign("*") } else { Head::Name(self.own) };
        let text = if saying.me { format!("{} {}", self.own, saying.text) } else { saying.text.to_string() };
        self.lay("  …  ", &head, [faint, faint, faint], &text, &mut rows);
        rows
    }

    /// A private message that waits to be sent; `held`: until somebody has agreed to changed keys.
    pub fn waiting(&self, text: &str, held: bool) -> Vec<Row<'static>> {
        let faint = self.theme.faint();
        let mut rows = Vec::new();
        let mark = if held { "[waits for /trust or /verify] " } else { "" };
        self.lay_marked("  …  ", &Head::Name(self.own), [faint; 3], mark, text, &mut rows);
        rows
    }

    fn line(&self, line: &Line, rows: &mut Vec<Row<'static>>) {
        let theme = self.theme;
        let time = self.time(line.at);
        let plain = theme.plain();
        let mentioned = !line.own && mentions(&line.text, self.own);
        let name = if mentioned {
            theme.highlight().patch(theme.chosen())
        } else {
            theme.name(&line.from, line.own)
        };
        match line.kind {
            Kind::Say => {
                let (styles, mark) = ([theme.faint(), name, plain], mark(line.seal));
                self.lay_marked(&time, &Head::Name(&line.from), styles, mark, &line.text, rows);
            }
            Kind::Me => {
                let text = format!("{} {}", line.from, line.text);
                self.lay(&time, &Head::Sign("*"), [theme.faint(), name, plain], &text, rows);
            }
            Kind::Error => {
                let error = theme.error();
                self.lay(&time, &Head::Sign("!!"), [theme.faint(), error, error], &line.text, rows);
            }
            Kind::Gap => {
                let faint = theme.faint();
                self.lay(&time, &Head::Sign("··"), [faint; 3], &line.text, rows);
            }
            kind if traffic::is_traffic(kind) => {
                let faint = theme.faint();
                let sign = if kind == Kind::Join { "-->" } else { "<--" };
                self.lay(&time, &Head::Sign(sign), [faint; 3], &line.text, rows);
            }
            _ => {
                let faint = theme.faint();
                self.lay(&time, &Head::Sign("--"), [faint, faint, plain], &line.text, rows);
            }
        }
    }

    fn traffic(&self, run: &[Line], rows: &mut Vec<Row<'static>>) {
        let Some(last) = run.last() else { return };
        let faint = self.theme.faint();
        self.lay(&self.time(last.at), &Head::Sign("<->"), [faint; 3], &traffic::summary(run), rows);
    }

    /// Time, author and text in columns; the styles are theirs.
    fn lay(&self, time: &str, head: &Head<'_>, styles: [Style; 3], text: &str, rows: &mut Vec<Row<'static>>) {
        self.lay_marked(time, head, styles, "", text, rows);
    }

    /// The same with words of ours before the text, which stand out.
    fn lay_marked(
        &self,
        time: &str,
        head: &Head<'_>,
        styles: [Style; 3],
        mark: &str,
        text: &str,
        rows: &mut Vec<Row<'static>>,
    ) {
        let marked = format!("{mark}{text}");
        let (head, indent) = self.head(head);
        let before = TIME_COLUMNS + 1 + width(&head);
        let room = |columns: usize| self.columns.saturating_sub(columns);
        for (at, row) in wrap(&marked, room(before), room(indent)).into_iter().enumerate() {
            let mut spans = if at == 0 {
                vec![Span::styled(format!("{time} "), styles[0]), Span::styled(head.clone(), styles[1])]
            } else {
                vec![Span::styled(self.margin(indent), self.theme.faint())]
            };
            let row = match row.strip_prefix(mark.trim_end()).filter(|_| at == 0 && !mark.is_empty()) {
                Some(rest) => {
                    spans.push(Span::styled(
                        mark.trim_end().to_owned(),
                        self.theme.error().patch(self.theme.bold()),
                    ));
                    rest.to_owned()
                }
                None => row,
            };
            self.body(row, styles[2], &mut spans);
            rows.push(Row::from(spans));
        }
    }

    /// The author with what separates it from the text, and the columns that further rows leave free.
    fn head(&self, head: &Head<'_>) -> (String, usize) {
        if !self.is_aligned() {
            let text = match head {
                Head::Name(name) => format!("{name}: "),
                Head::Sign(sign) => format!("{sign} "),
            };
            return (text, TIME_COLUMNS + 1);
        }
        let text = match head {
            Head::Name(text) | Head::Sign(text) => text,
        };
        let blanks = NAME_COLUMNS.saturating_sub(width(text));
        let text = format!("{}{text}{SEPARATOR}", " ".repeat(blanks));
        (text, TIME_COLUMNS + 1 + NAME_COLUMNS + width(SEPARATOR))
    }

    fn margin(&self, indent: usize) -> String {
        if self.is_aligned() {
            format!("{}{SEPARATOR}", " ".repeat(indent - width(SEPARATOR)))
        } else {
            " ".repeat(indent)
        }
    }

    fn body(&self, row: String, style: Style, spans: &mut Vec<Span<'static>>) {
        let Some(words) = self.words.as_deref().filter(|words| !words.is_empty()) else {
            return spans.push(Span::styled(row, style));
        };
        let lower = row.to_lowercase();
        let mut from = 0;
        // Letters whose small form has another length would shift what is marked: then nothing is.
        while lower.len() == row.len()
            && let Some(at) = lower[from..].find(words).map(|at| at + from)
            && let (Some(before), Some(found)) = (row.get(from..at), row.get(at..at + words.len()))
        {
            spans.push(Span::styled(before.to_owned(), style));
            spans.push(Span::styled(found.to_owned(), style.patch(self.theme.chosen())));
            from = at + words.len();
        }
        spans.push(Span::styled(row[from..].to_owned(), style));
    }

    /// A row across the conversation with a text in it.
    fn rule(&self, text: &str, style: Style) -> Row<'static> {
        let around = self.columns.saturating_sub(width(text) + 2);
        let left = "─".repeat(around / 2);
        let right = "─".repeat(around - around / 2);
        Row::styled(format!("{left} {text} {right}"), style)
    }

    /// There is room enough for a column of names.
    fn is_aligned(&self) -> bool {
        self.columns >= ALIGNED_COLUMNS
    }

    /// Hours and minutes of the day, where the user is.
    pub fn time(&self, at: Timestamp) -> String {
        let local = local_time(self.zone, at);
        format!("{:02}:{:02}", local.hour(), local.minute())
    }

    fn day(&self, at: Timestamp) -> Date {
        local_time(self.zone, at).date()
    }
}

/// What stands before a private message that is not as it should be.
fn mark(seal: Seal) -> &'static str {
    match seal {
        Seal::Changed => "[KEYS CHANGED] ",
        Seal::NotEncrypted => "[NOT encrypted] ",
        Seal::Encrypted | Seal::ServerReadable | Seal::Verified => "",
    }
}

enum Head<'a> {
    Name(&'a str),
    Sign(&'a str),
}

/// Whether a text has this name in it, as a word of its own.
pub fn mentions(text: &str, name: &str) -> bool {
    if name.is_empty() || text.len() < name.len() {
        return false;
    }
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(letter) && !after.is_some_and(letter)
    })
}

/// Date and time where the user is.
pub fn local_time(zone: &TimeZone, at: Timestamp) -> DateTime {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    zone.to_datetime(jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX))
}

/// Lines read at a time: more than most screens show.
const CHUNK_LINES: LineNumber = 64;
/// `12:34`
const TIME_COLUMNS: usize = 5;
/// Most names are shorter; a longer one pushes its first row to the right.
const NAME_COLUMNS: usize = 12;
const SEPARATOR: &str = " │ ";
/// From this width on, names stand in a column of their own.
const ALIGNED_COLUMNS: usize = 64;
