//! What ends a `sotto send` whose files another process sends: it leaves, and says what becomes of them.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::client::plain::Ending;

/// Ctrl-C, and what a system sends that wants a program to end.
#[derive(Debug)]
pub(super) struct Interrupts {
    came: Arc<AtomicBool>,
    /// They end this process, as they do without anybody who heeds them.
    end: Arc<AtomicBool>,
}

impl Interrupts {
    pub fn heed() -> io::Result<Interrupts> {
        let interrupts = Interrupts { came: Arc::default(), end: Arc::default() };
        for signal in [SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal)) {
            flag::register_conditional_default(signal, Arc::clone(&interrupts.end))?;
            flag::register(signal, Arc::clone(&interrupts.came))?;
        }
        Ok(interrupts)
    }

    pub fn came(&self) -> bool {
        self.came.load(Ordering::SeqCst)
    }

    /// From now on they end this process; if one came before, this is how.
    pub fn let_end(self) -> Option<Ending> {
        self.end.store(true, Ordering::SeqCst);
        self.came().then(|| Ending::Failed(INTERRUPTED.to_owned()))
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.end.store(true, Ordering::SeqCst);
    }
}

/// Whoever starts a program can have it ignore a signal, as `nohup` does, and a script whatever it runs in
/// the background; it stays so. Only Linux tells that to safe code: elsewhere they are heeded.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    ignored & (1 << (signal - 1)) != 0
}

pub(super) const INTERRUPTED: &str = "interrupted; nothing was sent";
