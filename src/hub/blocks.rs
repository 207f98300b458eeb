//! Names that a user wants to hear nothing from.
//!
//! Only blocks of users that are connected are in memory, so that sending costs nothing where nobody
//! blocks.

use std::sync::Arc;

use crate::hub::effect::Effect;
use crate::hub::job::Change;
use crate::hub::moderation::no_such_user;
use crate::hub::{Ask, Hub};
use crate::proto::event::Answer;
use crate::proto::id::UserId;
use crate::proto::limits::BLOCKS_PER_USER_MAX;
use crate::proto::name::UserName;
use crate::proto::refusal::{Code, Refusal};

impl Hub {
    pub(super) fn block(
        &mut self,
        ask: Ask,
        me: UserId,
        user: &str,
        blocked: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let name = UserName::parse(user)?;
        let mine = self.user(me);
        let shown = match mine.blocks.get(name.key()) {
            Some(shown) => shown.clone(),
            None if !blocked => {
                return Err(Refusal::new(Code::NoSuchUser, format!("you do not block {name}")));
            }
            None if mine.name == name => {
                return Err(Refusal::new(Code::BadArgument, "you cannot block yourself"));
            }
            None if mine.blocks.len() >= BLOCKS_PER_USER_MAX => {
                let text = format!("you block {BLOCKS_PER_USER_MAX} users; /unblock one first");
                return Err(Refusal::new(Code::TooMany, text));
            }
            None => self.known_user(me, &name).ok_or_else(|| no_such_user(&name))?,
        };
        match mine.account {
            Some(account) => self.change(ask, Change::Block { account, user: shown, blocked }, out),
            None => self.block_changed(ask, me, shown, blocked, out),
        }
        Ok(())
    }

    pub(super) fn block_changed(
        &mut self,
        ask: Ask,
        me: UserId,
        user: UserName,
        blocked: bool,
        out: &mut Vec<Effect>,
    ) {
        if blocked {
            self.add_block(me, user.clone());
        } else {
            self.remove_block(me, &user);
        }
        self.answer(ask, Answer::Blocked { user, blocked }, out);
    }

    pub(super) fn add_block(&mut self, me: UserId, user: UserName) {
        let key = user.key().clone();
        if self.users.get_mut(me).blocks.insert(key.clone(), user).is_none() {
            self.blockers.entry(key).or_default().push(me);
        }
    }

    pub(super) fn remove_block(&mut self, me: UserId, user: &UserName) {
        if self.users.get_mut(me).blocks.remove(user.key()).is_some() {
            self.forget_blocker(user.key(), me);
        }
    }

    /// A user leaves: nobody is blocked by them any more.
    pub(super) fn forget_blocks(&mut self, me: UserId) {
        let keys: Vec<Arc<str>> = self.user(me).blocks.keys().cloned().collect();
        for key in keys {
            self.forget_blocker(&key, me);
        }
    }

    pub(super) fn forget_blocker(&mut self, key: &Arc<str>, me: UserId) {
        let blockers = self.blockers.get_mut(key).expect("a block is in both tables");
        blockers.retain(|&blocker| blocker != me);
        if blockers.is_empty() {
            self.blockers.remove(key);
        }
    }
}
