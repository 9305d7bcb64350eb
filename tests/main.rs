//! The tests of hetero as a whole, by behaviour. Unit tests stand beside the code.

mod batch;
mod browser;
mod calibrate;
mod cli;
mod compare;
mod conformance;
mod eigen;
mod map;
mod plan;
#[cfg(unix)]
mod signals;
mod sincos;
mod stress;
mod sums;
mod support;
