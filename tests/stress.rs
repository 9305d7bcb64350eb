//! `hetero run stress` as a user runs it: real meshes in, files out, every backend, against CalculiX's stresses.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::support::{data, run};

/// 2e-6 of the largest stress: what 7 printed digits of the reference and f64 displacements allow.
const TOLERANCE: f64 = 2e-6;

/// A .frd file prints 6 digits. From 7 digits an independent computation is off by 1.3e-5 (LE10) and 1.7e-5 (wedges) of the
/// largest stress, from one digit less by ten times that; twice the larger is allowed.
const TOLERANCE_FRD: f64 = 3.4e-4;

const COMPONENTS: [&str; 7] = ["sxx", "syy", "szz", "sxy", "sxz", "syz", "mises"];

/// The backends of this machine. Without an adapter the gpu's part is left out, or fails where one is required.
fn backends() -> Vec<&'static str> {
    #[allow(unused_mut, reason = "only the gpu build adds one")]
    let mut names = vec!["seq", "cpu"];
    #[cfg(feature = "gpu")]
    if hetero::gpu::testing::adapter_or_skip().is_some() {
        names.push("gpu");
    }
    names
}

fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut text = String::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("gzip of text");
    } else {
        text = String::from_utf8(bytes).expect("text");
    }
    text
}

/// Stresses of a table by the columns in `keys`.
fn table(path: &Path, keys: &[&str]) -> HashMap<Vec<u64>, Vec<f64>> {
    let text = text(path);
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let place = |name: &str| header.iter().position(|h| *h == name);
    let keys: Vec<usize> = keys.iter().map(|key| place(key).unwrap_or_else(|| panic!("{key} in {header:?}"))).collect();
    let values: Vec<usize> = COMPONENTS.iter().filter_map(|name| place(name)).collect();
    assert!(values.len() >= 6, "{header:?}");
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let key = keys.iter().map(|k| cells[*k].parse().expect("a number")).collect();
            (key, values.iter().map(|v| cells[*v].parse().expect("a number")).collect())
        })
        .collect()
}

/// The largest difference of the values of `expected` (which may leave keys out) as a part of the largest value.
fn difference(expected: &HashMap<Vec<u64>, Vec<f64>>, got: &HashMap<Vec<u64>, Vec<f64>>) -> f64 {
    assert!(!expected.is_empty());
    let most = expected.values().flatten().fold(0.0_f64, |most, value| most.max(value.abs()));
    let mut worst = 0.0_f64;
    for (key, want) in expected {
        let got = got.get(key).unwrap_or_else(|| panic!("{key:?} is missing"));
        for (want, got) in want.iter().zip(got) {
            assert!(got.is_finite(), "{key:?}: {got}");
            worst = worst.max((want - got).abs());
        }
    }
    worst / most
}

/// Runs the model and gives the table that it wrote.
fn stresses(mesh: &Path, more: &[&str], keys: &[&str]) -> HashMap<Vec<u64>, Vec<f64>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = folder.path().join("out.csv");
    let mut args = vec!["run", "stress", "--mesh", mesh.to_str().unwrap(), "--output", output.to_str().unwrap()];
    args.extend(["--runs", "1", "--baseline", "none", "--quiet"]);
    args.extend(more);
    let (code, _, stderr) = run(&args);
    assert_eq!(code, 0, "{args:?}: {stderr}");
    table(&output, keys)
}

fn case(name: &str, file: &str) -> PathBuf {
    data(&format!("stress/{name}/{file}"))
}

#[test]
fn every_element_agrees_with_calculix_on_every_backend() {
    for name in ["bracket_c3d4", "cantilever_c3d8", "le10_c3d20r", "pipe_c3d8r", "plate_hole_c3d10", "wedge_c3d6"] {
        let expected = table(&case(name, "expected_ip.csv.gz"), &["element", "ip"]);
        for backend in backends() {
            let got = stresses(&case(name, &format!("{name}.vtu.gz")), &["--backend", backend], &["element", "ip"]);
            let error = difference(&expected, &got);
            assert!(error <= TOLERANCE, "{name} on {backend}: {error:.1e}");
        }
    }
}

#[test]
fn a_wrong_modulus_does_not_agree() {
    let expected = table(&case("pipe_c3d8r", "expected_ip.csv.gz"), &["element", "ip"]);
    let options = ["--backend", "cpu", "--young", "210.002e9", "--poisson", "0.3"];
    let got = stresses(&case("pipe_c3d8r", "pipe_c3d8r.vtu.gz"), &options, &["element", "ip"]);
    assert!(difference(&expected, &got) > TOLERANCE, "ten parts in a million must show");
}

#[test]
fn trusses_agree_with_direct_stiffness() {
    let text = text(&case("truss25_t3d2", "expected_axial.csv"));
    for backend in backends() {
        let got = stresses(&case("truss25_t3d2", "truss25_t3d2.vtu.gz"), &["--backend", backend], &["element"]);
        for line in text.lines().skip(1) {
            let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
            let trace: f64 = got[&vec![cells[0] as u64]][..3].iter().sum();
            let tolerance = if backend == "gpu" { TOLERANCE * 5541.21 } else { 1e-9 * 5541.21 };
            assert!((trace - cells[2]).abs() <= tolerance, "{backend}, bar {}: {trace} for {}", cells[0], cells[2]);
        }
    }
}

#[test]
fn other_formats_give_the_same_stresses() {
    let steel = ["--young", "210e9", "--poisson", "0.3"];
    let displacement = |name: &str| data(&format!("formats_fe/{name}")).to_str().unwrap().to_string();
    let check = |name: &str, file: &str, more: &[&str], tolerance: f64| {
        let expected = table(&case(name, "expected_ip.csv.gz"), &["element", "ip"]);
        let mut options = vec!["--backend", "cpu"];
        options.extend(more);
        let got = stresses(&data(&format!("formats_fe/{file}")), &options, &["element", "ip"]);
        let error = difference(&expected, &got);
        assert!(error <= tolerance, "{file} {more:?}: {error:.1e}");
    };
    // Gmsh, with its own numbering of nodes and elements.
    let reduced = [&steel[..], &["--integration", "reduced"]].concat();
    check("le10_c3d20r", "le10_c3d20r.msh.gz", &reduced, TOLERANCE);
    check("wedge_c3d6", "wedge_c3d6.msh.gz", &steel, TOLERANCE);
    check("plate_hole_c3d10", "plate_hole_c3d10.msh.gz", &["--young", "210e3", "--poisson", "0.3"], TOLERANCE);
    for file in ["gmsh22_ascii", "gmsh22_bin", "gmsh41_ascii", "gmsh41_ascii_crlf", "gmsh41_bin"] {
        check("cantilever_c3d8", &format!("{file}.msh.gz"), &steel, TOLERANCE);
    }
    // CalculiX decks name their elements and materials; displacements beside them.
    for name in ["le10_c3d20r", "wedge_c3d6"] {
        let deck = format!("{name}.inp.gz");
        check(name, &deck, &["--displacement", &displacement(&format!("{name}.csv.gz"))], TOLERANCE);
        check(name, &deck, &["--displacement", &displacement(&format!("{name}.frd.gz"))], TOLERANCE_FRD);
    }
    // The older VTK formats.
    for file in ["vtk42_ascii.vtk", "vtk42_binary.vtk", "vtk51_ascii.vtk", "vtk51_binary.vtk", "meshio_zlib.vtu"] {
        check("cantilever_c3d8", &format!("../formats/cantilever/{file}"), &steel, TOLERANCE);
    }
}

#[test]
fn element_means_and_nodal_averages_are_calculix_s() {
    let cantilever = case("cantilever_c3d8", "cantilever_c3d8.vtu.gz");
    let expected = table(&case("cantilever_c3d8", "expected_elem_mean.csv.gz"), &["element"]);
    let got = stresses(&cantilever, &["--at", "element"], &["element"]);
    assert!(difference(&expected, &got) <= TOLERANCE);
    // CalculiX extrapolates with coefficients of 5 digits.
    for name in ["bracket_c3d4", "cantilever_c3d8", "le10_c3d20r", "pipe_c3d8r", "plate_hole_c3d10"] {
        let expected = table(&case(name, "expected_nodal.csv.gz"), &["node"]);
        let got = stresses(&case(name, &format!("{name}.vtu.gz")), &["--at", "node"], &["node"]);
        let error = difference(&expected, &got);
        assert!(error <= 5e-5, "{name}: {error:.1e}");
    }
}

#[test]
fn outputs_of_every_format_hold_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let mesh = case("cantilever_c3d8", "cantilever_c3d8.vtu.gz");
    for at in ["ip", "element", "node"] {
        let write = |ending: &str| {
            let path = folder.path().join(format!("{at}.{ending}"));
            let args =
                ["run", "stress", "--mesh", mesh.to_str().unwrap(), "--at", at, "--runs", "1", "--baseline", "none"];
            let (code, _, stderr) = run(&[&args[..], &["--output", path.to_str().unwrap()]].concat());
            assert_eq!(code, 0, "{at} {ending}: {stderr}");
            path
        };
        let csv = text(&write("csv"));
        let rows = csv.lines().count() - 1;
        assert_eq!(
            rows,
            match at {
                "ip" => 2048,
                "element" => 256,
                _ => 425,
            }
        );
        let npy = std::fs::read(write("npy")).unwrap();
        assert!(npy.starts_with(b"\x93NUMPY"));
        let start = 10 + usize::from(u16::from_le_bytes([npy[8], npy[9]]));
        let values: Vec<f64> =
            npy[start..].chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(values.len(), rows * 7);
        let last: Vec<f64> = csv.lines().last().unwrap().split(',').map(|cell| cell.parse().unwrap()).collect();
        assert_eq!(values[values.len() - 7..], last[last.len() - 7..], "{at}");
        let mesh = hetero::formats::read_mesh(&write("vtu")).expect("it reads back");
        assert_eq!(mesh.points.len(), 425);
    }
}

#[test]
fn broken_files_end_in_one_line_and_no_output() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.vtu");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(data("formats/bad")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.extend(
        ["truncated_41_ascii.msh.gz", "truncated_41_bin.msh.gz"].map(|name| data(&format!("formats_fe/{name}"))),
    );
    assert!(files.len() >= 15);
    for file in files {
        let args =
            ["run", "stress", "--young", "1", "--poisson", "0.3", "--runs", "1", "--mesh", file.to_str().unwrap()];
        let (code, stdout, stderr) = run(&[&args[..], &["--output", output.to_str().unwrap()]].concat());
        let name = file.file_name().unwrap().to_str().unwrap();
        match name {
            // Its stress is that of the right orientation: a warning names the element.
            "inverted_tet.vtu" => {
                assert!(code == 0 && stderr.contains("element 1 (tet4) is inverted"), "{stdout}{stderr}");
                std::fs::remove_file(&output).unwrap();
                continue;
            }
            "zero_volume_tet.vtu" => assert_eq!(code, 4, "{name}: {stderr}"),
            _ => assert_eq!(code, 3, "{name}: {stderr}"),
        }
        assert_eq!(stderr.lines().count(), 1, "{name}: {stderr}");
        assert!(stderr.contains(name) && stdout.is_empty(), "{name}: {stderr}");
        assert!(!output.exists(), "{name} left an output file");
    }
}

#[test]
fn without_input_the_axial_model_runs_on_generated_data_and_says_so() {
    let (code, stdout, stderr) = run(&["run", "stress", "--elements", "1e4", "--runs", "1", "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["input"]["source"], &report["input"]["items"]), (&"generated".into(), &10_000.into()));
    assert_eq!(report["result"]["elements"], 10_000);
    assert!(report["result"]["max_von_mises"]["value"].as_f64().unwrap() > 0.0);
}
