//! Results as a `.vtu` file, straight from the columns of the outputs: no array of them is made in between.

use std::ops::Range;
use std::path::Path;

use super::model::Model;
use super::nodal;
use super::options::At;
use super::solid::SolidJob;
use crate::error::Result;
use crate::formats::mesh::{CellBlock, CellKind, Mesh};
use crate::formats::vtu::{OutField, OutValues, write_vtu};
use crate::job::{Output, Scalar};
use crate::numeric::principal::{LANES, Lanes, principal_lanes};
use crate::numeric::tensor::{Tensor, mises};
use crate::simd::Simd;

/// VTK's order of a symmetric tensor: xx, yy, zz, xy, yz, xz.
const VTK_ORDER: [usize; 6] = [0, 1, 2, 3, 5, 4];
const VTK_NAMES: [&str; 6] = ["XX", "YY", "ZZ", "XY", "YZ", "XZ"];
const PRINCIPAL: [&str; 3] = ["s1", "s2", "s3"];

/// Point data: displacement, and the nodal stresses for `--at node`. Cell data: means over the element; for `--at ip` also
/// one set of arrays for each integration point (`stress_ip1` ...), NaN where a cell has fewer.
pub(super) fn save(job: &SolidJob, outputs: &[Output], path: &Path) -> Result<()> {
    let model = &job.model;
    let order = model.file_order()?;
    let most = model.blocks.iter().map(|block| block.tables.ips).max().unwrap_or(0);
    let ips = if job.at == At::Ip { 0..most } else { 0..0 };
    let of_cells = |ip| Tensors::Cells(Cells { model, outputs, order: &order, ip });
    let cells: Vec<Set<'_>> = std::iter::once(Set::new(String::new(), of_cells(None)))
        .chain(ips.map(|ip| Set::new(format!("_ip{}", ip + 1), of_cells(Some(ip)))))
        .collect();
    let nodal = if job.at == At::Node { nodal::at_nodes(model, outputs) } else { Vec::new() };
    let points: Vec<Set<'_>> =
        (job.at == At::Node).then(|| Set::new(String::new(), Tensors::List(&nodal))).into_iter().collect();

    let displacement = |points: Range<usize>, into: &mut [f64]| {
        for (point, to) in points.zip(into.as_chunks_mut::<3>().0) {
            *to = model.displacement(point);
        }
    };
    let (point_makers, cell_makers): (Vec<_>, Vec<_>) =
        (points.iter().map(Set::makers).collect(), cells.iter().map(Set::makers).collect());
    let mut point_fields = vec![OutField {
        name: "displacement",
        components: 3,
        component_names: &[],
        values: OutValues::Made(&displacement),
    }];
    point_fields.extend(points.iter().zip(&point_makers).flat_map(|(set, makers)| set.fields(makers)));
    let cell_fields: Vec<_> = cells.iter().zip(&cell_makers).flat_map(|(set, makers)| set.fields(makers)).collect();
    write_vtu(path, &mesh_of(model, &order), &point_fields, &cell_fields)
}

/// Where the tensors of points or cells are.
enum Tensors<'j> {
    Cells(Cells<'j>),
    List(&'j [Tensor]),
}

/// The stresses of cells at one integration point, or their means over all.
struct Cells<'j> {
    model: &'j Model,
    outputs: &'j [Output],
    /// Block and element of each cell.
    order: &'j [(u32, u32)],
    ip: Option<usize>,
}

impl Tensors<'_> {
    /// Puts the tensors of `range`, at most [`LANES`], into the first lanes.
    fn load(&self, range: Range<usize>, into: &mut Lanes) {
        match self {
            Self::Cells(cells) => cells.load(range, into),
            Self::List(tensors) => {
                for (lane, tensor) in tensors[range].iter().enumerate() {
                    (0..6).for_each(|c| into[c][lane] = tensor[c]);
                }
            }
        }
    }
}

impl Cells<'_> {
    fn load(&self, range: Range<usize>, into: &mut Lanes) {
        let mut lane = 0;
        for run in self.order[range].chunk_by(|a, b| a.0 == b.0 && a.1 + 1 == b.1) {
            let (block, first) = (run[0].0 as usize, run[0].1 as usize);
            let (output, ips) = (&self.outputs[block], self.model.blocks[block].tables.ips);
            for (c, into) in into.iter_mut().enumerate() {
                let to = &mut into[lane..lane + run.len()];
                match output.specs().nth(c).map(|spec| spec.scalar) {
                    Some(Scalar::F32) => pick(output.column::<f32>(c), ips, first, self.ip, to),
                    _ => pick(output.column::<f64>(c), ips, first, self.ip, to),
                }
            }
            lane += run.len();
        }
    }
}

/// One component of the elements from `first` on, each with `ips` values in `column`: at `ip`, NaN where there is none, or
/// the mean.
fn pick<T: Copy + Into<f64>>(column: &[T], ips: usize, first: usize, ip: Option<usize>, to: &mut [f64]) {
    match ip {
        Some(ip) if ip >= ips => to.fill(f64::NAN),
        Some(ip) => {
            for (to, values) in to.iter_mut().zip(column[first * ips..].chunks_exact(ips)) {
                *to = values[ip].into();
            }
        }
        None => {
            for (to, values) in to.iter_mut().zip(column[first * ips..].chunks_exact(ips)) {
                *to = values.iter().fold(0.0, |sum, value| sum + (*value).into()) / ips as f64;
            }
        }
    }
}

/// Stress, von Mises and principal stresses of points or cells, under names with one ending.
struct Set<'j> {
    names: [String; 3],
    tensors: Tensors<'j>,
}

/// Fills the values of a range of points or cells.
type Maker<'s> = Box<dyn Fn(Range<usize>, &mut [f64]) + 's>;

impl<'j> Set<'j> {
    fn new(suffix: String, tensors: Tensors<'j>) -> Self {
        Self { names: ["stress", "mises", "principal"].map(|name| format!("{name}{suffix}")), tensors }
    }

    /// What makes the three arrays.
    fn makers(&self) -> [Maker<'_>; 3] {
        let simd = Simd::detect();
        [
            self.maker::<6>(|lanes, into| {
                for (lane, to) in into.iter_mut().enumerate() {
                    *to = VTK_ORDER.map(|c| lanes[c][lane]);
                }
            }),
            self.maker::<1>(|lanes, into| {
                for (lane, to) in into.iter_mut().enumerate() {
                    *to = [mises(&std::array::from_fn(|c| lanes[c][lane]))];
                }
            }),
            self.maker::<3>(move |lanes, into| {
                let [a, b, c] = principal_lanes(simd, lanes);
                for (lane, to) in into.iter_mut().enumerate() {
                    *to = [a[lane], b[lane], c[lane]];
                }
            }),
        ]
    }

    /// Fills an array of `N` numbers for each tensor, as many tensors at a time as stand side by side.
    fn maker<const N: usize>(&self, fill: impl Fn(&Lanes, &mut [[f64; N]]) + 'static) -> Maker<'_> {
        Box::new(move |range, into| {
            let mut lanes = [[0.0; LANES]; 6];
            let parts = into.as_chunks_mut::<N>().0.chunks_mut(LANES);
            for (start, part) in range.step_by(LANES).zip(parts) {
                self.tensors.load(start..start + part.len(), &mut lanes);
                fill(&lanes, part);
            }
        })
    }

    fn fields<'a>(&'a self, makers: &'a [Maker<'a>; 3]) -> [OutField<'a>; 3] {
        let shapes: [(usize, &'static [&'static str]); 3] = [(6, &VTK_NAMES), (1, &[]), (3, &PRINCIPAL)];
        std::array::from_fn(|i| {
            let (components, component_names) = shapes[i];
            OutField { name: &self.names[i], components, component_names, values: OutValues::Made(&makers[i]) }
        })
    }
}

/// The model's mesh as the writer wants it: one block per cell kind, cells in file order.
fn mesh_of(model: &Model, order: &[(u32, u32)]) -> Mesh {
    let mut blocks: Vec<CellBlock> = Vec::new();
    for kind in CellKind::ALL {
        let parts: Vec<_> = model.blocks.iter().filter(|block| block.tables.kind == kind).collect();
        if let [only] = parts[..] {
            blocks.push(CellBlock { kind, connectivity: only.connectivity.clone(), cells: only.cells.clone() });
        } else if !parts.is_empty() {
            let mut merged = CellBlock { kind, connectivity: Vec::new(), cells: Vec::new() };
            for (b, e) in order {
                let block = &model.blocks[*b as usize];
                if block.tables.kind == kind {
                    merged.connectivity.extend_from_slice(block.nodes_of(*e as usize));
                    merged.cells.push(block.cells[*e as usize]);
                }
            }
            blocks.push(merged);
        }
    }
    Mesh {
        source: model.source.clone(),
        points: (0..model.nodes.len()).map(|point| model.position(point)).collect(),
        blocks,
        n_cells: model.n_cells,
        point_ids: model.point_ids.clone(),
        cell_ids: model.cell_ids.clone(),
        ..Mesh::default()
    }
}
