//! What an adapter's arithmetic may be trusted with, measured: WGSL allows fused and reordered floats, flushed
//! denormals, and some software adapters end long loops without a word. Each part of the test runs at most once per
//! adapter, driver and version of this program.

use serde::{Deserialize, Serialize};

use super::device::Device;
use super::pipeline::{Pipeline, Program, run_once};
use super::{cache, errors};
use crate::error::Result;
use crate::job::Capability;
use crate::numeric::philox::philox4x32_10;
use crate::plan::device::SAFE_ITERATIONS;

const SOURCE: &str =
    concat!(include_str!("../../shaders/common/dispatch.wgsl"), include_str!("../../shaders/selftest.wgsl"));
const SOURCE_F64: &str =
    concat!(include_str!("../../shaders/common/dispatch.wgsl"), include_str!("../../shaders/selftest_f64.wgsl"));
const SOURCE_INTEGERS: &str = concat!(
    include_str!("../../shaders/common/dispatch.wgsl"),
    include_str!("../../shaders/common/philox.wgsl"),
    include_str!("../../shaders/selftest_integers.wgsl")
);
const SOURCE_INT64: &str = concat!(
    include_str!("../../shaders/common/dispatch.wgsl"),
    include_str!("../../shaders/common/philox_int64.wgsl"),
    include_str!("../../shaders/selftest_integers.wgsl")
);
/// All of the test's shaders: a change in one makes remembered results void.
pub(super) const SHADERS: [&str; 4] = [SOURCE, SOURCE_F64, SOURCE_INTEGERS, SOURCE_INT64];

/// Loop counts that one invocation is tried with, multiples of 64: what kernels may use, just below and just above
/// the 65 535 that some software adapters allow (where a loop of 64 counts 65, and the loop around it too), far above.
const LOOPS: [u32; 4] = [SAFE_ITERATIONS as u32, 63_488, 65_600, 262_144];

/// What was found; a part that did not run yet is `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Philox4x32-10 gives its published answers and the host's for others.
    pub integers: Option<bool>,
    /// The same with 64-bit products; `false` where there are no 64-bit integers.
    pub int64: Option<bool>,
    /// Iterations that one invocation is known to carry out, of those that were tried; 0 when not even the fewest.
    pub loops: Option<u64>,
    /// Floating point.
    pub floats: Option<Floats>,
    /// `f64` arithmetic agrees with the host's; `false` where there is no `f64`.
    pub doubles: Option<bool>,
}

/// What was found about `f32`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Floats {
    /// `f32(u32)` rounds to nearest, ties to even.
    pub conversions: bool,
    /// `(a - b) + c` stays as written.
    pub differences: bool,
    /// The same when the difference passes through `opaque` of `common/dispatch.wgsl`, as kernels write it.
    pub opaque_differences: bool,
    /// Knuth's error-free sum gives its error term as written.
    pub two_sum: bool,
    /// The same through `opaque`.
    pub opaque_two_sum: bool,
    /// `fma` rounds once.
    pub fma_fused: bool,
    /// `a * b + c` is contracted to one rounding.
    pub contracts: bool,
    /// Denormal numbers are kept, not flushed to zero.
    pub denormals: bool,
}

impl SelfTest {
    /// `self`, with the parts that did not run taken from `other`.
    fn or(self, other: &Self) -> Self {
        Self {
            integers: self.integers.or(other.integers),
            int64: self.int64.or(other.int64),
            loops: self.loops.or(other.loops),
            floats: self.floats.or_else(|| other.floats.clone()),
            doubles: self.doubles.or(other.doubles),
        }
    }

    /// Whether `capability` was shown; `None` when its part did not run.
    #[must_use]
    pub fn has(&self, capability: Capability) -> Option<bool> {
        match capability {
            Capability::Integers => self.integers,
            Capability::Int64 => self.int64,
            Capability::Conversions => self.floats.as_ref().map(|f| f.conversions),
            Capability::HiLo => self.floats.as_ref().map(|f| f.opaque_differences && f.opaque_two_sum),
            Capability::F64 => self.doubles,
        }
    }

    /// The loop iterations that an invocation may be given.
    #[must_use]
    pub fn max_iterations(&self) -> u64 {
        self.loops.unwrap_or(SAFE_ITERATIONS).min(SAFE_ITERATIONS)
    }

    /// The capabilities that were shown.
    #[must_use]
    pub fn capabilities(&self) -> Vec<Capability> {
        Capability::ALL.into_iter().filter(|capability| self.has(*capability) == Some(true)).collect()
    }
}

/// What a capability means, for the message of a refusal.
fn meaning(capability: Capability) -> &'static str {
    match capability {
        Capability::Integers => "32-bit integers (Philox4x32-10's published answers)",
        Capability::Int64 => "64-bit integers (Philox4x32-10's published answers)",
        Capability::Conversions => "integer to float conversion (rounding to nearest)",
        Capability::HiLo => "two-term differences (the optimiser must leave them as written)",
        Capability::F64 => "f64 arithmetic",
    }
}

/// Makes sure that `device` has what a kernel `needs`: `known` already, remembered on disk, or else by running those
/// parts of the test. Returns all that is known now.
///
/// # Errors
/// [`Error::Unavailable`](crate::error::Error::Unavailable) that names the part that failed; what the device returns.
pub fn ensure(device: &Device, known: &SelfTest, needs: &[Capability]) -> Result<SelfTest> {
    let test = find_out(device, known, needs)?;
    refuse(device, &test, needs)?;
    Ok(test)
}

/// Like [`ensure`], but a part that fails is an answer too.
///
/// # Errors
/// What the device returns.
pub fn find_out(device: &Device, known: &SelfTest, wanted: &[Capability]) -> Result<SelfTest> {
    let mut test = known.clone().or(&cache::load(device.report()));
    let before = test.clone();
    for &capability in wanted {
        if test.has(capability).is_none() {
            match capability {
                Capability::Integers => test.integers = Some(integers(device, SOURCE_INTEGERS)?),
                Capability::Int64 => test.int64 = Some(device.has_int64() && integers(device, SOURCE_INT64)?),
                Capability::Conversions | Capability::HiLo => test.floats = Some(floats(device)?),
                Capability::F64 => test.doubles = Some(doubles(device)?),
            }
        }
    }
    if test != before {
        cache::store(device.report(), &test);
    }
    Ok(test)
}

/// Runs every part that is not remembered.
///
/// # Errors
/// What the device returns.
pub fn all(device: &Device) -> Result<SelfTest> {
    let mut test = find_out(device, &SelfTest::default(), &Capability::ALL)?;
    if test.loops.is_none() {
        test.loops = Some(loops(device)?);
        cache::store(device.report(), &test);
    }
    Ok(test)
}

fn refuse(device: &Device, test: &SelfTest, needs: &[Capability]) -> Result<()> {
    match needs.iter().find(|capability| test.has(**capability) != Some(true)) {
        None => Ok(()),
        Some(Capability::F64) if !device.has_f64() => Err(errors::unavailable(
            device.id(),
            format!("{} has no f64; use --precision mixed or --backend cpu", device.report().name),
        )),
        Some(failed) => Err(errors::unavailable(
            device.id(),
            format!(
                "{} failed its self-test of {}; update its driver or use --backend cpu",
                device.report().name,
                meaning(*failed)
            ),
        )),
    }
}

/// Runs one entry point on `input` and returns its output.
fn run(
    device: &Device,
    source: &str,
    name: &str,
    workgroup: u32,
    input: &[u8],
    words: usize,
    groups: u32,
) -> Result<Vec<u32>> {
    let program = Program { name, source, constants: &[], inputs: 1, workgroup };
    let pipeline = Pipeline::compile(device, &program)?;
    // The common words: only `zero` is read, and it is zero.
    run_once(device, &pipeline, &format!("self-test {name}"), &[0; 8], &[input], words, groups)
}

fn integers(device: &Device, source: &str) -> Result<bool> {
    let (input, expected) = integer_cases();
    let got = run(device, source, "integers", 64, bytemuck::cast_slice(&input), expected.len(), 1)?;
    Ok(got == expected)
}

/// Counters and keys (six words a case) and the four words of each: the three published vectors, then counters whose
/// products carry in every place.
fn integer_cases() -> (Vec<u32>, Vec<u32>) {
    // Random123 1.14.0, tests/kat_vectors, philox4x32 10.
    let published: [([u32; 6], [u32; 4]); 3] = [
        ([0; 6], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 6], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344, 0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ];
    let mut input: Vec<u32> = published.iter().flat_map(|(case, _)| *case).collect();
    let mut expected: Vec<u32> = published.iter().flat_map(|(_, words)| *words).collect();
    for case in 0..61_u32 {
        let counter = [u32::MAX.wrapping_sub(case), 1 << (case % 32), 0xffff_u32.rotate_left(case), case];
        let key = [0x8000_0000 >> (case % 32), !case];
        input.extend(counter);
        input.extend(key);
        expected.extend(philox4x32_10(counter, key));
    }
    (input, expected)
}

fn loops(device: &Device) -> Result<u64> {
    let words = LOOPS.len() * 2;
    let groups = LOOPS.len() as u32;
    let got = run(device, SOURCE, "loops", 1, bytemuck::cast_slice(&LOOPS), words, groups)?;
    let right = |i: usize| {
        let steps = LOOPS[i];
        let mix = (0..steps).fold(1_u32, |mix, _| mix.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        got.get(2 * i) == Some(&steps) && got.get(2 * i + 1) == Some(&mix)
    };
    Ok((0..LOOPS.len()).take_while(|i| right(*i)).last().map_or(0, |i| u64::from(LOOPS[i])))
}

/// One case of the float test: the integer to convert, and a, b, c.
type FloatCase = (u32, [f32; 3]);

fn float_cases() -> Vec<FloatCase> {
    let ulp = f32::EPSILON;
    let mut cases: Vec<FloatCase> = vec![
        // Ties and near-ties of the conversion; a denormal; products whose rounding errors show.
        (16_777_217, [1.0e-40, 1.0, 0.0]),
        (16_777_219, [1.0 + ulp, 1.0 + ulp, -(1.0 + 2.0 * ulp)]),
        (33_554_434, [1.0, 1.0e-9, 0.0]),
        (33_554_438, [3.0e7, 1.0, 0.0]),
        (0x7fff_ffbf, [1.0 + 3.0 * ulp, 1.0 - ulp, -1.0]),
        (0x7fff_ffc0, [1.0e-30, 1.0e-30, 1.0e-38]),
        (0xffff_ff7f, [123_456.79, 0.001, -0.000_5]),
        (0xffff_ff80, [-5.0, 1.0e-7, 3.0e-15]),
        (0xffff_ffff, [1.0, -1.0 + ulp, 1.0e-12]),
        (0, [0.1, 0.2, -0.02]),
    ];
    // High parts of coordinates of a fine mesh, with a low part: what a hi/lo difference meets.
    for i in 0..54_u32 {
        let a = 1.0 + f64::from(i) * 0.37;
        let b = a + 1.0e-5 * f64::from(i + 1);
        let low = ((a - f64::from(a as f32)) - (b - f64::from(b as f32))) as f32;
        cases.push((i.wrapping_mul(2_654_435_761), [a as f32, b as f32, low]));
    }
    cases
}

fn floats(device: &Device) -> Result<Floats> {
    let cases = float_cases();
    let input: Vec<u32> = cases.iter().flat_map(|(x, [a, b, c])| [*x, a.to_bits(), b.to_bits(), c.to_bits()]).collect();
    let got = run(device, SOURCE, "floats", 64, bytemuck::cast_slice(&input), cases.len() * 8, 1)?;
    Ok(judge_floats(&cases, &got))
}

/// Compares the device's answers with the host's, which rounds each operation once, to nearest.
fn judge_floats(cases: &[FloatCase], got: &[u32]) -> Floats {
    // A denormal input or result may be flushed: those cases speak only for `denormals`.
    let normal = |x: f32| x == 0.0 || x.is_normal();
    let all = |word: usize, expected: &dyn Fn(u32, [f32; 3]) -> Option<f32>| {
        cases.iter().zip(got.chunks_exact(8)).all(|((x, abc), words)| match expected(*x, *abc) {
            // -0 and +0 are the same answer.
            Some(value) => words[word] == value.to_bits() || (value == 0.0 && words[word] << 1 == 0),
            None => true,
        })
    };
    let usable = |abc: [f32; 3]| abc.iter().all(|x| normal(*x));
    let difference = |_: u32, [a, b, c]: [f32; 3]| {
        let d = a - b;
        (usable([a, b, c]) && normal(d) && normal(d + c)).then_some(d + c)
    };
    let error_term = |_: u32, [a, b, _]: [f32; 3]| {
        let s = a + b;
        let t = s - a;
        let error = (a - (s - t)) + (b - t);
        (normal(a) && normal(b) && normal(error)).then_some(error)
    };
    let fused = |_: u32, [a, b, c]: [f32; 3]| {
        (usable([a, b, c]) && normal(a.mul_add(b, c)) && normal(a * b)).then(|| a.mul_add(b, c))
    };
    Floats {
        conversions: all(0, &|x, _| Some(x as f32)),
        differences: all(1, &difference),
        opaque_differences: all(2, &difference),
        two_sum: all(3, &error_term),
        opaque_two_sum: all(4, &error_term),
        fma_fused: all(5, &fused),
        contracts: all(6, &fused),
        denormals: all(7, &|_, [a, ..]| Some(a)),
    }
}

fn doubles(device: &Device) -> Result<bool> {
    if !device.has_f64() {
        return Ok(false);
    }
    let cases = double_cases();
    let got = run(device, SOURCE_F64, "doubles", 64, bytemuck::cast_slice(&cases), cases.len() * 2 * 6, 1)?;
    let got: Vec<f64> = got.chunks_exact(2).map(|w| f64::from_bits(u64::from(w[1]) << 32 | u64::from(w[0]))).collect();
    Ok(judge_doubles(&cases, &got))
}

fn double_cases() -> Vec<[f64; 2]> {
    (0..64_u32)
        .map(|i| {
            let x = f64::from(i);
            [1.0 + x * 0.1 + 2_f64.powi(-40), (0.3 + x).sqrt() * 10_f64.powi(i as i32 % 7 - 3)]
        })
        .collect()
}

/// Sums and products must be the host's bits; quotients and roots may be one bit off (2.5 units are allowed by the
/// standards of the APIs, and kernels' bounds count with two).
fn judge_doubles(cases: &[[f64; 2]], got: &[f64]) -> bool {
    got.len() == cases.len() * 6
        && cases.iter().zip(got.chunks_exact(6)).all(|([a, b], got)| {
            let near = |x: f64, y: f64| (x - y).abs() <= 2.0 * f64::EPSILON * y.abs();
            got[0] == a + b
                && got[1] == a - b
                && got[2] == a * b
                && near(got[3], a / b)
                && near(got[4], (a * a).sqrt())
                && got[5] == f64::from(*a as f32)
        })
}

#[cfg(test)]
mod tests;
