//! How often a run is repeated. Time comes from the runs' own phases, never from a clock in here.

use serde::Serialize;

use crate::backend::Phases;
use crate::error::{Error, Result};

/// When enough runs are made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rule {
    /// `--runs`: exactly this many, whatever they take. `None` leaves it to the rest of the rule.
    pub runs: Option<u32>,
    /// At least this many. Five is the least for which an interval of the median covers 90 %.
    pub min_runs: u32,
    /// At most this many.
    pub max_runs: u32,
    /// Between the two, stop before the runs take longer than this together.
    pub budget_seconds: f64,
    /// Runs before the first one that counts: they fault pages in, fill caches, wake cores and compile what drivers
    /// compile late. 0 is for production, where the only run is the one that matters. A first run that takes
    /// [`WORTH_WARMING`] counts all the same: what it did once is a small part of it, and another run costs the user as
    /// much time again, and memory where the two do not share all of it.
    pub warm_up: u32,
}

/// Seconds from which on a run needs no run before it.
pub const WORTH_WARMING: f64 = 1.0;

impl Default for Rule {
    fn default() -> Self {
        Self { runs: None, min_runs: 5, max_runs: 30, budget_seconds: 3.0, warm_up: 1 }
    }
}

impl From<&crate::config::Run> for Rule {
    /// What the settings ask for.
    fn from(settings: &crate::config::Run) -> Self {
        Self {
            runs: (settings.runs > 0).then_some(settings.runs),
            min_runs: settings.min_runs,
            max_runs: settings.max_runs,
            budget_seconds: settings.budget,
            ..Self::default()
        }
    }
}

impl Rule {
    /// Whether another run is due after `done` of them that took `spent` seconds, the last one `last`.
    fn another(&self, done: u32, spent: f64, last: f64) -> bool {
        match self.runs {
            Some(runs) => done < runs,
            None if done < self.min_runs => true,
            // A NaN or infinite time ends the series.
            None => done < self.max_runs && spent + last <= self.budget_seconds,
        }
    }
}

/// The runs of one backend, all kept, in the order in which they were made.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples<T> {
    /// The runs that count.
    pub phases: Vec<Phases>,
    /// The runs before them.
    pub warm_up: Vec<Phases>,
    /// What the last run returned besides its phases: the one that is verified and saved.
    pub last: T,
}

/// Calls `run` until `rule` is satisfied.
///
/// # Errors
/// The first error of `run`; [`Error::Usage`] when the rule asks for no run at all.
pub fn sample<T>(rule: Rule, mut run: impl FnMut() -> Result<(Phases, T)>) -> Result<Samples<T>> {
    let (mut warm_up, mut first) = (Vec::new(), None);
    while first.is_none() && warm_up.len() < rule.warm_up as usize {
        let (phases, value) = run()?;
        if phases.total() >= WORTH_WARMING {
            first = Some((phases, value));
        } else {
            warm_up.push(phases);
        }
    }
    let (mut phases, mut last) = (Vec::new(), None);
    let (mut spent, mut previous) = (0.0, 0.0);
    while rule.another(u32::try_from(phases.len()).unwrap_or(u32::MAX), spent, previous) {
        // The result of the run before goes first: two large outputs need not fit beside each other.
        drop(last.take());
        let (now, value) = first.take().map_or_else(&mut run, Ok)?;
        previous = now.total();
        spent += previous;
        phases.push(now);
        last = Some(value);
    }
    let last = last.ok_or_else(|| Error::Usage("at least one run must be made; use --runs 1 or more".into()))?;
    Ok(Samples { phases, warm_up, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs that take `seconds` each; returns how many counted and how many were made.
    fn count(rule: Rule, seconds: f64) -> (usize, u32) {
        let mut made = 0;
        let samples = sample(rule, || {
            made += 1;
            Ok((Phases { kernel: seconds, ..Phases::default() }, made))
        })
        .unwrap();
        assert_eq!(samples.last, made, "the last run's value is kept");
        assert_eq!(samples.warm_up.len() + samples.phases.len(), made as usize, "every run is kept");
        (samples.phases.len(), made)
    }

    #[test]
    fn the_budget_decides_between_the_least_and_the_most() {
        assert_eq!(count(Rule::default(), 1e-3), (30, 31));
        assert_eq!(count(Rule::default(), 0.25), (12, 13));
        assert_eq!(count(Rule::default(), 0.0), (30, 31));
        assert_eq!(count(Rule::default(), f64::NAN), (5, 6));
    }

    #[test]
    fn a_given_number_of_runs_is_kept_whatever_it_takes() {
        for runs in [1, 2, 7, 100] {
            assert_eq!(count(Rule { runs: Some(runs), ..Rule::default() }, 0.9), (runs as usize, runs + 1));
        }
        assert_eq!(count(Rule { runs: Some(1), warm_up: 0, ..Rule::default() }, 60.0), (1, 1));
    }

    #[test]
    fn a_long_first_run_counts() {
        assert_eq!(count(Rule::default(), 10.0), (5, 5));
        for runs in [1, 2, 7, 100] {
            assert_eq!(count(Rule { runs: Some(runs), ..Rule::default() }, 60.0), (runs as usize, runs));
        }
        // The second of two warm-up runs may be the long one.
        let mut made = 0;
        let rule = Rule { runs: Some(1), warm_up: 2, ..Rule::default() };
        let samples = sample(rule, || {
            made += 1;
            Ok((Phases { kernel: [0.1, 1.5, 1.5][made - 1], ..Phases::default() }, made))
        })
        .unwrap();
        assert_eq!((samples.warm_up.len(), samples.phases.len(), samples.last), (1, 1, 2));
    }

    #[test]
    fn no_runs_are_refused_and_errors_end_the_series() {
        let none = Rule { runs: Some(0), warm_up: 0, ..Rule::default() };
        assert!(matches!(sample(none, || Ok((Phases::default(), ()))), Err(Error::Usage(_))));
        let mut made = 0;
        let failed = sample(Rule::default(), || {
            made += 1;
            if made == 3 { Err(Error::Signal(2)) } else { Ok((Phases::default(), ())) }
        });
        assert_eq!((failed, made), (Err(Error::Signal(2)), 3));
    }
}
