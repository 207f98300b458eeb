use std::fs;
use std::path::PathBuf;

use super::password::{checked, first_line};
use super::*;
use crate::config::Overrides;
use crate::hub::job::OperatorNews;
use crate::proto::secret::Secret;
use crate::store::{Store, StoreOptions};

/// A data directory that is not made yet, and a file with a password.
struct Place {
    _dir: tempfile::TempDir,
    config: Config,
    password: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    fs::write(&file, "[accounts]\nbcrypt_cost = 4").unwrap();
    let overrides = Overrides { data: Some(dir.path().join("data")), ..Overrides::default() };
    let config = Config::load(Some(&file), overrides).unwrap();
    let password = dir.path().join("password");
    fs::write(&password, "correct horse\n").unwrap();
    Place { _dir: dir, config, password }
}

impl Place {
    fn user(&self, action: UserAction<'_>) -> Result<String, CommandError> {
        let mut out = Vec::new();
        user(&self.config, action, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn add(&self, name: &str) -> Result<String, CommandError> {
        self.user(UserAction::Add { name, password_file: Some(&self.password) })
    }

    fn names(&self) -> Vec<String> {
        let list = self.user(UserAction::List).unwrap();
        list.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
    }
}

#[track_caller]
fn fails(result: Result<impl fmt::Debug, CommandError>, status: u8, text: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.exit_status(), error.to_string().contains(text)), (status, true), "{error}");
}

#[test]
fn accounts_come_and_go() {
    let place = place();
    assert_eq!(place.add("alice").unwrap(), "alice: added\n");
    place.add("bob").unwrap();
    assert_eq!(place.names(), ["alice", "bob"]);
    fails(place.add("alice"), 1, "alice: there is an account of this name already");

    place.user(UserAction::Ban { name: "bob" }).unwrap();
    assert!(place.user(UserAction::List).unwrap().lines().nth(1).unwrap().ends_with("\tbanned"));
    place.user(UserAction::Unban { name: "bob" }).unwrap();
    assert!(!place.user(UserAction::List).unwrap().contains("banned"));
    let passwd = UserAction::Passwd { name: "bob", password_file: Some(&place.password) };
    assert_eq!(place.user(passwd).unwrap(), "bob: has a new password\n");
    place.user(UserAction::Remove { name: "bob" }).unwrap();
    assert_eq!(place.names(), ["alice"]);
    for action in [UserAction::Ban { name: "bob" }, UserAction::Remove { name: "bob" }] {
        fails(place.user(action), 1, "bob: there is no account of this name");
    }
}

#[test]
fn a_change_is_done_when_the_running_server_has_noticed_it() {
    let place = place();
    place.add("alice").unwrap();
    let operator = Operator::open(&place.config.data).unwrap();
    assert!(operator.news_wait().unwrap());
    until_noticed(&place.config, &operator, || panic!("nobody is there to notice")).unwrap();

    let _server = data_dir::DataDir::open(&place.config.data).unwrap();
    let (mut store, _) = Store::open(&place.config.data, StoreOptions::default()).unwrap();
    let mut other = Operator::open(&place.config.data).unwrap();
    other.ban_user(&UserName::parse("alice").unwrap()).unwrap();
    let mut pauses = 0;
    let pause = || {
        pauses += 1;
        if pauses == 3 {
            assert!(matches!(store.news()[..], [OperatorNews::Banned { .. }]));
        }
    };
    until_noticed(&place.config, &operator, pause).unwrap();
    assert_eq!(pauses, 3);
}

#[test]
fn wrong_names_and_passwords_are_wrong_usage_and_make_nothing() {
    let mut place = place();
    fails(place.add(""), 2, "\"\": ");
    fails(place.add("two words"), 2, "\"two words\": ");
    fs::write(&place.password, "short").unwrap();
    fails(place.add("alice"), 2, "a password has 8 to 72 bytes, this one has 5");
    fs::write(&place.password, b"not \xff UTF-8").unwrap();
    fails(place.add("alice"), 2, "not UTF-8");
    place.password.push("missing");
    fails(place.add("alice"), 2, "missing: ");
    assert!(!place.config.data.exists());
}

#[test]
fn a_data_directory_that_is_missing_is_not_made_to_find_it_empty() {
    let place = place();
    assert_eq!(place.user(UserAction::List).unwrap(), "");
    fails(place.user(UserAction::Ban { name: "alice" }), 1, "there is no such data directory");
    fails(backup(&place.config, Path::new("never-made")), 1, "there is no such data directory");
    assert!(!place.config.data.exists());
}

#[test]
fn an_invitation_is_a_code_alone() {
    let place = place();
    let mut out = Vec::new();
    invite(&place.config, &mut out).unwrap();
    let code = String::from_utf8(out).unwrap();
    assert_eq!(code.split_whitespace().count(), 1);
    assert!(code.ends_with('\n'));
}

#[test]
fn a_backup_never_overwrites() {
    let place = place();
    place.add("alice").unwrap();
    let file = place.password.with_file_name("backup");
    backup(&place.config, &file).unwrap();
    assert!(fs::metadata(&file).unwrap().len() > 0);
    fails(backup(&place.config, &file), 1, "the file exists already");
}

#[test]
fn the_fingerprint_stays_the_same() {
    let place = place();
    let print = || {
        let mut out = Vec::new();
        fingerprint(&place.config, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let first = print();
    assert_eq!(first.len(), 32 * 3);
    assert_eq!(print(), first);
}

#[test]
fn check_prints_what_is_in_force_and_makes_nothing() {
    let place = place();
    let mut out = Vec::new();
    check(&place.config, &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), place.config.to_toml());
    assert!(!place.config.data.exists());
    let file = place.password.with_file_name("config.toml");
    fs::write(&file, "[tls]\ncert = 'missing.pem'\nkey = 'missing.pem'").unwrap();
    let config = Config::load(Some(&file), Overrides::default()).unwrap();
    fails(check(&config, &mut Vec::new()), 2, "missing.pem: ");
}

#[test]
fn an_output_that_nobody_reads_is_no_failure() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = check(&place().config, &mut Closed).unwrap_err();
    assert_eq!(error.exit_status(), 0);
}

#[test]
fn passwords_are_one_line_and_never_cut() {
    let line = |bytes: &[u8]| first_line(bytes).unwrap().reveal().to_owned();
    assert_eq!(line(b"secret one\nsecond line"), "secret one");
    assert_eq!(line(b"secret one\r\n"), "secret one");
    assert_eq!(line(b" spaces stay "), " spaces stay ");
    assert_eq!(line(b""), "");
    for (bytes, fits) in [(7, false), (8, true), (72, true), (73, false), (300, false), (100_000, false)] {
        let password = first_line("p".repeat(bytes).as_bytes()).unwrap();
        assert_eq!(checked(password).is_ok(), fits, "{bytes} bytes");
    }
    assert!(!checked(Secret::new("shorter")).unwrap_err().to_string().contains("shorter"));
}
