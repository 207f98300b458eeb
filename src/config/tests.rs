//! One `accepts` and one `refuses` for whole files; every key at its bounds and one past them.

use super::*;
use crate::proto::limits::PerAddress;

const EXAMPLE: &str = include_str!("../../config.toml.example");

fn parse(text: &str) -> Result<Config, ConfigError> {
    read::config(Path::new("config.toml"), text.as_bytes())
}

#[track_caller]
fn accepts(text: &str) -> Config {
    parse(text).unwrap_or_else(|error| panic!("{text}\nwas refused: {error}"))
}

#[track_caller]
fn refuses(text: &str, message: &str) {
    match parse(text) {
        Ok(_) => panic!("{text}\nwas accepted"),
        Err(error) => assert_eq!(error.to_string(), message),
    }
}

#[test]
fn nothing_means_the_defaults() {
    for nothing in ["", "\n", "# only a remark", "\u{feff}", "\u{feff}[log]\r\n"] {
        assert_eq!(accepts(nothing), Config::default(), "{nothing:?}");
    }
}

#[test]
fn the_example_has_the_defaults() {
    assert_eq!(accepts(EXAMPLE), Config::default());
    // Keys that change something merely by being set are commented out; they have to be right as well.
    let all = Config { listen_is_default: false, ..Config::default() };
    assert_eq!(accepts(&example_with_all_keys()), all);
}

#[test]
fn the_example_has_every_key_once() {
    let keys_of = |text: &str| -> Vec<String> {
        let mut section = String::new();
        let mut keys = Vec::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = format!("{}.", name.trim_end_matches(']'));
            } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
                keys.push(format!("{section}{key}"));
            }
        }
        keys.sort();
        keys
    };
    assert_eq!(keys_of(&example_with_all_keys()), keys_of(&Config::default().to_toml()));
}

fn example_with_all_keys() -> String {
    let uncomment = |line: &str| {
        let key = line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        format!("{}\n", key.unwrap_or(line))
    };
    EXAMPLE.lines().map(uncomment).collect()
}

#[test]
fn what_is_printed_reads_back() {
    let changed = "
        listen = ['127.0.0.1:0', '127.0.0.1:0', '[::]:7']
        data = '/var/lib/so\"tt\\od'
        name = 'Caf\u{e9} \"q\" \\'
        motd = \"one\\n\\ttwo\"
        banner_delay = '1s 5ms'
        shutdown_timeout = 0
        [accounts]
        registration = 'invite'
        guests = false
        session_days = 0
        [tls]
        cert = 'c.pem'
        key = 'k.pem'
        plaintext = 'never'
        [limits]
        connections = 7
        message_burst = 0
        idle_timeout = 0
        send_queue_total = '3GiB'
        [history]
        enabled = false
        keep_messages = 5
        keep_days = 6
        durability = 'disk'
        [files]
        enabled = false
        account_bytes = 0
        total_bytes = '3TiB'
        keep = '2h'
        threads = 5
        [workers]
        threads = 3
        [log]
        level = 'trace'
        file = ''
        rotate_bytes = 0
        keep_files = 0";
    let on_loopback = ["", "\nloopback_counts = true", "\nloopback_counts = false"]
        .map(|line| accepts(&format!("[limits]\nconnections_per_ip = 3\nregistrations_per_hour = 0{line}")));
    for config in [accepts(changed), accepts("")].into_iter().chain(on_loopback) {
        let again = accepts(&config.to_toml());
        // Printed, the listeners are named; nothing else may differ.
        assert_eq!(Config { listen_is_default: config.listen_is_default, ..again }, config);
    }
    let config = accepts(changed);
    assert_eq!(config.limits.message_burst, u32::MAX);
    assert_eq!((config.log.rotate_bytes, config.log.keep_files, config.shutdown_timeout), (None, None, None));
    assert_eq!(config.log.file, None);
    assert!(!config.listen_is_default);
}

#[test]
fn every_number_and_size_and_time_is_checked_at_its_bounds() {
    // Section, key, least, most, whether 0 is no limit.
    let bounds: &[(&str, &str, &str, &str, bool)] = &[
        ("", "banner_delay", "'0s'", "'1m'", true),
        ("", "shutdown_timeout", "'100ms'", "'1h'", true),
        ("accounts", "bcrypt_cost", "4", "16", false),
        ("accounts", "session_days", "1", "36525", true),
        ("limits", "connections", "1", "1000000", true),
        ("limits", "connections_per_ip", "1", "1000000", true),
        ("limits", "connections_per_minute_per_ip", "1", "1000000", true),
        ("limits", "messages_per_second", "1", "1000000", true),
        ("limits", "message_burst", "1", "1000000", true),
        ("limits", "messages_per_second_per_ip", "1", "1000000", true),
        ("limits", "commands_per_second", "1", "1000000", true),
        ("limits", "commands_per_second_per_ip", "1", "1000000", true),
        ("limits", "registrations_per_hour", "1", "1000000", true),
        ("limits", "failed_logins_per_minute", "1", "1000000", true),
        ("limits", "line_bytes", "512", "1048576", false),
        ("limits", "json_bytes", "1024", "16777216", false),
        ("limits", "send_queue_soft", "1024", "536870912", false),
        ("limits", "send_queue_hard", "16384", "1073741824", false),
        ("limits", "send_queue_total", "4194304", "1099511627776", false),
        ("limits", "login_timeout", "'100ms'", "'7d'", true),
        ("limits", "idle_timeout", "'100ms'", "'7d'", true),
        ("history", "on_join", "0", "500", true),
        ("history", "keep_messages", "1", "1000000000000", true),
        ("history", "keep_days", "1", "36525", true),
        ("files", "file_bytes", "1024", "35184372088832", true),
        ("files", "account_bytes", "1024", "1152921504606846976", true),
        ("files", "total_bytes", "1024", "1152921504606846976", true),
        ("files", "keep", "'1s'", "'3650d'", false),
        ("files", "threads", "1", "16", true),
        ("workers", "threads", "1", "256", true),
        ("workers", "password_jobs", "1", "10000", false),
        ("workers", "store_jobs", "16", "1000000", false),
        ("log", "rotate_bytes", "1024", "1099511627776", true),
        ("log", "keep_files", "1", "1000", true),
    ];
    for &(section, key, least, most, zero) in bounds {
        let file = |value: &str| match section {
            "" => format!("{key} = {value}"),
            section => format!("[{section}]\n{key} = {value}"),
        };
        accepts(&file(least));
        accepts(&file(most));
        let (below, above) = match least.parse::<u64>() {
            Ok(number) => (number.wrapping_sub(1) as i64, most.parse::<u64>().unwrap() + 1),
            Err(_) => (1, 0),
        };
        let (below, above) = match above {
            0 => (String::from("'99ms'"), format!("{} 1ms'", most.trim_end_matches('\''))),
            above => (below.to_string(), above.to_string()),
        };
        if least != "'0s'" && below != "0" {
            assert!(parse(&file(&below)).is_err(), "{} is accepted", file(&below));
        }
        assert!(parse(&file(&above)).is_err(), "{} is accepted", file(&above));
        assert_eq!(parse(&file("0")).is_ok(), zero, "{}", file("0"));
        for nonsense in ["-1", "1.5", "''", "'-1'", "true", "[]", "99999999999999999999", "'1.5MiB'", "nan"] {
            assert!(parse(&file(nonsense)).is_err(), "{} is accepted", file(nonsense));
        }
    }
}

#[test]
fn mistakes_are_told_with_file_line_and_key_and_what_would_be_right() {
    for (text, message) in [
        (
            "\n\n[limits]\nline_bytes = 100",
            "config.toml:4: limits.line_bytes: 100 bytes is out of range: give 512 bytes to 1MiB",
        ),
        (
            "[limits]\nconnections = -3",
            "config.toml:2: limits.connections: -3 is out of range: give 1 to 1000000, or 0 for no limit",
        ),
        (
            "[limits]\nmessages_per_second = 1.5",
            "config.toml:2: limits.messages_per_second: is a fraction: \
             give a whole number from 1 to 1000000, or 0 for no limit",
        ),
        (
            "[limits]\njson_bytes = -1",
            "config.toml:2: limits.json_bytes: -1 is no size: \
             give a number of bytes, or a text such as \"10MiB\"",
        ),
        (
            "[limits]\njson_bytes = '1.5MiB'",
            "config.toml:2: limits.json_bytes: \"1.5MiB\" is no size: \
             give a number of bytes, or a text such as \"10MiB\"",
        ),
        (
            "banner_delay = 5",
            "config.toml:1: banner_delay: is a number: give a text such as \"250ms\", \"30s\" or \"7d\"",
        ),
        (
            "banner_delay = '5'",
            "config.toml:1: banner_delay: \"5\" is no time: give a text such as \"250ms\", \"30s\" or \"7d\"",
        ),
        ("mtod = ''", "config.toml:1: mtod: unknown key; did you mean motd?"),
        ("foo = 1", "config.toml:1: foo: unknown key; config.toml.example lists all there are"),
        ("[limit]\nx = 1", "config.toml:1: limit: unknown key; did you mean limits?"),
        (
            "[log]\n\nverbosity = 3",
            "config.toml:3: log.verbosity: unknown key; config.toml.example lists all there are",
        ),
        (
            "line_bytes = 4096",
            "config.toml:1: line_bytes: stands in the wrong section: it belongs in [limits]",
        ),
        (
            "[log]\nmotd = ''",
            "config.toml:2: log.motd: stands in the wrong section: it belongs above all [sections]",
        ),
        (
            "limits = 3",
            "config.toml:1: limits: is a section: write [limits] on a line of its own, not a number",
        ),
        (
            "[[limits]]\nline_bytes = 512",
            "config.toml:1: limits: is a section: write [limits] on a line of its own, not a list",
        ),
        (
            "[accounts]\nregistration = 'yes'",
            "config.toml:2: accounts.registration: \"yes\" is no choice: \
             give \"open\" or \"invite\" or \"closed\"",
        ),
        (
            "[accounts]\nguests = 'true'",
            "config.toml:2: accounts.guests: is a text: give true or false, without quotes",
        ),
        (
            "listen = '127.0.0.1:1'",
            "config.toml:1: listen: is a text: give a list of texts such as [\"127.0.0.1:12345\"]",
        ),
        (
            "listen = ['localhost']",
            "config.toml:1: listen: \"localhost\" is no address: \
             give ADDRESS:PORT such as \"127.0.0.1:12345\" or \"[::1]:12345\"",
        ),
        (
            "listen = ['127.0.0.1:5', '127.0.0.1:5']",
            "config.toml:1: listen: 127.0.0.1:5 is there twice: give each address once",
        ),
        ("data = ''", "config.toml:1: data: is empty: give a path"),
        (
            "name = \"a\\u001Bb\"",
            "config.toml:1: name: contains the control character \\u{1b}: give one line of plain text",
        ),
        ("name = ' '", "config.toml:1: name: is empty: give 1 to 64 bytes"),
        ("[tls]\ncert = 'c'\nkey = ''", "config.toml:2: tls.cert: needs key as well: give both or none"),
        ("[tls]\nkey = 'k'", "config.toml:2: tls.key: needs cert as well: give both or none"),
        (
            "[limits]\nsend_queue_hard = '64KiB'\nsend_queue_soft = '64KiB'",
            "config.toml:3: limits.send_queue_soft: must be less than send_queue_hard, which is 64KiB",
        ),
        (
            "[limits]\nsend_queue_total = '1MiB'",
            "config.toml:2: limits.send_queue_total: must be at least send_queue_hard, which is 4MiB",
        ),
    ] {
        refuses(text, message);
    }
}

#[test]
fn what_is_no_toml_is_refused_with_its_line() {
    for text in
        ["data = ", "data = 'x'\ndata = 'y'", "[limits]\n[limits]", "x", "\u{0}", "motd = \"\"\"\nopen"]
    {
        let error = parse(text).unwrap_err();
        assert!(matches!(&error, ConfigError::Syntax { .. }), "{text:?}: {error}");
        assert!(error.to_string().starts_with("config.toml:"), "{error}");
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
    let error = read::config(Path::new("config.toml"), b"# one\n# \xff\xfe").unwrap_err();
    assert_eq!(error.to_string(), "config.toml:2: is not UTF-8: save the file as UTF-8");
}

#[test]
fn texts_and_lists_are_checked_at_their_bounds() {
    accepts(&format!("name = '{}'", "n".repeat(64)));
    refuses(
        &format!("name = '{}'", "n".repeat(65)),
        "config.toml:1: name: 65 bytes are too long: give at most 64",
    );
    assert_eq!(accepts("motd = \"a\\r\\nb\\tc\"").motd, "a\nb\tc");
    accepts(&format!("motd = '{}'", "m".repeat(4096)));
    refuses(
        &format!("motd = '{}'", "m".repeat(4097)),
        "config.toml:1: motd: 4097 bytes are too long: give at most 4096",
    );
    let listen = |count| format!("listen = [{}]", "'127.0.0.1:0',".repeat(count));
    assert_eq!(accepts(&listen(64)).listen.len(), 64);
    refuses(&listen(65), "config.toml:1: listen: 65 addresses are too many: give at most 64");
    assert!(parse(&listen(0)).is_err());
}

#[test]
fn sizes_and_times_are_read_in_every_unit() {
    for (text, bytes) in
        [("8192", 8192), ("'8192'", 8192), ("'8KiB'", 8192), ("'8 kB'", 8000), ("0x2000", 8192)]
    {
        assert_eq!(accepts(&format!("[limits]\nline_bytes = {text}")).limits.line_bytes, bytes, "{text}");
    }
    for (text, seconds) in [("'90s'", 90), ("'1m 30s'", 90), ("'2h'", 7200), ("'7d'", 604_800)] {
        let limits = accepts(&format!("[limits]\nidle_timeout = {text}")).limits;
        assert_eq!(limits.idle_timeout, Some(Duration::from_secs(seconds)), "{text}");
    }
}

#[test]
fn a_limit_per_address_holds_for_this_machine_only_where_it_is_named() {
    assert_eq!(Limits::default().per_address_loopback, PerAddress::default());
    let named = accepts("[limits]\nregistrations_per_hour = 5\nconnections_per_ip = 0").limits;
    let expected = PerAddress { registrations_per_hour: Some(5), ..PerAddress::default() };
    assert_eq!(named.per_address_loopback, expected);
    let expected =
        PerAddress { registrations_per_hour: Some(5), connections: None, ..Limits::default().per_address };
    assert_eq!(named.per_address, expected);
    // Naming the default is naming it.
    let named = accepts("[limits]\nmessages_per_second_per_ip = 50\nconnections = 9").limits;
    let expected = PerAddress { messages_per_second: Some(50), ..PerAddress::default() };
    assert_eq!((named.per_address_loopback, named.per_address), (expected, Limits::default().per_address));
    let all = accepts("[limits]\nloopback_counts = true\nconnections_per_ip = 5").limits;
    assert_eq!((all.per_address_loopback.connections, all.per_address.connections), (Some(5), Some(5)));
    assert_eq!(all.per_address_loopback, all.per_address);
    let none = accepts("[limits]\nloopback_counts = false\nconnections_per_ip = 5").limits;
    assert_eq!(none.per_address_loopback, PerAddress::default());
    assert_eq!(none.per_address.connections, Some(5));
}

#[test]
fn a_send_queue_bound_that_is_not_named_makes_way() {
    let limits = accepts("[limits]\nsend_queue_hard = '64KiB'").limits;
    assert_eq!((limits.send_queue_soft, limits.send_queue_hard), (32 * 1024, 64 * 1024));
    let limits = accepts("[limits]\nsend_queue_soft = '400MiB'").limits;
    assert_eq!((limits.send_queue_hard, limits.send_queue_total), (800 << 20, 800 << 20));
}

#[test]
fn the_command_line_beats_the_file_and_the_file_beats_the_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my.toml");
    std::fs::write(&path, "data = 'from-file'\nlisten = ['127.0.0.1:1']\n[log]\nlevel = 'warn'\n").unwrap();
    let config = Config::load(Some(&path), Overrides::default()).unwrap();
    assert_eq!(config.data, Path::new("from-file"));
    assert_eq!(config.log.level, LevelFilter::Warn);
    assert_eq!(config.name, "Sottovoce");
    assert_eq!(config.file(), Some(path.as_path()));

    let overrides = Overrides {
        data: Some(PathBuf::from("from-line")),
        listen: vec!["127.0.0.1:2".parse().unwrap()],
        log_level: Some(LevelFilter::Off),
    };
    let config = Config::load(Some(&path), overrides).unwrap();
    assert_eq!(config.data, Path::new("from-line"));
    assert_eq!(config.listen, ["127.0.0.1:2".parse().unwrap()]);
    assert_eq!(config.log.level, LevelFilter::Off);

    std::fs::write(&path, "name = 'Later'").unwrap();
    let again = config.reload().unwrap();
    assert_eq!((again.name.as_str(), again.data.as_path()), ("Later", Path::new("from-line")));
    std::fs::write(&path, "nonsense").unwrap();
    assert!(config.reload().is_err());
}

#[test]
fn an_impossible_command_line_is_refused() {
    let load = |overrides| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("empty.toml");
        std::fs::write(&path, "").unwrap();
        Config::load(Some(&path), overrides).unwrap_err().to_string()
    };
    let twice = vec!["127.0.0.1:2".parse().unwrap(); 2];
    let error = load(Overrides { listen: twice, ..Overrides::default() });
    assert_eq!(error, "--listen: 127.0.0.1:2 is there twice: give each address once");
    let error = load(Overrides { data: Some(PathBuf::new()), ..Overrides::default() });
    assert_eq!(error, "--data: is empty: give a path");
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let load = |path: &Path| Config::load(Some(path), Overrides::default()).unwrap_err().to_string();
    let directory = load(dir.path());
    assert!(directory.ends_with(": is a directory; name the configuration file itself"), "{directory}");
    let missing = load(&dir.path().join("missing.toml"));
    assert!(missing.contains("missing.toml: cannot be read: "), "{missing}");
}

#[test]
fn the_hub_gets_its_part() {
    let config =
        accepts("[accounts]\nsession_days = 2\n[history]\nkeep_days = 3\nenabled = false\non_join = 7");
    let settings = config.settings();
    assert_eq!(settings.session_lives, Some(Duration::from_secs(2 * 86_400)));
    assert_eq!(settings.keep, Some(Duration::from_secs(3 * 86_400)));
    assert_eq!((settings.history, settings.on_join, settings.store_jobs_max), (false, 7, 4096));
    assert!(config.workers.thread_count() >= 2);
    assert_eq!(
        (settings.files, config.files.thread_count()),
        (settings::Files::default(), 1.max(2.min(cores())))
    );
    let config =
        accepts("[files]\nenabled = false\nfile_bytes = 0\naccount_bytes = 2048\nkeep = '1d'\nthreads = 3");
    let files = config.settings().files;
    assert_eq!((files.enabled, files.file_bytes, files.account_bytes), (false, None, Some(2048)));
    assert_eq!((files.keep, config.files.thread_count()), (Duration::from_secs(86_400), 3));
}
