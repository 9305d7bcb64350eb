//! Arrays of numbers as files hold them (any of ten types, either byte order) and their conversion into the exactly
//! sized vectors of a [`super::mesh::Mesh`]: in parallel, values checked in the same pass.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::error::{Error, Place, Result};
use crate::memory::ensure_available;

/// Values that one task converts: 64 Ki values take 30-60 us, far above the cost of handing a task out, and a few
/// hundred KiB stay in the second-level cache.
const TASK: usize = 1 << 16;

/// Vectors from this size on are checked against the memory that is free and ask for huge pages. Arrays of 3.5 MB, as the
/// tasks of a Matrix Market reader fill, hold one of 2 MB: reading 200 MB took 137 instead of 149 ms with it.
const LARGE: usize = 1 << 20;

/// The number types of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it: kind and bits")]
pub enum NumberType {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

impl NumberType {
    /// Bytes of one value.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// Whether it holds whole numbers.
    #[must_use]
    pub fn is_integer(self) -> bool {
        !matches!(self, Self::F32 | Self::F64)
    }

    /// The name in VTK's XML files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::I8 => "Int8",
            Self::U8 => "UInt8",
            Self::I16 => "Int16",
            Self::U16 => "UInt16",
            Self::I32 => "Int32",
            Self::U32 => "UInt32",
            Self::I64 => "Int64",
            Self::U64 => "UInt64",
            Self::F32 => "Float32",
            Self::F64 => "Float64",
        }
    }

    /// Every type.
    pub const ALL: [Self; 10] =
        [Self::I8, Self::U8, Self::I16, Self::U16, Self::I32, Self::U32, Self::I64, Self::U64, Self::F32, Self::F64];
}

/// The bytes of an array: where they lie in the file, or unpacked.
#[derive(Debug, Clone)]
pub enum Bytes<'a> {
    /// A part of the file.
    Borrowed(&'a [u8]),
    /// Unpacked bytes, those before the index left out.
    Owned(Vec<u8>, usize),
}

impl std::ops::Deref for Bytes<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes, from) => &bytes[*from..],
        }
    }
}

/// Where an array starts in the file. A line is only counted when a message needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// At this byte of a text: messages name the line.
    Text(usize),
    /// At this byte of binary data: messages name the byte.
    Binary(usize),
}

impl Origin {
    /// The place for a message about the file `bytes`.
    #[must_use]
    pub fn place(self, bytes: &[u8]) -> Place {
        match self {
            Self::Text(at) => Place::line_of(bytes, at),
            Self::Binary(at) => Place::Byte(at as u64),
        }
    }
}

/// An array as a file holds it.
#[derive(Debug, Clone)]
pub struct RawArray<'a> {
    /// What messages call it: `array 'displacement'`.
    pub label: String,
    /// Its type.
    pub number: NumberType,
    /// Byte order of `bytes`.
    pub big_endian: bool,
    /// A multiple of `number.size()` bytes.
    pub bytes: Bytes<'a>,
    /// Where it starts in the file.
    pub origin: Origin,
}

/// A value that a conversion refused: its index in the array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub usize);

/// Calls `$run::<T, BIG>($args)` for the type and byte order of `$array`.
macro_rules! dispatch {
    ($array:expr, $run:ident($($arg:expr),*)) => {
        match ($array.number, $array.big_endian) {
            (NumberType::I8, _) => $run::<i8, false>($($arg),*),
            (NumberType::U8, _) => $run::<u8, false>($($arg),*),
            (NumberType::I16, false) => $run::<i16, false>($($arg),*),
            (NumberType::I16, true) => $run::<i16, true>($($arg),*),
            (NumberType::U16, false) => $run::<u16, false>($($arg),*),
            (NumberType::U16, true) => $run::<u16, true>($($arg),*),
            (NumberType::I32, false) => $run::<i32, false>($($arg),*),
            (NumberType::I32, true) => $run::<i32, true>($($arg),*),
            (NumberType::U32, false) => $run::<u32, false>($($arg),*),
            (NumberType::U32, true) => $run::<u32, true>($($arg),*),
            (NumberType::I64, false) => $run::<i64, false>($($arg),*),
            (NumberType::I64, true) => $run::<i64, true>($($arg),*),
            (NumberType::U64, false) => $run::<u64, false>($($arg),*),
            (NumberType::U64, true) => $run::<u64, true>($($arg),*),
            (NumberType::F32, false) => $run::<f32, false>($($arg),*),
            (NumberType::F32, true) => $run::<f32, true>($($arg),*),
            (NumberType::F64, false) => $run::<f64, false>($($arg),*),
            (NumberType::F64, true) => $run::<f64, true>($($arg),*),
        }
    };
}

impl<'a> RawArray<'a> {
    /// The array without its first value.
    #[must_use]
    pub fn without_first(self) -> Self {
        let size = self.number.size().min(self.bytes.len());
        let origin = self.origin_of(usize::from(!self.is_empty()));
        let bytes = match self.bytes {
            Bytes::Borrowed(bytes) => Bytes::Borrowed(&bytes[size..]),
            Bytes::Owned(bytes, from) => Bytes::Owned(bytes, from + size),
        };
        Self { bytes, origin, ..self }
    }
}

impl RawArray<'_> {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.number.size()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Where value `index` stands: its byte in a binary array, the start of one that was text or packed.
    #[must_use]
    pub fn origin_of(&self, index: usize) -> Origin {
        match (&self.bytes, self.origin) {
            (Bytes::Borrowed(_), Origin::Binary(start)) => Origin::Binary(start + index * self.number.size()),
            (_, origin) => origin,
        }
    }

    /// The values as f64 (exact for all types but 64-bit integers above 2^53), all finite.
    ///
    /// # Errors
    /// [`Error::Resource`]; inside, the first value that is NaN or infinite.
    pub fn to_f64(&self) -> Result<Result<Vec<f64>, Refused>> {
        fn run<T: Number, const BIG: bool>(array: &RawArray) -> Result<Result<Vec<f64>, Refused>> {
            convert::<T, f64, BIG>(array, |value| {
                let value = value.to_f64();
                (value, value.is_finite())
            })
        }
        dispatch!(self, run(self))
    }

    /// The values as u32, all of them whole numbers in `0..limit`.
    ///
    /// # Errors
    /// [`Error::Resource`]; inside, the first value out of range.
    pub fn to_u32(&self, limit: u64) -> Result<Result<Vec<u32>, Refused>> {
        fn run<T: Number, const BIG: bool>(array: &RawArray, limit: u64) -> Result<Result<Vec<u32>, Refused>> {
            convert::<T, u32, BIG>(array, |value| {
                let value = value.wrap_u64();
                (value as u32, value < limit)
            })
        }
        dispatch!(self, run(self, limit.min(1 << 32)))
    }

    /// The values as u64, all of them whole numbers in `0..2^63`.
    ///
    /// # Errors
    /// [`Error::Resource`]; inside, the first value out of range.
    pub fn to_u64(&self) -> Result<Result<Vec<u64>, Refused>> {
        fn run<T: Number, const BIG: bool>(array: &RawArray) -> Result<Result<Vec<u64>, Refused>> {
            convert::<T, u64, BIG>(array, |value| {
                let value = value.wrap_u64();
                (value, value < 1 << 63)
            })
        }
        dispatch!(self, run(self))
    }

    /// The values as u8, all of them whole numbers in `0..=255`.
    ///
    /// # Errors
    /// [`Error::Resource`]; inside, the first value out of range.
    pub fn to_u8(&self) -> Result<Result<Vec<u8>, Refused>> {
        fn run<T: Number, const BIG: bool>(array: &RawArray) -> Result<Result<Vec<u8>, Refused>> {
            convert::<T, u8, BIG>(array, |value| {
                let value = value.wrap_u64();
                (value as u8, value < 256)
            })
        }
        dispatch!(self, run(self))
    }

    /// Value `index` as a whole number: `-1` reads `18446744073709551615`, like every value without a u64.
    #[must_use]
    pub fn u64_at(&self, index: usize) -> u64 {
        fn run<T: Number, const BIG: bool>(array: &RawArray, index: usize) -> u64 {
            T::read::<BIG>(&array.bytes[index * size_of::<T>()..]).wrap_u64()
        }
        dispatch!(self, run(self, index))
    }

    /// Value `index` as a message shows it.
    #[must_use]
    pub fn show(&self, index: usize) -> String {
        fn run<T: Number, const BIG: bool>(array: &RawArray, index: usize) -> String {
            T::read::<BIG>(&array.bytes[index * size_of::<T>()..]).to_string()
        }
        dispatch!(self, run(self, index))
    }

    /// Whether value `i` is `i * slope + start` for all i: equal types (slope 0), evenly spaced offsets.
    #[must_use]
    pub fn is_line(&self, start: u64, slope: u64) -> bool {
        fn run<T: Number, const BIG: bool>(array: &RawArray, start: u64, slope: u64) -> bool {
            let size = size_of::<T>();
            let even = |(task, part): (usize, &[u8])| {
                let mut expected = start.wrapping_add(slope.wrapping_mul((task * TASK) as u64));
                let mut difference = 0;
                for value in part.chunks_exact(size) {
                    difference |= T::read::<BIG>(value).wrap_u64() ^ expected;
                    expected = expected.wrapping_add(slope);
                }
                difference == 0
            };
            if array.len() <= TASK {
                return even((0, &array.bytes));
            }
            array.bytes.par_chunks(TASK * size).enumerate().all(even)
        }
        dispatch!(self, run(self, start, slope))
    }
}

/// One of the ten types.
trait Number: Copy + Send + Sync + std::fmt::Display {
    /// The value at the start of `bytes`.
    fn read<const BIG: bool>(bytes: &[u8]) -> Self;
    /// Nearest f64.
    fn to_f64(self) -> f64;
    /// The value as u64; what has none becomes larger than every index.
    fn wrap_u64(self) -> u64;
}

macro_rules! number {
    ($($type:ty, $bytes:literal, |$value:ident| $wrap:expr;)*) => {$(
        impl Number for $type {
            #[inline(always)]
            fn read<const BIG: bool>(bytes: &[u8]) -> Self {
                let bytes: [u8; $bytes] = *bytes.first_chunk().expect("arrays are cut at whole values");
                if BIG { Self::from_be_bytes(bytes) } else { Self::from_le_bytes(bytes) }
            }
            #[inline(always)]
            #[allow(clippy::cast_lossless, reason = "one body for ten types")]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            #[allow(clippy::cast_lossless, reason = "one body for ten types")]
            fn wrap_u64(self) -> u64 {
                let $value = self;
                $wrap
            }
        }
    )*};
}
number! {
    i8, 1, |v| v as i64 as u64;
    u8, 1, |v| v as u64;
    i16, 2, |v| v as i64 as u64;
    u16, 2, |v| v as u64;
    i32, 4, |v| v as i64 as u64;
    u32, 4, |v| v as u64;
    i64, 8, |v| v as u64;
    u64, 8, |v| v;
    f32, 4, |v| if v.fract() == 0.0 && (0.0..16_777_216.0).contains(&v) { v as u64 } else { u64::MAX };
    f64, 8, |v| if v.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&v) { v as u64 } else { u64::MAX };
}

/// Maps every value; the map also says whether the value is acceptable.
#[inline(always)]
fn convert<T: Number, U: Copy + Send + Sync, const BIG: bool>(
    array: &RawArray,
    map: impl Fn(T) -> (U, bool) + Sync,
) -> Result<Result<Vec<U>, Refused>> {
    let size = size_of::<T>();
    let length = array.len();
    let mut values = reserve::<U>(length, &array.label)?;
    let task = |slots: &mut [MaybeUninit<U>], bytes: &[u8]| {
        let mut bad = 0u32;
        for (slot, value) in slots.iter_mut().zip(bytes.chunks_exact(size)) {
            let (value, good) = map(T::read::<BIG>(value));
            slot.write(value);
            bad |= u32::from(!good);
        }
        bad == 0
    };
    let slots = &mut values.spare_capacity_mut()[..length];
    let bytes = &array.bytes[..length * size];
    let first_bad = AtomicUsize::new(usize::MAX);
    if length <= TASK {
        if !task(slots, bytes) {
            first_bad.store(0, Ordering::Relaxed);
        }
    } else {
        slots.par_chunks_mut(TASK).zip(bytes.par_chunks(TASK * size)).enumerate().for_each(|(i, (slots, bytes))| {
            if !task(slots, bytes) {
                first_bad.fetch_min(i * TASK, Ordering::Relaxed);
            }
        });
    }
    // SAFETY: each of the `length` slots was written: slots and values are cut into tasks alike, and `bytes` holds
    // exactly `length` values.
    unsafe { values.set_len(length) };
    let from = first_bad.into_inner();
    if from == usize::MAX {
        return Ok(Ok(values));
    }
    let mut tail = array.bytes[from * size..].chunks_exact(size);
    let bad = tail.position(|value| !map(T::read::<BIG>(value)).1);
    Ok(Err(Refused(from + bad.expect("the task holds a refused value"))))
}

/// An empty vector with room for `length` values; large ones ask for huge pages. First touches dominate otherwise: where
/// the system's setting is `madvise`, copying 44 MB into new memory took 27 ms on 4 KiB pages and 6 ms on huge ones.
///
/// # Errors
/// [`Error::Resource`] when the machine does not have the memory.
pub fn reserve<T>(length: usize, what: &str) -> Result<Vec<T>> {
    let n_bytes = length.checked_mul(size_of::<T>()).ok_or_else(|| Error::memory(what, u64::MAX))?;
    if n_bytes >= LARGE {
        ensure_available(what, n_bytes as u64)?;
    }
    let mut values = Vec::new();
    values.try_reserve_exact(length).map_err(|_| Error::memory(what, n_bytes as u64))?;
    #[cfg(target_os = "linux")]
    if n_bytes >= LARGE {
        const PAGE: usize = 4096;
        let start = (values.as_ptr() as usize).next_multiple_of(PAGE);
        let end = (values.as_ptr() as usize + n_bytes) / PAGE * PAGE;
        if start < end {
            // SAFETY: start..end lies inside the allocation; this advice changes no content, and where the kernel
            // refuses it (other page size, no huge pages) nothing happens.
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(number: NumberType, big_endian: bool, bytes: Vec<u8>) -> RawArray<'static> {
        let bytes = Bytes::Owned(bytes, 0);
        RawArray { label: "test".into(), number, big_endian, bytes, origin: Origin::Text(0) }
    }

    #[test]
    fn every_type_and_byte_order_converts() {
        for number in NumberType::ALL {
            for big in [false, true] {
                let mut bytes = Vec::new();
                for value in [0u8, 1, 100] {
                    let mut little = match number {
                        NumberType::F32 => f32::from(value).to_le_bytes().to_vec(),
                        NumberType::F64 => f64::from(value).to_le_bytes().to_vec(),
                        _ => u64::from(value).to_le_bytes()[..number.size()].to_vec(),
                    };
                    if big {
                        little.reverse();
                    }
                    bytes.extend(little);
                }
                let array = raw(number, big, bytes);
                assert_eq!(array.to_f64().unwrap(), Ok(vec![0.0, 1.0, 100.0]), "{number:?} {big}");
                assert_eq!(array.to_u32(101).unwrap(), Ok(vec![0, 1, 100]), "{number:?} {big}");
                assert_eq!(array.to_u32(100).unwrap(), Err(Refused(2)), "{number:?} {big}");
                assert_eq!(array.to_u64().unwrap(), Ok(vec![0, 1, 100]));
                assert_eq!(array.to_u8().unwrap(), Ok(vec![0, 1, 100]));
                assert_eq!(array.show(2), "100");
            }
        }
    }

    #[test]
    fn refused_values_are_found_in_any_task() {
        let n = 3 * TASK + 5;
        for bad in [0, TASK - 1, TASK, n - 1] {
            let mut values = vec![1.5f64; n];
            values[bad] = f64::NAN;
            values[n - 1] = f64::INFINITY;
            let array = raw(NumberType::F64, false, values.iter().flat_map(|v| v.to_le_bytes()).collect());
            assert_eq!(array.to_f64().unwrap(), Err(Refused(bad)));
        }
        let mut values: Vec<i64> = (0..n as i64).collect();
        let bytes = |values: &[i64]| values.iter().flat_map(|v| v.to_be_bytes()).collect::<Vec<_>>();
        let array = raw(NumberType::I64, true, bytes(&values));
        assert!(array.is_line(0, 1) && !array.is_line(1, 1));
        assert_eq!(array.to_u32(n as u64).unwrap().unwrap()[n - 1] as usize, n - 1);
        values[2 * TASK] = -1;
        let array = raw(NumberType::I64, true, bytes(&values));
        assert!(!array.is_line(0, 1));
        assert_eq!(array.to_u32(u64::MAX).unwrap(), Err(Refused(2 * TASK)));
    }

    #[test]
    fn absurd_sizes_are_refused() {
        assert!(matches!(reserve::<f64>(usize::MAX, "x"), Err(Error::Resource(_))));
        assert!(matches!(reserve::<f64>(1 << 58, "x"), Err(Error::Resource(_))));
    }
}
