//! Which command is whose: every [`Command`] goes to the feature that does it.

use crate::hub::effect::Effect;
use crate::hub::history::HistoryWanted;
use crate::hub::presence::Pages;
use crate::hub::talk::Saying;
use crate::hub::{Ask, Hub};
use crate::proto::command::Command;
use crate::proto::event::Answer;
use crate::proto::id::UserId;
use crate::proto::refusal::{Code, Refusal};

impl Hub {
    pub(super) fn dispatch(
        &mut self,
        ask: Ask,
        command: Command<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if self.stopping {
            return Err(Refusal::new(Code::ShuttingDown, "the server is shutting down"));
        }
        match command {
            Command::Hello { version } => self.hello(ask, version, out),
            Command::Help { topic } => {
                self.answer(ask, Answer::Help { topic: topic.map(Into::into) }, out);
                Ok(())
            }
            Command::Login { user, proof, data } => self.login(ask, &user, proof, data, out),
            Command::Nick { user } => self.nick(ask, &user, out),
            Command::Ping => {
                self.answer(ask, Answer::Pong, out);
                Ok(())
            }
            Command::Quit { text } => self.quit(ask, text.as_deref(), out),
            Command::Register { user, password, invite } => self.register(ask, &user, password, invite, out),
            Command::Secret { line } => self.prompted(ask, line, out),
            named => {
                let user = self.session(ask.conn).user.ok_or_else(no_name)?;
                self.dispatch_named(ask, user, named, out)
            }
        }
    }

    fn dispatch_named(
        &mut self,
        ask: Ask,
        me: UserId,
        command: Command<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        match command {
            Command::Ack { seq } => self.ack(ask, me, seq, out),
            Command::Attach { device, run } => self.attach(ask, me, device, run, out),
            Command::Ban { room, user } => self.ban(ask, me, room.as_deref(), &user, true, out),
            Command::Block { user } => self.block(ask, me, &user, true, out),
            Command::Claim { user, devices } => self.claim(ask, me, &user, devices, out),
            Command::Decline { file } => self.decline(ask, me, &file, out),
            Command::Delete { file } => self.delete(ask, me, &file, out),
            Command::Deop { room, user } => self.op(ask, me, room.as_deref(), &user, false, out),
            Command::Devices { user } => self.devices(ask, me, user.as_deref(), out),
            Command::Enroll { identity, name, replace } => {
                self.enroll(ask, me, identity, &name, replace, out)
            }
            Command::Files { after, limit } => self.list_files(ask, me, after.as_deref(), limit, out),
            Command::Finish { file } => self.finish(ask, me, &file, out),
            Command::History { room, range, limit, paging } => {
                self.history(ask, me, room.as_deref(), HistoryWanted { range, limit, paging }, out)
            }
            Command::Invite { room, user } => self.invite(ask, me, room.as_deref(), &user, out),
            Command::Join { room, key } => self.join(ask, me, &room, key, out),
            Command::Kick { room, user, why } => {
                self.kick(ask, me, room.as_deref(), &user, why.as_deref(), out)
            }
            Command::Leave { room } => self.leave(ask, me, room.as_deref(), out),
            Command::List { after, limit, paging } => {
                self.list(ask, me, Pages { after: after.as_deref(), limit, paging }, out)
            }
            Command::Msg { user, text } => self.msg(ask, me, &user, &text, out),
            Command::Op { room, user } => self.op(ask, me, room.as_deref(), &user, true, out),
            Command::Pair { answer } => self.pair(ask, me, answer, out),
            Command::Passwd { old, new } => self.passwd(ask, me, old, new, out),
            Command::Prekeys(prekeys) => self.prekeys(ask, me, prekeys, out),
            Command::Revoke { device } => self.revoke(ask, me, device, out),
            Command::Room { room, access, key } => {
                self.room_access(ask, me, room.as_deref(), &access, key, out)
            }
            Command::Rooms { after, limit, paging } => {
                self.list_rooms(ask, me, Pages { after: after.as_deref(), limit, paging }, out)
            }
            Command::Say { room, text, me: emote, key } => {
                let saying = Saying { text: &text, emote, key: key.as_deref() };
                self.say(ask, me, room.as_deref(), saying, out)
            }
            Command::Search { query, limit } => self.search(ask, me, &query, limit, out),
            Command::Send(sending) => self.send(ask, me, *sending, out),
            Command::Status { status, text } => self.status(ask, me, status.as_deref(), text.as_deref(), out),
            Command::Topic { room, topic } => self.topic(ask, me, room.as_deref(), topic.as_deref(), out),
            Command::Unban { room, user } => self.ban(ask, me, room.as_deref(), &user, false, out),
            Command::Unblock { user } => self.block(ask, me, &user, false, out),
            Command::Upload { size, readers } => self.upload(ask, me, size, readers, out),
            Command::UploadStatus { file } => self.upload_status(ask, me, &file, out),
            Command::Who { room, after, limit, paging } => {
                let pages = Pages { after: after.as_deref(), limit, paging };
                self.who(ask, me, room.as_deref(), pages, out)
            }
            Command::Whois { user } => self.whois(ask, me, &user, out),
            Command::Hello { .. }
            | Command::Help { .. }
            | Command::Login { .. }
            | Command::Nick { .. }
            | Command::Ping
            | Command::Quit { .. }
            | Command::Register { .. }
            | Command::Secret { .. } => unreachable!("dispatched before a name is needed"),
        }
    }

    fn hello(&mut self, ask: Ask, version: i64, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        if version != PROTOCOL_VERSION {
            let text = format!("this server speaks version {PROTOCOL_VERSION}, not {version}");
            return Err(Refusal::new(Code::UnsupportedVersion, text));
        }
        self.answer(ask, Answer::Hello { server: self.settings.name.clone() }, out);
        Ok(())
    }
}

pub(super) fn no_name() -> Refusal {
    Refusal::new(Code::NoName, "choose a name first: /nick NAME, /login NAME or /register NAME")
}

/// The version of the JSON-lines protocol that `hello` may ask for.
const PROTOCOL_VERSION: i64 = 1;
