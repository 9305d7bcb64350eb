//! The rounding bound: it holds, it catches a wrong bit, it is not loose.

use super::*;
use crate::numeric::elements::VARIANTS;

const PRECISIONS: [Precision; 3] = [Precision::F64, Precision::Mixed, Precision::F32];

/// Largest (deviation / bound) and largest (bound of a component / largest stress) over all values.
fn compare(name: &str, job: &SolidJob, precision: Precision, code: Code) -> (f64, f64) {
    let reference = run(job, Precision::F64, Code::Seq);
    let outputs = run(job, precision, code);
    let kernels = SolidKernel::for_model(&job.model, precision).unwrap();
    let (mut used, mut loose) = (0.0_f64, 0.0_f64);
    for ((kernel, want), got) in kernels.iter().zip(&reference).zip(&outputs) {
        let mut bound = vec![0.0; 7 * kernel.block.tables.ips];
        let top = (0..want.items() as usize * kernel.block.tables.ips)
            .flat_map(|i| (0..6).map(move |c| (c, i)))
            .fold(0.0_f64, |m, (c, i)| m.max(want.value(c, i).abs()));
        for item in 0..kernel.items() {
            kernel.bound(item, &mut bound);
            for (v, (want, got)) in want.item_values(item).iter().zip(got.item_values(item)).enumerate() {
                let deviation = (want - got).abs();
                assert!(
                    deviation <= bound[v],
                    "{name} {precision:?} {code:?} item {item} value {v}: {got} for {want}, bound {}",
                    bound[v]
                );
                if bound[v] > 0.0 {
                    used = used.max(deviation / bound[v]);
                }
                loose = loose.max(bound[v] / top);
            }
        }
    }
    (used, loose)
}

#[test]
fn it_holds_on_every_mesh_and_is_not_loose() {
    for case in CASES.into_iter().chain(["truss25_t3d2"]) {
        let job = job(case);
        for precision in PRECISIONS {
            let limit = match precision {
                Precision::F64 => 1e-12,
                Precision::Mixed => 1e-4,
                _ => f64::INFINITY,
            };
            for simd in Simd::available() {
                let (used, loose) = compare(case, &job, precision, Code::Cpu(simd));
                println!("{case} {} {}: {used:.2e} of the bound, which is {loose:.1e}", precision.name(), simd.name());
                assert!(loose <= limit, "{case} {precision:?}: the bound is {loose:e} of the largest stress");
            }
        }
    }
}

#[test]
fn it_holds_for_every_element_with_anisotropy_and_temperature() {
    for (kind, integration, name) in VARIANTS {
        let job = anisotropic_and_heated(kind, integration, 131);
        for precision in PRECISIONS {
            for code in Simd::available().into_iter().map(Code::Cpu).chain([Code::Seq]) {
                let (used, loose) = compare(name, &job, precision, code);
                println!("{name} {} {code:?}: {used:.2e} of the bound, which is {loose:.1e}", precision.name());
            }
        }
    }
}

#[test]
fn a_flipped_bit_above_the_bound_is_caught() {
    for (kind, integration, name) in VARIANTS {
        let job = generated(kind, integration, 20);
        for precision in PRECISIONS {
            let outputs = run(&job, precision, Code::Cpu(Simd::detect()));
            let kernels = SolidKernel::for_model(&job.model, precision).unwrap();
            let kernel = &kernels[0];
            let mut bound = vec![0.0; 7 * kernel.block.tables.ips];
            for item in [0, 7, 19] {
                kernel.bound(item, &mut bound);
                for (v, value) in outputs[0].item_values(item).into_iter().enumerate() {
                    // Every mantissa bit that moves the value by more than twice the bound: it is off whatever the
                    // rounding was before.
                    let bits = if precision == Precision::F64 { 52 } else { 23 };
                    for bit in 0..bits {
                        let flipped = if precision == Precision::F64 {
                            f64::from_bits(value.to_bits() ^ (1 << bit))
                        } else {
                            f64::from(f32::from_bits((value as f32).to_bits() ^ (1 << bit)))
                        };
                        if (flipped - value).abs() > 2.0 * bound[v] {
                            let reference = run_one(kernel, item, v);
                            assert!((flipped - reference).abs() > bound[v], "{name} {precision:?} bit {bit}");
                        }
                    }
                    // The leading mantissa bits of a value that matters are among them.
                    let top = outputs[0].item_values(item).into_iter().fold(0.0_f64, |m, x| m.max(x.abs()));
                    if value.abs() > 0.1 * top {
                        assert!(value.abs() / 8.0 > 2.0 * bound[v], "{name} {precision:?}: the bound hides everything");
                    }
                }
            }
        }
    }
}

/// The reference's value `v` (columns one after the other) of `item`.
fn run_one(kernel: &SolidKernel<'_>, item: u64, v: usize) -> f64 {
    let ips = kernel.block.tables.ips;
    let mut stress = [[0.0; 6]; 27];
    kernel.reference(item as usize, &mut stress);
    let (column, ip) = (v / ips, v % ips);
    if column < 6 { stress[ip][column] } else { crate::numeric::tensor::mises(&stress[ip]) }
}
