//! `hetero run map` as a user meets it: expressions, files in and out, messages, exit codes.

use std::path::Path;

use hetero::formats::npy::{read_npy, write_npy_f32, write_npy_f64};
use hetero::formats::source::Source;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::run;

fn map(args: &[&str]) -> (i32, String, String) {
    run(&[&["run", "map", "--runs", "1", "--baseline", "none", "--backend", "cpu"], args].concat())
}

fn result(args: &[&str]) -> Value {
    let (code, stdout, stderr) = map(&[args, &["--json"]].concat());
    assert_eq!(code, 0, "{args:?}: {stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("one JSON document");
    assert_eq!(report["runs"][0]["verify"]["status"], "pass");
    report["result"].clone()
}

/// `x.npy` of 1 to 6 as (2, 3), `y.npy` of the same shape in f32, `k.npy` without an axis, `short.npy` of 5.
fn arrays() -> (TempDir, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_npy_f64(&path("x.npy"), &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    write_npy_f32(&path("y.npy"), &[2, 3], &[0.5, 1.5, 2.5, 3.5, 4.5, 5.5]).unwrap();
    write_npy_f64(&path("k.npy"), &[], &[10.0]).unwrap();
    write_npy_f64(&path("short.npy"), &[5], &[1.0; 5]).unwrap();
    let root = folder.path().to_path_buf();
    (folder, move |name: &str| root.join(name).display().to_string())
}

fn saved(path: &str) -> (Vec<usize>, Vec<f64>) {
    let array = read_npy(&Source::open(Path::new(path)).unwrap()).unwrap();
    (array.shape, array.values.into_f64())
}

#[test]
fn the_users_example_from_files_to_a_file() {
    let (_folder, file) = arrays();
    let inputs = format!("x={},y={}", file("x.npy"), file("y.npy"));
    let out = file("c.npy");
    let told = result(&["--expr", "sqrt(x*x + y*y) * 0.5", "--input", &inputs, "--output", &out]);
    let (shape, values) = saved(&out);
    assert_eq!(shape, [2, 3]);
    for (i, value) in values.iter().enumerate() {
        let (x, y) = (i as f64 + 1.0, i as f64 + 0.5);
        assert_eq!(*value, (x * x + y * y).sqrt() * 0.5);
    }
    assert_eq!(told["items"], 6);
    assert_eq!(told["expr"], "sqrt(x*x + y*y) * 0.5");
    assert!((told["checksum"].as_f64().unwrap() - values.iter().sum::<f64>()).abs() < 1e-13);
    assert_eq!((told["min"].as_f64(), told["max"].as_f64()), (Some(values[0]), Some(values[5])));
    // In f32 the file is f32; as text, one line an element.
    result(&["--expr", "x + y", "--input", &inputs, "--output", &out, "--precision", "f32"]);
    assert!(String::from_utf8_lossy(&std::fs::read(&out).unwrap()).contains("<f4"));
    let text = file("c.csv");
    result(&["--expr", "x + y", "--input", &inputs, "--output", &text]);
    assert_eq!(std::fs::read_to_string(text).unwrap(), "element,value\n0,1.5\n1,3.5\n2,5.5\n3,7.5\n4,9.5\n5,11.5\n");
}

#[test]
fn numbers_and_arrays_without_an_axis_are_variables_too() {
    let (_folder, file) = arrays();
    let inputs = format!("k={},x={},half=0.5", file("k.npy"), file("x.npy"));
    let told = result(&["--expr", "k * x + half", "--input", &inputs]);
    assert_eq!(told["checksum"], 213.0);
    assert_eq!(result(&["--expr", "-x", "--input", &inputs])["checksum"], -21.0);
    let (code, _, stderr) = map(&["--expr", "k", "--input", &format!("k={}", file("k.npy"))]);
    assert!(code == 2 && stderr.contains("at least one variable must be an array"), "{code} {stderr}");
}

#[test]
fn without_input_variables_are_generated() {
    let told = result(&["--items", "1e4", "--seed", "3"]);
    assert_eq!(told["items"], 10_000);
    // The mean of half the distance from a corner of the unit square is 0.3826 (sqrt 2 + asinh 1 over 6).
    assert!((told["checksum"].as_f64().unwrap() / 1e4 - 0.3826).abs() < 0.01, "{told}");
    assert_eq!(told, result(&["--items", "1e4", "--seed", "3", "--threads", "1"]));
    assert_eq!(
        told["checksum"],
        result(&["--items", "1e4", "--seed", "3", "--expr", "0.5 * (y**2 + x**2)**0.5"])["checksum"]
    );
}

#[test]
fn errors_name_the_column_the_file_or_the_element() {
    let (folder, file) = arrays();
    let x = format!("x={}", file("x.npy"));
    std::fs::write(folder.path().join("bad.npy"), b"\x93NUMPY what").unwrap();
    for (args, code, part) in [
        (&["--expr", "x + 2*z", "--input", &x][..], 2, "expression, column 7: unknown name 'z'; there are: x"),
        (&["--expr", "x + z"], 2, "there are: x, y (generated; name your arrays with --input)"),
        (&["--expr", "sqrt(x", "--input", &x], 2, "column 7"),
        (&["--expr", "", "--input", &x], 2, "there is no expression"),
        (&["--input", "x"], 2, "is not NAME=FILE.npy"),
        (&["--input", &x, "--items", "5"], 2, "--items"),
        (&["--expr", "x + s", "--input", &format!("{x},s={}", file("short.npy"))], 3, "all arrays need one shape"),
        (&["--expr", "x", "--input", &format!("x={}", file("none.npy"))], 3, "none.npy"),
        (&["--expr", "x", "--input", &format!("x={}", file("bad.npy"))], 3, "bad.npy"),
        (&["--expr", "log(x - 2)", "--input", &x], 4, "element 0 [0, 0] of the result is NaN (x = 1); guard it"),
        (&["--expr", "1 / (x - 2)", "--input", &x], 4, "element 1 [0, 1] of the result is inf (x = 2)"),
        (&["--expr", "x", "--input", &x, "--output", "c.vtu"], 2, "map writes .npy and .csv"),
        (&["--expr", "x", "--input", &x, "--precision", "mixed"], 2, "it computes in f64, f32"),
        (&["--expr", "x * 1e300", "--input", &x, "--precision", "f32"], 2, "beyond the range of f32"),
    ] {
        let (got, stdout, stderr) = map(args);
        assert_eq!(got, code, "{args:?}: {stderr}");
        assert!(stderr.contains(part) && !stderr.contains("panicked"), "{args:?}: {stderr}");
        assert!(stdout.is_empty() || part.starts_with("map writes"), "{args:?}: {stdout}");
    }
    let told = result(&["--expr", "1 / (x - 2)", "--input", &x, "--allow-nonfinite"]);
    assert_eq!((&told["nonfinite"], &told["min"]), (&1.into(), &(-1.0).into()));
}

#[test]
fn a_name_that_is_not_used_is_told() {
    let (_folder, file) = arrays();
    let inputs = format!("x={},y={}", file("x.npy"), file("y.npy"));
    let (code, stdout, _) = map(&["--expr", "x + 1", "--input", &inputs, "--json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, 0);
    assert!(report["warnings"][0].as_str().unwrap().contains("does not use y"), "{}", report["warnings"]);
}

#[cfg(feature = "gpu")]
#[test]
fn a_device_computes_in_f32_within_the_bound() {
    let Some(adapter) = hetero::gpu::testing::adapter_or_skip() else { return };
    let expr = "where(x > 0.5, exp(-x*x) * sin(20*y), log(1 + x) + arctan2(y, x)) + x**3.5 + tanh(y) + y % 0.3";
    let (code, stdout, stderr) = run(&[
        "run",
        "map",
        "--expr",
        expr,
        "--items",
        "20000",
        "--backend",
        "gpu",
        "--baseline",
        "cpu",
        "--runs",
        "1",
        "--json",
    ]);
    assert_eq!(code, 0, "{adapter}: {stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let gpu = &report["runs"][0];
    assert_eq!((&gpu["precision"], &gpu["verify"]["status"]), (&"f32".into(), &"pass".into()));
    let (code, _, stderr) = run(&["run", "map", "--backend", "gpu", "--precision", "f64", "--items", "10"]);
    assert!(code == 5 && stderr.contains("map computes in f32 on a device"), "{code} {stderr}");
}

/// The library's short way to a kernel of one's own: closures and WGSL text.
#[cfg(feature = "gpu")]
#[test]
fn a_job_from_closures_runs_on_a_device_and_its_check_counts() {
    use hetero::config::Layers;
    use hetero::exec::Control;
    use hetero::job::ElementWise;
    use hetero::measure::sampler::Rule;
    use hetero::run::measure;

    if hetero::gpu::testing::adapter_or_skip().is_none() {
        return;
    }
    let x: Vec<f64> = (0..10_001).map(|i| f64::from(i) * 1e-3 - 5.0).collect();
    let y: Vec<f64> = x.iter().map(|x| 2.0 - x).collect();
    let once = Rule { runs: Some(1), ..Rule::default() };
    let settings = Layers::default().config().unwrap();
    let run = |body: &'static str, share: f64| {
        let job = ElementWise::new("product", [&x, &y], |[x, y]| x * y)
            .unwrap()
            .wgsl(body, |[x, y]| 2e-7 * (x * y).abs() + 1e-37)
            .invariant("within a limit", move |_, value| value.abs() * share);
        let run = measure(&job, "gpu", once, &settings, &Control::default()).unwrap();
        (run.verification.passed(), run.verification.first_bad)
    };
    assert_eq!(run("return x0 * x1;", 1e-3), (true, None));
    let (passed, why) = run("return x0 * x1 + 1e-3;", 1e-3);
    assert!(!passed && why.unwrap().contains("element "));
    let (passed, why) = run("return x0 * x1;", 1.0);
    assert!(!passed && why.unwrap().contains("within a limit"));
}

#[test]
fn the_files_of_one_variable_are_cases_and_the_others_follow() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, x, y) in [("p2", 1.0, 10.0), ("p10", 2.0, 20.0)] {
        for (dir, value) in [("a", x), ("b", y)] {
            std::fs::create_dir_all(folder.join(dir)).unwrap();
            write_npy_f64(&folder.join(dir).join(format!("{name}.npy")), &[3], &[value; 3]).unwrap();
        }
    }
    write_npy_f64(&folder.join("z.npy"), &[3], &[0.5; 3]).unwrap();
    let map = |expr: &str, inputs: &[&str], output: &str| {
        let mut args = vec!["run", "map", "--backend", "cpu", "--json", "--expr", expr, "--output", output];
        inputs.iter().for_each(|input| args.extend(["--input", *input]));
        let output = crate::support::hetero().current_dir(folder).args(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let value = |file: &str| saved(folder.join(file).to_str().unwrap()).1[2];
    for (at, inputs) in [&["x=a/*.npy,y=b/{stem}.npy,k=2.5,z=z.npy"][..], &["k=2.5", "z=z.npy,y=b/{name}", "x=a"]]
        .into_iter()
        .enumerate()
    {
        let output = format!("out{at}_{{stem}}.npy");
        let (code, stdout, stderr) = map("x + y + k + z", inputs, &output);
        assert_eq!((code, stderr.as_str()), (0, ""), "{inputs:?}");
        let report: Value = serde_json::from_str(&stdout).unwrap();
        let cases = report["cases"].as_array().unwrap();
        let sums: Vec<f64> = cases.iter().map(|case| case["result"]["checksum"].as_f64().unwrap()).collect();
        assert_eq!(sums, [42.0, 75.0], "in the order people count");
        assert_eq!((value(&format!("out{at}_p2.npy")), value(&format!("out{at}_p10.npy"))), (14.0, 25.0));
    }
    // One file alone with a name to fill in is a batch of one; without, a single job.
    let (code, stdout, stderr) = map("x + z", &["x=a/p2.npy,z=z.npy"], "one_{stem}.npy");
    assert_eq!((code, value("one_p2.npy")), (0, 1.5), "{stderr}");
    assert!(stdout.contains("\"cases\""));
    let (code, stdout, stderr) = map("x + z", &["x=a/p2.npy,z=z.npy"], "one.npy");
    assert!(code == 0 && !stdout.contains("\"cases\""), "{stderr}");
    for (inputs, output, words) in [
        ("x=a/*.npy,y=b/*.npy", "{stem}.npy", &["x and y both stand for several files", "{stem}"][..]),
        ("x=a/*.npy,y=b/{stem}.npy", "b/{stem}.npy", &["is an input"]),
        ("x=a/*.npy,y=b/{stm}.npy", "{stem}.npy", &["no placeholder {stm}"]),
        ("x=a/*.npy,y=z.npy", "c.npy", &["would both write c.npy", "{stem}"]),
    ] {
        let (code, _, stderr) = map("x + y", &[inputs], output);
        assert!(code == 2 && words.iter().all(|word| stderr.contains(word)), "{inputs} {output}: {stderr}");
    }
    // A partner that is missing is that case's failure.
    std::fs::remove_file(folder.join("b/p10.npy")).unwrap();
    let (code, _, stderr) = map("x + y", &["x=a/*.npy,y=b/{stem}.npy"], "last_{stem}.npy");
    assert!(code == 3 && stderr.contains("p10.npy") && stderr.contains("1 of 2"), "{stderr}");
    assert!(folder.join("last_p2.npy").exists());
}
