//! The elements: read from arrays, or generated.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::formats::npy::read_npy;
use crate::formats::source::Source;
use crate::location::shown_path;
use crate::memory::{self, Buffer};
use crate::numeric::philox::philox4x32_10;

/// The inputs of some elements.
#[derive(Clone, Copy)]
pub(super) struct View<'a, T> {
    /// `x, y, z` of each element.
    pub(super) displacement: &'a [T],
    /// Young's modulus of each element.
    pub(super) young: &'a [T],
    /// Length of each element; `None` when all are 1.
    pub(super) length: Option<&'a [T]>,
}

/// Word 2 of the counter of generated elements, so that they share no block with another workload's numbers.
const STREAM: u32 = 16;

/// Elements that one task generates, checks or rounds: some hundred microseconds.
const TASK: usize = 1 << 15;

/// Young's modulus of elements without one: steel, in Pa.
const STEEL: f64 = 210e9;

/// What a model is made of, in f64.
pub(super) struct Model {
    /// `generated`, or the file of the displacements.
    pub(super) source: String,
    /// `x, y, z` of each element.
    displacement: Buffer<f64>,
    /// Young's modulus of each element; positive.
    pub(super) young: Buffer<f64>,
    /// Length of each element, positive; `None` when all are 1.
    pub(super) length: Option<Buffer<f64>>,
}

/// The same rounded to f32.
pub(super) struct Single {
    displacement: Buffer<f32>,
    young: Buffer<f32>,
    length: Option<Buffer<f32>>,
}

/// An item of an array in memory.
pub(super) fn index(item: u64) -> usize {
    usize::try_from(item).expect("the arrays were allocated, so their indices fit")
}

impl Model {
    /// `elements` elements that are a pure function of the seed and their number: displacements of up to a millimetre in
    /// each direction, Young's moduli of 190 to 220 GPa, lengths of 0.5 to 1.5 m.
    pub(super) fn generate(elements: u64, lengths: bool, seed: u64) -> Result<Self> {
        let what = "the axial model";
        let words = 4 + 1 + u64::from(lengths);
        let bytes = elements.checked_mul(8 * words).ok_or_else(|| Error::memory(what, u64::MAX))?;
        memory::ensure_available(what, bytes)?;
        let n = usize::try_from(elements).map_err(|_| Error::memory(what, bytes))?;
        let mut displacement = Buffer::zeroed(3 * n, "displacements")?;
        let mut young = Buffer::zeroed(n, "Young's moduli")?;
        let key = [seed as u32, (seed >> 32) as u32];
        let block = |i: u64, part: u32| philox4x32_10([i as u32, (i >> 32) as u32, STREAM, part], key);
        // A word as a number in the middle of its cell of [0, 1).
        let unit = |word: u32| (f64::from(word) + 0.5) / 4_294_967_296.0;
        displacement.par_chunks_mut(3 * TASK).zip(young.par_chunks_mut(TASK)).enumerate().for_each(|(task, (u, e))| {
            let elements = u.as_chunks_mut::<3>().0.iter_mut().zip(e);
            for ((u, e), i) in elements.zip((task * TASK) as u64..) {
                let [x, y, z, modulus] = block(i, 0);
                *u = [x, y, z].map(|word| 1e-3 * (2.0 * unit(word) - 1.0));
                *e = 190e9 + 30e9 * unit(modulus);
            }
        });
        let length = lengths.then(|| Buffer::zeroed(n, "lengths")).transpose()?.map(|mut length| {
            length.par_chunks_mut(TASK).enumerate().for_each(|(task, chunk)| {
                for (length, i) in chunk.iter_mut().zip((task * TASK) as u64..) {
                    *length = 0.5 + unit(block(i, 1)[0]);
                }
            });
            length
        });
        Ok(Self { source: "generated".into(), displacement, young, length })
    }

    /// The arrays in files: displacements `(n, 3)`, and where given moduli and lengths `(n)`. Every value must be finite,
    /// moduli and lengths positive.
    pub(super) fn read(displacements: &Path, young: Option<&Path>, lengths: Option<&Path>) -> Result<Self> {
        let file = Source::open(displacements)?;
        let array = read_npy(&file)?;
        let n = match array.shape[..] {
            [n, 3] => n,
            ref shape => {
                return Err(Error::input(displacements, format!("the shape is {shape:?}, displacements are (n, 3)")));
            }
        };
        let displacement = Buffer::from_slice(&array.values.into_f64(), "displacements")?;
        if let Some(at) = first(&displacement, |x| !x.is_finite()) {
            let (element, component) = (at / 3 + 1, ["x", "y", "z"][at % 3]);
            let why = format!("element {element}: its {component} displacement is {}", displacement[at]);
            return Err(Error::input(displacements, why));
        }
        let each = |path: &Path, what: &str| -> Result<Buffer<f64>> {
            let array = read_npy(&Source::open(path)?)?;
            if array.shape[..] != [n] {
                return Err(Error::input(path, format!("the shape is {:?}, {n} elements need [{n}]", array.shape)));
            }
            let values = Buffer::from_slice(&array.values.into_f64(), what)?;
            match first(&values, |x| !(x.is_finite() && x > 0.0)) {
                Some(at) => {
                    let why = format!("element {}: its {what} is {}, it must be positive", at + 1, values[at]);
                    Err(Error::input(path, why))
                }
                None => Ok(values),
            }
        };
        let young = match young {
            Some(path) => each(path, "Young's modulus")?,
            None => {
                let mut young = Buffer::zeroed(n, "Young's moduli")?;
                young.fill(STEEL);
                young
            }
        };
        let length = lengths.map(|path| each(path, "length")).transpose()?;
        Ok(Self { source: shown_path(displacements), displacement, young, length })
    }

    pub(super) fn elements(&self) -> u64 {
        self.young.len() as u64
    }

    pub(super) fn displacement(&self, i: usize) -> [f64; 3] {
        [self.displacement[3 * i], self.displacement[3 * i + 1], self.displacement[3 * i + 2]]
    }

    pub(super) fn view(&self, range: Range<usize>) -> View<'_, f64> {
        View {
            displacement: &self.displacement[3 * range.start..3 * range.end],
            young: &self.young[range.clone()],
            length: self.length.as_ref().map(|length| &length[range]),
        }
    }

    pub(super) fn whole(&self) -> View<'_, f64> {
        self.view(0..self.young.len())
    }

    /// All inputs in f32.
    ///
    /// # Errors
    /// [`Error::Model`] for an input whose square, or which itself, is beyond the range of f32.
    pub(super) fn rounded(&self) -> Result<Single> {
        let round = |values: &[f64], limit: f64, per_element: usize, what: &str| -> Result<Buffer<f32>> {
            if let Some(at) = first(values, |x| x.abs() > limit) {
                return Err(Error::Model(format!(
                    "element {}: its {what} {} is beyond the range of f32; use --precision f64",
                    at / per_element + 1,
                    values[at]
                )));
            }
            let mut rounded = Buffer::zeroed(values.len(), what)?;
            rounded.par_chunks_mut(TASK).zip(values.par_chunks(TASK)).for_each(|(to, from)| {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = *from as f32;
                }
            });
            Ok(rounded)
        };
        let largest = f64::from(f32::MAX);
        Ok(Single {
            displacement: round(&self.displacement, (largest / 4.0).sqrt(), 3, "displacement")?,
            young: round(&self.young, largest, 1, "Young's modulus")?,
            length: self.length.as_ref().map(|length| round(length, largest, 1, "length")).transpose()?,
        })
    }
}

impl Single {
    /// No elements, with or without lengths: in place of the inputs for whoever only asks what would run.
    pub(super) fn unfilled(lengths: bool) -> Result<Self> {
        let none = || Buffer::zeroed(0, "the axial model");
        Ok(Self { displacement: none()?, young: none()?, length: lengths.then(none).transpose()? })
    }

    pub(super) fn view(&self, range: Range<usize>) -> View<'_, f32> {
        View {
            displacement: &self.displacement[3 * range.start..3 * range.end],
            young: &self.young[range.clone()],
            length: self.length.as_ref().map(|length| &length[range]),
        }
    }

    pub(super) fn whole(&self) -> View<'_, f32> {
        self.view(0..self.young.len())
    }
}

/// Index of the first value that is `bad`.
fn first(values: &[f64], bad: impl Fn(f64) -> bool + Sync) -> Option<usize> {
    let tasks = values.par_chunks(TASK).enumerate();
    tasks.find_map_first(|(task, chunk)| chunk.iter().position(|x| bad(*x)).map(|at| task * TASK + at))
}
