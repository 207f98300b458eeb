//! Reads the sources and holds them to the project's own rules: the code map of
//! `docs/architecture.md`, and the bounds of `docs/style.md`.
//!
//! It looks at text, not at syntax: comments and the tests at the end of a file are cut off, and what
//! is left is searched for paths. That is enough for code that rustfmt has formatted.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file below `src/`.
struct Source {
    /// Its path below `src/`, with `/`.
    name: String,
    text: String,
}

/// One row of the code map: a module and what it may import.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    module: String,
    may_import: Vec<String>,
}

#[test]
fn modules_import_only_what_the_code_map_allows() {
    let map = code_map();
    check(|source, complain| {
        if source.module() == "lib.rs" {
            return;
        }
        let Some(row) = map.iter().find(|row| row.module == source.module()) else {
            return complain("is in no row of the code map in docs/architecture.md".to_owned());
        };
        for path in imports(&source.code()) {
            if !row.allows(&path) {
                complain(format!("imports {path}, which its row of the code map does not allow"));
            }
        }
    });
}

#[test]
fn pure_modules_touch_nothing_of_the_world() {
    check(|source, complain| {
        if !PURE.iter().any(|pure| source.name.starts_with(pure)) {
            return;
        }
        let code = source.code();
        for word in WORLD {
            if names(&code, word) {
                complain(format!("is pure, and names {word}: time, ids and tokens are arguments"));
            }
        }
    });
}

#[test]
fn crates_stay_where_they_belong() {
    check(|source, complain| {
        let code = source.code();
        for (package, homes) in HOMES {
            if names(&code, package) && !homes.iter().any(|home| source.name.starts_with(home)) {
                complain(format!("names {package}, which belongs to: {}", homes.join(", ")));
            }
        }
    });
}

#[test]
fn files_are_short_enough_to_read() {
    check(|source, complain| {
        // Tests hold whole transcripts and lines of the wire, which are not to be broken.
        let text = if source.is_test() { "" } else { before_tests(&source.text) };
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            complain(format!("has {lines} lines without its tests, more than {FILE_LINES_MAX}"));
        }
        for (number, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > LINE_COLUMNS_MAX {
                complain(format!("line {} has {columns} columns, more than {LINE_COLUMNS_MAX}", number + 1));
            }
        }
    });
}

#[test]
fn nothing_is_left_over() {
    check(|source, complain| {
        for word in LEFT_OVER.into_iter().filter(|word| source.text.contains(word)) {
            complain(format!("has {word}"));
        }
    });
}

#[test]
fn every_module_says_what_it_is_for() {
    check(|source, complain| {
        let said = source.text.lines().next().and_then(|line| line.strip_prefix("//! ")).unwrap_or("");
        if said.split_whitespace().count() < 2 && !source.is_test() {
            complain("does not begin with //! and what it is for".to_owned());
        }
    });
}

// ---- how it is done ----------------------------------------------------------------------------

/// Runs a rule on every source file, and fails with everything it complains about.
#[track_caller]
fn check(rule: impl Fn(&Source, &mut dyn FnMut(String))) {
    let mut complaints = Vec::new();
    for source in &sources() {
        rule(source, &mut |complaint| complaints.push(format!("src/{}: {complaint}", source.name)));
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

impl Source {
    /// The module of the top level that it belongs to.
    fn module(&self) -> &str {
        match self.name.split_once('/') {
            Some((directory, _)) => directory,
            None if self.name == "lib.rs" => "lib.rs",
            None => self.name.trim_end_matches(".rs"),
        }
    }

    /// Whether all of it is tests.
    fn is_test(&self) -> bool {
        self.name.split('/').any(|part| part == "tests" || part.ends_with("tests.rs"))
    }

    /// What it does: without comments, and without tests.
    fn code(&self) -> String {
        if self.is_test() { String::new() } else { without_comments(before_tests(&self.text)) }
    }
}

impl Row {
    fn allows(&self, path: &str) -> bool {
        let within = |allowed: &str| path == allowed || path.starts_with(&format!("{allowed}::"));
        within(&self.module) || within("proto") || self.may_import.iter().any(|allowed| within(allowed))
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut directories = vec![root.clone()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "there are no sources in {}", root.display());
    let read = |path: PathBuf| {
        let below = path.strip_prefix(&root).unwrap();
        let parts: Vec<_> = below.iter().map(|part| part.to_str().unwrap()).collect();
        Source { name: parts.join("/"), text: fs::read_to_string(&path).unwrap() }
    };
    files.into_iter().map(read).collect()
}

fn code_map() -> Vec<Row> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let map = read_map(&fs::read_to_string(page).unwrap());
    assert!(map.iter().any(|row| row.module == "proto"), "docs/architecture.md has no code map");
    map
}

/// The rows of the table under "Code map": `| where | what it is | may import |`.
fn read_map(page: &str) -> Vec<Row> {
    let section = page.split("\n## ").find(|section| section.starts_with("Code map")).unwrap_or("");
    let mut rows = Vec::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [places, _, imports] = cells[..] else {
            panic!("a row of the code map has not three cells: {line}")
        };
        let may_import: Vec<String> = imports
            .split([',', '/'])
            .map(|name| name.trim().trim_matches('`').to_owned())
            .filter(|name| !name.is_empty() && !name.starts_with('(') && name != "nothing")
            .collect();
        for place in places.split(',').map(|place| place.trim().trim_matches('`')) {
            let module = place.split('/').next().unwrap_or(place).trim_end_matches(".rs").to_owned();
            rows.push(Row { module, may_import: may_import.clone() });
        }
    }
    rows
}

/// Everything before the module of tests, which stands at the end.
fn before_tests(text: &str) -> &str {
    let cut = text.match_indices("#[cfg(test)]\n").find(|&(at, marker)| {
        let next = text[at + marker.len()..].lines().find(|line| !line.starts_with("#[")).unwrap_or("");
        ["mod ", "pub mod ", "pub(crate) mod ", "pub(super) mod "].iter().any(|start| next.starts_with(start))
    });
    cut.map_or(text, |(at, _)| &text[..at])
}

/// Line comments are cut off; a `//` in the middle of a text is cut as well, which hides too much
/// rather than inventing something.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("").to_owned() + "\n").collect()
}

/// Every path into this crate, written `module::item`, from `use` lines and from anywhere else.
fn imports(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for root in ["crate::", "sottovoce::"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                continue;
            }
            expand("", &code[at + root.len()..], &mut paths);
        }
    }
    paths
}

/// Adds the first two names of a path, or of each path in braces.
fn expand(prefix: &str, rest: &str, paths: &mut Vec<String>) {
    if let Some(group) = rest.strip_prefix('{') {
        for item in items(group) {
            expand(prefix, item, paths);
        }
        return;
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let name = &rest[..end];
    match (prefix, rest[end..].strip_prefix("::")) {
        ("", Some(next)) => expand(name, next, paths),
        ("", None) => paths.push(name.to_owned()),
        // `use crate::hub::{self, job}` names the module itself.
        (prefix, _) if name == "self" => paths.push(prefix.to_owned()),
        (prefix, _) => paths.push(format!("{prefix}::{name}")),
    }
}

/// The parts between the commas of a group, up to the brace that closes it.
fn items(group: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                items.push(group[start..at].trim());
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

/// Whether the code has this path, and not only as a part of a longer name.
fn names(code: &str, path: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + path.len()..].chars().next();
        !before.is_some_and(letter) && (path.ends_with("::") || !after.is_some_and(letter))
    })
}

/// Modules that are functions of their inputs.
const PURE: [&str; 10] = [
    "proto/",
    "dialect/",
    "hub/",
    "conn/",
    "engine/",
    "e2e/",
    "client/private",
    "client/session",
    "client/transfer/ledger",
    "tui/update",
];

/// What reads a clock, draws randomness, opens something or starts a thread.
const WORLD: [&str; 17] = [
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "ToSocketAddrs",
    "std::thread",
    "thread::spawn",
    "std::fs",
    "File",
    "getrandom",
    "rand::",
    "std::env",
    "std::process",
    "println!",
];

/// Crates that only some parts of the program may know.
const HOMES: [(&str, &[&str]); 9] = [
    ("mio::", &["server/", "client/link"]),
    ("rusqlite::", &["store/", "client/vault"]),
    ("bcrypt::", &["work/"]),
    ("rcgen::", &["server/"]),
    ("thread::Builder", &["work/", "server/", "client/link", "client/transfer", "tui/"]),
    ("thread::spawn", &["work/", "server/", "client/link", "client/transfer", "tui/"]),
    ("ratatui::", &["tui/"]),
    ("crossterm::", &["tui/"]),
    ("tokio::", &["nobody"]),
];

/// What a finished change does not have.
const LEFT_OVER: [&str; 6] = ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "TODO", "#[ignore"];

const FILE_LINES_MAX: usize = 500;
const LINE_COLUMNS_MAX: usize = 110;

// ---- that it would notice ------------------------------------------------------------------------

#[test]
fn the_code_map_is_read_from_its_table() {
    let page = "# x\n\n## Code map (rules)\n\n| where | what | may import |\n| --- | --- | --- |\n\
        | `bin/a.rs`, `bin/b.rs` | programs | server / tui, config |\n\
        | `e2e/` | crypto | (crypto crates) |\n| `config.rs` | it | `hub::job`, proto |\n\
        | `proto/` | all | nothing |\n\n## Other\n\n| `x/` | y | z |\n";
    let row = |module: &str, may_import: &[&str]| Row {
        module: module.to_owned(),
        may_import: may_import.iter().map(|&name| name.to_owned()).collect(),
    };
    let programs = ["server", "tui", "config"];
    assert_eq!(
        read_map(page),
        [
            row("bin", &programs),
            row("bin", &programs),
            row("e2e", &[]),
            row("config", &["hub::job", "proto"]),
            row("proto", &[]),
        ]
    );
}

#[test]
fn imports_are_found_in_every_form() {
    let code = "use crate::hub::job::Job;\nuse crate::{config, store::{self, operator}, proto};\n\
        use crate::work::{\n    lane,\n    password::hash,\n};\npub(crate) fn f() -> crate::conn::Conn {}\n\
        use sottovoce::server;\nuse other_crate::x;\n$crate::macros";
    assert_eq!(
        imports(code),
        [
            "hub::job",
            "config",
            "store",
            "store::operator",
            "proto",
            "work::lane",
            "work::password",
            "conn::Conn",
            "server"
        ]
    );
}

#[test]
fn a_row_allows_itself_the_vocabulary_and_what_it_names() {
    let row = Row { module: "work".to_owned(), may_import: vec!["store".to_owned(), "hub::job".to_owned()] };
    for path in ["work::lane", "proto", "proto::id", "store", "store::operator", "hub::job"] {
        assert!(row.allows(path), "{path}");
    }
    for path in ["hub", "hub::room", "hub::jobs", "server", "stores::x"] {
        assert!(!row.allows(path), "{path}");
    }
}

#[test]
fn comments_and_tests_do_not_count_and_the_rest_does() {
    let text = "//! crate::server\nuse std::fs;\n#[cfg(test)]\nfn helper() {}\n\
        #[cfg(test)]\nmod tests {\n    use std::thread;\n}\n";
    let source = Source { name: "hub/room.rs".to_owned(), text: text.to_owned() };
    let code = source.code();
    assert_eq!((source.module(), source.is_test()), ("hub", false));
    assert!(names(&code, "std::fs") && !names(&code, "std::thread") && imports(&code).is_empty());
    assert!(code.contains("helper"));
    assert!(names("x = Instant::now();", "Instant::now") && !names("MyInstant::nowhere()", "Instant::now"));
    assert!(names("use rand::Rng", "rand::") && !names("operand::x", "rand::"));
    let tests = Source { name: "hub/tests/room.rs".to_owned(), text: "use std::fs;".to_owned() };
    assert!(tests.is_test() && tests.code().is_empty());
}
