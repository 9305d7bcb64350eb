//! What to expect of a backend before anything was measured on it: orders of magnitude from what the machine and the
//! adapter say of themselves. Everything measured takes precedence.

use serde::Serialize;

use super::demand::StepDemand;
use crate::job::Precision;
use crate::machine::profile::Times;

/// Expected rates and latencies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Prior {
    /// Seconds to open it.
    pub open: f64,
    /// Seconds to compile one kernel.
    pub compile: f64,
    /// Seconds for a run with nothing to do.
    pub launch: f64,
    /// f32 or integer operations per second that kernels reach.
    pub flops: f64,
    /// How many times as long an f64 operation takes.
    pub f64_factor: f64,
    /// Bytes per second of its memory.
    pub bandwidth: f64,
    /// Bytes per second between host and device; `None` for the host.
    pub link: Option<f64>,
}

/// Operations per second of one thread in vector code that is not tuned to the last bit: 3 GHz, one vector of eight a cycle.
const THREAD_FLOPS: f64 = 24e9;

/// The same in plain scalar code.
const SCALAR_FLOPS: f64 = 2e9;

/// Bytes per second that one thread moves, and that all threads of a socket move together.
const THREAD_BANDWIDTH: f64 = 10e9;
const SOCKET_BANDWIDTH: f64 = 40e9;

impl Prior {
    /// One thread and plain code.
    #[must_use]
    pub fn seq() -> Self {
        let bandwidth = THREAD_BANDWIDTH / 2.0;
        Self { open: 0.0, compile: 0.0, launch: 2e-7, flops: SCALAR_FLOPS, f64_factor: 1.0, bandwidth, link: None }
    }

    /// A pool of `threads` with vector code.
    #[must_use]
    pub fn cpu(threads: usize) -> Self {
        let threads = threads.max(1) as f64;
        Self {
            open: 1e-4,
            compile: 0.0,
            launch: 1e-5,
            flops: THREAD_FLOPS * threads,
            f64_factor: 2.0,
            bandwidth: (THREAD_BANDWIDTH * threads).min(SOCKET_BANDWIDTH),
            link: None,
        }
    }

    /// An adapter that calls itself `kind`, on a host with `threads`. Opening: a Vulkan loader, a driver and a device.
    #[must_use]
    pub fn adapter(kind: &str, threads: usize) -> Self {
        let gpu = Self {
            open: 0.15,
            compile: 0.05,
            launch: 1e-4,
            flops: 5e12,
            f64_factor: 32.0,
            bandwidth: 3e11,
            link: Some(1e10),
        };
        match kind {
            "discrete" => gpu,
            // It shares the host's memory: nothing crosses a bus, but copies are still made.
            "integrated" => Self { open: 0.1, flops: 1e12, bandwidth: SOCKET_BANDWIDTH, link: Some(2e10), ..gpu },
            // The same processors through a shader compiler: a few times as slow as our own code on them.
            "cpu" => {
                let host = Self::cpu(threads);
                let (flops, bandwidth) = (host.flops / 4.0, host.bandwidth / 4.0);
                Self { open: 0.05, flops, f64_factor: 2.0, bandwidth, link: Some(5e9), ..gpu }
            }
            _ => Self { flops: 2e12, bandwidth: 1e11, ..gpu },
        }
    }

    /// What one step takes: its operations or its bytes, whichever takes longer, and its copies.
    #[must_use]
    pub fn times(&self, step: &StepDemand) -> Times {
        let factor = if step.precision == Precision::F64 { self.f64_factor } else { 1.0 };
        // How much a solve has to do is known only after its analysis.
        let flops = if step.whole { step.size } else { step.items * step.work.flops };
        let computing = flops * factor / self.flops;
        let moving = step.items * (step.work.bytes_read + step.work.bytes_written) / self.bandwidth;
        let copies = match (self.link, &step.device) {
            (Some(link), Ok(device)) => [device.resident as f64 + step.items * device.per_item, 0.0].map(|b| b / link),
            (Some(link), Err(_)) => [step.work.bytes_read, step.work.bytes_written].map(|b| step.items * b / link),
            (None, _) => [0.0; 2],
        };
        Times { upload: copies[0], kernel: self.launch + computing.max(moving), download: copies[1], merge: 0.0 }
    }
}
