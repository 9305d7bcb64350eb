//! Numbers of about 31 digits: unevaluated sums of two f64 (Dekker 1971; Hida, Li and Bailey 2001), and elementary functions
//! of them by other ways than fast code takes: Taylor sums and Newton steps. For checks and tests, not for speed.

use std::cmp::Ordering;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// `high + low`, with `low` at most half a unit in the last place of `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The number, rounded to f64.
    pub high: f64,
    /// What that leaves out.
    pub low: f64,
}

const LN_2: Pair = Pair { high: std::f64::consts::LN_2, low: 2.319_046_813_846_299_6e-17 };
const LN_10: Pair = Pair { high: std::f64::consts::LN_10, low: -2.170_756_223_382_249_4e-16 };
const HALF_PI: [f64; 3] = [std::f64::consts::FRAC_PI_2, 6.123_233_995_736_766e-17, -1.497_384_904_859_169_8e-33];

/// The largest argument that is reduced by pi/2 without losing what a pair holds.
const LARGEST_ANGLE: f64 = 1e9;

impl From<f64> for Pair {
    fn from(high: f64) -> Self {
        Self { high, low: 0.0 }
    }
}

/// `a + b` as a pair whose `high` is the rounded sum: no error. `a` and `b` that are not finite give NaN.
fn sum(a: f64, b: f64) -> Pair {
    let high = a + b;
    let back = high - a;
    Pair { high, low: (a - (high - back)) + (b - back) }
}

impl Add for Pair {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let (high, low) = (sum(self.high, other.high), sum(self.low, other.low));
        let first = sum(high.high, high.low + low.high);
        sum(first.high, first.low + low.low)
    }
}

impl Neg for Pair {
    type Output = Self;
    fn neg(self) -> Self {
        Self { high: -self.high, low: -self.low }
    }
}

impl Sub for Pair {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Pair {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let Self { high, low } = Self::product(self.high, other.high);
        sum(high, low + (self.high * other.low + self.low * other.high))
    }
}

impl Div for Pair {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let first = self.high / other.high;
        let rest = self - other * first.into();
        let second = rest.high / other.high;
        let rest = rest - other * second.into();
        sum(first, second) + (rest.high / other.high).into()
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let high = self.high.partial_cmp(&other.high)?;
        high.then(self.low.partial_cmp(&other.low)?).into()
    }
}

impl Pair {
    /// Zero.
    pub const ZERO: Self = Self { high: 0.0, low: 0.0 };
    /// One.
    pub const ONE: Self = Self { high: 1.0, low: 0.0 };
    /// Not a number.
    pub const NAN: Self = Self { high: f64::NAN, low: 0.0 };

    /// `a b`, exactly (`mul_add` rounds once, in hardware or in the library).
    #[must_use]
    pub fn product(a: f64, b: f64) -> Self {
        let high = a * b;
        Self { high, low: a.mul_add(b, -high) }
    }

    /// Without its sign.
    #[must_use]
    pub fn abs(self) -> Self {
        if self.high < 0.0 { -self } else { self }
    }

    /// The largest whole number that is not larger.
    #[must_use]
    pub fn floor(self) -> Self {
        let high = self.high.floor();
        if high == self.high { sum(high, self.low.floor()) } else { high.into() }
    }

    /// The square root; NaN below zero.
    #[must_use]
    pub fn sqrt(self) -> Self {
        if self.high <= 0.0 {
            return self.high.sqrt().into();
        }
        let root = Self::from(self.high.sqrt());
        (root + self / root) * 0.5.into()
    }

    /// Times `2^k`, exactly unless it leaves the range.
    fn scaled(self, k: i32) -> Self {
        let half = k / 2;
        let (a, b) = (2f64.powi(half), 2f64.powi(k - half));
        Self { high: self.high * a * b, low: self.low * a * b }
    }

    /// `e^self`.
    #[must_use]
    pub fn exp(self) -> Self {
        match self.high {
            x if x.is_nan() => Self::NAN,
            x if x > 710.0 => f64::INFINITY.into(),
            x if x < -746.0 => Self::ZERO,
            _ => {
                let (less_one, k) = self.exponential();
                (less_one + Self::ONE).scaled(k)
            }
        }
    }

    /// `e^self - 1`.
    #[must_use]
    pub fn exp_m1(self) -> Self {
        if self.high.is_nan() || self.high.abs() > 700.0 {
            return self.exp() - Self::ONE;
        }
        // The square is beyond 31 digits, and halving the smallest numbers would lose theirs.
        if self.high.abs() < 1e-32 {
            return self;
        }
        let (less_one, k) = self.exponential();
        if k == 0 { less_one } else { (less_one + Self::ONE).scaled(k) - Self::ONE }
    }

    /// `e^r - 1` and `k` with `self = k ln 2 + r`.
    fn exponential(self) -> (Self, i32) {
        const HALVINGS: i32 = 9;
        let k = (self.high / LN_2.high).round();
        let r = (self - LN_2 * k.into()).scaled(-HALVINGS);
        // |r| <= 6.8e-4: the ninth power over 9! is below 1e-33 of r.
        let mut less_one = Self::ZERO;
        for n in (1..=10).rev() {
            less_one = r / f64::from(n).into() * (Self::ONE + less_one);
        }
        for _ in 0..HALVINGS {
            less_one = less_one * (less_one + 2.0.into());
        }
        (less_one, k as i32)
    }

    /// The natural logarithm, by a Newton step from f64.
    #[must_use]
    pub fn ln(self) -> Self {
        if self.high.is_nan() || self.high <= 0.0 || self.high.is_infinite() {
            return self.high.ln().into();
        }
        // A mantissa near 1, so that nothing over- or underflows.
        let k = self.high.log2().round() as i32;
        let m = self.scaled(-k);
        let near = Self::from(m.high.ln());
        near + (m * (-near).exp() - Self::ONE) + LN_2 * f64::from(k).into()
    }

    /// `ln(1 + self)`.
    #[must_use]
    pub fn ln_1p(self) -> Self {
        if self.high.is_nan() || self.high.abs() > 0.5 {
            return (self + Self::ONE).ln();
        }
        let near = Self::from(self.high.ln_1p());
        let less_one = near.exp_m1();
        near + (self - less_one) / (Self::ONE + less_one)
    }

    /// The logarithm to base 2.
    #[must_use]
    pub fn log2(self) -> Self {
        self.ln() / LN_2
    }

    /// The logarithm to base 10.
    #[must_use]
    pub fn log10(self) -> Self {
        self.ln() / LN_10
    }

    /// Sine and cosine; NaN for arguments above 10^9, where the reduction would lose digits.
    #[must_use]
    pub fn sin_cos(self) -> [Self; 2] {
        if self.high.is_nan() || self.high.abs() > LARGEST_ANGLE {
            return [Self::NAN; 2];
        }
        let k = (self.high / HALF_PI[0]).round();
        let r = HALF_PI.iter().fold(self, |r, part| r - Self::product(k, *part));
        let square = -(r * r);
        // Taylor sums; the largest |r| is pi/4, 29! ends them.
        let (mut sine, mut cosine) = (Self::ONE, Self::ONE);
        for n in (1..=14).rev().map(|n| f64::from(2 * n)) {
            sine = Self::ONE + sine * square / (n * (n + 1.0)).into();
            cosine = Self::ONE + cosine * square / (n * (n - 1.0)).into();
        }
        sine = sine * r;
        match (k as i64).rem_euclid(4) {
            0 => [sine, cosine],
            1 => [cosine, -sine],
            2 => [-sine, -cosine],
            _ => [-cosine, sine],
        }
    }

    /// The angle of the point `(x, self)`, from -pi to pi.
    #[must_use]
    pub fn atan2(self, x: Self) -> Self {
        let near = self.high.atan2(x.high);
        if !near.is_finite() || self.high.is_infinite() || x.high.is_infinite() || (self.high == 0.0 && x.high == 0.0) {
            return near.into();
        }
        // The small angle that is left has this tangent.
        let [sine, cosine] = Self::from(near).sin_cos();
        let left = (self * cosine - x * sine) / (x * cosine + self * sine);
        Self::from(near) + left
    }

    /// `self` to the power `exponent`, as C has it.
    #[must_use]
    pub fn powf(self, exponent: Self) -> Self {
        let special = self.high.powf(exponent.high);
        if self.high == 0.0 || exponent.high == 0.0 || !special.is_finite() || !self.high.is_finite() {
            return special.into();
        }
        // Small whole powers are products: the first is then exact, and what jumps at a whole number sees that.
        if exponent.low == 0.0 && exponent.high.fract() == 0.0 && (1.0..=Self::MOST_FACTORS).contains(&exponent.high) {
            return self.powi(exponent.high as u32);
        }
        let power = (self.abs().ln() * exponent).exp();
        if special < 0.0 { -power } else { power }
    }

    /// The largest power that is multiplied out.
    const MOST_FACTORS: f64 = 64.0;

    /// The product of `n` factors, by squaring.
    fn powi(self, mut n: u32) -> Self {
        let (mut square, mut product) = (self, Self::ONE);
        loop {
            if n & 1 == 1 {
                product = product * square;
            }
            n >>= 1;
            if n == 0 {
                return product;
            }
            square = square * square;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `value` is `high + low` to 29 digits.
    fn near(value: Pair, high: f64, low: f64) {
        let error = ((value - Pair { high, low }).high / high).abs();
        assert!(error < 1e-29, "{value:?} for {high:e} + {low:e}: off by {error:e}");
    }

    /// Values of mpmath with 60 digits.
    #[test]
    fn functions_have_29_digits() {
        near(Pair::from(0.001).exp(), 1.0010005001667084, -4.290842058948394e-17);
        near(Pair::from(0.7).exp(), 2.0137527074704766, -2.0058243549764793e-16);
        near(Pair::from(1.5).exp(), 4.4816890703380645, 3.0481759556536343e-16);
        near(Pair::from(13.25).exp(), 568070.0400224912, 2.3189176334400172e-11);
        near(Pair::from(600.0).exp(), 3.7730203009299397e+260, 1.6116934109232247e+244);
        near(Pair::from(0.001).exp_m1(), 0.0010005001667083417, 2.598544094203749e-20);
        near(Pair::from(0.7).exp_m1(), 1.0137527074704764, 2.146216942738339e-17);
        near(Pair::from(1.5).exp_m1(), 3.481689070338065, -1.392716142846992e-16);
        near(Pair::from(13.25).exp_m1(), 568069.0400224912, 2.3189176334400172e-11);
        near(Pair::from(600.0).exp_m1(), 3.7730203009299397e+260, 1.6116934109232247e+244);
        near(Pair::from(0.001).ln(), -6.907755278982137, -2.1613487097372872e-16);
        near(Pair::from(0.7).ln(), -0.35667494393873245, 4.82556379937662e-18);
        near(Pair::from(1.5).ln(), 0.4054651081081644, -2.8811380259626426e-18);
        near(Pair::from(13.25).ln(), 2.583997552432231, 4.4682885541791085e-17);
        near(Pair::from(600.0).ln(), 6.396929655216146, 5.3437763424576075e-17);
        near(Pair::from(0.001).ln_1p(), 0.0009995003330835331, 3.8971025988294614e-20);
        near(Pair::from(0.7).ln_1p(), 0.5306282510621704, -5.076541175216476e-18);
        near(Pair::from(1.5).ln_1p(), 0.9162907318741551, -4.141195369011963e-17);
        near(Pair::from(13.25).ln_1p(), 2.6567569067146595, 6.066781256841498e-17);
        near(Pair::from(600.0).ln_1p(), 6.398594934535208, 2.2481433285617397e-17);
        near(Pair::from(0.001).log2(), -9.965784284662087, -2.436392176875017e-17);
        near(Pair::from(0.7).log2(), -0.5145731728297583, 8.76352077439819e-18);
        near(Pair::from(1.5).log2(), 0.5849625007211562, -5.224490061390109e-18);
        near(Pair::from(13.25).log2(), 3.727920454563199, -2.476475356878588e-17);
        near(Pair::from(600.0).log2(), 9.228818690495881, -4.500571039042813e-16);
        near(Pair::from(0.001).log10(), -3.0, 9.040569998937067e-18);
        near(Pair::from(0.7).log10(), -0.1549019599857432, -9.586393079652633e-18);
        near(Pair::from(1.5).log10(), 0.17609125905568124, 4.703633829087086e-18);
        near(Pair::from(13.25).log10(), 1.1222158782728267, 5.0305941423190275e-18);
        near(Pair::from(600.0).log10(), 2.7781512503836434, 2.2114078249854806e-16);
        near(Pair::from(0.001).sqrt(), 0.03162277660168379, 2.3070395267954534e-18);
        near(Pair::from(0.7).sqrt(), 0.8366600265340756, -4.12265279558505e-17);
        near(Pair::from(1.5).sqrt(), 1.224744871391589, 1.084308259051623e-16);
        near(Pair::from(13.25).sqrt(), 3.640054944640259, 1.0853755353134217e-16);
        near(Pair::from(600.0).sqrt(), 24.49489742783178, 3.922596787029957e-16);
        near(Pair::from(-0.3).exp(), 0.7408182206817179, -1.805530505953e-18);
        near(Pair::from(-20.5).exp(), 1.2501528663867426e-09, 6.448235878237776e-26);
        near(Pair::from(-690.0).exp(), 2.171738281389827e-300, -1.44990614e-316);
        near(Pair::from(0.3).sin_cos()[0], 0.29552020666133955, 1.8315357276792536e-17);
        near(Pair::from(0.3).sin_cos()[1], 0.955336489125606, 4.1935600297907467e-17);
        near(Pair::from(1.0).sin_cos()[0], 0.8414709848078965, 1.776845092935536e-18);
        near(Pair::from(1.0).sin_cos()[1], 0.5403023058681398, -4.760954612604417e-17);
        near(Pair::from(2.5).sin_cos()[0], 0.5984721441039565, -5.521403334082375e-17);
        near(Pair::from(2.5).sin_cos()[1], -0.8011436155469337, -1.8674742705085553e-17);
        near(Pair::from(-7.0).sin_cos()[0], -0.6569865987187891, -2.937261786543214e-17);
        near(Pair::from(-7.0).sin_cos()[1], 0.7539022543433046, 3.728245359710072e-17);
        near(Pair::from(22.0).sin_cos()[0], -0.008851309290403876, 2.8485303089220057e-19);
        near(Pair::from(22.0).sin_cos()[1], -0.9999608263946371, -8.51603380017413e-19);
        near(Pair::from(100000.0).sin_cos()[0], 0.03574879797201651, 1.5429743706109861e-18);
        near(Pair::from(100000.0).sin_cos()[1], -0.9993608074382124, -2.3447088905187402e-17);
        near(Pair::from(0.3).atan2(Pair::from(1.0)), 0.2914567944778671, -1.6448555435075034e-17);
        near(Pair::from(5.0).atan2(Pair::from(-2.0)), 1.9513027039072615, 4.563134361631463e-17);
        near(Pair::from(-1.0).atan2(Pair::from(-0.001)), -1.5717963264615635, 4.512194837965266e-17);
        near(Pair::from(1e-05).atan2(Pair::from(3.0)), 3.333333333320988e-06, 1.0853828380136003e-22);
        near(Pair::from(0.3).powf(Pair::from(1.7)), 0.12915348607498026, 9.9904746018186e-18);
        near(Pair::from(5.0).powf(Pair::from(-2.0)), 0.04, -8.326672684688674e-19);
        near(Pair::from(-3.0).powf(Pair::from(3.0)), -27.0, 0.0);
        near(Pair::from(1.1).powf(Pair::from(700.5)), 9.898649652463623e+28, 7211607078989.778);
        assert_eq!(Pair::from(-1.83).powf(Pair::ONE), Pair::from(-1.83));
        assert_eq!(Pair::from(3.0).powf(Pair::from(40.0)), Pair { high: 12157665459056928801f64, low: 33.0 });
    }

    #[test]
    fn arithmetic_keeps_what_f64_loses() {
        let third = Pair::ONE / 3.0.into();
        near(third + third + third, 1.0, 0.0);
        assert_eq!((Pair::from(1e16) + Pair::ONE) - Pair::from(1e16), Pair::ONE);
        assert_eq!(Pair::product(1.0 + f64::EPSILON, 1.0 + f64::EPSILON).low, f64::EPSILON * f64::EPSILON);
        assert_eq!((Pair::from(3.0) - Pair { high: 1e-20, low: 0.0 }).floor().high, 2.0);
        assert!(Pair::from(1.0) < Pair { high: 1.0, low: 1e-17 });
        assert!(Pair::from(-1.0).sqrt().high.is_nan() && Pair::NAN.exp().high.is_nan());
    }
}
