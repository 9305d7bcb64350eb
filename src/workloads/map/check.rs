//! The independent check of `map`: the expression again in pairs of f64, with functions of its own, for a sample of the
//! elements; and the sum and the range of all results.

use rayon::prelude::*;

use super::MapJob;
use super::input::index;
use crate::job::{Answer, Check, Output, Scalar};
use crate::numeric::expr::Arithmetic;
use crate::numeric::pair::Pair;

/// Elements that are computed again at most, evenly spread.
const SAMPLE: usize = 2000;

/// Results that one task adds up.
const TASK: usize = 1 << 16;

/// Checks a sample of elements and what the answer tells of all. The error is the worst deviation as a share of what
/// rounding allows.
pub(super) fn check(job: &MapJob, output: &Output, answer: &Answer) -> Check {
    let what = "the expression in 31 digits, as a share of the rounding bound".to_string();
    let n = index(job.data.items);
    let fail = |detail: String| Check { what: what.clone(), error: f64::INFINITY, bound: 1.0, detail };
    if let Some(detail) = whole(output, answer, n) {
        return fail(detail);
    }
    let single = output.specs().next().is_some_and(|column| column.scalar == Scalar::F32);
    let arithmetic = if single { Arithmetic::Single } else { Arithmetic::Double };
    let items: Vec<usize> = (0..n).step_by(n.div_ceil(SAMPLE).max(1)).chain(n.checked_sub(1)).collect();
    let share = |i: &usize| (deviation(job, *i, output.value(0, *i), arithmetic), *i);
    let worst = items.par_iter().map(share).reduce(|| (0.0, 0), |a, b| if b.0 > a.0 { b } else { a });
    let (error, i) = worst;
    let detail = if error <= 1.0 { String::new() } else { format!("element {i} is {}", output.value(0, i)) };
    Check { what, error, bound: 1.0, detail }
}

/// The deviation of one element as a share of its bound; 0 where there is nothing to compare with.
fn deviation(job: &MapJob, i: usize, value: f64, arithmetic: Arithmetic) -> f64 {
    let variables: Vec<f64> = job.data.arrays.iter().map(|array| array[i]).collect();
    let precise = job.expr.evaluate_precisely(&variables);
    if !precise.high.is_finite() {
        return 0.0; // beyond its range, or no number: the reference's comparison stands
    }
    if !value.is_finite() {
        return if job.allow_nonfinite { 0.0 } else { f64::INFINITY };
    }
    // A kernel is within reach of the reference's value, and the exact one is.
    let reference = job.reference(i);
    let allowed =
        job.bound(&job.program, i, reference, arithmetic) + job.bound(&job.unfolded, i, reference, Arithmetic::Double);
    let deviation = (precise - value.into()).abs().high;
    match (deviation == 0.0, allowed.is_finite()) {
        (true, _) => 0.0,
        // Where rounding may do anything, this is no witness.
        (false, false) => 0.0,
        (false, true) => deviation / allowed,
    }
}

/// What is wrong with the answer's sum and range, found by another way: pairs of f64, in which the sum has no error that
/// counts.
fn whole(output: &Output, answer: &Answer, n: usize) -> Option<String> {
    let tasks = (0..n.div_ceil(TASK)).into_par_iter().map(|task| {
        let mut part = (Pair::ZERO, 0.0, f64::INFINITY, f64::NEG_INFINITY, 0_u64);
        for i in task * TASK..((task + 1) * TASK).min(n) {
            let x = output.value(0, i);
            part.0 = part.0 + x.into();
            part.1 += x.abs();
            part.2 = part.2.min(x);
            part.3 = part.3.max(x);
            part.4 += u64::from(!x.is_finite());
        }
        part
    });
    let nothing = || (Pair::ZERO, 0.0, f64::INFINITY, f64::NEG_INFINITY, 0);
    let (sum, size, least, most, bad) =
        tasks.reduce(nothing, |a, b| (a.0 + b.0, a.1 + b.1, a.2.min(b.2), a.3.max(b.3), a.4 + b.4));
    let told = |name: &str| answer.json.get(name).and_then(serde_json::Value::as_f64);
    if answer.json.get("items").and_then(serde_json::Value::as_u64) != Some(n as u64) {
        return Some("the answer has another number of elements".into());
    }
    let range = (least <= most).then_some((least, most)).filter(|(a, b)| a.is_finite() && b.is_finite());
    if let Some((least, most)) = range
        && (told("min"), told("max")) != (Some(least), Some(most))
    {
        return Some(format!(
            "results go from {least} to {most}, the answer says {:?} to {:?}",
            told("min"),
            told("max")
        ));
    }
    if answer.json.get("nonfinite").and_then(serde_json::Value::as_u64) != Some(bad) {
        return Some(format!("{bad} results are not finite, the answer says {:?}", answer.json.get("nonfinite")));
    }
    if bad > 0 || !size.is_finite() {
        return None;
    }
    // Terms in one strand: those of a block, then the blocks'; and the halves at the end of each.
    let depth = 128.0 / 16.0 + (n as f64 / 128.0 / 16.0).ceil() + 10.0;
    let allowed = depth * f64::EPSILON * size;
    match told("checksum") {
        Some(checksum) if (sum - checksum.into()).abs().high <= allowed => None,
        checksum => Some(format!("the results add up to {}, the checksum is {checksum:?}", sum.high)),
    }
}
