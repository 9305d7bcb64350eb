//! Workload `map`: the users' own element-wise function, `--expr "sqrt(x*x + y*y) * 0.5"`, over arrays.
//!
//! The expression is parsed once (`numeric::expr` has the language). `seq` walks its tree in f64, `cpu` runs it over blocks
//! of vector code in f64 or f32, `gpu` gets it as WGSL in f32. What limits a cheap expression is memory: 24 bytes an
//! element in f64 with two inputs, written past the caches where the arrays outgrow them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::OnceLock;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use serde_json::{Map as Object, json};

use self::input::{Data, index};
use self::summary::{Summary, Sums};
use super::{CaseInput, Context, KernelInfo, Workload};
use crate::error::{Error, Result};
use crate::formats::{csv, npy, source};
use crate::job::{
    Answer, Check, ChunkOut, Class, ColumnSpec, FOLD_WORDS, GpuSlot, Input, Job, Kernel, Output, Precision, Scalar,
    Step, Work,
};
use crate::machine::topology;
use crate::memory::Buffer;
use crate::numeric::expr::{Arithmetic, Expr, Program};
use crate::simd::Simd;
use crate::units;

mod check;
mod cpu;
mod gpu;
mod input;
mod summary;
#[cfg(test)]
mod tests;

/// The registry entry.
pub struct MapWorkload;

/// What runs without `--expr`.
const EXPRESSION: &str = "sqrt(x*x + y*y) * 0.5";

/// What is tested and timed besides: functions that are computed, not loaded, and jumps.
const VARIANTS: [(&str, &str); 3] = [
    ("map", EXPRESSION),
    ("map transcendental", "exp(-x*x) * sin(20*y) + log(x + 0.5) * tanh(y - x) - x**1.5 + arctan2(y, x - 0.5)"),
    ("map conditional", "where((x > y) & ~(x > 0.75), (16*x) % 3, maximum(floor(8*y), -x) + abs(x - y)) ** 2"),
];

struct MapJob {
    /// As the user wrote it.
    text: String,
    expr: Expr,
    program: Program,
    /// The program of the independent check: nothing is folded.
    unfolded: Program,
    data: Data,
    /// The inputs in f32, made when first asked for.
    single: OnceLock<Result<Vec<Buffer<f32>>>>,
    /// In their place for whoever only asks what would run.
    unfilled: Vec<Buffer<f32>>,
    /// What the host's kernels leave for the checksum.
    sums: Sums,
    /// Whether results may be NaN or infinite.
    allow_nonfinite: bool,
}

impl MapJob {
    fn new(text: &str, expr: Expr, data: Data, allow_nonfinite: bool) -> Result<Self> {
        let (program, unfolded) = (Program::new(&expr), Program::unfolded(&expr));
        let sums = Sums::new(data.items)?;
        let unfilled = data.rounded(|_| false)?;
        Ok(Self {
            text: text.into(),
            expr,
            program,
            unfolded,
            data,
            single: OnceLock::new(),
            unfilled,
            sums,
            allow_nonfinite,
        })
    }

    /// Whether the program reads the variable `v`.
    fn uses(&self, v: usize) -> bool {
        self.program.uses(v)
    }

    /// `element 17 [1, 5]`, and the values of its inputs.
    fn describe(&self, item: usize) -> (String, String) {
        let shape = &self.data.shape;
        let mut place = format!("element {item}");
        if shape.len() > 1 {
            let (mut left, mut indices) = (item, vec![0; shape.len()]);
            for (index, length) in indices.iter_mut().zip(shape).rev() {
                (*index, left) = (left % length, left / length);
            }
            place += &format!(" {indices:?}");
        }
        let values = self.data.arrays.iter().enumerate().filter(|(v, _)| self.uses(*v));
        let values: Vec<_> = values.map(|(v, array)| format!("{} = {}", self.data.names[v], array[item])).collect();
        (place, values.join(", "))
    }

    /// The error of a result that is not finite, if it is the expression's and not a kernel's: that is for verification.
    fn refuse(&self, output: &Output, item: usize) -> Option<Error> {
        let reference = self.reference(item);
        let single = output.specs().next().is_some_and(|column| column.scalar == Scalar::F32);
        let beyond = single && reference.abs() > f64::from(f32::MAX);
        let hint = match reference.is_finite() {
            true if beyond => "it is beyond the range of f32; use --precision f64",
            true => return None,
            false => "guard it with where(condition, a, b), or accept such results with --allow-nonfinite",
        };
        let (place, values) = self.describe(item);
        let value = output.value(0, item);
        Some(Error::Model(format!("{place} of the result is {value} ({values}); {hint}")))
    }

    /// The reference's value of one element.
    fn reference(&self, item: usize) -> f64 {
        let variables: Vec<f64> =
            self.data.arrays.iter().map(|array| array.get(item).copied().unwrap_or(0.0)).collect();
        self.expr.evaluate(&variables, &mut Vec::new())
    }

    /// The largest error that `program` in `arithmetic` may have at `item` against the reference's `value` there.
    fn bound(&self, program: &Program, item: usize, value: f64, arithmetic: Arithmetic) -> f64 {
        let variables: Vec<f64> =
            self.data.arrays.iter().map(|array| array.get(item).copied().unwrap_or(0.0)).collect();
        let enclosed = program.enclose(&variables, arithmetic, &mut Vec::new());
        // The subtraction itself rounds.
        enclosed.distance(value) * (1.0 + f64::EPSILON)
    }
}

/// The kernel in one precision.
struct Map<'j> {
    job: &'j MapJob,
    precision: Precision,
    /// `Some` exactly when the precision is f32.
    single: Option<&'j [Buffer<f32>]>,
    /// Whether the results are written past the caches.
    streaming: bool,
}

impl Map<'_> {
    fn scalar(&self) -> Scalar {
        if self.single.is_some() { Scalar::F32 } else { Scalar::F64 }
    }

    fn arithmetic(&self) -> Arithmetic {
        if self.single.is_some() { Arithmetic::Single } else { Arithmetic::Double }
    }
}

impl Kernel for Map<'_> {
    fn name(&self) -> &'static str {
        "map"
    }

    fn item(&self) -> &'static str {
        "element"
    }

    fn items(&self) -> u64 {
        self.job.data.items
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    /// What one sum of the checksum covers.
    fn grain(&self) -> u64 {
        summary::BLOCK as u64
    }

    fn work(&self) -> Work {
        let size = self.scalar().size() as f64;
        let inputs = (0..self.job.data.names.len()).filter(|v| self.job.uses(*v)).count();
        Work { flops: self.job.program.flops(), bytes_read: inputs as f64 * size, bytes_written: size }
    }

    /// Each expression is a kernel of its own.
    fn variant(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.job.expr.to_string().hash(&mut hasher);
        hasher.finish()
    }

    fn class(&self) -> Class {
        Class::Bounded
    }

    fn columns(&self) -> Vec<ColumnSpec> {
        vec![ColumnSpec { name: "value", scalar: self.scalar(), per_item: 1 }]
    }

    fn merge_fold(&self, total: &mut [u64; FOLD_WORDS], part: &[u64; FOLD_WORDS]) {
        summary::merge(total, part);
    }

    fn allows_nonfinite(&self) -> bool {
        self.job.allow_nonfinite
    }

    fn seq(&self, out: &mut ChunkOut<'_>) {
        let chunk = out.chunk();
        let (start, arrays) = (index(chunk.start), &self.job.data.arrays);
        let (mut variables, mut space) = (vec![0.0; arrays.len()], Vec::new());
        let mut evaluate = |k: usize| {
            for (v, array) in arrays.iter().enumerate() {
                variables[v] = array[start + k];
            }
            self.job.expr.evaluate(&variables, &mut space)
        };
        let sums = self.job.sums.of(chunk);
        out.fold = if self.single.is_some() {
            let values = out.column::<f32>(0);
            values.iter_mut().enumerate().for_each(|(k, value)| *value = evaluate(k) as f32);
            summary::of(values, chunk.start, sums)
        } else {
            let values = out.column::<f64>(0);
            values.iter_mut().enumerate().for_each(|(k, value)| *value = evaluate(k));
            summary::of(values, chunk.start, sums)
        };
    }

    fn cpu(&self, simd: Simd, out: &mut ChunkOut<'_>) {
        let chunk = out.chunk();
        let range = index(chunk.start)..index(chunk.end);
        let sums = self.job.sums.of(chunk);
        let program = &self.job.program;
        out.fold = match self.single {
            Some(single) => {
                let inputs: Vec<&[f32]> = single.iter().map(|array| array.get(range.clone()).unwrap_or(&[])).collect();
                cpu::run_f32(simd, simd, program, &inputs, chunk.start, out.column(0), sums, self.streaming)
            }
            None => {
                let inputs: Vec<&[f64]> = self.job.data.arrays.iter().map(|array| &array[range.clone()]).collect();
                cpu::run_f64(simd, simd, program, &inputs, chunk.start, out.column(0), sums, self.streaming)
            }
        };
    }

    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        match self.single {
            Some(single) => Ok(gpu::slot(self.job, single)),
            None => Err("map computes in f32 on a device: WGSL has no functions of f64; leave --precision out".into()),
        }
    }

    /// The distance of the reference's value from what an interval evaluation of the program may give: see
    /// [`crate::numeric::expr::Interval`]. Infinite, which allows nothing, where rounding alone moves the result without limit.
    fn bound(&self, item: u64, into: &mut [f64]) {
        let item = index(item);
        let job = self.job;
        into.fill(job.bound(&job.program, item, job.reference(item), self.arithmetic()));
    }
}

impl Job for MapJob {
    fn input(&self) -> Input {
        Input { items: self.data.items, item: "element", source: self.data.source.clone() }
    }

    fn precisions(&self) -> &[Precision] {
        &[Precision::F64, Precision::F32]
    }

    fn gpu_precision(&self) -> Precision {
        Precision::F32
    }

    fn steps(&self, precision: Precision) -> Result<Vec<Step<'_>>> {
        let single = match precision {
            Precision::F64 => None,
            Precision::F32 => {
                let rounded = self.single.get_or_init(|| self.data.rounded(|v| self.uses(v)));
                if let Some(number) = self.program.numbers().find(|x| x.is_finite() && (*x as f32).is_infinite()) {
                    let why = format!("the number {number:e} is beyond the range of f32; use --precision f64");
                    return Err(Error::Usage(why));
                }
                Some(rounded.as_ref().map_err(Clone::clone)?.as_slice())
            }
            other => return Err(Error::Usage(format!("map computes in f64 or f32, not in {}", other.name()))),
        };
        let mut kernel = Map { job: self, precision, single, streaming: false };
        let work = kernel.work();
        let bytes = (work.bytes_read + work.bytes_written) * self.data.items as f64;
        kernel.streaming = topology::outgrows_caches(bytes as u64);
        Ok(vec![Step::Kernel(Box::new(kernel))])
    }

    fn outline(&self, precision: Precision) -> Result<Vec<Step<'_>>> {
        match precision {
            Precision::F32 => {
                let single = Some(self.unfilled.as_slice());
                Ok(vec![Step::Kernel(Box::new(Map { job: self, precision, single, streaming: false }))])
            }
            other => self.steps(other),
        }
    }

    fn finish(&self, outputs: &[Output]) -> Result<Answer> {
        let summary = Summary::new(&outputs[0], &self.sums);
        if let Some(first) = summary.first_bad
            && !self.allow_nonfinite
            && let Some(error) = self.refuse(&outputs[0], first)
        {
            return Err(error);
        }
        let mut json = Object::new();
        json.insert("items".into(), json!(self.data.items));
        json.insert("expr".into(), json!(self.text));
        json.insert("checksum".into(), json!(summary.checksum));
        json.insert("min".into(), json!(summary.extremes.map(|(least, _)| least)));
        json.insert("max".into(), json!(summary.extremes.map(|(_, most)| most)));
        json.insert("nonfinite".into(), json!(summary.bad));
        let line = |name: &str, text: String| (name.to_string(), text);
        let mut lines = vec![
            line("expression", self.text.clone()),
            line("elements", units::grouped(self.data.items)),
            line("checksum", format!("{:.15e} (sum of all results)", summary.checksum)),
        ];
        if let Some((least, most)) = summary.extremes {
            lines.push(line("range", format!("{least:.9e} to {most:.9e}")));
        }
        if summary.bad > 0 {
            lines.push(line("not finite", units::grouped(summary.bad)));
        }
        Ok(Answer { json, lines })
    }

    fn check(&self, outputs: &[Output], answer: &Answer) -> Result<Check> {
        Ok(check::check(self, &outputs[0], answer))
    }

    fn save(&self, outputs: &[Output], path: &Path) -> Result<()> {
        let shape = &self.data.shape;
        let single = outputs[0].specs().next().is_some_and(|column| column.scalar == Scalar::F32);
        match source::extension(path).as_str() {
            "npy" if single => npy::write_npy_f32(path, shape, outputs[0].column(0)),
            "npy" => npy::write_npy_f64(path, shape, outputs[0].column(0)),
            "csv" => csv::write_csv(path, "element,value", index(self.data.items), |row, line| {
                csv::push_u64(line, row as u64);
                csv::comma(line);
                if single {
                    csv::push_f32(line, outputs[0].column::<f32>(0)[row]);
                } else {
                    csv::push_f64(line, outputs[0].column::<f64>(0)[row]);
                }
            }),
            other => Err(Error::Usage(format!("map writes .npy and .csv, not '.{other}'"))),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let unused = self.data.names.iter().enumerate().filter(|(v, _)| !self.uses(*v));
        let unused: Vec<_> = unused.map(|(_, name)| name.as_str()).collect();
        if unused.is_empty() { Vec::new() } else { vec![format!("the expression does not use {}", unused.join(", "))] }
    }
}

static KERNELS: &[KernelInfo] = &[KernelInfo {
    name: "map",
    item: "element",
    precisions: "f64, f32",
    cpu_only: None,
    about: "the expression of --expr; functions within 4 (f64) or 4 to 16 (f32) units in the last place, bound of each element by interval arithmetic",
}];

impl Workload for MapWorkload {
    fn name(&self) -> &'static str {
        "map"
    }

    fn about(&self) -> &'static str {
        "your own element-wise function: an expression over arrays"
    }

    fn kernels(&self) -> &'static [KernelInfo] {
        KERNELS
    }

    fn args(&self) -> Vec<Arg> {
        vec![
            Arg::new("expr").long("expr").value_name("EXPRESSION").default_value(EXPRESSION).allow_hyphen_values(true).help(
                "What to compute: + - * / % **, comparisons, & | ~, where(c, a, b), minimum, maximum, sqrt, exp, sin ...",
            ),
            Arg::new("input")
                .long("input")
                .value_name("NAME=FILE.npy[,NAME=...]")
                .action(ArgAction::Append)
                .help("The variables: arrays of one shape, or numbers (k=2.5); of one of them several files ('a/*.npy'), which the others follow with {stem}. Without any, x and y are generated in (0, 1)"),
            Arg::new("items")
                .long("items")
                .value_name("N")
                .conflicts_with("input")
                .value_parser(|text: &str| units::parse_count(text))
                .help("Elements to generate; 1e7 by default"),
            Arg::new("allow-nonfinite")
                .long("allow-nonfinite")
                .action(ArgAction::SetTrue)
                .value_parser(value_parser!(bool))
                .help("Accept results that are NaN or infinite; without it the first one ends the run (exit 4)"),
        ]
    }

    fn endings(&self, _: &ArgMatches) -> &'static [&'static str] {
        &["npy", "csv"]
    }

    fn prepare(&self, args: &ArgMatches, context: &Context) -> Result<Box<dyn Job>> {
        let text = args.get_one::<String>("expr").expect("--expr has a default");
        let inputs: Vec<&String> = args.get_many("input").into_iter().flatten().collect();
        let inputs = input::assignments(&inputs)?;
        let names: Vec<&str> = match inputs.is_empty() {
            true => input::GENERATED.to_vec(),
            false => inputs.iter().map(|(name, _)| name.as_str()).collect(),
        };
        // A wrong expression is told before large files are read.
        let mut expr = Expr::parse(text, &names).map_err(|error| {
            let hint = match inputs.is_empty() && error.why.starts_with("unknown name") {
                true => " (generated; name your arrays with --input)",
                false => "",
            };
            Error::Usage(format!("{error}{hint}"))
        })?;
        let data = if inputs.is_empty() {
            Data::generate(args.get_one("items").copied().unwrap_or(10_000_000), context.seed)?
        } else {
            let (data, numbers) = Data::read(&inputs)?;
            for (name, value) in numbers {
                expr.fix(&name, value);
            }
            expr.rename(&data.names);
            data
        };
        Ok(Box::new(MapJob::new(text, expr, data, args.get_flag("allow-nonfinite"))?))
    }

    fn case_inputs(&self) -> Vec<CaseInput> {
        vec![CaseInput {
            option: "input",
            endings: vec!["npy"],
            varying: &[],
            joined: false,
            headlines: &["checksum"],
            within: Some(input::of_cases),
        }]
    }

    fn sized(&self, items: u64, context: &Context) -> Result<Vec<(String, Box<dyn Job>)>> {
        VARIANTS.iter().map(|(name, _)| Ok((name.to_string(), self.sized_variant(items, name, context)?))).collect()
    }

    fn sized_variant(&self, items: u64, variant: &str, context: &Context) -> Result<Box<dyn Job>> {
        let (_, text) = VARIANTS
            .into_iter()
            .find(|(name, _)| *name == variant)
            .ok_or_else(|| super::no_variant(self.name(), variant, items))?;
        Ok(Box::new(generated(text, items, context.seed)?))
    }
}

/// `text` over generated `x` and `y`.
fn generated(text: &str, items: u64, seed: u64) -> Result<MapJob> {
    let expr = Expr::parse(text, &input::GENERATED).map_err(|error| Error::Usage(error.to_string()))?;
    MapJob::new(text, expr, Data::generate(items, seed)?, false)
}
