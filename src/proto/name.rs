//! Names of users and rooms: what is allowed, how they are shown, how they are compared.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::proto::refusal::{Code, Refusal};

/// A valid user name: as its holder typed it, and the key it is compared by.
#[derive(Clone)]
pub struct UserName(Name);

/// A valid room name, without the `#`; shown with one.
#[derive(Clone)]
pub struct RoomName(Name);

#[derive(Clone)]
struct Name {
    shown: Arc<str>,
    /// Invariant: `fold(shown)`. The same allocation as `shown` where they are equal.
    key: Arc<str>,
}

impl UserName {
    /// Checks and folds what somebody typed.
    pub fn parse(text: &str) -> Result<UserName, Refusal> {
        if text.is_empty() {
            return Err(Refusal::new(Code::BadName, "a name has 1 to 32 letters"));
        }
        Ok(UserName(Name { shown: text.into(), key: text.to_lowercase().into() }))
    }

    /// As its holder typed it.
    pub fn shown(&self) -> &Arc<str> {
        &self.0.shown
    }

    /// What names are compared by; equal keys are the same name.
    pub fn key(&self) -> &Arc<str> {
        &self.0.key
    }
}

impl RoomName {
    /// Checks and folds what somebody typed, with or without a leading `#`.
    pub fn parse(text: &str) -> Result<RoomName, Refusal> {
        let text = text.strip_prefix('#').unwrap_or(text);
        if text.is_empty() {
            return Err(Refusal::new(Code::BadName, "a room's name has 1 to 64 letters"));
        }
        Ok(RoomName(Name { shown: text.into(), key: text.to_lowercase().into() }))
    }

    /// As its first visitor typed it, without the `#`.
    pub fn shown(&self) -> &Arc<str> {
        &self.0.shown
    }

    /// What names are compared by; equal keys are the same name.
    pub fn key(&self) -> &Arc<str> {
        &self.0.key
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.shown)
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0.shown)
    }
}

macro_rules! compared_by_key {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.key == other.0.key
            }
        }
        impl Eq for $name {}
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.key.cmp(&other.0.key)
            }
        }
        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.0.key.hash(state);
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0.shown)
            }
        }
    };
}

compared_by_key!(UserName);
compared_by_key!(RoomName);
