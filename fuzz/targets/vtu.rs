//! No input makes the vtu reader panic, hang or take memory without bound.
#![no_main]

use hetero::formats::source::Source;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = hetero::formats::vtu::read_vtu(&Source::from_bytes("fuzz.vtu", bytes.to_vec()));
});
