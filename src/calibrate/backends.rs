//! Every backend that runs here: opening it, running nothing on it, copying to and from it.

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::probe::{Direction, Probe};
use crate::backend::{self, BACKENDS, Backend, BackendFacts, Phases};
use crate::config::BackendOptions;
use crate::error::{Error, Result};
use crate::exec::{self, Control};
use crate::job::Output;
use crate::machine::profile::{AdapterKey, Profile, Rate, Robust};

/// An open backend.
pub(super) struct Opened {
    pub backend: Box<dyn Backend>,
    pub facts: BackendFacts,
    /// Whether it is a device, with a memory of its own and kernels in WGSL.
    pub device: bool,
    /// Seconds to open it here: in this process, which may have loaded a driver already.
    seconds: f64,
}

impl Opened {
    pub(super) fn new(backend: Box<dyn Backend>, device: bool, seconds: f64) -> Self {
        Self { facts: backend.facts(), backend, device, seconds }
    }

    pub(super) fn adapter(&self) -> Option<AdapterKey> {
        self.backend.adapter_key()
    }
}

/// The most devices of one kind that are looked for.
const MOST_DEVICES: usize = 16;

/// Opens every backend of the registry and every device of those that have several. What does not open is told with its
/// reason.
///
/// # Errors
/// [`Error::Signal`] when `control` was stopped; [`Error::Usage`] for settings that make no sense.
pub(super) fn open_all(options: &BackendOptions, control: &Control) -> Result<(Vec<Opened>, Vec<String>)> {
    let (mut all, mut left_out) = (Vec::new(), Vec::new());
    for entry in BACKENDS {
        // With an adapter named, that one is the backend.
        let numbers = if entry.numbered && options.adapter.is_none() { MOST_DEVICES } else { 1 };
        for number in 0..numbers {
            control.proceed()?;
            let id = if number == 0 { entry.name.to_string() } else { format!("{}:{number}", entry.name) };
            control.stage(&format!("opening {id}"));
            let start = Instant::now();
            match backend::open(&id, options) {
                Ok(backend) => all.push(Opened::new(backend, entry.device, start.elapsed().as_secs_f64())),
                Err(error @ Error::Usage(_)) => return Err(error),
                // There is no next one.
                Err(_) if number > 0 => break,
                Err(error) => {
                    left_out.push(error.to_string());
                    break;
                }
            }
        }
    }
    Ok((all, left_out))
}

/// The program that measures what opening costs a new process.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its arguments, before the name of the backend: it opens that one and prints the seconds.
    pub args: Vec<OsString>,
}

/// New processes that open one backend.
const OPENINGS: usize = 3;

/// Measures `opened` and puts it into `profile`.
///
/// # Errors
/// [`Error::Signal`] when `control` was stopped; what the device returns.
pub(super) fn measure(
    profile: &mut Profile,
    opened: &mut Opened,
    program: Option<&Program>,
    limit: Duration,
    control: &Control,
) -> Result<()> {
    let id = opened.facts.id.clone();
    control.stage(&format!("{id}: opening"));
    let mut open = Robust::default();
    for _ in 0..program.map_or(0, |_| OPENINGS) {
        if let Some(seconds) = program.and_then(|program| open_elsewhere(program, &id, limit, control)) {
            open.add(seconds);
        }
        control.proceed()?;
    }
    if open.value().is_none() {
        open.add(opened.seconds);
    }
    control.stage(&format!("{id}: launching"));
    let launch = launch(opened, control)?;
    let floor = launch.value().unwrap_or(0.0);
    let (mut upload, mut download) = (Vec::new(), Vec::new());
    if opened.device {
        control.stage(&format!("{id}: copying"));
        upload = copies(opened, Direction::Up, floor, control)?;
        download = copies(opened, Direction::Down, floor, control)?;
    }
    let reach = opened.backend.reach()?;
    // After the probes: they made the adapter's self-test run.
    let adapter = opened.adapter();
    let known = profile.backend_mut(&id, adapter.as_ref(), opened.facts.threads);
    (known.open, known.launch, known.upload, known.download, known.reach) = (open, launch, upload, download, reach);
    Ok(())
}

/// Seconds that a new process takes to open the backend; `None` when it did not say.
fn open_elsewhere(program: &Program, id: &str, limit: Duration, control: &Control) -> Option<f64> {
    let mut child = Command::new(&program.path)
        .args(&program.args)
        .arg(id)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let done = wait(&mut child, limit, control);
    if !done {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    }
    let mut text = String::new();
    child.stdout.take()?.take(64).read_to_string(&mut text).ok()?;
    text.trim().parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)
}

/// Waits for `child`; whether it ended well in time.
fn wait(child: &mut Child, limit: Duration, control: &Control) -> bool {
    let start = Instant::now();
    while start.elapsed() < limit && !control.stopped() {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(Duration::from_millis(2)),
            Err(_) => return false,
        }
    }
    false
}

/// Opens `id` and gives the seconds that it took: what the new process does.
///
/// # Errors
/// Whatever opening returns.
pub fn open_once(id: &str, options: &BackendOptions) -> Result<f64> {
    let start = Instant::now();
    let backend = backend::open(id, options)?;
    let seconds = start.elapsed().as_secs_f64();
    drop(backend);
    Ok(seconds)
}

/// Runs of one item.
const LAUNCHES: usize = 15;

/// Seconds of runs with next to nothing to do.
fn launch(opened: &mut Opened, control: &Control) -> Result<Robust> {
    let mut launch = Robust::default();
    let probe = Probe::new(Direction::Down, 1);
    let mut output = Output::for_kernel(&probe)?;
    for _ in 0..=LAUNCHES {
        launch.add(run(opened, &probe, &mut output, control)?.total());
    }
    Ok(launch)
}

/// One run of a probe.
fn run(opened: &mut Opened, probe: &Probe<'_>, output: &mut Output, control: &Control) -> Result<Phases> {
    let backend = opened.backend.as_mut();
    backend.prepare(probe)?;
    let rule = backend.chunks(probe)?;
    Ok(exec::run_step(probe, rule, backend, output, control)?.phases)
}

/// Powers of two of the bytes that are copied: from what a launch hides to what is larger than any cache on the way.
const SIZES: [u32; 5] = [16, 19, 22, 24, 26];

/// Copies of each size, after one that allocates the buffers.
const COPIES: usize = 5;

/// Bytes per second in one direction, by size.
fn copies(opened: &mut Opened, direction: Direction, launch: f64, control: &Control) -> Result<Vec<Rate>> {
    let source = match direction {
        Direction::Up => vec![1_u8; 1 << SIZES[SIZES.len() - 1]],
        Direction::Down => Vec::new(),
    };
    let mut rates = Vec::with_capacity(SIZES.len());
    for size in SIZES {
        let bytes = 1_u64 << size;
        let probe = Probe::of(direction, bytes, &source);
        let mut output = Output::for_kernel(&probe)?;
        let mut seconds = Robust::default();
        for repeat in 0..=COPIES {
            let phases = run(opened, &probe, &mut output, control)?;
            // What the host itself spent on copying, or more where the device copied too.
            let host = phases.upload.max(phases.download);
            if repeat > 0 {
                seconds.add((phases.total() - launch).max(host));
            }
        }
        if let Some(seconds) = seconds.value().filter(|seconds| *seconds > 0.0) {
            rates.push(Rate { bytes: bytes as f64, per_second: bytes as f64 / seconds });
        }
    }
    Ok(rates)
}
