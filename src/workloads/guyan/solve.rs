//! The steps that solve `K_ss X = K_sm`: analysis, factorization, and the kernel over right-hand sides.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::job::{Facts, GuyanJob, with_pool};
use super::model::Model;
use crate::error::{Error, Result};
use crate::job::{ChunkOut, Class, ColumnSpec, Host, Kernel, Output, Precision, Scalar, Whole, Work};
use crate::memory::ensure_available;
use crate::sparse::{Analysis, Factor, Failure, Options, Singular};

/// Right-hand sides of one block: enough for matrix products instead of vectors, few enough that two threads share 500 of
/// them evenly.
const BLOCK: u64 = 32;

/// Step `analyse`: order of elimination and pattern of the factor.
pub(super) struct Analyse<'j> {
    job: &'j GuyanJob,
    order_seconds: Mutex<f64>,
}

impl<'j> Analyse<'j> {
    pub(super) fn new(job: &'j GuyanJob) -> Self {
        Self { job, order_seconds: Mutex::new(0.0) }
    }
}

/// A whole step's description, which differs in little.
macro_rules! whole_step {
    ($type:ty, $name:literal, $work:expr, $size:expr) => {
        impl Kernel for $type {
            fn name(&self) -> &'static str {
                $name
            }
            fn item(&self) -> &'static str {
                "matrix"
            }
            fn items(&self) -> u64 {
                1
            }
            fn precision(&self) -> Precision {
                Precision::F64
            }
            fn work(&self) -> Work {
                $work(self)
            }
            fn size(&self) -> f64 {
                $size(&self.job.model)
            }
            fn class(&self) -> Class {
                Class::Residual
            }
            fn seq(&self, _: &mut ChunkOut<'_>) {}
        }
    };
}

const NO_FLOPS: Work = Work { flops: 0.0, bytes_read: 0.0, bytes_written: 0.0 };

// A row number and a value an entry; how often they are read is the graph's affair.
whole_step!(
    Analyse<'_>,
    "analyse",
    |step: &Analyse<'_>| Work { bytes_read: 12.0 * step.job.model.stiffness.ss.nnz() as f64, ..NO_FLOPS },
    |model: &Model| 12.0 * model.stiffness.ss.nnz() as f64
);

impl Whole for Analyse<'_> {
    fn solve(&self, host: &Host<'_>, _: &[Output], _: &mut Output) -> Result<()> {
        let job = self.job;
        // What the run before has left goes first, all but the memory of its factor.
        let kept = job.write(|state| {
            state.storage =
                state.factor.take().map_or_else(|| std::mem::take(&mut state.storage), Factor::into_storage);
            state.analysis = None;
            state.failed = None;
            state.storage.bytes()
        });
        let options = Options { ordering: job.wanted.ordering };
        let analysis = with_pool(host, |pool| Analysis::new(&job.model.stiffness.ss, &options, pool))?;
        *self.order_seconds.lock().unwrap_or_else(PoisonError::into_inner) = analysis.order_seconds();
        ensure_available("the factorization of K_ss", analysis.peak_bytes().saturating_sub(kept))?;
        job.write(|state| {
            state.facts = Facts {
                ordering: Some(analysis.ordering()),
                flops: analysis.flops(),
                factor_entries: analysis.factor_entries(),
                ..Facts::default()
            };
            state.analysis = Some(Arc::new(analysis));
        });
        Ok(())
    }

    fn parts(&self) -> Vec<(&'static str, f64)> {
        vec![("order", *self.order_seconds.lock().unwrap_or_else(PoisonError::into_inner))]
    }
}

/// Step `factor`, with the estimate of the condition number as a part of its own.
pub(super) struct FactorStep<'j> {
    job: &'j GuyanJob,
    condition_seconds: Mutex<f64>,
}

impl<'j> FactorStep<'j> {
    pub(super) fn new(job: &'j GuyanJob) -> Self {
        Self { job, condition_seconds: Mutex::new(0.0) }
    }
}

whole_step!(
    FactorStep<'_>,
    "factor",
    |step: &FactorStep<'_>| Work { flops: step.job.read(|state| state.facts.flops), ..NO_FLOPS },
    Model::factor_size
);

impl Whole for FactorStep<'_> {
    fn solve(&self, host: &Host<'_>, _: &[Output], _: &mut Output) -> Result<()> {
        let job = self.job;
        let (analysis, storage) = job.write(|state| (state.analysis.clone(), std::mem::take(&mut state.storage)));
        let analysis = analysis.ok_or_else(|| Error::Internal("factor before analyse".into()))?;
        let factor = with_pool(host, |pool| match Factor::new_in(storage, &analysis, &job.model.stiffness.ss, pool) {
            Ok(factor) => Ok(factor),
            Err(Failure::Singular(singular)) => Err(no_inverse(job, &singular)),
            Err(Failure::Error(error)) => Err(error),
        })?;
        let start = Instant::now();
        let condition = factor.condition();
        *self.condition_seconds.lock().unwrap_or_else(PoisonError::into_inner) = start.elapsed().as_secs_f64();
        job.write(|state| {
            state.facts.method = Some(factor.method());
            state.facts.condition = condition;
            state.facts.negative_pivots = factor.negative_pivots();
            state.factor = Some(factor);
        });
        Ok(())
    }

    fn parts(&self) -> Vec<(&'static str, f64)> {
        vec![("condition", *self.condition_seconds.lock().unwrap_or_else(PoisonError::into_inner))]
    }
}

/// The message for a singular `K_ss`, in the user's numbering.
fn no_inverse(job: &GuyanJob, singular: &Singular) -> Error {
    let Singular { row, null_space, at_least } = *singular;
    let more = if at_least { "at least " } else { "" };
    let modes = if null_space == 1 { "rigid-body mode or mechanism" } else { "rigid-body modes or mechanisms" };
    Error::Model(format!(
        "{}: K_ss is singular: with the masters held the structure still has {more}{null_space} {modes}, most visible at \
         {}; add masters there or constrain it",
        job.model.source,
        job.model.slave_name(row)
    ))
}

/// Kernel `solve`: the item is a master, its values the column of `X` for it.
pub(super) struct Solve<'j>(pub(super) &'j GuyanJob);

impl Kernel for Solve<'_> {
    fn name(&self) -> &'static str {
        "solve"
    }

    fn item(&self) -> &'static str {
        "right-hand side"
    }

    fn items(&self) -> u64 {
        self.0.model.masters() as u64
    }

    fn precision(&self) -> Precision {
        Precision::F64
    }

    fn grain(&self) -> u64 {
        BLOCK
    }

    fn work(&self) -> Work {
        let slaves = self.0.model.slaves() as f64;
        let flops = self.0.read(|state| state.analysis.as_ref().map_or(0.0, |analysis| analysis.solve_flops()));
        // Before the analysis: at least one operation and one number a row.
        Work { flops: flops.max(4.0 * slaves), bytes_read: 8.0 * slaves, bytes_written: 8.0 * slaves }
    }

    fn size(&self) -> f64 {
        let model = &self.0.model;
        // A row of the factor has some n^(1/3) times the entries of a row of a three-dimensional matrix.
        model.masters() as f64 * model.stiffness.ss.nnz() as f64 * (model.slaves() as f64).cbrt()
    }

    fn class(&self) -> Class {
        Class::Residual
    }

    fn columns(&self) -> Vec<ColumnSpec> {
        vec![ColumnSpec { name: "x", scalar: Scalar::F64, per_item: self.0.model.slaves() }]
    }

    fn seq(&self, out: &mut ChunkOut<'_>) {
        let (job, chunk) = (self.0, out.chunk());
        let right = &job.model.stiffness.sm;
        let slaves = job.model.slaves();
        let x = out.column::<f64>(0);
        x.fill(0.0);
        for (j, x) in (chunk.start as usize..chunk.end as usize).zip(x.chunks_mut(slaves.max(1))) {
            if let Some(column) = right.outer_view(j) {
                column.iter().for_each(|(row, value)| x[row] = *value);
            }
        }
        // Nobody writes the state while chunks run, so this never waits.
        let solved = job.read(|state| {
            let factor = state.factor.as_ref().ok_or_else(|| Error::Internal("solve before factor".into()))?;
            let mut columns = x;
            // Blocks of equal size use the caches alike, whatever the chunk's length.
            let mut scratch = factor.scratch((chunk.len().min(2 * BLOCK)) as usize)?;
            while !columns.is_empty() {
                let take = columns.len().min(2 * BLOCK as usize * slaves.max(1));
                let (block, rest) = columns.split_at_mut(take);
                factor.solve(block, &mut scratch);
                columns = rest;
            }
            Ok::<_, Error>(())
        });
        if let Err(error) = solved {
            job.write(|state| state.failed.get_or_insert(error).clone());
        }
    }
}
