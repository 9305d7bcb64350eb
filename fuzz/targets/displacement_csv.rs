//! No input makes the displacement_csv reader panic, hang or take memory without bound.
#![no_main]

use hetero::formats::source::Source;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = hetero::formats::nodal::read_displacement_csv(&Source::from_bytes("fuzz.csv", bytes.to_vec()));
});
