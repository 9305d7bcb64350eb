//! The sharing in virtual time: simulated backends of different, changing and failing speeds.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use proptest::prelude::*;

use super::*;

/// A simulated backend.
struct Simulated {
    /// Chunks side by side.
    lanes: usize,
    /// Chunks in flight on each lane, one computing at a time.
    depth: usize,
    /// Smallest efficient chunk.
    min: u64,
    /// Seconds that every chunk costs besides its items.
    latency: f64,
    /// Items per second of all lanes from a time on, by time; 0 is death.
    speeds: Vec<(f64, f64)>,
    /// What the planner expects.
    expected: Option<f64>,
}

impl Simulated {
    fn steady(lanes: usize, speed: f64) -> Self {
        Self { lanes, depth: 1, min: 64, latency: 1e-6, speeds: vec![(0.0, speed)], expected: Some(speed) }
    }

    fn device(speed: f64) -> Self {
        Self { lanes: 1, depth: 2, min: 4096, latency: 1e-4, ..Self::steady(1, speed) }
    }

    fn changing(mut self, at: f64, speed: f64) -> Self {
        self.speeds.push((at, speed));
        self
    }

    /// When a lane that starts `items` at `start` is done; `None` when it dies before.
    fn finish(&self, start: f64, items: u64) -> Option<f64> {
        let (mut left, mut now) = (items as f64 * self.lanes as f64, start + self.latency);
        for (i, (_, speed)) in self.speeds.iter().enumerate() {
            let until = self.speeds.get(i + 1).map_or(f64::INFINITY, |next| next.0);
            if now >= until {
                continue;
            }
            if *speed == 0.0 {
                return None;
            }
            if now + left / speed <= until {
                return Some(now + left / speed);
            }
            left -= (until - now) * speed;
            now = until;
        }
        None
    }

    /// Items that it does until `time` without any overhead.
    fn done_by(&self, time: f64) -> f64 {
        let piece = |(i, (from, speed)): (usize, &(f64, f64))| {
            let until = self.speeds.get(i + 1).map_or(f64::INFINITY, |next| next.0).min(time);
            (until - from).max(0.0) * speed
        };
        self.speeds.iter().enumerate().map(piece).sum()
    }
}

/// A lane that asks for its next chunk at a time; the earliest first.
struct Ask {
    at: f64,
    member: usize,
    /// When each chunk in flight is done, its items.
    flights: VecDeque<(f64, u64)>,
}

impl PartialEq for Ask {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Ask {}
impl PartialOrd for Ask {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Ask {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.total_cmp(&self.at)
    }
}

/// The makespan of `items` on `backends`, and the items that each one did. What a dying one held, and what nobody took, is done
/// in a second round, as the chunk loop does it.
fn simulate(backends: &[Simulated], items: u64) -> (f64, Vec<u64>) {
    let mut done = vec![0; backends.len()];
    let mut dead = vec![false; backends.len()];
    let (mut left, mut clock) = (items, 0.0);
    while left > 0 {
        let round = left;
        let members = backends.iter().map(|b| Newcomer {
            rule: ChunkRule { lanes: b.lanes as u64, min: b.min, max: 1 << 40, grain: 1 },
            lanes: b.lanes,
            brief: 10.0 * b.latency,
            speed: b.expected,
        });
        let share = Share::new(members);
        (0..backends.len()).filter(|at| dead[*at]).for_each(|at| share.leave(at));
        let mut queue = BinaryHeap::new();
        for (member, backend) in backends.iter().enumerate().filter(|(at, _)| !dead[*at]) {
            for _ in 0..backend.lanes {
                queue.push(Ask { at: clock, member, flights: VecDeque::new() });
            }
        }
        let (mut remaining, mut lost, mut end) = (round, 0, clock);
        while let Some(mut ask) = queue.pop() {
            let backend = &backends[ask.member];
            // Full lanes, and drained ones, collect the oldest chunk.
            let next = if ask.flights.len() < backend.depth { share.next(ask.member, remaining) } else { 0 };
            if next > 0 {
                remaining -= next;
                let begin = ask.flights.back().map_or(ask.at, |flight| flight.0.max(ask.at));
                match backend.finish(begin, next) {
                    Some(end) => ask.flights.push_back((end, next)),
                    None => {
                        lost += next + ask.flights.iter().map(|flight| flight.1).sum::<u64>();
                        dead[ask.member] = true;
                        share.leave(ask.member);
                        continue;
                    }
                }
                if ask.flights.len() < backend.depth {
                    queue.push(ask);
                    continue;
                }
            }
            let Some((finished, items)) = ask.flights.pop_front() else { continue };
            let begin = if backend.depth > 1 { ask.at.min(finished - 1e-12) } else { ask.at };
            let alone = finished - begin;
            share.learn(ask.member, items, alone.max(1e-12));
            done[ask.member] += items;
            end = end.max(finished);
            queue.push(Ask { at: finished, ..ask });
        }
        // When the fastest member changes at the very end, each may leave the rest to another: the chunk loop goes round again.
        assert!(remaining < round, "a round that does nothing would go on for ever");
        (left, clock) = (lost + remaining, end);
    }
    assert_eq!(done.iter().sum::<u64>(), items, "items were lost or done twice");
    (clock, done)
}

/// The least makespan: when all backends together could have done everything.
fn ideal(backends: &[Simulated], items: u64) -> f64 {
    let (mut low, mut high) = (0.0, 1e6);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        let done: f64 = backends.iter().map(|b| b.done_by(middle)).sum();
        if done >= items as f64 { high = middle } else { low = middle }
    }
    high
}

/// Asserts that the makespan is within 10 % of the ideal one.
fn within(backends: &[Simulated], items: u64) -> Vec<u64> {
    let ((found, done), best) = (simulate(backends, items), ideal(backends, items));
    assert!(found <= 1.1 * best, "{found:.4} s, ideal {best:.4} s: {done:?}");
    done
}

#[test]
fn each_does_what_its_speed_is_worth() {
    let done = within(&[Simulated::steady(8, 1e8), Simulated::device(4e8)], 1_000_000_000);
    assert!((done[1] as f64 / done[0] as f64 - 4.0).abs() < 0.4, "{done:?}");
    within(&[Simulated::steady(16, 3e8), Simulated::device(3e9), Simulated::device(1e9)], 3_000_000_000);
    within(&[Simulated::steady(2, 1e8), Simulated::device(1e6)], 100_000_000);
}

#[test]
fn wrong_expectations_are_corrected() {
    for expected in [None, Some(1e6), Some(1e10)] {
        let wrong = |speed: f64| Simulated { expected, ..Simulated::device(speed) };
        within(&[Simulated::steady(4, 1e8), wrong(2e8)], 1_000_000_000);
        within(&[Simulated { expected, ..Simulated::steady(4, 1e8) }, wrong(2e8)], 1_000_000_000);
    }
}

#[test]
fn five_times_slower_midway_whenever_it_happens() {
    for tenth in 1..10 {
        let at = f64::from(tenth) * 0.5;
        within(&[Simulated::steady(4, 1e8), Simulated::device(1e8).changing(at, 2e7)], 1_000_000_000);
        within(&[Simulated::steady(4, 1e8).changing(at, 2e7), Simulated::device(1e8)], 1_000_000_000);
        within(&[Simulated::steady(4, 1e8), Simulated::device(2e7).changing(at, 1e8)], 1_000_000_000);
    }
}

#[test]
fn a_backend_that_dies_loses_nothing() {
    for tenth in 1..10 {
        let at = f64::from(tenth) * 0.5;
        let done = within(&[Simulated::steady(4, 1e8), Simulated::device(1e8).changing(at, 0.0)], 1_000_000_000);
        assert!(done[1] as f64 <= at * 1e8, "{done:?}");
    }
}

#[test]
fn a_slow_device_does_not_keep_the_others_waiting() {
    // Its smallest chunk takes 1 s, the others do everything in 0.1 s.
    let slow = Simulated { min: 1 << 20, ..Simulated::device(1e6) };
    let (found, done) = simulate(&[Simulated::steady(2, 1e8), slow], 10_000_000);
    assert!(found < 0.11 && done[1] == 0, "{found} {done:?}");
}

#[test]
fn no_items_and_few_items() {
    let backends = [Simulated::steady(2, 1e8), Simulated::device(1e8)];
    for items in [0, 1, 2, 63, 64, 65, 4097] {
        simulate(&backends, items);
    }
}

proptest! {
    /// Any team, right or wrong about its speeds: everything is done once, and no later than 10 % after the ideal.
    #[test]
    fn any_team_comes_close_to_the_ideal(
        host in 1e7..1e9f64,
        lanes in 1usize..64,
        devices in prop::collection::vec((1e6..1e10f64, prop::option::of(0.1..10.0f64)), 1..4),
        items in 2_000_000_000u64..4_000_000_000,
    ) {
        let mut team = vec![Simulated::steady(lanes, host)];
        team.extend(devices.iter().map(|(speed, error)| Simulated { expected: error.map(|e| e * speed), ..Simulated::device(*speed) }));
        let ((found, _), best) = (simulate(&team, items), ideal(&team, items));
        // A device that does a chunk in no time is bound by its latency, which the ideal has not.
        prop_assert!(found <= 1.1 * best + 200.0 * 1e-4, "{found} {best}");
    }
}
