//! From a login to unlocked keys, or to the reason why there are none in this run.

use std::io;

use crate::client::home::Home;
use crate::client::link::Link;
use crate::client::person::Person;
use crate::client::privacy::unlock::{Closed, Passphrase, put_aside, unlock};
use crate::client::vault::Vault;
use crate::proto::name::UserName;

/// What was chosen about the keys, on the command line and in the settings.
#[derive(Clone, Debug)]
pub struct Choice {
    pub passphrase: Passphrase,
    /// Keys that are here already are put aside first.
    pub put_aside: bool,
    /// What this device is called in the list of the account's devices; empty: the host's name.
    pub device: String,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Another process has the keys open.
    InUse,
    /// Private messages are on.
    Keys,
    /// They are off, for another reason.
    NoKeys,
}

/// Unlocks the keys of the account that has logged in, making them if there are none. Guests have none.
/// The sentence that is returned is a reason to stop; where private messages are only off, the session
/// has been told why, and whoever shows it says so.
pub fn begin(
    link: &mut Link,
    home: &Home,
    choice: &Choice,
    mut person: Option<&mut (dyn Person + '_)>,
) -> io::Result<Result<Begun, String>> {
    if link.session().is_guest() {
        return Ok(Ok(Begun::NoKeys));
    }
    let Some(user) = link.session().name().and_then(|name| UserName::parse(name).ok()) else {
        return Ok(Ok(Begun::NoKeys));
    };
    let directory = home.keys(&link.target().server, &user);
    if choice.put_aside && Vault::exists(&directory) {
        if let Some(person) = person.as_deref_mut() {
            let question = format!("Put the keys in {} aside and begin anew? [yes/no] ", directory.display());
            if !person.confirms(&question)? {
                return Ok(Err("nothing was put aside".to_owned()));
            }
        }
        match put_aside(&directory, link.now().wall) {
            Ok(Some(text)) => eprintln!("sotto: {text}"),
            Ok(None) => {}
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
    let (begun, off) = match unlock(&directory, &choice.passphrase, person)? {
        Ok(vault) => match link.unlock(vault, &device_name(&choice.device)) {
            Ok(()) => return Ok(Ok(Begun::Keys)),
            Err(error) => (Begun::NoKeys, format!("private messages are off in this run: {error}")),
        },
        Err(Closed::InUse(why)) => (Begun::InUse, why),
        Err(Closed::Off(why)) => (Begun::NoKeys, why),
        Err(Closed::Wrong(text)) => return Ok(Err(text)),
    };
    link.session_mut().keep_private_off(&off);
    Ok(Ok(begun))
}

/// The name of this machine, so that people know their devices apart.
fn device_name(chosen: &str) -> String {
    let from_environment = ["COMPUTERNAME", "HOSTNAME"].iter().find_map(|name| std::env::var(name).ok());
    let from_file = || std::fs::read_to_string("/etc/hostname").ok();
    let name = match chosen {
        "" => from_environment.or_else(from_file).unwrap_or_default(),
        chosen => chosen.to_owned(),
    };
    name.trim().to_owned()
}
