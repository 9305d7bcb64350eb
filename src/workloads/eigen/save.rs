//! Results in files: one row a matrix that came in, NaN where it has no answer.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

use super::input::Batch;
use super::kernel::{IM, OUTCOME, RE, VECTORS};
use crate::error::{Error, Result};
use crate::formats::csv::{comma, push_f64, push_u64, write_csv};
use crate::formats::npy::{write_npy_c64, write_npy_f64};
use crate::formats::source::extension;
use crate::job::Output;

/// What is said of each eigenvalue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// Its modulus, largest first.
    Abs,
    /// Itself, largest modulus first.
    Complex,
    /// The natural frequency, lowest first.
    Hz,
}

/// `sqrt(|lambda|) / 2 pi`; negative when `lambda` is a negative real number: the motion grows instead of swinging.
pub(super) fn frequency(re: f64, im: f64) -> f64 {
    let hz = re.hypot(im).sqrt() / TAU;
    if im == 0.0 && re < 0.0 { -hz } else { hz }
}

/// The eigenvalues of each matrix that came in, in the order of `values`; `None` where there is no answer.
pub(super) fn rows(batch: &Batch, output: &Output, values: Values) -> Vec<Option<Vec<[f64; 2]>>> {
    let order = batch.order;
    let (re, im) = (output.column::<f64>(RE), output.column::<f64>(IM));
    let mut rows = vec![None; batch.count];
    for (i, item) in batch.items.iter().enumerate().filter(|(i, _)| output.column::<u32>(OUTCOME)[*i] == 0) {
        let mut row: Vec<[f64; 2]> = (i * order..i * order + item.n).map(|at| [re[at], im[at]]).collect();
        if values == Values::Hz {
            row.reverse();
        }
        rows[item.input] = Some(row);
    }
    rows
}

/// Writes `.npy` (a row a matrix, padded with NaN to the largest order; complex or real as `values` says) or `.csv` (a line
/// an eigenvalue); with `vectors` a second `.npy` beside it, whose name ends in `.vectors.npy`, of the shape
/// `(count, order, order)`: eigenvector `j` is column `j`, in the order of the values.
///
/// # Errors
/// [`Error::Usage`] for another ending, [`Error::Resource`] when the disk refuses.
pub(super) fn save(batch: &Batch, output: &Output, values: Values, vectors: bool, path: &Path) -> Result<()> {
    let rows = rows(batch, output, values);
    let shape = [batch.count, batch.order];
    let padded = |f: &dyn Fn([f64; 2]) -> [f64; 2]| -> Vec<[f64; 2]> {
        let pad = std::iter::repeat([f64::NAN; 2]);
        rows.iter().flat_map(|row| row.iter().flatten().map(|x| f(*x)).chain(pad.clone()).take(batch.order)).collect()
    };
    let real = |f: &dyn Fn([f64; 2]) -> f64| padded(&|x| [f(x), 0.0]).iter().map(|x| x[0]).collect::<Vec<f64>>();
    match (extension(path).as_str(), values) {
        ("npy", Values::Complex) => write_npy_c64(path, &shape, &padded(&|x| x))?,
        ("npy", Values::Abs) => write_npy_f64(path, &shape, &real(&|[re, im]| re.hypot(im)))?,
        ("npy", Values::Hz) => write_npy_f64(path, &shape, &real(&|[re, im]| frequency(re, im)))?,
        ("csv", _) => {
            let lines: Vec<(usize, usize)> = rows
                .iter()
                .enumerate()
                .flat_map(|(i, row)| (0..row.as_ref().map_or(0, Vec::len)).map(move |j| (i, j)))
                .collect();
            write_csv(path, "matrix,index,re,im,abs,hz", lines.len(), |line, text| {
                let (i, j) = lines[line];
                let [re, im] = rows[i].as_ref().expect("it has lines")[j];
                push_u64(text, i as u64);
                comma(text);
                push_u64(text, j as u64);
                for x in [re, im, re.hypot(im), frequency(re, im)] {
                    comma(text);
                    push_f64(text, x);
                }
            })?;
        }
        (other, _) => return Err(Error::Usage(format!("eigen writes .npy and .csv, not '.{other}'"))),
    }
    if vectors { write_vectors(batch, output, values, &beside(path)) } else { Ok(()) }
}

/// `modes.npy` becomes `modes.vectors.npy`.
pub(super) fn beside(path: &Path) -> PathBuf {
    path.with_extension("vectors.npy")
}

fn write_vectors(batch: &Batch, output: &Output, values: Values, path: &Path) -> Result<()> {
    let (order, all) = (batch.order, output.column::<f64>(VECTORS));
    let size = order * order;
    let bytes = (batch.count as u64).saturating_mul(size as u64).saturating_mul(16);
    crate::memory::ensure_available("the eigenvectors", bytes)?;
    let mut saved = vec![[f64::NAN; 2]; batch.count * size];
    for (i, item) in batch.items.iter().enumerate().filter(|(i, _)| output.column::<u32>(OUTCOME)[*i] == 0) {
        let n = item.n;
        for j in 0..n {
            let column = if values == Values::Hz { n - 1 - j } else { j };
            for row in 0..n {
                let at = 2 * (i * size + j * n + row);
                saved[item.input * size + row * order + column] = [all[at], all[at + 1]];
            }
        }
    }
    write_npy_c64(path, &[batch.count, order, order], &saved)
}
