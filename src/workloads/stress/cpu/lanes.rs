//! `W` elements at once: fixed arrays whose loops the compiler turns into vector instructions.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::job::Value;

/// f32 or f64.
pub(super) trait Real:
    Value + Default + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The nearest value.
    fn from_f64(value: f64) -> Self;
    /// The same value.
    fn to_f64(self) -> f64;
    /// Whether it is neither infinite nor NaN.
    fn finite(self) -> bool;
    /// The square root.
    fn root(self) -> Self;
    /// `self * b + c`, fused when `FMA`.
    fn mul_add<const FMA: bool>(self, b: Self, c: Self) -> Self;
}

impl Real for f64 {
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn finite(self) -> bool {
        self.abs() <= f64::MAX
    }
    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn mul_add<const FMA: bool>(self, b: Self, c: Self) -> Self {
        crate::numeric::simd::mul_add::<FMA>(self, b, c)
    }
}

impl Real for f32 {
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn finite(self) -> bool {
        self.abs() <= f32::MAX
    }
    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn mul_add<const FMA: bool>(self, b: Self, c: Self) -> Self {
        crate::numeric::simd::mul_add_f32::<FMA>(self, b, c)
    }
}

/// One number of `W` elements. 64 bytes (8 f64, 16 f32) fill one AVX-512 register or two AVX2 ones.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Lanes<T, const W: usize>(pub(super) [T; W]);

impl<T: Real, const W: usize> Lanes<T, W> {
    /// The same number for all.
    #[inline(always)]
    pub(super) fn splat(value: T) -> Self {
        Self([value; W])
    }

    #[inline(always)]
    pub(super) fn zero() -> Self {
        Self::splat(T::default())
    }

    #[inline(always)]
    fn map2(self, other: Self, f: impl Fn(T, T) -> T) -> Self {
        let mut out = [T::default(); W];
        for l in 0..W {
            out[l] = f(self.0[l], other.0[l]);
        }
        Self(out)
    }

    /// `self * b + c`.
    #[inline(always)]
    pub(super) fn fma<const FMA: bool>(self, b: Self, c: Self) -> Self {
        let mut out = [T::default(); W];
        for l in 0..W {
            out[l] = self.0[l].mul_add::<FMA>(b.0[l], c.0[l]);
        }
        Self(out)
    }

    /// `self * b + c` with one `b` for all.
    #[inline(always)]
    pub(super) fn scale_add<const FMA: bool>(self, b: T, c: Self) -> Self {
        self.fma::<FMA>(Self::splat(b), c)
    }

    /// Rounded to `U`, or the same values in it.
    #[inline(always)]
    pub(super) fn convert<U: Real>(self) -> Lanes<U, W> {
        let mut out = [U::default(); W];
        for l in 0..W {
            out[l] = U::from_f64(self.0[l].to_f64());
        }
        Lanes(out)
    }

    /// Zero in place of NaN and infinity.
    #[inline(always)]
    pub(super) fn finite_or_zero(self) -> Self {
        let mut out = self.0;
        for value in &mut out {
            *value = if value.finite() { *value } else { T::default() };
        }
        Self(out)
    }

    #[inline(always)]
    pub(super) fn root(self) -> Self {
        let mut out = self.0;
        for value in &mut out {
            *value = value.root();
        }
        Self(out)
    }
}

impl<T: Real, const W: usize> Add for Lanes<T, W> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.map2(other, |a, b| a + b)
    }
}

impl<T: Real, const W: usize> Sub for Lanes<T, W> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.map2(other, |a, b| a - b)
    }
}

impl<T: Real, const W: usize> Mul for Lanes<T, W> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.map2(other, |a, b| a * b)
    }
}

impl<T: Real, const W: usize> Div for Lanes<T, W> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.map2(other, |a, b| a / b)
    }
}

impl<T: Real, const W: usize> Neg for Lanes<T, W> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(self.0.map(|a| -a))
    }
}
