//! Lines over a connection, plain or TLS, with a deadline for every one.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::DEADLINE;

pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

pub struct Wire {
    stream: BufReader<Box<dyn Stream>>,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
}

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Line(String),
    Closed,
    /// Nothing, until the deadline.
    Nothing,
}

impl Wire {
    pub fn connect(address: SocketAddr) -> Wire {
        Wire::new(socket(address))
    }

    pub fn new(stream: impl Stream + 'static) -> Wire {
        Wire { stream: BufReader::new(Box::new(stream)), line: Vec::new() }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the server takes what is sent");
    }

    pub fn send_line(&mut self, line: &str) {
        self.send(format!("{line}\n").as_bytes());
    }

    /// For a connection that the server may have closed.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes)?;
        stream.flush()
    }

    pub fn hear(&mut self) -> Heard {
        match self.stream.read_until(b'\n', &mut self.line) {
            Ok(0) if self.line.is_empty() => Heard::Closed,
            Ok(_) if self.line.ends_with(b"\n") => {
                let mut line = std::mem::take(&mut self.line);
                line.pop();
                Heard::Line(String::from_utf8(line).expect("the server sends UTF-8"))
            }
            // Cut within a line: what is not ended was not said.
            Ok(_) => Heard::Closed,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Heard::Nothing,
                _ => Heard::Closed,
            },
        }
    }

    /// Drops what still comes until the end, which may be in the middle of a line.
    pub fn drain(&mut self) {
        let drained = io::copy(&mut self.stream, &mut io::sink());
        let waited = |error: io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        assert!(!drained.is_err_and(waited), "not closed in time");
    }

    /// Fills the buffer with what comes next; false if the connection ends before that.
    pub fn fill(&mut self, buffer: &mut [u8]) -> bool {
        match self.stream.read_exact(buffer) {
            Ok(()) => true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("{} bytes did not come in time", buffer.len())
            }
            Err(_) => false,
        }
    }

    pub fn line(&mut self) -> String {
        match self.hear() {
            Heard::Line(line) => line,
            other => panic!("expected a line: {other:?}"),
        }
    }

    /// All lines until the server closes the connection, which it must.
    pub fn rest(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.hear() {
                Heard::Line(line) => lines.push(line),
                Heard::Closed => return lines,
                Heard::Nothing => panic!("not closed in time, after {lines:?}"),
            }
        }
    }
}

/// A plain socket that fails a test instead of hanging it.
pub fn socket(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(DEADLINE)).expect("a deadline above zero");
    socket.set_write_timeout(Some(DEADLINE)).expect("a deadline above zero");
    socket.set_nodelay(true).expect("a TCP socket");
    socket
}
