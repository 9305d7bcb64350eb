//! The matrices: from `.npy` batches and `.mtx` files, or generated.

use std::path::{Path, PathBuf};

use rand::RngExt as _;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::formats::mtx::read_mtx;
use crate::formats::npy::read_npy;
use crate::formats::source::Source;
use crate::location::shown_path;
use crate::memory::ensure_available;
use crate::numeric::philox::Philox;

/// What a job works on: matrices that can be solved, and what is wrong with the others.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// `generated`, or the file names.
    pub source: String,
    /// How many matrices came in.
    pub count: usize,
    /// The largest order of any.
    pub order: usize,
    /// Their entries, by rows, one matrix after the other.
    values: Vec<f64>,
    /// The entries of the `M` of each pencil, if pencils they are.
    mass: Option<Vec<f64>>,
    /// Those to solve.
    pub items: Vec<Item>,
    /// Those that cannot be solved.
    pub refused: Vec<Refused>,
    /// Means over `items`, which are many and asked for often.
    pub means: Means,
    /// Where each file's matrices begin.
    files: Vec<(usize, String, bool)>,
}

/// What the work of one item is made of, in the mean over all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Means {
    /// `n^2`.
    pub square: f64,
    /// `n^3` of the matrices that are not symmetric, divided by the number of all.
    pub general_cube: f64,
    /// `n^3` of the symmetric ones, divided by the number of all.
    pub symmetric_cube: f64,
}

impl Means {
    fn of(items: &[Item]) -> Self {
        let mut means = Self::default();
        let share = 1.0 / items.len().max(1) as f64;
        for item in items {
            let n = item.n as f64;
            means.square += share * n * n;
            *(if item.symmetric { &mut means.symmetric_cube } else { &mut means.general_cube }) += share * n * n * n;
        }
        means
    }
}

/// A matrix to solve.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    /// Its number among all that came in.
    pub input: usize,
    /// Its order.
    pub n: usize,
    /// Whether it equals its transpose, and so does its `M`.
    pub symmetric: bool,
    at: usize,
    mass_at: usize,
}

/// A matrix without an answer.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    /// Its number among all that came in.
    pub input: usize,
    /// The whole message.
    pub error: Error,
}

/// Matrices of one file.
struct Stack {
    count: usize,
    rows: usize,
    columns: usize,
    values: Vec<f64>,
    /// Whether the file could hold several.
    numbered: bool,
}

impl Batch {
    /// `count` matrices of `order`, their entries uniform in `0..1`: those of matrix `i` are the numbers of stream `i` of
    /// the seed.
    ///
    /// # Errors
    /// [`Error::Resource`] when they do not fit in memory.
    pub(super) fn generate(count: u64, order: u64, seed: u64) -> Result<Self> {
        let bytes = order.checked_mul(order).and_then(|n| n.checked_mul(count)).and_then(|n| n.checked_mul(8));
        let bytes = bytes.ok_or_else(|| Error::memory("the matrices", u64::MAX))?;
        ensure_available("the matrices", bytes)?;
        let (count, n) = (count as usize, order as usize);
        let mut values = vec![0.0; count * n * n];
        values.par_chunks_mut((n * n).max(1)).enumerate().for_each(|(i, matrix)| {
            let mut rng = Philox::new(seed, i as u64);
            matrix.iter_mut().for_each(|x| *x = rng.random());
        });
        let mut batch = Self { source: "generated".into(), ..Self::default() };
        batch.push("generated", Stack { count, rows: n, columns: n, values, numbered: true });
        batch.inspect();
        Ok(batch)
    }

    /// The matrices of `files`, in order; with `mass` as pencils.
    ///
    /// A file or matrix that is no square matrix of finite numbers is kept in [`Batch::refused`] as long as another one
    /// can be solved.
    ///
    /// # Errors
    /// The first refusal when nothing is left; [`Error::Input`] when `mass` does not fit the matrices;
    /// [`Error::Resource`].
    pub(super) fn read(files: &[PathBuf], mass: Option<&Path>) -> Result<Self> {
        let names: Vec<String> = files.iter().map(|file| shown_path(file)).collect();
        let mut batch = Self { source: names.join(", "), ..Self::default() };
        if names.len() > 3 {
            batch.source = format!("{}, {} and {} more files", names[0], names[1], names.len() - 2);
        }
        for (file, name) in files.iter().zip(&names) {
            match read_stack(file) {
                Ok(stack) => batch.push(name, stack),
                Err(error @ Error::Resource(_)) => return Err(error),
                Err(error) => {
                    batch.refused.push(Refused { input: batch.count, error });
                    batch.files.push((batch.count, name.clone(), false));
                    batch.count += 1;
                }
            }
        }
        if let Some(path) = mass {
            batch.attach_mass(path)?;
        }
        batch.inspect();
        match batch.refused.first() {
            Some(refused) if batch.items.is_empty() => Err(refused.error.clone()),
            _ => Ok(batch),
        }
    }

    /// The entries of a matrix, by rows.
    pub(super) fn matrix(&self, item: &Item) -> &[f64] {
        &self.values[item.at..item.at + item.n * item.n]
    }

    /// The entries of its `M`.
    pub(super) fn mass(&self, item: &Item) -> Option<&[f64]> {
        self.mass.as_ref().map(|mass| &mass[item.mass_at..item.mass_at + item.n * item.n])
    }

    /// Whether the matrices are pencils.
    pub(super) fn is_pencil(&self) -> bool {
        self.mass.is_some()
    }

    /// What to call a matrix: its file, with its number from 0 where a file holds several.
    pub(super) fn name(&self, input: usize) -> String {
        match self.files.iter().rev().find(|file| file.0 <= input) {
            Some((first, name, true)) => format!("{name}[{}]", input - first),
            Some((_, name, false)) => name.clone(),
            None => format!("matrix {input}"),
        }
    }

    fn push(&mut self, name: &str, stack: Stack) {
        let Stack { count, rows, columns, values, numbered } = stack;
        self.files.push((self.count, name.to_string(), numbered));
        let (base, size) = (self.values.len(), rows * columns);
        for i in 0..count {
            let input = self.count + i;
            if rows == columns {
                self.items.push(Item { input, n: rows, symmetric: false, at: base + i * size, mass_at: 0 });
            } else {
                let why = format!("{} is {rows} x {columns}, not square, and has no eigenvalues", self.name(input));
                self.refused.push(Refused { input, error: Error::Model(why) });
            }
        }
        self.count += count;
        if rows == columns {
            self.order = self.order.max(rows);
            if self.values.is_empty() {
                self.values = values;
            } else {
                self.values.extend_from_slice(&values);
            }
        }
    }

    /// Reads the other half of the pencils: one matrix for all, or one for each.
    fn attach_mass(&mut self, path: &Path) -> Result<()> {
        let Stack { count, rows, columns, values, .. } = read_stack(path)?;
        let shared = count == 1;
        if !shared && count != self.count {
            let why = format!("holds {count} matrices for {} pencils; give one for all or one for each", self.count);
            return Err(Error::input(path, why));
        }
        for item in &mut self.items {
            if (rows, columns) != (item.n, item.n) {
                let n = item.n;
                let why = format!("is {rows} x {columns}, but the matrices of the pencils are {n} x {n}");
                return Err(Error::input(path, why));
            }
            item.mass_at = if shared { 0 } else { item.input * item.n * item.n };
        }
        self.mass = Some(values);
        Ok(())
    }

    /// Refuses what is not finite and finds what is symmetric.
    fn inspect(&mut self) {
        let found: Vec<(bool, Option<String>)> = self
            .items
            .par_iter()
            .map(|item| {
                let (a, m) = (self.matrix(item), self.mass(item));
                for (values, which) in [(Some(a), ""), (m, " of its M")] {
                    let bad = values.and_then(|values| Some((values, values.iter().position(|x| !x.is_finite())?)));
                    if let Some((values, at)) = bad {
                        let (row, column) = (at / item.n + 1, at % item.n + 1);
                        let name = self.name(item.input);
                        let why = format!(
                            "{name}: row {row}, column {column}{which} is {}; an entry must be finite",
                            values[at]
                        );
                        return (false, Some(why));
                    }
                }
                (is_symmetric(a, item.n) && m.is_none_or(|m| is_symmetric(m, item.n)), None)
            })
            .collect();
        let mut kept = Vec::with_capacity(self.items.len());
        for (mut item, (symmetric, bad)) in self.items.drain(..).zip(found) {
            match bad {
                Some(why) => self.refused.push(Refused { input: item.input, error: Error::Model(why) }),
                None => {
                    item.symmetric = symmetric;
                    kept.push(item);
                }
            }
        }
        self.items = kept;
        self.means = Means::of(&self.items);
        self.refused.sort_by_key(|refused| refused.input);
    }
}

/// Whether `a` equals its transpose, bit for bit.
fn is_symmetric(a: &[f64], n: usize) -> bool {
    (0..n).all(|i| (0..i).all(|j| a[i * n + j] == a[j * n + i]))
}

fn read_stack(path: &Path) -> Result<Stack> {
    let source = Source::open(path)?;
    match source.extension().as_str() {
        "npy" => {
            let array = read_npy(&source)?;
            let (count, rows, columns, numbered) = match array.shape[..] {
                [rows, columns] => (1, rows, columns, false),
                [count, rows, columns] => (count, rows, columns, true),
                _ => {
                    let why = format!("has the shape {:?}; matrices have (n, n), batches (count, n, n)", array.shape);
                    return Err(Error::input(path, why));
                }
            };
            // Nothing is in an array without entries, however many matrices it declares.
            let count = if rows == 0 || columns == 0 { count.min(1) } else { count };
            Ok(Stack { count, rows, columns, values: array.values.into_f64(), numbered })
        }
        "mtx" | "mm" => {
            let matrix = read_mtx(&source)?.matrix;
            let (rows, columns) = matrix.shape();
            let mut values = Vec::new();
            if rows == columns {
                let bytes = (rows as u64).saturating_mul(columns as u64).saturating_mul(8);
                ensure_available(&format!("{} as a dense {rows} x {columns} matrix", shown_path(path)), bytes)?;
                values = vec![0.0; rows * columns];
                for (column, entries) in matrix.outer_iterator().enumerate() {
                    for (row, value) in entries.iter() {
                        values[row * columns + column] = *value;
                    }
                }
            }
            Ok(Stack { count: 1, rows, columns, values, numbered: false })
        }
        _ => Err(Error::input(path, "is no file of matrices that eigen reads; it reads .npy and .mtx (also gzipped)")),
    }
}
