//! The certificate of a reduction: independent of how it was computed, every part normalised so that 30 is the limit.
//!
//! - Residual of every column, LAPACK's rule: `|K_ss x - b|_1 / (|K_ss|_1 |x|_1 eps)`.
//! - Symmetry of `K_red` before its triangles were averaged. `K_ms X` carries the residuals: with `|r_j|_1` at
//!   `30 |K_ss|_1 |x_j|_1 eps` each entry may be off by `max|X| |r_j|_1`, and by the rounding of its own sum.
//! - Congruence: for a random q, `K_red q` and `M_red q` are the master rows of `T' K T q` and `T' M T q`, computed from
//!   the blocks. The bound is that of the sums: n times eps times the same product with all signs positive.
//! - With modes of the whole: each frequency of the reduced model is an upper bound of its counterpart (Rayleigh-Ritz).

use rand::RngExt;
use rayon::prelude::*;
use serde_json::json;

use super::job::GuyanJob;
use super::reduce::{K_RED, M_RED, MODES, REDUCE, SOLVE};
use crate::error::Result;
use crate::job::{Answer, Check, Output};
use crate::numeric::philox::Philox;
use crate::sparse::{Blocks, Matrix, norm_1};

/// The limit of every normalised quantity.
const LIMIT: f64 = 30.0;

/// How far below its counterpart a frequency of the reduced model may lie, relatively: what the eigenvalue solvers
/// leave, a hundred times less than the accuracy that is promised.
const UPPER_BOUND_SLACK: f64 = 1e-9;

/// Columns that are checked together.
const LANES: usize = 8;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Certificate {
    /// Largest normalised residual and its column.
    pub(super) residual: f64,
    column: usize,
    /// `max |K_ss X - K_sm| / max |K_sm|`.
    pub(super) relative: f64,
    /// The other parts: name, normalised value.
    others: Vec<(&'static str, f64)>,
    /// What the column belongs to, in the user's numbering.
    name: String,
}

impl Certificate {
    /// The part that comes closest to its limit.
    pub(super) fn verdict(&self) -> Check {
        let residual = Check {
            what: "normalised residual".into(),
            error: self.residual,
            bound: LIMIT,
            detail: if self.residual <= LIMIT {
                String::new()
            } else {
                format!("in the column of master {}", self.name)
            },
        };
        let others = self.others.iter().map(|(name, value)| Check {
            what: (*name).into(),
            error: *value,
            bound: LIMIT,
            detail: String::new(),
        });
        // The residual speaks for a run that passed, and a wrong solution is the cause of all that follows from it.
        if !residual.passed() {
            return residual;
        }
        others
            .filter(|check| !check.passed())
            .fold(residual, |worst, check| if worst.passed() || check.error > worst.error { check } else { worst })
    }

    /// Adds what was found to the answer.
    pub(super) fn add_to(&self, answer: &mut Answer) {
        answer.json.insert("residual".into(), json!(self.relative));
        answer.json.insert("normalised_residual".into(), json!(self.residual));
        let mut parts = serde_json::Map::new();
        for (name, value) in &self.others {
            parts.insert((*name).into(), json!(value));
        }
        parts.insert("limit".into(), json!(LIMIT));
        answer.json.insert("certificate".into(), parts.into());
        let line = format!("{:.2} of {LIMIT} allowed (normalised), {:.1e} relative", self.residual, self.relative);
        answer.lines.push(("residual".into(), line));
        for (name, value) in &self.others {
            answer.lines.push(((*name).into(), format!("{value:.1e} of {LIMIT} allowed")));
        }
    }
}

/// Checks a run. Uses the threads of the pool that the caller is in.
///
/// # Errors
/// None of its own.
pub(super) fn certify(job: &GuyanJob, outputs: &[Output]) -> Result<Certificate> {
    let model = &job.model;
    let blocks = &model.stiffness;
    let x: &[f64] = outputs[SOLVE].column(0);
    let Residuals { normalised, column, relative } = residuals(blocks, x);
    let reduced = &outputs[REDUCE];
    let mut others = Vec::new();
    let asymmetry = job.read(|state| state.facts.asymmetry);
    if model.symmetric {
        others.push(("symmetry of K_red", symmetry(blocks, x, asymmetry)));
    }
    let q = test_vector(model.masters(), job.wanted.seed);
    let slack = if model.symmetric { asymmetry } else { 0.0 };
    others.push(("congruence of K_red", stiffness_congruence(blocks, x, &q, reduced.column(K_RED), slack)));
    if let Some(mass) = &model.mass {
        others.push(("congruence of M_red", mass_congruence(mass, x, &q, reduced.column(M_RED))));
    }
    let values = job.reduced_values(outputs);
    if outputs.len() > MODES && !values.is_empty() {
        let roundoff = model.whole.as_ref().map_or(0.0, |(k, m)| norm_1(k) / norm_1(m));
        others.push(("upper bound of frequencies", upper_bound(values, outputs[MODES].column(0), roundoff)));
    }
    let name = blocks.masters.get(column).map_or_else(String::new, |row| model.row_name(*row as usize));
    Ok(Certificate { residual: normalised, column, relative, others, name })
}

struct Residuals {
    normalised: f64,
    column: usize,
    relative: f64,
}

/// Residuals of all columns, eight at a time with their values side by side.
fn residuals(blocks: &Blocks, x: &[f64]) -> Residuals {
    let (m, s) = (blocks.masters.len(), blocks.slaves.len());
    let (starts, rows, data) = raw(&blocks.ss);
    let column_sum = |j: usize| data[starts[j]..starts[j + 1]].iter().map(|a| a.abs()).sum::<f64>();
    let norm = (0..s).map(column_sum).fold(0.0, nan_max);
    let largest = blocks.sm.data().iter().fold(0.0, |largest: f64, b| largest.max(b.abs()));
    let blocks_of_columns: Vec<usize> = (0..m).step_by(LANES).collect();
    let of_block = |(wide, left): &mut (Vec<[f64; LANES]>, Vec<[f64; LANES]>), first: usize| {
        let lanes = LANES.min(m - first);
        wide.clear();
        wide.resize(s, [0.0; LANES]);
        left.clear();
        left.resize(s, [0.0; LANES]);
        for lane in 0..lanes {
            let column = &x[(first + lane) * s..(first + lane + 1) * s];
            wide.iter_mut().zip(column).for_each(|(wide, x)| wide[lane] = *x);
            let (starts, rows, data) = raw(&blocks.sm);
            for k in starts[first + lane]..starts[first + lane + 1] {
                left[rows[k] as usize][lane] = -data[k];
            }
        }
        for (j, wide) in wide.iter().enumerate() {
            for k in starts[j]..starts[j + 1] {
                let (left, a) = (&mut left[rows[k] as usize], data[k]);
                left.iter_mut().zip(wide).for_each(|(left, x)| *left += a * x);
            }
        }
        let mut worst = Residuals { normalised: 0.0, column: first, relative: 0.0 };
        for lane in 0..lanes {
            let sum = |values: &[[f64; LANES]]| values.iter().map(|value| value[lane].abs()).sum::<f64>();
            let (of_x, of_left) = (sum(wide), sum(left));
            let normalised = if of_left == 0.0 { 0.0 } else { of_left / (norm * of_x * f64::EPSILON) };
            let most = left.iter().map(|value| value[lane].abs()).fold(0.0, nan_max);
            let one = Residuals { normalised, column: first + lane, relative: most / largest };
            worst = worse(worst, one);
        }
        worst
    };
    let none = || Residuals { normalised: 0.0, column: 0, relative: 0.0 };
    let found: Vec<Residuals> =
        blocks_of_columns.into_par_iter().map_init(|| (Vec::new(), Vec::new()), of_block).collect();
    let mut worst = found.into_iter().fold(none(), worse);
    if largest == 0.0 {
        worst.relative = 0.0;
    }
    worst
}

fn worse(a: Residuals, b: Residuals) -> Residuals {
    let relative = nan_max(a.relative, b.relative);
    let b_is_worse = b.normalised > a.normalised || b.normalised.is_nan();
    let (normalised, column) = if b_is_worse { (b.normalised, b.column) } else { (a.normalised, a.column) };
    Residuals { normalised, column, relative }
}

/// The larger one; NaN when one is.
fn nan_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

fn raw(matrix: &Matrix) -> (&[usize], &[u32], &[f64]) {
    (matrix.indptr().into_raw_storage(), matrix.indices(), matrix.data())
}

/// The asymmetry in units of what residuals at their limit explain.
fn symmetry(blocks: &Blocks, x: &[f64], asymmetry: f64) -> f64 {
    let (m, s) = (blocks.masters.len(), blocks.slaves.len());
    if asymmetry == 0.0 {
        return 0.0;
    }
    let norm = crate::sparse::norm_1(&blocks.ss);
    let largest = x.par_iter().map(|x| x.abs()).reduce(|| 0.0, nan_max);
    let column = |j: usize| x[j * s..(j + 1) * s].iter().map(|x| x.abs()).sum::<f64>();
    let longest = (0..m).into_par_iter().map(column).reduce(|| 0.0, nan_max);
    let entry = blocks.mm.data().iter().fold(0.0, |largest: f64, a| largest.max(a.abs()));
    // Entry (i, j) has the residual of column j, entry (j, i) that of column i.
    let explained = f64::EPSILON * (2.0 * largest * norm * longest + entry);
    asymmetry / explained
}

/// Values in -1..1 for the congruence checks.
fn test_vector(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = Philox::new(seed, 4);
    (0..n).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect()
}

/// `X q` and `|X| |q|`.
fn expand(x: &[f64], q: &[f64], s: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut plain, mut positive) = (vec![0.0; s], vec![0.0; s]);
    plain.par_chunks_mut(4096).zip(positive.par_chunks_mut(4096)).enumerate().for_each(|(part, (plain, positive))| {
        for (j, q) in q.iter().enumerate() {
            let start = j * s + part * 4096;
            let x = &x[start..start + plain.len()];
            for ((plain, positive), x) in plain.iter_mut().zip(positive.iter_mut()).zip(x) {
                let product = x * q;
                *plain += product;
                *positive += product.abs();
            }
        }
    });
    (plain, positive)
}

/// Adds `factor A x` to `y` and `|A| p` to `z`.
fn accumulate(factor: f64, a: &Matrix, x: &[f64], p: &[f64], y: &mut [f64], z: &mut [f64]) {
    for (column, (x, p)) in a.outer_iterator().zip(x.iter().zip(p)) {
        for (row, a) in column.iter() {
            y[row] += factor * a * x;
            z[row] += a.abs() * p;
        }
    }
}

/// `max |A q - want|` in units of `bound` by entry, times the limit.
fn compare(a: &[f64], q: &[f64], want: &[f64], positive: &[f64], terms: f64, slack: f64) -> f64 {
    let n = q.len();
    let mut got = vec![0.0; n];
    let mut own = vec![0.0; n];
    for (j, q) in q.iter().enumerate() {
        for (i, a) in a[j * n..(j + 1) * n].iter().enumerate() {
            got[i] += a * q;
            own[i] += (a * q).abs();
        }
    }
    let length: f64 = q.iter().map(|q| q.abs()).sum();
    let mut worst = 0.0;
    for i in 0..n {
        let bound = terms * f64::EPSILON * (positive[i] + own[i]) + slack * length;
        let error = (got[i] - want[i]).abs();
        worst = nan_max(worst, if error == 0.0 { 0.0 } else { error / bound });
    }
    LIMIT * worst
}

fn stiffness_congruence(blocks: &Blocks, x: &[f64], q: &[f64], reduced: &[f64], slack: f64) -> f64 {
    let (m, s) = (q.len(), blocks.slaves.len());
    let (xq, positive) = expand(x, q, s);
    let (mut want, mut most) = (vec![0.0; m], vec![0.0; m]);
    let size: Vec<f64> = q.iter().map(|q| q.abs()).collect();
    accumulate(1.0, &blocks.mm, q, &size, &mut want, &mut most);
    accumulate(-1.0, &blocks.ms, &xq, &positive, &mut want, &mut most);
    compare(reduced, q, &want, &most, (m + s) as f64, slack)
}

fn mass_congruence(blocks: &Blocks, x: &[f64], q: &[f64], reduced: &[f64]) -> f64 {
    let (m, s) = (q.len(), blocks.slaves.len());
    let (xq, positive) = expand(x, q, s);
    let size: Vec<f64> = q.iter().map(|q| q.abs()).collect();
    let (mut masters, mut most) = (vec![0.0; m], vec![0.0; m]);
    accumulate(1.0, &blocks.mm, q, &size, &mut masters, &mut most);
    accumulate(-1.0, &blocks.ms, &xq, &positive, &mut masters, &mut most);
    let (mut slaves, mut most_slaves) = (vec![0.0; s], vec![0.0; s]);
    accumulate(1.0, &blocks.sm, q, &size, &mut slaves, &mut most_slaves);
    accumulate(-1.0, &blocks.ss, &xq, &positive, &mut slaves, &mut most_slaves);
    // Back through T'.
    for j in 0..m {
        let column = &x[j * s..(j + 1) * s];
        masters[j] -= column.iter().zip(&slaves).map(|(x, y)| x * y).sum::<f64>();
        most[j] += column.iter().zip(&most_slaves).map(|(x, y)| x.abs() * y).sum::<f64>();
    }
    compare(reduced, q, &masters, &most, (m + 2 * s) as f64, 0.0)
}

/// How far the eigenvalues of the reduced model lie below those of the whole, in units of the slack. `size` is that of the
/// matrices, `|K| / |M|`.
fn upper_bound(reduced: &[f64], whole: &[f64], size: f64) -> f64 {
    let largest = whole.iter().fold(size, |largest: f64, value| largest.max(value.abs()));
    let below = |(reduced, whole): (&f64, &f64)| {
        // Of rigid-body modes only the roundoff is known, which is that of the matrices and of the largest value.
        let unit = UPPER_BOUND_SLACK * whole.abs().max(1e-6 * largest);
        if whole <= reduced { 0.0 } else { (whole - reduced) / unit }
    };
    LIMIT * reduced.iter().zip(whole).map(below).fold(0.0, nan_max)
}
