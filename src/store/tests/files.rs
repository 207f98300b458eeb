//! What is known about files: from the start of an upload to the removal.

use super::*;
use crate::hub::job::files::{KeptFile, NewFile};
use crate::proto::id::FileId;
use crate::store::operator::Operator;

fn new(owner: AccountId, size: u64) -> NewFile {
    NewFile { owner, size, readers: 2, created: NOW, expires: Timestamp(NOW.0 + 1000) }
}

impl Bench {
    fn upload(&mut self, new: &NewFile) -> Option<FileId> {
        match self.run(StoreJob::Upload { origin: ORIGIN, new: new.clone() }) {
            StoreReply::Uploaded { origin: ORIGIN, new: told, file } => {
                assert_eq!(told, *new);
                file
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_file_is_kept_from_its_upload_to_its_removal() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.account("ann"), bench.account("bob"));
    let first = bench.upload(&new(ann, 7)).expect("ann has an account");
    let second = bench.upload(&new(bob, u64::from(u32::MAX) * 9)).expect("bob has one");
    assert_ne!(first, second);
    bench.change(Change::FileComplete { file: first });
    bench.change(Change::FileDecline { file: first, account: bob });
    // Again, and for what is not there: nothing happens.
    bench.change(Change::FileDecline { file: first, account: bob });
    bench.change(Change::FileDecline { file: first, account: AccountId(99) });
    bench.change(Change::FileDecline { file: FileId([7; 16]), account: bob });
    bench.change(Change::FileComplete { file: FileId([7; 16]) });
    bench.restart();
    let kept = |id, owner, size, complete, declined| {
        let NewFile { readers, created, expires, .. } = new(owner, size);
        let stored = if complete { size } else { 0 };
        KeptFile { id, owner, size, readers, created, expires, complete, stored, declined }
    };
    let mut expected =
        vec![kept(first, ann, 7, true, vec![bob]), kept(second, bob, u64::from(u32::MAX) * 9, false, vec![])];
    expected.sort_by_key(|file| file.id);
    assert_eq!(bench.kept.files, expected);
    bench.change(Change::FileRemove { file: first });
    bench.change(Change::FileRemove { file: first });
    bench.restart();
    assert_eq!(bench.kept.files.iter().map(|file| file.id).collect::<Vec<_>>(), [second]);
    bench.store().forget_files(&[second, first]).expect("there is room");
    bench.restart();
    assert_eq!(bench.kept.files, []);
}

#[test]
fn files_and_declines_go_with_their_account() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.account("ann"), bench.account("bob"));
    let of_ann = bench.upload(&new(ann, 1)).expect("ann has an account");
    let of_bob = bench.upload(&new(bob, 1)).expect("bob has one");
    bench.change(Change::FileDecline { file: of_ann, account: bob });
    bench.change(Change::FileDecline { file: of_bob, account: ann });
    let mut operator = Operator::open(bench.dir.path()).expect("opens");
    operator.remove_user(&user("bob")).expect("bob is there");
    bench.change(Change::FileDecline { file: of_ann, account: bob });
    assert_eq!(bench.upload(&new(bob, 1)), None, "bob's account is gone");
    bench.restart();
    let kept: Vec<_> = bench.kept.files.iter().map(|file| (file.id, file.declined.clone())).collect();
    assert_eq!(kept, [(of_ann, vec![])]);
}

#[test]
fn an_upload_that_cannot_be_recorded_says_which_it_was() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let new = new(ann, 7);
    limit_pages(bench.store(), Some(0));
    // Small rows fit into what is there for a while.
    let job = || StoreJob::Upload { origin: ORIGIN, new: new.clone() };
    let failed = (0..10_000).map(|_| bench.run(job())).find_map(|reply| match reply {
        StoreReply::Failed { job: FailedJob::Upload { origin, new }, failure } => {
            Some((origin, new, failure))
        }
        _ => None,
    });
    assert_eq!(failed, Some((ORIGIN, new.clone(), StoreFailure::Full)));
    limit_pages(bench.store(), None);
    assert!(bench.upload(&new).is_some());
}
