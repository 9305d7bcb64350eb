//! What the scheduler itself costs: handing out an empty chunk, beside StarPU's empty task where StarPU is installed
//! (`apt install libstarpu-dev`), writing down a trace, and deciding where a job runs. Rounds are interleaved; medians are
//! printed.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use hetero::backend;
use hetero::config::Layers;
use hetero::exec::{Control, run_step};
use hetero::job::{ChunkOut, Class, Kernel, Output, Precision, Work};
use hetero::machine::Machine;
use hetero::plan::ChunkRule;
use hetero::run::{Knowledge, choose};
use hetero::workloads::{Context, WORKLOADS};

const CHUNKS: u64 = 50_000;
const ROUNDS: usize = 7;

/// Items of the traced job, which takes some ten milliseconds, and how often it runs each way.
const TRACED: u64 = 100_000_000;
const TRACED_ROUNDS: usize = 31;

/// Does nothing with any number of items.
struct Empty(u64);

impl Kernel for Empty {
    fn name(&self) -> &'static str {
        "empty"
    }
    fn item(&self) -> &'static str {
        "item"
    }
    fn items(&self) -> u64 {
        self.0
    }
    fn precision(&self) -> Precision {
        Precision::Integer
    }
    fn work(&self) -> Work {
        Work { flops: 1e6, bytes_read: 0.0, bytes_written: 0.0 }
    }
    fn class(&self) -> Class {
        Class::Exact
    }
    fn seq(&self, out: &mut ChunkOut<'_>) {
        black_box(out.chunk());
    }
}

/// Seconds per empty chunk on the cpu backend.
fn empty_chunk() -> f64 {
    let options = Layers::default().config().expect("the defaults are valid").backend_options();
    let mut cpu = backend::open("cpu", &options).expect("the host's backends are always there");
    let kernel = Empty(CHUNKS);
    let rule = ChunkRule { lanes: 2, min: 1, max: 1, grain: 1 };
    let mut output = Output::for_kernel(&kernel).expect("it is empty");
    let begin = Instant::now();
    let trace = run_step(&kernel, rule, cpu.as_mut(), &mut output, &Control::default()).expect("it does nothing");
    assert_eq!(trace.chunks, CHUNKS);
    begin.elapsed().as_secs_f64() / CHUNKS as f64
}

/// StarPU's program, built if StarPU is there.
fn starpu() -> Option<std::path::PathBuf> {
    let flags = Command::new("pkg-config").args(["--cflags", "--libs", "starpu-1.3"]).output().ok()?;
    let flags = String::from_utf8(flags.status.success().then_some(flags.stdout)?).ok()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("target/starpu-empty");
    let source = root.join("benches/peers/starpu.c");
    let built =
        Command::new("cc").arg("-O2").arg(source).arg("-o").arg(&program).args(flags.split_whitespace()).status();
    built.ok()?.success().then_some(program)
}

fn empty_task(program: &Path) -> Option<f64> {
    let ran = Command::new(program).arg(CHUNKS.to_string()).output().ok()?;
    String::from_utf8(ran.stdout).ok()?.trim().parse().ok()
}

/// Seconds of `pi` on the cpu backend, and its chunks; `traced`: whether every chunk is written down.
fn pi(backend: &mut dyn backend::Backend, traced: bool) -> (f64, u64) {
    let pi = WORKLOADS.iter().find(|workload| workload.name() == "pi").expect("pi is registered");
    let jobs = pi.sized(TRACED, &Context { seed: 42 }).expect("it needs no memory");
    let steps = jobs[0].1.steps(Precision::Integer).expect("it counts in integers");
    let kernel = steps[0].kernel();
    let control = Control { trace: traced.then(Instant::now), ..Control::default() };
    let mut output = Output::for_kernel(kernel).expect("it is empty");
    let rule = backend.chunks(kernel).expect("the cpu runs it");
    let begin = Instant::now();
    let trace = run_step(kernel, rule, backend, &mut output, &control).expect("nothing stops it");
    (begin.elapsed().as_secs_f64(), trace.chunks)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() {
    let peer = starpu();
    let (mut chunk, mut task) = (Vec::new(), Vec::new());
    empty_chunk();
    for _ in 0..ROUNDS {
        chunk.push(empty_chunk());
        task.extend(peer.as_deref().and_then(empty_task));
    }
    let (ours, theirs) = (median(chunk), median(task));
    println!("empty chunk, cpu       {:8.1} ns  (goal 500 ns)", ours * 1e9);
    match theirs.is_nan() {
        true => println!("empty task, StarPU     not installed"),
        false => println!("empty task, StarPU     {:8.1} ns  (ratio {:.3})", theirs * 1e9, ours / theirs),
    }

    let config = Layers::default().config().expect("the defaults are valid");
    let mut cpu = backend::open("cpu", &config.backend_options()).expect("the host's backends are always there");
    let (mut plain, mut traced, mut chunks) = (Vec::new(), Vec::new(), 0);
    for _ in 0..TRACED_ROUNDS {
        plain.push(pi(cpu.as_mut(), false).0);
        let (seconds, n) = pi(cpu.as_mut(), true);
        traced.push(seconds);
        chunks = n;
    }
    let (plain, traced) = (median(plain), median(traced));
    let more = 100.0 * (traced / plain - 1.0);
    println!("trace of {chunks} chunks  {more:8.2} %   (goal 2 %) of {:.1} ms", plain * 1e3);

    let machine = Machine::discover();
    for workload in WORKLOADS {
        let job = workload.sized(100_000, &Context { seed: 42 }).map(|jobs| jobs.into_iter().next());
        let Ok(Some((name, job))) = job else { continue };
        let mut knowledge = Knowledge::here(&machine);
        // The first one may probe what was never measured.
        let mut decide = || {
            let begin = Instant::now();
            let choice = choose(workload.name(), job.as_ref(), &mut knowledge, &config, &Control::default());
            black_box(choice.expect("the host runs every job").decision.chosen);
            begin.elapsed().as_secs_f64()
        };
        decide();
        let times = (0..101).map(|_| decide()).collect();
        println!("deciding, {:12} {:8.1} us  (goal 100 us) {name}", workload.name(), median(times) * 1e6);
    }
}
