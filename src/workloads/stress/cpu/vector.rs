//! Vectors of the widths that each SIMD level has, and plain arrays for every other processor.
//!
//! A loop over an array in the hope of vector instructions is at the mercy of the compiler: it picked gathers and
//! scatters over the wrong index here, at a quarter of the speed, and took minutes. These types leave it no choice.
//!
//! Safety: the types of a level are private to this module's parent, which uses them only inside functions that are
//! compiled for the level and entered after the CPU was checked (`levels!`). Everything that is generic over them is
//! `#[inline(always)]`, and no closure stands in between: a closure is a function of its own, without the level's
//! instructions.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::job::Value;

/// f32 or f64.
pub(super) trait Real: Value + Default {
    /// The nearest value.
    fn from_f64(value: f64) -> Self;
}

impl Real for f64 {
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }
}

impl Real for f32 {
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value as f32
    }
}

/// Numbers of several elements, side by side in memory.
pub(super) trait Lanes: Copy {
    /// The number type.
    type Real: Real;
    /// All zero.
    fn zero() -> Self;
    /// One number for each element.
    fn lanes(&self) -> &[Self::Real];
    /// As [`Lanes::lanes`], writable.
    fn lanes_mut(&mut self) -> &mut [Self::Real];
}

/// A vector: one number for each of `W` elements.
pub(super) trait Vector:
    Lanes + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// Elements side by side, a multiple of 4.
    const W: usize;
    /// Whether AVX2 is there wherever this type is used.
    const AVX2: bool;
    /// Whether AVX-512 is.
    const AVX512: bool;
    /// The same number for all.
    fn splat(value: Self::Real) -> Self;
    /// `self * b + c`, in one rounding where the level has it.
    fn fma(self, b: Self, c: Self) -> Self;
    /// The square root.
    fn root(self) -> Self;
    /// Zero in place of NaN and infinity.
    fn finite_or_zero(self) -> Self;
    /// Writes all numbers to `to`, past the caches where the level can.
    ///
    /// # Safety
    /// `to` is valid for writes of `W` numbers and aligned to the size of the whole vector.
    unsafe fn stream(self, to: *mut Self::Real);

    /// `W` numbers from memory.
    #[inline(always)]
    fn load(from: &[Self::Real]) -> Self {
        let mut all = Self::zero();
        all.lanes_mut().copy_from_slice(from);
        all
    }

    /// The nearest number to `value` for all.
    #[inline(always)]
    fn number(value: f64) -> Self {
        Self::splat(Self::Real::from_f64(value))
    }

    /// `self * b + c` with one `b` for all.
    #[inline(always)]
    fn scale_add(self, b: Self::Real, c: Self) -> Self {
        self.fma(Self::splat(b), c)
    }
}

/// An f32 vector that two f64 vectors of half its width convert to and from.
pub(super) trait Halves: Vector<Real = f32> {
    /// f64, half the width.
    type Half: Vector<Real = f64>;
    /// Both halves, rounded to f32.
    fn join(halves: [Self::Half; 2]) -> Self;
    /// Both halves in f64.
    fn halves(self) -> [Self::Half; 2];
}

impl<H: Vector<Real = f64>> Lanes for [H; 2] {
    type Real = f64;
    #[inline(always)]
    fn zero() -> Self {
        [H::zero(), H::zero()]
    }
    #[inline(always)]
    fn lanes(&self) -> &[f64] {
        // SAFETY: a vector is W numbers side by side without padding (asserted for each type), so are two.
        unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), 2 * H::W) }
    }
    #[inline(always)]
    fn lanes_mut(&mut self) -> &mut [f64] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr().cast(), 2 * H::W) }
    }
}

/// [`Lanes`] and the operators of a type whose memory is `$w` numbers, from functions named in the type itself.
macro_rules! vector {
    ($name:ident, $real:ty, $w:literal) => {
        const _: () = assert!(size_of::<$name>() == $w * size_of::<$real>());

        impl Lanes for $name {
            type Real = $real;
            #[inline(always)]
            fn zero() -> Self {
                Self::splat(0.0)
            }
            #[inline(always)]
            fn lanes(&self) -> &[$real] {
                // SAFETY: the type is exactly $w numbers (asserted above), at least as aligned as one.
                unsafe { std::slice::from_raw_parts(std::ptr::from_ref(self).cast(), $w) }
            }
            #[inline(always)]
            fn lanes_mut(&mut self) -> &mut [$real] {
                // SAFETY: as above.
                unsafe { std::slice::from_raw_parts_mut(std::ptr::from_mut(self).cast(), $w) }
            }
        }
        impl Add for $name {
            type Output = Self;
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self.plus(other)
            }
        }
        impl Sub for $name {
            type Output = Self;
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self.minus(other)
            }
        }
        impl Mul for $name {
            type Output = Self;
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self.times(other)
            }
        }
        impl Div for $name {
            type Output = Self;
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                self.over(other)
            }
        }
        impl Neg for $name {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Self::splat(-0.0).minus(self)
            }
        }
    };
}

pub(super) mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{avx2, avx512};

#[cfg(test)]
mod tests;
