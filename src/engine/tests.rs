//! Connections over TLS that share the engine's memory, and nothing else.

use std::io::{IoSlice, Read as _, Write as _};
use std::time::Duration;

use rustls::ClientConnection;

use super::*;
use crate::conn::tls::tests::{client, server};
use crate::engine::io::{Read, Write};
use crate::engine::settings::Plaintext;
use crate::hub::job::{Job, Kept};
use crate::hub::settings::{Files, Registration, Settings as HubSettings};
use crate::proto::limits::Limits;
use crate::proto::time::Timestamp;

const NOW: Now = Now { mono: Instant(1_000), wall: Timestamp(1_790_000_000_000) };

/// Sockets by slot: what was sent to the server, and what it wrote. One of them may take nothing.
#[derive(Default)]
struct Wires(Vec<(Vec<u8>, Vec<u8>)>, Option<(u32, Write)>);

impl Io for Wires {
    fn read(&mut self, slot: u32, buffer: &mut [u8]) -> Read {
        let sent = &mut self.0[slot as usize].0;
        let count = sent.len().min(buffer.len());
        buffer[..count].copy_from_slice(&sent[..count]);
        sent.drain(..count);
        if count == 0 { Read::WouldBlock } else { Read::Bytes(count) }
    }

    fn write(&mut self, slot: u32, slices: &[IoSlice<'_>]) -> Write {
        if let Some((_, outcome)) = self.1.filter(|(of, _)| *of == slot) {
            return outcome;
        }
        let written = &mut self.0[slot as usize].1;
        let before = written.len();
        slices.iter().for_each(|slice| written.extend_from_slice(slice));
        Write::Bytes(written.len() - before)
    }

    fn shut(&mut self, _: u32) {}

    fn close(&mut self, _: u32) {}

    fn submit(&mut self, job: Job) {
        panic!("guests who write to each other need no worker: {job:?}");
    }
}

struct Pair {
    now: Now,
    engine: Engine,
    wires: Wires,
    clients: [ClientConnection; 2],
}

impl Pair {
    fn new() -> Pair {
        let hub = HubSettings {
            name: "test".into(),
            motd: "".into(),
            registration: Registration::Closed,
            guests: true,
            bcrypt_cost: 4,
            session_lives: None,
            limits: Limits::default(),
            on_join: 0,
            history: false,
            keep_messages: None,
            keep: None,
            files: Files::default(),
            presence_at_once: 100,
            store_jobs_max: 100,
            password_jobs_max: 4,
        };
        let banner_delay = Duration::from_millis(250);
        let settings = Settings { banner_delay, plaintext: Plaintext::Never, tls: server() };
        let mut engine = Engine::new(Hub::new(hub, Kept::default(), NOW), settings);
        for slot in 0..2 {
            assert_eq!(engine.accepted(NOW, [127, 0, 0, 1].into()), Ok(slot));
        }
        let wires = Wires(vec![Default::default(), Default::default()], None);
        Pair { now: NOW, engine, wires, clients: [client(), client()] }
    }

    /// One of them sends a line; gives what each of them has heard since.
    fn say(&mut self, who: usize, line: &str) -> [String; 2] {
        self.clients[who].writer().write_all(line.as_bytes()).unwrap();
        let mut heard = [String::new(), String::new()];
        for _ in 0..10 {
            for (slot, client) in self.clients.iter_mut().enumerate() {
                while client.wants_write() {
                    client.write_tls(&mut self.wires.0[slot].0).unwrap();
                }
                self.engine.readable(slot as u32);
            }
            self.engine.turn(self.now, &mut self.wires, &mut VecDeque::new());
            for (slot, client) in self.clients.iter_mut().enumerate() {
                let written = std::mem::take(&mut self.wires.0[slot].1);
                let mut rest = &written[..];
                while !rest.is_empty() {
                    client.read_tls(&mut rest).unwrap();
                    client.process_new_packets().unwrap();
                }
                let mut bytes = Vec::new();
                // The end of what is there is no error.
                let _ = client.reader().read_to_end(&mut bytes);
                heard[slot].push_str(std::str::from_utf8(&bytes).unwrap());
            }
        }
        heard
    }
}

#[test]
fn what_one_is_told_over_tls_is_not_taken_for_what_another_says() {
    let mut pair = Pair::new();
    pair.say(0, "/nick anna\n");
    pair.say(1, "/nick bob\n");
    for number in 0..3 {
        let [anna, bob] = pair.say(0, &format!("/msg bob number {number}\n"));
        assert_eq!(bob.lines().count(), 1, "{bob}");
        assert!(
            bob.ends_with(&format!("number {number}\n")) || bob.ends_with(&format!("number {number}\r\n"))
        );
        assert!(!anna.contains("!!!"), "{anna}");
        // What bob was told lies in the memory that the server reads into next.
        let [anna, bob] = pair.say(1, &format!("/msg anna answer {number}\n"));
        assert_eq!(anna.lines().count(), 1, "{anna}");
        assert!(anna.contains(&format!("answer {number}")) && !bob.contains("!!!"), "{anna} {bob}");
    }
}

#[test]
fn what_a_full_socket_does_not_take_comes_later_and_in_order() {
    let mut pair = Pair::new();
    pair.say(0, "/nick anna\n");
    pair.say(1, "/nick bob\n");
    pair.wires.1 = Some((1, Write::WouldBlock));
    for number in 0..3 {
        let [_, bob] = pair.say(0, &format!("/msg bob number {number}\n"));
        assert_eq!(bob, "");
    }
    pair.wires.1 = None;
    pair.engine.writable(1);
    let [_, bob] = pair.say(0, "/msg bob the last\n");
    let ends: Vec<&str> = bob.lines().filter_map(|line| line.split("> ").last()).collect();
    assert_eq!(ends, ["number 0", "number 1", "number 2", "the last"]);
}

#[test]
fn a_socket_that_breaks_while_records_wait_for_it_ends_the_connection() {
    let mut pair = Pair::new();
    pair.say(0, "/nick anna\n");
    pair.say(1, "/nick bob\n");
    pair.wires.1 = Some((1, Write::WouldBlock));
    pair.say(0, "/msg bob hello\n");
    pair.wires.1 = Some((1, Write::Failed));
    pair.engine.writable(1);
    pair.engine.turn(NOW, &mut pair.wires, &mut VecDeque::new());
    pair.engine.turn(NOW, &mut pair.wires, &mut VecDeque::new());
    assert_eq!(pair.engine.connections(), 1);
    let [anna, _] = pair.say(0, "/whois bob\n");
    assert!(anna.starts_with("!!! no-such-user"), "{anna}");
}

#[test]
fn what_came_in_time_is_heard_though_the_server_comes_late() {
    let mut pair = Pair::new();
    pair.say(0, "");
    // Busy, or not let run for a while: no banner is due to who has spoken meanwhile.
    pair.now.mono = NOW.mono + Duration::from_secs(30);
    let [anna, silent] = pair.say(0, "/nick anna\n");
    assert!(anna.starts_with("*** you are anna") && anna.lines().count() == 1, "{anna}");
    assert!(silent.starts_with("*** welcome to test"), "{silent}");
}

#[test]
fn what_comes_too_late_for_a_connection_is_nobody_s() {
    let mut pair = Pair::new();
    pair.engine.readable(7);
    pair.engine.writable(7);
    assert!(!pair.engine.has_work());
    let gone = ConnId { slot: 0, serial: 77 };
    pair.engine.send_piece(gone, 1, 0, FilePiece::new());
    assert_eq!(pair.engine.done.len(), 1, "the piece goes back");
    pair.engine.done.clear();
}
