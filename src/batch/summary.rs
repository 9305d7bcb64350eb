//! From what became of the cases to the report's parts, and to what the batch ends in.

use crate::error::{Error, Result};
use crate::job::Phases;
use crate::measure::verify::{Status, Verification};
use crate::report::{Row, Share};

/// Adds what a backend did in the case `name` to the row of that backend.
pub(super) fn add(rows: &mut Vec<Row>, name: &str, mut row: Row) {
    if let Some(why) = &mut row.verification.first_bad {
        *why = format!("{name}: {why}");
    }
    let Some(sum) = rows.iter_mut().find(|known| known.facts.id == row.facts.id) else {
        rows.push(row);
        return;
    };
    let mut phases = Phases::default();
    sum.samples.iter().chain(&row.samples).for_each(|sample| phases.add(sample));
    sum.samples = vec![phases];
    sum.open += row.open;
    sum.compile += row.compile;
    sum.chunks += row.chunks;
    sum.device_seconds = sum.device_seconds.zip(row.device_seconds).map(|(a, b)| a + b);
    sum.totals.items += row.totals.items;
    sum.totals.flops += row.totals.flops;
    sum.totals.bytes_read += row.totals.bytes_read;
    sum.totals.bytes_written += row.totals.bytes_written;
    for share in row.shares {
        match sum.shares.iter_mut().find(|known| known.backend == share.backend) {
            Some(known) => join(known, &share),
            None => sum.shares.push(share),
        }
    }
    verified(&mut sum.verification, row.verification);
}

fn join(sum: &mut Share, share: &Share) {
    sum.items += share.items;
    sum.chunks += share.chunks;
    sum.busy_seconds += share.busy_seconds;
    sum.idle_seconds += share.idle_seconds;
}

/// Of all verifications together: failed when one is, counts added, the deviation that used most of its bound.
fn verified(sum: &mut Verification, one: Verification) {
    // A failed one first, then by what was used of the bound.
    let weight = |of: &Verification| (of.status == Status::Fail, of.bound_used);
    let worse = weight(&one) > weight(sum);
    let counts = [sum.checked + one.checked, sum.items + one.items, sum.values + one.values];
    let class = if one.class as u8 > sum.class as u8 { one.class } else { sum.class };
    let seconds = sum.seconds + one.seconds;
    let first_bad = sum.first_bad.take().or(one.first_bad.clone());
    if worse {
        *sum = one;
    }
    [sum.checked, sum.items, sum.values] = counts;
    (sum.class, sum.seconds, sum.first_bad) = (class, seconds, first_bad);
}

/// What a batch ends in: nothing when all `count` cases were delivered, the failure itself when it is the only case, else
/// how many failed and the gravest.
///
/// # Errors
/// As said.
pub(super) fn ends_in(errors: &[Error], count: usize) -> Result<()> {
    // The last one of the largest from the end: the first one.
    let gravest = errors.iter().rev().max_by_key(|error| error.exit_code()).cloned();
    match gravest {
        None => Ok(()),
        Some(only) if count == 1 => Err(only),
        Some(gravest) => Err(Error::Cases { failed: errors.len(), count, gravest: Box::new(gravest) }),
    }
}
