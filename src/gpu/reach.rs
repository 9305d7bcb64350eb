//! What a GPU reaches by itself: bandwidth of its memory, arithmetic rates. Dispatches over arrays that stay on the
//! device; what launching costs is taken off by timing several dispatches against one, so no device clock is trusted.

use std::time::Instant;

use wgpu::BufferUsages as Usage;

use super::device::Device;
use super::pipeline::{Pipeline, Program};
use crate::error::Result;
use crate::machine::profile::{Reach, Robust};
use crate::plan::device::SAFE_ITERATIONS;

const TEXT: &str = include_str!("../../shaders/reach.wgsl");

/// `@workgroup_size` of every entry point.
const WORKGROUP: u32 = 64;

/// Bytes of each of the three arrays at most: several times the largest cache of a GPU together, and the largest binding
/// that every device has.
const ARRAY: u64 = 128 << 20;

/// Seconds that a dispatch of arithmetic takes at least, so that the clock tells it from nothing; at four times as many
/// rounds a try it ends below 20 ms, far from any watchdog.
const LONG: f64 = 4e-3;

/// Operations of one invocation and round: 16 of two operations on four numbers.
const OPERATIONS: f64 = 16.0 * 2.0 * 4.0;

/// Dispatches that are timed against one.
const MORE: u32 = 4;

/// Differences of which the median counts.
const REPEATS: usize = 3;

/// What a dispatch works on; `struct Params` of the shader has the rest.
struct Params {
    count: u32,
    rounds: u32,
}

/// Measures `device` with `invocations` (a multiple of the workgroup) for arithmetic and arrays of at most `bytes`.
///
/// # Errors
/// [`Error::Resource`](crate::error::Error::Resource) when it has not the memory,
/// [`Error::Device`](crate::error::Error::Device) when it fails.
pub fn measure(device: &Device, invocations: u32, bytes: u64) -> Result<Reach> {
    let limits = device.limits(SAFE_ITERATIONS);
    let bytes = bytes.min(ARRAY).min(limits.max_binding).min(limits.max_memory / 4) / 4096 * 4096;
    let arrays = Arrays::new(device, bytes.max(1 << 20))?;
    let text = format!("alias real = f32;\n{TEXT}");
    let on = |name: &str, text: &str| Timed::new(device, &arrays, name, text, limits.max_workgroups);
    let vectors = (arrays.bytes / 16) as u32;
    let triad = on("triad", &text)?.seconds(&Params { count: vectors, rounds: 0 }, vectors)?;
    let read = on("read_all", &text)?.seconds(&Params { count: vectors, rounds: 0 }, invocations)?;
    let rate = |timed: Timed<'_>| -> Result<Option<f64>> {
        let (rounds, seconds) = timed.long_enough(invocations)?;
        Ok(seconds.map(|seconds| f64::from(invocations) * f64::from(rounds) * OPERATIONS / seconds))
    };
    Ok(Reach {
        read: read.map(|seconds| arrays.bytes as f64 / seconds),
        triad: triad.map(|seconds| 3.0 * arrays.bytes as f64 / seconds),
        flops_f64: match device.has_f64() {
            true => rate(on("multiply_adds", &format!("alias real = f64;\n{TEXT}"))?)?,
            false => None,
        },
        flops_f32: rate(on("multiply_adds", &text)?)?,
        int_ops: rate(on("integers", &text)?)?,
    })
}

/// The arrays, which stay on the device.
struct Arrays {
    all: [wgpu::Buffer; 3],
    params: wgpu::Buffer,
    bytes: u64,
}

impl Arrays {
    fn new(device: &Device, bytes: u64) -> Result<Self> {
        let array = || device.buffer("reach", bytes, Usage::STORAGE, false);
        let params = device.buffer("reach", 16, Usage::UNIFORM | Usage::COPY_DST, false)?;
        Ok(Self { all: [array()?, array()?, array()?], params, bytes })
    }
}

/// One entry point over the arrays.
struct Timed<'d> {
    device: &'d Device,
    arrays: &'d Arrays,
    pipeline: Pipeline,
    max_groups: u32,
}

impl<'d> Timed<'d> {
    fn new(device: &'d Device, arrays: &'d Arrays, name: &str, text: &str, max_groups: u32) -> Result<Self> {
        let program = Program { name, source: text, constants: &[], inputs: 2, workgroup: WORKGROUP };
        Ok(Self { device, arrays, pipeline: Pipeline::compile(device, &program)?, max_groups })
    }

    /// Seconds of one dispatch with `invocations`, without what launching costs; `None` when that was not to be told
    /// from nothing.
    fn seconds(&self, params: &Params, invocations: u32) -> Result<Option<f64>> {
        let groups = invocations.div_ceil(WORKGROUP).clamp(1, self.max_groups);
        let words = [params.count, params.rounds, groups * WORKGROUP, 0];
        let doing = "measuring the device";
        self.device.guarded(doing, || {
            self.device.queue().write_buffer(&self.arrays.params, 0, bytemuck::cast_slice(&words));
        })?;
        self.run(groups, 1)?;
        let mut median = Robust::default();
        for _ in 0..REPEATS {
            let one = self.run(groups, 1)?;
            let all = self.run(groups, 1 + MORE)?;
            median.add((all - one) / f64::from(MORE));
        }
        Ok(median.value().filter(|seconds| *seconds > 1e-7))
    }

    /// The number of rounds that takes long enough to be timed, and its seconds.
    fn long_enough(&self, invocations: u32) -> Result<(u32, Option<f64>)> {
        let mut rounds = 16;
        loop {
            let seconds = self.seconds(&Params { count: 0, rounds }, invocations)?;
            // Loops count their own end as well: half of what is safe.
            if seconds.is_some_and(|s| s >= LONG) || u64::from(rounds) * 8 > SAFE_ITERATIONS {
                return Ok((rounds, seconds));
            }
            rounds *= 4;
        }
    }

    /// Seconds until `times` dispatches are done.
    fn run(&self, groups: u32, times: u32) -> Result<f64> {
        let doing = "measuring the device";
        let Arrays { all: [a, b, c], params, bytes } = self.arrays;
        let encoder = self.device.guarded(doing, || {
            let group = self.pipeline.bind(self.device, &[(params, 16), (b, *bytes), (c, *bytes), (a, *bytes)]);
            let mut encoder = self.device.wgpu().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.pipeline.pipeline);
            pass.set_bind_group(0, &group, &[]);
            // Each writes what the one before wrote, so they run one after the other.
            (0..times).for_each(|_| pass.dispatch_workgroups(groups, 1, 1));
            drop(pass);
            encoder
        })?;
        let start = Instant::now();
        let submission = self.device.submit(doing, encoder)?;
        self.device.wait(doing, Some(submission))?;
        Ok(start.elapsed().as_secs_f64())
    }
}

#[cfg(test)]
mod tests;
