//! `sotto send` beside a sotto that runs: one process has a vault open, so whoever comes second hands its
//! files over to that one, which does the work and tells how far it is.
//!
//! ```text
//! sotto send                                    the sotto that has the vault open
//!
//! reads handover: port and secret               listens on the loopback address
//! {"hello":{"version":1,"nonce":N}}  ─────────►
//!                                    ◄───────── {"challenge":{"nonce":M,"proof":..}}
//! {"proof":".."}                     ─────────►
//! {"send":{"server":..,"user":..,"to":..}} ───►
//! {"file":{"path":..,"id":..}} each, "go" ────►
//!                                    ◄───────── {"taken":{"process":4711}}
//!                                    ◄───────── {"progress":[..]}, {"line":..}, {"error":..}
//!                                    ◄───────── {"over":{"failures":0}}
//! ```
//!
//! It is TCP on the loopback address on every system, and not a Unix socket on some of them: so there is one
//! way, which is tested, no limit to the length of a path, and nothing to remove before the next one
//! listens. What keeps others out is the secret. It is drawn anew by each program that listens, and lies in
//! the vault's directory in a file that only its owner can read. Neither side sends it: each proves that it
//! has read it, over a number that the other has just drawn. So whoever takes the port of a program that
//! was killed learns nothing and gets no files, and a file that is left over is worth nothing.
//!
//! The caller says which server and which user it means, and is refused if they are others. It resolves
//! paths, and says which files it finds there: one that is another file to the listener is not sent. It may
//! go at any time: what was taken goes on, and what was not is forgotten. A listener that cannot send yet
//! says so in an error; one that ends before it has taken anything leaves it to the caller.

pub mod ask;
mod interrupts;
pub mod words;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::client::keep;
use crate::proto::secret::Secret;

/// Where a program listens, and what it shares with those who may come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub port: u16,
    secret: Secret,
}

/// Who proves something: what one side has said is no proof of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Caller,
    Listener,
}

/// The numbers that both have drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonces {
    pub caller: String,
    pub listener: String,
}

impl Address {
    /// With a new secret.
    pub fn new(port: u16) -> io::Result<Address> {
        Ok(Address { port, secret: Secret::new(random()?) })
    }

    /// Puts it where callers look, in place of what is there.
    pub fn publish(&self, directory: &Path) -> io::Result<()> {
        keep::replace(&path(directory), &self.text())
    }

    /// Takes it away again, unless another one is there by now.
    pub fn withdraw(&self, directory: &Path) -> io::Result<()> {
        let path = path(directory);
        if keep::read(&path)? == self.text() { fs::remove_file(path) } else { Ok(()) }
    }

    /// What was published in the directory of a vault; `None` if nothing was, or nothing that can be read.
    pub fn read(directory: &Path) -> io::Result<Option<Address>> {
        let text = keep::read(&path(directory))?;
        let words: Vec<&str> = text.split_whitespace().collect();
        let [port, secret] = words[..] else { return Ok(None) };
        Ok(port.parse().ok().map(|port| Address { port, secret: Secret::new(secret) }))
    }

    /// What this side sends to prove that it has read the secret.
    pub fn proof(&self, side: Side, nonces: &Nonces) -> String {
        HEXLOWER.encode(&self.mac(side, nonces).finalize().into_bytes())
    }

    /// Whether that side has read it. Compares in constant time.
    pub fn proves(&self, side: Side, nonces: &Nonces, proof: &str) -> bool {
        let proof = HEXLOWER.decode(proof.as_bytes()).unwrap_or_default();
        self.mac(side, nonces).verify_slice(&proof).is_ok()
    }

    fn mac(&self, side: Side, nonces: &Nonces) -> Hmac<Sha256> {
        let secret = self.secret.reveal().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
        let side = match side {
            Side::Caller => "caller",
            Side::Listener => "listener",
        };
        for part in [side, &nonces.caller, &nonces.listener] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }

    fn text(&self) -> String {
        format!("{} {}\n", self.port, self.secret.reveal())
    }
}

/// The file in the directory of a vault.
fn path(directory: &Path) -> PathBuf {
    directory.join("handover")
}

/// 256 bits, as hexadecimal letters.
pub fn random() -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonces(caller: &str, listener: &str) -> Nonces {
        Nonces { caller: caller.to_owned(), listener: listener.to_owned() }
    }

    #[test]
    fn an_address_is_read_as_it_was_published_and_taken_away_by_its_owner_alone() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let at = directory.path();
        assert_eq!(Address::read(at).expect("nothing is there"), None);
        let (old, new) = (Address::new(1).expect("random"), Address::new(2).expect("random"));
        old.publish(at).expect("written");
        assert_eq!(Address::read(at).expect("read"), Some(old.clone()));
        new.publish(at).expect("written over what a killed program has left");
        old.withdraw(at).expect("not its own any more");
        assert_eq!(Address::read(at).expect("read"), Some(new.clone()));
        new.withdraw(at).expect("removed");
        assert_eq!(Address::read(at).expect("nothing is there"), None);
        for garbage in ["", "12345", "70000 abc", "x abc", "1 a b"] {
            fs::write(path(at), garbage).expect("written");
            assert_eq!(Address::read(at).expect("read"), None, "{garbage:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_the_secret() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a temporary directory");
        Address::new(1).expect("random").publish(directory.path()).expect("written");
        let mode = fs::metadata(path(directory.path())).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_proof_is_of_one_secret_one_side_and_one_conversation() {
        let (address, other) = (Address::new(1).expect("random"), Address::new(1).expect("random"));
        let here = nonces("ab", "c");
        let proof = address.proof(Side::Caller, &here);
        assert!(address.proves(Side::Caller, &here, &proof));
        assert!(!other.proves(Side::Caller, &here, &proof));
        assert!(!address.proves(Side::Listener, &here, &proof));
        for there in [nonces("a", "bc"), nonces("ab", "d"), nonces("", "abc")] {
            assert!(!address.proves(Side::Caller, &there, &proof), "{there:?}");
        }
        for garbage in ["", "00", &proof[2..], &proof.to_uppercase()] {
            assert!(!address.proves(Side::Caller, &here, garbage), "{garbage:?}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let address = Address { port: 7, secret: Secret::new("hunter22") };
        assert_eq!(format!("{address:?}"), "Address { port: 7, secret: Secret(..) }");
    }
}
