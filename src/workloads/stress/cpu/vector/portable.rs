//! Vectors without intrinsics, for processors without a level of their own.

use super::{Add, Div, Halves, Lanes, Mul, Neg, Sub, Vector};

/// A vector of plain numbers.
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
            const AVX512: bool = false;
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
