//! hetero runs one numerical job, cut into chunks, on whatever a machine has: a scalar loop, a CPU pool, a GPU. The
//! answer is checked, the time is told phase by phase.
//!
//! The modules stand in the order of the flow; a stage uses the types of earlier ones, only `run`,
//! `batch` and `sweep` see them all.

pub mod location;

pub mod error;
pub mod units;

pub mod config;

pub mod simd;

pub mod memory;

pub mod net;

pub mod formats;

pub mod numeric;

pub mod machine;

pub mod sparse;

pub mod job;

pub mod workloads;

pub mod plan;

#[cfg(feature = "gpu")]
pub mod gpu;

pub mod backend;

pub mod exec;

pub mod measure;

pub mod report;

pub mod signals;

pub mod cli;

pub mod run;

pub mod batch;

pub mod calibrate;

pub mod sweep;
