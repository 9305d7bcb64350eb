//! Workload `deposits`: threads that pay into one account, by five ways of sharing it. It shows what a race loses, what each
//! remedy costs, and what it costs to hold a lock for longer than needed.
//!
//! Shared state is what the chunk loop is built to avoid, so each method is one whole step that takes the backend's threads
//! (see `kernel.rs`). `--threads` is the engine's; on `seq` one thread makes all deposits.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::{Arg, ArgMatches};
use serde_json::{Map, Value, json};

use super::{Context, KernelInfo, Workload, saved};
use crate::error::{Error, Result};
use crate::job::{self, Answer, Check, Input, Job, Output, Precision};
use crate::units;

mod account;
mod check;
mod gpu;
mod kernel;
mod method;
#[cfg(test)]
mod tests;

use check::lost;
use kernel::{BALANCE, NANOSECONDS, PayIn, THREADS};
use method::{Method, Place, Sync};

/// The registry entry.
pub struct DepositsWorkload;

/// What one deposit adds.
const AMOUNT: u64 = 10;

/// The most deposits: up to here the balance is exact in f64, so in every reader of JSON.
pub const MAX_DEPOSITS: u64 = 1 << 49;

/// Deposits when none are asked for: without a wait, long against starting threads; with one, a fraction of a second.
const USUAL: u64 = 1_000_000;
const USUAL_WAITING: u64 = 1000;

struct DepositsJob {
    deposits: u64,
    delay: Option<Duration>,
    syncs: Vec<Sync>,
    /// The most updates that a checked run has lost.
    lost: AtomicU64,
}

impl DepositsJob {
    fn new(deposits: u64, delay: Option<Duration>, syncs: Vec<Sync>) -> Self {
        Self { deposits, delay, syncs, lost: AtomicU64::new(0) }
    }

    /// The steps: each method and its deposits. Beside a wait, the methods without one make enough to be timed.
    fn methods(&self) -> Vec<(Method, u64)> {
        let at_least = if self.delay.is_some() { USUAL } else { 0 };
        let plain = self.syncs.iter().map(|sync| (Method { sync: *sync, wait: None }, self.deposits.max(at_least)));
        let waiting = self.delay.into_iter().flat_map(|delay| {
            let places = self.syncs.iter().flat_map(|sync| sync.waits().iter().map(|place| (*sync, *place)));
            places.map(move |(sync, place)| (Method { sync, wait: Some((place, delay)) }, self.deposits))
        });
        plain.chain(waiting).collect()
    }
}

impl Job for DepositsJob {
    fn input(&self) -> Input {
        Input { items: self.deposits, item: "deposit", source: "generated".into() }
    }

    fn items_of_a_run(&self) -> u64 {
        self.methods().iter().map(|(_, deposits)| deposits).sum()
    }

    fn precisions(&self) -> &[Precision] {
        &[Precision::Integer]
    }

    fn stays_on_cpu(&self) -> Option<&'static str> {
        self.methods().into_iter().find_map(|(method, _)| gpu::stays_on_cpu(method))
    }

    fn steps(&self, precision: Precision) -> Result<Vec<job::Step<'_>>> {
        match precision {
            Precision::Integer => {
                let step = |(method, deposits)| job::Step::Whole(Box::new(PayIn::new(method, deposits)));
                Ok(self.methods().into_iter().map(step).collect())
            }
            other => Err(Error::Usage(format!(
                "deposits counts in integers and has no {} form; leave --precision out",
                other.name()
            ))),
        }
    }

    fn finish(&self, outputs: &[Output]) -> Result<Answer> {
        Ok(answer(self, outputs))
    }

    fn check(&self, outputs: &[Output], _: &Answer) -> Result<Check> {
        let steps = self.methods();
        let short = steps.iter().zip(outputs).map(|((_, deposits), output)| lost(*deposits, output.fold[BALANCE]));
        self.lost.fetch_max(short.max().unwrap_or(0), Ordering::Relaxed);
        Ok(check::check(&steps, outputs))
    }

    fn warnings(&self) -> Vec<String> {
        let lost = self.lost.load(Ordering::Relaxed);
        let text = format!(
            "--sync none lost {} updates: threads read the same balance, and one overwrote what the other had written; \
             it is a race, so the next run loses others",
            units::grouped(lost)
        );
        (lost > 0).then_some(text).into_iter().collect()
    }

    fn save(&self, outputs: &[Output], path: &Path) -> Result<()> {
        let columns = ["deposits", "threads", "expected", "balance", "lost"];
        saved::write("deposits", &self.finish(outputs)?.json, &columns, path)
    }
}

/// What each method left and cost. The balance of the whole is that of the last method without a wait, an exact one unless
/// `none` was asked for alone.
fn answer(job: &DepositsJob, outputs: &[Output]) -> Answer {
    let steps = job.methods();
    let line = |name: &str, text: String| (name.to_string(), text);
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    let (mut whole, mut threads) = ((job.deposits, 0), 0);
    let mut waits = [None; 2];
    for ((method, deposits), output) in steps.iter().zip(outputs) {
        let [balance, took] = [output.fold[BALANCE], output.fold[NANOSECONDS]];
        threads = output.fold[THREADS];
        let cost = (took > 0 && *deposits > 0).then(|| took as f64 / *deposits as f64);
        let lost = lost(*deposits, balance);
        let place = method.wait.map(|(place, _)| place);
        rows.push(json!({
            "sync": method.sync.name(),
            "wait": place.map(Place::name),
            "deposits": deposits,
            "expected": deposits * AMOUNT,
            "balance": balance,
            "lost": lost,
            "ns_per_deposit": cost,
            "ns_per_deposit_and_thread": cost.map(|cost| cost * threads as f64),
        }));
        let each = cost.map_or(String::new(), |ns| {
            format!("{} a deposit, {} of a thread; ", nanoseconds(ns), nanoseconds(ns * threads as f64))
        });
        let outcome = match lost {
            0 => "none lost".to_string(),
            lost => format!("{} of {} lost", units::grouped(lost), units::grouped(*deposits)),
        };
        let name = match place {
            None => method.sync.name().to_string(),
            Some(place) => format!("{}, waiting {}", method.sync.name(), place.name()),
        };
        lines.push((name, format!("{each}{outcome}")));
        match place {
            None => whole = (*deposits, balance),
            Some(place) if method.sync == Sync::Mutex => waits[place as usize] = cost,
            Some(_) => {}
        }
    }
    if let [Some(inside), Some(outside)] = waits {
        lines.push(line(
            "waiting with the lock held",
            format!("{:.2} times the cost of waiting before", inside / outside),
        ));
    }
    let (deposits, balance) = whole;
    let mut json = Map::new();
    json.insert("deposits".into(), json!(deposits));
    json.insert("amount".into(), json!(AMOUNT));
    json.insert("threads".into(), json!((threads > 0).then_some(threads)));
    json.insert("delay_seconds".into(), json!(job.delay.map(|delay| delay.as_secs_f64())));
    json.insert("expected".into(), json!(deposits * AMOUNT));
    json.insert("balance".into(), json!(balance));
    json.insert("lost".into(), json!(lost(deposits, balance)));
    json.insert("methods".into(), Value::Array(rows));
    let mut all = vec![line("expected", units::grouped(deposits * AMOUNT)), line("balance", units::grouped(balance))];
    all.extend(lines);
    Answer { json, lines: all }
}

/// A cost in nanoseconds with its unit.
fn nanoseconds(ns: f64) -> String {
    units::seconds(ns * 1e-9)
}

/// How a kernel stands in `hetero list`.
const fn info(name: &'static str, cpu_only: Option<&'static str>, about: &'static str) -> KernelInfo {
    KernelInfo { name, item: "deposit", precisions: "integer", cpu_only, about }
}

static KERNELS: &[KernelInfo] = &[
    info("add_none", Some(gpu::NO_RACE), "read, add, write, with nothing to keep threads apart: loses updates"),
    info("add_mutex", Some(gpu::NO_LOCK), "under a lock; exact"),
    info("add_atomic", None, "one atomic addition a deposit, on a GPU to one word of global memory; exact"),
    info("add_sharded", None, "an account in memory for each thread, on a GPU for each workgroup; exact"),
    info("add_reduce", None, "a sum in a register of each thread, added up at the end; exact"),
];

impl Workload for DepositsWorkload {
    fn name(&self) -> &'static str {
        "deposits"
    }

    fn about(&self) -> &'static str {
        "threads that pay into one account: what a race loses, and what each remedy costs"
    }

    fn kernels(&self) -> &'static [KernelInfo] {
        KERNELS
    }

    fn args(&self) -> Vec<Arg> {
        vec![
            Arg::new("sync")
                .long("sync")
                .value_parser(["all", "none", "mutex", "atomic", "sharded", "reduce"])
                .default_value("all")
                .help("How threads share the account; all compares the five in one run"),
            Arg::new("deposits")
                .long("deposits")
                .value_name("N")
                .value_parser(|text: &str| deposits(text))
                .help("Deposits of all threads together, up to 2^49 [default: 1e6, with --delay 1000]"),
            Arg::new("delay")
                .long("delay")
                .value_name("TIME")
                .value_parser(|text: &str| units::parse_seconds(text))
                .help("A wait in every deposit, such as 100us, 1ms or 1e-4: inside the lock and outside, beside none"),
        ]
    }

    fn endings(&self, _: &ArgMatches) -> &'static [&'static str] {
        &saved::ENDINGS
    }

    fn prepare(&self, args: &ArgMatches, _: &Context) -> Result<Box<dyn Job>> {
        let delay = args.get_one::<f64>("delay").copied().filter(|seconds| *seconds > 0.0);
        let usual = if delay.is_some() { USUAL_WAITING } else { USUAL };
        let deposits = args.get_one::<u64>("deposits").copied().unwrap_or(usual);
        let sync = args.get_one::<String>("sync").expect("--sync has a default");
        let mut syncs: Vec<Sync> = Sync::ALL.into_iter().filter(|one| one.name() == sync).collect();
        if syncs.is_empty() {
            syncs = Sync::ALL.into();
        }
        Ok(Box::new(DepositsJob::new(deposits, delay.map(Duration::from_secs_f64), syncs)))
    }

    fn sized(&self, items: u64, _: &Context) -> Result<Vec<(String, Box<dyn Job>)>> {
        let job = |sync: Sync| {
            let job = DepositsJob::new(items.min(MAX_DEPOSITS), None, vec![sync]);
            (format!("deposits {}", sync.name()), Box::new(job) as Box<dyn Job>)
        };
        // The main one first.
        Ok(Sync::ALL.into_iter().rev().map(job).collect())
    }
}

/// Reads `--deposits`.
fn deposits(text: &str) -> Result<u64, String> {
    let count = units::parse_count(text)?;
    if count > MAX_DEPOSITS {
        return Err(format!("'{text}' is more than 2^49 deposits, from where on a balance is not exact in f64"));
    }
    Ok(count)
}
