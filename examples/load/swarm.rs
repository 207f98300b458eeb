//! Thousands of text-mode connections on one thread: an epoll loop that splits what arrives into lines.
//!
//! A [`Listener`] hears every line and may answer on the same connection. Everything else (opening,
//! sending, closing) is done between two turns.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use rustls::ClientConfig;
use slab::Slab;

use crate::link::{Link, tls_config};
use crate::tongue::Tongue;

pub struct Swarm {
    /// How people talk to the server.
    pub tongue: Tongue,
    poll: Poll,
    events: Events,
    clients: Slab<Client>,
    /// Shared by all connections: what is read is used up before the next one reads.
    scratch: Box<[u8]>,
    tls: Arc<ClientConfig>,
    to: SocketAddr,
    serial: usize,
    receive_bytes: Option<usize>,
}

/// Hears what the connections of a swarm receive.
pub trait Listener {
    /// Bytes have arrived on this connection; the lines follow.
    fn batch(&mut self, _key: usize) {}
    /// One line, without its end.
    fn line(&mut self, key: usize, line: &[u8], answer: &mut Answer);
    /// The connection has ended, at the other end or by [`Answer::close`].
    fn closed(&mut self, _key: usize, _why: &str) {}
}

/// What a listener wants to send on the connection it heard, or whether to end it.
#[derive(Default)]
pub struct Answer {
    pub bytes: Vec<u8>,
    pub close: bool,
}

struct Client {
    link: Link,
    connected: bool,
    /// Reads nothing, whatever arrives.
    deaf: bool,
    waiting: Answer,
    sent: usize,
    partial: Vec<u8>,
}

impl Swarm {
    pub fn new(to: SocketAddr) -> io::Result<Swarm> {
        Ok(Swarm {
            tongue: Tongue::default(),
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            clients: Slab::new(),
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
            tls: tls_config(),
            to,
            serial: 0,
            receive_bytes: None,
        })
    }

    /// The same, of people who talk so.
    pub fn speaking(to: SocketAddr, tongue: Tongue) -> io::Result<Swarm> {
        Ok(Swarm { tongue, ..Swarm::new(to)? })
    }

    /// Connections opened from now on have receive buffers of the smallest size, so that the server
    /// feels soon when they stop reading; or of the system's choice again.
    pub fn small_buffers(&mut self, small: bool) {
        self.receive_bytes = small.then_some(SMALL_RECEIVE_BYTES);
    }

    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Begins a connection; what is sent meanwhile waits for it.
    pub fn open(&mut self, tls: bool) -> io::Result<usize> {
        self.serial += 1;
        let link = Link::connect(self.to, self.serial, tls.then_some(&self.tls), self.receive_bytes)?;
        let entry = self.clients.vacant_entry();
        let key = entry.key();
        let client = entry.insert(Client {
            link,
            connected: false,
            deaf: false,
            waiting: Answer::default(),
            sent: 0,
            partial: Vec::new(),
        });
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut client.link.socket, Token(key), both)?;
        Ok(key)
    }

    /// Sends now what goes now; the rest follows by itself. A connection that has ended takes nothing.
    pub fn send(&mut self, key: usize, bytes: &[u8]) {
        let Some(client) = self.clients.get_mut(key) else { return };
        client.waiting.bytes.extend_from_slice(bytes);
        if client.connected {
            // An error shows again, as the end of the connection, when it is read.
            let _ = client.write();
        }
    }

    /// Bytes that this connection was given and has not sent.
    pub fn unsent(&self, key: usize) -> usize {
        self.clients.get(key).map_or(0, |client| client.waiting.bytes.len() - client.sent)
    }

    pub fn close(&mut self, key: usize) {
        self.clients.try_remove(key);
    }

    pub fn close_all(&mut self) {
        self.clients.clear();
    }

    /// From now on this connection reads nothing.
    pub fn deafen(&mut self, key: usize) {
        if let Some(client) = self.clients.get_mut(key) {
            client.deaf = true;
        }
    }

    /// Waits for events, at most this long, and handles them all.
    pub fn turn(&mut self, timeout: Duration, listener: &mut impl Listener) -> io::Result<usize> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        match self.poll.poll(&mut events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => other?,
        }
        let mut count = 0;
        for event in &events {
            count += 1;
            let news = News {
                readable: event.is_readable(),
                writable: event.is_writable(),
                ended: event.is_read_closed(),
            };
            self.serve(event.token().0, news, listener);
        }
        self.events = events;
        Ok(count)
    }

    fn serve(&mut self, key: usize, news: News, listener: &mut impl Listener) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let outcome = client.serve(news, &mut self.scratch, key, listener);
        let why = match outcome {
            Ok(()) if client.waiting.close => String::from("closed here"),
            Ok(()) => return,
            Err(error) => error.to_string(),
        };
        self.clients.remove(key);
        listener.closed(key, &why);
    }
}

/// What epoll said about a connection.
#[derive(Clone, Copy)]
struct News {
    readable: bool,
    writable: bool,
    /// The other side will send no more.
    ended: bool,
}

impl Client {
    fn serve(
        &mut self,
        news: News,
        scratch: &mut [u8],
        key: usize,
        listener: &mut impl Listener,
    ) -> io::Result<()> {
        if news.writable && !self.connected {
            if let Some(error) = self.link.socket.take_error()? {
                return Err(error);
            }
            self.connected = true;
            if self.link.is_tls() {
                self.link.flush()?;
            }
        }
        if news.readable && !self.deaf {
            self.read(scratch, news.ended, key, listener)?;
        }
        if self.connected && (news.writable || self.sent < self.waiting.bytes.len()) {
            self.write()?;
        }
        Ok(())
    }

    fn read(
        &mut self,
        scratch: &mut [u8],
        ended: bool,
        key: usize,
        listener: &mut impl Listener,
    ) -> io::Result<()> {
        loop {
            let count = match self.link.read(scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            listener.batch(key);
            self.split(&scratch[..count], key, listener);
            // A short read has emptied the socket: epoll reports the next arrival anew. An end that
            // came together with the bytes is not reported again.
            let emptied = count < scratch.len() && !ended && !self.link.is_tls();
            if self.waiting.close || emptied {
                return Ok(());
            }
        }
    }

    fn split(&mut self, mut bytes: &[u8], key: usize, listener: &mut impl Listener) {
        if !self.partial.is_empty() {
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                return self.partial.extend_from_slice(bytes);
            };
            self.partial.extend_from_slice(&bytes[..end]);
            listener.line(key, without_return(&self.partial), &mut self.waiting);
            self.partial.clear();
            bytes = &bytes[end + 1..];
        }
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            listener.line(key, without_return(&bytes[..end]), &mut self.waiting);
            bytes = &bytes[end + 1..];
        }
        if bytes.is_empty() {
            // An idle connection keeps no buffer here either: there are thousands of them.
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while self.sent < self.waiting.bytes.len() {
            match self.link.write(&self.waiting.bytes[self.sent..]) {
                Ok(0) => return Ok(()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if self.waiting.bytes.capacity() > KEPT_BYTES_MAX {
            self.waiting.bytes = Vec::new();
        } else {
            self.waiting.bytes.clear();
        }
        self.sent = 0;
        self.link.flush()
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

const EVENTS_MAX: usize = 1024;
/// Enough for the largest burst one connection gets between two turns; stays in the second-level cache.
const READ_BYTES: usize = 64 * 1024;
/// A send buffer above this is given back when it is empty.
const KEPT_BYTES_MAX: usize = 16 * 1024;
/// Linux doubles it.
const SMALL_RECEIVE_BYTES: usize = 2048;
