//! A measured number that one odd measurement does not move.

use serde::{Deserialize, Serialize};

/// How many values are remembered: with five, two wrong ones change nothing, and a machine that has changed is believed
/// after three runs.
const WINDOW: usize = 5;

/// The last few measurements of one quantity; its value is their median.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Robust(Vec<f64>);

impl Robust {
    /// One measurement.
    #[must_use]
    pub fn of(value: f64) -> Self {
        let mut robust = Self::default();
        robust.add(value);
        robust
    }

    /// Adds a measurement, to four digits; the oldest one is forgotten. What is not finite or negative was not a measurement.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() || value < 0.0 {
            return;
        }
        if self.0.len() >= WINDOW {
            self.0.drain(..=self.0.len() - WINDOW);
        }
        self.0.push(four_digits(value));
    }

    /// The median; of two the smaller one, because what disturbs a measurement makes it longer.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        let mut sorted: Vec<f64> = self.0.iter().copied().filter(|v| v.is_finite() && *v >= 0.0).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len().checked_sub(1)? / 2).copied()
    }

    /// Whether nothing was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many measurements it stands on.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// No clock tells more than that of a run, and the profile is read before every decision.
fn four_digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}
