//! Reports.

pub mod progress;
