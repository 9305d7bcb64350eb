//! A comparison in words: how it was measured, and its answers.

use super::{Start, Sweep};
use crate::measure::breakeven::BreakEven;
use crate::measure::sampler;
use crate::units::{grouped, seconds};

impl Sweep {
    /// How it was measured, in sentences.
    #[must_use]
    pub fn rule_lines(&self) -> Vec<String> {
        let sampler::Rule { runs, min_runs, max_runs, budget_seconds, warm_up } = self.rules.runs;
        let count = match runs {
            Some(runs) => format!("{runs} timed runs a row"),
            None => format!(
                "{min_runs} to {max_runs} timed runs a row, as many as fit {} (--budget)",
                seconds(budget_seconds)
            ),
        };
        let passes = format!("{} {}", self.rules.passes, if self.rules.passes == 1 { "pass" } else { "passes" });
        vec![
            format!(
                "{count}, in {passes} over all rows, each after {warm_up} warm-up unless the first run takes {}; all are \
                 kept. Each time is their median with an interval from order statistics that covers the true median with \
                 at least 95 % (fewer than 6 runs: less, see coverage in the JSON form), whatever the distribution.",
                seconds(sampler::WORTH_WARMING)
            ),
            "Every row was verified: sampled items were recomputed by the one-thread f64 reference, and the workload's \
             independent check was made. A row that fails has no times."
                .into(),
            format!(
                "Cold process: {}. One cold start was timed, so its interval is that of the warm runs; the process and \
                 the threads of its pool are there already.",
                Start::Cold.about()
            ),
            format!("Warm, data on the host: {}.", Start::Warm.about()),
            format!("Data on the device: {}.", Start::Kernel.about()),
            "A ratio's interval is made of both times' intervals. Verdicts: same when all of it is within 5 %, faster or \
             slower when all of it and at least 5 % are on one side of 1, otherwise unclear."
                .into(),
            "Break-even: the smallest size from which on the backend stays faster, on straight lines between the measured \
             sizes in log-log. Its interval lies between the crossings of the optimistic and the pessimistic ends of \
             the ratios' intervals, each taken at least 5 % wide."
                .into(),
            format!(
                "A row is not measured when one run is predicted to take longer than {} (run.baseline_limit).",
                seconds(self.rules.row_limit_seconds)
            ),
        ]
    }
}

/// A break-even in words: `23_100 [19_000, 28_400]`, `never up to 10_000_000`.
#[must_use]
pub fn answer(answer: &BreakEven) -> String {
    match *answer {
        BreakEven::Already { from } => format!("already at {}", rounded(from)),
        BreakEven::At { size, low, high, open } => {
            let below = if open { "at most " } else { "" };
            format!("{} [{below}{}, {}]", rounded(size), rounded(low), rounded(high))
        }
        BreakEven::Never { up_to, once: None } => format!("never up to {}", rounded(up_to)),
        BreakEven::Never { up_to, once: Some(once) } => {
            format!("not at {}, only up to about {}", rounded(up_to), rounded(once))
        }
        BreakEven::Unclear { not_below: None } => "the runs do not tell".into(),
        BreakEven::Unclear { not_below: Some(low) } => {
            format!("the runs do not tell; not below {}", rounded(low))
        }
        BreakEven::NotMeasured => "not measured".into(),
    }
}

/// A size with three digits: `23_100`.
#[must_use]
pub fn rounded(size: f64) -> String {
    let scale = 10f64.powf((size.abs().max(1.0).log10().floor() - 2.0).max(0.0));
    grouped(((size / scale).round() * scale) as u64)
}
