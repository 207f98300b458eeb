//! kill -9 under load. The talkers are programs with accounts that give each message a key, and say again
//! what was not acknowledged when they are back.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::daemon::Home;
use crate::talker::Talker;
use crate::{Outcome, Row};

struct Shared {
    address: Mutex<SocketAddr>,
    acknowledged: AtomicUsize,
    finishing: AtomicBool,
}

/// What one talker knows in the end.
#[derive(Default)]
struct Account {
    name: String,
    token: String,
    said: u64,
    /// Its messages that were acknowledged, with their positions, in the order of the acknowledgements.
    acknowledged: Vec<(u64, u64)>,
    /// What it heard from others, with positions.
    heard: Vec<(u64, String)>,
    reconnects: usize,
}

pub fn run(program: &Path, times: usize) -> Outcome<Vec<Row>> {
    let keys = ["limits.messages_per_second = 0", "limits.commands_per_second = 0"];
    let home = Home::new(program, "true", &keys)?;
    let mut daemon = home.start()?;
    let shared = Arc::new(Shared {
        address: Mutex::new(daemon.address),
        acknowledged: AtomicUsize::new(0),
        finishing: AtomicBool::new(false),
    });
    let mut threads = Vec::new();
    for number in 0..TALKERS {
        let mut account = Account { name: format!("t{number}"), ..Account::default() };
        let mut talker = Talker::connect(daemon.address)?;
        let request = json!({"cmd": "register", "user": account.name, "password": "password1"});
        account.token = talker.ok(request)?["token"].as_str().ok_or("no token")?.into();
        let shared = Arc::clone(&shared);
        threads.push(thread::spawn(move || talk(account, &shared)));
    }
    let began = Instant::now();
    let mut startup_longest = Duration::ZERO;
    for round in 0..times {
        // Between a few and some hundred acknowledgements, never the same moment.
        let wanted = shared.acknowledged.load(Ordering::Relaxed) + 20 + round * 37 % 400;
        let deadline = Instant::now() + ROUND_MAX;
        while shared.acknowledged.load(Ordering::Relaxed) < wanted {
            if Instant::now() > deadline {
                return Err(format!("nothing was acknowledged any more after {round} kills").into());
            }
            thread::sleep(POLL);
        }
        daemon.kill()?;
        let start = Instant::now();
        daemon = home.start()?;
        startup_longest = startup_longest.max(start.elapsed());
        *shared.address.lock().expect("nobody panics with it") = daemon.address;
    }
    shared.finishing.store(true, Ordering::Relaxed);
    let mut accounts = Vec::new();
    for thread in threads {
        accounts.push(thread.join().map_err(|_| "a talker panicked")?);
    }
    let mut reader = Talker::guest(daemon.address, "reader", ROOM)?;
    let log = reader.log(ROOM)?;
    let mut rows = judge(&accounts, &log);
    let what = format!("{times} kills in {:.0} s, {} reconnections", began.elapsed().as_secs_f64(), {
        accounts.iter().map(|account| account.reconnects).sum::<usize>()
    });
    rows.insert(0, Row::new("kill", what, format!("{} messages", log.len()), !log.is_empty()));
    let found = format!("{} ms", startup_longest.as_millis());
    rows.push(Row::new("kill", "longest start after a kill", found, startup_longest < START_MAX));
    Ok(rows)
}

fn judge(accounts: &[Account], log: &[(u64, String, String)]) -> Vec<Row> {
    let gaps = log.iter().zip(1..).filter(|((seq, _, _), expected)| seq != expected).count();
    let at = |seq: u64| usize::try_from(seq).ok().and_then(|seq| log.get(seq.checked_sub(1)?));
    let (mut lost, mut reordered, mut unsaid) = (0, 0, 0);
    let mut acknowledged = 0;
    for account in accounts {
        acknowledged += account.acknowledged.len();
        let right = |&&(number, seq): &&(u64, u64)| {
            at(seq)
                .is_some_and(|(_, from, text)| *from == account.name && *text == body(&account.name, number))
        };
        lost += account.acknowledged.iter().filter(|found| !right(found)).count();
        let mut own = log.iter().filter(|(_, from, _)| *from == account.name).map(|(_, _, text)| text);
        reordered +=
            (0..account.said).filter(|&number| own.next() != Some(&body(&account.name, number))).count();
        unsaid += account
            .heard
            .iter()
            .filter(|(seq, text)| at(*seq).is_none_or(|(_, _, logged)| logged != text))
            .count();
    }
    let mut texts = HashSet::new();
    let doubled = log.iter().filter(|(_, _, text)| !texts.insert(text)).count();
    let heard: usize = accounts.iter().map(|account| account.heard.len()).sum();
    let row = |what: String, count: usize| Row::new("kill", what, count, count == 0);
    vec![
        row(format!("of {acknowledged} acknowledged messages: lost"), lost),
        row("doubled".into(), doubled),
        row("missing or out of their sender's order".into(), reordered),
        row("gaps in the numbers".into(), gaps),
        row(format!("of {heard} that others heard: not in the log"), unsaid),
    ]
}

fn talk(mut account: Account, shared: &Shared) -> Account {
    let mut waiting: VecDeque<u64> = VecDeque::new();
    let deadline = Instant::now() + TALK_MAX;
    while Instant::now() < deadline {
        // The connection ends with every kill; that is the point.
        let ended = session(&mut account, &mut waiting, shared);
        if ended.is_ok() {
            break;
        }
        account.reconnects += 1;
        thread::sleep(POLL);
    }
    account
}

/// Talks until there is nothing more to say, or the connection ends.
fn session(account: &mut Account, waiting: &mut VecDeque<u64>, shared: &Shared) -> Outcome<()> {
    let address = *shared.address.lock().map_err(|_| "poisoned")?;
    let mut talker = Talker::connect(address)?;
    talker.ok(json!({"cmd": "login", "user": account.name, "token": account.token}))?;
    talker.ok(json!({"cmd": "join", "room": ROOM}))?;
    for &number in &*waiting {
        talker.send(&say(&account.name, number))?;
    }
    loop {
        let finishing = shared.finishing.load(Ordering::Relaxed);
        while waiting.len() < WINDOW && !finishing {
            let number = account.said;
            account.said += 1;
            waiting.push_back(number);
            talker.send(&say(&account.name, number))?;
        }
        if waiting.is_empty() {
            return Ok(());
        }
        let line = match talker.events.pop() {
            Some(event) => event,
            None => talker.hear()?,
        };
        hear(account, waiting, shared, &line)?;
    }
}

fn hear(account: &mut Account, waiting: &mut VecDeque<u64>, shared: &Shared, line: &Value) -> Outcome<()> {
    if line["ev"] == "message" {
        let seq = line["seq"].as_u64().ok_or("no seq")?;
        account.heard.push((seq, line["text"].as_str().unwrap_or_default().into()));
    } else if let Some(number) = line["re"].as_u64().filter(|number| waiting.contains(number)) {
        let Some(seq) = line["ok"]["seq"].as_u64() else { return Err(line.to_string().into()) };
        waiting.retain(|&waiting| waiting != number);
        account.acknowledged.push((number, seq));
        shared.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn say(name: &str, number: u64) -> Value {
    json!({"id": number, "cmd": "say", "room": ROOM, "text": body(name, number), "key": format!("k{number}")})
}

fn body(name: &str, number: u64) -> String {
    format!("{name} says number {number}")
}

const ROOM: &str = "lobby";
const TALKERS: usize = 4;
/// Messages of one talker that are not acknowledged.
const WINDOW: usize = 16;
const POLL: Duration = Duration::from_millis(2);
const ROUND_MAX: Duration = Duration::from_secs(20);
const START_MAX: Duration = Duration::from_secs(5);
/// Nobody talks longer than this, whatever happens.
const TALK_MAX: Duration = Duration::from_secs(1800);

#[cfg(test)]
mod tests {
    use super::*;

    /// Which verdicts fail on a log that should have been "0", "1", "2" of one talker.
    fn failing(log: &[(u64, &str)]) -> Vec<usize> {
        let log: Vec<_> =
            log.iter().map(|(seq, number)| (*seq, "t0".into(), format!("t0 says number {number}"))).collect();
        let account = Account {
            name: "t0".into(),
            said: 3,
            acknowledged: vec![(0, 1), (1, 2), (2, 3)],
            heard: vec![(2, "t0 says number 1".into())],
            ..Account::default()
        };
        let rows = judge(&[account], &log);
        (0..rows.len()).filter(|&row| !rows[row].passed).collect()
    }

    #[test]
    fn a_log_that_is_wrong_is_found_out() {
        const LOST: usize = 0;
        const DOUBLED: usize = 1;
        const DISORDER: usize = 2;
        const GAPS: usize = 3;
        const UNHEARD: usize = 4;
        assert_eq!(failing(&[(1, "0"), (2, "1"), (3, "2")]), [0; 0]);
        assert_eq!(failing(&[(1, "0"), (2, "1")]), [LOST, DISORDER]);
        assert_eq!(failing(&[(1, "0"), (2, "1"), (3, "2"), (4, "2")]), [DOUBLED]);
        assert_eq!(failing(&[(1, "0"), (2, "2"), (3, "1")]), [LOST, DISORDER, UNHEARD]);
        assert_eq!(failing(&[(1, "0"), (2, "1"), (3, "2"), (5, "x")]), [GAPS]);
    }
}
