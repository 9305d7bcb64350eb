//! How a factor is laid out and computed, from the pattern alone: columns, batches, and the memory of both.

use crate::error::{Error, Result};
use crate::sparse::assemble::zeros;
use crate::sparse::symbolic::{NONE, Supernodes};

/// A batch has at most this share of the operations: small enough for an even load, and fixed, so that the places where
/// sequential and parallel kernels meet do not depend on the threads.
const BATCHES: f64 = 200.0;
/// Nor is a batch smaller than this; a microsecond or ten of work is not worth a hand-over.
const LEAST_BATCH: f64 = 2e5;

/// How a factor is laid out and computed; from the pattern alone.
#[derive(Debug, Default)]
pub(in crate::sparse) struct Plan {
    /// Where each supernode's columns start in the values, a block of `height x width` each.
    pub(in crate::sparse) value_starts: Vec<usize>,
    first_child: Vec<u32>,
    sibling: Vec<u32>,
    /// Ranges of supernodes, whole subtrees each, and single fronts above the cut that have no children.
    pub(super) batches: Vec<std::ops::Range<u32>>,
    /// Number of children of the fronts above the cut; `NONE` below.
    pub(super) waits_for: Vec<u32>,
    /// Which end of the stack an update of a batch goes to: those of siblings to one, those of their parents to the other.
    pub(super) at_end: Vec<bool>,
    /// Numbers on a batch's stack at its fullest.
    pub(super) stack: usize,
    /// Numbers in updates that are alive outside of batches at the most, one thread working.
    updates: usize,
    pub(super) widest: usize,
    /// Operations, the zeros of the supernodes included.
    pub(in crate::sparse) flops: f64,
}

impl Plan {
    pub(in crate::sparse) fn new(nodes: &Supernodes) -> Result<Self> {
        let count = nodes.len();
        let mut plan = Plan {
            value_starts: zeros(count + 1, "the plan")?,
            first_child: zeros(count, "the plan")?,
            sibling: zeros(count, "the plan")?,
            waits_for: zeros(count, "the plan")?,
            at_end: zeros(count, "the plan")?,
            ..Plan::default()
        };
        plan.first_child.fill(NONE);
        plan.sibling.fill(NONE);
        // Operations and first descendant of each subtree.
        let mut work = zeros::<f64>(count, "the plan")?;
        let mut first: Vec<u32> = (0..count as u32).collect();
        for s in 0..count {
            let (width, below) = (nodes.width(s), nodes.below(s).len());
            plan.widest = plan.widest.max(width);
            let size = (width + below).checked_mul(width).and_then(|size| size.checked_add(plan.value_starts[s]));
            plan.value_starts[s + 1] = size.ok_or_else(|| Error::memory("the factor", u64::MAX))?;
            let squares = |m: f64| m * (m + 1.0) * (2.0 * m + 1.0) / 6.0;
            let own = squares((width + below) as f64) - squares(below as f64);
            plan.flops += own;
            work[s] += own;
            if nodes.parent[s] != NONE {
                let p = nodes.parent[s] as usize;
                work[p] += work[s];
                first[p] = first[p].min(first[s]);
            }
        }
        for s in (0..count).rev() {
            if nodes.parent[s] != NONE {
                let p = nodes.parent[s] as usize;
                plan.sibling[s] = plan.first_child[p];
                plan.first_child[p] = s as u32;
                plan.at_end[s] = !plan.at_end[p];
            }
        }
        let cut = (plan.flops / BATCHES).max(LEAST_BATCH);
        let above = |s: usize| work[s] > cut;
        let mut batch_work = 0.0;
        for s in 0..count {
            plan.waits_for[s] = NONE;
            if above(s) {
                plan.waits_for[s] = plan.children(s).count() as u32;
                if plan.waits_for[s] == 0 {
                    plan.batches.push(s as u32..s as u32 + 1);
                    batch_work = f64::INFINITY;
                }
            } else if nodes.parent[s] == NONE || above(nodes.parent[s] as usize) {
                // The root of a subtree below the cut: joined to the last batch if that is next to it and small.
                let range = first[s]..s as u32 + 1;
                match plan.batches.last_mut() {
                    Some(last) if last.end == range.start && batch_work + work[s] <= cut => {
                        last.end = range.end;
                        batch_work += work[s];
                    }
                    _ => {
                        plan.batches.push(range);
                        batch_work = work[s];
                    }
                }
            }
        }
        plan.simulate(nodes);
        Ok(plan)
    }

    pub(in crate::sparse) fn children(&self, s: usize) -> impl Iterator<Item = usize> + '_ {
        let next = |c: u32| (c != NONE).then_some(c);
        std::iter::successors(next(self.first_child[s]), move |c| next(self.sibling[*c as usize])).map(|c| c as usize)
    }

    /// Whether the update of `s`, in the batch `batch`, stays on its stack.
    pub(super) fn inside(nodes: &Supernodes, s: usize, batch: &std::ops::Range<u32>) -> bool {
        nodes.parent[s] != NONE && nodes.parent[s] < batch.end
    }

    /// Finds how full the stacks and the updates between batches become.
    fn simulate(&mut self, nodes: &Supernodes) {
        let size = |s: usize| nodes.below(s).len().pow(2);
        let mut outside = 0;
        let mut next = 0;
        for s in 0..nodes.len() {
            // Batches and the fronts above them, in the order of one thread.
            if let Some(batch) = self.batches.get(next).filter(|batch| batch.start as usize == s).cloned() {
                next += 1;
                let mut filled = 0;
                for t in batch.start as usize..batch.end as usize {
                    let kept = Self::inside(nodes, t, &batch);
                    filled += if kept { size(t) } else { 0 };
                    outside += if kept { 0 } else { size(t) };
                    self.stack = self.stack.max(filled);
                    self.updates = self.updates.max(outside);
                    filled -= if self.waits_for[t] == NONE { self.children(t).map(size).sum() } else { 0 };
                }
            } else if self.waits_for[s] != NONE && self.waits_for[s] != 0 {
                outside += size(s);
                self.updates = self.updates.max(outside);
                outside -= self.children(s).map(size).sum::<usize>();
            }
        }
    }

    /// Bytes of the factor's values.
    pub(in crate::sparse) fn value_bytes(&self) -> u64 {
        *self.value_starts.last().unwrap_or(&0) as u64 * 8
    }

    /// Bytes besides the factor while it is computed. Updates between batches: what one thread has, and half again for
    /// each of the first other ones, which are elsewhere in the tree.
    pub(in crate::sparse) fn working_bytes(&self, threads: usize, order: usize) -> u64 {
        let threads = threads.min(self.batches.len()).max(1);
        (threads * (self.stack * 8 + order * 4) + self.arena(threads) * 8) as u64
    }

    /// Numbers that are set aside for the updates between batches.
    pub(super) fn arena(&self, threads: usize) -> usize {
        let ahead = 1.0 + 0.5 * (threads.min(self.batches.len()).max(1) - 1).min(4) as f64;
        (self.updates as f64 * ahead) as usize
    }
}
