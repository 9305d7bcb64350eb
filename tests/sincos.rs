//! `hetero run sincos` as a user meets it: options, files, exit codes.

use std::path::Path;

use crate::support::run;

fn sincos(args: &[&str]) -> (i32, String, String) {
    run(&[&["run", "sincos", "--runs", "1", "--baseline", "none"], args].concat())
}

fn report(stdout: &str) -> serde_json::Value {
    serde_json::from_str(stdout).expect("one JSON document")
}

/// An `.npy` file of one of the types that NumPy writes.
fn npy(path: &Path, kind: &str, shape: &str, bytes: &[u8]) {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    let file = [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes(), bytes].concat();
    std::fs::write(path, file).unwrap();
}

/// The numbers of an `.npy` file of `<f8`.
fn numbers(path: &Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + length..].as_chunks::<8>().0.iter().map(|x| f64::from_le_bytes(*x)).collect()
}

#[test]
fn backends_and_precisions_agree_and_say_what_they_did() {
    let size = ["--rows", "20", "--columns", "70", "--iterations", "40", "--seed", "5", "--json"];
    let (code, stdout, stderr) = sincos(&[&size[..], &["--backend", "seq,cpu"]].concat());
    assert_eq!(code, 0, "{stderr}");
    let reference = report(&stdout);
    assert_eq!(reference["result"]["rows"], 20);
    assert_eq!(reference["input"]["item"], "row");
    for run in reference["runs"].as_array().unwrap() {
        assert_eq!((&run["verify"]["status"], &run["verify"]["class"]), (&"pass".into(), &"bounded".into()));
        assert!(run["verify"]["max_abs"].as_f64().unwrap() <= run["verify"]["bound"].as_f64().unwrap());
    }
    let (code, stdout, stderr) = sincos(&[&size[..], &["--backend", "cpu", "--precision", "f32"]].concat());
    assert_eq!(code, 0, "{stderr}");
    let single = report(&stdout);
    assert_eq!(single["runs"][0]["precision"], "f32");
    let sum = |report: &serde_json::Value| report["result"]["checksum"].as_f64().unwrap();
    // 1400 elements of at most 0.14, each within 1e-6 in fact.
    assert!((sum(&reference) - sum(&single)).abs() < 1e-3 && sum(&reference) > 100.0);
}

#[test]
fn arrays_of_several_types_are_read_and_sums_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let [input, out, table] = ["in.npy", "out.npy", "out.csv"].map(|name| path(name).display().to_string());
    let values = [0.5_f64, -2.0, 1e6, 0.0, 0.25, 0.125];
    let once = |x: f64| (2.0 * x).sin() / 2.0;
    let want = [once(0.5) + once(-2.0) + once(1e6), once(0.25) + once(0.125)];
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    npy(Path::new(&input), "<f8", "(2, 3)", &bytes);
    let arguments = ["--input", &input, "--iterations", "1", "--backend", "cpu", "--output"];
    let (code, _, stderr) = sincos(&[&arguments[..], &[&out]].concat());
    assert_eq!(code, 0, "{stderr}");
    let got = numbers(Path::new(&out));
    assert!(got.len() == 2 && got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-15), "{got:?} {want:?}");
    let (code, _, stderr) = sincos(&[&arguments[..], &[&table]].concat());
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(std::fs::read_to_string(&table).unwrap(), format!("row,sum\n0,{:?}\n1,{:?}\n", got[0], got[1]));
    // Halves and singles hold the same numbers, but for the million.
    let bytes: Vec<u8> = values.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
    npy(Path::new(&input), "<f4", "(2, 3)", &bytes);
    let (code, _, stderr) = sincos(&[&arguments[..], &[&out]].concat());
    assert!(code == 0 && numbers(Path::new(&out)) == got, "{stderr}");
}

#[test]
fn wrong_options_and_arrays_end_in_their_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.npy").display().to_string();
    let fails = |code: i32, words: &str, args: &[&str]| {
        let (got, stdout, stderr) = sincos(args);
        assert!(got == code && stdout.is_empty() && stderr.contains(words), "{args:?}: {got} {stderr}");
    };
    fails(2, "at least 1", &["--iterations", "0"]);
    fails(2, "2^32", &["--iterations", "4294967296"]);
    fails(2, "at least 1", &["--columns", "0"]);
    fails(2, "not a whole number", &["--rows", "2.5"]);
    fails(2, ".npy and .csv", &["--rows", "2", "--backend", "cpu", "--output", "out.vtu"]);
    fails(7, "memory", &["--rows", "1e12", "--columns", "1e6"]);
    fails(3, "in.npy", &["--input", &input]);
    npy(Path::new(&input), "<f8", "(2,)", &[0; 16]);
    fails(3, "(n, m)", &["--input", &input]);
    fails(2, "use one of them", &["--input", &input, "--rows", "2"]);
    npy(Path::new(&input), "<f8", "(1, 2)", &[[0; 8], f64::NAN.to_le_bytes()].concat());
    fails(3, "row 0, column 1 is NaN", &["--input", &input]);
    npy(Path::new(&input), "<f8", "(1000000000000, 0)", &[]);
    fails(3, "columns", &["--input", &input]);
}

#[cfg(feature = "gpu")]
#[test]
fn a_device_does_long_rows_and_many_iterations_or_says_why_not() {
    if hetero::gpu::testing::adapter_or_skip().is_none() {
        return;
    }
    // Far more than one invocation may loop, in a row; nearly as many as one element may have; more than that.
    for (rows, columns, iterations) in [("2", "3000", "1000"), ("2", "3", "400000")] {
        let size = ["--rows", rows, "--columns", columns, "--iterations", iterations, "--backend", "gpu", "--json"];
        let (code, stdout, stderr) = sincos(&size);
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(report(&stdout)["runs"][0]["verify"]["status"], "pass");
    }
    let (code, _, stderr) = sincos(&["--rows", "1", "--columns", "1", "--iterations", "1e6", "--backend", "gpu"]);
    assert!(code == 5 && stderr.contains("loop iterations") && stderr.contains("--backend cpu"), "{code} {stderr}");
    let (code, _, stderr) = sincos(&["--rows", "1", "--precision", "f64", "--backend", "gpu"]);
    assert!(code == 5 && stderr.contains("f32"), "{code} {stderr}");
}
