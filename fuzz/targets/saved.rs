//! No input makes the reader of saved comparisons panic, hang or take memory without bound.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(saved) = hetero::report::sweep::Saved::parse("fuzz.json".as_ref(), bytes) {
        let _ = saved.check_job("fuzz.json".as_ref(), "pi", "pi");
    }
});
