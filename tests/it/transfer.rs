//! Files on their way: uploads of every size, downloads of every part, by several at once.

use std::fs;

use serde_json::json;
use sottovoce::dialect::frame::client::ClientFrame;
use sottovoce::proto::id::FileId;
use sottovoce::proto::limits::PIECE_BYTES;

use crate::harness::data::{Data, Frame, id, noise, upload};
use crate::harness::json::Json;
use crate::harness::server::Server;
use crate::harness::wire::Wire;

/// An account with a connection for lines, and one for files.
pub struct Carrier {
    pub json: Json,
    pub data: Data,
    pub name: &'static str,
    pub token: String,
}

impl Carrier {
    pub fn new(server: &Server, name: &'static str) -> Carrier {
        Carrier::over(server, name, Server::wire)
    }

    /// Over connections of this kind.
    pub fn over(server: &Server, name: &'static str, wire: fn(&Server) -> Wire) -> Carrier {
        let mut json = Json::new(wire(server));
        let token = json.register(name);
        let data = Data::login(wire(server), name, &token);
        Carrier { json, data, name, token }
    }

    /// The same account, after a restart of the server.
    pub fn again(server: &Server, name: &'static str) -> Carrier {
        let mut json = server.json();
        let token = json.login(name);
        let data = Data::login(server.wire(), name, &token);
        Carrier { json, data, name, token }
    }

    pub fn another(&self, server: &Server) -> Data {
        Data::login(server.wire(), self.name, &self.token)
    }

    /// Uploads a whole file.
    #[track_caller]
    pub fn upload(&mut self, bytes: &[u8]) -> FileId {
        let file = upload(&mut self.json, bytes.len());
        self.data.put_all(file, bytes, 0);
        self.finish(file);
        file
    }

    #[track_caller]
    pub fn finish(&mut self, file: FileId) {
        let finished = self.json.ok(json!({"cmd": "finish", "file": file.to_string()}));
        assert_eq!(finished, json!({"file": file.to_string(), "complete": true}));
    }

    /// How much of an upload the server has.
    #[track_caller]
    pub fn stored(&mut self, file: FileId) -> usize {
        let status = self.json.ok(json!({"cmd": "upload-status", "file": file.to_string()}));
        usize::try_from(status["stored"].as_u64().expect("a number")).expect("small")
    }

    /// The code of a refusal of a command about a file.
    #[track_caller]
    pub fn err(&mut self, command: &str, file: FileId) -> String {
        self.json.err(json!({"cmd": command, "file": file.to_string()}))
    }
}

#[test]
fn files_of_every_size_come_out_as_they_went_in() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let mut bob = Carrier::over(&server, "bob", Server::tls);
    for size in
        [1, 2, 44, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 5 * PIECE_BYTES + 7]
    {
        let bytes = noise(size, size as u64);
        // Each of them sends, and the other receives: plain one way, TLS the other.
        let file = alice.upload(&bytes);
        assert!(bob.data.get_all(file, size) == bytes, "{size} bytes to bob");
        let file = bob.upload(&bytes);
        assert!(alice.data.get_all(file, size) == bytes, "{size} bytes to alice");
        let status = json!({"file": file.to_string(), "size": size, "stored": size, "complete": true});
        assert_eq!(bob.json.ok(json!({"cmd": "upload-status", "file": file.to_string()})), status);
    }
}

#[test]
fn pieces_may_have_any_size_and_be_cut_anywhere() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let bytes = noise(3 * PIECE_BYTES, 1);
    let file = upload(&mut alice.json, bytes.len());
    let mut offset = 0;
    for size in [1, 65_552, 3, PIECE_BYTES, 100_000, usize::MAX] {
        let end = bytes.len().min(offset + size.min(PIECE_BYTES));
        let request = alice.data.put(file, offset, &bytes[offset..end]);
        alice.data.stored(request, file, end);
        offset = end;
    }
    // One more, byte by byte where its head is, and then in torn packets.
    let mut wire = Vec::new();
    let request = alice.data.next();
    let piece = &bytes[offset..offset + 1000];
    ClientFrame::Put { request, file, offset: offset as u64, bytes: piece }.encode(&mut wire);
    let (head, rest) = wire.split_at(40);
    head.iter().for_each(|byte| alice.data.wire.send(&[*byte]));
    rest.chunks(333).for_each(|part| alice.data.wire.send(part));
    alice.data.stored(request, file, offset + 1000);
    alice.data.put_all(file, &bytes, offset + 1000);
    alice.finish(file);
    assert!(alice.data.get_all(file, bytes.len()) == bytes);
}

#[test]
fn any_part_of_a_file_can_be_asked_for() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let bytes = noise(2 * PIECE_BYTES + 10, 2);
    let file = alice.upload(&bytes);
    let size = bytes.len();
    for (offset, length) in [
        (0, 1),
        (0, size),
        (44, 65_552),
        (PIECE_BYTES - 1, 2),
        (size - 1, 1),
        (1, PIECE_BYTES),
        (PIECE_BYTES, PIECE_BYTES + 10),
    ] {
        let request = alice.data.get(file, offset, length);
        let found = alice.data.bytes(request, offset..offset + length);
        assert!(found == bytes[offset..offset + length], "{length} bytes from {offset}");
    }
    let request = alice.data.get(file, 100, 0);
    assert!(alice.data.bytes(request, 100..size) == bytes[100..], "0 is to the end");
    let request = alice.data.get(file, size, 0);
    assert_eq!(alice.data.frame(), Frame::End { request }, "nothing is left behind the end");
}

#[test]
fn two_uploads_may_be_interleaved_on_one_connection_and_many_be_under_way() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let contents = [noise(700_000, 3), noise(500_001, 4)];
    let files = contents.each_ref().map(|bytes| upload(&mut alice.json, bytes.len()));
    let mut sent = Vec::new();
    // All of it is sent before any answer is read.
    for offset in (0..700_000).step_by(50_000) {
        for (file, bytes) in files.iter().zip(&contents) {
            if offset < bytes.len() {
                let end = bytes.len().min(offset + 50_000);
                sent.push(alice.data.put(*file, offset, &bytes[offset..end]));
            }
        }
    }
    let mut answered = Vec::new();
    for _ in &sent {
        match alice.data.frame() {
            Frame::Stored { request, .. } => answered.push(request),
            other => panic!("{other:?}"),
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, sent, "each PUT has one answer");
    for (file, bytes) in files.iter().zip(&contents) {
        alice.finish(*file);
        assert!(alice.data.get_all(*file, bytes.len()) == *bytes);
    }
}

#[test]
fn four_files_are_read_at_once_on_one_connection() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    // The first is more than can be under way unread, so it cannot be over before others were looked at.
    let pieces = [64, 1, 2, 3];
    let contents: Vec<Vec<u8>> = pieces.iter().map(|&n| noise(PIECE_BYTES * n, n as u64)).collect();
    let files: Vec<FileId> = contents.iter().map(|bytes| alice.upload(bytes)).collect();
    let requests: Vec<u32> = files.iter().map(|&file| alice.data.get(file, 0, 0)).collect();
    let mut found = vec![Vec::new(); 4];
    let mut ended = Vec::new();
    while ended.len() < 4 {
        match alice.data.frame() {
            Frame::Data { request, offset, bytes } => {
                let index = requests.iter().position(|&of| of == request).expect("it was asked for");
                assert_eq!(offset, found[index].len() as u64);
                found[index].extend(bytes);
            }
            Frame::End { request } => ended.push(request),
            other => panic!("{other:?}"),
        }
    }
    assert!(found == contents);
    assert_eq!(ended[3], requests[0], "the short ones do not wait for the long one: {ended:?}");
}

#[test]
fn a_cancelled_download_ends_and_others_go_on() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let bytes = noise(40 * PIECE_BYTES, 5);
    let file = alice.upload(&bytes);
    let request = alice.data.get(file, 0, 0);
    let Frame::Data { .. } = alice.data.frame() else { panic!("the first piece") };
    alice.data.send(ClientFrame::Cancel { request });
    alice.data.send(ClientFrame::Cancel { request: 999 });
    let mut pieces = 1;
    loop {
        match alice.data.frame() {
            Frame::Data { request: of, .. } => {
                assert_eq!(of, request);
                pieces += 1;
            }
            other => {
                assert_eq!(other, Frame::End { request });
                break;
            }
        }
    }
    assert!(pieces < 40, "{pieces} pieces came of a download that was cancelled");
    let request = alice.data.next();
    alice.data.send(ClientFrame::Ping { request });
    assert_eq!(alice.data.frame(), Frame::Pong { request }, "a CANCEL of nothing has no answer");
    assert!(alice.data.get_all(file, bytes.len()) == bytes);
}

#[test]
fn a_data_connection_is_nobody_in_the_chat() {
    let server = Server::with(&["motd = \"hello\""]);
    let mut alice = server.json();
    let token = alice.register("alice");
    alice.join("lobby");
    drop(alice);
    let mut bob = server.json_guest("bob");
    let mut data = Data::login(server.wire(), "alice", &token);
    assert_eq!(bob.ok(json!({"cmd": "whois", "user": "alice"}))["online"], false);
    bob.join("lobby");
    bob.say("lobby", "is anybody there?");
    let sent = bob.ok(json!({"cmd": "msg", "user": "alice", "text": "psst"}));
    assert_eq!(sent["kept"], true, "it waits for somebody who reads it");
    let request = data.next();
    data.send(ClientFrame::Ping { request });
    assert_eq!(data.frame(), Frame::Pong { request }, "and nothing else has come before");
}

#[test]
fn a_peer_that_closes_its_side_gets_what_it_asked_for() {
    use std::io::{Read, Write};
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let bytes = noise(3 * PIECE_BYTES, 6);
    let file = alice.upload(&bytes);
    let mut socket = crate::harness::wire::socket(server.address);
    let login = json!({"id": 1, "cmd": "login", "user": "alice", "token": alice.token, "data": true});
    socket.write_all(format!("{login}\n").as_bytes()).unwrap();
    let mut reply = Vec::new();
    while !reply.ends_with(b"\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        reply.extend(byte);
    }
    let mut wire = Vec::new();
    ClientFrame::Get { request: 1, file, offset: 0, length: 0 }.encode(&mut wire);
    socket.write_all(&wire).unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let expected: usize = bytes.len() + 3 * 17 + 9;
    assert_eq!(answer.len(), expected, "three pieces with their heads, and the end");
}

#[test]
fn one_s_own_files_are_listed_page_by_page() {
    let server = Server::with(&["files.account_bytes = 100000", "files.file_bytes = 5000"]);
    let mut alice = Carrier::new(&server, "alice");
    let mut files: Vec<FileId> = (0..5).map(|n| upload(&mut alice.json, 1000 + n)).collect();
    alice.data.put_all(files[1], &noise(1001, 1), 0);
    alice.finish(files[1]);
    let (whole, begun) = (files[1], files[2]);
    let request = alice.data.put(begun, 0, &[7; 10]);
    alice.data.stored(request, begun, 10);
    files.sort();
    let page = alice.json.ok(json!({"cmd": "files", "limit": 3}));
    assert_eq!(
        (&page["used"], &page["quota"], &page["file_bytes"]),
        (&json!(5010), &json!(100_000), &json!(5000))
    );
    assert_eq!(page["more"], true);
    let after = page["files"][2]["file"].as_str().expect("the third");
    let rest = alice.json.ok(json!({"cmd": "files", "after": after}));
    assert_eq!(rest.get("more"), None);
    let lists = [&page["files"], &rest["files"]].map(|list| list.as_array().expect("a list").clone());
    let all = lists.concat();
    assert_eq!(all.iter().map(id).collect::<Vec<_>>(), files);
    for line in &all {
        let (stored, complete) = match id(line) {
            file if file == whole => (1001, true),
            file if file == begun => (10, false),
            _ => (0, false),
        };
        assert_eq!((&line["stored"], &line["complete"]), (&json!(stored), &json!(complete)), "{line}");
        assert_eq!((&line["readers"], &line["settled"]), (&json!(1), &json!(0)), "{line}");
        assert!(line["created"].as_str() < line["expires"].as_str(), "{line}");
    }
    let mut bob = Carrier::new(&server, "bob");
    assert_eq!(bob.json.ok(json!({"cmd": "files"}))["files"], json!([]), "bob has none");
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_only_and_have_no_name() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let file = alice.upload(b"content");
    let part = upload(&mut alice.json, 100);
    let request = alice.data.put(part, 0, b"begun");
    alice.data.stored(request, part, 5);
    let directory = server.home.data().join("files");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let mut names: Vec<String> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected = [file.to_string(), format!("{part}.part")];
    expected.sort();
    assert_eq!(names, expected);
    names.iter().for_each(|name| assert_eq!(mode(&directory.join(name)), 0o600, "{name}"));
    assert_eq!(fs::read(directory.join(file.to_string())).unwrap(), b"content");
}
