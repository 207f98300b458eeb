//! What is asked about files in lines: room for one, its state, its end, and which ones there are.

use crate::hub::effect::Effect;
use crate::hub::files::table::{Entry, State};
use crate::hub::files::{disabled, no_such_file};
use crate::hub::job::files::{FileJob, KeptFile, NewFile, is_declined_by_all};
use crate::hub::job::{Change, StoreFailure, StoreJob};
use crate::hub::presence::page_limit;
use crate::hub::session::Waiting;
use crate::hub::{Ask, Hub};
use crate::proto::event::Answer;
use crate::proto::id::{AccountId, FileId, Origin, UserId};
use crate::proto::limits::{
    FILE_BYTES_CEILING, FILE_READERS_MAX, FILES_MAX, FILES_PER_ACCOUNT_MAX, UPLOADS_PER_ACCOUNT_MAX,
};
use crate::proto::pages::{FileLine, FilesPage};
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::{Now, Timestamp};

impl Hub {
    /// Makes room for a file.
    pub(in crate::hub) fn upload(
        &mut self,
        ask: Ask,
        me: UserId,
        size: u64,
        readers: u32,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let owner = self.file_account(me)?;
        if size == 0 {
            return Err(Refusal::new(Code::BadArgument, "`size` is at least 1"));
        }
        if !(1..=FILE_READERS_MAX).contains(&readers) {
            let text = format!("`readers` is a number from 1 to {FILE_READERS_MAX}");
            return Err(Refusal::new(Code::BadArgument, text));
        }
        self.check_room(owner, size)?;
        self.files.table.reserve(owner, size);
        let created = ask.now.wall;
        let keep = u64::try_from(self.settings.files.keep.as_millis()).unwrap_or(u64::MAX);
        let expires = Timestamp(created.0.saturating_add(keep));
        let new = NewFile { owner, size, readers, created, expires };
        self.submit_store(StoreJob::Upload { origin: ask.origin(), new }, out);
        self.wait(ask.conn, Waiting::Upload, out);
        Ok(())
    }

    /// Whether a file of this size may come.
    fn check_room(&self, owner: AccountId, size: u64) -> Result<(), Refusal> {
        let rules = &self.settings.files;
        let most = rules.file_bytes.unwrap_or(FILE_BYTES_CEILING).min(FILE_BYTES_CEILING);
        if size > most {
            let text = format!("a file has at most {most} bytes here, and this one {size}");
            return Err(Refusal::new(Code::FileTooLarge, text));
        }
        let (bytes, files, uploads) = self.files.table.usage(owner);
        if uploads >= UPLOADS_PER_ACCOUNT_MAX {
            let text = format!("{uploads} uploads are not complete; finish or delete some");
            return Err(Refusal::new(Code::TooMany, text));
        }
        if files >= FILES_PER_ACCOUNT_MAX || self.files.table.len() >= FILES_MAX {
            let text = "there are too many files already; delete some";
            return Err(Refusal::new(Code::TooMany, text));
        }
        // Neither sum overflows: all files together fit, and so does one more.
        if let Some(quota) = rules.account_bytes.filter(|&quota| bytes + size > quota) {
            let text = format!("your files take {bytes} of {quota} bytes; there is no room for {size} more");
            return Err(Refusal::new(Code::QuotaExceeded, text));
        }
        let total = self.files.table.total();
        if let Some(quota) = rules.total_bytes.filter(|&quota| total + size > quota) {
            let text = format!(
                "all files take {total} of the server's {quota} bytes; there is no room for {size} more"
            );
            return Err(Refusal::new(Code::QuotaExceeded, text));
        }
        Ok(())
    }

    /// The store recorded an upload; `None`: its account is gone.
    pub(in crate::hub) fn uploaded(
        &mut self,
        ask: Ask,
        new: NewFile,
        file: Option<FileId>,
        out: &mut Vec<Effect>,
    ) {
        let waits = self.take_waiting(ask.conn).is_some();
        let Some(id) = file else {
            self.files.table.release(new.owner, new.size);
            if waits {
                self.refuse(ask, not_registered(), out);
                self.ready(ask.conn, out);
            }
            return;
        };
        let NewFile { owner, size, readers, created, expires } = new;
        self.files.table.insert(KeptFile {
            id,
            owner,
            size,
            readers,
            created,
            expires,
            complete: false,
            stored: 0,
            declined: Vec::new(),
        });
        if self.directory.get(owner).is_none() || !waits {
            // Nobody will ever know its number.
            self.remove_file(id, None, out);
        }
        if waits {
            self.answer(ask, Answer::UploadBegun { file: id, size, expires }, out);
            self.ready(ask.conn, out);
        }
    }

    /// The store could not record an upload.
    pub(in crate::hub) fn upload_failed(
        &mut self,
        ask: Ask,
        new: NewFile,
        refusal: Refusal,
        out: &mut Vec<Effect>,
    ) {
        self.files.table.release(new.owner, new.size);
        if self.take_waiting(ask.conn).is_some() {
            self.refuse(ask, refusal, out);
            self.ready(ask.conn, out);
        }
    }

    pub(in crate::hub) fn upload_status(
        &mut self,
        ask: Ask,
        me: UserId,
        file: &str,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let (file, entry) = self.my_file(ask, me, file)?;
        let (size, stored, complete) = (entry.size, entry.stored, entry.is_complete());
        self.answer(ask, Answer::UploadStatus { file, size, stored, complete }, out);
        Ok(())
    }

    /// All bytes of an upload are there: others may read it, once it is safe.
    pub(in crate::hub) fn finish(
        &mut self,
        ask: Ask,
        me: UserId,
        file: &str,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let (file, entry) = self.my_file(ask, me, file)?;
        let (size, stored) = (entry.size, entry.stored);
        match entry.state {
            State::Complete => {
                self.answer(ask, Answer::Finished { file }, out);
                return Ok(());
            }
            State::Finishing => {
                return Err(Refusal::new(Code::Busy, "the upload is being finished; ask again in a moment"));
            }
            State::Leaving { .. } => unreachable!("nobody finds it"),
            State::Uploading => {}
        }
        if stored < size {
            let text = format!("the server has {stored} of {size} bytes; go on there");
            return Err(Refusal::new(Code::Incomplete, text));
        }
        self.files.table.set_state(file, State::Finishing);
        self.files.table.get_mut(file).expect("found").finishing = true;
        self.submit_chore(FileJob::Finish { origin: ask.origin(), file, size }, out);
        self.wait(ask.conn, Waiting::Finish, out);
        Ok(())
    }

    /// The lane has the upload on the disk under its final name, or could not.
    pub(super) fn file_synced(
        &mut self,
        now: Now,
        origin: Origin,
        file: FileId,
        outcome: Result<(), StoreFailure>,
        out: &mut Vec<Effect>,
    ) {
        let entry = self.files.table.get_mut(file).expect("a file stays while it is finished");
        entry.finishing = false;
        let is_leaving = entry.state != State::Finishing;
        let ask = Ask { conn: origin.conn, re: origin.re, now };
        match outcome {
            _ if is_leaving => {
                self.leave_when_idle(file, out);
                self.file_answer(ask, Err(no_such_file()), out);
            }
            Ok(()) => {
                let change = Change::FileComplete { file };
                self.submit_store(StoreJob::Change { origin: Some(origin), change }, out);
            }
            Err(failure) => {
                self.files.table.set_state(file, State::Uploading);
                let refusal = self.storage_refusal(failure, out);
                self.file_answer(ask, Err(refusal), out);
            }
        }
    }

    /// The store recorded that an upload is complete.
    pub(in crate::hub) fn file_complete(&mut self, ask: Ask, file: FileId, out: &mut Vec<Effect>) {
        let outcome = match self.files.table.get(file).map(|entry| entry.state) {
            Some(State::Finishing) => {
                self.files.table.set_state(file, State::Complete);
                Ok(Answer::Finished { file })
            }
            _ => Err(no_such_file()),
        };
        self.file_answer(ask, outcome, out);
    }

    /// The store could not: the bytes are safe, and `finish` may be asked for again.
    pub(in crate::hub) fn file_not_complete(&mut self, file: FileId) {
        if self.files.table.get(file).is_some_and(|entry| entry.state == State::Finishing) {
            self.files.table.set_state(file, State::Uploading);
        }
    }

    pub(in crate::hub) fn list_files(
        &mut self,
        ask: Ask,
        me: UserId,
        after: Option<&str>,
        limit: Option<u32>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let owner = self.file_account(me)?;
        let limit = page_limit(limit)? as usize;
        let after = after.map(parse).transpose()?;
        let now = ask.now.wall;
        let table = &self.files.table;
        let mut files = table.of_account(owner, after).filter(|&(id, _)| table.find(id, now).is_some());
        let page: Vec<FileLine> = files.by_ref().take(limit).map(|(id, entry)| line(id, entry)).collect();
        let more = files.next().is_some();
        let (used, _, _) = table.usage(owner);
        let rules = &self.settings.files;
        let (quota, file_bytes) = (rules.account_bytes, rules.file_bytes);
        self.answer(ask, Answer::Files(FilesPage { files: page, more, used, quota, file_bytes }), out);
        Ok(())
    }

    /// The asker's account does not want a file that somebody sent it.
    pub(in crate::hub) fn decline(
        &mut self,
        ask: Ask,
        me: UserId,
        file: &str,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let account = self.file_account(me)?;
        let file = parse(file)?;
        let entry = self.files.table.find(file, ask.now.wall).filter(|entry| entry.is_complete());
        let entry = entry.ok_or_else(no_such_file)?;
        if entry.owner == account {
            return Err(Refusal::new(Code::BadArgument, "the file is your own; delete it instead"));
        }
        if entry.declined.contains(&account) {
            self.answer(ask, Answer::Declined { file }, out);
            return Ok(());
        }
        self.change(ask, Change::FileDecline { file, account }, out);
        Ok(())
    }

    /// The store recorded that an account declined.
    pub(in crate::hub) fn file_declined(&mut self, file: FileId, account: AccountId, out: &mut Vec<Effect>) {
        let entry = self.files.table.get_mut(file).expect("its record goes behind what was asked before");
        if !entry.declined.contains(&account) {
            entry.declined.push(account);
        }
        if is_declined_by_all(&entry.declined, entry.readers) {
            self.remove_file(file, None, out);
        }
    }

    pub(in crate::hub) fn delete(
        &mut self,
        ask: Ask,
        me: UserId,
        file: &str,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let (file, _) = self.my_file(ask, me, file)?;
        self.wait(ask.conn, Waiting::Delete, out);
        self.remove_file(file, Some(ask.origin()), out);
        Ok(())
    }

    /// Answers whoever waits for the end of work on a file, if they are still there.
    pub(super) fn file_answer(&mut self, ask: Ask, outcome: Result<Answer, Refusal>, out: &mut Vec<Effect>) {
        if self.take_waiting(ask.conn).is_some() {
            self.answer(ask, outcome.unwrap_or_else(Answer::Refused), out);
            self.ready(ask.conn, out);
        }
    }

    /// The account of whoever asks about files.
    fn file_account(&self, me: UserId) -> Result<AccountId, Refusal> {
        let account = self.user(me).account.ok_or_else(not_registered)?;
        if self.settings.files.enabled { Ok(account) } else { Err(disabled()) }
    }

    /// A file of whoever asks.
    fn my_file(&self, ask: Ask, me: UserId, file: &str) -> Result<(FileId, &Entry), Refusal> {
        let account = self.file_account(me)?;
        let id = parse(file)?;
        let entry = self.files.table.find(id, ask.now.wall).filter(|entry| entry.owner == account);
        entry.map(|entry| (id, entry)).ok_or_else(no_such_file)
    }
}

fn line(file: FileId, entry: &Entry) -> FileLine {
    FileLine {
        file,
        size: entry.size,
        stored: entry.stored,
        complete: entry.is_complete(),
        created: entry.created,
        expires: entry.expires,
        readers: entry.readers,
        settled: u32::try_from(entry.declined.len()).expect("at most FILE_READERS_MAX, and one more"),
    }
}

fn parse(file: &str) -> Result<FileId, Refusal> {
    let text = "a file is named by 32 hexadecimal digits, in lower case";
    FileId::parse(file).ok_or_else(|| Refusal::new(Code::BadArgument, text))
}

fn not_registered() -> Refusal {
    Refusal::new(Code::NotRegistered, "only accounts send and receive files")
}
