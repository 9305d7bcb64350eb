//! NumPy's `.npy` files (NEP 1): versions 1 to 3, every real type, either byte order, C and Fortran order.

use std::path::Path;

use bytemuck::Pod;
use rayon::prelude::*;

use crate::error::{Error, Place, Result};
use crate::formats::source::{Source, write_whole};
use crate::formats::text::{excerpt, parse_u64};
use crate::memory::Buffer;

/// An array in C order (the last index runs fastest).
#[derive(Debug, Clone, PartialEq)]
pub struct NpyArray {
    /// Length of each axis; empty for a single value.
    pub shape: Vec<usize>,
    /// The product of `shape` values.
    pub values: NpyValues,
}

/// The values of an array. NaN and infinities are kept: who needs finite values checks them.
#[derive(Debug, Clone, PartialEq)]
pub enum NpyValues {
    /// From `f4`.
    F32(Vec<f32>),
    /// From `f8` and every other type, which is converted without loss.
    F64(Vec<f64>),
}

impl NpyValues {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As `f64`, which every `f32` is.
    #[must_use]
    pub fn into_f64(self) -> Vec<f64> {
        match self {
            Self::F32(values) => values.into_par_iter().map(f64::from).collect(),
            Self::F64(values) => values,
        }
    }
}

/// What the header says.
struct Header {
    /// `f8`.
    kind: String,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

/// Reads an array.
///
/// # Errors
/// [`Error::Input`]: a broken header, a type that is not real (complex, text, records, objects), a size that does not
/// match the shape, a 64-bit integer that `f64` cannot hold.
pub fn read_npy(source: &Source) -> Result<NpyArray> {
    let (header, data) = open(source)?;
    let values = convert(&header, data).map_err(|why| source.error(Place::Whole, why))?;
    let values = match (header.fortran && header.shape.len() > 1, values) {
        (false, values) => values,
        (true, NpyValues::F32(values)) => NpyValues::F32(from_fortran(&header.shape, &values)),
        (true, NpyValues::F64(values)) => NpyValues::F64(from_fortran(&header.shape, &values)),
    };
    Ok(NpyArray { shape: header.shape, values })
}

/// Reads an array of integers, every one exactly, and gives their absolute values in the order of the file: `|-2^63|` fits
/// in `u64`.
///
/// # Errors
/// As [`read_npy`]; [`Error::Input`] for a type that is not an integer, [`Error::Resource`] when they do not fit in memory.
pub fn read_npy_magnitudes(source: &Source) -> Result<Buffer<u64>> {
    let (header, data) = open(source)?;
    let big = header.big_endian;
    match header.kind.as_str() {
        "i1" => integers(data, big, |bytes| i8::from_le_bytes(bytes).unsigned_abs().into()),
        "u1" => integers(data, big, |bytes| u8::from_le_bytes(bytes).into()),
        "i2" => integers(data, big, |bytes| i16::from_le_bytes(bytes).unsigned_abs().into()),
        "u2" => integers(data, big, |bytes| u16::from_le_bytes(bytes).into()),
        "i4" => integers(data, big, |bytes| i32::from_le_bytes(bytes).unsigned_abs().into()),
        "u4" => integers(data, big, |bytes| u32::from_le_bytes(bytes).into()),
        "i8" => integers(data, big, |bytes| i64::from_le_bytes(bytes).unsigned_abs()),
        "u8" => integers(data, big, u64::from_le_bytes),
        other => {
            let why = format!("holds values of type `{other}`; integers are needed, for example int64");
            Err(source.error(Place::Whole, why))
        }
    }
}

/// As [`map`], into memory that is refused before it runs out: the file may be an eighth of its size.
fn integers<const N: usize>(data: &[u8], big: bool, value: impl Fn([u8; N]) -> u64 + Sync) -> Result<Buffer<u64>> {
    let (elements, _) = data.as_chunks::<N>();
    let mut values = Buffer::zeroed(elements.len(), "the integers of the file")?;
    values.par_iter_mut().zip(elements).with_min_len(1 << 14).for_each(|(to, bytes)| *to = value(ordered(*bytes, big)));
    Ok(values)
}

/// The bytes of a number with the low one first.
fn ordered<const N: usize>(mut bytes: [u8; N], big: bool) -> [u8; N] {
    if big {
        bytes.reverse();
    }
    bytes
}

/// The header of an array and its bytes, as many as the header says.
fn open(source: &Source) -> Result<(Header, &[u8])> {
    let bytes = source.bytes();
    let whole = |why: String| source.error(Place::Whole, why);
    let Some(rest) = bytes.strip_prefix(b"\x93NUMPY") else {
        return Err(whole("is not an .npy file".into()));
    };
    let (length, body) = match rest {
        [1, _, a, b, body @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), body),
        [2 | 3, _, a, b, c, d, body @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, body),
        [major, ..] if *major > 3 => return Err(whole(format!(".npy version {major} is not known; save it again"))),
        _ => return Err(whole("the .npy header is cut short".into())),
    };
    let Some((header, data)) = body.split_at_checked(length) else {
        let why = format!("the .npy header should be {length} bytes long, only {} are left", body.len());
        return Err(whole(why));
    };
    let header = parse_header(header).map_err(|why| whole(format!("bad .npy header: {why}")))?;
    let size = match header.kind.as_str() {
        "b1" | "i1" | "u1" => 1,
        "i2" | "u2" | "f2" => 2,
        "i4" | "u4" | "f4" => 4,
        "i8" | "u8" | "f8" => 8,
        other => {
            return Err(whole(format!(
                "arrays of type `{other}` are not read; save real numbers, for example float64"
            )));
        }
    };
    let count = header.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    let declared = if header.shape.contains(&0) { Some(0) } else { count.and_then(|count| count.checked_mul(size)) };
    if declared != Some(data.len()) {
        let declared = declared.map_or("more than fits into memory".into(), |bytes| format!("{bytes} bytes"));
        let why = format!("the shape {:?} needs {declared}, the file holds {}", header.shape, data.len());
        return Err(whole(why));
    }
    Ok((header, data))
}

fn convert(header: &Header, data: &[u8]) -> Result<NpyValues, String> {
    let big = header.big_endian;
    let wide = match header.kind.as_str() {
        "f4" => return Ok(NpyValues::F32(map(data, big, f32::from_le_bytes))),
        "f8" => map(data, big, f64::from_le_bytes),
        "f2" => map(data, big, |bytes| half(u16::from_le_bytes(bytes))),
        "b1" => map(data, big, |[byte]| f64::from(byte != 0)),
        "i1" => map(data, big, |bytes| f64::from(i8::from_le_bytes(bytes))),
        "u1" => map(data, big, |bytes| f64::from(u8::from_le_bytes(bytes))),
        "i2" => map(data, big, |bytes| f64::from(i16::from_le_bytes(bytes))),
        "u2" => map(data, big, |bytes| f64::from(u16::from_le_bytes(bytes))),
        "i4" => map(data, big, |bytes| f64::from(i32::from_le_bytes(bytes))),
        "u4" => map(data, big, |bytes| f64::from(u32::from_le_bytes(bytes))),
        "i8" => exact(data, big, |bytes| i128::from(i64::from_le_bytes(bytes)))?,
        _ => exact(data, big, |bytes| i128::from(u64::from_le_bytes(bytes)))?,
    };
    Ok(NpyValues::F64(wide))
}

/// Values from elements of `N` bytes, on all threads.
fn map<const N: usize, T: Send>(data: &[u8], big: bool, value: impl Fn([u8; N]) -> T + Sync) -> Vec<T> {
    let (elements, _) = data.as_chunks::<N>();
    elements.par_iter().with_min_len(1 << 14).map(|bytes| value(ordered(*bytes, big))).collect()
}

/// 64-bit integers that `f64` holds exactly.
fn exact(data: &[u8], big: bool, value: impl Fn([u8; 8]) -> i128 + Sync) -> Result<Vec<f64>, String> {
    let lost = |&integer: &i128| integer as f64 as i128 != integer;
    let integers = map(data, big, &value);
    if let Some(at) = integers.par_iter().position_first(lost) {
        return Err(format!("value {at}, {}, is an integer that float64 cannot hold; save floats", integers[at]));
    }
    Ok(integers.into_par_iter().map(|integer| integer as f64).collect())
}

/// The value of IEEE 754 half precision bits.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match (bits >> 10) & 0x1f {
        0 => fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        exponent => (1024.0 + fraction) * 2f64.powi(i32::from(exponent) - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// Fortran order (the first index runs fastest) to C order: each leading index gathers one slab of the output, whose
/// own axes are walked like an odometer.
fn from_fortran<T: Pod + Send + Sync>(shape: &[usize], values: &[T]) -> Vec<T> {
    if values.is_empty() {
        return Vec::new();
    }
    let (rows, inner) = (shape[0], &shape[1..]);
    let slab = values.len() / rows;
    let mut strides = Vec::with_capacity(inner.len());
    let mut stride = rows;
    for &n in inner {
        strides.push(stride);
        stride *= n;
    }
    let mut out = vec![T::zeroed(); values.len()];
    let zero = || vec![0; inner.len()];
    let slabs = out.par_chunks_mut(slab).with_min_len((1 << 14) / slab.min(1 << 14)).enumerate();
    slabs.for_each_init(zero, |index, (row, slab)| {
        // The index of the slab before this one ended at zero again.
        let mut from = row;
        for slot in slab {
            *slot = values[from];
            for axis in (0..inner.len()).rev() {
                index[axis] += 1;
                from += strides[axis];
                if index[axis] < inner[axis] {
                    break;
                }
                from -= strides[axis] * inner[axis];
                index[axis] = 0;
            }
        }
    });
    out
}

/// The header's Python dictionary: `{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }`.
fn parse_header(text: &[u8]) -> Result<Header, String> {
    let mut words = Words { rest: text };
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    words.expect(b"{")?;
    while !words.take(b"}") {
        let key = words.string()?;
        words.expect(b":")?;
        match key {
            b"descr" => descr = Some(words.string().map_err(|_| "records and other structured types are not read")?),
            b"fortran_order" => fortran = Some(words.boolean()?),
            b"shape" => shape = Some(words.shape()?),
            _ => return Err(format!("unknown key {}", excerpt(key))),
        }
        if !words.take(b",") {
            words.expect(b"}")?;
            break;
        }
    }
    let (descr, fortran, shape) = match (descr, fortran, shape) {
        (Some(descr), Some(fortran), Some(shape)) => (descr, fortran, shape),
        _ => return Err("needs descr, fortran_order and shape".into()),
    };
    let (order, kind) = descr.split_first().ok_or("descr is empty")?;
    let (big_endian, kind) = match order {
        b'<' | b'|' => (false, kind),
        b'>' => (true, kind),
        b'=' => (cfg!(target_endian = "big"), kind),
        _ => (false, descr),
    };
    Ok(Header { kind: String::from_utf8_lossy(kind).into_owned(), big_endian, fortran, shape })
}

/// A cursor over Python literals.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    fn take(&mut self, token: &[u8]) -> bool {
        self.rest = self.rest.trim_ascii_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &[u8]) -> Result<(), String> {
        if self.take(token) {
            return Ok(());
        }
        Err(format!("expected {} before {}", excerpt(token), excerpt(self.rest)))
    }

    fn string(&mut self) -> Result<&'a [u8], String> {
        let quote = if self.take(b"'") {
            b'\''
        } else {
            self.expect(b"\"")?;
            b'"'
        };
        let end = self.rest.iter().position(|&b| b == quote).ok_or("a string is not closed")?;
        let text = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Ok(text)
    }

    fn boolean(&mut self) -> Result<bool, String> {
        if self.take(b"True") {
            return Ok(true);
        }
        self.expect(b"False").map(|()| false)
    }

    fn shape(&mut self) -> Result<Vec<usize>, String> {
        let mut shape = Vec::new();
        self.expect(b"(")?;
        while !self.take(b")") {
            self.rest = self.rest.trim_ascii_start();
            let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let (number, rest) = self.rest.split_at(digits);
            let length = parse_u64(number).and_then(|n| usize::try_from(n).ok());
            shape.push(length.ok_or_else(|| format!("an axis length is expected before {}", excerpt(self.rest)))?);
            // Python 2 wrote long integers.
            self.rest = rest.strip_prefix(b"L").unwrap_or(rest);
            if shape.len() > 64 {
                return Err("more than 64 axes".into());
            }
            if !self.take(b",") {
                self.expect(b")")?;
                break;
            }
        }
        Ok(shape)
    }
}

/// Writes `values` in C order as `<f8`, whole or not at all.
///
/// # Errors
/// [`Error::Resource`] when the disk refuses; [`Error::Internal`] when `shape` does not match.
pub fn write_npy_f64(path: &Path, shape: &[usize], values: &[f64]) -> Result<()> {
    write(path, "<f8", shape, values, |value| value.to_le_bytes())
}

/// As [`write_npy_f64`] for `<f4`.
///
/// # Errors
/// As [`write_npy_f64`].
pub fn write_npy_f32(path: &Path, shape: &[usize], values: &[f32]) -> Result<()> {
    write(path, "<f4", shape, values, |value| value.to_le_bytes())
}

/// As [`write_npy_f64`] for `<c16`: real and imaginary parts.
///
/// # Errors
/// As [`write_npy_f64`].
pub fn write_npy_c64(path: &Path, shape: &[usize], values: &[[f64; 2]]) -> Result<()> {
    write(path, "<c16", shape, values, |[re, im]| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&re.to_le_bytes());
        bytes[8..].copy_from_slice(&im.to_le_bytes());
        bytes
    })
}

fn write<T: Pod, const N: usize>(
    path: &Path,
    descr: &str,
    shape: &[usize],
    values: &[T],
    little: impl Fn(T) -> [u8; N],
) -> Result<()> {
    if shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n)) != Some(values.len()) {
        return Err(Error::Internal(format!("{} values do not have the shape {shape:?}", values.len())));
    }
    let axes = match shape {
        [one] => format!("({one},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {axes}, }}");
    // Magic, version and length are 10 bytes; the data starts at a multiple of 64.
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.extend(std::iter::repeat_n(' ', padded - header.len() - 1));
    header.push('\n');
    let length = u16::try_from(header.len()).map_err(|_| Error::Internal(format!("{} axes", shape.len())))?;
    write_whole(path, |file| {
        let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(|e| Error::io(path, "write", &e));
        put(b"\x93NUMPY\x01\x00")?;
        put(&length.to_le_bytes())?;
        put(header.as_bytes())?;
        if cfg!(target_endian = "little") {
            put(bytemuck::cast_slice(values))
        } else {
            values.iter().try_for_each(|&value| put(&little(value)))
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::fixture;

    /// An array with the given header fields.
    fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    fn read(bytes: Vec<u8>) -> Result<NpyArray> {
        read_npy(&Source::from_bytes("a.npy", bytes))
    }

    fn values(descr: &str, shape: &str, data: &[u8]) -> Vec<f64> {
        read(npy(descr, "False", shape, data)).unwrap().values.into_f64()
    }

    #[test]
    fn magnitudes_of_every_integer_type_are_exact() {
        let read = |descr: &str, data: &[u8]| {
            let source = Source::from_bytes("a.npy", npy(descr, "False", "(1,)", data));
            read_npy_magnitudes(&source).map(|values| values.to_vec())
        };
        assert_eq!(read("'<i8'", &i64::MIN.to_le_bytes()).unwrap(), [1 << 63]);
        assert_eq!(read("'>i8'", &(-(1i64 << 53) - 1).to_be_bytes()).unwrap(), [(1 << 53) + 1]);
        assert_eq!(read("'<u8'", &u64::MAX.to_le_bytes()).unwrap(), [u64::MAX]);
        assert_eq!(read("'|i1'", &[0x80]).unwrap(), [128]);
        assert_eq!(read("'|u1'", &[0x80]).unwrap(), [128]);
        assert_eq!(read("'>i2'", &(-2i16).to_be_bytes()).unwrap(), [2]);
        assert_eq!(read("'<u2'", &[1, 2]).unwrap(), [513]);
        assert_eq!(read("'<i4'", &i32::MIN.to_le_bytes()).unwrap(), [1 << 31]);
        assert_eq!(read("'<u4'", &u32::MAX.to_le_bytes()).unwrap(), [u64::from(u32::MAX)]);
        let refused = read("'<f8'", &[0; 8]).unwrap_err();
        assert!(refused.exit_code() == 3 && refused.to_string().contains("integers are needed"), "{refused}");
        let columns = npy("'|u1'", "True", "(2, 2)", &[1, 2, 3, 4]);
        let found = read_npy_magnitudes(&Source::from_bytes("a.npy", columns)).unwrap();
        assert_eq!(&found[..], [1, 2, 3, 4], "the order of the file");
    }

    #[test]
    fn every_real_type_and_byte_order() {
        assert_eq!(values("'<f8'", "(1,)", &1.5f64.to_le_bytes()), [1.5]);
        assert_eq!(values("\">f8\"", "(1L, )", &1.5f64.to_be_bytes()), [1.5]);
        assert_eq!(values("'=f8'", "()", &1.5f64.to_ne_bytes()), [1.5]);
        assert_eq!(values("'>f4'", "(1,)", &(-0.1f32).to_be_bytes()), [f64::from(-0.1f32)]);
        assert_eq!(values("'<i8'", "(1,)", &(-(1i64 << 53)).to_le_bytes()), [-9_007_199_254_740_992.0]);
        assert_eq!(values("'>u8'", "(1,)", &(1u64 << 63).to_be_bytes()), [9_223_372_036_854_775_808.0]);
        assert_eq!(values("'<i4'", "(1,)", &(-7i32).to_le_bytes()), [-7.0]);
        assert_eq!(values("'>u4'", "(1,)", &u32::MAX.to_be_bytes()), [4_294_967_295.0]);
        assert_eq!(values("'<i2'", "(1,)", &(-7i16).to_le_bytes()), [-7.0]);
        assert_eq!(values("'>u2'", "(1,)", &65_535u16.to_be_bytes()), [65_535.0]);
        assert_eq!(values("'|i1'", "(2,)", &[0xff, 1]), [-1.0, 1.0]);
        assert_eq!(values("'|u1'", "(1,)", &[0xff]), [255.0]);
        assert_eq!(values("'|b1'", "(2,)", &[0, 1]), [0.0, 1.0]);
        // 1, -2, the largest finite, the smallest subnormal, infinity.
        let halves = [0x3c00u16, 0xc000, 0x7bff, 1, 0x7c00].map(u16::to_le_bytes).concat();
        assert_eq!(values("'<f2'", "(5,)", &halves), [1.0, -2.0, 65_504.0, 2f64.powi(-24), f64::INFINITY]);
        assert_eq!(values("'<f8'", "(0, 18446744073709551615, 7)", &[]), [0.0; 0]);
        assert!(matches!(read(npy("'<f4'", "False", "(0,)", &[])).unwrap().values, NpyValues::F32(_)));
    }

    #[test]
    fn fortran_order_is_turned() {
        let array = read_npy(&fixture::source("fortran_order.npy")).unwrap();
        assert_eq!(array, NpyArray { shape: vec![2, 2], values: NpyValues::F64(vec![1.0, 2.0, 3.0, 4.0]) });
        let (a, b, c) = (3u8, 4, 5);
        let data: Vec<u8> =
            (0..c).flat_map(|k| (0..b).flat_map(move |j| (0..a).map(move |i| 20 * i + 5 * j + k))).collect();
        let array = read(npy("'|u1'", "True", "(3, 4, 5)", &data)).unwrap();
        assert_eq!(array.values.into_f64(), (0..60).map(f64::from).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_written_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let wide: Vec<f64> = (0..35).map(|i| f64::from(i) / 7.0).collect();
        write_npy_f64(&path, &[5, 7], &wide).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((bytes.len() - 35 * 8) % 64, 0);
        assert_eq!(read(bytes).unwrap(), NpyArray { shape: vec![5, 7], values: NpyValues::F64(wide) });
        write_npy_f32(&path, &[3], &[0.5, -1.0, f32::MAX]).unwrap();
        let array = read(std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(array, NpyArray { shape: vec![3], values: NpyValues::F32(vec![0.5, -1.0, f32::MAX]) });
        write_npy_c64(&path, &[1, 2], &[[0.5, -1.0], [f64::MAX, 0.0]]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.windows(6).any(|w| w == b"'<c16'") && bytes.len() % 64 == 32);
        assert_eq!(bytes[bytes.len() - 32..][..16], [0.5f64.to_le_bytes(), (-1.0f64).to_le_bytes()].concat());
        write_npy_f64(&path, &[], &[9.0]).unwrap();
        assert_eq!(read(std::fs::read(&path).unwrap()).unwrap().shape, [0usize; 0]);
        assert_eq!(write_npy_f64(&path, &[2], &[9.0]).unwrap_err().exit_code(), 1);
    }

    #[test]
    fn broken_arrays_are_refused() {
        for (bytes, why) in [
            (fixture::source("not_npy.npy").bytes().to_vec(), "header should be 65535 bytes long, only 8 are left"),
            (fixture::source("huge_shape.npy").bytes().to_vec(), "needs 64000000000000 bytes, the file holds 64"),
            (b"hello".to_vec(), "is not an .npy file"),
            (b"\x93NUMPY\x01\x00\x09".to_vec(), "cut short"),
            (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), "version 9"),
            (npy("'<f8'", "False", "(18446744073709551615, 2)", &[0; 8]), "needs more than fits into memory"),
            (npy("'<f8'", "False", "(1,)", &[0; 9]), "needs 8 bytes, the file holds 9"),
            (npy("'<c16'", "False", "(1,)", &[0; 16]), "arrays of type `c16` are not read"),
            (npy("[('a', '<f8')]", "False", "(1,)", &[0; 8]), "structured types are not read"),
            (npy("'<f8'", "Maybe", "(1,)", &[0; 8]), "expected `False`"),
            (npy("'<f8'", "True", "(-1,)", &[0; 8]), "an axis length is expected"),
            (npy("'<i8'", "False", "(2,)", &[[0; 8], i64::MAX.to_le_bytes()].concat()), "value 1, 9223372036854775807"),
            (npy("'<u8'", "False", "(1,)", &u64::MAX.to_le_bytes()), "cannot hold"),
        ] {
            let error = read(bytes).unwrap_err();
            assert_eq!(error.exit_code(), 3);
            assert!(error.to_string().contains(why), "expected {why:?}, got {error}");
        }
    }

    proptest! {
        #[test]
        fn no_damage_panics(case in fixture::damage()) {
            let _ = read(case.apply(fixture::source("fortran_order.npy").bytes()));
            let _ = read(case.apply(&npy("'>i8'", "True", "(4, 3, 2)", &[0; 192])));
        }
    }
}
