//! Workload `pi`: the share of random points of the unit square that lie in the quarter circle, times four.
//!
//! The points come from a counter-based generator, Philox4x32-10, so that sample `s` is a pure function of the seed and
//! `s` (the mapping stands in `cpu.rs`), and whether a point is inside is decided in integers. So the number of hits for a
//! seed and a number of samples is one integer, on every backend, for any split, any number of threads and any
//! instruction set.
//!
//! Philox and not Threefry4x32-20: with vector code on two cores it gives 3600 against 2290 million samples a second,
//! and its two multiplications a round are four 16-bit ones in WGSL, which software adapters vectorise.

use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use serde_json::{Map, json};

use super::{Context, KernelInfo, Workload, saved};
use crate::error::{Error, Result};
use crate::job::{
    Answer, Check, ChunkOut, Class, FOLD_WORDS, GpuSlot, Input, Job, Kernel, Output, Precision, Step, Work,
};
use crate::simd::Simd;
use crate::units;

mod check;
mod cpu;
mod gpu;
#[cfg(target_arch = "x86_64")]
mod x86;

/// The registry entry.
pub struct PiWorkload;

/// The most samples of one run.
pub const MAX_SAMPLES: u64 = 1 << 63;

/// Where a sample may lie: the centres of a square lattice's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lattice {
    /// `2^16 x 2^16` cells: one 32-bit word is one sample.
    Bits16,
    /// `2^32 x 2^32` cells: two words are one sample.
    Bits32,
}

/// Cells of the 16-bit lattice whose centre is inside, counted row by row (a test counts them again).
#[cfg(test)]
const INSIDE_16: u64 = 3_373_259_477;

/// Cells of the 32-bit lattice whose centre is inside. The count takes ten seconds; `tests` has it, ignored.
#[cfg(test)]
const INSIDE_32: u64 = 14_488_038_916_154_288_230;

impl Lattice {
    /// Samples that one block of four words gives.
    const fn samples_per_block(self) -> u64 {
        match self {
            Lattice::Bits16 => 4,
            Lattice::Bits32 => 2,
        }
    }

    /// Word 2 of the counter: the two lattices read different blocks.
    const fn stream(self) -> u32 {
        match self {
            Lattice::Bits16 => 0,
            Lattice::Bits32 => 1,
        }
    }

    /// What the estimate of pi converges to, less pi: four times the share of cells that are inside, less pi.
    fn bias(self) -> f64 {
        match self {
            // 4 INSIDE / 2^32 - pi and 4 INSIDE / 2^64 - pi, subtracted in 60 decimal digits.
            Lattice::Bits16 => 4.737_590_929_525_928e-8,
            Lattice::Bits32 => 9.225_526_451_255_284e-15,
        }
    }
}

/// The kernel: counts hits. The item is a sample.
#[derive(Debug, Clone)]
struct Pi {
    samples: u64,
    seed: u64,
    lattice: Lattice,
}

impl Kernel for Pi {
    fn name(&self) -> &'static str {
        "pi"
    }

    fn item(&self) -> &'static str {
        "sample"
    }

    fn items(&self) -> u64 {
        self.samples
    }

    fn precision(&self) -> Precision {
        Precision::Integer
    }

    fn grain(&self) -> u64 {
        self.lattice.samples_per_block()
    }

    fn work(&self) -> Work {
        // A block is ten rounds of two products (low and high half counted as one), four xors and two shifts; the
        // lattice test of a sample is a mask, a shift, two products, three sums, a comparison and a sum.
        let block = 10.0 * 8.0;
        let test = 9.0;
        let flops = block / self.lattice.samples_per_block() as f64 + test;
        Work { flops, bytes_read: 0.0, bytes_written: 0.0 }
    }

    fn variant(&self) -> u64 {
        u64::from(self.lattice.stream())
    }

    fn class(&self) -> Class {
        Class::Exact
    }

    fn fold_words(&self) -> usize {
        1
    }

    fn seq(&self, out: &mut ChunkOut<'_>) {
        out.fold[0] += cpu::hits_seq(self, out.chunk());
    }

    fn cpu(&self, simd: Simd, out: &mut ChunkOut<'_>) {
        out.fold[0] += cpu::hits(simd, self, out.chunk());
    }

    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        Ok(gpu::slot(self))
    }

    fn fold_gpu(&self, partials: &[u32], fold: &mut [u64; FOLD_WORDS]) {
        fold[0] += partials.iter().map(|hits| u64::from(*hits)).sum::<u64>();
    }
}

struct PiJob(Pi);

impl Job for PiJob {
    fn input(&self) -> Input {
        Input { items: self.0.samples, item: "sample", source: "generated".into() }
    }

    fn precisions(&self) -> &[Precision] {
        &[Precision::Integer]
    }

    fn steps(&self, precision: Precision) -> Result<Vec<Step<'_>>> {
        match precision {
            Precision::Integer => Ok(vec![Step::Kernel(Box::new(self.0.clone()))]),
            other => Err(Error::Usage(format!(
                "pi counts in integers and has no {} form; leave --precision out",
                other.name()
            ))),
        }
    }

    fn finish(&self, outputs: &[Output]) -> Result<Answer> {
        Ok(answer(self.0.lattice, self.0.samples, outputs[0].fold[0]))
    }

    fn check(&self, outputs: &[Output], _: &Answer) -> Result<Check> {
        Ok(check::check(self.0.lattice, self.0.samples, outputs[0].fold[0]))
    }

    fn save(&self, outputs: &[Output], path: &Path) -> Result<()> {
        let columns = ["samples", "hits", "estimate", "standard_error"];
        saved::write("pi", &self.finish(outputs)?.json, &columns, path)
    }
}

/// The 97.5 % quantile of the normal distribution: a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// What the hits say about pi.
///
/// The interval is Wilson's for a share (with the count's own chance limits, so it stays within 0 and 4 and does
/// not collapse when all samples hit), shifted by the bias. With no sample the estimate is `null` and the interval all
/// of 0 to 4.
fn answer(lattice: Lattice, samples: u64, hits: u64) -> Answer {
    let mut json = Map::new();
    json.insert("samples".into(), json!(samples));
    json.insert("hits".into(), json!(hits));
    if hits > 1 << 53 || samples > 1 << 53 {
        json.insert("samples_text".into(), json!(samples.to_string()));
        json.insert("hits_text".into(), json!(hits.to_string()));
    }
    let n = samples as f64;
    let share = hits as f64 / n;
    let estimate = (samples > 0).then_some(4.0 * share);
    let standard_error = (samples > 0).then(|| 4.0 * (share * (1.0 - share) / n).sqrt());
    let [low, high] = if samples == 0 {
        [0.0, 4.0]
    } else {
        let z2 = Z * Z;
        let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        [centre - half, centre + half].map(|x| (4.0 * x - lattice.bias()).clamp(0.0, 4.0))
    };
    json.insert("estimate".into(), json!(estimate));
    json.insert("standard_error".into(), json!(standard_error));
    json.insert("interval".into(), json!([low, high]));
    json.insert("lattice_bits".into(), json!(16 * lattice.stream() + 16));
    json.insert("lattice_bias".into(), json!(lattice.bias()));
    json.insert("estimate_corrected".into(), json!(estimate.map(|x| x - lattice.bias())));

    let line = |name: &str, text: String| (name.to_string(), text);
    let lines = vec![
        line("samples", units::grouped(samples)),
        line("hits", units::grouped(hits)),
        line("estimate", estimate.map_or("-".into(), |x| format!("{x:.9}"))),
        line("standard error", standard_error.map_or("-".into(), |x| format!("{x:.2e}"))),
        line("95% interval", format!("{low:.9} .. {high:.9}")),
        line("lattice bias", format!("{:.3e} (taken off the interval, not off the estimate)", lattice.bias())),
    ];
    Answer { json, lines }
}

static KERNELS: &[KernelInfo] = &[KernelInfo {
    name: "pi",
    item: "sample",
    precisions: "integer",
    cpu_only: None,
    about: "hits among Philox4x32-10 points on a 16-bit (or, with --exact32, 32-bit) lattice; exact on every backend",
}];

impl Workload for PiWorkload {
    fn name(&self) -> &'static str {
        "pi"
    }

    fn about(&self) -> &'static str {
        "pi from random points: the same hits for the same seed on every backend"
    }

    fn kernels(&self) -> &'static [KernelInfo] {
        KERNELS
    }

    fn args(&self) -> Vec<Arg> {
        vec![
            Arg::new("samples")
                .long("samples")
                .value_name("N")
                .default_value("1e7")
                .value_parser(|text: &str| samples(text))
                .help("Random points, up to 2^63; 1e9 and 1_000_000 are numbers too"),
            Arg::new("exact32")
                .long("exact32")
                .action(ArgAction::SetTrue)
                .value_parser(value_parser!(bool))
                .help("32-bit coordinates: the bias falls from 4.7e-8 to 9.2e-15, the speed to about two thirds"),
        ]
    }

    fn endings(&self, _: &ArgMatches) -> &'static [&'static str] {
        &saved::ENDINGS
    }

    fn prepare(&self, args: &ArgMatches, context: &Context) -> Result<Box<dyn Job>> {
        let samples = *args.get_one::<u64>("samples").expect("--samples has a default");
        let lattice = if args.get_flag("exact32") { Lattice::Bits32 } else { Lattice::Bits16 };
        Ok(Box::new(PiJob(Pi { samples, seed: context.seed, lattice })))
    }

    fn sized(&self, items: u64, context: &Context) -> Result<Vec<(String, Box<dyn Job>)>> {
        let samples = items.min(MAX_SAMPLES);
        let job = |lattice| Box::new(PiJob(Pi { samples, seed: context.seed, lattice })) as Box<dyn Job>;
        Ok(vec![("pi".into(), job(Lattice::Bits16)), ("pi exact32".into(), job(Lattice::Bits32))])
    }
}

/// Reads `--samples`.
fn samples(text: &str) -> Result<u64, String> {
    let count = units::parse_count(text)?;
    if count > MAX_SAMPLES {
        return Err(format!("'{text}' is more than 2^63 samples"));
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Chunk;

    fn run(samples: u64, seed: u64, lattice: Lattice) -> u64 {
        cpu::hits(Simd::detect(), &Pi { samples, seed, lattice }, Chunk::new(0, samples))
    }

    fn matches(args: &[&str]) -> clap::error::Result<ArgMatches> {
        let command = clap::Command::new("pi").no_binary_name(true).args(PiWorkload.args());
        command.try_get_matches_from(args)
    }

    /// Cells inside, row by row: the largest `y` for each `x` only falls.
    fn count_cells(bits: u32) -> u128 {
        let side = 1u128 << bits;
        let most = u64::try_from(side * side - 1).unwrap();
        let mut y = u64::try_from(side - 1).unwrap();
        let mut cells = 0;
        for x in 0..=u64::try_from(side - 1).unwrap() {
            let room = most - (x * x + x);
            while y * y + y > room {
                y -= 1;
            }
            cells += u128::from(y + 1);
        }
        cells
    }

    #[test]
    fn the_bias_is_what_the_cells_say() {
        assert_eq!(count_cells(16), u128::from(INSIDE_16));
        // As near as f64 can say; it holds only one digit of the second.
        let bias = |inside: u64, bits: i32| 4.0 * (inside as f64 / 2f64.powi(2 * bits)) - std::f64::consts::PI;
        assert!((bias(INSIDE_16, 16) - Lattice::Bits16.bias()).abs() < 1e-15);
        assert!((bias(INSIDE_32, 32) - Lattice::Bits32.bias()).abs() < 1e-15);
    }

    #[test]
    #[ignore = "ten seconds"]
    fn the_bias_of_the_large_lattice_is_what_the_cells_say() {
        assert_eq!(count_cells(32), u128::from(INSIDE_32));
    }

    #[test]
    fn hits_do_not_change_between_versions() {
        assert_eq!(run(0, 42, Lattice::Bits16), 0);
        assert_eq!(run(10_000_000, 42, Lattice::Bits16), 7_851_947);
    }

    #[test]
    fn two_to_the_63_samples_are_accepted_and_no_more() {
        let args = matches(&["--samples", "9223372036854775808"]).unwrap();
        let job = PiWorkload.prepare(&args, &Context { seed: 1 }).unwrap();
        assert_eq!(job.input().items, 1 << 63);
        let steps = job.steps(Precision::Integer).unwrap();
        assert_eq!(steps[0].kernel().items(), 1 << 63);
        // The far end is within reach, and on the same numbers.
        let pi = Pi { samples: 1 << 63, seed: 1, lattice: Lattice::Bits16 };
        let end = Chunk::new((1 << 63) - 999, 1 << 63);
        assert_eq!(cpu::hits(Simd::detect(), &pi, end), cpu::hits_seq(&pi, end));
        assert!(matches(&["--samples", "9223372036854775809"]).is_err());
        assert!(matches(&["--samples", "-1"]).is_err());
        assert!(job.steps(Precision::F32).is_err());
    }

    #[test]
    fn the_answer_says_how_sure_it_is() {
        let text = |samples, hits| {
            let answer = answer(Lattice::Bits16, samples, hits);
            serde_json::to_string(&answer.json).unwrap()
        };
        assert_eq!(
            text(10_000_000, 7_851_947),
            r#"{"samples":10000000,"hits":7851947,"estimate":3.1407788,"standard_error":0.000519482793696823,"#
                .to_owned()
                + r#""interval":[3.139760146933802,3.14179648186376],"lattice_bits":16,"#
                + r#""lattice_bias":4.737590929525928e-8,"estimate_corrected":3.1407787526240907}"#
        );
        assert!(text(0, 0).contains(r#""estimate":null,"standard_error":null,"interval":[0.0,4.0]"#));
        // One hit of one: the interval stays honest.
        assert!(text(1, 1).contains(r#""interval":[0.826"#), "{}", text(1, 1));
        assert!(text(1 << 62, 1 << 61).contains(r#""hits_text":"2305843009213693952""#));
    }

    #[test]
    fn answers_are_saved_as_json_and_csv() {
        let job = PiJob(Pi { samples: 4, seed: 0, lattice: Lattice::Bits16 });
        let mut output = Output::new(Vec::new(), 4).unwrap();
        output.fold[0] = 3;
        let folder = tempfile::tempdir().unwrap();
        let outputs = [output];
        job.save(&outputs, &folder.path().join("a.csv")).unwrap();
        let text = std::fs::read_to_string(folder.path().join("a.csv")).unwrap();
        assert!(text.starts_with("samples,hits,estimate,standard_error\n4,3,3.0,"), "{text}");
        job.save(&outputs, &folder.path().join("a.json")).unwrap();
        let text = std::fs::read_to_string(folder.path().join("a.json")).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["hits"], 3);
        assert_eq!(job.save(&outputs, &folder.path().join("a.vtu")).unwrap_err().exit_code(), 2);
    }
}
