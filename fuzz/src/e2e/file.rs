//! Sealed files: chunks as they were open to what was in them, in their place only; changed headers and
//! chunks do not open.

use rand_core::Rng as _;
use sottovoce::e2e::file::layout::Layout;
use sottovoce::e2e::file::name::safe_name;
use sottovoce::e2e::file::{FileKey, HEADER_BYTES, Opener, Sealer, padded_file_bytes};

use crate::e2e::random::Seeded;
use crate::input::Input;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut rng = Seeded { seed: 3, counter: 0 };
    let mut key = [0; 32];
    rng.fill_bytes(&mut key);
    let key = FileKey::from_bytes(&key);
    let name = safe_name(&String::from_utf8_lossy(input.text()));
    assert!(!name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "." && name != "..");
    assert_eq!(safe_name(&name), name);

    let length = 1 + input.word() as u64 % 1500;
    assert!(padded_file_bytes(length) >= length);
    let Ok(layout) = Layout::with_chunks(length, 8 + input.byte() % 3) else { return };
    let chunks: Vec<Vec<u8>> = (0..layout.chunks())
        .map(|index| vec![index as u8; layout.chunk_bytes(index).expect("it is there")])
        .collect();
    let mut sealer = Sealer::new(&key, layout, &mut rng);
    let mut sealed = chunks.clone();
    for (index, chunk) in sealed.iter_mut().enumerate() {
        sealer.seal(index as u32, chunk).expect("they come in order");
    }
    let header = *sealer.header();
    if input.byte() & 1 != 0 {
        let mut bytes = header.to_vec();
        let mut claimed = length;
        input.edit(&mut bytes);
        if input.byte() & 1 != 0 {
            claimed = u64::from_be_bytes(std::array::from_fn(|_| input.byte()));
        }
        bytes.resize(HEADER_BYTES, 0);
        let bytes: [u8; HEADER_BYTES] = bytes.try_into().expect("resized");
        // The header tells whose key it is; whether all of it is right, the chunks tell.
        if let Ok(opener) = Opener::new(&key, &bytes, claimed) {
            for (index, chunk) in sealed.iter().enumerate() {
                let opened = opener.open(index as u32, &mut chunk.clone());
                assert!(bytes == header || opened.is_err(), "nothing opens under a changed header");
            }
        }
    }
    let opener = Opener::new(&key, &header, length).expect("as it was sealed");
    for _ in 0..8 {
        let (from, to) = (input.below(sealed.len()), input.below(sealed.len() + 1));
        let mut chunk = sealed[from].clone();
        let changed = input.byte() & 1 != 0 && input.edit(&mut chunk);
        match opener.open(to as u32, &mut chunk) {
            Ok(()) => {
                assert!(!changed && from == to, "only what was sealed for this place opens");
                assert_eq!(chunk, chunks[from]);
            }
            Err(_) => assert!(changed || from != to, "what was sealed opens"),
        }
    }
}
