//! Frames there and back, cut at every byte, and what is none.

use proptest::prelude::*;

use super::client::{ClientFrame, put_head};
use super::reader::FrameReader;
use super::server::{ServerFrame, data_head};
use super::*;
use crate::dialect::{Dialect, encode};
use crate::proto::event::Event;
use crate::proto::id::FileId;
use crate::proto::transfer::Asked;

const FILE: FileId = FileId(*b"0123456789abcdef");

fn client_frames(bytes: &[u8]) -> Vec<ClientFrame<'_>> {
    vec![
        ClientFrame::Put { request: 1, file: FILE, offset: 0, bytes },
        ClientFrame::Get { request: 2, file: FILE, offset: 5, length: u64::MAX },
        ClientFrame::Ping { request: u32::MAX },
        ClientFrame::Cancel { request: 2 },
        ClientFrame::Put { request: 3, file: FileId([0xff; 16]), offset: u64::MAX, bytes: b"x" },
    ]
}

fn server_frames(bytes: &[u8]) -> Vec<ServerFrame<'_>> {
    vec![
        ServerFrame::Stored { request: 1, file: FILE, stored: 262_144 },
        ServerFrame::Data { request: 2, offset: 1 << 40, bytes },
        ServerFrame::End { request: 2 },
        ServerFrame::Pong { request: 3 },
        ServerFrame::Error { request: 0, offset: 0, code: "bad-frame", text: "naïve" },
        ServerFrame::Error { request: 9, offset: 7, code: "", text: "" },
    ]
}

/// What a reader makes of these packets: what was asked, and how many bytes of a PUT came before the next.
fn read(packets: &[&[u8]]) -> Result<Vec<(Asked, Vec<u8>)>, FrameError> {
    let mut reader = FrameReader::default();
    let mut found: Vec<(Asked, Vec<u8>)> = Vec::new();
    for packet in packets {
        let mut rest = *packet;
        loop {
            if reader.body() > 0 {
                let count = reader.body().min(rest.len());
                found.last_mut().expect("a PUT").1.extend_from_slice(&rest[..count]);
                reader.took(count);
                rest = &rest[count..];
                if reader.body() > 0 {
                    break;
                }
            }
            let (consumed, asked) = reader.read(rest)?;
            rest = &rest[consumed..];
            match asked {
                Some(asked) => found.push((asked, Vec::new())),
                None => break,
            }
        }
        assert!(rest.is_empty(), "whatever is not done with belongs to something");
    }
    assert!(!reader.unfinished(), "all frames came whole");
    Ok(found)
}

fn asked<'a>(frame: &ClientFrame<'a>) -> (Asked, &'a [u8]) {
    match *frame {
        ClientFrame::Cancel { request } => (Asked::Cancel { request }, b""),
        ClientFrame::Get { request, file, offset, length } => {
            (Asked::Get { request, file, offset, length }, b"")
        }
        ClientFrame::Ping { request } => (Asked::Ping { request }, b""),
        ClientFrame::Put { request, file, offset, bytes } => {
            (Asked::Put { request, file, offset, bytes: bytes.len() }, bytes)
        }
    }
}

fn encoded(frames: &[ClientFrame<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&mut bytes));
    bytes
}

#[test]
fn what_a_client_says_comes_back() {
    for length in [1, 2, PIECE_BYTES - 1, PIECE_BYTES] {
        let payload = vec![7; length];
        let frames = client_frames(&payload);
        let wire = encoded(&frames);
        let mut rest = &wire[..];
        for expected in &frames {
            let Ok(Decoded::Frame { frame, consumed }) = ClientFrame::decode(rest) else {
                panic!("{expected:?} is not read")
            };
            assert!(frame == *expected);
            rest = &rest[consumed..];
        }
        assert_eq!(ClientFrame::decode(rest), Ok(Decoded::Needs(HEAD_BYTES)));
        let found = read(&[&wire]).unwrap();
        assert_eq!(found.len(), frames.len());
        for ((found, bytes), frame) in found.iter().zip(&frames) {
            assert!((*found, &bytes[..]) == asked(frame), "{found:?}");
        }
    }
}

#[test]
fn what_the_server_says_comes_back() {
    for length in [1, PIECE_BYTES] {
        let payload = vec![9; length];
        let mut wire = Vec::new();
        server_frames(&payload).iter().for_each(|frame| frame.encode(&mut wire));
        let mut rest = &wire[..];
        for expected in server_frames(&payload) {
            let Ok(Decoded::Frame { frame, consumed }) = ServerFrame::decode(rest) else {
                panic!("{expected:?} is not read")
            };
            assert!(frame == expected);
            rest = &rest[consumed..];
        }
        assert!(rest.is_empty());
    }
}

#[test]
fn the_bytes_on_the_wire_are_these() {
    let mut wire = Vec::new();
    ClientFrame::Put { request: 1, file: FILE, offset: 258, bytes: b"hi" }.encode(&mut wire);
    assert_eq!(
        wire,
        b"\x00\x00\x00\x1f\x01\x00\x00\x00\x010123456789abcdef\x00\x00\x00\x00\x00\x00\x01\x02hi"
    );
    wire.clear();
    ClientFrame::Get { request: 2, file: FILE, offset: 0, length: 1 }.encode(&mut wire);
    assert_eq!(&wire[..9], b"\x00\x00\x00\x25\x02\x00\x00\x00\x02");
    wire.clear();
    ServerFrame::Error { request: 3, offset: 5, code: "bad-offset", text: "no" }.encode(&mut wire);
    assert_eq!(wire, b"\x00\x00\x00\x1a\x8f\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x05\x0abad-offsetno");
    let (put, data) = (put_head(1, FILE, 2, 3), data_head(4, 5, 6));
    assert_eq!((put.len(), data.len()), (33, 17));
}

#[test]
fn frames_are_read_however_they_are_cut() {
    let frames = client_frames(b"some bytes");
    let wire = encoded(&frames);
    let whole = read(&[&wire]).unwrap();
    for cut in 0..=wire.len() {
        assert_eq!(read(&[&wire[..cut], &wire[cut..]]).unwrap(), whole, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(read(&bytes).unwrap(), whole);
    let mut server = Vec::new();
    server_frames(b"some bytes").iter().for_each(|frame| frame.encode(&mut server));
    let mut rest = &server[..];
    while let Ok(Decoded::Frame { consumed, .. }) = ServerFrame::decode(rest) {
        for cut in 0..consumed {
            let Ok(Decoded::Needs(needs)) = ServerFrame::decode(&rest[..cut]) else {
                panic!("half a frame is no frame")
            };
            assert!(cut < needs && needs <= consumed);
        }
        rest = &rest[consumed..];
    }
    assert!(rest.is_empty());
}

#[track_caller]
fn check_refused(wire: &[u8], expected: FrameError) {
    assert_eq!(ClientFrame::decode(wire).unwrap_err(), expected, "decode");
    let outcome = FrameReader::default().read(wire);
    assert_eq!(outcome.unwrap_err(), expected, "read");
}

fn frame(kind: u8, request: u32, body: &[u8]) -> Vec<u8> {
    let mut wire = Vec::from(u32::try_from(body.len() + 5).unwrap().to_be_bytes());
    wire.push(kind);
    wire.extend(request.to_be_bytes());
    wire.extend(body);
    wire
}

#[test]
fn frames_of_the_wrong_size_or_kind_are_refused() {
    check_refused(&frame(0x01, 1, &[0; 24]), FrameError::BadBody { kind: 1 });
    check_refused(&frame(0x01, 1, &[0; 23]), FrameError::BadBody { kind: 1 });
    check_refused(&frame(0x01, 1, &[0; BODY_MAX + 1]), FrameError::TooLong);
    check_refused(&frame(0x02, 1, &[0; 31]), FrameError::BadBody { kind: 2 });
    check_refused(&frame(0x02, 1, &[0; 33]), FrameError::BadBody { kind: 2 });
    check_refused(&frame(0x03, 1, &[0]), FrameError::BadBody { kind: 3 });
    check_refused(&frame(0x04, 1, &[0]), FrameError::BadBody { kind: 4 });
    check_refused(&frame(0x03, 0, &[]), FrameError::WithoutRequest);
    for kind in [0x00, 0x05, 0x7b, 0x81, 0x8f, 0xff] {
        check_refused(&frame(kind, 1, &[]), FrameError::BadKind { kind });
    }
    check_refused(b"\0\0\0\x04\x04\0\0\0\0", FrameError::TooShort);
    check_refused(b"\xff\xff\xff\xff\x04\0\0\0\x01", FrameError::TooLong);
    check_refused(b"{\"id\":1,\"cmd\":\"ping\"}", FrameError::TooLong);
    let code_too_long = frame(0x8f, 1, b"\0\0\0\0\0\0\0\0\x05code");
    assert_eq!(ServerFrame::decode(&code_too_long), Err(FrameError::BadBody { kind: 0x8f }));
    let code_cut_in_two = frame(0x8f, 1, "\0\0\0\0\0\0\0\0\x01é".as_bytes());
    assert_eq!(ServerFrame::decode(&code_cut_in_two), Err(FrameError::BadBody { kind: 0x8f }));
    assert_eq!(ServerFrame::decode(&frame(0x82, 1, &[0; 8])), Err(FrameError::BadBody { kind: 0x82 }));
    assert_eq!(ServerFrame::decode(&frame(0x01, 1, &[0; 25])), Err(FrameError::BadKind { kind: 1 }));
}

#[test]
fn a_frame_is_refused_before_its_body_has_come() {
    let wire = frame(0x02, 1, &[0; 100]);
    assert_eq!(FrameReader::default().read(&wire[..9]), Err(FrameError::BadBody { kind: 2 }));
}

#[test]
fn refusals_have_their_codes() {
    assert_eq!(FrameError::TooLong.refusal().code, Code::FrameTooLong);
    for error in [
        FrameError::BadBody { kind: 1 },
        FrameError::BadKind { kind: 9 },
        FrameError::TooShort,
        FrameError::WithoutRequest,
    ] {
        assert_eq!(error.refusal().code, Code::BadFrame, "{error}");
    }
}

#[test]
fn whoever_carries_files_hears_nothing_of_the_chat() {
    let told = |event: Event| {
        let mut out = Vec::new();
        encode(Dialect::Frames, &event, &mut out);
        out
    };
    assert_eq!(told(Event::Banner { server: "Sottovoce".into() }), b"");
    let bytes = told(Event::Shutdown { text: "come back later".into() });
    let Ok(Decoded::Frame { frame: ServerFrame::Error { request: 0, offset: 0, code, text }, .. }) =
        ServerFrame::decode(&bytes)
    else {
        panic!("{bytes:?}")
    };
    assert_eq!((code, text), ("shutting-down", "come back later"));
}

proptest! {
    #[test]
    fn garbage_does_no_harm(wire in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
        let _ = (ClientFrame::decode(&wire), ServerFrame::decode(&wire));
        let mut reader = FrameReader::default();
        for packet in [&wire[..cut.min(wire.len())], &wire[cut.min(wire.len())..]] {
            let mut rest = packet;
            while !rest.is_empty() {
                let body = reader.body().min(rest.len());
                reader.took(body);
                rest = &rest[body..];
                if reader.body() > 0 {
                    break;
                }
                let Ok((consumed, _)) = reader.read(rest) else { return Ok(()) };
                rest = &rest[consumed..];
            }
        }
    }

    #[test]
    fn frames_of_any_numbers_come_back(
        request in 1..=u32::MAX, id in any::<[u8; 16]>(), offset: u64, length: u64,
        bytes in proptest::collection::vec(any::<u8>(), 1..50), cuts in proptest::collection::vec(0usize..120, 0..4),
    ) {
        let file = FileId(id);
        let frames = [
            ClientFrame::Put { request, file, offset, bytes: &bytes },
            ClientFrame::Get { request, file, offset, length },
        ];
        let wire = encoded(&frames);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(wire.len())).chain([0, wire.len()]).collect();
        cuts.sort_unstable();
        let packets: Vec<&[u8]> = cuts.windows(2).map(|pair| &wire[pair[0]..pair[1]]).collect();
        let found = read(&packets).unwrap();
        for ((found, bytes), frame) in found.iter().zip(&frames) {
            prop_assert_eq!((*found, &bytes[..]), asked(frame));
        }
    }
}
