//! Many inputs of one workload: read and prepared while earlier ones compute and the results of yet earlier ones are
//! written.
//!
//! `hetero run stress --mesh 'cases/*.vtu' --output 'out/{stem}.vtu'` comes here through [`command`]; [`run`] is the same
//! for a library's caller, over any iterator of cases and whatever reads and writes them:
//!
//! ```
//! use std::path::PathBuf;
//! use hetero::batch::{self, Files};
//! use hetero::error::Result;
//! use hetero::exec::Control;
//! use hetero::job::{Job, Output};
//! use hetero::workloads::stress::{options::SolidOptions, solid};
//!
//! struct Meshes;
//!
//! impl Files for Meshes {
//!     type Case = PathBuf;
//!     fn read(&self, mesh: &PathBuf) -> Result<Box<dyn Job>> {
//!         let options = SolidOptions { young: Some(2.1e11), poisson: Some(0.3), ..SolidOptions::default() };
//!         Ok(Box::new(solid::prepare(hetero::formats::read_mesh(mesh)?, &options)?))
//!     }
//!     fn write(&self, mesh: &PathBuf, job: &dyn Job, outputs: &[Output]) -> Result<()> {
//!         job.save(outputs, &mesh.with_extension("stress.npy"))
//!     }
//! }
//!
//! # fn main() -> Result<()> {
//! let meshes = ["tests/data/formats/bad/empty.vtu"].map(PathBuf::from);
//! let config = hetero::config::Layers::default().config()?;
//! let mut failed = 0;
//! batch::run("stress", meshes.into_iter(), &Meshes, &config, &Control::default(), |case| match &case.result {
//!     Ok(()) => println!("{} was computed in {:.3} s", case.index, case.seconds().compute.unwrap_or(0.0)),
//!     Err(why) => {
//!         println!("{} was not: {why}", case.index);
//!         failed += 1;
//!     }
//! })?;
//! assert_eq!(failed, 1);
//! # Ok(())
//! # }
//! ```
//!
//! Each case runs once, through the one chunk loop, on a backend that is opened once, and is verified as every run is.
//! Its times are not added to this machine's profile: they were taken beside the other lanes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::exec::Control;
use crate::job::{Job, Output};
use crate::machine::pool::Pool;
use crate::report::batch::Seconds;
use crate::units;

mod command;
mod compute;
pub mod expand;
pub mod lanes;
pub mod pattern;
pub mod plan;
mod summary;

pub use command::command;
pub use compute::Computed;

use compute::Computer;
use lanes::{Failure, Finished, Limits, Spans, Stages};

/// How the cases of a batch are read and written. Both run on threads of the lanes, each in a pool of its own with that one
/// thread, and may wait for a disk or a network.
pub trait Files: Sync {
    /// What names a case: a path, a row of a list.
    type Case: Send;

    /// Bytes of its input, as far as they are known before it is read: what bounds how many are read ahead.
    fn bytes(&self, case: &Self::Case) -> u64 {
        let _ = case;
        0
    }

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it. The batch goes on with the next one.
    fn read(&self, case: &Self::Case) -> Result<Box<dyn Job>>;

    /// Writes its results, or keeps them. Only called for answers that have passed their checks.
    ///
    /// # Errors
    /// Ends the batch when it is [`Error::Resource`] or [`Error::Usage`]: the next case would meet the same disk and the
    /// same name.
    fn write(&self, case: &Self::Case, job: &dyn Job, outputs: &[Output]) -> Result<()>;
}

/// What became of a case.
pub struct CaseResult {
    /// Its place in the iterator, from 0.
    pub index: usize,
    /// The answer, its verification and its times; `None` when it could not be read or computed.
    pub computed: Option<Computed>,
    /// Whether its results were written.
    pub written: bool,
    /// What was wrong with it. With `written` some of its items have no answer while the others have theirs.
    pub result: Result<()>,
    /// When which lane worked on it.
    pub spans: Spans,
}

impl CaseResult {
    /// Seconds of its stages.
    #[must_use]
    pub fn seconds(&self) -> Seconds {
        let verify = self.computed.as_ref().map(|computed| computed.row.verification.seconds);
        Seconds {
            read: self.spans.read.map(|span| span.seconds()),
            compute: self.spans.compute.map(|span| (span.seconds() - verify.unwrap_or(0.0)).max(0.0)),
            verify,
            write: self.spans.write.filter(|_| self.written).map(|span| span.seconds()),
        }
    }
}

/// A case with its answer, on its way to the writing lane.
struct Answered<C> {
    case: C,
    job: Box<dyn Job>,
    outputs: Vec<Output>,
    computed: Computed,
}

/// A case that went through all lanes.
struct Done {
    computed: Computed,
    written: bool,
    result: Result<()>,
}

/// Runs every case of `workload` once and tells `each` what became of it, in the order of the cases, from a thread of the
/// lanes. One that fails by itself is told and left out. Gives the wall time in seconds.
///
/// # Errors
/// [`Error::Signal`] once `control` is stopped; whatever keeps all cases from going on: a backend that cannot be
/// opened or fails, a disk that refuses, a name that cannot be written. What was written stays.
pub fn run<F: Files>(
    workload: &str,
    cases: impl Iterator<Item = F::Case> + Send,
    files: &F,
    config: &Config,
    control: &Control,
    mut each: impl FnMut(CaseResult) + Send,
) -> Result<f64> {
    let limits = limits(config)?;
    let pools = (0..limits.readers + limits.writers).map(Pool::lane).collect::<Result<Vec<_>>>()?;
    let (reading, writing): (&[Arc<Pool>], &[Arc<Pool>]) = pools.split_at(limits.readers);
    let mut computer = Computer::new(workload, config, control);
    let start = Instant::now();
    let stages = Stages {
        bytes: &|case| files.bytes(case),
        read: &|thread, case| {
            let read = move || files.read(&case).map(|job| (case, job));
            reading[thread].install(read).map_err(of_input)
        },
        compute: &mut |_, (case, job): (F::Case, Box<dyn Job>)| {
            let (outputs, computed) = computer.compute(job.as_ref()).map_err(of_input)?;
            Ok(Answered { case, job, outputs, computed })
        },
        results: &|answered| answered.outputs.iter().map(bytes).sum(),
        write: &|thread, answered| writing[thread].install(move || write(files, answered)),
        told: &mut |Finished { index, result, spans }| {
            let (computed, written, result) = match result {
                Ok(Done { computed, written, result }) => (Some(computed), written, result),
                Err(error) => (None, false, Err(error)),
            };
            control.cases_done.fetch_add(1, Ordering::Relaxed);
            each(CaseResult { index, computed, written, result, spans });
        },
    };
    lanes::run(cases, stages, limits, control)?;
    Ok(start.elapsed().as_secs_f64())
}

fn limits(config: &Config) -> Result<Limits> {
    let io = config.io.with_threads(0);
    let bytes = units::parse_bytes(&io.bytes).map_err(Error::Usage)?;
    Ok(Limits { readers: io.readers, writers: io.writers, cases: io.cases, bytes })
}

/// Bytes of the columns of `output`.
fn bytes(output: &Output) -> u64 {
    let per_item: usize = output.specs().map(|column| column.per_item * column.scalar.size()).sum();
    output.items().saturating_mul(per_item as u64)
}

/// What an error in reading or computing means: only what a different input could have avoided is the case's own.
fn of_input(error: Error) -> Failure {
    match error {
        Error::Internal(_) | Error::Unavailable { .. } | Error::Device { .. } | Error::Signal(_) => {
            Failure::Batch(error)
        }
        _ => Failure::Case(error),
    }
}

/// Writes a right answer; keeps a wrong one back.
fn write<F: Files>(files: &F, answered: Answered<F::Case>) -> Result<Done, Failure> {
    let Answered { case, job, outputs, computed } = answered;
    if let Some(wrong) = computed.row.verification.error(&computed.row.facts.id) {
        return Ok(Done { computed, written: false, result: Err(wrong) });
    }
    files.write(&case, job.as_ref(), &outputs).map_err(|error| match error {
        Error::Input { .. } | Error::Model(_) => Failure::Case(error),
        _ => Failure::Batch(error),
    })?;
    let result = job.unsolved(&outputs);
    Ok(Done { computed, written: true, result })
}
