//! Nodal temperatures: `*INITIAL CONDITIONS, TYPE=TEMPERATURE` and `*TEMPERATURE`.
//!
//! CalculiX and Abaqus take the thermal strain alpha (T - ZERO) - alpha (T_initial - ZERO), so with a constant alpha it
//! is alpha (T - T_initial) whatever ZERO is. The mesh keeps alpha (T - T0): a uniform initial temperature becomes T0
//! of every material; for one that varies, the field holds T - T_initial and T0 is zero.

use crate::error::Result;
use crate::formats::mesh::{Field, Material, Mesh};

use super::deck::{Deck, Keyword, fields};
use super::sets::{Reference, Scope, Sets};

/// Point field with the temperature.
pub(crate) const TEMPERATURE: &str = "temperature";
/// Point field with the initial temperature, only where it varies: what to subtract from a computed temperature.
pub(crate) const INITIAL_TEMPERATURE: &str = "initial_temperature";

/// A node or a node set and its temperature.
struct Given {
    target: Target,
    value: f64,
}

enum Target {
    Node(u64),
    Set(Reference),
}

/// All temperatures of a deck, in its order.
#[derive(Default)]
pub(super) struct Temperatures {
    initial: Vec<Given>,
    last: Vec<Given>,
    file: bool,
    amplitude: bool,
}

impl Temperatures {
    /// `*INITIAL CONDITIONS`; other types than temperature are skipped.
    pub(super) fn initial(&mut self, deck: &mut Deck<'_>, keyword: &Keyword, scope: Scope) -> Result<()> {
        if keyword.word("TYPE").as_deref() == Some("TEMPERATURE") {
            self.file |= keyword.get("FILE").is_some();
            read(deck, keyword, scope, &mut self.initial)?;
        }
        Ok(())
    }

    /// `*TEMPERATURE`; a later step overrides an earlier one, `OP=NEW` forgets it.
    pub(super) fn applied(&mut self, deck: &mut Deck<'_>, keyword: &Keyword, scope: Scope) -> Result<()> {
        if keyword.word("OP").as_deref() == Some("NEW") {
            self.last.clear();
        }
        self.file |= keyword.get("FILE").is_some();
        self.amplitude |= keyword.get("AMPLITUDE").is_some();
        read(deck, keyword, scope, &mut self.last)
    }

    /// Adds the temperature field to `mesh` and sets T0 of `materials`.
    pub(super) fn finish(
        self,
        deck: &Deck<'_>,
        sets: &Sets,
        node: impl Fn(u64) -> Option<u32>,
        used: &[bool],
        budget: &mut u64,
        (mesh, materials): (&mut Mesh, &mut [Material]),
    ) -> Result<()> {
        if self.file {
            mesh.warnings
                .push("temperatures from a file (FILE=) are not read; give the .frd as the displacement".into());
        }
        if self.initial.is_empty() && self.last.is_empty() {
            return Ok(());
        }
        if self.amplitude {
            mesh.warnings.push("*TEMPERATURE: the amplitude is ignored, the values are taken as they stand".into());
        }
        let n = used.len();
        let unset = materials.first().map_or(0.0, |material| material.reference_temperature);
        let mut initial = vec![if self.initial.is_empty() { unset } else { 0.0 }; n];
        let mut covered = vec![false; n];
        spread(&self.initial, deck, sets, &node, budget, (&mut initial, &mut covered))?;
        let bare = covered.iter().zip(used).filter(|(covered, used)| **used && !**covered).count();
        if bare > 0 && !self.initial.is_empty() {
            mesh.warnings.push(format!("{bare} nodes have no initial temperature; it is taken as 0"));
        }
        let mut values = initial.clone();
        let mut covered = vec![false; n];
        spread(&self.last, deck, sets, &node, budget, (&mut values, &mut covered))?;

        if !self.initial.is_empty() {
            let first = used.iter().position(|used| *used).map_or(0.0, |i| initial[i]);
            let uniform = initial.iter().zip(used).all(|(value, used)| !used || *value == first);
            materials
                .iter_mut()
                .for_each(|material| material.reference_temperature = if uniform { first } else { 0.0 });
            if !uniform {
                values.iter_mut().zip(&initial).for_each(|(value, initial)| *value -= initial);
                mesh.warnings.push(format!(
                    "the initial temperature varies: field `{TEMPERATURE}` holds the difference to it, T0 is 0"
                ));
                mesh.point_fields.push(Field { name: INITIAL_TEMPERATURE.into(), components: 1, values: initial });
            }
        }
        mesh.point_fields.push(Field { name: TEMPERATURE.into(), components: 1, values });
        Ok(())
    }
}

fn read(deck: &mut Deck<'_>, keyword: &Keyword, scope: Scope, into: &mut Vec<Given>) -> Result<()> {
    while let Some(line) = deck.data() {
        let mut parts = fields(line);
        let target = parts.next().unwrap_or_default();
        let Some(value) = parts.next().filter(|value| !value.is_empty()) else {
            return Err(deck.error("a temperature line is `node or node set, temperature`"));
        };
        let value = deck.number(value, "a temperature")?;
        let target = if target.iter().all(u8::is_ascii_digit) {
            Target::Node(deck.id(target, "a node number")?)
        } else {
            Target::Set(Reference::new(&String::from_utf8_lossy(target), scope, keyword.offset))
        };
        into.push(Given { target, value });
    }
    Ok(())
}

fn spread(
    given: &[Given],
    deck: &Deck<'_>,
    sets: &Sets,
    node: impl Fn(u64) -> Option<u32>,
    budget: &mut u64,
    (values, covered): (&mut [f64], &mut [bool]),
) -> Result<()> {
    for Given { target, value } in given {
        let mut put = |id| {
            if let Some(i) = node(id) {
                values[i as usize] = *value;
                covered[i as usize] = true;
            }
        };
        match target {
            Target::Node(id) => put(*id),
            Target::Set(set) => sets.visit(deck, set, budget, |span, budget| {
                // A span that exceeds the budget is cut: the budget then ends the visit with an error.
                let n = span.count().min(*budget);
                *budget -= n;
                (0..n).for_each(|i| put(span.first + i * span.step));
            })?,
        }
    }
    Ok(())
}
