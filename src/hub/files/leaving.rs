//! The end of files: first the bytes go, then the record.
//!
//! In this order, a full disk has space again before anything has to be written, and whatever is left by a
//! crash in between is a record without bytes, which the next start removes. A removal that fails is tried
//! again with every sweep; nobody sees the file meanwhile, and its room stays taken.

use crate::hub::effect::Effect;
use crate::hub::files::table::State;
use crate::hub::job::files::FileJob;
use crate::hub::job::{Change, StoreFailure, StoreJob};
use crate::hub::{Ask, Hub};
use crate::proto::event::Answer;
use crate::proto::id::{AccountId, FileId, Origin};
use crate::proto::refusal::Refusal;
use crate::proto::time::Now;

impl Hub {
    /// Removes a file, unless that is under way; `origin` waits for it.
    pub(super) fn remove_file(&mut self, file: FileId, origin: Option<Origin>, out: &mut Vec<Effect>) {
        let Some(entry) = self.files.table.get(file) else { return };
        if let State::Leaving { .. } = entry.state {
            return;
        }
        self.files.table.set_state(file, State::Leaving { origin, submitted: false });
        self.leave_when_idle(file, out);
    }

    /// A file that is to go does so when nothing is written to it any more.
    pub(super) fn leave_when_idle(&mut self, file: FileId, out: &mut Vec<Effect>) {
        let Some(entry) = self.files.table.get_mut(file).filter(|entry| entry.is_idle()) else { return };
        if let State::Leaving { submitted, .. } = &mut entry.state
            && !std::mem::replace(submitted, true)
        {
            self.submit_chore(FileJob::Remove { file }, out);
        }
    }

    /// The lane removed the bytes, or could not.
    pub(super) fn bytes_removed(
        &mut self,
        now: Now,
        file: FileId,
        outcome: Result<(), StoreFailure>,
        out: &mut Vec<Effect>,
    ) {
        match outcome {
            Ok(()) => {
                let change = Change::FileRemove { file };
                self.submit_store(StoreJob::Change { origin: None, change }, out);
            }
            Err(failure) => {
                let refusal = self.storage_refusal(failure, out);
                self.removal_failed(now, file, refusal, out);
            }
        }
    }

    /// The store removed the record: there is room again.
    pub(in crate::hub) fn file_removed(&mut self, now: Now, file: FileId, out: &mut Vec<Effect>) {
        let waiting = self.leaving_origin(file);
        self.files.table.remove(file);
        if let Some(Origin { conn, re }) = waiting {
            self.file_answer(Ask { conn, re, now }, Ok(Answer::Deleted { file }), out);
        }
    }

    /// The removal has to be tried again.
    pub(in crate::hub) fn removal_failed(
        &mut self,
        now: Now,
        file: FileId,
        refusal: Refusal,
        out: &mut Vec<Effect>,
    ) {
        let waiting = self.leaving_origin(file);
        self.files.table.set_state(file, State::Leaving { origin: None, submitted: false });
        self.files.stuck.push(file);
        if let Some(Origin { conn, re }) = waiting {
            self.file_answer(Ask { conn, re, now }, Err(refusal), out);
        }
    }

    /// Files whose time has come go, and those that could not go before; a bounded number at once.
    pub(in crate::hub) fn sweep_files(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.files.pool.rest();
        for file in std::mem::take(&mut self.files.stuck) {
            self.leave_when_idle(file, out);
        }
        let stays = |file: &FileId| {
            let state = self.files.table.get(*file).map(|entry| entry.state);
            !matches!(state, Some(State::Leaving { .. }))
        };
        let ended: Vec<FileId> =
            self.files.table.ended(now.wall).filter(stays).take(FILES_PER_SWEEP).collect();
        for file in ended {
            self.remove_file(file, None, out);
        }
    }

    /// The operator removed an account: its files go, and what it declined is nobody's any more.
    pub(in crate::hub) fn forget_account_files(&mut self, account: AccountId, out: &mut Vec<Effect>) {
        let files: Vec<FileId> = self.files.table.of_account(account, None).map(|(file, _)| file).collect();
        for file in files {
            self.remove_file(file, None, out);
        }
    }

    fn leaving_origin(&self, file: FileId) -> Option<Origin> {
        match self.files.table.get(file).expect("a file stays until its record is gone").state {
            State::Leaving { origin, submitted: true } => origin,
            state => unreachable!("{file} was not to go: {state:?}"),
        }
    }
}

/// Files that begin to go in one sweep.
const FILES_PER_SWEEP: usize = 1_000;
