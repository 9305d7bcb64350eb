//! Statistics of repeated timings that assume nothing about their distribution: medians, intervals from order
//! statistics, ratios, verdicts.

use serde::{Deserialize, Serialize};

/// The coverage that an interval aims for.
const CONFIDENCE: f64 = 0.95;

/// Below this coverage a verdict is not given: four runs or fewer (87.5 %) cannot tell, five (93.75 %) can.
const LEAST_COVERAGE: f64 = 0.9;

/// Two times within 5 % of each other count as the same. Where code and data happen to lie in memory moves a loop's
/// time by a few percent from build to build and from process to process, so that a smaller difference says nothing
/// about the code even when it repeats within one process.
pub const SAME_WITHIN: f64 = 1.05;

/// A sample in five numbers: the JSON report's `seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The middle value; the mean of the two middle ones when `n` is even.
    pub median: f64,
    /// Lower end of the interval of the median.
    pub low: f64,
    /// Upper end of the interval of the median.
    pub high: f64,
    /// The smallest value.
    pub min: f64,
    /// Number of values.
    pub n: usize,
    /// The probability that an interval made this way covers the true median: at least 0.95 from six values on.
    pub coverage: f64,
}

impl Summary {
    /// Summarises `values`; `None` when there are none. NaN sorts last and so shows in `high`.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let [lower, upper] = middle(values)?;
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let ranks = median_ranks(sorted.len());
        Some(Self {
            median: 0.5 * (values[lower] + values[upper]),
            low: sorted[ranks.low - 1],
            high: sorted[ranks.high - 1],
            min: sorted[0],
            n: sorted.len(),
            coverage: ranks.coverage,
        })
    }
}

/// The indices of the two middle values (the same one twice when their number is odd); `None` when there are none.
#[must_use]
pub fn middle(values: &[f64]) -> Option<[usize; 2]> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let lower = *order.get(values.len().checked_sub(1)? / 2)?;
    Some([lower, order[values.len() / 2]])
}

/// Which of the sorted values bound the median.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranks {
    /// Rank of the lower end, counted from 1.
    pub low: usize,
    /// Rank of the upper end.
    pub high: usize,
    /// Probability that the interval covers the median.
    pub coverage: f64,
}

/// The narrowest interval `[x(l), x(n+1-l)]` of `n` sorted values that covers the true median with at least 95 %.
///
/// Each value lies below the median with probability 1/2, so the number of those that do is binomial and the coverage
/// is `1 - 2 * sum of C(n,k) / 2^n over k < l`, whatever the distribution (exactly, if it is continuous). Up to five
/// values no interval reaches 95 %: then it is `[min, max]` with the coverage it has, `1 - 2^(1-n)`.
///
/// Source: H. A. David and H. N. Nagaraja, Order Statistics, 3rd ed., section 7.1.
#[must_use]
pub fn median_ranks(n: usize) -> Ranks {
    // ln C(n,k) / 2^n, from term to term, so that large n neither overflows nor vanishes.
    let mut ln_term = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = ln_term.exp();
    let mut low = 1;
    while low < n.div_ceil(2) {
        ln_term += ((n - low + 1) as f64 / low as f64).ln();
        let next = tail + ln_term.exp();
        if 1.0 - 2.0 * next < CONFIDENCE {
            break;
        }
        tail = next;
        low += 1;
    }
    Ranks { low, high: n.max(1) + 1 - low, coverage: (1.0 - 2.0 * tail).max(0.0) }
}

/// How a time compares to a baseline's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Faster than the baseline.
    Faster,
    /// Slower than the baseline.
    Slower,
    /// Within 5 % of the baseline, the whole interval.
    Same,
    /// The runs do not tell.
    Unclear,
}

impl Verdict {
    /// The word in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::Same => "same",
            Verdict::Unclear => "unclear",
        }
    }
}

/// How many times as fast as a baseline: above 1 is faster.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// The baseline's median divided by ours.
    pub ratio: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// The interval in a word.
    pub verdict: Verdict,
}

impl Ratio {
    /// Compares `ours` to `baseline`.
    ///
    /// The interval is `[baseline.low / ours.high, baseline.high / ours.low]`: it covers the true ratio whenever both
    /// medians lie in their intervals, so with at least the sum of both coverages less 1 (90 % for two of 95 %)
    /// whatever the distributions. It is conservative: independent errors add as squares, the widths of this interval
    /// add plainly, so that in practice it covers more often than either of the two (simulated in the tests).
    ///
    /// The verdict, in this order:
    /// - `unclear` when either interval covers less than 90 % (fewer than five runs), or a time is not positive;
    /// - `same` when the whole interval lies within 1/1.05..1.05;
    /// - `faster` when the interval lies above 1 and the ratio is above 1.05; `slower` likewise below;
    /// - `unclear` otherwise.
    #[must_use]
    pub fn of(baseline: &Summary, ours: &Summary) -> Self {
        let ratio = baseline.median / ours.median;
        let (low, high) = (baseline.low / ours.high, baseline.high / ours.low);
        let enough = baseline.coverage.min(ours.coverage) >= LEAST_COVERAGE;
        let positive = baseline.low > 0.0 && ours.low > 0.0;
        let verdict = match () {
            () if !(enough && positive) => Verdict::Unclear,
            () if low >= 1.0 / SAME_WITHIN && high <= SAME_WITHIN => Verdict::Same,
            () if low > 1.0 && ratio > SAME_WITHIN => Verdict::Faster,
            () if high < 1.0 && ratio < 1.0 / SAME_WITHIN => Verdict::Slower,
            () => Verdict::Unclear,
        };
        Self { ratio, low, high, verdict }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::numeric::philox::Philox;

    #[test]
    fn ranks_are_those_of_the_binomial_table() {
        // n, lower rank, upper rank, coverage: from the cumulative binomial table for p = 1/2.
        let table = [
            (6, 1, 6, 0.9688),
            (7, 1, 7, 0.9844),
            (8, 1, 8, 0.9922),
            (9, 2, 8, 0.9609),
            (10, 2, 9, 0.9785),
            (11, 2, 10, 0.9883),
            (12, 3, 10, 0.9614),
            (15, 4, 12, 0.9648),
            (20, 6, 15, 0.9586),
            (25, 8, 18, 0.9567),
            (30, 10, 21, 0.9572),
            (50, 18, 33, 0.9672),
            (100, 40, 61, 0.9648),
        ];
        for (n, low, high, coverage) in table {
            let ranks = median_ranks(n);
            assert_eq!((ranks.low, ranks.high), (low, high), "n = {n}");
            assert!((ranks.coverage - coverage).abs() < 5e-5, "n = {n}: {}", ranks.coverage);
        }
    }

    #[test]
    fn few_values_give_their_range_and_say_what_it_covers() {
        for (n, coverage) in [(1, 0.0), (2, 0.5), (3, 0.75), (4, 0.875), (5, 0.9375)] {
            let ranks = median_ranks(n);
            assert_eq!((ranks.low, ranks.high), (1, n));
            assert!((ranks.coverage - coverage).abs() < 1e-12, "n = {n}: {}", ranks.coverage);
        }
        assert_eq!(Summary::of(&[]), None);
        let one = Summary::of(&[3.0]).unwrap();
        assert_eq!((one.median, one.low, one.high, one.min, one.n), (3.0, 3.0, 3.0, 3.0, 1));
    }

    #[test]
    fn a_hundred_thousand_values_do_not_overflow() {
        let ranks = median_ranks(100_000);
        // Normal approximation: n/2 - 1.96 sqrt(n)/2.
        assert!((ranks.low as f64 - (50_000.0 - 0.98 * 100_000f64.sqrt())).abs() < 2.0, "{ranks:?}");
        assert!((0.95..0.952).contains(&ranks.coverage), "{ranks:?}");
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        let values = [9.0, 1.0, 4.0, 2.0];
        assert_eq!(Summary::of(&values).unwrap().median, 3.0);
        assert_eq!(middle(&values), Some([3, 2]));
        assert_eq!(middle(&[9.0, 1.0, 4.0]), Some([2, 2]));
    }

    /// A skewed timing: a floor of 1, and an exponential tail of mean `spread`. Its median is `1 + spread ln 2`.
    fn timing(rng: &mut Philox, spread: f64) -> f64 {
        1.0 - spread * (1.0 - rng.random::<f64>()).ln()
    }

    #[test]
    fn intervals_cover_as_often_as_they_say() {
        let mut rng = Philox::new(1, 0);
        let (trials, median) = (4000, 1.0 + std::f64::consts::LN_2);
        for n in [3, 5, 6, 10, 15, 30] {
            let covered = (0..trials)
                .filter(|_| {
                    let values: Vec<f64> = (0..n).map(|_| timing(&mut rng, 1.0)).collect();
                    let summary = Summary::of(&values).unwrap();
                    summary.low <= median && median <= summary.high
                })
                .count() as f64
                / f64::from(trials);
            let stated = median_ranks(n).coverage;
            // Four standard errors of a proportion.
            let error = 4.0 * (stated * (1.0 - stated) / f64::from(trials)).sqrt();
            assert!((covered - stated).abs() < error, "n = {n}: {covered} instead of {stated}");
        }
    }

    #[test]
    fn ratio_intervals_cover_at_least_as_often_as_their_parts() {
        let mut rng = Philox::new(2, 0);
        let trials = 2000;
        for n in [5, 6, 10, 30] {
            for (spread_a, spread_b) in [(0.1, 0.1), (1.0, 0.01), (0.01, 1.0), (1.0, 1.0)] {
                let ln2 = std::f64::consts::LN_2;
                let truth = 3.0 * (1.0 + spread_a * ln2) / (1.0 + spread_b * ln2);
                let covered = (0..trials)
                    .filter(|_| {
                        let a: Vec<f64> = (0..n).map(|_| 3.0 * timing(&mut rng, spread_a)).collect();
                        let b: Vec<f64> = (0..n).map(|_| timing(&mut rng, spread_b)).collect();
                        let ratio = Ratio::of(&Summary::of(&a).unwrap(), &Summary::of(&b).unwrap());
                        ratio.low <= truth && truth <= ratio.high
                    })
                    .count() as f64
                    / f64::from(trials);
                let stated = median_ranks(n).coverage;
                let error = 4.0 * (stated * (1.0 - stated) / f64::from(trials)).sqrt();
                assert!(covered > stated - error, "n = {n}, spreads {spread_a} {spread_b}: {covered} of {stated}");
            }
        }
    }

    fn summary(median: f64, low: f64, high: f64) -> Summary {
        Summary { median, low, high, min: low, n: 10, coverage: 0.9785 }
    }

    #[test]
    fn the_verdict_is_the_rule() {
        let one = summary(1.0, 1.0, 1.0);
        let verdict = |median, low, high| Ratio::of(&summary(median, low, high), &one).verdict;
        assert_eq!(verdict(2.0, 1.9, 2.1), Verdict::Faster);
        assert_eq!(verdict(0.5, 0.4, 0.6), Verdict::Slower);
        assert_eq!(verdict(1.0, 0.96, 1.04), Verdict::Same);
        // Different for certain, but by less than 5 %: still the same.
        assert_eq!(verdict(1.03, 1.02, 1.04), Verdict::Same);
        // The interval reaches past the band and the estimate does not: not enough to name a difference.
        assert_eq!(verdict(1.03, 1.01, 1.06), Verdict::Unclear);
        assert_eq!(verdict(1.2, 0.99, 1.4), Verdict::Unclear);
        assert_eq!(verdict(1.1, 1.01, 1.2), Verdict::Faster);
        assert_eq!(verdict(f64::NAN, f64::NAN, f64::NAN), Verdict::Unclear);
        assert_eq!(verdict(0.0, 0.0, 0.0), Verdict::Unclear);
    }

    #[test]
    fn too_few_runs_never_tell() {
        let a = Summary::of(&[10.0, 10.1, 10.2, 10.3]).unwrap();
        let b = Summary::of(&[1.0, 1.1, 1.2, 1.3]).unwrap();
        assert_eq!(Ratio::of(&a, &b).verdict, Verdict::Unclear);
        let a = Summary::of(&[10.0, 10.1, 10.2, 10.3, 10.4]).unwrap();
        let b = Summary::of(&[1.0, 1.1, 1.2, 1.3, 1.4]).unwrap();
        assert_eq!(Ratio::of(&a, &b).verdict, Verdict::Faster);
    }
}
