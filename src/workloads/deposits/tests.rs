//! The methods with real threads, the answer, the options.

use super::*;
use crate::job::{Host, Whole};
use crate::machine::pool::Pool;
use crate::simd::Simd;

/// Runs every step of `job` on `threads` threads.
fn run(job: &DepositsJob, threads: usize) -> Vec<Output> {
    let pool = Pool::shared(threads, true).unwrap();
    let host = Host { simd: Simd::Baseline, pool: (threads > 1).then_some(&*pool), done: None };
    let solve = |(method, deposits)| {
        let step = Step::new(method, deposits);
        let mut output = Output::for_kernel(&step).unwrap();
        step.solve(&host, &[], &mut output).unwrap();
        output
    };
    job.methods().into_iter().map(solve).collect()
}

#[test]
fn no_deposit_is_lost_but_without_synchronisation() {
    for threads in [1, 2, 5] {
        for deposits in [0, 1, 3, 40_001] {
            let job = DepositsJob::new(deposits, None, Sync::ALL.into());
            let outputs = run(&job, threads);
            assert!(job.check(&outputs, &Answer::default()).unwrap().passed(), "{threads} {deposits}");
            let answer = job.finish(&outputs).unwrap().json;
            assert_eq!((&answer["expected"], &answer["balance"]), (&json!(10 * deposits), &json!(10 * deposits)));
            assert_eq!(answer["methods"].as_array().unwrap().len(), 5);
        }
    }
}

#[test]
fn a_wait_between_reading_and_writing_loses_updates() {
    // Five threads read the balance within a millisecond of each other and write after 20 of them: even on one processor
    // nearly all overwrite each other. That not a single one is lost in 40 takes a machine that stands still.
    let job = DepositsJob::new(40, Some(Duration::from_millis(20)), vec![Sync::None]);
    let outputs = run(&job, 5);
    assert!(job.check(&outputs, &Answer::default()).unwrap().passed());
    let waited = &job.finish(&outputs).unwrap().json["methods"][1];
    let (balance, lost) = (waited["balance"].as_u64().unwrap(), waited["lost"].as_u64().unwrap());
    assert_eq!(waited["wait"], "inside");
    assert!(balance < 400 && balance == 400 - 10 * lost, "{waited}");
    assert!(job.warnings()[0].starts_with("--sync none lost"), "{:?}", job.warnings());
}

#[test]
fn waits_are_compared_where_they_can_be() {
    let job = DepositsJob::new(8, Some(Duration::from_micros(10)), Sync::ALL.into());
    let names: Vec<&str> = job.methods().iter().map(|(method, _)| method.step()).collect();
    let plain = ["add_none", "add_mutex", "add_atomic", "add_sharded", "add_reduce"];
    let waiting = ["wait_none", "wait_mutex_in", "wait_mutex_out", "wait_atomic", "wait_sharded", "wait_reduce"];
    assert_eq!(names, [&plain[..], &waiting].concat());
    assert!(names.len() <= job::StepTimes::MOST, "each has a phase of its own");
    let counts: Vec<u64> = job.methods().iter().map(|(_, deposits)| *deposits).collect();
    assert_eq!(counts, [[USUAL; 5].as_slice(), &[8; 6]].concat());
    let outputs = run(&job, 2);
    let answer = job.finish(&outputs).unwrap();
    assert!(job.check(&outputs, &answer).unwrap().passed());
    assert_eq!(answer.json["balance"], 10 * USUAL);
    assert!(answer.lines.iter().any(|(name, _)| name == "waiting with the lock held"), "{:?}", answer.lines);
}

#[test]
fn a_chunk_of_the_reference_is_one_deposit_after_the_other() {
    let step = Step::new(Method { sync: Sync::Mutex, wait: None }, 1000);
    let mut output = Output::for_kernel(&step).unwrap();
    let mut writer = output.writer();
    let mut part = writer.whole();
    job::Kernel::seq(&step, &mut part);
    assert_eq!(part.fold, [10_000, 0, 0, 0]);
}

#[test]
fn options_of_deposits() {
    let matches = |args: &[&str]| {
        clap::Command::new("deposits").no_binary_name(true).args(DepositsWorkload.args()).try_get_matches_from(args)
    };
    let items =
        |args: &[&str]| DepositsWorkload.prepare(&matches(args).unwrap(), &Context { seed: 0 }).unwrap().input().items;
    assert_eq!(items(&[]), 1_000_000);
    assert_eq!(items(&["--delay", "100us"]), 1000);
    assert_eq!(items(&["--delay", "100us", "--deposits", "5"]), 5);
    assert_eq!(items(&["--delay", "0"]), 1_000_000);
    assert_eq!(items(&["--deposits", "562949953421312"]), MAX_DEPOSITS);
    for wrong in [&["--deposits", "562949953421313"][..], &["--sync", "hope"], &["--delay", "-1"], &["--delay", "soon"]]
    {
        assert!(matches(wrong).is_err(), "{wrong:?}");
    }
}

#[cfg(feature = "gpu")]
mod device {
    use super::*;
    use crate::exec::{Control, run_step};
    use crate::job::{ChunkOut, Class, FOLD_WORDS, GpuSlot, Kernel, Work};

    /// The same with deposits of 2^31: the low word of a balance overflows at every second one.
    struct Large(Step);

    impl Kernel for Large {
        fn name(&self) -> &'static str {
            self.0.name()
        }
        fn item(&self) -> &'static str {
            self.0.item()
        }
        fn items(&self) -> u64 {
            self.0.items()
        }
        fn precision(&self) -> Precision {
            Precision::Integer
        }
        fn work(&self) -> Work {
            self.0.work()
        }
        fn class(&self) -> Class {
            Class::Exact
        }
        fn seq(&self, _: &mut ChunkOut<'_>) {
            unreachable!("a device runs it");
        }
        fn gpu(&self) -> Result<GpuSlot<'_>, String> {
            let mut slot = self.0.gpu()?;
            slot.params[0] = 1 << 31;
            Ok(slot)
        }
        fn fold_gpu(&self, partials: &[u32], fold: &mut [u64; FOLD_WORDS]) {
            self.0.fold_gpu(partials, fold);
        }
    }

    #[test]
    fn an_account_that_a_dispatch_shares_starts_empty_and_carries() {
        let Some(adapter) = crate::gpu::testing::adapter_or_skip() else { return };
        eprintln!("adapter: {} ({})", adapter.name, adapter.driver);
        let options = crate::config::Layers::default().config().unwrap().backend_options();
        let mut gpu = crate::backend::open("gpu", &options).unwrap();
        let kernel = Large(Step::new(Method { sync: Sync::Atomic, wait: None }, 5001));
        // Many chunks through the same two buffers, twice.
        for _ in 0..2 {
            let mut output = Output::for_kernel(&kernel).unwrap();
            let rule = gpu.chunks(&kernel).unwrap().at_most(700);
            let trace = run_step(&kernel, rule, gpu.as_mut(), &mut output, &Control::default()).unwrap();
            assert!(trace.chunks > 4);
            assert_eq!(output.fold[BALANCE], 5001 << 31);
        }
    }
}
