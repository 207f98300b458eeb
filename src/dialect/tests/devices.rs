//! Keys, devices and mailboxes: requests, answers and events, which only programs see.

use std::sync::Arc;

use super::events::*;
use super::*;
use crate::proto::event::*;
use crate::proto::id::{AccountId, DeviceId, Seq};
use crate::proto::keys::*;
use crate::proto::limits::ONE_TIME_PREKEYS_MAX;
use crate::proto::time::Timestamp;

const RULES: Rules = Rules { line_bytes_max: 64, json_bytes_max: 65_536, secret: false };
/// 32 and 64 zero bytes.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const SIGNATURE: &str =
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";

/// What is made of a request with these fields.
fn read(fields: &str) -> String {
    let line = format!("{{\"id\":1,{fields}}}\n");
    let mut found = requests(Dialect::Json, line.as_bytes(), &RULES);
    assert_eq!(found.len(), 1, "{line}");
    found.remove(0)
}

#[track_caller]
fn check_command(fields: &str, expected: Command<'_>) {
    let line = format!("{{\"id\":1,{fields}}}\n");
    let mut decoder = Decoder::new(Dialect::Json);
    let request = decoder.decode(line.as_bytes(), &RULES).request;
    assert_eq!(request, Some(Request::Command(RequestId(1), expected)), "{fields}");
}

fn device(number: u32) -> DeviceId {
    DeviceId::new(number).expect("a device's number")
}

fn signed() -> SignedPrekey {
    let (key, signature) = (PublicKey([0; 32]), Signature([0; 64]));
    SignedPrekey { id: 2, created: Timestamp(i64::MAX as u64), key, signature }
}

#[test]
fn requests_are_understood() {
    check_command(r#""cmd":"ack","seq":5"#, Command::Ack { seq: 5 });
    check_command(r#""cmd":"attach","device":2,"run":0"#, Command::Attach { device: device(2), run: 0 });
    check_command(r#""cmd":"devices""#, Command::Devices { user: None });
    check_command(r#""cmd":"devices","user":"bob""#, Command::Devices { user: Some("bob".into()) });
    check_command(r#""cmd":"revoke","device":2147483647"#, Command::Revoke { device: device(2147483647) });
    check_command(
        r#""cmd":"claim","user":"bob","devices":[2,1]"#,
        Command::Claim { user: "bob".into(), devices: Some(vec![device(2), device(1)]) },
    );
    check_command(
        r#""cmd":"claim","user":"bob","devices":[]"#,
        Command::Claim { user: "bob".into(), devices: Some(vec![]) },
    );
    check_command(
        &format!(r#""cmd":"enroll","identity":"{KEY}","name":"the\u0007 lap\u202etop""#),
        Command::Enroll { identity: PublicKey([0; 32]), name: "the laptop".into(), replace: false },
    );
    let answer = Sealed(Arc::from([0xfb, 0xff]));
    check_command(r#""cmd":"pair","answer":"+\/8=""#, Command::Pair { answer });
    check_command(
        &format!(
            r#""cmd":"prekeys","device":3,"signed":{{"id":2,"created":9223372036854775807,"key":"{KEY}","x":[{{}}],"signature":"{SIGNATURE}"}},"one_time":[{{"key":"{KEY}","id":4294967295}}],"replace":true"#
        ),
        Command::Prekeys(Box::new(NewPrekeys {
            device: device(3),
            signed: Some(signed()),
            one_time: vec![OneTimePrekey { id: u32::MAX, key: PublicKey([0; 32]) }],
            replace: true,
        })),
    );
    let envelope = |number, bytes: &[u8]| NewEnvelope { device: device(number), body: Sealed(bytes.into()) };
    check_command(
        r#""cmd":"send","user":"bob","to":[3,4],"own":[9],"envelopes":[{"device":4,"body":"YW55"},{"body":"","device":3}],"copies":null"#,
        Command::Send(Box::new(Sending {
            user: "bob".into(),
            to: vec![device(3), device(4)],
            own: vec![device(9)],
            envelopes: vec![envelope(4, b"any"), envelope(3, b"")],
            copies: vec![],
        })),
    );
}

#[test]
fn what_is_wrong_is_named() {
    let signed = |id: &str, key: &str, signature: &str| {
        format!(
            r#""cmd":"prekeys","device":3,"signed":{{"id":{id},"created":1,"key":"{key}","signature":"{signature}"}}"#
        )
    };
    let one_time = |list: &str| format!(r#""cmd":"prekeys","device":3,"one_time":{list}"#);
    let send = |list: &str| format!(r#""cmd":"send","user":"bob","to":[],"own":[],"envelopes":{list}"#);
    let enroll = |key: &str| format!(r#""cmd":"enroll","identity":"{key}","name":"x""#);
    let long = &format!("{KEY}AAAA");
    for (fields, expected) in [
        (r#""cmd":"ack""#.into(), "missing-argument: `seq` is missing"),
        (r#""cmd":"ack","seq":-1"#.into(), "bad-argument: `seq` is an integer from 0"),
        (r#""cmd":"ack","seq":9223372036854775808"#.into(), SEQ),
        (r#""cmd":"attach","device":0,"run":1"#.into(), DEVICE),
        (r#""cmd":"attach","device":2147483648,"run":1"#.into(), DEVICE),
        (r#""cmd":"attach","device":"1","run":1"#.into(), "bad-argument: `device` is an integer from 0"),
        (r#""cmd":"attach","device":1"#.into(), "missing-argument: `run` is missing"),
        (r#""cmd":"revoke""#.into(), "missing-argument: `device` is missing"),
        (r#""cmd":"claim""#.into(), "missing-argument: `user` is missing"),
        (r#""cmd":"claim","user":"bob","devices":3"#.into(), DEVICES),
        (r#""cmd":"claim","user":"bob","devices":[0]"#.into(), DEVICES),
        (r#""cmd":"claim","user":"bob","devices":[1,null]"#.into(), DEVICES),
        (r#""cmd":"enroll","name":"x""#.into(), "missing-argument: `identity` is missing"),
        (enroll(&KEY[..43]), IDENTITY),
        (enroll(&KEY.replace('A', "-")), IDENTITY),
        (enroll(long), IDENTITY),
        // Bits that nothing stands for must be zero.
        (enroll(&KEY.replace("A=", "B=")), IDENTITY),
        (format!(r#""cmd":"enroll","identity":"{KEY}""#), "missing-argument: `name` is missing"),
        (
            format!(r#""cmd":"enroll","identity":"{KEY}","name":" \u0007""#),
            "missing-argument: `name` is missing",
        ),
        (r#""cmd":"pair""#.into(), "missing-argument: `answer` is missing"),
        (r#""cmd":"pair","answer":"YW5""#.into(), "bad-argument: `answer` is bytes in base64"),
        (r#""cmd":"prekeys","one_time":[]"#.into(), "missing-argument: `device` is missing"),
        (signed("-1", KEY, SIGNATURE), SIGNED),
        (signed("1.5", KEY, SIGNATURE), SIGNED),
        (signed("true", KEY, SIGNATURE), SIGNED),
        (signed("null", KEY, SIGNATURE), SIGNED),
        (signed("[1,[2]]", KEY, SIGNATURE), SIGNED),
        (signed("4294967296", KEY, SIGNATURE), SIGNED),
        (signed("1", SIGNATURE, SIGNATURE), SIGNED),
        (signed("1", KEY, KEY), SIGNED),
        (r#""cmd":"prekeys","device":3,"signed":[]"#.into(), SIGNED),
        (r#""cmd":"prekeys","device":3,"signed":{}"#.into(), SIGNED),
        (one_time("{}"), ONE_TIME),
        (one_time("[[]]"), ONE_TIME),
        (one_time("[true,-5,1.5,\"x\"]"), ONE_TIME),
        (one_time(&format!(r#"[{{"id":0,"key":"{KEY}"}}]"#)), ONE_TIME),
        (one_time(&format!(r#"[{{"id":1,"key":{{"a":[1]}}}},{{"id":2,"key":"{KEY}"}}]"#)), ONE_TIME),
        (r#""cmd":"send","user":"bob","own":[]"#.into(), "missing-argument: `to` is missing"),
        (r#""cmd":"send","user":"bob","to":[]"#.into(), "missing-argument: `own` is missing"),
        (send("[{\"device\":1}]"), ENVELOPES),
        (send("[{\"device\":1,\"body\":5}]"), ENVELOPES),
        (send("[{\"device\":1,\"body\":\"YW5=\"}]"), ENVELOPES),
        (send("[{\"device\":1,\"body\":\"YW55\\n\"}]"), ENVELOPES),
        (send("[1]"), ENVELOPES),
    ] {
        assert_eq!(read(&fields), format!("1 !{expected}"), "{fields}");
    }
}

const SEQ: &str = "bad-argument: `seq` is an integer of at most 63 bits";
const DEVICE: &str = "bad-argument: `device` is the number of a device";
const DEVICES: &str = "bad-argument: `devices` is a list of numbers of devices";
const IDENTITY: &str = "bad-argument: `identity` is 32 bytes in base64";
const SIGNED: &str =
    "bad-argument: `signed` is {id, created, key, signature}: two numbers, and 32 and 64 bytes in base64";
const ONE_TIME: &str =
    "bad-argument: `one_time` is a list of {id, key}: a number from 1, and 32 bytes in base64";
const ENVELOPES: &str =
    "bad-argument: `envelopes` is a list of {device, body}: a number, and bytes in base64";

#[test]
fn of_a_long_list_enough_is_kept_to_refuse_it() {
    for count in [ONE_TIME_PREKEYS_MAX, ONE_TIME_PREKEYS_MAX + 1, 10_000] {
        let numbers = vec!["1"; count].join(",");
        let line = format!("{{\"id\":1,\"cmd\":\"claim\",\"user\":\"bob\",\"devices\":[{numbers}]}}\n");
        let mut decoder = Decoder::new(Dialect::Json);
        match decoder.decode(line.as_bytes(), &RULES).request {
            Some(Request::Command(_, Command::Claim { devices: Some(devices), .. })) => {
                assert_eq!(devices.len(), count.min(ONE_TIME_PREKEYS_MAX + 1));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn text_mode_has_none_of_them() {
    for name in ["ack", "attach", "claim", "devices", "enroll", "pair", "prekeys", "revoke", "send"] {
        let found = requests(Dialect::Text, format!("/{name} 1 2\n").as_bytes(), &RULES);
        assert!(found[0].contains("!unknown-command: "), "{found:?}");
    }
}

#[test]
fn answers() {
    let answer = |answer, ok: &str| {
        check(Event::Answer(RequestId(5), answer), "", &format!(r#"{{"re":5,"ok":{ok}}}"#));
    };
    answer(Answer::Acknowledged { seq: Seq(7) }, r#"{"seq":7}"#);
    let attached = |signed| {
        let device = device(3);
        Answer::Attached(Attached { device, run: 4, one_time: 5, one_time_next: 6, signed, waiting: 7 })
    };
    answer(attached(None), r#"{"device":3,"run":4,"one_time":5,"one_time_next":6,"waiting":7}"#);
    answer(
        attached(Some((8, Timestamp(9)))),
        r#"{"device":3,"run":4,"one_time":5,"one_time_next":6,"signed":{"id":8,"created":9},"waiting":7}"#,
    );
    let identity = PublicKey([0; 32]);
    let bundle = |one_time| Bundle { device: device(3), identity, signed: signed(), one_time };
    let one_time = Some(OneTimePrekey { id: 6, key: PublicKey([0; 32]) });
    let bundles = vec![bundle(one_time), bundle(None)];
    let both = format!(
        r#""device":3,"identity":"{KEY}","signed":{{"id":2,"created":9223372036854775807,"key":"{KEY}","signature":"{SIGNATURE}"}}"#
    );
    answer(
        Answer::Claimed { user: alice(), uid: AccountId(u32::MAX), bundles },
        &format!(
            r#"{{"user":"alice","uid":4294967295,"bundles":[{{{both},"one_time":{{"id":6,"key":"{KEY}"}}}},{{{both}}}]}}"#
        ),
    );
    answer(Answer::Enrolled { uid: AccountId(2), device: device(3) }, r#"{"uid":2,"device":3}"#);
    answer(Answer::Paired { sessions: 2 }, r#"{"sessions":2}"#);
    answer(Answer::Published { device: device(3), one_time: 100 }, r#"{"device":3,"one_time":100}"#);
    answer(Answer::Revoked { device: device(3) }, r#"{"device":3}"#);
    let sealed = |full| Answer::Sealed { to: alice(), at: AT, full };
    answer(sealed(vec![]), r#"{"to":"alice","ts":"@"}"#);
    answer(
        sealed(vec![(alice(), device(3))]),
        r#"{"to":"alice","ts":"@","full":[{"user":"alice","device":3}]}"#,
    );
    check(
        Event::Answer(RequestId(5), Answer::DevicesChanged { to: vec![device(1), device(2)], own: vec![] }),
        "",
        r#"{"re":5,"err":{"code":"devices-changed","text":"these are not the devices any more","to":[1,2],"own":[]}}"#,
    );
}

#[test]
fn the_devices_of_others_are_numbers_and_one_s_own_have_names() {
    let check = |uid: Option<u32>, identity: bool, about: Vec<Option<DeviceAbout>>, ok: &str| {
        let identity = identity.then_some(PublicKey([0; 32]));
        let devices = (1..).map(device).zip(about).collect();
        let answer = Answer::Devices(Devices { user: alice(), uid: uid.map(AccountId), identity, devices });
        let ok = ok.replace('&', &format!(r#""identity":"{KEY}""#));
        check(Event::Answer(RequestId(5), answer), "", &format!(r#"{{"re":5,"ok":{{{ok}}}}}"#));
    };
    check(None, false, vec![], r#""user":"alice","devices":[]"#);
    let numbers = r#""user":"alice","uid":7,&,"devices":[{"device":1},{"device":2}]"#;
    check(Some(7), true, vec![None, None], numbers);
    let about = |seen| Some(DeviceAbout { name: "the laptop".into(), since: AT, seen });
    check(
        Some(7),
        true,
        vec![about(None), about(Some(AT))],
        r#""user":"alice","uid":7,&,"devices":[{"device":1,"name":"the laptop","since":"@"},{"device":2,"name":"the laptop","since":"@","seen":"@"}]"#,
    );
}

#[test]
fn events() {
    let envelope = Envelope {
        seq: Seq(17),
        from: "alice".into(),
        uid: AccountId(2),
        device: device(3),
        at: AT,
        body: Sealed(Arc::from([0xfb, 0xff, 0])),
    };
    check(
        Event::Envelope(Arc::new(envelope)),
        "",
        r#"{"ev":"envelope","seq":17,"from":"alice","uid":2,"device":3,"ts":"@","body":"+/8A"}"#,
    );
    let answer = Sealed(Arc::from([0xfb, 0xff]));
    check(Event::Paired { answer }, "", r#"{"ev":"pair","answer":"+/8="}"#);
    check(Event::Detached { device: device(3) }, "", r#"{"ev":"notice","kind":"detached","device":3}"#);
    check(
        Event::Sealed { from: alice() },
        "*** alice sent you a message that only sotto can read\n",
        r#"{"ev":"notice","kind":"sealed","from":"alice"}"#,
    );
    let changed = |added| Event::DeviceChanged { device: device(3), name: "lap\u{1b}[2Jtop".into(), added };
    check(
        changed(true),
        "*** laptop (3) is a new device of yours\n",
        r#"{"ev":"notice","kind":"device","device":3,"name":"lap\u001b[2Jtop","added":true}"#,
    );
    check(
        changed(false),
        "*** laptop (3) is no device of yours any more\n",
        r#"{"ev":"notice","kind":"device","device":3,"name":"lap\u001b[2Jtop","added":false}"#,
    );
}
