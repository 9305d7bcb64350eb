//! What runs chunks. A backend offers lanes; the chunk loop in `exec` feeds them. Adding a backend: its file and its
//! entry in [`BACKENDS`].

use serde::Serialize;

use crate::error::{Error, Result};
use crate::job::{Chunk, ChunkOut, FOLD_WORDS, Host, Kernel, Precision};
use crate::machine::profile::{AdapterKey, Reach};
use crate::plan::ChunkRule;

pub mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod seq;

pub use crate::config::BackendOptions;
pub use crate::job::Phases;

/// What a backend is, for reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackendFacts {
    /// `seq`, `cpu`, `gpu`, `gpu:1`.
    pub id: String,
    /// Threads (1 for a device: the thread that owns it).
    pub threads: usize,
    /// Instruction set of the host code.
    pub simd: &'static str,
    /// The device, if it is one.
    pub adapter: Option<AdapterFacts>,
}

/// What an adapter is, for reports. The JSON report's `adapter` object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdapterFacts {
    /// Name as the driver gives it.
    pub name: String,
    /// `cpu`, `integrated`, `discrete`, `virtual` or `other`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `vulkan`, `metal` or `dx12`.
    pub api: String,
    /// Driver name and version.
    pub driver: String,
    /// Whether it runs on the CPU: a software adapter, not a GPU.
    pub software: bool,
}

/// A finished chunk.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// Its items.
    pub chunk: Chunk,
    /// Its sums.
    pub fold: [u64; FOLD_WORDS],
}

/// One stream of chunks through a backend. Chunks come back in the order in which they were submitted.
pub trait Lane<'w> {
    /// How many chunks may be in flight before [`Lane::collect`] must be called.
    fn depth(&self) -> usize;

    /// A limit on the next chunk's items that the lane has learnt from earlier ones; `None` when it has no opinion.
    fn appetite(&self) -> Option<u64> {
        None
    }

    /// Takes a chunk. A host lane computes it at once, a device lane queues it.
    ///
    /// # Errors
    /// [`Error::Device`] when the device failed.
    fn submit(&mut self, part: ChunkOut<'w>) -> Result<()>;

    /// Waits for the oldest chunk in flight; its results are in the output when this returns.
    ///
    /// # Errors
    /// [`Error::Device`] when the device failed or did not answer in time.
    fn collect(&mut self) -> Result<Done>;

    /// Seconds that the lane has spent so far copying inputs to a device, and results from it.
    fn copied(&self) -> [f64; 2] {
        [0.0; 2]
    }
}

/// The work of one lane: the chunk loop, called once per lane on the lane's own thread.
pub type LaneBody<'b, 'w> = dyn Fn(&mut dyn Lane<'w>) -> Result<()> + Sync + 'b;

/// Something that runs chunks.
pub trait Backend: Send {
    /// What it is.
    fn facts(&self) -> BackendFacts;

    /// What tells its device from others, and what is known of it; `None` where there is none.
    fn adapter_key(&self) -> Option<AdapterKey> {
        None
    }

    /// Measures what its device reaches by itself, in well under a second; `None` where that is the host's.
    ///
    /// # Errors
    /// [`Error::Device`] or [`Error::Resource`].
    fn reach(&mut self) -> Result<Option<Reach>> {
        Ok(None)
    }

    /// Whether its workers are pinned to CPUs; `None` where there are none.
    fn pinned(&self) -> Option<bool> {
        None
    }

    /// Whether it is the reference that others are checked against: it then computes in the reference's precision only.
    fn is_reference(&self) -> bool {
        false
    }

    /// The precision it uses when the user did not choose.
    fn default_precision(&self, job: &dyn crate::job::Job) -> Precision {
        job.precisions()[0]
    }

    /// How many chunks it computes at the same time. Chunks in flight on a device follow each other.
    fn side_by_side(&self) -> usize {
        1
    }

    /// Seconds that a chunk should last at least beside other backends, so that handing it out costs little.
    fn brief(&self) -> f64 {
        20e-6
    }

    /// How it wants `kernel` cut, or why it cannot run it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the reason.
    fn chunks(&self, kernel: &dyn Kernel) -> Result<ChunkRule>;

    /// Everything that is done once per kernel and process: compile, allocate. Returns the seconds it took.
    ///
    /// # Errors
    /// [`Error::Device`] or [`Error::Unavailable`].
    fn prepare(&mut self, kernel: &dyn Kernel) -> Result<f64> {
        let _ = kernel;
        Ok(0.0)
    }

    /// Runs `body` once per lane, each on its own thread, and returns when all have returned. The phases are this
    /// call's wall time.
    ///
    /// # Errors
    /// The first error of a lane.
    fn run<'w>(&mut self, kernel: &dyn Kernel, body: &LaneBody<'_, 'w>) -> Result<Phases>;

    /// The processors that a whole solve may use.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: a device has none to lend.
    fn host(&self) -> Result<Host<'_>> {
        let why = "a whole solve stays on the host's processors; use --backend cpu".into();
        Err(Error::Unavailable { backend: self.facts().id, why })
    }

    /// Seconds that the device's own clock counted for the last run; `None` without such a clock, or when any of its
    /// readings made no sense.
    fn device_seconds(&self) -> Option<f64> {
        None
    }

    /// Readings of the device's clock in the last run that were zero, negative or longer than the wall time.
    fn dropped_timestamps(&self) -> u64 {
        0
    }
}

/// Opens a backend, or its Nth device.
pub type Open = fn(&BackendOptions, Option<usize>) -> Result<Box<dyn Backend>>;

/// One kind of backend: its name and how to open it.
pub struct BackendEntry {
    /// Name on the command line.
    pub name: &'static str,
    /// One line for `hetero list`.
    pub about: &'static str,
    /// Whether `name:N` selects one of several devices.
    pub numbered: bool,
    /// Whether its slot is the kernel's `gpu` one.
    pub device: bool,
    /// Opens it.
    pub open: Open,
    /// Looks for its devices without opening them, the best first; none for the host's own processors.
    pub devices: fn(&BackendOptions) -> Vec<DeviceFacts>,
}

/// A device that could be opened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceFacts {
    /// Its name as a backend: `gpu`, `gpu:1`.
    pub id: String,
    /// What it is.
    pub adapter: AdapterFacts,
}

/// Every backend of this build, in the order of `--backend all`.
pub static BACKENDS: &[BackendEntry] = &[
    seq::ENTRY,
    cpu::ENTRY,
    #[cfg(feature = "gpu")]
    gpu::ENTRY,
];

/// Opens a backend by the name a user typed: `cpu`, `gpu:1`.
///
/// # Errors
/// [`Error::Usage`] for an unknown name; whatever opening it returns.
pub fn open(id: &str, options: &BackendOptions) -> Result<Box<dyn Backend>> {
    let (entry, index) = parse(id)?;
    (entry.open)(options, index)
}

/// The entry and device number behind a backend name.
///
/// # Errors
/// [`Error::Usage`] that lists the names there are.
pub fn parse(id: &str) -> Result<(&'static BackendEntry, Option<usize>)> {
    let (name, number) = id.split_once(':').map_or((id, None), |(name, number)| (name, Some(number)));
    let entry = BACKENDS.iter().find(|entry| entry.name == name && (number.is_none() || entry.numbered));
    let index = number.map(str::parse::<usize>).transpose();
    match (entry, index) {
        (Some(entry), Ok(index)) => Ok((entry, index)),
        _ => {
            let names: Vec<_> = BACKENDS.iter().map(|entry| entry.name).collect();
            Err(Error::Usage(format!(
                "there is no backend '{id}'; there are: {} (and hybrid, auto and all for what runs)",
                names.join(", ")
            )))
        }
    }
}

/// Where a backend stands in the registry's order; devices of one kind by number.
#[must_use]
pub fn rank(id: &str) -> (usize, usize) {
    let (name, number) = id.split_once(':').map_or((id, 0), |(name, number)| (name, number.parse().unwrap_or(0)));
    (BACKENDS.iter().position(|entry| entry.name == name).unwrap_or(BACKENDS.len()), number)
}
