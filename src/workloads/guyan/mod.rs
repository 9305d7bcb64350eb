//! Workload `guyan`: static condensation of a stiffness and a mass matrix to a few master degrees of freedom.
//!
//! ```text
//! K_ss X = K_sm            one factorization, one right-hand side for each master
//! T      = [ I ; -X ]      masters on top, slaves below
//! K_red  = T' K T = K_mm - K_ms X
//! M_red  = T' M T = M_mm - M_ms X - X' (M_sm - M_ss X)
//! K_red phi = (2 pi f)^2 M_red phi
//! ```
//!
//! A job of four or five steps: `analyse` (with `order`, a phase of its own), `factor` and `reduce` are whole solves on
//! the host's processors, `solve` is a kernel over right-hand sides that runs in chunks like any other, and `modes`
//! finds the lowest modes of the whole model for comparison. None of it goes to a device: a factorization follows an
//! elimination tree of small f64 blocks, and WGSL has no f64.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};

use super::{CaseInput, Context, KernelInfo, Workload};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::machine::pool::Pool;
use crate::sparse::Ordering;
use crate::units;

mod answer;
mod check;
mod job;
mod lanczos;
mod model;
mod pencil;
mod reduce;
mod save;
mod solve;
#[cfg(test)]
mod tests;

use job::{GuyanJob, Wanted};
use model::{Files, Model};

/// The registry entry.
pub struct GuyanWorkload;

/// Why no kernel of this workload has a GPU form.
const STAYS: &str = "guyan stays on the CPU: a sparse factorization works in f64, which WGSL does not have, on small \
                     dependent blocks that a device cannot fill itself with";

static KERNELS: &[KernelInfo] = &[
    KernelInfo {
        name: "analyse",
        item: "matrix",
        precisions: "f64",
        cpu_only: Some(STAYS),
        about: "fill-reducing order (minimum degree or nested dissection, by predicted operations) and pattern of K_ss",
    },
    KernelInfo {
        name: "factor",
        item: "matrix",
        precisions: "f64",
        cpu_only: Some(STAYS),
        about: "K_ss = L L' (L B L' when it is indefinite, L U when it is unsymmetric)",
    },
    KernelInfo {
        name: "solve",
        item: "right-hand side",
        precisions: "f64",
        cpu_only: Some(STAYS),
        about: "K_ss X = K_sm in chunks of columns; every column's normalised residual is below 30",
    },
    KernelInfo {
        name: "reduce",
        item: "matrix",
        precisions: "f64",
        cpu_only: Some(STAYS),
        about: "K_red, M_red and the modes of the reduced model",
    },
    KernelInfo {
        name: "modes",
        item: "matrix",
        precisions: "f64",
        cpu_only: Some(STAYS),
        about: "with --full-modes: the lowest modes of the whole model, by block Lanczos on the same factorization",
    },
];

/// The reference case: slaves and masters.
const REFERENCE: (usize, usize) = (3000, 500);

impl Workload for GuyanWorkload {
    fn name(&self) -> &'static str {
        "guyan"
    }

    fn about(&self) -> &'static str {
        "Guyan reduction of a sparse stiffness (and mass) matrix to its masters, with a certificate"
    }

    fn kernels(&self) -> &'static [KernelInfo] {
        KERNELS
    }

    fn args(&self) -> Vec<Arg> {
        let path = |name: &'static str, long: &'static str| {
            Arg::new(name).long(long).value_name("FILE").value_parser(value_parser!(PathBuf))
        };
        vec![
            path("stiffness", "stiffness")
                .short('K')
                .requires("masters")
                .help("Stiffness matrix: Matrix Market .mtx (also gzipped) or CalculiX .sti; without it a random case"),
            path("mass", "mass").short('M').requires("stiffness").help("Mass matrix: .mtx or .mas"),
            Arg::new("masters")
                .long("masters")
                .value_name("FILE|LIST")
                .requires("stiffness")
                .help("Rows that stay, from 1: a file (one a line, ranges, # comments) or a list such as 1,5,10-20"),
            path("names", "dofs")
                .requires("stiffness")
                .help("CalculiX .dof file: rows are then also called node.direction [default: the one beside .sti]"),
            Arg::new("full-modes")
                .long("full-modes")
                .value_name("K")
                .requires("mass")
                .value_parser(|text: &str| count(text))
                .help("Find the K lowest modes of the whole model too, and print the error of the reduced ones"),
            path("expand", "expand").help(
                "Write the shapes of the reduced modes (or of unit master displacements) on all rows: .npy, .mtx",
            ),
            Arg::new("ordering")
                .long("ordering")
                .value_name("NAME")
                .default_value("auto")
                .value_parser(["auto", "amd", "nd", "natural"])
                .help(
                    "Order of elimination: minimum degree, nested dissection, the rows as they come, or the cheapest",
                ),
        ]
    }

    fn endings(&self, _: &ArgMatches) -> &'static [&'static str] {
        &["mtx", "npy", "json"]
    }

    fn prepare(&self, args: &ArgMatches, context: &Context) -> Result<Box<dyn Job>> {
        let pool = Pool::current()?;
        let full_modes = args.get_one::<u64>("full-modes").map_or(0, |k| usize::try_from(*k).unwrap_or(usize::MAX));
        let file = |name: &str| args.get_one::<PathBuf>(name).cloned();
        let expand = file("expand");
        if let Some(path) = &expand {
            save::check_ending(path)?;
        }
        let ordering = match args.get_one::<String>("ordering").map(String::as_str) {
            Some("amd") => Ordering::MinimumDegree,
            Some("nd") => Ordering::NestedDissection,
            Some("natural") => Ordering::Natural,
            _ => Ordering::Auto,
        };
        let model = match (file("stiffness"), args.get_one::<String>("masters")) {
            (Some(stiffness), Some(masters)) => {
                let files = Files { stiffness, mass: file("mass"), masters: masters.clone(), names: file("names") };
                Model::read(&files, full_modes > 0, &pool)?
            }
            (None, None) => Model::reference(REFERENCE.0, REFERENCE.1, context.seed, &pool)?,
            _ => return Err(Error::Usage("--stiffness and --masters go together".into())),
        };
        let wanted = Wanted { full_modes, expand, ordering, seed: context.seed };
        Ok(Box::new(GuyanJob::new(model, wanted)))
    }

    fn case_inputs(&self) -> Vec<CaseInput> {
        vec![CaseInput {
            option: "stiffness",
            endings: vec!["mtx", "sti"],
            varying: &["mass", "masters", "names", "expand"],
            joined: false,
            headlines: &["frequencies [Hz]", "condition of K_ss"],
            within: None,
        }]
    }

    fn writes(&self) -> &'static [&'static str] {
        &["expand"]
    }

    fn written(&self, args: &ArgMatches) -> Vec<PathBuf> {
        let with_mass = args.contains_id("mass");
        let reduced = super::output(args).map(|path| save::files(&path, with_mass)).unwrap_or_default();
        reduced.into_iter().chain(args.get_one::<PathBuf>("expand").cloned()).collect()
    }

    /// The reference case with `items` right-hand sides, at most its own size, and below 100 000 at most a tenth of it: fill
    /// grows with the square of a random matrix's order, and sizes that are odd in their last digits are meant to be quick.
    fn sized(&self, items: u64, context: &Context) -> Result<Vec<(String, Box<dyn Job>)>> {
        let most = if items < 100_000 { REFERENCE.1 / 10 } else { REFERENCE.1 };
        let masters = usize::try_from(items).unwrap_or(usize::MAX).min(most);
        let model = Model::reference(6 * masters, masters, context.seed, &*Pool::current()?)?;
        let wanted = Wanted { full_modes: 0, expand: None, ordering: Ordering::Auto, seed: context.seed };
        Ok(vec![("reference".into(), Box::new(GuyanJob::new(model, wanted)))])
    }
}

/// Reads `--full-modes`.
fn count(text: &str) -> Result<u64, String> {
    match units::parse_count(text)? {
        0 => Err("'0' modes are none; leave --full-modes out".into()),
        k => Ok(k),
    }
}
