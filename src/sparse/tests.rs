//! Factorizations of every kind of matrix against dense ones.

use std::sync::Arc;

use faer::{Mat, MatRef, Side};
use proptest::prelude::*;

use super::*;
use crate::error::Error;
use crate::machine::pool::Pool;

fn pool() -> Arc<Pool> {
    Pool::shared(2, false).unwrap()
}

/// A sparse matrix with the non-zero entries of a dense one.
fn sparse(dense: MatRef<'_, f64>) -> Matrix {
    let (mut r, mut c, mut v) = (vec![], vec![], vec![]);
    for j in 0..dense.ncols() {
        for i in 0..dense.nrows() {
            if dense[(i, j)] != 0.0 {
                r.push(i as u32);
                c.push(j as u32);
                v.push(dense[(i, j)]);
            }
        }
    }
    from_triplets((dense.nrows(), dense.ncols()), &r, &c, &v, &pool()).unwrap()
}

/// Uniform numbers in -1..1 and choices, from a seed.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn value(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.value() * 0.5 + 0.5 < probability
    }
}

/// A random symmetric matrix; the diagonal is the sum of the row's magnitudes plus `shift`.
fn symmetric(n: usize, density: f64, shift: f64, random: &mut Random) -> Mat<f64> {
    let mut a = Mat::zeros(n, n);
    for j in 0..n {
        for i in 0..j {
            if random.chance(density) {
                let value = random.value();
                a[(i, j)] = value;
                a[(j, i)] = value;
            }
        }
    }
    for j in 0..n {
        a[(j, j)] = (0..n).map(|i| f64::abs(a[(i, j)])).sum::<f64>() + shift;
    }
    a
}

fn unsymmetric(n: usize, density: f64, random: &mut Random) -> Mat<f64> {
    Mat::from_fn(n, n, |i, j| {
        let there = i == j || random.chance(density);
        if there { random.value() + if i == j { 0.1 } else { 0.0 } } else { 0.0 }
    })
}

fn factor(a: MatRef<'_, f64>, ordering: Ordering) -> Result<Factor, Failure> {
    let (matrix, pool) = (sparse(a), pool());
    let analysis = Arc::new(Analysis::new(&matrix, &Options { ordering }, &pool)?);
    Factor::new(&analysis, &matrix, &pool)
}

/// The largest normwise backward error of the columns of `x` as solutions of `a x = b`, in units of roundoff.
fn backward_error(a: MatRef<'_, f64>, x: &[f64], b: &[f64]) -> f64 {
    let n = a.nrows();
    let norm = (0..n).map(|i| (0..n).map(|j| a[(i, j)].abs()).sum::<f64>()).fold(0.0, f64::max);
    let mut worst: f64 = 0.0;
    for (x, b) in x.chunks_exact(n.max(1)).zip(b.chunks_exact(n.max(1))) {
        let largest = |v: &[f64]| v.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let scale = norm * largest(x) + largest(b);
        for i in 0..n {
            let residual = (0..n).map(|j| a[(i, j)] * x[j]).sum::<f64>() - b[i];
            let error = if residual == 0.0 { 0.0 } else { residual.abs() / (scale * f64::EPSILON) };
            worst = if error.is_nan() { f64::INFINITY } else { worst.max(error) };
        }
    }
    worst
}

/// Solves with random right-hand sides, some of them sparse, and requires LAPACK's bound of the residual.
fn check_solves(a: MatRef<'_, f64>, factor: &Factor, random: &mut Random) {
    let n = a.nrows();
    for columns in [0, 1, 3, 40] {
        let b: Vec<f64> = (0..n * columns)
            .map(|k| if columns == 3 && k % n.max(1) != k / n.max(1) { 0.0 } else { random.value() })
            .collect();
        let mut x = b.clone();
        factor.solve(&mut x, &mut factor.scratch(columns).unwrap());
        let error = backward_error(a, &x, &b);
        assert!(error <= 30.0 * n.max(1) as f64, "{error} of order {n}, {columns} columns");
    }
}

const ORDERINGS: [Ordering; 4] =
    [Ordering::Auto, Ordering::MinimumDegree, Ordering::NestedDissection, Ordering::Natural];

#[test]
fn the_backward_error_sees_a_wrong_solution() {
    let mut random = Random(7);
    let a = symmetric(20, 0.2, 1.0, &mut random);
    let factor = factor(a.as_ref(), Ordering::Auto).unwrap();
    let b = vec![1.0; 20];
    let mut x = b.clone();
    factor.solve(&mut x, &mut factor.scratch(1).unwrap());
    x[3] *= 1.0 + 1e-12;
    assert!(backward_error(a.as_ref(), &x, &b) > 600.0);
    x[3] = f64::NAN;
    assert_eq!(backward_error(a.as_ref(), &x, &b), f64::INFINITY);
}

#[test]
fn orders_zero_and_one_and_the_diagonal() {
    for ordering in ORDERINGS {
        let none = factor(Mat::<f64>::zeros(0, 0).as_ref(), ordering).unwrap();
        assert_eq!((none.order(), none.negative_pivots(), none.condition()), (0, 0, 1.0));
        none.solve(&mut [], &mut none.scratch(5).unwrap());
        let one = factor(Mat::from_fn(1, 1, |_, _| -4.0).as_ref(), ordering).unwrap();
        let mut x = [8.0, 2.0];
        one.solve(&mut x, &mut one.scratch(2).unwrap());
        assert_eq!((x, one.negative_pivots(), one.condition()), ([-2.0, -0.5], 1, 1.0));
        let diagonal = Mat::from_fn(50, 50, |i, j| if i == j { (i + 1) as f64 } else { 0.0 });
        let diagonal = factor(diagonal.as_ref(), ordering).unwrap();
        assert!((diagonal.condition() - 50.0).abs() < 1e-12, "{}", diagonal.condition());
    }
}

#[test]
fn negative_eigenvalues_are_counted() {
    let mut random = Random(11);
    for n in [2, 5, 30, 90] {
        let mut a = symmetric(n, 0.3, 0.1, &mut random);
        for k in 0..n {
            a[(k, k)] = random.value();
        }
        let eigenvalues = a.self_adjoint_eigenvalues(Side::Lower).unwrap();
        let negative = eigenvalues.iter().filter(|x| **x < 0.0).count();
        let found = factor(a.as_ref(), Ordering::Auto).unwrap();
        assert_eq!(found.negative_pivots(), negative);
        check_solves(a.as_ref(), &found, &mut random);
    }
}

#[test]
fn values_that_are_not_numbers_are_named() {
    for bad in [f64::NAN, f64::INFINITY] {
        let mut a = symmetric(6, 0.5, 1.0, &mut Random(3));
        a[(4, 4)] = bad;
        let error = Error::from(factor(a.as_ref(), Ordering::Auto).unwrap_err());
        assert!(matches!(error, Error::Model(_)) && error.to_string().contains("row 5, column 5"), "{error}");
    }
}

#[test]
fn another_pattern_is_refused() {
    let mut random = Random(5);
    let (a, b) = (symmetric(9, 0.3, 1.0, &mut random), symmetric(9, 0.6, 1.0, &mut random));
    let analysis = Arc::new(Analysis::new(&sparse(a.as_ref()), &Options::default(), &pool()).unwrap());
    assert!(matches!(Factor::new(&analysis, &sparse(b.as_ref()), &pool()), Err(Failure::Error(Error::Internal(_)))));
}

#[test]
fn rows_of_zeros_and_empty_patterns_are_singular() {
    for n in [1, 2, 7] {
        let zero = Mat::<f64>::zeros(n, n);
        assert!(matches!(factor(zero.as_ref(), Ordering::Auto), Err(Failure::Singular(_))), "{n}");
    }
    let mut a = unsymmetric(8, 0.4, &mut Random(1));
    a.row_mut(5).fill(0.0);
    assert!(matches!(factor(a.as_ref(), Ordering::Auto), Err(Failure::Singular(_))));
}

/// A free elastic chain in space: node masses joined by springs in all directions, `pieces` of them, each with three
/// translations that nothing holds.
fn floating(pieces: usize, nodes: usize) -> Mat<f64> {
    let n = 3 * pieces * nodes;
    let mut a = Mat::zeros(n, n);
    for piece in 0..pieces {
        for node in 1..nodes {
            for d in 0..3 {
                let i = 3 * (piece * nodes + node) + d;
                let stiffness = 1.0 + 0.3 * d as f64 + 0.1 * (node % 5) as f64;
                a[(i, i)] += stiffness;
                a[(i - 3, i - 3)] += stiffness;
                a[(i, i - 3)] -= stiffness;
                a[(i - 3, i)] -= stiffness;
            }
        }
    }
    a
}

#[test]
fn rigid_body_modes_are_counted() {
    for (pieces, nodes) in [(1, 2), (1, 40), (2, 30), (5, 12)] {
        let a = floating(pieces, nodes);
        for ordering in ORDERINGS {
            match factor(a.as_ref(), ordering) {
                Err(Failure::Singular(found)) => {
                    assert_eq!((found.null_space, found.at_least), (3 * pieces, false), "{pieces} x {nodes}");
                    assert!(found.row < a.nrows());
                }
                other => panic!("{other:?}"),
            }
        }
        // One node held: what is left is the modes of the other pieces.
        let mut held = a.clone();
        (0..3).for_each(|d| held[(d, d)] += 1.0);
        match factor(held.as_ref(), Ordering::Auto) {
            Ok(found) => {
                assert_eq!((pieces, found.method()), (1, Method::Cholesky));
                check_solves(held.as_ref(), &found, &mut Random(2));
            }
            Err(Failure::Singular(found)) => {
                assert_eq!(found.null_space, 3 * (pieces - 1));
                assert!(found.row >= 3 * nodes, "the held piece does not move");
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    let text = Error::from(Failure::Singular(Singular { row: 4, null_space: 6, at_least: false })).to_string();
    assert!(text.contains("6 null vectors") && text.contains("row 5"), "{text}");
}

#[test]
fn a_mechanism_is_named_by_its_row() {
    let mut random = Random(4);
    for bad in [0, 13, 59] {
        let mut a = symmetric(60, 0.1, 1.0, &mut random);
        for k in 0..60 {
            a[(bad, k)] = 0.0;
            a[(k, bad)] = 0.0;
        }
        // Once without an entry, once with a stored zero.
        let plain = factor(a.as_ref(), Ordering::Auto);
        assert_eq!(plain.unwrap_err(), Failure::Singular(Singular { row: bad, null_space: 1, at_least: true }));
        a[(bad, bad)] = 1e-300;
        match factor(a.as_ref(), Ordering::Auto) {
            Err(Failure::Singular(found)) => assert_eq!((found.row, found.null_space), (bad, 1)),
            other => panic!("{other:?}"),
        }
    }
}

/// The 7-point Laplacian of a grid.
fn laplacian(nx: usize, ny: usize, nz: usize) -> Matrix {
    let n = nx * ny * nz;
    let (mut r, mut c, mut v) = (vec![], vec![], vec![]);
    for i in 0..n {
        let (x, y, z) = (i % nx, i / nx % ny, i / nx / ny);
        let mut add = |there: bool, j: usize| {
            if there {
                r.push(i as u32);
                c.push(j as u32);
                v.push(-1.0);
            }
        };
        add(x > 0, i.wrapping_sub(1));
        add(x + 1 < nx, i + 1);
        add(y > 0, i.wrapping_sub(nx));
        add(y + 1 < ny, i + nx);
        add(z > 0, i.wrapping_sub(nx * ny));
        add(z + 1 < nz, i + nx * ny);
        r.push(i as u32);
        c.push(i as u32);
        v.push(6.0);
    }
    from_triplets((n, n), &r, &c, &v, &pool()).unwrap()
}

/// The largest `|A x - b|` relative to `|b|`.
fn residual(a: &Matrix, x: &[f64], b: &[f64]) -> f64 {
    let mut r: Vec<f64> = b.iter().map(|b| -b).collect();
    add_transposed_product(1.0, a, x, &mut r, x.len() / a.rows());
    let largest = |v: &[f64]| v.iter().fold(0.0f64, |m, x| if x.is_nan() { f64::INFINITY } else { m.max(x.abs()) });
    largest(&r) / largest(b)
}

#[test]
fn large_fronts_and_many_batches_give_the_same_bits_on_any_number_of_threads() {
    let a = laplacian(22, 20, 18);
    for ordering in [Ordering::NestedDissection, Ordering::MinimumDegree, Ordering::Natural] {
        let n = a.rows();
        // Right-hand sides that are mostly zero, as those of a few masters.
        let mut b = vec![0.0; n * 11];
        let mut random = Random(9);
        (0..60).for_each(|_| b[(random.bits() % (n as u64 * 11)) as usize] = random.value());
        let solutions: Vec<Vec<f64>> = [1, 2, 3]
            .map(|threads| {
                let pool = Pool::shared(threads, false).unwrap();
                let analysis = Arc::new(Analysis::new(&a, &Options { ordering }, &pool).unwrap());
                assert!(analysis.flops() > 1e7 && analysis.peak_bytes() > analysis.factor_bytes());
                assert!(analysis.factor_bytes() >= 8 * analysis.factor_entries());
                let factor = Factor::new(&analysis, &a, &pool).unwrap();
                assert_eq!(factor.method(), Method::Cholesky);
                let mut x = b.clone();
                factor.solve(&mut x, &mut factor.scratch(11).unwrap());
                x
            })
            .to_vec();
        assert!(residual(&a, &solutions[0], &b) < 1e-13);
        assert!(solutions[0] == solutions[1] && solutions[0] == solutions[2], "{ordering:?}");
    }
}

#[test]
fn one_analysis_serves_many_matrices_and_threads() {
    let a = laplacian(9, 8, 7);
    let pool = pool();
    let analysis = Arc::new(Analysis::new(&a, &Options::default(), &pool).unwrap());
    for shift in [0.0, 5.0, -2.0, -9.0] {
        let mut shifted = a.clone();
        (0..a.rows()).for_each(|i| *shifted.get_mut(i, i).unwrap() += shift);
        let factor = Factor::new(&analysis, &shifted, &pool).unwrap();
        assert_eq!(factor.method(), if shift < 0.0 { Method::Lblt } else { Method::Cholesky });
        assert_eq!(factor.negative_pivots() > 0, shift < 0.0);
        std::thread::scope(|scope| {
            for seed in 0..3 {
                let (factor, shifted) = (&factor, &shifted);
                scope.spawn(move || {
                    let mut random = Random(seed);
                    let b: Vec<f64> = (0..5 * shifted.rows()).map(|_| random.value()).collect();
                    let mut x = b.clone();
                    factor.solve(&mut x, &mut factor.scratch(5).unwrap());
                    assert!(residual(shifted, &x, &b) < 1e-10 * factor.condition().max(1.0));
                });
            }
        });
    }
    // Values that are no longer symmetric: L U, with the same analysis.
    let mut skewed = a.clone();
    *skewed.get_mut(1, 0).unwrap() = -3.0;
    assert_eq!(Factor::new(&analysis, &skewed, &pool).unwrap().method(), Method::Lu);
}

#[test]
fn a_factor_in_the_memory_of_another_is_the_same() {
    let pool = pool();
    let (first, smaller) = (laplacian(9, 9, 9), laplacian(5, 4, 3));
    let mut second = first.clone();
    second.data_mut().iter_mut().for_each(|value| *value *= 1.0 + value.abs());
    let analyse = |matrix: &Matrix| Arc::new(Analysis::new(matrix, &Options::default(), &pool).unwrap());
    let solve = |factor: &Factor| {
        let mut x: Vec<f64> = (0..factor.order()).map(|k| (k % 13) as f64 - 6.0).collect();
        factor.solve(&mut x, &mut factor.scratch(1).unwrap());
        x
    };
    let analysis = analyse(&first);
    let storage = Factor::new(&analysis, &first, &pool).unwrap().into_storage();
    assert!(storage.bytes() >= analysis.factor_bytes());
    let again = Factor::new_in(storage, &analysis, &second, &pool).unwrap();
    assert_eq!(solve(&again), solve(&Factor::new(&analysis, &second, &pool).unwrap()));
    // Memory of another size is not used.
    let other = Factor::new_in(again.into_storage(), &analyse(&smaller), &smaller, &pool).unwrap();
    assert_eq!(solve(&other), solve(&Factor::new(&analyse(&smaller), &smaller, &pool).unwrap()));
}

#[test]
fn arrow_matrices_and_separate_pieces() {
    let mut random = Random(21);
    for (n, pieces) in [(1, 1), (40, 1), (40, 4), (90, 30)] {
        let mut a = Mat::zeros(n, n);
        let size = n / pieces;
        for k in 0..n {
            let head = k / size * size;
            a[(k, k)] = 3.0 + size as f64;
            if k != head && head < n {
                a[(k, head)] = random.value();
                a[(head, k)] = a[(k, head)];
            }
        }
        for ordering in ORDERINGS {
            check_solves(a.as_ref(), &factor(a.as_ref(), ordering).unwrap(), &mut random);
        }
    }
}

#[test]
fn predicted_counts_are_those_of_the_factor() {
    // A dense matrix: all of the triangle; a diagonal: nothing else.
    let dense = sparse(symmetric(30, 1.0, 1.0, &mut Random(8)).as_ref());
    let analysis = Analysis::new(&dense, &Options::default(), &pool()).unwrap();
    assert_eq!((analysis.factor_entries(), analysis.flops()), (465, 9455.0));
    // An arrow with the head eliminated last: n - 1 columns of two entries and one of one.
    let arrow = Mat::from_fn(25, 25, |i, j| {
        if i == j {
            30.0
        } else if i == 24 || j == 24 {
            1.0
        } else {
            0.0
        }
    });
    for ordering in [Ordering::Natural, Ordering::MinimumDegree] {
        let analysis = Analysis::new(&sparse(arrow.as_ref()), &Options { ordering }, &pool()).unwrap();
        assert_eq!((analysis.factor_entries(), analysis.flops()), (49, 97.0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn positive_definite_matrices(n in 0usize..80, density in 0.0..0.6f64, seed in any::<u64>(), which in 0usize..4) {
        let mut random = Random(seed);
        let a = symmetric(n, density, 0.01, &mut random);
        let found = factor(a.as_ref(), ORDERINGS[which]).unwrap();
        prop_assert_eq!((found.method(), found.negative_pivots()), (Method::Cholesky, 0));
        check_solves(a.as_ref(), &found, &mut random);
    }

    #[test]
    fn unsymmetric_matrices(n in 2usize..60, density in 0.0..0.6f64, seed in any::<u64>()) {
        let mut random = Random(seed);
        let mut a = unsymmetric(n, density, &mut random);
        a[(0, n - 1)] = 0.5;
        a[(n - 1, 0)] = -0.5;
        match factor(a.as_ref(), Ordering::Auto) {
            Ok(found) => {
                prop_assert_eq!(found.method(), Method::Lu);
                // Pivots inside supernodes: growth is possible, a condition number of 1e8 and more is not excluded.
                check_solves(a.as_ref(), &found, &mut random);
            }
            Err(Failure::Singular(_)) => {
                let singular = a.singular_values().unwrap();
                prop_assert!(singular[n - 1] <= 1e-12 * singular[0]);
            }
            Err(other) => prop_assert!(false, "{:?}", other),
        }
    }
}
