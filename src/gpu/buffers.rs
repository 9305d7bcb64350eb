//! The buffers between host and device, kept from run to run: inputs that the host fills, results that it reads, the
//! device's clock.
//!
//! Where the adapter lets the host map the kernels' own buffers (integrated and software adapters) inputs are written
//! in place and results read in place; elsewhere a persistent staging buffer stands beside each, since a fresh mapped
//! buffer per chunk costs four times as much.

use wgpu::BufferUsages as Usage;

use super::device::Device;
use super::errors;
use crate::error::Result;
use crate::job::Chunk;
use crate::machine::pool::Pool;

/// Bytes of the piece in which streamed input is made before it is copied to the device: it stays in a core's cache,
/// and the mapped memory, which may be slow to read, is only ever written.
const PIECE: usize = 64 << 10;

/// The least a binding gets, so that an empty array still binds: the largest element that a shader may declare here.
pub(super) const LEAST_BINDING: u64 = 256;

/// A buffer that the host fills and kernels read.
#[derive(Default)]
pub(super) struct Input {
    /// The kernel's buffer.
    kernel: Option<wgpu::Buffer>,
    /// The staging buffer where the kernel's own cannot be mapped.
    pub(super) staging: Option<wgpu::Buffer>,
    pub(super) capacity: u64,
    /// A fresh buffer is mapped from its creation.
    mapped: bool,
}

impl Input {
    /// Makes room for `bytes`, writes them through `fill` and returns what has to be copied on the device.
    pub(super) fn write(
        &mut self,
        device: &Device,
        label: &'static str,
        bytes: u64,
        most: u64,
        fill: impl FnOnce(&mut wgpu::BufferViewMut),
    ) -> Result<()> {
        let doing = "uploading";
        // Bindings and copies count in words; mapping counts in 8 bytes.
        let size = bytes.next_multiple_of(8).max(LEAST_BINDING);
        if self.kernel.is_none() || self.capacity < size {
            let capacity = size.max((self.capacity * 2).min(most)).next_multiple_of(8);
            *self = Self::default();
            if device.maps_directly() {
                self.kernel = Some(device.buffer(label, capacity, Usage::STORAGE | Usage::MAP_WRITE, true)?);
            } else {
                self.kernel = Some(device.buffer(label, capacity, Usage::STORAGE | Usage::COPY_DST, false)?);
                self.staging = Some(device.buffer(label, capacity, Usage::COPY_SRC | Usage::MAP_WRITE, true)?);
            }
            (self.capacity, self.mapped) = (capacity, true);
        }
        if bytes == 0 {
            return self.unmap(device);
        }
        let Some(host) = self.staging.as_ref().or(self.kernel.as_ref()).cloned() else { return Ok(()) };
        if !self.mapped {
            let mapping = device.map(doing, &host, wgpu::MapMode::Write, size)?;
            device.mapped(doing, &mapping)?;
            self.mapped = true;
        }
        // Mapped ranges are multiples of 4 bytes; the last word is padded.
        let view = device.guarded(doing, || host.get_mapped_range_mut(0..bytes.next_multiple_of(4)))?;
        let mut view = view.map_err(|e| device.failed(doing, &errors::one_line(&e.to_string())))?;
        fill(&mut view);
        drop(view);
        self.unmap(device)
    }

    /// Hands the buffer to the device.
    fn unmap(&mut self, device: &Device) -> Result<()> {
        if std::mem::take(&mut self.mapped)
            && let Some(host) = self.staging.as_ref().or(self.kernel.as_ref())
        {
            device.guarded("uploading", || host.unmap())?;
        }
        Ok(())
    }

    /// Records the copy from the staging buffer, if there is one.
    pub(super) fn record(&self, encoder: &mut wgpu::CommandEncoder, bytes: u64) {
        if let (Some(kernel), Some(staging)) = (&self.kernel, &self.staging)
            && bytes > 0
        {
            encoder.copy_buffer_to_buffer(staging, 0, kernel, 0, bytes.next_multiple_of(4));
        }
    }

    /// The buffer with the bytes to bind.
    pub(super) fn binding(&self, bytes: u64) -> Option<(&wgpu::Buffer, u64)> {
        let bound = if bytes == 0 { LEAST_BINDING } else { bytes.next_multiple_of(4) };
        self.kernel.as_ref().map(|kernel| (kernel, bound))
    }
}

/// The buffer that a kernel writes and the host reads.
pub(super) struct Results {
    pub(super) kernel: wgpu::Buffer,
    pub(super) staging: Option<wgpu::Buffer>,
    pub(super) capacity: u64,
}

impl Results {
    pub(super) fn new(device: &Device, capacity: u64) -> Result<Self> {
        // `COPY_DST`: it may have to be cleared.
        let written = Usage::STORAGE | Usage::COPY_DST;
        if device.maps_directly() {
            let kernel = device.buffer("output", capacity, written | Usage::MAP_READ, false)?;
            return Ok(Self { kernel, staging: None, capacity });
        }
        let kernel = device.buffer("output", capacity, written | Usage::COPY_SRC, false)?;
        let staging = device.buffer("output", capacity, Usage::COPY_DST | Usage::MAP_READ, false)?;
        Ok(Self { kernel, staging: Some(staging), capacity })
    }

    pub(super) fn host(&self) -> &wgpu::Buffer {
        self.staging.as_ref().unwrap_or(&self.kernel)
    }
}

/// The device's own clock around a dispatch.
pub(super) struct Stamps {
    pub(super) queries: wgpu::QuerySet,
    pub(super) resolved: wgpu::Buffer,
    pub(super) host: wgpu::Buffer,
}

/// Two ticks of 8 bytes.
pub(super) const STAMP_BYTES: u64 = 16;

impl Stamps {
    pub(super) fn new(device: &Device) -> Result<Self> {
        let queries = device.guarded("preparing timestamps", || {
            device.wgpu().create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            })
        })?;
        let resolved = device.buffer("timestamps", STAMP_BYTES, Usage::QUERY_RESOLVE | Usage::COPY_SRC, false)?;
        let host = device.buffer("timestamps", STAMP_BYTES, Usage::COPY_DST | Usage::MAP_READ, false)?;
        Ok(Self { queries, resolved, host })
    }
}

/// Seconds between two timestamps, unless they are zero, negative or longer than the host saw the chunk under way.
pub(super) fn believable(begin: u64, end: u64, period: f64, longest: f64) -> Option<f64> {
    let ticks = end.checked_sub(begin).filter(|ticks| *ticks > 0 && begin > 0)?;
    let seconds = ticks as f64 * period * 1e-9;
    (seconds <= longest).then_some(seconds)
}

/// Copies `bytes` into a view that is up to three bytes longer.
pub(super) fn copy_padded(view: &mut wgpu::BufferViewMut, bytes: &[u8]) {
    view.slice(..bytes.len()).copy_from_slice(bytes);
}

/// How the bytes of a chunk are cut: by items, in pieces of whole grains, made for whole blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) per_item: usize,
    pub(super) grain: u64,
    pub(super) block: u64,
}

impl Cut {
    /// The parts of `chunk` and the bytes of each.
    fn pieces(self, chunk: Chunk) -> impl Iterator<Item = (Chunk, usize)> {
        let grains = (PIECE / self.per_item.max(1)) as u64 / self.grain;
        let items = (grains * self.grain).max(self.grain);
        (0..chunk.len().div_ceil(items)).map(move |i| {
            let start = chunk.start + i * items;
            let part = Chunk::new(start, chunk.end.min(start + items));
            (part, part.len().next_multiple_of(self.block) as usize * self.per_item)
        })
    }
}

/// Makes the bytes of a chunk piece by piece: in place and on all threads where there are `helpers`, which says that the
/// device's memory is the host's; else each in a buffer that stays in a core's cache, from where it is copied.
pub(super) fn fill_pieces(
    view: &mut wgpu::BufferViewMut,
    chunk: Chunk,
    cut: Cut,
    helpers: Option<&Pool>,
    fill: &(dyn Fn(Chunk, &mut [u8]) + Send + Sync),
) {
    if cut.per_item == 0 {
        return;
    }
    let mut rest = view.slice(..);
    let mut pieces = Vec::new();
    for (part, bytes) in cut.pieces(chunk) {
        let (piece, left) = rest.split_at(bytes);
        pieces.push((part, piece));
        rest = left;
    }
    if let Some(pool) = helpers {
        // SAFETY: the memory of a software adapter is the host's, initialized when it was mapped, and these are the only
        // references to these pieces of it, for as long as the view is borrowed.
        let host = |mut piece: wgpu::WriteOnly<'_, [u8]>| unsafe {
            std::slice::from_raw_parts_mut(piece.as_raw_element_ptr().as_ptr(), piece.len())
        };
        let pieces: Vec<(Chunk, &mut [u8])> = pieces.into_iter().map(|(part, piece)| (part, host(piece))).collect();
        return pool.each(pieces, &|(part, piece)| fill(part, piece));
    }
    // Words, so that a kernel may view its bytes as numbers of any type.
    let largest = pieces.iter().map(|(_, piece)| piece.len()).max().unwrap_or(0);
    let mut words = vec![0_u64; largest.div_ceil(8)];
    for (part, mut piece) in pieces {
        let made = &mut bytemuck::cast_slice_mut(&mut words)[..piece.len()];
        fill(part, made);
        piece.copy_from_slice(made);
    }
}

/// Copies results to their columns, on all threads where there are `helpers`.
pub(super) fn copy_columns(columns: Vec<(&mut [u8], &[u8])>, helpers: Option<&Pool>) {
    let pieces = columns.into_iter().flat_map(|(to, from)| to.chunks_mut(PIECE).zip(from.chunks(PIECE)));
    match helpers {
        Some(pool) => pool.each(pieces.collect(), &|(to, from): (&mut [u8], &[u8])| to.copy_from_slice(from)),
        None => pieces.for_each(|(to, from)| to.copy_from_slice(from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_believable_timestamps_count() {
        assert_eq!(believable(100, 1_000_100, 1.0, 0.01), Some(0.001));
        assert_eq!(believable(100, 100, 1.0, 0.01), None);
        assert_eq!(believable(200, 100, 1.0, 0.01), None);
        assert_eq!(believable(0, 100, 1.0, 0.01), None);
        assert_eq!(believable(100, 1_000_000_100, 1.0, 0.01), None);
    }
}
