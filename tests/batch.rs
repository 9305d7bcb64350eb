//! `hetero run` over many inputs: patterns, folders, lists, broken files among good ones, signals.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{data, run};

/// Folder `cases` with good meshes `plate_1.vtu` to `plate_<count>.vtu` of growing size, as the program itself writes them.
fn meshes(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("cases");
    std::fs::create_dir(&cases).unwrap();
    for i in 1..=count {
        let mesh = mesh(3 + i, i as f64);
        hetero::formats::vtu::write_vtu(
            &cases.join(format!("plate_{i}.vtu")),
            &mesh.0,
            &[hetero::formats::vtu::OutField {
                name: "displacement",
                components: 3,
                component_names: &[],
                values: hetero::formats::vtu::OutValues::F64(&mesh.1),
            }],
            &[],
        )
        .unwrap();
    }
    folder
}

/// A generated box of tetrahedra with about `4 n^3` cells, and its displacements.
fn mesh(n: usize, factor: f64) -> (hetero::formats::mesh::Mesh, Vec<f64>) {
    let items = (4 * n * n * n) as u64;
    let kind = hetero::formats::mesh::CellKind::Tet4;
    let mesh = hetero::workloads::stress::generate::box_mesh(kind, items, 7).unwrap();
    let field = mesh.point_fields.iter().find(|field| field.components == 3).expect("it has displacements");
    let values = field.values.iter().map(|value| factor * value).collect();
    (mesh, values)
}

const STEEL: [&str; 6] = ["--young", "210e9", "--poisson", "0.3", "--backend", "cpu"];

/// `hetero run stress` in `folder`.
fn stress(folder: &Path, args: &[&str]) -> (i32, String, String) {
    hetero_in(folder, &[&["run", "stress"], &STEEL[..], args].concat())
}

fn hetero_in(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = crate::support::hetero().current_dir(folder).args(args).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// The names of the files in `folder`, sorted.
fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What a run of one mesh alone writes.
fn alone(folder: &Path, mesh: &str, ending: &str) -> Vec<u8> {
    let out = format!("alone.{ending}");
    let (code, _, stderr) = stress(folder, &["--mesh", mesh, "--runs", "1", "--baseline", "none", "--output", &out]);
    assert_eq!(code, 0, "{stderr}");
    let path = folder.join(out);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    bytes
}

#[test]
fn patterns_folders_and_lists_give_what_single_runs_give() {
    let folder = meshes(11);
    let folder = folder.path();
    let list: Vec<String> = (1..=11).map(|i| format!("cases/plate_{i}.vtu")).collect();
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    for (at, inputs) in [&["cases/*.vtu"][..], &["cases"], &list].into_iter().enumerate() {
        let pattern = format!("out{at}/{{stem}}.csv");
        let (code, stdout, stderr) = stress(folder, &[&["--mesh"], inputs, &["--output", &pattern, "--json"]].concat());
        assert_eq!((code, stderr.as_str()), (0, ""), "{inputs:?}");
        let report: Value = serde_json::from_str(&stdout).expect("one document");
        assert_eq!((&report["schema"], &report["workload"]), (&"hetero.report/1".into(), &"stress".into()));
        let cases = report["cases"].as_array().unwrap();
        let inputs: Vec<&str> = cases.iter().map(|case| case["input"].as_str().unwrap()).collect();
        assert_eq!(inputs, list, "in the order people count");
        let mut items = 0;
        for (case, at) in cases.iter().zip(1..) {
            assert_eq!(
                (&case["index"], &case["status"], &case["exit_code"]),
                (&at.into(), &"delivered".into(), &0.into())
            );
            assert_eq!(case["verify"]["status"], "pass");
            assert_eq!(case["result"]["elements"], case["items"]);
            for stage in ["read", "compute", "verify", "write"] {
                assert!(case["seconds"][stage].as_f64().unwrap() >= 0.0, "{stage}");
            }
            items += case["items"].as_u64().unwrap();
        }
        assert_eq!((&report["input"]["items"], &report["result"]["delivered"]), (&items.into(), &11.into()));
        assert_eq!((report["runs"].as_array().unwrap().len(), &report["runs"][0]["backend"]), (1, &"cpu".into()));
        assert_eq!(
            (&report["runs"][0]["verify"]["status"], &report["runs"][0]["seconds"]["n"]),
            (&"pass".into(), &1.into())
        );
        let lanes = &report["lanes"];
        assert!(lanes["wall_seconds"].as_f64().unwrap() > 0.0 && lanes["overlap"].as_f64().unwrap() > 0.0);
        assert!((1..=2).contains(&lanes["read"]["threads"].as_u64().unwrap()), "{lanes}");
        assert_eq!(files(&folder.join(format!("out{at}"))).len(), 11);
    }
    for i in [1, 6, 11] {
        let want = alone(folder, &format!("cases/plate_{i}.vtu"), "csv");
        for out in 0..3 {
            let got = std::fs::read(folder.join(format!("out{out}/plate_{i}.csv"))).unwrap();
            assert!(got == want, "out{out}/plate_{i}.csv differs from what a run alone gives");
        }
    }
}

#[test]
fn one_bad_file_is_told_and_the_rest_are_delivered() {
    let folder = meshes(4);
    let folder = folder.path();
    std::fs::copy(data("formats/bad/truncated_appended.vtu"), folder.join("cases/plate_2b.vtu")).unwrap();
    let args = ["--mesh", "cases/*.vtu", "--output", "out/{index}_{stem}.vtu"];
    let (code, stdout, stderr) = stress(folder, &args);
    assert_eq!(code, 3, "{stderr}");
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(lines[0].starts_with("hetero: cases/plate_2b.vtu"), "{stderr}");
    assert!(lines[1].contains("1 of 5 cases failed, the others were delivered"), "{stderr}");
    assert!(stdout.contains("plate_2b.vtu") && stdout.contains("lane") && stdout.contains("delivered"), "{stdout}");
    // `2_` comes before `2b`, as people count.
    let want = ["1_plate_1.vtu", "2_plate_2.vtu", "4_plate_3.vtu", "5_plate_4.vtu"];
    assert_eq!(files(&folder.join("out")), want);
    let got = std::fs::read(folder.join("out/4_plate_3.vtu")).unwrap();
    assert!(got == alone(folder, "cases/plate_3.vtu", "vtu"));
    // The forms for programs name it, too.
    let (code, csv, _) = stress(folder, &[&args[..], &["--csv"]].concat());
    assert_eq!((code, csv.lines().count()), (3, 6));
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let place = |name| header.iter().position(|column| *column == name).expect(name);
    for (line, at) in csv.lines().skip(1).zip(1..) {
        let cells: Vec<&str> = line.split(',').collect();
        let (status, code) = if at == 3 { ("failed", "3") } else { ("delivered", "0") };
        assert_eq!((cells[place("status")], cells[place("exit_code")]), (status, code), "{line}");
    }
    assert!(header.contains(&"result_elements"), "{header:?}");
    let (code, markdown, _) = stress(folder, &[&args[..], &["--markdown"]].concat());
    assert!(code == 3 && markdown.matches("| pass |").count() >= 4, "{markdown}");
}

#[test]
fn all_bad_ends_in_their_code_and_worse_decides() {
    let bad = data("formats/bad");
    let bad = |name: &str| bad.join(name).to_str().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) =
        stress(folder.path(), &["--mesh", &bad("nan_coordinate.vtu"), &bad("empty.vtu"), "nowhere.vtu", "--json"]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("3 of 3 cases failed; the gravest") && stderr.contains("nowhere.vtu"), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("one document");
    assert_eq!((&report["result"]["failed"], report["runs"].as_array().unwrap().len()), (&3.into(), 0));
    // A model without an answer is graver than a file that cannot be read.
    let (code, _, stderr) = stress(folder.path(), &["--mesh", &bad("empty.vtu"), &bad("zero_volume_tet.vtu")]);
    assert_eq!(code, 4, "{stderr}");
    // One input alone is told once.
    let (code, _, stderr) = stress(folder.path(), &["--mesh", &format!("{}*", bad("empt"))]);
    assert_eq!((code, stderr.lines().count()), (3, 1), "{stderr}");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_runs() {
    let folder = meshes(2);
    let folder = folder.path();
    std::fs::create_dir(folder.join("empty")).unwrap();
    let both = ["--mesh", "cases/*.vtu"];
    for (more, code, words) in [
        (&["--output", "out.vtu"][..], 2, &["plate_1.vtu", "plate_2.vtu", "out.vtu", "{stem}"][..]),
        (&["--output", "out/{dir}.vtu"], 2, &["plate_1.vtu", "plate_2.vtu"]),
        (&["--output", "out/{stm}.vtu"], 2, &["{stm}", "{stem}"]),
        (&["--output", "{dir}/{name}"], 2, &["is an input"]),
        (&["--output", "no/such/{stem}.vtu"], 2, &["no folder no"]),
        (&["--output", "out/{stem}.vtu", "--runs", "5"], 2, &["--runs"]),
        (&["--output", "out/{stem}.vtu", "--baseline", "seq"], 2, &["--baseline"]),
        (&["--output", "out/{stem}.vtu", "--backend", "seq,cpu"], 2, &["one backend"]),
    ] {
        let args: Vec<&str> = match more.contains(&"--backend") {
            true => [&["run", "stress"], &STEEL[..4], &both, more].concat(),
            false => [&["run", "stress"], &STEEL[..], &both, more].concat(),
        };
        let (got, stdout, stderr) = hetero_in(folder, &args);
        assert_eq!((got, stdout.as_str()), (code, ""), "{more:?}: {stderr}");
        assert!(words.iter().all(|word| stderr.contains(word)) && stderr.lines().count() == 1, "{more:?}: {stderr}");
        assert_eq!(files(folder), ["cases", "empty"], "{more:?}");
        assert_eq!(files(&folder.join("cases")).len(), 2, "{more:?}");
    }
    for (name, word) in [("cases/*.msh", "no file matches"), ("empty", "no file in this folder")] {
        let (code, _, stderr) = stress(folder, &["--mesh", name, "--output", "o/{stem}.vtu"]);
        assert!(code == 3 && stderr.contains(word) && stderr.lines().count() == 1, "{name}: {stderr}");
    }
    // An ending that is not written, before a mesh that cannot be read.
    std::fs::write(folder.join("cases/broken.vtu"), "nothing").unwrap();
    let (code, stdout, stderr) = stress(folder, &["--mesh", "cases", "--output", "out/{stem}.docx"]);
    assert_eq!((code, stdout.as_str(), stderr.lines().count()), (2, "", 1), "{stderr}");
    assert!(stderr.contains("broken.docx: stress writes .csv, .vtu and .npy, not '.docx'"), "{stderr}");
    assert_eq!(files(folder), ["cases", "empty"]);
}

#[test]
fn a_single_file_is_a_single_job_as_ever() {
    let folder = meshes(1);
    let folder = folder.path();
    // Its name has the characters of a pattern, and it is there.
    std::fs::rename(folder.join("cases/plate_1.vtu"), folder.join("cases/plate[1]*.vtu")).unwrap();
    let args = ["--mesh", "cases/plate[1]*.vtu", "--runs", "2", "--baseline", "seq", "--json"];
    let (code, stdout, stderr) = stress(folder, &args);
    assert_eq!(code, 0, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert!(report.get("cases").is_none() && report.get("lanes").is_none());
    assert_eq!(report["runs"].as_array().unwrap().len(), 2);
    assert_eq!(report["input"]["source"], "cases/plate[1]*.vtu");
    // A pattern makes a batch, whatever it finds.
    let (code, stdout, _) = stress(folder, &["--mesh", "cases/*", "--json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, report["cases"].as_array().unwrap().len()), (0, 1));
}

#[test]
fn what_is_there_is_left_out_when_asked_for() {
    let folder = meshes(3);
    let folder = folder.path();
    std::fs::create_dir(folder.join("out")).unwrap();
    std::fs::write(folder.join("out/plate_2.npy"), "mine").unwrap();
    let trace = folder.join("trace.json");
    let args = ["--mesh", "cases", "--output", "out/{stem}.npy", "--skip-existing", "--json"];
    let (code, stdout, stderr) = stress(folder, &[&args[..], &["--trace", trace.to_str().unwrap()]].concat());
    assert_eq!(code, 0, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let statuses: Vec<&str> =
        report["cases"].as_array().unwrap().iter().map(|c| c["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["delivered", "skipped", "delivered"]);
    assert_eq!(std::fs::read(folder.join("out/plate_2.npy")).unwrap(), b"mine");
    assert_eq!(files(&folder.join("out")).len(), 3);
    // The trace has a row for each thread of each lane, and an event for each case on it.
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(trace).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let on = |lane: &str| {
        let named = |e: &&Value| e["name"] == "thread_name" && e["args"]["name"].as_str().unwrap().starts_with(lane);
        let rows: Vec<&Value> = events.iter().filter(named).map(|row| &row["tid"]).collect();
        events.iter().filter(|e| e["ph"] == "X" && rows.contains(&&e["tid"])).count()
    };
    assert_eq!((on("read"), on("compute"), on("verify"), on("write")), (2, 2, 2, 2));
    // Nothing left to do.
    let (code, stdout, _) = stress(folder, &args);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &report["result"]["skipped"]), (0, &3.into()));
}

#[test]
fn options_that_belong_to_a_case_vary_with_it() {
    // Decks with their displacements beside them, in folders of their own.
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["le10_c3d20r", "wedge_c3d6"] {
        let inside = folder.join("models").join(name);
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::copy(data(&format!("formats_fe/{name}.inp.gz")), inside.join(format!("{name}.inp.gz"))).unwrap();
        std::fs::copy(data(&format!("formats_fe/{name}.csv.gz")), inside.join(format!("{name}.csv.gz"))).unwrap();
    }
    let common = ["run", "stress", "--backend", "cpu"];
    let more =
        ["--mesh", "models/**/*.inp.gz", "--displacement", "{dir}/{stem}.csv.gz", "--output", "out/{dir}/{stem}.csv"];
    let (code, _, stderr) = hetero_in(folder, &[&common[..], &more].concat());
    assert_eq!(code, 0, "{stderr}");
    for name in ["le10_c3d20r", "wedge_c3d6"] {
        let (mesh, u) = (format!("models/{name}/{name}.inp.gz"), format!("models/{name}/{name}.csv.gz"));
        let one = ["--mesh", &mesh, "--displacement", &u, "--runs", "1", "--baseline", "none", "--output", "one.csv"];
        let (code, _, stderr) = hetero_in(folder, &[&common[..], &one].concat());
        assert_eq!(code, 0, "{stderr}");
        let got = std::fs::read(folder.join(format!("out/models/{name}/{name}.csv"))).unwrap();
        assert!(got == std::fs::read(folder.join("one.csv")).unwrap(), "{name}");
    }
    // One that is missing is that case's failure.
    std::fs::remove_file(folder.join("models/wedge_c3d6/wedge_c3d6.csv.gz")).unwrap();
    let (code, _, stderr) = hetero_in(folder, &[&common[..], &more, &["--skip-existing"]].concat());
    assert_eq!(code, 0, "both outputs are there: {stderr}");
    let (code, _, stderr) = hetero_in(folder, &[&common[..], &more].concat());
    assert!(code == 3 && stderr.contains("wedge_c3d6.csv.gz") && stderr.contains("1 of 2"), "{stderr}");
}

#[test]
fn guyan_reduces_many_matrices_with_masters_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for order in [6, 9, 12] {
        let path = crate::support::arrow(order, folder);
        std::fs::rename(path, folder.join(format!("k{order}.mtx"))).unwrap();
        std::fs::write(folder.join(format!("k{order}.masters")), format!("1\n{order}\n")).unwrap();
    }
    std::fs::write(folder.join("k7.mtx"), "no matrix").unwrap();
    let args = ["run", "guyan", "--backend", "cpu", "--stiffness", "k*.mtx", "--masters", "{stem}.masters"];
    let more = ["--expand", "shapes/{stem}.npy", "--output", "red/{stem}.json", "--json"];
    let (code, stdout, stderr) = hetero_in(folder, &[&args[..], &more].concat());
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("k7.mtx") && stderr.contains("1 of 4"), "{stderr}");
    assert_eq!(files(&folder.join("red")), ["k12.json", "k6.json", "k9.json"]);
    assert_eq!(files(&folder.join("shapes")), ["k12.npy", "k6.npy", "k9.npy"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let orders: Vec<&Value> = report["cases"].as_array().unwrap().iter().map(|case| &case["result"]["order"]).collect();
    assert_eq!(orders, [&Value::from(6), &Value::Null, &9.into(), &12.into()]);
    let reduced: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("red/k9.json")).unwrap()).unwrap();
    assert_eq!(reduced["masters"], serde_json::json!([1, 9]));
    // Shapes of all in one file are no shapes.
    let (code, _, stderr) = hetero_in(folder, &[&args[..], &["--expand", "all.npy"]].concat());
    assert!(code == 2 && stderr.contains("all.npy"), "{stderr}");
}

#[test]
fn eigen_joins_its_files_unless_their_outputs_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["frank12.mtx", "one1.mtx", "rotation2.mtx"] {
        std::fs::copy(data(&format!("eigen/{name}")), folder.join(name)).unwrap();
    }
    let eigen =
        |more: &[&str]| hetero_in(folder, &[&["run", "eigen", "--backend", "cpu", "--json"][..], more].concat());
    // One job over what the pattern finds, in one file.
    let (code, stdout, stderr) =
        eigen(&["--batch", "*.mtx", "--runs", "1", "--baseline", "none", "--output", "all.npy"]);
    assert_eq!(code, 0, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["result"]["count"], report.get("cases")), (&3.into(), None));
    // A case each.
    let (code, stdout, stderr) = eigen(&["--batch", "*.mtx", "--output", "out/{stem}.npy", "--vectors"]);
    assert_eq!(code, 0, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["cases"].as_array().unwrap().len(), 3);
    assert_eq!(files(&folder.join("out")).len(), 6, "values and vectors");
    // A matrix without an answer is delivered as far as it goes, and named.
    std::fs::copy(data("mtx/rectangular.mtx"), folder.join("wide.mtx")).unwrap();
    let (code, _, stderr) = eigen(&["--batch", ".", "--output", "o2/{stem}.csv"]);
    assert!(code == 4 && stderr.contains("wide.mtx") && files(&folder.join("o2")).len() == 3, "{stderr}");
}

#[test]
fn bars_of_many_files_on_one_thread_and_chosen_for_each() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, bars) in [("a", 10_usize), ("b", 1000)] {
        let u: Vec<f64> = (0..3 * bars).map(|i| 1e-3 * i as f64).collect();
        hetero::formats::npy::write_npy_f64(&folder.join(format!("{name}.npy")), &[bars, 3], &u).unwrap();
        hetero::formats::npy::write_npy_f64(&folder.join(format!("{name}_E.npy")), &[bars], &vec![2e11; bars]).unwrap();
    }
    for backend in ["seq", "auto"] {
        let args = ["run", "stress", "--displacements", "a.npy", "b.npy", "--young-array", "{stem}_E.npy"];
        let out = format!("{backend}/{{stem}}.csv");
        let (code, stdout, stderr) =
            hetero_in(folder, &[&args[..], &["--backend", backend, "--output", &out, "--json"]].concat());
        assert_eq!(code, 0, "{stderr}");
        let report: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((&report["plan"]["policy"], &report["input"]["items"]), (&backend.into(), &1010.into()));
        for name in ["a", "b"] {
            let text = std::fs::read_to_string(folder.join(format!("{backend}/{name}.csv"))).unwrap();
            let first: f64 = text.lines().nth(1).unwrap().split(',').nth(1).unwrap().parse().unwrap();
            assert!((first / (2e11 * 1e-3 * 5f64.sqrt()) - 1.0).abs() < 1e-12, "{first}");
        }
    }
}

#[test]
fn arrays_are_summed_file_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for n in [2_usize, 30] {
        let values: Vec<f64> = vec![0.0; 4 * n];
        hetero::formats::npy::write_npy_f64(&folder.join(format!("a{n}.npy")), &[n, 4], &values).unwrap();
    }
    let args = ["run", "sincos", "--backend", "cpu", "--input", "a*.npy", "--output", "{stem}.csv", "--csv"];
    let (code, csv, stderr) = hetero_in(folder, &args);
    assert_eq!(code, 0, "{stderr}");
    let items: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').nth(6).unwrap()).collect();
    assert_eq!(items, ["2", "30"], "{csv}");
    // Floats are nothing for sumsq: all fail, and the first one's code is the batch's.
    let (code, _, stderr) = hetero_in(folder, &["run", "sumsq", "--backend", "cpu", "--input", "."]);
    assert!(code == 3 && stderr.contains("2 of 2 cases failed"), "{stderr}");
}

#[cfg(feature = "gpu")]
#[test]
fn a_device_is_opened_and_its_kernels_compiled_once() {
    if hetero::gpu::testing::adapter_or_skip().is_none() {
        return;
    }
    let folder = meshes(3);
    let args =
        ["run", "stress", "--backend", "gpu", "--young", "210e9", "--poisson", "0.3", "--mesh", "cases", "--json"];
    let mut command = crate::support::hetero();
    let output = command.current_dir(folder.path()).args(args).env("HETERO_LOG", "hetero=debug").output().unwrap();
    let (stdout, log) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{log}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&report["runs"][0]["backend"], &report["runs"][0]["verify"]["status"]),
        (&"gpu".into(), &"pass".into())
    );
    assert_eq!(report["cases"].as_array().unwrap().len(), 3);
    let told = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!((told("gpu: opened "), told("gpu: compiled tet4 ")), (1, 1), "{log}");
    assert_eq!(told("gpu: compiled "), 1, "nothing but the one kernel: {log}");
}

#[cfg(unix)]
#[test]
fn a_signal_leaves_finished_outputs_and_no_half_of_one() {
    let folder = meshes(2);
    let folder = folder.path();
    // Many links to two files: reading and writing go on for a while.
    std::fs::create_dir(folder.join("many")).unwrap();
    for i in 0..3000 {
        let from = folder.join(format!("cases/plate_{}.vtu", 1 + i % 2));
        std::os::unix::fs::symlink(from, folder.join(format!("many/c{i}.vtu"))).unwrap();
    }
    let want = [1, 2].map(|i| alone(folder, &format!("cases/plate_{i}.vtu"), "vtu").len());
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("hetero"))
        .args(["run", "stress", "--mesh", "many/*.vtu", "--output", "out/{stem}.vtu"])
        .args(STEEL)
        .env("HETERO_CONFIG", "")
        .current_dir(folder)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    // As soon as something was delivered.
    let out = folder.join("out");
    let begun = Instant::now();
    while files(&out).iter().filter(|name| name.starts_with('c')).count() < 3 {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing was written");
        std::thread::sleep(Duration::from_millis(2));
    }
    let kill = std::process::Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success(), "the program had ended before the signal");
    let sent = Instant::now();
    let code = child.wait().unwrap().code();
    let took = sent.elapsed();
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut stderr).unwrap();
    assert_eq!(code, Some(130), "{stderr}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(stderr.contains("stopped by signal 2") && stderr.contains("of 3000 cases were delivered"), "{stderr}");
    let names = files(&out);
    assert!((3..3000).contains(&names.len()), "{}", names.len());
    for name in &names {
        let number: usize = name.trim_start_matches('c').trim_end_matches(".vtu").parse().expect("no temporary file");
        let length = std::fs::metadata(out.join(name)).unwrap().len();
        assert_eq!(length, want[number % 2] as u64, "{name} was cut");
    }
}

#[test]
fn help_tells_of_several_inputs() {
    let (code, stdout, _) = run(&["run", "stress", "--help"]);
    assert!(code == 0 && stdout.contains("--skip-existing"), "{stdout}");
    let (_, stdout, _) = run(&["run", "pi", "--help"]);
    assert!(!stdout.contains("--skip-existing"), "{stdout}");
    let _: PathBuf = data("stress");
}
