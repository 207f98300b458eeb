//! What several tests of transfers need: contents, keys, sealed blobs.

mod desk;
mod pipelines;
pub mod stub;

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};

use crate::client::transfer::piece::Plan;
use crate::e2e::file::{FileKey, Sealer};

/// A file of this many bytes, no two parts of it alike.
pub fn content(size: usize) -> Vec<u8> {
    (0..size as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

pub fn key() -> FileKey {
    FileKey::from_bytes(&[7; 32])
}

/// A blob, and what the message about it says.
pub struct Sealed {
    pub blob: Vec<u8>,
    pub size: u64,
    pub sha256: [u8; 32],
}

/// Seals a file as E2E says, chunk by chunk, without anything that is tested here.
pub fn seal(file: &[u8]) -> Sealed {
    let size = file.len() as u64;
    let layout = Plan::new(size).expect("a small file").layout();
    let mut sealer = Sealer::new(&key(), layout, &mut Seeded(1));
    let mut blob = sealer.header().to_vec();
    let mut rest = file;
    for index in 0..layout.chunks() {
        let mut chunk = vec![0; layout.chunk_bytes(index).expect("a chunk of it")];
        let (part, after) = rest.split_at(rest.len().min(chunk.len()));
        chunk[..part.len()].copy_from_slice(part);
        rest = after;
        sealer.seal(index, &mut chunk).expect("chunks come in order");
        blob.extend(chunk);
    }
    let sha256 = Sha256::digest(&blob).into();
    Sealed { blob, size, sha256 }
}

/// Randomness that is the same each time, and no good for anything but tests.
pub struct Seeded(pub u64);

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|value| value as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            *byte = (self.try_next_u64()? >> 56) as u8;
        }
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}
