//! HKDF-SHA256 (RFC 5869) and HMAC-SHA256 (RFC 2104), in the two shapes this protocol uses.

use hkdf::HkdfExtract;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::e2e::key::Key;

/// The salt wherever the protocol names none: 32 zero bytes, as RFC 5869 §2.2 has it.
pub(super) const ZERO_SALT: [u8; 32] = [0; 32];

/// HKDF(salt, ikm, info, 32), the input keying material and the label given in pieces.
pub(super) fn derive(salt: &[u8; 32], ikm: &[&[u8]], info: &[&[u8]]) -> Key {
    let mut out = Key::empty();
    expand(salt, ikm, info, out.bytes_mut());
    out
}

/// HKDF(salt, ikm, info, 64), as its first and its second half.
pub(super) fn derive_two(salt: &[u8; 32], ikm: &[&[u8]], info: &[&[u8]]) -> (Key, Key) {
    let mut okm = [0; 64];
    expand(salt, ikm, info, &mut okm);
    let (mut first, mut second) = (Key::empty(), Key::empty());
    first.bytes_mut().copy_from_slice(&okm[..32]);
    second.bytes_mut().copy_from_slice(&okm[32..]);
    okm.zeroize();
    (first, second)
}

/// HMAC(key, one byte) for each of two bytes: the two halves of a step of a symmetric chain.
pub(super) fn mac_two(key: &Key, first: u8, second: u8) -> (Key, Key) {
    let keyed = keyed(key);
    let mut outputs = [first, second].map(|byte| {
        let mut mac = keyed.clone();
        mac.update(&[byte]);
        mac.finalize().into_bytes()
    });
    let (mut one, mut two) = (Key::empty(), Key::empty());
    one.bytes_mut().copy_from_slice(&outputs[0]);
    two.bytes_mut().copy_from_slice(&outputs[1]);
    outputs.iter_mut().for_each(|output| output.as_mut_slice().zeroize());
    (one, two)
}

fn keyed(key: &Key) -> Hmac<Sha256> {
    Hmac::new_from_slice(key.bytes()).expect("HMAC takes keys of any length")
}

fn expand(salt: &[u8; 32], ikm: &[&[u8]], info: &[&[u8]], out: &mut [u8]) {
    let mut extract = HkdfExtract::<Sha256>::new(Some(salt));
    for piece in ikm {
        extract.input_ikm(piece);
    }
    let (mut pseudorandom, hkdf) = extract.finalize();
    pseudorandom.as_mut_slice().zeroize();
    hkdf.expand_multi_info(info, out).expect("64 bytes are far below the 255 blocks of RFC 5869");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5869, test case 1: the salt there is shorter, which HMAC pads with zeros.
    #[test]
    fn hkdf_of_the_rfc() {
        let mut salt = [0; 32];
        salt[..13].copy_from_slice(&core::array::from_fn::<u8, 13, _>(|i| i as u8));
        let info: [u8; 10] = core::array::from_fn(|i| 0xf0 + i as u8);
        let mut out = [0; 42];
        expand(&salt, &[&[0x0b; 10], &[0x0b; 12]], &[&info[..4], &info[4..]], &mut out);
        let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(data_encoding::HEXLOWER.encode(&out), expected);
    }
}
