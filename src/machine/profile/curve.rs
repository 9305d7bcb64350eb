//! Seconds of a kernel as a function of how much it has to do.

use serde::{Deserialize, Serialize};

use super::Robust;

/// Seconds of one run, by phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Handing input to the device.
    pub upload: f64,
    /// Computing.
    pub kernel: f64,
    /// Fetching results.
    pub download: f64,
    /// Putting partial results together.
    pub merge: f64,
}

impl Times {
    /// All phases.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.upload + self.kernel + self.download + self.merge
    }
}

/// Measured times around a few costs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Curve(Vec<Point>);

/// Runs of about the same cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Point {
    /// Half octaves of the cost: `round(2 log2 cost)`.
    class: i32,
    /// That of the first run; the times of the others are carried to it.
    cost: f64,
    // Empty where none ever took any time, as copies on the host: a file of half the size is read in half the time.
    #[serde(default, skip_serializing_if = "Robust::is_empty")]
    kernel: Robust,
    #[serde(default, skip_serializing_if = "Robust::is_empty")]
    upload: Robust,
    #[serde(default, skip_serializing_if = "Robust::is_empty")]
    download: Robust,
    #[serde(default, skip_serializing_if = "Robust::is_empty")]
    merge: Robust,
}

impl Point {
    /// Half octaves apart, runs are alike enough for one median and far enough for a curve of some forty points at most.
    fn class(cost: f64) -> i32 {
        (2.0 * cost.max(1.0).log2()).round() as i32
    }
}

impl Curve {
    /// Adds what a run of `cost` took.
    pub fn add(&mut self, cost: f64, times: &Times) {
        if !cost.is_finite() || cost < 0.0 {
            return;
        }
        let class = Point::class(cost);
        let at = match self.0.binary_search_by_key(&class, |point| point.class) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, Point { class, cost, ..Point::default() });
                at
            }
        };
        let point = &mut self.0[at];
        let carried = if cost > 0.0 { point.cost / cost } else { 1.0 };
        let phases = [&mut point.kernel, &mut point.upload, &mut point.download, &mut point.merge];
        for (phase, seconds) in phases.into_iter().zip([times.kernel, times.upload, times.download, times.merge]) {
            if seconds > 0.0 || !phase.is_empty() {
                phase.add(seconds * carried);
            }
        }
    }

    /// Whether nothing was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The costs between which it was measured.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        Some((self.0.first()?.cost, self.0.last()?.cost))
    }

    /// What a run of `cost` takes: between two measured costs on the straight line in logarithms; above the largest in
    /// proportion to it; below the smallest in proportion down to `floor`, the time of a run with nothing to do.
    #[must_use]
    pub fn at(&self, cost: f64, floor: f64) -> Option<Times> {
        // Only the two neighbours of `cost` matter.
        let after = self.0.partition_point(|point| point.cost <= cost);
        let near = &self.0[after.saturating_sub(1)..(after + 1).min(self.0.len())];
        let phase = |of: fn(&Point) -> &Robust| {
            let mut points = [(0.0, 0.0); 2];
            for (to, point) in points.iter_mut().zip(near) {
                *to = (point.cost, of(point).value().unwrap_or(0.0));
            }
            interpolate(&points[..near.len()], cost)
        };
        let mut times = Times {
            upload: phase(|p| &p.upload)?,
            kernel: phase(|p| &p.kernel)?,
            download: phase(|p| &p.download)?,
            merge: phase(|p| &p.merge)?,
        };
        let least = self.0.first().and_then(|p| p.kernel.value()).map_or(floor, |first| first.min(floor));
        times.kernel = times.kernel.max(least);
        Some(times)
    }
}

/// The value at `x` of a curve through `points`, sorted by x: straight in logarithms between two points (plainly straight
/// where a value is zero), in proportion to x outside. `None` without points.
pub(super) fn interpolate(points: &[(f64, f64)], x: f64) -> Option<f64> {
    let (&first, &last) = (points.first()?, points.last()?);
    let scaled = |(x0, y0): (f64, f64)| if x0 > 0.0 { y0 * x / x0 } else { y0 };
    if x <= first.0 {
        return Some(scaled(first));
    }
    if x >= last.0 {
        return Some(scaled(last));
    }
    let after = points.iter().position(|point| point.0 > x)?;
    let ((x0, y0), (x1, y1)) = (points[after - 1], points[after]);
    if x0 <= 0.0 || y0 <= 0.0 || y1 <= 0.0 {
        return Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0));
    }
    let share = (x / x0).ln() / (x1 / x0).ln();
    Some((y0.ln() + share * (y1 / y0).ln()).exp())
}
