//! Writes `.vtu` files that VTK and ParaView open: appended raw arrays, 64-bit headers, little-endian on every host.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use bytemuck::Pod;

use crate::error::{Error, Result};
use crate::formats::mesh::{CellBlock, Mesh};
use crate::formats::source::write_whole;

/// Values of an output array.
#[derive(Debug, Clone, Copy)]
pub enum OutValues<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Double precision.
    F64(&'a [f64]),
}

impl OutValues<'_> {
    fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    fn number(&self) -> (&'static str, usize) {
        match self {
            Self::F32(_) => ("Float32", 4),
            Self::F64(_) => ("Float64", 8),
        }
    }
}

/// An array to write over points or cells.
#[derive(Debug, Clone, Copy)]
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
            if field.components == 0
                || field.components.checked_mul(n) != Some(field.values.len())
                || (names != 0 && names != field.components)
            {
                return Err(Error::Internal(format!(
                    "field '{}' has {} values and {names} component names for {n} items of {} components",
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
            out.field(field)?;
        }
        if let Some(ids) = &mesh.point_ids {
            out.numbers(ids.len(), ids.iter().map(|id| *id as i64))?;
        }
        for field in cell_fields {
            out.field(field)?;
        }
        if let Some(ids) = &mesh.cell_ids {
            out.numbers(n_cells, InFileOrder::new(mesh).map(|(block, i)| ids[block.cells[i] as usize] as i64))?;
        }
        out.size(n_points * 24)?;
        out.array(mesh.points.as_flattened())?;
        let connectivity = InFileOrder::new(mesh).flat_map(|(block, i)| {
            let nodes = block.kind.nodes();
            block.connectivity[i * nodes..(i + 1) * nodes].iter().copied()
        });
        let ends = InFileOrder::new(mesh).scan(0usize, |end, (block, _)| {
            *end += block.kind.nodes();
            Some(*end)
        });
        if wide {
            out.numbers(entries, connectivity.map(i64::from))?;
            out.numbers(n_cells, ends.map(|end| end as i64))?;
        } else {
            out.numbers(entries, connectivity.map(|point| point as i32))?;
            out.numbers(n_cells, ends.map(|end| end as i32))?;
        }
        out.numbers(n_cells, InFileOrder::new(mesh).map(|(block, _)| block.kind.vtk()))?;
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
        ("PointData", point_fields, mesh.point_ids.as_ref().map(|_| ("GlobalNodeId", n_points))),
        ("CellData", cell_fields, mesh.cell_ids.as_ref().map(|_| ("GlobalElementId", n_cells))),
    ];
    for (section, fields, ids) in sections {
        let marked = ids.map_or(String::new(), |(name, _)| format!(" GlobalIds=\"{name}\""));
        let _ = writeln!(xml, "      <{section}{marked}>");
        for field in fields {
            let (number, size) = field.values.number();
            let mut extra = format!(" NumberOfComponents=\"{}\"", field.components);
            for (i, name) in field.component_names.iter().enumerate() {
                let _ = write!(extra, " ComponentName{i}=\"{}\"", quick_xml::escape::escape(*name));
            }
            array(&mut xml, number, field.name, &extra, field.values.len() * size);
        }
        if let Some((name, n)) = ids {
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

/// All cells of a mesh, block and index in it, by position in the file.
struct InFileOrder<'m> {
    /// Blocks with the next cell of each.
    next: Vec<(&'m CellBlock, usize)>,
}

impl<'m> InFileOrder<'m> {
    fn new(mesh: &'m Mesh) -> Self {
        Self { next: mesh.blocks.iter().map(|block| (block, 0)).collect() }
    }
}

impl<'m> Iterator for InFileOrder<'m> {
    type Item = (&'m CellBlock, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let first = self
            .next
            .iter_mut()
            .filter_map(|(block, i)| block.cells.get(*i).map(|cell| (*cell, *block, i)))
            .min_by_key(|(cell, _, _)| *cell)?;
        let (_, block, i) = first;
        *i += 1;
        Some((block, *i - 1))
    }
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

    fn field(&mut self, field: &OutField<'_>) -> Result<()> {
        self.size(field.values.len() * field.values.number().1)?;
        match field.values {
            OutValues::F32(values) => self.array(values),
            OutValues::F64(values) => self.array(values),
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

    /// An array of `n` values that are made one by one.
    fn numbers<T: Little>(&mut self, n: usize, mut values: impl Iterator<Item = T>) -> Result<()> {
        self.size(n * size_of::<T>())?;
        let mut part = Vec::with_capacity(n.min(8192));
        let mut left = n;
        while left > 0 {
            part.clear();
            part.extend(values.by_ref().take(left.min(8192)));
            if part.is_empty() {
                return Err(Error::Internal(format!("{left} of {n} values are missing")));
            }
            left -= part.len();
            self.array(&part)?;
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
