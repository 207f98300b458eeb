//! What may block, on threads of its own: passwords, the store, and the bytes of files.
//!
//! The reactor submits [`Job`]s and takes [`Reply`]s; neither ever waits. Each lane is a bounded queue. The
//! hub holds one credit for each of its places and refuses commands when it has none left, so a queue
//! cannot overflow.

pub mod files;
pub mod password;

mod lane;
mod queue;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use std::vec;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::hub::job::{Job, PasswordJob, Reply, StoreJob};
use crate::store::Store;
use crate::work::files::FileLane;
use crate::work::lane::Outlet;
use crate::work::queue::{Inlet, queue};

/// The running lanes. Belongs to one thread.
pub struct Lanes {
    passwords: Sender<PasswordJob>,
    store: Inlet<StoreJob>,
    files: FileLane,
    replies: Receiver<Vec<Reply>>,
    /// What [`Lanes::replies`] has received and not handed out yet.
    begun: RefCell<vec::IntoIter<Reply>>,
    panicked: Arc<AtomicBool>,
    /// Nobody wants to know about passwords any more.
    stopping: Arc<AtomicBool>,
    store_thread: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneSettings {
    pub password_threads: usize,
    /// Places in the queues: jobs submitted and not begun.
    pub password_jobs_max: usize,
    pub store_jobs_max: usize,
    /// Threads that read and write files.
    pub file_threads: usize,
    /// Jobs that the store puts into one transaction at most.
    pub batch_max: usize,
}

impl Lanes {
    /// Starts the threads. `files` is the directory of files; `wake` is called from the threads whenever
    /// there are replies to take.
    pub fn start(
        settings: LaneSettings,
        mut store: Store,
        files: &Path,
        wake: impl Fn() + Send + Sync + Clone + 'static,
    ) -> Lanes {
        assert!(settings.password_threads > 0, "a lane without a thread would never answer");
        assert!(settings.batch_max > 0, "a batch has at least one job");
        let (passwords, password_jobs) = bounded(settings.password_jobs_max);
        let (store_jobs_in, store_jobs) = queue(settings.store_jobs_max);
        // Where the reactor is slower than the store, the store waits: pages of history that nobody has
        // taken yet are bounded by this and by a batch.
        let (replies_in, replies) = bounded(REPLY_BATCHES_MAX);
        let (panicked, stopping) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let outlet = Outlet::new(replies_in, panicked.clone(), wake);
        for number in 1..=settings.password_threads {
            let (jobs, outlet, stopping) = (password_jobs.clone(), outlet.clone(), stopping.clone());
            let work = move || lane::passwords(&jobs, &stopping, &outlet);
            // Never joined: a hash that was begun may take seconds, and at the end nobody waits for it.
            drop(spawn(format!("password-{number}"), work));
        }
        let files = FileLane::start(files, settings.file_threads, &stopping, &outlet);
        let batch_max = settings.batch_max;
        let (nudge, nudges) = queue(1);
        let checkpoints = store
            .take_checkpointer()
            .map(|checkpointer| spawn("checkpoint".into(), move || lane::checkpoints(checkpointer, &nudges)));
        let store_thread = spawn("store".into(), move || {
            lane::store(&mut store, &store_jobs, batch_max, &outlet, &nudge);
            drop(nudge);
            if let Some(Err(panic)) = checkpoints.map(JoinHandle::join) {
                std::panic::resume_unwind(panic);
            }
        });
        let begun = RefCell::new(Vec::new().into_iter());
        Lanes { passwords, store: store_jobs_in, files, replies, begun, panicked, stopping, store_thread }
    }

    /// Queues a job. Never waits; the caller keeps count of the places.
    pub fn submit(&self, job: Job) {
        self.check();
        let full = "the hub holds a credit for each place in a lane's queue";
        match job {
            Job::Files(job) => self.files.submit(job),
            Job::Password(job) => self.passwords.try_send(job).expect(full),
            Job::Store(job) => self.store.push(job).expect(full),
        }
    }

    /// Moves at most `max` replies to `out`, in the order they came; returns whether there are more, for
    /// which nobody will be woken again.
    pub fn replies(&self, out: &mut VecDeque<Reply>, max: usize) -> bool {
        self.check();
        let mut begun = self.begun.borrow_mut();
        let mut left = max;
        while left > 0 {
            let before = out.len();
            out.extend(begun.by_ref().take(left));
            left -= out.len() - before;
            if begun.len() == 0 {
                match self.replies.try_recv() {
                    Ok(next) => *begun = next.into_iter(),
                    Err(_) => return false,
                }
            }
        }
        begun.len() > 0 || !self.replies.is_empty()
    }

    /// Finishes what is queued for the store and of the bytes of files, and returns the replies that nobody
    /// took. Passwords that are not hashed yet never will be.
    pub fn stop(self) -> Vec<Reply> {
        let Lanes { passwords, store, files, replies, begun, panicked: _, stopping, store_thread } = self;
        stopping.store(true, Ordering::Release);
        drop((passwords, store));
        let mut threads = files.stop();
        threads.push(store_thread);
        let mut left: Vec<Reply> = begun.into_inner().collect();
        while !threads.iter().all(JoinHandle::is_finished) {
            // They may wait for room for their replies.
            left.extend(replies.recv_timeout(STOP_STEP).into_iter().flatten());
        }
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        left.extend(replies.try_iter().flatten());
        left
    }

    /// Where panics do not end the process anyway, a worker's is passed on: its jobs will have no replies.
    fn check(&self) {
        assert!(!self.panicked.load(Ordering::Acquire), "a worker thread panicked");
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    // At the start, and there is no server without its threads.
    std::thread::Builder::new().name(name).spawn(work).expect("the system starts a thread")
}

/// Batches of replies that wait for the reactor.
const REPLY_BATCHES_MAX: usize = 64;
/// While stopping, how often we look whether the store is done.
const STOP_STEP: Duration = Duration::from_millis(10);
