//! Workload `eigen`: the eigenvalues of many dense matrices, or of matrix pencils.
//!
//! A matrix that equals its transpose, bit for bit, is solved as a symmetric one, a pencil of two such matrices as a symmetric-definite
//! one; the report counts them. A pencil whose M is singular has infinite eigenvalues, which are counted. A matrix that cannot be solved is named and does not stop the others: the run
//! then ends in exit code 4 after everything else was delivered.

use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use serde_json::{Map, json};

use super::{CaseInput, Context, KernelInfo, Workload};
use crate::error::{Error, Result};
use crate::job::{Answer, Check, Input, Job, Output, Precision, Step};
use crate::units;

mod check;
mod input;
mod kernel;
mod save;

#[cfg(test)]
mod tests;

use input::Batch;
use kernel::{Eigen, IM, OUTCOME, RE};
use save::Values;

/// The registry entry.
pub struct EigenWorkload;

/// Frequencies that the report lists.
const LISTED: usize = 12;

/// Refused matrices that a message names.
const NAMED: usize = 5;

struct EigenJob {
    batch: Batch,
    values: Values,
    vectors: bool,
    seed: u64,
}

impl Job for EigenJob {
    fn input(&self) -> Input {
        Input { items: self.batch.count as u64, item: "matrix", source: self.batch.source.clone() }
    }

    fn precisions(&self) -> &[Precision] {
        &[Precision::F64]
    }

    fn stays_on_cpu(&self) -> Option<&'static str> {
        Some(kernel::STAYS_ON_CPU)
    }

    fn steps(&self, precision: Precision) -> Result<Vec<Step<'_>>> {
        match precision {
            Precision::F64 => Ok(vec![Step::Kernel(Box::new(Eigen { batch: &self.batch, vectors: self.vectors }))]),
            other => Err(Error::Usage(format!("eigen computes in f64 and has no {} form", other.name()))),
        }
    }

    fn finish(&self, outputs: &[Output]) -> Result<Answer> {
        Ok(answer(self, &outputs[0]))
    }

    fn check(&self, outputs: &[Output], _: &Answer) -> Result<Check> {
        Ok(check::check(&self.batch, &outputs[0], self.vectors, self.seed))
    }

    fn save(&self, outputs: &[Output], path: &Path) -> Result<()> {
        save::save(&self.batch, &outputs[0], self.values, self.vectors, path)
    }

    fn unsolved(&self, outputs: &[Output]) -> Result<()> {
        let mut found: Vec<(usize, String)> =
            self.batch.refused.iter().map(|refused| (refused.input, refused.error.to_string())).collect();
        for (item, code) in self.batch.items.iter().zip(outputs[0].column::<u32>(OUTCOME)).filter(|(_, c)| **c != 0) {
            found.push((item.input, format!("{}: {}", self.batch.name(item.input), kernel::reason(*code))));
        }
        if found.is_empty() {
            return Ok(());
        }
        found.sort();
        let named: Vec<&str> = found.iter().take(NAMED).map(|(_, why)| why.as_str()).collect();
        let more = if found.len() > NAMED { format!("; and {} more", found.len() - NAMED) } else { String::new() };
        let text = format!("{} of {} matrices have no answer: ", found.len(), self.batch.count);
        Err(Error::Model(format!("{text}{}{more}; the others were solved", named.join("; "))))
    }
}

/// The numbers of the report.
fn answer(job: &EigenJob, output: &Output) -> Answer {
    let EigenJob { batch, values, .. } = job;
    let (re, im) = (output.column::<f64>(RE), output.column::<f64>(IM));
    let solved: Vec<usize> = (0..batch.items.len()).filter(|i| output.column::<u32>(OUTCOME)[*i] == 0).collect();
    let symmetric = solved.iter().filter(|i| batch.items[**i].symmetric).count();
    let modulus = |at: usize| re[at].hypot(im[at]);
    // Each matrix's first is its largest; the first matrix of several.
    let with_values = || solved.iter().copied().filter(|i| batch.items[*i].n > 0);
    // Infinite ones come first.
    let infinite_of =
        |i: usize| re[i * batch.order..][..batch.items[i].n].iter().take_while(|x| x.is_infinite()).count();
    let infinite: usize = with_values().map(infinite_of).sum();
    let finite = |i: usize| i * batch.order + infinite_of(i)..i * batch.order + batch.items[i].n;
    let largest = with_values().filter_map(|i| Some((modulus(finite(i).next()?), batch.items[i].input)));
    let largest = largest.reduce(|a, b| if b.0 > a.0 { b } else { a });
    let all = with_values().flat_map(finite);
    let (mut sum, mut complex, mut negative) = (0.0, 0u64, 0u64);
    for at in all {
        sum += modulus(at);
        complex += u64::from(im[at] != 0.0);
        negative += u64::from(im[at] == 0.0 && re[at] < 0.0);
    }

    let mut json = Map::new();
    json.insert("count".into(), json!(batch.count));
    json.insert("order".into(), json!(batch.order));
    json.insert("largest".into(), json!(largest.map(|(value, _)| value)));
    json.insert("largest_matrix".into(), json!(largest.map(|(_, input)| batch.name(input))));
    json.insert("sum_abs".into(), json!(sum));
    json.insert("solved".into(), json!(solved.len()));
    json.insert("symmetric".into(), json!(symmetric));
    json.insert("complex".into(), json!(complex));
    json.insert("infinite".into(), json!(infinite));
    let line = |name: &str, text: String| (name.to_string(), text);
    let kind = if batch.is_pencil() { "pencils" } else { "matrices" };
    let mut lines = vec![
        line(kind, format!("{} of order {}", units::grouped(batch.count as u64), batch.order)),
        line("solved", format!("{}, {symmetric} of them by the symmetric path", units::grouped(solved.len() as u64))),
    ];
    if let Some((value, input)) = largest {
        lines.push(line("largest |lambda|", format!("{value:.12e} in {}", batch.name(input))));
        lines.push(line("sum of |lambda|", format!("{sum:.12e}")));
        lines.push(line("complex", format!("{} eigenvalues", units::grouped(complex))));
    }
    if infinite > 0 {
        let text = format!("{} eigenvalues: what has no mass follows the rest", units::grouped(infinite as u64));
        lines.push(line("infinite", text));
    }
    if *values == Values::Hz {
        json.insert("negative".into(), json!(negative));
        if let Some(first) = with_values().next() {
            let hz: Vec<f64> = finite(first).rev().take(LISTED).map(|at| save::frequency(re[at], im[at])).collect();
            let text = hz.iter().map(|f| format!("{f:.6}")).collect::<Vec<_>>().join(", ");
            lines.push(line(&format!("lowest Hz of {}", batch.name(batch.items[first].input)), text));
            json.insert("frequencies_hz".into(), json!(hz));
        }
        if negative > 0 {
            lines.push(line("lambda < 0", format!("{negative} eigenvalues, given as negative Hz")));
        }
    }
    Answer { json, lines }
}

static KERNELS: &[KernelInfo] = &[KernelInfo {
    name: "eigen",
    item: "matrix",
    precisions: "f64",
    cpu_only: Some(kernel::STAYS_ON_CPU),
    about: "balanced Hessenberg reduction and double-shift QR, one matrix a worker; normalised residuals below 30",
}];

impl Workload for EigenWorkload {
    fn name(&self) -> &'static str {
        "eigen"
    }

    fn about(&self) -> &'static str {
        "eigenvalues of many dense matrices, or natural frequencies of many K, M pencils"
    }

    fn kernels(&self) -> &'static [KernelInfo] {
        KERNELS
    }

    fn args(&self) -> Vec<Arg> {
        let number = |id: &'static str, default: &'static str| {
            Arg::new(id)
                .long(id)
                .value_name("N")
                .default_value(default)
                .value_parser(|text: &str| units::parse_count(text))
        };
        vec![
            Arg::new("batch")
                .long("batch")
                .value_name("FILE")
                .num_args(1..)
                .action(ArgAction::Append)
                .value_parser(value_parser!(PathBuf))
                .help("Matrices: .npy of the shape (count, n, n) or (n, n), .mtx; several files in a row"),
            Arg::new("pencil")
                .long("pencil")
                .value_name("FILE")
                .requires("batch")
                .value_parser(value_parser!(PathBuf))
                .help("M of K x = lambda M x, one for all matrices K of --batch or one for each; .npy or .mtx; where M is singular, infinite eigenvalues are counted and written as inf"),
            number("count", "80").help("Generated matrices, entries uniform in 0..1"),
            number("order", "200").help("Their order"),
            Arg::new("values")
                .long("values")
                .value_parser(["abs", "complex", "hz"])
                .help("What --output holds: moduli, eigenvalues, or frequencies sqrt(lambda) / 2 pi [default: abs, with --pencil hz]"),
            Arg::new("vectors")
                .long("vectors")
                .action(ArgAction::SetTrue)
                .help("Right eigenvectors of unit length, too; --output a.npy puts them into a.vectors.npy"),
        ]
    }

    fn endings(&self, _: &ArgMatches) -> &'static [&'static str] {
        &["npy", "csv"]
    }

    fn prepare(&self, args: &ArgMatches, context: &Context) -> Result<Box<dyn Job>> {
        let mass = args.get_one::<PathBuf>("pencil");
        let values = match args.get_one::<String>("values").map(String::as_str) {
            Some("abs") => Values::Abs,
            Some("complex") => Values::Complex,
            Some("hz") => Values::Hz,
            _ if mass.is_some() => Values::Hz,
            _ => Values::Abs,
        };
        let batch = match args.get_many::<PathBuf>("batch") {
            Some(files) => {
                for id in ["count", "order"] {
                    if args.value_source(id) == Some(ValueSource::CommandLine) {
                        return Err(Error::Usage(format!(
                            "--{id} is for generated matrices and has no meaning with --batch"
                        )));
                    }
                }
                let files: Vec<PathBuf> = files.cloned().collect();
                Batch::read(&files, mass.map(PathBuf::as_path))?
            }
            None => {
                let number = |id: &str| *args.get_one::<u64>(id).expect("it has a default");
                Batch::generate(number("count"), number("order"), context.seed)?
            }
        };
        Ok(Box::new(EigenJob { batch, values, vectors: args.get_flag("vectors"), seed: context.seed }))
    }

    fn case_inputs(&self) -> Vec<CaseInput> {
        vec![CaseInput {
            option: "batch",
            endings: vec!["npy", "mtx", "mm"],
            varying: &["pencil"],
            joined: true,
            headlines: &["largest |lambda|"],
            within: None,
        }]
    }

    fn written(&self, args: &ArgMatches) -> Vec<PathBuf> {
        let values = super::output(args);
        let vectors = values.as_ref().filter(|_| args.get_flag("vectors")).map(|path| save::beside(path));
        values.into_iter().chain(vectors).collect()
    }

    /// At most some hundreds of matrices: tests and benches of more would only repeat them.
    fn sized(&self, items: u64, context: &Context) -> Result<Vec<(String, Box<dyn Job>)>> {
        let job = |(name, order, vectors, most): (&str, _, _, _)| -> Result<(String, Box<dyn Job>)> {
            Ok((name.into(), generated(items.min(most), order, vectors, context)?))
        };
        VARIANTS.into_iter().map(job).collect()
    }

    fn sized_variant(&self, items: u64, variant: &str, context: &Context) -> Result<Box<dyn Job>> {
        match VARIANTS.into_iter().find(|(name, ..)| *name == variant) {
            Some((_, order, vectors, _)) => generated(items, order, vectors, context),
            None => Err(super::no_variant(self.name(), variant, items)),
        }
    }
}

/// The generated jobs: name, order of the matrices, with eigenvectors or not, and how many make a test.
const VARIANTS: [(&str, u64, bool, u64); 3] =
    [("eigen 12x12", 12, false, 512), ("eigen 12x12 vectors", 12, true, 512), ("eigen 67x67", 67, false, 8)];

fn generated(count: u64, order: u64, vectors: bool, context: &Context) -> Result<Box<dyn Job>> {
    let batch = Batch::generate(count, order, context.seed)?;
    Ok(Box::new(EigenJob { batch, values: Values::Abs, vectors, seed: context.seed }))
}
