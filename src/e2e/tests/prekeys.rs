//! How prekeys come, change and go.

use crate::e2e::address::{DAY_MS, DeviceId, Millis};
use crate::e2e::error::Error;
use crate::e2e::identity::Identity;
use crate::e2e::prekey_store::*;
use crate::e2e::tests::random::Seeded;

const START: u64 = 1000 * DAY_MS;

struct World {
    identity: Identity,
    store: PrekeyStore,
    rng: Seeded,
}

fn world() -> World {
    let (identity, mut rng) = (Identity::from_seed(&[5; 32]), Seeded::new(1));
    let store = PrekeyStore::generate(&identity, DeviceId::new(4).unwrap(), Millis(START), &mut rng);
    World { identity, store, rng }
}

impl World {
    fn rotate(&mut self, at: u64) -> Option<u32> {
        let rotated = self.store.rotate(&self.identity, Millis(at), &mut self.rng).unwrap();
        rotated.map(|prekey| {
            let device = DeviceId::new(4).unwrap();
            assert_eq!(prekey.verify(self.identity.public(), device), Ok(()));
            prekey.id
        })
    }

    fn refill(&mut self, remaining: u32, at: u64) -> Option<(bool, usize)> {
        let refill = self.store.refill(remaining, Millis(at), &mut self.rng).unwrap();
        refill.map(|refill| (refill.replaces, refill.prekeys.len()))
    }
}

#[test]
fn the_signed_prekey_changes_each_week() {
    let mut world = world();
    assert_eq!(world.rotate(START + ROTATE_AFTER_MS - 1), None);
    let changed = START + ROTATE_AFTER_MS;
    assert_eq!(world.rotate(changed), Some(2));
    assert_eq!(world.store.signed().id, 2);
    assert!(!world.store.expire(Millis(changed + KEPT_MS)) && world.store.has_signed(1));
    assert!(world.store.expire(Millis(changed + KEPT_MS + 1)) && !world.store.has_signed(1));
    assert!(world.store.has_signed(2), "the present one stays, however old");
}

/// What a lost state of the same device may have published is stepped over.
#[test]
fn a_restored_device_begins_behind_what_it_has_forgotten() {
    let mut world = world();
    world.refill(0, START);
    let restarted = world.store.restart(&world.identity, 7, 401, Millis(START + 5), &mut world.rng).unwrap();
    assert_eq!((restarted.id, world.store.signed().id, world.store.one_time_next()), (7, 7, 401));
    assert!(world.store.has_signed(1), "for what is late");
    assert!(world.store.one_time_from(1).is_empty(), "none of the old ones is published again");
    assert_eq!(world.refill(0, START + 5), Some((false, 100)));
    let ids: Vec<u32> = world.store.one_time_from(450).iter().map(|prekey| prekey.id).collect();
    assert_eq!(ids, (450..=500).collect::<Vec<u32>>());
    let again = world.store.restart(&world.identity, 3, 9, Millis(START + 6), &mut world.rng).unwrap();
    assert_eq!((again.id, world.store.one_time_next()), (8, 501), "never back");
    assert!(PrekeyStore::from_bytes(&world.store.to_bytes()).is_ok());
    let exhausted = world.store.restart(&world.identity, u32::MAX, 9, Millis(START + 7), &mut world.rng);
    assert_eq!(exhausted.map(|prekey| prekey.id), Ok(u32::MAX));
    let exhausted = world.store.restart(&world.identity, 1, 9, Millis(START + 8), &mut world.rng);
    assert_eq!(exhausted.map(|prekey| prekey.id), Err(Error::Exhausted));
}

/// Weekly changes and 30 days make five at most, so only a stored state could hold more.
#[test]
fn replaced_signed_prekeys_are_bound_in_number() {
    let mut world = world();
    for week in 1..20 {
        assert_eq!(world.rotate(START + week * ROTATE_AFTER_MS), Some(week as u32 + 1));
        let kept = (1..=20).filter(|&id| world.store.has_signed(id)).count();
        assert_eq!(kept, 1 + 5.min(week as usize));
    }
    let stored = |replaced: usize| {
        let mut bytes = vec![1, 0, 0, 0, 4];
        bytes.extend((replaced as u16 + 1).to_be_bytes());
        for id in 1..=replaced as u32 + 1 {
            bytes.extend(id.to_be_bytes());
            bytes.extend([7; 8 + 64 + 32]);
            bytes.extend(u64::from(id <= replaced as u32).to_be_bytes());
        }
        bytes.extend([0, 0, 0, 0, 0, 1]);
        PrekeyStore::from_bytes(&bytes).map(|_| ())
    };
    assert_eq!(stored(SIGNED_KEPT_MAX), Ok(()));
    assert_eq!(stored(SIGNED_KEPT_MAX + 1), Err(Error::Malformed));
}

#[test]
fn one_time_prekeys_are_refilled() {
    let mut world = world();
    assert_eq!(world.refill(REFILL_BELOW, START), None);
    assert_eq!(world.refill(REFILL_BELOW - 1, START), Some((false, 76)));
    assert_eq!(world.refill(0, START), Some((false, 100)));
    assert_eq!(world.store.one_time_count(), 176);
    let first = world.store.refill(0, Millis(START), &mut world.rng).unwrap().unwrap();
    assert_eq!(first.prekeys[0].id, 177, "numbers go on");
}

#[test]
fn old_one_time_prekeys_are_replaced() {
    let mut world = world();
    world.refill(0, START);
    let old = START + ONE_TIME_AGE_MS_MAX;
    assert_eq!(world.refill(100, old), None);
    assert_eq!(world.refill(100, old + 1), Some((true, 100)));
    assert_eq!(world.store.one_time_count(), 200, "the private halves stay for a while");
    assert_eq!(world.refill(100, old + 1), None, "once");
    world.store.expire(Millis(old + 1 + KEPT_MS));
    assert_eq!(world.store.one_time_count(), 200);
    world.store.expire(Millis(old + 2 + KEPT_MS));
    assert_eq!(world.store.one_time_count(), 100);
}

#[test]
fn a_server_that_always_wants_more_gets_no_more_memory() {
    let mut world = world();
    for _ in 0..ONE_TIME_KEPT_MAX / 100 {
        world.refill(0, START);
    }
    assert_eq!(world.store.one_time_count(), ONE_TIME_KEPT_MAX);
    assert!(world.store.one_time_pair(1).is_ok());
    world.refill(REFILL_BELOW - 1, START);
    assert_eq!(world.store.one_time_count(), ONE_TIME_KEPT_MAX);
    assert_eq!(world.store.one_time_pair(76).map(|_| ()), Err(Error::UnknownPrekey), "the oldest went");
    assert!(world.store.one_time_pair(77).is_ok());
    let stored = world.store.to_bytes();
    assert!(PrekeyStore::from_bytes(&stored).is_ok());
}

#[test]
fn a_used_one_time_prekey_is_gone() {
    let mut world = world();
    world.refill(0, START);
    world.store.use_up(7);
    assert_eq!(world.store.one_time_pair(7).map(|_| ()), Err(Error::UnknownPrekey));
    assert!(world.store.one_time_pair(6).is_ok() && world.store.one_time_pair(8).is_ok());
}
