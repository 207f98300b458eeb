//! A program with a device: it enrolls, publishes prekeys, reads its mailbox and sends.
//!
//! What it sends are envelopes by their outside only; what is in them is nobody's business here.

use data_encoding::BASE64;
use serde_json::{Value, json};
use sottovoce::e2e::address::{DeviceId, Millis};
use sottovoce::e2e::dh::DhPublic;
use sottovoce::e2e::identity::Identity;
use sottovoce::e2e::prekey::SignedPrekey;

use super::json::Json;

pub struct Device {
    pub json: Json,
    pub user: String,
    pub uid: u64,
    pub number: u64,
    pub identity: Identity,
}

/// The identity of a user of these tests.
pub fn identity(user: &str) -> Identity {
    let mut seed = [0; 32];
    seed[..user.len()].copy_from_slice(user.as_bytes());
    Identity::from_seed(&seed)
}

pub fn public(identity: &Identity) -> String {
    BASE64.encode(identity.public().bytes())
}

/// A signed prekey, as it is published.
pub fn signed(identity: &Identity, device: u64, id: u32) -> Value {
    let number = u32::try_from(device).ok().and_then(|number| DeviceId::new(number).ok());
    let (created, point) = (Millis(1_769_860_800_000), DhPublic([id as u8 + 9; 32]));
    let prekey = SignedPrekey::sign(identity, number.expect("a device's number"), id, created, point);
    json!({
        "id": id,
        "created": created.0,
        "key": BASE64.encode(&point.0),
        "signature": BASE64.encode(&prekey.signature),
    })
}

/// One-time prekeys with these numbers.
pub fn one_time(ids: impl IntoIterator<Item = u32>) -> Value {
    ids.into_iter().map(|id| json!({"id": id, "key": one_time_key(id)})).collect()
}

pub fn one_time_key(id: u32) -> String {
    let mut key = [9; 32];
    key[..4].copy_from_slice(&id.to_be_bytes());
    BASE64.encode(&key)
}

/// The shortest envelope, with a text at its end.
pub fn body(text: &str) -> String {
    sized(text, 198)
}

/// An envelope of this length.
pub fn sized(text: &str, length: usize) -> String {
    let mut bytes = vec![0; length];
    (bytes[0], bytes[1]) = (1, 2);
    bytes[length - text.len()..].copy_from_slice(text.as_bytes());
    BASE64.encode(&bytes)
}

impl Device {
    /// Enrolls and publishes on a connection that is logged in; one-time prekeys 1 to 10.
    pub fn new(mut json: Json, user: &str) -> Device {
        let identity = identity(user);
        let enroll = json!({"cmd": "enroll", "identity": public(&identity), "name": "a test"});
        let enrolled = json.ok(enroll);
        let (uid, number) = (number(&enrolled, "uid"), number(&enrolled, "device"));
        let mut device = Device { json, user: user.to_owned(), uid, number, identity };
        let prekeys = device.prekeys(1, 1..=10);
        assert_eq!(device.json.ok(prekeys)["one_time"], 10);
        device
    }

    /// The same, and reads its mailbox from then on.
    pub fn attached(json: Json, user: &str) -> Device {
        let mut device = Device::new(json, user);
        device.attach(1);
        device
    }

    /// The device again on another connection.
    pub fn on(&self, json: Json) -> Device {
        let (user, identity) = (self.user.clone(), identity(&self.user));
        Device { json, user, uid: self.uid, number: self.number, identity }
    }

    pub fn prekeys(&self, signed_id: u32, ids: impl IntoIterator<Item = u32>) -> Value {
        json!({
            "cmd": "prekeys",
            "device": self.number,
            "signed": signed(&self.identity, self.number, signed_id),
            "one_time": one_time(ids),
        })
    }

    #[track_caller]
    pub fn attach(&mut self, run: u64) -> Value {
        let (number, request) = (self.number, json!({"cmd": "attach", "device": self.number, "run": run}));
        let attached = self.json.ok(request);
        assert_eq!(attached["device"], number);
        attached
    }

    #[track_caller]
    pub fn ack(&mut self, seq: u64) {
        assert_eq!(self.json.ok(json!({"cmd": "ack", "seq": seq})), json!({"seq": seq}));
    }

    /// A request that sends a text to these devices of a user, which are all there are.
    pub fn sending(&self, user: &str, to: &[u64], text: &str) -> Value {
        let envelopes: Value = to.iter().map(|to| json!({"device": to, "body": body(text)})).collect();
        json!({"cmd": "send", "user": user, "to": to, "own": [], "envelopes": envelopes, "copies": []})
    }

    #[track_caller]
    pub fn send(&mut self, user: &str, to: &[u64], text: &str) -> Value {
        let request = self.sending(user, to, text);
        self.json.ok(request)
    }

    /// The next envelope: its number and the text at its end. Before it was attached, the connection may
    /// have been told of one that it could not read.
    #[track_caller]
    pub fn envelope(&mut self) -> (u64, String) {
        let mut event = self.json.event();
        while event["kind"] == "sealed" {
            event = self.json.event();
        }
        assert_eq!(event["ev"], "envelope", "{event}");
        (number(&event, "seq"), text_of(&event))
    }
}

/// The text that an envelope was made with.
#[track_caller]
pub fn text_of(event: &Value) -> String {
    let body = event["body"].as_str().unwrap_or_else(|| panic!("a body in {event}"));
    let bytes = BASE64.decode(body.as_bytes()).expect("base64");
    String::from_utf8(bytes[2..].to_vec()).expect("zeros, and a text").trim_start_matches('\0').to_owned()
}

#[track_caller]
pub fn number(object: &Value, name: &str) -> u64 {
    object[name].as_u64().unwrap_or_else(|| panic!("a number {name} in {object}"))
}
