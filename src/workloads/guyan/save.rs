//! Reduced matrices and expanded shapes in files.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::answer::reduced_frequencies;
use super::job::GuyanJob;
use super::reduce::{K_RED, M_RED, PHI, REDUCE, SOLVE};
use crate::error::{Error, Result};
use crate::formats::{mtx, npy, source};
use crate::job::Output;

/// Refuses an ending that [`expand`] does not write.
///
/// # Errors
/// [`Error::Usage`].
pub(super) fn check_ending(path: &Path) -> Result<()> {
    match source::extension(path).as_str() {
        "mtx" | "npy" => Ok(()),
        other => Err(Error::Usage(format!("--expand writes .npy and .mtx, not '.{other}'"))),
    }
}

/// `K_red` into `path` and, with a mass matrix, `M_red` beside it (`red.mtx` and `red_mass.mtx`); into `.json` both, with
/// the masters and the frequencies.
///
/// # Errors
/// [`Error::Usage`] for another ending, [`Error::Resource`] when the disk refuses.
pub(super) fn save(job: &GuyanJob, outputs: &[Output], path: &Path) -> Result<()> {
    let n = job.model.masters();
    let reduced = &outputs[REDUCE];
    let mut matrices = vec![("k_red", path.to_path_buf(), reduced.column::<f64>(K_RED))];
    if job.model.mass.is_some() {
        matrices.push(("m_red", beside(path, "mass"), reduced.column::<f64>(M_RED)));
    }
    let rows: Vec<u32> = job.model.stiffness.masters.iter().map(|row| row + 1).collect();
    match source::extension(path).as_str() {
        "mtx" => matrices.iter().try_for_each(|(name, path, values)| {
            let comment = format!("{name} of {}, rows and columns in the order of the masters", job.model.source);
            mtx::write_dense(path, (n, n), values, job.model.symmetric || *name == "m_red", &[comment])
        }),
        "npy" => matrices
            .iter()
            .try_for_each(|(_, path, values)| npy::write_npy_f64(path, &[n, n], &transposed(values, n, n))),
        "json" => source::write_whole(path, |file| {
            let mut document = serde_json::Map::new();
            document.insert("order".into(), json!(job.model.order));
            document.insert("masters".into(), json!(rows));
            for (name, _, values) in &matrices {
                let by_row = transposed(values, n, n);
                let table: Vec<&[f64]> = by_row.chunks(n.max(1)).collect();
                document.insert((*name).into(), json!(table));
            }
            if let Some(frequencies) = reduced_frequencies(job, outputs) {
                document.insert("frequencies_hz".into(), json!(frequencies));
            }
            let text = serde_json::to_string(&document).map_err(|e| Error::Internal(e.to_string()))?;
            writeln!(file, "{text}").map_err(|e| Error::io(path, "write", &e))
        }),
        other => Err(Error::Usage(format!("guyan writes .mtx, .npy and .json, not '.{other}'"))),
    }
}

/// Shapes on all rows of the model, one a column: `T phi` for the modes of the reduced model, or `T` itself (unit
/// displacements of the masters one by one) where there are no modes.
///
/// # Errors
/// [`Error::Resource`] when the shapes do not fit in memory or the disk refuses.
pub(super) fn expand(job: &GuyanJob, outputs: &[Output], path: &Path) -> Result<()> {
    check_ending(path)?;
    let model = &job.model;
    let (n, m, s) = (model.order, model.masters(), model.slaves());
    let x: &[f64] = outputs[SOLVE].column(0);
    let modes = reduced_frequencies(job, outputs).map(|found| found.len());
    let count = modes.unwrap_or(m);
    let mut shapes = crate::memory::Buffer::<f64>::zeroed(n * count, "the expanded shapes")?;
    let mut unit = vec![0.0; m];
    let mut slaves = vec![0.0; s];
    for (j, shape) in shapes.chunks_mut(n.max(1)).enumerate() {
        let masters: &[f64] = if modes.is_some() {
            &outputs[REDUCE].column::<f64>(PHI)[j * m..(j + 1) * m]
        } else {
            unit.fill(0.0);
            unit[j] = 1.0;
            &unit
        };
        slaves.fill(0.0);
        for (phi, x) in masters.iter().zip(x.chunks(s.max(1))).filter(|(phi, _)| **phi != 0.0) {
            slaves.iter_mut().zip(x).for_each(|(slave, x)| *slave -= phi * x);
        }
        model.stiffness.masters.iter().zip(masters).for_each(|(row, phi)| shape[*row as usize] = *phi);
        model.stiffness.slaves.iter().zip(&slaves).for_each(|(row, value)| shape[*row as usize] = *value);
    }
    match source::extension(path).as_str() {
        "npy" => npy::write_npy_f64(path, &[n, count], &transposed(&shapes, n, count)),
        _ => mtx::write_dense(path, (n, count), &shapes, false, &[format!("shapes of {}, one a column", model.source)]),
    }
}

/// The files that [`save`] writes.
pub(super) fn files(path: &Path, with_mass: bool) -> Vec<PathBuf> {
    let own_file = with_mass && source::extension(path) != "json";
    std::iter::once(path.to_path_buf()).chain(own_file.then(|| beside(path, "mass"))).collect()
}

/// `red.mtx` to `red_mass.mtx`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}_{suffix}.{ending}"))
}

/// From columns to rows.
fn transposed(values: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..rows).flat_map(|i| (0..columns).map(move |j| values[j * rows + i])).collect()
}
