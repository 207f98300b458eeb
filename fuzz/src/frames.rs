//! Frames of data connections: what is read is written the same, and the reader of packets finds what is
//! found in the whole, wherever the packets are cut.

use sottovoce::dialect::frame::client::ClientFrame;
use sottovoce::dialect::frame::reader::FrameReader;
use sottovoce::dialect::frame::server::ServerFrame;
use sottovoce::dialect::frame::{Decoded, FrameError, LENGTH_MAX};
use sottovoce::proto::transfer::Asked;

use crate::input::Input;

pub fn frames(data: &[u8]) {
    let mut input = Input::new(data);
    let cuts_count = input.below(16);
    let cuts = input.bytes(cuts_count);
    let bytes = input.rest();
    server(bytes);
    let whole = client(bytes);
    let (asked, broken) = read(bytes, cuts);
    assert_eq!(broken, read(bytes, &[]).1, "{cuts:?}");
    assert_eq!(asked, read(bytes, &[]).0, "{cuts:?}");
    // The reader is told of a PUT before all of it is there, and refuses what is to come earlier.
    assert!(asked.starts_with(&whole), "{asked:?} begins with {whole:?}");
    assert!(asked.len() <= whole.len() + 1);
}

/// The frames of a server in these bytes, each as it would be written.
fn server(mut bytes: &[u8]) {
    loop {
        match ServerFrame::decode(bytes) {
            Ok(Decoded::Frame { frame, consumed }) => {
                let mut written = Vec::new();
                frame.encode(&mut written);
                assert_eq!(written, bytes[..consumed], "{frame:?}");
                bytes = &bytes[consumed..];
            }
            Ok(Decoded::Needs(count)) => return bounded(bytes, count),
            Err(_) => return,
        }
    }
}

/// The same for those of a client; returns them as the reader tells of them.
fn client(mut bytes: &[u8]) -> Vec<Asked> {
    let mut asked = Vec::new();
    loop {
        match ClientFrame::decode(bytes) {
            Ok(Decoded::Frame { frame, consumed }) => {
                let mut written = Vec::new();
                frame.encode(&mut written);
                assert_eq!(written, bytes[..consumed], "{frame:?}");
                bytes = &bytes[consumed..];
                asked.push(match frame {
                    ClientFrame::Cancel { request } => Asked::Cancel { request },
                    ClientFrame::Get { request, file, offset, length } => {
                        Asked::Get { request, file, offset, length }
                    }
                    ClientFrame::Ping { request } => Asked::Ping { request },
                    ClientFrame::Put { request, file, offset, bytes } => {
                        Asked::Put { request, file, offset, bytes: bytes.len() }
                    }
                });
            }
            Ok(Decoded::Needs(count)) => {
                bounded(bytes, count);
                return asked;
            }
            Err(_) => return asked,
        }
    }
}

fn bounded(bytes: &[u8], needed: usize) {
    assert!(bytes.len() < needed && needed <= LENGTH_MAX + 4, "{needed}");
}

/// What the reader makes of packets that end at these places, and why it gave up.
fn read(mut bytes: &[u8], cuts: &[u8]) -> (Vec<Asked>, Option<FrameError>) {
    let mut reader = FrameReader::default();
    let mut asked = Vec::new();
    let mut cuts = cuts.iter().cycle();
    while !bytes.is_empty() {
        let size = cuts.next().map_or(bytes.len(), |&cut| usize::from(cut) + 1).min(bytes.len());
        let (mut packet, rest) = bytes.split_at(size);
        bytes = rest;
        while !packet.is_empty() {
            if reader.body() > 0 {
                let count = reader.body().min(packet.len());
                reader.took(count);
                packet = &packet[count..];
                continue;
            }
            match reader.read(packet) {
                Ok((consumed, found)) => {
                    assert!(consumed > 0, "every call comes further");
                    packet = &packet[consumed..];
                    asked.extend(found);
                }
                Err(error) => return (asked, Some(error)),
            }
        }
    }
    (asked, None)
}
