//! A thread for each transfer that is at work. Everything that may take long happens here: files,
//! encryption, the network. It tells the [`ledger`](crate::client::transfer::ledger) by [`Report`]s and
//! takes [`Order`]s; the two share nothing else.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::client::transfer::download::download;
use crate::client::transfer::job::{Job, Order, Report, Trouble};
use crate::client::transfer::pool::{Breaker, Lease, Pool, Unconnected};
use crate::client::transfer::record::Number;
use crate::client::transfer::upload::upload;

/// Wakes whoever reads the reports.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A worker, for who orders.
pub struct Worker {
    orders: Sender<Order>,
    breaker: Arc<Breaker>,
    /// Tells its reports from those of an earlier worker for the same transfer.
    pub run: u64,
}

/// A report, and whose it is.
pub struct Post {
    pub number: Number,
    pub run: u64,
    pub report: Report,
}

impl Worker {
    /// Begins to work.
    pub fn start(
        number: Number,
        run: u64,
        job: Job,
        pool: Arc<Pool>,
        posts: Sender<Post>,
        wake: Wake,
    ) -> io::Result<Worker> {
        let (orders, ordered) = unbounded();
        let breaker = Arc::new(Breaker::default());
        let desk = Desk { number, run, pool, posts, wake, orders: ordered, breaker: Arc::clone(&breaker) };
        thread::Builder::new().name(format!("transfer {}", number.0)).spawn(move || desk.work(job))?;
        Ok(Worker { orders, breaker, run })
    }

    pub fn order(&self, order: Order) {
        // A worker that has ended has told so.
        let _ = self.orders.send(order);
    }

    /// Ends it as soon as it looks; what it still reports is to be ignored.
    pub fn call_off(self) {
        self.breaker.call_off();
    }
}

/// Why a worker stops before its end.
#[derive(Debug)]
pub enum Halt {
    CalledOff,
    Trouble(Trouble),
}

impl From<Trouble> for Halt {
    fn from(trouble: Trouble) -> Halt {
        Halt::Trouble(trouble)
    }
}

/// Where a worker works: what it has to do with others.
pub struct Desk {
    number: Number,
    run: u64,
    pool: Arc<Pool>,
    posts: Sender<Post>,
    wake: Wake,
    orders: Receiver<Order>,
    breaker: Arc<Breaker>,
}

impl Desk {
    fn work(self, job: Job) {
        let outcome = catch_unwind(AssertUnwindSafe(|| match job {
            Job::Download(job) => download(&self, job),
            Job::Upload(job) => upload(&self, job),
        }));
        match outcome {
            Ok(Ok(()) | Err(Halt::CalledOff)) => {}
            Ok(Err(Halt::Trouble(trouble))) => self.report(Report::Stopped(trouble)),
            // A mistake of this program must not leave a transfer that never ends.
            Err(_) => self.report(Report::Stopped(Trouble::Local("its worker has failed".to_owned()))),
        }
    }

    pub fn report(&self, report: Report) {
        let post = Post { number: self.number, run: self.run, report };
        // Nobody reads any more once the program ends.
        let _ = self.posts.send(post);
        (self.wake)();
    }

    /// Waits for the next order.
    pub fn order(&self) -> Result<Order, Halt> {
        let order = self.orders.recv().map_err(|_| Halt::CalledOff)?;
        self.check()?;
        Ok(order)
    }

    pub fn check(&self) -> Result<(), Halt> {
        if self.breaker.is_off() { Err(Halt::CalledOff) } else { Ok(()) }
    }

    /// A connection from the pool. A few attempts are made here, because what was sealed and hashed
    /// would have to be done again; a longer interruption is for the ledger.
    pub fn connect(&self, failures: &mut u32) -> Result<Lease, Halt> {
        loop {
            self.check()?;
            match self.pool.take(&self.breaker) {
                Ok(lease) => return Ok(lease),
                Err(Unconnected::CalledOff) => return Err(Halt::CalledOff),
                Err(Unconnected::Refused(why)) => return Err(Trouble::Refused(why).into()),
                Err(Unconnected::Passing(why)) => self.rest(failures, why)?,
            }
        }
    }

    /// After a failure: rests, or gives up.
    pub fn rest(&self, failures: &mut u32, why: String) -> Result<(), Halt> {
        self.check()?;
        *failures += 1;
        if *failures > FAILURES_MAX {
            return Err(Trouble::Interrupted(why).into());
        }
        thread::sleep(REST * (1 << *failures));
        self.check()
    }

    pub fn give_back(&self, lease: Lease) {
        self.breaker.forget();
        self.pool.give_back(lease, Instant::now());
    }
}

/// Tells how far it is, not more often than anybody looks.
pub struct Progress<'a> {
    desk: &'a Desk,
    told: Instant,
}

impl<'a> Progress<'a> {
    pub fn begin(desk: &'a Desk, done: u64) -> Progress<'a> {
        desk.report(Report::Began { done });
        Progress { desk, told: Instant::now() }
    }

    pub fn tell(&mut self, done: u64) {
        if self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            self.desk.report(Report::Progress { done });
        }
    }
}

const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Failures in a row before the ledger decides: two seconds in all.
const FAILURES_MAX: u32 = 4;
/// Doubled with each of them.
const REST: Duration = Duration::from_millis(62);
