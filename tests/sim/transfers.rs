//! Connections that carry files, many at once.

use sottovoce::dialect::frame::Decoded;
use sottovoce::dialect::frame::client::ClientFrame;
use sottovoce::dialect::frame::server::ServerFrame;
use sottovoce::proto::id::FileId;
use sottovoce::proto::limits::PIECE_BYTES;

use crate::stage::Stage;

/// Room for a file of an account that is connected as a program.
fn upload(stage: &mut Stage, robot: &str, size: usize) -> FileId {
    stage.type_line(robot, &format!(r#"{{"id":2,"cmd":"upload","size":{size}}}"#));
    let answer = stage.sees(robot);
    let at = answer.find(r#""file":""#).unwrap_or_else(|| panic!("{answer}")) + 8;
    FileId::parse(&answer[at..at + 32]).unwrap_or_else(|| panic!("{answer}"))
}

fn encoded(frame: ClientFrame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

/// The frames that came, in few words.
fn told(stage: &mut Stage, who: &str) -> Vec<String> {
    let bytes = stage.frames(who);
    let (mut rest, mut told) = (&bytes[..], Vec::new());
    while let Ok(Decoded::Frame { frame, consumed }) = ServerFrame::decode(rest) {
        told.push(match frame {
            ServerFrame::Data { offset, bytes, .. } => format!("data {offset}+{}", bytes.len()),
            ServerFrame::End { .. } => "end".to_owned(),
            ServerFrame::Error { code, .. } => format!("error {code}"),
            ServerFrame::Pong { .. } => "pong".to_owned(),
            ServerFrame::Stored { stored, .. } => format!("stored {stored}"),
        });
        rest = &rest[consumed..];
    }
    told
}

fn register(stage: &mut Stage, robot: &str) {
    stage.type_line(
        robot,
        &format!(r#"{{"id":1,"cmd":"register","user":"{robot}","password":"correct-horse"}}"#),
    );
    stage.settle();
}

#[test]
fn uploads_beyond_what_a_turn_takes_have_their_turn() {
    let mut stage = Stage::new();
    register(&mut stage, "robot");
    let carriers = ["one", "two", "three", "four"];
    let (bytes, mut files) = (vec![7; PIECE_BYTES], Vec::new());
    for who in carriers {
        let file = upload(&mut stage, "robot", PIECE_BYTES);
        files.push(file);
        stage.carrier(who, "robot", usize::MAX);
    }
    for (who, file) in carriers.iter().zip(files) {
        stage.send_unseen(who, &encoded(ClientFrame::Put { request: 1, file, offset: 0, bytes: &bytes }));
    }
    stage.run();
    for who in carriers {
        assert_eq!(told(&mut stage, who), [format!("stored {PIECE_BYTES}")], "{who}");
    }
}

#[test]
fn who_takes_nothing_of_a_file_makes_room_for_who_waits() {
    let mut stage = Stage::new();
    let accounts = ["robot", "alice", "bob", "carol", "dave", "erin"];
    accounts.iter().for_each(|account| register(&mut stage, account));
    let file = upload(&mut stage, "robot", 4 * PIECE_BYTES);
    stage.carrier("source", "robot", usize::MAX);
    for offset in (0..4 * PIECE_BYTES).step_by(PIECE_BYTES) {
        let bytes = vec![7; PIECE_BYTES];
        let put = ClientFrame::Put { request: 1, file, offset: offset as u64, bytes: &bytes };
        stage.send("source", &encoded(put));
    }
    stage.type_line("robot", &format!(r#"{{"id":3,"cmd":"finish","file":"{file}"}}"#));
    stage.play(r#"robot < {"re":3,"ok":…"#);
    let get = |request| encoded(ClientFrame::Get { request, file, offset: 0, length: 0 });
    // All that downloads may use is held by these, whose sockets are full.
    let stuck: Vec<String> = (0..36).map(|number| format!("stuck{number}")).collect();
    for (number, who) in stuck.iter().enumerate() {
        stage.carrier(who, accounts[1 + number % 5], 1_000);
        stage.send(who, &get(1));
    }
    stage.carrier("waiting", "robot", usize::MAX);
    stage.send("waiting", &get(1));
    assert_eq!(told(&mut stage, "waiting"), <[String; 0]>::default(), "there is no piece for it");
    stage.play("a minute passes\na minute passes");
    let all = (0..4).map(|piece| format!("data {}+{PIECE_BYTES}", piece * PIECE_BYTES));
    assert_eq!(told(&mut stage, "waiting"), all.chain(["end".to_owned()]).collect::<Vec<_>>());
    let closed = stuck.iter().filter(|who| stage.is_over(who)).count();
    assert!(closed > 0, "somebody had to go");
}
