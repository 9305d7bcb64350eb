//! What is told of the results: their sum, the least and the largest, and whether all are finite.
//!
//! The host's kernels find it while a block is still in the first-level cache: a second pass over the results would cost
//! a third of the time of a cheap expression. Of the results that a device wrote it is found by such a pass. Either way the
//! sum is the same for any split: blocks of [`BLOCK`] elements are summed in [`LANES`] strands, then the blocks' sums in order.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Result;
use crate::job::{Chunk, FOLD_WORDS, Output, Scalar};
use crate::memory;
use crate::multiversion;
use crate::numeric::expr::Real;
use crate::simd::Simd;

/// Elements of one sum, and the grain of the kernel: 1 KiB of f64.
pub(super) const BLOCK: usize = 128;

/// Strands of a sum: two registers of f64 with AVX-512.
const LANES: usize = 16;

/// Words of the fold: elements that the host computed; the least and the largest value; the first that is not finite.
const COUNT: usize = 0;
const LEAST: usize = 1;
const MOST: usize = 2;
const BAD: usize = 3;

/// A number that orders as `x` does; 0 is below all.
fn rank(x: f64) -> u64 {
    let bits = x.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn unrank(rank: u64) -> f64 {
    f64::from_bits(if rank >> 63 == 1 { rank & !(1 << 63) } else { !rank })
}

/// Joins the folds of two sets of elements. Words that are 0 are neutral: the least value is kept as the complement of its
/// rank, the first bad element as the complement of its number.
pub(super) fn merge(total: &mut [u64; FOLD_WORDS], part: &[u64; FOLD_WORDS]) {
    total[COUNT] += part[COUNT];
    for word in [LEAST, MOST, BAD] {
        total[word] = total[word].max(part[word]);
    }
}

/// The sum of each block of the results, written by whoever computes it.
pub(super) struct Sums(Vec<AtomicU64>);

impl Sums {
    pub(super) fn new(items: u64) -> Result<Self> {
        let blocks = items.div_ceil(BLOCK as u64);
        memory::ensure_available("the checksum", blocks.saturating_mul(8))?;
        Ok(Self((0..blocks).map(|_| AtomicU64::new(0)).collect()))
    }

    /// Those of a chunk, which begins with a block.
    pub(super) fn of(&self, chunk: Chunk) -> &[AtomicU64] {
        let block = BLOCK as u64;
        let (first, last) = (chunk.start / block, chunk.end.div_ceil(block));
        &self.0[first as usize..last as usize]
    }
}

/// The least and the largest value of each strand; NaN counts for neither.
pub(super) struct Strands<T> {
    least: [T; LANES],
    most: [T; LANES],
    /// The first element that is not finite.
    bad: Option<u64>,
}

impl<T: Real> Strands<T> {
    pub(super) fn new() -> Self {
        let (least, most) = (T::from_f64(f64::INFINITY), T::from_f64(f64::NEG_INFINITY));
        Self { least: [least; LANES], most: [most; LANES], bad: None }
    }

    /// Takes in the results from element `first` on, the start of a block, and stores the sum of each block.
    #[inline(always)]
    pub(super) fn take(&mut self, simd: Simd, values: &[T], first: u64, sums: &[AtomicU64])
    where
        T: Summed,
    {
        T::take(simd, self, values, first, sums);
    }

    #[inline(always)]
    fn blocks(&mut self, values: &[T], first: u64, sums: &[AtomicU64]) {
        for ((block, sum), first) in values.chunks(BLOCK).zip(sums).zip((first..).step_by(BLOCK)) {
            let total = self.block(block);
            sum.store(total.to_bits(), Ordering::Relaxed);
            // A finite sum has finite terms.
            if !total.is_finite() && self.bad.is_none() {
                let at = block.iter().position(|x| !x.to_f64().is_finite());
                self.bad = at.map(|at| first + at as u64);
            }
        }
    }

    #[inline(always)]
    fn block(&mut self, values: &[T]) -> f64 {
        // Whole arrays in locals: they stay in registers, and become vector instructions.
        let (mut sum, mut least, mut most) = ([0.0; LANES], self.least, self.most);
        let (lines, rest) = values.as_chunks::<LANES>();
        for line in lines {
            sum = std::array::from_fn(|l| sum[l] + line[l].to_f64());
            least = std::array::from_fn(|l| if line[l] < least[l] { line[l] } else { least[l] });
            most = std::array::from_fn(|l| if line[l] > most[l] { line[l] } else { most[l] });
        }
        for (l, x) in rest.iter().enumerate() {
            sum[l] += x.to_f64();
            least[l] = if *x < least[l] { *x } else { least[l] };
            most[l] = if *x > most[l] { *x } else { most[l] };
        }
        (self.least, self.most) = (least, most);
        halves(sum)
    }

    /// The fold of `count` elements.
    pub(super) fn fold(&self, count: usize) -> [u64; FOLD_WORDS] {
        let least = self.least.iter().fold(f64::INFINITY, |least, x| least.min(x.to_f64()));
        let most = self.most.iter().fold(f64::NEG_INFINITY, |most, x| most.max(x.to_f64()));
        [count as u64, !rank(least), rank(most), self.bad.map_or(0, |bad| !bad)]
    }
}

/// A number whose strands are taken by a function of their own. As a part of an evaluator's code they become scalar
/// instructions, a quarter of the time of a cheap expression.
pub(super) trait Summed: Real {
    /// [`Strands::take`].
    fn take(simd: Simd, strands: &mut Strands<Self>, values: &[Self], first: u64, sums: &[AtomicU64]);
}

macro_rules! summed {
    ($float:ty, $take:ident, $body:ident) => {
        #[inline(always)]
        fn $body<const FMA: bool>(strands: &mut Strands<$float>, values: &[$float], first: u64, sums: &[AtomicU64]) {
            strands.blocks(values, first, sums);
        }
        multiversion!(
            fn $take = $body(strands: &mut Strands<$float>, values: &[$float], first: u64, sums: &[AtomicU64]);
        );
        impl Summed for $float {
            fn take(simd: Simd, strands: &mut Strands<Self>, values: &[Self], first: u64, sums: &[AtomicU64]) {
                $take(simd, strands, values, first, sums);
            }
        }
    };
}
summed!(f64, take_f64, take_f64_body);
summed!(f32, take_f32, take_f32_body);

/// The strands added up, pairwise.
#[inline(always)]
fn halves(mut sum: [f64; LANES]) -> f64 {
    let mut n = LANES / 2;
    while n > 0 {
        for l in 0..n {
            sum[l] += sum[l + n];
        }
        n /= 2;
    }
    sum[0]
}

/// Fold and sums of a chunk's results, from element `first` on.
pub(super) fn of<T: Summed>(values: &[T], first: u64, sums: &[AtomicU64]) -> [u64; FOLD_WORDS] {
    let mut strands = Strands::new();
    strands.take(Simd::detect(), values, first, sums);
    strands.fold(values.len())
}

/// What is told of the results.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    /// The sum.
    pub(super) checksum: f64,
    /// The least and the largest; `None` without a number.
    pub(super) extremes: Option<(f64, f64)>,
    /// The first element that is not finite.
    pub(super) first_bad: Option<usize>,
    /// How many are not.
    pub(super) bad: u64,
}

impl Summary {
    /// Of `output`, whose blocks' sums are in `sums` if the host computed all of it.
    pub(super) fn new(output: &Output, sums: &Sums) -> Self {
        let single = output.specs().next().is_some_and(|column| column.scalar == Scalar::F32);
        let mut fold = output.fold;
        let n = output.items();
        if fold[COUNT] != n {
            fold = match single {
                true => of(output.column::<f32>(0), 0, &sums.0),
                false => of(output.column::<f64>(0), 0, &sums.0),
            };
        }
        let mut strands = [0.0; LANES];
        for line in sums.0.chunks(LANES) {
            for (strand, sum) in strands.iter_mut().zip(line) {
                *strand += f64::from_bits(sum.load(Ordering::Relaxed));
            }
        }
        let extremes = (unrank(!fold[LEAST]), unrank(fold[MOST]));
        let first_bad = (fold[BAD] > 0).then(|| !fold[BAD] as usize);
        let bad = match first_bad {
            Some(_) if single => output.column::<f32>(0).iter().filter(|x| !x.is_finite()).count(),
            Some(_) => output.column::<f64>(0).iter().filter(|x| !x.is_finite()).count(),
            None => 0,
        };
        Self {
            checksum: halves(strands),
            extremes: (n > 0 && extremes.0 <= extremes.1).then_some(extremes),
            first_bad,
            bad: bad as u64,
        }
    }
}
