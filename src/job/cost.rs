//! What the cost model knows a kernel by: how much it has to do, and which code does it.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Kernel, Step, Work};

impl Work {
    /// The larger of an item's operations and bytes: what measured times are kept by. Not a time; one number that grows
    /// with the item, whichever of the two binds.
    #[must_use]
    pub fn cost(self) -> f64 {
        self.flops.max(self.bytes_read + self.bytes_written)
    }
}

/// [`Kernel::size`] of all steps.
#[must_use]
pub fn total_cost(steps: &[Step<'_>]) -> f64 {
    steps.iter().map(|step| step.kernel().size()).sum()
}

/// What tells the code of `kernel` from another of the same name: on a device a hash of its WGSL text and its
/// [`Kernel::variant`]; on the host, and where there is no text, the variant alone, since the code is the version's.
#[must_use]
pub fn kernel_hash(kernel: &dyn Kernel, device: bool) -> u64 {
    let Some(slot) = device.then(|| kernel.gpu().ok()).flatten() else { return kernel.variant() };
    let mut hasher = DefaultHasher::new();
    (&slot.source, &slot.source_int64, kernel.variant()).hash(&mut hasher);
    hasher.finish()
}

/// The name under which a profile keeps what a job does after its last step: `pi answer`, `stress tet4 answer`. The first
/// kernel belongs to it, because what is left to do depends on what the steps wrote.
#[must_use]
pub fn answer_name(workload: &str, steps: &[Step<'_>]) -> String {
    match steps.first().map(|step| step.kernel().name()) {
        Some(kernel) if kernel != workload => format!("{workload} {kernel} answer"),
        _ => format!("{workload} answer"),
    }
}
