//! Ctrl-C and SIGTERM: the program ends within a second, with the signal's exit code and no half-written file.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts the program as a user would, without his settings.
fn start(args: &[&str]) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin("hetero"))
        .args(args)
        .env("HETERO_CONFIG", "")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// Sends `signal` after `delay`; whether there was still a process to take it.
fn kill(child: &Child, signal: &str, delay: Duration) -> bool {
    std::thread::sleep(delay);
    let mut command = Command::new("kill");
    command.args(["-s", signal, &child.id().to_string()]).stderr(Stdio::null());
    command.status().expect("kill is there").success()
}

/// Interrupts the program; its exit code, stderr and how long it took to end.
fn interrupt(args: &[&str], signal: &str, delay: Duration) -> (i32, String, Duration) {
    let mut child = start(args);
    assert!(kill(&child, signal, delay), "the program had ended before the signal");
    let sent = Instant::now();
    let code = child.wait().expect("it ends").code();
    let took = sent.elapsed();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    (code.expect("it exits, the signal does not kill it"), stderr, took)
}

#[test]
fn a_signal_ends_a_run_within_a_second_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("stress.csv");
    let stress = [
        "run",
        "stress",
        "--elements",
        "2e6",
        "--backend",
        "seq",
        "--runs",
        "1000",
        "--budget",
        "1000",
        "--output",
        output.to_str().unwrap(),
    ];
    let pi = ["run", "pi", "--samples", "1e15", "--baseline", "none"];
    let sumsq = ["run", "sumsq", "--n", "4398046511104", "--baseline", "none"];
    let deposits = ["run", "deposits", "--deposits", "1e14", "--baseline", "none"];
    // Many short runs: none is predicted to be too long to be measured.
    let compare = [
        "compare",
        "pi",
        "--sizes",
        "1e6,2e6",
        "--runs",
        "1e6",
        "--backends",
        "cpu",
        "--html",
        output.to_str().unwrap(),
    ];
    for (args, signal, code) in [
        (&pi[..], "INT", 130),
        (&pi, "TERM", 143),
        (&stress, "INT", 130),
        (&compare, "INT", 130),
        (&sumsq, "INT", 130),
        (&deposits, "TERM", 143),
    ] {
        let (got, stderr, took) = interrupt(args, signal, Duration::from_millis(1500));
        assert_eq!(got, code, "{args:?}: {stderr}");
        assert!(stderr.contains("stopped by signal"), "{stderr}");
        assert!(took < Duration::from_secs(2), "{args:?} took {took:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a file was left behind");
}

#[test]
fn a_signal_ends_a_calibration_and_the_old_profile_stays() {
    let folder = tempfile::tempdir().unwrap();
    for delay in [300, 2500] {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("hetero"))
            .arg("calibrate")
            .env("HETERO_CONFIG", "")
            .env("HETERO_CACHE", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        assert!(kill(&child, "INT", Duration::from_millis(delay)), "the program had ended before the signal");
        let sent = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert!(sent.elapsed() < Duration::from_secs(2), "{:?}", sent.elapsed());
        let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        // What a device's self-test found may be remembered.
        let left: Vec<_> = left.filter(|name| !name.to_string_lossy().starts_with("selftest-")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_signal_ends_a_factorization_within_a_second() {
    // In this order the factor is dense: a second and more for each factorization, next to nothing for the rest.
    let folder = tempfile::tempdir().unwrap();
    let arrow = crate::support::arrow(8_000, folder.path());
    let output = folder.path().join("reduced.npy");
    let args = [
        "run",
        "guyan",
        "-K",
        arrow.to_str().unwrap(),
        "--masters",
        "8000",
        "--ordering",
        "natural",
        "--runs",
        "1000",
        "--output",
        output.to_str().unwrap(),
    ];
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let (got, stderr, took) = interrupt(&args, signal, Duration::from_millis(1500));
        assert_eq!(got, code, "{stderr}");
        assert!(stderr.contains("stopped by signal"), "{stderr}");
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert!(!output.exists(), "a file was left behind");
    }
}

#[test]
fn a_signal_while_the_output_is_written_leaves_no_half_of_it() {
    // A large text file takes long enough to be hit on its way; wherever the signal lands, the file is whole or absent.
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("stress.csv");
    let args = [
        "run",
        "stress",
        "--elements",
        "3e5",
        "--runs",
        "1",
        "--baseline",
        "none",
        "--output",
        output.to_str().unwrap(),
    ];
    for delay in [200, 400, 600, 800, 1000] {
        let mut child = start(&args);
        // It may have ended by itself.
        let _ = kill(&child, "INT", Duration::from_millis(delay));
        let code = child.wait().unwrap().code();
        assert!(code == Some(0) || code == Some(130), "{code:?}");
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(path, output, "a temporary file was left behind");
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            assert_eq!(lines, 300_001, "the file was cut");
            std::fs::remove_file(path).unwrap();
        }
    }
}
