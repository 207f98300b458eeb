//! People with accounts and keys, files of theirs, and what they do with them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::client::{account, pipe};
use crate::harness::home::Home;
use crate::harness::process::{Process, Told};
use crate::harness::server::{Server, ready};
use crate::harness::wait_until;
use crate::proxy::Proxy;

/// A server, and where clients reach it.
pub struct Scene {
    pub server: Server,
    /// The server's own, unless there is somebody in between.
    pub address: SocketAddr,
}

impl Scene {
    /// Everybody has been there once, so others can write to them.
    pub fn new(names: &[&str]) -> Scene {
        Scene::with(&[], names)
    }

    pub fn with(keys: &[&str], names: &[&str]) -> Scene {
        let server = Server::with(keys);
        let address = server.address;
        let scene = Scene { server, address };
        names.iter().for_each(|name| scene.add(name));
        scene
    }

    /// With somebody between the clients and the server. To a client that is another server, so it is
    /// there from the start.
    pub fn with_proxy(names: &[&str]) -> (Scene, Proxy) {
        let server = Server::start();
        let proxy = Proxy::start(server.address);
        let scene = Scene { server, address: proxy.address };
        names.iter().for_each(|name| scene.add(name));
        (scene, proxy)
    }

    pub fn add(&self, name: &str) {
        self.home().add_user(name);
        let told = pipe(self.sotto(name).arg("devices"), "");
        assert_eq!(told.status, Some(0), "{told:?}");
    }

    pub fn home(&self) -> &Home {
        &self.server.home
    }

    pub fn sotto(&self, name: &str) -> Command {
        account(self.home(), self.address, name)
    }

    /// The server that was killed is there again, where it was.
    pub fn server_comes_back(&mut self) {
        let listen = self.server.address.to_string();
        let mut process = Process::start(self.home().sottod().args(["--listen", &listen]));
        assert_eq!(ready(&mut process), self.server.address);
        self.server.process = process;
    }

    /// A file of these bytes to be sent.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let directory = self.home().path("out");
        fs::create_dir_all(&directory).expect("made");
        let path = directory.join(name);
        fs::write(&path, content).expect("written");
        path
    }

    /// Where somebody receives.
    pub fn inbox(&self, name: &str) -> PathBuf {
        let directory = self.home().path(&format!("in-{name}"));
        fs::create_dir_all(&directory).expect("made");
        directory
    }

    /// `sotto send`, not started.
    pub fn send(&self, from: &str, to: &str, files: &[&Path]) -> Command {
        let mut command = self.sotto(from);
        command.arg("send").arg(to).args(files);
        command
    }

    /// `sotto send`, which must work; what it said.
    #[track_caller]
    pub fn sent(&self, from: &str, to: &str, files: &[&Path]) -> Vec<String> {
        let told = to_its_end(&mut self.send(from, to, files));
        assert_eq!(told.status, Some(0), "{told:?}");
        let lines: Vec<String> = told.out.lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), files.len(), "a line for each file: {told:?}");
        lines
    }

    /// `sotto receive`, not started.
    pub fn receive(&self, name: &str, from: &str) -> Command {
        let mut command = self.sotto(name);
        command.arg("receive").arg("--into").arg(self.inbox(name)).args(["--yes-from", from]);
        command
    }

    /// Receives so many files, and leaves; what was said about each.
    #[track_caller]
    pub fn received(&self, name: &str, from: &str, count: usize) -> Vec<String> {
        self.receiving(name, from, count).1
    }

    /// The same, and it goes on.
    #[track_caller]
    pub fn receiving(&self, name: &str, from: &str, count: usize) -> (Process, Vec<String>) {
        let mut process = Process::start(&mut self.receive(name, from));
        let lines = (0..count).map(|_| process.line_within(PATIENCE).expect("it goes on"));
        let lines = lines.collect();
        (process, lines)
    }

    /// `sotto receive --once`, to its end.
    pub fn receive_once(&self, name: &str, from: &str) -> Told {
        to_its_end(self.receive(name, from).arg("--once"))
    }

    /// What is in somebody's inbox.
    pub fn names(&self, name: &str) -> Vec<String> {
        names(&self.inbox(name))
    }

    /// How many files of somebody the server keeps, or makes room for.
    pub fn kept(&self, name: &str) -> usize {
        let mut json = self.server.json();
        json.login(name);
        let page = json.ok(serde_json::json!({"cmd": "files"}));
        page["files"].as_array().expect("a page").len()
    }

    /// Waits until the server keeps no file: it is told by and by what nobody needs any more, and removes it then.
    #[track_caller]
    pub fn until_nothing_is_kept(&self) {
        wait_until("the server keeps no file", || self.blobs().is_empty());
    }

    /// The files that the server keeps, whole ones and halves.
    pub fn blobs(&self) -> Vec<PathBuf> {
        let directory = self.home().data().join("files");
        names(&directory).iter().map(|name| directory.join(name)).collect()
    }
}

/// Runs a program that may take its time.
pub fn to_its_end(command: &mut Command) -> Told {
    end_of(&mut Process::start(command))
}

/// The same for one that runs already.
pub fn end_of(process: &mut Process) -> Told {
    let mut out = String::new();
    while let Some(line) = process.line_within(PATIENCE) {
        out += &(line + "\n");
    }
    Told { out, ..process.finish() }
}

pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("it is there");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// Bytes that are the same each time, and look like no others.
pub fn content(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

#[track_caller]
pub fn check_same(one: &Path, other: &Path) {
    let read = |path: &Path| fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (first, second) = (read(one), read(other));
    let differs = first.iter().zip(&second).position(|(one, other)| one != other);
    assert!(
        first.len() == second.len() && differs.is_none(),
        "{} has {} bytes, {} has {}; they differ at {differs:?}",
        one.display(),
        first.len(),
        other.display(),
        second.len()
    );
}

/// For a large file on a busy machine, in an unoptimised program.
pub const PATIENCE: Duration = Duration::from_secs(300);
