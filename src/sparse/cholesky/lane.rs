//! What one thread has for itself, and the weakest pivot it has seen.

use faer::dyn_stack::MemBuffer;

use crate::memory::Buffer;

/// What one thread has for itself.
pub(super) struct Lane {
    pub(super) stack: Buffer<f64>,
    /// Where rows are in the front at hand; only the front's own rows are valid.
    pub(super) local: Vec<u32>,
    pub(super) rows: Vec<u32>,
    /// The diagonal of the matrix in the columns of the front at hand.
    pub(super) diagonal: Vec<f64>,
    pub(super) weakest: Pivot,
    pub(super) memory: MemBuffer,
}

impl Lane {
    /// Compares the pivots of a front, whose first row of L is at `position`, with the diagonal.
    pub(super) fn look_at_pivots(&mut self, front: &[f64], position: usize) {
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
pub(in crate::sparse) struct Pivot {
    pub(in crate::sparse) share: f64,
    pub(in crate::sparse) position: usize,
    /// The smallest of all pivots, wherever it is.
    pub(in crate::sparse) smallest: f64,
}

impl Pivot {
    pub(super) const NONE: Pivot = Pivot { share: f64::INFINITY, position: 0, smallest: f64::INFINITY };

    /// The weaker of two, the earlier one of equals.
    pub(super) fn min(self, other: Pivot) -> Pivot {
        let other_is_weaker = (other.share, other.position) < (self.share, self.position);
        let smallest = self.smallest.min(other.smallest);
        Pivot { smallest, ..if other_is_weaker { other } else { self } }
    }
}
