//! The bare limit of latency: a process of its own that sends each line it reads on to everybody else.
//!
//! One thread and an epoll loop; a line is written to one socket after the other as soon as it was read. No
//! parsing, no rooms, no queues, nothing kept, no other thread. What remains is what the system takes to bring a
//! line to a process and to as many sockets, and what the generator takes to read them.

use std::io::{self, Read as _, Write as _};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Outcome;
use crate::bare;

/// Serves whoever comes, until it is killed.
pub fn run() -> Outcome<()> {
    let mut listener = bare::listen()?;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut sockets: Vec<TcpStream> = Vec::new();
    let mut line = Vec::new();
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() != LISTENER {
                read(&mut sockets[event.token().0], &mut line)?;
                send(&mut sockets, event.token().0, &line)?;
                continue;
            }
            while let Ok((mut socket, _)) = listener.accept() {
                socket.set_nodelay(true)?;
                poll.registry().register(&mut socket, Token(sockets.len()), Interest::READABLE)?;
                sockets.push(socket);
            }
        }
    }
}

/// What waits on a socket: lines that were sent whole, and come whole.
fn read(socket: &mut TcpStream, line: &mut Vec<u8>) -> io::Result<()> {
    line.clear();
    line.extend_from_slice(AROUND);
    let before = line.len();
    line.resize(before + LINES_BYTES_MAX, 0);
    let count = socket.read(&mut line[before..])?;
    line.truncate(before + count);
    if count > 0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn send(sockets: &mut [TcpStream], from: usize, line: &[u8]) -> io::Result<()> {
    for (_, socket) in sockets.iter_mut().enumerate().filter(|(to, _)| *to != from) {
        // The generator reads all the time: a line always fits.
        socket.write_all(line)?;
    }
    Ok(())
}

const LISTENER: Token = Token(usize::MAX);
/// As a server puts it before a room message.
const AROUND: &[u8] = b"[12:00] #talk <s0000> ";
const LINES_BYTES_MAX: usize = 4096;
