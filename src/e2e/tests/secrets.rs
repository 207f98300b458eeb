//! Secret types erase themselves, are not cloned, and show nothing.

use zeroize::ZeroizeOnDrop;

use crate::e2e::file::{FileKey, Opener, Sealer};
use crate::e2e::identity::Identity;
use crate::e2e::key::Key;
use crate::e2e::keystore::DataKey;
use crate::e2e::pairing::PairingSecret;
use crate::e2e::prekey_store::PrekeyStore;
use crate::e2e::ratchet::Ratchet;
use crate::e2e::ratchet::chain::MessageKey;
use crate::e2e::row::RowKey;
use crate::e2e::session::Session;
use crate::e2e::session_set::SessionSet;
use crate::e2e::tests::party::{NOW, acquainted};
use crate::e2e::tests::random::Seeded;
use crate::e2e::x3dh::Agreement;

/// Fails to compile for a type that does not erase itself, or that is `Clone`: for such a type both
/// implementations of the trait apply and its name is ambiguous.
macro_rules! assert_secret {
    ($($type:ty),+ $(,)?) => { $(const _: () = {
        const fn erases<T: ZeroizeOnDrop>() {}
        erases::<$type>();
        trait Ambiguous<A> { const APPLIES: () = (); }
        struct Cloned;
        impl<T> Ambiguous<()> for T {}
        impl<T: Clone> Ambiguous<Cloned> for T {}
        <$type as Ambiguous<_>>::APPLIES
    };)+ };
}

assert_secret!(
    Agreement,
    crate::e2e::dh::KeyPair,
    DataKey,
    FileKey,
    Identity,
    Key,
    MessageKey,
    Opener,
    PairingSecret,
    PrekeyStore,
    Ratchet,
    RowKey,
    Sealer,
    Session,
    SessionSet,
);

/// What ours is made of. The types of the crates are `Clone`, which is why they are wrapped.
const _: () = {
    const fn erases<T: ZeroizeOnDrop>() {}
    erases::<x25519_dalek::StaticSecret>();
    erases::<x25519_dalek::SharedSecret>();
    erases::<ed25519_dalek::SigningKey>();
    erases::<aes_gcm::aes::Aes256>();
    erases::<sha2::Sha256>();
};

#[test]
fn debug_shows_no_secret() {
    let (mut alice, mut bob) = acquainted();
    let check = |shown: String, expected: &str| assert_eq!(shown, expected);
    let last = alice.send(&bob, b"x");
    alice.send(&bob, b"y");
    let skipping = alice.send(&bob, b"z");
    bob.opens(alice.address, &skipping).unwrap();
    let state = "Ratchet(Chain(next 0), Some(Chain(next 3)), Skipped(2))";
    check(format!("{:?}", bob.set(alice.address)), &format!("SessionSet([Session(theirs, {state})])"));
    check(format!("{:?}", bob.set(alice.address).first()), &format!("Session(theirs, {state})"));
    let received = bob.receive(alice.address, &last, NOW).unwrap();
    check(format!("{received:?}"), "Received(1 bytes, IdentityKey(8a88e3dd), None)");
    check(format!("{:?}", bob.prekeys), "PrekeyStore(device 3, 1 signed, 99 one-time)");
    let mut rng = Seeded::new(1);
    check(format!("{:?}", Key::random(&mut rng)), "Key(..)");
    let pair = crate::e2e::dh::KeyPair::from_bytes(&[1; 32]);
    check(format!("{pair:?}"), "KeyPair(DhPublic(a4e09292))");
    let key = DataKey::generate(&mut rng);
    check(format!("{key:?} {:?}", RowKey::new(&key, "session")), "DataKey(..) RowKey(session)");
    check(format!("{:?}", PairingSecret::generate(NOW, &mut rng)), "PairingSecret(..)");
    check(format!("{:?}", FileKey::from_bytes(&[1; 32])), "FileKey(..)");
}
