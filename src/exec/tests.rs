use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::backend::{BackendFacts, LaneBody};
use crate::job::{Class, ColumnSpec, Precision, Scalar, Work};

/// Squares of the item numbers in a column, their sum in the fold.
struct Squares(u64);

impl Kernel for Squares {
    fn name(&self) -> &'static str {
        "squares"
    }
    fn item(&self) -> &'static str {
        "number"
    }
    fn items(&self) -> u64 {
        self.0
    }
    fn precision(&self) -> Precision {
        Precision::Integer
    }
    fn grain(&self) -> u64 {
        4
    }
    fn work(&self) -> Work {
        Work { flops: 1.0, bytes_read: 0.0, bytes_written: 4.0 }
    }
    fn class(&self) -> Class {
        Class::Exact
    }
    fn columns(&self) -> Vec<ColumnSpec> {
        vec![ColumnSpec { name: "square", scalar: Scalar::U32, per_item: 1 }]
    }
    fn fold_words(&self) -> usize {
        1
    }
    fn seq(&self, out: &mut ChunkOut<'_>) {
        let chunk = out.chunk();
        for (item, square) in (chunk.start..chunk.end).zip(out.column::<u32>(0)) {
            *square = (item * item) as u32;
        }
        out.fold[0] += (chunk.start..chunk.end).map(|item| item * item).sum::<u64>();
    }
}

/// A backend with chunks in flight that can be slow and that dies when it should submit chunk number `dies`.
struct Simulated {
    name: &'static str,
    depth: usize,
    pause: Duration,
    dies: u64,
    submitted: AtomicU64,
}

impl Simulated {
    fn new(name: &'static str, pause: u64, dies: u64) -> Self {
        let pause = Duration::from_micros(pause);
        Self { name, depth: 2, pause, dies, submitted: AtomicU64::new(0) }
    }
}

struct SimulatedLane<'s, 'w> {
    backend: &'s Simulated,
    kernel: &'s dyn Kernel,
    flights: Vec<ChunkOut<'w>>,
}

impl<'w> Lane<'w> for SimulatedLane<'_, 'w> {
    fn depth(&self) -> usize {
        self.backend.depth
    }
    fn submit(&mut self, part: ChunkOut<'w>) -> Result<()> {
        if self.backend.submitted.fetch_add(1, Ordering::Relaxed) >= self.backend.dies {
            return Err(Error::Device { backend: self.backend.name.into(), why: "fell off the bus".into() });
        }
        self.flights.push(part);
        Ok(())
    }
    fn collect(&mut self) -> Result<Done> {
        let mut part = self.flights.remove(0);
        std::thread::sleep(self.backend.pause);
        self.kernel.seq(&mut part);
        Ok(Done { chunk: part.chunk(), fold: part.fold })
    }
}

impl Backend for Simulated {
    fn facts(&self) -> BackendFacts {
        BackendFacts { id: self.name.into(), threads: 1, simd: "baseline", adapter: None }
    }
    fn chunks(&self, _: &dyn Kernel) -> Result<ChunkRule> {
        Ok(ChunkRule { lanes: 2, min: 16, max: 4096, grain: 4 })
    }
    fn run<'w>(&mut self, kernel: &dyn Kernel, body: &LaneBody<'_, 'w>) -> Result<Phases> {
        body(&mut SimulatedLane { backend: self, kernel, flights: Vec::new() })?;
        Ok(Phases::default())
    }
}

/// Runs `items` on the team and checks every value and the sum.
fn run(team: &mut [Simulated], items: u64) -> Result<StepTrace> {
    let kernel = Squares(items);
    let mut output = Output::for_kernel(&kernel)?;
    output.column_mut::<u32>(0).fill(u32::MAX);
    let mut workers: Vec<Worker<'_>> = Vec::new();
    for backend in team {
        workers.push(Worker { rule: backend.chunks(&kernel)?, backend, expected: None });
    }
    let trace = run_together(&kernel, &mut workers, &mut output, &Control::default())?;
    assert_eq!(output.fold[0], (0..items).map(|item| item * item).sum::<u64>());
    assert!(output.column::<u32>(0).iter().zip(0_u64..).all(|(square, item)| *square == (item * item) as u32));
    assert_eq!(trace.workers.iter().map(|worker| worker.items).sum::<u64>(), items);
    assert_eq!(trace.chunks, trace.workers.iter().map(|worker| worker.chunks).sum::<u64>());
    Ok(trace)
}

#[test]
fn several_backends_do_every_item_once() {
    for items in [0, 1, 3, 4, 15, 16, 17, 1000, 100_003] {
        run(&mut [Simulated::new("a", 0, u64::MAX), Simulated::new("b", 20, u64::MAX)], items).unwrap();
    }
}

#[test]
fn what_a_dead_backend_held_is_done_by_the_others() {
    for dies in [0, 1, 2, 3, 10] {
        let trace = run(&mut [Simulated::new("a", 50, u64::MAX), Simulated::new("b", 0, dies)], 100_003).unwrap();
        assert_eq!(trace.workers[1].failed.as_ref().unwrap().exit_code(), 6);
        assert!(trace.workers[1].chunks <= dies, "what it had in flight does not count");
        assert_eq!(trace.workers[0].failed, None);
    }
}

#[test]
fn a_team_without_survivors_fails_with_the_first_reason() {
    let error = run(&mut [Simulated::new("a", 0, 3), Simulated::new("b", 0, 2)], 100_000).unwrap_err();
    assert_eq!(error.exit_code(), 6);
    let error = run(&mut [Simulated::new("a", 0, 3)], 100_000).unwrap_err();
    assert!(error.to_string().contains("fell off the bus"), "{error}");
}

#[test]
fn spans_are_written_only_when_asked_for_and_cover_the_chunks() {
    let kernel = Squares(10_000);
    let mut output = Output::for_kernel(&kernel).unwrap();
    let mut backend = Simulated::new("a", 0, u64::MAX);
    let rule = backend.chunks(&kernel).unwrap();
    let trace = run_step(&kernel, rule, &mut backend, &mut output, &Control::default()).unwrap();
    assert!(trace.workers[0].spans.is_empty());
    let control = Control { trace: Some(Instant::now()), ..Control::default() };
    let trace = run_step(&kernel, rule, &mut backend, &mut output, &control).unwrap();
    let spans = &trace.workers[0].spans;
    assert_eq!(spans.iter().map(|span| span.chunk.len()).sum::<u64>(), 10_000);
    assert!(spans.iter().all(|span| span.doing == Doing::Kernel && span.start >= 0.0 && span.end > span.start));
}

#[test]
fn gaps_between_chunks_are_found() {
    let partial = |start, end| Partial { chunk: Chunk::new(start, end), fold: [0; FOLD_WORDS] };
    let gaps = |done: &[Partial]| missing(done, 10).iter().map(|c| (c.start, c.end)).collect::<Vec<_>>();
    assert_eq!(gaps(&[]), [(0, 10)]);
    assert_eq!(gaps(&[partial(0, 10)]), []);
    assert_eq!(gaps(&[partial(2, 4), partial(4, 5), partial(7, 9)]), [(0, 2), (5, 7), (9, 10)]);
}
