//! Symmetric pencils in which some motions have no mass: `K x = lambda M x` with positive semidefinite `M`.
//!
//! With `M = V diag(mu) V'` the columns of `V` split into motions with mass (1) and without (0). The rows of the massless
//! ones are equations without `lambda`, so they follow the others, which is static condensation and exact:
//!
//! ```text
//! x_0 = -K_00^-1 K_01 x_1        (K_11 - K_10 K_00^-1 K_01) x_1 = lambda diag(mu_1) x_1
//! ```
//!
//! There are as many finite eigenvalues as motions with mass. The others are infinite, unless `K_00` is singular: then a
//! motion has neither mass nor stiffness, and any number is its eigenvalue.

use faer::{Mat, MatRef, Par};

use super::{Failure, symmetric_pairs};

/// The finite eigenvalues, rising, and their vectors, one a column, `x' M x = 1`.
pub(crate) struct Finite {
    pub(crate) values: Vec<f64>,
    pub(crate) vectors: Mat<f64>,
}

/// Solves `K x = lambda M x` for symmetric `k` and positive semidefinite `m`. Reads the lower triangles. A motion whose
/// mass is at the level of roundoff, each row measured by its own diagonal, has none.
///
/// # Errors
/// [`Failure::IndefiniteMass`] for an `m` with a negative eigenvalue; [`Failure::SingularMass`] for a motion without mass
/// and stiffness.
pub(crate) fn solve(k: MatRef<'_, f64>, m: MatRef<'_, f64>, par: Par) -> Result<Finite, Failure> {
    let n = k.nrows();
    let decompose = |a: &Mat<f64>| symmetric_pairs(a.as_ref(), par).map_err(|_| Failure::NotConverged);
    let d = scales(k, m)?;
    let scaled = |a: MatRef<'_, f64>| Mat::from_fn(n, n, |i, j| d[i] * d[j] * a[(i.max(j), i.min(j))]);
    let (mass, v) = decompose(&scaled(m))?;
    let roundoff = 4.0 * n as f64 * f64::EPSILON;
    let zero = roundoff * mass.last().copied().unwrap_or(0.0);
    if mass.iter().any(|mu| *mu < -zero) {
        return Err(Failure::IndefiniteMass);
    }
    let massless = mass.partition_point(|mu| *mu <= zero);
    let count = n - massless;
    let k = v.transpose() * scaled(k) * &v;
    let (k_00, k_10) = (k.get(..massless, ..massless), k.get(massless.., ..massless));
    let (stiffness, u) = decompose(&k_00.to_owned())?;
    let least = roundoff * k.norm_max();
    // NaN fails the comparison.
    if !stiffness.iter().all(|kappa| kappa.abs() > least) {
        return Err(Failure::SingularMass);
    }
    // How the massless motions follow those with mass: x_0 = follow x_1.
    let coupling = (k_10 * &u).transpose().to_owned();
    let follow = -(&u * Mat::from_fn(massless, count, |i, j| coupling[(i, j)] / stiffness[i]));
    let condensed = k.get(massless.., massless..) + k_10 * &follow;
    let root: Vec<f64> = mass[massless..].iter().map(|mu| mu.sqrt()).collect();
    let c = Mat::from_fn(count, count, |i, j| 0.5 * (condensed[(i, j)] + condensed[(j, i)]) / (root[i] * root[j]));
    let (values, y) = decompose(&c)?;
    let moving = Mat::from_fn(count, count, |i, j| y[(i, j)] / root[i]);
    let x = v.get(.., massless..) * &moving + v.get(.., ..massless) * (follow * &moving);
    Ok(Finite { values, vectors: Mat::from_fn(n, count, |i, j| d[i] * x[(i, j)]) })
}

/// Powers of two that scale the diagonal of `m` to about 1, and where that is zero the one of `k` to the largest of the
/// others: what different units of translations and rotations add to both condition numbers goes.
fn scales(k: MatRef<'_, f64>, m: MatRef<'_, f64>) -> Result<Vec<f64>, Failure> {
    let n = k.nrows();
    let power = |x: f64| (-0.5 * x.log2()).round().exp2();
    let mut d = vec![0.0; n];
    for i in 0..n {
        let diagonal = m[(i, i)];
        // A semidefinite matrix has nothing beside a zero on its diagonal.
        let row_is_zero = || (0..n).all(|j| m[(i.max(j), i.min(j))] == 0.0);
        if diagonal > 0.0 {
            d[i] = power(diagonal);
        } else if diagonal != 0.0 || !row_is_zero() {
            return Err(Failure::IndefiniteMass);
        }
    }
    let stiffest = (0..n).map(|i| d[i] * d[i] * k[(i, i)].abs()).fold(0.0, f64::max);
    let unit = if stiffest > 0.0 { stiffest } else { 1.0 };
    for i in 0..n {
        if d[i] == 0.0 {
            let stiffness = k[(i, i)].abs() / unit;
            d[i] = if stiffness > 0.0 { power(stiffness) } else { 1.0 };
        }
    }
    Ok(d)
}

#[cfg(test)]
mod tests {
    use faer::Side;
    use rand::RngExt as _;

    use super::*;
    use crate::numeric::philox::Philox;

    fn of_rows(rows: &[&[f64]]) -> Mat<f64> {
        Mat::from_fn(rows.len(), rows.len(), |i, j| rows[i][j])
    }

    #[test]
    fn a_massless_point_between_two_masses_is_condensed() {
        // wall - 2 - mass 1 - 3 - nothing - 6 - mass 4: the two springs in series are one of 2.
        let k = of_rows(&[&[5.0, -3.0, 0.0], &[-3.0, 9.0, -6.0], &[0.0, -6.0, 6.0]]);
        let m = of_rows(&[&[1.0, 0.0, 0.0], &[0.0, 0.0, 0.0], &[0.0, 0.0, 4.0]]);
        let found = solve(k.as_ref(), m.as_ref(), Par::Seq).unwrap();
        // (4 - lambda)(2 - 4 lambda) = 4.
        let (sum, product) = (4.5f64, 1.0f64);
        let root = (sum * sum / 4.0 - product).sqrt();
        assert_eq!(found.values.len(), 2);
        for (j, (value, want)) in found.values.iter().zip([sum / 2.0 - root, sum / 2.0 + root]).enumerate() {
            assert!((value - want).abs() < 1e-14, "{value} {want}");
            let x = found.vectors.col(j).to_owned();
            assert!((x[0] * x[0] + 4.0 * x[2] * x[2] - 1.0).abs() < 1e-14);
            assert!((x[1] - (3.0 * x[0] + 6.0 * x[2]) / 9.0).abs() < 1e-14, "it follows its neighbours");
        }
    }

    #[test]
    fn finite_eigenvalues_are_those_of_the_turned_pencil() {
        // M x = theta K x with positive definite K: the same vectors, theta = 1 / lambda, and 0 for what has no mass.
        for (n, rank, rotations) in [(1, 1, 1.0), (12, 7, 1.0), (40, 13, 1e-7), (150, 149, 1e3)] {
            let mut rng = Philox::new(7, n as u64);
            let mut noise = |_: usize, _: usize| rng.random::<f64>() - 0.5;
            // Every third row in other units.
            let unit = |i: usize| if i % 3 == 2 { rotations } else { 1.0 };
            let b = Mat::from_fn(n, rank, |i, j| unit(i) * noise(i, j));
            let a = Mat::from_fn(n, n, |i, j| unit(i) * (noise(i, j) + if i == j { 3.0 } else { 0.0 }));
            let (m, k) = (&b * b.transpose(), &a * a.transpose());
            let found = solve(k.as_ref(), m.as_ref(), Par::Seq).unwrap();
            assert_eq!(found.values.len(), rank, "{n}");
            let l = k.llt(Side::Lower).unwrap();
            let mut c = m.clone();
            faer::linalg::triangular_solve::solve_lower_triangular_in_place(l.L(), c.as_mut(), Par::Seq);
            let mut c = c.transpose().to_owned();
            faer::linalg::triangular_solve::solve_lower_triangular_in_place(l.L(), c.as_mut(), Par::Seq);
            let (theta, _) = symmetric_pairs(c.as_ref(), Par::Seq).unwrap();
            // Of the turned pencil the largest theta, the lowest eigenvalues, are the sharp ones.
            for (value, theta) in found.values.iter().zip(theta.iter().rev()).take(rank.div_ceil(3)) {
                assert!((value * theta - 1.0).abs() < 1e-9, "{n}: {value} {theta}");
            }
            let x = &found.vectors;
            let gram = x.transpose() * &m * x;
            let left = &k * x - &m * x * Mat::from_fn(rank, rank, |i, j| if i == j { found.values[i] } else { 0.0 });
            for j in 0..rank {
                assert!((0..rank).all(|i| (gram[(i, j)] - f64::from(i == j)).abs() < 1e-9), "{n}");
                let scale = |i: usize| (k[(i, i)] * found.values[j].max(1.0)).sqrt();
                assert!((0..n).all(|i| left[(i, j)].abs() < 1e-8 * scale(i) * found.values[j].max(1.0)), "{n} {j}");
            }
        }
    }

    #[test]
    fn what_has_no_answer_is_told_apart() {
        let unit = of_rows(&[&[1.0, 0.0], &[0.0, 1.0]]);
        let answer = |k: &Mat<f64>, m: &Mat<f64>| solve(k.as_ref(), m.as_ref(), Par::Seq).map(|found| found.values);
        for m in [[[1.0, 0.0], [0.0, -1.0]], [[1.0, 2.0], [2.0, 1.0]], [[0.0, 1.0], [1.0, 1.0]]] {
            assert_eq!(answer(&unit, &of_rows(&[&m[0], &m[1]])), Err(Failure::IndefiniteMass), "{m:?}");
        }
        // The second row has neither mass nor stiffness.
        let half = of_rows(&[&[1.0, 0.0], &[0.0, 0.0]]);
        assert_eq!(answer(&half, &half), Err(Failure::SingularMass));
        // Nothing has mass: every eigenvalue is infinite.
        assert_eq!(answer(&unit, &of_rows(&[&[0.0, 0.0], &[0.0, 0.0]])), Ok(vec![]));
        // A rigid mass: the difference of the two rows has none.
        let together = of_rows(&[&[1.0, 1.0], &[1.0, 1.0]]);
        let found = answer(&unit, &together).unwrap();
        assert!(found.len() == 1 && (found[0] - 0.5).abs() < 1e-15, "{found:?}");
    }
}
