//! The input of a reduction: stiffness, mass and masters, read from files or generated, cut into blocks.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rand::RngExt;

use crate::error::{Error, Result};
use crate::formats::masters::{Masters, read_masters};
use crate::formats::mtx::{self, Storage};
use crate::formats::source::Source;
use crate::formats::sti::{DofNames, read_sti};
use crate::location::shown_path;
use crate::machine::pool::Pool;
use crate::numeric::philox::Philox;
use crate::sparse::{self, Blocks, Matrix, Symmetry};

/// What is reduced: `K` (and `M`) of order n, cut into masters (m) and slaves (s).
#[derive(Debug)]
pub(super) struct Model {
    /// Rows of the whole.
    pub(super) order: usize,
    /// The blocks of K.
    pub(super) stiffness: Blocks,
    /// The blocks of M.
    pub(super) mass: Option<Blocks>,
    /// K and M uncut, kept only when modes of the whole are asked for.
    pub(super) whole: Option<(Matrix, Matrix)>,
    /// Whether K is symmetric.
    pub(super) symmetric: bool,
    /// Nodes and directions of the rows.
    names: Option<DofNames>,
    /// File name, or how it was made.
    pub(super) source: String,
    /// Seconds that reading the matrices from their files took; 0 when they were generated.
    pub(super) read_seconds: f64,
    /// What the user should know.
    pub(super) warnings: Vec<String>,
}

/// Where a model comes from.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) stiffness: PathBuf,
    pub(super) mass: Option<PathBuf>,
    pub(super) masters: String,
    pub(super) names: Option<PathBuf>,
}

impl Model {
    /// Reads the files and cuts the matrices. `keep` keeps them whole as well.
    ///
    /// # Errors
    /// [`Error::Input`] for what is wrong with a file, [`Error::Resource`] when the matrices do not fit in memory.
    pub(super) fn read(files: &Files, keep: bool, pool: &Pool) -> Result<Self> {
        let mut warnings = Vec::new();
        let start = Instant::now();
        let stiffness = matrix(&files.stiffness)?;
        let mut read_seconds = start.elapsed().as_secs_f64();
        let order = square(&files.stiffness, &stiffness)?;
        let names = names(files, order)?;
        let found = sparse::symmetry(&stiffness, pool)?;
        let symmetric = found.holds();
        if !symmetric {
            let Symmetry { difference, largest, .. } = found;
            warnings.push(format!(
                "the stiffness matrix is not symmetric (largest difference {difference:.3e}, largest entry {largest:.3e}): \
                 factored as L U, no frequencies"
            ));
        } else if found.difference > 0.0 {
            let what = format!("{:.1e} of its largest entry", found.difference / found.largest);
            warnings.push(format!("the stiffness matrix is symmetric only to {what}: taken as symmetric"));
        }
        let mass = match &files.mass {
            None => None,
            Some(path) => {
                let start = Instant::now();
                let mass = matrix(path)?;
                read_seconds += start.elapsed().as_secs_f64();
                let other = square(path, &mass)?;
                if other != order {
                    let why = format!("has {other} rows, the stiffness matrix has {order}");
                    return Err(Error::input(path, why));
                }
                if !sparse::symmetry(&mass, pool)?.holds() {
                    return Err(Error::input(path, "is not symmetric, which a mass matrix must be"));
                }
                Some(mass)
            }
        };
        let Masters { rows, doubles } = read_masters(&files.masters, order, names.as_ref())?;
        if rows.is_empty() {
            return Err(Error::Usage("--masters names no row; give a file or a list such as 1,2,10-20".into()));
        }
        if let Some((first, count)) = doubles {
            warnings.push(format!("masters named more than once are taken once ({count} of them, first row {first})"));
        }
        let source = shown_path(&files.stiffness);
        let whole = |k: &Matrix, m: &Matrix| (k.clone(), m.clone());
        Ok(Self {
            order,
            stiffness: sparse::partition(&stiffness, &rows, pool)?,
            mass: mass.as_ref().map(|mass| sparse::partition(mass, &rows, pool)).transpose()?,
            whole: mass.as_ref().filter(|_| keep).map(|mass| whole(&stiffness, mass)),
            symmetric,
            names,
            source,
            read_seconds,
            warnings,
        })
    }

    /// The reference case: `K_ss = R + R' + 10 I` with R `slaves` x `slaves` of density 0.1 %, `K_sm` `slaves` x
    /// `masters` of the same density, values uniform in 0..1, and `K_mm = 10 I`, which makes K positive definite as long
    /// as no row sums up to 10. The masters are the last rows.
    ///
    /// # Errors
    /// [`Error::Resource`] when it does not fit in memory.
    pub(super) fn reference(slaves: usize, masters: usize, seed: u64, pool: &Pool) -> Result<Self> {
        let order = slaves + masters;
        let (mut rows, mut columns, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut put = |row: usize, column: usize, value: f64| {
            rows.push(row as u32);
            columns.push(column as u32);
            values.push(value);
            if row != column {
                rows.push(column as u32);
                columns.push(row as u32);
                values.push(value);
            }
        };
        (0..order).for_each(|row| put(row, row, 10.0));
        let mut scatter = |stream: u64, first: usize, columns: usize| {
            let mut rng = Philox::new(seed, stream);
            let places = slaves * columns;
            for place in rand::seq::index::sample(&mut rng, places, places / 1000) {
                // A diagonal place of R counts twice, as R + R' has it.
                let (row, column) = (place % slaves, first + place / slaves);
                let value: f64 = rng.random();
                put(row, column, if row == column { 2.0 * value } else { value });
            }
        };
        scatter(1, 0, slaves);
        scatter(2, slaves, masters);
        let matrix = sparse::from_triplets((order, order), &rows, &columns, &values, pool)?;
        let rows: Vec<u32> = (slaves as u32..order as u32).collect();
        Ok(Self {
            order,
            stiffness: sparse::partition(&matrix, &rows, pool)?,
            mass: None,
            whole: None,
            symmetric: true,
            names: None,
            source: format!("generated, random symmetric {slaves} x {slaves} with {masters} masters"),
            read_seconds: 0.0,
            warnings: Vec::new(),
        })
    }

    /// Number of masters.
    pub(super) fn masters(&self) -> usize {
        self.stiffness.masters.len()
    }

    /// Number of slaves.
    pub(super) fn slaves(&self) -> usize {
        self.stiffness.slaves.len()
    }

    /// What a factorization has to do, as far as that is known before its analysis: rows times entries grows as its
    /// operations do for a three-dimensional matrix (n^2).
    pub(super) fn factor_size(&self) -> f64 {
        self.slaves() as f64 * self.stiffness.ss.nnz() as f64
    }

    /// How the user calls a slave: `row 16 (node 6 direction 1)`.
    pub(super) fn slave_name(&self, slave: usize) -> String {
        self.stiffness.slaves.get(slave).map_or_else(String::new, |row| self.row_name(*row as usize))
    }

    /// How the user calls a row of the whole matrix.
    pub(super) fn row_name(&self, row: usize) -> String {
        match self.names.as_ref().and_then(|names| names.name(row)) {
            Some(name) => format!("row {} ({name})", row + 1),
            None => format!("row {}", row + 1),
        }
    }
}

/// Reads a matrix in the format of its ending.
fn matrix(path: &Path) -> Result<Matrix> {
    let source = Source::open(path)?;
    if matches!(source.extension().as_str(), "sti" | "mas") {
        return read_sti(&source);
    }
    let file = mtx::read_mtx(&source)?;
    if file.storage == Storage::SkewSymmetric {
        return Err(Error::input(path, "is skew-symmetric, which no stiffness or mass matrix is"));
    }
    Ok(file.matrix)
}

fn square(path: &Path, matrix: &Matrix) -> Result<usize> {
    let (rows, columns) = matrix.shape();
    if rows != columns {
        return Err(Error::input(path, format!("is {rows} x {columns}; a stiffness or mass matrix is square")));
    }
    if rows == 0 {
        return Err(Error::input(path, "has no rows"));
    }
    Ok(rows)
}

/// The names of the rows: from the file that was given, or the one that CalculiX writes beside its matrices.
fn names(files: &Files, order: usize) -> Result<Option<DofNames>> {
    let plain = match files.stiffness.extension() {
        Some(ending) if ending.eq_ignore_ascii_case("gz") => files.stiffness.with_extension(""),
        _ => files.stiffness.clone(),
    };
    let is_sti = plain.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("sti"));
    let beside = Some(plain.with_extension("dof")).filter(|path| is_sti && path.exists());
    let Some(path) = files.names.clone().or(beside) else { return Ok(None) };
    let source = Source::open(&path)?;
    let names = DofNames::parse(&source)?;
    names.expect(&source, order)?;
    Ok(Some(names))
}
