//! Seconds of a kernel as a function of how much it has to do.

use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

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
///
/// A profile has some hundred curves and a decision asks for a few of them, so each is parsed when it is first used; one
/// that cannot be parsed is empty.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    points: OnceLock<Vec<Point>>,
    /// What the file says, until a point is added.
    text: Option<Box<RawValue>>,
}

impl Serialize for Curve {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.text {
            Some(text) => text.serialize(serializer),
            None => self.points().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Curve {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { points: OnceLock::new(), text: Some(Box::deserialize(deserializer)?) })
    }
}

impl PartialEq for Curve {
    fn eq(&self, other: &Self) -> bool {
        self.points() == other.points()
    }
}

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
    fn points(&self) -> &[Point] {
        self.points.get_or_init(|| {
            let parsed = self.text.as_ref().map(|text| serde_json::from_str(text.get()));
            parsed.transpose().unwrap_or_default().unwrap_or_default()
        })
    }

    fn points_mut(&mut self) -> &mut Vec<Point> {
        if self.text.is_some() {
            *self = Self { points: self.points().to_vec().into(), text: None };
        }
        self.points.get_or_init(Vec::new);
        self.points.get_mut().expect("it was set")
    }

    /// Adds what a run of `cost` took.
    pub fn add(&mut self, cost: f64, times: &Times) {
        if !cost.is_finite() || cost < 0.0 {
            return;
        }
        let class = Point::class(cost);
        let points = self.points_mut();
        let at = match points.binary_search_by_key(&class, |point| point.class) {
            Ok(at) => at,
            Err(at) => {
                points.insert(at, Point { class, cost, ..Point::default() });
                at
            }
        };
        let point = &mut points[at];
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
        self.points().is_empty()
    }

    /// The costs between which it was measured.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        let points = self.points();
        Some((points.first()?.cost, points.last()?.cost))
    }

    /// What a run of `cost` takes: between two measured costs on the straight line in logarithms; above the largest in
    /// proportion to it; below the smallest in proportion down to `floor`, the time of a run with nothing to do.
    #[must_use]
    pub fn at(&self, cost: f64, floor: f64) -> Option<Times> {
        let all = self.points();
        // Only the two neighbours of `cost` matter.
        let after = all.partition_point(|point| point.cost <= cost);
        let near = &all[after.saturating_sub(1)..(after + 1).min(all.len())];
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
        let least = all.first().and_then(|p| p.kernel.value()).map_or(floor, |first| first.min(floor));
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
