//! The lowest modes of the whole model: block Lanczos on `(K - sigma M)^-1 M`, in the inner product of M, with full
//! orthogonalisation, and a count of the eigenvalues below the last one by the inertia of another factorization.

use std::sync::Arc;

use faer::{Mat, Par};
use rand::RngExt;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::machine::pool::Pool;
use crate::numeric::eigen::symmetric_pairs;
use crate::numeric::philox::Philox;
use crate::sparse::{Analysis, Factor, Failure, Matrix, Options};

/// Vectors of one block. It finds no mode more often than it has vectors, but by roundoff: a free body has six modes of
/// frequency zero.
const BLOCK: usize = 8;

/// Where modes are found missing the width doubles, up to this: a structure of twenty free bodies.
const WIDEST: usize = 128;

/// Residual of an eigenpair of the inverted problem, relative to its value, below which it is taken. The error of the
/// value goes with its square.
const TOLERANCE: f64 = 1e-9;

/// The projected problem is looked at again when it has grown by this part of its order: its solution takes the cube of it.
const LOOKS: usize = 16;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lowest {
    /// Eigenvalues, ascending.
    pub(super) values: Vec<f64>,
    /// The shift that made the matrix regular; 0 for a supported structure.
    pub(super) shift: f64,
    /// How many eigenvalues lie below a point, by inertia, and how many of `values` do. The point lies behind the last
    /// one, or in the gap before it where the next is too close. `None` when that could not be counted.
    pub(super) counted: Option<Counted>,
}

/// Eigenvalues below a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    /// There are.
    pub(super) there: usize,
    /// Were found.
    pub(super) found: usize,
}

/// The `count` lowest eigenvalues of `K phi = lambda M phi`, both symmetric, M positive semidefinite. `scale` is the size of
/// the lowest eigenvalue that is not zero: the shift when K is singular is a part of it.
///
/// # Errors
/// [`Error::Model`] when K is singular even when shifted, K or M is indefinite, or the iteration does not converge; [`Error::Resource`] when
/// memory does not suffice.
pub(super) fn lowest(k: &Matrix, m: &Matrix, count: usize, scale: f64, seed: u64, pool: &Pool) -> Result<Lowest> {
    let mut width = BLOCK;
    loop {
        let found = attempt(k, m, count.min(k.rows()), scale, (width, seed), pool)?;
        let missing = found.counted.is_some_and(|counted| counted.found < counted.there);
        if !missing || width >= WIDEST.min(k.rows()) {
            return Ok(found);
        }
        width *= 2;
    }
}

/// [`lowest`] with blocks of some width.
fn attempt(
    k: &Matrix,
    m: &Matrix,
    count: usize,
    scale: f64,
    (width, seed): (usize, u64),
    pool: &Pool,
) -> Result<Lowest> {
    let n = k.rows();
    let mass = Mass::new(m)?;
    let (factor, shift) = match factor(k, pool) {
        Ok(factor) => (factor, 0.0),
        Err(Failure::Singular(_)) => {
            let shift = -0.1 * scale;
            let shifted = combine(k, m, -shift)?;
            (factor(&shifted, pool).map_err(Error::from)?, shift)
        }
        Err(Failure::Error(error)) => return Err(error),
    };
    // A shift below zero leaves no eigenvalue below it but negative ones.
    let negative = factor.negative_pivots();
    if negative > 0 {
        return Err(Error::Model(format!(
            "the stiffness matrix is indefinite (negative eigenvalues: {negative}): the lowest modes of the whole model are \
             found for stable structures only; leave out --full-modes"
        )));
    }
    let found = pool.install(|| iterate(&factor, mass, count, (width.min(n), seed)))?;
    drop(factor);
    let mut values: Vec<f64> = found.iter().map(|theta| 1.0 / theta + shift).collect();
    values.sort_unstable_by(f64::total_cmp);
    let above = values.get(count).copied();
    values.truncate(count);
    let counted = match point(&values, above, shift.abs()) {
        Some((point, found)) => below(k, m, point, pool)?.map(|there| Counted { there, found }),
        None => None,
    };
    Ok(Lowest { values, shift, counted })
}

/// A point in the last gap of the ascending `values`, or behind them, and how many lie below it. `above` is the next value;
/// `size` is that of the shift, far above what roundoff makes of rigid-body modes and below the first elastic one. Modes
/// that agree to nine digits have no gap between them.
fn point(values: &[f64], above: Option<f64>, size: f64) -> Option<(f64, usize)> {
    let last = *values.last()?;
    let next = above.unwrap_or(last + (1e-3 * last.abs()).max(size));
    let upper = values.iter().skip(1).copied().chain([next]);
    let gaps: Vec<(f64, f64)> = values.iter().copied().zip(upper).collect();
    let wide = |(low, high): &(f64, f64)| high - low > (2e-9 * high.abs()).max(1e-3 * size);
    let at = gaps.iter().rposition(wide)?;
    Some((0.5 * (gaps[at].0 + gaps[at].1), at + 1))
}

fn factor(matrix: &Matrix, pool: &Pool) -> Result<Factor, Failure> {
    let analysis = Arc::new(Analysis::new(matrix, &Options::default(), pool)?);
    Factor::new(&analysis, matrix, pool)
}

/// Number of eigenvalues below `point`: the negative pivots of `K - point M`.
fn below(k: &Matrix, m: &Matrix, point: f64, pool: &Pool) -> Result<Option<usize>> {
    match factor(&combine(k, m, -point)?, pool) {
        Ok(factor) => Ok(Some(factor.negative_pivots())),
        Err(Failure::Singular(_)) => Ok(None),
        Err(Failure::Error(error)) => Err(error),
    }
}

/// `K + factor M`.
fn combine(k: &Matrix, m: &Matrix, factor: f64) -> Result<Matrix> {
    let entries = k.nnz() + m.nnz();
    crate::memory::ensure_available("the shifted matrix", entries as u64 * 12)?;
    let (mut starts, mut indices, mut data) = (vec![0], Vec::with_capacity(entries), Vec::with_capacity(entries));
    for (a, b) in k.outer_iterator().zip(m.outer_iterator()) {
        let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
        loop {
            let row = match (a.peek(), b.peek()) {
                (Some((i, _)), Some((j, _))) => *i.min(j),
                (Some((i, _)), None) => *i,
                (None, Some((j, _))) => *j,
                (None, None) => break,
            };
            let of_a = a.next_if(|(i, _)| *i == row).map_or(0.0, |(_, value)| *value);
            let of_b = b.next_if(|(i, _)| *i == row).map_or(0.0, |(_, value)| *value);
            indices.push(row as u32);
            data.push(of_a + factor * of_b);
        }
        starts.push(indices.len());
    }
    Matrix::try_new_csc(k.shape(), starts, indices, data)
        .map_err(|(.., e)| Error::Internal(format!("bad compressed columns: {e}")))
}

/// The mass matrix as an inner product.
#[derive(Clone, Copy)]
struct Mass<'m> {
    m: &'m Matrix,
    /// Its largest entry.
    largest: f64,
}

impl<'m> Mass<'m> {
    fn new(m: &'m Matrix) -> Result<Self> {
        let negative = m.outer_iterator().enumerate().find(|(j, column)| column.get(*j).is_some_and(|x| *x < 0.0));
        if let Some((row, _)) = negative {
            let why = format!("the mass matrix is indefinite: its diagonal is negative in row {}", row + 1);
            return Err(Error::Model(why));
        }
        Ok(Self { m, largest: m.data().iter().fold(0.0, |most, x| x.abs().max(most)) })
    }

    fn times(self, x: &[f64]) -> Vec<f64> {
        times(self.m, x)
    }

    /// `sqrt(x' M x)`, where `mx` is `M x`: 0 where roundoff makes it negative.
    fn norm(self, x: &[f64], mx: &[f64]) -> Result<f64> {
        let square = dot(x, mx);
        if square < -1e-10 * self.largest * dot(x, x) {
            let why = "the mass matrix is indefinite: there are motions of negative kinetic energy";
            return Err(Error::Model(format!("{why}; the whole model has no frequencies")));
        }
        Ok(square.max(0.0).sqrt())
    }
}

/// `M x` for symmetric M.
fn times(m: &Matrix, x: &[f64]) -> Vec<f64> {
    let (starts, rows, data) = (m.indptr().into_raw_storage(), m.indices(), m.data());
    let entry = |column: usize| {
        let range = starts[column]..starts[column + 1];
        range.map(|k| data[k] * x[rows[k] as usize]).sum()
    };
    (0..x.len()).into_par_iter().with_min_len(1024).map(entry).collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    // Blocks in a fixed order: the same sum for any number of threads.
    let sums: Vec<f64> =
        x.par_chunks(4096).zip(y.par_chunks(4096)).map(|(x, y)| x.iter().zip(y).map(|(x, y)| x * y).sum()).collect();
    sums.iter().sum()
}

fn add(y: &mut [f64], factor: f64, x: &[f64]) {
    y.par_chunks_mut(4096)
        .zip(x.par_chunks(4096))
        .for_each(|(y, x)| y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x));
}

/// The basis: vectors that are orthonormal in M, and M times each.
#[derive(Default)]
struct Basis {
    q: Vec<Vec<f64>>,
    mq: Vec<Vec<f64>>,
}

impl Basis {
    /// Takes what lies in the basis out of `x` (twice: once is not enough in floating point). Returns the coefficients of
    /// the first pass and adds those of the second.
    fn orthogonalise(&self, x: &mut [f64]) -> Vec<f64> {
        let mut all = vec![0.0; self.q.len()];
        for _ in 0..2 {
            for (i, (q, mq)) in self.q.iter().zip(&self.mq).enumerate() {
                let h = dot(mq, x);
                add(x, -h, q);
                all[i] += h;
            }
        }
        all
    }

    /// Appends `x`, orthogonalised before, scaled to norm 1. A vector that has (relative to `size`)
    /// nothing left in the inner product of M is not appended.
    fn push(&mut self, mut x: Vec<f64>, mass: Mass<'_>, size: f64) -> Result<()> {
        let mut mx = mass.times(&x);
        let norm = mass.norm(&x, &mx)?;
        if norm.is_nan() || norm <= 1e-12 * size {
            return Ok(());
        }
        x.par_iter_mut().chain(&mut mx).for_each(|x| *x /= norm);
        self.q.push(x);
        self.mq.push(mx);
        Ok(())
    }
}

/// The largest eigenvalues `theta` of `A^-1 M`, in descending order: at least `count` of them that have converged, and
/// what else the basis gives.
fn iterate(factor: &Factor, mass: Mass<'_>, count: usize, (width, seed): (usize, u64)) -> Result<Vec<f64>> {
    let n = factor.order();
    let most = n.min(20 * count + 200 + 4 * width);
    let mut scratch = factor.scratch(width)?;
    crate::memory::ensure_available("the Lanczos basis", 16 * (n * (2 * count + 10 * width).min(n)) as u64)?;
    let mut basis = Basis::default();
    let mut rng = Philox::new(seed, 3);
    let mut block: Vec<f64> = (0..n * width).map(|_| rng.random::<f64>() - 0.5).collect();
    // Once through the inverse: components outside the range of M go, low modes grow.
    let apply = |basis: &[Vec<f64>], block: &mut Vec<f64>, scratch: &mut _| {
        block.clear();
        basis.iter().for_each(|mq| block.extend_from_slice(mq));
        factor.solve(block, scratch);
    };
    let start: Vec<Vec<f64>> = block.chunks(n).map(|x| mass.times(x)).collect();
    apply(&start, &mut block, &mut scratch);
    for x in block.chunks(n) {
        let mut x = x.to_vec();
        let size = mass.norm(&x, &mass.times(&x))?;
        basis.orthogonalise(&mut x);
        basis.push(x, mass, size)?;
    }
    if basis.q.is_empty() {
        return Err(Error::Model("the mass matrix is zero: there are no frequencies".into()));
    }
    // H = Q' M A^-1 M Q, column by column; the rows below the block follow by symmetry.
    let mut columns: Vec<Vec<f64>> = Vec::new();
    let mut first = 0;
    // Fewer vectors than modes need no look.
    let mut due = count + 1;
    loop {
        let last = basis.q.len();
        apply(&basis.mq[first..last], &mut block, &mut scratch);
        let mut left: Vec<(Vec<f64>, f64)> = Vec::new();
        for x in block.chunks(n) {
            let mut x = x.to_vec();
            if x.iter().any(|x| !x.is_finite()) {
                return Err(Error::Model("a solve of the whole model gave values that are not finite".into()));
            }
            let size = mass.norm(&x, &mass.times(&x))?;
            let mut h = basis.orthogonalise(&mut x);
            h.truncate(last);
            columns.push(h);
            left.push((x, size));
        }
        // What is left of each vector: the norm of it bounds the residual of every Ritz pair.
        let norms = left.iter().map(|(x, _)| mass.norm(x, &mass.times(x))).collect::<Result<Vec<f64>>>()?;
        let dimension = columns.len();
        let complete = left.iter().zip(&norms).all(|((_, size), norm)| *norm <= 1e-12 * size) || dimension >= n;
        if complete || dimension >= due.min(most) {
            due = dimension + dimension / LOOKS;
            let (values, vectors) = symmetric_pairs(projected(&columns).as_ref(), Par::Seq)?;
            let residual = |k: usize| -> f64 {
                norms.iter().enumerate().map(|(b, norm)| norm * vectors[(first + b, k)].abs()).sum()
            };
            let descending = (0..dimension).rev();
            let converged =
                descending.clone().take_while(|k| values[*k] > 0.0 && residual(*k) <= TOLERANCE * values[*k]);
            if converged.count() > count.min(n - 1) || complete {
                return Ok(descending.map(|k| values[k]).filter(|theta| *theta > 0.0).collect());
            }
        }
        if dimension >= most {
            return Err(Error::Model(format!(
                "the lowest {count} modes did not converge in {dimension} steps; ask for fewer with --full-modes"
            )));
        }
        first = last;
        for (mut x, size) in left {
            // Against the vectors of its own block as well.
            basis.orthogonalise(&mut x);
            basis.push(x, mass, size)?;
        }
        if basis.q.len() == first {
            return Err(Error::Model("the Lanczos iteration broke down".into()));
        }
    }
}

/// The projected matrix, of which the columns hold the rows up to their own block.
fn projected(columns: &[Vec<f64>]) -> Mat<f64> {
    let at = |i: usize, j: usize| columns[j].get(i).copied().unwrap_or(0.0);
    Mat::from_fn(columns.len(), columns.len(), |i, j| {
        // Both triangles exist within a block; their mean is symmetric.
        if columns[i].len() > j && columns[j].len() > i { 0.5 * (at(i, j) + at(j, i)) } else { at(i.min(j), i.max(j)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparse::from_triplets;

    /// None is missing.
    fn all(count: usize) -> Option<Counted> {
        Some(Counted { there: count, found: count })
    }

    fn chain(n: usize, free: bool, pool: &Pool) -> (Matrix, Matrix) {
        let (mut rows, mut columns, mut values) = (vec![], vec![], vec![]);
        for i in 0..n as u32 {
            let end = free && (i == 0 || i as usize == n - 1);
            for (j, value) in [(i.wrapping_sub(1), -1.0), (i, if end { 1.0 } else { 2.0 }), (i + 1, -1.0)] {
                if (j as usize) < n {
                    rows.push(i);
                    columns.push(j);
                    values.push(value);
                }
            }
        }
        let k = from_triplets((n, n), &rows, &columns, &values, pool).unwrap();
        let all: Vec<u32> = (0..n as u32).collect();
        let m = from_triplets((n, n), &all, &all, &vec![1.0; n], pool).unwrap();
        (k, m)
    }

    #[test]
    fn a_chain_has_the_closed_form() {
        let pool = Pool::shared(2, false).unwrap();
        for (n, count) in [(1, 1), (2, 2), (5, 3), (200, 10)] {
            let (k, m) = chain(n, false, &pool);
            let found = lowest(&k, &m, count, 1.0, 7, &pool).unwrap();
            assert_eq!((found.values.len(), found.counted, found.shift), (count, all(count), 0.0), "{n}");
            for (i, value) in found.values.iter().enumerate() {
                let angle = (i + 1) as f64 * std::f64::consts::PI / (2 * (n + 1)) as f64;
                let want = 4.0 * angle.sin().powi(2);
                assert!((value - want).abs() < 1e-10 * want, "{n} {i}: {value} {want}");
            }
        }
    }

    #[test]
    fn many_modes_keep_their_digits() {
        // The basis grows beyond the order from which divide and conquer would have lost half of them.
        let pool = Pool::shared(2, false).unwrap();
        let (n, count) = (500, 80);
        let (k, m) = chain(n, false, &pool);
        let found = lowest(&k, &m, count, 1.0, 7, &pool).unwrap();
        assert_eq!(found.counted, all(count));
        let mut worst = 0.0f64;
        for (i, value) in found.values.iter().enumerate() {
            let angle = (i + 1) as f64 * std::f64::consts::PI / (2 * (n + 1)) as f64;
            worst = worst.max((value / (4.0 * angle.sin().powi(2)) - 1.0).abs());
        }
        // The smallest of the inverted values is 1e-4 of the largest: roundoff times 1e4 and some units.
        assert!(worst < 1e-10, "{worst:e}");
    }

    #[test]
    fn a_free_chain_has_one_rigid_mode() {
        let pool = Pool::shared(2, false).unwrap();
        let (k, m) = chain(60, true, &pool);
        let found = lowest(&k, &m, 4, 0.01, 7, &pool).unwrap();
        assert!(found.values[0].abs() < 1e-12 && found.shift < 0.0, "{found:?}");
        for (i, value) in found.values.iter().enumerate().skip(1) {
            let want = 4.0 * (i as f64 * std::f64::consts::PI / 120.0).sin().powi(2);
            assert!((value - want).abs() < 1e-9 * want, "{i}: {value} {want}");
        }
        assert_eq!(found.counted, all(4));
    }

    /// `copies` of a chain side by side.
    fn beside(copies: u32, n: usize, free: bool, pool: &Pool) -> (Matrix, Matrix) {
        let (k, _) = chain(n, free, pool);
        let (mut rows, mut columns, mut values) = (vec![], vec![], vec![]);
        for (value, (i, j)) in k.iter() {
            for copy in 0..copies {
                rows.push(i + copy * n as u32);
                columns.push(j + copy * n as u32);
                values.push(*value);
            }
        }
        let order = n * copies as usize;
        let all: Vec<u32> = (0..order as u32).collect();
        let k = from_triplets((order, order), &rows, &columns, &values, pool).unwrap();
        (k, from_triplets((order, order), &all, &all, &vec![1.0; order], pool).unwrap())
    }

    #[test]
    fn double_modes_are_found_twice() {
        let pool = Pool::shared(2, false).unwrap();
        let (k, m) = beside(2, 40, false, &pool);
        let found = lowest(&k, &m, 6, 1.0, 7, &pool).unwrap();
        for pair in found.values.chunks(2) {
            assert!((pair[0] - pair[1]).abs() < 1e-10 * pair[0], "{found:?}");
        }
        assert_eq!(found.counted, all(6));
    }

    #[test]
    fn modes_that_come_in_dozens_are_all_found() {
        let pool = Pool::shared(2, false).unwrap();
        for (copies, free) in [(6, true), (11, true), (13, false)] {
            let length = 12;
            let (k, m) = beside(copies, length, free, &pool);
            let n = copies as usize;
            // The last one in the middle of a dozen: what is below is counted.
            for (count, below) in [(2 * n, 2 * n), (2 * n + 1, 2 * n), (n - 1, 0)] {
                let found = lowest(&k, &m, count, 0.01, 7, &pool).unwrap();
                assert_eq!(found.counted, all(below).filter(|_| below > 0), "{copies} {count}: {found:?}");
                for (i, value) in found.values.iter().enumerate() {
                    let (mode, parts) = (i / n, (2 * (length + usize::from(!free))) as f64);
                    let angle = (mode + usize::from(!free)) as f64 * std::f64::consts::PI / parts;
                    assert!((value - 4.0 * angle.sin().powi(2)).abs() < 1e-12, "{copies} {count} {i}: {value}");
                }
            }
        }
    }

    #[test]
    fn the_last_gap_is_found() {
        assert_eq!(point(&[], None, 0.0), None);
        assert_eq!(point(&[1.0, 2.0], Some(4.0), 0.0), Some((3.0, 2)));
        assert_eq!(point(&[1.0, 2.0, 2.0], Some(2.0 + 1e-12), 0.0), Some((1.5, 1)));
        assert_eq!(point(&[1.0, 1.0], Some(1.0), 0.0), None);
        // Rigid-body modes differ by roundoff only.
        assert_eq!(point(&[-1e-15, 1e-15], Some(2e-15), 0.1), None);
        assert_eq!(point(&[-1e-15, 1e-15], Some(1.0), 0.1).map(|(_, below)| below), Some(2));
    }

    #[test]
    fn an_indefinite_model_is_refused() {
        let pool = Pool::shared(2, true).unwrap();
        let (k, m) = chain(40, false, &pool);
        let all: Vec<u32> = (0..40).collect();
        let refused = |k: &Matrix, m: &Matrix| match lowest(k, m, 3, 1e-2, 1, &pool) {
            Err(Error::Model(why)) => why,
            other => panic!("{other:?}"),
        };
        let mut masses = vec![1.0; 40];
        masses[7] = -1.0;
        let negative = from_triplets((40, 40), &all, &all, &masses, &pool).unwrap();
        assert!(refused(&k, &negative).contains("diagonal is negative in row 8"));
        // A positive diagonal, and a pair of coupled masses of negative energy.
        let (rows, columns) = ([&all[..], &[7, 8]].concat(), [&all[..], &[8, 7]].concat());
        let coupled = from_triplets((40, 40), &rows, &columns, &[&[1.0; 40][..], &[1.5, 1.5]].concat(), &pool).unwrap();
        assert!(refused(&k, &coupled).contains("negative kinetic energy"));
        let buckled = combine(&k, &m, -0.05).unwrap();
        assert!(refused(&buckled, &m).contains("the stiffness matrix is indefinite"));
        assert!(lowest(&k, &m, 3, 1e-2, 1, &pool).is_ok());
    }
}
