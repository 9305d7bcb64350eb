//! No input makes the frd reader panic, hang or take memory without bound.
#![no_main]

use hetero::formats::source::Source;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = hetero::formats::frd::read_frd(&Source::from_bytes("fuzz.frd", bytes.to_vec()));
});
