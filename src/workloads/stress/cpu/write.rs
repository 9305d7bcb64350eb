//! From lanes to columns: one stress point goes straight to them, several are staged in the columns' order first.

use super::vector::Vector;

/// Takes the results of the stress points of `W` elements.
pub(super) trait Sink<V: Vector> {
    /// Takes those of stress point `ip`.
    fn put(&mut self, ip: usize, values: &[V; 7]);
}

/// The columns themselves, for elements with one stress point.
pub(super) struct Direct<'c, 'o, V: Vector> {
    /// The chunk's columns.
    pub(super) columns: &'c mut [&'o mut [V::Real]; 7],
    /// The first of the `W` elements.
    pub(super) start: usize,
    /// As in [`flush`].
    pub(super) stream: bool,
}

impl<V: Vector> Sink<V> for Direct<'_, '_, V> {
    #[inline(always)]
    fn put(&mut self, _ip: usize, values: &[V; 7]) {
        for (column, value) in self.columns.iter_mut().zip(values) {
            let to = &mut column[self.start..self.start + V::W];
            if self.stream {
                // SAFETY: `to` has W numbers; the caller vouches for the alignment, see `aligned`.
                unsafe { value.stream(to.as_mut_ptr()) };
            } else {
                to.copy_from_slice(value.lanes());
            }
        }
    }
}

/// `[(column * W + element) * ips + ip]`.
pub(super) struct Staged<V: Vector> {
    /// 7 columns.
    pub(super) values: Vec<V::Real>,
    /// Stress points of an element.
    pub(super) ips: usize,
}

impl<V: Vector> Sink<V> for Staged<V> {
    #[inline(always)]
    fn put(&mut self, ip: usize, values: &[V; 7]) {
        for (column, values) in self.values.chunks_exact_mut(V::W * self.ips).zip(values) {
            for (element, value) in column.chunks_exact_mut(self.ips).zip(values.lanes()) {
                element[ip] = *value;
            }
        }
    }
}

/// Whether every column can be written in whole vectors past the caches: it begins at a multiple of their size.
#[inline(always)]
pub(super) fn aligned<V: Vector>(columns: &[&mut [V::Real]; 7]) -> bool {
    columns.iter().all(|column| column.as_ptr().addr().is_multiple_of(size_of::<V>()))
}

/// Copies staged values to `columns` from value `start`, a multiple of W, on. `stream` writes past the caches, where the
/// columns are [`aligned`]; a caller that hands the data to other threads then ends with
/// [`crate::memory::streaming_fence`].
#[inline(always)]
pub(super) fn flush<V: Vector>(staged: &Staged<V>, columns: &mut [&mut [V::Real]; 7], start: usize, stream: bool) {
    let length = V::W * staged.ips;
    for (column, staged) in columns.iter_mut().zip(staged.values.chunks_exact(length)) {
        let to = &mut column[start..start + length];
        if stream {
            for (to, from) in to.chunks_exact_mut(V::W).zip(staged.chunks_exact(V::W)) {
                // SAFETY: `to` has W numbers; it starts a whole number of vectors after an aligned address.
                unsafe { V::load(from).stream(to.as_mut_ptr()) };
            }
        } else {
            to.copy_from_slice(staged);
        }
    }
}
