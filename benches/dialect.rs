//! What it costs to read requests and to write events, in each dialect: `cargo bench --bench dialect`.
//!
//! No sockets and no chat: bytes to commands, events to bytes. Reading allocates nothing for a line that
//! comes whole and has nothing to be cleaned; writing appends to one buffer that is there already.

use std::hint::black_box;
use std::sync::Arc;

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher};

use sottovoce::dialect::{Decoder, Dialect, Request, Rules, encode};
use sottovoce::proto::event::{Answer, Entry, Event};
use sottovoce::proto::id::{RequestId, Seq};
use sottovoce::proto::name::{RoomName, UserName};
use sottovoce::proto::time::Timestamp;

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const LINES: usize = 64;
const AT: Timestamp = Timestamp(1_767_225_600_000);
const DIALECTS: [Dialect; 2] = [Dialect::Text, Dialect::Json];
const TEXT: &str = "is there any bread left, or did somebody take the last loaf from the shelf again? \
                    (asking for a friend)";

fn main() {
    divan::main();
}

/// Sixty-four messages that came in one packet.
#[divan::bench(args = DIALECTS)]
fn decode(bencher: Bencher<'_, '_>, dialect: Dialect) {
    let line = match dialect {
        Dialect::Json => {
            format!(
                "{{\"id\":1,\"cmd\":\"say\",\"room\":\"kitchen\",\"text\":\"{TEXT}\",\"key\":\"5e1f-1\"}}\n"
            )
        }
        _ => format!("{TEXT}\n"),
    };
    let input = line.repeat(LINES);
    let rules = Rules { line_bytes_max: 4096, json_bytes_max: 65_536, secret: false };
    let mut decoder = Decoder::new(dialect);
    bencher.counter(BytesCount::of_str(&input)).counter(ItemsCount::new(LINES)).bench_local(|| {
        let (mut rest, mut commands) = (input.as_bytes(), 0);
        while !rest.is_empty() {
            let decoded = decoder.decode(rest, &rules);
            let consumed = decoded.consumed;
            commands += usize::from(matches!(black_box(decoded.request), Some(Request::Command(..))));
            rest = &rest[consumed..];
        }
        assert_eq!(commands, LINES);
    });
}

/// Sixty-four messages of a room.
#[divan::bench(args = DIALECTS)]
fn encode_messages(bencher: Bencher<'_, '_>, dialect: Dialect) {
    let room = RoomName::parse("kitchen").expect("a name");
    let entry = Entry { seq: Seq(17), at: AT, from: "alice".into(), me: false, text: TEXT.into() };
    written(bencher, dialect, &vec![Event::Message { room, entry: Arc::new(entry) }; LINES]);
}

/// Sixty-four confirmations, which text mode does not have.
#[divan::bench]
fn encode_confirmations(bencher: Bencher<'_, '_>) {
    let room = RoomName::parse("kitchen").expect("a name");
    let said = Event::Answer(RequestId(7), Answer::Said { room, seq: Seq(17), at: AT });
    written(bencher, Dialect::Json, &vec![said; LINES]);
}

/// Five hundred who came into a large room, in one event.
#[divan::bench(args = DIALECTS)]
fn encode_presence(bencher: Bencher<'_, '_>, dialect: Dialect) {
    let user = |number: u32| UserName::parse(&format!("guest-{number}")).expect("a name");
    let room = RoomName::parse("kitchen").expect("a name");
    let event = Event::Presence { room, joined: (0..500).map(user).collect(), left: Vec::new() };
    written(bencher, dialect, &[event]);
}

fn written(bencher: Bencher<'_, '_>, dialect: Dialect, events: &[Event]) {
    let mut out = Vec::new();
    events.iter().for_each(|event| encode(dialect, event, &mut out));
    let bytes = out.len();
    bencher.counter(BytesCount::new(bytes)).counter(ItemsCount::new(events.len())).bench_local(|| {
        out.clear();
        events.iter().for_each(|event| encode(dialect, event, &mut out));
        black_box(&out);
    });
}
