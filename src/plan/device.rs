//! Cutting a kernel for a GPU: how many items a chunk may hold on a device with these limits, and how a chunk becomes
//! workgroups. Arithmetic on plain numbers; no device is needed, and every product is checked.

use std::fmt;

use crate::job::{GpuOutput, GpuSlot, Kernel};
use crate::plan::{ChunkRule, DeviceLimits};
use crate::units;

/// Chunks in flight on one device: one computes while the host fills the next and empties the last.
pub const IN_FLIGHT: u64 = 2;

/// Loop iterations of one invocation that every adapter is known to carry out: half of the 65 535 after which some
/// software adapters end an invocation without a word. Half, because those count the test that ends a loop as well:
/// a loop that runs once counts twice.
pub const SAFE_ITERATIONS: u64 = 32_768;

/// What a chunk on a device costs at least, in bytes and operations: 1 ms at 20 GB/s or 20 GFLOP/s of a software
/// adapter, ten times the cost of a dispatch (85 us there), and a fraction of a millisecond on a GPU.
const CHUNK_COST: f64 = 2e7;

/// The same for the first chunk of a kernel whose speed on this device is unknown: 0.1 s at one operation a nanosecond,
/// which is slower than any adapter and still far below a driver's watchdog (2 s).
const FIRST_CHUNK_COST: f64 = 1e8;

/// Bytes that are left for what the driver adds to each buffer (alignment, the uniform block, timestamps).
const OVERHEAD: u64 = 64 << 10;

/// Why a kernel does not fit a device. `Display` ends with what the user can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// One input or the smallest output is larger than a binding may be.
    Binding {
        /// The buffer.
        what: String,
        /// Its bytes.
        required: u64,
        /// The device's limit.
        max: u64,
    },
    /// The resident inputs and two of the smallest chunks need more than there is.
    Memory {
        /// Bytes needed at least.
        required: u64,
        /// Bytes there are.
        max: u64,
    },
    /// The workgroup is larger than the device's.
    Workgroup {
        /// Invocations of the kernel's workgroup.
        required: u32,
        /// The device's limit.
        max: u32,
    },
    /// More storage buffers than a stage may have.
    Buffers {
        /// Storage buffers of the kernel.
        required: usize,
        /// The device's limit.
        max: u32,
    },
    /// The uniform block is larger than the device's.
    Uniform {
        /// Bytes of the block.
        required: u64,
        /// The device's limit.
        max: u64,
    },
    /// One grain of items needs more loop iterations than an invocation may have.
    Iterations {
        /// Iterations of the smallest share of one invocation.
        required: u64,
        /// The device's limit.
        max: u64,
    },
    /// The smallest chunk has more items than all workgroups of a dispatch handle.
    Dispatch {
        /// Items of the smallest chunk.
        required: u64,
        /// Items of the largest dispatch.
        max: u64,
    },
    /// The output columns do not all have numbers of the same size, which one buffer cannot hold side by side.
    Columns,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpu = "use --backend cpu";
        match self {
            Misfit::Binding { what, required, max } => write!(
                f,
                "its buffer {what} needs {}, this device binds at most {}; {cpu}",
                units::bytes(*required),
                units::bytes(*max)
            ),
            Misfit::Memory { required, max } => write!(
                f,
                "it needs at least {} of device memory, it may take {}; raise --max-device-memory or {cpu}",
                units::bytes(*required),
                units::bytes(*max)
            ),
            Misfit::Workgroup { required, max } => {
                write!(f, "its workgroup has {required} invocations, this device allows {max}; {cpu}")
            }
            Misfit::Buffers { required, max } => {
                write!(f, "it uses {required} storage buffers, this device allows {max}; {cpu}")
            }
            Misfit::Uniform { required, max } => write!(
                f,
                "its uniform block has {}, this device allows {}; {cpu}",
                units::bytes(*required),
                units::bytes(*max)
            ),
            Misfit::Iterations { required, max } => {
                write!(f, "one invocation needs {required} loop iterations, this device carries out {max}; {cpu}")
            }
            Misfit::Dispatch { required, max } => {
                write!(f, "its smallest chunk has {required} items, one dispatch of this device handles {max}; {cpu}")
            }
            Misfit::Columns => write!(f, "its output columns mix 4-byte and 8-byte numbers; {cpu}"),
        }
    }
}

/// How one chunk becomes a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Items that each invocation handles; the last one may get fewer.
    pub per_invocation: u64,
    /// Invocations that have work.
    pub invocations: u32,
    /// Workgroups in x and y. Their product may exceed what is needed, so the kernel compares with `invocations`.
    pub groups: [u32; 2],
}

impl Geometry {
    /// All workgroups of the dispatch, idle ones included.
    #[must_use]
    pub fn all_groups(&self) -> u64 {
        u64::from(self.groups[0]) * u64::from(self.groups[1])
    }
}

/// The largest number of items that one invocation may handle, a multiple of the grain.
fn share(slot: &GpuSlot<'_>, grain: u64, limits: &DeviceLimits) -> Result<u64, Misfit> {
    let by_iterations = limits.max_iterations.checked_div(slot.iterations_per_item).unwrap_or(u64::MAX);
    let most = slot.max_items_per_invocation.max(1).min(by_iterations).min(u64::from(u32::MAX));
    // A map handles one item per invocation whatever the grain of its chunks is.
    let unit = grain.min(slot.max_items_per_invocation.max(1));
    match most / unit * unit {
        0 => Err(Misfit::Iterations {
            required: slot.iterations_per_item.saturating_mul(unit),
            max: limits.max_iterations,
        }),
        share => Ok(share),
    }
}

/// Bytes that one item adds to a chunk's output buffer, or 0 for a reduction.
fn column_bytes(kernel: &dyn Kernel, slot: &GpuSlot<'_>) -> Result<u64, Misfit> {
    if slot.output != GpuOutput::Columns {
        return Ok(0);
    }
    let columns = kernel.columns();
    if columns.windows(2).any(|pair| pair[0].scalar.size() != pair[1].scalar.size()) {
        return Err(Misfit::Columns);
    }
    Ok(columns.iter().map(|column| (column.per_item * column.scalar.size()) as u64).sum())
}

/// How `kernel` is cut for a device: chunks whose buffers fit its bindings, whose two in flight fit its memory beside
/// the resident inputs, and whose workgroups fit a dispatch.
///
/// # Errors
/// The limit that not even the smallest chunk keeps.
pub fn chunk_rule(kernel: &dyn Kernel, slot: &GpuSlot<'_>, limits: &DeviceLimits) -> Result<ChunkRule, Misfit> {
    let grain = kernel.grain().max(1);
    if slot.workgroup == 0 || slot.workgroup > limits.max_workgroup {
        return Err(Misfit::Workgroup { required: slot.workgroup, max: limits.max_workgroup });
    }
    let buffers = slot.resident.len() + slot.streamed.len() + 1;
    if buffers > limits.max_storage_buffers as usize {
        return Err(Misfit::Buffers { required: buffers, max: limits.max_storage_buffers });
    }
    let uniform = uniform_bytes(slot);
    if uniform > limits.max_uniform {
        return Err(Misfit::Uniform { required: uniform, max: limits.max_uniform });
    }
    let share = share(slot, grain, limits)?;
    // The smallest chunk that may be cut: a grain, or everything when that is less.
    let least = slot.in_blocks(grain.min(kernel.items().max(1)));

    let mut max = u64::MAX;
    let mut binding = |what: &str, per_item: u64| -> Result<(), Misfit> {
        if per_item == 0 {
            return Ok(());
        }
        let items = limits.max_binding / per_item;
        if items < least {
            let required = per_item.saturating_mul(least);
            return Err(Misfit::Binding { what: what.into(), required, max: limits.max_binding });
        }
        max = max.min(items);
        Ok(())
    };
    let mut per_item = 0_u64;
    for streamed in &slot.streamed {
        binding(streamed.label, streamed.bytes_per_item as u64)?;
        per_item = per_item.saturating_add(streamed.bytes_per_item as u64);
    }
    let columns = column_bytes(kernel, slot)?;
    binding("output", columns)?;
    per_item = per_item.saturating_add(columns);

    let mut fixed = OVERHEAD;
    for resident in &slot.resident {
        let bytes = resident.n_bytes();
        if bytes > limits.max_binding {
            return Err(Misfit::Binding { what: resident.label.into(), required: bytes, max: limits.max_binding });
        }
        fixed = fixed.saturating_add(bytes);
    }

    // Workgroups: as many as a dispatch, a u32 index and (for a reduction) the output buffer allow. Partials may take a
    // quarter of the memory.
    let mut groups = u64::from(limits.max_workgroups) * u64::from(limits.max_workgroups);
    groups = groups.min(u64::from(u32::MAX) / u64::from(slot.workgroup));
    if let GpuOutput::Partials { words } = slot.output {
        let bytes = u64::from(words.max(1)) * 4;
        let budget = limits.max_memory.saturating_sub(fixed) / 4;
        let fit = (limits.max_binding.min(budget / IN_FLIGHT)) / bytes;
        // Rounding to a rectangle of workgroups adds less than a row.
        let fit = fit.saturating_sub(fit / u64::from(limits.max_workgroups.max(1)) + 1);
        if fit == 0 {
            let required = fixed.saturating_add(8 * IN_FLIGHT * bytes);
            return Err(Misfit::Memory { required, max: limits.max_memory });
        }
        groups = groups.min(fit);
        fixed = fixed.saturating_add(budget);
    }
    if let GpuOutput::Shared { words } = slot.output {
        fixed = fixed.saturating_add(u64::from(words) * 4 * IN_FLIGHT);
    }
    let dispatch = groups.saturating_mul(u64::from(slot.workgroup)).saturating_mul(share);
    if dispatch < least {
        return Err(Misfit::Dispatch { required: least, max: dispatch });
    }
    max = max.min(dispatch);
    if slot.output == GpuOutput::Columns {
        // Values are indexed with u32 in the shader.
        let values: u64 = kernel.columns().iter().map(|column| column.per_item as u64).sum();
        max = max.min(u64::from(u32::MAX) / values.max(1));
    }

    if let Some(each) = per_item.checked_mul(IN_FLIGHT).filter(|each| *each > 0) {
        let left = limits.max_memory.saturating_sub(fixed);
        if left / each < least {
            let required = fixed.saturating_add(each.saturating_mul(least));
            return Err(Misfit::Memory { required, max: limits.max_memory });
        }
        max = max.min(left / each);
    } else if fixed > limits.max_memory {
        return Err(Misfit::Memory { required: fixed, max: limits.max_memory });
    }

    // Edges are multiples of the grain; a kernel smaller than one grain is a single short chunk.
    let max = (max / grain * grain).max(grain);
    let work = kernel.work();
    let items = (CHUNK_COST / (work.flops.max(work.bytes_read + work.bytes_written)).max(1.0)) as u64;
    let min = items.max(limits.fill.min(max)).max(1).div_ceil(grain).saturating_mul(grain).min(max);
    Ok(ChunkRule { lanes: IN_FLIGHT, min, max, grain })
}

/// Bytes of the uniform block: the eight common words, then the slot's own, padded to 16 bytes.
#[must_use]
pub fn uniform_bytes(slot: &GpuSlot<'_>) -> u64 {
    (32 + 4 * slot.params.len() as u64).next_multiple_of(16)
}

/// Items of the first chunk of a kernel whose speed on the device is unknown.
#[must_use]
pub fn first_chunk(kernel: &dyn Kernel) -> u64 {
    let work = kernel.work();
    ((FIRST_CHUNK_COST / (work.flops.max(work.bytes_read + work.bytes_written)).max(1.0)) as u64).max(1)
}

/// The dispatch for a chunk of `items` that [`chunk_rule`] allowed: as many invocations as keep the device busy, each
/// with as few items as that takes.
///
/// # Errors
/// As [`chunk_rule`], when the share of one invocation does not fit.
pub fn geometry(slot: &GpuSlot<'_>, grain: u64, limits: &DeviceLimits, items: u64) -> Result<Geometry, Misfit> {
    let most = share(slot, grain.max(1), limits)?;
    let unit = grain.max(1).min(slot.max_items_per_invocation.max(1));
    let in_units = |items: u64| items.div_ceil(unit).saturating_mul(unit);
    let even = in_units(items.div_ceil(limits.fill.max(1)));
    // No more invocations than the largest dispatch has, however many would keep the device busy.
    let rows = u64::from(limits.max_workgroups.max(1));
    let largest = rows.saturating_mul(rows).saturating_mul(u64::from(slot.workgroup.max(1)));
    let fits = in_units(items.div_ceil(largest));
    let per_invocation = even.max(fits).clamp(unit, most);
    let too_many = || Misfit::Iterations { required: items, max: most };
    let invocations = u32::try_from(items.div_ceil(per_invocation)).map_err(|_| too_many())?;
    let groups = invocations.div_ceil(slot.workgroup.max(1)).max(1);
    let rows = groups.div_ceil(limits.max_workgroups.max(1));
    if rows > limits.max_workgroups {
        return Err(too_many());
    }
    Ok(Geometry { per_invocation, invocations, groups: [groups.div_ceil(rows), rows] })
}

/// Adapts the items of a dispatch to a target time from how long dispatches took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Seconds that one dispatch should take.
    target: f64,
    /// Items of the next dispatch.
    items: f64,
    /// The fewest seconds an item that a dispatch has shown.
    best: f64,
}

/// How much a dispatch may grow from one to the next: a speed seen on a short one may be wrong by its launch cost.
const GROWTH: f64 = 4.0;

/// A dispatch this short disturbs nobody: where most of it is launching, fewer items would only be more launches.
const BRIEF: f64 = 0.01;

impl Pace {
    /// Starts with `first` items.
    #[must_use]
    pub fn new(target: f64, first: u64) -> Self {
        Self {
            target: if target.is_finite() && target > 0.0 { target } else { 0.1 },
            items: first.max(1) as f64,
            best: f64::INFINITY,
        }
    }

    /// Items of the next dispatch.
    #[must_use]
    pub fn items(&self) -> u64 {
        // The cast saturates.
        (self.items as u64).max(1)
    }

    /// Learns that a dispatch of `items` took `seconds`. A dispatch that was short because its chunk was (the end of a
    /// job) says nothing against a larger one; one that took too long always counts, unless it is short and its items
    /// have taken less than half of it.
    pub fn learn(&mut self, items: u64, seconds: f64) {
        if items == 0 || !seconds.is_finite() || seconds < 0.0 {
            return;
        }
        self.best = self.best.min(seconds.max(1e-9) / items as f64);
        let launching = seconds < BRIEF && self.best * (items as f64) < 0.5 * seconds;
        let factor = (self.target / seconds.max(1e-9)).clamp(1.0 / 8.0, GROWTH);
        let next = items as f64 * factor;
        if (factor < 1.0 && !launching) || next > self.items {
            self.items = next.max(1.0);
        }
    }
}

#[cfg(test)]
mod tests;
