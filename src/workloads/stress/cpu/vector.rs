//! Vectors of the widths that each SIMD level has, and plain arrays for every other processor.
//!
//! A loop over an array in the hope of vector instructions is at the mercy of the compiler: it picked gathers and
//! scatters over the wrong index here, at a quarter of the speed, and took minutes. These types leave it no choice.
//!
//! Safety: the types of a level are private to this module's parent, which uses them only inside functions that are
//! compiled for the level and entered after the CPU was checked (`levels!`). Everything that is generic over them is
//! `#[inline(always)]`, and no closure stands in between: a closure is a function of its own, without the level's
//! instructions.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::job::Value;

/// f32 or f64.
pub(super) trait Real: Value + Default {
    /// The nearest value.
    fn from_f64(value: f64) -> Self;
}

impl Real for f64 {
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }
}

impl Real for f32 {
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value as f32
    }
}

/// Numbers of several elements, side by side in memory.
pub(super) trait Lanes: Copy {
    /// The number type.
    type Real: Real;
    /// All zero.
    fn zero() -> Self;
    /// One number for each element.
    fn lanes(&self) -> &[Self::Real];
    /// As [`Lanes::lanes`], writable.
    fn lanes_mut(&mut self) -> &mut [Self::Real];
}

/// A vector: one number for each of `W` elements.
pub(super) trait Vector:
    Lanes + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// Elements side by side, a multiple of 4.
    const W: usize;
    /// Whether AVX2 is there wherever this type is used.
    const AVX2: bool;
    /// The same number for all.
    fn splat(value: Self::Real) -> Self;
    /// `self * b + c`, in one rounding where the level has it.
    fn fma(self, b: Self, c: Self) -> Self;
    /// The square root.
    fn root(self) -> Self;
    /// Zero in place of NaN and infinity.
    fn finite_or_zero(self) -> Self;
    /// Writes all numbers to `to`, past the caches where the level can.
    ///
    /// # Safety
    /// `to` is valid for writes of `W` numbers and aligned to the size of the whole vector.
    unsafe fn stream(self, to: *mut Self::Real);

    /// `W` numbers from memory.
    #[inline(always)]
    fn load(from: &[Self::Real]) -> Self {
        let mut all = Self::zero();
        all.lanes_mut().copy_from_slice(from);
        all
    }

    /// The nearest number to `value` for all.
    #[inline(always)]
    fn number(value: f64) -> Self {
        Self::splat(Self::Real::from_f64(value))
    }

    /// `self * b + c` with one `b` for all.
    #[inline(always)]
    fn scale_add(self, b: Self::Real, c: Self) -> Self {
        self.fma(Self::splat(b), c)
    }
}

/// An f32 vector that two f64 vectors of half its width convert to and from.
pub(super) trait Halves: Vector<Real = f32> {
    /// f64, half the width.
    type Half: Vector<Real = f64>;
    /// Both halves, rounded to f32.
    fn join(halves: [Self::Half; 2]) -> Self;
    /// Both halves in f64.
    fn halves(self) -> [Self::Half; 2];
}

impl<H: Vector<Real = f64>> Lanes for [H; 2] {
    type Real = f64;
    #[inline(always)]
    fn zero() -> Self {
        [H::zero(), H::zero()]
    }
    #[inline(always)]
    fn lanes(&self) -> &[f64] {
        // SAFETY: a vector is W numbers side by side without padding (asserted for each type), so are two.
        unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), 2 * H::W) }
    }
    #[inline(always)]
    fn lanes_mut(&mut self) -> &mut [f64] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr().cast(), 2 * H::W) }
    }
}

/// [`Lanes`] and the operators of a type whose memory is `$w` numbers, from functions named in the type itself.
macro_rules! vector {
    ($name:ident, $real:ty, $w:literal) => {
        const _: () = assert!(size_of::<$name>() == $w * size_of::<$real>());

        impl Lanes for $name {
            type Real = $real;
            #[inline(always)]
            fn zero() -> Self {
                Self::splat(0.0)
            }
            #[inline(always)]
            fn lanes(&self) -> &[$real] {
                // SAFETY: the type is exactly $w numbers (asserted above), at least as aligned as one.
                unsafe { std::slice::from_raw_parts(std::ptr::from_ref(self).cast(), $w) }
            }
            #[inline(always)]
            fn lanes_mut(&mut self) -> &mut [$real] {
                // SAFETY: as above.
                unsafe { std::slice::from_raw_parts_mut(std::ptr::from_mut(self).cast(), $w) }
            }
        }
        impl Add for $name {
            type Output = Self;
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self.plus(other)
            }
        }
        impl Sub for $name {
            type Output = Self;
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self.minus(other)
            }
        }
        impl Mul for $name {
            type Output = Self;
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self.times(other)
            }
        }
        impl Div for $name {
            type Output = Self;
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                self.over(other)
            }
        }
        impl Neg for $name {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Self::splat(-0.0).minus(self)
            }
        }
    };
}

/// A vector of plain numbers, for processors without a level of their own.
macro_rules! plain {
    ($name:ident, $real:ty, $w:literal) => {
        /// Plain numbers.
        #[derive(Clone, Copy)]
        #[repr(C, align(16))]
        pub(in super::super) struct $name([$real; $w]);

        vector!($name, $real, $w);

        impl $name {
            #[inline(always)]
            fn plus(mut self, other: Self) -> Self {
                self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
                self
            }
            #[inline(always)]
            fn minus(mut self, other: Self) -> Self {
                self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a -= b);
                self
            }
            #[inline(always)]
            fn times(mut self, other: Self) -> Self {
                self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a *= b);
                self
            }
            #[inline(always)]
            fn over(mut self, other: Self) -> Self {
                self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a /= b);
                self
            }
        }

        impl Vector for $name {
            const W: usize = $w;
            const AVX2: bool = false;
            #[inline(always)]
            fn splat(value: $real) -> Self {
                Self([value; $w])
            }
            #[inline(always)]
            fn fma(mut self, b: Self, c: Self) -> Self {
                for l in 0..$w {
                    // NEON has it in one instruction; elsewhere it would be a library call.
                    self.0[l] = if cfg!(target_arch = "aarch64") {
                        self.0[l].mul_add(b.0[l], c.0[l])
                    } else {
                        self.0[l] * b.0[l] + c.0[l]
                    };
                }
                self
            }
            #[inline(always)]
            fn root(mut self) -> Self {
                self.0.iter_mut().for_each(|a| *a = a.sqrt());
                self
            }
            #[inline(always)]
            fn finite_or_zero(mut self) -> Self {
                self.0.iter_mut().for_each(|a| *a = if a.is_finite() { *a } else { 0.0 });
                self
            }
            #[inline(always)]
            unsafe fn stream(self, to: *mut $real) {
                // SAFETY: the caller vouches for room and alignment.
                unsafe { to.cast::<Self>().write(self) };
            }
        }
    };
}

/// Vectors without intrinsics.
pub(super) mod portable {
    use super::{Add, Div, Halves, Lanes, Mul, Neg, Sub, Vector};

    plain!(F64, f64, 4);
    plain!(F32, f32, 8);

    impl Halves for F32 {
        type Half = F64;
        #[inline(always)]
        fn join([low, high]: [F64; 2]) -> Self {
            let mut all = Self::zero();
            for l in 0..4 {
                (all.0[l], all.0[4 + l]) = (low.0[l] as f32, high.0[l] as f32);
            }
            all
        }
        #[inline(always)]
        fn halves(self) -> [F64; 2] {
            let mut both = [F64::zero(); 2];
            for l in 0..8 {
                both[l / 4].0[l % 4] = f64::from(self.0[l]);
            }
            both
        }
    }
}

/// A vector of one register.
#[cfg(target_arch = "x86_64")]
macro_rules! register {
    ($name:ident, $inner:ty, $real:ty, $w:literal, $splat:ident, $add:ident, $sub:ident, $mul:ident, $div:ident,
     $fma:ident, $root:ident, $stream:ident, |$x:ident| $finite:expr) => {
        /// One register.
        #[derive(Clone, Copy)]
        #[repr(transparent)]
        pub(in super::super) struct $name($inner);

        vector!($name, $real, $w);

        // SAFETY of every block below: the module's rule, the CPU has this level wherever the type is used.
        impl $name {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                // SAFETY: see above.
                Self(unsafe { $add(self.0, other.0) })
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                // SAFETY: see above.
                Self(unsafe { $sub(self.0, other.0) })
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                // SAFETY: see above.
                Self(unsafe { $mul(self.0, other.0) })
            }
            #[inline(always)]
            fn over(self, other: Self) -> Self {
                // SAFETY: see above.
                Self(unsafe { $div(self.0, other.0) })
            }
        }

        impl Vector for $name {
            const W: usize = $w;
            const AVX2: bool = true;
            #[inline(always)]
            fn splat(value: $real) -> Self {
                // SAFETY: see above.
                Self(unsafe { $splat(value) })
            }
            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                // SAFETY: see above.
                Self(unsafe { $fma(self.0, b.0, c.0) })
            }
            #[inline(always)]
            fn root(self) -> Self {
                // SAFETY: see above.
                Self(unsafe { $root(self.0) })
            }
            #[inline(always)]
            fn finite_or_zero(self) -> Self {
                let $x = self.0;
                // x - x is 0 for finite x and NaN else. SAFETY: see above.
                Self(unsafe { $finite })
            }
            #[inline(always)]
            unsafe fn stream(self, to: *mut $real) {
                // SAFETY: as for the rest; the caller vouches for room and alignment.
                unsafe { $stream(to.cast(), self.0) };
            }
        }
    };
}

/// 256-bit vectors.
#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    use super::{Add, Div, Halves, Lanes, Mul, Neg, Sub, Vector};
    use std::arch::x86_64::*;

    register!(
        F64,
        __m256d,
        f64,
        4,
        _mm256_set1_pd,
        _mm256_add_pd,
        _mm256_sub_pd,
        _mm256_mul_pd,
        _mm256_div_pd,
        _mm256_fmadd_pd,
        _mm256_sqrt_pd,
        _mm256_stream_pd,
        |x| _mm256_and_pd(x, _mm256_cmp_pd::<_CMP_EQ_OQ>(_mm256_sub_pd(x, x), _mm256_setzero_pd()))
    );
    register!(
        F32,
        __m256,
        f32,
        8,
        _mm256_set1_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_div_ps,
        _mm256_fmadd_ps,
        _mm256_sqrt_ps,
        _mm256_stream_ps,
        |x| _mm256_and_ps(x, _mm256_cmp_ps::<_CMP_EQ_OQ>(_mm256_sub_ps(x, x), _mm256_setzero_ps()))
    );

    impl Halves for F32 {
        type Half = F64;
        #[inline(always)]
        fn join([low, high]: [F64; 2]) -> Self {
            // SAFETY: the module's rule.
            Self(unsafe { _mm256_set_m128(_mm256_cvtpd_ps(high.0), _mm256_cvtpd_ps(low.0)) })
        }
        #[inline(always)]
        fn halves(self) -> [F64; 2] {
            // SAFETY: the module's rule.
            unsafe {
                [
                    F64(_mm256_cvtps_pd(_mm256_castps256_ps128(self.0))),
                    F64(_mm256_cvtps_pd(_mm256_extractf128_ps::<1>(self.0))),
                ]
            }
        }
    }
}

/// 512-bit vectors.
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512 {
    use super::{Add, Div, Halves, Lanes, Mul, Neg, Sub, Vector};
    use std::arch::x86_64::*;

    register!(
        F64,
        __m512d,
        f64,
        8,
        _mm512_set1_pd,
        _mm512_add_pd,
        _mm512_sub_pd,
        _mm512_mul_pd,
        _mm512_div_pd,
        _mm512_fmadd_pd,
        _mm512_sqrt_pd,
        _mm512_stream_pd,
        |x| _mm512_maskz_mov_pd(_mm512_cmp_pd_mask::<_CMP_EQ_OQ>(_mm512_sub_pd(x, x), _mm512_setzero_pd()), x)
    );
    register!(
        F32,
        __m512,
        f32,
        16,
        _mm512_set1_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_div_ps,
        _mm512_fmadd_ps,
        _mm512_sqrt_ps,
        _mm512_stream_ps,
        |x| _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(_mm512_sub_ps(x, x), _mm512_setzero_ps()), x)
    );

    impl Halves for F32 {
        type Half = F64;
        #[inline(always)]
        fn join([low, high]: [F64; 2]) -> Self {
            // SAFETY: the module's rule.
            Self(unsafe {
                let low = _mm512_castps256_ps512(_mm512_cvtpd_ps(low.0));
                _mm512_insertf32x8::<1>(low, _mm512_cvtpd_ps(high.0))
            })
        }
        #[inline(always)]
        fn halves(self) -> [F64; 2] {
            // SAFETY: the module's rule.
            unsafe {
                [
                    F64(_mm512_cvtps_pd(_mm512_castps512_ps256(self.0))),
                    F64(_mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(self.0))),
                ]
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
}
