//! `sotto send` where one of the two is about to end.

use std::fs::File;
use std::net::TcpListener;
use std::time::Instant;

use sottovoce::client::handover::words::{Asked, Broken, Told, Wire};
use sottovoce::client::handover::{Address, Nonces, Side};

use crate::handover::{talker, vault};
use crate::harness::process::Process;
use crate::scene::{PATIENCE, Scene, check_same, content, end_of};

#[test]
fn whoever_has_said_goodbye_takes_no_files_over() {
    let (scene, proxy) = Scene::with_proxy(&["alice", "bob"]);
    let mut alice = talker(&scene, "alice");
    alice.types("/devices\n");
    alice.until("*** your devices that read private messages:");
    let file = scene.file("a.bin", &content(1, 100_000));
    proxy.hold_after(0);
    alice.types("/quit\n");
    proxy.until_held();
    // While the goodbye is on its way, the keys are still hers.
    let mut sender = Process::start(&mut scene.send("alice", "bob", &[&file]));
    assert_eq!(alice.ended().status, Some(0));
    proxy.release();
    let told = end_of(&mut sender);
    assert_eq!((told.status, told.err.as_str()), (Some(0), ""), "{told:?}");
    assert!(told.out.starts_with("sent a.bin to bob: "), "{told:?}");
    scene.received("bob", "alice", 1);
    check_same(&file, &scene.inbox("bob").join("a.bin"));
}

/// Both sides prove to be who they are.
fn meets(listener: &TcpListener, address: &Address, before: impl FnOnce()) -> Wire {
    let (tcp, _) = listener.accept().expect("somebody comes");
    let mut wire = Wire::new(tcp).expect("a wire");
    let until = Instant::now() + PATIENCE;
    let Ok(Asked::Hello { nonce: caller, .. }) = wire.hear(until) else { panic!("no hello") };
    before();
    let nonces = Nonces { caller, listener: "n".into() };
    let proof = address.proof(Side::Listener, &nonces);
    wire.say(&Told::Challenge { nonce: nonces.listener, proof }).expect("said");
    assert!(matches!(wire.hear(until), Ok(Asked::Proof(_))));
    wire
}

#[test]
fn ctrl_c_before_it_hands_over_is_the_end_of_it() {
    let scene = Scene::new(&["alice", "bob"]);
    let vault = vault(&scene, "alice");
    let lock = File::options().write(true).open(vault.join("lock")).expect("there");
    lock.lock().expect("nobody has it");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = Address::new(listener.local_addr().expect("an address").port()).expect("random");
    address.publish(&vault).expect("written");
    let file = scene.file("a.bin", b"a");
    let mut sender = Process::start(&mut scene.send("alice", "bob", &[&file]));
    // The first time it is not told that its files were taken, so it comes again.
    let mut wire = meets(&listener, &address, || {});
    assert!(matches!(wire.hear(Instant::now() + PATIENCE), Ok(Asked::Send { .. })));
    drop(wire);
    let mut wire = meets(&listener, &address, || sender.signal("INT"));
    let heard = wire.hear::<Asked>(Instant::now() + PATIENCE);
    assert!(matches!(heard, Err(Broken::Ended)), "{heard:?}");
    let told = end_of(&mut sender);
    assert_eq!(
        (told.status, told.err.as_str()),
        (Some(1), "sotto: interrupted; nothing was sent\n"),
        "{told:?}"
    );
}
