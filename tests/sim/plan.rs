//! What kind of simulation a seed is: how many people, which faults, which limits.

use std::time::Duration;

use sottovoce::hub::settings::{Files, Registration, Settings};
use sottovoce::proto::limits::Limits;

use crate::random::Random;

#[derive(Debug)]
pub struct Plan {
    /// Turns of the phase with faults.
    pub turns: usize,
    pub people: usize,
    /// Accounts that they share, and how many of them have one, of a thousand.
    pub accounts: usize,
    pub registered_per_mille: usize,
    /// More moderation than talk.
    pub unruly: bool,
    /// More private messages than anything else.
    pub private: bool,
    /// How much of what accounts do is about keys and mailboxes, of a thousand.
    pub keys: usize,
    pub on_join: u32,
    /// People hide, so that what others see of who is there is not checked.
    pub hiding: bool,
    pub stalling: bool,
    pub rates: bool,
    pub restarts: bool,
    pub real_store: bool,
    pub long_texts: bool,
    pub store_jobs_max: u32,
    pub store_delay_max: usize,
    pub store_fail_per_mille: usize,
    pub full_disk: bool,
    /// Bytes that a client's socket holds.
    pub socket_bytes: usize,
    /// Connections that hear a room up to which it is told at once who comes and goes.
    pub presence_at_once: usize,
}

impl Plan {
    pub fn new(random: &mut Random) -> Plan {
        let real_store = random.per_mille(20);
        // A quarter is mainly about mailboxes, which take many steps to fill.
        let sealed = random.per_mille(250);
        Plan {
            turns: if sealed { random.between(400, 800) } else { random.between(100, 600) },
            people: random.between(3, 10),
            accounts: *random.pick(&[1, 2, 5]),
            registered_per_mille: if sealed { 1000 } else { *random.pick(&[200, 700, 1000]) },
            unruly: random.per_mille(300),
            private: random.per_mille(200),
            keys: if sealed { 900 } else { *random.pick(&[0, 200]) },
            on_join: *random.pick(&[0, 3, 10]),
            hiding: random.per_mille(300),
            stalling: random.per_mille(400),
            rates: random.per_mille(200),
            restarts: random.per_mille(400),
            real_store,
            long_texts: random.per_mille(300),
            store_jobs_max: *random.pick(&[66, 70, 90, 200]),
            store_delay_max: *random.pick(&[2, 20, 200]),
            store_fail_per_mille: if real_store { 0 } else { *random.pick(&[0, 0, 30, 200]) },
            full_disk: !real_store && random.per_mille(300),
            socket_bytes: *random.pick(&[300, 2_000, 20_000]),
            presence_at_once: *random.pick(&[0, 2, 4, 100]),
        }
    }

    /// The store fails at times.
    pub fn fails(&self) -> bool {
        self.full_disk || self.store_fail_per_mille > 0
    }

    /// Rooms may be told later who came and who went.
    pub fn gathers(&self) -> bool {
        self.presence_at_once < 100
    }

    pub fn settings(&self) -> Settings {
        let rate = |n| self.rates.then_some(n);
        let limits = Limits {
            messages_per_second: rate(10),
            message_burst: 30,
            commands_per_second: rate(20),
            line_bytes: LINE_BYTES,
            json_bytes: JSON_BYTES,
            send_queue_soft: SOFT_BYTES,
            send_queue_hard: HARD_BYTES,
            ..Limits::default()
        };
        Settings {
            name: "simulated".into(),
            motd: "hello\nand welcome".into(),
            registration: Registration::Open,
            guests: true,
            bcrypt_cost: 4,
            session_lives: Some(Duration::from_secs(1_000_000)),
            limits,
            on_join: self.on_join,
            history: true,
            keep_messages: None,
            keep: None,
            files: Files::default(),
            presence_at_once: self.presence_at_once,
            store_jobs_max: self.store_jobs_max,
            password_jobs_max: 4,
        }
    }
}

pub const LINE_BYTES: usize = 2_000;
pub const JSON_BYTES: usize = 3_000;
pub const SOFT_BYTES: usize = 4_096;
pub const HARD_BYTES: usize = 64 * 1024;
