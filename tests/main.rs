//! The tests of hetero as a whole, by behaviour. Unit tests stand beside the code.

mod batch;
mod browser;
mod calibrate;
mod cli;
mod compare;
mod conformance;
mod eigen;
#[cfg(feature = "net")]
mod fetch;
mod map;
#[cfg(feature = "net")]
mod net;
#[cfg(not(feature = "net"))]
mod no_net;
mod plan;
#[cfg(feature = "net")]
mod server;
#[cfg(unix)]
mod signals;
mod sincos;
mod stress;
mod sums;
mod support;
