//! Which arrays of a mesh are its displacements and temperatures.

use super::assign::names;
use super::options::{DISPLACEMENT_NAMES, TEMPERATURE_NAMES};
use crate::error::{Error, Result};
use crate::formats::mesh::{Field, Mesh};

/// The point field `wanted`, or the first of [`DISPLACEMENT_NAMES`] that fits. `noticed` is what the reader said: it may
/// tell why there is none.
///
/// # Errors
/// [`Error::Input`] when there is none, with those that are there, or when none fits, with what is wrong with the first.
pub(super) fn displacement<'m>(mesh: &'m Mesh, wanted: Option<&str>, noticed: &[String]) -> Result<&'m Field> {
    if let Some(field) = choose(mesh, wanted, &DISPLACEMENT_NAMES, 3)? {
        return Ok(field);
    }
    let noticed = match noticed {
        [] => String::new(),
        some => format!("; noticed while reading: {}", some.join("; ")),
    };
    let why = format!(
        "no displacement field; point fields: {}; name one with --field, or give --displacement FILE{noticed}",
        names(&mesh.point_fields)
    );
    Err(Error::input(&mesh.source, why))
}

/// The point field `wanted`, or the first of [`TEMPERATURE_NAMES`] that fits; nothing when nobody asked for one and no
/// material `expands`.
///
/// # Errors
/// [`Error::Input`] when there is no field `wanted`, or none of the others fits.
pub(super) fn temperature<'m>(mesh: &'m Mesh, wanted: Option<&str>, expands: bool) -> Result<Option<&'m Field>> {
    if wanted.is_none() && !expands { Ok(None) } else { choose(mesh, wanted, &TEMPERATURE_NAMES, 1) }
}

/// The field `wanted`, or the first of `usual` that has `components`.
fn choose<'m>(mesh: &'m Mesh, wanted: Option<&str>, usual: &[&str], components: usize) -> Result<Option<&'m Field>> {
    if let Some(name) = wanted {
        let there = || names(&mesh.point_fields);
        let none = || Error::input(&mesh.source, format!("no point field '{name}'; point fields: {}", there()));
        return check(mesh, mesh.point_field(name)?.ok_or_else(none)?, components).map(Some);
    }
    // What is wrong with the first candidate counts only if no other is right.
    let mut wrong = None;
    for name in usual {
        match mesh.point_field(name).and_then(|field| field.map(|field| check(mesh, field, components)).transpose()) {
            Ok(Some(field)) => return Ok(Some(field)),
            Ok(None) => {}
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    wrong.map_or(Ok(None), Err)
}

fn check<'m>(mesh: &Mesh, field: &'m Field, components: usize) -> Result<&'m Field> {
    if field.components == components && field.values.len() == components * mesh.points.len() {
        return Ok(field);
    }
    let (name, has, values) = (&field.name, field.components, field.values.len());
    let why = format!("point field '{name}' has {has} components for {values} values; it needs {components}");
    Err(Error::input(&mesh.source, format!("{why}; point fields: {}", names(&mesh.point_fields))))
}
