//! A large tetrahedral mesh against its limits: `cargo bench --bench solid`. Interleaved rounds, medians, one table.
//!
//! - reading: the program's reader beside reading the same bytes and copying them once;
//! - stress: the cpu backend beside a rayon loop over the reference function, and beside the measured triad;
//! - the gpu backend, warm, beside the cpu backend.

use std::hint::black_box;
use std::time::Instant;

use hetero::backend::{self, Backend, Phases};
use hetero::config::{Config, Layers};
use hetero::exec::{Control, run_step};
use hetero::formats::mesh::CellKind;
use hetero::formats::read_mesh;
use hetero::formats::vtu::{OutField, OutValues, write_vtu};
use hetero::job::{Chunk, Job, Output, Precision};
use hetero::machine::limits::Streams;
use hetero::machine::pool::Pool;
use hetero::memory::{Buffer, copy_streaming, streaming_fence};
use hetero::simd::Simd;
use hetero::units::seconds;
use hetero::workloads::stress::generate::box_mesh;
use hetero::workloads::stress::options::SolidOptions;
use hetero::workloads::stress::solid::prepare;
use rayon::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A name and what it does.
type Contender<'c> = (&'static str, Box<dyn FnMut() -> Result<()> + 'c>);

/// Bytes that a pass of the triad goes over: a whole number of shares of its threads, many times the last-level cache.
const STREAM_BYTES: u64 = 384 << 20;

/// Elements that one task of the plain loop computes.
const SHARE: u64 = 4096;

fn main() -> Result<()> {
    // `cargo test --benches` runs this too: then small and once.
    let quick = std::env::args().any(|argument| argument == "--test");
    let (cells, rounds) = if quick { (6_000, 1) } else { (1_500_000, 15) };
    let mesh = box_mesh(CellKind::Tet4, cells, 42)?;
    reading(&mesh, rounds)?;

    let options = SolidOptions { young: Some(2.1e11), poisson: Some(0.3), ..SolidOptions::default() };
    let job = prepare(mesh, &options)?;
    stress(&job, rounds)
}

/// Times each contender once a round, so that a slow moment of the machine falls on all; medians.
fn interleaved(rounds: usize, contenders: &mut [Contender<'_>]) -> Result<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..=rounds {
        for ((_, work), times) in contenders.iter_mut().zip(&mut times) {
            let start = Instant::now();
            work()?;
            // The first round warms up.
            if round > 0 {
                times.push(start.elapsed().as_secs_f64());
            }
        }
    }
    Ok(times
        .into_iter()
        .map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        })
        .collect())
}

fn reading(mesh: &hetero::formats::mesh::Mesh, rounds: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("mesh.vtu");
    let displacement = &mesh.point_fields.iter().find(|field| field.name == "displacement").ok_or("no field")?.values;
    let field =
        OutField { name: "displacement", components: 3, component_names: &[], values: OutValues::F64(displacement) };
    write_vtu(&path, mesh, &[field], &[])?;
    let bytes = std::fs::metadata(&path)?.len();
    let mut copy = vec![0_u8; usize::try_from(bytes)?];
    let times = interleaved(
        rounds,
        &mut [
            (
                "read and copy",
                Box::new(|| {
                    copy.copy_from_slice(&std::fs::read(&path)?);
                    black_box(&copy);
                    Ok(())
                }),
            ),
            (
                "read_mesh",
                Box::new(|| {
                    black_box(read_mesh(&path)?);
                    Ok(())
                }),
            ),
        ],
    )?;
    println!("appended raw .vtu of {:.1} MB", bytes as f64 * 1e-6);
    println!("  read its bytes and copy them once  {}", seconds(times[0]));
    println!("  read_mesh                          {}  {:.2}x the speed", seconds(times[1]), times[0] / times[1]);
    Ok(())
}

fn open(id: &str, config: &Config, job: &dyn Job, precision: Precision) -> Result<Box<dyn Backend>> {
    let mut backend = backend::open(id, &config.backend_options())?;
    for step in job.steps(precision)? {
        backend.prepare(step.kernel())?;
    }
    Ok(backend)
}

fn stress(job: &dyn Job, rounds: usize) -> Result<()> {
    let config = Layers::default().config()?;
    let pool = Pool::shared(0, true)?;
    let steps = job.steps(Precision::F64)?;
    let kernel = steps[0].kernel();
    let mixed_steps = job.steps(Precision::Mixed)?;
    let mixed = mixed_steps[0].kernel();
    let mut cpu = open("cpu", &config, job, Precision::F64)?;
    let mut gpu = open("gpu", &config, job, Precision::Mixed).ok();
    let mut outputs = [
        Output::for_kernel(kernel)?,
        Output::for_kernel(kernel)?,
        Output::for_kernel(mixed)?,
        Output::for_kernel(mixed)?,
    ];
    let [plain_out, cpu_out, cpu_mixed_out, gpu_out] = &mut outputs;
    let mut cpu_mixed = open("cpu", &config, job, Precision::Mixed)?;
    let control = Control::default();
    let mut phases = Vec::new();
    let rows = usize::try_from(kernel.items())?;
    let (simd, share, line) = (Simd::detect(), 1 << 16, [1.0_f64; 128]);
    let mut columns =
        (0..7).map(|_| Buffer::zeroed(rows, "a column")).collect::<hetero::error::Result<Vec<Buffer<f64>>>>()?;
    let mut streams = Streams::new(&pool, simd, STREAM_BYTES)?;
    let mut contenders: Vec<Contender<'_>> = vec![
        (
            "triad",
            Box::new(|| {
                black_box(streams.triad(true));
                Ok(())
            }),
        ),
        (
            "rayon loop over the reference, f64",
            Box::new(|| {
                let writer = plain_out.writer();
                let items = kernel.items();
                pool.install(|| {
                    (0..items.div_ceil(SHARE)).into_par_iter().for_each(|share| {
                        let chunk = Chunk::new(share * SHARE, items.min((share + 1) * SHARE));
                        // SAFETY: shares do not overlap.
                        kernel.seq(&mut unsafe { writer.chunk(chunk) });
                    });
                });
                Ok(())
            }),
        ),
        (
            "its results written, nothing else",
            Box::new(|| {
                pool.install(|| {
                    columns.par_iter_mut().flat_map(|column| column.par_chunks_mut(share)).for_each(|part| {
                        // As the kernel writes them: past the caches, from what lies in one.
                        for (to, from) in part.chunks_mut(line.len()).zip(std::iter::repeat(&line)) {
                            copy_streaming(simd, to, &from[..to.len()]);
                        }
                        streaming_fence();
                    });
                });
                Ok(())
            }),
        ),
        (
            "cpu backend, f64",
            Box::new(|| {
                let rule = cpu.chunks(kernel)?;
                run_step(kernel, rule, cpu.as_mut(), cpu_out, &control)?;
                Ok(())
            }),
        ),
        (
            "cpu backend, mixed",
            Box::new(|| {
                let rule = cpu_mixed.chunks(mixed)?;
                run_step(mixed, rule, cpu_mixed.as_mut(), cpu_mixed_out, &control)?;
                Ok(())
            }),
        ),
    ];
    if let Some(gpu) = &mut gpu {
        contenders.push((
            "gpu backend, mixed, copies included",
            Box::new(|| {
                let rule = gpu.chunks(mixed)?;
                phases.push(run_step(mixed, rule, gpu.as_mut(), gpu_out, &control)?.phases);
                Ok(())
            }),
        ));
    }
    let names: Vec<&str> = contenders.iter().map(|(name, _)| *name).collect();
    let times = interleaved(rounds, &mut contenders)?;
    drop(contenders);

    let (work, items) = (kernel.work(), kernel.items() as f64);
    let bytes = items * (work.bytes_read + work.bytes_written);
    let (triad, written, best) = (STREAM_BYTES as f64 / times[0], times[2], times[3]);
    println!("stress of {} tetrahedra, {:.0} MB of minimal traffic in f64", kernel.items(), bytes * 1e-6);
    println!("  measured triad                     {:.1} GB/s: at least {}", triad * 1e-9, seconds(bytes / triad));
    for (name, time) in names.iter().zip(&times).skip(1) {
        println!(
            "  {name:35}{}  {:.2} ns an element, {:.2}x the cpu backend's time",
            seconds(*time),
            time / items * 1e9,
            time / best
        );
    }
    if !phases.is_empty() {
        let median = |phase: fn(&Phases) -> f64| {
            let mut times: Vec<f64> = phases.iter().map(phase).collect();
            times.sort_by(f64::total_cmp);
            seconds(times[times.len() / 2])
        };
        let (upload, kernel, download) = (median(|p| p.upload), median(|p| p.kernel), median(|p| p.download));
        println!("  of the gpu backend: upload {upload}, kernel {kernel}, download {download}");
    }
    println!("  cpu backend, f64: {:.0} % of the triad", 100.0 * bytes / triad / best);
    let results = items * work.bytes_written;
    println!("  {:.0} MB of results are written at {:.1} GB/s", results * 1e-6, results / written * 1e-9);
    if let Some(adapter) = gpu.and_then(|gpu| gpu.facts().adapter) {
        println!("  the gpu backend ran on {}{}", adapter.name, if adapter.software { ", not a GPU" } else { "" });
    }
    Ok(())
}
