//! What this computer is: facts that reports print. Found in well under a millisecond, on the way of every run.

use serde::Serialize;

pub mod discover;
pub mod limits;
pub mod pool;
pub mod profile;
pub mod topology;

/// A computer as far as its system tells; what it does not tell is `None` (`null`) or empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Machine {
    /// Name of the processor.
    pub cpu: String,
    /// Physical cores of the machine.
    pub cores: usize,
    /// Logical CPUs of the machine.
    pub threads: usize,
    /// Main memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Name of the operating system, as it calls itself.
    pub os: String,
    /// The kernel and its release.
    pub kernel: String,
    /// Processor architecture.
    pub arch: &'static str,
    /// Logical CPUs that this process may use: what its affinity and its control group leave of `threads`.
    pub usable_threads: usize,
    /// Highest instruction set that hetero has code for here.
    pub simd: &'static str,
    /// Memory in bytes that can be taken without swapping.
    pub memory_available_bytes: Option<u64>,
    /// Data caches of the first CPU, innermost first.
    pub caches: Vec<Cache>,
    /// Memory nodes.
    pub numa_nodes: usize,
    /// Setting of transparent huge pages: `always`, `madvise` or `never`.
    pub huge_pages: Option<String>,
    /// CPUs' worth of time that a control group grants.
    pub cpu_quota: Option<f64>,
    /// Memory in bytes that a control group grants.
    pub memory_limit_bytes: Option<u64>,
}

impl Machine {
    /// This computer. Never fails: what cannot be found out is left open.
    #[must_use]
    pub fn discover() -> Self {
        discover::machine()
    }

    /// Size in bytes of the last data cache; `None` when unknown.
    #[must_use]
    pub fn last_cache_bytes(&self) -> Option<u64> {
        self.caches.last().map(|cache| cache.bytes)
    }
}

/// One level of data cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// 1 is the innermost.
    pub level: u32,
    /// Its size.
    pub bytes: u64,
    /// Logical CPUs that share it.
    pub shared_by: usize,
}
