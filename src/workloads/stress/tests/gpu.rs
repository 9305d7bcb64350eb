//! The shaders: within the same rounding bound as the CPU code on every element, and CalculiX's numbers on its decks.

use super::*;
use crate::backend::Backend;
use crate::backend::gpu::Gpu;
use crate::exec::{Control, run_step};
use crate::gpu::testing::{adapter_or_skip, options};
use crate::job::GpuSlot;
use crate::numeric::elements::VARIANTS;

/// A kernel that starts with the form of this name: node rows on the device, or differences gathered by the host.
struct Form<'a>(&'a SolidKernel<'a>, &'static str);

const FORMS: [&str; 2] = ["resident", "gathered"];

impl Kernel for Form<'_> {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn item(&self) -> &'static str {
        self.0.item()
    }
    fn items(&self) -> u64 {
        self.0.items()
    }
    fn precision(&self) -> Precision {
        self.0.precision()
    }
    fn grain(&self) -> u64 {
        self.0.grain()
    }
    fn work(&self) -> crate::job::Work {
        self.0.work()
    }
    fn class(&self) -> crate::job::Class {
        self.0.class()
    }
    fn columns(&self) -> Vec<crate::job::ColumnSpec> {
        self.0.columns()
    }
    fn seq(&self, out: &mut crate::job::ChunkOut<'_>) {
        self.0.seq(out);
    }
    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        match self.1 {
            "resident" => self.0.gpu(),
            _ => self.0.gpu_streamed().ok_or_else(|| "no streamed form".into()),
        }
    }
    fn gpu_streamed(&self) -> Option<GpuSlot<'_>> {
        self.0.gpu_streamed()
    }
}

/// What the device computes, or why it does not.
fn compute(gpu: &mut Gpu, kernel: &dyn Kernel) -> crate::error::Result<Output> {
    let mut output = Output::for_kernel(kernel)?;
    let rule = gpu.chunks(kernel)?;
    run_step(kernel, rule, gpu, &mut output, &Control::default())?;
    Ok(output)
}

/// Compares both forms of every kernel of `job` with the reference, value by value; returns how many were compared.
fn compare(gpu: &mut Gpu, name: &str, job: &SolidJob) -> usize {
    let reference = run(job, Precision::F64, Code::Seq);
    let mut compared = 0;
    for precision in [Precision::F64, Precision::Mixed, Precision::F32] {
        for (kernel, want) in SolidKernel::for_model(&job.model, precision).unwrap().iter().zip(&reference) {
            for form in FORMS {
                let got = match compute(gpu, &Form(kernel, form)) {
                    Ok(got) => got,
                    Err(refused) => {
                        // The CPU's own element, and adapters without f64.
                        assert_eq!(refused.exit_code(), 5, "{name}: {refused}");
                        let expected = kernel.name() == "hex8_incompatible" || precision == Precision::F64;
                        assert!(expected, "{name}: {refused}");
                        continue;
                    }
                };
                let mut bound = vec![0.0; 7 * kernel.block.tables.ips];
                let mut used = 0.0_f64;
                for item in 0..kernel.items() {
                    kernel.bound(item, &mut bound);
                    for (v, (want, got)) in want.item_values(item).iter().zip(got.item_values(item)).enumerate() {
                        let deviation = (want - got).abs();
                        assert!(
                            deviation <= bound[v],
                            "{name} {precision:?} {form} item {item} value {v}: {got} for {want}, bound {}",
                            bound[v]
                        );
                        used = used.max(if bound[v] > 0.0 { deviation / bound[v] } else { 0.0 });
                    }
                }
                println!("{name} {} {form}: {used:.2e} of the bound", precision.name());
                compared += 1;
            }
        }
    }
    compared
}

#[test]
fn shaders_stay_in_the_bound_for_every_element_with_anisotropy_and_temperature() {
    let Some(adapter) = adapter_or_skip() else { return };
    let mut gpu = Gpu::open(&options(), None).unwrap();
    for (kind, integration, name) in VARIANTS {
        let compared = compare(&mut gpu, name, &anisotropic_and_heated(kind, integration, 131));
        let precisions = if adapter.features.contains(&"f64") { 3 } else { 2 };
        let forms = if integration == Integration::Incompatible { 0 } else { 2 * precisions };
        assert_eq!(compared, forms, "{name}");
    }
}

/// Elements go by fours and by sixteens on the device, chunks by what a cache holds: neither divides the model.
#[test]
fn the_last_elements_of_the_last_chunk_are_right_too() {
    let Some(adapter) = adapter_or_skip() else { return };
    let job = generated(CellKind::Tet4, Integration::Full, 70_003);
    let precisions: &[Precision] = match adapter.features.contains(&"f64") {
        true => &[Precision::F64, Precision::Mixed, Precision::F32],
        false => &[Precision::Mixed, Precision::F32],
    };
    let reference = run(&job, Precision::F64, Code::Seq);
    let mut gpu = Gpu::open(&options(), None).unwrap();
    for &precision in precisions {
        // The kernel as a run has it: on a software adapter in several chunks, filled and emptied by all threads.
        let kernel = &SolidKernel::for_model(&job.model, precision).unwrap()[0];
        let mut output = Output::for_kernel(kernel).unwrap();
        let rule = gpu.chunks(kernel).unwrap();
        let trace = run_step(kernel, rule, &mut gpu, &mut output, &Control::default()).unwrap();
        let streams = adapter.software && precision == Precision::Mixed;
        assert!(!streams || trace.chunks > 1, "{precision:?}: {} chunks", trace.chunks);
        let mut bound = vec![0.0; 7];
        for item in (0..kernel.items()).step_by(211).chain(kernel.items() - 67..kernel.items()) {
            kernel.bound(item, &mut bound);
            let values = reference[0].item_values(item).into_iter().zip(output.item_values(item));
            for (v, (want, got)) in values.enumerate() {
                let deviation = (want - got).abs();
                assert!(
                    deviation <= bound[v],
                    "{precision:?} item {item} value {v}: {got} for {want}, bound {}",
                    bound[v]
                );
            }
        }
    }
}

#[test]
fn shaders_agree_with_calculix() {
    let Some(adapter) = adapter_or_skip() else { return };
    let mut gpu = Gpu::open(&options(), None).unwrap();
    for case in CASES.into_iter().chain(["truss25_t3d2"]) {
        let job = job(case);
        assert!(compare(&mut gpu, case, &job) > 0);
        if case == "truss25_t3d2" {
            continue;
        }
        let (header, rows) = table(&format!("{case}/expected_ip.csv.gz"));
        let first = header.iter().position(|name| name == "sxx").unwrap();
        let max = rows.iter().flat_map(|row| &row[first..first + 6]).fold(0.0_f64, |m, s| m.max(s.abs()));
        let precisions: &[Precision] =
            if adapter.features.contains(&"f64") { &[Precision::Mixed, Precision::F64] } else { &[Precision::Mixed] };
        for &precision in precisions {
            let kernels = SolidKernel::for_model(&job.model, precision).unwrap();
            let outputs: Vec<Output> = kernels.iter().map(|kernel| compute(&mut gpu, kernel).unwrap()).collect();
            let ours = calculix::by_label(&job, &outputs);
            for row in &rows {
                let got = ours[&(row[0] as u64, row[1] as u64)];
                for c in 0..7 {
                    let error = (got[c] - row[first + c]).abs() / max;
                    assert!(
                        error <= 2e-6,
                        "{case} {precision:?} element {} ip {} column {c}: {error:e}",
                        row[0],
                        row[1]
                    );
                }
            }
        }
    }
}

#[test]
fn node_rows_that_do_not_fit_are_gathered_by_the_host() {
    let Some(_) = adapter_or_skip() else { return };
    let limited = |bytes| {
        let options = crate::config::BackendOptions { max_device_memory: bytes, ..options() };
        Gpu::open(&options, None).unwrap()
    };
    let job = generated(CellKind::Tet4, Integration::Full, 20_000);
    let kernels = SolidKernel::for_model(&job.model, Precision::Mixed).unwrap();
    let rows = 64 * job.model.nodes.len() as u64;
    let mut whole = limited(0);
    let want = compute(&mut whole, &Form(&kernels[0], "resident")).unwrap();
    // Half of what the rows alone take.
    let mut small = limited(rows / 2);
    let got = compute(&mut small, &Form(&kernels[0], "resident")).unwrap();
    let mut bound = vec![0.0; 7];
    for item in 0..kernels[0].items() {
        kernels[0].bound(item, &mut bound);
        for (v, (want, got)) in want.item_values(item).iter().zip(got.item_values(item)).enumerate() {
            assert!((want - got).abs() <= 2.0 * bound[v], "item {item} value {v}");
        }
    }
}
