//! A core for this program alone.
//!
//! Who must be punctual asks again and again, which makes a core busy. The system takes a wake-up through
//! loopback for one after which the waker will sleep, and puts the server beside it (`WF_SYNC` in Linux'
//! scheduler); there the server waits for the end of a time slice, up to four milliseconds, while another
//! core is idle. No client on another machine does that to a server.

/// Until it is dropped, this thread is on one core, and what it has started before is on the others.
#[derive(Default)]
pub struct Apart {
    #[cfg(target_os = "linux")]
    before: Option<rustix::thread::CpuSet>,
}

#[cfg(target_os = "linux")]
impl Apart {
    /// Calls `start` on all cores but the last that this program may use, and keeps that one; with a single
    /// core both share it.
    pub fn while_starting<T>(start: impl FnOnce() -> T) -> (T, Apart) {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
        let usable = sched_getaffinity(None).unwrap_or_default();
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&core| usable.is_set(core)).collect();
        let Some((&last, others @ [_, ..])) = cores.split_last() else { return (start(), Apart::default()) };
        let set = |cores: &[usize]| {
            let mut wanted = CpuSet::new();
            cores.iter().for_each(|&core| wanted.set(core));
            sched_setaffinity(None, &wanted).is_ok()
        };
        set(others);
        let started = start();
        set(&[last]);
        (started, Apart { before: Some(usable) })
    }
}

#[cfg(not(target_os = "linux"))]
impl Apart {
    pub fn while_starting<T>(start: impl FnOnce() -> T) -> (T, Apart) {
        (start(), Apart::default())
    }
}

#[cfg(target_os = "linux")]
impl Drop for Apart {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // It was allowed before.
            let _ = rustix::thread::sched_setaffinity(None, before);
        }
    }
}
