//! Does what a person wants of identities, devices and keys, and says what came of it. What only the
//! server can tell is waited for: an interface calls [`Desk::heed`] after each poll of the link.

use std::collections::BTreeMap;

use crate::client::link::Link;
use crate::client::link::keys::Past;
use crate::client::privacy::files;
use crate::client::privacy::own::{Own, SAME, USAGES};
use crate::client::privacy::tell;
use crate::client::private::trusting::Comparison;
use crate::client::private::{Private, State};
use crate::client::session::event::Ticket;
use crate::e2e::fingerprint::SafetyNumber;
use crate::proto::name::UserName;
use crate::proto::secret::Secret;

/// What was asked for and what was shown, in this run.
#[derive(Debug, Default)]
pub struct Desk {
    waiting: Option<Waiting>,
    /// The safety numbers that somebody could have compared.
    shown: BTreeMap<UserName, SafetyNumber>,
}

/// What waits for what the server says.
#[derive(Debug)]
enum Waiting {
    /// For private messages to have begun.
    Start(Own),
    /// For the identity of somebody.
    Identity { user: UserName, own: Own },
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    /// A message is on its way, and its answer will come.
    Asked(Ticket),
    /// The recovery key is to be asked for, unseen, and to come back as [`Own::Recover`].
    AskRecoveryKey,
    /// What was compared is the same, or not; the conversation says so already.
    Compared(bool),
    /// What a search for these words found.
    Found { words: String, past: Vec<Past> },
    /// Lines for this person alone.
    Lines(Vec<String>),
    /// It was not done: a code and a sentence.
    Refused(String),
    /// It is done when the server has answered.
    Waiting,
}

impl Desk {
    /// Does it, if it can be done now.
    pub fn act(&mut self, link: &mut Link, own: Own) -> Done {
        self.waiting = None;
        let starting = link.session().private().is_some_and(|private| private.state() == State::Starting);
        if starting && !matches!(own, Own::Help(_) | Own::Plain { .. } | Own::Search { .. }) {
            self.waiting = Some(Waiting::Start(own));
            return Done::Waiting;
        }
        let now = link.now();
        if let Own::Verify { user, .. } = &own
            && let Some(private) = link.session().private()
            && !knows(private, user)
            && private.state() == State::Ready
        {
            link.session_mut().look_up(now, user);
            self.waiting = Some(Waiting::Identity { user: user.clone(), own });
            // If the server was asked a moment ago, nothing is under way that could end the waiting.
            return self.heed(link).unwrap_or(Done::Waiting);
        }
        self.do_now(link, own)
    }

    /// Something waits for the server.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Goes on with what waits, if the server has said what is needed.
    pub fn heed(&mut self, link: &mut Link) -> Option<Done> {
        let private = link.session().private();
        match self.waiting.take()? {
            Waiting::Start(own) if private.is_none_or(|private| private.state() != State::Starting) => {
                Some(self.act(link, own))
            }
            Waiting::Identity { user, own }
                if private.is_none_or(|private| knows(private, &user) || private.is_settled()) =>
            {
                Some(self.do_now(link, own))
            }
            waiting => {
                self.waiting = Some(waiting);
                None
            }
        }
    }

    fn do_now(&mut self, link: &mut Link, own: Own) -> Done {
        let now = link.now();
        match own {
            Own::Help(usage) => {
                let usages = usage.map_or(&USAGES[..], std::slice::from_ref);
                Done::Lines(usages.iter().map(|usage| format!("{}: {}", usage.line(), usage.text)).collect())
            }
            Own::Plain { user, text } => match link.session_mut().message_plainly(now, &user, &text) {
                Ok(ticket) => Done::Asked(ticket),
                Err(unsent) => Done::Refused(unsent.to_string()),
            },
            Own::Search { user, words } => match link.search_past(user.as_ref(), &words) {
                Ok(past) => Done::Found { words, past },
                Err(error) => Done::Refused(format!("storage-unavailable: {error}")),
            },
            own => match tell::why_off(link.session()) {
                Some(why) if !own.mends() => Done::Refused(why),
                _ => match own {
                    Own::File(command) => files::act(link, command),
                    own => self.do_with_keys(link, own),
                },
            },
        }
    }

    fn do_with_keys(&mut self, link: &mut Link, own: Own) -> Done {
        let now = link.now();
        let Some(private) = link.session().private() else {
            return Done::Refused(tell::why_off(link.session()).unwrap_or_default());
        };
        let session = match own {
            Own::Devices => return Done::Lines(tell::devices(private.devices(), private.fingerprint())),
            Own::NewIdentity { confirmed: false } => return Done::Lines(tell::new_identity()),
            Own::Recover(None) => return Done::AskRecoveryKey,
            Own::Recovery => {
                return match private.reveal_recovery_key() {
                    Some(key) => Done::Lines(tell::recovery(&key)),
                    None => Done::Refused("not-paired: this device has no keys yet".to_owned()),
                };
            }
            Own::Verify { user, shown: None } => return self.show(link, &user),
            _ => link.session_mut(),
        };
        let outcome = match own {
            Own::NewIdentity { .. } => session.new_identity(now),
            Own::Pair(Some(code)) => session.pair_with(now, &code),
            Own::Pair(None) => match session.pair(now) {
                Ok(code) => return Done::Lines(tell::pairing(&code)),
                Err(unable) => Err(unable),
            },
            Own::Recover(Some(key)) => session.recover(now, Secret::reveal(&key)),
            Own::Revoke(device) => session.revoke(now, device),
            Own::Trust(user) => {
                if session.trust(now, &user) {
                    return Done::Lines(Vec::new());
                }
                return Done::Refused(format!("not-changed: the identity of {user} has not changed"));
            }
            Own::Verify { user, shown } => return self.compare(link, &user, &shown.unwrap_or_default()),
            // Done before.
            Own::Devices
            | Own::File(_)
            | Own::Help(_)
            | Own::Plain { .. }
            | Own::Recover(None)
            | Own::Recovery
            | Own::Search { .. } => Ok(()),
        };
        match outcome {
            Ok(()) => Done::Lines(Vec::new()),
            Err(unable) => Done::Refused(unable.to_string()),
        }
    }

    /// The safety number, to be read out.
    fn show(&mut self, link: &Link, user: &UserName) -> Done {
        let session = link.session();
        let me = session.name().unwrap_or(session.user());
        let found = session.private().and_then(|private| {
            let trust = private.peer(user)?.trust()?;
            Some((private.safety_number(user)?, private.paste_form()?, trust))
        });
        let Some((number, paste, trust)) = found else { return Done::Refused(tell::no_identity(user)) };
        self.shown.insert(user.clone(), number);
        Done::Lines(tell::verification(me, user.shown(), number, &paste, trust))
    }

    /// What the other has shown or read out, or that somebody found it to be the same.
    fn compare(&mut self, link: &mut Link, user: &UserName, shown: &str) -> Done {
        let now = link.now();
        let shown = if shown.eq_ignore_ascii_case(SAME) {
            let number = link.session().private().and_then(|private| private.safety_number(user));
            match (number, self.shown.get(user)) {
                (Some(number), Some(before)) if *before == number => number.to_string(),
                (None, _) => return Done::Refused(tell::no_identity(user)),
                _ => {
                    let text = format!("not-shown: look at the number first, with /verify {user}");
                    return Done::Refused(text);
                }
            }
        } else {
            shown.to_owned()
        };
        match link.session_mut().verify(now, user, &shown) {
            Comparison::Verified => Done::Compared(true),
            Comparison::Different => Done::Compared(false),
            Comparison::Unknown => Done::Refused(tell::no_identity(user)),
            Comparison::Unreadable => {
                let text = "bad-argument: this is neither a paste form (sotto:1:...) nor sixty digits";
                Done::Refused(text.to_owned())
            }
        }
    }
}

fn knows(private: &Private, user: &UserName) -> bool {
    private.peer(user).is_some_and(|peer| peer.identity().is_some())
}
