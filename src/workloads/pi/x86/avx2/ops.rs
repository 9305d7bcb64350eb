//! The instructions of AVX2 that counting needs.

use std::arch::x86_64::*;

pub(super) type Vector = __m256i;

/// `x` in every 64-bit lane.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn splat(x: u64) -> Vector {
    _mm256_set1_epi64x(x as i64)
}

/// `x` in every 32-bit lane.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn splat_32(x: u32) -> Vector {
    _mm256_set1_epi32(x as i32)
}

/// 0, 1, 2 ... in 64-bit lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn lane_numbers() -> Vector {
    _mm256_setr_epi64x(0, 1, 2, 3)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn add_64(a: Vector, b: Vector) -> Vector {
    _mm256_add_epi64(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn add_32(a: Vector, b: Vector) -> Vector {
    _mm256_add_epi32(a, b)
}

/// The 64-bit product of the low halves of 64-bit lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn product(a: Vector, b: Vector) -> Vector {
    _mm256_mul_epu32(a, b)
}

/// The low 32 bits of the products of 32-bit lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn product_32(a: Vector, b: Vector) -> Vector {
    _mm256_mullo_epi32(a, b)
}

/// The high half of each 64-bit lane.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn high(a: Vector) -> Vector {
    _mm256_srli_epi64::<32>(a)
}

/// The high half of each 32-bit lane.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn shift_right_16(a: Vector) -> Vector {
    _mm256_srli_epi32::<16>(a)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn and(a: Vector, b: Vector) -> Vector {
    _mm256_and_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn xor_3(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}

/// The low halves of all 64-bit lanes of both, in some order.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn low_halves(a: Vector, b: Vector) -> Vector {
    _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)))
}

/// Adds one to each 32-bit lane of `counts` where `sum` of `part` and something else did not overflow.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn count_fits_32(counts: Vector, sum: Vector, part: Vector) -> Vector {
    // -1 where the larger of the two is the sum.
    let fits = _mm256_cmpeq_epi32(_mm256_max_epu32(sum, part), sum);
    _mm256_sub_epi32(counts, fits)
}

/// The same in 64-bit lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn count_fits_64(counts: Vector, sum: Vector, part: Vector) -> Vector {
    // There is only a signed comparison: turn the sign bits over. It gives -1 where the sum overflowed.
    let sign = splat(1 << 63);
    let overflowed = _mm256_cmpgt_epi64(_mm256_xor_si256(part, sign), _mm256_xor_si256(sum, sign));
    _mm256_add_epi64(counts, add_64(overflowed, splat(1)))
}

/// The sum of all 32-bit lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum_32(a: Vector) -> u64 {
    let mut lanes = [0u32; 8];
    // SAFETY: 8 lanes of 4 bytes are the 32 bytes that are stored.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), a) };
    lanes.into_iter().map(u64::from).sum()
}

/// The sum of all 64-bit lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum_64(a: Vector) -> u64 {
    let mut lanes = [0u64; 4];
    // SAFETY: 4 lanes of 8 bytes are the 32 bytes that are stored.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), a) };
    lanes.into_iter().sum()
}
