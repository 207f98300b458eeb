//! Neither the line nor any disk but the user's own directory has a plain word of a file, nor its name.

use std::fs;
use std::path::Path;

use crate::scene::{Scene, check_same, to_its_end};

const WORDS: &str = "the treasure lies below the third oak";
const NAME: &str = "treasure-map.txt";

/// Every file below a directory that has these bytes in it.
fn files_with(directory: &Path, bytes: &[u8], found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_with(&path, bytes, found);
        } else if fs::read(&path).expect("a file").windows(bytes.len()).any(|part| part == bytes) {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn no_word_of_a_file_and_not_its_name_lies_open_anywhere() {
    let (scene, proxy) = Scene::with_proxy(&["alice", "bob"]);
    proxy.listen_in();
    // Without TLS, so that whoever listens hears what the server does.
    let plain = |command: &mut std::process::Command| {
        let told = to_its_end(command.arg("--insecure-plaintext"));
        assert_eq!(told.status, Some(0), "{told:?}");
    };
    let file = scene.file(NAME, WORDS.repeat(20_000).as_bytes());
    plain(&mut scene.send("alice", "bob", &[&file]));
    let listened = proxy.heard();
    assert!(listened.len() > WORDS.len() * 20_000, "the file has passed");
    let mut found = Vec::new();
    files_with(&scene.home().data(), WORDS.as_bytes(), &mut found);
    files_with(&scene.home().data(), b"treasure-map", &mut found);
    plain(scene.receive("bob", "alice").arg("--once"));
    check_same(&file, &scene.inbox("bob").join(NAME));

    for told in [WORDS.as_bytes(), b"treasure-map"] {
        let heard = proxy.heard().windows(told.len()).any(|part| part == told);
        assert!(!heard, "the line has {}", String::from_utf8_lossy(told));
        for place in [scene.home().data(), scene.home().path("sotto-alice"), scene.home().path("sotto-bob")] {
            files_with(&place, told, &mut found);
        }
    }
    assert_eq!(found, [""; 0]);
}
