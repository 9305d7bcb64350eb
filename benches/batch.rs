//! A batch against its parts: 200 meshes of mixed sizes read, computed and written at the same time, beside one after the
//! other as runs of one input do it, by what they spend on reading, computing (with verification) and writing. The goal is a
//! wall time of at most 1.1x the longest of these three. The lanes alone, with their several threads, stand beside them.
//! Rounds are interleaved; medians are printed.
//!
//! `cargo bench --bench batch [-- --readers N --writers N --cells N --rounds N]`, in a temporary folder (`TMPDIR`).

use std::path::PathBuf;
use std::time::Instant;

use hetero::batch::lanes::{self, Finished, Limits, Stages};
use hetero::batch::{self, Files};
use hetero::config::{Config, Layers};
use hetero::error::Result;
use hetero::exec::Control;
use hetero::formats::mesh::CellKind;
use hetero::formats::read_mesh;
use hetero::job::{Job, Output};
use hetero::machine::pool::Pool;
use hetero::measure::sampler::Rule;
use hetero::run::{Team, measure_on};
use hetero::units;
use hetero::workloads::stress::{generate::box_mesh, options::SolidOptions, solid};

const FILES: usize = 200;

/// The largest mesh has this many times the cells of the smallest one.
const SPREAD: f64 = 200.0;

const ONCE: Rule = Rule { runs: Some(1), min_runs: 1, max_runs: 1, budget_seconds: 0.0, warm_up: 0 };

/// What a round measures.
const ROWS: [&str; 7] =
    ["reading lane alone", "computing lane alone", "writing lane alone", "reading", "computing", "writing", "batch"];

struct Case {
    input: PathBuf,
    output: PathBuf,
}

struct Meshes;

impl Files for Meshes {
    type Case = Case;

    fn bytes(&self, case: &Case) -> u64 {
        std::fs::metadata(&case.input).map_or(0, |meta| meta.len())
    }

    fn read(&self, case: &Case) -> Result<Box<dyn Job>> {
        let options = SolidOptions { young: Some(2.1e11), poisson: Some(0.3), ..SolidOptions::default() };
        Ok(Box::new(solid::prepare(read_mesh(&case.input)?, &options)?))
    }

    fn write(&self, case: &Case, job: &dyn Job, outputs: &[Output]) -> Result<()> {
        job.save(outputs, &case.output)
    }
}

/// A number after `--name` on the command line.
fn option(name: &str, default: usize) -> usize {
    let args: Vec<String> = std::env::args().collect();
    let at = args.iter().position(|arg| arg == name);
    at.and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(default)
}

/// Cells of the meshes: from `total` in all, evenly on a logarithmic scale, large and small ones in turn.
fn sizes(total: usize) -> Vec<u64> {
    let shares: Vec<f64> = (0..FILES).map(|i| SPREAD.powf(i as f64 / (FILES - 1) as f64)).collect();
    let sum: f64 = shares.iter().sum();
    // 77 has no factor in common with 200: every mesh once, neighbours far apart in size.
    (0..FILES).map(|i| (shares[i * 77 % FILES] / sum * total as f64).ceil() as u64).collect()
}

fn main() -> Result<()> {
    let mut config = Layers::default().config()?;
    config.io.readers = option("--readers", config.io.readers);
    config.io.writers = option("--writers", config.io.writers);
    let rounds = option("--rounds", 5);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let control = Control::default();
    let mut team = Team::open("cpu", &config)?;
    let cases = || {
        let path = |kind: &str, i: usize| folder.path().join(format!("{kind}{i}.vtu"));
        (0..FILES).map(move |i| Case { input: path("case", i), output: path("out", i) }).collect::<Vec<_>>()
    };
    for (case, cells) in cases().iter().zip(sizes(option("--cells", 2_400_000))) {
        let options = SolidOptions { young: Some(2.1e11), poisson: Some(0.3), ..SolidOptions::default() };
        let job = solid::prepare(box_mesh(CellKind::Tet4, cells, 1)?, &options)?;
        let measured = measure_on(&mut team, &job, ONCE, &config, &control)?;
        job.save(&measured.outputs, &case.input)?;
    }
    let mut table: Vec<(&str, Vec<f64>)> = ROWS.map(|name| (name, Vec::new())).into();
    for _ in 0..rounds {
        let times = round(cases(), &mut team, &config, &control)?;
        table.iter_mut().zip(times).for_each(|(row, time)| row.1.push(time));
    }
    let size = |kind: &str| -> u64 {
        let entries = std::fs::read_dir(folder.path()).expect("the folder is there");
        let files = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(kind));
        files.map(|entry| entry.metadata().map_or(0, |meta| meta.len())).sum()
    };
    let (read, written) = (units::bytes(size("case")), units::bytes(size("out")));
    let (readers, writers) = (config.io.readers, config.io.writers);
    println!(
        "{FILES} meshes, {read} read, {written} written, {readers} reading and {writers} writing threads, {rounds} rounds"
    );
    let median = |times: &[f64]| {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    for (name, times) in &table {
        let all: Vec<String> = times.iter().map(|time| format!("{time:.2}")).collect();
        println!("{name:20} {:>8}   [{}] s", units::seconds(median(times)), all.join(", "));
    }
    let medians: Vec<f64> = table.iter().map(|(_, times)| median(times)).collect();
    let [lanes @ .., read, compute, write, batch] = &medians[..] else { unreachable!("there are seven rows") };
    let longest = |times: &[f64]| times.iter().copied().fold(0.0, f64::max);
    println!("batch / longest part {:.2} (goal 1.10)", batch / longest(&[*read, *compute, *write]));
    println!("batch / longest lane alone {:.2}", batch / longest(lanes));
    println!("one after the other / batch {:.2}", (read + compute + write) / batch);
    Ok(())
}

/// A computed case, to be written.
type Work<'c> = (&'c Case, (Box<dyn Job>, Vec<Output>));

/// Seconds of [`ROWS`].
fn round(cases: Vec<Case>, team: &mut Team, config: &Config, control: &Control) -> Result<[f64; 7]> {
    let (readers, writers) = (config.io.readers, config.io.writers);
    let limits = Limits { readers, writers, cases: config.io.cases, bytes: u64::MAX };
    let pools = (0..readers + writers).map(Pool::lane).collect::<Result<Vec<_>>>()?;
    let here = |case: &Case| Case { input: case.input.clone(), output: case.output.clone() };

    settle();
    let mut jobs: Vec<Box<dyn Job>> = Vec::new();
    let start = Instant::now();
    let stages = Stages {
        bytes: &|case: &&Case| Meshes.bytes(case),
        read: &|thread: usize, case: &Case| pools[thread].install(|| Meshes.read(case)).map_err(lanes::Failure::Batch),
        compute: &mut |_, job| {
            jobs.push(job);
            Ok(())
        },
        results: &|()| 0,
        write: &|_, ()| Ok(()),
        told: &mut |_: Finished<()>| {},
    };
    lanes::run(cases.iter(), stages, limits, control)?;
    let read = start.elapsed().as_secs_f64();

    settle();
    let mut outputs = Vec::new();
    let start = Instant::now();
    for job in &jobs {
        outputs.push(measure_on(team, job.as_ref(), ONCE, config, control)?.outputs);
    }
    let compute = start.elapsed().as_secs_f64();

    settle();
    let start = Instant::now();
    let work: Vec<Work<'_>> = cases.iter().zip(jobs.into_iter().zip(outputs)).collect();
    let stages = Stages {
        bytes: &|_: &Work<'_>| 0,
        read: &|_, work: Work<'_>| Ok(work),
        compute: &mut |_, work: Work<'_>| Ok(work),
        results: &|_| 0,
        write: &|thread: usize, (case, (job, outputs)): Work<'_>| {
            pools[readers + thread]
                .install(move || Meshes.write(case, job.as_ref(), &outputs))
                .map_err(lanes::Failure::Batch)
        },
        told: &mut |_: Finished<()>| {},
    };
    lanes::run(work.into_iter(), stages, limits, control)?;
    let write = start.elapsed().as_secs_f64();

    settle();
    let pool = Pool::shared(config.cpu.threads, config.cpu.pin)?;
    let mut parts = [0.0; 3];
    for case in &cases {
        let start = Instant::now();
        let job = pool.install(|| Meshes.read(case))?;
        parts[0] += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let outputs = measure_on(team, job.as_ref(), ONCE, config, control)?.outputs;
        parts[1] += start.elapsed().as_secs_f64();
        let start = Instant::now();
        pool.install(|| Meshes.write(case, job.as_ref(), &outputs))?;
        drop((job, outputs));
        parts[2] += start.elapsed().as_secs_f64();
    }

    settle();
    let start = Instant::now();
    batch::run("stress", cases.iter().map(here), &Meshes, config, control, |case| {
        case.result.expect("the meshes are good");
    })?;
    let [reading, computing, writing] = parts;
    Ok([read, compute, write, reading, computing, writing, start.elapsed().as_secs_f64()])
}

/// What was written before goes to the disk before the next time is taken.
fn settle() {
    #[cfg(unix)]
    // SAFETY: takes nothing and only waits.
    unsafe {
        libc::sync();
    }
}
