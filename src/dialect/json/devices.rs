//! Requests about keys, devices and mailboxes, which only programs make.
//!
//! ```text
//! devices   [user]                        enroll   identity, name[, replace]
//! attach    device, run                   prekeys  device[, signed: {id, created, key, signature}]
//! ack       seq                                    [, one_time: [{id, key}]][, replace]
//! claim     user[, devices: [number]]     revoke   device
//! pair      answer                        send     user, to: [number], own: [number],
//!                                                  envelopes: [{device, body}], copies: the same
//! ```
//!
//! Bytes are base64 with padding (RFC 4648 §4), in its one form.

use data_encoding::BASE64;

use crate::dialect::json::fields::{Fields, missing, wrong};
use crate::dialect::json::nested::{Element, Nested};
use crate::proto::command::Command;
use crate::proto::id::DeviceId;
use crate::proto::keys::{
    NewEnvelope, NewPrekeys, OneTimePrekey, PublicKey, Sealed, Sending, Signature, SignedPrekey,
};
use crate::proto::refusal::Refusal;
use crate::proto::time::Timestamp;

/// The command of this name, if it is one of these.
pub fn command<'a>(name: &str, fields: &mut Fields<'a>) -> Option<Result<Command<'a>, Refusal>> {
    Some(match name {
        "ack" => number(fields, "seq").map(|seq| Command::Ack { seq }),
        "attach" => attach(fields),
        "claim" => claim(fields),
        "devices" => fields.text("user").map(|user| Command::Devices { user }),
        "enroll" => enroll(fields),
        "pair" => pair(fields),
        "prekeys" => prekeys(fields),
        "revoke" => device(fields).map(|device| Command::Revoke { device }),
        "send" => send(fields),
        _ => return None,
    })
}

fn attach<'a>(fields: &mut Fields<'_>) -> Result<Command<'a>, Refusal> {
    Ok(Command::Attach { device: device(fields)?, run: number(fields, "run")? })
}

fn claim<'a>(fields: &mut Fields<'a>) -> Result<Command<'a>, Refusal> {
    Ok(Command::Claim { user: fields.needed("user")?, devices: devices(fields, "devices")? })
}

fn enroll<'a>(fields: &mut Fields<'a>) -> Result<Command<'a>, Refusal> {
    let identity = fields.needed("identity")?;
    let identity = array(&identity).ok_or_else(|| wrong("identity", "32 bytes in base64"))?;
    let name = fields.body("name")?.ok_or_else(|| missing("name"))?;
    Ok(Command::Enroll { identity: PublicKey(identity), name, replace: fields.flag("replace")? })
}

fn pair<'a>(fields: &mut Fields<'_>) -> Result<Command<'a>, Refusal> {
    let answer = bytes(&fields.needed("answer")?).ok_or_else(|| wrong("answer", "bytes in base64"))?;
    Ok(Command::Pair { answer })
}

fn prekeys<'a>(fields: &mut Fields<'_>) -> Result<Command<'a>, Refusal> {
    let signed = match fields.object("signed", SIGNED)? {
        None => None,
        Some(nested) => Some(signed_prekey(&nested).ok_or_else(|| wrong("signed", SIGNED))?),
    };
    let one_time = list(fields, "one_time", ONE_TIME, |element| match element {
        Element::Object(nested) => one_time_prekey(nested),
        Element::Number(_) | Element::Other => None,
    })?;
    Ok(Command::Prekeys(Box::new(NewPrekeys {
        device: device(fields)?,
        signed,
        one_time: one_time.unwrap_or_default(),
        replace: fields.flag("replace")?,
    })))
}

fn send<'a>(fields: &mut Fields<'a>) -> Result<Command<'a>, Refusal> {
    let user = fields.needed("user")?;
    let to = devices(fields, "to")?.ok_or_else(|| missing("to"))?;
    let own = devices(fields, "own")?.ok_or_else(|| missing("own"))?;
    let envelopes = envelopes(fields, "envelopes")?;
    Ok(Command::Send(Box::new(Sending {
        user,
        to,
        own,
        envelopes,
        copies: self::envelopes(fields, "copies")?,
    })))
}

fn device(fields: &mut Fields<'_>) -> Result<DeviceId, Refusal> {
    let number = number(fields, "device")?;
    let device = u32::try_from(number).ok().and_then(DeviceId::new);
    device.ok_or_else(|| wrong("device", "the number of a device"))
}

fn devices(fields: &mut Fields<'_>, name: &'static str) -> Result<Option<Vec<DeviceId>>, Refusal> {
    list(fields, name, "a list of numbers of devices", |element| element.device())
}

fn envelopes(fields: &mut Fields<'_>, name: &'static str) -> Result<Vec<NewEnvelope>, Refusal> {
    let envelopes = list(fields, name, ENVELOPES, |element| match element {
        Element::Object(nested) => envelope(nested),
        Element::Number(_) | Element::Other => None,
    })?;
    Ok(envelopes.unwrap_or_default())
}

/// A number that SQLite and every other 64-bit integer holds.
fn number(fields: &mut Fields<'_>, name: &'static str) -> Result<u64, Refusal> {
    let number = fields.position(name)?.ok_or_else(|| missing(name))?;
    let fits = i64::try_from(number).is_ok();
    if fits { Ok(number) } else { Err(wrong(name, "an integer of at most 63 bits")) }
}

/// A list of things; all of them have to be right.
fn list<T>(
    fields: &mut Fields<'_>,
    name: &'static str,
    expected: &'static str,
    read: impl Fn(&Element<'_>) -> Option<T>,
) -> Result<Option<Vec<T>>, Refusal> {
    let Some(elements) = fields.list(name, expected)? else { return Ok(None) };
    let things = elements.iter().map(read).collect::<Option<Vec<T>>>();
    things.map(Some).ok_or_else(|| wrong(name, expected))
}

fn signed_prekey(nested: &Nested<'_>) -> Option<SignedPrekey> {
    let created = nested.number("created").filter(|&ms| i64::try_from(ms).is_ok())?;
    Some(SignedPrekey {
        id: u32::try_from(nested.number("id")?).ok()?,
        created: Timestamp(created),
        key: PublicKey(array(nested.text("key")?)?),
        signature: Signature(array(nested.text("signature")?)?),
    })
}

fn one_time_prekey(nested: &Nested<'_>) -> Option<OneTimePrekey> {
    let id = u32::try_from(nested.number("id")?).ok().filter(|&id| id > 0)?;
    Some(OneTimePrekey { id, key: PublicKey(array(nested.text("key")?)?) })
}

fn envelope(nested: &Nested<'_>) -> Option<NewEnvelope> {
    let device = DeviceId::new(u32::try_from(nested.number("device")?).ok()?)?;
    Some(NewEnvelope { device, body: bytes(nested.text("body")?)? })
}

fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64.decode(text.as_bytes()).ok()?.try_into().ok()
}

fn bytes(text: &str) -> Option<Sealed> {
    BASE64.decode(text.as_bytes()).ok().map(|bytes| Sealed(bytes.into()))
}

const SIGNED: &str = "{id, created, key, signature}: two numbers, and 32 and 64 bytes in base64";
const ONE_TIME: &str = "a list of {id, key}: a number from 1, and 32 bytes in base64";
const ENVELOPES: &str = "a list of {device, body}: a number, and bytes in base64";
