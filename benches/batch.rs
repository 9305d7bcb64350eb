//! A batch against its parts: 200 meshes of mixed sizes read, computed and written at the same time, beside each lane alone
//! and beside one input after the other, as runs of one input do it, by what they spend on reading, computing (with
//! verification) and writing.
//!
//! A batch cannot be faster than its longest lane alone, and not than all lanes' processor time on all cores: where every
//! lane computes (parsing, verifying, making a file's bytes) the second binds, and no overlap beats it. Both bounds are
//! printed, and how close the batch comes. Rounds are interleaved; medians are printed.
//!
//! `cargo bench --bench batch [-- --readers N --writers N --cells N --rounds N]`, in a temporary folder (`TMPDIR`).

use std::ops::Range;
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
const LANES: Range<usize> = 0..3;
const PARTS: Range<usize> = 3..6;
const BATCH: usize = 6;

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
    config.io = config.io.with_threads(0);
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
    let mut table: Vec<(&str, Vec<f64>, Vec<f64>)> = ROWS.map(|name| (name, Vec::new(), Vec::new())).into();
    for _ in 0..rounds {
        let spent = round(cases(), &mut team, &config, &control)?;
        for (row, spent) in table.iter_mut().zip(spent) {
            row.1.push(spent.wall);
            row.2.push(spent.cores);
        }
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
    println!("{:20} {:>8} {:>14}", "", "wall", "of processors");
    for (name, times, cores) in &table {
        let all: Vec<String> = times.iter().map(|time| format!("{time:.2}")).collect();
        let (wall, cores) = (units::seconds(median(times)), units::seconds(median(cores)));
        println!("{name:20} {wall:>8} {cores:>14}   [{}] s", all.join(", "));
    }
    let wall: Vec<f64> = table.iter().map(|(_, times, _)| median(times)).collect();
    let cores: Vec<f64> = table.iter().map(|(_, _, cores)| median(cores)).collect();
    let batch = wall[BATCH];
    let longest = |times: &[f64]| times.iter().copied().fold(0.0, f64::max);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let shared = cores[LANES].iter().sum::<f64>() / threads as f64;
    let bound = longest(&wall[LANES]).max(shared);
    println!("batch / longest lane alone {:.2} (goal 1.10)", batch / longest(&wall[LANES]));
    println!(
        "batch / processor time of all lanes on {threads} cores ({}) {:.2}",
        units::seconds(shared),
        batch / shared
    );
    println!("batch / larger of the two {:.2}", batch / bound);
    println!("batch / longest part of single runs {:.2}", batch / longest(&wall[PARTS]));
    println!("one after the other / batch {:.2}", wall[PARTS].iter().sum::<f64>() / batch);
    Ok(())
}

/// Wall time and processor time of the whole process.
#[derive(Clone, Copy, Default)]
struct Spent {
    wall: f64,
    cores: f64,
}

impl Spent {
    /// Adds what `work` takes.
    fn on<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let (start, cores) = (Instant::now(), processor_seconds());
        let result = work();
        self.wall += start.elapsed().as_secs_f64();
        self.cores += processor_seconds() - cores;
        result
    }
}

/// Processor seconds of this process so far, with what the system did for it; NaN where it does not tell.
fn processor_seconds() -> f64 {
    #[cfg(unix)]
    {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the call writes the one struct that it is given.
        unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    }
    #[cfg(not(unix))]
    f64::NAN
}

/// A computed case, to be written.
type Work<'c> = (&'c Case, (Box<dyn Job>, Vec<Output>));

/// What each of [`ROWS`] takes.
fn round(cases: Vec<Case>, team: &mut Team, config: &Config, control: &Control) -> Result<[Spent; 7]> {
    let (readers, writers) = (config.io.readers, config.io.writers);
    let limits = Limits { readers, writers, cases: config.io.cases, bytes: u64::MAX };
    let pools = (0..readers + writers).map(Pool::lane).collect::<Result<Vec<_>>>()?;
    let mut spent = [Spent::default(); 7];

    settle();
    let mut jobs: Vec<Box<dyn Job>> = Vec::new();
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
    spent[0].on(|| lanes::run(cases.iter(), stages, limits, control))?;

    settle();
    let mut compute = |job: &dyn Job| Ok(measure_on(team, job, ONCE, config, control)?.outputs);
    let outputs = spent[1].on(|| jobs.iter().map(|job| compute(job.as_ref())).collect::<Result<Vec<_>>>())?;

    anew(&cases);
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
    spent[2].on(|| lanes::run(work.into_iter(), stages, limits, control))?;

    anew(&cases);
    let pool = Pool::shared(config.cpu.threads, config.cpu.pin)?;
    for case in &cases {
        let job = spent[3].on(|| pool.install(|| Meshes.read(case)))?;
        let outputs = spent[4].on(|| compute(job.as_ref()))?;
        spent[5].on(|| {
            let written = pool.install(|| Meshes.write(case, job.as_ref(), &outputs));
            drop((job, outputs));
            written
        })?;
    }

    anew(&cases);
    spent[BATCH].on(|| {
        batch::run("stress", cases.into_iter(), &Meshes, config, control, |case| {
            case.result.expect("the meshes are good");
        })
    })?;
    Ok(spent)
}

/// Removes the outputs and settles: to replace a file costs the file system twice as much as to make one (ext4 sends it to the
/// disk before it takes the name).
fn anew(cases: &[Case]) {
    for case in cases {
        // The first time there is none.
        let _ = std::fs::remove_file(&case.output);
    }
    settle();
}

/// What was written before goes to the disk before the next time is taken.
fn settle() {
    #[cfg(unix)]
    // SAFETY: takes nothing and only waits.
    unsafe {
        libc::sync();
    }
}
