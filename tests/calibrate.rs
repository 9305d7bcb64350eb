//! `hetero calibrate`: a profile that holds every kernel, is kept whole or not at all, and is told when it is not ours.

use std::path::{Path, PathBuf};

use hetero::job::Repeat;
use hetero::machine::profile::Profile;
use hetero::workloads::{Context, WORKLOADS};
use serde_json::Value;

use crate::support::hetero;

/// Runs the program with its cache in `folder`.
fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = hetero().env("HETERO_CACHE", folder).args(args).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn profile_in(folder: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let ours = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("profile-");
    files.find(ours).expect("a profile was kept")
}

/// One calibration, and everything that can be done with what it leaves: a second one would cost its time again.
#[test]
fn a_calibration_knows_every_kernel_and_is_told_from_foreign_ones() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let exported = folder.path().join("exported.json");
    let (code, stdout, stderr) =
        run(&cache, &["calibrate", "--seconds", "10", "--json", "--export", exported.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    let document: Value = serde_json::from_str(&stdout).expect("exactly one JSON document");
    assert_eq!(document["calibration"]["state"], "measured");
    assert!(document["calibration"]["seconds"].as_f64().unwrap() < 60.0, "a debug build on a busy machine");
    let profile: Profile = serde_json::from_str(&stdout).expect("the document is a profile");
    let path = profile_in(&cache);
    assert_eq!(Profile::read(&path).unwrap(), profile);
    assert_eq!(Profile::read(&exported).unwrap(), profile);
    assert_eq!(document["calibration"]["file"], path.to_str().unwrap());

    let rate = |what: &str, value: Option<f64>| {
        let value = value.unwrap_or_else(|| panic!("{what} was not measured"));
        assert!(value > 0.0 && value.is_finite(), "{what}: {value}");
    };
    let host = &profile.host;
    rate("triad", host.triad);
    rate("f64", host.flops_f64);
    rate("f32", host.flops_f32);
    rate("integers", host.int_ops);
    rate("pool", host.pool_wake);
    rate("files", host.file_read);
    assert!(host.read.len() >= 4, "{:?}", host.read);
    for backend in &profile.backends {
        rate("open", backend.open.value());
        rate("launch", backend.launch.value());
        for kernel in &backend.kernels {
            let (low, high) = kernel.curve.range().unwrap_or_else(|| panic!("{} was not measured", kernel.name));
            for cost in [low, (low * high).sqrt(), high, 10.0 * high] {
                let times = kernel.curve.at(cost, 0.0).unwrap();
                let parts = [times.upload, times.kernel, times.download, times.merge];
                assert!(parts.iter().all(|part| *part >= 0.0 && part.is_finite()), "{} {}", backend.id, kernel.name);
                assert!(times.total() > 0.0, "{} {} at {cost}", backend.id, kernel.name);
            }
        }
    }
    for id in ["seq", "cpu"] {
        let backend = profile.backend(id).unwrap_or_else(|| panic!("{id} is always there"));
        // What waits for others has no speed of this machine.
        let own = WORKLOADS.iter().filter(|workload| {
            let jobs = workload.sized(1, &Context { seed: 0 }).expect("small jobs fit");
            jobs.iter().all(|(_, job)| job.repeat() == Repeat::Freely)
        });
        for kernel in own.flat_map(|workload| workload.kernels()) {
            // Only asked for by an option, and a part of another step.
            if kernel.name != "modes" {
                assert!(backend.kernels.iter().any(|known| known.name == kernel.name), "{} on {id}", kernel.name);
            }
        }
    }
    if let Some(gpu) = profile.backend("gpu") {
        assert!(gpu.adapter.is_some() && !gpu.upload.is_empty() && !gpu.download.is_empty());
        assert!(gpu.upload.iter().chain(&gpu.download).all(|rate| rate.per_second > 0.0), "{gpu:?}");
        let tet4 = gpu.kernels.iter().find(|kernel| kernel.name == "tet4").expect("tet4 runs on every adapter");
        assert!(tet4.hash != 0 && tet4.compile.value().unwrap() > 0.0);
    } else {
        assert!(stdout.contains("gpu: "), "why there is no gpu is told");
        assert_ne!(std::env::var("HETERO_TEST_GPU").as_deref(), Ok("require"), "{stdout}");
    }

    let (code, stdout, _) = run(&cache, &["calibrate", "--show", "--ascii"]);
    assert_eq!(code, 0);
    assert!(stdout.contains(path.to_str().unwrap()) && stdout.contains("tet4"), "{stdout}");
    assert!(!stdout.contains("not used here"), "{stdout}");
    assert_eq!(Profile::read(&path).unwrap(), profile, "--show changes nothing");

    let mut foreign = profile.clone();
    foreign.key.version = "0.0.1".into();
    foreign.write(&path).unwrap();
    let (code, stdout, _) = run(&cache, &["calibrate", "--show", "--json"]);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &document["calibration"]["state"]), (0, &Value::from("stale")));
    assert!(document["calibration"]["why"].as_str().unwrap().contains("0.0.1"), "{document}");
    std::fs::write(&path, "{").unwrap();
    let (code, stdout, _) = run(&cache, &["calibrate", "--show"]);
    assert!(code == 0 && stdout.contains("not used here"), "{stdout}");
}

#[test]
fn without_a_profile_there_is_nothing_to_show_or_export() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, _) = run(folder.path(), &["calibrate", "--show"]);
    assert!(code == 0 && stdout.contains("no profile in") && stdout.contains("hetero calibrate"), "{stdout}");
    let export = folder.path().join("out.json");
    let (code, _, stderr) = run(folder.path(), &["calibrate", "--show", "--export", export.to_str().unwrap()]);
    assert_eq!(code, 2, "{stderr}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_cannot_be_written_is_told_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let start = std::time::Instant::now();
    let (code, _, stderr) = run(&file.join("cache"), &["calibrate"]);
    assert_eq!(code, 7, "{stderr}");
    assert!(stderr.contains(file.to_str().unwrap()), "{stderr}");
    assert!(start.elapsed().as_secs() < 5);
    let (code, _, stderr) = run(folder.path(), &["calibrate", "--threads", "100000"]);
    assert_eq!(code, 2, "{stderr}");
    assert_eq!(run(folder.path(), &["calibrate", "--seconds", "0"]).0, 2);
}
