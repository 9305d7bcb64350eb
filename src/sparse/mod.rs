//! Sparse matrices: assembly, blocks, products; ordering, factorization and solves for many right-hand sides.
//!
//! ```text
//! triplets -> Matrix -> Analysis (once for a pattern) -> Factor (once for the values) -> solve (any number of threads)
//! ```
//!
//! A symmetric positive definite matrix gets our own multifrontal Cholesky factorization. A symmetric indefinite one
//! gets L B L' with pivoting, an unsymmetric one L U, both faer's; [`Factor::method`] says which. A singular matrix ends
//! in [`Failure::Singular`], which knows how large the null space is and where it lives.
//!
//! Rows and columns are counted from 0 here; messages count from 1.

mod analysis;
mod arena;
mod assemble;
mod blocks;
mod cholesky;
mod condition;
mod dense;
mod dissect;
mod factor;
mod graph;
mod null_space;
mod pivoted;
mod separator;
mod solve;
mod symbolic;

pub use analysis::{Analysis, Options, Ordering};
pub use assemble::from_triplets;
pub use blocks::{Blocks, Symmetry, add_product, add_transposed_product, norm_1, partition, symmetry};
pub use cholesky::Storage;
pub use factor::{Factor, Failure, Method, Scratch};
pub use null_space::Singular;

/// A sparse matrix in compressed columns: sorted rows without duplicates in each column, 12 bytes an entry.
/// A symmetric matrix is stored whole, both triangles.
pub type Matrix = sprs::CsMatI<f64, u32, usize>;

#[cfg(test)]
mod tests;
