//! Events to frames: what a data connection is told.

use crate::dialect::frame::server::ServerFrame;
use crate::proto::event::Event;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::transfer::Told;

/// Appends the frame of an event, if it has one: whatever is about the chat has none.
pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::Error(refusal) => error(0, 0, refusal, out),
        Event::Shutdown { text } => error(0, 0, &Refusal::new(Code::ShuttingDown, text.to_string()), out),
        Event::Transfer(told) => match told {
            &Told::End { request } => ServerFrame::End { request }.encode(out),
            Told::Failed { request, offset, refusal } => error(*request, *offset, refusal, out),
            &Told::Pong { request } => ServerFrame::Pong { request }.encode(out),
            &Told::Stored { request, file, stored } => {
                ServerFrame::Stored { request, file, stored }.encode(out);
            }
        },
        _ => {}
    }
}

fn error(request: u32, offset: u64, refusal: &Refusal, out: &mut Vec<u8>) {
    ServerFrame::Error { request, offset, code: refusal.code.as_str(), text: &refusal.text }.encode(out);
}
