//! Base32 (RFC 4648 §6) for what people copy: no padding, small letters written, both read.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};
use zeroize::Zeroizing;

use crate::e2e::error::Error;

/// Small letters, because they are easier to type; spaces and hyphens are skipped when reading.
pub(super) fn encode(bytes: &[u8]) -> String {
    BASE32.encode(bytes)
}

/// The bytes; unused bits at the end must be zero, so there is one text for each value.
pub(super) fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Error::Malformed);
    }
    BASE32.decode(text.as_bytes()).map(Zeroizing::new).map_err(|_| Error::Malformed)
}

static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.translate.from.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    specification.translate.to.push_str("abcdefghijklmnopqrstuvwxyz");
    specification.ignore.push_str(" -");
    specification.encoding().expect("32 distinct symbols")
});

/// The longest such text is a pairing code of 58 letters; the rest leaves room for spaces.
const TEXT_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_for_each_value() {
        assert_eq!(encode(b"foobar"), "mzxw6ytboi");
        assert_eq!(decode("MZXW-6ytb oi").unwrap().as_slice(), b"foobar");
        assert_eq!(decode("mzxw6ytboj"), Err(Error::Malformed), "unused bits are set");
        assert_eq!(decode("mzxw6ytbo1"), Err(Error::Malformed), "no such letter");
        assert!(decode(&"a".repeat(TEXT_BYTES_MAX)).is_ok());
        assert_eq!(decode(&"a".repeat(TEXT_BYTES_MAX + 1)), Err(Error::Malformed));
    }
}
