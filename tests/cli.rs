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

#[test]
fn guyan_answers_bad_files_with_the_code_of_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.mtx");
    let output = output.to_str().unwrap();
    let data = |name: &str| format!("{}/tests/data/mtx/{name}", env!("CARGO_MANIFEST_DIR"));
    let reduce = |file: &str, masters: &str| {
        run(&[
            "run",
            "guyan",
            "-K",
            file,
            "--masters",
            masters,
            "--baseline",
            "none",
            "--runs",
            "1",
            "--output",
            output,
        ])
    };
    for name in [
        "empty",
        "truncated",
        "too_many_entries",
        "zero_based",
        "index_too_large",
        "huge_header",
        "huge_nnz",
        "claimed_symmetric",
        "nan_value",
        "inf_value",
        "utf16",
        "rectangular",
    ] {
        let (code, stdout, stderr) = reduce(&data(&format!("{name}.mtx")), "1");
        assert_eq!(code, 3, "{name}: {stderr}");
        assert!(stdout.is_empty() && stderr.contains(&format!("{name}.mtx")), "{name}: {stderr}");
        assert!(stderr.trim_end().lines().count() == 1 && !stderr.contains("panicked"), "{name}: {stderr}");
        assert!(!std::path::Path::new(output).exists(), "{name}");
    }
    for masters in ["masters_out_of_range.txt", "masters_words.txt"] {
        let (code, _, stderr) = reduce(&data("crlf.mtx"), &data(masters));
        assert!(code == 3 && stderr.contains(masters), "{masters}: {code} {stderr}");
    }
    for name in
        ["crlf", "bom", "latin1_comment", "gzip_named_mtx", "fortran_exponents", "nonsymmetric_general_K", "singular_K"]
    {
        let (code, _, stderr) = reduce(&data(&format!("{name}.mtx")), "1");
        assert_eq!(code, 0, "{name}: {stderr}");
        assert!(std::path::Path::new(output).exists(), "{name}");
        std::fs::remove_file(output).unwrap();
    }
    let chain = data("crlf.mtx");
    for (args, code) in [
        (&["-K", "/nonexistent.mtx", "--masters", "1"][..], 3),
        (&["-K", &chain][..], 2),
        (&["--masters", "1"][..], 2),
        (&["-K", &chain, "--masters", "4"][..], 2),
        (&["-K", &chain, "--masters", "1", "--full-modes", "2"][..], 2),
        (&["-K", &chain, "--masters", "1", "--output", "x.csv"][..], 2),
        (&["-K", &chain, "--masters", "1", "--expand", "x.csv"][..], 2),
        (&["-K", &chain, "--masters", "1", "--precision", "f32"][..], 2),
    ] {
        let (found, _, stderr) = run(&[&["run", "guyan"], args].concat());
        assert_eq!(found, code, "{args:?}: {stderr}");
    }
}

#[test]
fn guyan_refuses_a_device_and_says_why() {
    for backend in ["gpu", "gpu:1"] {
        let (code, stdout, stderr) = run(&["run", "guyan", "--backend", backend]);
        if cfg!(feature = "gpu") {
            assert!(code == 5 && stderr.contains("stays on the CPU") && stdout.is_empty(), "{code} {stderr}");
        } else {
            assert_eq!(code, 2);
        }
    }
}

#[test]
fn guyan_names_a_singular_model_and_exits_4() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("K.mtx");
    // A free pair of springs beside a held one.
    let text = "%%MatrixMarket matrix coordinate real symmetric\n3 3 4\n1 1 2\n2 2 1\n3 2 -1\n3 3 1\n";
    std::fs::write(&path, text).unwrap();
    let (code, stdout, stderr) = run(&["run", "guyan", "-K", path.to_str().unwrap(), "--masters", "1"]);
    assert!(code == 4 && stdout.is_empty(), "{code} {stderr}");
    assert!(stderr.contains("1 rigid-body mode") && (stderr.contains("row 2") || stderr.contains("row 3")), "{stderr}");
}

/// A factor that no machine holds is refused before it is begun.
#[test]
#[cfg(target_os = "linux")]
fn guyan_predicts_the_memory_of_the_factor_and_exits_7() {
    let folder = tempfile::tempdir().unwrap();
    let arrow = crate::support::arrow(400_000, folder.path());
    let masters = ["--masters", "400000", "--ordering", "natural", "--baseline", "none"];
    let (code, stdout, stderr) = run(&[&["run", "guyan", "-K", arrow.to_str().unwrap()], &masters[..]].concat());
    assert!(code == 7 && stdout.is_empty(), "{code} {stderr}");
    // 8 bytes for each of 400 000 x 400 000 numbers and what is needed besides: 1.16 TiB.
    assert!(stderr.contains("the factorization of K_ss needs 1.16 TiB of memory, "), "{stderr}");
    assert!(stderr.contains(" are available"), "{stderr}");
}

#[test]
fn guyan_reports_its_steps_as_phases() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("red.json");
    let data = |name: &str| format!("{}/tests/data/guyan/{name}", env!("CARGO_MANIFEST_DIR"));
    let (code, stdout, stderr) = run(&[
        "run",
        "guyan",
        "--stiffness",
        &data("K.mtx.gz"),
        "--mass",
        &data("M.mtx.gz"),
        "--masters",
        &data("masters_30.txt"),
        "--full-modes",
        "5",
        "--backend",
        "cpu",
        "--runs",
        "2",
        "--json",
        "--output",
        output.to_str().unwrap(),
    ]);
    assert_eq!(code, 0, "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("exactly one JSON document");
    assert_eq!(report["workload"], "guyan");
    let result = &report["result"];
    assert_eq!((&result["order"], &result["masters"]), (&1542.into(), &30.into()));
    assert!(result["residual"].as_f64().unwrap() < 1e-12);
    assert!(result["normalised_residual"].as_f64().unwrap() < 30.0);
    assert_eq!(result["frequencies_hz"].as_array().unwrap().len(), 30);
    assert!((result["frequencies_hz"][0].as_f64().unwrap() / 2_199.190_053_103_363_4 - 1.0).abs() < 1e-8);
    assert_eq!(result["full_counted"], 5);
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2, "cpu and the seq baseline");
    for run in runs {
        assert_eq!(run["verify"]["class"], "residual");
        let phases = run["phases"].as_object().unwrap();
        let of = |name: &str| phases[name].as_f64().unwrap_or_else(|| panic!("phases.{name}"));
        for name in ["order", "analyse", "factor", "solve", "reduce", "modes"] {
            assert!(of(name) > 0.0, "{name}");
        }
        let sum: f64 = phases.iter().filter(|(name, _)| *name != "verify").map(|(_, v)| v.as_f64().unwrap()).sum();
        let median = run["seconds"]["median"].as_f64().unwrap();
        assert!((sum - median).abs() <= 1e-9 + 1e-6 * median, "the phases add up: {sum} {median}");
        assert!(run["kernel_seconds"]["median"].as_f64().unwrap() > 0.0, "the solve phase alone");
    }
    assert!(runs[0]["speedup"]["seq"]["kernel_ratio"].as_f64().is_some());
    let saved: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&output).unwrap()).unwrap();
    assert_eq!(saved["k_red"].as_array().unwrap().len(), 30);
}
