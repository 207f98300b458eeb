//! Values within values: the lists and objects that some fields of requests hold, one level deep.
//!
//! Bounded before anything is known about their meaning: of a list no more is kept than the longest that
//! any command takes and one, so whoever sends too much is refused like somebody who sends one too many.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::proto::id::DeviceId;
use crate::proto::limits::{ENVELOPES_PER_REQUEST_MAX, ONE_TIME_PREKEYS_MAX};

/// One element of a list.
pub enum Element<'a> {
    Number(u64),
    Object(Box<Nested<'a>>),
    Other,
}

/// An object within a request, by the names that mean something to us.
pub struct Nested<'a>([Option<Scalar<'a>>; NAMES.len()]);

enum Scalar<'a> {
    Number(u64),
    Other,
    Text(Cow<'a, str>),
}

impl Element<'_> {
    pub fn device(&self) -> Option<DeviceId> {
        match self {
            Element::Number(number) => DeviceId::new(u32::try_from(*number).ok()?),
            Element::Object(_) | Element::Other => None,
        }
    }
}

impl Nested<'_> {
    pub fn number(&self, name: &'static str) -> Option<u64> {
        match self.get(name) {
            Some(Scalar::Number(number)) => Some(*number),
            _ => None,
        }
    }

    pub fn text(&self, name: &'static str) -> Option<&str> {
        match self.get(name) {
            Some(Scalar::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn get(&self, name: &'static str) -> Option<&Scalar<'_>> {
        let index = NAMES.iter().position(|known| *known == name);
        debug_assert!(index.is_some(), "{name} is not in NAMES");
        self.0[index?].as_ref()
    }
}

/// Reads a list, of which the beginning is kept.
pub fn list<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Vec<Element<'de>>, A::Error> {
    let mut elements = Vec::new();
    while elements.len() < ELEMENTS_KEPT_MAX {
        match seq.next_element()? {
            Some(element) => elements.push(element),
            None => return Ok(elements),
        }
    }
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(elements)
}

/// Reads an object. The last one of a repeated name counts.
pub fn object<'de, A: MapAccess<'de>>(mut map: A) -> Result<Box<Nested<'de>>, A::Error> {
    let mut nested = Box::new(Nested([const { None }; NAMES.len()]));
    while let Some(Name(index)) = map.next_key()? {
        match index {
            Some(index) => nested.0[index] = map.next_value()?,
            None => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(nested)
}

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

impl<'de> Deserialize<'de> for Element<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Element<'de>, D::Error> {
        deserializer.deserialize_any(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Element<'de>, E> {
        // Positive ones come as u64.
        Ok(Element::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Element<'de>, E> {
        Ok(Element::Number(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }

    fn visit_unit<E>(self) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Element<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Element::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Element<'de>, A::Error> {
        object(map).map(Element::Object)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar<'de>, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

/// Every name that means something within an object.
const NAMES: [&str; 6] = ["device", "body", "id", "key", "created", "signature"];
/// The longest list that a command takes, and one more to be refused for.
const ELEMENTS_KEPT_MAX: usize = ONE_TIME_PREKEYS_MAX + 1;

const _: () = assert!(ENVELOPES_PER_REQUEST_MAX < ELEMENTS_KEPT_MAX);
