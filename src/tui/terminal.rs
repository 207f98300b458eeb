//! The terminal: taken over and given back, whatever happens; and what comes from it.

use std::io::{self, BufWriter, Stdout, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    EnableMouseCapture, Event as Typed,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};

use crate::tui::model::Size;

/// The screen while it is ours; given back when this is dropped, and by a panic.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

/// The terminal is ours at the moment; a program has no more than one.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// What comes from outside, besides the session's news.
#[derive(Debug)]
pub enum Outside {
    Typed(Typed),
    /// The terminal is gone.
    Gone(io::Error),
    /// The system wants the program to end.
    Terminate,
}

/// What the screen is drawn on.
pub trait Surface {
    /// Its size at this moment.
    fn size(&mut self) -> io::Result<Size>;
    fn draw(&mut self, view: &mut dyn FnMut(&mut Frame<'_>)) -> io::Result<()>;
    /// Forgets what it shows, so that everything is drawn anew.
    fn clear(&mut self) -> io::Result<()>;
    fn ring(&mut self) -> io::Result<()>;
    /// Takes mouse events, or leaves the mouse to the terminal.
    fn set_mouse(&mut self, taken: bool) -> io::Result<()>;
    /// Gives the terminal to the shell until this program is continued.
    fn suspend(&mut self, mouse: bool) -> io::Result<()>;
}

impl Screen {
    /// Takes the terminal over.
    pub fn enter(mouse: bool) -> io::Result<Screen> {
        give_back_on_panic();
        take(mouse)?;
        let out = BufWriter::with_capacity(OUT_BYTES, io::stdout());
        let terminal = Terminal::new(CrosstermBackend::new(out));
        let terminal = terminal.inspect_err(|_| give_back())?;
        Ok(Screen { terminal })
    }
}

impl Surface for Screen {
    fn size(&mut self) -> io::Result<Size> {
        self.terminal.autoresize()?;
        let area = self.terminal.get_frame().area();
        Ok(Size { columns: area.width, rows: area.height })
    }

    fn draw(&mut self, view: &mut dyn FnMut(&mut Frame<'_>)) -> io::Result<()> {
        // Terminals that know this show the whole change at once.
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(view)?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    fn clear(&mut self) -> io::Result<()> {
        // Not `Terminal::clear`: that asks the terminal where the cursor is, and the answer comes on
        // the input, which another thread reads. A new size, even the same, clears as well.
        let area = self.terminal.get_frame().area();
        self.terminal.resize(area)
    }

    fn ring(&mut self) -> io::Result<()> {
        let out = self.terminal.backend_mut();
        out.write_all(b"\x07")?;
        Write::flush(out)
    }

    fn set_mouse(&mut self, taken: bool) -> io::Result<()> {
        let out = self.terminal.backend_mut();
        if taken { execute!(out, EnableMouseCapture) } else { execute!(out, DisableMouseCapture) }
    }

    #[cfg(unix)]
    fn suspend(&mut self, mouse: bool) -> io::Result<()> {
        give_back();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        take(mouse)?;
        self.clear()
    }

    #[cfg(not(unix))]
    fn suspend(&mut self, _mouse: bool) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take(mouse: bool) -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    let mut out = io::stdout();
    let taken = queue!(out, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange)
        .and_then(|()| if mouse { queue!(out, EnableMouseCapture) } else { Ok(()) })
        .and_then(|()| out.flush());
    taken.inspect_err(|_| give_back())
}

/// Puts everything back, once: to leave a screen that was left would move the cursor on the other.
/// Nothing can be done about what fails, and the rest is tried all the same.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = execute!(
        out,
        DisableMouseCapture,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    );
    let _ = disable_raw_mode();
}

/// A panic's message is for people to read: on their own screen, with line ends that work.
fn give_back_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
    });
}

/// Begins to read the terminal and to heed signals; `wake` is called after each.
pub fn listen(wake: impl Fn() + Clone + Send + 'static) -> io::Result<Receiver<Outside>> {
    let (sender, receiver) = sync_channel(WAITING_MAX);
    heed_signals(sender.clone(), wake.clone())?;
    thread::Builder::new().name("terminal".to_owned()).spawn(move || {
        loop {
            let outside = match crossterm::event::read() {
                Ok(typed) => Outside::Typed(typed),
                Err(error) => Outside::Gone(error),
            };
            let gone = matches!(outside, Outside::Gone(_));
            if sender.send(outside).is_err() {
                return;
            }
            wake();
            if gone {
                return;
            }
        }
    })?;
    Ok(receiver)
}

#[cfg(unix)]
fn heed_signals(sender: SyncSender<Outside>, wake: impl Fn() + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            if sender.send(Outside::Terminate).is_err() {
                return;
            }
            wake();
        }
    })?;
    Ok(())
}

#[cfg(not(unix))]
fn heed_signals(_sender: SyncSender<Outside>, _wake: impl Fn() + Send + 'static) -> io::Result<()> {
    Ok(())
}

/// A whole screen of changes in one write.
const OUT_BYTES: usize = 64 * 1024;
/// Keys that wait to be taken: more than anybody types while one screen is drawn.
const WAITING_MAX: usize = 1024;
