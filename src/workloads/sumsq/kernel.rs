//! The two kernels: a number is one item, the fold holds the sum.

use super::{cpu, gpu};
use crate::job::{ChunkOut, Class, FOLD_WORDS, GpuSlot, Kernel, Precision, Work};
use crate::simd::Simd;

/// The loop `i * i` for `n` numbers from `first` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loop {
    pub(super) first: u64,
    pub(super) n: u64,
}

/// The squares of numbers in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Data<'j> {
    pub(super) values: &'j [u64],
    /// The largest of them.
    pub(super) largest: u64,
}

/// The sum in a fold: the low word first.
pub(super) fn sum(fold: &[u64; FOLD_WORDS]) -> u128 {
    u128::from(fold[0]) | u128::from(fold[1]) << 64
}

/// Adds `part` to the sum of a fold. A right one is below 2^128; a wrong one may wrap, and is found out later.
pub(super) fn add(fold: &mut [u64; FOLD_WORDS], part: u128) {
    let sum = sum(fold).wrapping_add(part);
    (fold[0], fold[1]) = (sum as u64, (sum >> 64) as u64);
}

/// Operations on one number below `largest`, as `cpu.rs` does them: in a narrow block a sum and a product beside what
/// `reading` takes, in a wide one three products with their halves.
fn operations(largest: u64, reading: f64) -> f64 {
    match largest {
        0..0x800_0000 => reading + 2.0,
        0x800_0000..0x1_0000_0000 => reading + 5.0,
        _ => reading + 16.0,
    }
}

/// Tells the three widths apart, whose speeds differ.
fn width(largest: u64) -> u64 {
    u64::from(largest >= 1 << 27) + u64::from(largest >= 1 << 32)
}

impl Loop {
    fn largest(&self) -> u64 {
        self.first + self.n.saturating_sub(1)
    }

    pub(super) fn is_wide(&self) -> bool {
        self.largest() >= 1 << 32
    }
}

impl Data<'_> {
    pub(super) fn is_wide(&self) -> bool {
        self.largest >= 1 << 32
    }

    fn part(&self, out: &ChunkOut<'_>) -> &[u64] {
        let index = |item| usize::try_from(item).expect("the values are in memory");
        &self.values[index(out.chunk().start)..index(out.chunk().end)]
    }
}

impl Kernel for Loop {
    fn name(&self) -> &'static str {
        "sumsq"
    }

    fn item(&self) -> &'static str {
        "number"
    }

    fn items(&self) -> u64 {
        self.n
    }

    fn precision(&self) -> Precision {
        Precision::Integer
    }

    fn work(&self) -> Work {
        Work { flops: operations(self.largest(), 1.0), bytes_read: 0.0, bytes_written: 0.0 }
    }

    fn variant(&self) -> u64 {
        width(self.largest())
    }

    fn class(&self) -> Class {
        Class::Exact
    }

    fn fold_words(&self) -> usize {
        2
    }

    fn merge_fold(&self, total: &mut [u64; FOLD_WORDS], part: &[u64; FOLD_WORDS]) {
        add(total, sum(part));
    }

    fn seq(&self, out: &mut ChunkOut<'_>) {
        let chunk = out.chunk();
        add(&mut out.fold, cpu::loop_seq(self.first + chunk.start..self.first + chunk.end));
    }

    fn cpu(&self, simd: Simd, out: &mut ChunkOut<'_>) {
        let chunk = out.chunk();
        add(&mut out.fold, cpu::sum_loop(simd, self.first + chunk.start..self.first + chunk.end));
    }

    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        Ok(gpu::loop_slot(self))
    }

    fn fold_gpu(&self, partials: &[u32], fold: &mut [u64; FOLD_WORDS]) {
        gpu::fold(partials, fold);
    }
}

impl Kernel for Data<'_> {
    fn name(&self) -> &'static str {
        "sumsq_data"
    }

    fn item(&self) -> &'static str {
        "number"
    }

    fn items(&self) -> u64 {
        self.values.len() as u64
    }

    fn precision(&self) -> Precision {
        Precision::Integer
    }

    fn work(&self) -> Work {
        Work { flops: operations(self.largest, 1.0), bytes_read: 8.0, bytes_written: 0.0 }
    }

    fn variant(&self) -> u64 {
        width(self.largest)
    }

    fn class(&self) -> Class {
        Class::Exact
    }

    fn fold_words(&self) -> usize {
        2
    }

    fn merge_fold(&self, total: &mut [u64; FOLD_WORDS], part: &[u64; FOLD_WORDS]) {
        add(total, sum(part));
    }

    fn seq(&self, out: &mut ChunkOut<'_>) {
        let sum = cpu::data_seq(self.part(out));
        add(&mut out.fold, sum);
    }

    fn cpu(&self, simd: Simd, out: &mut ChunkOut<'_>) {
        let sum = cpu::sum_data(simd, self.part(out));
        add(&mut out.fold, sum);
    }

    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        Ok(gpu::data_slot(self))
    }

    fn fold_gpu(&self, partials: &[u32], fold: &mut [u64; FOLD_WORDS]) {
        gpu::fold(partials, fold);
    }
}
