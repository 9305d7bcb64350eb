//! The independent check of `axial`: `sigma^2 L^2 = E^2 (u . u)`, no root and no division, in pairs of f64 that hold
//! products exactly.

use super::input::Model;
use super::rounding;
use crate::job::{Answer, Check, Output, Scalar};

/// Elements that are checked at most, evenly spread; the peak is always one of them.
const SAMPLE: usize = 100_000;

/// The largest absolute stress and the first element that has it; NaN ranks above infinity. `(0, 0)` without elements.
pub(super) fn peak(output: &Output) -> (f64, usize) {
    let n = usize::try_from(output.items()).expect("it is in memory");
    let first = |most: (u64, usize), (i, bits): (usize, u64)| if bits > most.0 { (bits, i) } else { most };
    let (bits, place) = match output.specs().next().map(|column| column.scalar) {
        Some(Scalar::F64) => output.column::<f64>(0).iter().map(|x| x.abs().to_bits()).enumerate().fold((0, 0), first),
        _ => (0..n).map(|i| output.value(0, i).abs().to_bits()).enumerate().fold((0, 0), first),
    };
    (f64::from_bits(bits), place)
}

/// Checks a sample of elements, and that the peak of the answer is its element's stress and no smaller than any other.
///
/// The error is the worst relative deviation of the two sides as a share of what rounding allows: twice the
/// relative bound of a stress, since it stands squared.
pub(super) fn check(model: &Model, output: &Output, answer: &Answer) -> Check {
    let what = "sigma^2 L^2 against E^2 (u . u), as a share of the rounding bound".to_string();
    let n = usize::try_from(model.elements()).expect("it is in memory");
    let fail = |detail: String| Check { what: what.clone(), error: f64::INFINITY, bound: 1.0, detail };
    let scalar = output.specs().next().map_or(Scalar::F64, |column| column.scalar);

    let peak = answer.json.get("max_von_mises").filter(|peak| !peak.is_null());
    let claimed = peak.and_then(|peak| {
        let element = usize::try_from(peak.get("element")?.as_u64()?).ok()?.checked_sub(1)?;
        (element < n).then_some((peak.get("value")?.as_f64()?, element))
    });
    let (most, place) = match (claimed, n) {
        (None, 0) => return Check { what, error: 0.0, bound: 1.0, detail: String::new() },
        (None, _) => return fail("the answer names no peak".into()),
        (Some(claimed), _) => claimed,
    };
    if output.value(0, place) != most {
        return fail(format!("the peak is {most}, but element {} has {}", place + 1, output.value(0, place)));
    }
    let mut worst = (0.0, place);
    for i in (0..n).step_by(n.div_ceil(SAMPLE)).chain([place]) {
        let sigma = output.value(0, i);
        if sigma > most {
            return fail(format!("element {} has {sigma}, above the peak {most}", i + 1));
        }
        let error = deviation(model, i, sigma, scalar);
        if error.is_nan() {
            worst = (f64::INFINITY, i);
            break;
        }
        if error > worst.0 {
            worst = (error, i);
        }
    }
    let (error, i) = worst;
    let detail = if error <= 1.0 { String::new() } else { format!("element {} has {}", i + 1, output.value(0, i)) };
    Check { what, error, bound: 1.0, detail }
}

/// The deviation of one element as a share of its bound.
fn deviation(model: &Model, i: usize, sigma: f64, scalar: Scalar) -> f64 {
    let (relative, least) = rounding(scalar);
    let u = model.displacement(i);
    let length = model.length.as_ref().map_or(1.0, |length| length[i]);
    if sigma.is_nan() || sigma < 0.0 {
        return f64::INFINITY;
    }
    let largest = u.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    // Where a square may underflow, the absolute part of the bound decides: twice the largest component is above the norm.
    if largest < 4.0 * least.sqrt() / relative {
        let most = model.young[i] / length * (2.0 * largest + (3.0 * least).sqrt()) + least;
        return if sigma <= most { 0.0 } else { f64::INFINITY };
    }
    // Everything is scaled by powers of two, which is exact, so that no square leaves the range.
    let [(s, s2), (l, l2), (e, e2), (m, m2)] = [sigma, length, model.young[i], largest].map(split);
    let shift = s2 + l2 - e2 - m2;
    if sigma == 0.0 || shift.abs() > 8 {
        return f64::INFINITY;
    }
    let u = u.map(|x| x * (m / largest));
    let left = square(Pair::product(s * 2f64.powi(shift), l));
    let dot = Pair::product(u[0], u[0]).plus(Pair::product(u[1], u[1])).plus(Pair::product(u[2], u[2]));
    let right = square(Pair::product(e, 1.0)).times(dot);
    (left.high - right.high + (left.low - right.low)).abs() / right.high / (2.0 * relative * (1.0 + relative))
}

/// Mantissa in `[1, 2)` and exponent of a positive normal number; `(0, 0)` of zero.
fn split(x: f64) -> (f64, i32) {
    if x < f64::MIN_POSITIVE {
        // Subnormal numbers are scaled up first.
        if x == 0.0 {
            return (0.0, 0);
        }
        let (mantissa, exponent) = split(x * 2f64.powi(64));
        return (mantissa, exponent - 64);
    }
    let exponent = ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    (f64::from_bits(x.to_bits() & ((1 << 52) - 1) | 1023 << 52), exponent)
}

/// An unevaluated sum of two f64.
#[derive(Clone, Copy)]
struct Pair {
    high: f64,
    low: f64,
}

impl Pair {
    /// `a b`, exactly (`mul_add` rounds once, in hardware or in the library).
    fn product(a: f64, b: f64) -> Self {
        let high = a * b;
        Self { high, low: a.mul_add(b, -high) }
    }

    /// The sum, within a few units of 2^-104.
    fn plus(self, other: Self) -> Self {
        let high = self.high + other.high;
        let back = high - self.high;
        let lost = (self.high - (high - back)) + (other.high - back);
        Self { high, low: lost + self.low + other.low }
    }

    /// The product, within a few units of 2^-104.
    fn times(self, other: Self) -> Self {
        let Self { high, low } = Self::product(self.high, other.high);
        Self { high, low: low + (self.high * other.low + self.low * other.high) }
    }
}

fn square(pair: Pair) -> Pair {
    pair.times(pair)
}
