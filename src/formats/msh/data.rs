//! `$NodeData` and `$ElementData`: post-processing views.

use std::collections::HashMap;

use crate::error::Result;
use crate::formats::build::SparseField;
use crate::formats::text::{excerpt, finite, parse_i64, parse_u64};

use super::numbers::Numbers;

/// Most values per entry: a 3x3 tensor.
const MAX_COMPONENTS: u64 = 9;

/// The views of one kind, one for each name.
#[derive(Default)]
pub(super) struct Views {
    views: Vec<View>,
    by_name: HashMap<String, usize>,
    replaced: usize,
}

struct View {
    field: SparseField,
    step: i64,
}

impl Views {
    /// Reads one section. Views of one name and time step are parts (partitions) of one field; a later time step
    /// replaces an earlier one.
    pub(super) fn read(&mut self, numbers: &mut Numbers<'_>, section: &str) -> Result<()> {
        let mut name = None;
        for _ in 0..count(numbers, "string tags")? {
            let line = header(numbers)?;
            name.get_or_insert_with(|| String::from_utf8_lossy(unquoted(line)).into_owned());
        }
        let name = name.unwrap_or_else(|| "unnamed".into());
        for _ in 0..count(numbers, "real tags")? {
            let line = header(numbers)?;
            finite(line, "a real tag").map_err(|why| numbers.text.error(why))?;
        }
        let n_integers = count(numbers, "integer tags")?;
        let mut integers = [0i64; 3];
        for i in 0..n_integers {
            let line = header(numbers)?;
            let value = parse_i64(line)
                .ok_or_else(|| numbers.text.error(format!("an integer tag is not an integer: {}", excerpt(line))))?;
            if let Some(slot) = integers.get_mut(i as usize) {
                *slot = value;
            }
        }
        if n_integers < 3 {
            return Err(numbers.text.error("a view needs three integer tags: time step, components, entries"));
        }
        let [step, components, entries] = integers;
        let components = u64::try_from(components)
            .ok()
            .filter(|n| (1..=MAX_COMPONENTS).contains(n))
            .ok_or_else(|| numbers.text.error(format!("a view has 1 to 9 values for each entry, not {components}")))?;
        let entries = u64::try_from(entries)
            .map_err(|_| numbers.text.error(format!("the number of entries is negative: {entries}")))?;
        let n = numbers.count(entries, 2 + 2 * components, 4 + 8 * components, "entries")?;

        let field = self.field(name, components as usize, step);
        field.ids.reserve_exact(n);
        field.values.reserve_exact(n * components as usize);
        for _ in 0..n {
            field.ids.push(numbers.positive_int("the number of an entry")?);
            for _ in 0..components {
                match numbers.any_double("a value of a view")? {
                    Ok(value) => field.values.push(value),
                    Err(why) => {
                        field.values.push(0.0);
                        field.flaw.get_or_insert(why);
                    }
                }
            }
        }
        numbers.end(section)
    }

    /// Where to put the values of view `name` at time `step`.
    fn field(&mut self, name: String, components: usize, step: i64) -> &mut SparseField {
        let known = self.by_name.get(&name).copied();
        let fresh = SparseField { name, components, ids: Vec::new(), values: Vec::new(), flaw: None };
        let at = match known {
            Some(at) if self.views[at].step == step && self.views[at].field.components == components => at,
            Some(at) => {
                self.replaced += 1;
                self.views[at] = View { field: fresh, step };
                at
            }
            None => {
                self.by_name.insert(fresh.name.clone(), self.views.len());
                self.views.push(View { field: fresh, step });
                self.views.len() - 1
            }
        };
        &mut self.views[at].field
    }

    /// The fields, and what the user should know of them.
    pub(super) fn finish(self, what: &str) -> (Vec<SparseField>, Option<String>) {
        let warning = (self.replaced > 0)
            .then(|| format!("{} earlier time steps of {what} views are left out; the last one stays", self.replaced));
        (self.views.into_iter().map(|view| view.field).collect(), warning)
    }
}

/// A line of a view's header, which is text in binary files too.
fn header<'a>(numbers: &mut Numbers<'a>) -> Result<&'a [u8]> {
    match numbers.text.line() {
        Some(line) => Ok(line.trim_ascii()),
        None => Err(numbers.text.error("the file ends in the header of a view; it is cut short")),
    }
}

fn count(numbers: &mut Numbers<'_>, what: &str) -> Result<u64> {
    let line = header(numbers)?;
    parse_u64(line).ok_or_else(|| numbers.text.error(format!("the number of {what} is not a count: {}", excerpt(line))))
}

fn unquoted(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line)
}
