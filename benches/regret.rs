//! What `auto` costs: for every workload and size the end-to-end time of the backend that it chooses, beside the best of all
//! that can run the job. `make bench-regret` calibrates first and prints the table.

use hetero::backend::BACKENDS;
use hetero::config::{Config, Layers};
use hetero::exec::Control;
use hetero::job::{Job, Repeat};
use hetero::machine::Machine;
use hetero::measure::sampler::Rule;
use hetero::measure::stats::Summary;
use hetero::run::{Choice, Knowledge, choose, measure};
use hetero::units;
use hetero::workloads::{Context, WORKLOADS};

/// Decisions for each job, of which the one that took the median time is judged.
const DECISIONS: usize = 5;

/// Sizes in items, two a decade: from too small for anything to what takes a while.
const SIZES: [u64; 19] = [
    1,
    3,
    10,
    30,
    100,
    300,
    1_000,
    3_000,
    10_000,
    30_000,
    100_000,
    300_000,
    1_000_000,
    3_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
    300_000_000,
    1_000_000_000,
];

/// A job whose chosen backend is predicted to take longer than this ends its workload's column of sizes.
const LONGEST: f64 = 1.0;

/// A backend that is predicted to take this many times as long as the chosen one is not the best: it is not run.
const HOPELESS: f64 = 20.0;

/// Times below this are not judged: a run is then shorter than what surrounds it.
const JUDGED_FROM: f64 = 1e-3;

/// Times of one backend: end to end, open and compile included.
fn seconds(job: &dyn Job, id: &str, config: &Config) -> Option<f64> {
    let rule = Rule { min_runs: 5, max_runs: 15, budget_seconds: 0.3, ..Rule::default() };
    let measured = measure(job, id, rule, config, &Control::default()).ok()?;
    assert!(measured.verification.passed(), "{id} gave a wrong answer");
    let once = measured.open + measured.compile.iter().sum::<f64>();
    let runs: Vec<f64> = measured.samples.phases.iter().map(|phases| phases.total() + once).collect();
    Summary::of(&runs).map(|summary| summary.median)
}

fn main() {
    let config = Layers::default().config().expect("the defaults are valid");
    let machine = Machine::discover();
    let (mut regrets, mut deciding) = (Vec::new(), Vec::new());
    println!("| workload | items | auto chose | predicted | took | best | took | regret | deciding |");
    println!("|---|--:|---|--:|--:|---|--:|--:|--:|");
    for workload in WORKLOADS {
        let variants = workload.variants().expect("small jobs always fit");
        let variant = variants.first().expect("every workload has a variant");
        let mut before = 0;
        for size in SIZES {
            let Ok(job) = workload.sized_variant(size, variant, &Context { seed: 42 }) else { break };
            let job = job.as_ref();
            // What waits for others is not a matter of the backend.
            if job.repeat() != Repeat::Freely {
                break;
            }
            let items = job.input().items;
            // Generated input of some workloads stays at a size for a while.
            if items <= before {
                continue;
            }
            before = items;
            // Each time from what the disk holds, as a new process would.
            let decide = || {
                let mut knowledge = Knowledge::here(&machine);
                choose(workload.name(), job, &mut knowledge, &config, &Control::default())
                    .expect("the host runs every job")
            };
            let mut choices: Vec<Choice> = (0..DECISIONS).map(|_| decide()).collect();
            choices.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
            let choice = choices.swap_remove(DECISIONS / 2);
            let thought = choice.seconds;
            let predicted = |id: &str| {
                choice.decision.candidates.iter().find(|c| c.backend == id).and_then(|c| c.predicted_seconds)
            };
            let chosen = choice.decision.chosen.as_str();
            let expected = predicted(chosen).expect("a chosen backend has a prediction");
            if expected > LONGEST {
                break;
            }
            let mut times: Vec<(&str, f64)> = Vec::new();
            for entry in BACKENDS {
                if entry.name == chosen || predicted(entry.name).is_none_or(|time| time < HOPELESS * expected) {
                    times.extend(seconds(job, entry.name, &config).map(|time| (entry.name, time)));
                }
            }
            let took = times.iter().find(|time| time.0 == chosen).expect("the chosen one ran").1;
            let best = times.iter().min_by(|a, b| a.1.total_cmp(&b.1)).expect("something ran");
            let regret = took / best.1 - 1.0;
            deciding.push(thought);
            if best.1 >= JUDGED_FROM {
                regrets.push(regret);
            }
            println!(
                "| {} {variant} | {} | {chosen} | {} | {} | {} | {} | {:.1} % | {} |",
                workload.name(),
                units::grouped(items),
                units::seconds(expected),
                units::seconds(took),
                best.0,
                units::seconds(best.1),
                100.0 * regret,
                units::seconds(thought)
            );
        }
    }
    let median = |values: &[f64]| Summary::of(values).map_or(f64::NAN, |summary| summary.median);
    let worst = |values: &[f64]| values.iter().copied().fold(f64::NAN, f64::max);
    println!();
    println!(
        "above {}: regret {:.1} % in the median (goal 5 %), {:.1} % at worst (goal 15 %), {} cases; deciding {} in the \
         median, {} at worst (goal 1 ms)",
        units::seconds(JUDGED_FROM),
        100.0 * median(&regrets),
        100.0 * worst(&regrets),
        regrets.len(),
        units::seconds(median(&deciding)),
        units::seconds(worst(&deciding))
    );
}
