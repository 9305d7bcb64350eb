//! Which integration, material, field a cell gets, and what is refused.

use super::*;
use crate::error::Error;
use crate::formats::mesh::{Flawed, Over};
use crate::numeric::elements::VARIANTS;

fn refused(mesh: Mesh, options: &SolidOptions) -> Error {
    prepare(mesh, options).unwrap_err()
}

fn variants(job: &SolidJob) -> Vec<(&'static str, usize)> {
    job.model.blocks.iter().map(|block| (block.tables.name, block.len())).collect()
}

#[test]
fn n_ip_wins_over_the_deck_and_the_deck_over_the_option() {
    let hex = |options: SolidOptions, change: &dyn Fn(&mut Mesh)| {
        let mut mesh = box_mesh(CellKind::Hex8, 4, 1).unwrap();
        change(&mut mesh);
        prepare(mesh, &SolidOptions { young: Some(1.0), poisson: Some(0.3), ..options }).unwrap()
    };
    let want = |integration| SolidOptions { integration: Some(integration), ..SolidOptions::default() };
    let nothing = |_: &mut Mesh| {};
    assert_eq!(variants(&hex(SolidOptions::default(), &nothing)), [("hex8", 4)]);
    assert_eq!(variants(&hex(want(Integration::Reduced), &nothing)), [("hex8_reduced", 4)]);
    let n_ip = |values: [f64; 4]| move |mesh: &mut Mesh| mesh.cell_fields.push(field("n_ip", 1, values.to_vec()));
    let job = hex(want(Integration::Reduced), &n_ip([8.0, 1.0, 8.0, 0.0]));
    assert_eq!(variants(&job), [("hex8", 2), ("hex8_reduced", 2)]);
    assert_eq!(job.model.blocks[0].cells, [0, 2]);
    assert_eq!(job.model.blocks[1].cells, [1, 3]);
    assert!(job.warnings()[0].contains("2 elements"), "{:?}", job.warnings());
    // 8 points fit C3D8 and C3D8I.
    assert_eq!(variants(&hex(want(Integration::Incompatible), &n_ip([8.0; 4]))), [("hex8_incompatible", 4)]);
    let deck = |mesh: &mut Mesh| mesh.integration = Some(vec![1, Mesh::INCOMPATIBLE, 8, 0]);
    assert_eq!(
        variants(&hex(want(Integration::Full), &deck)),
        [("hex8", 2), ("hex8_reduced", 1), ("hex8_incompatible", 1)]
    );
    let hex20 = prepare(box_mesh(CellKind::Hex20, 2, 1).unwrap(), &steel()).unwrap();
    assert_eq!(variants(&hex20), [("hex20", 2)]);
}

#[test]
fn an_integration_that_fits_nothing_is_refused() {
    let options = SolidOptions { integration: Some(Integration::Reduced), ..steel() };
    let error = refused(box_mesh(CellKind::Tet4, 3, 1).unwrap(), &options);
    assert_eq!(error.exit_code(), 2);
    let mut mesh = box_mesh(CellKind::Hex8, 3, 1).unwrap();
    mesh.cell_ids = Some(vec![70, 80, 90]);
    mesh.cell_fields.push(field("n_ip", 1, vec![8.0, 3.0, 8.0]));
    let error = refused(mesh, &steel());
    assert_eq!(error.exit_code(), 4);
    assert!(error.to_string().contains("element 80: 3 integration"), "{error}");
    assert!(error.to_string().ends_with("it comes with 8 (full) or 1 (reduced)"), "{error}");
}

#[test]
fn materials_come_from_the_option_the_file_the_arrays_or_the_sections() {
    let mesh = || box_mesh(CellKind::Tet4, 3, 1).unwrap();
    let young = |job: &SolidJob| -> Vec<f64> {
        (0..3).map(|e| job.model.materials[job.model.blocks[0].material_of(e)].young).collect()
    };
    let bare = SolidOptions::default();
    let error = refused(mesh(), &bare);
    assert_eq!(error.exit_code(), 4);
    assert!(error.to_string().contains("--young"), "{error}");
    let mut arrays = mesh();
    arrays.cell_fields.push(field("E", 1, vec![1.0, 2.0, 1.0]));
    assert_eq!(refused(arrays.clone(), &bare).exit_code(), 4);
    arrays.cell_fields.push(field("nu", 1, vec![0.3, 0.3, 0.3]));
    let job = prepare(arrays.clone(), &bare).unwrap();
    assert_eq!(young(&job), [1.0, 2.0, 1.0]);
    assert_eq!(job.model.materials.len(), 2);
    assert_eq!(young(&prepare(arrays.clone(), &steel()).unwrap()), [2.1e11; 3]);
    let only = |young, poisson| SolidOptions { young, poisson, ..SolidOptions::default() };
    assert_eq!(refused(arrays.clone(), &only(Some(1.0), None)).exit_code(), 2);
    assert_eq!(refused(arrays.clone(), &only(None, Some(0.3))).exit_code(), 2);
    assert_eq!(refused(mesh(), &only(Some(1.0), Some(0.5))).exit_code(), 4);
    let two = SolidOptions { materials: Some(vec![isotropic(5.0, 0.2), isotropic(7.0, 0.2)]), ..bare.clone() };
    assert_eq!(refused(mesh(), &two).exit_code(), 4);
    let mut ids = mesh();
    ids.cell_fields.push(field("material_id", 1, vec![1.0, 0.0, 1.0]));
    assert_eq!(young(&prepare(ids.clone(), &two).unwrap()), [7.0, 5.0, 7.0]);
    ids.cell_fields[0].values[2] = 2.0;
    let error = refused(ids, &two);
    assert!(error.exit_code() == 4 && error.to_string().contains("element 3"), "{error}");
    let mut sections = mesh();
    sections.materials = vec![isotropic(11.0, 0.1), isotropic(13.0, 0.1)];
    sections.cell_material = vec![0, 1, 1];
    assert_eq!(young(&prepare(sections.clone(), &bare).unwrap()), [11.0, 13.0, 13.0]);
    sections.cell_material[2] = u32::MAX;
    let error = refused(sections, &bare);
    assert!(error.exit_code() == 4 && error.to_string().contains("element 3"), "{error}");
    // A truss needs E alone.
    let mut truss = box_mesh(CellKind::Truss2, 3, 1).unwrap();
    assert_eq!(young(&prepare(truss.clone(), &only(Some(3.0), None)).unwrap()), [3.0; 3]);
    truss.cell_fields.push(field("E", 1, vec![4.0, 5.0, 6.0]));
    assert_eq!(young(&prepare(truss, &bare).unwrap()), [4.0, 5.0, 6.0]);
}

#[test]
fn the_displacement_field_is_found_or_its_absence_explained() {
    let mut mesh = box_mesh(CellKind::Tet4, 3, 1).unwrap();
    mesh.point_fields[0].name = "u".into();
    assert!(prepare(mesh.clone(), &steel()).is_ok());
    mesh.point_fields[0].name = "velocity".into();
    let error = refused(mesh.clone(), &steel());
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("'velocity' (3)"), "{error}");
    assert!(prepare(mesh.clone(), &SolidOptions { field: Some("velocity".into()), ..steel() }).is_ok());
    let named = SolidOptions { field: Some("other".into()), ..steel() };
    assert_eq!(refused(mesh.clone(), &named).exit_code(), 3);
    mesh.point_fields[0] = field("displacement", 1, vec![0.0; mesh.points.len()]);
    assert_eq!(refused(mesh, &steel()).exit_code(), 3);
}

#[test]
fn a_usual_name_on_an_array_that_does_not_fit_is_passed_over() {
    let mut mesh = box_mesh(CellKind::Tet4, 3, 1).unwrap();
    let n = mesh.points.len();
    mesh.point_fields[0].name = "U".into();
    mesh.point_fields.insert(0, field("displacement", 1, vec![0.0; n]));
    mesh.point_fields.push(field("T", 3, vec![0.0; 3 * n]));
    let why = Error::input(&mesh.source, "array 'temperature' is NaN");
    mesh.flawed.push(Flawed { over: Over::Points, name: "temperature".into(), why });
    // No material expands: nobody asks for temperatures.
    let job = prepare(mesh.clone(), &steel()).unwrap();
    assert!(job.model.nodes.iter().any(|row| row[3] != 0.0), "the vector U is the displacement");
    let expanding = SolidOptions { materials: Some(vec![material("hot", 1e-5)]), ..SolidOptions::default() };
    assert!(refused(mesh.clone(), &expanding).to_string().ends_with("is NaN"));
    mesh.flawed.clear();
    assert!(refused(mesh.clone(), &expanding).to_string().contains("point field 'T' has 3 components"));
    mesh.point_fields.push(field("NT", 1, vec![1.0; n]));
    assert!(prepare(mesh.clone(), &expanding).unwrap().model.thermal);
    let named = SolidOptions { temperature: Some("T".into()), ..steel() };
    assert_eq!(refused(mesh, &named).exit_code(), 3, "who names a field wants it");
}

#[test]
fn a_missing_field_comes_with_what_the_reader_noticed() {
    let mut mesh = box_mesh(CellKind::Tet4, 3, 1).unwrap();
    mesh.point_fields.clear();
    mesh.warnings.push("field `U` has no value for 1 of 8 nodes; left out".into());
    let text = refused(mesh, &steel()).to_string();
    assert!(text.contains("no displacement field") && text.contains("no value for 1 of 8 nodes"), "{text}");
}

#[test]
fn what_one_material_for_all_leaves_unused_is_said() {
    let warnings = |mesh: Mesh, options: &SolidOptions| prepare(mesh, options).unwrap().warnings();
    let one = SolidOptions { materials: Some(vec![material("steel", 0.0)]), ..SolidOptions::default() };
    let mut mesh = box_mesh(CellKind::Tet4, 3, 1).unwrap();
    let cells = mesh.n_cells;
    mesh.cell_fields.push(field("material_id", 1, vec![0.0; cells]));
    assert!(warnings(mesh.clone(), &one).is_empty());
    mesh.cell_fields[0].values[1] = 1.0;
    let said = warnings(mesh.clone(), &one);
    assert!(said.len() == 1 && said[0].contains("material_id 1") && said[0].contains("all get steel"), "{said:?}");
    mesh.cell_fields.clear();
    mesh.materials = vec![material("STEEL", 0.0), material("ALU", 1e-5)];
    mesh.cell_material = vec![0; cells];
    assert!(warnings(mesh.clone(), &one).is_empty());
    assert!(warnings(mesh.clone(), &steel())[0].contains("material ALU expands"), "--young has no expansion");
    mesh.cell_material[1] = 1;
    assert!(warnings(mesh, &one)[0].contains("sections of material ALU"));
}

#[test]
fn degenerate_and_twisted_elements_are_named() {
    let zero = |_: [f64; 3]| [0.0; 3];
    let flat = vec![[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]];
    let mut mesh = single(CellKind::Tet4, flat, zero);
    mesh.cell_ids = Some(vec![4711]);
    let error = refused(mesh, &steel());
    assert_eq!(error.exit_code(), 4);
    assert!(error.to_string().contains("one.vtu: element 4711 (tet4)"), "{error}");
    // Two corners exchanged: the determinant changes sign inside.
    let mut points: Vec<_> = crate::numeric::elements::shape::corner_coordinates(CellKind::Hex8).to_vec();
    points.swap(1, 2);
    let error = refused(single(CellKind::Hex8, points, zero), &steel());
    assert_eq!(error.exit_code(), 4);
    let point = vec![[1.0, 2.0, 3.0]; 2];
    assert_eq!(refused(single(CellKind::Truss2, point, zero), &steel()).exit_code(), 4);
    // Thin is not degenerate.
    let thin = vec![[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1e-4, 0.0], [0.0, 0.0, 1e-6]];
    assert!(prepare(single(CellKind::Tet4, thin, zero), &steel()).is_ok());
}

#[test]
fn refinement_is_refused_where_it_cannot_be_done() {
    let refine = |levels| SolidOptions { refine: levels, ..steel() };
    assert_eq!(refused(box_mesh(CellKind::Wedge6, 3, 1).unwrap(), &refine(1)).exit_code(), 2);
    assert_eq!(refused(box_mesh(CellKind::Tet4, 100, 1).unwrap(), &refine(10)).exit_code(), 7);
}

#[test]
fn units_of_length_do_not_matter() {
    // The same model in metres, micrometres and light years: the same stress, to the last bits of f32.
    let factors = [1.0, 1e6, 1.057e-16];
    let stress = |factor: f64, precision: Precision| {
        let mut mesh = box_mesh(CellKind::Hex8, 30, 2).unwrap();
        mesh.points.iter_mut().flatten().for_each(|x| *x *= factor);
        mesh.point_fields[0].values.iter_mut().for_each(|u| *u *= factor);
        let options = SolidOptions { integration: Some(Integration::Incompatible), ..steel() };
        run(&prepare(mesh, &options).unwrap(), precision, Code::Cpu(Simd::detect()))
    };
    for (precision, tolerance) in [(Precision::F64, 1e-12), (Precision::Mixed, 2e-5)] {
        let first = &stress(factors[0], Precision::F64)[0];
        for factor in &factors[1..] {
            let other = &stress(*factor, precision)[0];
            let top = first.column::<f64>(6).iter().fold(0.0_f64, |m, x| m.max(*x));
            for i in 0..first.column::<f64>(0).len() {
                for c in 0..7 {
                    assert!((first.value(c, i) - other.value(c, i)).abs() <= tolerance * top, "{factor} {c} {i}");
                }
            }
        }
    }
}

#[test]
fn jobs_of_any_size_can_be_generated() {
    for (kind, integration, name) in VARIANTS {
        for cells in [0, 1, 2, 7, 100] {
            let job = generated(kind, integration, cells);
            assert_eq!(job.model.elements(), cells, "{name}");
            assert!(job.warnings().is_empty(), "{name}: {:?}", job.warnings());
            for (precision, code) in
                [(Precision::F64, Code::Seq), (Precision::F64, Code::Cpu(Simd::detect())), (Precision::F32, Code::Seq)]
            {
                let outputs = run(&job, precision, code);
                let answer = job.finish(&outputs).unwrap();
                assert_eq!(answer.json["elements"].as_u64(), Some(cells));
                assert_eq!(answer.json["max_von_mises"].is_null(), cells == 0);
                let check = job.check(&outputs, &answer).unwrap();
                assert!(check.passed(), "{name} {cells}: {check:?}");
            }
        }
    }
}

#[test]
fn a_wrong_output_fails_the_independent_check() {
    let job = generated(CellKind::Tet4, Integration::Full, 64);
    let mut outputs = run(&job, Precision::F64, Code::Seq);
    let answer = job.finish(&outputs).unwrap();
    assert!(job.check(&outputs, &answer).unwrap().passed());
    outputs[0].column_mut::<f64>(2)[17] *= 1.0 + 1e-9;
    let check = job.check(&outputs, &answer).unwrap();
    assert!(!check.passed() && check.detail.contains("element 18"), "{check:?}");
    outputs[0].column_mut::<f64>(2)[17] = f64::NAN;
    assert!(!job.check(&outputs, &answer).unwrap().passed());
    outputs[0].column_mut::<f64>(6)[17] = f64::NAN;
    let error = job.finish(&outputs).unwrap_err();
    assert!(error.exit_code() == 4 && error.to_string().contains("element 18"), "{error}");
}

fn material(name: &str, alpha: f64) -> Material {
    let elastic = Elastic::Isotropic { young: 2e11, poisson: 0.3 };
    Material { name: name.into(), elastic, alpha: [alpha; 3], reference_temperature: 0.0 }
}
