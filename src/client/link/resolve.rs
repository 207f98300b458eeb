//! Looking up a host's addresses, which blocks and so happens in a thread of its own.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use mio::Waker;

/// An answer, with the number of the attempt that asked.
type Found = (u64, io::Result<Vec<SocketAddr>>);

/// Looks up addresses for one attempt after the other.
pub struct Resolver {
    waker: Arc<Waker>,
    sender: SyncSender<Found>,
    receiver: Receiver<Found>,
    found: Option<Found>,
}

impl Resolver {
    pub fn new(waker: Arc<Waker>) -> Resolver {
        let (sender, receiver) = sync_channel(ANSWERS_MAX);
        Resolver { waker, sender, receiver, found: None }
    }

    /// Begins to look up; the waker tells when there is an answer. An address needs no looking up.
    pub fn ask(&mut self, attempt: u64, host: &str, port: u16) {
        if let Ok(address) = host.parse::<IpAddr>() {
            self.found = Some((attempt, Ok(vec![SocketAddr::new(address, port)])));
            return;
        }
        self.found = None;
        let (host, sender, waker) = (host.to_owned(), self.sender.clone(), Arc::clone(&self.waker));
        let looked_up = thread::Builder::new().name("look-up".to_owned()).spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
            // Nobody waits any more if there is no room, or nobody there.
            let _ = sender.try_send((attempt, found));
            let _ = waker.wake();
        });
        if let Err(error) = looked_up {
            self.found = Some((attempt, Err(error)));
        }
    }

    /// The latest answer.
    pub fn take(&mut self) -> Option<Found> {
        while let Ok(found) = self.receiver.try_recv() {
            self.found = Some(found);
        }
        self.found.take()
    }
}

/// Answers that wait; more than one only if earlier attempts were given up.
const ANSWERS_MAX: usize = 16;
