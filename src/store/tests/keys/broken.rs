//! A database whose tables are gone: every job fails for whoever waits for it, and for nobody else.

use super::*;
use crate::hub::job::SessionProof;

#[test]
fn a_broken_database_fails_each_job_for_whoever_waits() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let room = bench.room(1, "lobby", Some(ann));
    drop_tables(&bench);
    let (account, device, origin) = (ann, device(1), ORIGIN);
    let (session, query) = (SessionTerms { now: NOW, token_lives: Some(DAY) }, "tea".to_owned());
    let prekeys = Box::new(new_prekeys(Some(signed(1, 1, 1)), vec![]));
    let from = Sender { account, user: user("ann"), device };
    let message = SendJob {
        origin,
        from,
        to: ann,
        to_devices: vec![],
        own_devices: vec![],
        envelopes: vec![],
        copies: vec![],
        at: NOW,
    };
    let keys = StoreJob::Keys;
    let jobs = [
        (StoreJob::Account { origin, user: user("ann") }, "request"),
        (say(room, "tea", None), "append"),
        (StoreJob::Change { origin: None, change: Change::Topic { room, topic: None } }, "change"),
        (StoreJob::History { origin, room, range: PageRange::Latest, limit: 1 }, "request"),
        (join(1, None, Some(ann), 1), "join"),
        (keys(KeysJob::Ack { origin, account, device, seq: Seq(1), now: NOW }), "request"),
        (keys(KeysJob::Attach { origin, account, device, run: 1, token: None, now: NOW }), "request"),
        (
            keys(KeysJob::Claim { origin, from: user("bob"), target: ann, devices: None, except: None }),
            "request",
        ),
        (keys(KeysJob::Devices { origin, account }), "request"),
        (keys(enrolment(ann, 1, "x", false)), "request"),
        (keys(KeysJob::Page { conn: GUEST, account, device, after: Seq(0), bytes: 100 }), "mailbox"),
        (keys(KeysJob::Publish { origin, account, prekeys }), "request"),
        (keys(KeysJob::Revoke { origin, account, device }), "request"),
        (keys(KeysJob::Send(Box::new(message))), "append"),
        (StoreJob::Letters { account, after: 0 }, "letters"),
        (StoreJob::LettersDelivered { account, up_to: 1 }, "other"),
        (StoreJob::Post { origin, to: ann, from: "bob".into(), text: "tea".into(), at: NOW }, "post"),
        (
            StoreJob::Register {
                origin,
                user: user("bob"),
                hash: hash("bob"),
                invite: None,
                invite_needed: false,
                session,
            },
            "request",
        ),
        (StoreJob::Search { origin, rooms: vec![room], query, limit: 1 }, "request"),
        (StoreJob::Session { origin, proof: SessionProof::Verified(ann), session }, "request"),
    ];
    for (job, expected) in jobs {
        let shown = format!("{job:?}");
        let StoreReply::Failed { job, failure } = bench.run(job) else { panic!("{shown} worked") };
        let (whose, waits) = match job {
            FailedJob::Append { origin } => ("append", Some(origin)),
            FailedJob::Change { origin: None, .. } => ("change", None),
            FailedJob::Join { origin, .. } => ("join", Some(origin)),
            FailedJob::Letters { account } if account == ann => ("letters", None),
            FailedJob::Mailbox { conn: GUEST, account, .. } if account == ann => ("mailbox", None),
            FailedJob::Other => ("other", None),
            FailedJob::Post { origin, to } if to == ann => ("post", Some(origin)),
            FailedJob::Request { origin } => ("request", Some(origin)),
            other => panic!("{shown}: {other:?}"),
        };
        assert_eq!(whose, expected, "{shown}");
        assert!(waits.is_none_or(|waits| waits == ORIGIN), "{shown}");
        assert!(matches!(failure, StoreFailure::Other(_)), "{shown}: {failure:?}");
    }
}

fn drop_tables(bench: &Bench) {
    let conn = Connection::open(schema::path(bench.dir.path())).expect("opens");
    conn.pragma_update(None, "foreign_keys", false).expect("sets");
    let list = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'
                AND name NOT LIKE 'found_%' ORDER BY name = 'messages'";
    let names: Vec<String> = conn
        .prepare(list)
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .expect("lists");
    for name in names {
        conn.execute_batch(&format!("DROP TABLE {name}")).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
