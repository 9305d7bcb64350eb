//! `*MATERIAL` with `*ELASTIC` and `*EXPANSION`.

use std::collections::HashMap;

use crate::error::Result;
use crate::formats::materials::{check, engineering_constants};
use crate::formats::mesh::{Elastic, Material};

use super::deck::{Deck, Keyword, label};

/// One material of the deck. What it lacks only matters if a section uses it.
struct Entry {
    name: String,
    offset: usize,
    elastic: Option<Elastic>,
    alpha: [f64; 3],
    zero: f64,
    /// Why it cannot be used, and where.
    problem: Option<(usize, String)>,
    /// A law beside Hooke's, `PLASTIC`.
    nonlinear: Option<String>,
}

/// The materials of a deck, in its order.
#[derive(Default)]
pub(super) struct Materials {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
}

impl Materials {
    /// `*MATERIAL, NAME=`.
    pub(super) fn begin(&mut self, deck: &Deck<'_>, keyword: &Keyword) -> Result<()> {
        let Some(name) = keyword.get("NAME").filter(|name| !name.is_empty()) else {
            return Err(deck.error_at(keyword.offset, "*MATERIAL without NAME="));
        };
        if self.by_name.insert(label(name), self.entries.len()).is_some() {
            return Err(deck.error_at(keyword.offset, format!("material {name} is defined twice")));
        }
        self.entries.push(Entry {
            name: name.to_string(),
            offset: keyword.offset,
            elastic: None,
            alpha: [0.0; 3],
            zero: 0.0,
            problem: None,
            nonlinear: None,
        });
        Ok(())
    }

    fn current(&mut self, deck: &Deck<'_>, keyword: &Keyword) -> Result<&mut Entry> {
        let missing = || deck.error_at(keyword.offset, format!("*{} stands before any *MATERIAL", keyword.name));
        self.entries.last_mut().ok_or_else(missing)
    }

    /// `*ELASTIC` with its data lines.
    pub(super) fn elastic(&mut self, deck: &mut Deck<'_>, keyword: &Keyword) -> Result<()> {
        let lines = deck.numbers("an elastic constant")?;
        let entry = self.current(deck, keyword)?;
        let kind = keyword.word("TYPE").unwrap_or_else(|| "ISO".into());
        let read = match kind.as_str() {
            _ if keyword.get("DEPENDENCIES").is_some() => Err("depends on field variables".to_string()),
            "ISO" | "ISOTROPIC" => isotropic(&lines),
            "ENGINEERINGCONSTANTS" => nine(&lines).map(|v| Elastic::Orthotropic {
                young: [v[0], v[1], v[2]],
                poisson: [v[3], v[4], v[5]],
                shear: [v[6], v[7], v[8]],
            }),
            "ORTHO" | "ORTHOTROPIC" => nine(&lines).and_then(|stiffness| engineering_constants(&stiffness)),
            other => Err(format!("*ELASTIC, TYPE={other} is not supported (ISO, ORTHO, ENGINEERING CONSTANTS are)")),
        };
        match read {
            Ok(elastic) => entry.elastic = Some(elastic),
            Err(why) => entry.problem = Some((keyword.offset, why)),
        }
        Ok(())
    }

    /// `*EXPANSION` with its data lines.
    pub(super) fn expansion(&mut self, deck: &mut Deck<'_>, keyword: &Keyword) -> Result<()> {
        let lines = deck.numbers("an expansion coefficient")?;
        let zero = match keyword.get("ZERO") {
            Some(zero) => deck.number(zero.as_bytes(), "ZERO")?,
            None => 0.0,
        };
        let entry = self.current(deck, keyword)?;
        let kind = keyword.word("TYPE").unwrap_or_else(|| "ISO".into());
        let alpha = match (kind.as_str(), lines.as_slice()) {
            ("ISO" | "ISOTROPIC", [line]) if (1..=2).contains(&line.len()) => Ok([line[0].unwrap_or(0.0); 3]),
            ("ORTHO" | "ORTHOTROPIC", [line]) if (3..=4).contains(&line.len()) => {
                Ok([0, 1, 2].map(|i| line[i].unwrap_or(0.0)))
            }
            ("ISO" | "ISOTROPIC" | "ORTHO" | "ORTHOTROPIC", [_, _, ..]) => {
                Err("*EXPANSION depends on temperature; keep one line".to_string())
            }
            ("ISO" | "ISOTROPIC" | "ORTHO" | "ORTHOTROPIC", _) => {
                Err("*EXPANSION needs one coefficient (ISO) or three (ORTHO)".to_string())
            }
            (other, _) => Err(format!("*EXPANSION, TYPE={other} is not supported (ISO and ORTHO are)")),
        };
        entry.zero = zero;
        match alpha {
            Ok(alpha) => entry.alpha = alpha,
            Err(why) => entry.problem = Some((keyword.offset, why)),
        }
        Ok(())
    }

    /// A keyword that makes the material nonlinear; ignored outside of materials.
    pub(super) fn nonlinear(&mut self, keyword: &Keyword) {
        if let Some(entry) = self.entries.last_mut() {
            entry.nonlinear = Some(keyword.name.clone());
        }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The index of material `name`.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(&label(name)).map(|&i| i as u32)
    }

    /// The materials that can be used, in the deck's order; for each of the deck's its place among them; and warnings.
    ///
    /// # Errors
    /// The first material of `used` without usable constants.
    #[expect(clippy::type_complexity, reason = "three short lists that the one caller takes apart")]
    pub(super) fn finish(
        self,
        deck: &Deck<'_>,
        used: &[bool],
    ) -> Result<(Vec<Material>, Vec<Option<u32>>, Vec<String>)> {
        let (mut materials, mut place, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for (entry, &used) in self.entries.into_iter().zip(used) {
            place.push(None);
            let at = place.len() - 1;
            let material = match (entry.problem, entry.elastic) {
                (Some((offset, why)), _) if used => {
                    return Err(deck.error_at(offset, format!("material {}: {why}", entry.name)));
                }
                (None, Some(elastic)) => {
                    Material { name: entry.name, elastic, alpha: entry.alpha, reference_temperature: entry.zero }
                }
                (None, None) if used => {
                    return Err(deck.error_at(entry.offset, format!("material {} has no *ELASTIC", entry.name)));
                }
                _ => continue,
            };
            match check(&material) {
                Err(why) if used => return Err(deck.error_at(entry.offset, why)),
                Err(_) => continue,
                Ok(()) => {}
            }
            if let (Some(law), true) = (entry.nonlinear, used) {
                let name = &material.name;
                warnings.push(format!("material {name} has *{law}; its stress is computed by Hooke's law alone"));
            }
            place[at] = Some(materials.len() as u32);
            materials.push(material);
        }
        Ok((materials, place, warnings))
    }
}

fn isotropic(lines: &[Vec<Option<f64>>]) -> Result<Elastic, String> {
    match lines {
        [line] if (1..=3).contains(&line.len()) => Ok(Elastic::Isotropic {
            young: line[0].unwrap_or(0.0),
            poisson: line.get(1).copied().flatten().unwrap_or(0.0),
        }),
        [_, _, ..] => Err("*ELASTIC depends on temperature; keep one line".into()),
        _ => Err("*ELASTIC needs E and nu".into()),
    }
}

/// Nine constants over two lines, the second may end in a temperature.
fn nine(lines: &[Vec<Option<f64>>]) -> Result<[f64; 9], String> {
    let values: Vec<f64> = lines.iter().flatten().map(|value| value.unwrap_or(0.0)).collect();
    match values.len() {
        9 | 10 => Ok(std::array::from_fn(|i| values[i])),
        n if n > 10 => Err("*ELASTIC depends on temperature; keep one set of constants".into()),
        n => Err(format!("*ELASTIC needs nine constants, found {n}")),
    }
}
