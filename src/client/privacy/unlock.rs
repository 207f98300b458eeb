//! Opening the vault of an account: what is asked, and what is said where nobody can be asked.
//!
//! Whatever comes of it, rooms work. Without a vault private messages are off in this run, never
//! silently unencrypted: the sentence that says why is what `/msg` is refused with.

use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use crate::client::person::Person;
use crate::client::vault::{Vault, VaultError};
use crate::proto::secret::Secret;
use crate::proto::time::Timestamp;

/// What the command line says about the passphrase of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passphrase {
    /// Nothing: a person is asked, if there is one.
    Ask,
    Given(Secret),
    /// There is to be none.
    None,
}

/// Why there is no vault in this run.
#[derive(Debug, PartialEq, Eq)]
pub enum Closed {
    /// Private messages are off because another process has the keys open; the reason says which.
    InUse(String),
    /// A passphrase that was given is wrong: whoever gave it wants to know before anything else happens.
    Wrong(String),
    /// Private messages are off, for this reason.
    Off(String),
}

/// Opens the vault in this directory, or makes it where there is none.
pub fn unlock(
    directory: &Path,
    passphrase: &Passphrase,
    person: Option<&mut (dyn Person + '_)>,
) -> io::Result<Result<Vault, Closed>> {
    if !Vault::exists(directory) {
        return create(directory, passphrase, person);
    }
    let sealed = match Vault::needs_passphrase(directory) {
        Ok(sealed) => sealed,
        Err(error) => return Ok(Err(off(&error))),
    };
    if !sealed {
        return Ok(Vault::open(directory, None).map_err(|error| off(&error)));
    }
    match (passphrase, person) {
        (Passphrase::Given(secret), _) => Ok(open_given(directory, secret)),
        // Whatever is said of new keys, these are sealed.
        (Passphrase::Ask | Passphrase::None, Some(person)) => ask(directory, person),
        (Passphrase::Ask | Passphrase::None, None) => Ok(Err(Closed::Off(format!("{OFF}: {SEALED}")))),
    }
}

/// Puts a vault aside that does not open with what is given, after asking where somebody can be asked.
/// Returns a sentence about where it is now, or `None` if there was nothing to put aside.
pub fn put_aside(directory: &Path, today: Timestamp) -> Result<Option<String>, VaultError> {
    if !Vault::exists(directory) {
        return Ok(None);
    }
    let aside = Vault::set_aside(directory, today)?;
    Ok(Some(format!("the keys that were here are in {} now", aside.display())))
}

/// Another passphrase for the keys in this directory, or none: [`Passphrase::Ask`] asks. The sentence says
/// what was done, or why it was not.
pub fn change(
    directory: &Path,
    present: &Passphrase,
    next: &Passphrase,
    mut person: Option<&mut (dyn Person + '_)>,
) -> io::Result<Result<&'static str, String>> {
    if !Vault::exists(directory) {
        return Ok(Err(format!("{}: there are no keys here", directory.display())));
    }
    let mut vault = match unlock(directory, present, person.as_deref_mut())? {
        Ok(vault) => vault,
        Err(Closed::InUse(why) | Closed::Off(why) | Closed::Wrong(why)) => return Ok(Err(why)),
    };
    let chosen = match (next, person) {
        (Passphrase::Ask, Some(person)) => choose_passphrase(person)?,
        (Passphrase::Ask, None) => {
            return Ok(Err("there is nobody to ask: give --new-file FILE or --remove".to_owned()));
        }
        (next, _) => Some(next.clone()),
    };
    let (changed, done) = match &chosen {
        Some(Passphrase::Given(secret)) => {
            (vault.change_passphrase(Some(secret.reveal())), "the passphrase was changed")
        }
        Some(Passphrase::None) => {
            (vault.change_passphrase(None), "the keys lie unsealed on this disk from now on")
        }
        Some(Passphrase::Ask) | None => return Ok(Err("nothing was changed".to_owned())),
    };
    Ok(changed.map(|()| done).map_err(|error| error.to_string()))
}

/// A passphrase for a vault that is made or changed: typed twice, or nothing for none. `None` if the
/// person does not want to choose.
pub fn choose_passphrase(person: &mut (dyn Person + '_)) -> io::Result<Option<Passphrase>> {
    loop {
        let question = "choose a passphrase for the keys of your private messages \
                        (empty: keep them unsealed on this disk): ";
        let Some(first) = person.hidden(question)? else { return Ok(None) };
        if first.is_empty() {
            return Ok(Some(Passphrase::None));
        }
        let Some(second) = person.hidden("once more: ")? else { return Ok(None) };
        if first == second {
            return Ok(Some(Passphrase::Given(secret(&first))));
        }
        person.tell("these were not the same")?;
    }
}

fn create(
    directory: &Path,
    passphrase: &Passphrase,
    person: Option<&mut (dyn Person + '_)>,
) -> io::Result<Result<Vault, Closed>> {
    let chosen = match (passphrase, person) {
        (Passphrase::Ask, None) => return Ok(Err(Closed::Off(format!("{OFF}: {NOBODY_TO_ASK}")))),
        (Passphrase::Ask, Some(person)) => match choose_passphrase(person)? {
            Some(chosen) => chosen,
            None => return Ok(Err(Closed::Off(format!("{OFF}: no passphrase was chosen")))),
        },
        (given, _) => given.clone(),
    };
    let passphrase = match &chosen {
        Passphrase::Given(secret) => Some(secret.reveal()),
        Passphrase::Ask | Passphrase::None => None,
    };
    Ok(Vault::create(directory, passphrase).map_err(|error| off(&error)))
}

fn open_given(directory: &Path, secret: &Secret) -> Result<Vault, Closed> {
    Vault::open(directory, Some(secret.reveal())).map_err(|error| match error {
        VaultError::WrongPassphrase { .. } => Closed::Wrong(error.to_string()),
        error => off(&error),
    })
}

fn ask(directory: &Path, person: &mut (dyn Person + '_)) -> io::Result<Result<Vault, Closed>> {
    let given_up = || Ok(Err(Closed::Off(format!("{OFF}: the passphrase of their keys was not given"))));
    for _ in 0..PASSPHRASE_TRIES {
        let question = "passphrase of your private messages (empty: go on without them): ";
        let typed = person.hidden(question)?.filter(|typed| !typed.is_empty());
        let Some(typed) = typed else { return given_up() };
        match Vault::open(directory, Some(&typed)) {
            Err(VaultError::WrongPassphrase { .. }) => person.tell("that is not it")?,
            opened => return Ok(opened.map_err(|error| off(&error))),
        }
    }
    person.tell(&ways_out(directory))?;
    given_up()
}

/// What to do about a forgotten passphrase.
fn ways_out(directory: &Path) -> String {
    format!(
        "If it is forgotten, nobody can open {} any more. Rooms work without it; for private messages\n\
         there are three ways to go on, each of which puts the old keys aside first:\n\
         \x20 sotto pair --put-aside      if another device of yours has the keys\n\
         \x20 sotto recover --put-aside   if you wrote the recovery key down\n\
         \x20 sotto --put-aside           and /newidentity there, if all is lost: others are warned\n\
         Messages of before stay sealed in what was put aside.",
        directory.display()
    )
}

fn off(error: &VaultError) -> Closed {
    let why = format!("{OFF}: {error}");
    match error {
        VaultError::InUse { .. } => Closed::InUse(why),
        _ => Closed::Off(why),
    }
}

fn secret(text: &Zeroizing<String>) -> Secret {
    Secret::new(text.as_str())
}

const OFF: &str = "private messages are off in this run";
const NOBODY_TO_ASK: &str = "no passphrase was given for their keys. Give it with --passphrase-file FILE or \
                             SOTTO_PASSPHRASE, or --no-passphrase to keep the keys unsealed on this disk";
const SEALED: &str = "their keys are sealed, and no passphrase was given. Give it with --passphrase-file \
                      FILE or SOTTO_PASSPHRASE";
/// As for passwords, like ssh.
const PASSPHRASE_TRIES: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::session::Login;
    use crate::client::trust::Server;
    use crate::client::vault::Options;
    use crate::e2e::keystore::Cost;

    /// Somebody who answers so, and remembers what was said.
    struct Scripted {
        answers: Vec<Option<&'static str>>,
        told: Vec<String>,
    }

    impl Person for Scripted {
        fn confirms(&mut self, _: &str) -> io::Result<bool> {
            unreachable!("nothing is to be confirmed here")
        }

        fn login(&mut self, _: &Server, _: &str) -> io::Result<Option<Login>> {
            unreachable!("the login was before")
        }

        fn hidden(&mut self, question: &str) -> io::Result<Option<Zeroizing<String>>> {
            self.told.push(question.trim_end().to_owned());
            assert!(!self.answers.is_empty(), "one question too many: {:#?}", self.told);
            Ok(self.answers.remove(0).map(|answer| Zeroizing::new(answer.to_owned())))
        }

        fn tell(&mut self, text: &str) -> io::Result<()> {
            self.told.push(text.to_owned());
            Ok(())
        }
    }

    /// Unlocks with these answers; whether it opened sealed, or why it is closed, and what was told.
    fn check(
        directory: &Path,
        passphrase: &Passphrase,
        answers: &[Option<&'static str>],
    ) -> (String, String) {
        let mut person = Scripted { answers: answers.to_vec(), told: Vec::new() };
        let asked = !answers.is_empty();
        let person_there = asked.then_some(&mut person as &mut dyn Person);
        let outcome = match unlock(directory, passphrase, person_there).expect("no trouble with the system") {
            Ok(vault) if vault.is_sealed() => "sealed".to_owned(),
            Ok(_) => "unsealed".to_owned(),
            Err(Closed::InUse(why) | Closed::Off(why)) => format!("off: {why}"),
            Err(Closed::Wrong(why)) => format!("wrong: {why}"),
        };
        assert!(person.answers.is_empty(), "not all was asked: {:#?}", person.told);
        (outcome, person.told.join("\n"))
    }

    fn given(text: &str) -> Passphrase {
        Passphrase::Given(Secret::new(text))
    }

    /// A sealed vault that is cheap to open.
    fn sealed(directory: &Path) {
        let cheap = Options { cost: Cost { memory_kib: 8, passes: 1, lanes: 1 }, ..Options::default() };
        Vault::create_with(directory, Some("tea at four"), cheap).expect("a vault");
    }

    #[test]
    fn a_new_vault_is_made_as_somebody_chooses() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let place = |name: &str| home.path().join(name);
        let (outcome, told) =
            check(&place("a"), &Passphrase::Ask, &[Some("one"), Some("two"), Some("tea"), Some("tea")]);
        assert_eq!(outcome, "sealed");
        assert!(told.contains("choose a passphrase") && told.contains("not the same"), "{told}");
        assert_eq!(check(&place("b"), &Passphrase::Ask, &[Some("")]).0, "unsealed");
        assert_eq!(check(&place("c"), &Passphrase::None, &[]).0, "unsealed");
        let (outcome, _) = check(&place("d"), &Passphrase::Ask, &[None]);
        assert!(outcome.starts_with("off: ") && !Vault::exists(&place("d")), "{outcome}");
        let (outcome, _) = check(&place("e"), &Passphrase::Ask, &[]);
        for part in ["off: private messages are off in this run", "SOTTO_PASSPHRASE", "--no-passphrase"] {
            assert!(outcome.contains(part) && !Vault::exists(&place("e")), "{outcome}");
        }
    }

    #[test]
    fn a_sealed_vault_is_opened_or_explained() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let place = home.path().join("vault");
        sealed(&place);
        assert_eq!(check(&place, &given("tea at four"), &[]).0, "sealed");
        assert_eq!(check(&place, &Passphrase::Ask, &[Some("tea"), Some("tea at four")]).0, "sealed");
        let (outcome, _) = check(&place, &given("tea"), &[]);
        assert!(outcome.starts_with("wrong: ") && outcome.contains("vault/keystore"), "{outcome}");
        let (outcome, _) = check(&place, &Passphrase::None, &[]);
        assert!(outcome.contains("off: ") && outcome.contains("SOTTO_PASSPHRASE"), "{outcome}");
        assert_eq!(check(&place, &Passphrase::None, &[Some("tea at four")]).0, "sealed");
        let (outcome, _) = check(&place, &Passphrase::Ask, &[Some("")]);
        assert!(outcome.starts_with("off: "), "{outcome}");
        let (outcome, told) = check(&place, &Passphrase::Ask, &[Some("1"), Some("2"), Some("3")]);
        assert!(outcome.starts_with("off: "), "{outcome}");
        for part in ["sotto pair", "sotto recover", "/newidentity", &place.display().to_string()] {
            assert!(told.contains(part), "{part} is missing: {told}");
        }
        assert_eq!(check(&place, &given("tea at four"), &[]).0, "sealed", "nothing has changed");
    }

    #[test]
    fn an_unsealed_vault_opens_without_asking() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let place = home.path().join("vault");
        drop(Vault::create(&place, None).expect("a vault"));
        for passphrase in [Passphrase::Ask, Passphrase::None, given("any")] {
            assert_eq!(check(&place, &passphrase, &[]).0, "unsealed", "{passphrase:?}");
        }
        let open = Vault::open(&place, None).expect("it opens");
        let (outcome, _) = check(&place, &Passphrase::Ask, &[]);
        assert!(outcome.contains(&format!("process {}", std::process::id())), "{outcome}");
        drop(open);
    }

    #[test]
    fn a_passphrase_is_changed_for_who_has_the_present_one() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let place = home.path().join("vault");
        let change = |present: &Passphrase, next: &Passphrase, answers: &[Option<&'static str>]| {
            let mut person = Scripted { answers: answers.to_vec(), told: Vec::new() };
            let person = (!answers.is_empty()).then_some(&mut person as &mut dyn Person);
            super::change(&place, present, next, person).expect("no trouble with the system")
        };
        assert!(change(&Passphrase::Ask, &Passphrase::Ask, &[]).is_err(), "there are no keys");
        sealed(&place);
        assert!(change(&given("tea"), &given("new"), &[]).is_err());
        assert!(change(&given("tea at four"), &Passphrase::Ask, &[]).unwrap_err().contains("--new-file"));
        assert!(change(&given("tea at four"), &given("coffee"), &[]).is_ok());
        assert!(change(&Passphrase::Ask, &Passphrase::Ask, &[Some("coffee"), None]).is_err());
        assert!(change(&Passphrase::Ask, &Passphrase::None, &[Some("coffee")]).is_ok());
        assert_eq!(check(&place, &Passphrase::Ask, &[]).0, "unsealed");
        assert!(change(&Passphrase::Ask, &Passphrase::Ask, &[Some("milk"), Some("milk")]).is_ok());
        assert_eq!(check(&place, &given("milk"), &[]).0, "sealed");
    }

    #[test]
    fn what_is_put_aside_makes_room() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let place = home.path().join("vault");
        assert_eq!(put_aside(&place, Timestamp(0)).expect("nothing to do"), None);
        sealed(&place);
        let told = put_aside(&place, Timestamp(0)).expect("put aside").expect("there was one");
        assert!(told.contains("vault.old-1970-01-01") && !Vault::exists(&place), "{told}");
    }
}
