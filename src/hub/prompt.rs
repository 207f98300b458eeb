//! Questions of the server, and the lines that answer them: secrets that were left out.

use crate::hub::effect::Effect;
use crate::hub::passwd::check_password;
use crate::hub::session::Activity;
use crate::hub::settings::Registration;
use crate::hub::{Ask, Hub};
use crate::proto::event::{Answer, Event, Prompt};
use crate::proto::id::ConnId;
use crate::proto::name::UserName;
use crate::proto::refusal::Refusal;
use crate::proto::secret::Secret;

/// A question was asked; this is what its answer is for.
#[derive(Debug)]
pub enum Prompting {
    Invite { user: UserName, password: Secret },
    Login { user: UserName },
    NewPassword { old: Secret },
    OldPassword,
    Register { user: UserName, invite: Option<Secret> },
}

impl Hub {
    pub(super) fn prompt(
        &mut self,
        conn: ConnId,
        prompting: Prompting,
        prompt: Prompt,
        out: &mut Vec<Effect>,
    ) {
        self.session_mut(conn).activity = Activity::Prompting(Box::new(prompting));
        out.push(Effect::Tell(conn, Event::Prompt(prompt)));
    }

    /// The line after a prompt.
    pub(super) fn prompted(&mut self, ask: Ask, line: Secret, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let session = self.session_mut(ask.conn);
        let Activity::Prompting(prompting) = std::mem::replace(&mut session.activity, Activity::Ready) else {
            unreachable!("a line is taken for an answer where something was asked");
        };
        if line.reveal().is_empty() {
            self.answer(ask, Answer::Cancelled, out);
            return Ok(());
        }
        match *prompting {
            Prompting::Invite { user, password } => {
                self.register_with_password(ask, user, password, Some(line), out)
            }
            Prompting::Login { user } => self.login_with_password(ask, user, line, false, out),
            Prompting::NewPassword { old } => self.passwd_with_both(ask, old, line, out),
            Prompting::OldPassword => {
                self.prompt(ask.conn, Prompting::NewPassword { old: line }, Prompt::NewPassword, out);
                Ok(())
            }
            Prompting::Register { user, invite } => {
                check_password(&line)?;
                if self.settings.registration == Registration::Invite && invite.is_none() {
                    let prompting = Prompting::Invite { user, password: line };
                    self.prompt(ask.conn, prompting, Prompt::Invite, out);
                    return Ok(());
                }
                self.register_with_password(ask, user, line, invite, out)
            }
        }
    }
}
