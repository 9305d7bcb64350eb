//! The kernel `axial` in f64 with AVX-512 instructions.
//!
//! Eight elements a step, straight from registers to memory. The compiler's own vector code is as fast from the caches,
//! but it must collect results in a buffer before they can go past the caches in order, and that costs 5 to 20 % where
//! memory is the limit; and its order of loads and stores changes with the size of that buffer, at up to half the
//! bandwidth.

use std::arch::x86_64::{
    __m512i, _mm_sfence, _mm512_add_epi64, _mm512_and_si512, _mm512_castpd_si512, _mm512_cmpgt_epu64_mask,
    _mm512_div_pd, _mm512_fmadd_pd, _mm512_loadu_pd, _mm512_mask_mov_epi64, _mm512_mul_pd, _mm512_permutex2var_pd,
    _mm512_set1_epi64, _mm512_setr_epi64, _mm512_setzero_si512, _mm512_sqrt_pd, _mm512_storeu_pd, _mm512_storeu_si512,
    _mm512_stream_pd,
};

use super::input::View;

/// Elements in a register.
pub(super) const LANES: usize = 8;

/// The first elements of `view`, as many as fill registers, into `out`: how many, the largest magnitude as bits, and the
/// first place that has it. `STREAM` writes past the caches.
///
/// # Panics
/// When the slices do not belong together, or `out` is to be streamed to and does not start on a cache line.
#[target_feature(enable = "avx512f")]
pub(super) fn run<const STREAM: bool, const LENGTHS: bool>(
    view: View<'_, f64>,
    out: &mut [f64],
) -> (usize, u64, usize) {
    let n = out.len() / LANES * LANES;
    let length = view.length.unwrap_or(&[]);
    assert!(view.displacement.len() >= 3 * n && view.young.len() >= n && (!LENGTHS || length.len() >= n));
    assert!(!STREAM || out.as_ptr().align_offset(64) == 0, "streaming stores need whole cache lines");

    // Three registers hold x0 y0 z0 x1 .. z7. For each component the first permutation picks what lies in the first
    // two of them, the second adds what lies in the third (indices from 8 on).
    let x_first = _mm512_setr_epi64(0, 3, 6, 9, 12, 15, 0, 0);
    let x_third = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 8 + 2, 8 + 5);
    let y_first = _mm512_setr_epi64(1, 4, 7, 10, 13, 0, 0, 0);
    let y_third = _mm512_setr_epi64(0, 1, 2, 3, 4, 8, 8 + 3, 8 + 6);
    let z_first = _mm512_setr_epi64(2, 5, 8, 11, 14, 0, 0, 0);
    let z_third = _mm512_setr_epi64(0, 1, 2, 3, 4, 8 + 1, 8 + 4, 8 + 7);

    let no_sign = _mm512_set1_epi64(i64::MAX);
    let step = _mm512_set1_epi64(LANES as i64);
    let mut place = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    let (mut most, mut most_place) = (_mm512_setzero_si512(), place);
    for i in (0..n).step_by(LANES) {
        // SAFETY: `i + LANES <= n`, and the assertion above says that all slices reach that far.
        let (a, b, c, young) = unsafe {
            let u = view.displacement.as_ptr().add(3 * i);
            let young = view.young.as_ptr().add(i);
            (_mm512_loadu_pd(u), _mm512_loadu_pd(u.add(8)), _mm512_loadu_pd(u.add(16)), _mm512_loadu_pd(young))
        };
        let x = _mm512_permutex2var_pd(_mm512_permutex2var_pd(a, x_first, b), x_third, c);
        let y = _mm512_permutex2var_pd(_mm512_permutex2var_pd(a, y_first, b), y_third, c);
        let z = _mm512_permutex2var_pd(_mm512_permutex2var_pd(a, z_first, b), z_third, c);
        let square = _mm512_fmadd_pd(z, z, _mm512_fmadd_pd(y, y, _mm512_mul_pd(x, x)));
        let mut sigma = _mm512_mul_pd(young, _mm512_sqrt_pd(square));
        if LENGTHS {
            // SAFETY: as above.
            sigma = _mm512_div_pd(sigma, unsafe { _mm512_loadu_pd(length.as_ptr().add(i)) });
        }
        // SAFETY: as above; streamed stores are aligned, since `out` is and `i` is a multiple of a line.
        unsafe {
            let to = out.as_mut_ptr().add(i);
            if STREAM { _mm512_stream_pd(to, sigma) } else { _mm512_storeu_pd(to, sigma) }
        }
        let magnitude = _mm512_and_si512(_mm512_castpd_si512(sigma), no_sign);
        let larger = _mm512_cmpgt_epu64_mask(magnitude, most);
        most = _mm512_mask_mov_epi64(most, larger, magnitude);
        most_place = _mm512_mask_mov_epi64(most_place, larger, place);
        place = _mm512_add_epi64(place, step);
    }
    if STREAM {
        _mm_sfence();
    }
    let lanes = lanes(most).into_iter().zip(lanes(most_place));
    let (most, place) = lanes.fold((0, u64::MAX), |best, (most, place)| {
        if most > best.0 || (most == best.0 && place < best.1) { (most, place) } else { best }
    });
    (n, most, if n == 0 { 0 } else { place as usize })
}

#[target_feature(enable = "avx512f")]
fn lanes(register: __m512i) -> [u64; LANES] {
    let mut lanes = [0; LANES];
    // SAFETY: eight numbers of eight bytes are 64 bytes.
    unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), register) };
    lanes
}
