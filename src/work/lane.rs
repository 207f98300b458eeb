//! The loops that the worker threads run.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use crate::hub::job::keys::KeysJob;
use crate::hub::job::{PasswordJob, Reply, StoreJob};
use crate::store::checkpoint::Checkpointer;
use crate::store::{Pace, Store};
use crate::work::password;
use crate::work::queue::{Inlet, Outflow, Taken};

/// Where a worker puts its replies.
#[derive(Clone)]
pub(super) struct Outlet<W: Fn()> {
    replies: Sender<Vec<Reply>>,
    panicked: Arc<AtomicBool>,
    wake: W,
}

impl<W: Fn()> Outlet<W> {
    pub fn new(replies: Sender<Vec<Reply>>, panicked: Arc<AtomicBool>, wake: W) -> Outlet<W> {
        Outlet { replies, panicked, wake }
    }

    pub fn send(&self, replies: Vec<Reply>) {
        if replies.is_empty() {
            return;
        }
        // Fails only when the lanes were dropped without being stopped; then nobody waits.
        let _ = self.replies.send(replies);
        (self.wake)();
    }
}

impl<W: Fn()> Drop for Outlet<W> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.panicked.store(true, Ordering::Release);
            (self.wake)();
        }
    }
}

/// One of the threads for passwords. Ends when nobody can submit any more and the queue is empty.
pub(super) fn passwords<W: Fn()>(jobs: &Receiver<PasswordJob>, stopping: &AtomicBool, outlet: &Outlet<W>) {
    give_way();
    for job in jobs {
        if stopping.load(Ordering::Acquire) {
            return;
        }
        outlet.send(vec![Reply::Password(password::run(job))]);
    }
}

/// Lets the reactor and the store go first wherever cores are short: a login may wait, a message may
/// not. On Linux a process's priority belongs to each of its threads.
fn give_way() {
    #[cfg(target_os = "linux")]
    // Where it is not allowed, passwords are hashed all the same.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
}

/// The thread that owns the store: everything that waits goes into one transaction.
pub(super) fn store<W: Fn()>(
    store: &mut Store,
    jobs: &Outflow<StoreJob>,
    batch_max: usize,
    outlet: &Outlet<W>,
    nudge: &Inlet<()>,
) {
    let mut waiting = VecDeque::new();
    let mut batch = Vec::with_capacity(batch_max);
    let mut done = Vec::with_capacity(batch_max);
    let mut looked = Instant::now();
    let mut upkeep_left = true;
    let mut wrote = false;
    loop {
        let wait = if upkeep_left || !waiting.is_empty() { Duration::ZERO } else { LOOK_EVERY };
        let taken = jobs.take(wait, &mut waiting);
        if !waiting.is_empty() {
            let mut pages = 0;
            while batch.len() < batch_max
                && pages < PAGES_PER_BATCH
                && let Some(job) = waiting.pop_front()
            {
                pages += u32::from(reads_page(&job));
                batch.push(job);
            }
            store.run_batch(&mut batch, &mut done);
            outlet.send(done.drain(..).map(Reply::Store).collect());
            store.upkeep(Pace::Busy);
            wrote = true;
        } else if taken == Taken::Closed {
            return;
        } else {
            // A moment without jobs is not rest yet; upkeep begins after a whole pause.
            upkeep_left = store.upkeep(Pace::Idle);
        }
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            outlet.send(store.news().into_iter().map(Reply::Operator).collect());
            // Where jobs never pause for so long, this is when upkeep gets its turn.
            upkeep_left = store.upkeep(Pace::Idle);
            if std::mem::take(&mut wrote) {
                // It is at work where there is no place, and looks again when it is nudged next.
                let _ = nudge.push(());
            }
        }
    }
}

/// The thread that copies the store's log into its database, whenever it is told that there may be enough.
pub(super) fn checkpoints(mut checkpointer: Checkpointer, nudges: &Outflow<()>) {
    let mut taken = VecDeque::new();
    while nudges.take(NUDGE_WAIT, &mut taken) != Taken::Closed {
        if taken.pop_front().is_some() {
            checkpointer.step();
        }
    }
}

fn reads_page(job: &StoreJob) -> bool {
    matches!(
        job,
        StoreJob::History { .. }
            | StoreJob::Join { .. }
            | StoreJob::Keys(KeysJob::Page { .. })
            | StoreJob::Letters { .. }
            | StoreJob::Search { .. }
    )
}

/// Any time will do: the end of waiting means nothing.
const NUDGE_WAIT: Duration = Duration::from_secs(3600);
/// How often to look for what the operator did from outside, and the pause that counts as rest.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Jobs in one batch whose replies may have a page of text each, of up to
/// [`PAGE_BYTES_MAX`](crate::proto::limits::PAGE_BYTES_MAX) bytes.
const PAGES_PER_BATCH: u32 = 16;

/// Behind what chats, and still ahead of what runs at the very end of the line.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
