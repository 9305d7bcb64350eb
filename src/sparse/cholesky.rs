//! The multifrontal Cholesky factorization (Duff and Reid 1983; Liu 1992), on subtrees in parallel.
//!
//! Each supernode has a front: its columns of L, and an update for its parent. The tree is cut at a fixed amount of work:
//! the subtrees below the cut are batches that one thread does from start to end, with updates on a stack of its own; the
//! few large fronts above are done by whichever thread brings the last update, with kernels that idle threads help with.
//! Updates are added in the order of the children, so the result does not depend on the threads.

use std::cell::UnsafeCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::Matrix;
use super::arena::{Arena, Block};
use super::assemble::zeros;
use super::blocks::raw;
use super::dense::scratch;
use super::pivoted::memory;
use super::symbolic::{NONE, Supernodes};
use crate::error::{Error, Result};
use crate::machine::pool::Pool;
use crate::memory::{Buffer, ensure_available};
use crate::simd::Simd;

mod front;
mod lane;
mod plan;
mod storage;

use lane::{Lane, Pivot};
pub(super) use plan::Plan;
pub use storage::Storage;
use storage::renew;

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
}
