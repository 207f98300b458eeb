//! Letters that wait.

use super::*;
use crate::hub::job::PostRefusal;
use crate::proto::limits::{LETTERS_PAGE_MAX, LETTERS_PER_USER_MAX, PAGE_BYTES_MAX};

#[test]
fn letters_wait_in_order_until_they_are_delivered() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.account("ann"), bench.account("bob"));
    for (to, text) in [(ann, "one"), (bob, "other"), (ann, "two")] {
        let reply = post(&mut bench, to, text);
        assert!(
            matches!(reply, StoreReply::Posted { origin: ORIGIN, at: NOW, to: posted, .. } if posted == to)
        );
    }
    bench.restart();
    let (letters, more) = wait(&mut bench, ann, 0);
    assert_eq!(letters.iter().map(|letter| &*letter.text).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!((&*letters[0].from, letters[0].at, more), ("eve", NOW, false));
    let delivered = StoreJob::LettersDelivered { account: ann, up_to: letters[0].id };
    assert!(matches!(bench.run(delivered), StoreReply::Done));
    assert_eq!(wait(&mut bench, ann, 0).0, letters[1..]);
    assert_eq!(wait(&mut bench, ann, letters[1].id).0, []);
    bench.run(StoreJob::LettersDelivered { account: ann, up_to: u64::MAX });
    assert_eq!(wait(&mut bench, ann, 0).0, []);
    assert_eq!(wait(&mut bench, bob, 0).0.len(), 1);
}

#[test]
fn a_letter_too_many_is_refused() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let jobs: Vec<StoreJob> = (0..LETTERS_PER_USER_MAX).map(|n| letter(ann, &n.to_string())).collect();
    assert!(bench.batch(jobs).iter().all(|reply| matches!(reply, StoreReply::Posted { .. })));
    let reply = post(&mut bench, ann, "one more");
    let refused = |reply: &StoreReply| match *reply {
        StoreReply::PostRefused { origin: ORIGIN, to, refusal } => Some((to, refusal)),
        _ => None,
    };
    assert_eq!(refused(&reply), Some((ann, PostRefusal::TooMany)), "{reply:?}");
    let (letters, more) = wait(&mut bench, ann, 0);
    assert_eq!((letters.len(), more), (LETTERS_PAGE_MAX as usize, true));
    let up_to = letters[0].id;
    bench.run(StoreJob::LettersDelivered { account: ann, up_to });
    assert!(matches!(post(&mut bench, ann, "now"), StoreReply::Posted { .. }));
}

#[test]
fn a_page_of_letters_is_cut_at_its_bytes() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let half = "x".repeat(PAGE_BYTES_MAX / 2);
    for text in [&*half, &half, "y"] {
        post(&mut bench, ann, text);
    }
    let (letters, more) = wait(&mut bench, ann, 0);
    assert_eq!((letters.len(), more), (2, true));
    let (rest, more) = wait(&mut bench, ann, letters[1].id);
    assert_eq!((rest.len(), more), (1, false));
}

#[test]
fn a_letter_to_a_removed_account_is_refused() {
    let mut bench = Bench::new();
    let reply = post(&mut bench, AccountId(5), "hello?");
    assert!(
        matches!(reply, StoreReply::PostRefused { to: AccountId(5), refusal: PostRefusal::NoSuchUser, .. }),
        "{reply:?}"
    );
}

#[test]
fn a_session_says_whether_letters_wait() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let mut check = |expected| {
        let session = SessionTerms { now: NOW, token_lives: None };
        let proof = crate::hub::job::SessionProof::Verified(ann);
        let StoreReply::Session { outcome: Ok(record), .. } =
            bench.run(StoreJob::Session { origin: ORIGIN, proof, session })
        else {
            panic!()
        };
        assert_eq!(record.letters_wait, expected);
        post(&mut bench, ann, "hi");
    };
    check(false);
    check(true);
}

fn letter(to: AccountId, text: &str) -> StoreJob {
    StoreJob::Post { origin: ORIGIN, to, from: "eve".into(), text: text.into(), at: NOW }
}

fn post(bench: &mut Bench, to: AccountId, text: &str) -> StoreReply {
    bench.run(letter(to, text))
}

fn wait(bench: &mut Bench, account: AccountId, after: u64) -> (Vec<crate::proto::event::Letter>, bool) {
    match bench.run(StoreJob::Letters { account, after }) {
        StoreReply::Letters { letters, more, .. } => (letters, more),
        other => panic!("{other:?}"),
    }
}
