//! A job from closures: one function of a few numbers, applied to every element of as many arrays. The short way to run a
//! function of one's own on every backend; the workload `map` does the same from text.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, json};

use super::{
    Answer, Check, Chunk, ChunkOut, Class, ColumnSpec, GpuOutput, GpuSlot, Input, Job, Kernel, Output, Precision,
    Scalar, Step, Streamed, Work,
};
use crate::error::{Error, Result};
use crate::formats::{npy, source};
use crate::simd::Simd;

/// `out[i] = f([a[i], b[i] ...])`: a job like any other, which runs on `seq`, `cpu`, `gpu` and teams of them, in chunks,
/// timed and verified.
///
/// The closure is the reference, and the code of the processors, compiled for their vector instructions; it computes in
/// f64, bit for bit the same on each of them. A device computes what the WGSL text says, in f32, on inputs rounded to f32.
///
/// ```
/// use hetero::{config::Layers, exec::Control, job::ElementWise, measure::sampler::Rule, run::measure};
///
/// # fn main() -> hetero::error::Result<()> {
/// let (x, y) = (vec![3.0; 1000], vec![4.0; 1000]);
/// let job = ElementWise::new("hypotenuse", [&x, &y], |[x, y]| (x * x + y * y).sqrt())?
///     .wgsl("return sqrt(x0 * x0 + x1 * x1);", |[x, y]| 1e-6 * x.hypot(y))
///     .invariant("c^2 against a^2 + b^2", |[x, y], c| (c * c - (x * x + y * y)).abs() / (2e-6 * c * c));
/// let measured = measure(&job, "cpu", Rule::default(), &Layers::default().config()?, &Control::default())?;
/// assert!(measured.verification.passed());
/// assert_eq!(measured.outputs[0].column::<f64>(0)[0], 5.0);
/// # Ok(())
/// # }
/// ```
pub struct ElementWise<'a, F, const N: usize> {
    name: &'static str,
    inputs: [&'a [f64]; N],
    function: F,
    flops: f64,
    /// The text, and its largest error against the closure.
    shader: Option<(&'static str, Error32<'a, N>)>,
    /// What is compared, and the deviation of a result as a share of what is allowed.
    invariant: Option<(&'static str, Deviation<'a, N>)>,
}

type Error32<'a, const N: usize> = Box<dyn Fn([f64; N]) -> f64 + Send + Sync + 'a>;
type Deviation<'a, const N: usize> = Box<dyn Fn([f64; N], f64) -> f64 + Send + Sync + 'a>;

impl<'a, F: Fn([f64; N]) -> f64 + Send + Sync, const N: usize> ElementWise<'a, F, N> {
    /// `function` over `inputs`. `name` names the kernel, and the entry point of its WGSL: a word.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is no input or they differ in length.
    pub fn new<A: AsRef<[f64]> + ?Sized>(name: &'static str, inputs: [&'a A; N], function: F) -> Result<Self> {
        let inputs = inputs.map(AsRef::as_ref);
        match inputs.first() {
            None => Err(Error::Usage(format!("{name}: a function of no numbers has no elements"))),
            Some(first) => match inputs.iter().find(|input| input.len() != first.len()) {
                Some(other) => {
                    let (a, b) = (first.len(), other.len());
                    Err(Error::Usage(format!("{name}: inputs of {a} and of {b} elements; they need one length")))
                }
                None => Ok(Self { name, inputs, function, flops: 1.0, shader: None, invariant: None }),
            },
        }
    }

    /// Floating-point operations of one element, about: what is predicted from until runs were measured. 1 by default.
    #[must_use]
    pub fn flops(self, flops: f64) -> Self {
        Self { flops, ..self }
    }

    /// The form for devices: the body of a WGSL function of the `f32` numbers `x0`, `x1` ... that returns an `f32`; and how
    /// far its result may be from the closure's, for each element, from the rounding of its operations.
    #[must_use]
    pub fn wgsl(self, body: &'static str, error: impl Fn([f64; N]) -> f64 + Send + Sync + 'a) -> Self {
        Self { shader: Some((body, Box::new(error))), ..self }
    }

    /// An independent check of every result, by other means than the closure: what is compared, and a deviation that is
    /// at most 1 for a right result.
    #[must_use]
    pub fn invariant(self, what: &'static str, deviation: impl Fn([f64; N], f64) -> f64 + Send + Sync + 'a) -> Self {
        Self { invariant: Some((what, Box::new(deviation))), ..self }
    }

    fn items(&self) -> usize {
        self.inputs[0].len()
    }

    fn at(&self, i: usize) -> [f64; N] {
        self.inputs.map(|input| input[i])
    }
}

/// The kernel in one precision.
struct Elements<'j, 'a, F, const N: usize> {
    job: &'j ElementWise<'a, F, N>,
    precision: Precision,
}

/// An element of an array in memory.
fn index(item: u64) -> usize {
    usize::try_from(item).expect("the arrays are in memory, so their indices fit")
}

impl<F: Fn([f64; N]) -> f64 + Send + Sync, const N: usize> Kernel for Elements<'_, '_, F, N> {
    fn name(&self) -> &'static str {
        self.job.name
    }

    fn item(&self) -> &'static str {
        "element"
    }

    fn items(&self) -> u64 {
        self.job.items() as u64
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    /// One cache line of f32 results: no two threads share one.
    fn grain(&self) -> u64 {
        16
    }

    fn work(&self) -> Work {
        let size = self.columns()[0].scalar.size() as f64;
        Work { flops: self.job.flops, bytes_read: N as f64 * size, bytes_written: size }
    }

    fn class(&self) -> Class {
        Class::Bounded
    }

    fn columns(&self) -> Vec<ColumnSpec> {
        let scalar = if self.precision == Precision::F64 { Scalar::F64 } else { Scalar::F32 };
        vec![ColumnSpec { name: "value", scalar, per_item: 1 }]
    }

    fn seq(&self, out: &mut ChunkOut<'_>) {
        let start = index(out.chunk().start);
        let value = |k: usize| (self.job.function)(self.job.at(start + k));
        if self.precision == Precision::F64 {
            out.column::<f64>(0).iter_mut().enumerate().for_each(|(k, out)| *out = value(k));
        } else {
            out.column::<f32>(0).iter_mut().enumerate().for_each(|(k, out)| *out = value(k) as f32);
        }
    }

    fn cpu(&self, simd: Simd, out: &mut ChunkOut<'_>) {
        let range = index(out.chunk().start)..index(out.chunk().end);
        let inputs = self.job.inputs.map(|input| &input[range.clone()]);
        if self.precision == Precision::F64 {
            apply(simd, &self.job.function, inputs, out.column::<f64>(0), |x| x);
        } else {
            apply(simd, &self.job.function, inputs, out.column::<f32>(0), |x| x as f32);
        }
    }

    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        let Some((body, _)) = &self.job.shader else { return Err(format!("{} has no WGSL text", self.job.name)) };
        if self.precision != Precision::F32 {
            return Err(format!("the WGSL text of {} computes in f32; leave --precision out", self.job.name));
        }
        let streamed = self.job.inputs.iter().map(|input| {
            let fill = move |chunk: Chunk, to: &mut [u8]| {
                let from = &input[index(chunk.start)..index(chunk.end)];
                for (to, from) in to.as_chunks_mut::<4>().0.iter_mut().zip(from) {
                    *to = (*from as f32).to_ne_bytes();
                }
            };
            Streamed { label: "input", bytes_per_item: 4, fill: Box::new(fill) }
        });
        Ok(GpuSlot {
            source: module(self.job.name, body, N).into(),
            source_int64: None,
            constants: Vec::new(),
            workgroup: 64,
            needs: &[],
            iterations_per_item: 1,
            max_items_per_invocation: 1,
            block: 1,
            params: Vec::new(),
            resident: Vec::new(),
            streamed: streamed.collect(),
            output: GpuOutput::Columns,
        })
    }

    /// Nothing in f64: it is the same code. In f32 what was promised for the shader, and half a unit for the rounding of a
    /// processor's result.
    fn bound(&self, item: u64, into: &mut [f64]) {
        let at = self.job.at(index(item));
        into.fill(match (&self.job.shader, self.precision) {
            (_, Precision::F64) | (None, _) => 0.0,
            (Some((_, error)), _) => error(at) + f64::from(f32::EPSILON) / 2.0 * (self.job.function)(at).abs(),
        });
    }
}

/// The whole module around the body of a function of `n` numbers.
fn module(name: &str, body: &str, n: usize) -> String {
    let mut text = format!(
        "{}\nstruct Params {{\n    dispatch: Dispatch,\n}}\n\n@group(0) @binding(0) var<uniform> params: Params;\n",
        include_str!("../../shaders/common/dispatch.wgsl")
    );
    for k in 0..n {
        let _ = writeln!(text, "@group(0) @binding({}) var<storage, read> input_{k}: array<f32>;", k + 1);
    }
    let list = |item: &dyn Fn(usize) -> String| (0..n).map(item).collect::<Vec<_>>().join(", ");
    let _ = write!(
        text,
        "@group(0) @binding({}) var<storage, read_write> results: array<f32>;

fn of_element({}) -> f32 {{
{body}
}}

@compute @workgroup_size(64)
fn {name}(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {{
    let i = linear_group(group, groups) * 64u + local;
    if i < params.dispatch.invocations && i < arrayLength(&results) {{
        results[i] = of_element({});
    }}
}}
",
        n + 1,
        list(&|k| format!("x{k}: f32")),
        list(&|k| format!("input_{k}[i]")),
    );
    text
}

/// The closure over all elements, compiled once for each instruction set.
fn apply<T, F: Fn([f64; N]) -> f64, const N: usize>(
    simd: Simd,
    function: &F,
    inputs: [&[f64]; N],
    out: &mut [T],
    narrow: impl Fn(f64) -> T,
) {
    #[inline(always)]
    fn body<T, F: Fn([f64; N]) -> f64, const N: usize>(
        function: &F,
        inputs: [&[f64]; N],
        out: &mut [T],
        narrow: impl Fn(f64) -> T,
    ) {
        let n = out.len();
        let inputs = inputs.map(|input| &input[..n]);
        for i in 0..n {
            out[i] = narrow(function(inputs.map(|input| input[i])));
        }
    }
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
        fn avx512<T, F: Fn([f64; N]) -> f64, const N: usize>(
            function: &F,
            inputs: [&[f64]; N],
            out: &mut [T],
            narrow: impl Fn(f64) -> T,
        ) {
            body(function, inputs, out, narrow);
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2<T, F: Fn([f64; N]) -> f64, const N: usize>(
            function: &F,
            inputs: [&[f64]; N],
            out: &mut [T],
            narrow: impl Fn(f64) -> T,
        ) {
            body(function, inputs, out, narrow);
        }
        assert!(simd <= Simd::detect(), "{simd:?} is not available on this CPU");
        match simd {
            // SAFETY: the assertion above says that the CPU has the features of this level.
            Simd::Avx512 => return unsafe { avx512(function, inputs, out, narrow) },
            // SAFETY: as above.
            Simd::Avx2 => return unsafe { avx2(function, inputs, out, narrow) },
            Simd::Baseline => {}
        }
    }
    let _ = simd;
    body(function, inputs, out, narrow);
}

impl<F: Fn([f64; N]) -> f64 + Send + Sync, const N: usize> Job for ElementWise<'_, F, N> {
    fn input(&self) -> Input {
        Input { items: self.items() as u64, item: "element", source: "memory".into() }
    }

    fn precisions(&self) -> &[Precision] {
        if self.shader.is_some() { &[Precision::F64, Precision::F32] } else { &[Precision::F64] }
    }

    fn stays_on_cpu(&self) -> Option<&'static str> {
        self.shader.is_none().then_some("it has no WGSL text")
    }

    fn gpu_precision(&self) -> Precision {
        Precision::F32
    }

    fn steps(&self, precision: Precision) -> Result<Vec<Step<'_>>> {
        if !self.precisions().contains(&precision) {
            return Err(Error::Usage(format!("{} has no form in {}", self.name, precision.name())));
        }
        Ok(vec![Step::Kernel(Box::new(Elements { job: self, precision }))])
    }

    fn finish(&self, outputs: &[Output]) -> Result<Answer> {
        let sum: f64 = (0..self.items()).map(|i| outputs[0].value(0, i)).sum();
        let mut json = Map::new();
        json.insert("items".into(), json!(self.items()));
        json.insert("checksum".into(), json!(sum));
        Ok(Answer { json, lines: vec![("checksum".into(), format!("{sum:e}"))] })
    }

    fn check(&self, outputs: &[Output], _: &Answer) -> Result<Check> {
        let Some((what, deviation)) = &self.invariant else {
            return Ok(Check { what: "none was given".into(), error: 0.0, bound: 0.0, detail: String::new() });
        };
        let mut worst = (0.0, 0);
        for i in 0..self.items() {
            let error = deviation(self.at(i), outputs[0].value(0, i));
            if error.is_nan() || error > worst.0 {
                worst = (error, i);
            }
            if error.is_nan() {
                break;
            }
        }
        let (error, i) = worst;
        let detail = if error <= 1.0 { String::new() } else { format!("element {i} is {}", outputs[0].value(0, i)) };
        Ok(Check { what: (*what).into(), error, bound: 1.0, detail })
    }

    fn save(&self, outputs: &[Output], path: &Path) -> Result<()> {
        let single = outputs[0].specs().next().is_some_and(|column| column.scalar == Scalar::F32);
        match source::extension(path).as_str() {
            "npy" if single => npy::write_npy_f32(path, &[self.items()], outputs[0].column(0)),
            "npy" => npy::write_npy_f64(path, &[self.items()], outputs[0].column(0)),
            other => Err(Error::Usage(format!("{} writes .npy, not '.{other}'", self.name))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_need_one_length_and_forms_are_told() {
        let (x, y) = (vec![1.0; 3], vec![1.0; 4]);
        let wrong = ElementWise::new("f", [&x, &y], |[x, y]| x + y).err().unwrap();
        assert!(wrong.to_string().contains("inputs of 3 and of 4 elements"), "{wrong}");
        let job = ElementWise::new("f", [&x], |[x]| x + 1.0).unwrap();
        assert!(job.steps(Precision::F32).is_err() && job.stays_on_cpu().is_some());
        assert!(job.steps(Precision::F64).unwrap()[0].kernel().gpu().is_err());
    }

    #[test]
    fn every_instruction_set_gives_the_bits_of_the_reference() {
        let x: Vec<f64> = (0..1003).map(|k| f64::from(k) * 0.37 - 50.0).collect();
        let job = ElementWise::new("f", [&x], |[x]| (x * x + 1.0).sqrt() / (2.0 + x.abs())).unwrap();
        let steps = job.steps(Precision::F64).unwrap();
        let kernel = steps[0].kernel();
        let mut want = Output::for_kernel(kernel).unwrap();
        kernel.seq(&mut want.writer().whole());
        for simd in Simd::available() {
            let mut got = Output::for_kernel(kernel).unwrap();
            kernel.cpu(simd, &mut got.writer().whole());
            assert_eq!(got.column::<f64>(0), want.column::<f64>(0), "{}", simd.name());
        }
    }

    #[test]
    fn the_check_sees_a_wrong_result() {
        let x = vec![2.0; 10];
        let job = ElementWise::new("f", [&x], |[x]| x.sqrt()).unwrap();
        let job = job.invariant("f^2 against x", |[x], f| (f * f - x).abs() / 1e-15);
        let mut output = Output::for_kernel(job.steps(Precision::F64).unwrap()[0].kernel()).unwrap();
        output.column_mut::<f64>(0).fill(2.0f64.sqrt());
        let answer = job.finish(std::slice::from_ref(&output)).unwrap();
        assert!(job.check(std::slice::from_ref(&output), &answer).unwrap().passed());
        output.column_mut::<f64>(0)[7] = 1.4;
        let check = job.check(&[output], &answer).unwrap();
        assert!(!check.passed() && check.detail.contains("element 7"), "{check:?}");
    }
}
