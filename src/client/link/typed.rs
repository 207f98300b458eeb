//! Lines from the standard input for a program that also waits for the server.
//!
//! A thread reads, because reading blocks; but only when it is asked to. So nothing is read ahead that
//! the next program on the same pipe might want, and a password can be asked for in between.

use std::io::{self, BufRead};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use mio::Waker;

/// Reads lines when asked, and wakes a link when there is one.
pub struct Typed {
    asks: Sender<()>,
    lines: Receiver<Input>,
    asked: bool,
}

/// What was read.
#[derive(Debug)]
pub enum Input {
    End,
    Failed(io::Error),
    /// Without its end. Bytes that are not UTF-8 are shown as such.
    Line(String),
}

impl Typed {
    /// Reads from here; `waker` belongs to the link that waits.
    pub fn new(mut from: impl BufRead + Send + 'static, waker: Arc<Waker>) -> io::Result<Typed> {
        let (asks, asked) = channel();
        let (sender, lines) = channel();
        thread::Builder::new().name("input".to_owned()).spawn(move || {
            while asked.recv().is_ok() {
                let input = read(&mut from);
                let ended = !matches!(input, Input::Line(_));
                // Nobody waits any more once the program ends.
                let gone = sender.send(input).is_err() || waker.wake().is_err();
                if ended || gone {
                    return;
                }
            }
        })?;
        Ok(Typed { asks, lines, asked: false })
    }

    /// The next line, if it is there; begins to read it if not.
    pub fn line(&mut self) -> Option<Input> {
        if !self.asked {
            self.asked = true;
            if self.asks.send(()).is_err() {
                return Some(Input::End);
            }
        }
        let input = self.lines.try_recv().ok()?;
        self.asked = false;
        Some(input)
    }
}

fn read(from: &mut impl BufRead) -> Input {
    let mut line = Vec::new();
    match io::Read::take(&mut *from, LINE_BYTES_MAX).read_until(b'\n', &mut line) {
        Ok(0) => Input::End,
        Ok(_) => {
            while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                line.pop();
            }
            Input::Line(String::from_utf8_lossy(&line).into_owned())
        }
        Err(error) => Input::Failed(error),
    }
}

/// Longer lines are taken in pieces; one message holds less.
const LINE_BYTES_MAX: u64 = 64 * 1024;
