//! From lanes to columns: staged in the column's own order, then copied or streamed past the caches.

use super::lanes::{Lanes, Real};

/// The results of `W` elements in the order of the columns: `[column][element][stress point]`.
#[repr(C, align(64))]
pub(super) struct Staged<T, const P: usize, const W: usize>([[[T; P]; W]; 7]);

impl<T: Real, const P: usize, const W: usize> Staged<T, P, W> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self([[[T::default(); P]; W]; 7])
    }

    /// Puts the results of stress point `ip`.
    #[inline(always)]
    pub(super) fn put(&mut self, ip: usize, values: &[Lanes<T, W>; 7]) {
        for (column, values) in self.0.iter_mut().zip(values) {
            for l in 0..W {
                column[l][ip] = values.0[l];
            }
        }
    }

    /// Copies the first `count` elements to `columns` from element `start` on. `stream` writes past the caches.
    #[inline(always)]
    pub(super) fn flush(&self, columns: &mut [&mut [T]; 7], start: usize, count: usize, stream: bool) {
        for (column, staged) in columns.iter_mut().zip(&self.0) {
            let to = &mut column[start * P..][..count * P];
            let from = &staged.as_flattened()[..count * P];
            if stream && count == W {
                store_past_caches(to, from);
            } else {
                to.copy_from_slice(from);
            }
        }
    }
}

/// Copies with non-temporal stores where the target has them and `to` is aligned for them; else plainly. A caller that
/// hands the data to other threads ends with [`fence`].
#[inline(always)]
fn store_past_caches<T: Real>(to: &mut [T], from: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_load_pd, _mm_stream_pd};
        let n_bytes = size_of_val(to);
        if to.as_ptr().addr().is_multiple_of(16)
            && from.as_ptr().addr().is_multiple_of(16)
            && n_bytes.is_multiple_of(16)
            && to.len() == from.len()
        {
            let (to, from) = (to.as_mut_ptr().cast::<f64>(), from.as_ptr().cast::<f64>());
            for i in (0..n_bytes / 8).step_by(2) {
                // SAFETY: both slices have n_bytes bytes, a multiple of 16, and are aligned to 16; SSE2 is in the
                // baseline. The bytes are moved, never computed with.
                unsafe { _mm_stream_pd(to.add(i), _mm_load_pd(from.add(i))) };
            }
            return;
        }
    }
    to.copy_from_slice(from);
}

/// Orders non-temporal stores before whatever tells other threads that the data are there.
#[inline(always)]
pub(super) fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is in the baseline.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}
