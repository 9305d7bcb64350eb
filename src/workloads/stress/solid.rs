//! The solid model as a job: prepare a mesh, run one kernel per element variant, answer, check, save.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::check::{self, ParentSample};
use super::kernel::SolidKernel;
use super::model::{Model, NodeRow, power_of_two_scale};
use super::options::{At, SolidOptions};
use super::{assign, fields, orientation, refine, save};
use crate::error::{Error, Result};
use crate::formats::mesh::{CellKind, Field, Mesh};
use crate::job::{Answer, Check, Input, Job, Output, Precision, Scalar, Step};
use crate::memory::Buffer;

/// Stresses of a mesh under a displacement field.
#[derive(Debug)]
pub struct SolidJob {
    /// The model.
    pub model: Model,
    /// Where results are saved.
    pub at: At,
    /// Whether `.csv` and `.npy` get the principal stresses.
    pub principal: bool,
    parents: Vec<ParentSample>,
    warnings: Vec<String>,
}

/// Makes a job of a mesh.
///
/// # Errors
/// [`Error::Input`] when the displacement field is missing (with those that are there), [`Error::Usage`] for options that
/// do not fit, [`Error::Model`] for missing or impossible materials and elements without volume, [`Error::Resource`] when
/// it does not fit in memory.
pub fn prepare(mut mesh: Mesh, options: &SolidOptions) -> Result<SolidJob> {
    let source = mesh.source.clone();
    check_indices(&mesh)?;
    let mut warnings = std::mem::take(&mut mesh.warnings);
    let displacement = fields::displacement(&mesh, options.field.as_deref(), &warnings)?;
    let (materials, ignored) = assign::materials(&mesh, options)?;
    warnings.extend(ignored);
    let expands = materials.distinct.iter().any(|material| material.expands());
    let temperature = fields::temperature(&mesh, options.temperature.as_deref(), expands)?;
    let thermal = expands && temperature.is_some();
    if expands && temperature.is_none() {
        warnings.push(format!(
            "{}: a material expands with temperature, but the mesh has no temperature field: no thermal strain",
            source.display()
        ));
    }
    let cells: Vec<(CellKind, &[u32])> = mesh.blocks.iter().map(|b| (b.kind, &b.connectivity[..])).collect();
    let scale = power_of_two_scale(&mesh.points, &cells);
    let nodes = node_rows(&mesh, displacement, temperature.filter(|_| thermal), scale)?;
    let (blocks, more) = assign::blocks(&mut mesh, materials.ids, options)?;
    warnings.extend(more);
    let mut model = Model {
        source,
        scale,
        centre: [0.0; 6],
        nodes,
        blocks,
        materials: materials.distinct,
        thermal,
        n_cells: mesh.n_cells,
        point_ids: mesh.point_ids.take(),
        cell_ids: mesh.cell_ids.take(),
    };
    drop(mesh);
    warnings.extend(orientation::check(&model)?);
    let mut parents = Vec::new();
    if options.refine > 0 {
        parents = check::sample_parents(&model, options.refine);
        refine::refine(&mut model, options.refine)?;
        // A child of a good hexahedron can still be bad; a tetrahedron's cannot.
        if model.blocks.iter().any(|block| block.tables.kind == CellKind::Hex8) {
            orientation::check(&model)?;
        }
    }
    model.centre = middle(&model.nodes);
    Ok(SolidJob { model, at: options.at, principal: options.principal, parents, warnings })
}

/// Readers guarantee indices in range; a mesh made elsewhere is checked here, once.
fn check_indices(mesh: &Mesh) -> Result<()> {
    let wrong = |why: String| Err(Error::input(&mesh.source, why));
    if mesh.blocks.is_empty() {
        return wrong("has no cell with a stress model (tet4, tet10, hex8, hex20, wedge6, wedge15, truss2)".into());
    }
    for block in &mesh.blocks {
        if block.connectivity.len() != block.cells.len() * block.kind.nodes() {
            return wrong(format!("{}: the connectivity does not fit the number of cells", block.kind.name()));
        }
        if let Some(bad) = block.connectivity.iter().position(|node| *node as usize >= mesh.points.len()) {
            let label = mesh.cell_label(block.cells[bad / block.kind.nodes()] as usize);
            let (node, points) = (block.connectivity[bad], mesh.points.len());
            return wrong(format!("element {label} refers to point {node} of {points}"));
        }
    }
    Ok(())
}

fn node_rows(mesh: &Mesh, displacement: &Field, temperature: Option<&Field>, scale: f64) -> Result<Buffer<NodeRow>> {
    let mut rows = Buffer::zeroed(mesh.points.len(), "node data")?;
    for (i, (row, point)) in rows.iter_mut().zip(&mesh.points).enumerate() {
        let u = &displacement.values[3 * i..3 * i + 3];
        let t = temperature.map_or(0.0, |field| field.values[i]);
        *row = [point[0] * scale, point[1] * scale, point[2] * scale, u[0] * scale, u[1] * scale, u[2] * scale, t, 0.0];
    }
    Ok(rows)
}

/// The middle of the bounding box of coordinates and displacements.
fn middle(rows: &[NodeRow]) -> [f64; 6] {
    let Some(first) = rows.first() else { return [0.0; 6] };
    let (mut low, mut high) = (*first, *first);
    for row in rows {
        for i in 0..6 {
            low[i] = low[i].min(row[i]);
            high[i] = high[i].max(row[i]);
        }
    }
    std::array::from_fn(|i| 0.5 * (low[i] + high[i]))
}

const PRECISIONS: [Precision; 3] = [Precision::F64, Precision::Mixed, Precision::F32];

impl Job for SolidJob {
    fn input(&self) -> Input {
        Input { items: self.model.elements(), item: "element", source: self.model.source.display().to_string() }
    }

    fn precisions(&self) -> &[Precision] {
        &PRECISIONS
    }

    fn gpu_precision(&self) -> Precision {
        Precision::Mixed
    }

    fn steps(&self, precision: Precision) -> Result<Vec<Step<'_>>> {
        if !PRECISIONS.contains(&precision) {
            return Err(Error::Usage(format!(
                "stress has no precision {}; there are f64, mixed, f32",
                precision.name()
            )));
        }
        let kernels = SolidKernel::for_model(&self.model, precision)?;
        Ok(kernels.into_iter().map(|kernel| Step::Kernel(Box::new(kernel))).collect())
    }

    fn finish(&self, outputs: &[Output]) -> Result<Answer> {
        let mut best: Option<(f64, u64, usize)> = None;
        let mut points = 0_u64;
        for (block, output) in self.model.blocks.iter().zip(outputs) {
            let ips = block.tables.ips;
            points += (block.len() * ips) as u64;
            let Some(peak) = peak(output) else { continue };
            let (element, ip) = (peak / ips, peak % ips);
            let label = self.model.cell_label(block.cells[element]);
            let value = output.value(6, peak);
            if !value.is_finite() {
                return Err(Error::Model(format!(
                    "{}: the stress of element {label} at integration point {} is {value}; its displacements or material \
                     overflow, or it is degenerate",
                    self.model.source.display(),
                    ip + 1
                )));
            }
            if best.is_none_or(|(most, ..)| value > most) {
                best = Some((value, label, ip + 1));
            }
        }
        Ok(self.answer(points, best))
    }

    fn check(&self, outputs: &[Output], _answer: &Answer) -> Result<Check> {
        Ok(check::check(&self.model, &self.parents, outputs))
    }

    fn save(&self, outputs: &[Output], path: &Path) -> Result<()> {
        save::save(self, outputs, path)
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

impl SolidJob {
    fn answer(&self, points: u64, best: Option<(f64, u64, usize)>) -> Answer {
        let elements = self.model.elements();
        let most =
            best.map_or(json!(null), |(value, element, ip)| json!({"value": value, "element": element, "ip": ip}));
        let object = json!({
            "model": "solid",
            "elements": elements,
            "points": self.model.nodes.len(),
            "integration_points": points,
            "max_von_mises": most,
        });
        let serde_json::Value::Object(json) = object else { unreachable!("json! of braces is an object") };
        let mut lines = vec![
            ("elements".into(), crate::units::grouped(elements)),
            ("points".into(), crate::units::grouped(self.model.nodes.len() as u64)),
            ("integration points".into(), crate::units::grouped(points)),
        ];
        if let Some((value, element, ip)) = best {
            lines.push(("largest von Mises stress".into(), format!("{value:.6e} at element {element}, point {ip}")));
        }
        Answer { json, lines }
    }

    /// The file that results belong to, for messages.
    #[must_use]
    pub fn source(&self) -> &PathBuf {
        &self.model.source
    }
}

/// Position of the largest von Mises stress; of the first NaN or infinity if there is one; `None` without values.
fn peak(output: &Output) -> Option<usize> {
    match output.specs().nth(6)?.scalar {
        Scalar::F64 => largest(output.column::<f64>(6), f64::MAX),
        Scalar::F32 => largest(output.column::<f32>(6), f32::MAX),
        Scalar::U32 => None,
    }
}

/// As [`peak`]. Blocks of values are reduced in independent lanes, which the compiler vectorises; only the block that
/// holds the answer is searched value by value.
fn largest<T: Copy + PartialOrd + Default>(values: &[T], most: T) -> Option<usize> {
    const BLOCK: usize = 4096;
    const LANES: usize = 32;
    let mut best: Option<(usize, T)> = None;
    for (b, block) in values.chunks(BLOCK).enumerate() {
        let mut high = [T::default(); LANES];
        let mut fine = [true; LANES];
        let parts = block.chunks_exact(LANES);
        for (l, value) in parts.remainder().iter().enumerate() {
            high[l] = *value;
            fine[l] = *value <= most;
        }
        for part in parts {
            for l in 0..LANES {
                high[l] = if part[l] > high[l] { part[l] } else { high[l] };
                fine[l] &= part[l] <= most;
            }
        }
        if fine.contains(&false) {
            return block
                .iter()
                .position(|value| value.partial_cmp(&most).is_none_or(Ordering::is_gt))
                .map(|i| b * BLOCK + i);
        }
        let top = high.into_iter().fold(T::default(), |a, b| if b > a { b } else { a });
        if best.is_none_or(|(_, known)| top > known) {
            best = Some((b, top));
        }
    }
    let (b, top) = best?;
    let block = values.chunks(BLOCK).nth(b)?;
    block.iter().position(|value| *value >= top).map(|i| b * BLOCK + i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_is_found_wherever_it_is() {
        for n in [0, 1, 31, 32, 33, 4095, 4096, 4097, 10_000] {
            let mut values = vec![0.5; n];
            assert_eq!(largest(&values, f64::MAX), (n > 0).then_some(0));
            for at in [0, n / 3, n.saturating_sub(1)].into_iter().filter(|at| *at < n) {
                values[at] = 7.0;
                assert_eq!(largest(&values, f64::MAX), Some(at), "{n}");
                for bad in [f64::NAN, f64::INFINITY] {
                    values[n / 2] = bad;
                    assert_eq!(largest(&values, f64::MAX), Some(n / 2), "{n} {bad}");
                }
                values.fill(0.5);
            }
            assert_eq!(largest(&vec![0.0; n], f64::MAX), (n > 0).then_some(0));
        }
    }
}
