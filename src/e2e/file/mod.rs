//! Sealed files: STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015) over AES-256-GCM, chunk by chunk.
//!
//! ```text
//! blob    "SVF1" || chunk_log2 u8 || prefix 7 || commitment 32, then chunks, each with its tag
//! okm     HKDF(0*32, key, "Sottovoce_File_v1", 64) = file key || commitment
//! nonce   prefix 7 || index u32 || last u8          additional data: the 44 bytes of the header
//! ```
//!
//! Only the final chunk has `last` = 1, so a cut file does not open. GCM does not commit to its key;
//! the commitment does. What is sealed is the file with zeros appended up to [`padded_file_bytes`];
//! its true size goes into the message.
//!
//! A [`Sealer`] remembers the tag of each chunk it has encrypted, since giving out another content
//! encrypted at the same index would use a nonce twice. To go on after a restart, store each tag *before*
//! its chunk is sent, and give them all to [`Sealer::resume`].

pub mod layout;
pub mod name;

use std::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::e2e::aead::{self, NONCE_BYTES, TAG_BYTES};
use crate::e2e::error::Error;
use crate::e2e::kdf;
use crate::e2e::key::Key;
use crate::e2e::padding;

use layout::Layout;

/// The key of one upload: fresh for each, sent in the message.
#[derive(ZeroizeOnDrop)]
pub struct FileKey(Key);

impl FileKey {
    pub fn from_bytes(bytes: &[u8; 32]) -> FileKey {
        FileKey(Key::copied_from(bytes))
    }

    /// The key itself, to be sealed into a message; the call stands out.
    pub fn reveal(&self) -> &[u8; 32] {
        self.0.bytes()
    }

    pub fn duplicate(&self) -> FileKey {
        FileKey(self.0.duplicate())
    }

    /// The key of the cipher, and the commitment.
    fn derive(&self) -> (Key, [u8; 32]) {
        let (key, commitment) = kdf::derive_two(&kdf::ZERO_SALT, &[self.0.bytes()], &[LABEL]);
        (key, *commitment.bytes())
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FileKey(_) = self;
        f.write_str("FileKey(..)")
    }
}

/// Encrypts a file, each chunk of it to one content only.
#[derive(ZeroizeOnDrop)]
pub struct Sealer {
    cipher: StreamCipher,
    #[zeroize(skip)]
    layout: Layout,
    /// Invariant: the tag of each chunk that was ever given out under this key and prefix.
    #[zeroize(skip)]
    tags: Vec<ChunkTag>,
}

/// The tag of a chunk. GCM's tag is a code of the content under the key (SP 800-38D §5.2.2): whoever cannot
/// compute it without the key does not find a second content with it, but with probability 2^-116 for a
/// chunk of 65,536 bytes.
pub type ChunkTag = [u8; TAG_BYTES];

impl Sealer {
    /// Starts an upload with a fresh key.
    pub fn new(key: &FileKey, layout: Layout, rng: &mut impl CryptoRng) -> Sealer {
        let mut prefix = [0; PREFIX_BYTES];
        rng.fill_bytes(&mut prefix);
        Sealer::resume(key, layout, prefix, Vec::new())
    }

    /// Goes on with an upload. `tags` must be those of all chunks encrypted so far, sent or not.
    pub fn resume(key: &FileKey, layout: Layout, prefix: [u8; PREFIX_BYTES], tags: Vec<ChunkTag>) -> Sealer {
        let cipher = StreamCipher::new(key, layout.chunk_log2(), prefix);
        Sealer { cipher, layout, tags }
    }

    pub fn header(&self) -> &[u8; HEADER_BYTES] {
        &self.cipher.header
    }

    pub fn prefix(&self) -> [u8; PREFIX_BYTES] {
        self.cipher.prefix()
    }

    /// The tags so far; the last is of the chunk sealed last.
    pub fn tags(&self) -> &[ChunkTag] {
        &self.tags
    }

    /// Encrypts a chunk where it stands and appends its tag.
    ///
    /// Chunks come in order; an earlier one may come again, for a transmission that failed, and must
    /// be as it was: [`Error::Changed`] means that the upload must begin anew with another key. The buffer is
    /// empty then, or as it was given.
    pub fn seal(&mut self, index: u32, chunk: &mut Vec<u8>) -> Result<(), Error> {
        if chunk.len() != self.layout.chunk_bytes(index)? {
            return Err(Error::Changed);
        }
        if index as usize > self.tags.len() {
            return Err(Error::Malformed);
        }
        let nonce = self.cipher.nonce(index, self.layout.is_last(index));
        aead::seal_tail(&self.cipher.key, &nonce, &self.cipher.header, chunk, 0);
        let tag = *chunk.last_chunk().expect("a tag was appended");
        match self.tags.get(index as usize) {
            Some(before) if !bool::from(before.ct_eq(&tag)) => {
                // Nobody may ever see it: the nonce has been used for another content.
                chunk.zeroize();
                return Err(Error::Changed);
            }
            Some(_) => {}
            None => self.tags.push(tag),
        }
        Ok(())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sealer { cipher: _, layout, tags } = self;
        write!(f, "Sealer({} of {} chunks)", tags.len(), layout.chunks())
    }
}

/// Decrypts the chunks of a blob, each by itself and in any order.
#[derive(ZeroizeOnDrop)]
pub struct Opener {
    cipher: StreamCipher,
    #[zeroize(skip)]
    layout: Layout,
}

impl Opener {
    /// Reads the header of a blob and checks that it belongs to this key. `length` is that of the
    /// padded content, from the message; check it against your limit before you ask for anything.
    pub fn new(key: &FileKey, header: &[u8; HEADER_BYTES], length: u64) -> Result<Opener, Error> {
        let (magic, rest) = header.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(Error::Version);
        }
        let layout = Layout::with_chunks(length, rest[0])?;
        let (prefix, commitment) = rest[1..].split_first_chunk().ok_or(Error::Malformed)?;
        let cipher = StreamCipher::new(key, layout.chunk_log2(), *prefix);
        let (_, expected) = cipher.header.split_at(HEADER_BYTES - 32);
        if !bool::from(expected.ct_eq(commitment)) {
            return Err(Error::Auth);
        }
        Ok(Opener { cipher, layout })
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Decrypts a chunk where it stands and cuts its tag off. The buffer holds no plaintext if it
    /// fails.
    pub fn open(&self, index: u32, chunk: &mut Vec<u8>) -> Result<(), Error> {
        if chunk.len() != self.layout.chunk_bytes(index)? + TAG_BYTES {
            return Err(Error::Malformed);
        }
        let nonce = self.cipher.nonce(index, self.layout.is_last(index));
        aead::open_in_place(&self.cipher.key, &nonce, &self.cipher.header, chunk)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Opener { cipher: _, layout } = self;
        write!(f, "Opener({} chunks)", layout.chunks())
    }
}

/// The length of a file of `size` bytes after zeros were appended. No mark is needed, because the
/// message carries the size; an empty file looks like one of a few bytes.
pub fn padded_file_bytes(size: u64) -> u64 {
    padding::rounded(size.max(1))
}

#[derive(ZeroizeOnDrop)]
struct StreamCipher {
    key: Key,
    #[zeroize(skip)]
    header: [u8; HEADER_BYTES],
}

impl StreamCipher {
    fn new(key: &FileKey, chunk_log2: u8, prefix: [u8; PREFIX_BYTES]) -> StreamCipher {
        let (key, commitment) = key.derive();
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(MAGIC);
        header[4] = chunk_log2;
        header[5..12].copy_from_slice(&prefix);
        header[12..].copy_from_slice(&commitment);
        StreamCipher { key, header }
    }

    fn prefix(&self) -> [u8; PREFIX_BYTES] {
        std::array::from_fn(|at| self.header[5 + at])
    }

    fn nonce(&self, index: u32, last: bool) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        nonce[..7].copy_from_slice(&self.header[5..12]);
        nonce[7..11].copy_from_slice(&index.to_be_bytes());
        nonce[11] = u8::from(last);
        nonce
    }
}

const LABEL: &[u8] = b"Sottovoce_File_v1";
const MAGIC: &[u8; 4] = b"SVF1";
pub const PREFIX_BYTES: usize = 7;
pub const HEADER_BYTES: usize = 4 + 1 + PREFIX_BYTES + 32;

const _: () = assert!(HEADER_BYTES == 44 && PREFIX_BYTES + 4 + 1 == NONCE_BYTES);

#[cfg(test)]
mod tests;
