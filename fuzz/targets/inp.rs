//! No input makes the inp reader panic, hang or take memory without bound.
#![no_main]

use hetero::formats::source::Source;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = hetero::formats::inp::read_inp(&Source::from_bytes("fuzz.inp", bytes.to_vec()));
});
