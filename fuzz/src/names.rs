//! Names, sanitising, times and other small texts that people and servers send.

use sottovoce::client::trust::Fingerprint;
use sottovoce::client::wire::clean_body;
use sottovoce::proto::name::{RoomName, UserName};
use sottovoce::proto::text::{cut, is_unsafe, sanitise};
use sottovoce::proto::time::Timestamp;

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let clean = sanitise(&text);
    assert_eq!(sanitise(&clean), clean, "nothing is left to do");
    let tag = |c: &char| ('\u{e0000}'..='\u{e007f}').contains(c);
    assert!(!clean.chars().any(|c| is_unsafe(c) && !tag(&c)), "{clean:?}");
    let body = clean_body(&text);
    assert_eq!(clean_body(&body), body);
    for bytes in [0, 1, 5, text.len()] {
        let short = cut(&text, bytes);
        assert!(short.len() <= bytes && text.starts_with(short));
    }
    if let Ok(name) = UserName::parse(&text) {
        let again = UserName::parse(name.shown()).expect("what is shown can be typed");
        assert_eq!(again, name);
        assert_eq!(sanitise(name.shown()), &**name.shown());
    }
    if let Ok(name) = RoomName::parse(&text) {
        let again = RoomName::parse(name.shown()).expect("what is shown can be typed");
        assert_eq!(again, name);
        assert_eq!(sanitise(name.shown()), &**name.shown());
    }
    if let Some(at) = Timestamp::parse_rfc3339(&text) {
        assert_eq!(Timestamp::parse_rfc3339(&at.rfc3339()), Some(at));
    }
    Fingerprint::parse(&text);
}
