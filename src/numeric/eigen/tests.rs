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
