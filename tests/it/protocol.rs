//! `docs/protocol.md` is played against the real server, line by line.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sottovoce::proto::refusal::Code;

use crate::harness::server::Server;
use crate::harness::wire::{Heard, Wire};

const PAGE: &str = include_str!("../../docs/protocol.md");

#[test]
fn every_example_happens_as_it_is_written() {
    let server = Server::start();
    let mut people: BTreeMap<&str, Wire> = BTreeMap::new();
    for (number, line) in examples() {
        let (who, sends, text) = match (line.split_once("> "), line.split_once("< ")) {
            (Some((who, text)), _) if !who.contains('<') => (who, true, text),
            (_, Some((who, text))) => (who, false, text),
            _ => panic!("docs/protocol.md:{number}: neither sent nor received: {line}"),
        };
        let wire = people.entry(who).or_insert_with(|| server.wire());
        if sends {
            wire.send_line(text);
            continue;
        }
        let Heard::Line(found) = wire.hear() else { panic!("docs/protocol.md:{number}: nothing came") };
        let parse =
            |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert!(fits(&parse(text), &parse(&found)), "docs/protocol.md:{number}: it is\n{who}< {found}");
    }
    assert!(people.len() > 1, "there are examples");
}

#[test]
fn every_command_has_an_example_and_every_code_a_line() {
    for code in Code::ALL {
        assert!(PAGE.contains(&format!("\n| `{code}` ")), "the code {code} is not explained");
    }
    let server = Server::start();
    let mut json = server.json();
    let help = json.ok(json!({"cmd": "help"}));
    let commands = help["commands"].as_array().expect("a list").iter();
    let names = commands.filter_map(|command| command["cmd"].as_str());
    for name in names.chain(["hello", "say", "ping"]) {
        assert!(PAGE.contains(&format!("\"cmd\":\"{name}\"")), "{name} has no example");
    }
}

/// The lines of all examples, with their numbers on the page.
fn examples() -> impl Iterator<Item = (usize, &'static str)> {
    let mut within = false;
    PAGE.lines().enumerate().filter_map(move |(number, line)| {
        match line {
            "```transcript" => within = true,
            "```" => within = false,
            _ if within => return Some((number + 1, line)),
            _ => {}
        }
        None
    })
}

/// `…` stands for any text that is not empty.
fn fits(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(expected), Value::String(found)) if expected == "…" => !found.is_empty(),
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len() && expected.iter().zip(found).all(|(e, f)| fits(e, f))
        }
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len()
                && expected.iter().all(|(key, e)| found.get(key).is_some_and(|f| fits(e, f)))
        }
        _ => expected == found,
    }
}
