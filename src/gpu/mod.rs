//! One GPU: finding adapters, opening one, testing what its arithmetic may be trusted with, and streaming chunks
//! through it. The only module that names wgpu. `backend::gpu` dresses it as a backend.
//!
//! wgpu reports mistakes late, on another thread's behalf or by panicking; `Device::guarded` turns all of that into
//! this crate's errors, and `Device::wait` puts a limit on every wait. What a driver cannot be
//! trusted with (loops, conversions, differences that must stay as written) is measured once per adapter by
//! [`selftest`] and remembered on disk.

pub mod adapters;
mod buffers;
mod cache;
pub mod device;
mod errors;
pub mod missing;
pub mod pipeline;
pub mod reach;
pub mod selftest;
mod software;
pub mod stream;
#[doc(hidden)]
pub mod testing;

pub use adapters::{AdapterKind, AdapterReport, adapters};
pub use missing::missing;
