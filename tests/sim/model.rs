//! What the store is to do, in its simplest form: everything in ordered maps, one job at a time.
//!
//! The simulation runs on it instead of the database, which would be too slow for thousands of seeds;
//! some seeds run on both and compare every reply.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use sottovoce::hub::job::files::{KeptFile, NewFile};
use sottovoce::hub::job::keys::{KeysJob, TokenId};
use sottovoce::hub::job::{
    AccountRecord, Change, FailedJob, Kept, KeptAccount, KeptRoom, KeyScope, NewEntry, NewRoom, Page,
    PageRange, PasswordHash, PostRefusal, RegisterRefusal, SessionProof, SessionRecord, SessionRefusal,
    SessionTerms, StoreFailure, StoreJob, StoreReply,
};
use sottovoce::proto::event::{Access, Entry, Letter};
use sottovoce::proto::id::{AccountId, FileId, Origin, RoomId, Seq};
use sottovoce::proto::limits::{LETTERS_PAGE_MAX, LETTERS_PER_USER_MAX};
use sottovoce::proto::name::{RoomName, UserName};
use sottovoce::proto::secret::Secret;
use sottovoce::proto::time::Timestamp;

use crate::keyring::{Besides, Keyring};

#[derive(Debug, Default)]
pub struct Model {
    pub accounts: BTreeMap<AccountId, Account>,
    pub rooms: BTreeMap<RoomId, Room>,
    /// Every message ever committed, dropped rooms included: by its number where it is, and by room.
    /// A room that was dropped and made anew is another one, and may have a repeated message again.
    pub committed: BTreeMap<u64, Vec<(RoomId, Seq)>>,
    pub archive: BTreeMap<RoomId, Vec<Entry>>,
    pub keyring: Keyring,
    /// Without their bytes, which are on the disk.
    pub files: BTreeMap<FileId, KeptFile>,
    letters: BTreeMap<AccountId, Vec<Letter>>,
    keys: BTreeMap<(Scope, RoomId, Box<str>), (Seq, Timestamp)>,
    next_room: u32,
    next_letter: u64,
    next_token: u64,
    next_file: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Account(AccountId),
    Guest(sottovoce::proto::id::ConnId),
}

#[derive(Debug)]
pub struct Account {
    pub user: UserName,
    hash: PasswordHash,
    /// In the order they were joined.
    pub rooms: Vec<RoomId>,
    blocks: BTreeMap<Arc<str>, UserName>,
    tokens: Vec<String>,
}

#[derive(Debug)]
pub struct Room {
    pub name: RoomName,
    creator: Option<AccountId>,
    topic: Option<Arc<str>>,
    access: Access,
    key_hash: Option<[u8; 32]>,
    pub operators: Vec<AccountId>,
    pub bans: BTreeMap<Arc<str>, UserName>,
    pub log: Vec<Entry>,
}

type Outcome = Result<StoreReply, &'static str>;

impl Model {
    /// What a server that starts finds. Keys of guests are gone, with their connections.
    pub fn start(&mut self) -> Kept {
        self.keys.retain(|(scope, _, _), _| matches!(scope, Scope::Account(_)));
        let account = |(&id, account): (&AccountId, &Account)| KeptAccount {
            id,
            user: account.user.clone(),
            banned: false,
        };
        let room = |(&id, room): (&RoomId, &Room)| KeptRoom {
            id,
            name: room.name.clone(),
            creator: room.creator,
            topic: room.topic.clone(),
            access: room.access,
            key_hash: room.key_hash,
            operators: room.operators.clone(),
            bans: room.bans.values().cloned().collect(),
            seq: room.seq(),
        };
        Kept {
            accounts: self.accounts.iter().map(account).collect(),
            rooms: self.rooms.iter().map(room).collect(),
            files: self.files.values().cloned().collect(),
            next_room: self.next_room,
        }
    }

    pub fn run(&mut self, job: &StoreJob) -> StoreReply {
        match self.attempt(job) {
            Ok(reply) => reply,
            Err(why) => failed(job, StoreFailure::Other(why.to_string())),
        }
    }

    fn attempt(&mut self, job: &StoreJob) -> Outcome {
        Ok(match job {
            StoreJob::Account { origin, user } => {
                let found = self.accounts.iter().find(|(_, account)| account.user == *user);
                let record = |(&id, account): (&AccountId, &Account)| AccountRecord {
                    id,
                    user: account.user.clone(),
                    hash: account.hash.clone(),
                    banned: false,
                };
                StoreReply::Account { origin: *origin, account: found.map(record) }
            }
            StoreJob::Append { origin, room, scope, key, entry } => {
                return self.append(*origin, *room, *scope, key.clone(), entry);
            }
            StoreJob::Change { origin, change } => {
                self.change(change)?;
                StoreReply::Changed { origin: *origin, change: change.clone() }
            }
            StoreJob::ForgetKeys { conn } => {
                self.keys.retain(|(scope, _, _), _| *scope != Scope::Guest(*conn));
                StoreReply::Done
            }
            StoreJob::History { origin, room, range, limit } => {
                let page = self.rooms.get(room).map(|room| room.page(*range, *limit)).unwrap_or_default();
                StoreReply::History { origin: *origin, room: *room, page }
            }
            StoreJob::Join { origin, room, create, member, history } => {
                return self.join(*origin, *room, create.as_ref(), *member, *history);
            }
            StoreJob::Keys(job) => {
                let accounts = &self.accounts;
                let is_blocked = |from: &UserName, to: AccountId| {
                    let blocks = accounts.get(&to).map(|account| &account.blocks);
                    blocks.is_some_and(|blocks| blocks.contains_key(from.key()))
                };
                let (reply, besides) = self.keyring.run(job, is_blocked);
                if let Besides::EndToken(account, ended) = besides {
                    let tokens = &mut self.accounts.get_mut(&account).expect("accounts stay").tokens;
                    tokens.retain(|token| token_id(token) != ended);
                }
                StoreReply::Keys(reply)
            }
            StoreJob::Letters { account, after } => {
                let waiting = self.letters.get(account).into_iter().flatten();
                let mut letters: Vec<Letter> = waiting.filter(|letter| letter.id > *after).cloned().collect();
                let more = letters.len() > LETTERS_PAGE_MAX as usize;
                letters.truncate(LETTERS_PAGE_MAX as usize);
                StoreReply::Letters { account: *account, letters, more }
            }
            StoreJob::LettersDelivered { account, up_to } => {
                self.letters.entry(*account).or_default().retain(|letter| letter.id > *up_to);
                StoreReply::Done
            }
            StoreJob::Maintain { .. } => StoreReply::Done,
            StoreJob::Post { origin, to, from, text, at } => {
                let letters = self.letters.entry(*to).or_default();
                if letters.len() >= LETTERS_PER_USER_MAX as usize {
                    let refusal = PostRefusal::TooMany;
                    return Ok(StoreReply::PostRefused { origin: *origin, to: *to, refusal });
                }
                self.next_letter += 1;
                letters.push(Letter {
                    id: self.next_letter,
                    at: *at,
                    from: from.clone(),
                    text: text.clone(),
                });
                StoreReply::Posted { origin: *origin, to: *to, text: text.clone(), at: *at }
            }
            StoreJob::Register { origin, user, hash, session, .. } => {
                let outcome = match self.accounts.values().any(|account| account.user == *user) {
                    true => Err(RegisterRefusal::NameTaken),
                    false => Ok(self.register(user, hash, *session)),
                };
                StoreReply::Registered { origin: *origin, outcome }
            }
            StoreJob::Search { origin, rooms, query, limit } => {
                let (messages, more) = self.search(rooms, query, *limit as usize);
                StoreReply::Search { origin: *origin, messages, more }
            }
            StoreJob::Session { origin, proof, session } => {
                StoreReply::Session { origin: *origin, outcome: self.session(proof, *session) }
            }
            StoreJob::Upload { origin, new } => {
                let file = self.accounts.contains_key(&new.owner).then(|| self.upload(new));
                StoreReply::Uploaded { origin: *origin, new: new.clone(), file }
            }
        })
    }

    fn append(
        &mut self,
        origin: Origin,
        id: RoomId,
        scope: KeyScope,
        key: Option<Box<str>>,
        new: &NewEntry,
    ) -> Outcome {
        let scope = match scope {
            KeyScope::Account(account) => Scope::Account(account),
            KeyScope::Guest(conn) => Scope::Guest(conn),
        };
        let key = key.map(|key| (scope, id, key));
        if let Some(&(seq, at)) = key.as_ref().and_then(|key| self.keys.get(key)) {
            return Ok(StoreReply::Repeated { origin, room: id, seq, at });
        }
        let room = self.rooms.get_mut(&id).ok_or("no such room")?;
        let NewEntry { at, from, me, text } = new.clone();
        let seq = Seq(room.seq().0 + 1);
        if let Some(number) = number(&text) {
            let places = self.committed.entry(number).or_default();
            let doubled = places.iter().any(|place| place.0 == id);
            assert!(!doubled, "message {number} is in the log twice: {places:?} and {id:?} {seq:?}");
            places.push((id, seq));
        }
        let entry = Entry { seq, at, from, me, text };
        room.log.push(entry.clone());
        self.archive.entry(id).or_default().push(entry.clone());
        if let Some(key) = key {
            self.keys.insert(key, (seq, at));
        }
        Ok(StoreReply::Appended { origin, room: id, entry: Arc::new(entry) })
    }

    fn join(
        &mut self,
        origin: Origin,
        id: RoomId,
        create: Option<&NewRoom>,
        member: Option<AccountId>,
        history: u32,
    ) -> Outcome {
        if !self.rooms.contains_key(&id) {
            let NewRoom { name, creator, at: _ } = create.ok_or("no such room")?;
            let holder = self.rooms.iter().find(|(_, room)| room.name == *name);
            match holder.map(|(&id, room)| (id, room.creator)) {
                Some((_, Some(_))) => return Err("the name has a room"),
                // A guest's, which could not be dropped when it emptied.
                Some((left_over, None)) => self.change(&Change::DropRoom { room: left_over })?,
                None => {}
            }
            self.next_room = self.next_room.max(id.0 + 1);
            self.rooms.insert(id, Room::new(name.clone(), *creator));
        }
        if let Some(account) = member {
            let rooms = &mut self.accounts.get_mut(&account).expect("accounts stay").rooms;
            if !rooms.contains(&id) {
                rooms.push(id);
            }
        }
        let room = &self.rooms[&id];
        Ok(StoreReply::Joined {
            origin,
            room: id,
            page: room.page(PageRange::Latest, history),
            seq: room.seq(),
        })
    }

    fn change(&mut self, change: &Change) -> Result<(), &'static str> {
        match change {
            Change::Access { room, access, key_hash } => {
                if let Some(room) = self.rooms.get_mut(room) {
                    (room.access, room.key_hash) = (*access, *key_hash);
                }
            }
            Change::Ban { room, user, banned: true } => {
                let room = self.rooms.get_mut(room).ok_or("no such room")?;
                room.bans.insert(user.key().clone(), user.clone());
            }
            Change::Ban { room, user, banned: false } => {
                if let Some(room) = self.rooms.get_mut(room) {
                    room.bans.remove(user.key());
                }
            }
            Change::Block { account, user, blocked } => {
                let blocks = &mut self.accounts.get_mut(account).expect("accounts stay").blocks;
                match blocked {
                    true => blocks.insert(user.key().clone(), user.clone()),
                    false => blocks.remove(user.key()),
                };
            }
            Change::DropRoom { room } => {
                self.rooms.remove(room);
                self.accounts.values_mut().for_each(|account| account.rooms.retain(|id| id != room));
            }
            Change::Leave { room, account } => {
                let rooms = &mut self.accounts.get_mut(account).expect("accounts stay").rooms;
                rooms.retain(|id| id != room);
            }
            Change::Operator { room, account, operator: true } => {
                let room = self.rooms.get_mut(room).ok_or("no such room")?;
                if !room.operators.contains(account) {
                    room.operators.push(*account);
                }
            }
            Change::Operator { room, account, operator: false } => {
                if let Some(room) = self.rooms.get_mut(room) {
                    room.operators.retain(|operator| operator != account);
                }
            }
            Change::Password { account, hash } => {
                let account = self.accounts.get_mut(account).expect("accounts stay");
                account.hash = hash.clone();
                account.tokens.clear();
            }
            Change::FileComplete { file } => {
                if let Some(file) = self.files.get_mut(file) {
                    file.complete = true;
                    file.stored = file.size;
                }
            }
            Change::FileDecline { file, account } => {
                let file = self.files.get_mut(file).filter(|file| !file.declined.contains(account));
                if let Some(file) = file {
                    file.declined.push(*account);
                    file.declined.sort();
                }
            }
            Change::FileRemove { file } => {
                self.files.remove(file);
            }
            Change::Topic { room, topic } => {
                if let Some(room) = self.rooms.get_mut(room) {
                    room.topic = topic.clone();
                }
            }
        }
        Ok(())
    }

    fn register(&mut self, user: &UserName, hash: &PasswordHash, terms: SessionTerms) -> SessionRecord {
        let id = AccountId(u32::try_from(self.accounts.len()).expect("few") + 1);
        let account = Account {
            user: user.clone(),
            hash: hash.clone(),
            rooms: Vec::new(),
            blocks: BTreeMap::new(),
            tokens: Vec::new(),
        };
        self.accounts.insert(id, account);
        self.begin(id, terms)
    }

    fn session(
        &mut self,
        proof: &SessionProof,
        terms: SessionTerms,
    ) -> Result<SessionRecord, SessionRefusal> {
        match proof {
            SessionProof::Verified(account) => Ok(self.begin(*account, terms)),
            SessionProof::Token { user, token } => {
                let holds = |account: &Account| {
                    account.user == *user && account.tokens.iter().any(|held| held == token.reveal())
                };
                let found = self.accounts.iter().find(|(_, account)| holds(account));
                let id = found.map(|(&id, _)| id).ok_or(SessionRefusal::Refused)?;
                Ok(self.record(id, Some(token.clone())))
            }
        }
    }

    fn begin(&mut self, id: AccountId, terms: SessionTerms) -> SessionRecord {
        let token = terms.token_lives.map(|_| {
            self.next_token += 1;
            format!("token-{}", self.next_token)
        });
        self.accounts.get_mut(&id).expect("it logs in").tokens.extend(token.clone());
        self.record(id, token.map(Secret::new))
    }

    fn record(&self, id: AccountId, token: Option<Secret>) -> SessionRecord {
        let account = &self.accounts[&id];
        SessionRecord {
            account: id,
            user: account.user.clone(),
            token_id: token.as_ref().map(|token| token_id(token.reveal())),
            token,
            rooms: account.rooms.clone(),
            blocks: account.blocks.values().cloned().collect(),
            letters_wait: self.letters.get(&id).is_some_and(|letters| !letters.is_empty()),
        }
    }

    /// The real store made another token than the model.
    fn upload(&mut self, new: &NewFile) -> FileId {
        self.next_file += 1;
        let digest = Sha256::digest(self.next_file.to_be_bytes());
        let id = FileId(std::array::from_fn(|index| digest[index]));
        let NewFile { owner, size, readers, created, expires } = *new;
        let file = KeptFile {
            id,
            owner,
            size,
            readers,
            created,
            expires,
            complete: false,
            stored: 0,
            declined: Vec::new(),
        };
        self.files.insert(id, file);
        id
    }

    /// The real store drew another number for a file.
    pub fn learn_file(&mut self, expected: &StoreReply, found: &StoreReply) {
        if let StoreReply::Uploaded { file: Some(expected), .. } = expected
            && let StoreReply::Uploaded { file: Some(found), .. } = found
        {
            let file = self.files.remove(expected).expect("it was made a moment ago");
            self.files.insert(*found, KeptFile { id: *found, ..file });
        }
    }

    pub fn learn_token(&mut self, reply: &StoreReply) {
        if let StoreReply::Session { outcome: Ok(record), .. }
        | StoreReply::Registered { outcome: Ok(record), .. } = reply
            && let Some(token) = &record.token
        {
            let tokens = &mut self.accounts.get_mut(&record.account).expect("it logged in").tokens;
            tokens.push(token.reveal().to_string());
        }
    }

    fn search(&self, rooms: &[RoomId], query: &str, limit: usize) -> (Vec<(RoomId, Entry)>, bool) {
        let words = |text: &str| -> Vec<String> {
            let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
            words.map(str::to_lowercase).collect()
        };
        let wanted = words(query);
        let mut found: Vec<(RoomId, Entry)> = Vec::new();
        for id in rooms {
            let log = self.rooms.get(id).map(|room| &room.log[..]).unwrap_or_default();
            let matches = |entry: &&Entry| {
                let said = words(&entry.text);
                !wanted.is_empty() && wanted.iter().all(|word| said.contains(word))
            };
            found.extend(log.iter().filter(matches).map(|entry| (*id, entry.clone())));
        }
        found.sort_by_key(|(id, entry)| (entry.at, *id, entry.seq));
        let more = found.len() > limit;
        found.drain(..found.len().saturating_sub(limit));
        (found, more)
    }
}

impl Room {
    fn new(name: RoomName, creator: Option<AccountId>) -> Room {
        Room {
            name,
            creator,
            topic: None,
            access: Access::Public,
            key_hash: None,
            operators: creator.into_iter().collect(),
            bans: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    fn seq(&self) -> Seq {
        Seq(self.log.len() as u64)
    }

    fn page(&self, range: PageRange, limit: u32) -> Page {
        let limit = limit as usize;
        let bound = |seq: u64| usize::try_from(seq).unwrap_or(usize::MAX).min(self.log.len());
        let (start, end) = match range {
            PageRange::After(Seq(seq)) => (bound(seq), bound(seq).saturating_add(limit).min(self.log.len())),
            PageRange::Before(Seq(seq)) => {
                let end = bound(seq.saturating_sub(1));
                (end.saturating_sub(limit), end)
            }
            PageRange::Latest => (self.log.len().saturating_sub(limit), self.log.len()),
        };
        Page { messages: self.log[start..end].to_vec(), more: false }
    }
}

/// The number that every message of the simulation begins with.
pub fn number(text: &str) -> Option<u64> {
    text.split(' ').next()?.strip_prefix('m')?.parse().ok()
}

/// The reply to a job that could not be done.
pub fn failed(job: &StoreJob, failure: StoreFailure) -> StoreReply {
    let job = match job {
        StoreJob::Post { origin, to, .. } => FailedJob::Post { origin: *origin, to: *to },
        StoreJob::Append { origin, .. } => FailedJob::Append { origin: *origin },
        StoreJob::Change { origin, change } => FailedJob::Change { origin: *origin, change: change.clone() },
        StoreJob::Join { origin, room, .. } => FailedJob::Join { origin: *origin, room: *room },
        StoreJob::Keys(KeysJob::Send(job)) => FailedJob::Append { origin: job.origin },
        StoreJob::Keys(KeysJob::Page { conn, account, device, .. }) => {
            FailedJob::Mailbox { conn: *conn, account: *account, device: *device }
        }
        StoreJob::Letters { account, .. } => FailedJob::Letters { account: *account },
        StoreJob::ForgetKeys { .. } | StoreJob::LettersDelivered { .. } | StoreJob::Maintain { .. } => {
            FailedJob::Other
        }
        StoreJob::Account { origin, .. }
        | StoreJob::History { origin, .. }
        | StoreJob::Keys(
            KeysJob::Ack { origin, .. }
            | KeysJob::Attach { origin, .. }
            | KeysJob::Claim { origin, .. }
            | KeysJob::Devices { origin, .. }
            | KeysJob::Enroll { origin, .. }
            | KeysJob::Publish { origin, .. }
            | KeysJob::Revoke { origin, .. },
        )
        | StoreJob::Register { origin, .. }
        | StoreJob::Search { origin, .. }
        | StoreJob::Session { origin, .. } => FailedJob::Request { origin: *origin },
        StoreJob::Upload { origin, new } => FailedJob::Upload { origin: *origin, new: new.clone() },
    };
    StoreReply::Failed { job, failure }
}

/// Whether the job writes, and so fails on a full disk.
pub fn writes(job: &StoreJob) -> bool {
    !matches!(
        job,
        StoreJob::Account { .. }
            | StoreJob::History { .. }
            | StoreJob::Keys(KeysJob::Devices { .. } | KeysJob::Page { .. })
            | StoreJob::Letters { .. }
            | StoreJob::Maintain { .. }
            | StoreJob::Search { .. }
    )
}

/// What the store tells of a token.
fn token_id(token: &str) -> TokenId {
    TokenId(std::array::from_fn(|index| Sha256::digest(token)[index]))
}
