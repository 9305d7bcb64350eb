//! `hetero calibrate`: measures what the cost model predicts from and keeps it as this machine's profile.
//!
//! Three parts: the host (memory, arithmetic, pool, files), each backend (opening, launching, copying), and every kernel
//! of every workload at growing sizes on every backend, within a budget that is shared over the kernels. Medians
//! throughout, so that one odd run changes nothing. The profile is written whole at the end or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ArgMatches;

use crate::backend;
use crate::config::{BackendOptions, Config};
use crate::error::{Error, Result};
use crate::exec::Control;
use crate::machine::Machine;
use crate::machine::profile::{self, Key, Profile};
use crate::report;
use crate::report::profile::{Shown, State};
use crate::report::progress::Progress;
use crate::simd::Simd;
use crate::workloads::{Context, WORKLOADS};

mod backends;
mod host;
mod kernels;
mod probe;

pub use backends::{Program, open_once};

/// How long a new process may take to open a backend before it counts as hanging, in seconds.
const OPENING: f64 = 5.0;

/// A calibration.
#[derive(Debug)]
pub struct Calibration {
    /// What was measured.
    pub profile: Profile,
    /// Seconds that it took.
    pub seconds: f64,
    /// Backends that do not run here and why, kernels that there was no time for: a line each.
    pub notes: Vec<String>,
}

/// Measures this machine, which `key` describes, in about `seconds`: what the host and the backends leave of them goes
/// to the kernels, half of them at least. `program` opens backends in new processes; without it what the first
/// opening costs here counts.
///
/// # Errors
/// [`Error::Signal`] when `control` was stopped; [`Error::Usage`] for settings that make no sense;
/// [`Error::Resource`] when the host has not the memory for it. A device that fails is left out and told in the notes.
pub fn measure(
    key: Key,
    seconds: f64,
    options: &BackendOptions,
    program: Option<&Program>,
    control: &Control,
) -> Result<Calibration> {
    let begin = Instant::now();
    let mut profile = Profile::new(key);
    control.stage("this machine");
    let pool = backend::cpu::pool(options)?;
    profile.host = host::measure(&pool, Simd::detect())?;
    control.proceed()?;
    let (opened, mut notes) = backends::open_all(options, control)?;
    let mut usable = Vec::new();
    let limit = Duration::from_secs_f64(OPENING.min(options.device_timeout));
    for mut backend in opened {
        match backends::measure(&mut profile, &mut backend, program, limit, control) {
            Ok(()) => usable.push(backend),
            Err(error @ Error::Signal(_)) => return Err(error),
            Err(error) => notes.push(error.to_string()),
        }
    }
    let mut sweep = kernels::Sweep {
        profile: &mut profile,
        backends: &mut usable,
        context: Context { seed: 42 },
        control,
        notes,
        compiled: std::collections::HashSet::new(),
    };
    let left = seconds - begin.elapsed().as_secs_f64();
    sweep.all(WORKLOADS, left.max(seconds / 2.0))?;
    let notes = sweep.notes;
    Ok(Calibration { profile, seconds: begin.elapsed().as_secs_f64(), notes })
}

/// `hetero calibrate`.
///
/// # Errors
/// Whatever stops it; then the profile that there was stays.
pub fn command(own: &ArgMatches, config: &Config, control: &Arc<Control>, out: &mut dyn Write) -> Result<()> {
    let key = Key::of(&Machine::discover());
    let path = profile::path(&key);
    let budget = *own.get_one::<f64>("seconds").expect("--seconds has a default");
    let export = own.get_one::<PathBuf>("export");
    let shown = if own.get_flag("show") {
        let (profile, state) = stored(path.as_deref(), &key);
        if let (Some(to), None) = (export, &profile) {
            return Err(Error::Usage(format!(
                "there is no profile to write to {}; run hetero calibrate",
                to.display()
            )));
        }
        Shown { profile, state, path, seconds: None, notes: Vec::new() }
    } else {
        if config.cpu.simd != "auto" {
            let why = "cpu.simd caps the instruction set, and a profile of that would mislead every other run";
            return Err(Error::Usage(format!("{why}; leave it at auto")));
        }
        // Before anything is measured: whether it can be kept.
        if let Some(folder) = path.as_deref().and_then(Path::parent) {
            writable(folder)?;
        }
        let progress = Progress::start(control, config.report.progress);
        let program = std::env::current_exe()
            .ok()
            .map(|path| Program { path, args: std::env::args_os().skip(1).chain(["--open".into()]).collect() });
        let Calibration { mut profile, seconds, notes } =
            measure(key.clone(), budget, &config.backend_options(), program.as_ref(), control)?;
        drop(progress);
        if let (Some(old), State::Ours) = stored(path.as_deref(), &key) {
            profile.keep(old);
        }
        control.proceed()?;
        if let Some(path) = &path {
            profile.write(path)?;
        }
        Shown { profile: Some(profile), state: State::Measured, path, seconds: Some(seconds), notes }
    };
    if let (Some(to), Some(profile)) = (export, &shown.profile) {
        profile.write(to)?;
    }
    let text = if config.report.format == "json" {
        report::profile::json(&shown)
    } else {
        report::profile::text(&shown, crate::run::style(config.report.ascii))
    };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::Resource(format!("stdout: {e}"))),
        _ => Ok(()),
    }
}

/// What is kept at `path`, and what it counts for here.
fn stored(path: Option<&Path>, key: &Key) -> (Option<Profile>, State) {
    let Some(path) = path.filter(|path| path.exists()) else { return (None, State::None) };
    match Profile::read(path) {
        Ok(profile) => match profile.foreign(key) {
            None => (Some(profile), State::Ours),
            Some(why) => (Some(profile), State::Stale(why)),
        },
        Err(error) => (None, State::Stale(error.to_string())),
    }
}

/// Makes `folder` and sees whether a file can be written there.
fn writable(folder: &Path) -> Result<()> {
    let refused =
        |e: std::io::Error| Error::Resource(format!("{}: cannot keep a profile there: {e}", folder.display()));
    std::fs::create_dir_all(folder).map_err(refused)?;
    tempfile::tempfile_in(folder).map(drop).map_err(refused)
}
