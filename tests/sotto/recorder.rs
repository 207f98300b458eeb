//! Stands between clients and their server, and keeps every byte that passes.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use data_encoding::{BASE64, HEXLOWER};

use crate::harness::DEADLINE;

/// An address that stays the same while the server behind it comes and goes. What is said without TLS is
/// what TLS would carry.
pub struct Recorder {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: Mutex<SocketAddr>,
    /// What is heard goes no further.
    held: AtomicBool,
    /// Both directions of each connection, by themselves: a text is not cut by what comes the other way.
    heard: Mutex<Vec<Vec<u8>>>,
    grew: Condvar,
}

impl Recorder {
    pub fn before(server: SocketAddr) -> Recorder {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            server: Mutex::new(server),
            held: AtomicBool::new(false),
            heard: Mutex::default(),
            grew: Condvar::new(),
        });
        let kept = Arc::clone(&shared);
        // It waits for connections as long as the tests run.
        thread::spawn(move || listener.incoming().flatten().for_each(|client| join(client, &kept)));
        Recorder { address, shared }
    }

    /// The server has come back elsewhere.
    pub fn leads_to(&self, server: SocketAddr) {
        *self.shared.server.lock().expect("nobody panics with it") = server;
    }

    /// From now on nothing passes, or everything again.
    pub fn hold(&self, held: bool) {
        self.shared.held.store(held, Ordering::SeqCst);
    }

    /// In how many places this was said.
    pub fn count(&self, text: &str) -> usize {
        count(&self.shared.heard.lock().expect("nobody panics with it"), text)
    }

    /// Waits until this was said more often.
    pub fn wait_for(&self, text: &str, more_than: usize) {
        let end = Instant::now() + DEADLINE;
        let mut heard = self.shared.heard.lock().expect("nobody panics with it");
        while count(&heard, text) <= more_than {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{text:?} was not said in time");
            heard = self.shared.grew.wait_timeout(heard, left).expect("nobody panics with it").0;
        }
    }
}

fn count(heard: &[Vec<u8>], text: &str) -> usize {
    let places = |stream: &Vec<u8>| stream.windows(text.len()).filter(|at| *at == text.as_bytes()).count();
    heard.iter().map(places).sum()
}

/// Connects somebody to the server, if it is there; if not, it hangs up as the server would.
fn join(client: TcpStream, shared: &Arc<Shared>) {
    let server = *shared.server.lock().expect("nobody panics with it");
    let Ok(server) = TcpStream::connect(server) else { return };
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
        let shared = Arc::clone(shared);
        thread::spawn(move || pass(from, to, &shared));
    }
}

/// Carries one direction until either end is gone.
fn pass(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let place = {
        let mut heard = shared.heard.lock().expect("nobody panics with it");
        heard.push(Vec::new());
        heard.len() - 1
    };
    let mut piece = [0; 16 * 1024];
    while let Ok(size @ 1..) = from.read(&mut piece) {
        shared.heard.lock().expect("nobody panics with it")[place].extend_from_slice(&piece[..size]);
        shared.grew.notify_all();
        if !shared.held.load(Ordering::SeqCst) && to.write_all(&piece[..size]).is_err() {
            break;
        }
    }
    // The other end may have gone first.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// How a text may lie in something: as it is, in hexadecimal, or in base64 wherever it begins.
pub fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![text.to_owned(), HEXLOWER.encode(text.as_bytes())];
    for (before, first) in [(0, 0), (1, 2), (2, 3)] {
        let bytes = [&[0; 2][..before], text.as_bytes()].concat();
        let whole = bytes.len() * 8 / 6;
        forms.push(BASE64.encode(&bytes)[first..whole].to_owned());
    }
    forms
}

#[test]
fn a_text_is_found_in_every_form() {
    for around in ["", "x", "xy", "xyz", "wxyz"] {
        let whole = format!("{around}nightingale{around}");
        for lying in [whole.clone(), HEXLOWER.encode(whole.as_bytes()), BASE64.encode(whole.as_bytes())] {
            assert!(forms("nightingale").iter().any(|form| lying.contains(form)), "{lying}");
        }
    }
}
