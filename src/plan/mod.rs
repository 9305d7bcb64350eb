//! Deciding: which chunks a backend gets. The result is plain data that prints; doing is `exec`'s.

use serde::Serialize;

use crate::job::Kernel;

pub mod cost;
pub mod demand;
pub mod device;
pub mod guide;
pub mod policy;
pub mod prior;
pub mod share;

/// What bounds the chunks of one backend: measured or reported facts, no device handle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limits {
    /// How many chunks the backend works on at the same time (threads of a pool, chunks in flight on a device).
    pub lanes: usize,
    /// Facts of the device; `None` for the host's own processors.
    pub device: Option<DeviceLimits>,
}

/// The limits of a GPU that decide the size of a chunk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceLimits {
    /// Largest storage buffer binding in bytes.
    pub max_binding: u64,
    /// Memory that all buffers together may take (`--max-device-memory`, or what the device has).
    pub max_memory: u64,
    /// Storage buffers that one kernel may use.
    pub max_storage_buffers: u32,
    /// Bytes of a uniform block.
    pub max_uniform: u64,
    /// Invocations in one workgroup.
    pub max_workgroup: u32,
    /// Workgroups in one dimension of a dispatch.
    pub max_workgroups: u32,
    /// Loop iterations after which an invocation is cut short (measured, or the safe default).
    pub max_iterations: u64,
    /// Invocations that keep the whole device busy: a chunk smaller than that wastes it.
    pub fill: u64,
    /// How long one dispatch should take, in seconds.
    pub dispatch_target: f64,
}

/// How the items of one kernel are cut for one backend. Guided: a chunk is the remaining items divided by
/// `2 * lanes`, kept in `min..=max` and rounded up to the grain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ChunkRule {
    /// Chunks that are worked on at the same time.
    pub lanes: u64,
    /// Smallest chunk but the last.
    pub min: u64,
    /// Largest chunk.
    pub max: u64,
    /// Chunk edges are multiples of it.
    pub grain: u64,
}

impl ChunkRule {
    /// The same with chunks of at most `items`, a grain at least.
    #[must_use]
    pub fn at_most(self, items: u64) -> Self {
        let max = (items / self.grain * self.grain).max(self.grain).min(self.max);
        Self { min: self.min.min(max), max, ..self }
    }

    /// Items of the next chunk when `remaining` are left: never 0 unless nothing is left.
    #[must_use]
    pub fn next(&self, remaining: u64) -> u64 {
        let guided = remaining.div_ceil(2 * self.lanes).clamp(self.min, self.max.max(self.min));
        guided.div_ceil(self.grain).saturating_mul(self.grain).min(remaining)
    }
}

/// What one step costs at least in time before cutting it smaller pays, in bytes and operations of a CPU worker.
/// 20 us of work at 10 GB/s or 10 GFLOP/s: 40 times the cost of handing a chunk out.
const CPU_CHUNK_COST: f64 = 200_000.0;

/// The most work a chunk on the CPU may hold, so that Ctrl-C and progress answer within 50 ms on one slow core.
const CPU_CHUNK_CAP: f64 = 50_000_000.0;

/// Cuts `kernel` for the host's processors.
#[must_use]
pub fn cpu_chunks(kernel: &dyn Kernel, lanes: usize) -> ChunkRule {
    let work = kernel.work();
    let cost = (work.flops.max(work.bytes_read + work.bytes_written)).max(1.0);
    let grain = kernel.grain().max(1);
    let items = |budget: f64| ((budget / cost) as u64).max(1).div_ceil(grain) * grain;
    ChunkRule { lanes: lanes.max(1) as u64, min: items(CPU_CHUNK_COST), max: items(CPU_CHUNK_CAP), grain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_rule_keeps_the_grain() {
        let rule = ChunkRule { lanes: 2, min: 64, max: 1 << 20, grain: 4 };
        assert_eq!(rule.at_most(101), ChunkRule { min: 64, max: 100, ..rule });
        assert_eq!(rule.at_most(50), ChunkRule { min: 48, max: 48, ..rule });
        assert_eq!(rule.at_most(0), ChunkRule { min: 4, max: 4, ..rule });
        assert_eq!(rule.at_most(u64::MAX), rule);
    }

    #[test]
    fn chunks_shrink_cover_everything_and_respect_the_grain() {
        let rule = ChunkRule { lanes: 2, min: 8, max: 1 << 20, grain: 4 };
        for items in [0u64, 1, 3, 4, 5, 1000, 12_345_678] {
            let (mut start, mut last) = (0, u64::MAX);
            while start < items {
                let n = rule.next(items - start);
                assert!(n > 0 && n <= last, "{items}: {n} after {last}");
                assert!(start + n == items || n.is_multiple_of(4));
                (start, last) = (start + n, n);
            }
            assert_eq!(start, items);
        }
    }
}
