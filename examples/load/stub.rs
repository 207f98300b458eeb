//! Just enough of a chat server to try the load generator on: one thread for each connection, one lock.
//!
//! It can be told to misbehave, so that the checks of the generator are seen to find it.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What the stub does wrong with room messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    Good,
    /// Every tenth message does not reach one of the members.
    Loses,
    /// Every tenth message reaches one of the members twice.
    Repeats,
}

#[derive(Default)]
pub struct Chat {
    people: HashMap<String, TcpStream>,
    members: Vec<String>,
    said: u64,
}

/// Its address; it ends with the test.
pub fn start(habit: Habit) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let chat = Arc::new(Mutex::new(Chat::default()));
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let chat = Arc::clone(&chat);
            thread::spawn(move || serve(socket, &chat, habit));
        }
    });
    address
}

/// The peer's end of the connection ends this, whatever it was.
pub fn serve(socket: TcpStream, chat: &Mutex<Chat>, habit: Habit) -> Option<()> {
    let mut own = socket.try_clone().ok()?;
    own.set_nodelay(true).ok()?;
    let mut name = String::new();
    for line in BufReader::new(socket).lines() {
        let Ok(line) = line else { break };
        let mut chat = chat.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        match words[..] {
            ["/nick" | "/login" | "/register", who, ..] => {
                name = who.to_string();
                chat.people.insert(name.clone(), own.try_clone().ok()?);
                writeln!(own, "*** you are now {name}").ok()?;
            }
            ["/join", room] => {
                chat.members.push(name.clone());
                write!(own, "*** you are in {room}\r\n*** history of {room}\n*** end of history\n").ok()?;
            }
            ["/msg", to, text] => {
                let mut reader = chat.people.get(to)?;
                writeln!(reader, "[12:00] <{name} -> you> {text}").ok()?;
                writeln!(own, "[12:00] <you -> {to}> {text}").ok()?;
            }
            ["NICK", who] => {
                name = who.into();
                chat.people.insert(name.clone(), own.try_clone().ok()?);
            }
            ["USER", ..] => write!(own, ":stub 001 {name} :hello\r\n").ok()?,
            ["JOIN", room] => {
                chat.members.push(name.clone());
                write!(own, ":{name} JOIN {room}\r\n:stub 366 {name} {room} :End\r\n").ok()?;
            }
            ["PRIVMSG", _, text] => chat.say(&name, text, habit),
            ["/quit"] => break,
            _ => chat.say(&name, &line, habit),
        }
    }
    let mut chat = chat.lock().unwrap_or_else(PoisonError::into_inner);
    chat.members.retain(|member| *member != name);
    chat.people.remove(&name);
    own.shutdown(std::net::Shutdown::Both).ok()
}

impl Chat {
    fn say(&mut self, from: &str, text: &str, habit: Habit) {
        let line = format!("[12:00] #talk <{from}> {text}\n");
        self.said += 1;
        let odd = self.said.is_multiple_of(10);
        for (index, member) in self.members.iter().filter(|member| *member != from).enumerate() {
            let count = match habit {
                Habit::Loses if odd && index == 0 => 0,
                Habit::Repeats if odd && index == 0 => 2,
                _ => 1,
            };
            if let Some(mut socket) = self.people.get(member) {
                // A member that has just gone is no concern of the others.
                let _ = socket.write_all(line.repeat(count).as_bytes());
            }
        }
    }
}

/// The same inside TLS, for guests who only come and go.
pub fn start_tls() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let config = Arc::new(tls_config());
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            thread::spawn(move || serve_tls(socket, config));
        }
    });
    address
}

fn serve_tls(socket: TcpStream, config: Arc<ServerConfig>) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let session = ServerConnection::new(config).ok()?;
    let mut stream = BufReader::new(StreamOwned::new(session, socket));
    let mut line = String::new();
    while stream.read_line(&mut line).ok()? > 0 {
        match line.trim_end().split_once(' ') {
            Some((_, name)) => writeln!(stream.get_mut(), "*** you are now {name}").ok()?,
            None => break,
        }
        line.clear();
    }
    let StreamOwned { conn, sock } = stream.get_mut();
    conn.send_close_notify();
    conn.complete_io(sock).ok().map(|_| ())
}

/// With a certificate that nobody knows.
pub fn tls_config() -> ServerConfig {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).expect("a plain name");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.into()], key.into())
        .expect("certificate and key belong together")
}
