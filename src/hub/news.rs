//! What the operator does from outside while the server runs.

use crate::hub::Hub;
use crate::hub::effect::{CloseReason, Effect};
use crate::hub::job::OperatorNews;
use crate::proto::id::{AccountId, ConnId};
use crate::proto::name::UserName;
use crate::proto::refusal::{Code, Refusal};

impl Hub {
    pub(super) fn operator_news(&mut self, news: OperatorNews, out: &mut Vec<Effect>) {
        match news {
            OperatorNews::Added { account, user } => {
                self.log(log::Level::Info, format!("the operator added {user}"), out);
                self.evict_guest(&user, out);
                self.directory.insert(account, user, false);
            }
            OperatorNews::Banned { account } => {
                if let Some(account) = self.directory.get_mut(account) {
                    account.banned = true;
                }
                self.expel(account, "the operator has closed this account", out);
            }
            // Sessions that are connected stay; their tokens no longer open a new one.
            OperatorNews::Passwd { .. } => {}
            OperatorNews::Removed { account } => {
                self.expel(account, "the operator has removed this account", out);
                self.forget_account_files(account, out);
                self.directory.remove(account);
            }
            OperatorNews::Unbanned { account } => {
                if let Some(account) = self.directory.get_mut(account) {
                    account.banned = false;
                }
            }
        }
    }

    /// A guest has a name that belongs to an account from now on.
    fn evict_guest(&mut self, user: &UserName, out: &mut Vec<Effect>) {
        let Some(id) = self.users.find(user).filter(|&id| self.user(id).is_guest()) else { return };
        let sessions: Vec<ConnId> = self.user(id).sessions.to_vec();
        for conn in sessions {
            let refusal = Refusal::new(Code::NameRegistered, "this name was registered; choose another");
            self.close(conn, refusal, CloseReason::NameRegistered, out);
        }
    }

    /// Ends every session of an account.
    fn expel(&mut self, account: AccountId, text: &'static str, out: &mut Vec<Effect>) {
        let Some(user) = self.directory.get(account).map(|account| account.user.clone()) else { return };
        self.log(log::Level::Info, format!("the operator banned or removed {user}"), out);
        for conn in self.data_conns(account) {
            self.close(conn, Refusal::new(Code::Banned, text), CloseReason::Banned, out);
        }
        let Some(id) = self.users.find(&user).filter(|&id| self.user(id).account == Some(account)) else {
            return;
        };
        let sessions: Vec<ConnId> = self.user(id).sessions.to_vec();
        for conn in sessions {
            self.close(conn, Refusal::new(Code::Banned, text), CloseReason::Banned, out);
        }
    }
}
