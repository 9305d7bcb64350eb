//! Model `axial` of `stress`: bars that carry only axial force, `sigma_i = E_i ||u_i|| / L_i`, with the elongation `u_i`
//! of element `i` (three components), its Young's modulus `E_i` and its length `L_i` (1 when no lengths are given).
//!
//! What limits it is memory: 40 bytes an element in f64 without lengths (24 of `u`, 8 of `E`, 8 of the result).
//!
//! Precisions: `f64`; `f32`: the inputs are rounded to f32 once, the rest is f32; `mixed` is the same as `f32` here, since
//! no difference of large numbers is taken that would gain from more.

use std::cmp::Reverse;
use std::path::Path;
use std::sync::OnceLock;

use clap::{Arg, ArgMatches};
use serde_json::{Map, json};

use self::input::{Model, Single};
use crate::error::{Error, Result};
use crate::formats::{csv, npy, source};
use crate::job::{
    Answer, Check, ChunkOut, Class, ColumnSpec, FOLD_WORDS, GpuSlot, Input, Job, Kernel, Output, Precision, Scalar,
    Step, Work,
};
use crate::machine::topology;
use crate::simd::Simd;
use crate::units;
use crate::workloads::{CaseInput, Context, KernelInfo};

#[cfg(target_arch = "x86_64")]
mod avx512;
mod check;
mod cpu;
mod gpu;
mod input;

/// The kernel, for `hetero list`.
pub static KERNELS: &[KernelInfo] = &[KernelInfo {
    name: "axial",
    item: "element",
    precisions: "f64, f32 (mixed is the same)",
    cpu_only: None,
    about: "E ||u|| / L of bars; within 2.4e-15 (f64) or 1.2e-6 (f32) of the reference, relative",
}];

/// The options of this model.
#[must_use]
pub fn args() -> Vec<Arg> {
    let file = |name: &'static str, option: &'static str, value: &'static str| {
        Arg::new(name).long(option).value_name(value).value_parser(clap::value_parser!(std::path::PathBuf))
    };
    vec![
        Arg::new("elements")
            .long("elements")
            .value_name("N")
            .value_parser(|text: &str| units::parse_count(text))
            .help("Axial model: elements to generate; 1e6 by default"),
        file("displacements", "displacements", "U.npy")
            .help("Axial model: elongations, (n,3), instead of generated ones"),
        file("young-array", "young-array", "E.npy")
            .requires("displacements")
            .help("Axial model: Young's modulus of each element, (n); 210e9 by default"),
        file("lengths", "lengths", "L.npy")
            .requires("displacements")
            .help("Axial model: length of each element, (n); 1 by default"),
    ]
}

/// The option of this model that makes cases.
#[must_use]
pub fn case_input() -> CaseInput {
    CaseInput {
        option: "displacements",
        endings: vec!["npy"],
        varying: &["young-array", "lengths"],
        joined: false,
        headlines: &["max von Mises"],
        within: None,
    }
}

/// Reads or generates the elements.
///
/// # Errors
/// [`Error::Usage`] for options that contradict each other; [`Error::Input`] for a bad array; [`Error::Resource`] when
/// they do not fit in memory.
pub fn prepare(args: &ArgMatches, context: &Context) -> Result<Box<dyn Job>> {
    let path = |name: &str| args.get_one::<std::path::PathBuf>(name).map(std::path::PathBuf::as_path);
    let elements = args.get_one::<u64>("elements").copied();
    let model = match (path("displacements"), elements) {
        (Some(_), Some(_)) => {
            return Err(Error::Usage("--elements generates, --displacements reads; use one of them".into()));
        }
        (Some(displacements), None) => Model::read(displacements, path("young-array"), path("lengths"))?,
        (None, elements) => Model::generate(elements.unwrap_or(1_000_000), false, context.seed)?,
    };
    Ok(Box::new(AxialJob::new(model)))
}

/// The generated jobs: name, and whether bars have lengths of their own.
pub const VARIANTS: [(&str, bool); 2] = [("axial", false), ("axial lengths", true)];

/// A job of `items` generated bars.
///
/// # Errors
/// [`crate::error::Error::Resource`] when they do not fit in memory.
pub fn generated(items: u64, lengths: bool, context: &Context) -> Result<Box<dyn Job>> {
    Ok(Box::new(AxialJob::new(Model::generate(items, lengths, context.seed)?)))
}

struct AxialJob {
    model: Model,
    /// The inputs in f32, made when first asked for.
    single: OnceLock<Result<Single>>,
    /// In their place for whoever only asks what would run.
    unfilled: OnceLock<Result<Single>>,
}

impl AxialJob {
    fn new(model: Model) -> Self {
        Self { model, single: OnceLock::new(), unfilled: OnceLock::new() }
    }
}

/// The kernel in one precision.
struct Axial<'j> {
    model: &'j Model,
    precision: Precision,
    /// `Some` exactly when the precision is not f64.
    single: Option<&'j Single>,
    /// Whether the results are written past the caches.
    streaming: bool,
}

impl Axial<'_> {
    fn scalar(&self) -> Scalar {
        if self.single.is_some() { Scalar::F32 } else { Scalar::F64 }
    }
}

/// Words of the fold: elements covered, the largest |sigma| as f64 bits, the first element that has it.
const COUNT: usize = 0;
const PEAK: usize = 1;
const ELEMENT: usize = 2;

impl Kernel for Axial<'_> {
    fn name(&self) -> &'static str {
        "axial"
    }

    fn item(&self) -> &'static str {
        "element"
    }

    fn items(&self) -> u64 {
        self.model.elements()
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    /// One cache line of f32 results: no two threads share one.
    fn grain(&self) -> u64 {
        16
    }

    fn work(&self) -> Work {
        let size = self.scalar().size() as f64;
        let lengths = f64::from(u8::from(self.model.length.is_some()));
        // Three products, two sums, a root, a product; with lengths a division.
        Work { flops: 7.0 + lengths, bytes_read: (4.0 + lengths) * size, bytes_written: size }
    }

    fn class(&self) -> Class {
        Class::Bounded
    }

    fn columns(&self) -> Vec<ColumnSpec> {
        vec![ColumnSpec { name: "sigma", scalar: self.scalar(), per_item: 1 }]
    }

    /// The largest value wins; of equal ones the first element.
    fn merge_fold(&self, total: &mut [u64; FOLD_WORDS], part: &[u64; FOLD_WORDS]) {
        let rank = |fold: &[u64; FOLD_WORDS]| (fold[COUNT] > 0, fold[PEAK], Reverse(fold[ELEMENT]));
        if rank(part) > rank(total) {
            (total[PEAK], total[ELEMENT]) = (part[PEAK], part[ELEMENT]);
        }
        total[COUNT] += part[COUNT];
    }

    fn seq(&self, out: &mut ChunkOut<'_>) {
        let chunk = out.chunk();
        let (start, end) = (input::index(chunk.start), input::index(chunk.end));
        let sigma = |i: usize| {
            let [x, y, z] = self.model.displacement(i);
            let stress = self.model.young[i] * (x * x + y * y + z * z).sqrt();
            self.model.length.as_ref().map_or(stress, |length| stress / length[i])
        };
        let mut peak = (0, start);
        let mut note = |value: f64, i: usize| {
            if value.abs().to_bits() > peak.0 {
                peak = (value.abs().to_bits(), i);
            }
        };
        if self.single.is_some() {
            for (out, i) in out.column::<f32>(0).iter_mut().zip(start..end) {
                *out = sigma(i) as f32;
                note(f64::from(*out), i);
            }
        } else {
            for (out, i) in out.column::<f64>(0).iter_mut().zip(start..end) {
                *out = sigma(i);
                note(*out, i);
            }
        }
        out.fold = [chunk.len(), peak.0, peak.1 as u64, 0];
    }

    fn cpu(&self, simd: Simd, out: &mut ChunkOut<'_>) {
        let chunk = out.chunk();
        let range = input::index(chunk.start)..input::index(chunk.end);
        let peak = match self.single {
            Some(single) => cpu::run_f32(simd, single.view(range), out.column(0), self.streaming),
            None => cpu::run_f64(simd, self.model.view(range), out.column(0), self.streaming),
        };
        out.fold = [chunk.len(), peak.value.to_bits(), chunk.start + peak.place as u64, 0];
    }

    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        Ok(match self.single {
            Some(single) => gpu::slot(single.whole()),
            None => gpu::slot(self.model.whole()),
        })
    }

    /// `rel |sigma| + tiny E / L + least`, from the arithmetic of one evaluation and of the reference, first order in the
    /// unit roundoff `r` (2^-53 or 2^-24).
    ///
    /// `q = x x + y y + z z` has only positive terms: relative error at most `3 r` in any order, fused or not; the root
    /// halves it. The root itself is one rounding on a CPU; WGSL allows `1 / inverseSqrt`, 2 + 2.5 ulp, at most `9 r`. The
    /// product with `E` is one `r`, the division at most 2.5 ulp, `5 r`. In all `1.5 + 9 + 1 + 5 = 16.5 r`. f64: the
    /// reference adds its own `1.5 + 1 + 1 + 1 = 4.5 r`, which makes `21 r`. f32: rounding the inputs adds `r` for each
    /// of `u`, `E`, `L`: `19.5 r`, and the reference's share is far below the half `r` that is left to 20.
    ///
    /// A square that underflows or is flushed to zero changes `q` by less than the smallest normal number `m`, the root by
    /// at most `sqrt(3 m)`; a result that is flushed was below `least = m`.
    fn bound(&self, item: u64, into: &mut [f64]) {
        let i = input::index(item);
        let [x, y, z] = self.model.displacement(i);
        let per_strain = self.model.young[i] / self.model.length.as_ref().map_or(1.0, |length| length[i]);
        let (relative, least) = rounding(self.scalar());
        let norm = (x * x + y * y + z * z).sqrt();
        into.fill(per_strain * (relative * norm + (3.0 * least).sqrt()) + least);
    }
}

/// Relative error of one evaluation against the reference (see [`Axial::bound`]), and the smallest normal number.
fn rounding(scalar: Scalar) -> (f64, f64) {
    match scalar {
        Scalar::F32 => (20.0 * f64::from(f32::EPSILON) / 2.0, f64::from(f32::MIN_POSITIVE)),
        Scalar::F64 | Scalar::U32 => (21.0 * f64::EPSILON / 2.0, f64::MIN_POSITIVE),
    }
}

impl Job for AxialJob {
    fn input(&self) -> Input {
        Input { items: self.model.elements(), item: "element", source: self.model.source.clone() }
    }

    fn precisions(&self) -> &[Precision] {
        &[Precision::F64, Precision::F32, Precision::Mixed]
    }

    fn gpu_precision(&self) -> Precision {
        Precision::F32
    }

    fn steps(&self, precision: Precision) -> Result<Vec<Step<'_>>> {
        let single = match precision {
            Precision::F64 => None,
            Precision::F32 | Precision::Mixed => {
                Some(self.single.get_or_init(|| self.model.rounded()).as_ref().map_err(Clone::clone)?)
            }
            Precision::Integer => {
                return Err(Error::Usage("the axial model computes in f64, f32 or mixed, not in integers".into()));
            }
        };
        let mut kernel = Axial { model: &self.model, precision, single, streaming: false };
        let work = kernel.work();
        let bytes = (work.bytes_read + work.bytes_written) * self.model.elements() as f64;
        kernel.streaming = topology::outgrows_caches(bytes as u64);
        Ok(vec![Step::Kernel(Box::new(kernel))])
    }

    fn outline(&self, precision: Precision) -> Result<Vec<Step<'_>>> {
        match precision {
            Precision::F32 | Precision::Mixed => {
                let unfilled = self.unfilled.get_or_init(|| Single::unfilled(self.model.length.is_some()));
                let single = Some(unfilled.as_ref().map_err(Clone::clone)?);
                Ok(vec![Step::Kernel(Box::new(Axial { model: &self.model, precision, single, streaming: false }))])
            }
            other => self.steps(other),
        }
    }

    fn finish(&self, outputs: &[Output]) -> Result<Answer> {
        let n = self.model.elements();
        let fold = outputs[0].fold;
        // A device leaves no peak in the fold: look for it.
        let (value, element) = if fold[COUNT] == n && n > 0 {
            (f64::from_bits(fold[PEAK]), fold[ELEMENT])
        } else {
            let (peak, place) = check::peak(&outputs[0]);
            (peak, place as u64)
        };
        if !value.is_finite() {
            return Err(Error::Model(format!(
                "element {}: its stress is {value}, too large for this precision; use smaller units or --precision f64",
                element + 1
            )));
        }
        let mut json = Map::new();
        json.insert("elements".into(), json!(n));
        json.insert("points".into(), json!(n));
        let mut lines = vec![("elements".to_string(), units::grouped(n))];
        if n > 0 {
            let peak = json!({ "value": value, "element": element + 1, "ip": 1 });
            json.insert("max_von_mises".into(), peak);
            lines.push(("max von Mises".into(), format!("{value:.6e} in element {}", element + 1)));
        } else {
            json.insert("max_von_mises".into(), json!(null));
        }
        Ok(Answer { json, lines })
    }

    fn check(&self, outputs: &[Output], answer: &Answer) -> Result<Check> {
        Ok(check::check(&self.model, &outputs[0], answer))
    }

    fn save(&self, outputs: &[Output], path: &Path) -> Result<()> {
        let n = input::index(self.model.elements());
        let single = outputs[0].specs().next().is_some_and(|column| column.scalar == Scalar::F32);
        match source::extension(path).as_str() {
            "npy" if single => npy::write_npy_f32(path, &[n], outputs[0].column(0)),
            "npy" => npy::write_npy_f64(path, &[n], outputs[0].column(0)),
            "csv" => csv::write_csv(path, "element,sigma", n, |row, line| {
                csv::push_u64(line, row as u64 + 1);
                csv::comma(line);
                if single {
                    csv::push_f32(line, outputs[0].column::<f32>(0)[row]);
                } else {
                    csv::push_f64(line, outputs[0].column::<f64>(0)[row]);
                }
            }),
            other => Err(Error::Usage(format!("the axial model writes .npy and .csv, not '.{other}'"))),
        }
    }
}

#[cfg(test)]
mod tests;
