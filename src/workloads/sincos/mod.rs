//! Workload `sincos`: `t = sin t cos t`, iterated for each element of an array, and the sum of each row.
//!
//! What limits it is arithmetic: 8 bytes are read for each element, and some 27 operations are done in each iteration.
//!
//! Precisions: `f64`; `f32`: the array stays in f64, so that a large argument keeps its meaning; the first step of a
//! processor is done in f64, a device gets arguments without their multiples of pi/2; the other steps and the sums are f32.

use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, value_parser};
use serde_json::{Map, json};

use super::{CaseInput, Context, KernelInfo, Workload};
use crate::error::{Error, Result};
use crate::formats::{csv, npy, source};
use crate::job::{
    Answer, Check, ChunkOut, Class, ColumnSpec, GpuSlot, Input, Job, Kernel, Output, Precision, Scalar, Step, Work,
};
use crate::simd::Simd;
use crate::units;

mod bound;
mod check;
mod cpu;
mod gpu;
mod model;

#[cfg(test)]
mod tests;

use bound::Bound;
use model::Model;

/// The registry entry.
pub struct SincosWorkload;

/// Operations of the first step: reduction 20, sine 17, cosine 16, what both use 5, the product.
const FIRST_FLOPS: f64 = 59.0;

/// Operations of every other step in f64: the square, sine 13, cosine 12, the product.
const STEP_FLOPS: f64 = 27.0;

/// The same in f32: sine 9, cosine 8.
const STEP_FLOPS_F32: f64 = 19.0;

/// The kernel: the item is a block of a row.
struct Sincos<'j> {
    model: &'j Model,
    precision: Precision,
    bound: Bound,
}

impl<'j> Sincos<'j> {
    fn new(model: &'j Model, precision: Precision) -> Self {
        Self { model, precision, bound: Bound::new(precision, model.iterations) }
    }

    fn is_single(&self) -> bool {
        self.precision == Precision::F32
    }
}

impl Kernel for Sincos<'_> {
    fn name(&self) -> &'static str {
        "sincos"
    }

    fn item(&self) -> &'static str {
        "block"
    }

    fn items(&self) -> u64 {
        self.model.blocks()
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    /// One cache line of f32 results: no two threads share one.
    fn grain(&self) -> u64 {
        16
    }

    fn work(&self) -> Work {
        let elements = self.model.columns as f64 / self.model.per_row as f64;
        let step = if self.is_single() { STEP_FLOPS_F32 } else { STEP_FLOPS };
        let flops = FIRST_FLOPS + step * f64::from(self.model.iterations - 1);
        // Each element is added up as well.
        let bytes_written = if self.is_single() { 4.0 } else { 8.0 };
        Work { flops: elements * (flops + 1.0), bytes_read: elements * 8.0, bytes_written }
    }

    /// Few iterations spend their time elsewhere than many: in the first one, or in memory.
    fn variant(&self) -> u64 {
        u64::from(self.model.iterations.ilog2())
    }

    fn class(&self) -> Class {
        Class::Bounded
    }

    fn columns(&self) -> Vec<ColumnSpec> {
        let scalar = if self.is_single() { Scalar::F32 } else { Scalar::F64 };
        vec![ColumnSpec { name: "sum", scalar, per_item: 1 }]
    }

    fn seq(&self, out: &mut ChunkOut<'_>) {
        let chunk = out.chunk();
        let sums = (chunk.start..chunk.end).map(|block| cpu::sum_seq(self.model, block));
        if self.is_single() {
            out.column::<f32>(0).iter_mut().zip(sums).for_each(|(out, sum)| *out = sum as f32);
        } else {
            out.column::<f64>(0).iter_mut().zip(sums).for_each(|(out, sum)| *out = sum);
        }
    }

    fn cpu(&self, simd: Simd, out: &mut ChunkOut<'_>) {
        let chunk = out.chunk();
        if self.is_single() {
            cpu::sums_f32(simd, self.model, chunk, out.column(0));
        } else {
            cpu::sums_f64(simd, self.model, chunk, out.column(0));
        }
    }

    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        if self.is_single() {
            Ok(gpu::slot(self.model))
        } else {
            Err("sincos has its GPU form in f32 only; use --precision f32, or --backend cpu for f64".into())
        }
    }

    fn bound(&self, item: u64, into: &mut [f64]) {
        into.fill(self.bound.of(self.model.block(item).len()));
    }
}

struct SincosJob {
    model: Model,
}

impl SincosJob {
    /// The sum of each row: its blocks' sums in their order.
    fn row_sums(&self, output: &Output) -> impl ExactSizeIterator<Item = f64> {
        let per_row = self.model.per_row as usize;
        let row = move |row: usize| (row * per_row..(row + 1) * per_row).fold(0.0, |sum, i| sum + output.value(0, i));
        (0..self.model.rows as usize).map(row)
    }
}

impl Job for SincosJob {
    fn input(&self) -> Input {
        Input { items: self.model.rows, item: "row", source: self.model.source.clone() }
    }

    fn precisions(&self) -> &[Precision] {
        &[Precision::F64, Precision::F32]
    }

    fn gpu_precision(&self) -> Precision {
        Precision::F32
    }

    fn steps(&self, precision: Precision) -> Result<Vec<Step<'_>>> {
        match precision {
            Precision::F64 | Precision::F32 => Ok(vec![Step::Kernel(Box::new(Sincos::new(&self.model, precision)))]),
            other => Err(Error::Usage(format!("sincos computes in f64 or f32 and has no {} form", other.name()))),
        }
    }

    fn finish(&self, outputs: &[Output]) -> Result<Answer> {
        let Model { rows, columns, iterations, .. } = self.model;
        let checksum = self.row_sums(&outputs[0]).fold(0.0, |sum, row| sum + row);
        let mut json = Map::new();
        json.insert("rows".into(), json!(rows));
        json.insert("columns".into(), json!(columns));
        json.insert("iterations".into(), json!(iterations));
        json.insert("checksum".into(), json!(checksum));
        let size = format!("{} of {} columns", units::grouped(rows), units::grouped(columns));
        let lines = vec![
            ("rows".to_string(), size),
            ("iterations".to_string(), units::grouped(iterations.into())),
            ("sum of all rows".to_string(), format!("{checksum:.12}")),
        ];
        Ok(Answer { json, lines })
    }

    fn check(&self, outputs: &[Output], answer: &Answer) -> Result<Check> {
        let single = outputs[0].specs().any(|column| column.scalar == Scalar::F32);
        let precision = if single { Precision::F32 } else { Precision::F64 };
        Ok(check::check(&self.model, &Bound::new(precision, self.model.iterations), &outputs[0], answer))
    }

    fn save(&self, outputs: &[Output], path: &Path) -> Result<()> {
        let rows = self.row_sums(&outputs[0]);
        let shape = [rows.len()];
        let single = outputs[0].specs().any(|column| column.scalar == Scalar::F32);
        match source::extension(path).as_str() {
            "npy" if single => npy::write_npy_f32(path, &shape, &rows.map(|sum| sum as f32).collect::<Vec<_>>()),
            "npy" => npy::write_npy_f64(path, &shape, &rows.collect::<Vec<_>>()),
            "csv" => {
                let sums: Vec<f64> = rows.collect();
                csv::write_csv(path, "row,sum", sums.len(), |row, line| {
                    csv::push_u64(line, row as u64);
                    csv::comma(line);
                    if single {
                        csv::push_f32(line, sums[row] as f32);
                    } else {
                        csv::push_f64(line, sums[row]);
                    }
                })
            }
            other => Err(Error::Usage(format!("sincos writes .npy and .csv, not '.{other}'"))),
        }
    }
}

static KERNELS: &[KernelInfo] = &[KernelInfo {
    name: "sincos",
    item: "block",
    precisions: "f64, f32 (gpu: f32)",
    cpu_only: None,
    about: "t = sin t cos t, iterated, and sums of up to 32 columns; sines and cosines of our own within 1 ulp, results within \
            a derived bound (100 iterations: 5.3e-15 an element in f64, 2.4e-6 in f32)",
}];

impl Workload for SincosWorkload {
    fn name(&self) -> &'static str {
        "sincos"
    }

    fn about(&self) -> &'static str {
        "row sums of an array after many iterations of t = sin t cos t"
    }

    fn kernels(&self) -> &'static [KernelInfo] {
        KERNELS
    }

    fn args(&self) -> Vec<Arg> {
        let number =
            |id: &'static str, default: &'static str| Arg::new(id).long(id).value_name("N").default_value(default);
        vec![
            Arg::new("input")
                .long("input")
                .value_name("FILE.npy")
                .value_parser(value_parser!(PathBuf))
                .help("The array (rows, columns) instead of a generated one"),
            number("rows", "8000")
                .value_parser(|text: &str| units::parse_count(text))
                .help("Generated rows, elements uniform in 0..1"),
            number("columns", "100").value_parser(|text: &str| at_least_one(text)).help("Their columns, at least 1"),
            number("iterations", "100")
                .value_parser(|text: &str| iterations(text))
                .help("How often t = sin t cos t is done, from 1 to 2^32 - 1"),
        ]
    }

    fn endings(&self, _: &ArgMatches) -> &'static [&'static str] {
        &["npy", "csv"]
    }

    fn prepare(&self, args: &ArgMatches, context: &Context) -> Result<Box<dyn Job>> {
        let iterations = *args.get_one::<u32>("iterations").expect("--iterations has a default");
        let model = match args.get_one::<PathBuf>("input") {
            Some(path) => {
                for id in ["rows", "columns"] {
                    if args.value_source(id) == Some(ValueSource::CommandLine) {
                        return Err(Error::Usage(format!(
                            "--{id} is for a generated array, --input reads one; use one of them"
                        )));
                    }
                }
                Model::read(path, iterations)?
            }
            None => {
                let number = |id: &str| *args.get_one::<u64>(id).expect("it has a default");
                Model::generate(number("rows"), number("columns"), iterations, context.seed)?
            }
        };
        Ok(Box::new(SincosJob { model }))
    }

    fn case_inputs(&self) -> Vec<CaseInput> {
        vec![CaseInput {
            option: "input",
            endings: vec!["npy"],
            varying: &[],
            joined: false,
            headlines: &["sum of all rows"],
            within: None,
        }]
    }

    /// At most a thousand rows: tests and benches of more would only repeat them.
    fn sized(&self, items: u64, context: &Context) -> Result<Vec<(String, Box<dyn Job>)>> {
        let job = |variant: &Variant| Ok((variant.name.into(), variant.job(items.min(MOST_ROWS), context)?));
        VARIANTS.iter().map(job).collect()
    }

    fn sized_variant(&self, items: u64, variant: &str, context: &Context) -> Result<Box<dyn Job>> {
        match VARIANTS.iter().find(|known| known.name == variant) {
            Some(known) => known.job(items, context),
            None => Err(super::no_variant(self.name(), variant, items)),
        }
    }
}

/// A generated job.
struct Variant {
    name: &'static str,
    columns: u64,
    iterations: u32,
}

/// What users run, and rows whose blocks differ in width.
const VARIANTS: [Variant; 2] = [
    Variant { name: "sincos 100x100", columns: 100, iterations: 100 },
    Variant { name: "sincos 67x5", columns: 67, iterations: 5 },
];

/// Rows of a test.
const MOST_ROWS: u64 = 1000;

impl Variant {
    fn job(&self, rows: u64, context: &Context) -> Result<Box<dyn Job>> {
        let model = Model::generate(rows, self.columns, self.iterations, context.seed)?;
        Ok(Box::new(SincosJob { model }))
    }
}

/// Reads `--columns`.
fn at_least_one(text: &str) -> Result<u64, String> {
    match units::parse_count(text)? {
        0 => Err(format!("'{text}' is too few; at least 1")),
        count => Ok(count),
    }
}

/// Reads `--iterations`.
fn iterations(text: &str) -> Result<u32, String> {
    u32::try_from(at_least_one(text)?).map_err(|_| format!("'{text}' is more than 2^32 - 1"))
}
