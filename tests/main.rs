//! The tests of hetero as a whole, by behaviour. Unit tests stand beside the code.

mod browser;
mod calibrate;
mod cli;
mod compare;
mod conformance;
mod eigen;
mod plan;
#[cfg(unix)]
mod signals;
mod stress;
mod sums;
mod support;
