//! Each kind as JSON and back, wrong forms, and the bounds.

use super::*;
use crate::e2e::identity::Identity;
use crate::e2e::trust::Standing;

const ID: MessageId = MessageId([0xab; 16]);
const ID_TEXT: &str = "abababababababababababababababab";

/// The kind as JSON after the fields that all contents have; and back, to the same JSON.
fn check(kind: Kind, expected: &str) {
    let content = Content::new(ID, Millis(1234), kind);
    let json = String::from_utf8(content.encode().unwrap().to_vec()).unwrap();
    assert_eq!(json, format!(r#"{{"v":1,"id":"{ID_TEXT}","ts":1234,{expected}}}"#));
    let again = Content::decode(json.as_bytes()).unwrap();
    let name = format!("{:?}", again.kind);
    assert!(name.ends_with("(..)") || name.starts_with("FileNote("), "bodies are not shown: {name}");
    assert_eq!((again.id, again.time), (ID, Millis(1234)));
    assert_eq!(again.encode().unwrap().as_slice(), json.as_bytes());
}

fn length(kind: Kind) -> Result<(), Error> {
    let content = Content::new(ID, Millis(0), kind);
    content.encode().and_then(|json| Content::decode(&json)).map(|_| ())
}

#[test]
fn every_kind() {
    let of = format!(r#""of":"{ID_TEXT}""#);
    check(Kind::Text { text: "hi \"ü\"".into() }, r#""k":"text","text":"hi \"ü\"""#);
    check(Kind::Edit { of: ID, text: "x".into() }, &format!(r#""k":"edit",{of},"text":"x""#));
    check(Kind::Delete { of: ID }, &format!(r#""k":"delete",{of}"#));
    check(Kind::React { of: ID, text: "👍".into() }, &format!(r#""k":"react",{of},"text":"👍""#));
    let receipt = Kind::Receipt { ids: vec![ID], state: ReceiptState::Delivered };
    check(receipt, &format!(r#""k":"receipt","ids":["{ID_TEXT}"],"state":"delivered""#));
    check(Kind::Reset { lost: vec![7, u64::MAX] }, r#""k":"reset","lost":[7,18446744073709551615]"#);
    let what = Box::new(Content::new(ID, Millis(5), Kind::Text { text: "x".into() }));
    let inner = format!(r#"{{"v":1,"id":"{ID_TEXT}","ts":5,"k":"text","text":"x"}}"#);
    check(Kind::Sent { to: Uid(9), name: None, what }, &format!(r#""k":"sent","to":9,"what":{inner}"#));
    let identity = *Identity::from_seed(&[1; 32]).public();
    let key = data_encoding::HEXLOWER.encode(identity.bytes());
    let trust = vec![TrustEntry { uid: Uid(3), identity, standing: Standing::Verified }];
    let list = format!(r#"[{{"uid":3,"ik":"{key}","state":"verified"}}]"#);
    check(Kind::PairTrust { trust }, &format!(r#""k":"pair-trust","trust":{list}"#));
    let file = format!(
        r#""k":"file","blob":"{}","key":"{}","size":3,"sha256":"{}","name":"a","mime":"b/c""#,
        "01".repeat(16),
        "02".repeat(32),
        "03".repeat(32)
    );
    check(Kind::FileNote(note("a", "b/c")), &file);
}

fn note(name: &str, mime: &str) -> FileNote {
    let (blob, key, sha256) = ([1; 16], FileKey::from_bytes(&[2; 32]), [3; 32]);
    FileNote { blob, key, size: 3, sha256, name: name.into(), mime: mime.into() }
}

#[test]
fn what_is_newer_is_ignored() {
    let json = format!(r#"{{"v":1,"id":"{ID_TEXT}","ts":1,"k":"poll","of":3,"deep":[{{}}]}}"#);
    let kind = Content::decode(json.as_bytes()).unwrap().kind;
    assert!(matches!(kind, Kind::Unknown), "{kind:?}");
    assert_eq!(format!("{kind:?}"), "Unknown");
    let json = format!(r#"{{"v":1,"id":"{ID_TEXT}","ts":1,"k":"text","text":"x","mood":"good"}}"#);
    assert!(matches!(Content::decode(json.as_bytes()).unwrap().kind, Kind::Text { text } if text == "x"));
    assert_eq!(Content::decode(br#"{"v":2,"new":true}"#).map(|_| ()), Err(Error::Version));
    assert_eq!(length(Kind::Unknown), Err(Error::Malformed), "nobody writes what nobody knows");
}

#[test]
fn wrong_forms_are_refused() {
    let of = |rest: &str| format!(r#"{{"v":1,"id":"{ID_TEXT}","ts":1,{rest}}}"#);
    let deep = format!("{}1{}", r#"{"v":1,"what":"#.repeat(400), "}".repeat(400));
    let wrong = [
        String::new(),
        "[]".into(),
        "{}".into(),
        of(r#""k":"text""#),
        of(r#""k":"text","text":3"#),
        of(r#""k":"edit","of":"abab","text":"x""#),
        of(r#""k":"edit","of":"ABABABABABABABABABABABABABABABAB","text":"x""#),
        of(r#""k":"receipt","ids":[],"state":"eaten""#),
        of(r#""text":"x""#),
        of(r#""k":"text","text":"x"}x"#),
        of(&format!(r#""k":"pair-trust","trust":[{{"uid":1,"ik":"{}","state":"pinned"}}]"#, "00".repeat(32))),
        deep,
    ];
    for json in wrong {
        assert_eq!(Content::decode(json.as_bytes()).map(|_| ()), Err(Error::Malformed), "{json}");
    }
}

#[test]
fn bounds() {
    let refused = Err(Error::TooLong);
    let text = |bytes: usize| Kind::Text { text: "x".repeat(bytes) };
    let frame = Content::new(ID, Millis(0), text(0)).encode().unwrap().len();
    assert_eq!(length(text(CONTENT_BYTES_MAX - frame)), Ok(()));
    assert_eq!(length(text(CONTENT_BYTES_MAX - frame + 1)), refused);
    assert_eq!(Content::decode(&vec![b' '; CONTENT_BYTES_MAX + 1]).map(|_| ()), refused);

    let receipt = |count| Kind::Receipt { ids: vec![ID; count], state: ReceiptState::Read };
    assert_eq!(length(receipt(RECEIPT_IDS_MAX)), Ok(()));
    assert_eq!(length(receipt(RECEIPT_IDS_MAX + 1)), refused);
    assert_eq!(length(Kind::Reset { lost: vec![1; RESET_LOST_MAX] }), Ok(()));
    assert_eq!(length(Kind::Reset { lost: vec![1; RESET_LOST_MAX + 1] }), refused);
    let react = |bytes: usize| Kind::React { of: ID, text: "x".repeat(bytes) };
    assert_eq!(length(react(REACTION_BYTES_MAX)), Ok(()));
    assert_eq!(length(react(REACTION_BYTES_MAX + 1)), refused);
    let longest = "x".repeat(LABEL_BYTES_MAX);
    assert_eq!(length(Kind::FileNote(note(&longest, &longest))), Ok(()));
    assert_eq!(length(Kind::FileNote(note(&format!("{longest}x"), ""))), refused);
    assert_eq!(length(Kind::FileNote(note("", &format!("{longest}x")))), refused);
    let identity = *Identity::from_seed(&[1; 32]).public();
    let entry = TrustEntry { uid: Uid(u64::MAX), identity, standing: Standing::Verified };
    assert_eq!(length(Kind::PairTrust { trust: vec![entry; PAIR_TRUST_MAX] }), Ok(()));
    assert_eq!(length(Kind::PairTrust { trust: vec![entry; PAIR_TRUST_MAX + 1] }), refused);
}

#[test]
fn a_copy_holds_no_copy() {
    let sent = |kind| {
        let name = Some("x".repeat(LABEL_BYTES_MAX));
        Kind::Sent { to: Uid(1), name, what: Box::new(Content::new(ID, Millis(0), kind)) }
    };
    assert_eq!(length(sent(Kind::Delete { of: ID })), Ok(()));
    assert_eq!(length(sent(sent(Kind::Delete { of: ID }))), Err(Error::TooLong));
    let name = Some("x".repeat(LABEL_BYTES_MAX + 1));
    let what = Box::new(Content::new(ID, Millis(0), Kind::Delete { of: ID }));
    assert_eq!(length(Kind::Sent { to: Uid(1), name, what }), Err(Error::TooLong));
}

#[test]
fn debug_shows_no_body() {
    let content = Content::new(ID, Millis(0), Kind::Text { text: "secret".into() });
    assert!(!format!("{content:?}").contains("secret"));
    assert_eq!(format!("{:?} {:?}", content.kind, note("secret", "")), "Text(..) FileNote(3 bytes)");
}
