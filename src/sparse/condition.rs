//! The condition number in the 1-norm, estimated from a few solves (Hager 1984, Higham 1988).

/// A lower bound of `||A^-1||_1`, nearly always within a factor 3 of it. `solve` replaces a vector by `A^-1` times it,
/// `solve_transposed` by `A^-T` times it. NaN or infinite when a solve gives that; 0 for order 0.
pub(super) fn inverse_norm_1(
    n: usize,
    mut solve: impl FnMut(&mut [f64]),
    mut solve_transposed: impl FnMut(&mut [f64]),
) -> f64 {
    if n == 0 {
        return 0.0;
    }
    let norm = |x: &[f64]| x.iter().map(|v| v.abs()).sum::<f64>();
    let mut x = vec![1.0 / n as f64; n];
    solve(&mut x);
    let mut estimate = norm(&x);
    let mut unit = usize::MAX;
    for round in 0..5 {
        if !estimate.is_finite() {
            return estimate;
        }
        let mut sign: Vec<f64> = x.iter().map(|v| 1.0f64.copysign(*v)).collect();
        solve_transposed(&mut sign);
        let mut best = 0;
        for (k, z) in sign.iter().enumerate() {
            if z.abs() > sign[best].abs() {
                best = k;
            }
        }
        if best == unit && round > 0 {
            break;
        }
        unit = best;
        x.fill(0.0);
        x[unit] = 1.0;
        solve(&mut x);
        let better = norm(&x);
        if better.is_nan() || better > estimate {
            estimate = better;
        } else {
            break;
        }
    }
    // Higham's safeguard against cancellation: a vector of alternating signs and growing entries.
    let step = 1.0 / (n.max(2) - 1) as f64;
    for (k, v) in x.iter_mut().enumerate() {
        *v = (1.0 + k as f64 * step) * if k % 2 == 0 { 1.0 } else { -1.0 };
    }
    solve(&mut x);
    let other = 2.0 * norm(&x) / (3.0 * n as f64);
    if other.is_nan() { other } else { estimate.max(other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagonal_matrix_is_estimated_exactly() {
        for n in [1, 2, 5, 100] {
            let inverse: Vec<f64> =
                (0..n).map(|k| 1.0 / (k + 1) as f64 * if k == n / 2 { 50.0 } else { 1.0 }).collect();
            let solve = |x: &mut [f64]| x.iter_mut().zip(&inverse).for_each(|(x, d)| *x *= d);
            let largest = inverse.iter().fold(0.0f64, |a, b| a.max(*b));
            assert_eq!(inverse_norm_1(n, solve, solve), largest);
        }
        assert_eq!(inverse_norm_1(0, |_| (), |_| ()), 0.0);
    }

    #[test]
    fn a_broken_solve_shows() {
        let broken = |x: &mut [f64]| x.fill(f64::NAN);
        assert!(inverse_norm_1(3, broken, broken).is_nan());
    }
}
