//! Numbers that name things. Each is a type of its own, so that two of them cannot be swapped.

use std::fmt;

/// One connection: a slot of the connection table, and which tenant of that slot it is.
///
/// The serial makes a late answer for a connection that is gone recognisable, although its slot has
/// a new tenant already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    pub slot: u32,
    pub serial: u32,
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.serial)
    }
}

/// A registered account; the store's row, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub u32);

/// A room; numbered by the hub, kept by the store, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(pub u32);

/// A user that is connected now, as the hub counts them; means nothing after the last session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub u32);

/// The position of a message in its room: counts from 1, without gaps, the same for everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub u64);

/// The number a program gave its request, to recognise the reply; text mode always uses [`RequestId::NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub i64);

impl RequestId {
    /// For dialects in which replies carry no number.
    pub const NONE: RequestId = RequestId(0);
}

/// Who is waiting for the answer to a piece of work: a connection and the request on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    pub conn: ConnId,
    pub re: RequestId,
}
