//! The reference of the tests: sine and cosine by integers of 1408 bits, slow and plain. It shares no code and no constant
//! with what it judges: pi comes from Machin's formula, the multiple of pi/2 is taken off by doubling, the rest is Taylor's
//! series.

use std::cmp::Ordering;
use std::sync::LazyLock;

/// Words of a number, lowest first; the last one is before the point.
const WORDS: usize = 22;

/// Words after the point that the series are summed in.
const SHORT: usize = 5;

/// A number from 0 to 2^64 in steps of 2^-1344.
type Wide = [u64; WORDS];

fn add<const N: usize>(a: &mut [u64; N], b: &[u64; N]) {
    let mut carry = false;
    for (a, b) in a.iter_mut().zip(b) {
        let (sum, over) = a.overflowing_add(*b);
        let (sum, again) = sum.overflowing_add(u64::from(carry));
        (*a, carry) = (sum, over | again);
    }
}

fn subtract<const N: usize>(a: &mut [u64; N], b: &[u64; N]) {
    let mut borrow = false;
    for (a, b) in a.iter_mut().zip(b) {
        let (rest, under) = a.overflowing_sub(*b);
        let (rest, again) = rest.overflowing_sub(u64::from(borrow));
        (*a, borrow) = (rest, under | again);
    }
}

fn divide<const N: usize>(a: &mut [u64; N], by: u64) {
    let mut rest = 0_u128;
    for a in a.iter_mut().rev() {
        let whole = rest << 64 | u128::from(*a);
        *a = (whole / u128::from(by)) as u64;
        rest = whole % u128::from(by);
    }
}

fn compare<const N: usize>(a: &[u64; N], b: &[u64; N]) -> Ordering {
    a.iter().rev().cmp(b.iter().rev())
}

/// `a 2^-bits`.
fn halve(a: &Wide, bits: usize) -> Wide {
    let (words, bits) = (bits / 64, bits % 64);
    let word = |i: usize| a.get(i).copied().unwrap_or(0);
    std::array::from_fn(|i| word(i + words) >> bits | word(i + words + 1) << 1 << (63 - bits))
}

/// pi/2 = 8 atan(1/5) - 2 atan(1/239).
static HALF_PI: LazyLock<Wide> = LazyLock::new(|| {
    let arctangent = |factor: u64, of: u64| {
        let mut power = [0; WORDS];
        power[WORDS - 1] = factor;
        divide(&mut power, of);
        let mut sum = power;
        for k in 1.. {
            divide(&mut power, of * of);
            let mut term = power;
            divide(&mut term, 2 * k + 1);
            if term == [0; WORDS] {
                break;
            }
            if k % 2 == 1 { subtract(&mut sum, &term) } else { add(&mut sum, &term) }
        }
        sum
    };
    let mut half = arctangent(8, 5);
    subtract(&mut half, &arctangent(2, 239));
    half
});

/// pi/2, pi, 2 pi ... up to 2^53 pi/2.
static MULTIPLES: LazyLock<Vec<Wide>> = LazyLock::new(|| {
    let double = |last: &Wide| {
        let mut next = *last;
        add(&mut next, last);
        Some(next)
    };
    std::iter::successors(Some(*HALF_PI), double).take(54).collect()
});

/// Takes `what` off as often as it goes, at most `most` times; how often.
fn take_off(a: &mut Wide, what: &Wide) -> u64 {
    let mut times = 0;
    while compare(a, what) != Ordering::Less {
        subtract(a, what);
        times += 1;
    }
    times
}

/// `|x| = k pi/2 + r` with `r` from 0 to pi/2.
fn reduced(x: f64) -> (u64, Wide) {
    let bits = x.abs().to_bits();
    let (field, m) = ((bits >> 52) as i32, bits & ((1 << 52) - 1));
    let (m, exponent) = if field == 0 { (m, -1074) } else { (m | 1 << 52, field - 1075) };
    let mut rest = [0; WORDS];
    rest[WORDS - 1] = m;
    let mut quadrant = 0_u64;
    if exponent < 0 {
        rest = halve(&rest, exponent.unsigned_abs() as usize);
    }
    // Bit by bit of what is now below 2^53.
    for (shift, multiple) in MULTIPLES.iter().enumerate().rev() {
        quadrant = quadrant.wrapping_add(take_off(&mut rest, multiple) << shift);
    }
    for _ in 0..exponent.max(0) {
        let same = rest;
        add(&mut rest, &same);
        quadrant = (quadrant << 1).wrapping_add(take_off(&mut rest, &HALF_PI));
    }
    (quadrant, rest)
}

type Short = [u64; SHORT + 1];

fn multiply(a: &Short, b: &Short) -> Short {
    let mut product = [0_u64; 2 * (SHORT + 1)];
    for (i, a) in a.iter().enumerate() {
        let mut carry = 0;
        for (j, b) in b.iter().enumerate() {
            let sum = u128::from(*a) * u128::from(*b) + u128::from(product[i + j]) + carry;
            (product[i + j], carry) = (sum as u64, sum >> 64);
        }
        product[i + SHORT + 1] = carry as u64;
    }
    std::array::from_fn(|i| product[i + SHORT])
}

/// Taylor's series of the sine (from `first` = r) or the cosine (from 1), which stand at 1 and 0 in `n`.
fn series(first: Short, square: &Short, n: u64) -> Short {
    let (mut term, mut sum) = (first, first);
    for k in 1.. {
        term = multiply(&term, square);
        divide(&mut term, (2 * k + n) * (2 * k + n - 1));
        if term == [0; SHORT + 1] {
            break;
        }
        if k % 2 == 1 { subtract(&mut sum, &term) } else { add(&mut sum, &term) }
    }
    sum
}

/// A sine or a cosine: sign and magnitude in steps of 2^-320.
pub(super) struct Exact {
    negative: bool,
    magnitude: Short,
}

/// `(sin x, cos x)`, their errors below 2^-310.
pub(super) fn sin_cos(x: f64) -> (Exact, Exact) {
    let (quadrant, rest) = reduced(x);
    let r: Short = std::array::from_fn(|i| rest[WORDS - 1 - SHORT + i]);
    let square = multiply(&r, &r);
    let mut one = [0; SHORT + 1];
    one[SHORT] = 1;
    let (sine, cosine) = (series(r, &square, 1), series(one, &square, 0));
    let [sine, cosine] = if quadrant & 1 == 0 { [sine, cosine] } else { [cosine, sine] };
    let sine = Exact { negative: (quadrant & 2 != 0) != (x < 0.0), magnitude: sine };
    (sine, Exact { negative: quadrant.wrapping_add(1) & 2 != 0, magnitude: cosine })
}

/// The value of the three highest words that are not zero: within 2^-127 of itself.
fn value(magnitude: &Short) -> f64 {
    let highest = magnitude.iter().rposition(|word| *word != 0).unwrap_or(0);
    let low = highest.saturating_sub(2);
    let sum: f64 = (low..=highest).map(|i| magnitude[i] as f64 * 2f64.powi(64 * (i as i32 - SHORT as i32))).sum();
    sum
}

impl Exact {
    /// How far `got` is from this value, in units of its last place in f64; infinite for NaN and a wrong sign. The value must
    /// be at least 2^-200.
    pub(super) fn ulps(&self, got: f64) -> f64 {
        let size = value(&self.magnitude);
        let exponent = (size.to_bits() >> 52) as i32 - 1023;
        self.distance(got) / 2f64.powi(exponent - 52)
    }

    /// The same in units of the last place in f32, subnormal numbers included.
    pub(super) fn ulps_f32(&self, got: f32) -> f64 {
        let size = value(&self.magnitude);
        let exponent = ((size.to_bits() >> 52) as i32 - 1023).max(-126);
        self.distance(f64::from(got)) / 2f64.powi(exponent - 23)
    }

    fn distance(&self, got: f64) -> f64 {
        if got.is_nan() || got.abs() > 2.0 || (got < 0.0) != self.negative {
            return f64::INFINITY;
        }
        let bits = got.abs().to_bits();
        let (field, m) = ((bits >> 52) as i32, bits & ((1 << 52) - 1));
        let (m, exponent) = if field == 0 { (m, -1074) } else { (m | 1 << 52, field - 1075) };
        // m 2^exponent in steps of 2^-320; what is below is nothing next to the units that are asked for.
        let mut words = [0; SHORT + 1];
        let place = 64 * SHORT as i32 + exponent;
        if place < 0 {
            words[0] = m.checked_shr(place.unsigned_abs()).unwrap_or(0);
        } else {
            let (word, shift) = (place as usize / 64, place % 64);
            words[word] = m << shift;
            if word < SHORT {
                words[word + 1] = m >> 1 >> (63 - shift);
            }
        }
        let (mut large, mut small) = (words, self.magnitude);
        if compare(&large, &small) == Ordering::Less {
            (large, small) = (small, large);
        }
        subtract(&mut large, &small);
        value(&large)
    }
}

#[test]
fn the_reference_knows_published_values() {
    // pi/2 to 40 digits: the words after the point as decimal digits.
    let half_pi = value(&std::array::from_fn(|i| HALF_PI[WORDS - 1 - SHORT + i]));
    assert_eq!(half_pi, std::f64::consts::FRAC_PI_2);
    // 10^22 is a double. mpmath with 60 digits: sin = -0.85220084976718880177270589375302936826176215041...
    let (sine, cosine) = sin_cos(1e22);
    assert!(sine.negative && sine.ulps(-0.852_200_849_767_188_8) <= 0.5);
    assert!(!cosine.negative && cosine.ulps(0.523_214_785_395_139) <= 0.5);
    // The double next to a multiple of pi/2: 6381956970095103 2^797, whose cosine is -4.6871659242546276...e-19.
    let worst = 6_381_956_970_095_103.0 * 2f64.powi(797);
    let (_, cosine) = sin_cos(worst);
    assert!(cosine.negative && cosine.ulps(-4.687_165_924_254_628e-19) <= 0.5);
    // A wrong value is far away.
    assert!(sin_cos(1.0).0.ulps(0.841_470_984_807_896_5) <= 0.5);
    assert!((0.9..1.5).contains(&sin_cos(1.0).0.ulps(0.841_470_984_807_896_6)));
    assert_eq!(sin_cos(1.0).0.ulps(-0.841_470_984_807_896_5), f64::INFINITY);
}
