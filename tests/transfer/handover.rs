//! `sotto send` beside a sotto that runs: that one sends, and whoever asked sees it as if alone.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use crate::client::{Talker, sotto};
use crate::harness::process::Process;
use crate::scene::{PATIENCE, Scene, check_same, content, end_of, to_its_end};

/// Somebody's running `sotto --plain`, logged in.
pub fn talker(scene: &Scene, name: &str) -> Talker {
    let mut talker = Talker::start(&mut scene.sotto(name));
    talker.shows(&format!("*** {{logged in}} {{{name}}}"));
    talker
}

/// `sotto send` of somebody who has no password at hand.
fn send(scene: &Scene, from: &str, to: &str, files: &[&Path]) -> std::process::Command {
    let mut command = sotto(scene.home(), scene.address, from);
    command.arg("send").arg(to).args(files);
    command
}

/// Where somebody's vault lies.
pub fn vault(scene: &Scene, name: &str) -> PathBuf {
    let home = scene.home().path(&format!("sotto-{name}"));
    home.join(format!("keys/127.0.0.1_{}/{name}", scene.address.port()))
}

/// Where the sotto that runs listens for files.
fn listener(scene: &Scene, name: &str) -> TcpStream {
    let text = fs::read_to_string(vault(scene, name).join("handover")).expect("it listens");
    let port = text.split(' ').next().and_then(|port| port.parse().ok()).expect("a port");
    TcpStream::connect(("127.0.0.1", port)).expect("somebody listens")
}

#[test]
fn files_are_sent_by_the_sotto_that_runs_and_shown_as_ever() {
    let scene = Scene::new(&["alice", "bob"]);
    let mut alice = talker(&scene, "alice");
    let files = ["a.bin", "b.bin"].map(|name| scene.file(name, &content(1, 700_000)));
    let told = to_its_end(&mut send(&scene, "alice", "bob", &[&files[0], &files[1]]));
    assert_eq!((told.status, told.err.as_str()), (Some(0), ""), "{told:?}");
    let mut sent: Vec<&str> = told.out.lines().collect();
    sent.sort();
    assert!(sent[0].starts_with("sent a.bin to bob: 684 KiB in "), "{told:?}");
    assert!(sent[1].starts_with("sent b.bin to bob: 684 KiB in "), "{told:?}");
    assert_eq!(sent.len(), 2, "{told:?}");
    // The one who runs has done it, and says so.
    alice.until("*** sending a.bin to bob for sotto send; /cancel 1 ends it");
    let shown = [alice.until("*** sent …").0, alice.until("*** sent …").0];
    assert!(sent.iter().all(|line| shown.contains(&format!("*** {line}"))), "{shown:?} and {told:?}");
    let received = scene.received("bob", "alice", 2);
    for line in &received {
        let digest = line.rsplit_once(" sha256 ").expect("a digest").1;
        assert!(sent.iter().any(|sent| sent.ends_with(digest)), "{line} and {told:?}");
    }
    files.iter().for_each(|file| {
        check_same(file, &scene.inbox("bob").join(file.file_name().expect("a name")));
    });
    assert_eq!(alice.ends().status, Some(0));
    assert!(!vault(&scene, "alice").join("handover").exists(), "nothing is left when it ends");
}

#[test]
fn whoever_waits_for_files_sends_them_too() {
    let scene = Scene::new(&["alice", "bob"]);
    let mut receiver = Process::start(&mut scene.receive("alice", "bob"));
    // It has the vault once it has fetched something.
    scene.sent("bob", "alice", &[&scene.file("from-bob.txt", b"bob's")]);
    receiver.line_within(PATIENCE).expect("received");
    let file = scene.file("a.bin", &content(1, 300_000));
    let told = to_its_end(&mut send(&scene, "alice", "bob", &[&file]));
    assert_eq!(told.status, Some(0), "{told:?}");
    assert!(told.out.starts_with("sent a.bin to bob: "), "{told:?}");
    scene.received("bob", "alice", 1);
    check_same(&file, &scene.inbox("bob").join("a.bin"));
}

#[test]
fn many_who_send_at_once_get_along() {
    let scene = Scene::new(&["alice", "bob"]);
    let files: Vec<PathBuf> =
        (0..8).map(|number| scene.file(&format!("{number}.bin"), &content(number, 100_000))).collect();
    // Nobody runs, so one of them will, or several in turn.
    let start = |file: &PathBuf| Process::start(&mut send(&scene, "alice", "bob", &[file]));
    let mut senders: Vec<Process> = files.iter().map(start).collect();
    for (number, sender) in senders.iter_mut().enumerate() {
        let told = end_of(sender);
        assert_eq!((told.status, told.err.as_str()), (Some(0), ""), "{number}: {told:?}");
        assert!(told.out.starts_with(&format!("sent {number}.bin to bob: ")), "{told:?}");
        assert_eq!(told.out.lines().count(), 1, "{told:?}");
    }
    scene.received("bob", "alice", files.len());
    for file in &files {
        check_same(file, &scene.inbox("bob").join(file.file_name().expect("a name")));
    }
}

#[test]
fn whoever_is_about_to_end_sends_what_it_took() {
    let (scene, proxy) = Scene::with_proxy(&["alice", "bob"]);
    let alice = talker(&scene, "alice");
    let file = scene.file("a.bin", &content(1, 3_000_000));
    proxy.hold_after(500_000);
    let mut sender = Process::start(&mut send(&scene, "alice", "bob", &[&file]));
    proxy.until_held();
    let ending = std::thread::spawn(move || alice.ends());
    proxy.release();
    let told = end_of(&mut sender);
    assert_eq!((told.status, told.err.as_str()), (Some(0), ""), "{told:?}");
    assert_eq!(ending.join().expect("no trouble").status, Some(0));
}

#[test]
fn each_file_has_its_answer() {
    let scene = Scene::new(&["alice", "bob"]);
    scene.home().add_user("carol");
    let alice = talker(&scene, "alice");
    let file = scene.file("there.txt", b"there");
    let mut command = send(&scene, "alice", "bob", &[]);
    // What is relative is so to where it was typed.
    command.current_dir(file.parent().expect("a directory"));
    let told = to_its_end(command.args(["missing.txt", "there.txt", "."]));
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(told.out.starts_with("sent there.txt to bob: 5 bytes"), "{told:?}");
    assert!(told.err.contains("sotto: missing.txt: "), "{told:?}");
    assert!(told.err.contains("sotto: .: this is not a file"), "{told:?}");
    assert!(told.err.ends_with("sotto: 2 of 3 files were not sent\n"), "{told:?}");
    for (to, code) in [("carol", "not-encrypted: "), ("nobody", "no-such-user: ")] {
        let told = to_its_end(&mut send(&scene, "alice", to, &[&file]));
        assert_eq!(told.status, Some(1), "{told:?}");
        assert!(told.err.contains(&format!("sotto: there.txt to {to}: {code}")), "{told:?}");
        assert!(told.err.ends_with("sotto: the file was not sent\n"), "{told:?}");
    }
    drop(alice);
}

#[test]
fn what_is_cancelled_there_fails_here() {
    let (scene, proxy) = Scene::with_proxy(&["alice", "bob"]);
    let mut alice = talker(&scene, "alice");
    let file = scene.file("a.bin", &content(1, 3_000_000));
    proxy.hold_after(500_000);
    let mut sender = Process::start(&mut send(&scene, "alice", "bob", &[&file]));
    proxy.until_held();
    alice.types("/cancel 1\n");
    alice.until("*** a.bin to bob: cancelled");
    let told = end_of(&mut sender);
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(told.err.contains("sotto: a.bin to bob: cancelled\n"), "{told:?}");
    proxy.release();
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_it_to_the_one_who_runs() {
    let (scene, proxy) = Scene::with_proxy(&["alice", "bob"]);
    let mut alice = talker(&scene, "alice");
    let file = scene.file("a.bin", &content(1, 3_000_000));
    proxy.hold_after(500_000);
    let mut sender = Process::start(&mut send(&scene, "alice", "bob", &[&file]));
    proxy.until_held();
    sender.signal("INT");
    let told = end_of(&mut sender);
    assert_eq!(told.status, Some(1), "{told:?}");
    let process = alice.process.id();
    assert!(
        told.err.contains(&format!("sotto: left to the sotto that runs (process {process}), which goes on")),
        "{told:?}"
    );
    proxy.release();
    alice.until("*** sent a.bin to bob: 2.86 MiB in …");
    scene.received("bob", "alice", 1);
    check_same(&file, &scene.inbox("bob").join("a.bin"));
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_that_was_ignored_before_it_began_is_ignored() {
    let (scene, proxy) = Scene::with_proxy(&["alice", "bob"]);
    let alice = talker(&scene, "alice");
    let file = scene.file("a.bin", &content(1, 3_000_000));
    proxy.hold_after(500_000);
    let send = send(&scene, "alice", "bob", &[&file]);
    // As a script starts what runs in the background.
    let mut script = std::process::Command::new("sh");
    script.args(["-c", "trap '' INT; exec \"$@\"", "sh"]).arg(send.get_program()).args(send.get_args());
    let mut sender = Process::start(&mut script);
    proxy.until_held();
    sender.signal("INT");
    proxy.release();
    let told = end_of(&mut sender);
    assert_eq!((told.status, told.err.as_str()), (Some(0), ""), "{told:?}");
    drop(alice);
}

/// Somebody's running sotto without its server, and `sotto send` that waits for it.
fn waiting(scene: &mut Scene) -> (Talker, Process) {
    let alice = talker(scene, "alice");
    scene.server.process.kill();
    alice.process.wait_for_error(0, |error| error.ends_with("; trying again"));
    let file = scene.file("a.bin", &content(1, 300_000));
    let sender = Process::start(&mut send(scene, "alice", "bob", &[&file]));
    let process = alice.process.id();
    let line = format!("sotto: waiting for the sotto that runs (process {process}), which is not connected");
    sender.wait_for_error(0, |error| error == line);
    (alice, sender)
}

#[test]
fn what_it_waits_for_is_told() {
    let mut scene = Scene::new(&["alice", "bob"]);
    let (alice, mut sender) = waiting(&mut scene);
    scene.server_comes_back();
    let told = end_of(&mut sender);
    assert_eq!(told.status, Some(0), "{told:?}");
    assert!(told.out.starts_with("sent a.bin to bob: 293 KiB in "), "{told:?}");
    assert_eq!(told.err.lines().count(), 1, "{told:?}");
    drop(alice);
}

#[cfg(unix)]
#[test]
fn when_the_one_who_runs_ends_before_it_can_send_the_other_does() {
    let mut scene = Scene::new(&["alice", "bob"]);
    let (mut alice, mut sender) = waiting(&mut scene);
    alice.process.signal("STOP");
    scene.server_comes_back();
    alice.process.kill();
    // It logs in by itself, with what is kept of an earlier session.
    let told = end_of(&mut sender);
    assert_eq!(told.status, Some(0), "{told:?}");
    assert!(told.out.starts_with("sent a.bin to bob: 293 KiB in "), "{told:?}");
    scene.received("bob", "alice", 1);
}

#[test]
fn what_nobody_waits_for_any_more_is_not_sent() {
    let mut scene = Scene::new(&["alice", "bob"]);
    let (mut alice, mut sender) = waiting(&mut scene);
    sender.kill();
    scene.server_comes_back();
    alice.until("*** connection lost, back after …");
    let second = scene.file("b.bin", b"second");
    let told = to_its_end(&mut send(&scene, "alice", "bob", &[&second]));
    assert_eq!(told.status, Some(0), "{told:?}");
    let (first, _) = alice.until("*** sending …");
    assert_eq!(first, "*** sending b.bin to bob for sotto send; /cancel 1 ends it");
}

#[test]
fn the_end_of_the_one_who_runs_is_told_and_the_next_goes_on() {
    let (scene, proxy) = Scene::with_proxy(&["alice", "bob"]);
    let mut alice = talker(&scene, "alice");
    let file = scene.file("a.bin", &content(1, 3_000_000));
    proxy.hold_after(500_000);
    let mut sender = Process::start(&mut send(&scene, "alice", "bob", &[&file]));
    proxy.until_held();
    let process = alice.process.id();
    alice.process.kill();
    let told = end_of(&mut sender);
    assert_eq!(told.status, Some(1), "{told:?}");
    let expected = format!("sotto: the sotto that was sending (process {process}) has ended; send the same");
    assert!(told.err.starts_with(&expected), "{told:?}");
    proxy.release();

    // What it has left is worth nothing to whoever comes first, and is replaced by the next.
    let leftover = vault(&scene, "alice").join("handover");
    let before = fs::read_to_string(&leftover).expect("kill -9 leaves it");
    scene.sent("alice", "bob", &[&file]);
    assert_eq!(scene.blobs().len(), 1, "it went on with what was there: {:?}", scene.blobs());
    fs::write(&leftover, &before).expect("written");
    let mut alice = talker(&scene, "alice");
    let second = scene.file("b.bin", b"second");
    let told = to_its_end(&mut send(&scene, "alice", "bob", &[&second]));
    assert_eq!(told.status, Some(0), "{told:?}");
    alice.until("*** sent b.bin to bob: 6 bytes in …");
    assert_ne!(fs::read_to_string(&leftover).expect("there"), before);
    scene.received("bob", "alice", 2);
    check_same(&file, &scene.inbox("bob").join("a.bin"));
}

#[test]
fn whoever_took_the_port_of_a_dead_one_gets_nothing() {
    let scene = Scene::new(&["alice", "bob"]);
    let vault = vault(&scene, "alice");
    let lock = fs::File::options().write(true).open(vault.join("lock")).expect("there");
    lock.lock().expect("nobody has it");
    let squatter = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = squatter.local_addr().expect("an address").port();
    fs::write(vault.join("handover"), format!("{port} {}\n", "ab".repeat(32))).expect("written");
    let heard = std::thread::spawn(move || {
        let (mut caller, _) = squatter.accept().expect("somebody comes");
        let challenge = format!(r#"{{"challenge":{{"nonce":"n","proof":"{}"}}}}"#, "00".repeat(32));
        writeln!(caller, "{challenge}").expect("written");
        let mut heard = String::new();
        // It may end in any way.
        let _ = caller.read_to_string(&mut heard);
        heard
    });
    let file = scene.file("secret-name.txt", b"a");
    let told = to_its_end(&mut send(&scene, "alice", "bob", &[&file]));
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(told.err.contains("these keys are in use by another sotto"), "{told:?}");
    let heard = heard.join().expect("no trouble");
    let lines: Vec<&str> = heard.lines().collect();
    assert!(lines.len() == 1 && lines[0].starts_with(r#"{"hello":"#), "no proof and no path: {heard:?}");
}

/// Sends these bytes to the listener, and returns what it answers until its end.
fn answer(scene: &Scene, bytes: &[u8]) -> String {
    let mut stream = listener(scene, "alice");
    stream.write_all(bytes).expect("written");
    stream.shutdown(Shutdown::Write).expect("shut");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers and ends");
    answer
}

#[test]
fn garbage_is_answered_and_hinders_nobody() {
    let scene = Scene::new(&["alice", "bob"]);
    let mut alice = talker(&scene, "alice");
    let garbage = "{\"refused\":\"this is no line of sotto send, version 1\"}\n";
    for bytes in ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "{\"go\":1}\n", "\"go\"\n", "\0\n"] {
        assert_eq!(answer(&scene, bytes.as_bytes()), garbage, "{bytes:?}");
    }
    let endless = answer(&scene, &[b'x'; 100_000]);
    assert_eq!(endless, "{\"refused\":\"a line has at most 65536 bytes\"}\n");
    let newer = answer(&scene, b"{\"hello\":{\"version\":2,\"nonce\":\"n\"}}\n");
    assert!(newer.contains("this sotto knows version 1, not 2"), "{newer}");
    let hello = "{\"hello\":{\"version\":1,\"nonce\":\"n\"}}\n";
    let skipped = answer(&scene, format!("{hello}{{\"file\":\"2f61\"}}\n").as_bytes());
    assert!(skipped.ends_with(garbage), "{skipped}");
    let unproven = answer(&scene, format!("{hello}{{\"proof\":\"{}\"}}\n", "00".repeat(32)).as_bytes());
    assert!(unproven.ends_with("{\"refused\":\"this proves nothing: the secret is another one\"}\n"));

    // Those who come and say nothing do not keep anybody out.
    let silent: Vec<TcpStream> = (0..50).map(|_| listener(&scene, "alice")).collect();
    let file = scene.file("a.bin", b"a");
    let told = to_its_end(&mut send(&scene, "alice", "bob", &[&file]));
    assert_eq!(told.status, Some(0), "{told:?}");
    alice.until("*** sent a.bin to bob: 1 byte in …");
    drop(silent);
}

#[test]
fn another_user_of_this_home_sends_alone() {
    let scene = Scene::new(&["alice", "bob"]);
    scene.home().add_user("carol");
    let alice = talker(&scene, "alice");
    let file = scene.file("a.bin", b"a");
    let mut command = scene.sotto("alice");
    let told = to_its_end(command.args(["--username", "carol", "send", "bob"]).arg(&file));
    assert_eq!(told.status, Some(0), "{told:?}");
    scene.received("bob", "carol", 1);
    drop(alice);
}

#[cfg(unix)]
#[test]
fn a_vault_of_somebody_else_is_told_apart() {
    let scene = Scene::new(&["alice", "bob"]);
    let alice = talker(&scene, "alice");
    let here = vault(&scene, "alice");
    std::os::unix::fs::symlink(&here, here.with_file_name("carol")).expect("a link");
    let file = scene.file("a.bin", b"a");
    let mut command = scene.sotto("alice");
    let told = to_its_end(command.args(["--username", "carol", "send", "bob"]).arg(&file));
    assert_eq!(told.status, Some(1), "{told:?}");
    let port = scene.address.port();
    let expected = format!("is alice at 127.0.0.1:{port}, not carol at 127.0.0.1:{port}; end it first");
    assert!(told.err.contains(&expected), "{told:?}");
    assert!(scene.blobs().is_empty(), "{:?}", scene.blobs());
    drop(alice);
}
