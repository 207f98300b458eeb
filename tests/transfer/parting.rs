//! `sotto send` beside a sotto that is about to end.

use crate::handover::talker;
use crate::harness::process::Process;
use crate::scene::{Scene, check_same, content, end_of};

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
