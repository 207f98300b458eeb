//! What a user is told when something cannot be done: a stable code for programs, a sentence for people.

use std::borrow::Cow;
use std::fmt;

/// A stable reason, the same in every dialect. The name on the wire is [`Code::as_str`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    AlreadyNamed,
    BadArgument,
    BadFrame,
    BadInvite,
    BadJson,
    BadKey,
    BadName,
    BadOffset,
    BadPassword,
    BadRequest,
    BadSignature,
    Banned,
    Blocked,
    Busy,
    DevicesChanged,
    FileTooLarge,
    FilesDisabled,
    FrameTooLong,
    GuestsClosed,
    IdleTimeout,
    Incomplete,
    InvalidUtf8,
    InviteOnly,
    LineTooLong,
    LoginFailed,
    LoginTimeout,
    MissingArgument,
    NameRegistered,
    NameTaken,
    NoName,
    NoRoom,
    NoSuchDevice,
    NoSuchFile,
    NoSuchRoom,
    NoSuchUser,
    NotInRoom,
    NotOperator,
    NotRegistered,
    PlaintextRefused,
    QuotaExceeded,
    RegistrationClosed,
    Revoked,
    ServerFull,
    ShuttingDown,
    StorageUnavailable,
    TooFast,
    TooMany,
    UnknownCommand,
    UnsupportedVersion,
    WrongIdentity,
}

impl Code {
    /// Every code, for tests and documentation.
    pub const ALL: [Code; 50] = [
        Code::AlreadyNamed,
        Code::BadArgument,
        Code::BadFrame,
        Code::BadInvite,
        Code::BadJson,
        Code::BadKey,
        Code::BadName,
        Code::BadOffset,
        Code::BadPassword,
        Code::BadRequest,
        Code::BadSignature,
        Code::Banned,
        Code::Blocked,
        Code::Busy,
        Code::DevicesChanged,
        Code::FileTooLarge,
        Code::FilesDisabled,
        Code::FrameTooLong,
        Code::GuestsClosed,
        Code::IdleTimeout,
        Code::Incomplete,
        Code::InvalidUtf8,
        Code::InviteOnly,
        Code::LineTooLong,
        Code::LoginFailed,
        Code::LoginTimeout,
        Code::MissingArgument,
        Code::NameRegistered,
        Code::NameTaken,
        Code::NoName,
        Code::NoRoom,
        Code::NoSuchDevice,
        Code::NoSuchFile,
        Code::NoSuchRoom,
        Code::NoSuchUser,
        Code::NotInRoom,
        Code::NotOperator,
        Code::NotRegistered,
        Code::PlaintextRefused,
        Code::QuotaExceeded,
        Code::RegistrationClosed,
        Code::Revoked,
        Code::ServerFull,
        Code::ShuttingDown,
        Code::StorageUnavailable,
        Code::TooFast,
        Code::TooMany,
        Code::UnknownCommand,
        Code::UnsupportedVersion,
        Code::WrongIdentity,
    ];

    /// The code on the wire: lower case, hyphenated, never changed once released.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::AlreadyNamed => "already-named",
            Code::BadArgument => "bad-argument",
            Code::BadFrame => "bad-frame",
            Code::BadInvite => "bad-invite",
            Code::BadJson => "bad-json",
            Code::BadKey => "bad-key",
            Code::BadName => "bad-name",
            Code::BadOffset => "bad-offset",
            Code::BadPassword => "bad-password",
            Code::BadRequest => "bad-request",
            Code::BadSignature => "bad-signature",
            Code::Banned => "banned",
            Code::Blocked => "blocked",
            Code::Busy => "busy",
            Code::DevicesChanged => "devices-changed",
            Code::FileTooLarge => "file-too-large",
            Code::FilesDisabled => "files-disabled",
            Code::FrameTooLong => "frame-too-long",
            Code::GuestsClosed => "guests-closed",
            Code::IdleTimeout => "idle-timeout",
            Code::Incomplete => "incomplete",
            Code::InvalidUtf8 => "invalid-utf8",
            Code::InviteOnly => "invite-only",
            Code::LineTooLong => "line-too-long",
            Code::LoginFailed => "login-failed",
            Code::LoginTimeout => "login-timeout",
            Code::MissingArgument => "missing-argument",
            Code::NameRegistered => "name-registered",
            Code::NameTaken => "name-taken",
            Code::NoName => "no-name",
            Code::NoRoom => "no-room",
            Code::NoSuchDevice => "no-such-device",
            Code::NoSuchFile => "no-such-file",
            Code::NoSuchRoom => "no-such-room",
            Code::NoSuchUser => "no-such-user",
            Code::NotInRoom => "not-in-room",
            Code::NotOperator => "not-operator",
            Code::NotRegistered => "not-registered",
            Code::PlaintextRefused => "plaintext-refused",
            Code::QuotaExceeded => "quota-exceeded",
            Code::RegistrationClosed => "registration-closed",
            Code::Revoked => "revoked",
            Code::ServerFull => "server-full",
            Code::ShuttingDown => "shutting-down",
            Code::StorageUnavailable => "storage-unavailable",
            Code::TooFast => "too-fast",
            Code::TooMany => "too-many",
            Code::UnknownCommand => "unknown-command",
            Code::UnsupportedVersion => "unsupported-version",
            Code::WrongIdentity => "wrong-identity",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal: the code a program branches on, and the sentence a person reads.
///
/// The sentence is made where the facts are. It must not contain text of other people that was not
/// sanitised, nor any secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    pub text: Cow<'static, str>,
}

impl Refusal {
    pub fn new(code: Code, text: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { code, text: text.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_well_formed() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for name in names {
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{name}"
            );
        }
    }
}
