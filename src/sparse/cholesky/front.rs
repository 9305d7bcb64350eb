//! The fronts: entries of the matrix and updates of the children in, columns of L and an update for the parent out.

use std::sync::atomic::Ordering;

use faer::MatMut;
use rayon::prelude::*;

use super::Work;
use super::lane::Lane;
use super::plan::Plan;
use crate::error::Result;
use crate::sparse::arena::Block;
use crate::sparse::dense::{eliminate, eliminate_parallel, extend_add, outer_product};

/// Columns of a front above the cut that one task fills.
const STRIP: usize = 32;

/// Rows above the diagonal that a kernel may touch: those of a tile, at the most.
const TOUCHED: usize = 256;

/// The update of a child, and its rows as places in the front at hand.
struct Child<'a> {
    update: &'a [f64],
    rows: &'a [u32],
}

impl Work<'_> {
    /// The columns of `s` in the factor.
    #[expect(clippy::mut_from_ref, reason = "disjoint parts of one array, see the safety comment")]
    fn columns_of(&self, s: usize) -> &mut [f64] {
        let (start, end) = (self.plan.value_starts[s], self.plan.value_starts[s + 1]);
        // SAFETY: the range is inside the array, which outlives the lanes; ranges of different supernodes are disjoint,
        // and a supernode is worked on once, by the lane that owns its batch or that brought its counter to zero.
        unsafe { std::slice::from_raw_parts_mut(self.values.0.add(start), end - start) }
    }

    /// Puts the places of the rows of `s` in its front into `local`.
    fn place(&self, s: usize, local: &mut [u32]) {
        let (width, below) = (self.nodes.width(s), self.nodes.below(s));
        for (k, row) in (self.nodes.columns[s]..).take(width).chain(below.iter().copied()).enumerate() {
            local[row as usize] = k as u32;
        }
    }

    /// Puts the entries of the matrix into the columns of `s` from `first` on, as many as `diagonal` has places for.
    fn load(&self, s: usize, first: usize, columns: &mut [f64], diagonal: &mut [f64], local: &[u32]) {
        let height = self.nodes.width(s) + self.nodes.below(s).len();
        let (starts, indices, data) = self.matrix;
        for (k, (column, diagonal)) in (first..).zip(columns.chunks_exact_mut(height).zip(diagonal)) {
            // Far above the diagonal nothing is read or written, and no page is taken.
            if !self.clear {
                column[k.saturating_sub(TOUCHED)..].fill(0.0);
            }
            let at = self.nodes.columns[s] + k as u32;
            let row = self.nodes.permutation[at as usize] as usize;
            for e in starts[row]..starts[row + 1] {
                let position = self.position[indices[e] as usize];
                if position >= at {
                    column[local[position as usize] as usize] = data[e];
                }
            }
            *diagonal = column[k];
        }
    }

    /// A failed pivot; the first one in the order of elimination stays.
    fn fail(&self, s: usize, column: usize) {
        self.failed.fetch_min(self.nodes.columns[s] as usize + column, Ordering::Relaxed);
    }

    /// Whole subtrees, one front after the other. False when a pivot failed.
    pub(super) fn batch(&self, batch: &std::ops::Range<u32>, lane: &mut Lane) -> Result<bool> {
        let (mut low, mut high) = (0, lane.stack.len());
        for s in batch.start as usize..batch.end as usize {
            let (width, below) = (self.nodes.width(s), self.nodes.below(s).len());
            let front = self.columns_of(s);
            self.place(s, &mut lane.local);
            lane.diagonal.resize(width, 0.0);
            self.load(s, 0, front, &mut lane.diagonal, &lane.local);
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

    /// Adds what the children have for the columns from place `first` on: `target`, whose columns are `stride` long and
    /// begin at place `shift`.
    fn add(&self, children: &[Child<'_>], target: &mut [f64], stride: usize, shift: usize, first: usize) {
        let end = first + target.len() / stride;
        for Child { update, rows } in children {
            let start = |place: usize| rows.partition_point(|row| (*row as usize) < place);
            extend_add(self.simd, target, stride, shift, first, update, rows, start(first)..start(end));
        }
    }

    fn hand_over(&self, s: usize, update: Block) {
        // SAFETY: only this thread works on `s`; nobody reads before the parent's counter says so.
        unsafe { *self.updates[s].0.get() = Some(update) };
    }

    /// One front above the cut, with the help of idle threads. False when a pivot failed.
    pub(super) fn front_above(&self, s: usize, lane: &mut Lane) -> Result<bool> {
        let (width, below) = (self.nodes.width(s), self.nodes.below(s).len());
        let height = width + below;
        let front = self.columns_of(s);
        self.place(s, &mut lane.local);
        lane.diagonal.resize(width, 0.0);
        let mut updates: Vec<_> = self
            .plan
            .children(s)
            .filter_map(|c| {
                // SAFETY: the counter of `s` has reached zero: every child has written its slot and is done with it.
                let update = unsafe { (*self.updates[c].0.get()).take() }?;
                self.places(c, width, &lane.local, &mut lane.rows);
                Some((update, lane.rows.clone()))
            })
            .collect();
        let children: Vec<Child<'_>> =
            updates.iter_mut().map(|(update, rows)| Child { update: self.arena.numbers(update), rows }).collect();
        let local = &lane.local;
        let parts = front.par_chunks_mut(height * STRIP).zip(lane.diagonal.par_chunks_mut(STRIP)).with_max_len(1);
        parts.enumerate().for_each(|(strip, (columns, diagonal))| {
            self.load(s, strip * STRIP, columns, diagonal, local);
            self.add(&children, columns, height, 0, strip * STRIP);
        });
        let mut own = self.arena.take(below * below)?;
        let square = self.arena.numbers(&mut own);
        let matrix = MatMut::from_column_major_slice_mut(&mut *front, width + below, width);
        let update = MatMut::from_column_major_slice_mut(&mut *square, below, below);
        if let Err(column) = eliminate_parallel(matrix, update) {
            self.fail(s, column);
            return Ok(false);
        }
        let strips = square.par_chunks_mut((below * STRIP).max(1)).with_max_len(1);
        strips
            .enumerate()
            .for_each(|(strip, columns)| self.add(&children, columns, below, width, width + strip * STRIP));
        self.hand_over(s, own);
        updates.into_iter().for_each(|(update, _)| self.arena.give(update));
        lane.look_at_pivots(front, self.nodes.columns[s] as usize);
        Ok(true)
    }
}
