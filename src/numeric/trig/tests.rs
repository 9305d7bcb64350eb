use rand::{Rng, RngExt};

use super::exact;
use super::*;
use crate::numeric::philox::Philox;
use crate::simd::Simd;

/// The worst errors of both functions, in ulps, with the arguments, at any level of this CPU.
fn worst(x: &[f64]) -> [(f64, f64); 2] {
    let exact: Vec<_> = x.iter().map(|x| exact::sin_cos(*x)).collect();
    let mut worst = [(0.0, 0.0); 2];
    for simd in Simd::available() {
        let (mut sin, mut cos) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        sin_cos(simd, x, &mut sin, &mut cos);
        for (i, (sine, cosine)) in exact.iter().enumerate() {
            for (worst, error) in worst.iter_mut().zip([sine.ulps(sin[i]), cosine.ulps(cos[i])]) {
                if error > worst.0 {
                    *worst = (error, x[i]);
                }
            }
        }
    }
    worst
}

/// The errors that are derived in `polynomial`, which leave room to 1 ulp.
fn assert_within_one_ulp(what: &str, x: &[f64]) {
    let [sine, cosine] = worst(x);
    eprintln!("{what}: sin {:.4} ulp at {:e}, cos {:.4} ulp at {:e}", sine.0, sine.1, cosine.0, cosine.1);
    assert!(sine.0 <= 0.97 && cosine.0 <= 0.88, "{what}: {sine:?} {cosine:?}");
}

/// Numbers of any sign and mantissa with exponents in a range.
fn random(n: usize, exponents: std::ops::Range<i32>, stream: u64) -> Vec<f64> {
    let mut rng = Philox::new(20, stream);
    let mut number = || {
        let exponent = rng.random_range(exponents.clone());
        let mantissa = rng.next_u64() & ((1 << 52) - 1);
        f64::from_bits(rng.next_u64() << 63 | ((exponent + 1023) as u64) << 52 | mantissa)
    };
    (0..n).map(|_| number()).collect()
}

#[test]
fn small_and_moderate_arguments_are_within_one_ulp() {
    assert_within_one_ulp("up to 1", &random(3000, -4..0, 1));
    assert_within_one_ulp("small", &random(500, -100..-4, 2));
    assert_within_one_ulp("1 to 2^30", &random(3000, 0..30, 3));
    let mut edges = vec![std::f64::consts::FRAC_PI_4, 0.5, 1.0, 2f64.powi(30), 2f64.powi(-26), 2f64.powi(-27)];
    for edge in edges.clone() {
        edges.extend([edge.next_down(), edge.next_up(), -edge]);
    }
    assert_within_one_ulp("edges", &edges);
}

#[test]
fn huge_arguments_are_within_one_ulp() {
    // Every exponent, so that every word of 2/pi is in use.
    let every: Vec<f64> = (29..1024).flat_map(|e| random(1, e..e + 1, 1000 + e as u64)).collect();
    assert_within_one_ulp("2^29 and more", &every);
    assert_within_one_ulp("the largest", &[f64::MAX, -f64::MAX, f64::MAX.next_down()]);
}

#[test]
fn arguments_next_to_multiples_of_half_pi_are_within_one_ulp() {
    let mut rng = Philox::new(21, 0);
    let mut near: Vec<f64> = (1..200).map(f64::from).collect();
    near.extend((0..500).map(|_| f64::from(rng.random_range(1..1_u32 << 30))));
    let near: Vec<f64> = near.iter().map(|k| k * std::f64::consts::FRAC_PI_2).collect();
    let near: Vec<f64> = near.iter().flat_map(|x| [*x, x.next_up(), -x.next_down()]).collect();
    assert_within_one_ulp("next to k pi/2", &near);
    // In the middle of two multiples, where the nearest whole number is in doubt.
    let middle: Vec<f64> = near.iter().map(|x| x + std::f64::consts::FRAC_PI_4).collect();
    assert_within_one_ulp("next to (k + 1/2) pi/2", &middle);
    // The closest of all doubles (Muller), and others of the same continued fraction.
    let closest = 6_381_956_970_095_103.0 * 2f64.powi(797);
    assert_within_one_ulp("the closest", &[closest, -closest, 2.0 * closest, 1e22, 5e300, closest / 2.0]);
}

#[test]
fn special_values_are_what_ieee_754_says() {
    for simd in Simd::available() {
        let x = [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::from_bits(1), -f64::MIN_POSITIVE, 1e-300];
        let (mut sin, mut cos) = ([1.0; 8], [0.0; 8]);
        sin_cos(simd, &x, &mut sin, &mut cos);
        for i in [0, 1, 5, 6, 7] {
            assert_eq!((sin[i].to_bits(), cos[i]), (x[i].to_bits(), 1.0), "{:e} {}", x[i], simd.name());
        }
        assert!((2..5).all(|i| sin[i].is_nan() && cos[i].is_nan()), "{}", simd.name());
        let (mut sin, mut cos) = ([1.0; 8], [0.0; 8]);
        let x = x.map(|x| x as f32);
        sin_cos_f32(simd, &x, &mut sin, &mut cos);
        assert!(sin[1].to_bits() == (-0.0_f32).to_bits() && cos[0] == 1.0 && sin[2].is_nan() && cos[3].is_nan());
    }
}

#[test]
fn values_do_not_depend_on_their_neighbours() {
    let x = random(LANES * 3 + 5, -3..60, 5);
    for simd in Simd::available() {
        let (mut sin, mut cos) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        sin_cos(simd, &x, &mut sin, &mut cos);
        for i in 0..x.len() {
            let (mut s, mut c) = ([0.0], [0.0]);
            sin_cos(simd, &x[i..=i], &mut s, &mut c);
            assert_eq!((s[0].to_bits(), c[0].to_bits()), (sin[i].to_bits(), cos[i].to_bits()), "{:e}", x[i]);
        }
    }
}

#[inline(always)]
fn half_body<const FMA: bool>(t: &[f64], sin: &mut [f64], cos: &mut [f64]) {
    for ((t, sin), cos) in t.iter().zip(sin).zip(cos) {
        (*sin, *cos) = half::<FMA>(*t);
    }
}
multiversion!(
    fn half_any = half_body(t: &[f64], sin: &mut [f64], cos: &mut [f64]);
);

#[inline(always)]
fn quarter_f32_body<const FMA: bool>(t: &[f32], sin: &mut [f32], cos: &mut [f32]) {
    for ((t, sin), cos) in t.iter().zip(sin).zip(cos) {
        (*sin, *cos) = quarter_f32::<FMA>(*t);
    }
}
multiversion!(
    fn quarter_f32_any = quarter_f32_body(t: &[f32], sin: &mut [f32], cos: &mut [f32]);
);

#[test]
fn polynomials_on_their_ranges_are_within_their_bounds() {
    let mut rng = Philox::new(22, 0);
    let mut t: Vec<f64> = (0..3000).map(|_| rng.random::<f64>() - 0.5).collect();
    t.extend([0.5, -0.5, 0.5 + 1e-6, 1e-9, -1e-20, 2f64.powi(-27)]);
    let exact: Vec<_> = t.iter().map(|t| exact::sin_cos(*t)).collect();
    for simd in Simd::available() {
        let (mut sin, mut cos) = (vec![0.0; t.len()], vec![0.0; t.len()]);
        half_any(simd, &t, &mut sin, &mut cos);
        for (i, (sine, cosine)) in exact.iter().enumerate() {
            let errors = [sine.ulps(sin[i]), cosine.ulps(cos[i])];
            assert!(errors[0] <= 0.70 && errors[1] <= 0.70, "{:e}: {errors:?} {}", t[i], simd.name());
        }
    }
    let single: Vec<f32> = t.iter().map(|t| (t * std::f64::consts::FRAC_PI_2) as f32).collect();
    let exact: Vec<_> = single.iter().map(|t| exact::sin_cos(f64::from(*t))).collect();
    for simd in Simd::available() {
        let (mut sin, mut cos) = (vec![0.0; t.len()], vec![0.0; t.len()]);
        quarter_f32_any(simd, &single, &mut sin, &mut cos);
        for (i, (sine, cosine)) in exact.iter().enumerate() {
            let errors = [sine.ulps_f32(sin[i]), cosine.ulps_f32(cos[i])];
            let most = if single[i].abs() <= 0.5 || simd > Simd::Baseline { 0.94 } else { 1.2 };
            assert!(errors[0] <= 0.89 && errors[1] <= most, "{:e}: {errors:?} {}", single[i], simd.name());
        }
    }
}

/// f32 against the standard library in f64, whose error is 2^-28 ulp of f32: the worst of the numbers whose bits are every
/// `step`th of `range`.
fn worst_f32(simd: Simd, range: std::ops::Range<u64>, step: usize) -> f64 {
    let mut worst = 0.0_f64;
    let bits: Vec<u32> = range.step_by(step).map(|bits| bits as u32).collect();
    for bits in bits.chunks(1024) {
        let x: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
        let (mut sin, mut cos) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        sin_cos_f32(simd, &x, &mut sin, &mut cos);
        for (i, x) in x.iter().enumerate() {
            let (sine, cosine) = f64::from(*x).sin_cos();
            for (got, want) in [(sin[i], sine), (cos[i], cosine)] {
                assert_eq!(got.is_nan(), want.is_nan(), "{x:e}");
                let exponent = ((want.to_bits() >> 52 & 0x7ff) as i32 - 1023).max(-126);
                let error = (f64::from(got) - want).abs() / 2f64.powi(exponent - 23);
                worst = if want.is_nan() { worst } else { worst.max(error) };
            }
        }
    }
    worst
}

#[test]
fn sampled_f32_are_within_one_ulp() {
    for simd in Simd::available() {
        let worst = worst_f32(simd, 0..1 << 32, 99_991);
        assert!(worst <= 0.51, "{worst} {}", simd.name());
    }
}

/// `cargo test --release --lib every_f32 -- --ignored`
#[test]
#[ignore = "all 2^32 numbers: minutes, in a release build"]
fn every_f32_is_within_one_ulp() {
    use rayon::prelude::*;
    for simd in Simd::available() {
        let parts = (0..1 << 12_u64).into_par_iter();
        let worst = parts.map(|part| worst_f32(simd, part << 20..(part + 1) << 20, 1)).reduce(|| 0.0, f64::max);
        eprintln!("{}: {worst:.6} ulp", simd.name());
        assert!(worst <= 0.51, "{worst} {}", simd.name());
    }
}

#[test]
fn the_shader_has_the_same_coefficients() {
    let shader = include_str!("../../../shaders/sincos.wgsl");
    let numbers: Vec<f32> = shader
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'))
        .filter_map(|word| word.parse().ok())
        .collect();
    for c in polynomial::SIN_SINGLE.iter().chain(&polynomial::COS_SINGLE) {
        assert!(numbers.contains(c), "{c:e} is not in shaders/sincos.wgsl");
    }
}
