//! The fields of a request, borrowed from its line where they have no escapes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::dialect::body;
use crate::dialect::json::nested::{self, Element, Nested};
use crate::proto::command::Text;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::secret::Secret;

/// What a request says, by the names that mean something to us. The last one of a repeated name counts.
pub struct Fields<'a>([Option<Value<'a>>; NAMES.len()]);

/// A field's value, as far as any command takes one.
enum Value<'a> {
    Bool(bool),
    Integer(i64),
    /// An integer above those of [`Value::Integer`].
    Large(u64),
    List(Vec<Element<'a>>),
    Object(Box<Nested<'a>>),
    Other,
    Text(Cow<'a, str>),
}

impl<'a> Fields<'a> {
    /// The number of the request, if it has a valid one.
    pub fn id(&mut self) -> Option<i64> {
        match self.take("id") {
            Some(Value::Integer(id)) => Some(id),
            _ => None,
        }
    }

    pub fn text(&mut self, name: &'static str) -> Result<Option<Text<'a>>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "a string")),
        }
    }

    pub fn needed(&mut self, name: &'static str) -> Result<Text<'a>, Refusal> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    pub fn secret(&mut self, name: &'static str) -> Result<Option<Secret>, Refusal> {
        Ok(self.text(name)?.map(Secret::new))
    }

    /// Text for others: cleaned, and nothing if nobody would see anything of it.
    pub fn body(&mut self, name: &'static str) -> Result<Option<Text<'a>>, Refusal> {
        Ok(self.text(name)?.and_then(body))
    }

    pub fn flag(&mut self, name: &'static str) -> Result<bool, Refusal> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(wrong(name, "true or false")),
        }
    }

    pub fn version(&mut self, name: &'static str) -> Result<i64, Refusal> {
        match self.take(name) {
            None => Err(missing(name)),
            Some(Value::Integer(version)) => Ok(version),
            Some(Value::Large(_)) => Ok(i64::MAX),
            Some(_) => Err(wrong(name, "an integer")),
        }
    }

    /// A position in a log.
    pub fn position(&mut self, name: &'static str) -> Result<Option<u64>, Refusal> {
        let position = match self.take(name) {
            None => return Ok(None),
            Some(Value::Integer(position)) => u64::try_from(position).ok(),
            Some(Value::Large(position)) => Some(position),
            Some(_) => None,
        };
        position.map(Some).ok_or_else(|| wrong(name, "an integer from 0"))
    }

    /// A number of things, from 1; one that is too large for us is as large as can be.
    pub fn count(&mut self, name: &'static str) -> Result<Option<u32>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Integer(count @ 1..)) => Ok(Some(u32::try_from(count).unwrap_or(u32::MAX))),
            Some(Value::Large(_)) => Ok(Some(u32::MAX)),
            Some(_) => Err(wrong(name, "an integer from 1")),
        }
    }

    pub fn list(
        &mut self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<Vec<Element<'a>>>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::List(list)) => Ok(Some(list)),
            Some(_) => Err(wrong(name, expected)),
        }
    }

    pub fn object(
        &mut self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<Box<Nested<'a>>>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(nested)) => Ok(Some(nested)),
            Some(_) => Err(wrong(name, expected)),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value<'a>> {
        let index = NAMES.iter().position(|known| *known == name);
        debug_assert!(index.is_some(), "{name} is not in NAMES");
        self.0[index?].take()
    }
}

pub fn missing(name: &'static str) -> Refusal {
    Refusal::new(Code::MissingArgument, format!("`{name}` is missing"))
}

pub fn wrong(name: &'static str, expected: &'static str) -> Refusal {
    Refusal::new(Code::BadArgument, format!("`{name}` is {expected}"))
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields<'de>, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields([const { None }; NAMES.len()]);
        while let Some(Name(index)) = map.next_key()? {
            match index {
                Some(index) => fields.0[index] = map.next_value()?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

/// The place of a field's name in [`NAMES`], so that no name is ever copied.
struct Name(Option<usize>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(Name(NAMES.iter().position(|known| *known == name)))
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(i64::try_from(value).map_or(Value::Large(value), Value::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value<'de>, A::Error> {
        nested::list(seq).map(Value::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value<'de>, A::Error> {
        nested::object(map).map(Value::Object)
    }
}

/// Every field that some request means something by, the frequent ones first.
const NAMES: [&str; 38] = [
    "id",
    "cmd",
    "room",
    "text",
    "key",
    "user",
    "me",
    "to",
    "own",
    "envelopes",
    "copies",
    "seq",
    "before",
    "after",
    "limit",
    "query",
    "topic",
    "status",
    "access",
    "password",
    "token",
    "invite",
    "old",
    "new",
    "version",
    "answer",
    "device",
    "devices",
    "identity",
    "name",
    "one_time",
    "replace",
    "run",
    "signed",
    "data",
    "file",
    "readers",
    "size",
];
