//! The source keeps to the rules that a compiler does not know: who may import whom, what only one
//! module may touch, how long a file may be.

use std::fs;
use std::path::{Path, PathBuf};

/// Which modules may import which; `proto` is open to all.
const ARROWS: [(&str, &[&str]); 13] = [
    ("bin", &["client", "config", "server", "tui"]),
    ("client", &["dialect", "e2e"]),
    ("config", &["hub::settings"]),
    ("conn", &["dialect"]),
    ("dialect", &[]),
    ("e2e", &[]),
    ("engine", &["conn", "dialect", "hub"]),
    ("hub", &[]),
    ("proto", &[]),
    ("server", &["config", "engine", "work"]),
    ("store", &["hub::job"]),
    ("tui", &["client", "dialect"]),
    ("work", &["hub::job", "store"]),
];

/// What only these may use, for a reason that the architecture page tells.
const ONLY_IN: [(&str, &[&str]); 7] = [
    ("mio::", &["server", "client/link"]),
    ("rusqlite::", &["store"]),
    ("bcrypt::", &["work"]),
    ("thread::Builder", &["work", "server", "client/link", "tui"]),
    ("thread::spawn", &["work", "server", "client/link", "tui"]),
    ("std::net::Tcp", &["server", "client/link"]),
    ("rcgen::", &["server"]),
];

/// What code without a world of its own never mentions.
const WORLDLY: [&str; 7] =
    ["Instant::now", "SystemTime::now", "getrandom::", "std::fs", "std::env", "std::process", "println!"];
const PURE: [&str; 8] = ["client/session", "conn", "dialect", "e2e", "engine", "hub", "proto", "tui/update"];

/// Lines of a file, tests apart; the aim is 300.
const FILE_LINES_MAX: usize = 500;

struct Source {
    /// The path below `src`, without the extension: `hub/room`.
    name: String,
    /// Code without comments and without the tests at its end.
    code: String,
    text: String,
}

#[test]
fn imports_point_the_way_the_architecture_says() {
    let mut wrong = Vec::new();
    for source in sources() {
        let module = source.name.split('/').next().unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else { continue };
        for (at, prefix) in ["crate::", "sottovoce::"].iter().flat_map(|p| source.code.match_indices(p)) {
            let path: String = source.code[at + prefix.len()..].chars().take_while(|c| is_path(*c)).collect();
            let goes_in = |to: &str| path == to || path.starts_with(&format!("{to}::"));
            if !goes_in(module) && !goes_in("proto") && !allowed.iter().any(|to| goes_in(to)) {
                wrong.push(format!("{} -> {path}", source.name));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "not in the table of arrows:\n{}", wrong.join("\n"));
}

#[test]
fn the_world_is_touched_only_where_it_may_be() {
    let mut wrong = Vec::new();
    for source in sources() {
        let within = |places: &[&str]| places.iter().any(|place| is_within(&source.name, place));
        for (what, _) in ONLY_IN.iter().filter(|(what, places)| source.code.contains(what) && !within(places))
        {
            wrong.push(format!("{}: {what}", source.name));
        }
        for what in WORLDLY.iter().filter(|what| within(&PURE) && source.code.contains(*what)) {
            wrong.push(format!("{}: {what}", source.name));
        }
    }
    assert!(wrong.is_empty(), "out of place:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_fits_in_a_head() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines = source.code.lines().count();
        if !source.text.starts_with("//! ") {
            wrong.push(format!("{}: does not begin with what it is for", source.name));
        }
        if lines > FILE_LINES_MAX {
            wrong.push(format!("{}: {lines} lines", source.name));
        }
        for leftover in ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "TODO", "#[ignore"] {
            if source.text.contains(leftover) {
                wrong.push(format!("{}: {leftover}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "untidy:\n{}", wrong.join("\n"));
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 20, "the source is where it is looked for");
    files.iter().map(|file| read(&root, file)).collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the source").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn read(root: &Path, file: &Path) -> Source {
    let name = file.strip_prefix(root).expect("below the root").with_extension("");
    let name = name.to_string_lossy().replace('\\', "/");
    let text = fs::read_to_string(file).expect("source is text");
    let is_tests = name.split('/').any(|part| part == "tests" || part.ends_with("_tests"));
    let end = if is_tests { 0 } else { text.find("#[cfg(test)]\nmod ").unwrap_or(text.len()) };
    let code: String =
        text[..end].lines().filter(|line| !is_comment(line)).map(|line| format!("{line}\n")).collect();
    Source { name, code, text }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn is_path(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == ':'
}

fn is_within(name: &str, place: &str) -> bool {
    name == place || name.starts_with(&format!("{place}/"))
}
