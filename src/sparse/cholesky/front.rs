//! The fronts: entries of the matrix and updates of the children in, columns of L and an update for the parent out.

use std::sync::atomic::Ordering;

use faer::{MatMut, MatRef};

use super::Work;
use super::lane::Lane;
use super::plan::Plan;
use crate::error::Result;
use crate::sparse::arena::Block;
use crate::sparse::dense::{
    eliminate, eliminate_parallel, extend_add, extend_add_parallel, outer_product, outer_product_parallel,
};

impl Work<'_> {
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
    pub(super) fn batch(&self, batch: &std::ops::Range<u32>, lane: &mut Lane) -> Result<bool> {
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
    pub(super) fn front_above(&self, s: usize, lane: &mut Lane) -> Result<bool> {
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
