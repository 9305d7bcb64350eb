//! The matrices that CalculiX stores (`*FREQUENCY, SOLVER=MATRIXSTORAGE`): `.sti` stiffness and `.mas` mass, one entry
//! of one triangle a line (row, column, value; zeros too), and `.dof`, one `node.direction` a line, which names the rows.

use std::collections::HashMap;

use crate::error::{Error, Place, Result};
use crate::formats::mtx::{Field, Layout, Matrix, Part, Storage, from_parts, parse_entries};
use crate::formats::source::Source;
use crate::formats::text::{Text, excerpt, parse_u64};

/// Reads a stored matrix. Its order is the largest index; zeros off the diagonal are left out.
///
/// # Errors
/// [`Error::Input`] with the line of what is wrong, such as entries on both sides of the diagonal;
/// [`Error::Resource`] when the matrix does not fit in memory.
pub fn read_sti(source: &Source) -> Result<Matrix> {
    let text = Text::new(source)?;
    // An order beyond the number of bytes leaves most rows empty: no stored matrix does, since all diagonals are there.
    let most = source.bytes().len().min(u32::MAX as usize - 1);
    let layout = Layout { rows: most, columns: most, field: Field::Real, storage: Storage::General };
    let mut parts = parse_entries(source, text.offset(), layout)?;
    let mut order = 0;
    let (mut below, mut above) = (false, false);
    for [row, column] in parts.iter().flat_map(|part| &part.places) {
        order = order.max(*row.max(column) as usize + 1);
        below |= row > column;
        above |= row < column;
    }
    if order == 0 {
        return Err(source.error(Place::Whole, "holds no entries"));
    }
    if below && above {
        let why = "has entries on both sides of the diagonal; CalculiX stores one triangle of a symmetric matrix";
        return Err(source.error(Place::Whole, why));
    }
    for part in &mut parts {
        lower(part);
    }
    from_parts((order, order), parts, Storage::Symmetric)
}

/// Puts the entries below the diagonal and drops zeros off it.
fn lower(part: &mut Part) {
    let mut kept = 0;
    for k in 0..part.places.len() {
        let ([row, column], value) = (part.places[k], part.values[k]);
        if value != 0.0 || row == column {
            part.places[kept] = [row.max(column), row.min(column)];
            part.values[kept] = value;
            kept += 1;
        }
    }
    part.places.truncate(kept);
    part.values.truncate(kept);
}

/// The names of rows: node and direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DofNames {
    rows: Vec<(u64, u64)>,
    places: HashMap<(u64, u64), usize>,
}

impl DofNames {
    /// Reads a `.dof` file.
    ///
    /// # Errors
    /// [`Error::Input`] with the line of what is no `node.direction`, or was there before.
    pub fn parse(source: &Source) -> Result<Self> {
        let mut text = Text::new(source)?;
        let (mut rows, mut places) = (Vec::new(), HashMap::new());
        while let Some(word) = text.word() {
            let dot = word.iter().position(|byte| *byte == b'.');
            let name = dot.and_then(|dot| Some((parse_u64(&word[..dot])?, parse_u64(&word[dot + 1..])?)));
            let Some(name) = name else {
                return Err(text.error(format!("{} is no node and direction, such as 12.3", excerpt(word))));
            };
            if places.insert(name, rows.len()).is_some() {
                return Err(text.error(format!("{} is named twice", excerpt(word))));
            }
            rows.push(name);
        }
        Ok(Self { rows, places })
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row of a node's direction, counted from 0.
    #[must_use]
    pub fn find(&self, node: u64, direction: u64) -> Option<usize> {
        self.places.get(&(node, direction)).copied()
    }

    /// `node 12 direction 3`, for a row counted from 0.
    #[must_use]
    pub fn name(&self, row: usize) -> Option<String> {
        self.rows.get(row).map(|(node, direction)| format!("node {node} direction {direction}"))
    }

    /// Makes sure that there is a name for each of `order` rows.
    ///
    /// # Errors
    /// [`Error::Input`] about `source`.
    pub fn expect(&self, source: &Source, order: usize) -> Result<()> {
        if self.len() == order {
            return Ok(());
        }
        let why = format!("names {} rows, the stiffness matrix has {order}", self.len());
        Err(Error::input(&source.path, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Matrix> {
        read_sti(&Source::from_bytes("a.sti", text.as_bytes().to_vec()))
    }

    #[test]
    fn either_triangle_is_read_and_zeros_go() {
        for text in [
            "1 1  2.0e+00\n1 2 -1.0e+00\n2 2  2.0e+00\n1 3  0.0e+00\n3 3  0.0e+00\n",
            "1 1 2\n2 1 -1\n2 2 2\n3 1 0\n3 3 0\n",
        ] {
            let matrix = read(text).unwrap();
            assert_eq!((matrix.shape(), matrix.nnz()), ((3, 3), 5), "{text}");
            assert_eq!(
                [(0, 1), (1, 0), (2, 2)].map(|(i, j)| matrix.get(i, j).copied()),
                [Some(-1.0), Some(-1.0), Some(0.0)]
            );
        }
    }

    #[test]
    fn broken_files_are_refused() {
        for (text, why) in [
            ("1 1 1\n1 2 3\n2 1 3\n", "both sides of the diagonal"),
            ("\n", "holds no entries"),
            ("1 1 1\n1 x 3\n", "a.sti:2: column"),
            ("1 1 1\n1 4000000000 3\n", "a.sti:2: entry (1, 4000000000) is outside"),
            ("1 1 nan\n", "a.sti:1: entry (1, 1) is not finite"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(why) && error.exit_code() == 3, "{error}");
        }
    }

    #[test]
    fn rows_have_names() {
        let parse = |text: &str| DofNames::parse(&Source::from_bytes("a.dof", text.as_bytes().to_vec()));
        let names = parse("6.1\n6.2\r\n").unwrap();
        assert_eq!(names.name(1).unwrap(), "node 6 direction 2");
        assert_eq!((names.find(6, 1), names.find(7, 1), names.len(), names.is_empty()), (Some(0), None, 2, false));
        assert!(parse("6.1\n6\n").unwrap_err().to_string().contains("a.dof:2: `6`"));
        assert!(parse("6.1\n6.1\n").unwrap_err().to_string().contains("named twice"));
    }
}
