use super::*;

fn check<V: Vector>() {
    let mut a = V::zero();
    let mut b = V::zero();
    for (l, (a, b)) in a.lanes_mut().iter_mut().zip(b.lanes_mut()).enumerate() {
        (*a, *b) = (V::Real::from_f64(l as f64 + 1.0), V::Real::from_f64(0.5 * l as f64 - 3.0));
    }
    let at = |v: V, l: usize| bytemuck::bytes_of(&v.lanes()[l]).to_vec();
    let number = |value: f64| bytemuck::bytes_of(&V::Real::from_f64(value)).to_vec();
    assert_eq!(a.lanes().len(), V::W);
    for l in 0..V::W {
        let (x, y) = (l as f64 + 1.0, 0.5 * l as f64 - 3.0);
        assert_eq!(at(a + b, l), number(x + y));
        assert_eq!(at(a - b, l), number(x - y));
        assert_eq!(at(a * b, l), number(x * y));
        assert_eq!(at(-b, l), number(-y));
        assert_eq!(at(a.fma(b, a), l), number(x * y + x));
        assert_eq!(at((a * a).root(), l), number(x));
        assert_eq!(at((a * b) / a, l), number(y));
        assert_eq!(at(a.finite_or_zero(), l), number(x));
        assert_eq!(at((a / V::zero()).finite_or_zero(), l), number(0.0));
        assert_eq!(at((V::zero() / V::zero()).finite_or_zero(), l), number(0.0));
    }
}

fn check_halves<V: Halves>() {
    let mut a = V::zero();
    for (l, a) in a.lanes_mut().iter_mut().enumerate() {
        *a = l as f32 + 0.1;
    }
    assert_eq!(V::join(a.halves()).lanes(), a.lanes());
    let mut halves = a.halves();
    assert_eq!(halves.lanes().len(), V::W);
    halves.lanes_mut()[V::W - 1] = 7.0;
    assert_eq!(V::join(halves).lanes()[V::W - 1], 7.0);
}

#[test]
fn every_type_of_this_cpu_computes() {
    check::<portable::F64>();
    check::<portable::F32>();
    check_halves::<portable::F32>();
    #[cfg(target_arch = "x86_64")]
    {
        use crate::simd::Simd;
        if Simd::detect() >= Simd::Avx2 {
            check::<avx2::F64>();
            check::<avx2::F32>();
            check_halves::<avx2::F32>();
        }
        if Simd::detect() >= Simd::Avx512 {
            check::<avx512::F64>();
            check::<avx512::F32>();
            check_halves::<avx512::F32>();
        }
    }
}
