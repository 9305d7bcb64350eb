//! Writes `.vtu` files that VTK and ParaView open: appended raw arrays, 64-bit headers, little-endian on every host.

use std::fmt::Write as _;
use std::io::Write;
use std::ops::Range;
use std::path::Path;

use bytemuck::Pod;

use crate::error::{Error, Result};
use crate::formats::mesh::{CellBlock, Mesh};
use crate::formats::source::write_whole;

/// Bytes that are made at once and handed to the system in one call: they stay in the second-level cache.
const PART: usize = 256 << 10;

/// Values of an output array.
#[derive(Clone, Copy)]
pub enum OutValues<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Double precision.
    F64(&'a [f64]),
    /// Double precision, made while the file is written, so that they never lie in memory together: fills the second
    /// argument with the values of a range of points or cells.
    Made(&'a dyn Fn(Range<usize>, &mut [f64])),
}

impl OutValues<'_> {
    /// How many; `None` for as many as are needed.
    fn len(&self) -> Option<usize> {
        match self {
            Self::F32(values) => Some(values.len()),
            Self::F64(values) => Some(values.len()),
            Self::Made(_) => None,
        }
    }

    fn number(&self) -> (&'static str, usize) {
        match self {
            Self::F32(_) => ("Float32", 4),
            Self::F64(_) | Self::Made(_) => ("Float64", 8),
        }
    }
}

/// An array to write over points or cells.
#[derive(Clone, Copy)]
pub struct OutField<'a> {
    /// Its name.
    pub name: &'a str,
    /// Values per point or cell.
    pub components: usize,
    /// Names of the components: one each, or none at all.
    pub component_names: &'a [&'a str],
    /// `components` values for each point of the mesh, or for each cell that is written.
    pub values: OutValues<'a>,
}

/// Writes `mesh` with fields. The cells are those of all blocks, in file order: by their position `cells`; each
/// `cell_fields` array has `components` values for each of them. Global ids are written where the mesh has them, the
/// mesh's own fields are not. The file appears whole or not at all.
///
/// # Errors
/// [`Error::Resource`] when the disk refuses; [`Error::Internal`] for arrays that do not fit the mesh.
pub fn write_vtu(path: &Path, mesh: &Mesh, point_fields: &[OutField<'_>], cell_fields: &[OutField<'_>]) -> Result<()> {
    let n_points = mesh.points.len();
    let n_cells: usize = mesh.blocks.iter().map(|block| block.cells.len()).sum();
    for (fields, n) in [(point_fields, n_points), (cell_fields, n_cells)] {
        for field in fields {
            let names = field.component_names.len();
            let values = field.components.checked_mul(n).filter(|_| field.components > 0);
            let fits = values.is_some_and(|values| field.values.len().is_none_or(|n| n == values));
            if !fits || (names != 0 && names != field.components) {
                return Err(Error::Internal(format!(
                    "field '{}' has {:?} values and {names} component names for {n} items of {} components",
                    field.name,
                    field.values.len(),
                    field.components
                )));
            }
        }
    }
    let entries: usize = mesh.blocks.iter().map(|block| block.connectivity.len()).sum();
    // VTK's own index type is Int64; the narrow one halves the file where it suffices.
    let wide = entries.max(n_points) > i32::MAX as usize;
    let xml = header(mesh, n_cells, entries, wide, point_fields, cell_fields);
    write_whole(path, |out| {
        let mut out = Payload { out, path };
        out.bytes(xml.as_bytes())?;
        for field in point_fields {
            out.field(field, n_points)?;
        }
        if let Some(ids) = &mesh.point_ids {
            out.size(n_points * 8)?;
            out.numbers(ids.iter().map(|id| *id as i64))?;
        }
        for field in cell_fields {
            out.field(field, n_cells)?;
        }
        if let Some(ids) = &mesh.cell_ids {
            out.size(n_cells * 8)?;
            for (block, cells) in runs(mesh) {
                out.numbers(block.cells[cells].iter().map(|cell| ids[*cell as usize] as i64))?;
            }
        }
        out.size(n_points * 24)?;
        out.array(mesh.points.as_flattened())?;
        if wide {
            out.cells(mesh, entries, |x| x as i64)?;
        } else {
            out.cells(mesh, entries, |x| x as i32)?;
        }
        out.size(n_cells)?;
        for (block, cells) in runs(mesh) {
            out.numbers(cells.map(|_| block.kind.vtk()))?;
        }
        out.bytes(b"\n  </AppendedData>\n</VTKFile>\n")
    })
}

/// Everything before the first appended byte.
fn header(
    mesh: &Mesh,
    n_cells: usize,
    entries: usize,
    wide: bool,
    point_fields: &[OutField<'_>],
    cell_fields: &[OutField<'_>],
) -> String {
    let mut xml = String::from("<?xml version=\"1.0\"?>\n");
    xml += "<VTKFile type=\"UnstructuredGrid\" version=\"1.0\" byte_order=\"LittleEndian\" header_type=\"UInt64\">\n";
    xml += "  <UnstructuredGrid>\n";
    let n_points = mesh.points.len();
    let _ = writeln!(xml, "    <Piece NumberOfPoints=\"{n_points}\" NumberOfCells=\"{n_cells}\">");
    let mut offset = 0;
    let mut array = |xml: &mut String, number: &str, name: &str, extra: &str, n_bytes: usize| {
        let name = quick_xml::escape::escape(name);
        let _ = writeln!(
            xml,
            "        <DataArray type=\"{number}\" Name=\"{name}\"{extra} format=\"appended\" offset=\"{offset}\"/>"
        );
        offset += 8 + n_bytes;
    };
    let sections = [
        ("PointData", n_points, point_fields, mesh.point_ids.as_ref().map(|_| "GlobalNodeId")),
        ("CellData", n_cells, cell_fields, mesh.cell_ids.as_ref().map(|_| "GlobalElementId")),
    ];
    for (section, n, fields, ids) in sections {
        let marked = ids.map_or(String::new(), |name| format!(" GlobalIds=\"{name}\""));
        let _ = writeln!(xml, "      <{section}{marked}>");
        for field in fields {
            let (number, size) = field.values.number();
            let mut extra = format!(" NumberOfComponents=\"{}\"", field.components);
            for (i, name) in field.component_names.iter().enumerate() {
                let _ = write!(extra, " ComponentName{i}=\"{}\"", quick_xml::escape::escape(*name));
            }
            array(&mut xml, number, field.name, &extra, n * field.components * size);
        }
        if let Some(name) = ids {
            array(&mut xml, "Int64", name, " IdType=\"1\"", n * 8);
        }
        let _ = writeln!(xml, "      </{section}>");
    }
    let (index, size) = if wide { ("Int64", 8) } else { ("Int32", 4) };
    xml += "      <Points>\n";
    array(&mut xml, "Float64", "Points", " NumberOfComponents=\"3\"", n_points * 24);
    xml += "      </Points>\n      <Cells>\n";
    array(&mut xml, index, "connectivity", "", entries * size);
    array(&mut xml, index, "offsets", "", n_cells * size);
    array(&mut xml, "UInt8", "types", "", n_cells);
    xml += "      </Cells>\n    </Piece>\n  </UnstructuredGrid>\n  <AppendedData encoding=\"raw\">\n   _";
    xml
}

/// All cells of a mesh in the order of the file, as runs of neighbours in one block.
fn runs(mesh: &Mesh) -> impl Iterator<Item = (&CellBlock, Range<usize>)> {
    let mut next: Vec<(&CellBlock, usize)> = mesh.blocks.iter().map(|block| (block, 0)).collect();
    std::iter::from_fn(move || {
        next.retain(|(block, i)| *i < block.cells.len());
        next.sort_by_key(|(block, i)| block.cells[*i]);
        let until = next.get(1).map(|(block, i)| block.cells[*i]);
        let (block, i) = next.first_mut()?;
        let length = match until {
            Some(until) => block.cells[*i..].iter().take_while(|cell| **cell < until).count().max(1),
            None => block.cells.len() - *i,
        };
        *i += length;
        Some((*block, *i - length..*i))
    })
}

/// The file behind the header.
struct Payload<'p> {
    out: &'p mut dyn Write,
    path: &'p Path,
}

impl Payload<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|error| Error::io(self.path, "write", &error))
    }

    fn size(&mut self, n_bytes: usize) -> Result<()> {
        self.bytes(&(n_bytes as u64).to_le_bytes())
    }

    /// A field over `n` points or cells.
    fn field(&mut self, field: &OutField<'_>, n: usize) -> Result<()> {
        let width = field.components;
        self.size(n * width * field.values.number().1)?;
        match field.values {
            OutValues::F32(values) => self.array(values),
            OutValues::F64(values) => self.array(values),
            OutValues::Made(make) => {
                let most = (PART / 8 / width).max(1).min(n);
                let mut part = vec![0.0; most * width];
                for start in (0..n).step_by(most.max(1)) {
                    let range = start..n.min(start + most);
                    let part = &mut part[..range.len() * width];
                    make(range, part);
                    self.array(part)?;
                }
                Ok(())
            }
        }
    }

    /// `values` as they lie in memory, turned round on a big-endian host.
    fn array<T: Little>(&mut self, values: &[T]) -> Result<()> {
        if cfg!(target_endian = "little") {
            return self.bytes(bytemuck::cast_slice(values));
        }
        for part in values.chunks(8192) {
            let turned: Vec<T> = part.iter().map(|value| value.little()).collect();
            self.bytes(bytemuck::cast_slice(&turned))?;
        }
        Ok(())
    }

    /// A part of an array whose values are made one by one.
    fn numbers<T: Little>(&mut self, mut values: impl ExactSizeIterator<Item = T>) -> Result<()> {
        let most = (PART / size_of::<T>()).min(values.len());
        let mut part = Vec::with_capacity(most);
        while values.len() > 0 {
            part.clear();
            part.extend(values.by_ref().take(most));
            self.array(&part)?;
        }
        Ok(())
    }

    /// The arrays `connectivity`, of `entries` points, and `offsets`, of numbers that `of` makes.
    fn cells<T: Little>(&mut self, mesh: &Mesh, entries: usize, of: impl Fn(usize) -> T) -> Result<()> {
        self.size(entries * size_of::<T>())?;
        for (block, cells) in runs(mesh) {
            let nodes = block.kind.nodes();
            let points = &block.connectivity[cells.start * nodes..cells.end * nodes];
            self.numbers(points.iter().map(|point| of(*point as usize)))?;
        }
        self.size(mesh.blocks.iter().map(|block| block.cells.len()).sum::<usize>() * size_of::<T>())?;
        let mut end = 0;
        for (block, cells) in runs(mesh) {
            let (before, nodes) = (end, block.kind.nodes());
            end += cells.len() * nodes;
            self.numbers(cells.enumerate().map(|(i, _)| of(before + (i + 1) * nodes)))?;
        }
        Ok(())
    }
}

/// A number whose bytes can be put in little-endian order.
trait Little: Pod {
    /// The value whose bytes in memory are this one's in little-endian order.
    fn little(&self) -> Self;
}

macro_rules! little {
    ($($type:ty),*) => {$(
        impl Little for $type {
            fn little(&self) -> Self {
                Self::from_ne_bytes(self.to_le_bytes())
            }
        }
    )*};
}
little!(u8, i32, i64, f32, f64);
