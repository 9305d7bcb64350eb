//! The command line: exit codes, one line on stderr, JSON that is JSON.

use crate::support::run;

#[test]
fn help_and_version_exit_0_and_wrong_words_exit_2() {
    for args in [&["--help"][..], &["--version"], &["run", "--help"], &["run", "pi", "--help"]] {
        assert_eq!(run(args).0, 0, "{args:?}");
    }
    for args in [
        &[][..],
        &["walk"],
        &["run"],
        &["run", "nothing"],
        &["run", "pi", "--samples", "many"],
        &["run", "pi", "--backend", "tpu"],
        &["run", "pi", "--backend", "cpu:1"],
        &["run", "pi", "--baseline", "tpu"],
        &["run", "pi", "--precision", "f32"],
        &["run", "pi", "--seed", "-1"],
        &["run", "pi", "--json", "--csv"],
        &["run", "stress", "--model", "beam"],
        &["--config", "/nonexistent", "config"],
    ] {
        let (code, _, stderr) = run(args);
        assert_eq!(code, 2, "{args:?}: {stderr}");
        assert!(!stderr.is_empty() && !stderr.contains("panicked"), "{args:?}: {stderr}");
    }
}

#[test]
fn config_prints_each_value_with_its_origin() {
    let (code, stdout, _) = run(&["config"]);
    assert_eq!(code, 0);
    for line in ["run.seed", "cpu.pin", "gpu.max_device_memory", "report.format"] {
        let row = stdout.lines().find(|row| row.starts_with(line)).unwrap_or_else(|| panic!("{line} in {stdout}"));
        assert!(row.contains("default"), "{row}");
    }
    let output = crate::support::hetero().arg("config").env("HETERO_RUN_SEED", "7").output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        stdout.lines().any(|row| row.starts_with("run.seed") && row.contains('7') && row.contains("$HETERO_RUN_SEED"))
    );
}

#[test]
fn one_json_document_with_the_contract_s_fields() {
    let (code, stdout, stderr) =
        run(&["run", "pi", "--samples", "1e5", "--backend", "cpu", "--seed", "7", "--json", "--runs", "5"]);
    assert_eq!(code, 0, "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("exactly one JSON document");
    assert_eq!(report["schema"], "hetero.report/1");
    assert_eq!(report["workload"], "pi");
    assert_eq!(report["seed"], 7);
    assert_eq!(report["input"]["items"], 100_000);
    assert_eq!(report["input"]["item"], "sample");
    assert!(report["command"].as_array().unwrap().len() >= 3);
    for field in ["cpu", "cores", "threads", "memory_bytes", "os"] {
        assert!(!report["machine"][field].is_null(), "machine.{field}");
    }
    let run = report["runs"].as_array().unwrap().iter().find(|run| run["backend"] == "cpu").expect("the cpu's row");
    assert!(run["adapter"].is_null());
    assert_eq!(run["seconds"]["n"], 5);
    let phases: f64 = ["open", "compile", "upload", "kernel", "download", "merge"]
        .iter()
        .map(|phase| run["phases"][phase].as_f64().unwrap_or_else(|| panic!("phases.{phase}")))
        .sum();
    let median = run["seconds"]["median"].as_f64().unwrap();
    assert!((phases - median).abs() <= 1e-9 + 1e-6 * median, "the phases add up: {phases} {median}");
    assert_eq!(run["verify"]["status"], "pass");
    assert_eq!(run["verify"]["class"], "exact");
    assert!(["faster", "slower", "same", "unclear"].contains(&run["speedup"]["seq"]["verdict"].as_str().unwrap()));
    let hits = report["result"]["hits"].as_u64().unwrap();
    let estimate = report["result"]["estimate"].as_f64().unwrap();
    assert!((estimate - 4.0 * hits as f64 / 1e5).abs() < 1e-12);
    assert!(report["warnings"].is_array() && report["plan"].is_object());
}

#[test]
fn completions_and_man_pages_are_printed() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, stdout, _) = run(&["completions", shell]);
        assert!(code == 0 && stdout.contains("hetero"), "{shell}");
    }
    let (code, stdout, _) = run(&["man"]);
    assert!(code == 0 && stdout.contains(".TH hetero"));
    let folder = tempfile::tempdir().unwrap();
    let (code, _, _) = run(&["man", "--output", folder.path().to_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(folder.path().join("hetero-run-pi.1").exists());
}

#[test]
fn list_names_every_workload_and_kernel() {
    let (code, stdout, _) = run(&["list"]);
    assert_eq!(code, 0);
    for workload in hetero::workloads::WORKLOADS {
        assert!(stdout.contains(workload.name()));
        for kernel in workload.kernels() {
            assert!(stdout.contains(kernel.name), "{}", kernel.name);
        }
    }
    let (code, stdout, _) = run(&["list", "--json"]);
    assert_eq!(code, 0);
    serde_json::from_str::<serde_json::Value>(&stdout).expect("JSON");
}

#[test]
fn devices_tells_what_can_run_here() {
    let (code, stdout, _) = run(&["devices"]);
    assert_eq!(code, 0);
    assert!(stdout.to_lowercase().contains("cores"), "{stdout}");
    let (code, stdout, _) = run(&["devices", "--json"]);
    assert_eq!(code, 0);
    serde_json::from_str::<serde_json::Value>(&stdout).expect("JSON");
}
