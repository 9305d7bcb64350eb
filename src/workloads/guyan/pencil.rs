//! The dense generalised eigenproblem of the reduced model: `K phi = lambda M phi`.

use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Mat, MatRef, Par, Side};

use crate::numeric::eigen::{Failure, semidefinite, symmetric_pairs};

/// The finite eigenvalues in ascending order and their vectors, one a column, `phi' M phi = 1`: as many as there are motions
/// with mass.
pub(super) struct Modes {
    pub(super) values: Vec<f64>,
    pub(super) vectors: Mat<f64>,
}

impl Modes {
    /// No mode.
    pub(super) fn none() -> Self {
        Self { values: Vec::new(), vectors: Mat::new() }
    }
}

/// Solves `K phi = lambda M phi` for symmetric K and M of order n, column-major, by Cholesky where M is positive definite:
/// `M = L L'`, `C = L^-1 K L^-T`. Masters without mass are condensed. The error says why there is no answer.
pub(super) fn modes(k: &[f64], m: &[f64], n: usize, par: Par) -> Result<Modes, String> {
    if n == 0 {
        return Ok(Modes::none());
    }
    let (k, m) = (MatRef::from_column_major_slice(k, n, n), MatRef::from_column_major_slice(m, n, n));
    // Of a diagonal entry roundoff leaves this much to a motion without mass.
    let roundoff = 4.0 * n as f64 * f64::EPSILON;
    let factor = m.llt(Side::Lower).ok();
    let factor = factor.filter(|f| (0..n).all(|i| f.L()[(i, i)].powi(2) > roundoff * m[(i, i)]));
    let Some(factor) = factor else {
        let found = semidefinite::solve(k, m, par).map_err(|failure| match failure {
            Failure::IndefiniteMass => "the reduced mass matrix is indefinite",
            Failure::SingularMass | Failure::Undetermined => "a motion of the masters has neither mass nor stiffness",
            Failure::NotConverged => "the reduced eigenproblem did not converge",
        })?;
        return Ok(Modes { values: found.values, vectors: found.vectors });
    };
    let l = factor.L();
    let mut c = k.to_owned();
    solve_lower_triangular_in_place(l, c.as_mut(), par);
    let mut c = c.transpose().to_owned();
    solve_lower_triangular_in_place(l, c.as_mut(), par);
    // Both triangles carry the roundoff of one congruence; the mean of the two is symmetric.
    let c = Mat::from_fn(n, n, |i, j| 0.5 * (c[(i, j)] + c[(j, i)]));
    let (values, mut vectors) = symmetric_pairs(c.as_ref(), par).map_err(|error| error.to_string())?;
    solve_upper_triangular_in_place(l.transpose(), vectors.as_mut(), par);
    Ok(Modes { values, vectors })
}

/// The natural frequency in Hz of an eigenvalue `omega^2`; that of a negative one is negative. `zero` is the size below
/// which an eigenvalue is roundoff: a rigid-body mode.
pub(super) fn frequency(value: f64, zero: f64) -> f64 {
    if value.abs() <= zero {
        return 0.0;
    }
    value.signum() * value.abs().sqrt() / std::f64::consts::TAU
}

/// What a backward stable method leaves of the largest eigenvalue of a pencil of order `n`: a few `n eps`.
fn unit(n: usize) -> f64 {
    8.0 * n as f64 * f64::EPSILON
}

/// The roundoff of the eigenvalues of a pencil.
pub(super) fn roundoff(values: &[f64]) -> f64 {
    unit(values.len()) * values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()))
}

/// The roundoff of the matrices themselves, in units of `max k_ii / m_ii`: more than [`roundoff`] where masters without
/// mass were condensed and the finite eigenvalues are small.
pub(super) fn size_roundoff(k: &[f64], m: &[f64], n: usize) -> f64 {
    let diagonal = |a: &[f64], i: usize| a[i * n + i];
    let size = (0..n).filter(|i| diagonal(m, *i) > 0.0).map(|i| diagonal(k, i).abs() / diagonal(m, i));
    unit(n) * size.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_masses_on_springs() {
        // Masses 2 and 1, springs 3 to the wall and 1 between: lambda^2 - 3 lambda + 1.5 = 0.
        let modes = modes(&[4.0, -1.0, -1.0, 1.0], &[2.0, 0.0, 0.0, 1.0], 2, Par::Seq).unwrap();
        let root = 3f64.sqrt() / 2.0;
        for (value, want) in modes.values.iter().zip([1.5 - root, 1.5 + root]) {
            assert!((value - want).abs() < 1e-14, "{value} {want}");
        }
        let phi = &modes.vectors;
        for j in 0..2 {
            let mass = 2.0 * phi[(0, j)].powi(2) + phi[(1, j)].powi(2);
            assert!((mass - 1.0).abs() < 1e-14);
        }
        assert!(super::modes(&[1.0], &[0.0], 1, Par::Seq).unwrap().values.is_empty());
        assert!(super::modes(&[0.0], &[0.0], 1, Par::Seq).is_err());
        assert!(super::modes(&[1.0], &[-1.0], 1, Par::Seq).is_err());
        assert!(super::modes(&[], &[], 0, Par::Seq).is_ok());
    }

    #[test]
    fn low_modes_keep_their_digits_in_a_large_pencil() {
        // Eigenvalues from 1 to 1e7, turned by a reflection I - 2 v v'.
        let n = 300;
        let value = |i: usize| 10f64.powf(7.0 * i as f64 / (n - 1) as f64);
        let v: Vec<f64> = (0..n).map(|i| (1.0 + (i * 37 % 11) as f64) / 100.0).collect();
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let v: Vec<f64> = v.iter().map(|x| x / norm).collect();
        let h = Mat::from_fn(n, n, |i, j| f64::from(i == j) - 2.0 * v[i] * v[j]);
        let k = &h * Mat::from_fn(n, n, |i, j| if i == j { value(i) } else { 0.0 }) * &h;
        let k: Vec<f64> = (0..n * n).map(|at| 0.5 * (k[(at % n, at / n)] + k[(at / n, at % n)])).collect();
        let m: Vec<f64> = (0..n * n).map(|at| f64::from(at % n == at / n)).collect();
        let found = modes(&k, &m, n, Par::Seq).unwrap();
        // A backward stable method is wrong by some units of roundoff of the largest.
        let bound = roundoff(&found.values);
        for (i, found) in found.values.iter().enumerate() {
            assert!((found - value(i)).abs() <= bound, "{i}: {found} {} {bound}", value(i));
        }
    }

    #[test]
    fn frequencies_of_rigid_and_unstable_modes() {
        let hertz = |omega: f64| omega / std::f64::consts::TAU;
        assert_eq!(frequency(4.0, 0.0), hertz(2.0));
        assert_eq!(frequency(-4.0, 0.0), -hertz(2.0));
        assert_eq!(frequency(1e-9, 1e-8), 0.0);
    }
}
