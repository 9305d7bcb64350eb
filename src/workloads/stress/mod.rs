//! `stress`: stresses of bars and solids from nodal displacements.
//!
//! Two models: `solid` takes a mesh with displacements and evaluates strain and stress at the integration points of its
//! elements; `axial` takes plain arrays of bars.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::{CaseInput, Context, KernelInfo, Workload};
use crate::error::{Error, Result};
use crate::formats::materials::read_materials;
use crate::formats::mesh::CellKind;
use crate::formats::{MESH_FORMATS, read_mesh};
use crate::job::Job;
use crate::numeric::elements::{Integration, VARIANTS};

mod assign;
pub mod axial;
pub mod bound;
mod check;
mod cpu;
mod fields;
pub mod generate;
mod gpu;
pub mod input;
pub mod kernel;
pub mod model;
pub mod nodal;
pub mod options;
mod orientation;
mod refine;
mod save;
pub mod seq;
pub mod solid;
mod vtu;

#[cfg(test)]
mod tests;

use options::{At, SolidOptions};

/// The registry entry.
pub struct StressWorkload;

/// Above this many elements a sweep runs the linear elements that refinement makes: the others' tables would only
/// repeat the same shapes at several times the memory.
const EVERY_ELEMENT_UP_TO: u64 = 20_000;

const PRECISIONS: &str = "f64, mixed, f32";

const fn solid_kernel(name: &'static str, about: &'static str) -> KernelInfo {
    KernelInfo { name, item: "element", precisions: PRECISIONS, cpu_only: None, about }
}

const SOLID_KERNELS: [KernelInfo; 10] = [
    solid_kernel("truss2", "2-node truss, axial stress as a tensor; rounding bound from the same sums"),
    solid_kernel("tet4", "4-node tetrahedron, 1 point; rounding bound from the same sums"),
    solid_kernel("tet10", "10-node tetrahedron, 4 points; rounding bound from the same sums"),
    solid_kernel("hex8", "8-node hexahedron, 8 points; rounding bound from the same sums"),
    solid_kernel(
        "hex8_reduced",
        "8-node hexahedron, 1 point, volume-averaged gradient; rounding bound from the same sums",
    ),
    KernelInfo {
        cpu_only: Some(gpu::INCOMPATIBLE),
        ..solid_kernel(
            "hex8_incompatible",
            "8-node hexahedron, 8 points, 9 incompatible modes; bound with the condensation's",
        )
    },
    solid_kernel("hex20", "20-node hexahedron, 27 points; rounding bound from the same sums"),
    solid_kernel("hex20_reduced", "20-node hexahedron, 8 points; rounding bound from the same sums"),
    solid_kernel("wedge6", "6-node wedge, 2 points; rounding bound from the same sums"),
    solid_kernel("wedge15", "15-node wedge, 9 points; rounding bound from the same sums"),
];

/// The bars' kernel first, then one for each element.
static KERNELS: LazyLock<Vec<KernelInfo>> = LazyLock::new(|| {
    let bars = axial::KERNELS.iter().map(|kernel| KernelInfo { ..*kernel });
    bars.chain(SOLID_KERNELS).collect()
});

/// Options that only one model understands.
const SOLID_OPTIONS: [&str; 11] = [
    "mesh",
    "displacement",
    "field",
    "temperature",
    "young",
    "poisson",
    "materials",
    "integration",
    "at",
    "refine",
    "principal",
];
const AXIAL_OPTIONS: [&str; 4] = ["elements", "displacements", "young-array", "lengths"];

impl Workload for StressWorkload {
    fn name(&self) -> &'static str {
        "stress"
    }

    fn about(&self) -> &'static str {
        "stresses from nodal displacements: finite elements of a mesh (solid), or bars (axial)"
    }

    fn kernels(&self) -> &'static [KernelInfo] {
        &KERNELS
    }

    fn args(&self) -> Vec<Arg> {
        let file = |id: &'static str, name: &'static str| {
            Arg::new(id).long(id).value_name(name).value_parser(value_parser!(PathBuf))
        };
        let number = |id: &'static str, name: &'static str| {
            Arg::new(id).long(id).value_name(name).value_parser(value_parser!(f64))
        };
        let choice =
            |id: &'static str, values: &'static [&'static str]| Arg::new(id).long(id).value_parser(values.to_vec());
        let mut args = vec![
            choice("model", &["axial", "solid"]).help("Which model; solid when there is a --mesh, else axial"),
            file("mesh", "FILE").help("Mesh: .vtu, .vtk, .msh, .inp or .frd, also gzipped"),
            file("displacement", "FILE").help("Displacements of the mesh's nodes: .frd or .csv"),
            Arg::new("field")
                .long("field")
                .value_name("NAME")
                .conflicts_with("displacement")
                .help("Displacement field of the mesh; found by its usual names"),
            Arg::new("temperature")
                .long("temperature")
                .value_name("NAME")
                .help("Temperature field; found by its usual names"),
            number("young", "E").help("Young's modulus of all elements, overrides the file's materials"),
            number("poisson", "NU").help("Poisson's ratio of all elements").allow_negative_numbers(true),
            file("materials", "FILE").help("Materials, .json or .toml; cell array material_id counts them from 0"),
            choice("integration", &["full", "reduced", "incompatible"])
                .help("Integration of elements on which the file has no say (n_ip, element type); full by default"),
            choice("at", &["ip", "element", "node"])
                .default_value("ip")
                .help("Where --output reports: integration points, element means, or nodal averages"),
            Arg::new("refine")
                .long("refine")
                .value_name("N")
                .default_value("0")
                .value_parser(value_parser!(u32).range(0..=10))
                .help("Split each tet4 and hex8 into 8, N times"),
            Arg::new("principal")
                .long("principal")
                .action(ArgAction::SetTrue)
                .help("Add the principal stresses s1, s2, s3 to .csv and .npy"),
        ];
        args.extend(axial::args());
        args
    }

    fn endings(&self, args: &ArgMatches) -> &'static [&'static str] {
        if is_solid(args) { &["csv", "vtu", "npy"] } else { &["npy", "csv"] }
    }

    fn prepare(&self, args: &ArgMatches, context: &Context) -> Result<Box<dyn Job>> {
        let path = args.get_one::<PathBuf>("mesh");
        let solid = is_solid(args);
        let (name, foreign) = if solid { ("solid", &AXIAL_OPTIONS[..]) } else { ("axial", &SOLID_OPTIONS[..]) };
        if let Some(id) = foreign.iter().find(|id| args.value_source(id) == Some(ValueSource::CommandLine)) {
            let hint = if solid { "" } else { "; it belongs to --mesh FILE" };
            return Err(Error::Usage(format!("--{id} has no meaning for the {name} model{hint}")));
        }
        if !solid {
            return axial::prepare(args, context);
        }
        let path = path.ok_or_else(|| Error::Usage("--model solid needs --mesh FILE".into()))?;
        let mut mesh = read_mesh(path)?;
        if let Some(path) = args.get_one::<PathBuf>("displacement") {
            input::attach_displacement(&mut mesh, path)?;
        }
        Ok(Box::new(solid::prepare(mesh, &solid_options(args)?)?))
    }

    fn case_inputs(&self) -> Vec<CaseInput> {
        let mesh = CaseInput {
            option: "mesh",
            endings: MESH_FORMATS.iter().flat_map(|format| format.endings).copied().collect(),
            varying: &["displacement", "materials"],
            joined: false,
            headlines: &["largest von Mises stress"],
            within: None,
        };
        vec![mesh, axial::case_input()]
    }

    fn sized(&self, items: u64, context: &Context) -> Result<Vec<(String, Box<dyn Job>)>> {
        let mut jobs = Vec::new();
        for (name, lengths) in axial::VARIANTS {
            jobs.push((name.to_string(), axial::generated(items, lengths, context)?));
        }
        for (kind, integration, name) in VARIANTS {
            if items > EVERY_ELEMENT_UP_TO && !["tet4", "hex8"].contains(&name) {
                continue;
            }
            jobs.push((name.to_string(), generated(kind, integration, items, context)?));
        }
        Ok(jobs)
    }

    fn sized_variant(&self, items: u64, variant: &str, context: &Context) -> Result<Box<dyn Job>> {
        if let Some((_, lengths)) = axial::VARIANTS.into_iter().find(|(name, _)| *name == variant) {
            return axial::generated(items, lengths, context);
        }
        match VARIANTS.into_iter().find(|(_, _, name)| *name == variant) {
            Some((kind, integration, _)) => generated(kind, integration, items, context),
            None => Err(super::no_variant(self.name(), variant, items)),
        }
    }
}

/// Which of the two models is asked for.
fn is_solid(args: &ArgMatches) -> bool {
    args.get_one::<String>("model").map_or(args.contains_id("mesh"), |model| model == "solid")
}

/// About `items` elements of one kind that fill a box, with displacements.
fn generated(kind: CellKind, integration: Integration, items: u64, context: &Context) -> Result<Box<dyn Job>> {
    let mesh = generate::box_mesh(kind, items, context.seed)?;
    let options = SolidOptions {
        young: Some(2.1e11),
        poisson: Some(0.3),
        integration: Some(integration),
        ..SolidOptions::default()
    };
    Ok(Box::new(solid::prepare(mesh, &options)?))
}

fn solid_options(args: &ArgMatches) -> Result<SolidOptions> {
    let text = |id: &str| args.get_one::<String>(id).map(String::as_str);
    let integration = match text("integration") {
        Some("full") => Some(Integration::Full),
        Some("reduced") => Some(Integration::Reduced),
        Some("incompatible") => Some(Integration::Incompatible),
        _ => None,
    };
    let at = match text("at") {
        Some("element") => At::Element,
        Some("node") => At::Node,
        _ => At::Ip,
    };
    Ok(SolidOptions {
        integration,
        young: args.get_one("young").copied(),
        poisson: args.get_one("poisson").copied(),
        materials: args.get_one::<PathBuf>("materials").map(|path| read_materials(path)).transpose()?,
        at,
        refine: args.get_one("refine").copied().unwrap_or(0),
        field: text("field").map(str::to_string),
        temperature: text("temperature").map(str::to_string),
        principal: args.get_flag("principal"),
    })
}
