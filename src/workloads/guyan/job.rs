//! The job: its steps, and what they leave for each other and for the report.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::lanczos::Counted;
use super::model::Model;
use super::reduce::{LAMBDA, MODES, Modes, REDUCE, Reduce, SOLVE};
use super::solve::{Analyse, FactorStep, Solve};
use super::{STAYS, answer, check, save};
use crate::error::{Error, Result};
use crate::job::{Answer, Check, Host, Input, Job, Output, Precision, Step};
use crate::machine::pool::Pool;
use crate::sparse::{Analysis, Factor, Method, Ordering, Storage};

/// Bytes of X from which on its memory is new in each run: of a smaller one keeping the pages is worth more than the room.
const LARGE: u64 = 512 << 20;

/// What was asked for besides the reduced matrices.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Modes of the whole model; 0 for none.
    pub(super) full_modes: usize,
    /// Where the expanded shapes go.
    pub(super) expand: Option<PathBuf>,
    /// The order of elimination.
    pub(super) ordering: Ordering,
    /// Starts the iteration for the modes.
    pub(super) seed: u64,
}

/// What the steps of one run hand on, and what the report says about them.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) analysis: Option<Arc<Analysis>>,
    pub(super) factor: Option<Factor>,
    /// The memory of the run before.
    pub(super) storage: Storage,
    pub(super) facts: Facts,
    /// Why the frequencies of the reduced model are missing.
    pub(super) no_modes: Option<String>,
    /// How many modes of the reduced model have a finite frequency: all, unless masters have no mass.
    pub(super) finite_modes: usize,
    /// The roundoff of their eigenvalues: what is smaller is a rigid-body mode.
    pub(super) zero: f64,
    /// What is found about the modes of the whole.
    pub(super) full: Option<super::lanczos::Lowest>,
    /// What the checks of the last run found.
    pub(super) certificate: Option<check::Certificate>,
    /// The first thing that went wrong inside a chunk.
    pub(super) failed: Option<Error>,
}

/// About the factorization.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) ordering: Option<Ordering>,
    pub(super) method: Option<Method>,
    pub(super) flops: f64,
    pub(super) factor_entries: u64,
    pub(super) condition: f64,
    pub(super) negative_pivots: usize,
    /// Largest `|k_ij - k_ji|` of the reduced stiffness before its two triangles were averaged.
    pub(super) asymmetry: f64,
}

/// A reduction.
#[derive(Debug)]
pub(super) struct GuyanJob {
    pub(super) model: Model,
    pub(super) wanted: Wanted,
    /// Written by whole steps and after a run, read by chunks: never both at once, so nothing waits.
    pub(super) state: RwLock<State>,
}

impl GuyanJob {
    pub(super) fn new(model: Model, wanted: Wanted) -> Self {
        Self { model, wanted, state: RwLock::default() }
    }

    /// Reads the state.
    pub(super) fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state.
    pub(super) fn write<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The finite eigenvalues of the reduced model, ascending; none where they were not asked for or could not be found.
    pub(super) fn reduced_values<'o>(&self, outputs: &'o [Output]) -> &'o [f64] {
        let found = if self.has_modes() { self.read(|state| state.finite_modes) } else { 0 };
        if found == 0 { &[] } else { &outputs[REDUCE].column(LAMBDA)[..found] }
    }

    /// Whether the reduced eigenproblem is solved.
    pub(super) fn has_modes(&self) -> bool {
        self.model.mass.is_some() && self.model.symmetric
    }
}

/// Calls `work` with the threads of `host`; one thread for `seq`.
pub(super) fn with_pool<R>(host: &Host<'_>, work: impl FnOnce(&Pool) -> Result<R>) -> Result<R> {
    match host.pool {
        Some(pool) => work(pool),
        None => work(&*Pool::shared(1, true)?),
    }
}

impl Job for GuyanJob {
    fn input(&self) -> Input {
        Input { items: self.model.masters() as u64, item: "right-hand side", source: self.model.source.clone() }
    }

    fn precisions(&self) -> &[Precision] {
        &[Precision::F64]
    }

    fn stays_on_cpu(&self) -> Option<&'static str> {
        Some(STAYS)
    }

    fn steps(&self, precision: Precision) -> Result<Vec<Step<'_>>> {
        if precision != Precision::F64 {
            return Err(Error::Usage(format!("guyan computes in f64, not in {}", precision.name())));
        }
        let mut steps = vec![
            Step::Whole(Box::new(Analyse::new(self))),
            Step::Whole(Box::new(FactorStep::new(self))),
            Step::Kernel(Box::new(Solve(self))),
            Step::Whole(Box::new(Reduce(self))),
        ];
        debug_assert_eq!(steps.len(), REDUCE + 1);
        if self.wanted.full_modes > 0 && self.model.whole.is_some() {
            debug_assert_eq!(steps.len(), MODES);
            steps.push(Step::Whole(Box::new(Modes(self))));
        }
        Ok(steps)
    }

    /// A large X of the run before goes, so that it does not lie beside the next factorization.
    fn begin(&self, outputs: &mut [Output]) -> Result<()> {
        let bytes = 8 * (self.model.slaves() * self.model.masters()) as u64;
        if bytes >= LARGE { outputs[SOLVE].renew() } else { Ok(()) }
    }

    fn finish(&self, outputs: &[Output]) -> Result<Answer> {
        if let Some(error) = self.write(|state| state.failed.take()) {
            return Err(error);
        }
        Ok(answer::answer(self, outputs))
    }

    fn check(&self, outputs: &[Output], _: &Answer) -> Result<Check> {
        let certificate = check::certify(self, outputs)?;
        let check = certificate.verdict();
        self.write(|state| state.certificate = Some(certificate));
        Ok(check)
    }

    fn complete(&self, answer: &mut Answer) {
        self.read(|state| {
            if let Some(certificate) = &state.certificate {
                certificate.add_to(answer);
            }
        });
    }

    fn save(&self, outputs: &[Output], path: &Path) -> Result<()> {
        save::save(self, outputs, path)
    }

    fn save_more(&self, outputs: &[Output]) -> Result<()> {
        match &self.wanted.expand {
            Some(path) => save::expand(self, outputs, path),
            None => Ok(()),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.model.warnings.clone();
        self.read(|state| {
            let negative = state.facts.negative_pivots;
            if negative > 0 {
                warnings.push(format!(
                    "K_ss is indefinite: {negative} negative pivots (as many negative eigenvalues); a supported \
                     structure has none"
                ));
            }
            warnings.extend(state.no_modes.clone());
            let counted = state.full.as_ref().and_then(|full| full.counted);
            if let Some(Counted { there, found }) = counted.filter(|counted| counted.there != counted.found) {
                warnings.push(format!("{there} modes of the whole lie where {found} were found: some are missing"));
            }
        });
        warnings
    }
}
