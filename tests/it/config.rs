//! The configuration: what it says is so, and what it cannot mean is refused with its place.

use crate::harness::home::{Home, text};
use crate::harness::process::run;

/// The file is refused with its name and line, and these words.
#[track_caller]
fn check_refused(file: &str, line: usize, words: &[&str]) {
    let home = Home::new(&[]);
    home.write("config.toml", file);
    for args in [&["check"][..], &["--listen", "127.0.0.1:0"]] {
        let told = home.tool(args);
        assert_eq!(told.status, Some(2), "{told:?}");
        assert_eq!(told.out, "", "{told:?}");
        assert!(told.err.contains(&format!("config.toml:{line}")), "line {line} in {}", told.err);
        for word in words {
            assert!(told.err.contains(word), "{word:?} in {}", told.err);
        }
    }
    assert!(!home.data().exists(), "nothing is made before the configuration is sound");
}

#[test]
fn unknown_keys_and_sections_are_refused() {
    check_refused("name = \"x\"\nwibble = 3\n", 2, &["wibble"]);
    check_refused("[limits]\nline_bytes = 4096\n\nwibble = 3\n", 4, &["wibble"]);
    check_refused("\n[wobble]\nx = 1\n", 2, &["wobble"]);
}

#[test]
fn wrong_types_are_refused() {
    check_refused("[limits]\nline_bytes = \"many\"\n", 2, &["line_bytes"]);
    check_refused("[accounts]\n\nguests = 1\n", 3, &["guests"]);
    check_refused("listen = 12345\n", 1, &["listen"]);
    check_refused("# delay\nbanner_delay = 250\n", 2, &["banner_delay"]);
    check_refused("[limits]\nmessages_per_second = 1.5\n", 2, &["messages_per_second"]);
}

#[test]
fn impossible_values_are_refused() {
    check_refused("[accounts]\nbcrypt_cost = 99\n", 2, &["bcrypt_cost"]);
    check_refused("[accounts]\nbcrypt_cost = 3\n", 2, &["bcrypt_cost"]);
    check_refused("[accounts]\nregistration = \"maybe\"\n", 2, &["registration", "invite"]);
    check_refused("[tls]\nplaintext = \"sometimes\"\n", 2, &["plaintext", "loopback"]);
    check_refused("banner_delay = \"soon\"\n", 1, &["banner_delay"]);
    check_refused("listen = [\"localhost\"]\n", 1, &["listen"]);
    check_refused("listen = [\"127.0.0.1:99999\"]\n", 1, &["listen"]);
    check_refused("[limits]\nconnections = -1\n", 2, &["connections"]);
    check_refused("[limits]\nline_bytes = 1\n", 2, &["line_bytes"]);
    check_refused("[history]\ndurability = \"hope\"\n", 2, &["durability"]);
    check_refused("[files]\nkeep = \"0\"\n", 2, &["keep"]);
    check_refused("[files]\nfile_bytes = 1\n", 2, &["file_bytes"]);
    check_refused("[log]\nlevel = \"loud\"\n", 2, &["level"]);
}

#[test]
fn what_is_no_toml_is_refused() {
    check_refused("name = \"x\"\nthis is no TOML\n", 2, &[]);
    check_refused("name = \"x\"\nname = \"y\"\n", 2, &[]);
}

#[test]
fn a_soft_limit_above_the_hard_one_is_refused() {
    check_refused(
        "[limits]\nsend_queue_soft = 2000000\nsend_queue_hard = 1000000\n",
        2,
        &["send_queue_soft", "send_queue_hard"],
    );
}

#[test]
fn a_configuration_file_that_is_not_there_is_refused() {
    let home = Home::new(&[]);
    let told = run(home.bare().args(["--config", "no-such-file.toml", "check"]));
    assert_eq!(told.status, Some(2), "{told:?}");
    assert!(told.err.contains("no-such-file.toml"), "{told:?}");
}

#[test]
fn wrong_usage_is_refused() {
    let home = Home::new(&[]);
    let cases: [&[&str]; 6] = [
        &["--wibble"],
        &["wobble"],
        &["--listen", "nowhere"],
        &["--log-level", "loud"],
        &["user", "add"],
        &["backup"],
    ];
    for args in cases {
        let told = home.tool(args);
        assert_eq!(told.status, Some(2), "{args:?}: {told:?}");
        assert!(told.out.is_empty() && !told.err.is_empty(), "{args:?}: {told:?}");
    }
}

#[test]
fn help_and_version_are_told_on_stdout() {
    let home = Home::new(&[]);
    let version = home.tool_ok(&["--version"]);
    assert_eq!(version.trim_end(), concat!("sottod ", env!("CARGO_PKG_VERSION")));
    let help = home.tool_ok(&["--help"]);
    for word in
        ["--config", "--data", "--listen", "--log-level", "check", "user", "invite", "backup", "fingerprint"]
    {
        assert!(help.contains(word), "{word} in {help}");
    }
}

fn checked(home: &Home, args: &[&str]) -> toml::Table {
    let out = home.tool_ok(args);
    out.parse().unwrap_or_else(|error| panic!("{error}\n{out}"))
}

#[test]
fn check_prints_every_key_and_reads_what_it_prints() {
    let home = Home::new(&[]);
    home.write("config.toml", "");
    let printed = home.tool_ok(&["check"]);
    let table: toml::Table = printed.parse().expect("TOML");
    let keys = [
        ("accounts", "registration guests bcrypt_cost session_days"),
        ("tls", "plaintext"),
        (
            "limits",
            "connections connections_per_ip messages_per_second message_burst commands_per_second \
             registrations_per_hour line_bytes json_bytes send_queue_soft send_queue_hard login_timeout idle_timeout",
        ),
        ("history", "on_join keep_messages keep_days durability"),
        ("files", "enabled file_bytes account_bytes total_bytes keep threads"),
        ("workers", "threads"),
        ("log", "level file rotate_bytes keep_files"),
    ];
    for (section, keys) in keys {
        for key in keys.split(' ') {
            assert!(table[section].get(key).is_some(), "{section}.{key} in {printed}");
        }
    }
    for key in ["listen", "data", "name", "motd", "banner_delay", "shutdown_timeout"] {
        assert!(table.contains_key(key), "{key} in {printed}");
    }
    assert_eq!(table["accounts"]["bcrypt_cost"].as_integer(), Some(12));
    assert_eq!(table["history"]["on_join"].as_integer(), Some(50));
    assert_eq!(table["banner_delay"].as_str(), Some("250ms"));
    assert_eq!(table["limits"]["line_bytes"].as_integer(), Some(4096));
    home.write("config.toml", &printed);
    assert_eq!(home.tool_ok(&["check"]), printed);
}

#[test]
fn the_command_line_beats_the_file() {
    let home = Home::new(&["listen = [\"127.0.0.1:1\"]", "log.level = \"warn\""]);
    let data = home.path("elsewhere");
    let args = ["--listen", "127.0.0.1:2", "--listen", "[::1]:3", "--log-level", "debug", "check"];
    let table = checked(&home, &args);
    assert_eq!(table["listen"], toml::Value::from(vec!["127.0.0.1:2", "[::1]:3"]));
    assert_eq!(table["log"]["level"].as_str(), Some("debug"));
    let told = run(home.bare().args(["--data", text(&data), "check"]));
    let table: toml::Table = told.out.parse().expect("TOML");
    assert_eq!(table["data"].as_str(), Some(text(&data)));
    assert_eq!(table["listen"], toml::Value::from(vec!["127.0.0.1:1"]), "./config.toml is read");
}

#[test]
fn times_and_sizes_are_written_with_units() {
    let home = Home::new(&[]);
    home.write(
        "config.toml",
        "shutdown_timeout = \"1m\"\n[limits]\nsend_queue_hard = \"10MiB\"\nidle_timeout = \"2h\"\nlogin_timeout = 0\n",
    );
    home.tool_ok(&["check"]);
}

#[test]
fn why_the_server_does_not_start_is_told_once_on_stderr_and_in_the_log() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let why = format!("cannot listen on {address}: ");
    for level in ["info", "off"] {
        let home = Home::new(&[]);
        let told = home.tool(&["--listen", &address, "--log-level", level]);
        assert_eq!((told.status, told.out.as_str()), (Some(1), ""), "{told:?}");
        assert_eq!(told.err.matches(&why).count(), 1, "{told:?}");
        let log = std::fs::read_to_string(home.data().join("sottod.log")).expect("a log");
        assert_eq!(log.matches(&why).count(), usize::from(level == "info"), "{log}");
    }
}
