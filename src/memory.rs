//! Host memory for large arrays: zeroed lazily, on huge pages where the system offers them, refused before it runs out.

use bytemuck::Pod;
use memmap2::MmapMut;

use crate::error::{Error, Result};
use crate::simd::Simd;

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

/// Refuses `bytes` when the machine does not have them free, before the kernel would kill the process for it. A few are
/// never refused: asking the system takes 0.1 ms.
///
/// # Errors
/// [`Error::Resource`] with both numbers.
pub fn ensure_available(what: &str, bytes: u64) -> Result<()> {
    if bytes < MAPPED_FROM as u64 {
        return Ok(());
    }
    match available() {
        Some(free) if bytes > free => Err(Error::Resource(format!(
            "{what} needs {} of memory, {} are available; use a smaller size",
            crate::units::bytes(bytes),
            crate::units::bytes(free)
        ))),
        _ => Ok(()),
    }
}

/// Bytes that can still be taken without swapping: the system's figure, or what the tightest control group above this
/// process leaves if that is less. `None` where the system does not tell.
#[must_use]
pub fn available() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let system = meminfo.lines().find_map(|line| {
        let kib = line.strip_prefix("MemAvailable:")?.trim().strip_suffix("kB")?.trim();
        kib.parse::<u64>().ok()?.checked_mul(1024)
    })?;
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let left = group_folders(&groups).filter_map(|folder| group_left(&folder)).min();
    Some(left.map_or(system, |left| left.min(system)))
}

/// The folders of the memory control groups that `/proc/self/cgroup` names, innermost first: version 2 (`0::/path`) and
/// version 1 (`4:memory:/path`), each with all that enclose it. In a container the path may be that of the host; the
/// folders that do not exist are simply not found.
fn group_folders(groups: &str) -> impl Iterator<Item = std::path::PathBuf> + '_ {
    groups.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next().unwrap_or(""), fields.next().unwrap_or("/"));
        let root = match controllers {
            "" => Some("/sys/fs/cgroup"),
            list if list.split(',').any(|controller| controller == "memory") => Some("/sys/fs/cgroup/memory"),
            _ => None,
        };
        let inside = std::path::Path::new(path.trim_start_matches('/'));
        root.into_iter().flat_map(move |root| inside.ancestors().map(move |p| std::path::Path::new(root).join(p)))
    })
}

/// What one control group leaves: its limit less what it holds, not counting file pages it can drop.
fn group_left(folder: &std::path::Path) -> Option<u64> {
    let number = |file: &str| std::fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
    let limit = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
    let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let entry = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let file = entry("total_inactive_file ").or_else(|| entry("inactive_file ")).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(file)))
}

/// Copies `from` to `to` past the caches (non-temporal stores where the target has them), which spares memory the read
/// of every line that is overwritten. For results that nobody reads soon; worth it when the whole step outgrows the
/// caches, see [`crate::machine::topology::outgrows_caches`].
///
/// Fastest when `to` starts on a cache line (64 bytes), `from` too, and each call copies about 1 KiB that is still in the
/// first-level cache. Call [`streaming_fence`] once after the last copy of a chunk, before another thread may read it.
/// A kernel that streams from registers is 5 to 20 % faster where memory is the limit, but must then keep its stores in
/// ascending order by itself: the compiler does not, at up to half the bandwidth.
///
/// # Panics
/// When the lengths differ.
#[inline]
pub fn copy_streaming<T: Pod>(simd: Simd, to: &mut [T], from: &[T]) {
    assert_eq!(to.len(), from.len(), "a copy between arrays of one length");
    let (to, from): (&mut [u8], &[u8]) = (bytemuck::cast_slice_mut(to), bytemuck::cast_slice(from));
    #[cfg(target_arch = "x86_64")]
    {
        // Up to the first cache line of the target by plain stores, and what is left at the end.
        let head = to.as_ptr().align_offset(64).min(to.len());
        let lines = (to.len() - head) / 64;
        let (start, middle, rest) = (head, head + lines * 64, to.len());
        // Empty copies are calls all the same: skip them.
        if start > 0 {
            to[..start].copy_from_slice(&from[..start]);
        }
        if middle < rest {
            to[middle..rest].copy_from_slice(&from[middle..rest]);
        }
        let (to, from) = (to[start..middle].as_mut_ptr(), from[start..middle].as_ptr());
        assert!(simd <= Simd::detect(), "{simd:?} is not available on this CPU");
        if simd == Simd::Avx512 {
            // SAFETY: both pointers are to `lines * 64` bytes, `to` is aligned to 64, and the CPU has AVX-512.
            unsafe { stream::lines_avx512(to, from, lines) };
        } else {
            // SAFETY: as above; SSE2 is part of x86-64.
            unsafe { stream::lines_sse2(to, from, lines) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = simd;
        to.copy_from_slice(from);
    }
}

/// Asks for the cache lines of `values`, so that they are in the first-level cache when they are read. Does nothing where the
/// target has no such instruction.
#[inline(always)]
pub fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for byte in (0..size_of_val(values)).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: SSE is part of x86-64, and a prefetch reads nothing: no address is wrong.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().cast::<i8>().wrapping_add(byte)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Makes the stores of [`copy_streaming`] visible before any later store of this thread: what the release operations of
/// locks and atomics do for plain stores alone.
#[inline]
pub fn streaming_fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64; the instruction only orders stores.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

#[cfg(target_arch = "x86_64")]
mod stream {
    use std::arch::x86_64::{_mm_loadu_pd, _mm_stream_pd, _mm512_loadu_pd, _mm512_stream_pd};

    /// # Safety
    /// The CPU has AVX-512 F; both pointers are valid for `lines * 64` bytes; `to` is aligned to 64.
    #[inline(never)]
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn lines_avx512(to: *mut u8, from: *const u8, lines: usize) {
        for i in 0..lines {
            // SAFETY: line `i` of `lines`, by the caller's contract.
            unsafe { _mm512_stream_pd(to.add(i * 64).cast(), _mm512_loadu_pd(from.add(i * 64).cast())) };
        }
    }

    /// # Safety
    /// Both pointers are valid for `lines * 64` bytes; `to` is aligned to 16.
    #[inline(never)]
    pub(super) unsafe fn lines_sse2(to: *mut u8, from: *const u8, lines: usize) {
        for i in 0..lines * 4 {
            // SAFETY: a quarter of a line, by the caller's contract.
            unsafe { _mm_stream_pd(to.add(i * 16).cast(), _mm_loadu_pd(from.add(i * 16).cast())) };
        }
    }
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

    #[test]
    fn control_groups_are_found_with_all_that_enclose_them() {
        let found: Vec<_> = group_folders("4:memory:/a/b\n3:cpuset:/x\n0::/u\n").collect();
        let names: Vec<_> = found.iter().map(|p| p.to_str().unwrap().trim_end_matches('/')).collect();
        let (one, two) = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup");
        let expected = [format!("{one}/a/b"), format!("{one}/a"), one.into(), format!("{two}/u"), two.into()];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_group_leaves_its_limit_less_what_cannot_be_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(group_left(folder.path()), None);
        write("memory.max", "max\n");
        write("memory.current", "700\n");
        assert_eq!(group_left(folder.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(group_left(folder.path()), Some(300));
        write("memory.stat", "anon 500\ninactive_file 200\nactive_file 9\n");
        assert_eq!(group_left(folder.path()), Some(500));
        write("memory.current", "5000\n");
        assert_eq!(group_left(folder.path()), Some(0));
    }

    #[test]
    fn streamed_copies_are_copies_at_any_offset() {
        let from: Vec<u32> = (0..1000).collect();
        for simd in Simd::available() {
            for (start, length) in [(0, 0), (0, 1), (1, 15), (3, 16), (5, 600), (16, 984), (0, 1000)] {
                let mut to = vec![u32::MAX; 1000];
                copy_streaming(simd, &mut to[start..start + length], &from[start..start + length]);
                streaming_fence();
                let inside = |i: usize| (start..start + length).contains(&i);
                assert!(to.iter().enumerate().all(|(i, x)| *x == if inside(i) { i as u32 } else { u32::MAX }));
            }
        }
    }
}
