//! Kernels that do nothing but move bytes: what is left of their time is the copying, and of one item the launch.

use std::borrow::Cow;

use crate::job::{
    Chunk, ChunkOut, Class, ColumnSpec, GpuOutput, GpuSlot, Kernel, Precision, Resident, ResidentData, Scalar,
    Streamed, Work,
};

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// To the device.
    Up,
    /// From the device.
    Down,
}

/// Bytes of one item: a cache line.
const ITEM: usize = 64;

/// Words of one item.
const WORDS: usize = ITEM / 4;

/// `@workgroup_size` of both entry points.
const WORKGROUP: u32 = 64;

const UPLOAD: &str =
    concat!(include_str!("../../shaders/common/dispatch.wgsl"), include_str!("../../shaders/probe_upload.wgsl"));
const DOWNLOAD: &str =
    concat!(include_str!("../../shaders/common/dispatch.wgsl"), include_str!("../../shaders/probe_download.wgsl"));

/// Streams `source` to the device, or a column of numbers from it.
pub(super) struct Probe<'s> {
    direction: Direction,
    items: u64,
    source: &'s [u8],
}

impl<'s> Probe<'s> {
    /// `items` items without input.
    pub(super) fn new(direction: Direction, items: u64) -> Self {
        Self { direction, items, source: &[] }
    }

    /// `bytes` bytes, on the way up those of `source`.
    pub(super) fn of(direction: Direction, bytes: u64, source: &'s [u8]) -> Self {
        Self { direction, items: bytes / ITEM as u64, source }
    }
}

impl Kernel for Probe<'_> {
    fn name(&self) -> &'static str {
        match self.direction {
            Direction::Up => "probe_upload",
            Direction::Down => "probe_download",
        }
    }

    fn item(&self) -> &'static str {
        "line"
    }

    fn items(&self) -> u64 {
        self.items
    }

    fn precision(&self) -> Precision {
        Precision::Integer
    }

    fn work(&self) -> Work {
        let bytes = ITEM as f64;
        match self.direction {
            Direction::Up => Work { flops: 0.0, bytes_read: bytes, bytes_written: 0.0 },
            Direction::Down => Work { flops: 0.0, bytes_read: 0.0, bytes_written: bytes },
        }
    }

    fn class(&self) -> Class {
        Class::Exact
    }

    fn columns(&self) -> Vec<ColumnSpec> {
        match self.direction {
            Direction::Up => Vec::new(),
            Direction::Down => vec![ColumnSpec { name: "lines", scalar: Scalar::U32, per_item: WORDS }],
        }
    }

    fn fold_words(&self) -> usize {
        usize::from(self.direction == Direction::Up)
    }

    /// Down: each item's first word is its number. Up: the sum of the first words of some items, which ones is the
    /// backend's affair.
    fn seq(&self, out: &mut ChunkOut<'_>) {
        let chunk = out.chunk();
        match self.direction {
            Direction::Up => out.fold[0] += chunk.len(),
            Direction::Down => {
                let items = out.column::<u32>(0).chunks_exact_mut(WORDS);
                items.zip(chunk.start..).for_each(|(words, item)| words[0] = item as u32);
            }
        }
    }

    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        let up = self.direction == Direction::Up;
        let source = self.source;
        let fill = move |chunk: Chunk, bytes: &mut [u8]| {
            let start = chunk.start as usize * ITEM;
            bytes.copy_from_slice(&source[start..start + bytes.len()]);
        };
        let streamed = Streamed { label: "lines", bytes_per_item: ITEM, fill: Box::new(fill) };
        let none = Resident { label: "none", data: ResidentData::Plain(Cow::Borrowed(&[])) };
        Ok(GpuSlot {
            source: Cow::Borrowed(if up { UPLOAD } else { DOWNLOAD }),
            source_int64: None,
            constants: Vec::new(),
            workgroup: WORKGROUP,
            needs: &[],
            iterations_per_item: 0,
            // So few invocations that they cost nothing beside the copy.
            max_items_per_invocation: 1 << 16,
            block: 1,
            params: Vec::new(),
            resident: if up { Vec::new() } else { vec![none] },
            streamed: if up { vec![streamed] } else { Vec::new() },
            output: if up { GpuOutput::Partials { words: 1 } } else { GpuOutput::Columns },
        })
    }
}
