//! The CPU form of the kernel `map`: blocks of the program, past the caches where that pays.

use std::sync::atomic::AtomicU64;

use super::summary::{Strands, Summed};
use crate::job::FOLD_WORDS;
use crate::memory;
use crate::multiversion;
use crate::numeric::expr::{BLOCK, Evaluator, Program};
use crate::simd::Simd;

/// Results of a block, on cache lines of their own.
#[repr(align(64))]
struct Lines<T>([T; BLOCK]);

/// What a block does after the steps of its program: the summary, and the copy past the caches.
const AFTER: usize = 2;

/// The chunk that begins with element `first`: results into `out`, their blocks' sums into `sums`; the fold. An input that
/// the program does not read may be empty. `streaming` is for arrays that lie in memory: the inputs of a block are then
/// fetched beside the block before, and results go past the caches.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "they are the chunk's")]
fn run<const FMA: bool, T: Summed>(
    simd: Simd,
    program: &Program,
    inputs: &[&[T]],
    first: u64,
    out: &mut [T],
    sums: &[AtomicU64],
    streaming: bool,
) -> [u64; FOLD_WORDS] {
    let count = out.len();
    let mut evaluator = Evaluator::new(program);
    let mut strands = Strands::new();
    let mut lines = Lines([T::ZERO; BLOCK]);
    let block = |start: usize| {
        inputs.iter().map(move |input| {
            let end = input.len().min(start + BLOCK);
            &input[end.min(start)..end]
        })
    };
    let (mut pieces, mut next): (Vec<&[T]>, Vec<&[T]>) = (Vec::new(), Vec::new());
    let sums = sums.chunks(BLOCK / super::summary::BLOCK);
    for ((out, sums), start) in out.chunks_mut(BLOCK).zip(sums).zip((0..).step_by(BLOCK)) {
        pieces.clear();
        pieces.extend(block(start));
        if streaming {
            next.clear();
            next.extend(block(start + BLOCK));
            let ahead = evaluator.ahead(&next, AFTER);
            let results = &mut lines.0[..out.len()];
            evaluator.evaluate::<FMA>(&pieces, results, Some(ahead));
            ahead.fetch(program.steps.len());
            strands.take(simd, results, first + start as u64, sums);
            ahead.fetch(program.steps.len() + 1);
            memory::copy_streaming(simd, out, results);
        } else {
            evaluator.evaluate::<FMA>(&pieces, out, None);
            strands.take(simd, out, first + start as u64, sums);
        }
    }
    if streaming {
        memory::streaming_fence();
    }
    strands.fold(count)
}

macro_rules! level {
    ($name:ident, $body:ident, $float:ty) => {
        #[inline(always)]
        #[allow(clippy::too_many_arguments, reason = "they are the chunk's")]
        fn $body<const FMA: bool>(
            level: Simd,
            program: &Program,
            inputs: &[&[$float]],
            first: u64,
            out: &mut [$float],
            sums: &[AtomicU64],
            streaming: bool,
        ) -> [u64; FOLD_WORDS] {
            run::<FMA, $float>(level, program, inputs, first, out, sums, streaming)
        }
        multiversion!(
            /// [`run`] in one precision; `level` is that of the code, again.
            pub(super) fn $name = $body(
                level: Simd,
                program: &Program,
                inputs: &[&[$float]],
                first: u64,
                out: &mut [$float],
                sums: &[AtomicU64],
                streaming: bool,
            ) -> [u64; FOLD_WORDS];
        );
    };
}
level!(run_f64, run_f64_body, f64);
level!(run_f32, run_f32_body, f32);
