//! No input makes the npy reader panic, hang or take memory without bound.
#![no_main]

use hetero::formats::source::Source;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = hetero::formats::npy::read_npy(&Source::from_bytes("fuzz.npy", bytes.to_vec()));
});
