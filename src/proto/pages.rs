//! Long answers: logs and lists, in pages or in pieces.

use std::sync::Arc;

use crate::proto::event::{Access, Entry, Status};
use crate::proto::id::FileId;
use crate::proto::name::{RoomName, UserName};
use crate::proto::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    pub room: RoomName,
    /// Oldest first.
    pub messages: Vec<Entry>,
    pub part: Part,
    /// A page was cut by its size in bytes before its limit was reached.
    pub more: bool,
}

/// Search results, newest last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub query: String,
    pub messages: Vec<(RoomName, Entry)>,
    /// There were older matches than fit.
    pub more: bool,
}

/// Which piece of a long answer this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub first: bool,
    pub last: bool,
}

impl Part {
    /// An answer in one piece.
    pub const WHOLE: Part = Part { first: true, last: true };
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsersPage {
    pub users: Vec<UserLine>,
    pub part: Part,
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserLine {
    pub user: UserName,
    pub status: Status,
    pub text: Option<Arc<str>>,
    pub guest: bool,
}

/// One's own files, and how much space is used and allowed; `None`: no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesPage {
    pub files: Vec<FileLine>,
    /// There are more behind the last one.
    pub more: bool,
    /// Bytes of all of them, unfinished ones with their whole size.
    pub used: u64,
    pub quota: Option<u64>,
    pub file_bytes: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLine {
    pub file: FileId,
    pub size: u64,
    pub stored: u64,
    pub complete: bool,
    pub created: Timestamp,
    pub expires: Timestamp,
    /// How many accounts the file is for, and how many of them do not want it any more.
    pub readers: u32,
    pub settled: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembersPage {
    pub room: RoomName,
    pub members: Vec<MemberLine>,
    pub part: Part,
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberLine {
    pub user: UserName,
    pub operator: bool,
    pub status: Status,
    pub text: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomsPage {
    pub rooms: Vec<RoomLine>,
    pub part: Part,
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomLine {
    pub room: RoomName,
    pub topic: Option<Arc<str>>,
    /// Visible members that are connected.
    pub members: u32,
    pub access: Access,
}
