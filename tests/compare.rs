//! `hetero compare`: every workload of the registry, exit codes, saved comparisons.

use std::path::Path;

use hetero::workloads::WORKLOADS;
use serde_json::Value;

use crate::support::{hetero, run};

/// Runs `hetero compare` with few runs of the host's backends.
fn compare(args: &[&str]) -> (i32, String, String) {
    run(&[&["compare"], args, &["--backends", "seq,cpu", "--runs", "5"]].concat())
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("temporary names are UTF-8").to_string()
}

#[test]
fn every_workload_is_compared() {
    for workload in WORKLOADS {
        let (code, stdout, stderr) = compare(&[workload.name(), "--sizes", "5,40", "--json"]);
        assert_eq!(code, 0, "{}: {stderr}", workload.name());
        let value: Value = serde_json::from_str(&stdout).expect("exactly one JSON document");
        assert_eq!((&value["schema"], &value["workload"]), (&"hetero.compare/1".into(), &workload.name().into()));
        assert_eq!(value["variant"], workload.variants().unwrap()[0].as_str());
        let rows = value["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 4, "two sizes, two backends: {stdout}");
        for row in rows {
            assert_eq!(row["verify"]["status"], "pass");
            assert_eq!(row["warm_seconds"]["n"], 5);
            let (cold, warm) = (row["cold_seconds"]["median"].as_f64(), row["warm_seconds"]["median"].as_f64());
            assert!(cold >= warm && warm > Some(0.0), "{row}");
        }
        assert_eq!(value["baseline"], "cpu");
        let starts: Vec<_> = value["break_even"].as_array().unwrap().iter().map(|row| &row["start"]).collect();
        assert_eq!(starts, ["cold", "warm", "kernel"]);
    }
}

#[test]
fn every_variant_can_be_chosen() {
    for workload in WORKLOADS {
        for variant in workload.variants().unwrap() {
            let job = workload.sized_variant(7, &variant, &hetero::workloads::Context { seed: 1 }).unwrap();
            assert!(job.input().items > 0, "{variant}");
        }
        assert!(workload.sized_variant(7, "no such", &hetero::workloads::Context { seed: 1 }).is_err());
    }
    let (code, stdout, _) = compare(&["stress", "--variant", "hex8", "--sizes", "10", "--csv"]);
    assert!(code == 0 && stdout.lines().nth(1).is_some_and(|line| line.starts_with("stress,hex8,10,")), "{stdout}");
}

#[test]
fn words_that_make_no_sense_exit_2() {
    for args in [
        &[][..],
        &["nothing"],
        &["pi", "--sizes", "1e6..1e3"],
        &["pi", "--sizes", "0"],
        &["pi", "--sizes", "ten"],
        &["pi", "--sizes", "1e3,1e3"],
        &["pi", "--sizes", "1e3..1e4", "--points", "1"],
        &["pi", "--sizes", "1e3,1e4", "--points", "3"],
        &["pi", "--variant", "no such"],
        &["pi", "--backend", "cpu"],
        &["pi", "--precision", "f32", "--sizes", "10"],
        &["pi", "--fail-if", "slower"],
        &["pi", "--fail-if", "faster", "--against", "x"],
        &["pi", "--save", "x", "--html", "x"],
        &["pi", "--json", "--csv"],
    ] {
        let (code, stdout, stderr) = compare(args);
        assert!(code == 2 && stdout.is_empty() && !stderr.is_empty(), "{args:?}: {code} {stderr}");
    }
    for backends in ["tpu", "cpu:1", ","] {
        assert_eq!(run(&["compare", "pi", "--backends", backends]).0, 2, "{backends}");
    }
}

#[test]
fn what_cannot_run_is_told_and_the_rest_runs() {
    // No machine has this much memory; a second of work is allowed, this would be days.
    let (code, stdout, stderr) = compare(&["stress", "--sizes", "100,1e16", "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let value: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(value["rows"].as_array().unwrap().len(), 2);
    assert!(
        value["skipped"][0]["backend"].is_null() && value["skipped"][0]["why"].as_str().unwrap().contains("memory")
    );
    let (code, stdout, stderr) = compare(&["pi", "--sizes", "100,1e15", "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let value: Value = serde_json::from_str(&stdout).unwrap();
    let skipped = value["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), 2, "{skipped:?}");
    assert!(skipped.iter().all(|skip| skip["why"].as_str().unwrap().contains("run.baseline_limit")), "{skipped:?}");
    // Nothing at all.
    let (code, stdout, stderr) = compare(&["pi", "--sizes", "1e15"]);
    assert!(code == 7 && stdout.is_empty() && stderr.contains("run.baseline_limit"), "{code} {stderr}");
}

#[cfg(feature = "gpu")]
#[test]
fn a_backend_that_cannot_run_is_listed_and_fails_only_alone() {
    let (code, stdout, stderr) = run(&["compare", "guyan", "--sizes", "10", "--runs", "1"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("warning: gpu did not run: ") && stderr.contains("stays on the CPU"), "{stderr}");
    assert!(!stdout.contains("warning"), "{stdout}");
    let (code, stdout, stderr) = run(&["compare", "guyan", "--sizes", "10,20", "--runs", "1", "--backends", "gpu"]);
    assert!(code == 5 && stdout.is_empty() && stderr.contains("stays on the CPU"), "{code} {stderr}");
}

#[test]
fn a_saved_comparison_is_compared_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, page) =
        (path(folder.path(), "a.json"), path(folder.path(), "b.json"), path(folder.path(), "p.html"));
    let pi = ["pi", "--sizes", "1e3,1e4"];
    let (code, stdout, stderr) = compare(&[&pi[..], &["--save", &first]].concat());
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("speedup over cpu") && stdout.contains("faster than cpu from"), "{stdout}");
    // The saved times, a thousand times as fast: whatever the machine does, this one is slower.
    let mut saved: Value = serde_json::from_str(&std::fs::read_to_string(&first).unwrap()).unwrap();
    for row in saved["rows"].as_array_mut().unwrap() {
        for field in ["median", "low", "high", "min"] {
            row["warm_seconds"][field] = (row["warm_seconds"][field].as_f64().unwrap() / 1000.0).into();
        }
    }
    let mut other = saved["rows"][0].clone();
    other["items"] = 77.into();
    saved["rows"].as_array_mut().unwrap().push(other);
    std::fs::write(&first, saved.to_string()).unwrap();
    let against = [&pi[..], &["--against", &first, "--fail-if", "slower", "--save", &second, "--html", &page]].concat();
    let (code, stdout, stderr) = compare(&against);
    assert_eq!(code, 8, "{stderr}");
    assert!(
        stderr.contains("slower than before: seq integer at 1_000: ") && stderr.contains("cpu integer at 10_000"),
        "{stderr}"
    );
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    assert!(stdout.contains("only before: seq integer at 77"), "{stdout}");
    let value: Value = serde_json::from_str(&std::fs::read_to_string(&second).unwrap()).unwrap();
    let rows = value["against"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    let slower: Vec<_> = rows.iter().filter(|row| row["verdict"] == "slower").collect();
    assert!(slower.iter().all(|row| row["measured"] == 3 && row["again"].as_array().unwrap().len() == 2), "{slower:?}");
    assert!(stdout.contains("all rows: "), "{stdout}");
    assert!(std::fs::read_to_string(&page).unwrap().contains("Against an earlier comparison"));
    // Without --fail-if it is told, and that is all.
    let (code, stdout, _) = compare(&[&pi[..], &["--against", &first, "--markdown"]].concat());
    assert!(code == 0 && stdout.contains("slower"), "{stdout}");
    // Another job's comparison, and things that are none.
    let report = path(folder.path(), "report.json");
    std::fs::write(&report, run(&["run", "pi", "--samples", "10", "--runs", "1", "--json"]).1).unwrap();
    let half = path(folder.path(), "half.json");
    std::fs::write(&half, &saved.to_string()[..500]).unwrap();
    let huge = path(folder.path(), "huge.json");
    std::fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    for file in [report.as_str(), &half, &huge, &path(folder.path(), "missing"), folder.path().to_str().unwrap()] {
        let (code, stdout, stderr) = compare(&[&pi[..], &["--against", file]].concat());
        assert!(code == 3 && stdout.is_empty() && stderr.contains(file), "{file}: {code} {stderr}");
    }
    let (code, _, stderr) = compare(&["pi", "--variant", "pi exact32", "--sizes", "10", "--against", &first]);
    assert!(code == 3 && stderr.contains("exact32"), "{code} {stderr}");
}

#[test]
fn files_that_cannot_be_written_are_refused_before_anything_is_measured() {
    for flag in ["--save", "--html"] {
        let (code, stdout, stderr) = compare(&["pi", "--sizes", "10", flag, "/nonexistent/folder/file"]);
        assert!(code == 7 && stdout.is_empty() && stderr.contains("/nonexistent/folder"), "{flag}: {code} {stderr}");
    }
}

#[test]
fn settings_reach_a_comparison() {
    let mut command = hetero();
    command.args(["compare", "pi", "--sizes", "10", "--backends", "cpu", "--json", "--seed", "9"]);
    let output = command.env("HETERO_RUN_RUNS", "3").output().unwrap();
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&value["seed"], &value["rules"]["runs"]), (&9.into(), &3.into()));
    assert_eq!(value["rows"][0]["warm_seconds"]["n"], 3);
    assert!(value["warnings"][0].as_str().unwrap().contains("--runs 5"));
}
