//! What a job asks of a backend, as plain data: what the cost model predicts from.

use serde::Serialize;

use crate::job::{Class, GpuSlot, Precision, Step, Work, answer_name, kernel_hash};

/// A job in one precision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Demand {
    /// The workload.
    pub workload: String,
    /// Items, as the user counts them.
    pub items: u64,
    /// What one item is.
    pub item: &'static str,
    /// Its steps in order.
    pub steps: Vec<StepDemand>,
    /// The name under which a profile keeps what is left to do after the last step.
    pub answer: String,
    /// Why no device can run it, if so.
    pub stays_on_cpu: Option<&'static str>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepDemand {
    /// The kernel.
    pub kernel: &'static str,
    /// The precision that it was built for.
    pub precision: Precision,
    /// Items; fractional in a job that was scaled.
    pub items: f64,
    /// Work of one.
    pub work: Work,
    /// [`Kernel::size`](crate::job::Kernel::size) of all.
    pub size: f64,
    /// Its equivalence class.
    pub class: Class,
    /// What tells its code on the host from others of the same name.
    pub hash: u64,
    /// Whether it adds to sums that all items share.
    pub shares_sums: bool,
    /// Whether it is one solve that is not cut.
    pub whole: bool,
    /// What its WGSL form asks of a device, or why there is none.
    pub device: Result<DeviceDemand, String>,
}

/// What the WGSL form of a kernel asks of a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceDemand {
    /// Hash of its text.
    pub hash: u64,
    /// Names of the capabilities that the adapter's self-test must have passed.
    pub needs: Vec<&'static str>,
    /// Bytes that are uploaded whole.
    pub resident: u64,
    /// The largest of those buffers.
    pub largest: u64,
    /// Bytes that are uploaded and fetched for each item.
    pub per_item: f64,
    /// Whether there is a second form for devices where the whole inputs do not fit.
    pub streams: bool,
}

impl Demand {
    /// Of `steps`, which a job built for `workload`. `device`: whether to look at their WGSL forms.
    #[must_use]
    pub fn of(
        workload: &str,
        (items, item): (u64, &'static str),
        steps: &[Step<'_>],
        stays_on_cpu: Option<&'static str>,
        device: bool,
    ) -> Self {
        let demand = |step: &Step<'_>| {
            let kernel = step.kernel();
            let form = match device {
                true => kernel.gpu().map(|slot| DeviceDemand {
                    hash: kernel_hash(kernel, true),
                    streams: kernel.gpu_streamed().is_some(),
                    ..DeviceDemand::of(&slot, &kernel.columns())
                }),
                false => Err("not looked at".into()),
            };
            StepDemand {
                kernel: kernel.name(),
                precision: kernel.precision(),
                items: kernel.items() as f64,
                work: kernel.work(),
                size: kernel.size(),
                class: kernel.class(),
                hash: kernel_hash(kernel, false),
                shares_sums: kernel.fold_words() > 0,
                whole: matches!(step, Step::Whole(_)),
                device: form,
            }
        };
        Self {
            workload: workload.into(),
            items,
            item,
            steps: steps.iter().map(demand).collect(),
            answer: answer_name(workload, steps),
            stays_on_cpu,
        }
    }

    /// The same kind of job with `factor` times the items.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let mut scaled = self.clone();
        scaled.items = (self.items as f64 * factor) as u64;
        for step in &mut scaled.steps {
            step.items *= factor;
            step.size *= factor;
        }
        scaled
    }

    /// Whether it only waits: no step computes or moves memory, so no backend shortens it and nothing predicts its time.
    #[must_use]
    pub fn waits(&self) -> bool {
        let idle = |s: &StepDemand| s.work.flops == 0.0 && s.work.bytes_read + s.work.bytes_written == 0.0;
        !self.steps.is_empty() && self.steps.iter().all(idle)
    }

    /// The size of all steps.
    #[must_use]
    pub fn size(&self) -> f64 {
        self.steps.iter().map(|step| step.size).sum()
    }
}

impl DeviceDemand {
    fn of(slot: &GpuSlot<'_>, columns: &[crate::job::ColumnSpec]) -> Self {
        let resident = slot.resident.iter().map(crate::job::Resident::n_bytes);
        let streamed: usize = slot.streamed.iter().map(|input| input.bytes_per_item).sum();
        let written: usize = columns.iter().map(|column| column.per_item * column.scalar.size()).sum();
        Self {
            hash: 0,
            needs: slot.needs.iter().map(|need| need.name()).collect(),
            resident: resident.clone().sum(),
            largest: resident.max().unwrap_or(0),
            per_item: (streamed + written) as f64,
            streams: false,
        }
    }
}
