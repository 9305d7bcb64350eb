//! Measured facts of this machine: what the cost model predicts from. `hetero calibrate` fills a profile, every run
//! refines it. Plain data that prints and parses; measuring is not done here.

use serde::{Deserialize, Serialize};

mod curve;
mod robust;
mod store;

pub use curve::{Curve, Times};
pub use robust::Robust;
pub use store::{Found, Key, path};

/// The name and version of the file. A file with another one is not read.
pub const SCHEMA: &str = "hetero.profile/2";

/// What is known of one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// [`SCHEMA`].
    pub schema: String,
    /// Whose facts these are.
    pub key: Key,
    /// The host's memory, arithmetic and files.
    #[serde(default)]
    pub host: HostFacts,
    /// What each backend was seen to do.
    #[serde(default)]
    pub backends: Vec<BackendProfile>,
}

/// What the host's processors, memory and disk reach. `None`: not measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFacts {
    /// Bytes per second read by all threads, by the bytes that are read over and over (cache first, memory last).
    pub read: Vec<Rate>,
    /// Bytes per second of a triad on main memory.
    pub triad: Option<f64>,
    /// f64 operations per second, a fused multiply-add being two.
    pub flops_f64: Option<f64>,
    /// f32 operations per second.
    pub flops_f32: Option<f64>,
    /// 32-bit integer operations per second.
    pub int_ops: Option<f64>,
    /// Seconds to wake the pool, run nothing on every worker, and return.
    pub pool_wake: Option<f64>,
    /// Bytes per second of reading a file that the system has in memory.
    pub file_read: Option<f64>,
    /// Bytes of the last-level cache.
    pub cache_bytes: Option<u64>,
}

/// A rate at one size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Bytes at a time.
    pub bytes: f64,
    /// Bytes per second.
    pub per_second: f64,
}

/// What one backend was seen to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BackendProfile {
    /// `seq`, `cpu`, `gpu`, `gpu:1`.
    pub id: String,
    /// The adapter, when it is one; another adapter or driver under the same id makes the entry stale.
    #[serde(default)]
    pub adapter: Option<AdapterKey>,
    /// Threads that computed.
    pub threads: usize,
    /// Seconds to open it in a new process.
    #[serde(default)]
    pub open: Robust,
    /// Seconds for a run of one empty chunk.
    #[serde(default)]
    pub launch: Robust,
    /// Copies to the device: seconds by bytes.
    #[serde(default)]
    pub upload: Vec<Rate>,
    /// Copies from the device.
    #[serde(default)]
    pub download: Vec<Rate>,
    /// What a device reaches on its own memory; `None` for the host and what runs on its processors.
    #[serde(default)]
    pub reach: Option<Reach>,
    /// What its kernels took.
    #[serde(default)]
    pub kernels: Vec<KernelProfile>,
}

/// What a device reaches by itself: the ceilings that its kernels are held against. `None`: not measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reach {
    /// Bytes per second read from its memory.
    pub read: Option<f64>,
    /// Bytes per second of a triad on its memory.
    pub triad: Option<f64>,
    /// f64 operations per second, a fused multiply-add being two.
    pub flops_f64: Option<f64>,
    /// f32 operations per second.
    pub flops_f32: Option<f64>,
    /// 32-bit integer operations per second.
    pub int_ops: Option<f64>,
}

/// What tells one adapter from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterKey {
    /// Name as the driver gives it.
    pub name: String,
    /// `cpu`, `integrated`, `discrete`, `virtual` or `other`.
    pub kind: String,
    /// `vulkan`, `metal` or `dx12`.
    pub api: String,
    /// Driver name and version.
    pub driver: String,
    /// Whether it runs on the host's processors.
    pub software: bool,
    /// Bytes that one binding may have at most.
    #[serde(default)]
    pub max_binding: u64,
    /// Bytes of memory that jobs may use; 0 when unknown.
    #[serde(default)]
    pub memory: u64,
    /// Names of the capabilities that it lacks (its self-test failed).
    #[serde(default)]
    pub lacks: Vec<String>,
}

/// What one kernel took on one backend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KernelProfile {
    /// Its name; `answer` after a workload's name for what a job does after its last step.
    pub name: String,
    /// The precision that it was built for.
    pub precision: String,
    /// What tells its code from another of the same name, as far as that can be seen: see
    /// [`crate::job::kernel_hash`].
    #[serde(default)]
    pub hash: u64,
    /// Seconds to compile it.
    #[serde(default)]
    pub compile: Robust,
    /// What runs took, by declared cost: items times the larger of operations and bytes of an item.
    #[serde(default)]
    pub curve: Curve,
}

impl Profile {
    /// An empty profile of the machine that `key` describes.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self { schema: SCHEMA.into(), key, host: HostFacts::default(), backends: Vec::new() }
    }

    /// Takes over from `old` what was not measured this time: backends that are not here now, kernels and precisions
    /// that only runs have seen.
    pub fn keep(&mut self, old: Profile) {
        for backend in old.backends {
            match self.backends.iter_mut().find(|known| known.id == backend.id) {
                None => self.backends.push(backend),
                Some(known)
                    if known.threads == backend.threads
                        && same_adapter(known.adapter.as_ref(), backend.adapter.as_ref()) =>
                {
                    for kernel in backend.kernels {
                        if !known.kernels.iter().any(|k| k.name == kernel.name && k.precision == kernel.precision) {
                            known.kernels.push(kernel);
                        }
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// What is known of the backend `id`.
    #[must_use]
    pub fn backend(&self, id: &str) -> Option<&BackendProfile> {
        self.backends.iter().find(|backend| backend.id == id)
    }

    /// The entry of the backend `id`, new when there was none or when it was of another adapter, driver or number of
    /// threads.
    pub fn backend_mut(&mut self, id: &str, adapter: Option<&AdapterKey>, threads: usize) -> &mut BackendProfile {
        let same = |known: &BackendProfile| known.threads == threads && same_adapter(known.adapter.as_ref(), adapter);
        let at = match self.backends.iter().position(|known| known.id == id) {
            Some(at) if same(&self.backends[at]) => {
                self.backends[at].know(adapter);
                at
            }
            Some(at) => {
                self.backends[at] =
                    BackendProfile { id: id.into(), adapter: adapter.cloned(), threads, ..BackendProfile::default() };
                at
            }
            None => {
                let new =
                    BackendProfile { id: id.into(), adapter: adapter.cloned(), threads, ..BackendProfile::default() };
                self.backends.push(new);
                self.backends.len() - 1
            }
        };
        &mut self.backends[at]
    }
}

/// Whether both are the same device with the same driver.
fn same_adapter(a: Option<&AdapterKey>, b: Option<&AdapterKey>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => (&a.name, &a.kind, &a.api, &a.driver) == (&b.name, &b.kind, &b.api, &b.driver),
        _ => false,
    }
}

impl BackendProfile {
    /// Takes over what is known of the same adapter by now: parts of its self-test run when a kernel first needs them.
    fn know(&mut self, adapter: Option<&AdapterKey>) {
        if let (Some(known), Some(now)) = (&mut self.adapter, adapter) {
            let before = std::mem::replace(known, now.clone());
            known.lacks.extend(before.lacks.into_iter().filter(|lack| !now.lacks.contains(lack)));
        }
    }

    /// What is known of the kernel `name` at `precision`; nothing when its code was another one.
    #[must_use]
    pub fn kernel(&self, name: &str, precision: &str, hash: u64) -> Option<&KernelProfile> {
        self.kernels.iter().find(|known| known.name == name && known.precision == precision && known.hash == hash)
    }

    /// What is known of the kernel `name` at `precision`, whatever its code was: of the code that was met last.
    #[must_use]
    pub fn kernel_of_any_code(&self, name: &str, precision: &str) -> Option<&KernelProfile> {
        self.kernels.iter().rfind(|known| known.name == name && known.precision == precision)
    }

    /// The entry of a kernel, new when there was none for this code. One name may stand for several texts (with and without
    /// temperatures); of those the last eight are kept, so that old code is forgotten in time.
    pub fn kernel_mut(&mut self, name: &str, precision: &str, hash: u64) -> &mut KernelProfile {
        let same = |known: &KernelProfile| known.name == name && known.precision == precision;
        let at = match self.kernels.iter().position(|known| same(known) && known.hash == hash) {
            Some(at) => at,
            None => {
                if self.kernels.iter().filter(|known| same(known)).count() >= VARIANTS
                    && let Some(oldest) = self.kernels.iter().position(same)
                {
                    self.kernels.remove(oldest);
                }
                let (name, precision) = (name.into(), precision.into());
                self.kernels.push(KernelProfile { name, precision, hash, ..KernelProfile::default() });
                self.kernels.len() - 1
            }
        };
        &mut self.kernels[at]
    }
}

/// Texts and variants of one kernel that are kept.
const VARIANTS: usize = 8;

/// Seconds to copy `bytes`, from the rates measured around that size (log-log between them, the nearest one outside).
#[must_use]
pub fn copy_seconds(rates: &[Rate], bytes: f64) -> Option<f64> {
    let mut points: Vec<(f64, f64)> = rates
        .iter()
        .filter(|rate| rate.bytes > 0.0 && rate.per_second > 0.0)
        .map(|rate| (rate.bytes, rate.bytes / rate.per_second))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    curve::interpolate(&points, bytes)
}

#[cfg(test)]
mod tests;
