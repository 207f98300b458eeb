//! Accounts, sessions, tokens and invitations.

use super::*;
use crate::hub::job::{AccountRecord, KeptAccount, RegisterRefusal, SessionProof, SessionRefusal};
use crate::proto::limits::SESSIONS_PER_USER_MAX;
use crate::proto::secret::Secret;
use crate::store::operator::Operator;

#[test]
fn an_account_is_found_by_any_spelling_of_its_name() {
    let mut bench = Bench::new();
    let id = bench.account("Ann");
    let find =
        |bench: &mut Bench, name| match bench.run(StoreJob::Account { origin: ORIGIN, user: user(name) }) {
            StoreReply::Account { origin: ORIGIN, account } => account,
            other => panic!("{other:?}"),
        };
    let expected = AccountRecord { id, user: user("ann"), hash: hash("Ann"), banned: false };
    assert_eq!(find(&mut bench, "ANN"), Some(expected));
    assert_eq!(&**find(&mut bench, "ann").expect("is there").user.shown(), "Ann");
    assert_eq!(find(&mut bench, "bob"), None);
    bench.restart();
    assert_eq!(bench.kept.accounts, [KeptAccount { id, user: user("ann"), banned: false }]);
}

#[test]
fn a_name_is_registered_once() {
    let mut bench = Bench::new();
    assert!(bench.register("ann", None).is_ok());
    assert_eq!(bench.register("ANN", None), Err(RegisterRefusal::NameTaken));
}

#[test]
fn the_database_itself_knows_a_name_once() {
    let mut bench = Bench::new();
    bench.account("ann");
    let store = bench.store();
    assert!(crate::store::accounts::insert(&store.conn, &user("ANN"), &hash("x"), NOW).is_err());
}

#[test]
fn an_invitation_is_good_for_one_registration() {
    let mut bench = Bench::new();
    let code = Operator::open(bench.dir.path()).expect("opens").new_invite().expect("makes one");
    let mut check = |name: &str, invite: Option<Secret>, expected: Option<RegisterRefusal>| {
        let reply = bench.run(StoreJob::Register {
            origin: ORIGIN,
            user: user(name),
            hash: hash(name),
            invite,
            invite_needed: true,
            session: SessionTerms { now: NOW, token_lives: None },
        });
        let StoreReply::Registered { outcome, .. } = reply else { panic!("{reply:?}") };
        assert_eq!(outcome.err(), expected, "{name}");
    };
    check("ann", None, Some(RegisterRefusal::BadInvite));
    check("ann", Some(Secret::new("0000-0000-0000-0000")), Some(RegisterRefusal::BadInvite));
    let spelt_otherwise = Secret::new(code.reveal().replace('-', "").to_uppercase());
    check("ann", Some(spelt_otherwise), None);
    check("bob", Some(code), Some(RegisterRefusal::BadInvite));
}

#[test]
fn a_name_that_is_taken_does_not_use_up_the_invitation() {
    let mut bench = Bench::new();
    bench.account("ann");
    let code = Operator::open(bench.dir.path()).expect("opens").new_invite().expect("makes one");
    let mut register = |name| {
        let session = SessionTerms { now: NOW, token_lives: None };
        let (user, hash, invite) = (user(name), hash(name), Some(code.clone()));
        let job = StoreJob::Register { origin: ORIGIN, user, hash, invite, invite_needed: true, session };
        match bench.run(job) {
            StoreReply::Registered { outcome, .. } => outcome.map(|_| ()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(register("ann"), Err(RegisterRefusal::NameTaken));
    assert_eq!(register("bob"), Ok(()));
}

#[test]
fn a_session_brings_everything_of_the_account() {
    let mut bench = Bench::new();
    let ann = bench.account("Ann");
    for (id, name) in [(4, "d"), (2, "b"), (3, "c")] {
        bench.room(id, name, None);
        bench.run(join(id, None, Some(ann), 0));
    }
    bench.run(join(4, None, Some(ann), 0));
    bench.change(Change::Leave { room: RoomId(2), account: ann });
    bench.change(Change::Block { account: ann, user: user("Eve"), blocked: true });
    bench.change(Change::Block { account: ann, user: user("bob"), blocked: true });
    bench.change(Change::Block { account: ann, user: user("BOB"), blocked: false });
    bench.restart();
    let record = verified(&mut bench, ann, Some(DAY)).expect("has a session");
    assert_eq!(record.rooms, [RoomId(4), RoomId(3)]);
    assert_eq!(record.blocks, [user("eve")]);
    assert_eq!((record.account, &**record.user.shown(), record.letters_wait), (ann, "Ann", false));
    assert_eq!(record.token.expect("has a token").reveal().len(), 64);
    assert_eq!(verified(&mut bench, ann, None).expect("has a session").token, None);
    assert_eq!(verified(&mut bench, AccountId(99), None), Err(SessionRefusal::Refused));
}

#[test]
fn a_token_is_good_until_it_expires_and_using_it_prolongs_it() {
    let mut bench = Bench::new();
    bench.account("bob");
    let token = bench.register("ann", Some(DAY)).expect("registers").token.expect("has a token");
    bench.restart();
    let record = resume(&mut bench, "ANN", &token, later(DAY - MS)).expect("is good still");
    assert_eq!(record.token.as_ref(), Some(&token));
    assert!(resume(&mut bench, "ann", &token, later(2 * DAY - 2 * MS)).is_ok());
    let refused = Err(SessionRefusal::Refused);
    assert_eq!(resume(&mut bench, "bob", &token, NOW), refused);
    assert_eq!(resume(&mut bench, "ann", &Secret::new("0".repeat(64)), NOW), refused);
    assert_eq!(resume(&mut bench, "ann", &token, later(3 * DAY - 2 * MS)), refused);
}

#[test]
fn tokens_are_not_kept_in_the_clear() {
    let mut bench = Bench::new();
    let token = bench.register("ann", Some(DAY)).expect("registers").token.expect("has a token");
    bench.store = None;
    let file = std::fs::read(schema::path(bench.dir.path())).expect("reads");
    assert!(!file.windows(64).any(|bytes| bytes == token.reveal().as_bytes()));
    assert!(file.windows(11).any(|bytes| bytes == b"hash of ann"));
}

#[test]
fn a_new_password_ends_all_tokens() {
    let mut bench = Bench::new();
    let record = bench.register("ann", Some(DAY)).expect("registers");
    let other = bench.register("bob", Some(DAY)).expect("registers").token.expect("has a token");
    bench.change(Change::Password { account: record.account, hash: hash("new") });
    let token = record.token.expect("has a token");
    assert_eq!(resume(&mut bench, "ann", &token, NOW), Err(SessionRefusal::Refused));
    assert!(resume(&mut bench, "bob", &other, NOW).is_ok());
    let StoreReply::Account { account, .. } =
        bench.run(StoreJob::Account { origin: ORIGIN, user: user("ann") })
    else {
        panic!()
    };
    assert_eq!(account.expect("is there").hash, hash("new"));
}

#[test]
fn a_token_too_many_ends_the_one_that_would_end_first() {
    let mut bench = Bench::new();
    let first = bench.register("ann", Some(DAY)).expect("registers");
    let token = first.token.expect("has a token");
    for n in 1..SESSIONS_PER_USER_MAX {
        verified(&mut bench, first.account, Some(DAY + MS * n as u32)).expect("has a session");
    }
    assert_eq!(bench.count("SELECT COUNT(*) FROM sessions"), SESSIONS_PER_USER_MAX as i64);
    assert!(resume_for(&mut bench, "ann", &token, NOW, DAY).is_ok());
    verified(&mut bench, first.account, Some(DAY)).expect("has a session");
    assert_eq!(bench.count("SELECT COUNT(*) FROM sessions"), SESSIONS_PER_USER_MAX as i64);
    assert_eq!(resume(&mut bench, "ann", &token, NOW), Err(SessionRefusal::Refused));
}

#[test]
fn a_banned_account_has_no_session() {
    let mut bench = Bench::new();
    let record = bench.register("ann", Some(DAY)).expect("registers");
    let token = record.token.expect("has a token");
    let mut operator = Operator::open(bench.dir.path()).expect("opens");
    operator.ban_user(&user("ann")).expect("bans");
    assert_eq!(verified(&mut bench, record.account, None), Err(SessionRefusal::Banned));
    assert_eq!(resume(&mut bench, "ann", &token, NOW), Err(SessionRefusal::Banned));
    assert_eq!(resume(&mut bench, "ann", &Secret::new("x"), NOW), Err(SessionRefusal::Refused));
    operator.unban_user(&user("ann")).expect("unbans");
    assert!(resume(&mut bench, "ann", &token, NOW).is_ok());
}

fn verified(
    bench: &mut Bench,
    account: AccountId,
    token_lives: Option<Duration>,
) -> Result<SessionRecord, SessionRefusal> {
    session(bench, SessionProof::Verified(account), SessionTerms { now: NOW, token_lives })
}

fn resume(
    bench: &mut Bench,
    name: &str,
    token: &Secret,
    now: Timestamp,
) -> Result<SessionRecord, SessionRefusal> {
    resume_for(bench, name, token, now, DAY)
}

fn resume_for(
    bench: &mut Bench,
    name: &str,
    token: &Secret,
    now: Timestamp,
    lives: Duration,
) -> Result<SessionRecord, SessionRefusal> {
    let proof = SessionProof::Token { user: user(name), token: token.clone() };
    session(bench, proof, SessionTerms { now, token_lives: Some(lives) })
}

fn session(
    bench: &mut Bench,
    proof: SessionProof,
    session: SessionTerms,
) -> Result<SessionRecord, SessionRefusal> {
    match bench.run(StoreJob::Session { origin: ORIGIN, proof, session }) {
        StoreReply::Session { origin: ORIGIN, outcome } => outcome,
        other => panic!("{other:?}"),
    }
}
