//! `docs/protocol.md` is played against the real server, line by line.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sottovoce::proto::limits::*;
use sottovoce::proto::refusal::Code;

use crate::harness::device::{body, identity, one_time_key, public, signed};
use crate::harness::pattern;
use crate::harness::server::Server;
use crate::harness::wire::{Heard, Wire};

const PAGE: &str = include_str!("../../docs/protocol.md");

#[test]
fn every_json_example_happens_as_it_is_written() {
    play("```transcript", |expected, found| {
        let parse =
            |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        fits(&parse(expected), &parse(found))
    });
}

#[test]
fn every_text_example_happens_as_it_is_written() {
    play("```text-transcript", pattern::matches);
}

/// Plays the examples that begin with `fence` on one server, in their order.
fn play(fence: &'static str, fits: impl Fn(&str, &str) -> bool) {
    let server = Server::start();
    let mut people: BTreeMap<String, Wire> = BTreeMap::new();
    let mut file = String::new();
    let values = values();
    for (number, line) in examples(fence) {
        let line = &*values.iter().fold(line.to_owned(), |line, (name, value)| line.replace(name, value));
        let (who, sends, text) = match (line.split_once("> "), line.split_once("< ")) {
            (Some((who, text)), _) if !who.contains('<') => (who, true, text),
            (_, Some((who, text))) => (who, false, text),
            _ => panic!("docs/protocol.md:{number}: neither sent nor received: {line}"),
        };
        let wire = people.entry(who.to_owned()).or_insert_with(|| server.wire());
        if let Some(bytes) = frame(text, &file) {
            if sends {
                wire.send(&bytes);
                continue;
            }
            let mut found = vec![0; bytes.len()];
            assert!(wire.fill(&mut found), "docs/protocol.md:{number}: less came");
            assert!(found == bytes, "docs/protocol.md:{number}: it is\n{who}< {found:02x?}");
            continue;
        }
        if sends {
            wire.send_line(&text.replace("\"file\":\"…\"", &format!("\"file\":\"{file}\"")));
            continue;
        }
        let Heard::Line(found) = wire.hear() else { panic!("docs/protocol.md:{number}: nothing came") };
        assert!(fits(text, &found), "docs/protocol.md:{number}: it is\n{who}< {found}");
        if let Some((_, rest)) = found.split_once("\"file\":\"") {
            file = rest.chars().take_while(|c| *c != '"').collect();
        }
    }
    assert!(people.len() > 1, "there are examples");
}

/// The bytes of an example that is a frame: hexadecimal digits in groups, `FILE` for the file that was told of
/// last, and its name behind two blanks.
fn frame(text: &str, file: &str) -> Option<Vec<u8>> {
    let (digits, _) = text.split_once("  ")?;
    let digits = digits.replace("FILE", file).replace(' ', "");
    data_encoding::HEXLOWER.decode(digits.as_bytes()).ok()
}

/// What the page writes as `"$name"`.
fn values() -> BTreeMap<String, String> {
    let (alice, carol) = (identity("alice"), identity("carol"));
    let signature = |signed: &Value| signed["signature"].as_str().expect("a text").to_owned();
    let (by_alice, by_carol) = (signed(&alice, 1, 1), signed(&carol, 1, 1));
    [
        ("alice", public(&alice)),
        ("carol", public(&carol)),
        ("key", by_alice["key"].as_str().expect("a text").to_owned()),
        ("signed-by-alice", signature(&by_alice)),
        ("signed-by-carol", signature(&by_carol)),
        ("key-1", one_time_key(1)),
        ("key-2", one_time_key(2)),
        ("key-3", one_time_key(3)),
        ("envelope", body("")),
        ("answer", one_time_key(4)),
    ]
    .into_iter()
    .map(|(name, value)| (format!("\"${name}\""), format!("\"{value}\"")))
    .collect()
}

#[test]
fn the_limits_on_the_page_are_those_in_force() {
    let limits = Limits::default();
    let (messages, burst) = (limits.messages_per_second.unwrap_or(0), limits.message_burst);
    let commands = limits.commands_per_second.unwrap_or(0);
    let (soft, hard) = (limits.send_queue_soft / 1024, limits.send_queue_hard / 1024 / 1024);
    let (login, idle) = (limits.login_timeout.unwrap_or_default(), limits.idle_timeout.unwrap_or_default());
    for text in [
        format!("{messages} a second and {burst} at once; {commands} a second and {} at once", commands * 5),
        format!("{soft} KiB, then its own requests wait; {hard} MiB, then it is closed"),
        format!("{} s; {} min", login.as_secs(), idle.as_secs() / 60),
        format!("| {USER_NAME_CHARS_MAX}, {ROOM_NAME_CHARS_MAX} characters"),
        format!("| {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes"),
        format!("| {TOPIC_BYTES_MAX}; {STATUS_BYTES_MAX}; {REASON_BYTES_MAX} bytes"),
        format!("| {SAY_KEY_BYTES_MAX}; {ROOM_KEY_BYTES_MAX} bytes"),
        format!("{HISTORY_PAGE_DEFAULT} unless given, at most {HISTORY_PAGE_MAX} and 1 MiB"),
        format!("| {ROOMS_PER_USER_MAX}, {SESSIONS_PER_USER_MAX} |"),
        format!("| {DATA_CONNECTIONS_PER_ACCOUNT_MAX}; {GETS_PER_CONNECTION_MAX} |"),
        format!("| 10,000, {UPLOADS_PER_ACCOUNT_MAX} |"),
        "1 to 262,144 bytes".to_owned(),
        format!("| {DEVICES_PER_ACCOUNT_MAX}; {DEVICE_NAME_CHARS_MAX} |"),
        format!("and of one device | {ONE_TIME_PREKEYS_MAX} |"),
        format!(
            "| {ENVELOPES_PER_REQUEST_MAX}; {ENVELOPE_BYTES_MIN} to {}, and",
            grouped(ENVELOPE_BYTES_MAX)
        ),
        format!(
            "| {} envelopes, {} MiB, {} days; a quarter of it from one other account |",
            grouped(MAILBOX_ENVELOPES_MAX as usize),
            MAILBOX_BYTES_MAX / 1024 / 1024,
            ENVELOPES_KEPT.as_secs() / 86_400
        ),
        format!("| {ENVELOPES_PAGE_MAX}, or {} MiB |", PAGE_BYTES_MAX / 1024 / 1024),
        format!("| {CLAIMS_PER_TARGET_MAX} times and {CLAIM_TARGETS_MAX} users in an hour |"),
        format!("pairing code | {} |", grouped(PAIR_ANSWER_BYTES_MAX)),
    ] {
        assert!(PAGE.contains(&text), "docs/protocol.md does not say: {text}");
    }
    assert_eq!(MAILBOX_SHARES, 4, "the page says a quarter");
}

/// A number of up to six digits as the page writes it.
fn grouped(number: usize) -> String {
    format!("{},{:03}", number / 1000, number % 1000)
}

#[test]
fn every_command_has_an_example_and_a_row_and_every_code_a_line() {
    for code in Code::ALL {
        assert!(PAGE.contains(&format!("\n| `{code}` ")), "the code {code} is not explained");
    }
    assert_eq!((PIECE_BYTES, FILES_PER_ACCOUNT_MAX, FILE_READERS_MAX), (262_144, 10_000, 1_000));
    let server = Server::start();
    let mut json = server.json();
    let help = json.ok(json!({"cmd": "help"}));
    let commands = help["commands"].as_array().expect("a list");
    let of = |command: &Value, field: &str| command[field].as_str().expect("a text").to_owned();
    let names = commands.iter().map(|command| of(command, "cmd"));
    // Those that only programs have.
    let others = ["hello", "say", "ping"]
        .into_iter()
        .chain(["ack", "attach", "claim", "devices", "enroll", "pair", "prekeys", "revoke", "send"]);
    for name in names.chain(others.map(String::from)) {
        assert!(PAGE.contains(&format!("\"cmd\":\"{name}\"")), "{name} has no example");
    }
    for command in commands {
        let typed = format!("/{} {}", of(command, "cmd"), of(command, "arguments"));
        let row = format!("`{}`", typed.trim_end().replace('|', "\\|"));
        assert!(PAGE.contains(&row), "{row} is not in the table of text mode");
    }
}

/// The lines of all examples that begin with `fence`, with their numbers on the page.
fn examples(fence: &'static str) -> impl Iterator<Item = (usize, &'static str)> {
    let mut within = false;
    PAGE.lines().enumerate().filter_map(move |(number, line)| {
        match line {
            _ if line == fence => within = true,
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
