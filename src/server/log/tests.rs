use std::sync::Mutex;

use super::*;

/// What was written to stderr.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A stderr that nobody reads, until the gate is opened.
struct Blocked {
    entered: Sender<()>,
    gate: Receiver<()>,
    screen: Screen,
}

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Both fail once the test has let go of the other ends; then nothing is blocked any more.
        let _ = self.entered.send(());
        let _ = self.gate.recv();
        self.screen.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn config(file: Option<&str>) -> config::Log {
    config::Log { file: file.map(PathBuf::from), ..config::Log::default() }
}

#[test]
fn lines_reach_stderr_and_the_file_in_order_before_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let screen = Screen::default();
    let config = config::Log { rotate_bytes: Some(1024), ..config(Some("my.log")) };
    let (logging, mut pipe) = Logging::start_writer(&config, dir.path(), Box::new(screen.clone())).unwrap();
    let lines: Vec<String> = (0..300).map(|number| format!("line {number}\n")).collect();
    for line in &lines {
        pipe.write_all(line.as_bytes()).unwrap();
    }
    logging.stop();
    assert_eq!(screen.text(), lines.concat());
    let name = |number: u32| match number {
        0 => dir.path().join("my.log"),
        number => dir.path().join(format!("my.log.{number}")),
    };
    let files: Vec<String> = (0..=3).rev().filter_map(|n| std::fs::read_to_string(name(n)).ok()).collect();
    assert_eq!(files.concat(), lines.concat());
    assert_eq!(files.len(), 3, "2890 bytes in files of 1024");
    assert!(files.iter().all(|file| file.len() <= 1024));
}

#[test]
fn a_stderr_that_nobody_reads_blocks_nobody_and_dropped_lines_are_counted() {
    let (entered, is_blocked) = bounded(0);
    let (open_gate, gate) = bounded(0);
    let screen = Screen::default();
    let stderr = Blocked { entered, gate, screen: screen.clone() };
    let (logging, mut pipe) = Logging::start_writer(&config(None), Path::new("."), Box::new(stderr)).unwrap();
    pipe.write_all(b"first\n").unwrap();
    is_blocked.recv().unwrap();
    for _ in 0..LINES_WAITING_MAX + 3 {
        pipe.write_all(b"more\n").unwrap();
    }
    drop((is_blocked, open_gate));
    logging.stop();
    let text = screen.text();
    assert_eq!(text.matches("more\n").count(), LINES_WAITING_MAX, "one line a place");
    assert!(text.contains(" WARN  3 lines of the log were dropped: "), "{}", &text[text.len() - 200..]);
}

#[test]
fn a_file_that_cannot_be_opened_is_told_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for name in [".", "missing/sottod.log"] {
        let error = Logging::start_writer(&config(Some(name)), dir.path(), Box::new(io::sink())).map(|_| ());
        let text = error.unwrap_err().to_string();
        assert!(text.contains(name) && text.contains("log.file"), "{text}");
    }
}

#[test]
fn a_record_is_one_line_without_control_characters() {
    assert_eq!(OneLine("a\nb\u{1b}[2J\u{202e}").to_string(), "a\\u{a}b\\u{1b}[2J\\u{202e}");
    let fits = "x".repeat(LINE_CHARS_MAX - 1);
    assert_eq!(OneLine(&fits).to_string(), fits);
    assert_eq!(OneLine("x".repeat(LINE_CHARS_MAX)).to_string(), format!("{fits}..."));
    assert_eq!(OneLine("x".repeat(LINE_CHARS_MAX + 9)).to_string(), format!("{fits}..."));
}

#[test]
fn the_writers_own_lines_look_like_the_others() {
    let line = own_line("WARN", "text");
    assert!(line.ends_with("Z WARN  text\n"), "{line}");
    assert_eq!(line.len(), "2026-01-31T12:00:00.123Z WARN  text\n".len());
}
