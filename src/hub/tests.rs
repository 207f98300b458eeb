//! What no dialect of ours lets through, and the hub refuses all the same.

use super::*;
use crate::config::Config;
use crate::hub::job::{Job, Page, Reply, StoreReply};
use crate::proto::command::{HistoryRange, Paging};
use crate::proto::id::Seq;
use crate::proto::time::Timestamp;

#[test]
fn what_says_nothing_and_asks_for_nothing_is_refused() {
    let now = Now { mono: Instant(1_000), wall: Timestamp(0) };
    let mut hub = Hub::new(Config::default().settings(), Kept { next_room: 1, ..Kept::default() }, now);
    let (conn, mut out) = (ConnId { slot: 0, serial: 1 }, Vec::new());
    hub.opened(now, conn, Peer { address: [127, 0, 0, 1].into(), loopback: true }).unwrap();
    let mut ask = |command: Command<'_>| {
        assert_eq!(hub.handle(now, conn, RequestId(1), command, &mut out), Handled::Done);
        let mut refused = None;
        for effect in std::mem::take(&mut out) {
            match effect {
                Effect::Submit(Job::Store(StoreJob::Join { origin, room, .. })) => {
                    let reply = StoreReply::Joined { origin, room, page: Page::default(), seq: Seq(0) };
                    hub.reply(now, Reply::Store(reply), &mut out);
                }
                Effect::Tell(_, Event::Answer(_, Answer::Refused(refusal))) => refused = Some(refusal.code),
                _ => {}
            }
        }
        out.clear();
        refused
    };
    assert_eq!(ask(Command::Nick { user: "alice".into() }), None);
    assert_eq!(ask(Command::Join { room: "lobby".into(), key: None }), None);
    let (limit, paging) = (Some(0), Paging::Page);
    let history = Command::History { room: None, range: HistoryRange::Latest, limit, paging };
    assert_eq!(ask(history), Some(Code::BadArgument));
    assert_eq!(ask(Command::Search { query: "tea".into(), limit }), Some(Code::BadArgument));
    assert_eq!(ask(Command::Search { query: " ".into(), limit: None }), Some(Code::MissingArgument));
    assert_eq!(ask(Command::List { after: None, limit, paging }), Some(Code::BadArgument));
    let say = Command::Say { room: None, text: " ".into(), me: false, key: None };
    assert_eq!(ask(say), Some(Code::MissingArgument));
    assert_eq!(ask(Command::Msg { user: "alice".into(), text: "".into() }), Some(Code::MissingArgument));
}
