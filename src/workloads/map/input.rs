//! The variables: read from arrays, given as numbers, or generated.

use std::path::{Path, PathBuf};

use clap::ArgMatches;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::formats::npy::read_npy;
use crate::formats::source::Source;
use crate::location::{is_object, shown_path, url_of};
use crate::memory::{self, Buffer};
use crate::numeric::expr::{FUNCTIONS, RESERVED};
use crate::numeric::philox::philox4x32_10;
use crate::workloads::Within;

/// Word 2 of the counter of generated variables, so that they share no block with another workload's numbers.
const STREAM: u32 = 48;

/// The variables there are without `--input`.
pub(super) const GENERATED: [&str; 2] = ["x", "y"];

/// The most variables.
const MOST: usize = 64;

/// Elements that one task generates or rounds: some hundred microseconds.
const TASK: usize = 1 << 15;

/// Where a variable's values come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Origin {
    File(PathBuf),
    Number(f64),
}

/// The arrays of the variables, in f64.
pub(super) struct Data {
    /// `generated`, or the files.
    pub(super) source: String,
    pub(super) names: Vec<String>,
    /// One array a name, all of one length.
    pub(super) arrays: Vec<Buffer<f64>>,
    pub(super) shape: Vec<usize>,
    pub(super) items: u64,
}

/// An item of an array in memory.
pub(super) fn index(item: u64) -> usize {
    usize::try_from(item).expect("the arrays were allocated, so their indices fit")
}

/// Reads `x=a.npy,y=b.npy,k=2.5`; a comma ends a file's name where another `name=` follows.
pub(super) fn assignments(texts: &[&String]) -> Result<Vec<(String, Origin)>> {
    let mut inputs: Vec<(String, Origin)> = Vec::new();
    let usage = |why: String| Err(Error::Usage(why));
    for text in texts {
        let mut pieces: Vec<(String, String)> = Vec::new();
        for piece in text.split(',') {
            match (piece.split_once('='), pieces.last_mut()) {
                (Some((name, value)), _) if is_name(name.trim()) => pieces.push((name.trim().into(), value.into())),
                (_, Some((_, value))) => *value += &format!(",{piece}"),
                _ => {
                    return usage(format!(
                        "--input '{text}': '{piece}' is not NAME=FILE.npy; NAME is a word like x or x_1"
                    ));
                }
            }
        }
        for (name, value) in pieces {
            if FUNCTIONS.iter().any(|f| f.names.contains(&name.as_str())) || RESERVED.contains(&name.as_str()) {
                return usage(format!("--input {name}: {name} has a meaning in expressions; use another name"));
            }
            if inputs.iter().any(|(known, _)| *known == name) {
                return usage(format!("--input {name}: it is given twice"));
            }
            let value = value.trim();
            let origin = match value.replace('_', "").parse::<f64>() {
                Ok(number) if number.is_finite() => Origin::Number(number),
                Ok(_) => return usage(format!("--input {name}={value}: a number must be finite")),
                Err(_) if value.is_empty() => return usage(format!("--input {name}=: a file or a number is missing")),
                Err(_) => Origin::File(value.into()),
            };
            inputs.push((name, origin));
        }
    }
    if inputs.len() > MOST {
        return usage(format!("--input: {} variables, {MOST} are the limit", inputs.len()));
    }
    Ok(inputs)
}

/// The variable whose files make the cases of a batch: the one that is a pattern or a folder, else the first file.
///
/// # Errors
/// [`Error::Usage`] for several patterns: nothing says which of their files belong together.
pub(super) fn of_cases(args: &ArgMatches) -> Result<Option<Within>> {
    let texts: Vec<&String> = args.get_many("input").into_iter().flatten().collect();
    let inputs = assignments(&texts)?;
    let file = |(at, (name, origin)): (usize, &(String, Origin))| match origin {
        Origin::File(path) => Some((at, name.clone(), path.clone())),
        Origin::Number(_) => None,
    };
    let files: Vec<(usize, String, PathBuf)> = inputs.iter().enumerate().filter_map(file).collect();
    let several: Vec<&(usize, String, PathBuf)> = files.iter().filter(|(_, _, path)| is_several(path)).collect();
    let chosen = match several[..] {
        // What has a placeholder follows another one.
        [] => files.iter().find(|(_, _, path)| !path.to_string_lossy().contains('{')),
        [one] => Some(one),
        [(_, a, _), (_, b, _), ..] => {
            return Err(Error::Usage(format!(
                "--input: {a} and {b} both stand for several files; one variable may, and the others follow it with \
                 {{stem}}, {{name}}, {{dir}} or {{index}}: {a}='a/*.npy',{b}='b/{{stem}}.npy'"
            )));
        }
    };
    let Some((at, name, path)) = chosen else { return Ok(None) };
    let text = |(name, origin): &(String, Origin)| match origin {
        Origin::File(path) => format!("{name}={}", path.display()),
        Origin::Number(number) => format!("{name}={number:?}"),
    };
    let before: String = inputs[..*at].iter().map(|input| text(input) + ",").collect();
    let after: String = inputs[at + 1..].iter().map(|input| format!(",{}", text(input))).collect();
    let others = files.iter().filter(|(other, ..)| other != at);
    Ok(Some(Within {
        before: format!("{before}{name}="),
        name: path.clone(),
        after,
        beside: others.map(|(_, _, path)| path.display().to_string()).collect(),
    }))
}

/// Whether a name stands for several files; one that is there does not, whatever its characters.
fn is_several(path: &Path) -> bool {
    let text = path.to_string_lossy();
    match url_of(path) {
        // Of other URLs a question mark begins the query.
        Some(url) => is_object(url) && (url.contains('*') || url.ends_with('/')),
        None => path.is_dir() || (!path.exists() && text.contains(['*', '?', '['])),
    }
}

/// Whether a variable can be called so.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Data {
    /// `items` values of `x` and `y` in (0, 1), each a pure function of the seed and its number.
    pub(super) fn generate(items: u64, seed: u64) -> Result<Self> {
        let bytes = items.checked_mul(16).ok_or_else(|| Error::memory("the variables x and y", u64::MAX))?;
        memory::ensure_available("the variables x and y", bytes)?;
        let n = usize::try_from(items).map_err(|_| Error::memory("the variables x and y", bytes))?;
        let (mut x, mut y) = (Buffer::<f64>::zeroed(n, "x")?, Buffer::<f64>::zeroed(n, "y")?);
        let key = [seed as u32, (seed >> 32) as u32];
        // Two words as a number in the middle of its cell of (0, 1); 52 bits, so that it stays below 1.
        let unit = |high: u32, low: u32| {
            let word = u64::from(high) << 20 | u64::from(low) >> 12;
            (word as f64 + 0.5) / (1_u64 << 52) as f64
        };
        x.par_chunks_mut(TASK).zip(y.par_chunks_mut(TASK)).enumerate().for_each(|(task, (x, y))| {
            for ((x, y), i) in x.iter_mut().zip(y).zip((task * TASK) as u64..) {
                let [a, b, c, d] = philox4x32_10([i as u32, (i >> 32) as u32, STREAM, 0], key);
                (*x, *y) = (unit(a, b), unit(c, d));
            }
        });
        let names = GENERATED.map(String::from).to_vec();
        Ok(Self { source: "generated".into(), names, arrays: vec![x, y], shape: vec![n], items })
    }

    /// The arrays of `inputs`, all of one shape, and the variables that are numbers: those given as such, and arrays
    /// without an axis.
    pub(super) fn read(inputs: &[(String, Origin)]) -> Result<(Self, Vec<(String, f64)>)> {
        let (mut names, mut arrays, mut numbers, mut files) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut first: Option<(&str, &PathBuf, Vec<usize>)> = None;
        for (name, origin) in inputs {
            let path = match origin {
                Origin::Number(number) => {
                    numbers.push((name.clone(), *number));
                    continue;
                }
                Origin::File(path) => path,
            };
            let array = read_npy(&Source::open(path)?)?;
            if array.shape.is_empty() {
                numbers.push((name.clone(), array.values.into_f64()[0]));
                continue;
            }
            match &first {
                Some((known, file, shape)) if *shape != array.shape => {
                    let why = format!(
                        "{name} has the shape {:?}, but {known} of {} has {shape:?}; all arrays need one shape",
                        array.shape,
                        shown_path(file)
                    );
                    return Err(Error::input(path, why));
                }
                Some(_) => {}
                None => first = Some((name, path, array.shape)),
            }
            names.push(name.clone());
            arrays.push(Buffer::from_slice(&array.values.into_f64(), name)?);
            files.push(shown_path(path));
        }
        let Some((_, _, shape)) = first else {
            return Err(Error::Usage("--input has numbers only; at least one variable must be an array".into()));
        };
        let items = arrays[0].len() as u64;
        Ok((Self { source: files.join(", "), names, arrays, shape, items }, numbers))
    }

    /// The arrays that are `used` in f32; the others are left empty.
    ///
    /// # Errors
    /// [`Error::Model`] for a value beyond the range of f32; [`Error::Resource`] when there is no memory for them.
    pub(super) fn rounded(&self, used: impl Fn(usize) -> bool) -> Result<Vec<Buffer<f32>>> {
        let round = |(v, values): (usize, &Buffer<f64>)| -> Result<Buffer<f32>> {
            let name = &self.names[v];
            if !used(v) {
                return Buffer::zeroed(0, name);
            }
            let beyond = |x: &f64| x.is_finite() && (*x as f32).is_infinite();
            let tasks = values.par_chunks(TASK).enumerate();
            if let Some(at) = tasks.find_map_first(|(t, part)| part.iter().position(beyond).map(|at| t * TASK + at)) {
                return Err(Error::Model(format!(
                    "element {at}: {name} = {:e} is beyond the range of f32; use --precision f64",
                    values[at]
                )));
            }
            let mut rounded = Buffer::zeroed(values.len(), name)?;
            rounded.par_chunks_mut(TASK).zip(values.par_chunks(TASK)).for_each(|(to, from)| {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from as f32);
            });
            Ok(rounded)
        };
        self.arrays.iter().enumerate().map(round).collect()
    }
}
