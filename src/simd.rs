//! Run-time choice of the instruction set. The build is generic; each kernel has one body that is compiled once per
//! level behind `#[target_feature]`, and the level is a value that is handed to it.

use serde::Serialize;

/// An instruction-set level that this process may use. Ordered: a higher level includes the lower ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Simd {
    /// What every CPU of the target has (SSE2 on x86-64, NEON on aarch64).
    Baseline,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, DQ, BW, VL, with FMA.
    Avx512,
}

impl Simd {
    /// The highest level of this CPU.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
            {
                return Simd::Avx512;
            }
            if avx2 {
                return Simd::Avx2;
            }
        }
        Simd::Baseline
    }

    /// Every level that this CPU has, lowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let best = Self::detect();
        [Simd::Baseline, Simd::Avx2, Simd::Avx512].into_iter().filter(|level| *level <= best).collect()
    }

    /// The name in settings and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Simd::Baseline => "baseline",
            Simd::Avx2 => "avx2",
            Simd::Avx512 => "avx512",
        }
    }
}

/// Compiles one body for each level: `multiversion!(pub fn name = body(a: A, b: B) -> R);` makes `name(simd, a, b)`,
/// which calls the `#[inline(always)]` function `body::<FMA>(a, b)` compiled for `simd`. `FMA` tells the body whether
/// `mul_add` is one instruction (it is a library call in the baseline).
///
/// The level must come from [`Simd::detect`] or [`Simd::available`]; a higher one than the CPU has is undefined, so the
/// generated function asserts it.
#[macro_export]
macro_rules! multiversion {
    ($(#[$meta:meta])* $vis:vis fn $name:ident = $body:ident($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)?;) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "the arguments are the body's")]
        $vis fn $name(simd: $crate::simd::Simd, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "the arguments are the body's")]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    $body::<true>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "the arguments are the body's")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    $body::<true>($($arg),*)
                }
                assert!(simd <= $crate::simd::Simd::detect(), "{simd:?} is not available on this CPU");
                match simd {
                    // SAFETY: the assertion above says that the CPU has the features of this level.
                    $crate::simd::Simd::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::simd::Simd::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::simd::Simd::Baseline => {}
                }
            }
            let _ = simd;
            // NEON has fused multiply-add in its baseline.
            $body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}

/// `a * b + c`: fused where that is one instruction, two roundings otherwise.
#[inline(always)]
#[must_use]
pub fn mul_add<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// [`mul_add`] in single precision.
#[inline(always)]
#[must_use]
pub fn mul_add_f32<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(always)]
    fn sum_body<const FMA: bool>(values: &[f64]) -> f64 {
        values.iter().fold(0.0, |sum, x| mul_add::<FMA>(*x, 2.0, sum))
    }
    multiversion!(
        fn sum = sum_body(values: &[f64]) -> f64;
    );

    #[test]
    fn every_level_of_this_cpu_runs() {
        for level in Simd::available() {
            assert_eq!(sum(level, &[1.0, 2.0, 3.0]), 12.0, "{}", level.name());
        }
    }
}
