//! Elastic materials: what makes one admissible, and files that name them (JSON or TOML).
//!
//! A file maps names to constants:
//! ```json
//! {"STEEL": {"E": 2.1e11, "nu": 0.3, "rho": 7850, "alpha": 1.2e-5, "T0": 20},
//!  "PLY":   {"E": [1.4e11, 1e10, 1e10], "nu": [0.3, 0.3, 0.4], "G": [5e9, 5e9, 3.5e9], "alpha": [0, 3e-5, 3e-5]}}
//! ```

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::{Place, Result};
use crate::formats::mesh::{Elastic, Material};
use crate::formats::source::Source;

/// Whether `material` can be: every number finite, E > 0, G > 0, -1 < nu < 0.5, and for an orthotropic one a positive
/// definite compliance, that is with nu_ji = nu_ij E_j / E_i: 1 - nu12 nu21 > 0 and
/// 1 - nu12 nu21 - nu13 nu31 - nu23 nu32 - 2 nu21 nu32 nu13 > 0.
///
/// # Errors
/// The condition that fails, with the numbers.
pub fn check(material: &Material) -> Result<(), String> {
    let name = &material.name;
    let positive = |what: &str, value: f64| {
        if value > 0.0 && value.is_finite() {
            Ok(())
        } else {
            Err(format!("material {name}: {what} must be positive, not {value}"))
        }
    };
    if let Some(alpha) = material.alpha.iter().find(|alpha| !alpha.is_finite()) {
        return Err(format!("material {name}: alpha must be finite, not {alpha}"));
    }
    if !material.reference_temperature.is_finite() {
        return Err(format!("material {name}: T0 must be finite, not {}", material.reference_temperature));
    }
    match material.elastic {
        Elastic::Isotropic { young, poisson } => {
            positive("E", young)?;
            if poisson > -1.0 && poisson < 0.5 {
                Ok(())
            } else {
                Err(format!("material {name}: nu must be above -1 and below 0.5, not {poisson}"))
            }
        }
        Elastic::Orthotropic { young, poisson, shear } => {
            for i in 0..3 {
                positive(["E1", "E2", "E3"][i], young[i])?;
                positive(["G12", "G13", "G23"][i], shear[i])?;
                if !poisson[i].is_finite() {
                    return Err(format!("material {name}: {} must be finite", ["nu12", "nu13", "nu23"][i]));
                }
            }
            let [nu12, nu13, nu23] = poisson;
            let nu21 = nu12 * young[1] / young[0];
            let nu31 = nu13 * young[2] / young[0];
            let nu32 = nu23 * young[2] / young[1];
            let second = 1.0 - nu12 * nu21;
            let third = second - nu13 * nu31 - nu23 * nu32 - 2.0 * nu21 * nu32 * nu13;
            let indefinite = |minor: &str, value: f64| {
                Err(format!(
                    "material {name}: the compliance is not positive definite: {minor} = {value}, must be positive"
                ))
            };
            // An overflow to NaN fails too.
            if second <= 0.0 || second.is_nan() {
                return indefinite("the 2x2 minor, 1 - nu12 nu21", second);
            }
            if third <= 0.0 || third.is_nan() {
                return indefinite("the 3x3 minor, 1 - nu12 nu21 - nu13 nu31 - nu23 nu32 - 2 nu21 nu32 nu13", third);
            }
            Ok(())
        }
    }
}

/// Engineering constants of the orthotropic stiffness [D1111, D1122, D2222, D1133, D2233, D3333, D1212, D1313, D2323]
/// (the order of `*ELASTIC, TYPE=ORTHO`): with S the inverse of the 3x3 block, E_i = 1 / S_ii, nu_ij = -S_ij / S_ii.
///
/// # Errors
/// A stiffness that is not positive definite.
pub(crate) fn engineering_constants(stiffness: &[f64; 9]) -> Result<Elastic, String> {
    let [d11, d12, d22, d13, d23, d33, g12, g13, g23] = *stiffness;
    // Cofactors of the symmetric block; S_ij = cofactor_ij / determinant.
    let c11 = d22 * d33 - d23 * d23;
    let c12 = d13 * d23 - d12 * d33;
    let c13 = d12 * d23 - d13 * d22;
    let c22 = d11 * d33 - d13 * d13;
    let c23 = d12 * d13 - d11 * d23;
    let c33 = d11 * d22 - d12 * d12;
    let determinant = d11 * c11 + d12 * c12 + d13 * c13;
    if !(d11 > 0.0 && c33 > 0.0 && determinant > 0.0 && determinant.is_finite()) {
        return Err("the orthotropic stiffness is not positive definite".into());
    }
    Ok(Elastic::Orthotropic {
        young: [determinant / c11, determinant / c22, determinant / c33],
        poisson: [-c12 / c11, -c13 / c11, -c23 / c22],
        shear: [g12, g13, g23],
    })
}

/// Reads a material file, TOML by its ending or else JSON; `rho` is accepted and not used.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input): what does not parse, an unknown or repeated key, constants that
/// [`check`] refuses.
pub fn read_materials(path: &Path) -> Result<Vec<Material>> {
    let source = Source::open(path)?;
    let whole = |why: String| source.error(Place::Whole, why);
    let text = std::str::from_utf8(source.bytes())
        .map_err(|e| source.error(Place::Byte(e.valid_up_to() as u64), "is not UTF-8 text"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Named(entries) = if source.extension() == "toml" {
        toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |span| {
                1 + text.as_bytes()[..span.start.min(text.len())].iter().filter(|b| **b == b'\n').count()
            });
            source.error(Place::Line(line as u64), e.message())
        })?
    } else {
        serde_json::from_str(text).map_err(|e| {
            let message = e.to_string();
            let place = format!(" at line {} column {}", e.line(), e.column());
            source.error(Place::Line(e.line() as u64), message.strip_suffix(&place).unwrap_or(&message))
        })?
    };
    let mut materials: Vec<Material> = Vec::with_capacity(entries.len());
    let mut names = HashSet::new();
    for (name, entry) in entries {
        if !names.insert(name.clone()) {
            return Err(whole(format!("material {name} is defined twice")));
        }
        let material = entry.material(name).map_err(whole)?;
        check(&material).map_err(whole)?;
        materials.push(material);
    }
    if materials.is_empty() {
        return Err(whole("defines no material".into()));
    }
    Ok(materials)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(rename = "E")]
    young: Values,
    #[serde(rename = "nu")]
    poisson: Values,
    #[serde(rename = "G")]
    shear: Option<Values>,
    #[serde(default)]
    alpha: Option<Values>,
    #[serde(rename = "T0", default)]
    reference_temperature: f64,
    #[serde(rename = "rho", default)]
    _density: Option<f64>,
}

impl Entry {
    fn material(self, name: String) -> Result<Material, String> {
        let elastic = match (self.young, self.poisson, self.shear) {
            (Values::One(young), Values::One(poisson), None) => Elastic::Isotropic { young, poisson },
            (Values::Three(young), Values::Three(poisson), Some(Values::Three(shear))) => {
                Elastic::Orthotropic { young, poisson, shear }
            }
            (Values::One(_), Values::One(_), Some(_)) => {
                return Err(format!("material {name}: G follows from E and nu when it is isotropic; remove it"));
            }
            _ => {
                return Err(format!(
                    "material {name}: give E and nu as numbers (isotropic), or E, nu and G as three numbers each (orthotropic)"
                ));
            }
        };
        let alpha = match self.alpha {
            None => [0.0; 3],
            Some(Values::One(alpha)) => [alpha; 3],
            Some(Values::Three(alpha)) => alpha,
        };
        Ok(Material { name, elastic, alpha, reference_temperature: self.reference_temperature })
    }
}

/// A number or three.
#[derive(Debug, Clone, Copy)]
enum Values {
    One(f64),
    Three([f64; 3]),
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrThree;
        impl<'de> Visitor<'de> for OneOrThree {
            type Value = Values;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or three numbers")
            }
            fn visit_f64<E>(self, value: f64) -> Result<Values, E> {
                Ok(Values::One(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Values, E> {
                Ok(Values::One(value as f64))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Values, E> {
                Ok(Values::One(value as f64))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Values, A::Error> {
                let mut three = [0.0; 3];
                for (i, slot) in three.iter_mut().enumerate() {
                    *slot = values.next_element()?.ok_or_else(|| serde::de::Error::invalid_length(i, &self))?;
                }
                match values.next_element::<serde::de::IgnoredAny>()? {
                    None => Ok(Values::Three(three)),
                    Some(_) => Err(serde::de::Error::invalid_length(4, &self)),
                }
            }
        }
        deserializer.deserialize_any(OneOrThree)
    }
}

/// Every entry of a map in the file's order, repeated names too.
struct Named(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Named;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("material names with their constants")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Named(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ending: &str, text: &str) -> Result<Vec<Material>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("m.{ending}"));
        std::fs::write(&path, text).unwrap();
        read_materials(&path)
    }

    fn refusal(ending: &str, text: &str) -> String {
        let error = read(ending, text).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        let message = error.to_string();
        message[message.find("m.").unwrap()..].to_string()
    }

    const PLY: &str =
        r#"{"E": [1.4e11, 1e10, 1e10], "nu": [0.3, 0.3, 0.4], "G": [5e9, 5e9, 3.5e9], "alpha": [0, 3e-5, 3e-5]}"#;

    #[test]
    fn json_and_toml_say_the_same() {
        let json = read(
            "json",
            &format!(r#"{{"STEEL": {{"E": 210000, "nu": 0.3, "rho": 1, "alpha": 1e-5, "T0": 20}}, "PLY": {PLY}}}"#),
        )
        .unwrap();
        let toml = "[STEEL]\nE = 210000\nnu = 0.3\nrho = 1.0\nalpha = 1e-5\nT0 = 20\n[PLY]\nE = [1.4e11, 1e10, 1e10]\n\
                    nu = [0.3, 0.3, 0.4]\nG = [5e9, 5e9, 3.5e9]\nalpha = [0, 3e-5, 3e-5]\n";
        assert_eq!(read("toml", toml).unwrap(), json);
        assert_eq!(json[0].elastic, Elastic::Isotropic { young: 210_000.0, poisson: 0.3 });
        assert_eq!((json[0].alpha, json[0].reference_temperature), ([1e-5; 3], 20.0));
        assert_eq!(json[1].alpha, [0.0, 3e-5, 3e-5]);
    }

    #[test]
    fn a_refusal_names_the_key_and_the_line() {
        assert_eq!(
            refusal("json", "{\"A\": {\"E\": 1,\n \"Nu\": 0.3}}"),
            "m.json:2: unknown field `Nu`, expected one of `E`, `nu`, `G`, `alpha`, `T0`, `rho`"
        );
        assert!(
            refusal("toml", "[A]\nE = 1\nnu = 0.3\npoisson = 1\n").starts_with("m.toml:4: unknown field `poisson`")
        );
        assert!(refusal("json", "{\"A\": {\"E\": 1}}").contains("missing field `nu`"));
        assert!(
            refusal("json", r#"{"A": {"E": [1, 2], "nu": 0.3}}"#)
                .contains("invalid length 2, expected a number or three")
        );
        assert!(refusal("json", r#"{"A": {"E": 1, "nu": 0.3, "G": 1}}"#).contains("G follows from E and nu"));
        assert!(refusal("json", r#"{"A": {"E": [1, 2, 3], "nu": 0.3}}"#).contains("three numbers each"));
        let steel = r#""A": {"E": 1, "nu": 0.3}"#;
        assert_eq!(refusal("json", &format!("{{{steel}, {steel}}}")), "m.json: material A is defined twice");
        assert_eq!(refusal("json", "{}"), "m.json: defines no material");
        assert!(refusal("json", &"[".repeat(100_000)).starts_with("m.json:1: "));
        assert!(refusal("toml", &format!("a = {}", "[".repeat(100_000))).starts_with("m.toml:1: "));
    }

    #[test]
    fn inadmissible_constants_are_named() {
        for (constants, why) in [
            (r#""E": 0, "nu": 0.3"#, "E must be positive, not 0"),
            (r#""E": 1, "nu": 0.5"#, "nu must be above -1 and below 0.5, not 0.5"),
            (r#""E": 1, "nu": -1"#, "nu must be above -1"),
            (r#""E": [1, 1, -1], "nu": [0, 0, 0], "G": [1, 1, 1]"#, "E3 must be positive"),
            (r#""E": [1, 1, 1], "nu": [0, 0, 0], "G": [1, 0, 1]"#, "G13 must be positive"),
            (r#""E": [1, 4, 1], "nu": [0.5, 0, 0], "G": [1, 1, 1]"#, "the 2x2 minor, 1 - nu12 nu21 = 0, "),
            (r#""E": [1, 1, 1], "nu": [0, 0, 1.1], "G": [1, 1, 1]"#, "the 3x3 minor"),
        ] {
            let message = refusal("json", &format!(r#"{{"A": {{{constants}}}}}"#));
            assert!(message.contains(why), "{message}");
        }
    }

    #[test]
    fn the_stiffness_of_an_isotropic_material_gives_it_back() {
        let (young, nu) = (2.0e5, 0.3);
        let lambda = young * nu / ((1.0 + nu) * (1.0 - 2.0 * nu));
        let g = young / (2.0 * (1.0 + nu));
        let d = lambda + 2.0 * g;
        let Ok(Elastic::Orthotropic { young: e, poisson, shear }) =
            engineering_constants(&[d, lambda, d, lambda, lambda, d, g, g, g])
        else {
            panic!("a sound stiffness was refused")
        };
        // The cofactors lose a factor (1 - nu) / (1 - 2 nu) < 2 of the last digits twice.
        for i in 0..3 {
            assert!((e[i] / young - 1.0).abs() < 1e-14 && (poisson[i] / nu - 1.0).abs() < 1e-14 && shear[i] == g);
        }
        assert!(engineering_constants(&[1.0, 2.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]).is_err());
    }
}
