//! The instructions of AVX-512 F that counting needs.

use std::arch::x86_64::*;

pub(super) type Vector = __m512i;

/// `x` in every 64-bit lane.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn splat(x: u64) -> Vector {
    _mm512_set1_epi64(x as i64)
}

/// `x` in every 32-bit lane.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn splat_32(x: u32) -> Vector {
    _mm512_set1_epi32(x as i32)
}

/// 0, 1, 2 ... in 64-bit lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn lane_numbers() -> Vector {
    _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7)
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn add_64(a: Vector, b: Vector) -> Vector {
    _mm512_add_epi64(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn add_32(a: Vector, b: Vector) -> Vector {
    _mm512_add_epi32(a, b)
}

/// The 64-bit product of the low halves of 64-bit lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn product(a: Vector, b: Vector) -> Vector {
    _mm512_mul_epu32(a, b)
}

/// The low 32 bits of the products of 32-bit lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn product_32(a: Vector, b: Vector) -> Vector {
    _mm512_mullo_epi32(a, b)
}

/// The high half of each 64-bit lane.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn high(a: Vector) -> Vector {
    _mm512_srli_epi64::<32>(a)
}

/// The high half of each 32-bit lane.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn shift_right_16(a: Vector) -> Vector {
    _mm512_srli_epi32::<16>(a)
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn and(a: Vector, b: Vector) -> Vector {
    _mm512_and_si512(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn xor_3(a: Vector, b: Vector, c: Vector) -> Vector {
    // The truth table of a ^ b ^ c.
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

/// The low halves of all 64-bit lanes of both, in some order.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn low_halves(a: Vector, b: Vector) -> Vector {
    _mm512_castps_si512(_mm512_shuffle_ps::<0b10_00_10_00>(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b)))
}

/// Adds one to each 32-bit lane of `counts` where `sum` of `part` and something else did not overflow.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn count_fits_32(counts: Vector, sum: Vector, part: Vector) -> Vector {
    let fits = _mm512_cmpge_epu32_mask(sum, part);
    _mm512_mask_add_epi32(counts, fits, counts, splat_32(1))
}

/// The same in 64-bit lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn count_fits_64(counts: Vector, sum: Vector, part: Vector) -> Vector {
    let fits = _mm512_cmpge_epu64_mask(sum, part);
    _mm512_mask_add_epi64(counts, fits, counts, splat(1))
}

/// The sum of all 32-bit lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn sum_32(a: Vector) -> u64 {
    let mut lanes = [0u32; 16];
    // SAFETY: 16 lanes of 4 bytes are the 64 bytes that are stored.
    unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), a) };
    lanes.into_iter().map(u64::from).sum()
}

/// The sum of all 64-bit lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn sum_64(a: Vector) -> u64 {
    let mut lanes = [0u64; 8];
    // SAFETY: 8 lanes of 8 bytes are the 64 bytes that are stored.
    unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), a) };
    lanes.into_iter().sum()
}
