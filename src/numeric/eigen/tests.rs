//! All paths against each other, against closed forms, and on matrices that are hard for the QR iteration.

use rand::RngExt as _;

use super::*;
use crate::numeric::philox::Philox;

fn random(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = Philox::new(seed, n as u64);
    (0..n * n).map(|_| rng.random::<f64>() - 0.3).collect()
}

fn values(method: Method, a: &[f64], n: usize) -> Vec<(f64, f64)> {
    let (mut re, mut im) = (vec![0.0; n], vec![0.0; n]);
    let pairs = Pairs { re: &mut re, im: &mut im, vectors: None };
    standard(method, a, n, false, &mut Scratch::default(), pairs).unwrap();
    re.into_iter().zip(im).collect()
}

/// Largest distance of an eigenvalue of `left` to its partner in `right`, each of which is used once.
fn distance(left: &[(f64, f64)], right: &[(f64, f64)]) -> f64 {
    let mut free: Vec<(f64, f64)> = right.to_vec();
    let mut most = 0.0f64;
    for a in left {
        let apart = |b: &(f64, f64)| (a.0 - b.0).hypot(a.1 - b.1);
        let best = (0..free.len()).min_by(|&i, &j| apart(&free[i]).total_cmp(&apart(&free[j]))).unwrap();
        most = most.max(apart(&free.swap_remove(best)));
    }
    most
}

#[test]
fn our_reduction_agrees_with_the_library_at_every_order_and_instruction_set() {
    for n in (1..=34).chain([63, 64, 65, 100, 130]) {
        let a = random(n, 1);
        let want = values(Method::Library, &a, n);
        for simd in Simd::available() {
            let got = values(Method::Own(simd), &a, n);
            let apart = distance(&got, &want);
            assert!(apart <= 1e-11 * n as f64, "order {n}, {}: {apart:e}", simd.name());
        }
    }
}

/// Row `i`, column `j` of an `n x n` matrix by rows.
fn matrix(n: usize, entry: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    (0..n * n).map(|ij| entry(ij / n, ij % n)).collect()
}

#[test]
fn permutations_do_not_cycle_for_ever() {
    // The eigenvalues of a cycle of length n are the n-th roots of 1; plain shifts never move it.
    for n in [2, 3, 4, 8, 16, 32, 100] {
        let a = matrix(n, |i, j| f64::from((i + 1) % n == j));
        let angle = |k: usize| std::f64::consts::TAU * k as f64 / n as f64;
        let want: Vec<_> = (0..n).map(|k| (angle(k).cos(), angle(k).sin())).collect();
        for simd in Simd::available() {
            assert!(distance(&values(Method::Own(simd), &a, n), &want) < 1e-13, "{n}");
        }
    }
}

#[test]
fn hard_matrices_agree_with_the_library() {
    let n = 90;
    let dense = random(n, 7);
    let grade = |i: usize, j: usize| 10f64.powi(-((i + j) as i32) / 12) * dense[i * n + j];
    let blocks = |i: usize, j: usize| if i / 30 > j / 30 { 0.0 } else { dense[i * n + j] };
    let low_rank = |i: usize, j: usize| (i + 1) as f64 * (j % 5) as f64 / n as f64;
    let cases: [(&str, Vec<f64>, f64); 4] = [
        ("graded", matrix(n, grade), 1e-12),
        ("block triangular", matrix(n, blocks), 1e-10),
        ("rank one", matrix(n, low_rank), 1e-10),
        ("scaled far down", dense.iter().map(|x| x * 1e-300).collect(), 1e-310),
    ];
    for (name, a, tolerance) in cases {
        let want = values(Method::Library, &a, n);
        for simd in Simd::available() {
            let apart = distance(&values(Method::Own(simd), &a, n), &want);
            assert!(apart <= tolerance, "{name}, {}: {apart:e}", simd.name());
        }
    }
}

#[test]
fn what_balancing_shrinks_keeps_its_digits() {
    // A cycle of 1, 1 and 1e-150: the cube roots of 1e-150.
    let mut a = matrix(3, |i, j| f64::from((i + 1) % 3 == j));
    a[6] = 1e-150;
    for method in [Method::Own(Simd::Baseline), Method::Own(Simd::detect())] {
        for (re, im) in values(method, &a, 3) {
            assert!((re.hypot(im) / 1e-50 - 1.0).abs() < 1e-13, "{re:e} {im:e}");
        }
    }
}

#[test]
fn an_iteration_that_is_cut_short_says_so() {
    let n = 20;
    let (mut work, mut re, mut im) = (hessenberg::Work::default(), vec![0.0; n], vec![0.0; n]);
    for (most, want) in [(3, Err(Failure::NotConverged)), (20 * n, Ok(()))] {
        work.load(&random(n, 4), n, 0..n, 1.0);
        hessenberg::reduce(Simd::detect(), &mut work);
        assert_eq!(francis::eigenvalues_within(Simd::detect(), most, &mut work, &mut re, &mut im), want);
    }
}

#[test]
fn the_reduction_keeps_the_traces_and_leaves_nothing_below_the_subdiagonal() {
    for n in [1, 2, 3, 7, 8, 9, 33] {
        let a = random(n, 9);
        for simd in Simd::available() {
            let mut work = hessenberg::Work::default();
            work.load(&a, n, 0..n, 1.0);
            hessenberg::reduce(simd, &mut work);
            let stride = work.stride();
            let h = work.entries().to_vec();
            let at = |i: usize, j: usize| h[i + j * stride];
            for j in 0..n {
                assert!((j + 2..stride).all(|i| at(i, j) == 0.0), "column {j} of {n}");
            }
            let squares = |at: &dyn Fn(usize, usize) -> f64| -> f64 {
                (0..n * n).map(|ij| at(ij / n, ij % n) * at(ij % n, ij / n)).sum()
            };
            let trace = |at: &dyn Fn(usize, usize) -> f64| -> f64 { (0..n).map(|i| at(i, i)).sum() };
            let before = |i: usize, j: usize| a[i + j * n];
            assert!((trace(&at) - trace(&before)).abs() < 1e-13 * n as f64);
            assert!((squares(&at) - squares(&before)).abs() < 1e-13 * (n * n) as f64);
        }
    }
}

#[test]
fn scratch_of_a_larger_matrix_does_not_show() {
    let mut scratch = Scratch::default();
    let mut solve = |n: usize| {
        let (mut re, mut im) = (vec![0.0; n], vec![0.0; n]);
        let pairs = Pairs { re: &mut re, im: &mut im, vectors: None };
        standard(Method::Own(Simd::detect()), &random(n, 2), n, false, &mut scratch, pairs).unwrap();
        (re, im)
    };
    let first = solve(23);
    solve(60);
    solve(5);
    assert_eq!(solve(23), first);
}
