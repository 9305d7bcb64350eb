//! Whether an answer is right: every run recomputes a part of it by the `seq` reference and compares, value by value,
//! and asks the workload's independent check.

use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::exec::{Control, Partial, StepTrace};
use crate::job::{Answer, Check, Chunk, Class, ColumnSpec, FOLD_WORDS, Job, Kernel, Output, Scalar, Step};
use crate::machine::pool::Pool;
use crate::numeric::philox::Philox;

mod select;
#[cfg(test)]
mod tests;

/// What is verified: a run of a job, step by step, and the reference's kernels for the same job.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The job.
    pub job: &'a dyn Job,
    /// The steps that ran.
    pub steps: &'a [Step<'a>],
    /// The same steps in the reference's precision, [`Job::precisions`]`[0]`.
    pub reference: &'a [Step<'a>],
    /// What the steps gave.
    pub outputs: &'a [Output],
    /// How they ran.
    pub traces: &'a [StepTrace],
    /// What the job made of the outputs.
    pub answer: &'a Answer,
    /// The threads that the job's own check may use.
    pub pool: Option<&'a Pool>,
}

/// How much is recomputed, and by how many threads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// Chooses the items: the same seed checks the same ones.
    pub seed: u64,
    /// Threads that recompute the chunks of a reduction.
    pub threads: usize,
    /// Operations and bytes that recomputing one step may cost.
    pub operations: f64,
}

impl Effort {
    /// About a quarter of a second of one core at 1 GFLOP/s: 8 million samples of a reduction.
    pub const OPERATIONS: f64 = 268_435_456.0;
}

/// Operations after which a verification looks at the stop flag: some 10 ms of one slow core.
const PIECE: f64 = 8_388_608.0;

/// Whether the answer is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every comparison held.
    Pass,
    /// One did not.
    Fail,
}

/// What a verification found: the JSON report's `verify`. Numbers that are not finite are `null` there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verification {
    /// The verdict.
    pub status: Status,
    /// The weakest class of all steps.
    pub class: Class,
    /// Items that the reference recomputed.
    pub checked: u64,
    /// Items there are, over all steps.
    pub items: u64,
    /// Values and sums that were compared.
    pub values: u64,
    /// Largest deviation from the reference; infinite when a value is not a number.
    pub max_abs: f64,
    /// Largest deviation of a column divided by the largest reference value of that column, both over the checked
    /// items. Not value by value: a stress component that is zero in theory has no meaningful relative error.
    pub max_rel: f64,
    /// Largest deviation of a step divided by the largest reference value of all its columns, both over the checked items:
    /// what a precision costs, where columns are components of one quantity.
    #[serde(skip)]
    pub coarseness: f64,
    /// The bound that was allowed where `max_abs` was found.
    pub bound: f64,
    /// The largest share of its bound that any value used: at most 1 in a run that passed. 0 for exact classes.
    pub bound_used: f64,
    /// The workload's own check, which shares no code with its kernels.
    pub independent: Check,
    /// The first thing that is wrong.
    pub first_bad: Option<String>,
    /// Seconds that verifying took.
    pub seconds: f64,
}

impl Verification {
    /// Whether everything was right.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.status == Status::Pass
    }

    /// The error a failed verification ends in, with the backend that gave the answer.
    #[must_use]
    pub fn error(&self, backend: &str) -> Option<Error> {
        let why = self.first_bad.as_deref().unwrap_or("no reason recorded");
        (!self.passed()).then(|| Error::Verification(format!("{backend}: {why}")))
    }
}

/// Verifies one run.
///
/// For each step: all values are finite (or, where [`Kernel::allows_nonfinite`], the reference's is the same); the chunks tile the items exactly once and their sums add up to the output's;
/// a sample of a map's items (all when they are few) and of a reduction's chunks (all when they fit the budget, at
/// least one) is recomputed by the reference's `seq`. Values of an [`Class::Exact`] kernel must be bit-equal, those of a
/// [`Class::Bounded`] one within [`Kernel::bound`], sums always equal. A [`Class::Residual`] step has no values to
/// compare: its residual is the job's independent check. Nor is a whole solve made again. That check comes last.
///
/// # Errors
/// [`Error::Signal`] when `control` was stopped; [`Error::Resource`] when recomputed values do not fit in memory;
/// [`Error::Internal`] when the subject's parts do not belong together; whatever the independent check returns. A wrong
/// answer is no error here but a [`Status::Fail`].
pub fn verify(subject: Subject<'_>, effort: Effort, control: &Control) -> Result<Verification> {
    let start = Instant::now();
    let Subject { job, steps, reference, outputs, traces, answer, pool } = subject;
    let counts = [reference.len(), outputs.len(), traces.len()];
    if counts.iter().any(|count| *count != steps.len()) {
        return Err(Error::Internal(format!("{} steps, but {counts:?} references, outputs, traces", steps.len())));
    }
    let mut found = Findings::default();
    for (i, step) in steps.iter().enumerate() {
        let mut rng = Philox::new(effort.seed, i as u64);
        let pair = Pair::new(step.kernel(), reference[i].kernel(), &outputs[i])?;
        found.items += pair.kernel.items();
        if !pair.kernel.allows_nonfinite() {
            found.finite(&pair);
        }
        found.tiled(&pair, &traces[i].partials);
        if recomputed(step) {
            found.map(&pair, &traces[i].partials, effort, control, &mut rng)?;
        }
        if pair.kernel.fold_words() > 0 {
            found.sums(&pair, &traces[i].partials, effort, control, &mut rng)?;
        }
    }
    let check = || job.check(outputs, answer);
    let independent = match pool.map_or_else(check, |pool| pool.install(check)) {
        // Outputs that are known to be wrong may be too broken to check.
        Err(error) if found.first_bad.is_some() => {
            Check { what: "independent check".into(), error: f64::INFINITY, bound: 0.0, detail: error.to_string() }
        }
        check => check?,
    };
    if !independent.passed() {
        let Check { what, error, bound, detail } = &independent;
        found.bad(|| {
            let (error, bound) = (plain(*error), plain(*bound));
            format!("{what}: {error} is above {bound}: {detail}").trim_end_matches(": ").to_string()
        });
    }
    let class = steps.iter().map(|step| step.kernel().class()).max_by_key(|class| *class as u8);
    if class == Some(Class::Residual) || !steps.iter().any(recomputed) {
        // The independent check has looked at every item; what it found is what there is to tell.
        found.checked = found.items;
        found.worst = Some((independent.error, independent.bound));
        found.bound_used = if independent.error == 0.0 { 0.0 } else { independent.error / independent.bound };
    }
    Ok(Verification {
        status: if found.first_bad.is_none() { Status::Pass } else { Status::Fail },
        class: class.unwrap_or(Class::Exact),
        checked: found.checked,
        items: found.items,
        values: found.values,
        max_abs: found.worst.map_or(0.0, |(deviation, _)| deviation),
        max_rel: found.max_rel,
        coarseness: found.coarseness,
        bound: found.worst.map_or(0.0, |(_, bound)| bound),
        bound_used: found.bound_used,
        independent,
        first_bad: found.first_bad,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Whether items of `step` are compared with the reference's.
fn recomputed(step: &Step<'_>) -> bool {
    matches!(step, Step::Kernel(kernel) if kernel.class() != Class::Residual)
}

/// A kernel, its reference, and what the kernel gave.
struct Pair<'a> {
    kernel: &'a dyn Kernel,
    reference: &'a dyn Kernel,
    output: &'a Output,
    columns: Vec<ColumnSpec>,
}

impl<'a> Pair<'a> {
    fn new(kernel: &'a dyn Kernel, reference: &'a dyn Kernel, output: &'a Output) -> Result<Self> {
        let shape = |specs: &[ColumnSpec]| specs.iter().map(|s| (s.name, s.per_item)).collect::<Vec<_>>();
        let columns: Vec<ColumnSpec> = output.specs().collect();
        let items = [kernel.items(), reference.items(), output.items()];
        if items.iter().any(|n| *n != items[0])
            || shape(&columns) != shape(&reference.columns())
            || shape(&columns) != shape(&kernel.columns())
        {
            return Err(Error::Internal(format!("{}: kernel, reference and output do not match", kernel.name())));
        }
        Ok(Self { kernel, reference, output, columns })
    }

    /// `element 17, mises[3]`.
    fn name(&self, item: u64, column: &ColumnSpec, value: usize) -> String {
        let index = if column.per_item > 1 { format!("[{value}]") } else { String::new() };
        format!("{} {item}, {}{index}", self.kernel.item(), column.name)
    }

    /// The reference's values and sums of `chunk`.
    fn recompute(&self, chunk: Chunk) -> Result<(Output, [u64; FOLD_WORDS])> {
        let mut window = Output::new(self.reference.columns(), chunk.len())?;
        let fold = {
            let mut writer = window.writer_at(chunk.start);
            let mut part = writer.whole();
            self.reference.seq(&mut part);
            part.fold
        };
        Ok((window, fold))
    }
}

#[derive(Default)]
struct Findings {
    items: u64,
    checked: u64,
    values: u64,
    /// Largest deviation and the bound there.
    worst: Option<(f64, f64)>,
    max_rel: f64,
    coarseness: f64,
    bound_used: f64,
    first_bad: Option<String>,
}

impl Findings {
    fn bad(&mut self, message: impl FnOnce() -> String) {
        if self.first_bad.is_none() {
            self.first_bad = Some(message());
        }
    }

    /// Every value of every column is finite: not sampled, since one pass over the output costs little.
    fn finite(&mut self, pair: &Pair<'_>) {
        for (c, column) in pair.columns.iter().enumerate() {
            let index = match column.scalar {
                Scalar::F32 => first_bad_index(pair.output.column::<f32>(c), |x| x.is_finite()),
                Scalar::F64 => first_bad_index(pair.output.column::<f64>(c), |x| x.is_finite()),
                Scalar::U32 => None,
            };
            if let Some(index) = index {
                let (item, value) = (index / column.per_item, index % column.per_item);
                self.worst = Some((f64::INFINITY, 0.0));
                self.bad(|| format!("{} is {}", pair.name(item as u64, column, value), pair.output.value(c, index)));
            }
        }
    }

    /// The chunks cover every item once and their sums add up to the output's. A map whose trace keeps no chunks is let
    /// through: its items are compared one by one.
    fn tiled(&mut self, pair: &Pair<'_>, partials: &[Partial]) {
        let (items, folds) = (pair.kernel.items(), pair.kernel.fold_words() > 0);
        if partials.is_empty() && !folds {
            return;
        }
        let mut sorted: Vec<&Partial> = partials.iter().collect();
        sorted.sort_unstable_by_key(|partial| partial.chunk);
        let (mut end, item) = (0, pair.kernel.item());
        for Chunk { start, end: next } in sorted.iter().map(|partial| partial.chunk) {
            if start > end {
                self.bad(|| format!("{item}s {end}..{start} are in no chunk"));
            } else if start < end {
                self.bad(|| format!("{item}s {start}..{} were computed twice", end.min(next)));
            }
            end = end.max(next);
        }
        if end != items {
            self.bad(|| format!("{item}s {end}..{items} are in no chunk"));
        }
        let mut sums = [0; FOLD_WORDS];
        partials.iter().for_each(|partial| pair.kernel.merge_fold(&mut sums, &partial.fold));
        for (word, (total, sum)) in pair.output.fold.iter().zip(sums).enumerate().take(pair.kernel.fold_words()) {
            if sum != *total {
                self.bad(|| format!("{}: sum {word} is {total}, but its chunks add up to {sum}", pair.kernel.name()));
            }
        }
    }

    /// A sample of items, recomputed and compared.
    fn map(
        &mut self,
        pair: &Pair<'_>,
        partials: &[Partial],
        effort: Effort,
        control: &Control,
        rng: &mut Philox,
    ) -> Result<()> {
        if pair.columns.is_empty() {
            return Ok(());
        }
        let edges: Vec<u64> = partials.iter().map(|partial| partial.chunk.start).collect();
        let (grain, cost) = (pair.reference.grain(), select::cost(pair.reference));
        let ranges = select::ranges(pair.kernel.items(), grain, cost, &edges, effort.operations, rng);
        let mut columns = vec![Extremes::default(); pair.columns.len()];
        let mut bounds = vec![0.0; pair.columns.iter().map(|column| column.per_item).sum()];
        let mut values = vec![[Vec::new(), Vec::new()]; pair.columns.len()];
        for chunk in ranges {
            control.proceed()?;
            let (window, _) = pair.recompute(chunk)?;
            for (c, [is, should]) in values.iter_mut().enumerate() {
                pair.output.copy_values(c, chunk, is);
                window.copy_values(c, Chunk::new(0, chunk.len()), should);
            }
            for item in chunk.start..chunk.end {
                if pair.kernel.class() == Class::Bounded {
                    pair.kernel.bound(item, &mut bounds);
                }
                self.item(pair, item, chunk.start, &values, &bounds, &mut columns);
            }
            self.checked += chunk.len();
        }
        let relative = columns.iter().filter(|c| c.reference > 0.0).map(|c| c.deviation / c.reference);
        self.max_rel = relative.fold(self.max_rel, f64::max);
        let largest = |of: fn(&Extremes) -> f64| columns.iter().map(of).fold(0.0, f64::max);
        let (deviation, reference) = (largest(|c| c.deviation), largest(|c| c.reference));
        if reference > 0.0 {
            self.coarseness = self.coarseness.max(deviation / reference);
        }
        Ok(())
    }

    /// Compares all values of one item with the reference's; `values` has both from item `first` on, by column.
    fn item(
        &mut self,
        pair: &Pair<'_>,
        item: u64,
        first: u64,
        values: &[[Vec<f64>; 2]],
        bounds: &[f64],
        extremes: &mut [Extremes],
    ) {
        let (exact, nonfinite) = (pair.kernel.class() == Class::Exact, pair.kernel.allows_nonfinite());
        let local = usize::try_from(item - first).expect("an item in memory has a usize index");
        let mut bounds = bounds.iter();
        for (c, (column, [is, should])) in pair.columns.iter().zip(values).enumerate() {
            let values = local * column.per_item..(local + 1) * column.per_item;
            for (value, (is, should)) in is[values.clone()].iter().zip(&should[values]).enumerate() {
                let (is, should) = (*is, *should);
                let bound = *bounds.next().expect("one bound for each value of an item");
                let deviation = if is.to_bits() == should.to_bits() { 0.0 } else { (is - should).abs() };
                let same = is.to_bits() == should.to_bits() || (is.is_nan() && should.is_nan());
                let same = nonfinite && !should.is_finite() && same;
                let deviation = match is.is_finite() && should.is_finite() {
                    true => deviation,
                    false if same => 0.0,
                    false => f64::INFINITY,
                };
                let right = if same {
                    true
                } else if exact {
                    deviation.is_finite() && is.to_bits() == should.to_bits()
                } else {
                    // A NaN or infinite bound allows nothing but the very value.
                    deviation == 0.0 || bound.is_finite() && deviation <= bound
                };
                self.values += 1;
                extremes[c].add(deviation, should);
                if self.worst.is_none_or(|(largest, _)| deviation > largest) {
                    self.worst = Some((deviation, bound));
                }
                if bound > 0.0 && deviation > 0.0 {
                    self.bound_used = self.bound_used.max(deviation / bound);
                }
                if !right {
                    self.bad(|| {
                        let name = pair.name(item, column, value);
                        let allowed = if exact { "must be equal".into() } else { format!("bound {}", plain(bound)) };
                        let (is, should, deviation) = (plain(is), plain(should), plain(deviation));
                        format!("{name} is {is}, the reference gives {should} (off by {deviation}, {allowed})")
                    });
                }
            }
        }
    }

    /// A selection of a reduction's chunks, recomputed and compared.
    fn sums(
        &mut self,
        pair: &Pair<'_>,
        partials: &[Partial],
        effort: Effort,
        control: &Control,
        rng: &mut Philox,
    ) -> Result<()> {
        let cost = select::cost(pair.reference);
        let lengths: Vec<u64> = partials.iter().map(|partial| partial.chunk.len()).collect();
        let chosen = select::chunks(&lengths, cost, effort.operations, rng);
        let chunks: Vec<Chunk> = chosen.iter().map(|i| partials[*i].chunk).collect();
        let sums = recompute_sums(pair, &chunks, effort.threads, control)?;
        for (i, should) in chosen.into_iter().zip(sums) {
            let Partial { chunk, fold } = partials[i];
            self.checked += chunk.len();
            for (word, (is, should)) in fold.into_iter().zip(should).enumerate().take(pair.kernel.fold_words()) {
                self.values += 1;
                let deviation = should.abs_diff(is) as f64;
                if self.worst.is_none_or(|(largest, _)| deviation > largest) {
                    self.worst = Some((deviation, 0.0));
                }
                self.max_rel = self.max_rel.max(deviation / (should as f64).max(1.0));
                if deviation != 0.0 {
                    let (name, item) = (pair.kernel.name(), pair.kernel.item());
                    let Chunk { start, end } = chunk;
                    self.bad(|| {
                        format!("{name}, {item}s {start}..{end}: sum {word} is {is}, the reference gives {should}")
                    });
                }
            }
        }
        Ok(())
    }
}

/// Largest deviation and largest reference value of one column.
#[derive(Clone, Copy, Default)]
struct Extremes {
    deviation: f64,
    reference: f64,
}

impl Extremes {
    fn add(&mut self, deviation: f64, reference: f64) {
        self.deviation = self.deviation.max(deviation);
        self.reference = self.reference.max(reference.abs());
    }
}

/// The reference's sums over each chunk, by several threads: a device's smallest chunk can be seconds of one core.
fn recompute_sums(
    pair: &Pair<'_>,
    chunks: &[Chunk],
    threads: usize,
    control: &Control,
) -> Result<Vec<[u64; FOLD_WORDS]>> {
    let (length, grain) = (PIECE / select::cost(pair.reference), pair.reference.grain());
    let pieces = chunks.iter().enumerate().flat_map(|(i, c)| select::pieces(*c, length, grain).map(move |p| (i, p)));
    let worth: f64 = chunks.iter().map(|chunk| (chunk.len() as f64 / length).ceil()).sum();
    let threads = threads.min(worth as usize);
    // Both locks are held for a moment per piece, which is milliseconds of work.
    let pieces = Mutex::new(pieces);
    let sums = Mutex::new(Ok(vec![[0; FOLD_WORDS]; chunks.len()]));
    let work = || {
        loop {
            let Some((chunk, piece)) = pieces.lock().expect("no thread panicked").next() else { break };
            let part = control.proceed().and_then(|()| pair.recompute(piece));
            let mut sums = sums.lock().expect("no thread panicked");
            match (&mut *sums, part) {
                (Ok(sums), Ok((_, fold))) => pair.reference.merge_fold(&mut sums[chunk], &fold),
                (slot @ Ok(_), Err(error)) => *slot = Err(error),
                (Err(_), _) => break,
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    sums.into_inner().expect("no thread panicked")
}

/// All digits of a value, with an exponent where it would be long.
fn plain(value: f64) -> String {
    let readable = value == 0.0 || !value.is_finite() || (1e-3..1e9).contains(&value.abs());
    if readable { format!("{value}") } else { format!("{value:e}") }
}

/// The first value that is not `good`, looked for in blocks so that the search in good data is a vector loop.
fn first_bad_index<T: Copy>(values: &[T], good: impl Fn(T) -> bool) -> Option<usize> {
    const BLOCK: usize = 1024;
    let block = values.chunks(BLOCK).position(|block| !block.iter().fold(true, |all, x| all & good(*x)))?;
    let start = block * BLOCK;
    values[start..].iter().position(|x| !good(*x)).map(|i| start + i)
}
