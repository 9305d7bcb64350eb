//! Tests of the solid model, by what they compare with.

#![expect(clippy::needless_range_loop, reason = "indices are those of the formulas")]

mod assignment;
mod bounds;
mod calculix;
mod closed_forms;
mod files;
#[cfg(feature = "gpu")]
mod gpu;

use std::path::PathBuf;

use super::generate::box_mesh;
use super::kernel::SolidKernel;
use super::options::SolidOptions;
use super::solid::{SolidJob, prepare};
use crate::formats::mesh::{CellBlock, CellKind, Elastic, Field, Material, Mesh};
use crate::job::{Chunk, Job, Kernel, Output, Precision};
use crate::numeric::elements::Integration;
use crate::simd::Simd;

/// The cases that CalculiX computed, trusses not among them.
const CASES: [&str; 6] =
    ["bracket_c3d4", "cantilever_c3d8", "le10_c3d20r", "pipe_c3d8r", "plate_hole_c3d10", "wedge_c3d6"];

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/stress").join(name)
}

fn mesh(case: &str) -> Mesh {
    crate::formats::read_mesh(&data(&format!("{case}/{case}.vtu.gz"))).unwrap()
}

fn job(case: &str) -> SolidJob {
    prepare(mesh(case), &SolidOptions::default()).unwrap()
}

/// Steel without a file.
fn steel() -> SolidOptions {
    SolidOptions { young: Some(2.1e11), poisson: Some(0.3), ..SolidOptions::default() }
}

fn generated(kind: CellKind, integration: Integration, cells: u64) -> SolidJob {
    let options = SolidOptions { integration: Some(integration), ..steel() };
    prepare(box_mesh(kind, cells, 11).unwrap(), &options).unwrap()
}

/// Everything at once: `cells` elements of two materials, one of them anisotropic, under a temperature field.
fn anisotropic_and_heated(kind: CellKind, integration: Integration, cells: u64) -> SolidJob {
    let ply = Material {
        name: "PLY".into(),
        elastic: Elastic::Orthotropic {
            young: [1.4e11, 1e10, 8e9],
            poisson: [0.3, 0.25, 0.4],
            shear: [5e9, 4e9, 3.5e9],
        },
        alpha: [-1e-6, 3e-5, 2.5e-5],
        reference_temperature: 293.0,
    };
    let mut mesh = box_mesh(kind, cells, 5).unwrap();
    let temperature = mesh.points.iter().map(|x| 300.0 + 900.0 * x[0] + 400.0 * x[1] * x[2]).collect();
    mesh.point_fields.push(field("temperature", 1, temperature));
    mesh.cell_fields.push(field("material_id", 1, (0..cells).map(|cell| f64::from(cell % 3 == 1)).collect()));
    let options = SolidOptions {
        materials: Some(vec![ply, isotropic(2e11, 0.3)]),
        integration: Some(integration),
        ..SolidOptions::default()
    };
    prepare(mesh, &options).unwrap()
}

/// Which code computes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Code {
    Seq,
    Cpu(Simd),
}

/// All steps of a job, in two chunks each, so that offsets matter.
fn run(job: &SolidJob, precision: Precision, code: Code) -> Vec<Output> {
    let kernels = SolidKernel::for_model(&job.model, precision).unwrap();
    let one = |kernel: &SolidKernel<'_>| {
        let mut output = Output::for_kernel(kernel).unwrap();
        let writer = output.writer();
        let middle = (kernel.items() / 2).next_multiple_of(kernel.grain()).min(kernel.items());
        for chunk in [Chunk::new(0, middle), Chunk::new(middle, kernel.items())] {
            // SAFETY: the chunks do not overlap and are used one after the other.
            let mut out = unsafe { writer.chunk(chunk) };
            match code {
                Code::Seq => kernel.seq(&mut out),
                Code::Cpu(simd) => kernel.cpu(simd, &mut out),
            }
        }
        drop(writer);
        output
    };
    kernels.iter().map(one).collect()
}

/// The columns of a gzipped table as text.
fn table(name: &str) -> (Vec<String>, Vec<Vec<f64>>) {
    let source = crate::formats::source::Source::open(&data(name)).unwrap();
    let text = String::from_utf8(source.bytes().to_vec()).unwrap();
    let mut lines = text.lines();
    let header = lines.next().unwrap().split(',').map(str::to_string).collect();
    (header, lines.map(|line| line.split(',').map(|x| x.parse().unwrap()).collect()).collect())
}

/// A mesh of one cell.
fn single(kind: CellKind, points: Vec<[f64; 3]>, u: impl Fn([f64; 3]) -> [f64; 3]) -> Mesh {
    let values = points.iter().flat_map(|x| u(*x)).collect();
    let n = points.len() as u32;
    Mesh {
        source: "one.vtu".into(),
        points,
        blocks: vec![CellBlock { kind, connectivity: (0..n).collect(), cells: vec![0] }],
        n_cells: 1,
        point_fields: vec![Field { name: "displacement".into(), components: 3, values }],
        ..Mesh::default()
    }
}

fn field(name: &str, components: usize, values: Vec<f64>) -> Field {
    Field { name: name.into(), components, values }
}

fn isotropic(young: f64, poisson: f64) -> Material {
    let elastic = Elastic::Isotropic { young, poisson };
    Material { name: "M".into(), elastic, alpha: [0.0; 3], reference_temperature: 0.0 }
}
