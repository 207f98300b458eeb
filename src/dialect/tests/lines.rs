//! Where lines end: packets, limits, telnet, and lines that are put back.

use proptest::prelude::*;

use super::*;

/// A connection's input side, as the engine drives it.
pub struct Feed<'r> {
    decoder: Decoder,
    rules: &'r Rules,
    /// Which of the requests are put back once, in turn.
    put_back: Vec<bool>,
    requests: Vec<String>,
}

impl<'r> Feed<'r> {
    pub fn new(dialect: Dialect, rules: &'r Rules) -> Feed<'r> {
        Feed { decoder: Decoder::new(dialect), rules, put_back: Vec::new(), requests: Vec::new() }
    }

    pub fn run(mut self, packets: &[&[u8]]) -> Vec<String> {
        for packet in packets {
            self.packet(packet);
        }
        self.requests
    }

    fn packet(&mut self, packet: &[u8]) {
        let bytes_max = self.rules.line_bytes_max.max(self.rules.json_bytes_max) + 2;
        let mut at = 0;
        let mut was_put_back = false;
        loop {
            let decoded = self.decoder.decode(&packet[at..], self.rules);
            at += decoded.consumed;
            let Some(request) = decoded.request.as_ref().map(shown) else { break };
            assert!(self.decoder.kept_bytes() <= bytes_max);
            if !was_put_back && self.put_back.pop() == Some(true) {
                was_put_back = true;
                at -= self.decoder.put_back();
                continue;
            }
            was_put_back = false;
            self.requests.push(request);
        }
        assert_eq!(at, packet.len());
        self.decoder.settle();
        assert!(self.decoder.kept_bytes() <= bytes_max);
        assert!(self.decoder.unfinished() || self.decoder.kept_bytes() == 0);
    }
}

fn check_text(input: &[u8], expected: &[&str]) {
    let said: Vec<String> = expected
        .iter()
        .map(|line| if line.starts_with('!') { (*line).to_owned() } else { shown(&say(line)) })
        .collect();
    assert_eq!(requests(Dialect::Text, input, &RULES), said, "{:?}", input.escape_ascii().to_string());
}

fn say(text: &str) -> Request<'_> {
    Request::Command(RequestId::NONE, Command::Say { room: None, text: text.into(), me: false, key: None })
}

const NOT_UTF8: &str = "!invalid-utf8: this line is not UTF-8";
const TOO_LONG: &str = "!line-too-long: a line has at most 64 bytes";

#[test]
fn lines_end_in_many_ways() {
    let cases: [(&[u8], &[&str]); 13] = [
        (b"a\nb\n", &["a", "b"]),
        (b"a\r\nb\r\n", &["a", "b"]),
        (b"a\rb\r", &["a", "b"]),
        (b"a\r\0b\r\0", &["a", "b"]),
        (b"a\n\nb\r\r\n\n\r\n", &["a", "b"]),
        (b"a\r\0\r\0b\r\0\n", &["a", "b"]),
        (b"a\n\0b\n", &["a", "b"]),
        (b" a \t\n", &[" a \t"]),
        (b"a", &[]),
        (b"", &[]),
        (b"\r\0\0\n", &["!missing-argument: there is nothing to see in this line"]),
        (b"caf\xc3\xa9\n", &["caf\u{e9}"]),
        (b"caf\xe9\nb\n", &[NOT_UTF8, "b"]),
    ];
    for (input, expected) in cases {
        let expected: Vec<&str> = expected.to_vec();
        if expected.first().is_some_and(|line| line.starts_with("!missing")) {
            assert_eq!(requests(Dialect::Text, input, &RULES), [format!("0 {}", expected[0])]);
        } else {
            check_text(input, &expected);
        }
    }
}

#[test]
fn telnet_commands_are_skipped_before_anything_else() {
    let long_sub: Vec<u8> = [b"\xff\xfa".as_slice(), &[b'x'; 1030], b"yz\n"].concat();
    let cases: [(&[u8], &[&str]); 11] = [
        (b"\xff\xfd\x03\xff\xfb\x18hi\n", &["hi"]),
        (b"h\xff\xf1i\n", &["hi"]),
        (b"h\xff\xfa\x18\x00ab\nc\xff\xff\r\xff\xf0i\n", &["hi"]),
        (b"hi\xff\xfb\x01\n", &["hi"]),
        (b"hi\r\xff\xf1\n\nyo\n", &["hi", "yo"]),
        (b"\xff\xff\nhi\n", &[NOT_UTF8, "hi"]),
        (b"a\xff\xffb\nhi\n", &[NOT_UTF8, "hi"]),
        (b"\xff\nhi\n", &[NOT_UTF8, "hi"]),
        (b"\xffa\nhi\n", &[NOT_UTF8, "hi"]),
        (b"\xff\xfe\nhi\n", &["hi"]),
        (&long_sub, &["xxxxxyz"]),
    ];
    for (input, expected) in cases {
        check_text(input, expected);
    }
}

#[test]
fn text_lines_have_a_limit() {
    let (fits, over) = ("a".repeat(64), "a".repeat(65));
    check_text(format!("{fits}\nb\n").as_bytes(), &[&fits, "b"]);
    check_text(format!("{fits}\r\nb\n").as_bytes(), &[&fits, "b"]);
    check_text(format!("{over}\nb\n").as_bytes(), &[TOO_LONG, "b"]);
    check_text(format!("{over}{over}\r\nb\n").as_bytes(), &[TOO_LONG, "b"]);
    check_text(over.as_bytes(), &[TOO_LONG]);
    check_text(&[fits.as_bytes(), b"\xff\xf1\nb\n"].concat(), &[&fits, "b"]);
    check_text(&[fits.as_bytes(), b"\xff\xff\nb\n"].concat(), &[TOO_LONG, "b"]);
    check_text(&[over.as_bytes(), b"\xff\xfa\n\xff\xf0more\nb\n"].concat(), &[TOO_LONG, "b"]);
}

#[test]
fn json_lines_have_a_limit_too() {
    let line = |bytes: usize| {
        let empty = r#"{"id":1,"cmd":"ping","x":""}"#.len();
        format!(r#"{{"id":1,"cmd":"ping","x":"{}"}}"#, "x".repeat(bytes - empty))
    };
    let too_long = "!line-too-long: a line has at most 256 bytes";
    let cases = [
        (format!("{}\n", line(256)), vec!["1 Ping"]),
        (format!("{}\r\n", line(256)), vec!["1 Ping"]),
        (format!("{}\n{}\n", line(257), line(40)), vec![too_long, "1 Ping"]),
        (format!("{}\r\n{}\n", line(257), line(40)), vec![too_long, "1 Ping"]),
        (format!("{}\n\r\n \t\r\n{}\n", line(50), line(51)), vec!["1 Ping", "1 Ping"]),
        ("[".repeat(100_000) + "\n" + &line(40) + "\n", vec![too_long, "1 Ping"]),
    ];
    for (input, expected) in cases {
        assert_eq!(requests(Dialect::Json, input.as_bytes(), &RULES), expected, "{input}");
    }
}

#[test]
fn a_line_that_never_ends_takes_no_more_memory_than_its_limit() {
    for dialect in [Dialect::Text, Dialect::Json] {
        let mut decoder = Decoder::new(dialect);
        let mut errors = 0;
        for _ in 0..10_000 {
            let decoded = decoder.decode(b"x", &RULES);
            assert_eq!(decoded.consumed, 1);
            errors += usize::from(decoded.request.is_some());
            assert!(decoder.kept_bytes() <= 256 + 1 && decoder.unfinished());
        }
        assert_eq!(errors, 1);
    }
}

#[test]
fn every_byte_as_a_line_is_answered_once_and_the_next_line_is_read() {
    for byte in (0..=u8::MAX).filter(|byte| !matches!(byte, b'\n' | b'\r')) {
        let found = requests(Dialect::Text, &[byte, b'\n', b'h', b'i', b'\n'], &RULES);
        assert_eq!(found.len(), 2, "{byte:#x}: {found:?}");
        assert_eq!(found[1], shown(&say("hi")), "{byte:#x}");
        let found = requests(
            Dialect::Json,
            &[&[byte], b"\n{\"id\":1,\"cmd\":\"ping\"}\n".as_slice()].concat(),
            &RULES,
        );
        let expected = if matches!(byte, b' ' | b'\t' | 0x0c) { 1 } else { 2 };
        assert_eq!(
            (found.len(), found.last().unwrap().as_str()),
            (expected, "1 Ping"),
            "{byte:#x}: {found:?}"
        );
    }
}

#[test]
fn the_answer_to_a_prompt_is_taken_whole() {
    let secret = Rules { secret: true, ..RULES };
    for (input, expected) in [
        ("/quit now \n", "/quit now "),
        ("\n", ""),
        ("\r\n", ""),
        ("p\u{1b}[1m\r", "p\u{1b}[1m"),
        ("  x\r\0", "  x"),
    ] {
        let found = requests(Dialect::Text, input.as_bytes(), &secret);
        assert_eq!(found, [format!("RequestId(0) secret {expected:?}")], "{input:?}");
    }
    assert_eq!(requests(Dialect::Text, b"\xc3\n", &secret), [NOT_UTF8]);
    // The end of the command that asked may come in two packets; its LF answers nothing.
    let mut decoder = Decoder::new(Dialect::Text);
    assert!(decoder.decode(b"/login alice\r", &RULES).request.is_some());
    assert_eq!(decoder.decode(b"\n", &secret), Decoded { consumed: 1, request: None });
}

#[test]
fn a_line_put_back_follows_the_rules_of_its_next_reading() {
    for packets in [vec!["/quit\n"], vec!["/qu", "it\n"]] {
        let mut decoder = Decoder::new(Dialect::Text);
        let (last, before) = packets.split_last().unwrap();
        for packet in before {
            assert!(decoder.decode(packet.as_bytes(), &RULES).request.is_none());
        }
        assert!(decoder.decode(last.as_bytes(), &RULES).request.is_some());
        let again = &last.as_bytes()[last.len() - decoder.put_back()..];
        assert!(!decoder.unfinished());
        let secret = Rules { secret: true, ..RULES };
        let decoded = decoder.decode(again, &secret);
        assert_eq!(decoded.consumed, again.len());
        assert_eq!(shown(&decoded.request.unwrap()), "RequestId(0) secret \"/quit\"");
    }
}

#[test]
fn a_limit_that_shrinks_meanwhile_ends_the_line() {
    for dialect in [Dialect::Text, Dialect::Json] {
        let mut decoder = Decoder::new(dialect);
        assert!(decoder.decode(&[b'x'; 60], &RULES).request.is_none());
        let smaller = Rules { line_bytes_max: 10, json_bytes_max: 10, secret: false };
        let refused = decoder.decode(b"yy", &smaller).request;
        assert!(
            matches!(refused, Some(Request::Error(Refusal { code: Code::LineTooLong, .. }))),
            "{dialect:?}"
        );
        assert_eq!(decoder.kept_bytes(), 0);
    }
}

proptest! {
    #[test]
    fn packets_and_putting_back_change_nothing(
        pieces in prop::collection::vec(piece(), 0..30),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        put_back in prop::collection::vec(any::<bool>(), 0..40),
        secret in any::<bool>(),
        json in any::<bool>(),
    ) {
        let input = pieces.concat();
        let rules = Rules { line_bytes_max: 7, json_bytes_max: 30, secret };
        let dialect = if json { Dialect::Json } else { Dialect::Text };
        let expected = requests(dialect, &input, &rules);

        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        prop_assert_eq!(&Feed::new(dialect, &rules).run(&bytes), &expected);

        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let packets: Vec<&[u8]> = cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]).collect();
        let feed = Feed { put_back, ..Feed::new(dialect, &rules) };
        prop_assert_eq!(&feed.run(&packets), &expected);
    }
}

/// Mostly what has a meaning to some decoder, now and then anything.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"\xff",
        b"\xff\xff",
        b"\xff\xfb",
        b"\xff\xfa",
        b"\xff\xf0",
        b"\xfa",
        b"a",
        b"abc",
        b"abcdefg",
        b"/",
        b"/me",
        b" ",
        b"\t",
        b"\xc3\xa9",
        b"\x1b[",
        b"{",
        b"}",
        b"{\"id\":1,\"cmd\":\"ping\"}\n",
    ];
    prop_oneof![
        8 => prop::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 1..12),
    ]
}
