//! No input makes the mtx reader panic, hang or take memory without bound.
#![no_main]

use hetero::formats::source::Source;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = hetero::formats::mtx::read_mtx(&Source::from_bytes("fuzz.mtx", bytes.to_vec()));
});
