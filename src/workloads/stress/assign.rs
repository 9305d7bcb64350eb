//! Which integration and which material each cell has: the file's word, the deck's, the user's, in that order of weight.

use std::collections::HashMap;

use super::model::Block;
use super::options::SolidOptions;
use crate::error::{Error, Result};
use crate::formats::mesh::{CellBlock, CellKind, Elastic, Field, Material, Mesh};
use crate::numeric::elements::{Integration, VARIANTS, tables};
use crate::numeric::tensor::Stiffness;

/// Material of every cell: distinct stiffnesses, and per block an index for each cell (empty when all have the first).
pub(super) struct Materials {
    pub(super) distinct: Vec<Stiffness>,
    pub(super) ids: Vec<Vec<u32>>,
}

/// Finds the material of every cell, and what of the file that leaves unused. In this order: `--young` (with `--poisson`), a material file with the cell array
/// `material_id`, cell arrays `E` and `nu`, the deck's sections.
///
/// # Errors
/// [`Error::Usage`] for options that do not fit together; [`Error::Model`] when a cell has no material or an impossible
/// one, with what the file offers.
pub(super) fn materials(mesh: &Mesh, options: &SolidOptions) -> Result<(Materials, Option<String>)> {
    let materials = find(mesh, options)?;
    Ok((materials, unused(mesh, options)?))
}

/// What the mesh says of its materials and one material for all leaves unused.
fn unused(mesh: &Mesh, options: &SolidOptions) -> Result<Option<String>> {
    let file = mesh.source.display();
    if options.young.is_some() {
        let expanding = mesh.materials.iter().find(|material| material.alpha != [0.0; 3]);
        return Ok(expanding.map(|material| {
            format!(
                "{file}: material {} expands with temperature; with --young there is no thermal strain",
                material.name
            )
        }));
    }
    let Some([one]) = options.materials.as_deref() else { return Ok(None) };
    let other = |name: &String| !name.eq_ignore_ascii_case(&one.name);
    let of_deck = || {
        let used = mesh.cell_material.iter().filter_map(|index| mesh.materials.get(*index as usize));
        used.map(|material| &material.name).find(|name| other(name))
    };
    let name = &one.name;
    Ok(match mesh.cell_field("material_id")? {
        Some(ids) => ids.values.iter().find(|id| **id != 0.0).map(|id| {
            format!("{file}: there are elements with material_id {id}, but the material file has one: all get {name}")
        }),
        None => of_deck().map(|other| {
            format!("{file}: there are sections of material {other}, but the material file has one: all get {name}")
        }),
    })
}

fn find(mesh: &Mesh, options: &SolidOptions) -> Result<Materials> {
    let only_trusses = mesh.blocks.iter().all(|block| block.kind == CellKind::Truss2);
    let uniform = |material: &Material| {
        let distinct = vec![stiffness(mesh, material)?];
        Ok(Materials { distinct, ids: vec![Vec::new(); mesh.blocks.len()] })
    };
    match (options.young, options.poisson) {
        (Some(young), poisson) => {
            let poisson = match poisson {
                Some(poisson) => poisson,
                // A truss has no lateral strain: any admissible value does.
                None if only_trusses => 0.0,
                None => {
                    return Err(Error::Usage("--young needs --poisson as well: this mesh has solid elements".into()));
                }
            };
            return uniform(&isotropic("--young", young, poisson));
        }
        (None, Some(_)) => return Err(Error::Usage("--poisson needs --young as well".into())),
        (None, None) => {}
    }
    if let Some(materials) = &options.materials {
        return match (&materials[..], mesh.cell_field("material_id")?) {
            ([], _) => Err(Error::Usage("the material file defines no material".into())),
            ([one], _) => uniform(one),
            (many, Some(ids)) => by_id(mesh, many, ids),
            (many, None) if !mesh.cell_material.is_empty() => by_section_name(mesh, many),
            (many, None) => Err(Error::Model(format!(
                "{}: the material file has {} materials, but the mesh has no cell array 'material_id' that says which \
                 cell has which; add it, or give one with --young and --poisson",
                mesh.source.display(),
                many.len()
            ))),
        };
    }
    match (mesh.cell_field("E")?, mesh.cell_field("nu")?) {
        (Some(young), poisson) if young.components == 1 && (poisson.is_some() || only_trusses) => {
            by_arrays(mesh, young, poisson)
        }
        _ if !mesh.cell_material.is_empty() => by_section(mesh, &mesh.materials, |index| Some(index as usize)),
        _ => Err(Error::Model(format!(
            "{}: no material: give --young and --poisson, or --materials FILE; cell arrays E and nu would do as well \
             (the file has {})",
            mesh.source.display(),
            names(&mesh.cell_fields)
        ))),
    }
}

fn isotropic(name: &str, young: f64, poisson: f64) -> Material {
    let elastic = Elastic::Isotropic { young, poisson };
    Material { name: name.into(), elastic, alpha: [0.0; 3], reference_temperature: 0.0 }
}

fn stiffness(mesh: &Mesh, material: &Material) -> Result<Stiffness> {
    Stiffness::new(material)
        .map_err(|why| Error::Model(format!("{}: material {}: {why}", mesh.source.display(), material.name)))
}

/// The names of `fields`, for messages.
pub(super) fn names(fields: &[Field]) -> String {
    if fields.is_empty() {
        return "none".into();
    }
    fields.iter().map(|field| format!("'{}' ({})", field.name, field.components)).collect::<Vec<_>>().join(", ")
}

/// Collects `index(cell)` for every cell of every block; a block whose cells all have material 0 stays empty.
fn indices(mesh: &Mesh, mut index: impl FnMut(usize) -> Result<u32>) -> Result<Vec<Vec<u32>>> {
    let block = |block: &CellBlock| {
        let ids = block.cells.iter().map(|cell| index(*cell as usize)).collect::<Result<Vec<u32>>>()?;
        Ok(if ids.iter().all(|id| *id == 0) { Vec::new() } else { ids })
    };
    mesh.blocks.iter().map(block).collect()
}

fn by_id(mesh: &Mesh, materials: &[Material], ids: &Field) -> Result<Materials> {
    let distinct = materials.iter().map(|material| stiffness(mesh, material)).collect::<Result<Vec<_>>>()?;
    let ids = indices(mesh, |cell| {
        let id = value(ids, cell);
        if id >= 0.0 && id < materials.len() as f64 && id.fract() == 0.0 {
            return Ok(id as u32);
        }
        Err(Error::Model(format!(
            "{}: element {}: material_id is {id}, the material file has {} (counted from 0: {})",
            mesh.source.display(),
            mesh.cell_label(cell),
            materials.len(),
            materials.iter().map(|material| material.name.as_str()).collect::<Vec<_>>().join(", ")
        )))
    })?;
    Ok(Materials { distinct, ids })
}

/// A deck's sections name the materials of the file.
fn by_section_name(mesh: &Mesh, materials: &[Material]) -> Result<Materials> {
    let find = |index: u32| {
        let name = &mesh.materials.get(index as usize)?.name;
        materials.iter().position(|material| material.name.eq_ignore_ascii_case(name))
    };
    by_section(mesh, materials, find)
}

fn by_section(mesh: &Mesh, materials: &[Material], find: impl Fn(u32) -> Option<usize>) -> Result<Materials> {
    let distinct = materials.iter().map(|material| stiffness(mesh, material)).collect::<Result<Vec<_>>>()?;
    let ids = indices(mesh, |cell| {
        let found = mesh.cell_material.get(cell).copied().and_then(&find).filter(|id| *id < distinct.len());
        found.map(|id| id as u32).ok_or_else(|| {
            Error::Model(format!(
                "{}: element {} has no section with a known material; there are: {}",
                mesh.source.display(),
                mesh.cell_label(cell),
                materials.iter().map(|material| material.name.as_str()).collect::<Vec<_>>().join(", ")
            ))
        })
    })?;
    Ok(Materials { distinct, ids })
}

fn by_arrays(mesh: &Mesh, young: &Field, poisson: Option<&Field>) -> Result<Materials> {
    let mut known: HashMap<[u64; 2], u32> = HashMap::new();
    let mut distinct = Vec::new();
    let ids = indices(mesh, |cell| {
        let (e, nu) = (value(young, cell), poisson.map_or(0.0, |nu| value(nu, cell)));
        let key = [e.to_bits(), nu.to_bits()];
        if let Some(id) = known.get(&key) {
            return Ok(*id);
        }
        let stiffness = Stiffness::new(&isotropic("", e, nu)).map_err(|why| {
            Error::Model(format!("{}: element {}: {why}", mesh.source.display(), mesh.cell_label(cell)))
        })?;
        distinct.push(stiffness);
        known.insert(key, distinct.len() as u32 - 1);
        Ok(distinct.len() as u32 - 1)
    })?;
    if distinct.is_empty() {
        // No cells: kernels still look at material 0.
        distinct.push(Stiffness::new(&isotropic("", 1.0, 0.0)).map_err(Error::Internal)?);
    }
    Ok(Materials { distinct, ids })
}

/// The first component of a cell's value; NaN where the array is too short (readers do not give such).
fn value(field: &Field, cell: usize) -> f64 {
    field.values.get(cell * field.components).copied().unwrap_or(f64::NAN)
}

/// Cuts the mesh's blocks by integration. The cell array `n_ip` wins, then the deck's element types, then the option,
/// then full integration (for hex20 that is 27 points: C3D20). `n_ip` = 8 fits both C3D8 and C3D8I; the deck or the
/// option tells them apart.
///
/// # Errors
/// [`Error::Model`] for an `n_ip` that the element does not come in; [`Error::Usage`] when the option fits no element.
pub(super) fn blocks(
    mesh: &mut Mesh,
    mut ids: Vec<Vec<u32>>,
    options: &SolidOptions,
) -> Result<(Vec<Block>, Vec<String>)> {
    let mut warnings = Vec::new();
    if let Some(wanted) = options.integration {
        let fits = |block: &CellBlock| tables(block.kind, wanted).is_some();
        if !mesh.blocks.iter().any(fits) {
            let kinds: Vec<_> = mesh.blocks.iter().map(|block| block.kind.name()).collect();
            return Err(Error::Usage(format!(
                "--integration {} fits no element of {} ({})",
                wanted.name(),
                mesh.source.display(),
                kinds.join(", ")
            )));
        }
    }
    let taken = std::mem::take(&mut mesh.blocks);
    let n_ip = mesh.cell_field("n_ip")?;
    let mut blocks = Vec::new();
    let mut overruled = 0_usize;
    for (cells, ids) in taken.into_iter().zip(ids.iter_mut()) {
        let choose = |cell: &u32| integration_of(mesh, n_ip, cells.kind, *cell as usize, options.integration);
        let chosen = cells.cells.iter().map(choose).collect::<Result<Vec<_>>>()?;
        if let Some(wanted) = options.integration.filter(|wanted| tables(cells.kind, *wanted).is_some()) {
            overruled += chosen.iter().filter(|integration| **integration != wanted).count();
        }
        let default = default_integration(cells.kind, options.integration);
        let first = chosen.first().copied().unwrap_or(default);
        if chosen.iter().all(|integration| *integration == first) {
            let tables = element(cells.kind, first)?;
            let materials = std::mem::take(ids);
            blocks.push(Block { tables, connectivity: cells.connectivity, cells: cells.cells, materials });
            continue;
        }
        for (kind, integration, _) in VARIANTS.iter().filter(|variant| variant.0 == cells.kind) {
            let mut block = Block {
                tables: element(*kind, *integration)?,
                connectivity: Vec::new(),
                cells: Vec::new(),
                materials: Vec::new(),
            };
            for (i, _) in chosen.iter().enumerate().filter(|(_, chosen)| *chosen == integration) {
                block.connectivity.extend_from_slice(&cells.connectivity[i * kind.nodes()..][..kind.nodes()]);
                block.cells.push(cells.cells[i]);
                block.materials.extend(ids.get(i));
            }
            if !block.is_empty() {
                blocks.push(block);
            }
        }
    }
    if overruled > 0 {
        warnings.push(format!("--integration is not used for {overruled} elements whose integration the file states"));
    }
    Ok((blocks, warnings))
}

fn element(kind: CellKind, integration: Integration) -> Result<&'static crate::numeric::elements::ElementTables> {
    tables(kind, integration)
        .ok_or_else(|| Error::Internal(format!("{} has no {} integration", kind.name(), integration.name())))
}

fn default_integration(kind: CellKind, wanted: Option<Integration>) -> Integration {
    wanted.filter(|wanted| tables(kind, *wanted).is_some()).unwrap_or(Integration::Full)
}

fn integration_of(
    mesh: &Mesh,
    n_ip: Option<&Field>,
    kind: CellKind,
    cell: usize,
    wanted: Option<Integration>,
) -> Result<Integration> {
    let deck = mesh.integration.as_ref().and_then(|deck| deck.get(cell).copied()).filter(|count| *count != 0);
    let incompatible = match deck {
        Some(count) => count == Mesh::INCOMPATIBLE,
        None => wanted == Some(Integration::Incompatible),
    };
    let stated = n_ip.map(|field| value(field, cell)).filter(|count| *count != 0.0);
    let count = match (stated, deck) {
        (Some(count), _) => count,
        (None, Some(Mesh::INCOMPATIBLE)) => 8.0,
        (None, Some(count)) => f64::from(count),
        (None, None) => return Ok(default_integration(kind, wanted)),
    };
    let fits = |integration: &Integration| tables(kind, *integration).is_some_and(|t| t.ips as f64 == count);
    if incompatible && fits(&Integration::Incompatible) {
        return Ok(Integration::Incompatible);
    }
    // Incompatible has as many points as full: a count alone never asks for it.
    let told_by_count = [Integration::Full, Integration::Reduced];
    told_by_count.into_iter().find(fits).ok_or_else(|| {
        let known = told_by_count.iter().filter_map(|&integration| {
            tables(kind, integration).map(|t| format!("{} ({})", t.ips, integration.name()))
        });
        Error::Model(format!(
            "{}: element {}: {count} integration points (n_ip) do not fit a {}; it comes with {}",
            mesh.source.display(),
            mesh.cell_label(cell),
            kind.name(),
            known.collect::<Vec<_>>().join(" or ")
        ))
    })
}
