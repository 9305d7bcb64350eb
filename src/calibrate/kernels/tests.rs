use std::sync::atomic::Ordering;

use clap::{Arg, ArgMatches};

use super::*;
use crate::backend::{Backend, BackendFacts, Done, Lane, LaneBody};
use crate::job::{Answer, Check, Chunk, ChunkOut, Class, Input, Kernel, Work};
use crate::machine::profile::Key;
use crate::plan::ChunkRule;
use crate::workloads::KernelInfo;

/// A backend with a clock of its own: a run takes 10 us and a nanosecond for each unit of cost, every `spike`-th one a
/// thousand times as long.
struct Clockwork {
    runs: usize,
    spike: usize,
    fails_at: Option<u64>,
}

struct Nothing(Option<Chunk>);

impl<'w> Lane<'w> for Nothing {
    fn depth(&self) -> usize {
        1
    }
    fn submit(&mut self, part: ChunkOut<'w>) -> Result<()> {
        self.0 = Some(part.chunk());
        Ok(())
    }
    fn collect(&mut self) -> Result<Done> {
        Ok(Done { chunk: self.0.take().expect("submitted"), fold: [0; 4] })
    }
}

impl Backend for Clockwork {
    fn facts(&self) -> BackendFacts {
        BackendFacts { id: "clockwork".into(), threads: 1, simd: "baseline", adapter: None }
    }
    fn chunks(&self, kernel: &dyn Kernel) -> Result<ChunkRule> {
        Ok(ChunkRule { lanes: 1, min: 1, max: kernel.items().max(1), grain: 1 })
    }
    fn run<'w>(&mut self, kernel: &dyn Kernel, body: &LaneBody<'_, 'w>) -> Result<Phases> {
        if self.fails_at == Some(kernel.items()) {
            return Err(Error::Device { backend: "clockwork".into(), why: "it broke".into() });
        }
        body(&mut Nothing(None))?;
        self.runs += 1;
        let odd = self.runs.is_multiple_of(self.spike);
        let seconds = 1e-5 + kernel.items() as f64 * kernel.work().cost() * 1e-9;
        Ok(Phases { kernel: seconds * if odd { 1000.0 } else { 1.0 }, ..Phases::default() })
    }
}

#[derive(Clone)]
struct Count(u64);

impl Kernel for Count {
    fn name(&self) -> &'static str {
        "count"
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
    fn work(&self) -> Work {
        Work { flops: 2.0, bytes_read: 0.0, bytes_written: 0.0 }
    }
    fn class(&self) -> Class {
        Class::Exact
    }
    fn seq(&self, _: &mut ChunkOut<'_>) {}
}

impl Job for Count {
    fn input(&self) -> Input {
        Input { items: self.0, item: "number", source: "generated".into() }
    }
    fn precisions(&self) -> &[Precision] {
        &[Precision::Integer]
    }
    fn steps(&self, _: Precision) -> Result<Vec<Step<'_>>> {
        Ok(vec![Step::Kernel(Box::new(self.clone()))])
    }
    fn finish(&self, _: &[Output]) -> Result<Answer> {
        Ok(Answer::default())
    }
    fn check(&self, _: &[Output], _: &Answer) -> Result<Check> {
        Ok(Check { what: String::new(), error: 0.0, bound: 0.0, detail: String::new() })
    }
    fn save(&self, _: &[Output], _: &std::path::Path) -> Result<()> {
        Ok(())
    }
}

/// Grows up to `most` items.
struct Counting {
    most: u64,
}

impl Workload for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }
    fn about(&self) -> &'static str {
        ""
    }
    fn kernels(&self) -> &'static [KernelInfo] {
        &[]
    }
    fn args(&self) -> Vec<Arg> {
        Vec::new()
    }
    fn prepare(&self, _: &ArgMatches, _: &Context) -> Result<Box<dyn Job>> {
        Ok(Box::new(Count(1)))
    }
    fn sized(&self, items: u64, _: &Context) -> Result<Vec<(String, Box<dyn Job>)>> {
        Ok(vec![("counting".into(), Box::new(Count(items.min(self.most))))])
    }
}

fn swept(backend: Clockwork, most: u64, seconds: f64, control: &Control) -> (Result<()>, Profile, Vec<String>) {
    let key = Key { version: "1".into(), cpu: "a cpu".into(), threads: 1, simd: "avx2".into() };
    let mut profile = Profile::new(key);
    let mut backends = [Opened::new(Box::new(backend), false, 0.0)];
    let mut sweep = Sweep {
        profile: &mut profile,
        backends: &mut backends,
        context: Context { seed: 1 },
        control,
        notes: Vec::new(),
        compiled: HashSet::new(),
    };
    let result = sweep.all(&[&Counting { most }], seconds);
    let notes = std::mem::take(&mut sweep.notes);
    (result, profile, notes)
}

fn clockwork(spike: usize) -> Clockwork {
    Clockwork { runs: 0, spike, fails_at: None }
}

#[test]
fn spikes_change_nothing_in_what_is_predicted() {
    // Every fourth run is a thousand times too long: of three timed ones at most one.
    for spike in [4, usize::MAX] {
        let (result, profile, notes) = swept(clockwork(spike), u64::MAX, 60.0, &Control::default());
        assert_eq!((result, notes.len()), (Ok(()), 0), "{notes:?}");
        let known = profile.backend("clockwork").unwrap().kernel("count", "integer", 0).unwrap();
        let (low, high) = known.curve.range().unwrap();
        assert_eq!(low, 2.0 * SMALLEST as f64);
        assert!(high * 1e-9 >= LONG && high * 1e-9 < LONG * 2.0 * STEP as f64, "{high}: as long as shows the rate");
        for cost in [32.0, 1e3, 12_345.0, 1e5, 1e7, 1e9] {
            let (expected, found) = (1e-5 + cost * 1e-9, known.curve.at(cost, 1e-5).unwrap().kernel);
            assert!(found / expected > 0.99 && found / expected < 1.14, "{cost}: {found} {expected}");
        }
    }
}

#[test]
fn what_does_not_fit_or_fails_is_said_and_a_signal_ends_it() {
    let control = Control::default();
    let (_, profile, notes) = swept(clockwork(usize::MAX), u64::MAX, 1e-12, &control);
    assert_eq!(notes, ["counting: no time for larger jobs of counting (clockwork)"]);
    let known = profile.backend("clockwork").unwrap().kernel("count", "integer", 0).unwrap();
    assert_eq!(known.curve.range(), Some((32.0, 32.0)), "every kernel of the host is met once");

    let broken = Clockwork { fails_at: Some(SMALLEST * STEP), ..clockwork(usize::MAX) };
    let (result, profile, notes) = swept(broken, u64::MAX, 60.0, &control);
    assert_eq!(result, Ok(()));
    assert!(notes.iter().any(|note| note.contains("it broke")), "{notes:?}");
    let known = profile.backend("clockwork").unwrap().kernel("count", "integer", 0).unwrap();
    assert_eq!(known.curve.range().unwrap().1, 2.0 * SMALLEST as f64, "what was measured before stays");

    control.signal.store(2, Ordering::Relaxed);
    assert_eq!(swept(clockwork(usize::MAX), u64::MAX, 60.0, &control).0, Err(Error::Signal(2)));
}

#[test]
fn a_workload_that_stops_growing_is_measured_once_at_its_largest() {
    let (_, profile, notes) = swept(clockwork(usize::MAX), 100, 60.0, &Control::default());
    assert!(notes.is_empty(), "{notes:?}");
    let known = profile.backend("clockwork").unwrap().kernel("count", "integer", 0).unwrap();
    assert_eq!(known.curve.range(), Some((32.0, 200.0)));
}
