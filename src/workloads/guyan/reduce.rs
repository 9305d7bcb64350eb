//! The steps after the solve: the reduced matrices with their modes, and the lowest modes of the whole model.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::job::{GuyanJob, with_pool};
use super::{lanczos, pencil};
use crate::error::{Error, Result};
use crate::job::{ChunkOut, Class, ColumnSpec, Host, Kernel, Output, Precision, Scalar, Whole, Work};
use crate::memory::available;
use crate::sparse::{Blocks, Factor, Storage, add_product, add_transposed_product};

/// Where the outputs of the steps stand.
pub(super) const SOLVE: usize = 2;
/// Output of [`Reduce`]: columns [`K_RED`], [`M_RED`], [`PHI`], [`LAMBDA`].
pub(super) const REDUCE: usize = 3;
/// Output of [`Modes`].
pub(super) const MODES: usize = 4;
/// Reduced stiffness, column by column.
pub(super) const K_RED: usize = 0;
/// Reduced mass.
pub(super) const M_RED: usize = 1;
/// Mode shapes on the masters, `phi' M_red phi = 1`.
pub(super) const PHI: usize = 2;
/// Eigenvalues, ascending.
pub(super) const LAMBDA: usize = 3;

/// The memory of a factor is kept for the next run if it is at most this part of what is available.
const KEPT: u64 = 4;
/// Columns that one task reduces.
const BLOCK: usize = 64;

/// Step `reduce`.
pub(super) struct Reduce<'j>(pub(super) &'j GuyanJob);

impl Kernel for Reduce<'_> {
    fn name(&self) -> &'static str {
        "reduce"
    }

    fn item(&self) -> &'static str {
        "master"
    }

    fn items(&self) -> u64 {
        self.0.model.masters() as u64
    }

    fn precision(&self) -> Precision {
        Precision::F64
    }

    fn work(&self) -> Work {
        let model = &self.0.model;
        let per_master = |entries: usize| 2.0 * entries as f64 / model.masters().max(1) as f64;
        let stiffness = per_master(model.stiffness.sm.nnz()) * model.masters() as f64;
        let mass = model.mass.as_ref().map_or(0.0, |mass| {
            2.0 * (mass.ss.nnz() + mass.sm.nnz()) as f64 + (model.slaves() * model.masters()) as f64
        });
        let bytes = 8.0 * (model.slaves() + model.masters()) as f64;
        Work { flops: stiffness + mass, bytes_read: bytes, bytes_written: 8.0 * model.masters() as f64 }
    }

    fn class(&self) -> Class {
        Class::Residual
    }

    fn columns(&self) -> Vec<ColumnSpec> {
        let per_item = self.0.model.masters();
        let column = |name, per_item| ColumnSpec { name, scalar: Scalar::F64, per_item };
        let mut columns = vec![column("k_red", per_item)];
        if self.0.model.mass.is_some() {
            columns.push(column("m_red", per_item));
        }
        if self.0.has_modes() {
            columns.extend([column("phi", per_item), column("lambda", 1)]);
        }
        columns
    }

    fn seq(&self, _: &mut ChunkOut<'_>) {}
}

impl Whole for Reduce<'_> {
    fn solve(&self, host: &Host<'_>, before: &[Output], out: &mut Output) -> Result<()> {
        let job = self.0;
        if let Some(error) = job.write(|state| state.failed.take()) {
            return Err(error);
        }
        // The factor has done its work. Its memory is for the next run, unless the products below need it more.
        job.write(|state| {
            let storage = state.factor.take().map(Factor::into_storage).unwrap_or_default();
            let spare = storage.bytes() <= available().unwrap_or(0) / KEPT;
            state.storage = if spare { storage } else { Storage::default() };
        });
        let model = &job.model;
        let n = model.masters();
        let x: &[f64] = before[SOLVE].column(0);
        with_pool(host, |pool| {
            pool.install(|| {
                let k = out.column_mut::<f64>(K_RED);
                stiffness(&model.stiffness, model.symmetric, x, k);
                if model.symmetric {
                    let asymmetry = average(k, n);
                    job.write(|state| state.facts.asymmetry = asymmetry);
                }
                if let Some(blocks) = &model.mass {
                    mass(blocks, x, out.column_mut(M_RED))?;
                }
                if job.has_modes() {
                    modes(job, out, if pool.threads() > 1 { Par::rayon(0) } else { Par::Seq });
                }
                Ok(())
            })
        })
    }
}

/// `K_red = K_mm - K_ms X`, column by column.
fn stiffness(blocks: &Blocks, symmetric: bool, x: &[f64], k: &mut [f64]) {
    let (m, s) = (blocks.masters.len(), blocks.slaves.len());
    k.par_chunks_mut((m * BLOCK).max(1)).enumerate().for_each(|(block, k)| {
        let first = block * BLOCK;
        let columns = k.len() / m;
        dense_columns(&blocks.mm, first, m, k);
        let x = &x[first * s..(first + columns) * s];
        if symmetric {
            // K_ms = K_sm': only the rows beside masters are read.
            add_transposed_product(-1.0, &blocks.sm, x, k, columns);
        } else {
            add_product(-1.0, &blocks.ms, x, k, columns);
        }
    });
}

/// `M_red = M_mm - M_ms X - X' (M_sm - M_ss X)`: the lower triangle block column by block column, then mirrored.
fn mass(blocks: &Blocks, x: &[f64], out: &mut [f64]) -> Result<()> {
    let (m, s) = (blocks.masters.len(), blocks.slaves.len());
    let threads = rayon::current_num_threads() as u64;
    crate::memory::ensure_available("the reduced mass matrix", threads * (s * BLOCK * 8) as u64)?;
    let whole = MatRef::from_column_major_slice(x, s, m);
    out.par_chunks_mut((m * BLOCK).max(1)).enumerate().for_each_init(Vec::new, |z, (block, out)| {
        let first = block * BLOCK;
        let columns = out.len() / m;
        let x = &x[first * s..(first + columns) * s];
        z.clear();
        z.resize(s * columns, 0.0);
        dense_columns(&blocks.sm, first, s, z);
        add_transposed_product(-1.0, &blocks.ss, x, z, columns);
        dense_columns(&blocks.mm, first, m, out);
        add_transposed_product(-1.0, &blocks.sm, x, out, columns);
        // Rows above this block column come from the mirror.
        let lower = MatMut::from_column_major_slice_mut(out, m, columns).subrows_mut(first, m - first);
        let left = whole.subcols(first, m - first).transpose();
        matmul(lower, Accum::Add, left, MatRef::from_column_major_slice(z, s, columns), -1.0, Par::Seq);
    });
    for j in 0..m {
        for i in j + 1..m {
            // Within a block column both triangles were computed; the lower one counts.
            out[i * m + j] = out[j * m + i];
        }
    }
    Ok(())
}

/// Columns `first..` of a sparse matrix of `rows` rows into zeroed or old memory.
fn dense_columns(matrix: &crate::sparse::Matrix, first: usize, rows: usize, out: &mut [f64]) {
    out.fill(0.0);
    for (j, out) in out.chunks_mut(rows.max(1)).enumerate() {
        if let Some(column) = matrix.outer_view(first + j) {
            column.iter().for_each(|(row, value)| out[row] = *value);
        }
    }
}

/// Makes a square matrix symmetric by the mean of its triangles; the largest difference there was.
fn average(k: &mut [f64], n: usize) -> f64 {
    let mut largest = 0.0f64;
    for j in 0..n {
        for i in j + 1..n {
            let (a, b) = (k[j * n + i], k[i * n + j]);
            let difference = (a - b).abs();
            largest = if difference.is_nan() { f64::INFINITY } else { largest.max(difference) };
            (k[j * n + i], k[i * n + j]) = (0.5 * (a + b), 0.5 * (a + b));
        }
    }
    largest
}

/// The modes of the reduced model, zeros behind those of finite frequency; where there are none the reason is kept.
fn modes(job: &GuyanJob, out: &mut Output, par: Par) {
    let n = job.model.masters();
    let found = pencil::modes(out.column(K_RED), out.column(M_RED), n, par);
    let (found, why) = match found {
        Ok(found) => (found, None),
        Err(why) => (pencil::Modes::none(), Some(format!("no frequencies of the reduced model: {why}"))),
    };
    let count = found.values.len();
    let (phi, none) = out.column_mut::<f64>(PHI).split_at_mut(count * n);
    phi.iter_mut().enumerate().for_each(|(at, phi)| *phi = found.vectors[(at % n, at / n)]);
    none.fill(0.0);
    let (values, none) = out.column_mut::<f64>(LAMBDA).split_at_mut(count);
    values.copy_from_slice(&found.values);
    none.fill(0.0);
    let zero = pencil::roundoff(&found.values).max(pencil::size_roundoff(out.column(K_RED), out.column(M_RED), n));
    job.write(|state| (state.no_modes, state.finite_modes, state.zero) = (why, count, zero));
}

/// Step `modes`: the lowest modes of the whole model.
pub(super) struct Modes<'j>(pub(super) &'j GuyanJob);

impl Kernel for Modes<'_> {
    fn name(&self) -> &'static str {
        "modes"
    }

    fn item(&self) -> &'static str {
        "mode"
    }

    fn items(&self) -> u64 {
        self.0.wanted.full_modes.min(self.0.model.order) as u64
    }

    fn precision(&self) -> Precision {
        Precision::F64
    }

    fn work(&self) -> Work {
        // Two factorizations and the solves between them cost about as much as three.
        let items = self.items().max(1) as f64;
        Work { flops: 3.0 * self.0.read(|state| state.facts.flops) / items, bytes_read: 0.0, bytes_written: 8.0 }
    }

    fn size(&self) -> f64 {
        3.0 * self.0.model.factor_size()
    }

    fn class(&self) -> Class {
        Class::Residual
    }

    fn columns(&self) -> Vec<ColumnSpec> {
        vec![ColumnSpec { name: "full_lambda", scalar: Scalar::F64, per_item: 1 }]
    }

    fn seq(&self, _: &mut ChunkOut<'_>) {}
}

impl Whole for Modes<'_> {
    fn solve(&self, host: &Host<'_>, before: &[Output], out: &mut Output) -> Result<()> {
        let job = self.0;
        let Some((k, m)) = &job.model.whole else {
            return Err(Error::Internal("the whole matrices were not kept".into()));
        };
        let count = job.wanted.full_modes.min(job.model.order);
        let scale = lowest_elastic(job.reduced_values(before), job.read(|state| state.zero));
        let scale = scale.unwrap_or(1e-6 * crate::sparse::norm_1(k) / crate::sparse::norm_1(m));
        let found = with_pool(host, |pool| lanczos::lowest(k, m, count, scale, job.wanted.seed, pool))?;
        if found.values.len() < count {
            let n = found.values.len();
            return Err(Error::Model(format!(
                "the whole model has only {n} modes of finite frequency; ask for --full-modes {n}"
            )));
        }
        out.column_mut::<f64>(0).copy_from_slice(&found.values);
        job.write(|state| state.full = Some(found));
        Ok(())
    }
}

/// The lowest eigenvalue that is clearly more than the roundoff `zero`.
fn lowest_elastic(values: &[f64], zero: f64) -> Option<f64> {
    values.iter().copied().find(|value| *value > 1e3 * zero)
}
