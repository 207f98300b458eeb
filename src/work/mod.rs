//! What may block, on threads of its own: passwords and the store.
//!
//! The reactor submits [`Job`]s and takes [`Reply`]s; neither ever waits. Each lane is a bounded queue. The
//! hub holds one credit for each of its places and refuses commands when it has none left, so a queue
//! cannot overflow.

pub mod password;

mod lane;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::vec;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::hub::job::{Job, PasswordJob, Reply, StoreJob};
use crate::store::Store;
use crate::work::lane::Outlet;

/// The running lanes. Belongs to one thread.
pub struct Lanes {
    passwords: Sender<PasswordJob>,
    store: Sender<StoreJob>,
    replies: Receiver<Vec<Reply>>,
    /// What [`Lanes::replies`] has received and not handed out yet.
    begun: RefCell<vec::IntoIter<Reply>>,
    panicked: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneSettings {
    pub password_threads: usize,
    /// Places in the queues: jobs submitted and not begun.
    pub password_jobs_max: usize,
    pub store_jobs_max: usize,
    /// Jobs that the store puts into one transaction at most.
    pub batch_max: usize,
}

impl Lanes {
    /// Starts the threads. `wake` is called from them whenever there are replies to take.
    pub fn start(
        settings: LaneSettings,
        store: Store,
        wake: impl Fn() + Send + Sync + Clone + 'static,
    ) -> Lanes {
        assert!(settings.password_threads > 0, "a lane without a thread would never answer");
        assert!(settings.batch_max > 0, "a batch has at least one job");
        let (passwords, password_jobs) = bounded(settings.password_jobs_max);
        let (store_jobs_in, store_jobs) = bounded(settings.store_jobs_max);
        // Unbounded, but holds no more than one reply for each place in the queues and each thread, and
        // what the operator does by hand.
        let (replies_in, replies) = unbounded();
        let panicked = Arc::new(AtomicBool::new(false));
        let outlet = Outlet::new(replies_in, panicked.clone(), wake);
        let mut threads = Vec::with_capacity(settings.password_threads + 1);
        for number in 1..=settings.password_threads {
            let (jobs, outlet) = (password_jobs.clone(), outlet.clone());
            threads.push(spawn(format!("password-{number}"), move || lane::passwords(&jobs, &outlet)));
        }
        let batch_max = settings.batch_max;
        threads.push(spawn("store".into(), move || lane::store(store, &store_jobs, batch_max, &outlet)));
        let begun = RefCell::new(Vec::new().into_iter());
        Lanes { passwords, store: store_jobs_in, replies, begun, panicked, threads }
    }

    /// Queues a job. Never waits; the caller keeps count of the places.
    pub fn submit(&self, job: Job) {
        self.check();
        let full = "the hub holds a credit for each place in a lane's queue";
        match job {
            Job::Password(job) => self.passwords.try_send(job).expect(full),
            Job::Store(job) => self.store.try_send(job).expect(full),
        }
    }

    /// Moves at most `max` replies to `out`, in the order they came; returns whether there are more, for
    /// which nobody will be woken again.
    pub fn replies(&self, out: &mut Vec<Reply>, max: usize) -> bool {
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

    /// Finishes what is queued, ends the threads, and returns the replies that nobody took.
    pub fn stop(self) -> Vec<Reply> {
        let Lanes { passwords, store, replies, begun, panicked: _, threads } = self;
        drop((passwords, store));
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        begun.into_inner().chain(replies.into_iter().flatten()).collect()
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
