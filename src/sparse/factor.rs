//! One factorization and its solves, whatever the matrix needs.

use std::sync::Arc;

use faer::dyn_stack::{MemBuffer, MemStack};

use super::Matrix;
use super::analysis::Analysis;
use super::blocks::{norm_1, raw, symmetry};
use super::condition::inverse_norm_1;
use super::pivoted::{Lblt, Lu, memory};
use crate::error::{Error, Result};
use crate::machine::pool::Pool;

/// How a matrix was factored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// L L': symmetric positive definite.
    Cholesky,
    /// L B L' with pivoting: symmetric indefinite.
    Lblt,
    /// L U with partial pivoting: unsymmetric.
    Lu,
}

impl Method {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Method::Cholesky => "L L' (Cholesky)",
            Method::Lblt => "L B L' (symmetric indefinite)",
            Method::Lu => "L U (unsymmetric)",
        }
    }
}

/// A singular matrix, as far as can be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Singular {
    /// The row without a pivot, or the row that the null space moves most; counted from 0.
    pub row: usize,
    /// The dimension of the null space that was found: the number of rigid-body modes and mechanisms of a structure.
    pub null_space: usize,
    /// Whether there may be more.
    pub at_least: bool,
}

/// Why there is no factor.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// The matrix has no inverse.
    Singular(Singular),
    /// Anything else.
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Error(error) => error,
            Failure::Singular(Singular { row, null_space, at_least }) => {
                let more = if at_least { "at least " } else { "" };
                let modes = if null_space == 1 { "null vector" } else { "null vectors" };
                let row = row + 1;
                Error::Model(format!(
                    "the matrix is singular: {more}{null_space} {modes}, most visible in row {row}; constrain the structure"
                ))
            }
        }
    }
}

/// A factored matrix: solves with any number of right-hand sides, from any number of threads at once.
pub struct Factor {
    analysis: Arc<Analysis>,
    kind: Kind,
    negative: usize,
    norm_1: f64,
    inverse_norm_1: f64,
}

enum Kind {
    Lblt(Lblt),
    Lu(Lu),
}

/// Working memory of [`Factor::solve`], one for each thread.
pub struct Scratch {
    columns: usize,
    faer: Option<MemBuffer>,
}

impl Factor {
    /// Factors `matrix`, which has the pattern of `analysis`.
    ///
    /// A symmetric matrix is tried as positive definite first, then as indefinite. A pivot that is zero relative to the
    /// matrix, or a condition number of 1e16 and more, makes it singular.
    ///
    /// # Errors
    /// [`Failure::Singular`]; otherwise [`Error::Model`] for entries that are not finite, [`Error::Resource`] for too
    /// little memory, predicted before it is taken, [`Error::Internal`] for another pattern.
    pub fn new(analysis: &Arc<Analysis>, matrix: &Matrix, pool: &Pool) -> Result<Self, Failure> {
        analysis.check_pattern(matrix)?;
        let (starts, indices, data) = raw(matrix);
        if let Some(k) = data.iter().position(|x| !x.is_finite()) {
            let column = starts.partition_point(|s| *s <= k);
            let row = indices[k] + 1;
            return Err(Error::Model(format!("the entry at row {row}, column {column} is {}", data[k])).into());
        }
        let found = symmetry(matrix, pool)?;
        let norm = norm_1(matrix);
        let tolerance = 4.0 * f64::EPSILON * norm;
        let (kind, negative) = if found.pattern && found.holds() {
            let factor = Lblt::new(matrix, &analysis.permutation, pool)?;
            let inertia = factor.inertia(tolerance);
            if let Some(row) = inertia.null.first() {
                return Err(Failure::Singular(Singular { row: *row, null_space: inertia.null.len(), at_least: true }));
            }
            (Kind::Lblt(factor), inertia.negative)
        } else {
            match Lu::new(matrix, pool)? {
                Ok(factor) => (Kind::Lu(factor), 0),
                Err(row) => return Err(Failure::Singular(Singular { row, null_space: 1, at_least: true })),
            }
        };
        let mut factor =
            Self { analysis: analysis.clone(), kind, negative, norm_1: norm, inverse_norm_1: f64::INFINITY };
        let mut scratch = factor.scratch(1)?;
        let mut other = factor.scratch(1)?;
        factor.inverse_norm_1 = inverse_norm_1(
            factor.order(),
            |x| factor.solve(x, &mut scratch),
            |x| factor.solve_with(true, x, &mut other),
        );
        if !(factor.condition() < 1e16) {
            return Err(Failure::Singular(Singular { row: 0, null_space: 1, at_least: true }));
        }
        Ok(factor)
    }

    /// Number of rows.
    #[must_use]
    pub fn order(&self) -> usize {
        self.analysis.order()
    }

    /// How the matrix was factored.
    #[must_use]
    pub fn method(&self) -> Method {
        match self.kind {
            Kind::Lblt(_) => Method::Lblt,
            Kind::Lu(_) => Method::Lu,
        }
    }

    /// The number of negative pivots of a symmetric matrix: by Sylvester's law, that of its negative eigenvalues.
    /// 0 for a matrix that was factored as L U, where it says nothing.
    #[must_use]
    pub fn negative_pivots(&self) -> usize {
        self.negative
    }

    /// An estimate of the condition number in the 1-norm, from below, nearly always within a factor 3.
    #[must_use]
    pub fn condition(&self) -> f64 {
        if self.order() == 0 { 1.0 } else { self.norm_1 * self.inverse_norm_1 }
    }

    /// Numbers that the factor holds. 0 where faer does not tell (L U).
    #[must_use]
    pub fn stored_entries(&self) -> u64 {
        match &self.kind {
            Kind::Lblt(factor) => factor.entries() as u64,
            Kind::Lu(_) => 0,
        }
    }

    /// Working memory for solves of up to `columns` right-hand sides at a time.
    ///
    /// # Errors
    /// [`Error::Resource`] for too little memory.
    pub fn scratch(&self, columns: usize) -> Result<Scratch> {
        let request = match &self.kind {
            Kind::Lblt(factor) => factor.scratch(columns),
            Kind::Lu(factor) => factor.scratch(columns),
        };
        Ok(Scratch { columns, faer: Some(memory(request)?) })
    }

    /// Replaces `block` (order x columns, each column contiguous) by `A^-1` times it. Sequential; call it from as many
    /// threads as there are blocks, each with a scratch of its own. Blocks of 32 and more columns are fastest; rows
    /// that are zero in all columns are skipped in the forward sweep.
    ///
    /// # Panics
    /// When `block` is no whole number of columns, or of more columns than `scratch` was made for.
    pub fn solve(&self, block: &mut [f64], scratch: &mut Scratch) {
        self.solve_with(false, block, scratch);
    }

    fn solve_with(&self, transposed: bool, block: &mut [f64], scratch: &mut Scratch) {
        let n = self.order();
        if n == 0 || block.is_empty() {
            assert!(block.is_empty(), "whole columns");
            return;
        }
        assert!(block.len().is_multiple_of(n), "whole columns");
        let columns = block.len() / n;
        assert!(columns <= scratch.columns, "a scratch for {} columns", scratch.columns);
        let stack = MemStack::new(scratch.faer.as_mut().expect("a scratch of this factor"));
        match &self.kind {
            Kind::Lblt(factor) => factor.solve(block, columns, stack),
            Kind::Lu(factor) => factor.solve(transposed, block, columns, stack),
        }
    }
}

impl std::fmt::Debug for Factor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Factor(order {}, {})", self.order(), self.method().name())
    }
}
