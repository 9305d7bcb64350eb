//! From lanes to columns: staged in the column's own order, then copied or streamed past the caches.

use super::vector::Vector;

/// Puts the results of stress point `ip` of `W` elements: `staged[(column * W + element) * ips + ip]`.
#[inline(always)]
pub(super) fn put<V: Vector>(staged: &mut [V::Real], ips: usize, ip: usize, values: &[V; 7]) {
    for (column, values) in staged.chunks_exact_mut(V::W * ips).zip(values) {
        for (element, value) in column.chunks_exact_mut(ips).zip(values.lanes()) {
            element[ip] = *value;
        }
    }
}

/// Copies the `length` values of each staged column to `columns` from value `start` on. `stream` writes past the caches; a
/// caller that hands the data to other threads then ends with [`crate::memory::streaming_fence`].
#[inline(always)]
pub(super) fn flush<V: Vector>(
    staged: &[V::Real],
    length: usize,
    columns: &mut [&mut [V::Real]; 7],
    start: usize,
    stream: bool,
) {
    for (column, staged) in columns.iter_mut().zip(staged.chunks_exact(length)) {
        let to = &mut column[start..start + length];
        if stream && to.as_ptr().addr().is_multiple_of(size_of::<V>()) {
            for (to, from) in to.chunks_exact_mut(V::W).zip(staged.chunks_exact(V::W)) {
                // SAFETY: `to` has W numbers; it starts a whole number of vectors after an aligned address.
                unsafe { V::load(from).stream(to.as_mut_ptr()) };
            }
        } else {
            to.copy_from_slice(staged);
        }
    }
}
