//! Eigenvalues and eigenvectors of dense real matrices, one matrix at a time on one thread, in memory that is reused from
//! matrix to matrix.
//!
//! Four problems, told apart by the caller: symmetric `A x = lambda x` and symmetric-definite `K x = lambda M x` keep real
//! eigenvalues; general `A x = lambda x` and general `K x = lambda M x` may have complex ones. A general matrix is scaled,
//! balanced, reduced to Hessenberg form and iterated on by the double-shift QR method; for eigenvalues alone both
//! are done by the code here ([`hessenberg`], [`francis`]), which is built for orders of some tens to a few hundred: the
//! matrix stays in a core's second-level cache. Everything else is faer's.

use faer::dyn_stack::{MemBuffer, MemStack, StackReq};

use crate::simd::Simd;

pub mod balance;
mod definite;
pub mod deflate;
mod eight;
pub mod francis;
mod general;
pub mod hessenberg;
pub(crate) mod semidefinite;
mod symmetric;
pub(crate) use symmetric::symmetric_pairs;

#[cfg(test)]
mod tests;

/// Why a matrix has no eigenvalues to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The iteration did not converge.
    NotConverged,
    /// `M` of a pencil is singular, or so close to it that nothing can be divided by it: [`deflate`] can do more.
    SingularMass,
    /// `M` of a symmetric pencil is not positive definite.
    IndefiniteMass,
    /// `K - lambda M` is singular for every `lambda`: any number is an eigenvalue.
    Undetermined,
}

/// Which code reduces general matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// faer's: the reference.
    Library,
    /// Ours, compiled for this instruction set.
    Own(Simd),
}

/// What one thread needs to solve one matrix after the other; grows to the largest and stays.
#[derive(Default)]
pub struct Scratch {
    a: Vec<f64>,
    b: Vec<f64>,
    u: Vec<f64>,
    how: Vec<f64>,
    order: Vec<usize>,
    inverse: Vec<usize>,
    re: Vec<f64>,
    im: Vec<f64>,
    modulus: Vec<f64>,
    work: hessenberg::Work,
    memory: Option<MemBuffer>,
    memory_bytes: usize,
}

/// Where the eigenpairs of one matrix of order `n` go: by falling modulus; conjugate pairs side by side, the one with the
/// positive imaginary part first.
pub struct Pairs<'p> {
    /// Real parts, `n`.
    pub re: &'p mut [f64],
    /// Imaginary parts, `n`.
    pub im: &'p mut [f64],
    /// `2 n^2` numbers or none: for each eigenvalue its right eigenvector, real and imaginary part of each component, of
    /// unit 2-norm.
    pub vectors: Option<&'p mut [f64]>,
}

/// The eigenvalues (and vectors) of `a`, `n x n` by rows. `symmetric` promises that `a` equals its transpose.
///
/// Entries must be finite. The order 0 has no eigenvalues.
///
/// # Errors
/// [`Failure::NotConverged`]; the pairs are then unspecified.
///
/// # Panics
/// When a length does not fit `n`.
pub fn standard(
    method: Method,
    a: &[f64],
    n: usize,
    symmetric: bool,
    scratch: &mut Scratch,
    pairs: Pairs<'_>,
) -> Result<(), Failure> {
    check_lengths(a, n, &pairs);
    if n == 0 {
        return Ok(());
    }
    if symmetric { symmetric::solve(a, n, scratch, pairs) } else { general::solve(method, a, n, scratch, pairs) }
}

/// The eigenvalues (and vectors) of `k x = lambda m x`, both `n x n` by rows, for an `m` that can be divided by. `symmetric`
/// promises that `k` and `m` equal their transposes; `m` must then be positive definite.
///
/// # Errors
/// [`Failure`]; the pairs are then unspecified. [`deflate::solve`] takes the pencils whose `m` is at fault.
///
/// # Panics
/// When a length does not fit `n`.
pub fn pencil(
    method: Method,
    k: &[f64],
    m: &[f64],
    n: usize,
    symmetric: bool,
    scratch: &mut Scratch,
    pairs: Pairs<'_>,
) -> Result<(), Failure> {
    check_lengths(k, n, &pairs);
    assert_eq!(k.len(), m.len(), "both matrices of a pencil have the same order");
    if n == 0 {
        return Ok(());
    }
    if symmetric {
        definite::solve(k, m, n, scratch, pairs)
    } else {
        general::solve_pencil(method, k, m, n, scratch, pairs)
    }
}

fn check_lengths(a: &[f64], n: usize, pairs: &Pairs<'_>) {
    assert_eq!(a.len(), n * n, "a matrix of order {n}");
    assert_eq!((pairs.re.len(), pairs.im.len()), (n, n), "eigenvalues of a matrix of order {n}");
    assert!(pairs.vectors.as_ref().is_none_or(|v| v.len() == 2 * n * n), "eigenvectors of a matrix of order {n}");
}

impl Scratch {
    /// Makes room for matrices of order `n`.
    fn reserve(&mut self, n: usize, vectors: bool) {
        let grow = |buffer: &mut Vec<f64>, length: usize| {
            if buffer.len() < length {
                buffer.resize(length, 0.0);
            }
        };
        grow(&mut self.a, n * n);
        grow(&mut self.b, n * n);
        if vectors {
            grow(&mut self.u, n * n);
        }
        for buffer in [&mut self.how, &mut self.re, &mut self.im, &mut self.modulus] {
            grow(buffer, n);
        }
        for buffer in [&mut self.order, &mut self.inverse] {
            if buffer.len() < n {
                buffer.resize(n, 0);
            }
        }
    }

    /// Makes room for what a routine of faer asks for.
    fn reserve_memory(&mut self, need: StackReq) {
        let bytes = need.unaligned_bytes_required();
        if self.memory.is_none() || self.memory_bytes < bytes {
            self.memory = None; // the old one goes before the new one comes
            self.memory = Some(MemBuffer::new(need));
            self.memory_bytes = bytes;
        }
    }
}

/// The memory that [`Scratch::reserve_memory`] made.
fn stack(memory: &mut Option<MemBuffer>) -> &mut MemStack {
    MemStack::new(memory.as_mut().expect("reserved before"))
}

/// The power of two that brings the largest modulus in `values` to between 1/2 and 1; 1 for zeros.
fn power_of_two(values: &[f64]) -> f64 {
    let most = values.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    if most == 0.0 || !most.is_finite() {
        return 1.0;
    }
    // In two steps: 2^1074 is out of range, and subnormal numbers have no exponent of their own.
    let lifted = most.max(f64::MIN_POSITIVE);
    let exponent = ((lifted.to_bits() >> 52) & 0x7ff) as i32 - 1022;
    (-exponent.clamp(-1022, 1022) as f64).exp2()
}

/// Writes the eigenvalues `(re, im) / scale` to `pairs`, sorted; `order` then holds where each came from. `modulus` is
/// overwritten. Of a conjugate pair the one with the positive imaginary part comes first.
fn deliver([re, im]: [&[f64]; 2], scale: f64, modulus: &mut [f64], order: &mut [usize], pairs: &mut Pairs<'_>) {
    for (i, slot) in order.iter_mut().enumerate() {
        *slot = i;
        modulus[i] = re[i].hypot(im[i]);
    }
    order.sort_unstable_by(|&i, &j| {
        let larger = modulus[j].total_cmp(&modulus[i]).then(re[j].total_cmp(&re[i]));
        // By |im| first, so that two pairs with one modulus and real part do not mix.
        larger.then(im[j].abs().total_cmp(&im[i].abs())).then(im[j].total_cmp(&im[i])).then(i.cmp(&j))
    });
    for (slot, &i) in order.iter().enumerate() {
        pairs.re[slot] = re[i] / scale;
        pairs.im[slot] = im[i] / scale;
    }
}
