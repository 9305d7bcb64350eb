//! The data of a `.vtu` file's array: text, base64 or raw bytes, packed in blocks or not. Sizes that the file declares are
//! checked against the bytes that are there before anything is allocated.

use std::io::Read;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rayon::prelude::*;

use super::xml::{Compressor, DataArray, Document, Format};
use crate::error::{Error, Place, Result};
use crate::formats::ascii::{all_numbers, place_in, shown};
use crate::formats::numbers::{Bytes, NumberType, Origin, RawArray, reserve};
use crate::formats::source::Source;

/// Padding may be there or not, as in the middle of VTK's streams.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Memory that one xz decoder may ask for: the dictionary of preset 9, 64 MiB, and its tables.
const XZ_MEMORY_KIB: u32 = 66 << 10;

impl Compressor {
    /// The most bytes that one packed byte can stand for. Deflate: 258 bytes in two bits, 1032. LZ4: 255 bytes a length
    /// byte. LZMA: a match of 273 bytes costs at least 14 binary decisions of log2(2048 / 2017) bits each, 7090.
    fn ratio(self) -> u64 {
        match self {
            Self::Zlib => 1032,
            Self::Lz4 => 255,
            Self::Lzma => 7090,
        }
    }
}

/// Decodes the arrays of one file.
pub(super) struct Decoder<'a> {
    source: &'a Source,
    document: &'a Document<'a>,
    /// Bytes of the file that arrays may still claim: each byte belongs to one array, so arrays that lie on top of each
    /// other cannot multiply a small file.
    unclaimed: usize,
}

impl<'a> Decoder<'a> {
    /// A decoder for `document`.
    #[must_use]
    pub(super) fn new(source: &'a Source, document: &'a Document<'a>) -> Self {
        let end = document.appended.map_or(0, |appended| appended.at + appended.bytes.len());
        Self { source, document, unclaimed: source.bytes().len().max(end) }
    }

    /// The type of `array`; `None` for one that this program does not know (String, Bit).
    #[must_use]
    pub(super) fn number(array: &DataArray) -> Option<NumberType> {
        NumberType::ALL.into_iter().find(|number| number.name() == array.number)
    }

    /// The values of `array`, `expected` in number where that is known.
    ///
    /// # Errors
    /// [`Error::Input`] when the data are broken, cut off or not as many as expected; [`Error::Resource`].
    pub(super) fn decode(&mut self, array: &'a DataArray<'a>, expected: Option<u64>) -> Result<RawArray<'a>> {
        let label = format!("array '{}'", shown(&array.name));
        let number = Self::number(array).ok_or_else(|| {
            let why = format!("{label} has type '{}'; write it as Int64, UInt8 or Float64", shown(&array.number));
            self.error(array, why)
        })?;
        let (bytes, big_endian, origin) = if expected == Some(0) {
            (Bytes::Borrowed(&[]), false, Origin::Text(array.at))
        } else {
            match array.format {
                Format::Ascii => self.ascii(array, number)?,
                Format::Binary => self.inline(array, number, expected)?,
                Format::Appended(offset) => self.appended(array, number, expected, offset)?,
            }
        };
        let n = (bytes.len() / number.size()) as u64;
        if expected.is_some_and(|expected| expected != n) {
            return Err(self.error(array, miscounted(&label, n, expected.unwrap_or(0))));
        }
        Ok(RawArray { label, number, big_endian, bytes, origin })
    }

    /// An error at the array's tag.
    pub(super) fn error(&self, array: &DataArray, why: impl Into<String>) -> Error {
        self.source.error(Place::line_of(self.source.bytes(), array.at), why)
    }

    fn ascii(&self, array: &'a DataArray<'a>, number: NumberType) -> Result<(Bytes<'a>, bool, Origin)> {
        let parts =
            array.texts.iter().map(|text| all_numbers(self.source, text, number)).collect::<Result<Vec<_>>>()?;
        let bytes = match <[Vec<u8>; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => parts.concat(),
        };
        let start = array.texts.first().and_then(|text| place_in(self.source, text)).unwrap_or(array.at);
        Ok((Bytes::Owned(bytes, 0), false, Origin::Text(start)))
    }

    fn inline(
        &self,
        array: &'a DataArray<'a>,
        number: NumberType,
        expected: Option<u64>,
    ) -> Result<(Bytes<'a>, bool, Origin)> {
        let origin = Origin::Text(array.at);
        let wrapped = |text: &[u8]| text.trim_ascii().iter().any(u8::is_ascii_whitespace);
        let joined: Vec<u8>;
        let text = match array.texts.as_slice() {
            [one] if !wrapped(one) => one.trim_ascii(),
            many => {
                joined =
                    many.iter().flat_map(|text| text.iter().copied()).filter(|c| !c.is_ascii_whitespace()).collect();
                &joined
            }
        };
        let (bytes, _) = self
            .unpack(&Stream::Base64(text), number, expected)
            .map_err(|why| why.at(self.source, origin, &array.name))?;
        Ok((bytes, self.document.big_endian, origin))
    }

    fn appended(
        &mut self,
        array: &'a DataArray<'a>,
        number: NumberType,
        expected: Option<u64>,
        offset: u64,
    ) -> Result<(Bytes<'a>, bool, Origin)> {
        let Some(appended) = self.document.appended else {
            return Err(self.error(
                array,
                format!("array '{}' is appended, but the file ends before its appended data", shown(&array.name)),
            ));
        };
        let rest = usize::try_from(offset).ok().and_then(|offset| Some((offset, appended.bytes.get(offset..)?)));
        let (offset, rest) = rest.ok_or_else(|| {
            let left = appended.bytes.len();
            let name = shown(&array.name);
            self.error(
                array,
                format!("array '{name}' starts at offset {offset} of {left} appended bytes: the file is cut off"),
            )
        })?;
        let start = appended.at + offset;
        let origin = Origin::Binary(start);
        let stream = if appended.base64 { Stream::Base64(rest.trim_ascii_end()) } else { Stream::Raw(rest) };
        let fail = |why: Why| why.at(self.source, origin, &array.name);
        let (bytes, used) = self.unpack(&stream, number, expected).map_err(fail)?;
        let overlap = "overlaps other arrays: the offsets of the file are wrong";
        self.unclaimed = self.unclaimed.checked_sub(used).ok_or_else(|| fail(Why::Broken(overlap.into())))?;
        // A raw array can say where each value stands.
        let data = if matches!(bytes, Bytes::Borrowed(_)) { Origin::Binary(start + self.word()) } else { origin };
        Ok((bytes, self.document.big_endian, data))
    }

    fn word(&self) -> usize {
        if self.document.header64 { 8 } else { 4 }
    }

    /// Word `index` of a block header.
    fn header(&self, header: &[u8], index: usize) -> u64 {
        let big = self.document.big_endian;
        let word = &header[index * self.word()..][..self.word()];
        match <[u8; 8]>::try_from(word) {
            Ok(word) => {
                if big {
                    u64::from_be_bytes(word)
                } else {
                    u64::from_le_bytes(word)
                }
            }
            Err(_) => {
                let word: [u8; 4] = *word.first_chunk().expect("a header word has 4 or 8 bytes");
                u64::from(if big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
            }
        }
    }

    /// The array at the start of `stream`, and how many bytes of the file it took.
    fn unpack(
        &self,
        stream: &Stream<'a, '_>,
        number: NumberType,
        expected: Option<u64>,
    ) -> Result<(Bytes<'a>, usize), Why> {
        let size = number.size() as u64;
        let word = self.word();
        let first = self.header(&stream.take(word)?, 0);
        if self.document.compressor.is_some() {
            return self.unpack_blocks(stream, first, size, expected);
        }
        check_total(first, size, expected)?;
        let n_bytes = usize::try_from(first).ok().filter(|n| *n <= stream.capacity().saturating_sub(word));
        let n_bytes = n_bytes.ok_or_else(|| {
            let left = stream.capacity().saturating_sub(word);
            Why::Broken(format!("declares {first} bytes, but only {left} follow: the file is cut off"))
        })?;
        let bytes = match stream.take(word + n_bytes)? {
            Bytes::Borrowed(bytes) => Bytes::Borrowed(&bytes[word..]),
            Bytes::Owned(bytes, from) => Bytes::Owned(bytes, from + word),
        };
        Ok((bytes, stream.file_bytes(word + n_bytes)))
    }

    /// Packed arrays: `[blocks, bytes per block, bytes of the last block or 0, packed bytes of each block...]`, then the
    /// blocks.
    fn unpack_blocks(
        &self,
        stream: &Stream<'a, '_>,
        blocks: u64,
        size: u64,
        expected: Option<u64>,
    ) -> Result<(Bytes<'a>, usize), Why> {
        let compressor = self.document.compressor.expect("only called for packed arrays");
        let word = self.word();
        let cut_off = |what: &str| Why::Broken(format!("{what}: the file is cut off or its offsets are wrong"));
        if blocks == 0 {
            check_total(0, size, expected)?;
            return Ok((Bytes::Borrowed(&[]), stream.file_bytes(word)));
        }
        let n = usize::try_from(blocks).ok().filter(|n| *n <= stream.capacity() / word);
        let n = n.ok_or_else(|| cut_off(&format!("declares {blocks} blocks, more than there are bytes for")))?;
        let head = (n + 3) * word;
        let header = stream.take(head)?;
        let (full, last) = (self.header(&header, 1), self.header(&header, 2));
        let unpacked = |block: usize| if block + 1 == n && last != 0 { last } else { full };
        let total = full.checked_mul(blocks - 1).and_then(|n_bytes| n_bytes.checked_add(unpacked(n - 1)));
        let total = total.ok_or_else(|| Why::Broken("declares more than 2^64 bytes".into()))?;
        check_total(total, size, expected)?;
        let mut packed_total = head;
        for block in 0..n {
            let packed = self.header(&header, 3 + block);
            if unpacked(block) > packed.saturating_mul(compressor.ratio()) {
                let why =
                    format!("block {block} claims {} bytes packed into {packed}, which cannot be", unpacked(block));
                return Err(Why::Broken(why));
            }
            packed_total = usize::try_from(packed)
                .ok()
                .and_then(|packed| packed_total.checked_add(packed))
                .filter(|total| *total <= stream.capacity())
                .ok_or_else(|| cut_off(&format!("block {block} of {n} reaches past the end of the data")))?;
        }
        let data = stream.take(packed_total)?;
        let length = usize::try_from(total).map_err(|_| Why::Broken("is too large for this machine".into()))?;
        let mut bytes = reserve::<u8>(length, "unpacking an array").map_err(Why::Host)?;
        bytes.resize(length, 0);
        let mut jobs = Vec::with_capacity(n);
        let (mut from, mut into) = (&data[head..], bytes.as_mut_slice());
        for block in 0..n {
            let packed;
            let room;
            (packed, from) = from.split_at(self.header(&header, 3 + block) as usize);
            (room, into) = into.split_at_mut(unpacked(block) as usize);
            jobs.push((block, packed, room));
        }
        jobs.into_par_iter().try_for_each_init(
            || flate2::Decompress::new(true),
            |zlib, (block, packed, room)| {
                unpack_block(compressor, zlib, packed, room)
                    .map_err(|why| Why::Broken(format!("block {block} of {n} does not unpack: {why}")))
            },
        )?;
        Ok((Bytes::Owned(bytes, 0), stream.file_bytes(packed_total)))
    }
}

/// What is wrong with an array's data.
enum Why {
    Broken(String),
    Host(Error),
}

impl Why {
    fn at(self, source: &Source, origin: Origin, name: &str) -> Error {
        match self {
            Self::Broken(why) => source.error(origin.place(source.bytes()), format!("array '{}' {why}", shown(name))),
            Self::Host(error) => error,
        }
    }
}

fn miscounted(label: &str, n: u64, expected: u64) -> String {
    format!("{label} holds {n} values where the file's counts ask for {expected}; the file may be cut off")
}

fn check_total(n_bytes: u64, size: u64, expected: Option<u64>) -> Result<(), Why> {
    match expected {
        Some(expected) if expected.checked_mul(size) != Some(n_bytes) => {
            let why = format!(
                "holds {n_bytes} bytes where the file's counts ask for {expected} values of {size}; the file may be cut off"
            );
            Err(Why::Broken(why))
        }
        None if !n_bytes.is_multiple_of(size) => {
            Err(Why::Broken(format!("holds {n_bytes} bytes, not whole values of {size}")))
        }
        _ => Ok(()),
    }
}

/// Unpacks one block, which must fill `room` and nothing more.
fn unpack_block(
    compressor: Compressor,
    zlib: &mut flate2::Decompress,
    packed: &[u8],
    room: &mut [u8],
) -> Result<(), String> {
    let short = "it is shorter than declared".to_string();
    match compressor {
        Compressor::Zlib => {
            zlib.reset(true);
            let status = zlib.decompress(packed, room, flate2::FlushDecompress::Finish);
            let status = status.map_err(|error| error.to_string())?;
            match status {
                flate2::Status::StreamEnd if zlib.total_out() == room.len() as u64 => Ok(()),
                flate2::Status::StreamEnd => Err(short),
                _ => Err("it is cut off or longer than declared".into()),
            }
        }
        Compressor::Lz4 => match lz4_flex::block::decompress_into(packed, room) {
            Ok(n) if n == room.len() => Ok(()),
            Ok(_) => Err(short),
            Err(error) => Err(error.to_string()),
        },
        Compressor::Lzma => {
            let mut reader = lzma_rust2::XzReader::new_mem_limit(packed, false, XZ_MEMORY_KIB);
            reader.read_exact(room).map_err(|error| error.to_string())?;
            // Reading to the end also checks the stream's checksums.
            match reader.read(&mut [0]) {
                Ok(0) => Ok(()),
                Ok(_) => Err("it is longer than declared".into()),
                Err(error) => Err(error.to_string()),
            }
        }
    }
}

/// Bytes as they come: raw, or base64 in one or several runs, each with its own padding.
enum Stream<'a, 't> {
    Raw(&'a [u8]),
    Base64(&'t [u8]),
}

impl<'a> Stream<'a, '_> {
    /// No more bytes than this can be taken.
    fn capacity(&self) -> usize {
        match self {
            Self::Raw(bytes) => bytes.len(),
            Self::Base64(text) => text.len().div_ceil(4) * 3,
        }
    }

    /// Bytes of the file that `n` bytes of the stream take up.
    fn file_bytes(&self, n: usize) -> usize {
        match self {
            Self::Raw(_) => n,
            Self::Base64(_) => n / 3 * 4,
        }
    }

    /// The first `n` bytes.
    fn take(&self, n: usize) -> Result<Bytes<'a>, Why> {
        let short = || Why::Broken(format!("needs {n} bytes, but fewer follow: the file is cut off"));
        match self {
            Self::Raw(bytes) => bytes.get(..n).map(Bytes::Borrowed).ok_or_else(short),
            Self::Base64(text) => {
                if n > self.capacity() {
                    return Err(short());
                }
                base64_prefix(text, n)?.map(|bytes| Bytes::Owned(bytes, 0)).ok_or_else(short)
            }
        }
    }
}

/// The first `n` bytes that `text` stands for; `None` when it is shorter.
fn base64_prefix(text: &[u8], n: usize) -> Result<Option<Vec<u8>>, Why> {
    let wrong = |error: &dyn std::fmt::Display| Why::Broken(format!("is not base64: {error}"));
    let mut bytes = reserve::<u8>(n + 3, "decoding base64").map_err(Why::Host)?;
    let mut rest = text;
    while bytes.len() < n && !rest.is_empty() {
        // One run: up to the padding or to what is needed, in groups of four characters for three bytes.
        let needed = (n - bytes.len()).div_ceil(3) * 4;
        let window = &rest[..needed.min(rest.len())];
        let run =
            window.iter().position(|c| *c == b'=').map_or(window.len(), |pad| (pad / 4 * 4 + 4).min(window.len()));
        let start = bytes.len();
        bytes.resize(start + run.div_ceil(4) * 3, 0);
        let got = BASE64.decode_slice(&rest[..run], &mut bytes[start..]).map_err(|error| wrong(&error))?;
        bytes.truncate(start + got);
        rest = &rest[run..];
    }
    if bytes.len() < n {
        return Ok(None);
    }
    bytes.truncate(n);
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_runs_with_padding_join() {
        let engine = base64::engine::general_purpose::STANDARD;
        let text = [engine.encode([1u8, 2, 3, 4]), engine.encode([5u8, 6]), engine.encode([7u8; 9])].concat();
        let prefix = |n| base64_prefix(text.as_bytes(), n).ok().flatten();
        assert_eq!(prefix(4).unwrap(), [1, 2, 3, 4]);
        assert_eq!(prefix(5).unwrap(), [1, 2, 3, 4, 5]);
        assert_eq!(prefix(15).unwrap()[6..], [7; 9]);
        assert!(prefix(16).is_none());
        assert!(base64_prefix(b"AA*A", 3).is_err());
    }
}
