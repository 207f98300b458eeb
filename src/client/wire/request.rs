//! Requests to lines.

use data_encoding::BASE64;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::proto::command::{Command, HistoryRange, Proof};
use crate::proto::id::DeviceId;
use crate::proto::keys::{NewEnvelope, OneTimePrekey, SignedPrekey};
use crate::proto::secret::Secret;

/// A request as one line with its end; erased when dropped, for it may hold a password.
pub fn encode(id: i64, command: &Command<'_>) -> Zeroizing<String> {
    let request = request(id, command);
    let mut line = Zeroizing::new(
        serde_json::to_string(&request).expect("numbers and texts with fixed names always encode"),
    );
    line.push('\n');
    line
}

#[derive(Default, Serialize)]
struct Request<'a> {
    id: i64,
    cmd: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readers: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Position<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Position<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    me: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Bytes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed: Option<Signed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    one_time: Option<Vec<OneTime<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    own: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    envelopes: Option<Vec<Envelope<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copies: Option<Vec<Envelope<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Bytes<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replace: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    data: bool,
}

/// Bytes, in base64.
struct Bytes<'a>(&'a [u8]);

#[derive(Serialize)]
struct Signed<'a> {
    id: u32,
    created: u64,
    key: Bytes<'a>,
    signature: Bytes<'a>,
}

#[derive(Serialize)]
struct OneTime<'a> {
    id: u32,
    key: Bytes<'a>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    device: u32,
    body: Bytes<'a>,
}

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&BASE64.encode_display(self.0))
    }
}

/// Where a page begins: at a message's number, or behind a name.
#[derive(Serialize)]
#[serde(untagged)]
enum Position<'a> {
    Name(&'a str),
    Seq(u64),
}

fn request<'a>(id: i64, command: &'a Command<'_>) -> Request<'a> {
    let mut to = Request { id, cmd: command.name(), ..Request::default() };
    match command {
        Command::Ban { room, user }
        | Command::Deop { room, user }
        | Command::Invite { room, user }
        | Command::Op { room, user }
        | Command::Unban { room, user } => {
            to.room = room.as_deref();
            to.user = Some(user);
        }
        Command::Ack { seq } => to.seq = Some(*seq),
        Command::Attach { device, run } => {
            to.device = Some(device.number());
            to.run = Some(*run);
        }
        Command::Block { user }
        | Command::Nick { user }
        | Command::Unblock { user }
        | Command::Whois { user } => to.user = Some(user),
        Command::Claim { user, devices } => {
            to.user = Some(user);
            to.devices = devices.as_deref().map(numbers);
        }
        Command::Devices { user } => to.user = user.as_deref(),
        Command::Enroll { identity, name, replace } => {
            to.identity = Some(Bytes(&identity.0));
            to.name = Some(name);
            to.replace = *replace;
        }
        Command::Decline { file }
        | Command::Delete { file }
        | Command::Finish { file }
        | Command::UploadStatus { file } => to.file = Some(file),
        Command::Files { after, limit } => {
            to.after = after.as_deref().map(Position::Name);
            to.limit = *limit;
        }
        Command::Hello { version } => {
            to.version = Some(*version);
            to.client = Some(concat!("sotto/", env!("CARGO_PKG_VERSION")));
        }
        Command::Help { topic } => to.topic = topic.as_deref(),
        Command::History { room, range, limit, paging: _ } => {
            to.room = room.as_deref();
            to.limit = *limit;
            match range {
                HistoryRange::After(seq) => to.after = Some(Position::Seq(*seq)),
                HistoryRange::Before(seq) => to.before = Some(Position::Seq(*seq)),
                HistoryRange::Latest => {}
            }
        }
        Command::Join { room, key } => {
            to.room = Some(room);
            to.key = reveal(key);
        }
        Command::Kick { room, user, why } => {
            to.room = room.as_deref();
            to.user = Some(user);
            to.text = why.as_deref();
        }
        Command::Leave { room } => to.room = room.as_deref(),
        Command::List { after, limit, paging: _ } | Command::Rooms { after, limit, paging: _ } => {
            to.after = after.as_deref().map(Position::Name);
            to.limit = *limit;
        }
        Command::Login { user, proof, data } => {
            to.user = Some(user);
            to.data = *data;
            match proof {
                Proof::Ask => {}
                Proof::Password(password) => to.password = Some(password.reveal()),
                Proof::Token(token) => to.token = Some(token.reveal()),
            }
        }
        Command::Msg { user, text } => {
            to.user = Some(user);
            to.text = Some(text);
        }
        Command::Passwd { old, new } => {
            to.old = reveal(old);
            to.new = reveal(new);
        }
        Command::Pair { answer } => to.answer = Some(Bytes(&answer.0)),
        Command::Ping => {}
        Command::Prekeys(prekeys) => {
            to.device = Some(prekeys.device.number());
            to.signed = prekeys.signed.as_ref().map(signed);
            to.one_time = Some(prekeys.one_time.iter().map(one_time).collect());
            to.replace = prekeys.replace;
        }
        Command::Quit { text } => to.text = text.as_deref(),
        Command::Register { user, password, invite } => {
            to.user = Some(user);
            to.password = reveal(password);
            to.invite = reveal(invite);
        }
        Command::Revoke { device } => to.device = Some(device.number()),
        Command::Room { room, access, key } => {
            to.room = room.as_deref();
            to.access = Some(access);
            to.key = reveal(key);
        }
        Command::Say { room, text, me, key } => {
            to.room = room.as_deref();
            to.text = Some(text);
            to.me = *me;
            to.key = key.as_deref();
        }
        Command::Search { query, limit } => {
            to.query = Some(query);
            to.limit = *limit;
        }
        Command::Secret { line } => to.text = Some(line.reveal()),
        Command::Send(sending) => {
            to.user = Some(&sending.user);
            to.to = Some(numbers(&sending.to));
            to.own = Some(numbers(&sending.own));
            to.envelopes = Some(envelopes(&sending.envelopes));
            to.copies = Some(envelopes(&sending.copies));
        }
        Command::Status { status, text } => {
            to.status = status.as_deref();
            to.text = text.as_deref();
        }
        Command::Topic { room, topic } => {
            to.room = room.as_deref();
            to.topic = topic.as_deref();
        }
        Command::Upload { size, readers } => {
            to.size = Some(*size);
            to.readers = Some(*readers);
        }
        Command::Who { room, after, limit, paging: _ } => {
            to.room = room.as_deref();
            to.after = after.as_deref().map(Position::Name);
            to.limit = *limit;
        }
    }
    to
}

fn reveal(secret: &Option<Secret>) -> Option<&str> {
    secret.as_ref().map(Secret::reveal)
}

fn numbers(devices: &[DeviceId]) -> Vec<u32> {
    devices.iter().map(|device| device.number()).collect()
}

fn envelopes(envelopes: &[NewEnvelope]) -> Vec<Envelope<'_>> {
    envelopes.iter().map(|new| Envelope { device: new.device.number(), body: Bytes(&new.body.0) }).collect()
}

fn one_time(prekey: &OneTimePrekey) -> OneTime<'_> {
    OneTime { id: prekey.id, key: Bytes(&prekey.key.0) }
}

fn signed(prekey: &SignedPrekey) -> Signed<'_> {
    let SignedPrekey { id, created, key, signature } = prekey;
    Signed { id: *id, created: created.0, key: Bytes(&key.0), signature: Bytes(&signature.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Decoder, Dialect, Request, Rules};
    use crate::proto::command::Paging;
    use crate::proto::id::RequestId;
    use crate::proto::keys::{NewPrekeys, PublicKey, Sealed, Sending, Signature};
    use crate::proto::secret::Secret;
    use crate::proto::time::Timestamp;

    #[track_caller]
    fn check_request(command: Command<'_>, expected: &str) {
        assert_eq!(encode(7, &command).trim_end(), expected);
    }

    #[test]
    fn requests_carry_what_their_command_needs_and_nothing_else() {
        check_request(Command::Ping, r#"{"id":7,"cmd":"ping"}"#);
        check_request(
            Command::Login { user: "alice".into(), proof: Proof::Token(Secret::new("t")), data: false },
            r#"{"id":7,"cmd":"login","user":"alice","token":"t"}"#,
        );
        check_request(
            Command::Upload { size: 44, readers: 2 },
            r#"{"id":7,"cmd":"upload","size":44,"readers":2}"#,
        );
        check_request(
            Command::Say {
                room: Some("lobby".into()),
                text: "a\"b\n".into(),
                me: true,
                key: Some("k".into()),
            },
            r#"{"id":7,"cmd":"say","room":"lobby","text":"a\"b\n","key":"k","me":true}"#,
        );
        check_request(
            Command::History {
                room: Some("lobby".into()),
                range: HistoryRange::After(0),
                limit: Some(500),
                paging: Paging::Page,
            },
            r#"{"id":7,"cmd":"history","room":"lobby","limit":500,"after":0}"#,
        );
        check_request(
            Command::List { after: Some("bob".into()), limit: None, paging: Paging::Page },
            r#"{"id":7,"cmd":"list","after":"bob"}"#,
        );
        check_request(
            Command::Topic { room: Some("lobby".into()), topic: Some("".into()) },
            r#"{"id":7,"cmd":"topic","room":"lobby","topic":""}"#,
        );
        check_request(Command::Devices { user: None }, r#"{"id":7,"cmd":"devices"}"#);
        check_request(
            Command::Send(Box::new(Sending {
                user: "bob".into(),
                to: vec![device(3), device(4)],
                own: vec![],
                envelopes: vec![envelope(4, b"\xfbany")],
                copies: vec![],
            })),
            r#"{"id":7,"cmd":"send","user":"bob","to":[3,4],"own":[],"envelopes":[{"device":4,"body":"+2FueQ=="}],"copies":[]}"#,
        );
    }

    fn device(number: u32) -> DeviceId {
        DeviceId::new(number).expect("a device's number")
    }

    fn envelope(number: u32, bytes: &[u8]) -> NewEnvelope {
        NewEnvelope { device: device(number), body: Sealed(bytes.into()) }
    }

    fn prekeys(has_signed: bool) -> Command<'static> {
        let (key, signature) = (PublicKey([0xfb; 32]), Signature([0xff; 64]));
        let signed = SignedPrekey { id: 1, created: Timestamp(1_769_860_800_000), key, signature };
        Command::Prekeys(Box::new(NewPrekeys {
            device: device(5),
            signed: has_signed.then_some(signed),
            one_time: (1..=3).map(|id| OneTimePrekey { id, key: PublicKey([id as u8; 32]) }).collect(),
            replace: !has_signed,
        }))
    }

    /// The server must read every request as it was meant.
    #[test]
    fn requests_are_what_the_server_understands() {
        let lobby = || Some("lobby".into());
        let user = || "bob".into();
        let file = || "00112233445566778899aabbccddeeff".into();
        let secret = || Some(Secret::new("correct horse"));
        let history = |range| Command::History { room: lobby(), range, limit: Some(5), paging: Paging::Page };
        let paging = Paging::Page;
        let sending = Sending {
            user: user(),
            to: vec![device(1), device(u32::MAX / 2)],
            own: vec![device(3)],
            envelopes: vec![envelope(1, &[7; 198]), envelope(2, b"")],
            copies: vec![envelope(3, &[0xff; 300])],
        };
        let commands = [
            Command::Ack { seq: i64::MAX as u64 },
            Command::Attach { device: device(2), run: 9 },
            Command::Ban { room: lobby(), user: user() },
            Command::Block { user: user() },
            Command::Claim { user: user(), devices: None },
            Command::Claim { user: user(), devices: Some(vec![device(1), device(2)]) },
            Command::Devices { user: None },
            Command::Devices { user: Some(user()) },
            Command::Enroll { identity: PublicKey([0xfe; 32]), name: "the laptop".into(), replace: true },
            Command::Decline { file: file() },
            Command::Delete { file: file() },
            Command::Deop { room: lobby(), user: user() },
            Command::Files { after: Some(file()), limit: Some(9) },
            Command::Finish { file: file() },
            Command::Hello { version: 1 },
            Command::Help { topic: Some("join".into()) },
            history(HistoryRange::After(3)),
            history(HistoryRange::Before(u64::MAX)),
            history(HistoryRange::Latest),
            Command::Invite { room: lobby(), user: user() },
            Command::Join { room: "lobby".into(), key: secret() },
            Command::Kick { room: lobby(), user: user(), why: Some("spam".into()) },
            Command::Leave { room: lobby() },
            Command::List { after: Some("a".into()), limit: Some(9), paging },
            Command::Login { user: user(), proof: Proof::Password(Secret::new("p")), data: false },
            Command::Login { user: user(), proof: Proof::Token(Secret::new("t")), data: true },
            Command::Msg { user: user(), text: "\"hi\" \\ \t".into() },
            Command::Nick { user: user() },
            Command::Op { room: lobby(), user: user() },
            Command::Passwd { old: secret(), new: secret() },
            Command::Pair { answer: Sealed((0..=255).collect()) },
            Command::Ping,
            prekeys(true),
            prekeys(false),
            Command::Quit { text: Some("bye".into()) },
            Command::Register { user: user(), password: secret(), invite: secret() },
            Command::Revoke { device: device(7) },
            Command::Room { room: lobby(), access: "key".into(), key: secret() },
            Command::Rooms { after: None, limit: None, paging },
            Command::Say { room: lobby(), text: "hi".into(), me: true, key: Some("k".into()) },
            Command::Search { query: "tea".into(), limit: Some(3) },
            Command::Send(Box::new(sending)),
            Command::Status { status: Some("away".into()), text: Some("tea".into()) },
            Command::Topic { room: lobby(), topic: None },
            Command::Topic { room: lobby(), topic: Some("".into()) },
            Command::Unban { room: lobby(), user: user() },
            Command::Unblock { user: user() },
            Command::Upload { size: u64::MAX, readers: 3 },
            Command::UploadStatus { file: file() },
            Command::Who { room: lobby(), after: Some("a".into()), limit: None, paging },
            Command::Whois { user: user() },
        ];
        let rules = Rules { line_bytes_max: 4096, json_bytes_max: 4096, secret: false };
        for command in commands {
            let line = encode(-7, &command);
            let mut decoder = Decoder::new(Dialect::Json);
            let understood = decoder.decode(line.as_bytes(), &rules).request;
            assert_eq!(understood, Some(Request::Command(RequestId(-7), command)), "{}", &*line);
        }
    }
}
