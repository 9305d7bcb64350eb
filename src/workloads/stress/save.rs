//! Results as files: `.csv`, `.vtu`, `.npy`, at integration points, elements or nodes.

use std::path::Path;

use super::kernel::COLUMNS;
use super::model::Model;
use super::nodal;
use super::options::At;
use super::solid::SolidJob;
use super::vtu;
use crate::error::{Error, Result};
use crate::formats::csv::{comma, push_f32, push_f64, push_u64, write_csv};
use crate::formats::npy::write_npy_f64;
use crate::formats::source::extension;
use crate::job::{Output, Scalar};
use crate::numeric::principal::principal;
use crate::numeric::tensor::{Tensor, mises};

const PRINCIPAL: [&str; 3] = ["s1", "s2", "s3"];

/// Writes the results in the format of `path`'s ending.
///
/// # Errors
/// [`Error::Usage`] for another ending than `.csv`, `.vtu` or `.npy`; [`Error::Resource`] when the disk refuses.
pub(super) fn save(job: &SolidJob, outputs: &[Output], path: &Path) -> Result<()> {
    match extension(path).as_str() {
        "csv" => Table::new(job, outputs)?.write_csv(path),
        "npy" => Table::new(job, outputs)?.write_npy(path),
        "vtu" => vtu::save(job, outputs, path),
        other => Err(Error::Usage(format!(
            "{}: stress writes .csv, .vtu and .npy, not '.{other}'; change the ending of --output",
            path.display()
        ))),
    }
}

/// One line of the result.
struct Row {
    label: u64,
    ip: Option<usize>,
    position: Option<[f64; 3]>,
    stress: Tensor,
    mises: f64,
}

/// The result as rows.
struct Table<'j> {
    model: &'j Model,
    outputs: &'j [Output],
    principal: bool,
    /// Whether values are f32 (integration points of an f32 core): printed with as many digits as they have.
    single: bool,
    rows: Rows,
}

enum Rows {
    /// Block, element and integration point of each row.
    Ips(Vec<(u32, u32, u32)>),
    /// Integration points of the only block: row / ips.
    OneBlock(usize),
    /// Block and element of each row.
    Elements(Vec<(u32, u32)>),
    /// Point of each row, and the stresses at all points.
    Nodes(Vec<u32>, Vec<Tensor>),
}

impl<'j> Table<'j> {
    fn new(job: &'j SolidJob, outputs: &'j [Output]) -> Result<Self> {
        let model = &job.model;
        let rows = match job.at {
            At::Ip if model.blocks.len() == 1 => Rows::OneBlock(model.blocks[0].tables.ips),
            At::Ip => {
                let order = model.file_order()?;
                let ips = |block: u32| model.blocks[block as usize].tables.ips as u32;
                let rows: usize = model.blocks.iter().map(|block| block.len() * block.tables.ips).sum();
                crate::memory::ensure_available("the order of the results", 12 * rows as u64)?;
                Rows::Ips(order.iter().flat_map(|(b, e)| (0..ips(*b)).map(move |ip| (*b, *e, ip))).collect())
            }
            At::Element => Rows::Elements(model.file_order()?),
            At::Node => {
                let stress = nodal::at_nodes(model, outputs);
                // A node that no element uses has no row.
                let used = (0..stress.len() as u32).filter(|i| !stress[*i as usize][0].is_nan()).collect();
                Rows::Nodes(used, stress)
            }
        };
        let single = job.at == At::Ip
            && outputs.first().and_then(|output| output.specs().next()).is_some_and(|spec| spec.scalar == Scalar::F32);
        Ok(Self { model, outputs, principal: job.principal, single, rows })
    }

    fn len(&self) -> usize {
        match &self.rows {
            Rows::Ips(order) => order.len(),
            Rows::OneBlock(ips) => self.model.blocks[0].len() * ips,
            Rows::Elements(order) => order.len(),
            Rows::Nodes(points, _) => points.len(),
        }
    }

    fn row(&self, index: usize) -> Row {
        let at_ip = |block: usize, element: usize, ip: usize| {
            let (b, output) = (&self.model.blocks[block], &self.outputs[block]);
            let ips = b.tables.ips;
            Row {
                label: self.model.cell_label(b.cells[element]),
                ip: Some(ip + 1),
                position: Some(self.model.stress_point(b, element, ip)),
                stress: nodal::at_ip(output, ips, element, ip),
                mises: output.value(6, element * ips + ip),
            }
        };
        match &self.rows {
            Rows::OneBlock(ips) => at_ip(0, index / ips, index % ips),
            Rows::Ips(order) => {
                let (block, element, ip) = order[index];
                at_ip(block as usize, element as usize, ip as usize)
            }
            Rows::Elements(order) => {
                let (block, element) = (order[index].0 as usize, order[index].1 as usize);
                let b = &self.model.blocks[block];
                let stress = nodal::element_mean(&self.outputs[block], b.tables.ips, element);
                let label = self.model.cell_label(b.cells[element]);
                Row { label, ip: None, position: None, stress, mises: mises(&stress) }
            }
            Rows::Nodes(points, stress) => {
                let point = points[index] as usize;
                let stress = stress[point];
                let label = self.model.point_label(point);
                Row { label, ip: None, position: None, stress, mises: mises(&stress) }
            }
        }
    }

    fn header(&self) -> String {
        let first = match &self.rows {
            Rows::Ips(_) | Rows::OneBlock(_) => "element,ip,x,y,z",
            Rows::Elements(_) => "element",
            Rows::Nodes(..) => "node",
        };
        let more = if self.principal { &PRINCIPAL[..] } else { &[] };
        [first].iter().chain(&COLUMNS).chain(more).copied().collect::<Vec<_>>().join(",")
    }

    fn write_csv(&self, path: &Path) -> Result<()> {
        write_csv(path, &self.header(), self.len(), |index, line| {
            let row = self.row(index);
            push_u64(line, row.label);
            if let Some(ip) = row.ip {
                comma(line);
                push_u64(line, ip as u64);
            }
            for x in row.position.iter().flatten() {
                comma(line);
                push_f64(line, *x);
            }
            for value in row.stress.iter().chain([&row.mises]) {
                comma(line);
                if self.single {
                    push_f32(line, *value as f32);
                } else {
                    push_f64(line, *value);
                }
            }
            if self.principal {
                for value in principal(&row.stress) {
                    comma(line);
                    push_f64(line, value);
                }
            }
        })
    }

    /// Rows in the order of the `.csv`, columns sxx to mises (and s1, s2, s3).
    fn write_npy(&self, path: &Path) -> Result<()> {
        let width = COLUMNS.len() + if self.principal { 3 } else { 0 };
        let rows = self.len();
        crate::memory::ensure_available("the .npy array", 8 * (rows * width) as u64)?;
        let mut values = Vec::with_capacity(rows * width);
        for index in 0..rows {
            let row = self.row(index);
            values.extend(row.stress);
            values.push(row.mises);
            if self.principal {
                values.extend(principal(&row.stress));
            }
        }
        write_npy_f64(path, &[rows, width], &values)
    }
}
