//! What several tests need.

use assert_cmd::Command;

/// The program, with a clean environment: no settings of the user who runs the tests.
pub(crate) fn hetero() -> Command {
    let mut command = Command::cargo_bin("hetero").expect("the binary is built with the tests");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HETERO_") {
            command.env_remove(name);
        }
    }
    // Times of a test build must not reach the profile of whoever runs the tests.
    command.env("HETERO_CACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"));
    command.env("HETERO_CONFIG", "").timeout(std::time::Duration::from_secs(300));
    command
}

/// Runs the program and gives its exit code, stdout and stderr.
pub(crate) fn run(args: &[&str]) -> (i32, String, String) {
    let output = hetero().args(args).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// A file of the tests' data.
pub(crate) fn data(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// A positive definite Matrix Market file of `order` rows in `folder`: a diagonal, a first row and a first column. In the
/// order of its rows its factor is dense.
pub(crate) fn arrow(order: usize, folder: &std::path::Path) -> std::path::PathBuf {
    let mut text = format!("%%MatrixMarket matrix coordinate real symmetric\n{order} {order} {}\n", 2 * order - 1);
    text += &format!("1 1 {order}\n");
    for row in 2..=order {
        text += &format!("{row} 1 -1\n{row} {row} 2\n");
    }
    let path = folder.join("arrow.mtx");
    std::fs::write(&path, text).expect("the folder takes a file");
    path
}
