//! The decoders of both dialects: the same requests come out wherever the packets are cut and whatever
//! is put back, and no more of a line is kept than its limit.

use sottovoce::dialect::{Decoder, Dialect, Request, Rules};

use crate::input::Input;

pub fn text(data: &[u8]) {
    check(Dialect::Text, data);
}

pub fn json(data: &[u8]) {
    check(Dialect::Json, data);
}

fn check(dialect: Dialect, data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let secret = flags & 1 != 0;
    let rules = match flags & 2 {
        0 => Rules { line_bytes_max: 4096, json_bytes_max: 8192, secret },
        _ => Rules { line_bytes_max: 24, json_bytes_max: 40, secret },
    };
    let decisions_count = input.below(32);
    let decisions = input.bytes(decisions_count);
    let bytes = input.rest();
    let mut whole = Feed::new(dialect, rules, &[]);
    whole.packet(bytes);
    let mut pieces = Feed::new(dialect, rules, decisions);
    let mut rest = bytes;
    let mut cuts = decisions.iter().cycle();
    while !rest.is_empty() {
        let size = cuts.next().map_or(rest.len(), |&cut| usize::from(cut >> 1) + 1).min(rest.len());
        let (packet, more) = rest.split_at(size);
        pieces.packet(packet);
        rest = more;
    }
    assert_eq!(whole.requests, pieces.requests);
    assert_eq!(whole.decoder.unfinished(), pieces.decoder.unfinished());
}

struct Feed<'a> {
    decoder: Decoder,
    rules: Rules,
    /// The lowest bit of each tells whether a request is put back once.
    put_back: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    requests: Vec<String>,
}

impl<'a> Feed<'a> {
    fn new(dialect: Dialect, rules: Rules, decisions: &'a [u8]) -> Feed<'a> {
        let put_back = decisions.iter().cycle();
        Feed { decoder: Decoder::new(dialect), rules, put_back, requests: Vec::new() }
    }

    fn packet(&mut self, packet: &[u8]) {
        let kept_max = self.rules.line_bytes_max.max(self.rules.json_bytes_max) + 2;
        let mut at = 0;
        let mut was_put_back = false;
        loop {
            let decoded = self.decoder.decode(&packet[at..], &self.rules);
            at += decoded.consumed;
            let Some(request) = decoded.request else { break };
            let shown = shown(&request);
            if !was_put_back && self.put_back.next().is_some_and(|decision| decision & 1 != 0) {
                was_put_back = true;
                at -= self.decoder.put_back();
                continue;
            }
            was_put_back = false;
            self.requests.push(shown);
        }
        assert_eq!(at, packet.len(), "everything is consumed");
        self.decoder.settle();
        assert!(!self.decoder.has_put_back());
        // A vector grows in steps, so it may have twice the place that it needs.
        assert!(self.decoder.kept_bytes() <= 2 * kept_max);
        assert!(self.decoder.unfinished() || self.decoder.kept_bytes() == 0);
    }
}

/// Secrets do not print themselves; two that differ are found by the other parts of the line.
fn shown(request: &Request<'_>) -> String {
    format!("{request:?}")
}
