//! The checker is checked: right answers pass, and each way of being wrong fails and is named.

use super::*;
use crate::backend::{self, BackendOptions};
use crate::exec;
use crate::job::{ChunkOut, Input, Precision, Work};

/// A map to two columns: `wave` (two f64 per item) and `root` (one f32), bounded; and `tag` (u32), exact when alone.
struct Map {
    items: u64,
    class: Class,
    grain: u64,
    bound: f64,
    flops: f64,
}

const MAP: Map = Map { items: 20_000, class: Class::Bounded, grain: 1, bound: 1e-6, flops: 10.0 };

impl Kernel for Map {
    fn name(&self) -> &'static str {
        "waves"
    }
    fn item(&self) -> &'static str {
        "element"
    }
    fn items(&self) -> u64 {
        self.items
    }
    fn precision(&self) -> Precision {
        Precision::F64
    }
    fn grain(&self) -> u64 {
        self.grain
    }
    fn work(&self) -> Work {
        Work { flops: self.flops, bytes_read: 0.0, bytes_written: 24.0 }
    }
    fn class(&self) -> Class {
        self.class
    }
    fn columns(&self) -> Vec<ColumnSpec> {
        vec![
            ColumnSpec { name: "wave", scalar: Scalar::F64, per_item: 2 },
            ColumnSpec { name: "root", scalar: Scalar::F32, per_item: 1 },
            ColumnSpec { name: "tag", scalar: Scalar::U32, per_item: 1 },
        ]
    }
    fn seq(&self, out: &mut ChunkOut<'_>) {
        let Chunk { start, end } = out.chunk();
        assert!(start % self.grain == 0 && (end % self.grain == 0 || end == self.items), "{start}..{end}");
        for (i, item) in (start..end).enumerate() {
            out.column::<f64>(0)[2 * i] = (item as f64).sin();
            out.column::<f64>(0)[2 * i + 1] = (item as f64).cos();
            out.column::<f32>(1)[i] = (item as f32).sqrt();
            out.column::<u32>(2)[i] = item as u32 ^ 0x5555;
        }
    }
    fn bound(&self, _: u64, into: &mut [f64]) {
        assert_eq!(into.len(), 4);
        into.fill(self.bound);
    }
}

/// Counts the items whose square ends in an even digit, and all items.
struct Count {
    items: u64,
    cost: f64,
}

impl Kernel for Count {
    fn name(&self) -> &'static str {
        "even"
    }
    fn item(&self) -> &'static str {
        "sample"
    }
    fn items(&self) -> u64 {
        self.items
    }
    fn precision(&self) -> Precision {
        Precision::Integer
    }
    fn work(&self) -> Work {
        Work { flops: self.cost, bytes_read: 0.0, bytes_written: 0.0 }
    }
    fn class(&self) -> Class {
        Class::Exact
    }
    fn fold_words(&self) -> usize {
        2
    }
    fn seq(&self, out: &mut ChunkOut<'_>) {
        let Chunk { start, end } = out.chunk();
        out.fold[0] += (start..end).filter(|i| (i % 10) * (i % 10) % 2 == 0).count() as u64;
        out.fold[1] += end - start;
    }
}

/// The items of a job with one step; its independent check passes when `right`.
struct OneStep<K> {
    kernel: K,
    right: bool,
}

impl<K: Kernel> Job for OneStep<K> {
    fn input(&self) -> Input {
        Input { items: self.kernel.items(), item: self.kernel.item(), source: "generated".into() }
    }
    fn precisions(&self) -> &[Precision] {
        &[Precision::F64]
    }
    fn steps(&self, _: Precision) -> Result<Vec<Step<'_>>> {
        Ok(vec![Step::Kernel(Box::new(Borrowed(&self.kernel)))])
    }
    fn finish(&self, _: &[Output]) -> Result<Answer> {
        Ok(Answer::default())
    }
    fn check(&self, _: &[Output], _: &Answer) -> Result<Check> {
        let error = if self.right { 0.0 } else { 3.0 };
        Ok(Check { what: "closed form".into(), error, bound: 1.0, detail: "the total is off".into() })
    }
    fn save(&self, _: &[Output], _: &std::path::Path) -> Result<()> {
        Ok(())
    }
}

/// A kernel lent to a step.
struct Borrowed<'k, K>(&'k K);

impl<K: Kernel> Kernel for Borrowed<'_, K> {
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
        self.0.precision()
    }
    fn grain(&self) -> u64 {
        self.0.grain()
    }
    fn work(&self) -> Work {
        self.0.work()
    }
    fn class(&self) -> Class {
        self.0.class()
    }
    fn columns(&self) -> Vec<ColumnSpec> {
        self.0.columns()
    }
    fn fold_words(&self) -> usize {
        self.0.fold_words()
    }
    fn seq(&self, out: &mut ChunkOut<'_>) {
        self.0.seq(out);
    }
    fn bound(&self, item: u64, into: &mut [f64]) {
        self.0.bound(item, into);
    }
}

const OPTIONS: BackendOptions = BackendOptions {
    threads: 1,
    pin: false,
    simd: String::new(),
    adapter: None,
    require_hardware: false,
    max_device_memory: 0,
    dispatch_target: 0.1,
    device_timeout: 1.0,
};

const EFFORT: Effort = Effort { seed: 42, threads: 2, operations: 1e7 };

/// Runs the job's one step on `seq`, lets `spoil` change what came back, and verifies it.
fn verify_after(kernel: impl Kernel, spoil: impl FnOnce(&mut Output, &mut StepTrace)) -> Verification {
    verify_job(&OneStep { kernel, right: true }, EFFORT, spoil).unwrap()
}

fn verify_job(job: &dyn Job, effort: Effort, spoil: impl FnOnce(&mut Output, &mut StepTrace)) -> Result<Verification> {
    let steps = job.steps(Precision::F64).unwrap();
    let kernel = steps[0].kernel();
    let mut backend = backend::open("seq", &OPTIONS).unwrap();
    let rule = backend.chunks(kernel).unwrap();
    let mut output = Output::for_kernel(kernel).unwrap();
    let mut trace = exec::run_step(kernel, rule, &mut *backend, &mut output, &Control::default()).unwrap();
    spoil(&mut output, &mut trace);
    let (outputs, traces, answer) = ([output], [trace], Answer::default());
    let subject = Subject {
        job,
        steps: &steps,
        reference: &steps,
        outputs: &outputs,
        traces: &traces,
        answer: &answer,
        pool: None,
    };
    verify(subject, effort, &Control::default())
}

/// Requires a failure and returns its message.
fn failure(found: Verification) -> String {
    assert!(!found.passed(), "{found:?}");
    let error = found.error("gpu").expect("a failure has an error");
    assert_eq!(error.exit_code(), 8);
    assert!(error.to_string().starts_with("verification failed: gpu: "), "{error}");
    found.first_bad.expect("a failure names what is wrong")
}

#[test]
fn a_right_map_passes() {
    for class in [Class::Exact, Class::Bounded] {
        let found = verify_after(Map { class, ..MAP }, |_, _| {});
        assert!(found.passed(), "{found:?}");
        assert_eq!((found.class, found.items, found.max_abs, found.max_rel), (class, 20_000, 0.0, 0.0));
        assert!((1024..1100).contains(&found.checked), "{}", found.checked);
        assert_eq!(found.values, found.checked * 4);
        assert_eq!(found.error("gpu"), None);
    }
}

#[test]
fn few_items_are_all_checked_and_none_pass_too() {
    for items in [0, 1, 2, 63, 4096] {
        let found = verify_after(Map { items, ..MAP }, |_, _| {});
        assert!(found.passed() && found.checked == items, "{found:?}");
        let found = verify_after(Count { items, cost: 1.0 }, |_, _| {});
        assert!(found.passed() && found.checked == items, "{found:?}");
    }
}

#[test]
fn a_grain_is_recomputed_from_its_start() {
    let found = verify_after(Map { grain: 64, items: 20_001, ..MAP }, |_, _| {});
    assert!(found.passed() && found.checked > 1024, "{found:?}");
}

#[test]
fn one_flipped_bit_fails_an_exact_kernel() {
    let small = Map { items: 1000, class: Class::Exact, ..MAP };
    let found = verify_after(small, |output, _| output.column_mut::<u32>(2)[777] ^= 1);
    assert_eq!(failure(found), "element 777, tag is 22109, the reference gives 22108 (off by 1, must be equal)");
    let small = Map { items: 1000, class: Class::Exact, ..MAP };
    let found = verify_after(small, |output, _| {
        let value = &mut output.column_mut::<f64>(0)[1001];
        *value = f64::from_bits(value.to_bits() ^ 1);
    });
    assert!(failure(found).starts_with("element 500, wave[1] is "));
}

#[test]
fn a_flipped_bit_of_a_sampled_value_fails_a_large_map() {
    // Item 0 and the last one are in every sample.
    let found = verify_after(MAP, |output, _| {
        let value = &mut output.column_mut::<f64>(0)[2 * 19_999];
        *value = f64::from_bits(value.to_bits() ^ (1 << 51));
    });
    assert!(failure(found).starts_with("element 19999, wave[0] is "));
}

#[test]
fn a_deviation_within_the_bound_passes_and_is_reported() {
    let shift = |by: f64| {
        move |output: &mut Output, _: &mut StepTrace| {
            output.column_mut::<f64>(0)[0] += by;
        }
    };
    let found = verify_after(MAP, shift(5e-7));
    assert!(found.passed(), "{found:?}");
    assert_eq!((found.max_abs, found.bound), (5e-7, 1e-6));
    assert!((found.bound_used - 0.5).abs() < 1e-9 && (found.max_rel - 5e-7).abs() < 1e-9, "{found:?}");
    // The largest value of another column is 32.7 thousand.
    assert!((found.coarseness / 5e-7 - 3.057e-5).abs() < 1e-8, "{found:?}");
    let found = verify_after(MAP, shift(2e-6));
    assert_eq!(found.bound_used, 2.0);
    let message = failure(found);
    assert!(message.starts_with("element 0, wave[0] is 2e-6, the reference gives 0 "), "{message}");
    assert!(message.ends_with("(off by 2e-6, bound 1e-6)"), "{message}");
}

#[test]
fn a_bound_that_is_not_a_number_allows_nothing_but_the_very_value() {
    for bound in [f64::NAN, f64::INFINITY, -1.0] {
        let map = || Map { bound, ..MAP };
        assert!(verify_after(map(), |_, _| {}).passed());
        failure(verify_after(map(), |output, _| output.column_mut::<f64>(0)[0] += 1e-300));
    }
}

#[test]
fn values_that_are_not_finite_fail_wherever_they_are() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        // Every item in turn of a stretch that no sample covers as a whole.
        for item in 7000..7020 {
            let found = verify_after(MAP, |output, _| output.column_mut::<f64>(0)[2 * item + 1] = value);
            assert_eq!(found.max_abs, f64::INFINITY);
            assert_eq!(failure(found), format!("element {item}, wave[1] is {value}"));
        }
    }
    let found = verify_after(MAP, |output, _| output.column_mut::<f32>(1)[12_345] = f32::NAN);
    assert_eq!(failure(found), "element 12345, root is NaN");
    let solve = Map { class: Class::Residual, ..MAP };
    let found = verify_after(solve, |output, _| output.column_mut::<f32>(1)[12_345] = f32::NAN);
    assert_eq!(failure(found), "element 12345, root is NaN");
}

#[test]
fn a_chunk_that_was_not_written_fails() {
    let found = verify_after(Map { flops: 1e5, ..MAP }, |output, trace| {
        let lost = trace.partials[trace.partials.len() / 2].chunk;
        for item in lost.start as usize..lost.end as usize {
            output.column_mut::<f64>(0)[2 * item..2 * item + 2].fill(0.0);
        }
    });
    failure(found);
}

#[test]
fn a_right_reduction_passes_whatever_the_chunks() {
    let found = verify_after(Count { items: 3_000_000, cost: 1.0 }, |_, trace| assert!(trace.partials.len() >= 4));
    assert!(found.passed() && found.checked == 3_000_000 && found.class == Class::Exact, "{found:?}");
    // The budget of 1e7 holds a part of them only.
    let found = verify_after(Count { items: 300_000, cost: 100.0 }, |_, _| {});
    assert!(found.passed() && found.checked < 110_000 && found.checked > 0, "{found:?}");
}

#[test]
fn sums_that_do_not_add_up_fail() {
    let count = || Count { items: 3_000_000, cost: 1.0 };
    let found = verify_after(count(), |output, _| output.fold[0] += 1);
    assert_eq!(failure(found), "even: sum 0 is 1500001, but its chunks add up to 1500000");
    // A wrong chunk that the total agrees with.
    let found = verify_after(count(), |output, trace| {
        trace.partials[3].fold[0] ^= 1;
        output.fold[0] = trace.partials.iter().map(|partial| partial.fold[0]).sum();
    });
    assert!(failure(found).contains("sum 0 is "));
    // Two wrong chunks that cancel.
    let found = verify_after(count(), |_, trace| {
        trace.partials[1].fold[1] -= 1;
        trace.partials[2].fold[1] += 1;
    });
    assert!(failure(found).contains("sum 1 is "));
}

#[test]
fn lost_and_doubled_chunks_fail_in_sums_and_maps() {
    let spoilt = |lose: bool| {
        move |output: &mut Output, trace: &mut StepTrace| {
            if lose {
                let lost = trace.partials.remove(2);
                output.fold[0] -= lost.fold[0];
                output.fold[1] -= lost.fold[1];
            } else {
                let doubled = trace.partials[2];
                trace.partials.push(doubled);
                output.fold[0] += doubled.fold[0];
                output.fold[1] += doubled.fold[1];
            }
        }
    };
    let count = || Count { items: 3_000_000, cost: 1.0 };
    let lost = failure(verify_after(count(), spoilt(true)));
    assert!(lost.starts_with("samples ") && lost.ends_with(" are in no chunk"), "{lost}");
    let twice = failure(verify_after(count(), spoilt(false)));
    assert!(twice.starts_with("samples ") && twice.ends_with(" were computed twice"), "{twice}");
    let map = || Map { flops: 1e5, ..MAP };
    assert!(failure(verify_after(map(), spoilt(true))).ends_with(" are in no chunk"));
    assert!(failure(verify_after(map(), spoilt(false))).ends_with(" were computed twice"));
    let tail = failure(verify_after(count(), |output, trace| {
        let last = trace.partials.pop().unwrap();
        output.fold[0] -= last.fold[0];
        output.fold[1] -= last.fold[1];
    }));
    assert!(tail.ends_with("..3000000 are in no chunk"), "{tail}");
}

#[test]
fn the_smallest_chunk_is_recomputed_when_none_fits_the_budget() {
    let job = OneStep { kernel: Count { items: 400_000, cost: 1000.0 }, right: true };
    let effort = Effort { operations: 1.0, ..EFFORT };
    let mut smallest = 0;
    let found = verify_job(&job, effort, |_, trace| {
        smallest = trace.partials.iter().map(|partial| partial.chunk.len()).min().unwrap();
    });
    assert_eq!(found.unwrap().checked, smallest);
    let found = verify_job(&job, effort, |output, trace| {
        for partial in &mut trace.partials {
            partial.fold[0] += 1;
            output.fold[0] += 1;
        }
    });
    failure(found.unwrap());
}

#[test]
fn the_independent_check_has_the_last_word() {
    let job = OneStep { kernel: Count { items: 100, cost: 1.0 }, right: false };
    let found = verify_job(&job, EFFORT, |_, _| {}).unwrap();
    assert_eq!(failure(found), "closed form: 3 is above 1: the total is off");
}

#[test]
fn a_stop_ends_the_verification() {
    let job = OneStep { kernel: Count { items: 100, cost: 1.0 }, right: true };
    let steps = job.steps(Precision::F64).unwrap();
    let output = Output::for_kernel(steps[0].kernel()).unwrap();
    let partials = vec![Partial { chunk: Chunk::new(0, 100), fold: [50, 100, 0, 0] }];
    let (outputs, traces) = ([output], [StepTrace { partials, ..StepTrace::default() }]);
    let answer = Answer::default();
    let subject = Subject {
        job: &job,
        steps: &steps,
        reference: &steps,
        outputs: &outputs,
        traces: &traces,
        answer: &answer,
        pool: None,
    };
    let control = Control::default();
    control.signal.store(15, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(verify(subject, EFFORT, &control), Err(Error::Signal(15)));
    let alone = Subject { traces: &[], ..subject };
    assert!(matches!(verify(alone, EFFORT, &Control::default()), Err(Error::Internal(_))));
}
