//! `gpu`: one adapter that wgpu reaches. One plain OS thread at a time drives it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::{
    AdapterFacts, Backend, BackendEntry, BackendFacts, BackendOptions, DeviceFacts, Done, Lane, LaneBody, Phases,
};
use crate::error::{Error, Result};
use crate::gpu::adapters::AdapterReport;
use crate::gpu::device::{Device, on_own_thread};
use crate::gpu::reach;
use crate::gpu::selftest::{self, SelfTest};
use crate::gpu::stream::{Arena, Compiled, DeviceTime, Stream};
use crate::job::{Capability, ChunkOut, GpuSlot, Job, Kernel, Precision};
use crate::machine::profile::{AdapterKey, Reach};
use crate::plan::device::{Misfit, chunk_rule};
use crate::plan::{ChunkRule, DeviceLimits};

/// The registry entry.
pub const ENTRY: BackendEntry = BackendEntry {
    name: "gpu",
    about: "one adapter through Vulkan, Metal or DX12; gpu:N is the Nth of `hetero devices`",
    numbered: true,
    device: true,
    open: |options, index| Ok(Box::new(Gpu::open(options, index)?)),
    devices,
};

/// The adapters as backends: the one that `--adapter` names is `gpu`, else the first; the others have their numbers.
fn devices(options: &BackendOptions) -> Vec<DeviceFacts> {
    let reports = on_own_thread(crate::gpu::adapters::reports).unwrap_or_default();
    let own = crate::gpu::adapters::chosen(&reports, ENTRY.name, options).ok();
    let named = options.adapter.is_some();
    let wanted = reports.iter().filter(|report| !named || Some(report.index) == own);
    let device = |report: &AdapterReport| DeviceFacts {
        id: if Some(report.index) == own { ENTRY.name.into() } else { format!("{}:{}", ENTRY.name, report.index) },
        adapter: adapter_facts(report),
    };
    wanted.map(device).collect()
}

fn adapter_facts(report: &AdapterReport) -> AdapterFacts {
    AdapterFacts {
        name: report.name.clone(),
        kind: report.kind.name().into(),
        api: report.api.clone(),
        driver: report.driver.clone(),
        software: report.software,
    }
}

/// An open adapter with what it compiled and allocated so far.
pub struct Gpu {
    id: String,
    device: Device,
    /// What is known about the adapter's arithmetic; parts of the test run when a kernel first needs them.
    test: Mutex<SelfTest>,
    /// Seconds of self-tests that no phase has counted yet.
    test_seconds: Mutex<f64>,
    compiled: HashMap<u64, Compiled>,
    arena: Arena,
    clock: DeviceTime,
}

impl Gpu {
    /// Opens the adapter that `options` and `index` ask for.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there is none, with what to install.
    pub fn open(options: &BackendOptions, index: Option<usize>) -> Result<Self> {
        let id = index.map_or(ENTRY.name.to_string(), |n| format!("{}:{n}", ENTRY.name));
        let device = on_own_thread(|| Device::find(&id, index, options))??;
        tracing::debug!("{id}: opened {}", device.report().name);
        Ok(Self {
            id,
            device,
            test: Mutex::new(SelfTest::default()),
            test_seconds: Mutex::new(0.0),
            compiled: HashMap::new(),
            arena: Arena::default(),
            clock: DeviceTime::default(),
        })
    }

    /// The device, for tests that make it fail.
    #[doc(hidden)]
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    fn unavailable(&self, why: String) -> Error {
        Error::Unavailable { backend: self.id.clone(), why }
    }

    /// The kernel's slot and how it is cut, with the module that fits the adapter best.
    fn slot<'k>(&self, kernel: &'k dyn Kernel) -> Result<(GpuSlot<'k>, ChunkRule)> {
        let (mut slot, rule) = self.form(kernel)?;
        if let Some(source) = slot.source_int64.take()
            && self.device.has_int64()
            && self.has(Capability::Int64)?
        {
            slot.source = source;
        }
        Ok((slot, rule))
    }

    /// The kernel's slot and how it is cut: the streamed form where the resident inputs of the other do not fit, and on
    /// a software adapter where the kernel says that it is the faster one.
    fn form<'k>(&self, kernel: &'k dyn Kernel) -> Result<(GpuSlot<'k>, ChunkRule)> {
        if self.device.report().software
            && kernel.software_streams()
            && let Some(streamed) = kernel.gpu_streamed()
            && let Ok(rule) = chunk_rule(kernel, &streamed, &self.limits())
        {
            self.require(streamed.needs)?;
            let per_item: usize = streamed.streamed.iter().map(|input| input.bytes_per_item).sum();
            let cached = rule.at_most(CACHED / per_item.max(1) as u64);
            // One at a time: what the host does for the next chunk would only slow this one down on the same cores.
            return Ok((streamed, ChunkRule { lanes: 1, ..cached }));
        }
        let slot = kernel.gpu().map_err(|why| self.unavailable(format!("{why}; use --backend cpu")))?;
        self.require(slot.needs)?;
        let limits = self.limits();
        let misfit = match chunk_rule(kernel, &slot, &limits) {
            Ok(rule) => return Ok((slot, rule)),
            Err(misfit) => misfit,
        };
        if let (Misfit::Binding { .. } | Misfit::Memory { .. }, Some(streamed)) = (&misfit, kernel.gpu_streamed()) {
            self.require(streamed.needs)?;
            if let Ok(rule) = chunk_rule(kernel, &streamed, &limits) {
                return Ok((streamed, rule));
            }
        }
        Err(self.unavailable(format!("{}: {misfit}", kernel.name())))
    }

    /// Makes sure that the adapter passed what a kernel `needs`.
    fn require(&self, needs: &[Capability]) -> Result<()> {
        self.learn(
            |test| needs.iter().all(|need| test.has(*need) == Some(true)),
            |device, known| selftest::ensure(device, known, needs),
        )
    }

    /// Whether the adapter passed the test of `capability`.
    fn has(&self, capability: Capability) -> Result<bool> {
        self.learn(
            |test| test.has(capability).is_some(),
            |device, known| selftest::find_out(device, known, &[capability]),
        )?;
        Ok(self.test.lock().unwrap_or_else(PoisonError::into_inner).has(capability) == Some(true))
    }

    /// Runs parts of the self-test unless what is known is `enough`.
    fn learn(
        &self,
        enough: impl FnOnce(&SelfTest) -> bool,
        run: impl FnOnce(&Device, &SelfTest) -> Result<SelfTest> + Send,
    ) -> Result<()> {
        let mut test = self.test.lock().unwrap_or_else(PoisonError::into_inner);
        if enough(&test) {
            return Ok(());
        }
        let begin = Instant::now();
        let done = on_own_thread(|| run(&self.device, &test))?;
        *self.test_seconds.lock().unwrap_or_else(PoisonError::into_inner) += begin.elapsed().as_secs_f64();
        *test = done?;
        Ok(())
    }

    /// Compiles the kernel unless it is; the seconds that took.
    fn compile(&mut self, kernel: &dyn Kernel, slot: &GpuSlot<'_>) -> Result<f64> {
        let key = Compiled::key(kernel, slot);
        if self.compiled.contains_key(&key) {
            return Ok(0.0);
        }
        let begin = Instant::now();
        let compiled = on_own_thread(|| Compiled::new(&self.device, kernel, slot))??;
        self.compiled.insert(key, compiled);
        let seconds = begin.elapsed().as_secs_f64();
        tracing::debug!("{}: compiled {} in {}", self.id, kernel.name(), crate::units::seconds(seconds));
        Ok(seconds)
    }

    fn limits(&self) -> DeviceLimits {
        let test = self.test.lock().unwrap_or_else(PoisonError::into_inner);
        self.device.limits(test.max_iterations())
    }
}

impl Backend for Gpu {
    fn facts(&self) -> BackendFacts {
        let report = self.device.report();
        BackendFacts { id: self.id.clone(), threads: 1, simd: "baseline", adapter: Some(adapter_facts(report)) }
    }

    fn adapter_key(&self) -> Option<AdapterKey> {
        let report = self.device.report();
        let test = self.test.lock().unwrap_or_else(PoisonError::into_inner);
        let lacks = Capability::ALL.iter().filter(|capability| test.has(**capability) == Some(false));
        Some(AdapterKey {
            name: report.name.clone(),
            kind: report.kind.name().into(),
            api: report.api.clone(),
            driver: report.driver.clone(),
            software: report.software,
            max_binding: report.limits.max_binding,
            memory: report.limits.memory.unwrap_or(0),
            lacks: lacks.map(|capability| capability.name().into()).collect(),
        })
    }

    fn brief(&self) -> f64 {
        // Ten times what a dispatch costs.
        1e-3
    }

    fn reach(&mut self) -> Result<Option<Reach>> {
        if self.device.report().software {
            return Ok(None); // the same silicon as the host, which is measured itself
        }
        let invocations = u32::try_from(self.limits().fill).unwrap_or(u32::MAX);
        on_own_thread(|| reach::measure(&self.device, invocations, u64::MAX))?.map(Some)
    }

    fn default_precision(&self, job: &dyn Job) -> Precision {
        job.gpu_precision()
    }

    fn chunks(&self, kernel: &dyn Kernel) -> Result<ChunkRule> {
        Ok(self.slot(kernel)?.1)
    }

    fn prepare(&mut self, kernel: &dyn Kernel) -> Result<f64> {
        let begin = Instant::now();
        let (slot, _) = self.slot(kernel)?;
        self.compile(kernel, &slot)?;
        let tests = self.test_seconds.get_mut().unwrap_or_else(PoisonError::into_inner);
        Ok(begin.elapsed().as_secs_f64() + std::mem::take(tests))
    }

    fn run<'w>(&mut self, kernel: &dyn Kernel, body: &LaneBody<'_, 'w>) -> Result<Phases> {
        let begin = Instant::now();
        let (slot, rule) = self.slot(kernel)?;
        let slot_seconds = begin.elapsed().as_secs_f64();
        let compile = self.compile(kernel, &slot)?;
        let limits = self.limits();
        let compiled = self.compiled.get_mut(&Compiled::key(kernel, &slot));
        let compiled = compiled.ok_or_else(|| Error::Internal("a prepared kernel is not there".into()))?;
        let (device, arena) = (&self.device, &mut self.arena);
        let ran = on_own_thread(|| {
            let stream = Stream::start(device, kernel, &slot, &limits, compiled, arena, rule)?;
            let mut lane = GpuLane { stream };
            body(&mut lane)?;
            Ok((lane.stream.host, lane.stream.clock))
        });
        let (host, clock) = match ran.and_then(|result| result) {
            Ok(times) => times,
            Err(error) => {
                // Buffers of a failed run may be mapped or in use: start the next one afresh.
                self.arena = Arena::default();
                return Err(error);
            }
        };
        self.clock = clock;
        let upload = host.upload + slot_seconds;
        let wall = begin.elapsed().as_secs_f64();
        let kernel = (wall - compile - upload - host.download - host.merge).max(0.0);
        Ok(Phases { compile, upload, kernel, download: host.download, merge: host.merge, ..Phases::default() })
    }

    fn device_seconds(&self) -> Option<f64> {
        (self.clock.counted > 0 && self.clock.dropped == 0).then_some(self.clock.seconds)
    }

    fn dropped_timestamps(&self) -> u64 {
        self.clock.dropped
    }
}

/// Bytes of a chunk's streamed inputs on a software adapter: what the host writes is then still in the caches when the
/// same cores read it.
const CACHED: u64 = 4 << 20;

struct GpuLane<'r, 'w> {
    stream: Stream<'r, 'w>,
}

impl<'w> Lane<'w> for GpuLane<'_, 'w> {
    fn depth(&self) -> usize {
        self.stream.depth()
    }

    fn appetite(&self) -> Option<u64> {
        Some(self.stream.appetite())
    }

    fn submit(&mut self, part: ChunkOut<'w>) -> Result<()> {
        self.stream.submit(part)
    }

    fn collect(&mut self) -> Result<Done> {
        let part = self.stream.collect()?;
        Ok(Done { chunk: part.chunk(), fold: part.fold })
    }

    fn copied(&self) -> [f64; 2] {
        [self.stream.host.upload, self.stream.host.download]
    }
}

#[cfg(test)]
mod tests;
