//! Eight numbers that are computed together, in the registers of each instruction-set level.
//!
//! Loops over arrays of eight were compiled to scalars here, at a quarter of the speed; these types leave no choice. A type of a
//! level is used only inside functions that are compiled for the level and entered after the CPU was checked
//! (`levels!`). Everything that is generic over them is `#[inline(always)]`, and no closure stands in between: it would be a
//! function of its own, without the level's instructions.

/// Numbers of a vector.
pub(super) const LANES: usize = 8;

/// A vector of eight numbers.
pub(super) trait Eight: Copy {
    /// Whether `a * b + c` is one instruction with one rounding.
    const FUSED: bool;

    /// The same number eight times.
    fn splat(value: f64) -> Self;

    /// Eight numbers from memory.
    ///
    /// # Safety
    /// `from` is valid for reads of eight numbers.
    unsafe fn load(from: *const f64) -> Self;

    /// Eight numbers to memory.
    ///
    /// # Safety
    /// `to` is valid for writes of eight numbers.
    unsafe fn store(self, to: *mut f64);

    /// `self * b + c`.
    fn add_to(self, b: Self, c: Self) -> Self;

    /// `c - self * b`.
    fn take_from(self, b: Self, c: Self) -> Self;

    /// The sum of all eight, pairwise.
    #[inline(always)]
    fn sum(self) -> f64 {
        let mut x = [0.0; LANES];
        // SAFETY: eight numbers.
        unsafe { self.store(x.as_mut_ptr()) };
        ((x[0] + x[4]) + (x[1] + x[5])) + ((x[2] + x[6]) + (x[3] + x[7]))
    }

    /// `a * b + c` of single numbers, rounded as the vectors are.
    #[inline(always)]
    fn single(a: f64, b: f64, c: f64) -> f64 {
        if Self::FUSED { a.mul_add(b, c) } else { a * b + c }
    }
}

/// Any processor: four pairs that the compiler maps to what there is.
#[derive(Clone, Copy)]
pub(super) struct Plain([f64; LANES]);

impl Eight for Plain {
    // NEON has it in its baseline.
    const FUSED: bool = cfg!(target_arch = "aarch64");

    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f64) -> Self {
        // SAFETY: the caller's promise; an array is as aligned as its numbers.
        Self(unsafe { *from.cast() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        // SAFETY: as above.
        unsafe { *to.cast() = self.0 };
    }

    #[inline(always)]
    fn add_to(mut self, b: Self, c: Self) -> Self {
        for l in 0..LANES {
            self.0[l] = Self::single(self.0[l], b.0[l], c.0[l]);
        }
        self
    }

    #[inline(always)]
    fn take_from(mut self, b: Self, c: Self) -> Self {
        for l in 0..LANES {
            self.0[l] = Self::single(-self.0[l], b.0[l], c.0[l]);
        }
        self
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Eight;

    /// One register.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512(__m512d);

    // SAFETY of every block: the type is used only where AVX-512 F was found, see the head of the file.
    impl Eight for Avx512 {
        const FUSED: bool = true;

        #[inline(always)]
        fn splat(value: f64) -> Self {
            // SAFETY: AVX-512 F is there.
            Self(unsafe { _mm512_set1_pd(value) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f64) -> Self {
            // SAFETY: AVX-512 F is there; the caller promises the memory.
            Self(unsafe { _mm512_loadu_pd(from) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f64) {
            // SAFETY: as above.
            unsafe { _mm512_storeu_pd(to, self.0) };
        }

        #[inline(always)]
        fn add_to(self, b: Self, c: Self) -> Self {
            // SAFETY: AVX-512 F is there.
            Self(unsafe { _mm512_fmadd_pd(self.0, b.0, c.0) })
        }

        #[inline(always)]
        fn take_from(self, b: Self, c: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm512_fnmadd_pd(self.0, b.0, c.0) })
        }
    }

    /// Two registers.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2(__m256d, __m256d);

    // SAFETY of every block: the type is used only where AVX2 and FMA were found, see the head of the file.
    impl Eight for Avx2 {
        const FUSED: bool = true;

        #[inline(always)]
        fn splat(value: f64) -> Self {
            // SAFETY: AVX2 is there.
            let all = unsafe { _mm256_set1_pd(value) };
            Self(all, all)
        }

        #[inline(always)]
        unsafe fn load(from: *const f64) -> Self {
            // SAFETY: AVX2 is there; the caller promises the memory.
            unsafe { Self(_mm256_loadu_pd(from), _mm256_loadu_pd(from.add(4))) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f64) {
            // SAFETY: as above.
            unsafe {
                _mm256_storeu_pd(to, self.0);
                _mm256_storeu_pd(to.add(4), self.1);
            }
        }

        #[inline(always)]
        fn add_to(self, b: Self, c: Self) -> Self {
            // SAFETY: FMA is there.
            unsafe { Self(_mm256_fmadd_pd(self.0, b.0, c.0), _mm256_fmadd_pd(self.1, b.1, c.1)) }
        }

        #[inline(always)]
        fn take_from(self, b: Self, c: Self) -> Self {
            // SAFETY: as above.
            unsafe { Self(_mm256_fnmadd_pd(self.0, b.0, c.0), _mm256_fnmadd_pd(self.1, b.1, c.1)) }
        }
    }
}

/// Compiles one body for each level: `levels!(pub fn name = body(a: A) -> R);` makes `name(simd, a)`, which calls the
/// `#[inline(always)]` function `body::<V>(a)` with the vectors of `simd`, compiled for it.
///
/// The level is checked: one that this CPU does not have panics.
macro_rules! levels {
    ($(#[$meta:meta])* $vis:vis fn $name:ident = $body:ident($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)?;) => {
        $(#[$meta])*
        $vis fn $name(simd: $crate::simd::Simd, $($arg: $ty),*) $(-> $ret)? {
            assert!(simd <= $crate::simd::Simd::detect(), "{simd:?} is not available on this CPU");
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    $body::<$crate::numeric::eigen::eight::Avx512>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    $body::<$crate::numeric::eigen::eight::Avx2>($($arg),*)
                }
                match simd {
                    // SAFETY: the assertion above says that the CPU has the features of this level.
                    $crate::simd::Simd::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::simd::Simd::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::simd::Simd::Baseline => {}
                }
            }
            $body::<$crate::numeric::eigen::eight::Plain>($($arg),*)
        }
    };
}
pub(super) use levels;
