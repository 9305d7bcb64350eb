//! The multifrontal Cholesky factorization (Duff and Reid 1983; Liu 1992), on subtrees in parallel.
//!
//! Each supernode has a front: its columns of L, and an update for its parent. The tree is cut at a fixed amount of work:
//! the subtrees below the cut are batches that one thread does from start to end, with updates on a stack of its own; the
//! few large fronts above are done by whichever thread brings the last update, with kernels that idle threads help with.
//! Updates are added in the order of the children, so the result does not depend on the threads.

use std::cell::UnsafeCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use faer::dyn_stack::MemBuffer;
use faer::{MatMut, MatRef};

use super::Matrix;
use super::arena::{Arena, Block};
use super::assemble::zeros;
use super::blocks::raw;
use super::dense::{
    eliminate, eliminate_parallel, extend_add, extend_add_parallel, outer_product, outer_product_parallel, scratch,
};
use super::pivoted::memory;
use super::symbolic::{NONE, Supernodes};
use crate::error::{Error, Result};
use crate::machine::pool::Pool;
use crate::memory::{Buffer, ensure_available};
use crate::simd::Simd;

/// A batch has at most this share of the operations: small enough for an even load, and fixed, so that the places where
/// sequential and parallel kernels meet do not depend on the threads.
const BATCHES: f64 = 200.0;
/// Nor is a batch smaller than this; a microsecond or ten of work is not worth a hand-over.
const LEAST_BATCH: f64 = 2e5;

/// How a factor is laid out and computed; from the pattern alone.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Where each supernode's columns start in the values, a block of `height x width` each.
    pub(super) value_starts: Vec<usize>,
    first_child: Vec<u32>,
    sibling: Vec<u32>,
    /// Ranges of supernodes, whole subtrees each, and single fronts above the cut that have no children.
    batches: Vec<std::ops::Range<u32>>,
    /// Number of children of the fronts above the cut; `NONE` below.
    waits_for: Vec<u32>,
    /// Which end of the stack an update of a batch goes to: those of siblings to one, those of their parents to the other.
    at_end: Vec<bool>,
    /// Numbers on a batch's stack at its fullest.
    stack: usize,
    /// Numbers in updates that are alive outside of batches at the most, one thread working.
    updates: usize,
    widest: usize,
    /// Operations, the zeros of the supernodes included.
    pub(super) flops: f64,
}

impl Plan {
    pub(super) fn new(nodes: &Supernodes) -> Result<Self> {
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

    pub(super) fn children(&self, s: usize) -> impl Iterator<Item = usize> + '_ {
        let next = |c: u32| (c != NONE).then_some(c);
        std::iter::successors(next(self.first_child[s]), move |c| next(self.sibling[*c as usize])).map(|c| c as usize)
    }

    /// Whether the update of `s`, in the batch `batch`, stays on its stack.
    fn inside(nodes: &Supernodes, s: usize, batch: &std::ops::Range<u32>) -> bool {
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
    pub(super) fn value_bytes(&self) -> u64 {
        *self.value_starts.last().unwrap_or(&0) as u64 * 8
    }

    /// Bytes besides the factor while it is computed. Updates between batches: what one thread has, and half again for
    /// each of the first other ones, which are elsewhere in the tree.
    pub(super) fn working_bytes(&self, threads: usize, order: usize) -> u64 {
        let threads = threads.min(self.batches.len()).max(1);
        (threads * (self.stack * 8 + order * 4) + self.arena(threads) * 8) as u64
    }

    /// Numbers that are set aside for the updates between batches.
    fn arena(&self, threads: usize) -> usize {
        let ahead = 1.0 + 0.5 * (threads.min(self.batches.len()).max(1) - 1).min(4) as f64;
        (self.updates as f64 * ahead) as usize
    }
}

/// The memory of a factorization, whose pages serve again in the next one: clearing fresh ones takes the system a third of
/// the time of a factorization.
#[derive(Debug, Default)]
pub struct Storage {
    /// The values of L. Whatever they are, a front clears its own before it uses them.
    values: Option<Buffer<f64>>,
    arena: Option<Buffer<f64>>,
    stacks: Vec<Buffer<f64>>,
}

impl Storage {
    /// What it takes of the machine's memory, and a factorization with it therefore does not.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let arrays = self.values.iter().chain(&self.arena).chain(&self.stacks);
        arrays.map(|array| array.len() as u64 * 8).sum()
    }

    /// The storage of a factor that keeps its values: what it needs to be computed again.
    pub(super) fn with_values(mut self, values: Buffer<f64>) -> Self {
        self.values = Some(values);
        self
    }
}

/// An array of `length` numbers: `old` if it is that long, or a new one; and whether it is all zeros.
fn renew(old: Option<Buffer<f64>>, length: usize, what: &str) -> Result<(Buffer<f64>, bool)> {
    match old.filter(|old| old.len() == length) {
        Some(old) => Ok((old, false)),
        None => Ok((Buffer::zeroed(length, what)?, true)),
    }
}

/// What a factorization gives: the values of L, its weakest pivot, and the memory that was needed besides.
pub(super) type Factored = (Buffer<f64>, Pivot, Storage);

/// The update of a front that goes to a front above the cut: written by the thread that made it, read by the one that
/// needs it.
struct Slot(UnsafeCell<Option<Block>>);

// SAFETY: a slot is written once, before its thread subtracts from the parent's counter, and taken once, by the thread
// that has seen the counter reach zero; the counter orders the two.
unsafe impl Sync for Slot {}

/// The values of the factor, of which every thread writes its own supernodes.
struct Values(*mut f64);

// SAFETY: the pointer is only used for the ranges of supernodes, and each supernode is done by one thread.
unsafe impl Sync for Values {}

/// What all lanes share.
struct Work<'a> {
    nodes: &'a Supernodes,
    plan: &'a Plan,
    /// Where each row of the matrix is eliminated.
    position: &'a [u32],
    matrix: (&'a [usize], &'a [u32], &'a [f64]),
    values: Values,
    /// Whether the values are zeros; otherwise each front clears its own.
    clear: bool,
    updates: Vec<Slot>,
    arena: Arena,
    pending: Vec<AtomicU32>,
    next: AtomicUsize,
    /// The first row, in the order of elimination, without a positive pivot.
    failed: AtomicUsize,
    refused: OnceLock<Error>,
    simd: Simd,
}

/// What one thread has for itself.
struct Lane {
    stack: Buffer<f64>,
    /// Where rows are in the front at hand; only the front's own rows are valid.
    local: Vec<u32>,
    rows: Vec<u32>,
    /// The diagonal of the matrix in the columns of the front at hand.
    diagonal: Vec<f64>,
    weakest: Pivot,
    memory: MemBuffer,
}

impl Lane {
    /// Compares the pivots of a front, whose first row of L is at `position`, with the diagonal.
    fn look_at_pivots(&mut self, front: &[f64], position: usize) {
        let height = front.len() / self.diagonal.len().max(1);
        for (k, diagonal) in self.diagonal.iter().enumerate() {
            let pivot = front[k * (height + 1)];
            let share = pivot * pivot / diagonal;
            let share = if share.is_nan() { 0.0 } else { share };
            let seen = Pivot { share, position: position + k, smallest: pivot * pivot };
            self.weakest = self.weakest.min(seen);
        }
    }
}

/// A pivot: the share of its diagonal entry that is left when it is eliminated, and its place in that order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pivot {
    pub(super) share: f64,
    pub(super) position: usize,
    /// The smallest of all pivots, wherever it is.
    pub(super) smallest: f64,
}

impl Pivot {
    const NONE: Pivot = Pivot { share: f64::INFINITY, position: 0, smallest: f64::INFINITY };

    /// The weaker of two, the earlier one of equals.
    fn min(self, other: Pivot) -> Pivot {
        let other_is_weaker = (other.share, other.position) < (self.share, self.position);
        let smallest = self.smallest.min(other.smallest);
        Pivot { smallest, ..if other_is_weaker { other } else { self } }
    }
}

/// Factors `matrix` in `storage` or new memory: what it gives, or the row (as a position in the order of elimination)
/// without a positive pivot.
///
/// # Errors
/// [`Error::Resource`] for too little memory.
pub(super) fn factor(
    nodes: &Supernodes,
    plan: &Plan,
    position: &[u32],
    matrix: &Matrix,
    storage: Storage,
    pool: &Pool,
) -> Result<Result<Factored, usize>> {
    let length = *plan.value_starts.last().unwrap_or(&0);
    let order = position.len();
    let needed = plan.value_bytes() + plan.working_bytes(pool.threads(), order);
    ensure_available("the factorization", needed.saturating_sub(storage.bytes()))?;
    let Storage { values, arena, stacks } = storage;
    let (mut values, clear) = renew(values, length, "the factor")?;
    let (arena, _) = renew(arena, plan.arena(pool.threads()), "the updates of the factorization")?;
    let mut stacks = stacks.into_iter();
    let work = Work {
        nodes,
        plan,
        position,
        matrix: raw(matrix),
        values: Values(values.as_mut_ptr()),
        clear,
        arena: Arena::new(arena),
        updates: (0..nodes.len()).map(|_| Slot(UnsafeCell::new(None))).collect(),
        pending: plan.waits_for.iter().map(|n| AtomicU32::new(*n)).collect(),
        next: AtomicUsize::new(0),
        failed: AtomicUsize::new(usize::MAX),
        refused: OnceLock::new(),
        simd: Simd::detect(),
    };
    let lanes = pool.threads().min(plan.batches.len());
    // All memory is taken before the work starts.
    let mut lanes: Vec<Lane> = (0..lanes)
        .map(|_| {
            Ok(Lane {
                stack: renew(stacks.next(), plan.stack, "the stack of the factorization")?.0,
                local: zeros(order, "the factorization")?,
                rows: Vec::new(),
                diagonal: Vec::new(),
                weakest: Pivot::NONE,
                memory: memory(scratch(plan.widest))?,
            })
        })
        .collect::<Result<_>>()?;
    pool.install(|| {
        rayon::scope(|scope| {
            let work = &work;
            for lane in &mut lanes {
                scope.spawn(move |_| {
                    if let Err(error) = work.run(lane) {
                        // The first of several is enough.
                        let _ = work.refused.set(error);
                        work.failed.store(0, Ordering::Relaxed);
                    }
                });
            }
        });
    });
    if let Some(error) = work.refused.into_inner() {
        return Err(error);
    }
    let failed = work.failed.into_inner();
    let weakest = lanes
        .iter()
        .map(|lane| lane.weakest)
        .fold(Pivot::NONE, |a, b| if (b.share, b.position) < (a.share, a.position) { b } else { a });
    if failed != usize::MAX {
        return Ok(Err(failed));
    }
    let stacks = lanes.into_iter().map(|lane| lane.stack).collect();
    Ok(Ok((values, weakest, Storage { values: None, arena: Some(work.arena.into_storage()), stacks })))
}

impl Work<'_> {
    /// Takes batches until there are none left, and does the fronts above that become ready.
    fn run(&self, lane: &mut Lane) -> Result<()> {
        loop {
            let Some(batch) = self.plan.batches.get(self.next.fetch_add(1, Ordering::Relaxed)).cloned() else {
                return Ok(());
            };
            // What comes before a failure is still done, so that the first failing row is found.
            if self.given_up(batch.start as usize) {
                continue;
            }
            if self.plan.waits_for[batch.start as usize] == 0 {
                self.climb(batch.start as usize, lane)?;
                continue;
            }
            if !self.batch(&batch, lane)? {
                continue;
            }
            for s in batch.clone() {
                let s = s as usize;
                if !Plan::inside(self.nodes, s, &batch) {
                    self.announce(s, lane)?;
                }
            }
        }
    }

    fn given_up(&self, s: usize) -> bool {
        self.nodes.columns[s] as usize >= self.failed.load(Ordering::Relaxed)
    }

    /// Tells the parent that the update of `s` is there, and goes on with it if it was the last.
    fn announce(&self, s: usize, lane: &mut Lane) -> Result<()> {
        match self.nodes.parent[s] {
            NONE => Ok(()),
            p if self.pending[p as usize].fetch_sub(1, Ordering::AcqRel) == 1 => self.climb(p as usize, lane),
            _ => Ok(()),
        }
    }

    /// Does the front `s` above the cut, and its parents as long as nothing else is missing.
    fn climb(&self, mut s: usize, lane: &mut Lane) -> Result<()> {
        while !self.given_up(s) && self.front_above(s, lane)? {
            match self.nodes.parent[s] {
                NONE => break,
                p if self.pending[p as usize].fetch_sub(1, Ordering::AcqRel) == 1 => s = p as usize,
                _ => break,
            }
        }
        Ok(())
    }

    /// The columns of `s` in the factor.
    #[expect(clippy::mut_from_ref, reason = "disjoint parts of one array, see the safety comment")]
    fn columns_of(&self, s: usize) -> &mut [f64] {
        let (start, end) = (self.plan.value_starts[s], self.plan.value_starts[s + 1]);
        // SAFETY: the range is inside the array, which outlives the lanes; ranges of different supernodes are disjoint,
        // and a supernode is worked on once, by the lane that owns its batch or that brought its counter to zero.
        unsafe { std::slice::from_raw_parts_mut(self.values.0.add(start), end - start) }
    }

    /// Puts the entries of the matrix into the columns of `s`, and its rows into `local`.
    fn load(&self, s: usize, front: &mut [f64], lane: &mut Lane) {
        if !self.clear {
            front.fill(0.0);
        }
        let local = &mut lane.local;
        lane.diagonal.clear();
        let first = self.nodes.columns[s];
        let (width, below) = (self.nodes.width(s), self.nodes.below(s));
        let height = width + below.len();
        for k in 0..width {
            local[first as usize + k] = k as u32;
        }
        for (k, row) in below.iter().enumerate() {
            local[*row as usize] = (width + k) as u32;
        }
        let (starts, indices, data) = self.matrix;
        for (k, column) in front.chunks_exact_mut(height).enumerate() {
            let at = first + k as u32;
            let row = self.nodes.permutation[at as usize] as usize;
            for e in starts[row]..starts[row + 1] {
                let position = self.position[indices[e] as usize];
                if position >= at {
                    column[local[position as usize] as usize] = data[e];
                }
            }
            lane.diagonal.push(column[k]);
        }
    }

    /// A failed pivot; the first one in the order of elimination stays.
    fn fail(&self, s: usize, column: usize) {
        self.failed.fetch_min(self.nodes.columns[s] as usize + column, Ordering::Relaxed);
    }

    /// Whole subtrees, one front after the other. False when a pivot failed.
    fn batch(&self, batch: &std::ops::Range<u32>, lane: &mut Lane) -> Result<bool> {
        let (mut low, mut high) = (0, lane.stack.len());
        for s in batch.start as usize..batch.end as usize {
            let (width, below) = (self.nodes.width(s), self.nodes.below(s).len());
            let front = self.columns_of(s);
            self.load(s, front, lane);
            let sizes: usize = self.plan.children(s).map(|c| self.nodes.below(c).len().pow(2)).sum();
            let size = below * below;
            let inside = Plan::inside(self.nodes, s, batch);
            let mut outside = if inside { None } else { Some(self.arena.take(size)?) };
            // The updates of the children are at one end of the stack, the own one goes to the other.
            let kept = if inside { size } else { 0 };
            let (own, others, ascending) = if self.plan.at_end[s] {
                let (left, right) = lane.stack.split_at_mut(low);
                (&mut right[high - kept - low..high - low], &left[low - sizes..], true)
            } else {
                let (left, right) = lane.stack.split_at_mut(high);
                (&mut left[low..low + kept], &right[..sizes], false)
            };
            let own = match &mut outside {
                Some(block) => self.arena.numbers(block),
                None => own,
            };
            let children = || {
                let mut offset = if ascending { 0 } else { sizes };
                self.plan.children(s).map(move |c| {
                    let size = self.nodes.below(c).len().pow(2);
                    if ascending {
                        offset += size;
                        (c, offset - size..offset)
                    } else {
                        offset -= size;
                        (c, offset..offset + size)
                    }
                })
            };
            for (c, range) in children() {
                let split = self.places(c, width, &lane.local, &mut lane.rows);
                extend_add(self.simd, front, width + below, 0, 0, &others[range], &lane.rows, 0..split);
            }
            let mut matrix = MatMut::from_column_major_slice_mut(&mut *front, width + below, width);
            if let Err(column) = eliminate(matrix.as_mut(), &mut lane.memory) {
                self.fail(s, column);
                return Ok(false);
            }
            if below > 0 {
                let l21 = matrix.as_ref().subrows(width, below);
                outer_product(MatMut::from_column_major_slice_mut(own, below, below), l21);
                for (c, range) in children() {
                    let split = self.places(c, width, &lane.local, &mut lane.rows);
                    let rest = split..lane.rows.len();
                    extend_add(self.simd, own, below, width, width, &others[range], &lane.rows, rest);
                }
            }
            lane.look_at_pivots(front, self.nodes.columns[s] as usize);
            if self.plan.at_end[s] {
                low -= sizes;
                high -= kept;
            } else {
                high += sizes;
                low += kept;
            }
            if let Some(block) = outside {
                self.hand_over(s, block);
            }
        }
        Ok(true)
    }

    /// The rows of the update of `child` as places in the front at hand, and how many of them are in its `width` columns.
    fn places(&self, child: usize, width: usize, local: &[u32], rows: &mut Vec<u32>) -> usize {
        rows.clear();
        rows.extend(self.nodes.below(child).iter().map(|row| local[*row as usize]));
        rows.partition_point(|row| (*row as usize) < width)
    }

    fn hand_over(&self, s: usize, update: Block) {
        // SAFETY: only this thread works on `s`; nobody reads before the parent's counter says so.
        unsafe { *self.updates[s].0.get() = Some(update) };
    }

    /// One front above the cut, with the help of idle threads. False when a pivot failed.
    fn front_above(&self, s: usize, lane: &mut Lane) -> Result<bool> {
        let (width, below) = (self.nodes.width(s), self.nodes.below(s).len());
        let front = self.columns_of(s);
        self.load(s, front, lane);
        let take = |c: usize| {
            // SAFETY: the counter of `s` has reached zero: every child has written its slot and is done with it.
            let update = unsafe { (*self.updates[c].0.get()).take() };
            (c, update)
        };
        let mut children: Vec<_> = self.plan.children(s).map(take).collect();
        let mut places = Vec::with_capacity(children.len());
        for (c, update) in &mut children {
            let split = self.places(*c, width, &lane.local, &mut lane.rows);
            let rows = lane.rows.clone();
            if let Some(update) = update {
                let update = self.arena.numbers(update);
                extend_add_parallel(self.simd, front, width + below, 0, 0, update, &rows, 0..split);
            }
            places.push((split, rows));
        }
        let mut matrix = MatMut::from_column_major_slice_mut(&mut *front, width + below, width);
        if let Err(column) = eliminate_parallel(matrix.as_mut(), &mut lane.memory) {
            self.fail(s, column);
            return Ok(false);
        }
        if below > 0 {
            let mut own = self.arena.take(below * below)?;
            let square = self.arena.numbers(&mut own);
            let l21: MatRef<'_, f64> = matrix.as_ref().subrows(width, below);
            outer_product_parallel(MatMut::from_column_major_slice_mut(&mut *square, below, below), l21);
            for ((_, update), (split, rows)) in children.iter_mut().zip(&places) {
                if let Some(update) = update {
                    let rest = *split..rows.len();
                    let update = self.arena.numbers(update);
                    extend_add_parallel(self.simd, square, below, width, width, update, rows, rest);
                }
            }
            self.hand_over(s, own);
        }
        children.into_iter().filter_map(|(_, update)| update).for_each(|update| self.arena.give(update));
        lane.look_at_pivots(front, self.nodes.columns[s] as usize);
        Ok(true)
    }
}
