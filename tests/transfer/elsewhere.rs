//! Paths that are one file to `sotto send`, and another one to the sotto that runs.

use std::path::Path;
use std::process::Command;

use crate::client::Talker;
use crate::scene::{Scene, to_its_end};

/// The same program, with this file open as number 9.
fn with_nine(command: &Command, file: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec 9<\"$0\"; exec \"$@\""]).arg(file).arg(command.get_program());
    shell.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

#[test]
fn what_is_another_file_to_the_one_who_runs_is_not_sent() {
    let scene = Scene::new(&["alice", "bob"]);
    let secret = scene.file("secret.txt", b"what alice's sotto happens to have open");
    let meant = scene.file("report.txt", b"thirty pages");
    let mut alice = Talker::start(&mut with_nine(&scene.sotto("alice"), &secret));
    alice.shows("*** {logged in} {alice}");
    let mut send = with_nine(&scene.send("alice", "bob", &[Path::new("/dev/fd/9"), &meant]), &meant);
    let told = to_its_end(&mut send);
    assert!(!told.out.contains("sent 9 to bob"), "{told:?}");
    assert_eq!(told.status, Some(1), "{told:?}");
    let process = alice.process.id();
    let expected = format!(
        "sotto: /dev/fd/9: that is another file to the sotto that runs, and was not sent (process {process})\n"
    );
    assert!(told.err.contains(&expected), "{told:?}");
    assert!(told.err.ends_with("sotto: 1 of 2 files were not sent\n"), "{told:?}");
    assert!(told.out.starts_with("sent report.txt to bob: 12 bytes"), "{told:?}");
    assert_eq!(scene.blobs().len(), 1, "{:?}", scene.blobs());
}
