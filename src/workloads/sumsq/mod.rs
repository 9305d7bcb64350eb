//! Workload `sumsq`: the sum of `i * i` for `i < n`, or of the squares of integers in memory. Exact: the sum has 128 bits, where
//! programs with 64 wrap around from n = 3 024 618 on without a word.
//!
//! The loop is really run. Nobody needs it for the answer, which is `(n - 1) n (2 n - 1) / 6` and checks the loop; it
//! is what people time when they want to see what threads, vectors and compilers do.

use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, value_parser};
use serde_json::{Map, json};

use super::{CaseInput, Context, KernelInfo, Workload, saved};
use crate::error::{Error, Result};
use crate::job::{Answer, Check, Input, Job, Kernel, Output, Precision, Step};
use crate::units;

mod check;
mod cpu;
mod gpu;
mod input;
mod kernel;
#[cfg(test)]
mod tests;

use input::Values;
use kernel::{Data, Loop};

/// The registry entry.
pub struct SumsqWorkload;

/// The most numbers: up to here `(n - 1) n (2 n - 1)` of the check fits in 128 bits.
pub const MAX_N: u64 = 1 << 42;

/// Integers up to here are exact in JSON readers that only know f64.
const EXACT: u128 = 1 << 53;

enum SumsqJob {
    Loop(Loop),
    Data(Values),
}

impl SumsqJob {
    fn kernel(&self) -> Box<dyn Kernel + '_> {
        match self {
            Self::Loop(kernel) => Box::new(*kernel),
            Self::Data(values) => Box::new(Data { values: &values.values, largest: values.largest }),
        }
    }

    fn n(&self) -> u64 {
        match self {
            Self::Loop(kernel) => kernel.n,
            Self::Data(values) => values.values.len() as u64,
        }
    }

    fn method(&self) -> &'static str {
        match self {
            Self::Loop(_) => "loop",
            Self::Data(_) => "data",
        }
    }
}

impl Job for SumsqJob {
    fn input(&self) -> Input {
        let source = match self {
            Self::Data(Values { file: Some(name), .. }) => name.clone(),
            _ => "generated".into(),
        };
        Input { items: self.n(), item: "number", source }
    }

    fn precisions(&self) -> &[Precision] {
        &[Precision::Integer]
    }

    fn steps(&self, precision: Precision) -> Result<Vec<Step<'_>>> {
        match precision {
            Precision::Integer => Ok(vec![Step::Kernel(self.kernel())]),
            other => Err(Error::Usage(format!(
                "sumsq computes in integers and has no {} form; leave --precision out",
                other.name()
            ))),
        }
    }

    fn finish(&self, outputs: &[Output]) -> Result<Answer> {
        Ok(answer(self.method(), self.n(), kernel::sum(&outputs[0].fold)))
    }

    fn check(&self, outputs: &[Output], _: &Answer) -> Result<Check> {
        let sum = kernel::sum(&outputs[0].fold);
        Ok(match self {
            Self::Loop(kernel) => check::counted(kernel.first, kernel.n, sum),
            Self::Data(Values { file: None, values, .. }) => check::counted(0, values.len() as u64, sum),
            Self::Data(Values { values, .. }) => check::residues(values, sum),
        })
    }

    fn save(&self, outputs: &[Output], path: &Path) -> Result<()> {
        let columns = ["n", "method", "sum_text", "wraps_int64", "int64_text"];
        saved::write("sumsq", &self.finish(outputs)?.json, &columns, path)
    }
}

/// The sum, and what a program with 64 bits would have made of it.
fn answer(method: &str, n: u64, sum: u128) -> Answer {
    let wraps = sum > i64::MAX as u128;
    let mut json = Map::new();
    json.insert("n".into(), json!(n));
    json.insert("method".into(), json!(method));
    json.insert("sum".into(), json!((sum < EXACT).then_some(sum as u64)));
    json.insert("sum_text".into(), json!(sum.to_string()));
    json.insert("wraps_int64".into(), json!(wraps));
    json.insert("int64_text".into(), json!((sum as i64).to_string()));
    let line = |name: &str, text: String| (name.to_string(), text);
    let int64 = if wraps { format!("wraps around to {}", sum as i64) } else { "holds it, too".into() };
    let lines = vec![
        line("n", units::grouped(n)),
        line("method", method.into()),
        line("sum of squares", units::grouped_wide(sum)),
        line("int64", int64),
    ];
    Answer { json, lines }
}

static KERNELS: &[KernelInfo] = &[
    KernelInfo {
        name: "sumsq",
        item: "number",
        precisions: "integer",
        cpu_only: None,
        about: "i * i for every i below n, added up in 128 bits; exact on every backend",
    },
    KernelInfo {
        name: "sumsq_data",
        item: "number",
        precisions: "integer",
        cpu_only: None,
        about: "squares of integers in memory, added up in 128 bits; exact on every backend",
    },
];

impl Workload for SumsqWorkload {
    fn name(&self) -> &'static str {
        "sumsq"
    }

    fn about(&self) -> &'static str {
        "the sum of i * i for i < n, exact in 128 bits, as a loop or over data"
    }

    fn kernels(&self) -> &'static [KernelInfo] {
        KERNELS
    }

    fn args(&self) -> Vec<Arg> {
        vec![
            Arg::new("n")
                .long("n")
                .short('n')
                .value_name("N")
                .default_value("1e7")
                .value_parser(|text: &str| number(text))
                .help("Numbers 0, 1 .. n - 1, up to 2^42; 1e9 and 1_000_000 are numbers too"),
            Arg::new("method")
                .long("method")
                .value_parser(["loop", "data"])
                .help("Count the numbers in a loop, or read them from an array of 64-bit integers [default: loop, with --input data]"),
            Arg::new("input")
                .long("input")
                .value_name("FILE.npy")
                .value_parser(value_parser!(PathBuf))
                .help("Integers of any type and shape instead of 0, 1 .. n - 1"),
        ]
    }

    fn endings(&self, _: &ArgMatches) -> &'static [&'static str] {
        &saved::ENDINGS
    }

    fn prepare(&self, args: &ArgMatches, _: &Context) -> Result<Box<dyn Job>> {
        let n = *args.get_one::<u64>("n").expect("--n has a default");
        let method = args.get_one::<String>("method").map(String::as_str);
        let job = match (args.get_one::<PathBuf>("input"), method) {
            (Some(_), Some("loop")) => {
                return Err(Error::Usage("--method loop counts, --input reads; use one of them".into()));
            }
            (Some(_), _) if args.value_source("n") == Some(ValueSource::CommandLine) => {
                return Err(Error::Usage("--n counts, --input reads; use one of them".into()));
            }
            (Some(path), _) => SumsqJob::Data(Values::read(path)?),
            (None, Some("data")) => SumsqJob::Data(Values::count(n)?),
            (None, _) => SumsqJob::Loop(Loop { first: 0, n }),
        };
        Ok(Box::new(job))
    }

    fn case_inputs(&self) -> Vec<CaseInput> {
        vec![CaseInput {
            option: "input",
            endings: vec!["npy"],
            varying: &[],
            joined: false,
            headlines: &["sum of squares"],
            within: None,
        }]
    }

    fn sized(&self, items: u64, context: &Context) -> Result<Vec<(String, Box<dyn Job>)>> {
        VARIANTS.iter().map(|name| Ok(((*name).into(), self.sized_variant(items, name, context)?))).collect()
    }

    fn sized_variant(&self, items: u64, variant: &str, _: &Context) -> Result<Box<dyn Job>> {
        let n = items.min(MAX_N);
        Ok(Box::new(match VARIANTS.iter().position(|name| *name == variant) {
            Some(0) => SumsqJob::Loop(Loop { first: 0, n }),
            Some(1) => SumsqJob::Data(Values::count(n)?),
            Some(_) => SumsqJob::Loop(Loop { first: MAX_N - n, n }),
            None => return Err(super::no_variant(self.name(), variant, items)),
        }))
    }
}

/// The generated jobs: the loop, the data, and the loop over the largest numbers.
const VARIANTS: [&str; 3] = ["sumsq", "sumsq data", "sumsq high"];

/// Reads `--n`.
fn number(text: &str) -> Result<u64, String> {
    let n = units::parse_count(text)?;
    if n > MAX_N {
        let most = units::grouped(MAX_N);
        return Err(format!(
            "'{text}' is above 2^42 = {most}, from where on the closed form that checks the sum leaves 128 bits"
        ));
    }
    Ok(n)
}
