//! Everything that can go wrong, and what a client does about it.
//!
//! The peer and the server must never learn which of these happened: all of them end in the same
//! acknowledgement, so that nobody can use us as an oracle. What the server itself refuses (a full
//! queue, an outdated list of devices) is its own answer and not found here.

use std::fmt;

/// Why an operation of this library was refused. Nothing has changed when one is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Error {
    /// A tag did not verify: altered, or made with other keys.
    Auth,
    /// A public key that is no point, is weak, or is not in its one encoding.
    BadKey,
    /// A signature that does not belong to what it stands under.
    BadSignature,
    /// A file is no longer what the first part of its upload was.
    Changed,
    /// A prekey from the future: one of the two clocks is wrong.
    ClockSkew,
    /// The message was opened before, or its key is gone.
    Duplicate,
    /// A counter is used up; a new session must be made.
    Exhausted,
    /// The identity differs from the one that was expected.
    IdentityChanged,
    /// A wrong passphrase or a damaged key store; the two cannot be told apart.
    Locked,
    /// A key agreement with a point of low order, whose result everybody knows.
    LowOrder,
    /// Bytes that do not have the form they must have.
    Malformed,
    /// There is no session that could do this.
    NoSession,
    /// The first message of a session that was started before.
    Replay,
    /// A signed prekey that is too old: the device was not seen for months.
    StaleDevice,
    /// More than there may be of something we were given to send or to keep.
    TooLong,
    /// The message claims that more messages were lost than we make keys for.
    TooManySkipped,
    /// A first message to a prekey that is gone or never was.
    UnknownPrekey,
    /// Made by a newer program.
    Version,
}

/// What a client does with a message, a bundle or a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Ask the person; nothing is sent until then.
    AskPerson,
    /// Acknowledge, drop, and write one line to the log for each peer.
    DropAndLog,
    /// Acknowledge and drop, and count it.
    DropSilently,
    /// Acknowledge, show that a message could not be opened, and reset the session within its limit.
    Reset,
    /// Nothing was sent or opened: say why.
    TellPerson,
}

impl Error {
    /// The reaction that belongs to the error.
    pub fn reaction(self) -> Reaction {
        match self {
            Error::Duplicate | Error::Replay => Reaction::DropSilently,
            Error::Malformed | Error::Version | Error::BadKey | Error::LowOrder | Error::BadSignature => {
                Reaction::DropAndLog
            }
            Error::Auth | Error::UnknownPrekey | Error::TooManySkipped | Error::NoSession => Reaction::Reset,
            Error::Exhausted => Reaction::Reset,
            Error::IdentityChanged => Reaction::AskPerson,
            Error::StaleDevice | Error::ClockSkew | Error::Changed | Error::Locked | Error::TooLong => {
                Reaction::TellPerson
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Auth => "could not be decrypted: altered, or made with other keys",
            Error::BadKey => "not a usable public key",
            Error::BadSignature => "the signature is wrong",
            Error::Changed => "the file changed since the upload began",
            Error::ClockSkew => "a key from the future: check the clock",
            Error::Duplicate => "was opened before",
            Error::Exhausted => "the session is used up",
            Error::IdentityChanged => "the identity is not the expected one",
            Error::Locked => "wrong passphrase, or the key store is damaged",
            Error::LowOrder => "a public key of low order",
            Error::Malformed => "not in the form it must have",
            Error::NoSession => "no session with this device",
            Error::Replay => "the session was started before",
            Error::StaleDevice => "the device was not seen for a long time",
            Error::TooLong => "too long",
            Error::TooManySkipped => "too many messages are missing before this one",
            Error::UnknownPrekey => "made for a key this device no longer has",
            Error::Version => "made by a newer program",
        })
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Error> {
        vec![
            Error::Auth,
            Error::BadKey,
            Error::BadSignature,
            Error::Changed,
            Error::ClockSkew,
            Error::Duplicate,
            Error::Exhausted,
            Error::IdentityChanged,
            Error::Locked,
            Error::LowOrder,
            Error::Malformed,
            Error::NoSession,
            Error::Replay,
            Error::StaleDevice,
            Error::TooLong,
            Error::TooManySkipped,
            Error::UnknownPrekey,
            Error::Version,
        ]
    }

    #[test]
    fn each_error_says_something_of_its_own() {
        let mut sentences: Vec<String> = all().iter().map(Error::to_string).collect();
        assert!(sentences.iter().all(|sentence| sentence.len() > 5 && !sentence.ends_with('.')));
        sentences.sort();
        sentences.dedup();
        assert_eq!(sentences.len(), all().len());
    }

    #[test]
    fn nobody_is_asked_or_told_where_a_repetition_or_an_attack_is_enough_to_cause_it() {
        let with =
            |reaction| all().into_iter().filter(|error| error.reaction() == reaction).collect::<Vec<_>>();
        assert_eq!(with(Reaction::DropSilently), [Error::Duplicate, Error::Replay]);
        let made_by_anybody =
            [Error::BadKey, Error::BadSignature, Error::LowOrder, Error::Malformed, Error::Version];
        assert_eq!(with(Reaction::DropAndLog), made_by_anybody);
        assert_eq!(with(Reaction::AskPerson), [Error::IdentityChanged]);
        let lost =
            [Error::Auth, Error::Exhausted, Error::NoSession, Error::TooManySkipped, Error::UnknownPrekey];
        assert_eq!(with(Reaction::Reset), lost);
        let our_own = [Error::Changed, Error::ClockSkew, Error::Locked, Error::StaleDevice, Error::TooLong];
        assert_eq!(with(Reaction::TellPerson), our_own);
    }
}
