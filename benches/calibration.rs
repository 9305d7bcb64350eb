//! How well a profile predicts: every workload at sizes that calibration did not run, on every backend, predicted from
//! the stored profile (`hetero calibrate` first) and measured. Prints one row a job and the median and worst ratio.

use std::collections::HashSet;
use std::time::Instant;

use hetero::backend::{self, Phases};
use hetero::config::Layers;
use hetero::exec::{self, Control};
use hetero::job::{Job, Output, Step, answer_name, kernel_hash, total_cost};
use hetero::machine::Machine;
use hetero::machine::profile::{BackendProfile, Found, Key};
use hetero::units;
use hetero::workloads::{Context, WORKLOADS};

/// Sizes between those of the calibration, and beyond the largest.
const SIZES: [u64; 8] = [100, 700, 3_000, 11_000, 100_000, 700_000, 3_000_000, 10_000_000];

/// Longest job, in predicted seconds.
const LONGEST: f64 = 0.5;

fn main() {
    let Found::Ours(profile) = Found::load(&Key::of(&Machine::discover())) else {
        eprintln!("no profile of this machine; run hetero calibrate");
        return;
    };
    let options = Layers::default().config().expect("the defaults are valid").backend_options();
    println!("{:22} {:>9} {:7} {:>10} {:>10} {:>6}", "job", "items", "backend", "predicted", "measured", "ratio");
    for known in &profile.backends {
        let Ok(mut backend) = backend::open(&known.id, &options) else { continue };
        let mut ratios = Vec::new();
        for workload in WORKLOADS {
            let mut done = HashSet::new();
            for size in SIZES {
                let Ok(jobs) = workload.sized(size, &Context { seed: 7 }) else { continue };
                for (variant, job) in &jobs {
                    let items = job.input().items;
                    if !done.insert((variant.clone(), items))
                        || (known.adapter.is_some() && job.stays_on_cpu().is_some())
                    {
                        continue;
                    }
                    if let Some((predicted, measured)) = compare(workload.name(), job.as_ref(), known, backend.as_mut())
                    {
                        let ratio = predicted / measured;
                        println!(
                            "{:22} {items:>9} {:7} {:>10} {:>10} {ratio:>6.2}",
                            format!("{} {variant}", workload.name()).chars().take(22).collect::<String>(),
                            known.id,
                            units::seconds(predicted),
                            units::seconds(measured),
                        );
                        ratios.push((ratio.ln().abs().exp(), measured));
                    }
                }
            }
        }
        for (name, least) in [("all", 0.0), ("1 ms and longer", 1e-3)] {
            let mut off: Vec<f64> = ratios.iter().filter(|(_, s)| *s >= least).map(|(ratio, _)| *ratio).collect();
            off.sort_by(f64::total_cmp);
            if let Some(worst) = off.last() {
                let at = |share: f64| off[(share * (off.len() - 1) as f64) as usize];
                println!(
                    "{}, {name}: {} jobs, off by {:.2} in the median, {:.2} in nine of ten, {worst:.2} at worst",
                    known.id,
                    off.len(),
                    at(0.5),
                    at(0.9)
                );
            }
        }
    }
}

/// Predicted and measured seconds of a warm run; `None` where a kernel is not known, or the job is too long.
fn compare(
    workload: &str,
    job: &dyn Job,
    known: &BackendProfile,
    backend: &mut dyn backend::Backend,
) -> Option<(f64, f64)> {
    let control = Control::default();
    let precision = backend.default_precision(job);
    let steps = job.steps(precision).ok()?;
    let rules: Option<Vec<_>> = steps.iter().map(|step| backend.chunks(step.kernel()).ok()).collect();
    let rules = rules?;
    for step in &steps {
        backend.prepare(step.kernel()).ok()?;
    }
    let predict = |steps: &[Step<'_>]| -> Option<f64> {
        let floor = known.launch.value()?;
        let mut seconds = 0.0;
        for step in steps {
            let kernel = step.kernel();
            let hash = kernel_hash(kernel, known.adapter.is_some());
            seconds += known.kernel(kernel.name(), precision.name(), hash)?.curve.at(kernel.size(), floor)?.total();
        }
        let answer = known.kernel(&answer_name(workload, steps), precision.name(), 0)?;
        Some(seconds + answer.curve.at(total_cost(steps), 0.0)?.total())
    };
    if predict(&steps)? > LONGEST {
        return None;
    }
    let mut outputs: Vec<_> = steps.iter().map(|step| Output::for_kernel(step.kernel()).ok()).collect::<Option<_>>()?;
    let mut times = Vec::new();
    for _ in 0..6 {
        let mut seconds = 0.0;
        for (i, (step, rule)) in steps.iter().zip(&rules).enumerate() {
            let (before, own) = outputs.split_at_mut(i);
            let trace = match step {
                Step::Kernel(kernel) => exec::run_step(kernel.as_ref(), *rule, backend, &mut own[0], &control),
                Step::Whole(whole) => exec::run_whole(whole.as_ref(), *rule, backend, before, &mut own[0], &control),
            };
            seconds += Phases::total(&trace.ok()?.phases);
        }
        let start = Instant::now();
        job.finish(&outputs).ok()?;
        times.push(seconds + start.elapsed().as_secs_f64());
    }
    times.remove(0);
    times.sort_by(f64::total_cmp);
    // The work of a solve is known once it was done.
    Some((predict(&steps)?, times[times.len() / 2]))
}
