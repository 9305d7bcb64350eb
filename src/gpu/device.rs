//! An open device: one plain OS thread at a time drives it, every wait has a limit, every wgpu error becomes ours.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::adapters::{self, AdapterKind, AdapterReport, Found};
use super::{errors, software};
use crate::config::BackendOptions;
use crate::error::{Error, Result};
use crate::machine::pool::Pool;
use crate::plan::{DeviceLimits, device::SAFE_ITERATIONS};

/// Stack of the thread that drives a device: shader compilers recurse deeply.
const STACK: usize = 16 << 20;

/// Device memory to plan with where the driver does not tell: what every GPU of the last decade has.
const UNKNOWN_MEMORY: u64 = 1 << 30;

/// An open adapter: its device, its queue, and what is known about it.
pub struct Device {
    /// The backend's name in messages: `gpu`, `gpu:1`.
    id: String,
    /// What it is.
    report: AdapterReport,
    // In ManuallyDrop because dropping the queue of a device that hangs would wait for it forever.
    device: ManuallyDrop<wgpu::Device>,
    queue: ManuallyDrop<wgpu::Queue>,
    features: wgpu::Features,
    /// Whether dispatches are stamped with the device's clock, where it has one. A software adapter's is the host's, and for
    /// a stamp it wakes threads that have nothing else to do: 0.1 ms a dispatch.
    stamps: bool,
    /// Bytes that hetero may take.
    memory: u64,
    /// Threads and pinning of the host's pool.
    host: (usize, bool),
    timeout: Duration,
    dispatch_target: f64,
    /// Why the device is lost, once it is.
    lost: Arc<Mutex<Option<String>>>,
    /// The first error that no scope caught.
    uncaught: Arc<Mutex<Option<Error>>>,
    /// It did not answer in time: never touch it again.
    abandoned: AtomicBool,
    /// A failure to simulate at the next chance, for tests.
    fault: AtomicU8,
}

/// A failure that tests can ask for.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Nothing.
    None = 0,
    /// The device is destroyed before the next submission.
    Lost = 1,
    /// The next allocation reports that memory ran out.
    OutOfMemory = 2,
    /// The next wait ends as if its time were up (an adapter may compute inside the submission and never be late).
    Timeout = 3,
    /// wgpu panics in the next guarded call, as it does on a device that is lost while it waits.
    Panic = 4,
}

/// Runs `f` on a plain OS thread of its own with a deep stack and returns when it has.
///
/// # Errors
/// [`Error::Resource`] when the system refuses a thread, [`Error::Internal`] when `f` panics.
pub(crate) fn on_own_thread<T: Send>(f: impl FnOnce() -> T + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("hetero-gpu".into()).stack_size(STACK);
        let handle = thread
            .spawn_scoped(scope, f)
            .map_err(|e| Error::Resource(format!("cannot start the thread that drives the GPU: {e}")))?;
        handle.join().map_err(|_| Error::Internal("the thread that drives the GPU panicked".into()))
    })
}

impl Device {
    /// Finds the adapter that `options` and `index` ask for and opens it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there is none (with what to install) or it refuses, [`Error::Usage`] for an
    /// ambiguous name.
    pub fn find(id: &str, index: Option<usize>, options: &BackendOptions) -> Result<Self> {
        let mut found = adapters::find();
        let reports: Vec<_> = found.iter().map(|f| &f.report).collect();
        let chosen = adapters::choose(&reports, id, index, options)?;
        Self::open(found.swap_remove(chosen), id, options)
    }

    /// Opens `found` with the limits and features that kernels need.
    pub(super) fn open(found: Found, id: &str, options: &BackendOptions) -> Result<Self> {
        let Found { adapter, report } = found;
        let have = adapter.limits();
        let offered = adapter.features();
        // Direct mapping pays where host and device share one memory; over PCIe it would make every access cross the bus.
        let shares_memory = matches!(report.kind, AdapterKind::Integrated | AdapterKind::Cpu);
        let mut features =
            offered & (wgpu::Features::SHADER_F64 | wgpu::Features::SHADER_INT64 | wgpu::Features::TIMESTAMP_QUERY);
        if shares_memory {
            features |= offered & wgpu::Features::MAPPABLE_PRIMARY_BUFFERS;
        }
        let limits = wgpu::Limits {
            max_storage_buffer_binding_size: have.max_storage_buffer_binding_size,
            max_buffer_size: have.max_buffer_size,
            max_uniform_buffer_binding_size: report.limits.max_uniform,
            max_storage_buffers_per_shader_stage: have.max_storage_buffers_per_shader_stage,
            max_buffers_and_acceleration_structures_per_shader_stage: have
                .max_buffers_and_acceleration_structures_per_shader_stage,
            max_compute_workgroup_storage_size: have.max_compute_workgroup_storage_size,
            max_compute_invocations_per_workgroup: have.max_compute_invocations_per_workgroup,
            max_compute_workgroup_size_x: have.max_compute_workgroup_size_x,
            max_compute_workgroup_size_y: have.max_compute_workgroup_size_y,
            max_compute_workgroup_size_z: have.max_compute_workgroup_size_z,
            max_compute_workgroups_per_dimension: have.max_compute_workgroups_per_dimension,
            // A million (the default) costs memory on DX12; a handful of bind groups is alive at a time.
            max_non_sampler_bindings: 4096.min(have.max_non_sampler_bindings),
            ..wgpu::Limits::downlevel_defaults().or_worse_values_from(&have).using_alignment(have.clone())
        };
        let request = wgpu::DeviceDescriptor {
            label: Some("hetero"),
            required_features: features,
            required_limits: limits,
            ..Default::default()
        };
        let refused = |why: String| errors::unavailable(id, format!("{} refused to open: {why}", report.name));
        let (device, queue) = errors::caught(|| pollster::block_on(adapter.request_device(&request)))
            .map_err(refused)?
            .map_err(|e| refused(errors::one_line(&e.to_string())))?;

        if report.software && options.pin {
            software::spread();
        }
        let lost = Arc::new(Mutex::new(None));
        let sink = Arc::clone(&lost);
        device.set_device_lost_callback(move |reason, text| {
            let why = format!("{reason:?} {}", errors::one_line(&text));
            sink.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        });
        let uncaught = Arc::new(Mutex::new(None));
        let (sink, name) = (Arc::clone(&uncaught), id.to_string());
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let error = errors::from_wgpu(&name, "working", &error);
            sink.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }));

        Ok(Self {
            id: id.into(),
            stamps: !report.software,
            memory: memory_to_use(&report, options.max_device_memory),
            report,
            device: ManuallyDrop::new(device),
            queue: ManuallyDrop::new(queue),
            features,
            host: (options.threads, options.pin),
            timeout: adapters::timeout(options),
            dispatch_target: options.dispatch_target,
            lost,
            uncaught,
            abandoned: AtomicBool::new(false),
            fault: AtomicU8::new(Fault::None as u8),
        })
    }

    /// The backend's name in messages.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is.
    #[must_use]
    pub fn report(&self) -> &AdapterReport {
        &self.report
    }

    /// The limits that decide the size of a chunk, with `max_iterations` from the self-test.
    #[must_use]
    pub fn limits(&self, max_iterations: u64) -> DeviceLimits {
        let limits = &self.report.limits;
        DeviceLimits {
            max_binding: limits.max_binding,
            max_memory: self.memory,
            max_storage_buffers: limits.max_storage_buffers,
            max_uniform: limits.max_uniform,
            max_workgroup: limits.max_workgroup,
            max_workgroups: limits.max_workgroups,
            max_iterations: max_iterations.min(SAFE_ITERATIONS),
            // A large GPU keeps some 200 000 invocations resident; a software adapter runs one workgroup per thread.
            fill: if self.report.software { 4096 } else { 1 << 18 },
            dispatch_target: self.dispatch_target,
        }
    }

    /// The host's threads, where the device is a program on the same processors and in the same memory.
    pub(super) fn host_pool(&self) -> Option<Arc<Pool>> {
        let (threads, pin) = self.host;
        if self.report.software { Pool::shared(threads, pin).ok() } else { None }
    }

    /// Whether the host may map the buffers that kernels use.
    pub(super) fn maps_directly(&self) -> bool {
        self.features.contains(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS)
    }

    /// Takes the way of adapters without direct mapping, for tests.
    #[doc(hidden)]
    pub fn forbid_direct_mapping(&mut self) {
        self.features.remove(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS);
    }

    /// Nanoseconds of one timestamp tick, if the device has timestamps.
    pub(super) fn timestamp_period(&self) -> Option<f64> {
        let period = f64::from(self.queue.get_timestamp_period());
        (self.stamps && self.features.contains(wgpu::Features::TIMESTAMP_QUERY) && period > 0.0).then_some(period)
    }

    /// Takes stamps on a software adapter too, for tests.
    #[doc(hidden)]
    pub fn stamp_always(&mut self) {
        self.stamps = true;
    }

    /// Whether `f64` can be used in WGSL.
    pub(super) fn has_f64(&self) -> bool {
        self.features.contains(wgpu::Features::SHADER_F64)
    }

    /// Whether 64-bit integers can be used in WGSL.
    pub(crate) fn has_int64(&self) -> bool {
        self.features.contains(wgpu::Features::SHADER_INT64)
    }

    /// Takes the way of adapters without 64-bit integers, for tests.
    #[doc(hidden)]
    pub fn forbid_int64(&mut self) {
        self.features.remove(wgpu::Features::SHADER_INT64);
    }

    pub(super) fn wgpu(&self) -> &wgpu::Device {
        &self.device
    }

    pub(super) fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// Makes the next chance of failing fail.
    #[doc(hidden)]
    pub fn inject(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::Relaxed);
    }

    /// Whether `fault` was asked for; it happens once.
    fn strikes(&self, fault: Fault) -> bool {
        self.fault.compare_exchange(fault as u8, Fault::None as u8, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// An error of this device while `doing` something.
    pub(super) fn failed(&self, doing: &str, why: &str) -> Error {
        errors::failed(&self.id, format!("{doing}: {why}"))
    }

    /// Whether the device still lives.
    ///
    /// # Errors
    /// [`Error::Device`] when it is lost or was abandoned, and errors that arrived late.
    pub fn health(&self) -> Result<()> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(errors::failed(&self.id, "the device did not answer earlier and is not used again".into()));
        }
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = &mut *lost {
            return Err(errors::failed(
                &self.id,
                format!("the device was lost ({}): reset or removed; run again, or use --backend cpu", why.trim()),
            ));
        }
        drop(lost);
        match self.uncaught.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Calls into wgpu with every kind of error caught: scopes, panics, errors without a scope, a lost device.
    ///
    /// # Errors
    /// [`Error::Resource`] when the device is out of memory, [`Error::Device`] for everything else.
    pub(super) fn guarded<T>(&self, doing: &str, f: impl FnOnce() -> T) -> Result<T> {
        self.health()?;
        let scopes = [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::Internal]
            .map(|filter| self.device.push_error_scope(filter));
        let result = errors::caught(|| {
            assert!(!self.strikes(Fault::Panic), "simulated loss while waiting");
            f()
        });
        let mut first = None;
        for scope in scopes.into_iter().rev() {
            first = pollster::block_on(scope.pop()).or(first);
        }
        // A panic inside wgpu may have left its locks held: the device is not touched again.
        let value = result.map_err(|text| {
            self.abandoned.store(true, Ordering::Relaxed);
            self.failed(doing, &text)
        })?;
        if let Some(error) = first {
            return Err(errors::from_wgpu(&self.id, doing, &error));
        }
        self.health()?;
        Ok(value)
    }

    /// A new buffer.
    pub(super) fn buffer(
        &self,
        label: &str,
        size: u64,
        usage: wgpu::BufferUsages,
        mapped: bool,
    ) -> Result<wgpu::Buffer> {
        if self.strikes(Fault::OutOfMemory) {
            return Err(errors::from_wgpu(
                &self.id,
                &format!("allocating {label}"),
                &wgpu::Error::OutOfMemory { source: "simulated".into() },
            ));
        }
        self.guarded(&format!("allocating {} for {label}", crate::units::bytes(size)), || {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage,
                mapped_at_creation: mapped,
            })
        })
    }

    /// Hands recorded commands to the device.
    pub(super) fn submit(&self, doing: &str, encoder: wgpu::CommandEncoder) -> Result<wgpu::SubmissionIndex> {
        if self.strikes(Fault::Lost) {
            self.device.destroy();
        }
        self.guarded(doing, || self.queue.submit([encoder.finish()]))
    }

    /// Waits until `submission` (or the last one) is done and its callbacks have run.
    ///
    /// # Errors
    /// [`Error::Device`] when the device is lost or does not answer within the time limit; it is not used again then.
    pub(super) fn wait(&self, doing: &str, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let poll = wgpu::PollType::Wait { submission_index: submission, timeout: Some(self.timeout) };
        let polled = self.guarded(doing, || self.device.poll(poll))?;
        match if self.strikes(Fault::Timeout) { Err(wgpu::PollError::Timeout) } else { polled } {
            Ok(_) => Ok(()),
            Err(wgpu::PollError::Timeout) => {
                self.abandoned.store(true, Ordering::Relaxed);
                Err(self.failed(
                    doing,
                    &format!(
                        "no answer within {}; the device hangs or is far slower than planned: raise gpu.timeout, lower \
                         gpu.dispatch_target, or use --backend cpu",
                        crate::units::seconds(self.timeout.as_secs_f64())
                    ),
                ))
            }
            Err(wgpu::PollError::WrongSubmissionIndex(..)) => {
                // A lost device takes no work and says so only to a poll.
                let _ = self.guarded(doing, || self.device.poll(wgpu::PollType::Poll))?;
                Err(self.failed(doing, "the submission was refused"))
            }
        }
    }

    /// Asks for `bytes` of `buffer` to be mapped; [`Device::mapped`] waits for it.
    pub(super) fn map(&self, doing: &str, buffer: &wgpu::Buffer, mode: wgpu::MapMode, bytes: u64) -> Result<Mapping> {
        let state = Arc::new(AtomicU8::new(PENDING));
        let sink = Arc::clone(&state);
        self.guarded(doing, || {
            buffer.map_async(mode, 0..bytes, move |result| {
                sink.store(if result.is_ok() { READY } else { REFUSED }, Ordering::Release);
            });
        })?;
        Ok(Mapping(state))
    }

    /// Waits until a mapping is there: at once when the device is done with the buffer.
    pub(super) fn mapped(&self, doing: &str, mapping: &Mapping) -> Result<()> {
        if mapping.0.load(Ordering::Acquire) == PENDING {
            match self.guarded(doing, || self.device.poll(wgpu::PollType::Poll))? {
                Ok(_) | Err(wgpu::PollError::Timeout) => {}
                Err(wgpu::PollError::WrongSubmissionIndex(..)) => return Err(self.failed(doing, "nothing to wait for")),
            }
        }
        if mapping.0.load(Ordering::Acquire) == PENDING {
            self.wait(doing, None)?;
        }
        match mapping.0.load(Ordering::Acquire) {
            READY => Ok(()),
            _ => {
                self.health()?;
                Err(self.failed(doing, "a buffer could not be mapped"))
            }
        }
    }
}

const PENDING: u8 = 0;
const READY: u8 = 1;
const REFUSED: u8 = 2;

/// A mapping that was asked for.
#[derive(Debug)]
pub(super) struct Mapping(Arc<AtomicU8>);

impl Drop for Device {
    fn drop(&mut self) {
        if self.abandoned.load(Ordering::Relaxed) {
            // Leaked on purpose: releasing a queue waits for its work without a limit.
            return;
        }
        // SAFETY: this is the only place that takes them out, and it runs once.
        let (device, queue) = unsafe { (ManuallyDrop::take(&mut self.device), ManuallyDrop::take(&mut self.queue)) };
        // A driver that fails while it closes has nothing to add to the answer.
        let _ = errors::caught(move || drop((queue, device)));
    }
}

/// What hetero may take of a device's memory: what the user allows, else four fifths of it; of memory that is the
/// host's, half of what is free.
fn memory_to_use(report: &AdapterReport, allowed: u64) -> u64 {
    let device = report.limits.memory.unwrap_or(UNKNOWN_MEMORY) / 5 * 4;
    let shared = matches!(report.kind, AdapterKind::Integrated | AdapterKind::Cpu);
    let host = if shared { crate::memory::available().map_or(UNKNOWN_MEMORY, |free| free / 2) } else { u64::MAX };
    let share = device.min(host);
    if allowed > 0 { allowed } else { share }
}
