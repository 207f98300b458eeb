//! Somebody between client and server: counts what passes, keeps it, and holds everything up when so
//! much has passed, so that a program can be killed at that very byte.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::scene::PATIENCE;

/// A running proxy; see the [module](self).
pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    to: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    passed: u64,
    /// Nothing passes beyond this.
    hold_at: Option<u64>,
    held: bool,
    keeping: bool,
    kept: Vec<u8>,
}

impl Proxy {
    pub fn start(to: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { to, state: Mutex::default(), changed: Condvar::new() });
        let kept = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A server that is dead refuses, and so does this.
                let Ok(server) = TcpStream::connect(kept.to) else { continue };
                let pair = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
                if let Some((client, server)) = pair() {
                    let shared = Arc::clone(&kept);
                    thread::spawn(move || shared.carry(client, server));
                }
                if let Some((client, server)) = pair() {
                    let shared = Arc::clone(&kept);
                    thread::spawn(move || shared.carry(server, client));
                }
            }
        });
        Proxy { address, shared }
    }

    /// From now on everything that passes is kept.
    pub fn listen_in(&self) {
        self.shared.state.lock().unwrap().keeping = true;
    }

    pub fn heard(&self) -> Vec<u8> {
        self.shared.state.lock().unwrap().kept.clone()
    }

    /// Holds everything up once so many more bytes have passed.
    pub fn hold_after(&self, bytes: u64) {
        let mut state = self.shared.state.lock().unwrap();
        state.hold_at = Some(state.passed + bytes);
        state.held = false;
    }

    /// Waits until that is so.
    #[track_caller]
    pub fn until_held(&self) {
        let state = self.shared.state.lock().unwrap();
        let waited = self.shared.changed.wait_timeout_while(state, PATIENCE, |state| !state.held).unwrap();
        assert!(waited.0.held, "only {} bytes have passed", waited.0.passed);
    }

    /// Lets everything pass again.
    pub fn release(&self) {
        let mut state = self.shared.state.lock().unwrap();
        (state.hold_at, state.held) = (None, false);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(size @ 1..) = from.read(&mut buffer) {
            let mut rest = &buffer[..size];
            while !rest.is_empty() {
                let (now, later) = rest.split_at(self.allowed(rest.len()));
                {
                    let mut state = self.state.lock().unwrap();
                    if state.keeping {
                        state.kept.extend_from_slice(now);
                    }
                }
                if to.write_all(now).is_err() {
                    rest = &[];
                    // Whoever sends more learns that nobody takes it.
                    let _ = from.shutdown(Shutdown::Both);
                } else {
                    rest = later;
                }
            }
        }
        // The other direction may have ended it already.
        let _ = to.shutdown(Shutdown::Write);
    }

    /// How many of these bytes may pass, at least one of them; waits where none may.
    fn allowed(&self, bytes: usize) -> usize {
        let mut state = self.state.lock().unwrap();
        loop {
            let room = state.hold_at.map_or(u64::MAX, |at| at.saturating_sub(state.passed));
            if room > 0 {
                let allowed = room.min(bytes as u64);
                state.passed += allowed;
                return allowed as usize;
            }
            state.held = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap();
        }
    }
}
