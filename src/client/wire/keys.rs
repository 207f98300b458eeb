//! Replies and events about keys, devices and mailboxes. Bytes are base64 (RFC 4648 §4, with padding).

use data_encoding::BASE64;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::client::wire::{Clean, Odd, Time};
use crate::e2e::address::{DeviceId, Millis};
use crate::e2e::dh::DhPublic;
use crate::e2e::prekey;

/// Bytes of any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// Bytes of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed<const N: usize>(pub [u8; N]);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct SignedPrekey {
    pub id: u32,
    pub created: u64,
    pub key: Fixed<32>,
    pub signature: Fixed<64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct OneTimePrekey {
    pub id: u32,
    pub key: Fixed<32>,
}

/// The reply to `devices`.
#[derive(Debug, Deserialize)]
pub struct Devices {
    pub user: Clean,
    /// Absent for a guest.
    #[serde(default)]
    pub uid: Option<u64>,
    #[serde(default)]
    pub identity: Option<Fixed<32>>,
    pub devices: Vec<DeviceLine>,
}

/// One device; of another user only its number is told.
#[derive(Clone, Debug, Deserialize)]
pub struct DeviceLine {
    pub device: u32,
    #[serde(default)]
    pub name: Clean,
    #[serde(default)]
    pub since: Option<Time>,
    #[serde(default)]
    pub seen: Option<Time>,
}

/// The reply to `enroll`.
#[derive(Debug, Deserialize)]
pub struct Enrolled {
    pub uid: u64,
    pub device: u32,
}

/// The reply to `prekeys`.
#[derive(Debug, Deserialize)]
pub struct Published {
    pub one_time: u32,
}

/// The reply to `attach`.
#[derive(Debug, Deserialize)]
pub struct Attached {
    /// The highest run that the server had seen before this one.
    pub run: u64,
    pub one_time: u32,
    pub one_time_next: u64,
    #[serde(default)]
    pub signed: Option<SignedMark>,
}

/// Which signed prekey the server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct SignedMark {
    pub id: u32,
    pub created: u64,
}

/// The reply to `claim`.
#[derive(Debug, Deserialize)]
pub struct Claimed {
    pub uid: u64,
    pub bundles: Vec<Bundle>,
}

#[derive(Debug, Deserialize)]
pub struct Bundle {
    pub device: u32,
    pub identity: Fixed<32>,
    pub signed: SignedPrekey,
    #[serde(default)]
    pub one_time: Option<OneTimePrekey>,
}

impl Bundle {
    /// Not checked yet, apart from the device's number.
    pub fn into_bundle(self) -> Result<prekey::Bundle, Odd> {
        let Bundle { device, identity, signed, one_time } = self;
        Ok(prekey::Bundle {
            device: DeviceId::new(device).map_err(|_| Odd)?,
            identity: identity.0,
            signed: prekey::SignedPrekey {
                id: signed.id,
                created: Millis(signed.created),
                public: DhPublic(signed.key.0),
                signature: signed.signature.0,
            },
            one_time: one_time
                .map(|prekey| prekey::OneTimePrekey { id: prekey.id, public: DhPublic(prekey.key.0) }),
        })
    }
}

/// The reply to `send`.
#[derive(Debug, Deserialize)]
pub struct Stored {
    #[serde(default)]
    pub ts: Time,
    /// Devices whose mailbox takes no more.
    #[serde(default)]
    pub full: Vec<Full>,
}

#[derive(Debug, Deserialize)]
pub struct Full {
    pub user: Clean,
    pub device: u32,
}

/// What a refusal of `send` with the code `devices-changed` says besides.
#[derive(Debug, Deserialize)]
pub struct DevicesChanged {
    pub to: Vec<u32>,
    pub own: Vec<u32>,
}

/// Reads what a refusal has besides its code and text.
pub fn devices_changed(line: &[u8]) -> Result<DevicesChanged, Odd> {
    #[derive(Deserialize)]
    struct Reply {
        err: DevicesChanged,
    }
    serde_json::from_slice(line).map(|reply: Reply| reply.err).map_err(|_| Odd)
}

/// The reply to `pair`.
#[derive(Debug, Deserialize)]
pub struct Relayed {
    pub sessions: u32,
}

/// The event `envelope`.
#[derive(Debug, Deserialize)]
pub struct Envelope {
    pub seq: u64,
    pub from: Clean,
    pub uid: u64,
    pub device: u32,
    #[serde(default)]
    pub ts: Time,
    pub body: Bytes,
}

/// The event `pair`.
#[derive(Debug, Deserialize)]
pub struct PairAnswer {
    pub answer: Bytes,
}

/// The notices `device` and `detached`.
#[derive(Debug, Deserialize)]
pub struct DeviceNotice {
    pub device: u32,
    #[serde(default)]
    pub name: Clean,
    #[serde(default)]
    pub added: bool,
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Bytes, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(input)?;
        BASE64.decode(text.as_bytes()).map(Bytes).map_err(D::Error::custom)
    }
}

impl<const N: usize> Serialize for Fixed<N> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Fixed<N> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Fixed<N>, D::Error> {
        let Bytes(bytes) = Bytes::deserialize(input)?;
        bytes.try_into().map(Fixed).map_err(|_| D::Error::custom("wrong length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::wire::{event, ok};

    #[test]
    fn bytes_are_read_strictly() {
        let envelope = |body: &str| {
            event::<Envelope>(
                format!(r#"{{"seq":1,"from":"a","uid":2,"device":3,"body":"{body}"}}"#).as_bytes(),
            )
        };
        assert_eq!(envelope("AQI=").map(|envelope| envelope.body), Ok(Bytes(vec![1, 2])));
        assert_eq!(envelope("AQ\\u0049=").map(|envelope| envelope.body), Ok(Bytes(vec![1, 2])));
        for odd in ["AQI", "AQJ=", "A-I=", " AQI=", "AQI=="] {
            assert!(envelope(odd).is_err(), "{odd}");
        }
        let identity = |text: &str| {
            ok::<Devices>(format!(r#"{{"ok":{{"user":"a","identity":"{text}","devices":[]}}}}"#).as_bytes())
        };
        assert!(identity("AQI=").is_err(), "too short for a key");
    }

    #[test]
    fn a_refusal_names_the_devices_of_now() {
        let line = br#"{"re":1,"err":{"code":"devices-changed","text":"x","to":[1,2],"own":[]}}"#;
        assert_eq!(devices_changed(line).map(|changed| changed.to), Ok(vec![1, 2]));
        assert!(devices_changed(br#"{"re":1,"err":{"code":"devices-changed"}}"#).is_err());
    }
}
