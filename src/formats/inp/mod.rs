//! CalculiX and Abaqus decks: nodes, elements, sets, materials, solid sections, temperatures. Loads, steps and output
//! requests are skipped.

mod deck;
mod include;
mod materials;
mod origins;
mod sets;
mod spans;
pub(crate) mod thermal;
mod types;

#[cfg(test)]
mod tests;

use crate::error::{Place, Result};
use crate::formats::build::{IdMap, MeshBuilder, used_points};
use crate::formats::mesh::{CellKind, Elastic, Material, Mesh};
use crate::formats::source::Source;

use deck::{Deck, Keyword, fields};
use materials::Materials;
use sets::{Reference, Scope, Sets};
use thermal::Temperatures;
use types::{Use, element_type};

/// No material, in [`Mesh::cell_material`].
const NONE: u32 = u32::MAX;

/// The elements of one `*ELEMENT` keyword.
struct Block {
    name: String,
    role: Use,
    ids: Vec<u64>,
    /// Node numbers as the deck has them.
    nodes: Vec<u32>,
    offset: usize,
}

/// `*SOLID SECTION`.
struct Section {
    elset: Reference,
    material: String,
    oriented: bool,
    offset: usize,
}

/// Reads a deck.
///
/// [`Mesh::integration`] follows the element types. Shells, beams, springs and masses are skipped and counted in a
/// warning. Sets may be used before they are defined. `*INCLUDE` and `INPUT=` are followed. One part with one instance that
/// is not moved is read as if it stood alone; its sets and those of the assembly are told apart where they share a name.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the line: a solid without a stress model, an element with too few
/// or too many nodes or a node that is not there, repeated elements, a section with an unknown set or material, a used
/// material without linear elastic constants that do not depend on temperature, and keywords that make or move nodes
/// (`*NGEN`, `*SYSTEM`, several parts), each with what to do.
pub fn read_inp(source: &Source) -> Result<Mesh> {
    match include::joined(source)? {
        Some((joined, origins)) => read(&joined, Deck::of(&joined, origins)?),
        None => read(source, Deck::new(source)?),
    }
}

fn read(source: &Source, mut deck: Deck<'_>) -> Result<Mesh> {
    let mut model = Model::new();
    let mut any = false;
    while let Some(keyword) = deck.keyword()? {
        any = true;
        model.keyword(&mut deck, &keyword)?;
    }
    if !any {
        return Err(source.error(Place::Whole, "is not a deck: no line starts with `*`"));
    }
    model.finish(&deck, source)
}

/// What the keywords fill.
struct Model {
    node_ids: Vec<u64>,
    points: Vec<[f64; 3]>,
    blocks: Vec<Block>,
    node_sets: Sets,
    element_sets: Sets,
    materials: Materials,
    sections: Vec<Section>,
    temperatures: Temperatures,
    in_part: bool,
    /// Between `*ASSEMBLY` and its end.
    assembly: bool,
    in_instance: bool,
    instances: usize,
    parts: usize,
    warnings: Vec<String>,
}

impl Model {
    fn new() -> Self {
        Self {
            node_ids: Vec::new(),
            points: Vec::new(),
            blocks: Vec::new(),
            node_sets: Sets::new("node"),
            element_sets: Sets::new("element"),
            materials: Materials::default(),
            sections: Vec::new(),
            temperatures: Temperatures::default(),
            in_part: false,
            assembly: false,
            in_instance: false,
            instances: 0,
            parts: 0,
            warnings: Vec::new(),
        }
    }

    fn keyword(&mut self, deck: &mut Deck<'_>, keyword: &Keyword) -> Result<()> {
        let scope = self.scope();
        let assembly = self.assembly && scope == Scope::Model;
        match keyword.name.as_str() {
            "NODE" if assembly => self.node_sets.skip_own(deck),
            "ELEMENT" if assembly => self.element_sets.skip_own(deck),
            "NODE" => self.nodes(deck, keyword)?,
            "ELEMENT" => self.elements(deck, keyword)?,
            "NSET" => self.node_sets.read(deck, keyword, "NSET", scope, assembly)?,
            "ELSET" => self.element_sets.read(deck, keyword, "ELSET", scope, assembly)?,
            "MATERIAL" => self.materials.begin(deck, keyword)?,
            "ELASTIC" => self.materials.elastic(deck, keyword)?,
            "EXPANSION" => self.materials.expansion(deck, keyword)?,
            "PLASTIC"
            | "CREEP"
            | "VISCO"
            | "VISCOELASTIC"
            | "HYPERELASTIC"
            | "HYPERFOAM"
            | "DEFORMATIONPLASTICITY"
            | "USERMATERIAL" => self.materials.nonlinear(keyword),
            "SOLIDSECTION" => self.section(deck, keyword)?,
            "INITIALCONDITIONS" => self.temperatures.initial(deck, keyword, scope)?,
            "TEMPERATURE" => self.temperatures.applied(deck, keyword, scope)?,
            // `include` has followed all others.
            "INCLUDE" => return refuse(deck, keyword, "names no file; write INPUT=FILE"),
            "NGEN" | "NFILL" | "NCOPY" | "NMAP" | "ELGEN" | "ELCOPY" => {
                return refuse(
                    deck,
                    keyword,
                    "generated nodes and elements are not read; write a deck that lists them",
                );
            }
            "SYSTEM" => {
                return refuse(deck, keyword, "moved coordinates are not read; write nodes in global coordinates");
            }
            "PART" => {
                self.parts += 1;
                self.in_part = true;
                if self.parts > 1 {
                    return refuse(
                        deck,
                        keyword,
                        "several parts are not read; write a flat deck (Abaqus: no parts and assemblies)",
                    );
                }
            }
            "ENDPART" => self.in_part = false,
            "ASSEMBLY" => {
                self.assembly = true;
                self.in_part = false;
                if let Some(name) = keyword.get("NAME") {
                    self.node_sets.name_assembly(name);
                    self.element_sets.name_assembly(name);
                }
            }
            "ENDASSEMBLY" => self.assembly = false,
            "INSTANCE" => {
                self.instances += 1;
                self.in_instance = true;
                if self.instances > 1 {
                    return refuse(
                        deck,
                        keyword,
                        "several instances are not read; write a flat deck (Abaqus: no parts and assemblies)",
                    );
                }
                if deck.data().is_some() {
                    return refuse(deck, keyword, "an instance that is moved is not read; write a flat deck");
                }
            }
            "ENDINSTANCE" => self.in_instance = false,
            _ => {}
        }
        Ok(())
    }

    /// Whose names are defined and used here.
    fn scope(&self) -> Scope {
        if self.in_part || self.in_instance { Scope::Part } else { Scope::Model }
    }

    fn nodes(&mut self, deck: &mut Deck<'_>, keyword: &Keyword) -> Result<()> {
        if keyword.word("SYSTEM").is_some_and(|system| system != "R") {
            return Err(deck.error_at(keyword.offset, "*NODE in cylindrical or spherical coordinates is not read"));
        }
        let first = self.node_ids.len();
        while let Some(line) = deck.data() {
            let mut parts = fields(line);
            self.node_ids.push(deck.id(parts.next().unwrap_or_default(), "a node number")?);
            // Coordinates that are left out are zero; a normal may follow the third.
            let mut point = [0.0; 3];
            for (value, field) in point.iter_mut().zip(parts) {
                if !field.is_empty() {
                    *value = deck.number(field, "a coordinate")?;
                }
            }
            self.points.push(point);
        }
        if let Some(name) = keyword.get("NSET") {
            self.node_sets.extend(self.scope(), name, &self.node_ids[first..]);
        }
        Ok(())
    }

    fn elements(&mut self, deck: &mut Deck<'_>, keyword: &Keyword) -> Result<()> {
        let Some(name) = keyword.word("TYPE") else {
            return Err(deck.error_at(keyword.offset, "*ELEMENT without TYPE="));
        };
        let role = element_type(&name);
        let kind = match role {
            Use::Cell { kind, .. } => Some(kind),
            Use::Hybrid { kind } => {
                let warning = format!(
                    "{name} is read as a plain {}: its pressure is not in the displacements; --integration decides",
                    kind.name()
                );
                if !self.warnings.contains(&warning) {
                    self.warnings.push(warning);
                }
                Some(kind)
            }
            Use::Skipped { .. } => None,
            Use::Refused => {
                return Err(deck.error_at(
                    keyword.offset,
                    format!(
                        "element type {name} has no stress model; known are C3D4, C3D6, C3D8, C3D8R, C3D8I, C3D10, C3D15, \
                         C3D20, C3D20R, T3D2"
                    ),
                ));
            }
        };
        let mut block = Block { name, role, ids: Vec::new(), nodes: Vec::new(), offset: keyword.offset };
        match kind {
            Some(kind) => connectivity(deck, kind, &mut block)?,
            None => {
                let mut goes_on = false;
                while let Some(line) = deck.data() {
                    if !goes_on {
                        block.ids.push(deck.id(fields(line).next().unwrap_or_default(), "an element number")?);
                    }
                    goes_on = line.ends_with(b",");
                }
            }
        }
        if let Some(set) = keyword.get("ELSET") {
            self.element_sets.extend(self.scope(), set, &block.ids);
        }
        self.blocks.push(block);
        Ok(())
    }

    fn section(&mut self, deck: &Deck<'_>, keyword: &Keyword) -> Result<()> {
        let value = |parameter| {
            keyword
                .get(parameter)
                .filter(|value| !value.is_empty())
                .map(str::to_string)
                .ok_or_else(|| deck.error_at(keyword.offset, format!("*SOLID SECTION without {parameter}=")))
        };
        if keyword.get("COMPOSITE").is_some() {
            return Err(deck.error_at(keyword.offset, "*SOLID SECTION, COMPOSITE is not read"));
        }
        self.sections.push(Section {
            elset: Reference::new(&value("ELSET")?, self.scope(), keyword.offset),
            material: value("MATERIAL")?,
            oriented: keyword.get("ORIENTATION").is_some(),
            offset: keyword.offset,
        });
        Ok(())
    }

    fn finish(self, deck: &Deck<'_>, source: &Source) -> Result<Mesh> {
        let mut builder = MeshBuilder::new(source);
        builder.set_points(self.node_ids, self.points).map_err(|(_, why)| source.error(Place::Whole, why))?;
        self.warnings.into_iter().for_each(|warning| builder.warn(warning));
        if self.node_sets.has_own() || self.element_sets.has_own() {
            builder.warn("nodes and elements of the assembly (reference points) are skipped".into());
        }
        let mut integration = Vec::new();
        let mut ids = Vec::new();
        for block in &self.blocks {
            add_block(deck, block, &mut builder)?;
            let points = match block.role {
                Use::Cell { integration, .. } => integration,
                _ => 0,
            };
            integration.resize(builder.n_cells(), points);
            ids.extend_from_slice(&block.ids);
        }
        let cells = IdMap::new(&ids)
            .map_err(|(_, second)| source.error(Place::Whole, format!("element {} is defined twice", ids[second])))?;
        if self.sections.is_empty() && self.blocks.iter().any(|block| block.name.starts_with("CPS")) {
            // Gmsh's deck, not a model: it writes faces as plane stress elements and their edges as T3D2.
            builder.drop_edges("T3D2 beside them", false);
        }
        let nodes = builder.take_nodes();
        let mut mesh = builder.finish(Vec::new(), Vec::new())?;
        mesh.integration = Some(integration);

        // Sets may overlap and nest; this bounds the time for a deck that repeats them without end (about a second).
        let mut budget = 100_000_000 + 16 * source.bytes().len() as u64;
        let mut materials =
            assign(deck, (&self.sections, self.materials), &self.element_sets, &cells, &mut budget, &mut mesh)?;
        let used = used_points(&mesh);
        let into = (&mut mesh, materials.as_mut_slice());
        self.temperatures.finish(deck, &self.node_sets, |id| nodes.get(id), &used, &mut budget, into)?;
        mesh.materials = materials;
        Ok(mesh)
    }
}

fn refuse(deck: &Deck<'_>, keyword: &Keyword, why: &str) -> Result<()> {
    Err(deck.error_at(keyword.offset, format!("*{}: {why}", keyword.name)))
}

/// Reads the data lines of solids: number, then nodes over as many lines as they need.
fn connectivity(deck: &mut Deck<'_>, kind: CellKind, block: &mut Block) -> Result<()> {
    let n = kind.nodes();
    let mut left = 0;
    while let Some(line) = deck.data() {
        let mut parts = fields(line).peekable();
        if left == 0 {
            block.ids.push(deck.id(parts.next().unwrap_or_default(), "an element number")?);
            left = n;
        }
        while let Some(field) = parts.next() {
            if field.is_empty() && parts.peek().is_none() {
                break;
            }
            if left == 0 {
                let id = block.ids.last().copied().unwrap_or(0);
                return Err(deck.error(format!("element {id}: a {} has {n} nodes, more are listed", block.name)));
            }
            let node = deck.id(field, "a node of an element")?;
            block.nodes.push(u32::try_from(node).map_err(|_| deck.error(format!("node number {node} is too large")))?);
            left -= 1;
        }
    }
    if left > 0 {
        let id = block.ids.last().copied().unwrap_or(0);
        let why = format!("element {id}: a {} has {n} nodes, {} are listed", block.name, n - left);
        return Err(deck.error(why));
    }
    Ok(())
}

fn add_block(deck: &Deck<'_>, block: &Block, builder: &mut MeshBuilder<'_>) -> Result<()> {
    let kind = match block.role {
        Use::Cell { kind, .. } | Use::Hybrid { kind } => kind,
        Use::Skipped { surface } => {
            return block.ids.iter().try_for_each(|&id| builder.skip(&block.name, surface, id));
        }
        Use::Refused => unreachable!("refused when it was read"),
    };
    let mut indices = [0u32; 20];
    let indices = &mut indices[..kind.nodes()];
    for (&id, nodes) in block.ids.iter().zip(block.nodes.chunks_exact(kind.nodes())) {
        for (index, &node) in indices.iter_mut().zip(nodes) {
            *index = builder.node(u64::from(node)).ok_or_else(|| {
                deck.error_at(block.offset, format!("element {id} refers to node {node}, which is not defined"))
            })?;
        }
        builder.add(kind, id)?.copy_from_slice(indices);
    }
    Ok(())
}

/// Gives each cell the material of the last section that holds it; returns the materials.
fn assign(
    deck: &Deck<'_>,
    (sections, materials): (&[Section], Materials),
    sets: &Sets,
    cells: &IdMap,
    budget: &mut u64,
    mesh: &mut Mesh,
) -> Result<Vec<Material>> {
    let mut cell_material = if sections.is_empty() { Vec::new() } else { vec![NONE; mesh.n_cells] };
    let ids = mesh.cell_ids.as_deref().unwrap_or_default();
    let mut of_section = Vec::with_capacity(sections.len());
    for section in sections {
        let Some(material) = materials.find(&section.material) else {
            let why = format!("material {} is not defined", section.material);
            return Err(deck.error_at(section.offset, why));
        };
        of_section.push(material);
        sets.visit(deck, &section.elset, budget, |span, budget| {
            if span.count() <= 4 * ids.len() as u64 {
                *budget = budget.saturating_sub(span.count());
                for i in 0..span.count() {
                    if let Some(cell) = cells.get(span.first + i * span.step) {
                        cell_material[cell as usize] = material;
                    }
                }
            } else {
                *budget = budget.saturating_sub(ids.len() as u64);
                for (id, slot) in ids.iter().zip(&mut cell_material) {
                    if span.contains(*id) {
                        *slot = material;
                    }
                }
            }
        })?;
    }
    let mut used = vec![false; materials.len()];
    if !cell_material.is_empty() {
        for &cell in mesh.blocks.iter().flat_map(|block| &block.cells) {
            if let Some(slot) = used.get_mut(cell_material[cell as usize] as usize) {
                *slot = true;
            }
        }
    }
    let (list, place, warnings) = materials.finish(deck, &used)?;
    mesh.warnings.extend(warnings);
    for (section, &material) in sections.iter().zip(&of_section) {
        let orthotropic = |place: u32| matches!(list[place as usize].elastic, Elastic::Orthotropic { .. });
        if section.oriented && used[material as usize] && place[material as usize].is_some_and(orthotropic) {
            let why = format!(
                "material {} is orthotropic with an ORIENTATION; only material axes along x, y, z are supported",
                section.material
            );
            return Err(deck.error_at(section.offset, why));
        }
    }
    for slot in &mut cell_material {
        // Cells that were skipped may name a material that was left out.
        *slot = place.get(*slot as usize).copied().flatten().unwrap_or(NONE);
    }
    mesh.cell_material = cell_material;
    Ok(list)
}
