//! No input makes the vtk reader panic, hang or take memory without bound.
#![no_main]

use hetero::formats::source::Source;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = hetero::formats::vtk::read_legacy(&Source::from_bytes("fuzz.vtk", bytes.to_vec()));
});
