//! The client: lines of a server that may say anything, decoded as every kind of reply and event, and
//! heard by a session that is in the middle of something, with or without keys for private messages.
//! What it has stored at any time can be restored.

use serde::de::DeserializeOwned;
use sottovoce::client::private::Private;
use sottovoce::client::private::row::Rows;
use sottovoce::client::session::event::Lost;
use sottovoce::client::session::{Login, Options, Session};
use sottovoce::client::wire;
use sottovoce::proto::name::{RoomName, UserName};
use sottovoce::proto::secret::Secret;
use sottovoce::proto::time::{Instant, Now, Timestamp};

use crate::e2e::random::Seeded;
use crate::input::Input;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte();
    let login = match kind % 3 {
        0 => Login::Guest,
        1 => Login::Password(Secret::new("correct horse")),
        _ => Login::Token { token: Secret::new("token"), password: Some(Secret::new("correct horse")) },
    };
    let options = Options::new("alice", login, &["lobby"]).expect("good names");
    let mut now = Now { mono: Instant(1_000), wall: Timestamp(1_790_000_000_000) };
    let mut session = Session::new(now, options.clone(), [7; 24]);
    let mut rows = Rows::default();
    let keys = kind & 0x80 != 0;
    if keys {
        session.unlock(now, Private::new(Box::new(Seeded { seed: 1, counter: 0 })));
    }
    let lobby = RoomName::parse("lobby").expect("a good name");
    let bob = UserName::parse("bob").expect("a good name");
    // Whatever is refused here is refused; only what the session makes of it counts.
    while !input.is_empty() {
        match input.byte() {
            b'C' => session.connected(now),
            b'D' => session.disconnected(now, Lost::Silent),
            b'N' => session.connect_now(now),
            b'S' => drop(session.say(now, &lobby, "hello", false)),
            b'M' => drop(session.message(now, &bob, "hello")),
            b'P' => drop(session.pair(now)),
            b'I' => drop(session.new_identity(now)),
            b'B' => drop(session.trust(now, &bob)),
            b'A' => drop(session.revoke(now, u32::from(input.byte()))),
            b'R' if keys => {
                now.mono.0 += 1;
                let private = Private::restore(&rows, Box::new(Seeded { seed: now.mono.0, counter: 1 }));
                session = Session::new(now, options.clone(), [8; 24]);
                session.unlock(now, private.expect("what was stored is whole"));
            }
            b'J' => drop(session.join(now, &lobby, None)),
            b'O' => drop(session.load_older(&lobby)),
            b'L' => session.log_in(now, "alice".into(), Login::Guest),
            b'Q' => drop(session.quit(now, None)),
            b'T' => {
                let ms = 50 * input.word() as u64;
                now = Now { mono: Instant(now.mono.0 + ms), wall: Timestamp(now.wall.0 + ms) };
                session.handle_timeout(now);
            }
            _ => {
                let line = input.text();
                decode_all(line);
                session.handle_line(now, line);
            }
        }
        rows.apply(session.take_changes());
        while session.poll_event().is_some() {}
        while let Some(line) = session.poll_line() {
            assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "one request is one line");
        }
        assert!(session.unconfirmed() <= 1_000);
    }
}

fn decode_all(line: &[u8]) {
    let _ = wire::head(line);
    decode::<wire::Named>(line);
    decode::<wire::Hello>(line);
    decode::<wire::RoomView>(line);
    decode::<wire::Message>(line);
    decode::<wire::Private>(line);
    decode::<wire::Page>(line);
    decode::<wire::Said>(line);
    decode::<wire::Sent>(line);
    decode::<wire::Notice>(line);
    decode::<wire::Users>(line);
    decode::<wire::Members>(line);
    decode::<wire::Rooms>(line);
    decode::<wire::Whois>(line);
    decode::<wire::Topic>(line);
    decode::<wire::Status>(line);
}

fn decode<T: DeserializeOwned>(line: &[u8]) {
    // Either is right.
    let _ = (wire::ok::<T>(line), wire::event::<T>(line));
}
