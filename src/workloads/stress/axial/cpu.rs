//! The CPU form of the kernel `axial`. `shaders/axial.wgsl` is the same in WGSL.

use std::ops::{Add, Div, Mul};

use super::input::View;
use crate::job::Value;
use crate::memory;
use crate::multiversion;
use crate::simd::{self, Simd};

/// The largest stress of some elements, and the place of the first one that has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Peak {
    /// Its absolute value; NaN ranks above infinity, so that neither is lost.
    pub(super) value: f64,
    /// Its index.
    pub(super) place: usize,
}

/// A float that the kernel computes in.
trait Real: Value + Mul<Output = Self> + Add<Output = Self> + Div<Output = Self> {
    /// Unsigned integers order as the absolute values whose bits they are, and compilers vectorise their maximum.
    type Bits: Ord + Copy + Default;
    const ZERO: Self;
    fn fused<const FMA: bool>(self, by: Self, plus: Self) -> Self;
    fn root(self) -> Self;
    fn magnitude(self) -> Self::Bits;
    fn value(bits: Self::Bits) -> f64;
}

impl Real for f64 {
    type Bits = u64;
    const ZERO: Self = 0.0;
    #[inline(always)]
    fn fused<const FMA: bool>(self, by: Self, plus: Self) -> Self {
        simd::mul_add::<FMA>(self, by, plus)
    }
    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn magnitude(self) -> u64 {
        self.to_bits() & (u64::MAX >> 1)
    }
    fn value(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
}

impl Real for f32 {
    type Bits = u32;
    const ZERO: Self = 0.0;
    #[inline(always)]
    fn fused<const FMA: bool>(self, by: Self, plus: Self) -> Self {
        simd::mul_add_f32::<FMA>(self, by, plus)
    }
    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn magnitude(self) -> u32 {
        self.to_bits() & (u32::MAX >> 1)
    }
    fn value(bits: u32) -> f64 {
        f64::from(f32::from_bits(bits))
    }
}

/// Elements that are computed at a time: 1 KiB of f64 results, which stay in the first-level cache while their largest is
/// found and while they are copied past the caches.
const BLOCK: usize = 128;

/// Results of a block, on cache lines of their own.
#[repr(align(64))]
struct Lines<T>([T; BLOCK]);

/// `out[i] = E[i] ||u[i]||`, divided by `L[i]` if there are lengths. The slices have one length (`displacement` three times).
#[inline(always)]
fn block<const FMA: bool, T: Real>(view: View<'_, T>, out: &mut [T]) -> T::Bits {
    let norm = |u: &[T; 3]| u[2].fused::<FMA>(u[2], u[1].fused::<FMA>(u[1], u[0] * u[0])).root();
    let elements = out.iter_mut().zip(view.young).zip(view.displacement.as_chunks::<3>().0);
    match view.length {
        None => elements.for_each(|((out, young), u)| *out = *young * norm(u)),
        Some(length) => {
            elements.zip(length).for_each(|(((out, young), u), length)| *out = *young * norm(u) / *length);
        }
    }
    out.iter().fold(T::Bits::default(), |most, x| most.max(x.magnitude()))
}

/// All elements of `view` into `out`, past the caches if `streaming` says with which instructions.
#[inline(always)]
fn run<const FMA: bool, T: Real>(view: View<'_, T>, out: &mut [T], streaming: Option<Simd>) -> Peak {
    let mut buffer = Lines([T::ZERO; BLOCK]);
    let mut best = (T::Bits::default(), 0);
    for (number, out) in out.chunks_mut(BLOCK).enumerate() {
        let (start, n) = (number * BLOCK, out.len());
        let part = View {
            displacement: &view.displacement[3 * start..3 * (start + n)],
            young: &view.young[start..start + n],
            length: view.length.map(|length| &length[start..start + n]),
        };
        let (most, results) = match streaming {
            Some(simd) => {
                let results = &mut buffer.0[..n];
                let most = block::<FMA, T>(part, results);
                memory::copy_streaming(simd, out, results);
                (most, &*results)
            }
            None => (block::<FMA, T>(part, out), &*out),
        };
        if most > best.0 {
            let place = results.iter().position(|x| x.magnitude() == most);
            best = (most, start + place.expect("the largest is one of them"));
        }
    }
    if streaming.is_some() {
        memory::streaming_fence();
    }
    Peak { value: T::value(best.0), place: best.1 }
}

/// All elements of `view` in f64 into `out`, past the caches if `streaming`.
pub(super) fn run_f64(simd: Simd, view: View<'_, f64>, out: &mut [f64], streaming: bool) -> Peak {
    #[cfg(target_arch = "x86_64")]
    if simd == Simd::Avx512 && simd <= Simd::detect() {
        use super::avx512;
        let streaming = streaming && out.as_ptr().align_offset(64) == 0;
        let run = match (streaming, view.length.is_some()) {
            (false, false) => avx512::run::<false, false>,
            (false, true) => avx512::run::<false, true>,
            (true, false) => avx512::run::<true, false>,
            (true, true) => avx512::run::<true, true>,
        };
        // SAFETY: the CPU has AVX-512, as checked above.
        let (done, most, place) = unsafe { run(view, out) };
        let rest = View {
            displacement: &view.displacement[3 * done..],
            young: &view.young[done..],
            length: view.length.map(|length| &length[done..]),
        };
        let rest = run_f64_generic(simd, rest, &mut out[done..], None);
        let rest = Peak { value: rest.value, place: done + rest.place };
        let first = Peak { value: f64::from_bits(most), place };
        return if rest.value.to_bits() > most { rest } else { first };
    }
    run_f64_generic(simd, view, out, streaming.then_some(simd))
}

/// All elements of `view` in f32 into `out`, past the caches if `streaming`.
pub(super) fn run_f32(simd: Simd, view: View<'_, f32>, out: &mut [f32], streaming: bool) -> Peak {
    run_f32_generic(simd, view, out, streaming.then_some(simd))
}

#[inline(always)]
fn run_f64_body<const FMA: bool>(view: View<'_, f64>, out: &mut [f64], streaming: Option<Simd>) -> Peak {
    run::<FMA, f64>(view, out, streaming)
}

#[inline(always)]
fn run_f32_body<const FMA: bool>(view: View<'_, f32>, out: &mut [f32], streaming: Option<Simd>) -> Peak {
    run::<FMA, f32>(view, out, streaming)
}

multiversion!(
    /// [`run`] in f64.
    fn run_f64_generic = run_f64_body(view: View<'_, f64>, out: &mut [f64], streaming: Option<Simd>) -> Peak;
);
multiversion!(
    /// [`run`] in f32.
    fn run_f32_generic = run_f32_body(view: View<'_, f32>, out: &mut [f32], streaming: Option<Simd>) -> Peak;
);
