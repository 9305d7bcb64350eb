//! The CPU form of the kernel `map`: blocks of the program, past the caches where that pays.

use std::sync::atomic::AtomicU64;

use super::summary::Strands;
use crate::job::FOLD_WORDS;
use crate::memory;
use crate::multiversion;
use crate::numeric::expr::{BLOCK, Evaluator, Program, Real};
use crate::simd::Simd;

/// Results of a block, on cache lines of their own.
#[repr(align(64))]
struct Lines<T>([T; BLOCK]);

/// The chunk that begins with element `first`: results into `out`, their blocks' sums into `sums`; the fold. An input that
/// the program does not read may be empty. `streaming` says with which instructions results go past the caches.
#[inline(always)]
fn run<const FMA: bool, T: Real>(
    program: &Program,
    inputs: &[&[T]],
    first: u64,
    out: &mut [T],
    sums: &[AtomicU64],
    streaming: Option<Simd>,
) -> [u64; FOLD_WORDS] {
    let count = out.len();
    let mut evaluator = Evaluator::new(program);
    let mut strands = Strands::new();
    let mut lines = Lines([T::ZERO; BLOCK]);
    let mut pieces: Vec<&[T]> = vec![&[]; inputs.len()];
    let sums = sums.chunks(BLOCK / super::summary::BLOCK);
    for ((out, sums), start) in out.chunks_mut(BLOCK).zip(sums).zip((0..).step_by(BLOCK)) {
        let n = out.len();
        for (piece, input) in pieces.iter_mut().zip(inputs) {
            *piece = input.get(start..start + n).unwrap_or(&[]);
        }
        match streaming {
            Some(simd) => {
                let results = &mut lines.0[..n];
                evaluator.evaluate::<FMA>(&pieces, results);
                strands.take(results, first + start as u64, sums);
                memory::copy_streaming(simd, out, results);
            }
            None => {
                evaluator.evaluate::<FMA>(&pieces, out);
                strands.take(out, first + start as u64, sums);
            }
        }
    }
    if streaming.is_some() {
        memory::streaming_fence();
    }
    strands.fold(count)
}

macro_rules! level {
    ($name:ident, $body:ident, $float:ty) => {
        #[inline(always)]
        fn $body<const FMA: bool>(
            program: &Program,
            inputs: &[&[$float]],
            first: u64,
            out: &mut [$float],
            sums: &[AtomicU64],
            streaming: Option<Simd>,
        ) -> [u64; FOLD_WORDS] {
            run::<FMA, $float>(program, inputs, first, out, sums, streaming)
        }
        multiversion!(
            /// [`run`] in one precision.
            pub(super) fn $name = $body(
                program: &Program,
                inputs: &[&[$float]],
                first: u64,
                out: &mut [$float],
                sums: &[AtomicU64],
                streaming: Option<Simd>,
            ) -> [u64; FOLD_WORDS];
        );
    };
}
level!(run_f64, run_f64_body, f64);
level!(run_f32, run_f32_body, f32);
