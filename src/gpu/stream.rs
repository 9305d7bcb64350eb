//! Chunks through a device: inputs in, a dispatch, results out, two chunks in flight, buffers kept from run to run.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use wgpu::BufferUsages as Usage;

use super::buffers::{
    Cut, Input, LEAST_BINDING, Results, STAMP_BYTES, Stamps, believable, copy_columns, copy_padded, fill_pieces,
};
use super::device::{Device, Mapping};
use super::errors;
use super::pipeline::{Pipeline, Program, run_once};
use crate::error::Result;
use crate::job::{Chunk, ChunkOut, ColumnSpec, FOLD_WORDS, GpuOutput, GpuSlot, Kernel, Resident, ResidentData};
use crate::machine::pool::Pool;
use crate::plan::device::{Geometry, IN_FLIGHT, Pace, first_chunk, geometry, uniform_bytes};
use crate::plan::{ChunkRule, DeviceLimits};

/// A kernel compiled for one device, and the size of dispatch that suits it.
pub struct Compiled {
    pipeline: Pipeline,
    pace: Pace,
}

impl Compiled {
    /// Compiles `slot` of `kernel`.
    ///
    /// # Errors
    /// As for every call into the device: a wrong shader is [`Error::Device`](crate::error::Error::Device).
    pub fn new(device: &Device, kernel: &dyn Kernel, slot: &GpuSlot<'_>) -> Result<Self> {
        let program = Program {
            name: kernel.name(),
            source: &slot.source,
            constants: &slot.constants,
            inputs: slot.resident.len() + slot.streamed.len(),
            workgroup: slot.workgroup,
        };
        let pipeline = Pipeline::compile(device, &program)?;
        // Many drivers put the real compilation off to the first dispatch: one without work for any invocation, so that
        // it is counted as compiling and no chunk looks slow for it.
        let idle = vec![[0_u8; LEAST_BINDING as usize]; program.inputs];
        let inputs: Vec<&[u8]> = idle.iter().map(<[u8; LEAST_BINDING as usize]>::as_slice).collect();
        let uniform = vec![0_u32; (uniform_bytes(slot) / 4) as usize];
        let words = (LEAST_BINDING / 4) as usize;
        run_once(device, &pipeline, &format!("compiling {}", kernel.name()), &uniform, &inputs, words, 1)?;
        let target = device.limits(u64::MAX).dispatch_target;
        Ok(Self { pipeline, pace: Pace::new(target, first_chunk(kernel)) })
    }

    /// What distinguishes two compilations: entry point, text, constants, number of buffers.
    #[must_use]
    pub fn key(kernel: &dyn Kernel, slot: &GpuSlot<'_>) -> u64 {
        let mut hasher = DefaultHasher::new();
        kernel.name().hash(&mut hasher);
        slot.source.hash(&mut hasher);
        for (name, value) in &slot.constants {
            (name, value.to_bits()).hash(&mut hasher);
        }
        (slot.resident.len(), slot.streamed.len()).hash(&mut hasher);
        hasher.finish()
    }
}

/// Buffers that stay from run to run and grow as kernels need.
#[derive(Default)]
pub struct Arena {
    resident: Vec<Input>,
    sets: [Set; IN_FLIGHT as usize],
}

impl Arena {
    /// Device memory that the buffers take, in bytes.
    fn bytes(&self) -> u64 {
        let sets = self.sets.iter().map(|set| {
            set.streamed.iter().map(|input| input.capacity).sum::<u64>() + set.output.as_ref().map_or(0, |o| o.capacity)
        });
        self.resident.iter().map(|input| input.capacity).sum::<u64>() + sets.sum::<u64>()
    }
}

/// Everything that one chunk in flight needs to itself.
#[derive(Default)]
struct Set {
    params: Option<(wgpu::Buffer, u64)>,
    streamed: Vec<Input>,
    output: Option<Results>,
    stamps: Option<Stamps>,
}

/// A chunk that the device works on.
struct Flight<'w> {
    part: ChunkOut<'w>,
    set: usize,
    geometry: Geometry,
    bytes: u64,
    submission: wgpu::SubmissionIndex,
    results: Mapping,
    stamps: Option<Mapping>,
    submitted: Instant,
}

/// Seconds of the host thread, by what it did; what is left of a run's wall time is waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HostTime {
    /// Writing inputs and handing out work.
    pub upload: f64,
    /// Copying results.
    pub download: f64,
    /// Adding up partial results.
    pub merge: f64,
}

/// What the device's own clock said.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DeviceTime {
    /// Seconds of the dispatches whose timestamps make sense.
    pub seconds: f64,
    /// Dispatches with such timestamps.
    pub counted: u64,
    /// Dispatches whose timestamps were zero, negative or longer than the host waited.
    pub dropped: u64,
}

/// One run of a kernel on a device.
pub struct Stream<'r, 'w> {
    device: &'r Device,
    kernel: &'r dyn Kernel,
    slot: &'r GpuSlot<'r>,
    limits: &'r DeviceLimits,
    compiled: &'r mut Compiled,
    arena: &'r mut Arena,
    /// The largest chunk, for the growth of buffers.
    most: u64,
    /// Chunks in flight.
    depth: usize,
    /// The host's threads, to fill and empty buffers with: where one chunk at a time is under way on a device that is a
    /// program on the same processors, they have nothing else to do meanwhile.
    helpers: Option<Arc<Pool>>,
    flights: VecDeque<Flight<'w>>,
    next_set: usize,
    /// When the device was last seen to finish something.
    finished: Instant,
    /// Where the host's time went.
    pub host: HostTime,
    /// What the device's clock said.
    pub clock: DeviceTime,
}

impl<'r, 'w> Stream<'r, 'w> {
    /// Starts a run of chunks that `rule` allows: uploads the resident inputs.
    ///
    /// # Errors
    /// [`Error::Resource`](crate::error::Error::Resource) when the device is out of memory,
    /// [`Error::Device`](crate::error::Error::Device) when it fails.
    pub fn start(
        device: &'r Device,
        kernel: &'r dyn Kernel,
        slot: &'r GpuSlot<'r>,
        limits: &'r DeviceLimits,
        compiled: &'r mut Compiled,
        arena: &'r mut Arena,
        rule: ChunkRule,
    ) -> Result<Self> {
        let begin = Instant::now();
        let most = rule.max.min(kernel.items());
        // What this kernel may come to need beside what earlier ones left; too much of both starts afresh.
        let per_item: u64 = slot.streamed.iter().map(|s| s.bytes_per_item as u64).sum::<u64>()
            + kernel.columns().iter().map(|c| item_bytes(c) as u64).sum::<u64>();
        let resident: u64 = slot.resident.iter().map(Resident::n_bytes).sum();
        let needed = resident.saturating_add(per_item.saturating_mul(IN_FLIGHT).saturating_mul(slot.in_blocks(most)));
        if arena.bytes().saturating_add(needed) > limits.max_memory {
            *arena = Arena::default();
        }
        let mut stream = Self {
            device,
            kernel,
            slot,
            limits,
            compiled,
            arena,
            most,
            depth: rule.lanes.clamp(1, IN_FLIGHT) as usize,
            helpers: if rule.lanes == 1 { device.host_pool() } else { None },
            flights: VecDeque::new(),
            next_set: 0,
            finished: begin,
            host: HostTime::default(),
            clock: DeviceTime::default(),
        };
        stream.upload_resident()?;
        stream.host.upload += begin.elapsed().as_secs_f64();
        Ok(stream)
    }

    fn upload_resident(&mut self) -> Result<()> {
        let Self { device, slot, arena, helpers, .. } = self;
        arena.resident.resize_with(arena.resident.len().max(slot.resident.len()), Input::default);
        for (input, resident) in arena.resident.iter_mut().zip(&slot.resident) {
            let bytes = resident.n_bytes();
            input.write(device, resident.label, bytes, bytes, |view| match &resident.data {
                ResidentData::Plain(bytes) => copy_padded(view, bytes),
                ResidentData::Made { elements, bytes_per_element, fill } => {
                    let cut = Cut { per_item: *bytes_per_element, grain: 1, block: 1 };
                    fill_pieces(view, Chunk::new(0, *elements), cut, helpers.as_deref(), fill.as_ref());
                }
            })?;
        }
        if arena.resident.iter().take(slot.resident.len()).all(|input| input.staging.is_none()) {
            return Ok(());
        }
        let encoder = device.guarded("uploading", || {
            let mut encoder = device.wgpu().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            for (input, resident) in arena.resident.iter().zip(&slot.resident) {
                input.record(&mut encoder, resident.n_bytes());
            }
            encoder
        })?;
        device.submit("uploading", encoder)?;
        Ok(())
    }

    /// How many chunks may be under way.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// How many items the next chunk should have at most.
    #[must_use]
    pub fn appetite(&self) -> u64 {
        self.compiled.pace.items()
    }

    /// Writes the inputs of a chunk and hands it to the device. At most [`Stream::depth`] chunks may be under way.
    ///
    /// # Errors
    /// As [`Stream::start`].
    pub fn submit(&mut self, part: ChunkOut<'w>) -> Result<()> {
        let begin = Instant::now();
        let flight = self.launch(part)?;
        // Up to the submission only: some adapters compute inside it.
        self.host.upload += flight.submitted.duration_since(begin).as_secs_f64();
        self.flights.push_back(flight);
        Ok(())
    }

    fn launch(&mut self, part: ChunkOut<'w>) -> Result<Flight<'w>> {
        let Self { device, kernel, slot, limits, arena, helpers, .. } = self;
        let doing = kernel.name();
        let chunk = part.chunk();
        let geometry = geometry(slot, kernel.grain(), limits, chunk.len())
            .map_err(|misfit| errors::unavailable(device.id(), format!("{doing}: {misfit}")))?;
        let stride = slot.in_blocks(chunk.len());
        let index = self.next_set;
        self.next_set = (index + 1) % self.depth;
        let set = &mut arena.sets[index];

        set.streamed.resize_with(set.streamed.len().max(slot.streamed.len()), Input::default);
        for (input, streamed) in set.streamed.iter_mut().zip(&slot.streamed) {
            let bytes = stride * streamed.bytes_per_item as u64;
            let most = slot.in_blocks(self.most).saturating_mul(streamed.bytes_per_item as u64);
            let cut = Cut { per_item: streamed.bytes_per_item, grain: kernel.grain().max(1), block: slot.block };
            input.write(device, streamed.label, bytes, most, |view| {
                fill_pieces(view, chunk, cut, helpers.as_deref(), streamed.fill.as_ref());
            })?;
        }
        let bytes = output_bytes(*kernel, slot, chunk, geometry);
        let size = bytes.next_multiple_of(8).max(LEAST_BINDING);
        if set.output.as_ref().is_none_or(|output| output.capacity < size) {
            let grown = set.output.take().map_or(0, |output| output.capacity * 2);
            let most = output_bytes(*kernel, slot, Chunk::new(0, self.most), geometry);
            set.output = Some(Results::new(device, size.max(grown.min(most)).next_multiple_of(8))?);
        }
        let words = uniform_bytes(slot);
        if set.params.as_ref().is_none_or(|(_, capacity)| *capacity < words) {
            set.params = Some((device.buffer("params", words, Usage::UNIFORM | Usage::COPY_DST, false)?, words));
        }
        if set.stamps.is_none() && device.timestamp_period().is_some() {
            set.stamps = Some(Stamps::new(device)?);
        }
        let (Some(output), Some((params, _))) = (&set.output, &set.params) else {
            return Err(device.failed(doing, "its buffers are missing"));
        };

        let mut uniform = dispatch_words(chunk, geometry, stride).to_vec();
        uniform.extend(&slot.params);
        uniform.resize((words / 4) as usize, 0);

        let encoder = device.guarded(doing, || {
            device.queue().write_buffer(params, 0, bytemuck::cast_slice(&uniform));
            let mut buffers = vec![(params, words)];
            let resident = arena.resident.iter().zip(&slot.resident);
            buffers.extend(resident.filter_map(|(input, resident)| input.binding(resident.n_bytes())));
            let streamed = set.streamed.iter().zip(&slot.streamed);
            buffers.extend(streamed.clone().filter_map(|(input, s)| input.binding(stride * s.bytes_per_item as u64)));
            buffers.push((&output.kernel, bytes.next_multiple_of(4).max(4)));
            let group = self.compiled.pipeline.bind(device, &buffers);

            let mut encoder =
                device.wgpu().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(doing) });
            for (input, s) in streamed {
                input.record(&mut encoder, stride * s.bytes_per_item as u64);
            }
            if let GpuOutput::Shared { .. } = slot.output {
                encoder.clear_buffer(&output.kernel, 0, Some(bytes.next_multiple_of(4)));
            }
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some(doing),
                timestamp_writes: set.stamps.as_ref().map(|stamps| wgpu::ComputePassTimestampWrites {
                    query_set: &stamps.queries,
                    beginning_of_pass_write_index: Some(0),
                    end_of_pass_write_index: Some(1),
                }),
            });
            pass.set_pipeline(&self.compiled.pipeline.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(geometry.groups[0], geometry.groups[1], 1);
            drop(pass);
            if let Some(staging) = &output.staging {
                encoder.copy_buffer_to_buffer(&output.kernel, 0, staging, 0, bytes.next_multiple_of(4));
            }
            if let Some(stamps) = &set.stamps {
                encoder.resolve_query_set(&stamps.queries, 0..2, &stamps.resolved, 0);
                encoder.copy_buffer_to_buffer(&stamps.resolved, 0, &stamps.host, 0, STAMP_BYTES);
            }
            encoder
        })?;
        let submitted = Instant::now();
        let submission = device.submit(doing, encoder)?;
        let results = device.map(doing, output.host(), wgpu::MapMode::Read, size)?;
        let stamps = set.stamps.as_ref();
        let stamps = stamps.map(|s| device.map(doing, &s.host, wgpu::MapMode::Read, STAMP_BYTES)).transpose()?;
        Ok(Flight { part, set: index, geometry, bytes, submission, results, stamps, submitted })
    }

    /// Waits for the oldest chunk, copies its columns to their place, adds its sums, and gives it back.
    ///
    /// # Errors
    /// As [`Stream::start`].
    ///
    /// # Panics
    /// When no chunk is under way.
    pub fn collect(&mut self) -> Result<ChunkOut<'w>> {
        let mut flight = self.flights.pop_front().expect("the chunk loop collects what it submitted");
        let doing = self.kernel.name();
        self.device.wait(doing, Some(flight.submission.clone()))?;
        self.device.mapped(doing, &flight.results)?;
        let done = Instant::now();
        // The device works on one chunk after the other: this one began when it was submitted or the last one ended.
        let wall = done.duration_since(flight.submitted.max(self.finished)).as_secs_f64();
        self.finished = done;
        let clock = self.read_clock(&flight, done.duration_since(flight.submitted).as_secs_f64())?;
        self.compiled.pace.learn(flight.part.chunk().len(), clock.unwrap_or(wall));
        self.fetch(&mut flight, done)?;
        Ok(flight.part)
    }

    /// The seconds that the device's clock gives for a chunk, if they make sense.
    fn read_clock(&mut self, flight: &Flight<'_>, longest: f64) -> Result<Option<f64>> {
        let set = &self.arena.sets[flight.set];
        let (Some(stamps), Some(mapping), Some(period)) = (&set.stamps, &flight.stamps, self.device.timestamp_period())
        else {
            return Ok(None);
        };
        let doing = "reading timestamps";
        self.device.mapped(doing, mapping)?;
        let ticks = self.device.guarded(doing, || {
            let ticks =
                stamps.host.get_mapped_range(0..STAMP_BYTES).map(|view| bytemuck::pod_collect_to_vec::<u8, u64>(&view));
            stamps.host.unmap();
            ticks
        })?;
        let seconds = match ticks.as_deref() {
            Ok(&[begin, end]) => believable(begin, end, period, longest),
            _ => None,
        };
        match seconds {
            Some(seconds) => {
                self.clock.seconds += seconds;
                self.clock.counted += 1;
            }
            None => self.clock.dropped += 1,
        }
        Ok(seconds)
    }

    /// Copies the results out of the mapped buffer.
    fn fetch(&mut self, flight: &mut Flight<'w>, begin: Instant) -> Result<()> {
        let doing = "downloading";
        let Some(output) = &self.arena.sets[flight.set].output else {
            return Err(self.device.failed(doing, "the output buffer is missing"));
        };
        let bytes = flight.bytes.next_multiple_of(4);
        if bytes > 0 {
            let view = self.device.guarded(doing, || output.host().get_mapped_range(0..bytes))?;
            let view = view.map_err(|e| self.device.failed(doing, &errors::one_line(&e.to_string())))?;
            match self.slot.output {
                GpuOutput::Columns => {
                    let stride = self.slot.in_blocks(flight.part.chunk().len()) as usize;
                    let items: Vec<usize> = flight.part.specs().map(|column| item_bytes(&column)).collect();
                    let mut left = &view[..];
                    let columns = flight.part.columns_bytes().into_iter().zip(items);
                    let columns = columns.map(|(to, item)| {
                        let (column, next) = left.split_at(stride * item);
                        left = next;
                        (&column[..to.len()], to)
                    });
                    copy_columns(columns.map(|(from, to)| (to, from)).collect(), self.helpers.as_deref());
                    self.host.download += begin.elapsed().as_secs_f64();
                }
                GpuOutput::Partials { words } | GpuOutput::Shared { words } => {
                    // Workgroups without work fill up the last row of the dispatch; they have no say.
                    let groups = match self.slot.output {
                        GpuOutput::Partials { .. } => {
                            flight.geometry.invocations.div_ceil(self.slot.workgroup) as usize
                        }
                        _ => 1,
                    };
                    let partials = bytemuck::pod_collect_to_vec::<u8, u32>(&view[..groups * words as usize * 4]);
                    self.host.download += begin.elapsed().as_secs_f64();
                    let fold = Instant::now();
                    let mut sums = [0; FOLD_WORDS];
                    self.kernel.fold_gpu(&partials, &mut sums);
                    flight.part.fold = sums;
                    self.host.merge += fold.elapsed().as_secs_f64();
                }
            }
            drop(view);
        }
        self.device.guarded(doing, || output.host().unmap())
    }
}

/// `struct Dispatch` of `shaders/common/dispatch.wgsl`.
fn dispatch_words(chunk: Chunk, geometry: Geometry, stride: u64) -> [u32; 8] {
    let split = |x: u64| [x as u32, (x >> 32) as u32];
    let ([start_lo, start_hi], [count_lo, count_hi]) = (split(chunk.start), split(chunk.len()));
    let zero = 0;
    // Both fit: the plan keeps a share and a chunk with columns below 2^32.
    let (per_invocation, stride) = (geometry.per_invocation as u32, stride as u32);
    [start_lo, start_hi, count_lo, count_hi, per_invocation, zero, geometry.invocations, stride]
}

/// Bytes of one item in a column.
fn item_bytes(column: &ColumnSpec) -> usize {
    column.per_item * column.scalar.size()
}

/// Bytes that the dispatch of a chunk writes.
fn output_bytes(kernel: &dyn Kernel, slot: &GpuSlot<'_>, chunk: Chunk, geometry: Geometry) -> u64 {
    match slot.output {
        GpuOutput::Columns => {
            let item: u64 = kernel.columns().iter().map(|c| item_bytes(c) as u64).sum();
            slot.in_blocks(chunk.len()).saturating_mul(item)
        }
        GpuOutput::Partials { words } => geometry.all_groups() * u64::from(words) * 4,
        GpuOutput::Shared { words } => u64::from(words) * 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uniform_words_stand_in_the_shader_s_order() {
        let geometry = Geometry { per_invocation: 7, invocations: 11, groups: [1, 1] };
        let chunk = Chunk::new(0x1_0000_0002, 0x1_0000_0002 + 0x3_0000_0004);
        let words = dispatch_words(chunk, geometry, 8);
        let text = include_str!("../../shaders/common/dispatch.wgsl");
        let body = text.split_once("struct Dispatch {").unwrap().1.split_once('}').unwrap().0;
        let fields: Vec<&str> = body.lines().filter_map(|line| Some(line.trim().split_once(':')?.0)).collect();
        assert_eq!(
            fields,
            ["start_lo", "start_hi", "count_lo", "count_hi", "per_invocation", "zero", "invocations", "stride"]
        );
        assert_eq!(words, [2, 1, 4, 3, 7, 0, 11, 8]);
    }
}
