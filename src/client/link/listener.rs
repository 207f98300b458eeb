//! Listens for `sotto send` ([`handover`](crate::client::handover)): a thread that accepts, and one for each
//! caller. A request that is whole, and whose caller has proven to be of the same user, goes to the link;
//! what the link says of it goes back.
//!
//! Others on this machine can connect, and that is all: whoever has not proven anything is given a moment,
//! there are few of them at a time, and a new one takes the place of the oldest.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::client::handover::words::{Asked, Broken, End, FILES_MAX, Named, Told, VERSION, Wire};
use crate::client::handover::{Address, Nonces, Side, random};
use crate::client::transfer::worker::Wake;
use crate::proto::name::UserName;

/// What a caller wants.
pub(super) struct Request {
    /// As whom it means to send, and where.
    pub server: String,
    pub user: String,
    pub to: UserName,
    pub files: Vec<Named>,
    /// What becomes of it. Without this, the conversation ends.
    pub told: Sender<Told>,
    /// Whoever asked has gone.
    pub gone: Arc<AtomicBool>,
}

/// See the [module](self). When it goes, what was told last is still sent.
pub(super) struct Listener {
    /// There until it goes.
    requests: Option<Receiver<Request>>,
    shared: Arc<Shared>,
}

struct Shared {
    address: Address,
    /// Of the vault.
    directory: PathBuf,
    stopping: AtomicBool,
    /// Callers who have proven nothing yet, the oldest first.
    strangers: Mutex<VecDeque<(u64, TcpStream)>>,
    /// Callers who have, and are served.
    served: Mutex<usize>,
    left: Condvar,
    requests: Sender<Request>,
    wake: Wake,
}

impl Listener {
    /// Listens from now on, for those who can read the directory of this vault.
    pub fn start(directory: &Path, wake: Wake) -> io::Result<Listener> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = Address::new(listener.local_addr()?.port())?;
        let (sender, requests) = unbounded();
        let shared = Arc::new(Shared {
            address,
            directory: directory.to_path_buf(),
            stopping: AtomicBool::new(false),
            strangers: Mutex::default(),
            served: Mutex::default(),
            left: Condvar::new(),
            requests: sender,
            wake,
        });
        shared.address.publish(directory)?;
        // From here on it is taken away again, whatever happens.
        let listening = Listener { requests: Some(requests), shared: Arc::clone(&shared) };
        thread::Builder::new().name("handover".to_owned()).spawn(move || accept(&listener, &shared))?;
        Ok(listening)
    }

    /// A request that nobody has taken yet.
    pub fn next(&self) -> Option<Request> {
        self.requests.as_ref()?.try_recv().ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A file that stays is replaced by the next one who listens, and worth nothing until then.
        let _ = self.shared.address.withdraw(&self.shared.directory);
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.requests = None;
        // Whoever accepts looks up. If nobody does, the end of the process ends it.
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.shared.address.port));
        let _ = TcpStream::connect_timeout(&address, LOOK_PATIENCE);
        let served = lock(&self.shared.served);
        // What cannot be sent in this time is not waited for.
        let _ = self.shared.left.wait_timeout_while(served, LAST_PATIENCE, |served| *served > 0);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut number = 0;
    for tcp in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(tcp) = tcp else {
            // No descriptors are left, say; others may be given back.
            thread::sleep(ACCEPT_REST);
            continue;
        };
        number += 1;
        let Ok(kept) = tcp.try_clone() else { continue };
        let mut strangers = lock(&shared.strangers);
        if strangers.len() >= STRANGERS_MAX
            && let Some((_, oldest)) = strangers.pop_front()
        {
            // It may have ended itself.
            let _ = oldest.shutdown(Shutdown::Both);
        }
        strangers.push_back((number, kept));
        drop(strangers);
        let serving = Arc::clone(shared);
        let until = Instant::now() + STRANGER_PATIENCE;
        let serve = move || serve(tcp, number, &serving, until);
        if thread::Builder::new().name(format!("handover {number}")).spawn(serve).is_err() {
            forget(shared, number);
        }
    }
}

fn forget(shared: &Shared, number: u64) {
    lock(&shared.strangers).retain(|(other, _)| *other != number);
}

/// One caller, from the first line to the last. Its whole request must be there by `until`.
fn serve(tcp: TcpStream, number: u64, shared: &Arc<Shared>, until: Instant) {
    let outcome = Wire::new(tcp).map_err(Broken::Io).map(|mut wire| {
        let met = meet(&mut wire, shared, until);
        if met.is_ok() {
            forget(shared, number);
        }
        let refused = met.and_then(|()| Served::begin(shared)).and_then(|served| {
            let (told, from) = bounded(TOLD_MAX);
            let request = read(&mut wire, until, told)?;
            let gone = Arc::clone(&request.gone);
            let end = wire.end().map_err(|error| error.to_string())?;
            shared.requests.send(request).map_err(|_| "this sotto ends".to_owned())?;
            (shared.wake)();
            carry(&mut wire, end, &from, || {
                gone.store(true, Ordering::SeqCst);
                (shared.wake)();
            });
            drop(served);
            Ok(())
        });
        if let Err(why) = refused {
            // Whoever is gone need not know. A stranger counts as one until it has gone.
            let _ = wire.say(&Told::Refused(why));
            wire.part(until);
        }
    });
    // Without a wire there is nobody to tell.
    drop(outcome);
    forget(shared, number);
}

/// Both prove that they have read the secret.
fn meet(wire: &mut Wire, shared: &Shared, until: Instant) -> Result<(), String> {
    let Asked::Hello { version, nonce } = hear(wire, until)? else { return Err(Broken::Garbage.to_string()) };
    if version != VERSION {
        return Err(format!("this sotto knows version {VERSION}, not {version}; end it and start it again"));
    }
    let listener = random().map_err(|error| error.to_string())?;
    let nonces = Nonces { caller: nonce, listener };
    let proof = shared.address.proof(Side::Listener, &nonces);
    let challenge = Told::Challenge { nonce: nonces.listener.clone(), proof };
    wire.say(&challenge).map_err(|error| error.to_string())?;
    match hear(wire, until)? {
        Asked::Proof(proof) if shared.address.proves(Side::Caller, &nonces, &proof) => Ok(()),
        Asked::Proof(_) => Err("this proves nothing: the secret is another one".to_owned()),
        _ => Err(Broken::Garbage.to_string()),
    }
}

/// What a caller wants who has proven to be of the same user.
fn read(wire: &mut Wire, until: Instant, told: Sender<Told>) -> Result<Request, String> {
    let Asked::Send { server, user, to } = hear(wire, until)? else {
        return Err(Broken::Garbage.to_string());
    };
    let to = UserName::parse(&to).map_err(|refusal| refusal.to_string())?;
    let mut files = Vec::new();
    loop {
        match hear(wire, until)? {
            Asked::File(_) if files.len() >= FILES_MAX => {
                return Err(format!("too-many: at most {FILES_MAX} files are handed over at a time"));
            }
            Asked::File(named) if named.path.is_absolute() => files.push(named),
            Asked::Go => return Ok(Request { server, user, to, files, told, gone: Arc::default() }),
            _ => return Err(Broken::Garbage.to_string()),
        }
    }
}

fn hear(wire: &mut Wire, until: Instant) -> Result<Asked, String> {
    wire.hear(until).map_err(|broken| broken.to_string())
}

/// Brings a caller what the link says of its files, until there is nothing more or nobody there, which is
/// told at once.
fn carry(wire: &mut Wire, end: End, from: &Receiver<Told>, gone: impl Fn() + Send) {
    thread::scope(|scope| {
        let watch = move || {
            end.wait();
            gone();
        };
        // Without this thread, it shows when something is to be said.
        let _ = thread::Builder::new().name("handover end".to_owned()).spawn_scoped(scope, watch);
        while let Ok(told) = from.recv() {
            if wire.say(&told).is_err() {
                break;
            }
        }
        wire.shut();
    });
}

/// A caller that is being served.
struct Served<'a>(&'a Shared);

impl Served<'_> {
    fn begin(shared: &Shared) -> Result<Served<'_>, String> {
        let mut served = lock(&shared.served);
        if *served >= SERVED_MAX {
            return Err(format!("busy: {SERVED_MAX} sotto send are served already"));
        }
        *served += 1;
        Ok(Served(shared))
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        *lock(&self.0.served) -= 1;
        self.0.left.notify_all();
    }
}

/// Nothing that a panicking thread could have left half done is behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connections that have proven nothing.
const STRANGERS_MAX: usize = 8;
/// From a connection to its whole request.
const STRANGER_PATIENCE: Duration = Duration::from_secs(5);
/// Callers at a time: a script that sends one by one has one, and a person a few.
const SERVED_MAX: usize = 32;
/// Words that wait for a caller; more than [`FILES_MAX`] files bring at once.
const TOLD_MAX: usize = 4_096;
const _: () = assert!(TOLD_MAX > 2 * FILES_MAX);
const LOOK_PATIENCE: Duration = Duration::from_millis(100);
/// For last words when the program ends.
const LAST_PATIENCE: Duration = Duration::from_secs(3);
const ACCEPT_REST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn a_caller_that_goes_is_noticed_at_once_although_nothing_is_said() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (woken, wakes) = unbounded();
        let wake = Arc::new(move || woken.send(()).expect("the test waits"));
        let listener = Listener::start(directory.path(), wake).expect("it listens");
        let address = Address::read(directory.path()).expect("read").expect("published");
        let far = Instant::now() + Duration::from_secs(60);
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, address.port)).expect("connected");
        let mut wire = Wire::new(tcp).expect("a wire");
        wire.say(&Asked::Hello { version: VERSION, nonce: "n".into() }).expect("said");
        let Ok(Told::Challenge { nonce, .. }) = wire.hear(far) else { panic!("no challenge") };
        let nonces = Nonces { caller: "n".into(), listener: nonce };
        wire.say(&Asked::Proof(address.proof(Side::Caller, &nonces))).expect("said");
        let (server, user, to) = ("localhost:1".into(), "alice".into(), "bob".into());
        wire.say(&Asked::Send { server, user, to }).expect("said");
        wire.say(&Asked::Go).expect("said");
        let wait = || wakes.recv_timeout(Duration::from_secs(60)).expect("it wakes the link");
        wait();
        let request = listener.next().expect("a request");
        assert!(!request.gone.load(Ordering::SeqCst));
        drop(wire);
        wait();
        assert!(request.gone.load(Ordering::SeqCst));
        drop(request);
        let served = lock(&listener.shared.served);
        let far = Duration::from_secs(60);
        let (served, _) =
            listener.shared.left.wait_timeout_while(served, far, |served| *served > 0).expect("no panic");
        assert_eq!(*served, 0, "another one can be served");
    }

    #[test]
    fn a_stranger_that_was_refused_counts_until_it_has_gone() {
        let (requests, _) = unbounded();
        let shared = Arc::new(Shared {
            address: Address::new(1).expect("random"),
            directory: PathBuf::new(),
            stopping: AtomicBool::new(false),
            strangers: Mutex::default(),
            served: Mutex::default(),
            left: Condvar::new(),
            requests,
            wake: Arc::new(|| {}),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let mut there = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
        let (tcp, _) = listener.accept().expect("accepted");
        lock(&shared.strangers).push_back((7, tcp.try_clone().expect("a copy")));
        let serving = Arc::clone(&shared);
        let until = Instant::now() + Duration::from_secs(600);
        let served = thread::spawn(move || serve(tcp, 7, &serving, until));
        there.write_all(b"GET / HTTP/1.1\r\n").expect("written");
        let mut heard = String::new();
        there.read_to_string(&mut heard).expect("refused");
        assert!(heard.contains("this is no line of sotto send"), "{heard}");
        // It stays, as do its thread and its descriptors; so it can be sent away for the next one.
        let (number, stranger) = lock(&shared.strangers).pop_front().expect("it counts");
        assert_eq!(number, 7);
        stranger.shutdown(Shutdown::Both).expect("shut");
        served.join().expect("it has ended");
    }
}
