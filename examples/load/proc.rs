//! What Linux tells of a process, in `/proc/PID`.

use std::fs;
use std::time::Duration;

use crate::Outcome;

/// A field of `status` that is an amount of memory, such as `VmRSS:`, in bytes.
pub fn memory(pid: u32, field: &str) -> Outcome<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib: u64 = line.ok_or_else(|| format!("no {field}"))?.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}

/// Time in user and system mode of all threads, ended ones included.
pub fn cpu(pid: u32) -> Outcome<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in brackets, which may contain anything.
    let (_, fields) = stat.rsplit_once(") ").ok_or("/proc/PID/stat without a name")?;
    let mut fields = fields.split(' ').skip(UTIME_BEHIND_NAME);
    let mut ticks = || -> Outcome<u64> { Ok(fields.next().ok_or("/proc/PID/stat is short")?.parse()?) };
    Ok(Duration::from_millis((ticks()? + ticks()?) * TICK_MILLIS))
}

/// `utime` is field 14 of `/proc/PID/stat`, the name is field 2.
const UTIME_BEHIND_NAME: usize = 11;
/// Linux counts these in hundredths of a second on every machine it runs on.
const TICK_MILLIS: u64 = 10;
