//! One factorization and its solves, whatever the matrix needs.

use std::sync::{Arc, OnceLock};

use faer::dyn_stack::{MemBuffer, MemStack};

use super::Matrix;
use super::analysis::{Analysis, Facts};
use super::blocks::raw;
use super::cholesky::{self, Storage};
use super::condition::inverse_norm_1;
use super::null_space::{self, Singular, Verdict};
use super::pivoted::{Lblt, Lu, memory};
use super::solve::{TileScratch, View};
use crate::error::{Error, Result};
use crate::machine::pool::Pool;
use crate::memory::{Buffer, available};

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
    inverse_norm_1: OnceLock<f64>,
}

enum Kind {
    Cholesky(Buffer<f64>, Storage),
    Lblt(Lblt),
    Lu(Lu),
}

/// Working memory of [`Factor::solve`], one for each thread.
pub struct Scratch {
    columns: usize,
    memory: Memory,
}

enum Memory {
    Tile(TileScratch),
    Faer(MemBuffer),
}

impl Factor {
    /// [`Factor::new_in`] new memory.
    ///
    /// # Errors
    /// As there.
    pub fn new(analysis: &Arc<Analysis>, matrix: &Matrix, pool: &Pool) -> Result<Self, Failure> {
        Self::new_in(Storage::default(), analysis, matrix, pool)
    }

    /// Factors `matrix`, which has the pattern of `analysis`, in the memory of an earlier factor where it fits.
    ///
    /// A symmetric matrix is tried as positive definite first, then as indefinite. A pivot that is zero relative to the
    /// matrix, or a condition number of 1e16 and more, makes it singular.
    ///
    /// # Errors
    /// [`Failure::Singular`]; otherwise [`Error::Model`] for entries that are not finite, [`Error::Resource`] for too
    /// little memory, predicted before it is taken, [`Error::Internal`] for another pattern.
    pub fn new_in(storage: Storage, analysis: &Arc<Analysis>, matrix: &Matrix, pool: &Pool) -> Result<Self, Failure> {
        analysis.check_pattern(matrix)?;
        // Nothing to check again in the matrix that was analysed, the usual one.
        let Facts { symmetric, norm, not_finite, .. } = analysis.facts_of(matrix, pool)?;
        if let Some(k) = not_finite {
            let (starts, indices, data) = raw(matrix);
            let column = starts.partition_point(|s| *s <= k);
            let row = indices[k] + 1;
            return Err(Error::Model(format!("the entry at row {row}, column {column} is {}", data[k])).into());
        }
        if !norm.is_finite() {
            return Err(Error::Model("the matrix is too large: its norm is infinite".into()).into());
        }
        let symmetric = analysis.symmetric() && symmetric;
        // A Cholesky factor with healthy pivots needs no estimate now; L U does not show its pivots.
        let (kind, negative, healthy) = if symmetric {
            symmetric_kind(analysis, matrix, norm, storage, pool)?
        } else {
            match Lu::new(matrix, pool)? {
                Ok(factor) => (Kind::Lu(factor), 0, false),
                Err(row) => return Err(Failure::Singular(Singular { row, null_space: 1, at_least: true })),
            }
        };
        let factor = Self { analysis: analysis.clone(), kind, negative, norm_1: norm, inverse_norm_1: OnceLock::new() };
        if healthy || factor.condition() < HOPELESS {
            return Ok(factor);
        }
        // Numerically singular: every digit of a solution would be wrong.
        if let Kind::Cholesky(..) = factor.kind {
            drop(factor);
            if let Verdict::Singular(singular) = examine(analysis, matrix, norm, pool)? {
                return Err(Failure::Singular(singular));
            }
            return Err(Failure::Singular(Singular { row: 0, null_space: 1, at_least: true }));
        }
        let row = factor.weakest_row()?;
        Err(Failure::Singular(Singular { row, null_space: 1, at_least: true }))
    }

    /// The memory, for another factor of the same pattern. Empty where faer has it.
    #[must_use]
    pub fn into_storage(self) -> Storage {
        match self.kind {
            Kind::Cholesky(values, rest) => rest.with_values(values),
            Kind::Lblt(_) | Kind::Lu(_) => Storage::default(),
        }
    }

    fn estimate(&self) -> Result<f64> {
        let (mut scratch, mut other) = (self.scratch(1)?, self.scratch(1)?);
        let solve = |x: &mut [f64]| self.solve(x, &mut scratch);
        Ok(inverse_norm_1(self.order(), solve, |x| self.solve_with(true, x, &mut other)))
    }

    /// The row that a nearly singular matrix moves most: one step of inverse iteration. Where that is not finite, the
    /// first such row.
    fn weakest_row(&self) -> Result<usize> {
        let mut x: Vec<f64> = (0..self.order()).map(|k| 1.0 + (k % 7) as f64 * 0.1).collect();
        self.solve(&mut x, &mut self.scratch(1)?);
        let mut best = 0;
        for (row, value) in x.iter().enumerate() {
            if !value.is_finite() {
                return Ok(row);
            }
            if value.abs() > x[best].abs() {
                best = row;
            }
        }
        Ok(best)
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
            Kind::Cholesky(..) => Method::Cholesky,
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

    /// An estimate of the condition number in the 1-norm, from below, nearly always within a factor 3; infinite when
    /// there is no memory for it. Takes about six solves at the first call.
    #[must_use]
    pub fn condition(&self) -> f64 {
        if self.order() == 0 {
            return 1.0;
        }
        self.norm_1 * self.inverse_norm_1.get_or_init(|| self.estimate().unwrap_or(f64::INFINITY))
    }

    /// Numbers that the factor holds. 0 where faer does not tell (L U).
    #[must_use]
    pub fn stored_entries(&self) -> u64 {
        match &self.kind {
            Kind::Cholesky(values, _) => values.len() as u64,
            Kind::Lblt(factor) => factor.entries() as u64,
            Kind::Lu(_) => 0,
        }
    }

    /// Working memory for solves of up to `columns` right-hand sides at a time.
    ///
    /// # Errors
    /// [`Error::Resource`] for too little memory.
    pub fn scratch(&self, columns: usize) -> Result<Scratch> {
        let memory = match &self.kind {
            Kind::Cholesky(..) => Memory::Tile(TileScratch::new(&self.analysis.nodes, columns)?),
            Kind::Lblt(factor) => Memory::Faer(memory(factor.scratch(columns))?),
            Kind::Lu(factor) => Memory::Faer(memory(factor.scratch(columns))?),
        };
        Ok(Scratch { columns, memory })
    }

    /// Replaces `block` (order x columns, each column contiguous) by `A^-1` times it. Sequential; call it from as many
    /// threads as there are blocks, each with a scratch of its own. Blocks of 32 and more columns are fastest; rows
    /// that are zero in all columns are skipped in the forward sweep.
    ///
    /// # Panics
    /// When `block` is no whole number of columns, or of more columns than `scratch` was made for, or `scratch` is of
    /// another factor.
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
        match (&self.kind, &mut scratch.memory) {
            (Kind::Cholesky(values, _), Memory::Tile(tile)) => view(&self.analysis, values).solve(block, tile),
            (Kind::Lblt(factor), Memory::Faer(memory)) => factor.solve(block, columns, MemStack::new(memory)),
            (Kind::Lu(factor), Memory::Faer(memory)) => factor.solve(transposed, block, columns, MemStack::new(memory)),
            _ => panic!("a scratch of another factor"),
        }
    }
}

impl std::fmt::Debug for Factor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Factor(order {}, {})", self.order(), self.method().name())
    }
}

/// What was needed to compute a factor is kept for the next one if it is at most this part of the memory that is left.
const KEPT: u64 = 32;
/// What is kept without asking the system, which takes 0.1 ms.
const LITTLE: u64 = 16 << 20;
/// A condition number from which on a solution has no correct digit.
const HOPELESS: f64 = 1e16;
/// A pivot that is smaller than this share of its diagonal entry is nothing but roundoff.
const ROUNDOFF: f64 = 4.0 * f64::EPSILON;
/// The pivot that roundoff leaves of a null space is below this: the square root of the order times a lever arm, in
/// units of roundoff. Above it nothing needs to be estimated.
const HEALTHY: f64 = 1e-8;
/// A pivot that is smaller than this share of the norm is looked at as well, though it may only be badly scaled.
const SMALL: f64 = 1e-13;

fn view<'a>(analysis: &'a Analysis, values: &'a [f64]) -> View<'a> {
    View { nodes: &analysis.nodes, plan: &analysis.plan, values }
}

/// Cholesky if the matrix is positive definite, L B L' if it is indefinite.
fn symmetric_kind(
    analysis: &Analysis,
    matrix: &Matrix,
    norm: f64,
    storage: Storage,
    pool: &Pool,
) -> Result<(Kind, usize, bool), Failure> {
    let tried = cholesky::factor(&analysis.nodes, &analysis.plan, &analysis.position, matrix, storage, pool)?;
    let position = match tried {
        Ok((values, weakest, rest)) if weakest.share > ROUNDOFF => {
            let healthy = weakest.share > HEALTHY && weakest.smallest > SMALL * norm;
            // Much beside the factor would be missing where its solutions go.
            let kept = rest.bytes() <= LITTLE || rest.bytes() <= available().unwrap_or(0) / KEPT;
            return Ok((Kind::Cholesky(values, if kept { rest } else { Storage::default() }), 0, healthy));
        }
        Ok((_, weakest, _)) => weakest.position,
        Err(position) => position,
    };
    let row = analysis.nodes.permutation[position] as usize;
    // A diagonal entry that is clearly negative needs no second look.
    let diagonal = matrix.get(row, row).copied().unwrap_or(0.0);
    if diagonal >= -null_space::SHIFT * norm {
        match examine(analysis, matrix, norm, pool)? {
            Verdict::Singular(singular) => return Err(Failure::Singular(singular)),
            // A pivot that roundoff has spoilt: as good as singular.
            Verdict::Definite => return Err(Failure::Singular(Singular { row, null_space: 1, at_least: false })),
            Verdict::Indefinite => {}
        }
    }
    let factor = Lblt::new(matrix, &analysis.nodes.permutation, pool)?;
    let inertia = factor.inertia(ROUNDOFF * norm);
    match inertia.null.first() {
        Some(row) => Err(Failure::Singular(Singular { row: *row, null_space: inertia.null.len(), at_least: true })),
        None => Ok((Kind::Lblt(factor), inertia.negative, false)),
    }
}

/// Whether a symmetric matrix without a Cholesky factor is singular or indefinite.
fn examine(analysis: &Analysis, matrix: &Matrix, norm: f64, pool: &Pool) -> Result<Verdict> {
    let mut shifted = matrix.clone();
    let mut without = None;
    for row in 0..analysis.order() {
        match shifted.get_mut(row, row) {
            Some(entry) => *entry += null_space::SHIFT * norm,
            None => without = Some(row),
        }
    }
    // An entry that is not stored is zero: with anything else in its row the matrix is indefinite.
    if let Some(row) = without {
        let coupled = matrix.outer_view(row).is_some_and(|column| column.data().iter().any(|x| *x != 0.0));
        return Ok(if coupled {
            Verdict::Indefinite
        } else {
            Verdict::Singular(Singular { row, null_space: 1, at_least: true })
        });
    }
    let storage = Storage::default();
    match cholesky::factor(&analysis.nodes, &analysis.plan, &analysis.position, &shifted, storage, pool)? {
        Err(_) => Ok(Verdict::Indefinite),
        Ok((values, ..)) => {
            drop(shifted);
            let view = view(analysis, &values);
            let mut scratch = TileScratch::new(&analysis.nodes, null_space::BLOCK)?;
            null_space::look(matrix, norm, |block| view.solve(block, &mut scratch))
        }
    }
}
