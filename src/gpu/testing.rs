//! What GPU tests share: an adapter, or the reason why the test is skipped.

use std::sync::OnceLock;

use super::adapters::{AdapterReport, find};
use super::device::on_own_thread;
use super::missing::missing;
use crate::config::BackendOptions;

/// Options as the program has them without a configuration.
#[must_use]
pub fn options() -> BackendOptions {
    BackendOptions {
        threads: 0,
        pin: false,
        simd: "auto".into(),
        adapter: None,
        require_hardware: false,
        max_device_memory: 0,
        dispatch_target: 0.1,
        device_timeout: 30.0,
    }
}

/// The adapter that a GPU test runs on, printed; `None` when there is none and the test is to be skipped.
///
/// # Panics
/// When there is none and `HETERO_TEST_GPU=require`.
#[must_use]
pub fn adapter_or_skip() -> Option<AdapterReport> {
    static FIRST: OnceLock<Option<AdapterReport>> = OnceLock::new();
    let first =
        FIRST.get_or_init(|| on_own_thread(|| find().into_iter().next().map(|found| found.report)).ok().flatten());
    match first {
        Some(adapter) => eprintln!("adapter: {adapter}"),
        None => {
            let why = format!("no adapter: {}", missing(&[]).join("; "));
            assert!(std::env::var("HETERO_TEST_GPU").as_deref() != Ok("require"), "{why}");
            eprintln!("skipped: {why}");
        }
    }
    first.clone()
}
