//! Lists of degrees of freedom: `7`, `10-20`, `10:20`, `12.3` (node 12, direction 3, where the names are known), on
//! lines of a file with `#` comments, or separated by commas on the command line. Counted from 1.

use std::path::Path;

use crate::error::{Error, Place, Result};
use crate::formats::source::Source;
use crate::formats::sti::DofNames;
use crate::formats::text::{excerpt, parse_u64};

/// Rows in the order of the list, counted from 0, each once; and how many were named again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masters {
    /// The rows.
    pub rows: Vec<u32>,
    /// The first row that was named a second time, counted from 1, and how often that happened in all.
    pub doubles: Option<(u64, usize)>,
}

/// Reads `text`: the name of a file, or a list when it reads as one and there is no such file. `order` is the number of
/// rows there are.
///
/// # Errors
/// [`Error::Input`] with the line for anything that is no row of the matrix; [`Error::Usage`] for a list on the command
/// line.
pub fn read_masters(text: &str, order: usize, names: Option<&DofNames>) -> Result<Masters> {
    let path = Path::new(text);
    let is_list = text.bytes().all(|c| c.is_ascii_digit() || b",.:- \t".contains(&c)) && !text.trim().is_empty();
    if is_list && !path.exists() {
        let masters = collect(text.split(',').map(|word| (0, word.as_bytes())), order, names);
        return masters.map_err(|(_, why)| Error::Usage(format!("--masters {text}: {why}")));
    }
    let source = Source::open(path)?;
    parse_masters(&source, order, names)
}

/// Reads the list in `source`.
///
/// # Errors
/// As [`read_masters`].
pub fn parse_masters(source: &Source, order: usize, names: Option<&DofNames>) -> Result<Masters> {
    let bytes = source.bytes();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let words = bytes.split(|byte| *byte == b'\n').enumerate().flat_map(|(line, text)| {
        let text = text.split(|byte| *byte == b'#').next().unwrap_or_default();
        let separators = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b';');
        text.split(separators).map(move |word| (line as u64 + 1, word))
    });
    let masters = collect(words, order, names).map_err(|(line, why)| source.error(Place::Line(line), why))?;
    if masters.rows.is_empty() {
        return Err(source.error(Place::Whole, "names no master; give one row of the matrix a line"));
    }
    Ok(masters)
}

fn collect<'a>(
    words: impl Iterator<Item = (u64, &'a [u8])>,
    order: usize,
    names: Option<&DofNames>,
) -> Result<Masters, (u64, String)> {
    let mut masters = Masters { rows: Vec::new(), doubles: None };
    let mut seen = vec![false; order];
    for (line, word) in words {
        let word = word.trim_ascii();
        if word.is_empty() {
            continue;
        }
        for row in range(word, order, names).map_err(|why| (line, why))? {
            if std::mem::replace(&mut seen[row], true) {
                masters.doubles = Some(masters.doubles.map_or((row as u64 + 1, 1), |(first, n)| (first, n + 1)));
            } else {
                masters.rows.push(row as u32);
            }
        }
    }
    Ok(masters)
}

/// The rows of one word, counted from 0.
fn range(word: &[u8], order: usize, names: Option<&DofNames>) -> Result<std::ops::Range<usize>, String> {
    let bad = || format!("{} is no row number; rows are counted from 1, ranges read 10-20", excerpt(word));
    let inside = |row: u64| match usize::try_from(row) {
        Ok(row) if (1..=order).contains(&row) => Ok(row),
        _ => Err(format!("master {row} is not a row of the matrix, which has {order}")),
    };
    if let Some(dot) = word.iter().position(|byte| *byte == b'.') {
        let (node, direction) = (parse_u64(&word[..dot]), parse_u64(&word[dot + 1..]));
        let (Some(node), Some(direction)) = (node, direction) else { return Err(bad()) };
        let names = names.ok_or_else(|| format!("{} needs the file of names, .dof", excerpt(word)))?;
        let row = names.find(node, direction);
        let row = row.ok_or_else(|| format!("node {node} has no free direction {direction} in the matrix"))?;
        return Ok(row..row + 1);
    }
    match word.iter().position(|byte| matches!(byte, b'-' | b':')) {
        None => inside(parse_u64(word).ok_or_else(bad)?).map(|row| row - 1..row),
        Some(dash) => {
            let (first, last) = (parse_u64(&word[..dash]), parse_u64(&word[dash + 1..]));
            let (Some(first), Some(last)) = (first, last) else { return Err(bad()) };
            if first > last {
                return Err(format!("the range {first}-{last} runs backwards"));
            }
            Ok(inside(first)? - 1..inside(last)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, order: usize) -> Result<Masters> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mtx").join(name);
        read_masters(path.to_str().unwrap(), order, None)
    }

    fn text(text: &str, order: usize) -> Result<Masters> {
        parse_masters(&Source::from_bytes("m.txt", text.as_bytes().to_vec()), order, None)
    }

    #[test]
    fn lines_lists_ranges_and_comments() {
        let masters = text("# all\n3\r\n 5-7 # a range\n\n1, 9:10\n", 10).unwrap();
        assert_eq!(masters, Masters { rows: vec![2, 4, 5, 6, 0, 8, 9], doubles: None });
        assert_eq!(read_masters("2,4-5", 5, None).unwrap().rows, [1, 3, 4]);
        assert_eq!(text("\u{feff}1\n", 1).unwrap().rows, [0]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (name, why) in [
            ("masters_out_of_range.txt", ":3: master 99999999 is not a row of the matrix, which has 100"),
            ("masters_words.txt", ":2: `two` is no row number"),
        ] {
            let error = file(name, 100).unwrap_err();
            assert!(error.to_string().contains(why) && error.exit_code() == 3, "{error}");
        }
        for (list, why) in [
            ("0\n", "m.txt:1: master 0 is not a row"),
            ("5-3\n", "m.txt:1: the range 5-3 runs backwards"),
            ("1\n3-\n", "m.txt:2: `3-` is no row number"),
            ("1-99999999999999999999\n", "m.txt:1: "),
            ("2.1\n", "m.txt:1: `2.1` needs the file of names"),
            ("# nothing\n", "m.txt: names no master"),
        ] {
            let error = text(list, 10).unwrap_err();
            assert!(error.to_string().contains(why) && error.exit_code() == 3, "{error}");
        }
        assert_eq!(read_masters("7", 5, None).unwrap_err().exit_code(), 2);
        assert_eq!(read_masters("no-such-file", 5, None).unwrap_err().exit_code(), 3);
    }

    #[test]
    fn doubles_are_kept_once_and_told() {
        assert_eq!(file("masters_duplicate.txt", 10).unwrap(), Masters { rows: vec![4, 6], doubles: Some((5, 1)) });
    }

    #[test]
    fn names_of_nodes_and_directions() {
        let names = DofNames::parse(&Source::from_bytes("a.dof", b"6.1\n6.2\n9.3\n".to_vec())).unwrap();
        let list = |list: &str| read_masters(list, 3, Some(&names));
        assert_eq!(list("9.3,6.1").unwrap().rows, [2, 0]);
        assert!(list("9.1").unwrap_err().to_string().contains("node 9 has no free direction 1"));
    }
}
