//! Host memory for large arrays: zeroed lazily, on huge pages where the system offers them, refused before it runs out.

use bytemuck::Pod;
use memmap2::MmapMut;

use crate::error::{Error, Result};

/// From this size on an array gets its own mapping and asks for huge pages. Two huge pages: below that the rounding
/// wastes more than the fewer page faults give back.
const MAPPED_FROM: usize = 4 << 20;

/// A fixed-length array of plain numbers, zero at first.
///
/// Large arrays are anonymous mappings advised for huge pages: 25-50 % more bandwidth where the system's setting is
/// `madvise`, and pages are only taken when first touched, by the thread that touches them.
pub struct Buffer<T> {
    storage: Storage<T>,
    length: usize,
}

enum Storage<T> {
    Small(Vec<T>),
    Mapped(MmapMut),
}

impl<T: Pod> Buffer<T> {
    /// `length` zeros.
    ///
    /// # Errors
    /// [`Error::Resource`] when the size overflows, exceeds the memory that is available, or the system refuses it.
    pub fn zeroed(length: usize, what: &str) -> Result<Self> {
        let bytes = length.checked_mul(size_of::<T>()).ok_or_else(|| Error::memory(what, u64::MAX))?;
        if bytes < MAPPED_FROM {
            return Ok(Self { storage: Storage::Small(vec![T::zeroed(); length]), length });
        }
        ensure_available(what, bytes as u64)?;
        let map = MmapMut::map_anon(bytes).map_err(|_| Error::memory(what, bytes as u64))?;
        #[cfg(target_os = "linux")]
        {
            // Advice: where the kernel has no huge pages the array works all the same.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        Ok(Self { storage: Storage::Mapped(map), length })
    }

    /// A copy of `values`.
    ///
    /// # Errors
    /// As [`Buffer::zeroed`].
    pub fn from_slice(values: &[T], what: &str) -> Result<Self> {
        let mut buffer = Self::zeroed(values.len(), what)?;
        buffer.copy_from_slice(values);
        Ok(buffer)
    }
}

impl<T: Pod> std::ops::Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match &self.storage {
            Storage::Small(values) => values,
            Storage::Mapped(map) => &bytemuck::cast_slice(map)[..self.length],
        }
    }
}

impl<T: Pod> std::ops::DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.storage {
            Storage::Small(values) => values,
            Storage::Mapped(map) => &mut bytemuck::cast_slice_mut(map)[..self.length],
        }
    }
}

impl<T> std::fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} x {} B)", self.length, size_of::<T>())
    }
}

/// Refuses `bytes` when the machine does not have them free, before the kernel would kill the process for it.
///
/// # Errors
/// [`Error::Resource`] with both numbers.
pub fn ensure_available(what: &str, bytes: u64) -> Result<()> {
    match available() {
        Some(free) if bytes > free => Err(Error::Resource(format!(
            "{what} needs {} of memory, {} are available; use a smaller size",
            crate::units::bytes(bytes),
            crate::units::bytes(free)
        ))),
        _ => Ok(()),
    }
}

/// Bytes that can still be taken without swapping: the system's figure, or what the control group leaves if that is
/// less. `None` where the system does not tell.
#[must_use]
pub fn available() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let system = meminfo.lines().find_map(|line| {
        let kib = line.strip_prefix("MemAvailable:")?.trim().strip_suffix("kB")?.trim();
        kib.parse::<u64>().ok()?.checked_mul(1024)
    })?;
    let number = |file: &str| std::fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let group = number("/sys/fs/cgroup/memory.max")
        .and_then(|max| Some(max.saturating_sub(number("/sys/fs/cgroup/memory.current")?)));
    Some(group.map_or(system, |left| left.min(system)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_mapped_arrays_are_zero_and_writable() {
        for length in [0, 1, 1000, 2 << 20] {
            let mut buffer = Buffer::<f64>::zeroed(length, "test").unwrap();
            assert_eq!(buffer.len(), length);
            assert!(buffer.iter().all(|x| *x == 0.0));
            if let Some(last) = buffer.last_mut() {
                *last = 3.0;
                assert_eq!(buffer[length - 1], 3.0);
            }
        }
    }

    #[test]
    fn absurd_sizes_are_refused_not_attempted() {
        assert!(matches!(Buffer::<f64>::zeroed(usize::MAX, "x"), Err(Error::Resource(_))));
        if available().is_some() {
            assert!(matches!(Buffer::<f64>::zeroed(1 << 50, "x"), Err(Error::Resource(_))));
        }
    }
}
