//! Errors against double-double arithmetic, in units in the last place.

use rand::RngExt;

use super::*;
use crate::numeric::pair::Pair;
use crate::numeric::philox::Philox;

/// The error of `value` in units in the last place of `exact`.
fn ulps(value: f64, exact: Pair) -> f64 {
    let exponent = ((exact.high.abs().to_bits() >> 52) as i32 - 1023).max(-1022);
    let error = (Pair::from(value) - exact).abs().high;
    if value.to_bits() == exact.high.to_bits() && error == 0.0 {
        0.0
    } else {
        error / 2f64.powi(exponent) / f64::EPSILON
    }
}

/// The largest error over points of all sizes from `from` to `to`, of either sign if `signs`, and over `extra`.
fn worst<F: Function>(from: f64, to: f64, signs: bool, extra: &[f64], exact: impl Fn(Pair) -> Pair) -> f64 {
    const POINTS: usize = 6000;
    let mut rng = Philox::new(11, 0);
    let (first, last) = (from.ln(), to.ln());
    let mut worst = (0.0, 0.0);
    let random = (0..POINTS).map(|i| {
        let spread = if i % 2 == 0 {
            (first + (last - first) * rng.random::<f64>()).exp()
        } else {
            from + (to - from) * rng.random::<f64>()
        };
        if signs && rng.random::<bool>() { -spread } else { spread }
    });
    for x in random.chain(extra.iter().copied()).collect::<Vec<_>>() {
        assert!(F::inside(x), "{x:e} is inside");
        let error = ulps(F::fast(x), exact(x.into()));
        assert!(!error.is_nan(), "{x:e}: {}", F::fast(x));
        if error > worst.0 {
            worst = (error, x);
        }
    }
    eprintln!("{}: {:.3} at {:e}", std::any::type_name::<F>(), worst.0, worst.1);
    worst.0
}

#[test]
fn fast_forms_are_as_exact_as_they_say() {
    let half = Pair::from(0.5);
    assert!(worst::<Exp>(1e-10, 650.0, true, &[0.0, 708.0], Pair::exp) < 1.0);
    assert!(worst::<Expm1>(1e-300, 708.0, true, &[1e-5, -0.3466, 0.3467, -1.0, 1.0397], Pair::exp_m1) < 2.0);
    assert!(
        worst::<Log>(1e-307, 1e308, false, &[1.0, 0.999_999, 1.000_001, 0.707, 0.708, 1.414, 1.415, 2.0], Pair::ln)
            < 1.0
    );
    assert!(worst::<Log>(0.4, 2.5, false, &[f64::MIN_POSITIVE, f64::MAX], Pair::ln) < 1.0);
    assert!(worst::<Log2>(0.4, 2.5, false, &[f64::MIN_POSITIVE, 1e300], Pair::log2) < 2.0);
    assert!(worst::<Log10>(0.4, 2.5, false, &[1e-300, 1e300, 10.0, 100.0], Pair::log10) < 2.0);
    assert!(worst::<Log1p>(1e-300, 0.999_999, true, &[1e300, 12.0, -0.5, -0.3], Pair::ln_1p) < 2.0);
    let near: Vec<f64> = (1..2000).map(|k| f64::from(k) * std::f64::consts::FRAC_PI_2).collect();
    assert!(worst::<Sin>(1e-300, 1_048_576.0, true, &near, |x| x.sin_cos()[0]) < 1.0);
    assert!(worst::<Cos>(1e-300, 1_048_576.0, true, &near, |x| x.sin_cos()[1]) < 1.0);
    assert!(worst::<Sin>(1e-3, 10.0, true, &[0.0], |x| x.sin_cos()[0]) < 1.0);
    assert!(worst::<Cos>(1e-3, 10.0, true, &[0.0], |x| x.sin_cos()[1]) < 1.0);
    assert!(worst::<Tan>(1e-3, 1000.0, true, &near, |x| x.sin_cos()[0] / x.sin_cos()[1]) < 3.0);
    let sinh = |x: Pair| {
        let t = x.abs().exp_m1();
        let value = (t + t / (t + Pair::ONE)) * half;
        if x.high < 0.0 { -value } else { value }
    };
    assert!(worst::<Sinh>(1e-300, 700.0, true, &[0.3], sinh) < 4.0);
    assert!(worst::<Cosh>(1e-3, 700.0, true, &[0.0], |x| (x.exp() + (-x).exp()) * half) < 2.0);
    let tanh = |x: Pair| {
        let t = (x.abs() * 2.0.into()).exp_m1();
        let value = t / (t + 2.0.into());
        if x.high < 0.0 { -value } else { value }
    };
    assert!(worst::<Tanh>(1e-300, 40.0, true, &[0.17, 0.18, 19.0, 20.0, 21.0], tanh) < 4.0);
}

#[test]
fn powers_are_as_exact_as_they_say() {
    let mut rng = Philox::new(12, 0);
    let mut worst = (0.0, 0.0, 0.0);
    for i in 0..20_000 {
        let x = match i % 4 {
            0 => rng.random::<f64>() * 4.0 + 1e-3,
            1 => (rng.random::<f64>() * 1300.0 - 650.0).exp(),
            2 => 1.0 + (rng.random::<f64>() - 0.5) * 1e-3,
            _ => (rng.random::<f64>() - 0.5).exp(),
        };
        let most = 640.0 / x.ln().abs().max(0.7);
        let y = (rng.random::<f64>() * 2.0 - 1.0) * most;
        assert!(power::inside(x, y) || y.abs() * (x.log2().abs() + 2.0) > 900.0, "{x:e} {y:e}");
        if !power::inside(x, y) {
            continue;
        }
        let error = ulps(power::fast(x, y), Pair::from(x).powf(y.into()));
        if error > worst.0 {
            worst = (error, x, y);
        }
    }
    eprintln!("power: {worst:?}");
    // The bound is 2; a change that costs accuracy shows before that.
    assert!(worst.0 < 1.5, "{worst:?}");
    assert_eq!((power::fast(2.0, 10.0), power::fast(9.0, 0.5), power::fast(5.0, 0.0)), (1024.0, 3.0, 1.0));
    assert!(!power::inside(-1.0, 2.0) && !power::inside(0.0, 2.0) && !power::inside(2.0, f64::NAN));
    assert_eq!(power::<true>(-2.0, 3.0), -8.0);
}

#[test]
fn exact_cases_are_exact() {
    for k in -1000..1000 {
        assert_eq!(Log2::fast(2f64.powi(k)), f64::from(k));
    }
    assert_eq!(
        (Exp::fast(0.0), Log::fast(1.0), Sin::fast(0.0), Cos::fast(0.0), Tanh::fast(0.0)),
        (1.0, 0.0, 0.0, 1.0, 0.0)
    );
    assert_eq!(Sin::fast(-0.0).to_bits(), (-0.0f64).to_bits());
    assert_eq!(Tanh::fast(f64::MAX), 1.0);
    assert!(![f64::NAN, f64::INFINITY].iter().any(|x| Exp::inside(*x) || Log::inside(*x) || Sin::inside(*x)));
}

/// A value does not depend on what stands beside it.
#[test]
fn a_group_with_an_outsider_gives_the_others_what_they_always_get() {
    let x: Vec<f64> = (0..200).map(|k| f64::from(k) * 0.37 - 30.0).collect();
    let run = |x: &[f64]| {
        let mut out = vec![0.0; x.len()];
        map::<true, Exp, f64>(&mut out, x, |x| x, |x| x);
        out
    };
    let alone = run(&x);
    let mut mixed = x.clone();
    (mixed[3], mixed[150]) = (f64::NAN, 1e9);
    let beside = run(&mixed);
    assert!(beside[3].is_nan() && beside[150] == f64::INFINITY);
    assert!((0..200).filter(|i| ![3, 150].contains(i)).all(|i| alone[i].to_bits() == beside[i].to_bits()));
}

#[test]
fn modulo_is_python_s() {
    for (a, b, rest) in
        [(7.0, 3.0, 1.0), (-7.0, 3.0, 2.0), (7.0, -3.0, -2.0), (-7.0, -3.0, -1.0), (6.0, 3.0, 0.0), (5.5, 2.0, 1.5)]
    {
        assert_eq!(modulo(a, b), rest, "{a} % {b}");
    }
    assert!(modulo(1.0, 0.0).is_nan());
}
