//! What can be said about a factorization from the pattern alone: the order of elimination, its cost, its memory.

use std::time::Instant;

use super::Matrix;
use super::assemble::zeros;
use super::blocks::{norm_1, raw, square, symmetry};
use super::cholesky::Plan;
use super::dissect::{minimum_degree, nested_dissection};
use super::graph::{Compressed, compress};
use super::symbolic::{Cost, Supernodes, Tree};
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
    order: usize,
    symmetric: bool,
    facts: Facts,
    starts: Vec<usize>,
    indices: Vec<u32>,
    ordering: Ordering,
    cost: Cost,
    pub(super) nodes: Supernodes,
    pub(super) plan: Plan,
    /// Where each row is eliminated: the inverse of `nodes.permutation`.
    pub(super) position: Vec<u32>,
    threads: usize,
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
        let order = square(matrix)?;
        let start = Instant::now();
        let symmetry = symmetry(matrix, pool)?;
        let (starts, indices, _) = raw(matrix);
        let mut analysis = Self {
            order,
            symmetric: symmetry.pattern && symmetry.holds(),
            facts: Facts::new(matrix, symmetry.holds()),
            starts: zeros(starts.len(), "the pattern")?,
            indices: zeros(indices.len(), "the pattern")?,
            ordering: Ordering::Natural,
            cost: Cost::default(),
            nodes: Supernodes::default(),
            plan: Plan::default(),
            position: Vec::new(),
            threads: pool.threads(),
            order_seconds: 0.0,
            analyse_seconds: 0.0,
        };
        analysis.starts.copy_from_slice(starts);
        analysis.indices.copy_from_slice(indices);
        if !analysis.symmetric {
            analysis.analyse_seconds = start.elapsed().as_secs_f64();
            return Ok(analysis);
        }
        let compressed = compress(starts, indices, pool)?.ok_or_else(|| {
            Error::Resource("a pattern with 2^32 and more couplings is too large to be ordered".into())
        })?;
        let (ordering, tree) = pool.install(|| choose(&compressed, options.ordering))?;
        analysis.ordering = ordering;
        analysis.order_seconds = start.elapsed().as_secs_f64();

        analysis.cost = tree.cost;
        analysis.nodes = Supernodes::new(&compressed, &tree)?;
        drop((compressed, tree));
        analysis.plan = Plan::new(&analysis.nodes)?;
        analysis.position = zeros(order, "the ordering")?;
        for (k, row) in analysis.nodes.permutation.iter().enumerate() {
            analysis.position[*row as usize] = k as u32;
        }
        analysis.analyse_seconds = start.elapsed().as_secs_f64() - analysis.order_seconds;
        Ok(analysis)
    }

    /// Refuses a matrix that has not the pattern of this analysis.
    pub(super) fn check_pattern(&self, matrix: &Matrix) -> Result<()> {
        let (starts, indices, _) = raw(matrix);
        if square(matrix)? != self.order || starts != self.starts || indices != self.indices {
            return Err(Error::Internal("a matrix with another pattern than the one that was analysed".into()));
        }
        Ok(())
    }

    /// What there is to know about the values of `matrix`.
    pub(super) fn facts_of(&self, matrix: &Matrix, pool: &Pool) -> Result<Facts> {
        if fingerprint(matrix) == self.facts.fingerprint {
            return Ok(self.facts);
        }
        Ok(Facts::new(matrix, symmetry(matrix, pool)?.holds()))
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
        self.cost.flops
    }

    /// Predicted operations of a solve, for one right-hand side: four times the entries of L.
    #[must_use]
    pub fn solve_flops(&self) -> f64 {
        4.0 * self.cost.entries
    }

    /// Entries of L, the diagonal included, without the zeros that supernodes store.
    #[must_use]
    pub fn factor_entries(&self) -> u64 {
        self.cost.entries as u64
    }

    /// Bytes that a [`super::Factor`] will hold.
    #[must_use]
    pub fn factor_bytes(&self) -> u64 {
        self.plan.value_bytes()
    }

    /// Bytes that a factorization will take at its peak on this pool, the factor included.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        self.plan.value_bytes() + self.plan.working_bytes(self.threads, self.order)
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

/// The values of a matrix, as far as they decide how it is factored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    fingerprint: u64,
    pub(super) symmetric: bool,
    /// The 1-norm.
    pub(super) norm: f64,
    /// The first entry that is not a finite number.
    pub(super) not_finite: Option<usize>,
}

impl Facts {
    fn new(matrix: &Matrix, symmetric: bool) -> Self {
        let not_finite = matrix.data().iter().position(|x| !x.is_finite());
        Self { fingerprint: fingerprint(matrix), symmetric, norm: norm_1(matrix), not_finite }
    }
}

/// A hash of the values, in four lanes that do not wait for each other.
fn fingerprint(matrix: &Matrix) -> u64 {
    let mut lanes = [1u64, 2, 3, 4];
    let mix = |state: u64, x: f64| (state.rotate_left(23) ^ x.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let chunks = matrix.data().chunks_exact(4);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = mix(*lane, *x);
        }
    }
    let hash = lanes.into_iter().reduce(|a, b| mix(a, f64::from_bits(b))).unwrap_or(0);
    rest.iter().fold(hash, |hash, x| mix(hash, *x))
}

/// Nested dissection takes some microseconds a vertex; below this many operations for each, minimum degree's
/// factorization is done before a better order is found.
const WORTH_DISSECTING: f64 = 2.5e5;
/// From this many vertices on minimum degree takes as long as half of a dissection, and both run at the same time.
const BOTH_AT_ONCE: usize = 20_000;

/// The ordering and its elimination tree.
fn choose(compressed: &Compressed, ordering: Ordering) -> Result<(Ordering, Tree)> {
    let graph = &compressed.graph;
    let by_degree = || Tree::new(graph, &minimum_degree(graph)?);
    let by_dissection = || Tree::new(graph, &nested_dissection(graph.clone())?);
    let (degree, dissection) = match ordering {
        Ordering::Natural => {
            let order: Vec<u32> = (0..graph.len() as u32).collect();
            return Ok((ordering, Tree::new(graph, &order)?));
        }
        Ordering::MinimumDegree => return Ok((ordering, by_degree()?)),
        Ordering::NestedDissection => return Ok((ordering, by_dissection()?)),
        Ordering::Auto if graph.len() >= BOTH_AT_ONCE => {
            let (degree, dissection) = rayon::join(by_degree, by_dissection);
            (degree?, dissection?)
        }
        Ordering::Auto => {
            let degree = by_degree()?;
            if degree.cost.flops < WORTH_DISSECTING * graph.len() as f64 {
                return Ok((Ordering::MinimumDegree, degree));
            }
            (degree, by_dissection()?)
        }
    };
    Ok(if dissection.cost.flops < degree.cost.flops {
        (Ordering::NestedDissection, dissection)
    } else {
        (Ordering::MinimumDegree, degree)
    })
}
