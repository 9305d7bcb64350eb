//! `hetero run sumsq` and `hetero run deposits` as a user meets them: exact sums, files in and out, lost updates, exit codes.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::run;

/// An `.npy` file of the type `descr`.
fn npy(folder: &Path, name: &str, descr: &str, count: usize, data: &[u8]) -> PathBuf {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({count},), }}\n");
    let path = folder.join(name);
    let bytes = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat();
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The report of one run each on `backends`.
fn report(args: &[&str], backends: &str) -> Value {
    let engine = ["--backend", backends, "--baseline", "none", "--runs", "1", "--json"];
    let (code, stdout, stderr) = run(&[&["run"], args, &engine[..]].concat());
    assert_eq!(code, 0, "{args:?}: {stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("exactly one JSON document");
    for run in report["runs"].as_array().unwrap() {
        assert_eq!(run["verify"]["status"], "pass", "{args:?}");
        assert_eq!(run["verify"]["class"], "exact", "{args:?}");
    }
    report
}

#[test]
fn sums_of_squares_are_exact_where_64_bits_wrap() {
    for method in ["loop", "data"] {
        let report = report(&["sumsq", "--n", "4e6", "--method", method], "seq,cpu");
        assert_eq!(report["input"]["items"], 4_000_000);
        let result = &report["result"];
        assert_eq!((&result["n"], &result["method"]), (&4_000_000.into(), &method.into()));
        assert_eq!(result["sum_text"], "21333325333334000000");
        assert!(result["sum"].is_null() && result["wraps_int64"] == true, "{result}");
        assert_eq!(result["int64_text"], "2886581259624448384");
    }
    let result = &report(&["sumsq", "--n", "10"], "cpu")["result"];
    assert!(result["sum"] == 285 && result["sum_text"] == "285" && result["wraps_int64"] == false, "{result}");
    for n in ["0", "1"] {
        assert_eq!(report(&["sumsq", "--n", n, "--method", "data"], "seq,cpu")["result"]["sum"], 0);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn a_device_sums_squares_without_64_bit_integers() {
    if hetero::gpu::testing::adapter_or_skip().is_none() {
        return;
    }
    for method in ["loop", "data"] {
        let report = report(&["sumsq", "--n", "1e5", "--method", method], "gpu");
        assert_eq!(report["result"]["sum_text"], "333328333350000");
    }
}

#[test]
fn integers_of_a_file_are_squared_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<i64> = vec![i64::MIN, -(1 << 53) - 1, 3, 0, -4];
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let file = npy(folder.path(), "a.npy", "<i8", values.len(), &bytes);
    let output = folder.path().join("sum.csv");
    let args = ["sumsq", "--input", file.to_str().unwrap(), "--output", output.to_str().unwrap()];
    let report = report(&args, "cpu");
    let sum: u128 = values.iter().map(|x| u128::from(x.unsigned_abs()).pow(2)).sum();
    assert_eq!(report["result"]["sum_text"], sum.to_string());
    assert!(report["input"]["source"].as_str().unwrap().ends_with("a.npy"));
    let text = std::fs::read_to_string(output).unwrap();
    assert!(text.starts_with("n,method,sum_text,wraps_int64,int64_text\n5,data,85070"), "{text}");
}

#[test]
fn wrong_input_of_sumsq_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let words = |values: &[u64]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let many = npy(folder.path(), "many.npy", "<u8", 3, &words(&[u64::MAX, 5, u64::MAX]));
    let floats = npy(folder.path(), "floats.npy", "<f8", 1, &words(&[0]));
    let cut = npy(folder.path(), "cut.npy", "<u8", 4, &words(&[1]));
    for (path, what) in [(&many, "leaves 128 bits at value 2"), (&floats, "integers are needed"), (&cut, "32 bytes")] {
        let (code, stdout, stderr) = run(&["run", "sumsq", "--input", path.to_str().unwrap()]);
        assert!(code == 3 && stdout.is_empty() && stderr.contains(what), "{code} {stderr}");
        assert!(stderr.contains(path.to_str().unwrap()) && stderr.trim_end().lines().count() == 1, "{stderr}");
    }
    let many = many.to_str().unwrap();
    for args in [
        &["--n", "4398046511105"][..],
        &["--n", "-1"],
        &["--method", "guess"],
        &["--input", many, "--n", "3"],
        &["--input", many, "--method", "loop"],
        &["--precision", "f64"],
        &["--n", "10", "--output", "x.npy"],
    ] {
        let (code, _, stderr) = run(&[&["run", "sumsq"], args].concat());
        assert_eq!(code, 2, "{args:?}: {stderr}");
    }
    let (code, _, stderr) = run(&["run", "sumsq", "--n", "5e12"]);
    assert!(code == 2 && stderr.contains("2^42") && stderr.contains("closed form"), "{stderr}");
    let (code, _, stderr) = run(&["run", "sumsq", "--n", "4e12", "--method", "data"]);
    assert!(code == 7 && stderr.contains("memory"), "{code} {stderr}");
}

#[test]
fn every_way_to_share_an_account_is_compared_in_one_run() {
    let report = report(&["deposits", "--deposits", "20000", "--threads", "2"], "cpu,seq");
    let result = &report["result"];
    assert_eq!((&result["expected"], &result["balance"]), (&200_000.into(), &200_000.into()));
    assert_eq!((&result["deposits"], &result["threads"], &result["lost"]), (&20_000.into(), &2.into(), &0.into()));
    let methods = result["methods"].as_array().unwrap();
    let names: Vec<&str> = methods.iter().map(|method| method["sync"].as_str().unwrap()).collect();
    assert_eq!(names, ["none", "mutex", "atomic", "sharded", "reduce"]);
    for method in methods {
        assert!(method["ns_per_deposit"].as_f64().unwrap() > 0.0 && method["wait"].is_null(), "{method}");
        let (balance, lost) = (method["balance"].as_u64().unwrap(), method["lost"].as_u64().unwrap());
        assert_eq!(balance + 10 * lost, 200_000, "{method}");
        assert!(lost == 0 || method["sync"] == "none", "{method}");
    }
    for run in report["runs"].as_array().unwrap() {
        for phase in ["add_none", "add_mutex", "add_atomic", "add_sharded", "add_reduce"] {
            assert!(run["phases"][phase].as_f64().unwrap() > 0.0, "{phase}");
        }
    }
}

#[test]
fn the_rate_counts_the_deposits_of_every_method_and_a_trace_shows_each_solve() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.json");
    let args = ["deposits", "--deposits", "3000", "--threads", "2", "--trace", file.to_str().unwrap()];
    let report = report(&args, "cpu");
    let run = &report["runs"][0];
    let done = run["items_per_second"].as_f64().unwrap() * run["seconds"]["median"].as_f64().unwrap();
    assert!((done - 15_000.0).abs() < 1e-6, "five methods with 3000 deposits each: {done}");
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let row = events.iter().find(|e| e["name"] == "thread_name" && e["args"]["name"] == "cpu all workers").unwrap();
    let solves: Vec<&Value> = events.iter().filter(|e| e["ph"] == "X" && e["tid"] == row["tid"]).collect();
    let names: Vec<&str> = solves.iter().map(|e| e["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["add_none", "add_mutex", "add_atomic", "add_sharded", "add_reduce"]);
    let mut end = 0.0;
    for solve in solves {
        assert_eq!((&solve["args"]["doing"], &solve["args"]["items"]), (&"solve".into(), &3000.into()));
        assert!(solve["ts"].as_f64().unwrap() >= end, "one after the other");
        end = solve["ts"].as_f64().unwrap() + solve["dur"].as_f64().unwrap();
    }
}

#[test]
fn lost_updates_are_told_and_are_no_failure() {
    let args = ["deposits", "--sync", "none", "--threads", "5", "--deposits", "50", "--delay", "10ms"];
    let report = report(&args, "cpu");
    let waited = &report["result"]["methods"][1];
    assert!(waited["lost"].as_u64().unwrap() > 0, "{waited}");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("--sync none lost"), "{warnings}");
}

#[test]
fn one_thread_loses_nothing() {
    let report = report(&["deposits", "--sync", "none", "--deposits", "1e4"], "seq");
    assert_eq!((&report["result"]["balance"], &report["result"]["lost"]), (&100_000.into(), &0.into()));
    assert_eq!(report["warnings"], serde_json::json!([]));
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.csv");
    let args = ["run", "deposits", "--sync", "mutex", "--deposits", "7", "--backend", "cpu", "--threads", "3"];
    let (code, _, stderr) = run(&[&args[..], &["--baseline", "none", "--output", output.to_str().unwrap()]].concat());
    assert_eq!(code, 0, "{stderr}");
    let text = std::fs::read_to_string(output).unwrap();
    assert_eq!(text, "deposits,threads,expected,balance,lost\n7,3,70,70,0\n");
}

#[cfg(feature = "gpu")]
#[test]
fn a_device_shares_an_account_or_says_why_not() {
    if hetero::gpu::testing::adapter_or_skip().is_none() {
        return;
    }
    for sync in ["atomic", "sharded", "reduce"] {
        let report = report(&["deposits", "--sync", sync, "--deposits", "1e5"], "gpu");
        assert_eq!(report["result"]["balance"], 1_000_000, "{sync}");
        assert!(report["result"]["methods"][0]["ns_per_deposit"].is_null(), "{sync}");
    }
    for (args, why) in [
        (&["--sync", "none"][..], "gives a race"),
        (&["--sync", "mutex"], "waits for a lock"),
        (&["--sync", "atomic", "--delay", "1us"], "cannot sleep"),
        (&[], "--sync atomic, sharded or reduce run on a device"),
    ] {
        let (code, stdout, stderr) = run(&[&["run", "deposits", "--backend", "gpu"], args].concat());
        assert!(code == 5 && stdout.is_empty() && stderr.contains(why), "{args:?}: {code} {stderr}");
    }
}

#[test]
fn wrong_options_of_deposits_are_refused() {
    for args in [
        &["--sync", "hope"][..],
        &["--deposits", "1e18"],
        &["--delay", "soon"],
        &["--delay", "-1"],
        &["--delay", "2e5"],
        &["--precision", "f64"],
        &["--deposits", "10", "--output", "x.npy"],
    ] {
        let (code, _, stderr) = run(&[&["run", "deposits"], args].concat());
        assert_eq!(code, 2, "{args:?}: {stderr}");
    }
}
