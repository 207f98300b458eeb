//! Dialects seen from outside: bytes in, requests out; events in, bytes out.

mod answers;
mod devices;
mod events;
mod json;
mod lines;
mod text;

use super::*;

const RULES: Rules = Rules { line_bytes_max: 64, json_bytes_max: 256, secret: false };

/// Everything a decoder makes of this input, given whole.
fn requests(dialect: Dialect, input: &[u8], rules: &Rules) -> Vec<String> {
    lines::Feed::new(dialect, rules).run(&[input])
}

/// A request as text; with what its secrets say, which they do not show themselves.
fn shown(request: &Request<'_>) -> String {
    match request {
        Request::Command(re, Command::Secret { line }) => format!("{re:?} secret {:?}", line.reveal()),
        Request::Command(RequestId(id), command) => format!("{id} {command:?}"),
        Request::Refused(RequestId(id), refusal) => format!("{id} !{refusal}"),
        Request::Error(refusal) => format!("!{refusal}"),
    }
}
