//! From which size on a backend is faster than another one: the crossing of two measured curves, with its interval.

use serde::Serialize;

use super::stats::{Ratio, SAME_WITHIN, Verdict};

/// The smallest size from which on a backend stays faster, as far as the measured sizes tell. Sizes are numbers of
/// items.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum BreakEven {
    /// Faster at every measured size.
    Already {
        /// The smallest one.
        from: f64,
    },
    /// Faster from a size on.
    At {
        /// The size; the smallest measured one when the medians are never slower.
        size: f64,
        /// Below this it was not faster, whatever the true medians are within their intervals.
        low: f64,
        /// From here on it was faster, whatever the true medians are.
        high: f64,
        /// Whether `low` is the smallest measured size, so that the break-even may lie below it.
        open: bool,
    },
    /// Not faster at the largest size.
    Never {
        /// The largest size.
        up_to: f64,
        /// The largest size at which it was faster for certain, if there is one.
        once: Option<f64>,
    },
    /// The intervals overlap at the largest size, or the runs are too few: the runs do not tell.
    Unclear {
        /// Below this it was not faster; `None` when not even that is known.
        not_below: Option<f64>,
    },
    /// The two have no size in common.
    NotMeasured,
}

/// Where a curve is above zero for good.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Crossing {
    Everywhere,
    From(f64),
    Nowhere,
}

/// The break-even of a backend against another one, from how many times as fast it was at each size.
///
/// Between two sizes `ln(ratio)` is a straight line over `ln(size)`, as time curves that are powers of the size make
/// it. The break-even is the last size at which the line of the medians is not above zero. The interval is made the
/// same way from the line through the upper ends of the ratios' intervals (optimistic) and through their lower ends
/// (pessimistic): whenever all true ratios lie in their intervals, and between the sizes on lines, the true break-even
/// lies in it. Each interval is taken at least as wide as 5 % to both sides ([`SAME_WITHIN`]), so that a size counts as
/// faster exactly when its verdict is `faster`, and at a size whose verdict is missing for lack of runs nothing is
/// known.
///
/// `speedups` may be in any order; sizes that are not positive or ratios that are not positive numbers are left out.
#[must_use]
pub fn break_even(speedups: &[(f64, Ratio)]) -> BreakEven {
    let positive = |x: f64| x > 0.0 && x.is_finite();
    let mut points: Vec<(f64, [f64; 3])> = speedups
        .iter()
        .filter(|(size, r)| [*size, r.ratio, r.low, r.high].into_iter().all(positive))
        .map(|(size, ratio)| (size.ln(), logarithms(ratio)))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return BreakEven::NotMeasured };
    let (first, up_to) = (first.0.exp(), last.0.exp());
    let line = |which: usize| crossing(points.iter().map(|(x, y)| (*x, y[which])));
    match (line(PESSIMISTIC), line(MEDIAN), line(OPTIMISTIC)) {
        (Crossing::Everywhere, ..) => BreakEven::Already { from: first },
        (_, _, Crossing::Nowhere) => {
            let faster = points.iter().rev().find(|(_, y)| y[PESSIMISTIC] > 0.0);
            BreakEven::Never { up_to, once: faster.map(|(x, _)| x.exp()) }
        }
        (Crossing::Nowhere, _, optimistic) => BreakEven::Unclear { not_below: size(optimistic) },
        (Crossing::From(high), median, optimistic) => BreakEven::At {
            size: size(median).unwrap_or(first),
            low: size(optimistic).unwrap_or(first),
            high: high.exp(),
            open: optimistic == Crossing::Everywhere,
        },
    }
}

const PESSIMISTIC: usize = 0;
const MEDIAN: usize = 1;
const OPTIMISTIC: usize = 2;

/// `ln` of a ratio's lower end, of itself and of its upper end.
fn logarithms(ratio: &Ratio) -> [f64; 3] {
    let (median, least) = (ratio.ratio.ln(), SAME_WITHIN.ln());
    let (mut low, mut high) = (ratio.low.ln().min(median - least), ratio.high.ln().max(median + least));
    if !matches!(ratio.verdict, Verdict::Faster | Verdict::Slower) {
        (low, high) = (low.min(-least), high.max(least));
    }
    [low, median, high]
}

fn size(crossing: Crossing) -> Option<f64> {
    if let Crossing::From(x) = crossing { Some(x.exp()) } else { None }
}

/// The last `x` at which the line through `points`, sorted by `x`, is not above zero.
fn crossing(points: impl DoubleEndedIterator<Item = (f64, f64)>) -> Crossing {
    let mut above: Option<(f64, f64)> = None;
    for (x, y) in points.rev() {
        if y <= 0.0 {
            return match above {
                None => Crossing::Nowhere,
                Some((x1, y1)) => Crossing::From(x + (x1 - x) * (-y / (y1 - y))),
            };
        }
        above = Some((x, y));
    }
    if above.is_some() { Crossing::Everywhere } else { Crossing::Nowhere }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::measure::stats::Summary;

    fn summary(median: f64, spread: f64) -> Summary {
        let (low, high) = (median / (1.0 + spread), median * (1.0 + spread));
        Summary { median, low, high, min: low, n: 10, coverage: 0.9785 }
    }

    /// Two curves at two sizes a decade, the medians off by `noise` (each within -1..1) times `spread`.
    fn curves(
        ours: impl Fn(f64) -> f64,
        theirs: impl Fn(f64) -> f64,
        spread: f64,
        noise: &[(f64, f64)],
    ) -> Vec<(f64, Ratio)> {
        let at = |i: usize| 10f64.powf(3.0 + 0.5 * i as f64);
        let noisy = |t: f64, e: f64| summary(t * (1.0 + spread).powf(e), spread);
        noise
            .iter()
            .enumerate()
            .map(|(i, (a, b))| (at(i), Ratio::of(&noisy(theirs(at(i)), *a), &noisy(ours(at(i)), *b))))
            .collect()
    }

    fn noise() -> impl Strategy<Value = Vec<(f64, f64)>> {
        proptest::collection::vec((-1.0..1.0, -1.0..1.0), 9)
    }

    /// Whether the answer allows that the break-even is at `truth`.
    fn allows(answer: BreakEven, truth: f64) -> bool {
        let tiny = 1.0 + 1e-9;
        match answer {
            BreakEven::Already { from } => truth <= from * tiny,
            BreakEven::At { low, high, open, .. } => truth <= high * tiny && (open || truth * tiny >= low),
            BreakEven::Never { up_to, .. } => truth * tiny >= up_to,
            BreakEven::Unclear { not_below } => not_below.is_none_or(|low| truth * tiny >= low),
            BreakEven::NotMeasured => false,
        }
    }

    proptest! {
        #[test]
        fn the_crossing_of_two_powers_is_in_the_interval(
            truth in 2.0f64..8.0, flat in 0.0f64..0.8, spread in 0.0f64..0.2, noise in noise(),
        ) {
            let truth = 10f64.powf(truth);
            let (ours, theirs) = (|n: f64| 1e-3 * (n / truth).powf(flat), |n: f64| 1e-3 * (n / truth));
            let answer = break_even(&curves(ours, theirs, spread, &noise));
            prop_assert!(allows(answer, truth), "{truth}: {answer:?}");
        }

        #[test]
        fn the_crossing_of_a_start_up_cost_is_in_the_interval(
            truth in 3.2f64..6.8, faster in 0.05f64..0.6, spread in 0.0f64..0.2,
        ) {
            // Ours: a fixed cost and a lower rate, as a device has. A straight line between two sizes is then off by at
            // most h^2 / 8 times the curvature 1/4: 4.1 % at two sizes a decade, which the least width of 5 % covers.
            let noise = [(0.0, 0.0); 9];
            let truth = 10f64.powf(truth);
            let ours = |n: f64| 1e-8 * (truth * (1.0 - faster) + n * faster);
            let answer = break_even(&curves(ours, |n| 1e-8 * n, spread, &noise));
            prop_assert!(allows(answer, truth), "{truth}: {answer:?}");
        }

        #[test]
        fn a_wrong_crossing_is_not_accepted(
            truth in 4.0f64..6.0, off in prop_oneof![0.1f64..0.5, 2.0f64..10.0], noise in noise(),
        ) {
            let truth = 10f64.powf(truth);
            let answer = break_even(&curves(|_| 1e-3, |n| 1e-3 * (n / truth), 0.05, &noise));
            prop_assert!(matches!(answer, BreakEven::At { .. }), "{answer:?}");
            prop_assert!(!allows(answer, truth * off), "{truth} x {off}: {answer:?}");
        }

        #[test]
        fn a_tighter_interval_lies_in_the_wider_one(
            truth in 4.0f64..6.0, spread in 0.06f64..0.2, noise in noise(),
        ) {
            let truth = 10f64.powf(truth);
            let still: Vec<_> = noise.iter().map(|_| (0.0, 0.0)).collect();
            let of = |spread| break_even(&curves(|_| 1e-3, |n| 1e-3 * (n / truth), spread, &still));
            let (wide, tight) = (of(spread), of(0.5 * spread));
            let (BreakEven::At { low, high, .. }, BreakEven::At { low: inner_low, high: inner_high, size, .. }) =
                (wide, tight) else { panic!("{wide:?} {tight:?}") };
            prop_assert!(low <= inner_low && inner_low <= size && size <= inner_high && inner_high <= high);
            prop_assert!((size / truth - 1.0).abs() < 1e-9, "without noise the crossing is exact: {size} {truth}");
        }

        #[test]
        fn no_input_is_too_strange(values in proptest::collection::vec(any::<(f64, f64, f64, f64)>(), 0..6)) {
            let strange: Vec<_> = values
                .into_iter()
                .map(|(size, ratio, low, high)| (size, Ratio { ratio, low, high, verdict: Verdict::Faster }))
                .collect();
            let _ = break_even(&strange);
        }
    }

    fn at(ratios: &[(f64, f64)]) -> BreakEven {
        let of = |&(size, ratio): &(f64, f64)| (size, Ratio::of(&summary(ratio, 0.01), &summary(1.0, 0.01)));
        break_even(&ratios.iter().map(of).collect::<Vec<_>>())
    }

    #[test]
    fn the_ends_of_the_range_have_answers_of_their_own() {
        assert_eq!(at(&[]), BreakEven::NotMeasured);
        assert_eq!(at(&[(1.0, 2.0)]), BreakEven::Already { from: 1.0 });
        assert_eq!(at(&[(1.0, 0.5)]), BreakEven::Never { up_to: 1.0, once: None });
        assert_eq!(at(&[(1.0, 1.0)]), BreakEven::Unclear { not_below: None });
        assert!(matches!(at(&[(1.0, 3.0), (10.0, 2.0), (100.0, 4.0)]), BreakEven::Already { .. }));
        let BreakEven::Never { up_to, once: Some(once) } = at(&[(1.0, 0.5), (10.0, 2.0), (100.0, 0.5)]) else {
            panic!("faster in the middle only")
        };
        assert!((up_to - 100.0).abs() < 1e-9 && (once - 10.0).abs() < 1e-9);
        let BreakEven::Unclear { not_below: Some(low) } = at(&[(1.0, 0.25), (100.0, 1.0)]) else {
            panic!("equal at the largest size")
        };
        assert!((1.0..100.0).contains(&low));
        // Slower again at 100: only what comes after counts.
        let BreakEven::At { size, .. } = at(&[(1.0, 2.0), (10.0, 2.0), (100.0, 0.5), (1000.0, 2.0)]) else {
            panic!("it crosses")
        };
        assert!((size / 100.0 - 10f64.sqrt()).abs() < 1e-9, "{size}");
        // Not to be told at the smallest size, faster from then on: the break-even may lie below the range.
        let BreakEven::At { size, low, high, open: true } = at(&[(1.0, 1.02), (100.0, 4.0)]) else {
            panic!("open at the lower end")
        };
        assert!(size == 1.0 && low == 1.0 && high > 1.0 && high < 100.0);
    }

    #[test]
    fn the_order_of_the_sizes_does_not_matter() {
        assert_eq!(at(&[(100.0, 2.0), (1.0, 0.5), (10.0, 0.9)]), at(&[(1.0, 0.5), (10.0, 0.9), (100.0, 2.0)]));
    }

    #[test]
    fn too_few_runs_never_tell() {
        let few = |ratio: f64| Summary { n: 3, coverage: 0.75, ..summary(ratio, 0.001) };
        let of = |(size, ratio): (f64, f64)| (size, Ratio::of(&few(ratio), &few(1.0)));
        assert_eq!(break_even(&[(1.0, 0.1), (10.0, 10.0)].map(of)), BreakEven::Unclear { not_below: None });
    }

    #[test]
    fn faster_at_a_size_means_that_its_verdict_is_faster() {
        for percent in 50..200 {
            let ratio = Ratio::of(&summary(f64::from(percent) / 100.0, 0.02), &summary(1.0, 0.02));
            let already = matches!(break_even(&[(1.0, ratio)]), BreakEven::Already { .. });
            assert_eq!(already, ratio.verdict == Verdict::Faster, "{percent}");
        }
    }
}
