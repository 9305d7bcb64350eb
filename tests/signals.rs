//! Ctrl-C and SIGTERM: the program ends within a second, with the signal's exit code and no half-written file.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Starts the program, sends `signal` after `delay`, and gives its exit code, stderr and how long it took to end.
fn interrupt(args: &[&str], signal: &str, delay: Duration) -> (i32, String, Duration) {
    let program = assert_cmd::cargo::cargo_bin("hetero");
    let mut child = Command::new(program)
        .args(args)
        .env("HETERO_CONFIG", "/nonexistent/hetero.toml")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    std::thread::sleep(delay);
    let sent = Instant::now();
    let status = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().expect("kill is there");
    assert!(status.success(), "the program had ended before the signal");
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
    for (args, signal, code) in [(&pi[..], "INT", 130), (&pi, "TERM", 143), (&stress, "INT", 130)] {
        let (got, stderr, took) = interrupt(args, signal, Duration::from_millis(1500));
        assert_eq!(got, code, "{args:?}: {stderr}");
        assert!(stderr.contains("stopped by signal"), "{stderr}");
        assert!(took < Duration::from_secs(2), "{args:?} took {took:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a file was left behind");
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
        let program = assert_cmd::cargo::cargo_bin("hetero");
        let mut child = Command::new(program)
            .args(args)
            .env("HETERO_CONFIG", "/nonexistent/hetero.toml")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(Duration::from_millis(delay));
        // It may have ended by itself.
        let _ = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).stderr(Stdio::null()).status();
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
