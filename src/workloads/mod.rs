//! What a user names. Adding a workload: its folder here, its shader, and its entry in [`WORKLOADS`]; the command
//! line, `list`, the conformance tests and the benches walk the registry.

use std::path::PathBuf;

use clap::{Arg, ArgMatches};

use crate::error::{Error, Result};
use crate::job::Job;

pub mod deposits;
pub mod eigen;
#[cfg(feature = "net")]
pub mod fetch;
pub mod guyan;
pub mod map;
pub mod pi;
mod saved;
pub mod sincos;
pub mod stress;
pub mod sumsq;

/// A kernel as `hetero list` shows it.
pub struct KernelInfo {
    /// The kernel's one name.
    pub name: &'static str,
    /// What one item is.
    pub item: &'static str,
    /// The precisions it comes in.
    pub precisions: &'static str,
    /// `None` when it has a GPU form; otherwise why it stays on the CPU.
    pub cpu_only: Option<&'static str>,
    /// What it computes, with the bound of each precision.
    pub about: &'static str,
}

/// What every workload gets besides its own options.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// `--seed`.
    pub seed: u64,
}

/// An option that names an input file. `hetero run` takes several files, a pattern or a folder for it, and makes each file a
/// case of its own (see [`crate::batch`]).
#[derive(Debug, Clone)]
pub struct CaseInput {
    /// The option's id. Its values are paths.
    pub option: &'static str,
    /// The endings of the files that its reader knows, lower case: what counts in a folder.
    pub endings: Vec<&'static str>,
    /// Options of the workload that may differ from case to case: placeholders such as `{stem}` in them are replaced.
    pub varying: &'static [&'static str],
    /// Whether the workload takes several files as one job by itself. They then become cases only where the outputs have
    /// placeholders.
    pub joined: bool,
    /// The lines of the answer that tell most, by name: a table of cases shows the first one that there is.
    pub headlines: &'static [&'static str],
    /// For an option that says more than names of files: finds the one that makes the cases. Its values are text then.
    pub within: Option<FindWithin>,
}

/// Finds the file that makes the cases in what an option says; `None` when it names no file.
pub type FindWithin = fn(&ArgMatches) -> Result<Option<Within>>;

/// A file's name within the value of an option. Placeholders beside it follow it.
#[derive(Debug, Clone, PartialEq)]
pub struct Within {
    /// What stands before the name.
    pub before: String,
    /// The name, a pattern or a folder.
    pub name: PathBuf,
    /// What stands after it.
    pub after: String,
    /// The other files that the value names.
    pub beside: Vec<String>,
}

/// A workload: its options, its input, its output, its independent check.
pub trait Workload: Sync {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// One line for `hetero list`.
    fn about(&self) -> &'static str;

    /// Its kernels.
    fn kernels(&self) -> &'static [KernelInfo];

    /// Its own options.
    fn args(&self) -> Vec<Arg>;

    /// Reads or generates the input.
    ///
    /// # Errors
    /// [`Error::Usage`] for options that contradict each other, [`Error::Input`] for a bad file, [`Error::Model`] for
    /// a model without an answer, [`Error::Resource`] for too little memory.
    fn prepare(&self, args: &ArgMatches, context: &Context) -> Result<Box<dyn Job>>;

    /// Its options that name input files. A job reads at most one of them.
    fn case_inputs(&self) -> Vec<CaseInput> {
        Vec::new()
    }

    /// The endings of `--output` that a run with these options can write, lower case: another one is refused before anything
    /// is read. Empty for a workload that writes whatever the name.
    fn endings(&self, args: &ArgMatches) -> &'static [&'static str] {
        let _ = args;
        &[]
    }

    /// Its own options that name files which it writes.
    fn writes(&self) -> &'static [&'static str] {
        &[]
    }

    /// Every file that a run with these options writes: none of two cases may be the same.
    fn written(&self, args: &ArgMatches) -> Vec<PathBuf> {
        output(args).into_iter().collect()
    }

    /// Jobs of about `items` items on generated input, one for each variant worth testing and timing, with a name for
    /// each: what conformance tests, benches and size sweeps run. Works for 0 and 1.
    ///
    /// # Errors
    /// [`Error::Resource`] when the size does not fit.
    fn sized(&self, items: u64, context: &Context) -> Result<Vec<(String, Box<dyn Job>)>>;

    /// The names of the jobs of [`Workload::sized`], the main one first.
    ///
    /// # Errors
    /// As [`Workload::sized`].
    fn variants(&self) -> Result<Vec<String>> {
        let jobs = self.sized(1, &Context { seed: 0 })?;
        Ok(jobs.into_iter().map(|(name, _)| name).collect())
    }

    /// One of the jobs of [`Workload::sized`], for sweeps over sizes: only this one need fit in memory, and what
    /// [`Workload::sized`] cuts short to keep tests short is not cut here.
    ///
    /// # Errors
    /// [`Error::Usage`] for a variant that is not there at this size; [`Error::Resource`] when it does not fit.
    fn sized_variant(&self, items: u64, variant: &str, context: &Context) -> Result<Box<dyn Job>> {
        let found = self.sized(items, context)?.into_iter().find(|(name, _)| name == variant);
        found.map(|(_, job)| job).ok_or_else(|| no_variant(self.name(), variant, items))
    }
}

/// What `--output` names, where a command has that option.
pub(crate) fn output(args: &ArgMatches) -> Option<PathBuf> {
    args.try_get_one::<PathBuf>("output").ok().flatten().cloned()
}

/// The error of [`Workload::sized_variant`] when there is no such job.
fn no_variant(workload: &str, variant: &str, items: u64) -> Error {
    Error::Usage(format!("{workload} has no variant '{variant}' with {} items", crate::units::grouped(items)))
}

/// Every workload, in the order of `hetero list`.
pub static WORKLOADS: &[&dyn Workload] = &[
    &pi::PiWorkload,
    &stress::StressWorkload,
    &guyan::GuyanWorkload,
    &eigen::EigenWorkload,
    &sumsq::SumsqWorkload,
    &sincos::SincosWorkload,
    &deposits::DepositsWorkload,
    &map::MapWorkload,
    #[cfg(feature = "net")]
    &fetch::FetchWorkload,
];

/// The workload `name`.
///
/// # Errors
/// [`Error::Usage`] that lists the names there are.
pub fn find(name: &str) -> Result<&'static dyn Workload> {
    WORKLOADS.iter().copied().find(|workload| workload.name() == name).ok_or_else(|| {
        let names: Vec<_> = WORKLOADS.iter().map(|workload| workload.name()).collect();
        Error::Usage(format!("there is no workload '{name}'; there are: {}", names.join(", ")))
    })
}
