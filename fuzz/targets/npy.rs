//! No input makes the npy readers panic, hang or take memory without bound.
#![no_main]

use hetero::formats::source::Source;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let source = Source::from_bytes("fuzz.npy", bytes.to_vec());
    let _ = hetero::formats::npy::read_npy(&source);
    let _ = hetero::formats::npy::read_npy_magnitudes(&source);
});
