//! `hetero run eigen` as a user meets it: files in, files out, exit codes.

use std::path::{Path, PathBuf};

use crate::support::run;

fn data(folder: &str, name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder).join(name).display().to_string()
}

/// The header's text and the numbers of an `.npy` file of `<f8` or `<c16`.
fn npy(path: &Path) -> (String, Vec<f64>) {
    let bytes = std::fs::read(path).unwrap();
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8(bytes[10..10 + length].to_vec()).unwrap();
    let numbers = bytes[10 + length..].as_chunks::<8>().0.iter().map(|x| f64::from_le_bytes(*x)).collect();
    (header, numbers)
}

fn eigen(args: &[&str]) -> (i32, String, String) {
    run(&[&["run", "eigen", "--runs", "1", "--baseline", "none", "--backend", "cpu"], args].concat())
}

#[test]
fn generated_matrices_are_the_same_on_both_backends() {
    let (code, stdout, stderr) = run(&[
        "run",
        "eigen",
        "--count",
        "6",
        "--order",
        "50",
        "--seed",
        "3",
        "--backend",
        "seq,cpu",
        "--json",
        "--runs",
        "1",
    ]);
    assert_eq!(code, 0, "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["result"]["count"], &report["result"]["order"]), (&6.into(), &50.into()));
    // A matrix of numbers around 1/2 has an eigenvalue near n / 2.
    assert!((report["result"]["largest"].as_f64().unwrap() - 25.0).abs() < 1.5);
    for run in report["runs"].as_array().unwrap() {
        assert_eq!(run["verify"]["status"], "pass");
        assert_eq!(run["verify"]["class"], "residual");
        assert!(run["verify"]["max_abs"].as_f64().unwrap() < 30.0 && run["verify"]["bound"] == 30.0);
    }
}

#[test]
fn values_and_vectors_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("e.npy");
    let path = out.to_str().unwrap();
    let file = data("eigen", "rotation2.mtx");
    let (code, _, stderr) = eigen(&["--batch", &file, "--values", "complex", "--vectors", "--output", path]);
    assert_eq!(code, 0, "{stderr}");
    let (header, values) = npy(&out);
    assert!(header.contains("'<c16'") && header.contains("(1, 2)"), "{header}");
    assert!(
        (values[0].hypot(values[1]) - 1.0).abs() < 1e-15 && values[1] > 0.0 && values[3] == -values[1],
        "{values:?}"
    );
    let (header, vectors) = npy(&folder.path().join("e.vectors.npy"));
    assert!(header.contains("(1, 2, 2)") && vectors.len() == 8, "{header}");
    let (code, _, _) = eigen(&["--batch", &data("eigen", "sweep.npy"), "--output", path]);
    let (header, values) = npy(&out);
    let (_, want) = npy(Path::new(&data("eigen", "sweep_expected_abs.npy")));
    assert!(code == 0 && header.contains("'<f8'"), "{header}");
    assert!(values.iter().zip(&want).all(|(got, want)| (got - want).abs() <= 5e-10 * want));
}

#[test]
fn frequencies_of_a_pencil() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    // Two masses of 1 kg on springs of 4 pi^2 N/m: (1 / 2 pi) sqrt(4 pi^2 {1, 3}).
    let k = 4.0 * std::f64::consts::PI.powi(2);
    let head = "%%MatrixMarket matrix coordinate real symmetric\n2 2 3\n";
    let stiffness = write("k.mtx", &format!("{head}1 1 {}\n2 1 {}\n2 2 {}\n", 2.0 * k, -k, 2.0 * k));
    let mass = write("m.mtx", "%%MatrixMarket matrix coordinate real symmetric\n2 2 2\n1 1 1\n2 2 1\n");
    let (code, stdout, stderr) =
        eigen(&["--batch", stiffness.to_str().unwrap(), "--pencil", mass.to_str().unwrap(), "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let hz: Vec<f64> =
        report["result"]["frequencies_hz"].as_array().unwrap().iter().map(|f| f.as_f64().unwrap()).collect();
    assert!((hz[0] - 1.0).abs() < 1e-14 && (hz[1] - 3f64.sqrt()).abs() < 1e-14, "{hz:?}");
}

#[test]
fn one_bad_matrix_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("e.npy");
    let files = [
        data("eigen", "frank12.mtx"),
        data("mtx", "rectangular.mtx"),
        data("mtx", "nan_value.mtx"),
        data("eigen", "one1.mtx"),
    ];
    let mut args = vec!["--batch"];
    args.extend(files.iter().map(String::as_str));
    args.extend(["--output", out.to_str().unwrap()]);
    let (code, _, stderr) = eigen(&args);
    assert_eq!(code, 4, "{stderr}");
    assert!(stderr.contains("2 of 4") && stderr.contains("not square") && stderr.contains("nan_value.mtx"), "{stderr}");
    let (header, values) = npy(&out);
    assert!(header.contains("(4, 12)"), "{header}");
    assert!((values[0] - 32.228_891_501_572_164).abs() < 2e-12 && values[36] == 3.5, "{values:?}");
    assert!(values[12..36].iter().chain(&values[37..]).all(|x| x.is_nan()));
}

#[test]
fn broken_files_and_options_are_refused() {
    for (folder, name, code) in [
        ("mtx", "rectangular.mtx", 4),
        ("mtx", "nan_value.mtx", 3),
        ("mtx", "inf_value.mtx", 3),
        ("mtx", "empty.mtx", 3),
        ("mtx", "truncated.mtx", 3),
        ("mtx", "too_many_entries.mtx", 3),
        ("mtx", "zero_based.mtx", 3),
        ("mtx", "index_too_large.mtx", 3),
        ("mtx", "huge_header.mtx", 3),
        ("mtx", "huge_nnz.mtx", 3),
        ("mtx", "claimed_symmetric.mtx", 3),
        ("mtx", "utf16.mtx", 3),
        ("mtx", "crlf.mtx", 0),
        ("mtx", "latin1_comment.mtx", 0),
        ("mtx", "singular_K.mtx", 0),
        ("mtx", "nonsymmetric_general_K.mtx", 0),
        ("formats_fe", "not_npy.npy", 3),
        ("formats_fe", "huge_shape.npy", 3),
        ("formats_fe", "fortran_order.npy", 0),
        ("eigen", "expected.json", 3),
        ("eigen", "nothing.npy", 3),
    ] {
        let started = std::time::Instant::now();
        let (got, stdout, stderr) = eigen(&["--batch", &data(folder, name)]);
        assert_eq!(got, code, "{name}: {stderr}");
        assert!(code == 0 || (stderr.contains(name) && stdout.is_empty()), "{name}: {stderr}");
        assert!(!stderr.contains("panicked") && started.elapsed().as_secs() < 20, "{name}: {stderr}");
    }
    let sweep = data("eigen", "sweep.npy");
    for args in [
        &["--batch", &sweep, "--count", "3"][..],
        &["--pencil", &sweep],
        &["--values", "large"],
        &["--batch", &sweep, "--output", "/tmp/eigen.vtu"],
        &["--precision", "f32"],
    ] {
        assert_eq!(eigen(args).0, 2, "{args:?}");
    }
}

#[test]
fn a_fortran_array_is_read_as_its_matrix() {
    let (code, stdout, stderr) = eigen(&["--batch", &data("formats_fe", "fortran_order.npy"), "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert!((report["result"]["largest"].as_f64().unwrap() - 5.372_281_323_269_014).abs() < 1e-14);
}

#[test]
fn no_device_runs_it_and_the_reason_is_told() {
    let (code, _, stderr) = run(&["run", "eigen", "--count", "1", "--order", "4", "--backend", "gpu"]);
    assert_eq!(code, 5, "{stderr}");
    assert!(stderr.contains("dense eigenproblems stay on the CPU"), "{stderr}");
}

#[test]
fn a_pencil_with_massless_freedoms_has_infinite_values_that_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let matrix = |name: &str, values: [f64; 9]| {
        let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3, 3), }";
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16 + 1).to_le_bytes());
        bytes.extend(format!("{header}\n").bytes());
        values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
        std::fs::write(at(name), bytes).unwrap();
    };
    matrix("k.npy", [2.0, -1.0, 0.0, -1.0, 2.0, -1.0, 0.0, -1.0, 2.0]);
    matrix("m.npy", [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    let (code, stdout, stderr) =
        eigen(&["--batch", &at("k.npy"), "--pencil", &at("m.npy"), "-o", &at("e.npy"), "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["result"]["infinite"], 1);
    // Without the third freedom, K = [2 -1; -1 3/2]: lambda^2 - 7/2 lambda + 2 = 0.
    let exact = [(7.0 - 17f64.sqrt()) / 4.0, (7.0 + 17f64.sqrt()) / 4.0].map(|x| x.sqrt() / std::f64::consts::TAU);
    let (_, mut found) = npy(Path::new(&at("e.npy")));
    found.sort_by(f64::total_cmp);
    assert!(found[2].is_infinite(), "{found:?}");
    assert!(exact.iter().zip(&found).all(|(exact, found)| (found / exact - 1.0).abs() < 1e-12), "{found:?}");
}
