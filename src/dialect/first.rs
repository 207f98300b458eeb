//! The first thing a client sends: what it speaks, and whether we speak that at all.

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniff {
    /// No text starts like this.
    Binary,
    Json,
    Text,
    Tls,
}

/// Tells by the first byte what a client speaks; without one it is a person that will type.
pub fn sniff(first: &[u8]) -> Sniff {
    match first.first() {
        Some(0x16) => Sniff::Tls,
        Some(b'{') => Sniff::Json,
        Some(b'\t' | b'\r' | b'\n' | 0x1b) => Sniff::Text,
        // Bytes that never start a character of UTF-8; 0xFF is telnet.
        Some(0..=0x1f | 0x7f | 0x80..=0xc1 | 0xf5..=0xfe) => Sniff::Binary,
        Some(_) | None => Sniff::Text,
    }
}

/// What to tell a client whose first line is of another protocol.
pub fn foreign(line: &[u8]) -> Option<&'static str> {
    let line = line.trim_ascii_end();
    let first = line.split(|&byte| byte == b' ').next().unwrap_or_default();
    let has_more = first.len() < line.len();
    let is_one_of = |words: &[&str]| words.iter().any(|word| word.as_bytes() == first);

    if is_one_of(&HTTP_METHODS) && has_version(line) {
        Some("this is a chat server and does not speak HTTP; try: nc HOST PORT")
    } else if line.starts_with(b"SSH-") {
        Some("this is a chat server and does not speak SSH; try: nc HOST PORT")
    } else if is_one_of(&["EHLO", "HELO"]) {
        Some("this is a chat server and takes no mail; try: nc HOST PORT")
    } else if has_more && is_one_of(&["CAP", "NICK", "PASS", "USER"]) {
        Some("IRC is not spoken here; without an IRC client, type /nick NAME")
    } else {
        None
    }
}

fn has_version(line: &[u8]) -> bool {
    let last = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    last.starts_with(b"HTTP/") || last.starts_with(b"RTSP/")
}

const HTTP_METHODS: [&str; 11] =
    ["CONNECT", "DELETE", "DESCRIBE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PRI", "PUT", "TRACE"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_tells_the_dialect() {
        assert_eq!(sniff(b""), Sniff::Text);
        for byte in 0..=u8::MAX {
            let expected = match byte {
                0x16 => Sniff::Tls,
                b'{' => Sniff::Json,
                b'\t' | b'\r' | b'\n' | 0x1b | b' '..=b'z' | b'|'..=b'~' | 0xc2..=0xf4 | 0xff => Sniff::Text,
                _ => Sniff::Binary,
            };
            assert_eq!(sniff(&[byte, b'x']), expected, "{byte:#x}");
        }
    }

    #[test]
    fn other_protocols_are_recognised_and_people_are_not() {
        let cases: [(&[u8], Option<&str>); 14] = [
            (b"GET / HTTP/1.1\r", Some("HTTP")),
            (b"GET / HTTP/1.1", Some("HTTP")),
            (b"PRI * HTTP/2.0", Some("HTTP")),
            (b"OPTIONS rtsp://x RTSP/1.0", Some("HTTP")),
            (b"SSH-2.0-OpenSSH_9.2p1", Some("SSH")),
            (b"EHLO there", Some("mail")),
            (b"NICK alice", Some("IRC")),
            (b"CAP LS 302", Some("IRC")),
            (b"USER a 0 * :a", Some("IRC")),
            (b"GET lost", None),
            (b"/nick alice", None),
            (b"NICK", None),
            (b"hello", None),
            (b"\xff\xfe", None),
        ];
        for (line, expected) in cases {
            let found = foreign(line);
            assert_eq!(found.is_some(), expected.is_some(), "{line:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{line:?}");
        }
    }
}
