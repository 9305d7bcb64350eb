//! Nodal results that stand apart from their mesh (a `.frd` or a table), and how they join it by node number.

use std::path::PathBuf;

use crate::error::{Error, Place, Result};
use crate::formats::build::{IdMap, used_points};
use crate::formats::inp::thermal::{INITIAL_TEMPERATURE, TEMPERATURE};
use crate::formats::mesh::{Field, Mesh, Over};
use crate::formats::source::Source;
use crate::formats::text::{Text, excerpt, finite, parse_u64};

/// The point field that [`attach`] adds.
pub const DISPLACEMENT: &str = "displacement";

/// Displacements, and temperatures where the file has them, by node number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodalResult {
    /// The file it came from.
    pub source: PathBuf,
    /// Node numbers.
    pub ids: Vec<u64>,
    /// Displacement of each node, in the mesh's length unit.
    pub displacement: Vec<[f64; 3]>,
    /// Temperature of each node.
    pub temperature: Option<Vec<f64>>,
}

/// Adds the point field `displacement` (and `temperature`) to `mesh`, in place of one that it has. Nodes are matched by
/// [`Mesh::point_ids`], without them by position, counted from 1. Nodes without a cell may miss and are zero then.
///
/// # Errors
/// [`Error::Input`] naming the result file: a node number that comes twice, a node of a cell without displacement.
pub fn attach(mesh: &mut Mesh, result: &NodalResult) -> Result<()> {
    let refused = |why: String| Error::input(&result.source, why);
    let places = IdMap::new(&result.ids)
        .map_err(|(_, second)| refused(format!("node {} has two results", result.ids[second])))?;
    let used = used_points(mesh);
    let mut from = Vec::with_capacity(mesh.points.len());
    for (point, &used) in used.iter().enumerate() {
        let place = places.get(mesh.point_label(point));
        if place.is_none() && used {
            let missing = (point..mesh.points.len()).filter(|&p| places.get(mesh.point_label(p)).is_none()).count();
            return Err(refused(format!(
                "no displacement for node {} of {} ({missing} nodes miss in all); do the files belong together?",
                mesh.point_label(point),
                mesh.source.display()
            )));
        }
        from.push(place);
    }
    let gather = |components: usize, value: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        let of = |place: &Option<u32>| place.map(|place| place as usize);
        from.iter().flat_map(|p| (0..components).map(move |c| of(p).map_or(0.0, |p| value(p, c)))).collect()
    };
    let displacement = gather(3, &|place, c| result.displacement[place][c]);
    replace(mesh, DISPLACEMENT, 3, displacement);
    if let Some(temperature) = &result.temperature {
        let mut values = gather(1, &|place, _| temperature[place]);
        if let Some(initial) = mesh.point_field(INITIAL_TEMPERATURE)? {
            values.iter_mut().zip(&initial.values).for_each(|(value, initial)| *value -= initial);
        }
        replace(mesh, TEMPERATURE, 1, values);
    }
    Ok(())
}

fn replace(mesh: &mut Mesh, name: &str, components: usize, values: Vec<f64>) {
    mesh.point_fields.retain(|field| !field.name.eq_ignore_ascii_case(name));
    mesh.flawed.retain(|flawed| flawed.over != Over::Points || !flawed.name.eq_ignore_ascii_case(name));
    mesh.point_fields.push(Field { name: name.into(), components, values });
}

/// Reads a table with a header line that names `node`, `ux`, `uy`, `uz` and maybe `temperature` among its columns, in
/// any order and letter case, separated by commas, semicolons or tabs.
///
/// # Errors
/// [`Error::Input`] with the line: a missing column, a row that is too short, what is not a finite number.
pub fn read_displacement_csv(source: &Source) -> Result<NodalResult> {
    let mut text = Text::new(source)?;
    let header = text.line().unwrap_or_default();
    let separator = [b',', b';', b'\t'].into_iter().find(|s| header.contains(s)).unwrap_or(b',');
    let names: Vec<String> = header
        .split(|&b| b == separator)
        .map(|name| String::from_utf8_lossy(name).trim().trim_matches('"').to_ascii_lowercase())
        .collect();
    let find = |name: &str| names.iter().position(|known| known == name);
    let required = |name: &str| {
        find(name).ok_or_else(|| {
            text.error(format!("no column `{name}`; needed are node, ux, uy, uz, found {}", excerpt(header)))
        })
    };
    let node = required("node")?;
    let u = [required("ux")?, required("uy")?, required("uz")?];
    let temperature = find("temperature");
    let last = u.into_iter().chain(temperature).fold(node, usize::max);

    let mut result = NodalResult { source: source.path.clone(), ..NodalResult::default() };
    let mut temperatures = Vec::new();
    let mut fields: Vec<&[u8]> = Vec::with_capacity(names.len());
    while let Some(line) = text.line() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        fields.clear();
        fields.extend(line.split(|&b| b == separator).map(<[u8]>::trim_ascii).take(last + 1));
        if fields.len() <= last {
            return Err(text.error(format!("{} columns, the header has {}", fields.len(), names.len())));
        }
        let number = |column: usize| finite(fields[column], &names[column]).map_err(|why| text.error(why));
        let id = parse_u64(fields[node])
            .ok_or_else(|| text.error(format!("node is not a positive integer: {}", excerpt(fields[node]))))?;
        result.ids.push(id);
        result.displacement.push([number(u[0])?, number(u[1])?, number(u[2])?]);
        if let Some(column) = temperature {
            temperatures.push(number(column)?);
        }
    }
    if result.ids.is_empty() {
        return Err(source.error(Place::Whole, "has a header but no rows"));
    }
    result.temperature = temperature.map(|_| temperatures);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::fixture;
    use crate::formats::mesh::{CellBlock, CellKind};

    fn read(text: &str) -> Result<NodalResult> {
        read_displacement_csv(&Source::from_bytes("u.csv", text.as_bytes().to_vec()))
    }

    fn truss(point_ids: Option<Vec<u64>>) -> Mesh {
        let block = CellBlock { kind: CellKind::Truss2, connectivity: vec![0, 2], cells: vec![0] };
        Mesh { points: vec![[0.0; 3]; 3], blocks: vec![block], n_cells: 1, point_ids, ..Mesh::default() }
    }

    #[test]
    fn columns_come_in_any_order() {
        let result = read("x; UZ;node ;\"ux\";uy;Temperature\r\n9;3;7;1;2;20\r\n\r\n8;6;5;4;5;21").unwrap();
        assert_eq!((result.ids, result.displacement), (vec![7, 5], vec![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]));
        assert_eq!(result.temperature, Some(vec![20.0, 21.0]));
        for (text, why) in [
            ("node,ux,uy\n1,2,3", "u.csv:1: no column `uz`"),
            ("node,ux,uy,uz\n1,2,3", "u.csv:2: 3 columns, the header has 4"),
            ("node,ux,uy,uz\n-1,2,3,4", "u.csv:2: node is not a positive integer: `-1`"),
            ("node,ux,uy,uz\n1,2,3,4\n1,2,3,1e999", "u.csv:3: uz is not finite"),
            ("node,ux,uy,uz\n", "has a header but no rows"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(why), "{message}");
        }
    }

    #[test]
    fn results_join_by_number_or_by_position() {
        let result = read("node,ux,uy,uz,temperature\n3,1,2,3,9\n1,4,5,6,8").unwrap();
        let mut mesh = truss(None);
        attach(&mut mesh, &result).unwrap();
        assert_eq!(mesh.point_field("displacement").unwrap().unwrap().values, [4., 5., 6., 0., 0., 0., 1., 2., 3.]);
        assert_eq!(mesh.point_field("temperature").unwrap().unwrap().values, [8.0, 0.0, 9.0]);
        let mut mesh = truss(Some(vec![3, 50, 1]));
        mesh.point_fields.push(Field { name: "Displacement".into(), components: 3, values: vec![7.0; 9] });
        mesh.point_fields.push(Field { name: INITIAL_TEMPERATURE.into(), components: 1, values: vec![5.0, 6.0, 7.0] });
        attach(&mut mesh, &result).unwrap();
        assert_eq!(mesh.point_fields.len(), 3);
        assert_eq!(mesh.point_field("displacement").unwrap().unwrap().values, [1., 2., 3., 0., 0., 0., 4., 5., 6.]);
        assert_eq!(mesh.point_field("temperature").unwrap().unwrap().values, [4.0, -6.0, 1.0]);
        let missing = attach(&mut truss(Some(vec![3, 50, 77])), &result).unwrap_err().to_string();
        assert!(missing.starts_with("u.csv: no displacement for node 77"), "{missing}");
        let twice = read("node,ux,uy,uz\n3,1,2,3\n3,4,5,6").unwrap();
        assert!(attach(&mut mesh, &twice).unwrap_err().to_string().contains("node 3 has two results"));
    }

    proptest! {
        #[test]
        fn no_damage_panics(case in fixture::damage()) {
            let text = b"node,x,ux,uy,uz\n1,0,1e-3,2,3\n2,0,4,5,6\n3,0,7,8,9\n";
            if let Ok(result) = read_displacement_csv(&Source::from_bytes("u.csv", case.apply(text))) {
                let _ = attach(&mut truss(None), &result);
            }
        }
    }
}
