//! What the two sides say, and the wire that they say it on: lines of JSON with a bound and a deadline.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::client::bars::Bar;
use crate::client::transfer::place::Inode;
use crate::client::transfer::written_path;

/// The version of these words; whoever knows another one is refused.
pub const VERSION: u32 = 1;

/// What a caller says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Asked {
    Hello {
        version: u32,
        nonce: String,
    },
    Proof(String),
    Send {
        server: String,
        user: String,
        to: String,
    },
    File(Named),
    /// That is all.
    Go,
}

/// A file that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Absolute.
    #[serde(with = "written_path")]
    pub path: PathBuf,
    /// Which one that is to the caller. To another process it may be another one: `/dev/stdin` is.
    pub id: Inode,
}

/// What a listener says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Told {
    Challenge {
        nonce: String,
        proof: String,
    },
    /// The files are with this process now.
    Taken {
        process: u32,
    },
    /// How far everything is that is at work.
    Progress(Vec<Bar>),
    /// For the standard output.
    Line(String),
    /// For the standard error.
    Error(String),
    /// Everything was done, but so many files.
    Over {
        failures: usize,
    },
    /// Nothing is done, for this reason.
    Refused(String),
}

/// One end of a conversation.
#[derive(Debug)]
pub struct Wire {
    tcp: TcpStream,
    /// What was read and is no whole line yet.
    rest: Vec<u8>,
}

/// Sees the end of a conversation.
#[derive(Debug)]
pub struct End {
    tcp: TcpStream,
}

impl End {
    /// Waits until the other has gone, or this side has shut the wire.
    pub fn wait(mut self) {
        let mut piece = [0; 256];
        loop {
            match self.tcp.read(&mut piece) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
            }
        }
    }
}

/// Why there is no next line.
#[derive(Debug)]
pub enum Broken {
    /// The other has ended.
    Ended,
    Garbage,
    Io(io::Error),
    /// Nothing came in time.
    Late,
    TooLong,
}

impl Wire {
    pub fn new(tcp: TcpStream) -> io::Result<Wire> {
        tcp.set_nodelay(true)?;
        tcp.set_write_timeout(Some(WRITE_PATIENCE))?;
        Ok(Wire { tcp, rest: Vec::new() })
    }

    /// Says one thing.
    pub fn say(&mut self, word: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_string(word)?;
        line.push('\n');
        self.tcp.write_all(line.as_bytes())
    }

    /// For somebody who waits for the end of the conversation while this side speaks.
    pub fn end(&self) -> io::Result<End> {
        let tcp = self.tcp.try_clone()?;
        tcp.set_read_timeout(None)?;
        Ok(End { tcp })
    }

    /// Ends the conversation behind what was said.
    pub fn shut(&self) {
        // It may have ended itself.
        let _ = self.tcp.shutdown(Shutdown::Both);
    }

    /// Waits for the next thing that the other says. When that is [`Broken::Late`], it may be asked again.
    pub fn hear<T: DeserializeOwned>(&mut self, until: Instant) -> Result<T, Broken> {
        loop {
            let line = self.line(until)?;
            if !line.is_empty() {
                return serde_json::from_slice(&line).map_err(|_| Broken::Garbage);
            }
        }
    }

    /// Ends the conversation so that the other can still read what was said last: what it has sent and
    /// nobody has read would make the system throw that away. It is waited for until then.
    pub fn part(mut self, until: Instant) {
        // Whoever is gone reads nothing.
        let _ = self.tcp.shutdown(Shutdown::Write);
        for _ in 0..PARTING_LINES_MAX {
            self.rest.clear();
            if !matches!(self.line(until), Ok(_) | Err(Broken::TooLong)) {
                return;
            }
        }
    }

    fn line(&mut self, until: Instant) -> Result<Vec<u8>, Broken> {
        let mut searched = 0;
        let mut piece = [0; 4096];
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.rest[searched..]) {
                let mut line: Vec<u8> = self.rest.drain(..=searched + at).collect();
                line.pop();
                return Ok(line);
            }
            searched = self.rest.len();
            if searched > LINE_BYTES_MAX {
                return Err(Broken::TooLong);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Broken::Late);
            }
            self.tcp.set_read_timeout(Some(left.max(READ_PATIENCE_MIN))).map_err(Broken::Io)?;
            match self.tcp.read(&mut piece) {
                Ok(0) => return Err(Broken::Ended),
                Ok(size) => self.rest.extend_from_slice(&piece[..size]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Err(Broken::Late);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(Broken::Ended),
                Err(error) => return Err(Broken::Io(error)),
            }
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Ended => f.write_str("it has ended the conversation"),
            Broken::Garbage => write!(f, "this is no line of sotto send, version {VERSION}"),
            Broken::Io(error) => error.fmt(f),
            Broken::Late => f.write_str("nothing came in time"),
            Broken::TooLong => write!(f, "a line has at most {LINE_BYTES_MAX} bytes"),
        }
    }
}

/// Bytes of a line. The longest path that systems take is 4096 bytes, and twice as long as hexadecimal
/// letters; [`Told::Progress`] has at most as many bars as fit.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Files in one request, as many as one session takes at a time.
pub const FILES_MAX: usize = 1_000;

/// For somebody who does not read what is written.
const WRITE_PATIENCE: Duration = Duration::from_secs(2);
/// The system takes no shorter one.
const READ_PATIENCE_MIN: Duration = Duration::from_millis(1);
const PARTING_LINES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn pair() -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let there = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
        (Wire::new(listener.accept().expect("accepted").0).expect("a wire"), there)
    }

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn words_are_heard_as_they_were_said() {
        let (mut here, there) = pair();
        let mut there = Wire::new(there).expect("a wire");
        let words = [
            Asked::Hello { version: 1, nonce: "n".into() },
            Asked::Proof("p".into()),
            Asked::Send { server: "localhost:1".into(), user: "alice".into(), to: "bob".into() },
            Asked::File(Named {
                path: PathBuf::from("/tmp/\u{fc} \n.pdf"),
                id: Inode { device: 1, inode: u64::MAX },
            }),
            Asked::Go,
        ];
        for word in &words {
            there.say(word).expect("said");
            there.tcp.write_all(b"\n").expect("empty lines mean nothing");
        }
        for word in &words {
            assert_eq!(here.hear::<Asked>(far()).expect("heard"), *word);
        }
    }

    #[test]
    fn what_is_no_word_is_named() {
        let (mut here, mut there) = pair();
        there
            .write_all(b"GET / HTTP/1.1\r\n{\"go\":1}\n{\"hello\":{\"version\":1}}\n\xff\n")
            .expect("written");
        for _ in 0..4 {
            assert!(matches!(here.hear::<Asked>(far()), Err(Broken::Garbage)));
        }
        there.write_all(&[b'x'; LINE_BYTES_MAX + 1]).expect("written");
        assert!(matches!(here.hear::<Asked>(far()), Err(Broken::TooLong)));
        drop(there);
        let (mut here, there) = pair();
        assert!(matches!(here.hear::<Asked>(Instant::now()), Err(Broken::Late)));
        drop(there);
        assert!(matches!(here.hear::<Asked>(far()), Err(Broken::Ended)));
    }

    #[test]
    fn a_last_word_arrives_although_nobody_has_read_what_came() {
        let (mut here, mut there) = pair();
        there.write_all(&[b'\n'; 10_000]).expect("written");
        here.say(&Told::Refused("no".into())).expect("said");
        there.shutdown(Shutdown::Write).expect("shut");
        here.part(far());
        let mut heard = String::new();
        there.read_to_string(&mut heard).expect("not reset");
        assert_eq!(heard, "{\"refused\":\"no\"}\n");
    }
}
