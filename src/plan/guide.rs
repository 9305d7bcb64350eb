//! The decision guide: the questions that settle which kind of parallelism a job needs, with this job's answers.

use serde::Serialize;

use super::demand::Demand;
use crate::units::{bytes, grouped, plural, seconds};

/// A question of the guide and where this job goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Branch {
    /// What is asked.
    pub question: &'static str,
    /// The branch that was taken.
    pub branch: &'static str,
    /// Why, with this job's numbers.
    pub because: String,
}

/// Operations per byte from which arithmetic takes longer than memory on common processors: 115 GFLOP/s over 25 GB/s.
const BALANCE: f64 = 5.0;

/// Up to this time no thread is worth waking.
const BRIEF: f64 = 20e-6;

/// From this time on a second machine is worth its set-up.
const LONG: f64 = 3600.0;

/// Walks the guide for `demand`: `one_thread` seconds are predicted for one thread, `best` for the best backend; `memory`
/// bytes are free.
#[must_use]
pub fn walk(demand: &Demand, one_thread: Option<f64>, best: Option<f64>, memory: Option<u64>) -> Vec<Branch> {
    let mut branches = vec![bound(demand)];
    if demand.waits() {
        // How long others take to answer is in no prediction.
        branches.extend([overlap(demand), state(demand)]);
        return branches;
    }
    branches.push(tasks(demand));
    branches.push(state(demand));
    if let Some(time) = one_thread {
        branches.push(worth(time));
    }
    branches.push(machines(demand, best, memory));
    branches
}

/// Operations and bytes of all steps.
fn work(demand: &Demand) -> (f64, f64) {
    let sum = |of: fn(&super::demand::StepDemand) -> f64| demand.steps.iter().map(of).sum::<f64>();
    (sum(|s| s.items * s.work.flops), sum(|s| s.items * (s.work.bytes_read + s.work.bytes_written)))
}

fn overlap(demand: &Demand) -> Branch {
    let count = format!("{} {}", grouped(demand.items), plural(demand.item, demand.items));
    Branch {
        question: "threads, or one thread that waits for all?",
        branch: "one thread for all (async); a thread each costs a stack and a switch, and is as fast for a few hundred",
        because: format!("{count}, and no prediction knows what others take to answer"),
    }
}

fn bound(demand: &Demand) -> Branch {
    let question = "bound by the processor, by memory, or by waiting?";
    let (flops, moved) = work(demand);
    let (branch, because) = match () {
        () if (flops, moved) == (0.0, 0.0) => {
            ("waiting: overlap many requests", "its items neither compute nor move memory".into())
        }
        () if flops > BALANCE * moved => (
            "the processor: threads with vector code, or a GPU",
            match moved {
                0.0 => "it computes without reading memory".into(),
                _ => format!("{:.0} operations a byte", flops / moved),
            },
        ),
        () => (
            "memory: threads until the bandwidth is used up; a GPU only where the data already is",
            format!("{:.1} operations a byte", flops / moved),
        ),
    };
    Branch { question, branch, because }
}

fn tasks(demand: &Demand) -> Branch {
    let question = "one large task, a few, or very many small ones?";
    let whole = demand.steps.iter().filter(|step| step.whole).count();
    let items: f64 = demand.steps.iter().map(|step| step.items).sum();
    let each = if items > 0.0 { demand.size() / items } else { 0.0 };
    let count = format!("{} {}", grouped(demand.items), plural(demand.item, demand.items));
    let (branch, because) = if whole > 0 {
        (
            "one large: threads inside the solve",
            format!("{whole} of its steps are solves that cannot be cut into items"),
        )
    } else if each > 1e6 {
        (
            "many independent tasks: one worker each, taken as they come",
            format!("{count} of {each:.1e} operations each"),
        )
    } else {
        (
            "very many small ones: chunks of thousands, never a task each",
            format!("{count} of {each:.0} operations or bytes"),
        )
    };
    Branch { question, branch, because }
}

fn state(demand: &Demand) -> Branch {
    let question = "is anything shared between the tasks?";
    let sums = demand.steps.iter().any(|step| step.shares_sums);
    let (branch, because) = if sums {
        ("sums: one a chunk, joined at the end in a fixed order", "locks and atomics would serialise the workers")
    } else {
        ("nothing: every task writes its own part of the output", "no lock is needed")
    };
    Branch { question, branch, because: because.into() }
}

fn worth(one_thread: f64) -> Branch {
    let question = "is it worth sharing out at all?";
    let because = format!("one thread should take {}", seconds(one_thread));
    let branch = if one_thread < BRIEF { "no: run it where it is" } else { "yes" };
    Branch { question, branch, because }
}

fn machines(demand: &Demand, best: Option<f64>, memory: Option<u64>) -> Branch {
    let question = "one machine or several?";
    let needed: f64 = demand.steps.iter().map(|s| s.items * (s.work.bytes_read + s.work.bytes_written)).sum();
    let too_large = memory.is_some_and(|free| needed > free as f64);
    let (branch, because) = match best {
        _ if too_large => (
            "several: its data does not fit here",
            format!("it moves {}, {} are free", bytes(needed as u64), bytes(memory.unwrap_or(0))),
        ),
        Some(time) if time > LONG => {
            ("several: it is long enough to split into ranges of items", format!("{} here", seconds(time)))
        }
        Some(time) => ("one", format!("{} here", seconds(time))),
        None => ("one", "it fits in memory".into()),
    };
    Branch { question, branch, because }
}
