//! The independent check of `sincos`: `sin t cos t = tan t / (1 + tan^2 t)`, without a sine and a cosine.

use super::bound::{Bound, largest};
use super::model::Model;
use crate::job::{Answer, Check, Output};

/// Steps that are recomputed at most, if two blocks do not need more: some 50 ms of one core.
const STEPS: u64 = 1 << 21;

/// The sum of a block by tangents. A step errs by 5 units of roundoff, as the reference's does: the tangent by two, the
/// square, the sum and the quotient by one each.
fn sum(model: &Model, block: u64) -> f64 {
    let mut sum = 0.0;
    for x in &model.values[model.block(block)] {
        let mut t = *x;
        for _ in 0..model.iterations {
            let tangent = t.tan();
            t = tangent / (1.0 + tangent * tangent);
        }
        sum += t;
    }
    sum
}

/// Checks that no block is larger than the iteration allows, recomputes blocks that are evenly spread, the first and the last
/// among them, and adds up the checksum.
///
/// The error is the worst deviation as a share of what rounding allows.
pub(super) fn check(model: &Model, bound: &Bound, output: &Output, answer: &Answer) -> Check {
    let what = "blocks by tan t / (1 + tan^2 t), as a share of the rounding bound".to_string();
    let fail = |detail: String| Check { what: what.clone(), error: f64::INFINITY, bound: 1.0, detail };
    let blocks = model.blocks();
    let place = |block: u64| format!("row {}, block {}", block / model.per_row, block % model.per_row);

    let most = largest(model.iterations);
    for block in 0..blocks {
        let (got, m) = (output.value(0, block as usize), model.block(block).len());
        let allowed = m as f64 * most + bound.of(m);
        if got.is_nan() || got.abs() > allowed {
            return fail(format!("{} has {got}, no sum of it can be above {allowed}", place(block)));
        }
    }
    let rows = (0..blocks).step_by(model.per_row.max(1) as usize);
    let row = |first: u64| (first..first + model.per_row).fold(0.0, |sum, i| sum + output.value(0, i as usize));
    let total = rows.fold(0.0, |sum, first| sum + row(first));
    let checksum = answer.json.get("checksum").and_then(serde_json::Value::as_f64);
    if checksum != Some(total) {
        return fail(format!("the checksum is {checksum:?}, the rows add up to {total}"));
    }

    let affordable = (STEPS / model.width.saturating_mul(model.iterations.into())).max(2);
    let step = blocks.div_ceil(affordable).max(1);
    let mut worst = (0.0, 0);
    for block in (0..blocks).step_by(step as usize).chain(blocks.checked_sub(1)) {
        let deviation =
            (output.value(0, block as usize) - sum(model, block)).abs() / bound.of(model.block(block).len());
        if deviation > worst.0 {
            worst = (deviation, block);
        }
    }
    let (error, block) = worst;
    let detail =
        if error <= 1.0 { String::new() } else { format!("{} has {}", place(block), output.value(0, block as usize)) };
    Check { what, error, bound: 1.0, detail }
}
