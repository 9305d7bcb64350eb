//! What is written: read back, and opened by VTK.

use super::*;

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.vtu");
    let mesh = read("vtk/mixed_raw_zlib_be_64.vtu").unwrap();
    let u = mesh.point_field("displacement").unwrap().unwrap();
    let single: Vec<f32> = (0..5).map(|i| i as f32 / 3.0).collect();
    let point = OutField {
        name: "u & <v>",
        components: 3,
        component_names: &["x", "y", "z"],
        values: OutValues::F64(&u.values),
    };
    let cell = OutField { name: "mises", components: 1, component_names: &[], values: OutValues::F32(&single) };
    write_vtu(&path, &mesh, &[point], &[cell]).unwrap();
    let back = read_vtu(&Source::open(&path).unwrap()).unwrap();
    assert_sound(&back);
    assert_eq!(back.points, mesh.points);
    // The three cells that were skipped are not in the new file: positions move up, ids stay.
    assert_eq!(back.n_cells, 5);
    for (new, old) in back.blocks.iter().zip(&mesh.blocks) {
        assert_eq!((new.kind, &new.connectivity), (old.kind, &old.connectivity));
        for (a, b) in new.cells.iter().zip(&old.cells) {
            assert_eq!(back.cell_label(*a as usize), mesh.cell_label(*b as usize));
        }
    }
    assert_eq!(back.cell_ids, Some(vec![1000, 1002, 1004, 1005, 1007]));
    assert_eq!(back.point_ids, mesh.point_ids);
    assert_eq!(back.point_fields, [Field { name: "u & <v>".into(), components: 3, values: u.values.clone() }]);
    assert_eq!(back.cell_fields[0].values, single.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
    assert!(!back.warnings.iter().any(|w| w.contains("skipped")));
}

#[test]
fn fields_that_do_not_fit_are_refused_before_a_file_appears() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.vtu");
    let mesh = read("bad/inverted_tet.vtu").unwrap();
    let field = |components, names, values| OutField {
        name: "f",
        components,
        component_names: names,
        values: OutValues::F64(values),
    };
    for wrong in [field(1, &[], &[0.0; 3][..]), field(0, &[], &[]), field(1, &["a", "b"][..], &[0.0; 4])] {
        assert!(matches!(write_vtu(&path, &mesh, &[wrong], &[]), Err(Error::Internal(_))));
    }
    assert!(!path.exists());
    write_vtu(&path, &mesh, &[field(2, &["a", "b"], &[0.0; 8])], &[field(1, &[], &[2.0])]).unwrap();
    assert!(path.exists());
}

#[test]
fn vtk_opens_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.vtu");
    let mesh = read("vtk/mixed_raw_none_be_32.vtu").unwrap();
    let u = mesh.point_field("displacement").unwrap().unwrap();
    let stress: Vec<f32> = (0..30).map(|i| i as f32 / 4.0).collect();
    let names = ["xx", "yy", "zz", "xy", "yz", "xz"];
    let point = OutField { name: "u", components: 3, component_names: &[], values: OutValues::F64(&u.values) };
    let cell = OutField { name: "stress", components: 6, component_names: &names, values: OutValues::F32(&stress) };
    write_vtu(&path, &mesh, &[point], &[cell]).unwrap();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vtk_opens.py");
    let output = match std::process::Command::new("python3").arg(script).arg(&path).output() {
        Ok(output) if output.status.code() != Some(77) => output,
        _ => {
            eprintln!("skipped: no python3 with the vtk package");
            return;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["failures"], serde_json::json!([]));
    assert_eq!(seen["points"], 12);
    assert_eq!(seen["types"], serde_json::json!([10, 12, 13, 10, 24]));
    assert_eq!(seen["connectivity"][3], serde_json::json!([1, 2, 3, 4]));
    let total: f64 = mesh.points.iter().flatten().sum();
    assert!((seen["coordinates"].as_f64().unwrap() - total).abs() < 1e-9);
    let array = &seen["point_data"]["u"];
    assert_eq!((array["type"].as_str(), array["components"].as_u64()), (Some("double"), Some(3)));
    assert!((array["sum"].as_f64().unwrap() - u.values.iter().sum::<f64>()).abs() < 1e-9);
    let array = &seen["cell_data"]["stress"];
    assert_eq!((array["type"].as_str(), array["tuples"].as_u64()), (Some("float"), Some(5)));
    assert_eq!(array["component_names"], serde_json::json!(names));
    assert_eq!(array["sum"].as_f64(), Some(108.75));
    assert_eq!(seen["cell_ids"], "GlobalElementId");
    assert_eq!(seen["point_ids"], "GlobalNodeId");
    assert_eq!(seen["cell_data"]["GlobalElementId"]["sum"].as_f64(), Some(5018.0));
}
