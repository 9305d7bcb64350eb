use std::path::{Path, PathBuf};

use super::job::{GuyanJob, Wanted};
use super::model::{Files, Model};
use super::reduce::{K_RED, LAMBDA, M_RED, MODES, REDUCE, SOLVE};
use super::*;
use crate::config::Layers;
use crate::exec::Control;
use crate::formats::mtx;
use crate::formats::npy::read_npy;
use crate::formats::source::Source;
use crate::job::Job;
use crate::measure::sampler::Rule;
use crate::run::{Measured, measure};
use crate::sparse::Method;

const ONCE: Rule = Rule { runs: Some(1), min_runs: 1, max_runs: 1, budget_seconds: 1.0, warm_up: 0 };

fn pool() -> std::sync::Arc<Pool> {
    Pool::shared(2, false).unwrap()
}

fn wanted(full_modes: usize) -> Wanted {
    Wanted { full_modes, expand: None, ordering: Ordering::Auto, seed: 7 }
}

fn run_on(job: &GuyanJob, backend: &str) -> Result<Measured> {
    let mut config = Layers::default().config().unwrap();
    config.cpu.threads = 2;
    measure(job, backend, ONCE, &config, &Control::default())
}

/// Runs and requires that the certificate holds.
fn run(job: &GuyanJob) -> Measured {
    let measured = run_on(job, "cpu").unwrap();
    assert!(measured.verification.passed(), "{:?}", measured.verification);
    measured
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/guyan").join(name)
}

fn bracket(masters: usize, full_modes: usize) -> GuyanJob {
    let files = Files {
        stiffness: data("K.mtx.gz"),
        mass: Some(data("M.mtx.gz")),
        masters: data(&format!("masters_{masters}.txt")).display().to_string(),
        names: None,
    };
    GuyanJob::new(Model::read(&files, full_modes > 0, &pool()).unwrap(), wanted(full_modes))
}

/// A model from text in a folder of its own.
fn written(stiffness: &str, mass: Option<&str>, masters: &str, full_modes: usize) -> Result<GuyanJob> {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let files = Files {
        stiffness: put("K.mtx", stiffness),
        mass: mass.map(|text| put("M.mtx", text)),
        masters: masters.into(),
        names: None,
    };
    Ok(GuyanJob::new(Model::read(&files, full_modes > 0, &pool())?, wanted(full_modes)))
}

fn dense(n: usize, storage: &str, entries: &[(usize, usize, f64)]) -> String {
    let lines: String = entries.iter().map(|(i, j, value)| format!("{i} {j} {value:?}\n")).collect();
    format!("%%MatrixMarket matrix coordinate real {storage}\n{n} {n} {}\n{lines}", entries.len())
}

/// `n` unit springs in a row, both ends free.
fn free_chain(n: usize) -> String {
    let mut entries: Vec<(usize, usize, f64)> = Vec::new();
    for i in 1..=n {
        entries.push((i, i, if i == 1 || i == n { 1.0 } else { 2.0 }));
        if i < n {
            entries.push((i + 1, i, -1.0));
        }
    }
    dense(n, "symmetric", &entries)
}

fn distance(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut got.iter().zip(want).map(|(a, b)| a - b)) / norm(&mut want.iter().copied())
}

fn frequencies(measured: &Measured, name: &str) -> Vec<f64> {
    let list = measured.samples.last.answer.json[name].as_array().unwrap();
    list.iter().map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn the_bracket_agrees_with_two_other_solvers() {
    let expected: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(data("expected.json")).unwrap()).unwrap();
    for (case, masters) in [30usize, 120].into_iter().enumerate() {
        let job = bracket(masters, if masters == 30 { 12 } else { 0 });
        let measured = run(&job);
        for (column, name) in [(K_RED, "K"), (M_RED, "M")] {
            let path = data(&format!("{name}red_{masters}.npy.gz"));
            let want = read_npy(&Source::open(&path).unwrap()).unwrap().values.into_f64();
            let error = distance(measured.outputs[REDUCE].column(column), &want);
            assert!(error < 1e-10, "{name}_red of {masters} masters: {error:.1e}");
        }
        let want: Vec<f64> =
            expected["guyan"][case]["f_guyan_hz"].as_array().unwrap().iter().map(|f| f.as_f64().unwrap()).collect();
        for (got, want) in frequencies(&measured, "frequencies_hz").iter().zip(&want) {
            assert!((got / want - 1.0).abs() < 1e-8, "{got} Hz for {want} Hz");
        }
        if masters == 30 {
            let whole = expected["f_full_scipy_hz"].as_array().unwrap();
            let found = frequencies(&measured, "full_frequencies_hz");
            assert_eq!((found.len(), whole.len()), (12, 12));
            for (got, want) in found.iter().zip(whole) {
                assert!((got / want.as_f64().unwrap() - 1.0).abs() < 1e-8, "{got} Hz for {want} Hz");
            }
            assert_eq!(measured.samples.last.answer.json["full_counted"], 12);
        }
    }
}

#[test]
fn one_thread_and_a_pool_agree() {
    let job = bracket(30, 0);
    let [one, two] = ["seq", "cpu"].map(|backend| run_on(&job, backend).unwrap());
    assert!(one.verification.passed());
    let error = distance(one.outputs[REDUCE].column(K_RED), two.outputs[REDUCE].column(K_RED));
    assert!(error < 1e-12, "{error:.1e}");
}

#[test]
fn a_chain_of_springs_reduces_to_one_spring() {
    for n in [2, 3, 10, 101] {
        let job = written(&free_chain(n), None, &format!("1,{n}"), 0).unwrap();
        let measured = run(&job);
        let k = 1.0 / (n - 1) as f64;
        let error = distance(measured.outputs[REDUCE].column(K_RED), &[k, -k, -k, k]);
        assert!(error < 1e-13, "{n}: {error:.1e}");
        // The slaves follow linearly: X is minus the share of each end.
        for (i, x) in measured.outputs[SOLVE].column::<f64>(0)[..n - 2].iter().enumerate() {
            assert!((x + (n - 2 - i) as f64 * k).abs() < 1e-12);
        }
    }
}

#[test]
fn a_free_structure_with_one_master_keeps_its_rigid_mode() {
    let mass = dense(5, "symmetric", &(1..=5).map(|i| (i, i, 2.0)).collect::<Vec<_>>());
    let job = written(&free_chain(5), Some(&mass), "2", 3).unwrap();
    let measured = run(&job);
    assert!(measured.outputs[REDUCE].column::<f64>(K_RED)[0].abs() < 1e-12);
    assert!((measured.outputs[REDUCE].column::<f64>(M_RED)[0] - 10.0).abs() < 1e-12, "all the mass moves along");
    assert_eq!(frequencies(&measured, "full_frequencies_hz").len(), 3);
    assert!(measured.outputs[MODES].column::<f64>(0)[0].abs() < 1e-12);
    let second = 2.0 / 2.0 * (1.0 - (std::f64::consts::PI / 5.0).cos());
    assert!((measured.outputs[MODES].column::<f64>(0)[1] / second - 1.0).abs() < 1e-10);
}

#[test]
fn a_structure_of_free_parts_shows_all_its_rigid_modes() {
    // Twelve free chains of five with masses of 2: a rigid mode each, and then twelve equal elastic ones.
    let (parts, n) = (12, 5);
    let mut entries = Vec::new();
    for first in (0..parts).map(|part| part * n + 1) {
        for i in first..first + n {
            entries.push((i, i, if i == first || i == first + n - 1 { 1.0 } else { 2.0 }));
            if i + 1 < first + n {
                entries.push((i + 1, i, -1.0));
            }
        }
    }
    let mass = dense(parts * n, "symmetric", &(1..=parts * n).map(|i| (i, i, 2.0)).collect::<Vec<_>>());
    let masters: Vec<String> = (0..parts).map(|part| format!("{0},{1}", part * n + 1, part * n + 5)).collect();
    let job = written(&dense(parts * n, "symmetric", &entries), Some(&mass), &masters.join(","), parts + 1).unwrap();
    let measured = run(&job);
    for name in ["frequencies_hz", "full_frequencies_hz"] {
        let found = frequencies(&measured, name);
        assert!(found[..parts].iter().all(|f| f.abs() < 1e-8) && found[parts] > 0.05, "{name}: {found:?}");
    }
    assert_eq!(measured.samples.last.answer.json["full_counted"], parts);
    assert!(job.warnings().is_empty(), "{:?}", job.warnings());
}

#[test]
fn a_singular_block_is_named_in_the_users_numbering() {
    // Two free chains, rows 1..=4 and 5..=8; the master holds only the first.
    let mut entries = Vec::new();
    for first in [1, 5] {
        for i in first..first + 4 {
            entries.push((i, i, if i == first || i == first + 3 { 1.0 } else { 2.0 }));
            if i < first + 3 {
                entries.push((i + 1, i, -1.0));
            }
        }
    }
    let job = written(&dense(8, "symmetric", &entries), None, "2", 0).unwrap();
    for backend in ["seq", "cpu"] {
        let error = run_on(&job, backend).err().expect("singular");
        assert_eq!(error.exit_code(), 4, "{error}");
        let text = error.to_string();
        assert!(text.contains("K_ss is singular") && text.contains("1 rigid-body mode"), "{text}");
        let row: usize = text.split("row ").nth(1).unwrap().split([';', ' ']).next().unwrap().parse().unwrap();
        assert!((5..=8).contains(&row), "{text}");
    }
    // A row of zeros.
    let job = written(&dense(3, "symmetric", &[(1, 1, 1.0), (2, 2, 0.0), (3, 3, 1.0)]), None, "1", 0).unwrap();
    let error = run_on(&job, "cpu").err().expect("singular");
    assert!(error.exit_code() == 4 && error.to_string().contains("row 2"), "{error}");
}

#[test]
fn indefinite_and_unsymmetric_matrices_are_solved_and_said() {
    // Eigenvalues of both signs.
    let entries = [(1, 1, 2.0), (2, 2, -3.0), (3, 3, 1.0), (2, 1, 1.0), (3, 2, 1.0)];
    let job = written(&dense(3, "symmetric", &entries), None, "1", 0).unwrap();
    let measured = run(&job);
    // K_mm - K_ms K_ss^-1 K_sm with K_ss = [-3 1; 1 1]: its inverse has -1/4 at (1, 1).
    assert!((measured.outputs[REDUCE].column::<f64>(K_RED)[0] - 2.25).abs() < 1e-14);
    assert!(job.warnings().iter().any(|w| w.contains("1 negative pivots")), "{:?}", job.warnings());
    assert_eq!(job.read(|state| state.facts.method), Some(Method::Lblt));

    let entries = [(1, 1, 4.0), (1, 2, -1.0), (2, 1, -2.0), (2, 2, 4.0), (2, 3, 1.0), (3, 3, 4.0), (3, 1, 1.0)];
    let job = written(&dense(3, "general", &entries), None, "1", 0).unwrap();
    let measured = run(&job);
    // K_ss = [4 1; 0 4], so X = [-9/16; 1/4].
    assert!((measured.outputs[REDUCE].column::<f64>(K_RED)[0] - 3.4375).abs() < 1e-14);
    assert_eq!(job.read(|state| state.facts.method), Some(Method::Lu));
    assert!(job.warnings().iter().any(|w| w.contains("not symmetric")));
}

#[test]
fn a_wrong_answer_fails_its_certificate() {
    let job = bracket(30, 4);
    let mut measured = run(&job);
    let answer = crate::job::Answer::default();
    let mut spoil = |what: &str, step: usize, column: usize, change: &dyn Fn(&mut [f64])| {
        let before = measured.outputs[step].column::<f64>(column).to_vec();
        change(measured.outputs[step].column_mut(column));
        let check = job.check(&measured.outputs, &answer).unwrap();
        assert!(!check.passed() && check.what.contains(what), "{check:?}");
        measured.outputs[step].column_mut::<f64>(column).copy_from_slice(&before);
        assert!(job.check(&measured.outputs, &answer).unwrap().passed());
    };
    spoil("residual", SOLVE, 0, &|x| x[5000] *= 1.0 + 1e-6);
    spoil("residual", SOLVE, 0, &|x| x[5000] = f64::NAN);
    spoil("congruence of K_red", REDUCE, K_RED, &|k| k[7] *= 1.0 + 1e-6);
    spoil("congruence of M_red", REDUCE, M_RED, &|m| m[7] *= 1.0 + 1e-6);
    spoil("upper bound", REDUCE, LAMBDA, &|lambda| lambda[0] *= 0.98);
    spoil("upper bound", MODES, 0, &|lambda| lambda[3] *= 1.3);
    let asymmetry = job.read(|state| state.facts.asymmetry);
    job.write(|state| state.facts.asymmetry = 1.0);
    assert!(!job.check(&measured.outputs, &answer).unwrap().passed());
    job.write(|state| state.facts.asymmetry = asymmetry);
}

#[test]
fn inputs_that_contradict_each_other_are_refused() {
    let chain = free_chain(3);
    let square = |n: usize| dense(n, "symmetric", &[(1, 1, 1.0)]);
    for (result, code, why) in [
        (written("%%MatrixMarket matrix coordinate real general\n2 3 1\n1 1 1\n", None, "1", 0), 3, "is 2 x 3"),
        (written(&chain, Some(&square(4)), "1", 0), 3, "has 4 rows, the stiffness matrix has 3"),
        (written(&chain, Some(&dense(3, "general", &[(1, 2, 1.0)])), "1", 0), 3, "is not symmetric"),
        (written(&dense(2, "skew-symmetric", &[(2, 1, 1.0)]), None, "1", 0), 3, "skew-symmetric"),
        (written(&chain, None, "4", 0), 2, "master 4 is not a row"),
        (written(&chain, None, "no/such/file", 0), 3, "cannot read"),
    ] {
        let error = result.expect_err(why);
        assert!(error.exit_code() == code && error.to_string().contains(why), "{error}");
    }
    let double = written(&chain, None, "1,1,3", 0).unwrap();
    assert!(double.warnings()[0].contains("taken once") && double.model.masters() == 2);
}

/// A block of unit masses, one spring to each neighbour and to the walls around: in the sine waves of the other two
/// directions it falls apart into chains, whose reduction and modes have closed forms.
#[test]
fn a_block_of_springs_has_the_closed_form() {
    let (nx, ny, nz, plane) = (17usize, 14usize, 15usize, 6usize);
    let row = |x: usize, y: usize, z: usize| 1 + (x * ny + y) * nz + z;
    let order = nx * ny * nz;
    let mut entries = Vec::new();
    for (x, y, z) in (0..nx).flat_map(|x| (0..ny).flat_map(move |y| (0..nz).map(move |z| (x, y, z)))) {
        entries.push((row(x, y, z), row(x, y, z), 6.0));
        for (inside, other) in [(x + 1 < nx, (1, 0, 0)), (y + 1 < ny, (0, 1, 0)), (z + 1 < nz, (0, 0, 1))] {
            if inside {
                entries.push((row(x + other.0, y + other.1, z + other.2), row(x, y, z), -1.0));
            }
        }
    }
    let mass = dense(order, "symmetric", &(1..=order).map(|i| (i, i, 1.0)).collect::<Vec<_>>());
    let masters = format!("{}-{}", row(plane, 0, 0), row(plane, ny - 1, nz - 1));
    let job = written(&dense(order, "symmetric", &entries), Some(&mass), &masters, 10).unwrap();
    let measured = run(&job);

    let angle = |k: usize, n: usize| (k + 1) as f64 * std::f64::consts::PI / (n + 1) as f64;
    let of_chain = |k: usize, n: usize| 4.0 * (0.5 * angle(k, n)).sin().powi(2);
    let wave = |k: usize, n: usize, i: usize| (2.0 / (n + 1) as f64).sqrt() * (angle(k, n) * (i + 1) as f64).sin();
    let (m, mut lambda, mut k_red) = (ny * nz, Vec::new(), vec![0.0; ny * nz * ny * nz]);
    for (j, k) in (0..ny).flat_map(|j| (0..nz).map(move |k| (j, k))) {
        // A chain of diagonal 2 + mu: displacements fall off like sinh from the plane to the wall.
        let mu = of_chain(j, ny) + of_chain(k, nz);
        let theta = (1.0 + 0.5 * mu).acosh();
        let (mut stiffness, mut moving) = (2.0 + mu, 1.0);
        for length in [plane, nx - 1 - plane] {
            let share = |i: usize| (((length + 1 - i) as f64) * theta).sinh() / ((length + 1) as f64 * theta).sinh();
            stiffness -= share(1);
            moving += (1..=length).map(|i| share(i).powi(2)).sum::<f64>();
        }
        lambda.push(stiffness / moving);
        let shape: Vec<f64> = (0..m).map(|i| wave(j, ny, i / nz) * wave(k, nz, i % nz)).collect();
        for (column, value) in k_red.chunks_mut(m).zip(&shape) {
            column.iter_mut().zip(&shape).for_each(|(entry, x)| *entry += stiffness * value * x);
        }
    }
    let error = distance(measured.outputs[REDUCE].column(K_RED), &k_red);
    assert!(error < 1e-13, "{error:.1e}");
    lambda.sort_by(f64::total_cmp);
    let mut whole: Vec<f64> =
        (0..order).map(|i| of_chain(i / (ny * nz), nx) + of_chain(i / nz % ny, ny) + of_chain(i % nz, nz)).collect();
    whole.sort_by(f64::total_cmp);
    for (name, want, count) in [("frequencies_hz", lambda, m), ("full_frequencies_hz", whole, 10)] {
        let found = frequencies(&measured, name);
        assert_eq!(found.len(), count);
        for (found, want) in found.iter().zip(want) {
            let want = want.sqrt() / std::f64::consts::TAU;
            assert!((found / want - 1.0).abs() < 1e-11, "{name}: {found} {want}");
        }
    }
}

#[test]
fn masters_without_mass_follow_the_others() {
    // A free chain of five with masses 2 and 3 on its ends: one rigid mode, and 1/4 between them: 1/4 (1/2 + 1/3).
    let mass = dense(5, "symmetric", &[(1, 1, 2.0), (5, 5, 3.0)]);
    for masters in ["1,3,5", "1-5", "1,5"] {
        let mut job = written(&free_chain(5), Some(&mass), masters, 2).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let shapes = folder.path().join("shapes.npy");
        job.wanted.expand = Some(shapes.clone());
        let measured = run(&job);
        let found = frequencies(&measured, "frequencies_hz");
        let want = (5.0f64 / 24.0).sqrt() / std::f64::consts::TAU;
        assert!(found.len() == 2 && found[0] == 0.0 && (found[1] / want - 1.0).abs() < 1e-12, "{found:?}");
        let whole = frequencies(&measured, "full_frequencies_hz");
        assert!((whole[1] / want - 1.0).abs() < 1e-9, "{whole:?}");
        assert_eq!(measured.samples.last.answer.json["infinite_frequencies"], job.model.masters() - 2);
        assert!(job.warnings().is_empty(), "{:?}", job.warnings());
        // One shape for each of them; the chain between the masses is straight.
        job.save_more(&measured.outputs).unwrap();
        let array = read_npy(&Source::open(&shapes).unwrap()).unwrap();
        assert_eq!(array.shape, [5, 2]);
        let x = array.values.into_f64();
        assert!(
            (0..2).all(|j| (2..8).step_by(2).all(|i| (x[i - 2 + j] - 2.0 * x[i + j] + x[i + 2 + j]).abs() < 1e-12))
        );
    }
}

#[test]
fn a_mass_matrix_without_an_answer_gives_no_frequencies_and_says_why() {
    let chain = dense(3, "symmetric", &[(1, 1, 1.0), (2, 2, 1.0), (3, 3, 0.0)]);
    for (mass, why) in
        [(vec![(1, 1, 1.0)], "neither mass nor stiffness"), (vec![(1, 1, 1.0), (3, 3, -1.0)], "is indefinite")]
    {
        let job = written(&chain, Some(&dense(3, "symmetric", &mass)), "1,3", 0).unwrap();
        let measured = run(&job);
        assert!(frequencies(&measured, "frequencies_hz").is_empty());
        assert!(job.warnings().iter().any(|w| w.contains(why)), "{:?}", job.warnings());
    }
}

#[test]
fn every_row_a_master_is_no_reduction_and_no_error() {
    let job = written(&free_chain(3), None, "1-3", 0).unwrap();
    let measured = run(&job);
    let want = [1.0, -1.0, 0.0, -1.0, 2.0, -1.0, 0.0, -1.0, 1.0];
    assert_eq!(measured.outputs[REDUCE].column::<f64>(K_RED), want);
}

#[test]
fn no_device_is_looked_for() {
    let job = written(&free_chain(3), None, "1", 0).unwrap();
    if cfg!(feature = "gpu") {
        let error = run_on(&job, "gpu").err().expect("refused");
        assert!(error.exit_code() == 5 && error.to_string().contains("stays on the CPU"), "{error}");
    }
}

#[test]
fn the_reference_case_is_what_it_says() {
    let model = Model::reference(300, 50, 42, &pool()).unwrap();
    assert_eq!((model.slaves(), model.masters(), model.order), (300, 50, 350));
    assert_eq!(model.stiffness.sm.nnz(), 15);
    let again = Model::reference(300, 50, 42, &pool()).unwrap();
    assert_eq!(model.stiffness.ss, again.stiffness.ss);
    assert_ne!(model.stiffness.ss, Model::reference(300, 50, 43, &pool()).unwrap().stiffness.ss);
    let full = Model::reference(3000, 500, 42, &pool()).unwrap();
    assert!((20_900..=21_000).contains(&full.stiffness.ss.nnz()), "{}", full.stiffness.ss.nnz());
    assert_eq!(full.stiffness.sm.nnz(), 1500);
    let job = GuyanJob::new(model, wanted(0));
    run(&job);
}

#[test]
fn files_hold_what_was_computed() {
    let folder = tempfile::tempdir().unwrap();
    let mut job = bracket(30, 0);
    let shapes = folder.path().join("shapes.npy");
    job.wanted.expand = Some(shapes.clone());
    let measured = run(&job);
    let reduced = |column: usize| measured.outputs[REDUCE].column::<f64>(column);
    let path = |name: &str| folder.path().join(name);
    for name in ["r.mtx", "r.npy", "r.json"] {
        job.save(&measured.outputs, &path(name)).unwrap();
    }
    for (name, column) in [("r", K_RED), ("r_mass", M_RED)] {
        let matrix = mtx::read_mtx(&Source::open(&path(&format!("{name}.mtx"))).unwrap()).unwrap().matrix;
        let values: Vec<f64> = (0..900).map(|at| matrix.get(at % 30, at / 30).copied().unwrap_or(0.0)).collect();
        assert_eq!(values, reduced(column), "to the bit");
        let array = read_npy(&Source::open(&path(&format!("{name}.npy"))).unwrap()).unwrap();
        assert_eq!(array.shape, [30, 30]);
        assert_eq!(array.values.into_f64(), reduced(column), "symmetric: rows are columns");
    }
    let document: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path("r.json")).unwrap()).unwrap();
    assert_eq!(document["masters"][29], job.model.stiffness.masters[29] + 1);
    assert_eq!(document["k_red"][3][4], reduced(K_RED)[4 * 30 + 3]);
    assert_eq!(document["frequencies_hz"].as_array().unwrap().len(), 30);
    assert_eq!(job.save(&measured.outputs, &path("r.csv")).unwrap_err().exit_code(), 2);

    // Shapes of the modes: M-orthonormal on the whole, and K phi has no force on the slaves.
    job.save_more(&measured.outputs).unwrap();
    let array = read_npy(&Source::open(&shapes).unwrap()).unwrap();
    assert_eq!(array.shape, [1542, 30]);
    let values = array.values.into_f64();
    let [k, m] =
        ["K.mtx.gz", "M.mtx.gz"].map(|name| mtx::read_mtx(&Source::open(&data(name)).unwrap()).unwrap().matrix);
    let column = |j: usize| -> Vec<f64> { (0..1542).map(|i| values[i * 30 + j]).collect() };
    let times = |a: &mtx::Matrix, x: &[f64]| -> Vec<f64> {
        a.outer_iterator().map(|c| c.iter().map(|(i, a)| a * x[i]).sum()).collect()
    };
    let dot = |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| x * y).sum() };
    for j in [0, 7, 29] {
        let phi = column(j);
        assert!((dot(&phi, &times(&m, &phi)) - 1.0).abs() < 1e-9);
        assert!(dot(&phi, &times(&m, &column((j + 1) % 30))).abs() < 1e-9);
        let force = times(&k, &phi);
        let largest = force.iter().fold(0.0f64, |largest, f| largest.max(f.abs()));
        assert!(job.model.stiffness.slaves.iter().all(|row| force[*row as usize].abs() < 1e-8 * largest));
    }
}

#[test]
fn calculix_s_own_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let k = mtx::read_mtx(&Source::open(&data("K.mtx.gz")).unwrap()).unwrap().matrix;
    let mut text = String::new();
    for (value, (row, column)) in k.iter().filter(|(_, (row, column))| row <= column) {
        text.push_str(&format!("{} {} {value:21.13e}\n", row + 1, column + 1));
    }
    let path = folder.path().join("b.sti");
    std::fs::write(&path, text).unwrap();
    std::fs::copy(data("bracket.dof"), folder.path().join("b.dof")).unwrap();
    let files = Files { stiffness: path, mass: None, masters: "6.1,6.2,6.3".into(), names: None };
    let model = Model::read(&files, false, &pool()).unwrap();
    assert_eq!((model.order, &model.stiffness.masters[..]), (1542, &[0, 1, 2][..]));
    assert_eq!(model.slave_name(0), "row 4 (node 7 direction 1)");
    run(&GuyanJob::new(model, wanted(0)));
}
