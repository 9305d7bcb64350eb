//! A made-up comparison for tests of its forms.

use super::{Inputs, Point, Rules, Sweep, build};
use crate::backend::Phases;
use crate::measure::sampler::Rule;
use crate::measure::verify::Status;
use crate::report::samples;

/// Ten runs of `seconds` in the kernel and `copies` before it, each up to 2 % longer.
fn runs(seconds: f64, copies: f64) -> Vec<Phases> {
    (0..10)
        .map(|i| {
            let longer = 1.0 + 0.005 * f64::from(i % 5);
            Phases { upload: copies * longer, kernel: seconds * longer, ..Phases::default() }
        })
        .collect()
}

/// seq, cpu and gpu at `sizes`. The cpu has 5 us of start-up and 1 ns an item, seq 4 ns an item, the gpu 80 us of
/// start-up, 0.2 ns of copies and 0.1 ns of computing an item, and 100 ms to open and compile once.
pub(crate) fn inputs(sizes: &[u64]) -> Inputs {
    let mut points = Vec::new();
    for &size in sizes {
        let n = size as f64;
        for (row, samples) in [
            (samples::seq(), runs(4e-9 * n, 0.0)),
            (samples::cpu(), runs(5e-6 + 1e-9 * n, 0.0)),
            (samples::gpu(), runs(40e-6 + 0.1e-9 * n, 40e-6 + 0.2e-9 * n)),
        ] {
            points.push(Point {
                size,
                items: size,
                precision: row.precision,
                pinned: row.pinned,
                open: row.open,
                compile: row.compile,
                samples,
                again: Vec::new(),
                verification: row.verification,
                facts: row.facts,
            });
        }
    }
    Inputs {
        workload: "stress".into(),
        variant: "axial".into(),
        command: ["hetero", "compare", "stress", "--save", "a b.json"].map(String::from).to_vec(),
        seed: 42,
        machine: samples::machine(),
        item: "element".into(),
        rules: Rules { runs: Rule::default(), passes: 2, row_limit_seconds: 10.0 },
        sizes: sizes.to_vec(),
        baseline: "cpu".into(),
        points,
        skipped: Vec::new(),
        warnings: Vec::new(),
    }
}

pub(crate) const SIZES: [u64; 7] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// A small one, to look at.
pub(crate) fn small() -> Sweep {
    build(inputs(&[1_000, 100_000, 10_000_000]))
}

pub(crate) fn sweep() -> Sweep {
    build(inputs(&SIZES))
}

/// The same with a gpu that is wrong at one size, and a size that did not fit.
pub(crate) fn failed() -> Sweep {
    let mut inputs = inputs(&SIZES);
    let point = inputs.points.iter_mut().find(|p| p.size == 100_000 && p.facts.id == "gpu").unwrap();
    point.verification.status = Status::Fail;
    point.verification.first_bad = Some("element 17, sigma is 3.5, the reference gives 4.5".into());
    inputs.sizes.push(1 << 40);
    inputs.skipped.push((None, 1 << 40, "the bars need 24.0 TiB of memory, 20.0 GiB are available".into()));
    build(inputs)
}
