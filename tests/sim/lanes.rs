//! Simulated workers: jobs wait, are done in batches, late, and sometimes fail.

use std::collections::VecDeque;
use std::sync::Arc;

use sottovoce::hub::job::files::FileJob;
use sottovoce::hub::job::{
    Job, Kept, PasswordHash, PasswordJob, PasswordReply, Reply, StoreFailure, StoreJob, StoreReply,
};
use sottovoce::proto::id::FileId;
use sottovoce::store::{Store, StoreOptions};

use crate::disk::Disk;
use crate::model::{self, Model};
use crate::plan::Plan;
use crate::random::Random;

pub struct Lanes {
    pub model: Model,
    /// The real store beside the model, where the plan wants it.
    real: Option<Real>,
    queue: VecDeque<StoreJob>,
    /// What is committed next, and when.
    batch: Option<(u64, Vec<StoreJob>)>,
    passwords: Vec<(u64, PasswordReply)>,
    pub disk: Disk,
    /// Jobs on files, and when each is due. One lane does them all in order.
    files: VecDeque<(u64, FileJob)>,
    /// Done, and not told to the hub yet.
    replies: VecDeque<Reply>,
    jobs_max: usize,
    delay_max: usize,
    fail_per_mille: usize,
    /// The disk is full at the moment.
    pub full: bool,
    pub faults: bool,
}

struct Real {
    dir: tempfile::TempDir,
    store: Option<Store>,
}

impl Lanes {
    pub fn new(plan: &Plan) -> Lanes {
        let dir = || tempfile::tempdir().expect("a directory for the database");
        Lanes {
            model: Model::default(),
            real: plan.real_store.then(|| Real { dir: dir(), store: None }),
            queue: VecDeque::new(),
            batch: None,
            passwords: Vec::new(),
            disk: Disk::default(),
            files: VecDeque::new(),
            replies: VecDeque::new(),
            jobs_max: plan.store_jobs_max as usize,
            delay_max: plan.store_delay_max,
            fail_per_mille: plan.store_fail_per_mille,
            full: false,
            faults: true,
        }
    }

    /// The server starts: what was not committed is lost, what was is found.
    pub fn start(&mut self) -> Kept {
        self.queue.clear();
        self.batch = None;
        self.passwords.clear();
        self.files.clear();
        self.replies.clear();
        let kept = self.model.start();
        if let Some(Real { dir, store }) = &mut self.real {
            drop(store.take());
            let (opened, mut found) = Store::open(dir.path(), StoreOptions::default()).expect("it opens");
            *store = Some(opened);
            found.rooms.sort_by_key(|room| room.id);
            // The numbers of rooms that were dropped are not used again by the database alone.
            let found = Kept { next_room: found.next_room.max(kept.next_room), ..found };
            let expected = Kept { next_room: found.next_room, ..kept.clone() };
            assert_eq!(sorted(&expected), sorted(&found), "model and store keep the same");
            return self.measure(found);
        }
        self.measure(kept)
    }

    /// What the disk tells about files; records without bytes are forgotten.
    fn measure(&mut self, mut kept: Kept) -> Kept {
        kept.files = self.disk.start(kept.files);
        let there = |id: &FileId| kept.files.iter().any(|file| file.id == *id);
        let lost: Vec<FileId> = self.model.files.keys().filter(|id| !there(id)).copied().collect();
        lost.iter().for_each(|id| drop(self.model.files.remove(id)));
        if let Some(store) = self.real.as_mut().and_then(|real| real.store.as_mut()) {
            store.forget_files(&lost).expect("the disk of the simulation's machine has room");
        }
        kept
    }

    pub fn submit(&mut self, now: u64, job: Job, random: &mut Random) {
        match job {
            Job::Files(job) => {
                let delay = if self.faults { random.below(20) as u64 } else { 0 };
                self.files.push_back((now + delay, job));
            }
            Job::Password(job) => {
                let delay = if self.faults { random.below(300) as u64 } else { 1 };
                self.passwords.push((now + delay, hash(job)));
            }
            Job::Store(job) => self.queue.push_back(job),
        }
        let waiting = self.queue.len() + self.batch.as_ref().map_or(0, |(_, batch)| batch.len());
        assert!(waiting + self.replies.len() <= self.jobs_max + self.passwords.len() + 1024);
        assert!(waiting <= self.jobs_max, "the queue of the store overflows: {waiting}");
    }

    /// Time passed: work is done, and the next is begun.
    pub fn pass(&mut self, now: u64, random: &mut Random) {
        let mut index = 0;
        while index < self.passwords.len() {
            match self.passwords[index].0 <= now {
                true => self.replies.push_back(Reply::Password(self.passwords.swap_remove(index).1)),
                false => index += 1,
            }
        }
        while self.files.front().is_some_and(|(due, _)| *due <= now) {
            let (_, job) = self.files.pop_front().expect("it is due");
            let reply = match self.faults && self.full && matches!(job, FileJob::Put { .. }) {
                true => self.disk.fail(job, StoreFailure::Full),
                false if self.faults && random.per_mille(self.fail_per_mille) => {
                    self.disk.fail(job, StoreFailure::Other("simulated".into()))
                }
                false => self.disk.run(job),
            };
            self.replies.push_back(Reply::Files(reply));
        }
        if self.batch.as_ref().is_some_and(|(due, _)| *due <= now) {
            let (_, batch) = self.batch.take().expect("it is due");
            self.commit(batch, random);
        }
        if self.batch.is_none() && !self.queue.is_empty() {
            let most = if self.faults { random.between(1, 40) } else { 1000 };
            let delay = if self.faults { random.between(0, self.delay_max) } else { 1 };
            let batch = self.queue.drain(..most.min(self.queue.len())).collect();
            self.batch = Some((now + delay as u64, batch));
        }
    }

    /// Hands out some of what is done.
    pub fn take(&mut self, random: &mut Random) -> Vec<Reply> {
        let count = match self.faults {
            true if random.per_mille(300) => 0,
            true => random.between(1, 20).min(self.replies.len()),
            false => self.replies.len(),
        };
        self.replies.drain(..count).collect()
    }

    pub fn is_idle(&self) -> bool {
        let store = self.queue.is_empty() && self.batch.is_none();
        store && self.passwords.is_empty() && self.files.is_empty() && self.replies.is_empty()
    }

    fn commit(&mut self, mut batch: Vec<StoreJob>, random: &mut Random) {
        if let Some(store) = self.real.as_mut().and_then(|real| real.store.as_mut()) {
            let expected: Vec<StoreReply> = batch.iter().map(|job| self.model.run(job)).collect();
            let mut replies = Vec::new();
            store.run_batch(&mut batch, &mut replies);
            for (expected, found) in expected.iter().zip(&replies) {
                assert_eq!(shown(expected), shown(found), "model and store answer alike");
                self.model.learn_token(found);
                self.model.learn_file(expected, found);
            }
            self.replies.extend(replies.into_iter().map(Reply::Store));
            return;
        }
        for job in &batch {
            let reply = if self.faults && self.full && model::writes(job) {
                model::failed(job, StoreFailure::Full)
            } else if self.faults && random.per_mille(self.fail_per_mille) {
                model::failed(job, StoreFailure::Other("simulated".into()))
            } else {
                self.model.run(job)
            };
            self.replies.push_back(Reply::Store(reply));
        }
    }
}

fn hash(job: PasswordJob) -> PasswordReply {
    let made = |password: &str| PasswordHash(Arc::from(format!("hash of {password}")));
    match job {
        PasswordJob::Hash { origin, password, cost: _ } => {
            PasswordReply::Hashed { origin, hash: made(password.reveal()) }
        }
        PasswordJob::Verify { origin, password, hash, cost: _ } => {
            PasswordReply::Verified { origin, matches: hash == Some(made(password.reveal())) }
        }
    }
}

/// A reply as text, without the words of a failure, which are the store's own.
fn shown(reply: &StoreReply) -> String {
    match reply {
        StoreReply::Failed { job, .. } => format!("failed: {job:?}"),
        // Its number is random.
        StoreReply::Uploaded { origin, new, file } => format!("{origin:?} {new:?} {}", file.is_some()),
        reply => format!("{reply:?}"),
    }
}

fn sorted(kept: &Kept) -> Kept {
    let mut kept = kept.clone();
    for room in &mut kept.rooms {
        room.operators.sort();
        room.bans.sort_by(|a, b| a.key().cmp(b.key()));
    }
    kept
}
