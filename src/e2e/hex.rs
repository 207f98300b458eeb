//! Bytes as hexadecimal letters in JSON: `#[serde(with = "hex")]` on an array.

use data_encoding::HEXLOWER;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serializer};
use zeroize::Zeroizing;

pub(crate) fn serialize<const N: usize, S: Serializer>(bytes: &[u8; N], out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&Zeroizing::new(HEXLOWER.encode(bytes)))
}

pub(crate) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(input: D) -> Result<[u8; N], D::Error> {
    let text = Zeroizing::new(String::deserialize(input)?);
    let mut bytes = [0; N];
    match HEXLOWER.decode_len(text.len()) {
        Ok(length) if length == N => {}
        _ => return Err(D::Error::custom("wrong length")),
    }
    HEXLOWER.decode_mut(text.as_bytes(), &mut bytes).map_err(|_| D::Error::custom("not hexadecimal"))?;
    Ok(bytes)
}
