//! A terminal that a program runs in, and somebody who types and reads there.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::server::Server;
use crate::harness::{DEADLINE, PASSWORD};

/// See the [module](self). It ends, with what runs in it, when this goes.
pub struct Terminal {
    /// Its own, so that nothing else can go before it.
    directory: TempDir,
}

impl Terminal {
    /// Runs a program on a screen of this size.
    pub fn run(size: (u16, u16), command: &Command) -> Terminal {
        let terminal = Terminal { directory: TempDir::new().expect("a temporary directory") };
        let (columns, rows) = (size.0.to_string(), size.1.to_string());
        // Afterwards the shell tells how it ended and what the terminal is like, and stays to be read.
        let process = quoted(&terminal.process_file().display().to_string());
        let inner = quoted(&format!("echo $$ > {process}; exec {}", command_line(command)));
        let modes = "stty -a | tr -s ' ;' '\\n\\n' | grep -x -e icanon -e -icanon -e echo -e -echo";
        let program = format!("sh -c {inner}; echo \"{ENDED} $?:\" $({modes}); exec cat");
        terminal.tmux(&["new-session", "-d", "-x", &columns, "-y", &rows, &program]);
        terminal
    }

    /// `sotto` for an account that exists, in the lobby.
    pub fn sotto(server: &Server, user: &str, size: (u16, u16)) -> Terminal {
        server.home.add_user(user);
        Terminal::run(size, &sotto(server, user))
    }

    /// Types text.
    pub fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// Presses keys by their names, such as `Enter`, `M-a`, `C-n` or `PPage`.
    pub fn presses(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types a line and sends it.
    pub fn says(&self, line: &str) {
        self.types(line);
        self.presses(&["Enter"]);
    }

    /// Pastes as a terminal does that marks what is pasted.
    pub fn pastes(&self, text: &str) {
        self.tmux(&["set-buffer", text, ";", "paste-buffer", "-p"]);
    }

    pub fn resizes(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// The screen as text.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// The screen with its colours.
    pub fn colours(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// Waits until the screen shows this text.
    #[track_caller]
    pub fn shows(&self, text: &str) -> String {
        self.until(&format!("shows {text:?}"), |screen| screen.contains(text))
    }

    /// Waits until the screen does not show this text.
    #[track_caller]
    pub fn hides(&self, text: &str) -> String {
        self.until(&format!("does not show {text:?}"), |screen| !screen.contains(text))
    }

    /// Waits until the screen is as it should be.
    #[track_caller]
    pub fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(!screen.contains(ENDED), "it ended before the screen {what}:\n{screen}");
            assert!(Instant::now() < end, "the screen never {what}:\n{screen}");
            // Not to wait for anything, but to leave the processor to the program.
            thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Waits for the program's end, with this status and on a terminal that is as it was before.
    #[track_caller]
    pub fn ends(&self, status: i32) -> String {
        let screen = self.until("tells of the end", |screen| screen.contains(ENDED));
        let told = screen.lines().find(|line| line.starts_with(ENDED)).expect("found a moment ago");
        assert_eq!(told, format!("{ENDED} {status}: icanon echo"), "{screen}");
        assert_eq!(self.modes(), "alternate 0, mouse 0, cursor 1", "{screen}");
        screen
    }

    /// The number of the process that runs in it.
    pub fn process(&self) -> String {
        fs::read_to_string(self.process_file()).expect("written before it began").trim().to_owned()
    }

    /// What the program has switched on: the other screen, mouse events; and whether the cursor shows.
    pub fn modes(&self) -> String {
        let format = "alternate {alternate_on}, mouse {mouse_any_flag}, cursor {cursor_flag}";
        self.tmux(&["display-message", "-p", &format.replace('{', "#{")]).trim().to_owned()
    }

    fn process_file(&self) -> PathBuf {
        self.directory.path().join("process")
    }

    #[track_caller]
    fn tmux(&self, arguments: &[&str]) -> String {
        self.try_tmux(arguments).unwrap_or_else(|error| panic!("tmux {arguments:?}: {error}"))
    }

    fn try_tmux(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("tmux");
        command.env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        command
            .arg("-u")
            .args(["-f", "/dev/null", "-S"])
            .arg(self.directory.path().join("socket"))
            .args(arguments);
        let output = command.output().map_err(|error| error.to_string())?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if thread::panicking() {
            let screen = self.try_tmux(&["capture-pane", "-p"]).unwrap_or_else(|error| error);
            eprintln!("---- screen\n{screen}----");
        }
        // What could not be started cannot be ended.
        let _ = self.try_tmux(&["kill-server"]);
    }
}

/// `sotto` as this user, who has an account, with a home of its own, in the lobby, and with keys that are
/// kept unsealed, so that nothing is asked.
pub fn sotto(server: &Server, user: &str) -> Command {
    let mut command = asking(server, user);
    command.arg("--no-passphrase");
    command
}

/// The same, asking for the passphrase of the keys.
pub fn asking(server: &Server, user: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sotto"));
    let home = server.home.path(&format!("sotto-{user}"));
    for variable in ["NO_COLOR", "SOTTO_PASSPHRASE"] {
        command.env_remove(variable);
    }
    command.env("SOTTO_PASSWORD", PASSWORD).arg("--home").arg(home);
    command.args(["--host", "127.0.0.1", "--port", &server.address.port().to_string()]);
    command.args(["--username", user, "--accept-new", "--join", "lobby"]);
    command
}

/// A command with its environment, as it is typed into a shell.
pub fn command_line(command: &Command) -> String {
    let mut words = vec!["env".to_owned()];
    let (set, removed): (Vec<_>, Vec<_>) = command.get_envs().partition(|(_, value)| value.is_some());
    words.extend(removed.iter().map(|(name, _)| format!("-u {}", name.display())));
    words.extend(["LC_ALL=C.UTF-8".to_owned(), "TZ=UTC".to_owned()]);
    for (name, value) in set {
        words.push(quoted(&format!("{}={}", name.display(), value.unwrap_or_default().display())));
    }
    words.push(quoted(&command.get_program().display().to_string()));
    words.extend(command.get_args().map(|word| quoted(&word.display().to_string())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Between two looks at the screen.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// What the shell says when the program has ended.
const ENDED: &str = "ended with";
