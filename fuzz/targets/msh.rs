//! No input makes the msh reader panic, hang or take memory without bound.
#![no_main]

use hetero::formats::source::Source;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = hetero::formats::msh::read_msh(&Source::from_bytes("fuzz.msh", bytes.to_vec()));
});
