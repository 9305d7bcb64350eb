//! The kernel: one matrix is one item, solved by one worker in memory that the worker keeps.

use std::cell::RefCell;

use super::input::{Batch, Item};
use crate::job::{ChunkOut, Class, ColumnSpec, Kernel, Precision, Scalar, Work};
use crate::numeric::eigen::{self, Failure, Method, Pairs, Scratch};
use crate::simd::Simd;

/// Why no device runs it.
pub(super) const STAYS_ON_CPU: &str = "dense eigenproblems stay on the CPU: the QR iteration is a chain of short \
     dependent steps in f64 on a matrix that fits a core's cache, so a GPU's threads would wait for each other";

/// Index of the column of real parts.
pub(super) const RE: usize = 0;
/// Index of the column of imaginary parts.
pub(super) const IM: usize = 1;
/// Index of the column of eigenvectors, which is empty when none are wanted.
pub(super) const VECTORS: usize = 2;
/// Index of the column of outcomes: 0, or what [`code`] gives.
pub(super) const OUTCOME: usize = 3;

/// The eigenvalues of each matrix of a batch by falling modulus, padded with zeros to the largest order.
pub(super) struct Eigen<'b> {
    /// The matrices.
    pub batch: &'b Batch,
    /// Whether eigenvectors are wanted.
    pub vectors: bool,
}

thread_local! {
    /// The memory of one worker: grows to the largest order it met, so that no matrix allocates.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What is written for a failure.
pub(super) fn code(failure: Failure) -> u32 {
    match failure {
        Failure::NotConverged => 1,
        Failure::SingularMass => 2,
        Failure::IndefiniteMass => 3,
        Failure::Undetermined => 4,
    }
}

/// What a code says of a matrix, and what to do.
pub(super) fn reason(code: u32) -> &'static str {
    match code {
        1 => "the QR iteration did not converge; check the matrix for entries of wildly different size",
        2 => {
            "its M is so nearly singular that its eigenvalues would be roundoff; condense what has almost no mass first (hetero run guyan)"
        }
        3 => "its M is not positive definite, as a mass matrix must be; check the signs and the order of K and M",
        _ => {
            "its K and M are singular together, so that any number is an eigenvalue; remove what has neither stiffness nor mass"
        }
    }
}

impl Eigen<'_> {
    fn solve(&self, method: Method, out: &mut ChunkOut<'_>) {
        let chunk = out.chunk();
        let order = self.batch.order;
        let size = self.vector_size();
        for item in chunk.start..chunk.end {
            let at = (item - chunk.start) as usize;
            let [re, im, vectors] = out.first_columns::<f64, 3>();
            let rows = [re, im].map(|column| &mut column[at * order..(at + 1) * order]);
            let vectors = self.vectors.then(|| &mut vectors[at * size..(at + 1) * size]);
            let outcome = one(self.batch, method, &self.batch.items[item as usize], rows, vectors);
            out.column::<u32>(OUTCOME)[at] = outcome;
        }
    }

    /// Numbers of the eigenvectors of one item.
    fn vector_size(&self) -> usize {
        if self.vectors { 2 * self.batch.order * self.batch.order } else { 0 }
    }
}

/// Solves one matrix into its rows of the columns, an infinite eigenvalue as `+inf`; 0, or the code of the failure, and then
/// zeros.
fn one(batch: &Batch, method: Method, item: &Item, [re, im]: [&mut [f64]; 2], mut vectors: Option<&mut [f64]>) -> u32 {
    let Item { n, symmetric, .. } = *item;
    let a = batch.matrix(item);
    let outcome = match batch.mass(item) {
        None => SCRATCH.with_borrow_mut(|scratch| {
            eigen::standard(method, a, n, symmetric, scratch, pairs_of(n, re, im, vectors.as_deref_mut()))
        }),
        Some(m) => {
            let direct = SCRATCH.with_borrow_mut(|scratch| {
                eigen::pencil(method, a, m, n, symmetric, scratch, pairs_of(n, re, im, vectors.as_deref_mut()))
            });
            // Rare, in memory of its own: with the worker's borrowed it must not call what may take up another item.
            match direct {
                Err(Failure::SingularMass | Failure::IndefiniteMass) => {
                    eigen::deflate::solve(method, a, m, n, symmetric, pairs_of(n, re, im, vectors.as_deref_mut()))
                }
                other => other,
            }
        }
    };
    let valid = if outcome.is_ok() { n } else { 0 };
    re[valid..].fill(0.0);
    im[valid..].fill(0.0);
    if let Some(vectors) = vectors {
        vectors[2 * valid * valid..].fill(0.0);
    }
    outcome.map_or_else(code, |()| 0)
}

/// Where the pairs of a matrix of order `n` go: the first places of its rows.
fn pairs_of<'p>(n: usize, re: &'p mut [f64], im: &'p mut [f64], vectors: Option<&'p mut [f64]>) -> Pairs<'p> {
    Pairs { re: &mut re[..n], im: &mut im[..n], vectors: vectors.map(|all| &mut all[..2 * n * n]) }
}

impl Kernel for Eigen<'_> {
    fn name(&self) -> &'static str {
        "eigen"
    }

    fn item(&self) -> &'static str {
        "matrix"
    }

    fn items(&self) -> u64 {
        self.batch.items.len() as u64
    }

    fn precision(&self) -> Precision {
        Precision::F64
    }

    fn work(&self) -> Work {
        // Golub and Van Loan's counts: 10 n^3 for the eigenvalues of a general matrix, 25 n^3 with vectors; 4/3 n^3 and
        // 9 n^3 for a symmetric one; Cholesky and two triangular solves add 7/3 n^3, LU and its two solves 8/3 n^3.
        let [general, symmetric] = match (self.batch.is_pencil(), self.vectors) {
            (false, false) => [10.0, 4.0 / 3.0],
            (false, true) => [25.0, 9.0],
            (true, false) => [38.0 / 3.0, 11.0 / 3.0],
            (true, true) => [83.0 / 3.0, 12.0],
        };
        let means = self.batch.means;
        let matrices = if self.batch.is_pencil() { 2.0 } else { 1.0 };
        let order = self.batch.order as f64;
        let written = 16.0 * order + if self.vectors { 16.0 * order * order } else { 0.0 };
        Work {
            flops: general * means.general_cube + symmetric * means.symmetric_cube,
            bytes_read: 8.0 * matrices * means.square,
            bytes_written: written + 4.0,
        }
    }

    /// Orders within a factor of two, with or without vectors: small matrices spend their time elsewhere than large ones.
    fn variant(&self) -> u64 {
        2 * u64::from(self.batch.order.max(1).ilog2()) + u64::from(self.vectors)
    }

    fn class(&self) -> Class {
        Class::Residual
    }

    /// A singular M has infinite eigenvalues; the job's own check tells them from broken ones.
    fn allows_nonfinite(&self) -> bool {
        self.batch.is_pencil()
    }

    fn columns(&self) -> Vec<ColumnSpec> {
        let order = self.batch.order;
        let column = |name, scalar, per_item| ColumnSpec { name, scalar, per_item };
        vec![
            column("re", Scalar::F64, order),
            column("im", Scalar::F64, order),
            column("vectors", Scalar::F64, self.vector_size()),
            column("outcome", Scalar::U32, 1),
        ]
    }

    /// The library's reduction.
    fn seq(&self, out: &mut ChunkOut<'_>) {
        self.solve(Method::Library, out);
    }

    fn cpu(&self, simd: Simd, out: &mut ChunkOut<'_>) {
        self.solve(Method::Own(simd), out);
    }

    fn gpu(&self) -> Result<crate::job::GpuSlot<'_>, String> {
        Err(STAYS_ON_CPU.into())
    }
}
