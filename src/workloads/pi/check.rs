//! The independent check of `pi`: the number itself.

use std::f64::consts::PI;

use super::Lattice;
use crate::job::Check;
use crate::units;

/// Standard errors that an honest estimate stays within: by chance it leaves them once in 1.7 million seeds.
const STANDARD_ERRORS: f64 = 5.0;

/// Compares `hits` of `samples` with what the circle's area promises.
///
/// The expected share is `p = pi/4 + bias/4`, known in closed form; the standard error of `4 hits / samples` is
/// `4 sqrt(p (1 - p) / samples)`, taken from `p` and not from the hits, so that a wrong count cannot widen its own bound.
pub(super) fn check(lattice: Lattice, samples: u64, hits: u64) -> Check {
    let what = "the estimate against pi and the lattice's known bias, in standard errors".to_string();
    if samples == 0 {
        let error = if hits == 0 { 0.0 } else { f64::INFINITY };
        return Check { what, error, bound: STANDARD_ERRORS, detail: String::new() };
    }
    let expected = PI + lattice.bias();
    let p = expected / 4.0;
    let standard_error = 4.0 * (p * (1.0 - p) / samples as f64).sqrt();
    let deviation = 4.0 * (hits as f64 / samples as f64) - expected;
    let error = if hits <= samples { deviation.abs() / standard_error } else { f64::INFINITY };
    let detail = if error <= STANDARD_ERRORS {
        String::new()
    } else {
        format!("{} hits of {} samples", units::grouped(hits), units::grouped(samples))
    };
    Check { what, error, bound: STANDARD_ERRORS, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_counts_pass_and_wrong_ones_do_not() {
        let samples = 10_000_000;
        let right = (samples as f64 * PI / 4.0) as u64;
        // One standard error of the count is 1298.
        for (hits, good) in [(right, true), (right + 6000, true), (right + 7000, false), (right - 7000, false)] {
            assert_eq!(check(Lattice::Bits16, samples, hits).passed(), good, "{hits}");
        }
        assert!(!check(Lattice::Bits16, samples, 0).passed());
        assert!(!check(Lattice::Bits16, samples, samples + 1).passed());
        assert!(!check(Lattice::Bits16, 1000, u64::MAX).passed());
        assert!(check(Lattice::Bits16, 0, 0).passed() && !check(Lattice::Bits16, 0, 1).passed());
        // One sample can only be a hit or a miss: both are fine.
        assert!(check(Lattice::Bits32, 1, 0).passed() && check(Lattice::Bits32, 1, 1).passed());
    }

    #[test]
    fn the_bias_matters_and_is_taken_off() {
        // 1e16 samples that hit exactly as often as the 16-bit lattice says: 4.7e-8 off pi, 2.9 standard errors.
        let samples = 1u64 << 60;
        let hits = 3_373_259_477u64 << 28;
        assert!(check(Lattice::Bits16, samples, hits).error < 1e-3);
        assert!(!check(Lattice::Bits32, samples, hits).passed());
    }
}
