//! `sotto send` where another process has the vault open: hands its files over, and shows what comes of it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::bars::Bars;
use crate::client::batch::ending;
use crate::client::handover::interrupts::{INTERRUPTED, Interrupts};
use crate::client::handover::words::{Asked, Broken, FILES_MAX, Named, Told, VERSION, Wire};
use crate::client::handover::{Address, Nonces, Side, random};
use crate::client::plain::Ending;
use crate::client::transfer::place;
use crate::client::trust::Server;
use crate::client::vault::{Vault, VaultError};
use crate::proto::name::UserName;

/// What is to be sent, by whom, to whom.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Of the vault that it takes.
    pub directory: &'a Path,
    pub server: &'a Server,
    pub user: &'a UserName,
    pub to: &'a UserName,
    /// As they were typed.
    pub files: &'a [PathBuf],
}

/// Hands files over to the process that has the vault open, and waits until they are sent. `None` if no
/// process has it open: whoever asks can send them.
pub fn hand_over(order: Order<'_>) -> io::Result<Option<Ending>> {
    hand_over_within(order, PATIENCE)
}

/// The same, with so much patience for one that does not listen.
fn hand_over_within(order: Order<'_>, patience: Duration) -> io::Result<Option<Ending>> {
    let mut until = Instant::now() + patience;
    let mut interrupts = None;
    loop {
        // One that only looks, or is about to listen, is waited for.
        let Some(in_use) = Vault::in_use(order.directory) else {
            return Ok(interrupts.and_then(Interrupts::let_end));
        };
        let why = match Address::read(order.directory) {
            Ok(Some(address)) => match meet(&address) {
                Ok(wire) => {
                    let interrupts = match &mut interrupts {
                        Some(interrupts) => interrupts,
                        none => none.insert(Interrupts::heed()?),
                    };
                    let caller = Caller { wire, interrupts, bars: Bars::default(), failures: 0 };
                    match caller.ask(order, patience)? {
                        Ok(ending) => return Ok(Some(ending)),
                        Err(why) => {
                            // It ends, or has given its keys up: then this process can have them.
                            until = Instant::now() + END_PATIENCE;
                            why
                        }
                    }
                }
                Err(why) => why,
            },
            Ok(None) => "it takes no files over".to_owned(),
            Err(error) => error.to_string(),
        };
        if Instant::now() >= until {
            return Ok(Some(Ending::Failed(format!("{in_use} ({why})"))));
        }
        thread::sleep(REST);
    }
}

/// Connects, and makes sure that it is who has written the address. The sentence says why not.
fn meet(address: &Address) -> Result<Wire, String> {
    let until = Instant::now() + MEET_PATIENCE;
    let there = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port));
    let told = |error: io::Error| format!("{there}: {error}");
    let mut wire =
        Wire::new(TcpStream::connect_timeout(&there, MEET_PATIENCE).map_err(told)?).map_err(told)?;
    let nonce = random().map_err(told)?;
    wire.say(&Asked::Hello { version: VERSION, nonce: nonce.clone() }).map_err(told)?;
    match wire.hear(until) {
        Ok(Told::Challenge { nonce: listener, proof }) => {
            let nonces = Nonces { caller: nonce, listener };
            if !address.proves(Side::Listener, &nonces, &proof) {
                return Err(format!("{there}: this is not the one who wrote the address"));
            }
            let proof = address.proof(Side::Caller, &nonces);
            wire.say(&Asked::Proof(proof)).map_err(told)?;
            Ok(wire)
        }
        Ok(Told::Refused(why)) => Err(why),
        Ok(_) => Err(format!("{there}: {}", Broken::Garbage)),
        Err(broken) => Err(format!("{there}: {broken}")),
    }
}

/// The one who asks, with a listener who is of the same user.
struct Caller<'a> {
    wire: Wire,
    interrupts: &'a Interrupts,
    bars: Bars,
    /// Files that cannot be read, which were not handed over.
    failures: usize,
}

impl Caller<'_> {
    /// Hands over, and waits for the end. The inner error is why nothing was taken.
    fn ask(mut self, order: Order<'_>, patience: Duration) -> io::Result<Result<Ending, String>> {
        let Order { directory, server, user, to, files } = order;
        if files.len() > FILES_MAX {
            let text = format!("too-many: at most {FILES_MAX} files are handed over at a time");
            return Ok(Ok(Ending::Failed(text)));
        }
        let mut readable = Vec::new();
        let mut complaints = Vec::new();
        for file in files {
            // Those who cannot be opened here are told of in the words that were typed.
            match named(file) {
                Ok(named) => readable.push(named),
                Err(error) => complaints.push(format!("sotto: {}: {error}", file.display())),
            }
        }
        if self.interrupts.came() {
            return Ok(Ok(Ending::Failed(INTERRUPTED.to_owned())));
        }
        if let Err(error) = self.request(server, user, to, readable) {
            return Ok(Err(error.to_string()));
        }
        self.failures = complaints.len();
        let mut taken = None;
        loop {
            if self.interrupts.came() {
                return Ok(Ok(Ending::Failed(match taken {
                    Some(process) => left_to(process),
                    None => "interrupted; if the sotto that runs takes the files yet, /files there shows \
                             them"
                        .to_owned(),
                })));
            }
            match self.wire.hear(Instant::now() + INTERRUPT_EVERY) {
                Ok(Told::Taken { process }) => {
                    taken = Some(process);
                    complaints.drain(..).for_each(|complaint| self.bars.error(complaint));
                }
                Ok(Told::Progress(bars)) => self.bars.draw(&bars),
                Ok(Told::Line(text)) => self.bars.line(text),
                Ok(Told::Error(text)) => self.bars.error(format_args!("sotto: {text}")),
                Ok(Told::Over { failures }) => {
                    return Ok(Ok(ending(self.failures + failures, files.len())));
                }
                Ok(Told::Refused(why)) => return Ok(Ok(Ending::Failed(why))),
                Ok(Told::Challenge { .. }) => return Ok(Ok(Ending::Failed(Broken::Garbage.to_string()))),
                Err(Broken::Late) => {}
                Err(broken) => {
                    return Ok(match taken {
                        Some(process) => Ok(Ending::Failed(if has_ended(directory, process, patience) {
                            ended(process)
                        } else {
                            silent(process)
                        })),
                        None => Err(broken.to_string()),
                    });
                }
            }
        }
    }

    fn request(
        &mut self,
        server: &Server,
        user: &UserName,
        to: &UserName,
        files: Vec<Named>,
    ) -> io::Result<()> {
        let name = |name: &UserName| name.shown().to_string();
        self.wire.say(&Asked::Send { server: server.to_string(), user: name(user), to: name(to) })?;
        files.into_iter().try_for_each(|file| self.wire.say(&Asked::File(file)))?;
        self.wire.say(&Asked::Go)
    }
}

fn named(file: &Path) -> io::Result<Named> {
    let path = std::path::absolute(file)?;
    let (_, stamp) = place::open_source(&path)?;
    Ok(Named { path, id: stamp.id })
}

/// Whether a process that tells no more has given the vault back. If not, it still has the files, and tells
/// nothing because it was not listened to: a caller that is stopped does not.
fn has_ended(directory: &Path, process: u32, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    loop {
        match Vault::in_use(directory) {
            Some(VaultError::InUse { process: holder, .. }) if holder.is_none_or(|it| it == process) => {}
            _ => return true,
        }
        if Instant::now() >= until {
            return false;
        }
        thread::sleep(REST);
    }
}

fn left_to(process: u32) -> String {
    format!(
        "left to the sotto that runs (process {process}), which goes on; /files there shows how far it is"
    )
}

fn silent(process: u32) -> String {
    format!(
        "the sotto that runs (process {process}) still has the files, and tells no more here; /files there \
         shows how far it is"
    )
}

fn ended(process: u32) -> String {
    format!(
        "the sotto that was sending (process {process}) has ended; send the same files again, and they go on \
         where they were"
    )
}

/// For another process to give the vault back, or to listen.
const PATIENCE: Duration = Duration::from_secs(5);
/// For one that ends to give the vault back.
const END_PATIENCE: Duration = Duration::from_secs(60);
const REST: Duration = Duration::from_millis(50);
const MEET_PATIENCE: Duration = Duration::from_secs(2);
/// How soon Ctrl-C is heeded.
const INTERRUPT_EVERY: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::net::TcpListener;

    use super::*;

    /// A sotto that runs, as far as a caller sees it.
    struct Running {
        directory: tempfile::TempDir,
        lock: File,
        listener: TcpListener,
        address: Address,
    }

    impl Running {
        fn start() -> Running {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let path = directory.path().join("lock");
            fs::write(&path, format!("{PROCESS}\n")).expect("written");
            let lock = File::options().write(true).open(path).expect("there");
            lock.lock().expect("nobody has it");
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            let port = listener.local_addr().expect("an address").port();
            let address = Address::new(port).expect("random");
            address.publish(directory.path()).expect("written");
            Running { directory, lock, listener, address }
        }

        /// `sotto send` beside it, which has no patience.
        fn caller(&self) -> thread::JoinHandle<Option<Ending>> {
            let directory = self.directory.path().to_path_buf();
            let address = self.listener.local_addr().expect("an address");
            thread::spawn(move || {
                let server = Server { host: "localhost".into(), port: 1 };
                let (user, to) = ["alice", "bob"].map(|name| UserName::parse(name).expect("a name")).into();
                let order =
                    Order { directory: &directory, server: &server, user: &user, to: &to, files: &[] };
                let ending = hand_over_within(order, Duration::ZERO).expect("no trouble");
                // Whoever still waits for a caller has waited in vain, and is to see it.
                drop(TcpStream::connect(address));
                ending
            })
        }

        /// A caller's whole request.
        fn asked(&self) -> Wire {
            let far = Instant::now() + Duration::from_secs(60);
            let mut wire = Wire::new(self.listener.accept().expect("a caller").0).expect("a wire");
            let Ok(Asked::Hello { nonce, .. }) = wire.hear(far) else { panic!("no hello") };
            let nonces = Nonces { caller: nonce, listener: "n".into() };
            let proof = self.address.proof(Side::Listener, &nonces);
            wire.say(&Told::Challenge { nonce: "n".into(), proof }).expect("said");
            while wire.hear::<Asked>(far).expect("a request") != Asked::Go {}
            wire
        }

        /// Gives its keys back. Closing the file may not be enough: see the vault's own lock.
        fn ends(&self) {
            self.lock.unlock().expect("it had it");
        }
    }

    #[test]
    fn what_was_not_taken_by_one_that_ends_is_for_the_caller() {
        let running = Running::start();
        let caller = running.caller();
        drop(running.asked());
        // It takes its time to end, and the caller comes again.
        let last = running.asked();
        running.ends();
        drop(last);
        assert_eq!(caller.join().expect("no panic"), None, "it can send them itself");
    }

    #[test]
    fn one_that_tells_no_more_has_ended_or_has_not() {
        for (ends, expected) in
            [(true, "has ended; send the same files again"), (false, "still has the files")]
        {
            let running = Running::start();
            let caller = running.caller();
            let mut wire = running.asked();
            wire.say(&Told::Taken { process: PROCESS }).expect("said");
            if ends {
                running.ends();
            }
            drop(wire);
            let ending = caller.join().expect("no panic");
            let Some(Ending::Failed(text)) = ending else { panic!("{ending:?}") };
            assert!(text.contains(expected) && text.contains("(process 4711)"), "{text}");
            running.lock.unlock().expect("it can be unlocked twice");
        }
    }

    const PROCESS: u32 = 4711;
}
