//! Padding: how long something is says less about what it is.
//!
//! `content || 80 || 00*`. Short contents grow to the next multiple of 128; longer ones by the Padmé
//! rule (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with
//! PURBs", §4), which keeps about log log n bits of a length and adds at most 12 %.

use crate::e2e::error::Error;

/// The length of `length` bytes after padding, the mark not counted.
pub fn rounded(length: u64) -> u64 {
    if length <= STEPS_UP_TO {
        return length.next_multiple_of(STEP);
    }
    let exponent = length.ilog2();
    let kept = exponent.ilog2() + 1;
    let mask = (1 << (exponent - kept)) - 1;
    length.checked_add(mask).map_or(u64::MAX, |length| length & !mask)
}

/// The length of a content of `length` bytes with its mark and its padding.
pub fn padded_bytes(length: usize) -> usize {
    rounded(length as u64 + 1) as usize
}

/// Appends mark and zeros to what stands in `buffer` from `start` on.
pub(super) fn pad_tail(buffer: &mut Vec<u8>, start: usize) {
    let padded = start + padded_bytes(buffer.len() - start);
    buffer.push(MARK);
    buffer.resize(padded, 0);
}

/// Cuts the padding off. Only after the tag was verified: what is padded wrongly tells its author.
pub(super) fn unpad(buffer: &mut Vec<u8>) -> Result<(), Error> {
    let last = buffer.iter().rposition(|&byte| byte != 0).ok_or(Error::Malformed)?;
    if buffer[last] != MARK {
        return Err(Error::Malformed);
    }
    buffer.truncate(last);
    Ok(())
}

const MARK: u8 = 0x80;

/// Most lines of a conversation look alike below this.
const STEP: u64 = 128;

/// Up to here the steps are of equal size; Padmé would make them finer than is of use.
const STEPS_UP_TO: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_and_shrinks_back() {
        for length in (0..300).chain([1022, 1023, 1024, 1025, 65_535]) {
            let mut buffer = vec![0xaa; 3];
            buffer.resize(3 + length, 0x80);
            pad_tail(&mut buffer, 3);
            assert_eq!(buffer.len(), 3 + padded_bytes(length));
            buffer.drain(..3);
            unpad(&mut buffer).unwrap();
            assert_eq!(buffer, vec![0x80; length]);
        }
    }

    #[test]
    fn never_more_than_an_eighth() {
        for length in (STEPS_UP_TO + 1..100_000).step_by(37) {
            assert!(rounded(length) >= length && rounded(length) - length <= length / 8, "{length}");
            assert_eq!(rounded(rounded(length)), rounded(length), "a padded length stays");
        }
        assert_eq!(rounded(u64::MAX), u64::MAX, "no overflow");
    }

    #[test]
    fn wrong_padding_is_refused() {
        for wrong in [&[][..], &[0, 0], &[1], &[0x80, 1, 0], &[0x81, 0]] {
            let mut buffer = wrong.to_vec();
            assert_eq!(unpad(&mut buffer), Err(Error::Malformed), "{wrong:?}");
            assert_eq!(buffer, wrong);
        }
    }
}
