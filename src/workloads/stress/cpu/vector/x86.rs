//! Vectors of one register each, by intrinsics.

/// A vector of one register.
macro_rules! register {
    ($name:ident, $inner:ty, $real:ty, $w:literal, $splat:ident, $add:ident, $sub:ident, $mul:ident, $div:ident,
     $fma:ident, $root:ident, $stream:ident, |$x:ident| $finite:expr) => {
        /// One register.
        #[derive(Clone, Copy)]
        #[repr(transparent)]
        pub(in super::super::super) struct $name($inner);

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
            const AVX512: bool = size_of::<Self>() == 64;
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
pub(in super::super) mod avx2 {
    use super::super::{Add, Div, Halves, Lanes, Mul, Neg, Sub, Vector};
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
pub(in super::super) mod avx512 {
    use super::super::{Add, Div, Halves, Lanes, Mul, Neg, Sub, Vector};
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
