//! A running server on a port of its own.

use std::net::SocketAddr;
use std::process::Command;

use super::home::Home;
use super::json::Json;
use super::process::{Process, Told};
use super::scene::Scene;
use super::text::Text;
use super::tls;
use super::wire::Wire;

pub struct Server {
    pub home: Home,
    pub process: Process,
    /// The first address it listens on.
    pub address: SocketAddr,
}

impl Server {
    pub fn start() -> Server {
        Server::with(&[])
    }

    /// With lines of configuration such as `limits.line_bytes = 512`.
    pub fn with(keys: &[&str]) -> Server {
        Server::on(Home::new(keys))
    }

    pub fn on(home: Home) -> Server {
        let command = home.sottod();
        Server::run(home, command)
    }

    /// After shell commands such as `ulimit -n 64`.
    #[cfg(unix)]
    pub fn after(prelude: &str, keys: &[&str]) -> Server {
        let home = Home::new(keys);
        let command = home.sottod_after(prelude);
        Server::run(home, command)
    }

    fn run(home: Home, mut command: Command) -> Server {
        let mut process = Process::start(command.args(["--listen", "127.0.0.1:0"]));
        let address = ready(&mut process);
        Server { home, process, address }
    }

    /// Starts it again on the same data, after it has ended or after ending it the hard way.
    pub fn restart(self) -> Server {
        let Server { home, mut process, .. } = self;
        process.kill();
        Server::on(home)
    }

    /// Ends it as an operator would, which must work.
    #[cfg(unix)]
    pub fn stop(&mut self) -> Told {
        self.process.signal("TERM");
        let told = self.process.finish();
        assert_eq!(told.status, Some(0), "graceful stop: {told:?}");
        told
    }

    /// A plain connection that has said nothing yet.
    pub fn wire(&self) -> Wire {
        Wire::connect(self.address)
    }

    pub fn text(&self) -> Text {
        Text::new(self.wire())
    }

    pub fn json(&self) -> Json {
        Json::new(self.wire())
    }

    /// A program that has logged in as a guest.
    pub fn json_guest(&self, name: &str) -> Json {
        let mut json = self.json();
        json.nick(name);
        json
    }

    /// A program that has registered an account.
    pub fn json_account(&self, name: &str) -> Json {
        let mut json = self.json();
        json.register(name);
        json
    }

    /// A TLS connection to whoever has the certificate that `sottod fingerprint` tells of.
    pub fn tls(&self) -> Wire {
        tls::connect_pinned(self.address, &self.home.fingerprint())
    }

    pub fn scene(&self) -> Scene {
        Scene::new(self.address)
    }

    /// These guests in one room, and nothing left unread.
    pub fn room_of(&self, room: &str, guests: &[&str]) -> Scene {
        let mut scene = self.scene();
        scene.guests(guests);
        scene.join(room, guests);
        scene
    }
}

/// Waits for the line that tells where it listens.
pub fn ready(process: &mut Process) -> SocketAddr {
    let line = process.line().unwrap_or_else(|| panic!("sottod ended: {}", process.errors()));
    let address = line
        .strip_prefix(concat!("sottod ", env!("CARGO_PKG_VERSION"), " listening on "))
        .unwrap_or_else(|| panic!("not the line that tells where it listens: {line:?}"));
    let address: SocketAddr = address.parse().unwrap_or_else(|error| panic!("{line:?}: {error}"));
    assert_ne!(address.port(), 0, "the real port where 0 was asked for");
    address
}
