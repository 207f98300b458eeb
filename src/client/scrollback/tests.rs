//! What is kept comes back, and is small.

use super::pack::{BLOCK_LINES, KINDS, ORIGINS, SEALS};
use super::*;

fn line(seq: u64, text: &str) -> Line {
    Line {
        kind: Kind::Say,
        origin: Origin::Live,
        own: seq.is_multiple_of(2),
        seq: Seq(seq),
        at: Timestamp(1_769_860_800_000 + seq * 3_000),
        from: format!("user{}", seq % 20).into(),
        text: text.into(),
        seal: Seal::ServerReadable,
    }
}

fn sentence(n: u64) -> String {
    let words = ["the", "server", "keeps", "every", "message", "until", "it", "is", "old", "quietly"];
    let pick = |i: u64| words[((n * 7 + i * i * 13 + (n >> 3) * i) % 10) as usize];
    (0..8).map(pick).collect::<Vec<_>>().join(" ") + &format!(" {n}")
}

#[test]
fn every_kind_and_origin_comes_back() {
    let mut scrollback = Scrollback::default();
    let mut pushed = Vec::new();
    for (i, kind) in KINDS.into_iter().enumerate() {
        for origin in ORIGINS {
            let mut line = line(i as u64, "h\u{e9} \u{1f980}\nsecond");
            (line.kind, line.origin) = (kind, origin);
            if i == 3 {
                (line.seq, line.at) = (Seq(u64::MAX), Timestamp(0));
            }
            scrollback.push(&line);
            pushed.push(line);
        }
    }
    assert_eq!(scrollback.lines(scrollback.numbers()), pushed);
}

#[test]
fn seals_come_back_and_cost_nothing() {
    let (mut sealed, mut open) = (Scrollback::default(), Scrollback::default());
    for (i, seal) in SEALS.into_iter().enumerate() {
        for origin in ORIGINS {
            let mut line = line(i as u64, "hi");
            (line.seal, line.origin) = (seal, origin);
            let number = sealed.push(&line);
            assert_eq!(sealed.line(number), Some(line.clone()));
            open.push(&Line { seal: Seal::ServerReadable, ..line });
        }
    }
    assert_eq!(sealed.open.bytes.len(), open.open.bytes.len());
}

#[test]
fn ranges_cross_blocks_and_numbers_stay_when_older_lines_come_in_front() {
    let mut scrollback = Scrollback::default();
    for seq in 1001..=3000 {
        scrollback.push(&line(seq, &sentence(seq)));
    }
    assert!(scrollback.sealed.len() > 2);
    assert_eq!(scrollback.line(700), Some(line(1701, &sentence(1701))));
    let older: Vec<Line> = (1..=1000).map(|seq| line(seq, &sentence(seq))).collect();
    scrollback.prepend(&older);
    assert_eq!(scrollback.numbers(), -1000..2000);
    assert_eq!(scrollback.oldest_seq(), Some(Seq(1)));
    let seqs: Vec<u64> = scrollback.lines(-3..3).iter().map(|line| line.seq.0).collect();
    assert_eq!(seqs, [998, 999, 1000, 1001, 1002, 1003]);
    assert_eq!(scrollback.line(700), Some(line(1701, &sentence(1701))));
    assert_eq!(scrollback.lines(2000..2100), []);
    assert_eq!(scrollback.line(i64::MAX), None);
}

#[test]
fn the_oldest_lines_go_when_there_are_too_many() {
    let mut scrollback = Scrollback::default();
    for seq in 1..=20_000 {
        scrollback.push(&line(seq, &sentence(seq)));
    }
    assert!((LINES_MAX..LINES_MAX + BLOCK_LINES as usize).contains(&scrollback.len()));
    assert_eq!(scrollback.numbers().end, 20_000);
    assert_eq!(scrollback.oldest_seq().map(|seq| seq.0), Some(scrollback.numbers().start as u64 + 1));
    // Hexadecimal digits without a pattern: compression cannot go below half.
    let mut state = 1u64;
    let mut digits = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{:016x}", state ^ state >> 33)
    };
    for seq in 1..=60 {
        let long: String = (0..4_000).map(|_| digits()).collect();
        scrollback.push(&line(seq, &long));
    }
    assert!(scrollback.sealed_bytes <= BYTES_MAX);
    assert!((20..60).contains(&scrollback.len()), "{} lines", scrollback.len());
}

#[test]
fn a_hundred_rooms_of_5000_lines_stay_small() {
    let mut scrollback = Scrollback::default();
    for seq in 1..=LINES_MAX as u64 {
        scrollback.push(&line(seq, &sentence(seq)));
    }
    let plain: usize = scrollback.lines(scrollback.numbers()).iter().map(|line| line.text.len()).sum();
    assert!(plain / LINES_MAX > 40, "the lines of this test are as long as people's");
    assert!(scrollback.bytes() * 100 < 14_000_000, "{} bytes a room", scrollback.bytes());
}
