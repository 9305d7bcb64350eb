//! The gallery of hard matrices, pencils with known answers, what is refused, and the checker itself.

use super::*;
use crate::job::{Chunk, ChunkOut, Kernel};
use crate::simd::Simd;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/eigen").join(name)
}

fn read(files: &[&str], mass: Option<&str>, vectors: bool) -> Result<EigenJob> {
    let files: Vec<PathBuf> = files.iter().map(|name| data(name)).collect();
    let values = if mass.is_some() { Values::Hz } else { Values::Abs };
    let batch = Batch::read(&files, mass.map(data).as_deref())?;
    Ok(EigenJob { batch, values, vectors, seed: 1 })
}

fn run(job: &EigenJob, solve: impl Fn(&Eigen<'_>, &mut ChunkOut<'_>)) -> Output {
    let kernel = Eigen { batch: &job.batch, vectors: job.vectors };
    let mut output = Output::for_kernel(&kernel).unwrap();
    let items = kernel.items();
    let writer = output.writer();
    for start in 0..items {
        // SAFETY: each item once.
        solve(&kernel, &mut unsafe { writer.chunk(Chunk::new(start, start + 1)) });
    }
    output
}

/// The outputs of the reference and of our code at every level of this CPU.
fn every_way(job: &EigenJob) -> Vec<(&'static str, Output)> {
    let mut all = vec![("seq", run(job, |kernel, out| kernel.seq(out)))];
    for simd in Simd::available() {
        all.push((simd.name(), run(job, |kernel, out| kernel.cpu(simd, out))));
    }
    all
}

fn assert_passes(job: &EigenJob, output: &Output, what: &str) {
    let check = job.check(std::slice::from_ref(output), &Answer::default()).unwrap();
    assert!(check.passed(), "{what}: {check:?}");
}

fn moduli(job: &EigenJob, output: &Output, matrix: usize) -> Vec<f64> {
    let rows = save::rows(&job.batch, output, Values::Abs);
    rows[matrix].as_ref().unwrap().iter().map(|[re, im]| re.hypot(*im)).collect()
}

#[test]
fn the_gallery_meets_its_strict_tolerances() {
    let text = std::fs::read_to_string(data("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = expected.as_object().unwrap();
    assert_eq!(expected.len(), 13);
    for (name, want) in expected {
        let numbers =
            |key: &str| -> Vec<f64> { want[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect() };
        let (values, tolerances) = (numbers("abs_sorted"), numbers("tol_strict"));
        for vectors in [false, true] {
            let job = read(&[&format!("{name}.mtx")], None, vectors).unwrap();
            for (way, output) in every_way(&job) {
                let got = moduli(&job, &output, 0);
                assert_eq!(got.len(), values.len());
                for ((got, want), tolerance) in got.iter().zip(&values).zip(&tolerances) {
                    let error = (got - want).abs();
                    assert!(
                        error <= *tolerance,
                        "{name} by {way}, vectors {vectors}: {got:e} for {want:e}, {error:e} > {tolerance:e}"
                    );
                }
                assert_passes(&job, &output, &format!("{name} by {way}"));
            }
        }
    }
}

#[test]
fn several_files_and_a_batch_are_one_job() {
    let job = read(&["sweep.npy", "frank12.mtx", "rotation2.mtx"], None, false).unwrap();
    let expected = crate::formats::source::Source::open(&data("sweep_expected_abs.npy")).unwrap();
    let expected = crate::formats::npy::read_npy(&expected).unwrap();
    let (count, n) = (expected.shape[0], expected.shape[1]);
    let expected = expected.values.into_f64();
    assert_eq!((job.batch.count, job.batch.order, n), (count + 2, 30, 30));
    assert!(job.batch.name(2).ends_with("sweep.npy[2]") && job.batch.name(count).ends_with("frank12.mtx"));
    for (way, output) in every_way(&job) {
        for (matrix, want) in expected.chunks_exact(n).enumerate() {
            for (got, want_one) in moduli(&job, &output, matrix).iter().zip(want) {
                let error = (got - want_one).abs();
                assert!(
                    error <= 1e-12 * want[0] && error <= 5e-10 * want_one,
                    "{way}, matrix {matrix}: {got} for {want_one}"
                );
            }
        }
        assert!(moduli(&job, &output, count + 1).iter().all(|x| (x - 1.0).abs() < 1e-15));
        assert_passes(&job, &output, way);
        assert!(job.unsolved(&[output]).is_ok());
    }
}

/// A batch from entries by rows.
fn batch(folder: &Path, name: &str, shape: &[usize], values: &[f64]) -> PathBuf {
    let path = folder.join(name);
    crate::formats::npy::write_npy_f64(&path, shape, values).unwrap();
    path
}

/// Fixed-free chains of `n` springs and masses: `f_i = sqrt(k / m) / pi sin((2 i - 1) pi / (4 n + 2))`.
fn chain(n: usize, k: f64, m: f64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut stiffness, mut mass) = (vec![0.0; n * n], vec![0.0; n * n]);
    for i in 0..n {
        stiffness[i * n + i] = if i + 1 < n { 2.0 * k } else { k };
        mass[i * n + i] = m;
        if i > 0 {
            stiffness[i * n + i - 1] = -k;
            stiffness[(i - 1) * n + i] = -k;
        }
    }
    let angle = |i: usize| (2 * i - 1) as f64 * std::f64::consts::PI / (4 * n + 2) as f64;
    let hz = (1..=n).map(|i| (k / m).sqrt() / std::f64::consts::PI * angle(i).sin()).collect();
    (stiffness, mass, hz)
}

#[test]
fn a_parameter_study_gives_frequencies_in_hz() {
    let folder = tempfile::tempdir().unwrap();
    let n = 20;
    let springs: Vec<f64> = (1..=5).map(|i| 1e6 * f64::from(i * i)).collect();
    let chains: Vec<_> = springs.iter().map(|k| chain(n, *k, 0.25)).collect();
    let stiffness: Vec<f64> = chains.iter().flat_map(|chain| chain.0.clone()).collect();
    let masses: Vec<f64> = chains.iter().flat_map(|chain| chain.1.clone()).collect();
    let k = batch(folder.path(), "k.npy", &[5, n, n], &stiffness);
    for mass in
        [batch(folder.path(), "m1.npy", &[n, n], &chains[0].1), batch(folder.path(), "m5.npy", &[5, n, n], &masses)]
    {
        for vectors in [false, true] {
            let pencils = Batch::read(std::slice::from_ref(&k), Some(&mass)).unwrap();
            let job = EigenJob { batch: pencils, values: Values::Hz, vectors, seed: 1 };
            let output = run(&job, |kernel, out| kernel.cpu(Simd::detect(), out));
            for (row, chain) in save::rows(&job.batch, &output, Values::Hz).iter().zip(&chains) {
                for ([re, im], want) in row.as_ref().unwrap().iter().zip(&chain.2) {
                    let hz = save::frequency(*re, *im);
                    assert!((hz - want).abs() <= 1e-12 * want.max(chain.2[n - 1]), "{hz} for {want}");
                }
            }
            assert_passes(&job, &output, "chain");
            let answer = job.finish(&[output]).unwrap();
            assert_eq!(answer.json["symmetric"], 5);
            assert_eq!(answer.json["frequencies_hz"].as_array().unwrap().len(), LISTED);
        }
    }
    // One more mass than pencils.
    let wrong = batch(folder.path(), "m6.npy", &[1, n + 1, n + 1], &vec![1.0; (n + 1) * (n + 1)]);
    assert_eq!(Batch::read(std::slice::from_ref(&k), Some(&wrong)).unwrap_err().exit_code(), 3);
    let wrong = batch(folder.path(), "m2.npy", &[2, n, n], &masses[..2 * n * n]);
    assert_eq!(Batch::read(&[k], Some(&wrong)).unwrap_err().exit_code(), 3);
}

#[test]
fn a_general_pencil_agrees_with_the_quotient() {
    let folder = tempfile::tempdir().unwrap();
    let n = 9;
    let random = Batch::generate(2, n as u64, 3).unwrap();
    let (a, mut m) = (random.matrix(&random.items[0]).to_vec(), random.matrix(&random.items[1]).to_vec());
    (0..n).for_each(|i| m[i * n + i] += 3.0);
    // B = M A, so M^-1 B has the eigenvalues of A.
    let product: Vec<f64> = (0..n * n).map(|ij| (0..n).map(|l| m[ij / n * n + l] * a[l * n + ij % n]).sum()).collect();
    let k = batch(folder.path(), "k.npy", &[n, n], &product);
    let mass = batch(folder.path(), "m.npy", &[n, n], &m);
    let plain = batch(folder.path(), "a.npy", &[n, n], &a);
    for vectors in [false, true] {
        let job = |batch| EigenJob { batch, values: Values::Abs, vectors, seed: 1 };
        let pencil = job(Batch::read(std::slice::from_ref(&k), Some(&mass)).unwrap());
        let plain = job(Batch::read(std::slice::from_ref(&plain), None).unwrap());
        for (way, output) in every_way(&pencil) {
            let want = moduli(&plain, &run(&plain, |kernel, out| kernel.seq(out)), 0);
            for (got, want) in moduli(&pencil, &output, 0).iter().zip(want) {
                assert!((got - want).abs() < 1e-12 * n as f64, "{way}: {got} for {want}");
            }
            assert_passes(&pencil, &output, way);
        }
    }
}

#[test]
fn what_cannot_be_solved_is_named_and_the_others_are_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let mut values = vec![0.0; 4 * 9];
    (0..4).for_each(|i| (0..3).for_each(|j| values[9 * i + 4 * j] = (i + j) as f64));
    values[9 + 5] = f64::NAN;
    values[27 + 2] = f64::INFINITY;
    let file = batch(folder.path(), "b.npy", &[4, 3, 3], &values);
    let wide = batch(folder.path(), "wide.npy", &[2, 3], &[1.0; 6]);
    let job = |files: &[PathBuf]| {
        Batch::read(files, None).map(|batch| EigenJob { batch, values: Values::Abs, vectors: true, seed: 1 })
    };
    let job = job(&[file, wide.clone()]).unwrap();
    assert_eq!((job.batch.count, job.batch.items.len()), (5, 2));
    let output = run(&job, |kernel, out| kernel.cpu(Simd::detect(), out));
    assert_passes(&job, &output, "those that are left");
    let outputs = [output];
    let error = job.unsolved(&outputs).unwrap_err();
    assert_eq!(error.exit_code(), 4);
    let text = error.to_string();
    for part in ["3 of 5", "b.npy[1]: row 2, column 3 is NaN", "b.npy[3]: row 1, column 3 is inf", "wide.npy is 2 x 3"]
    {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let path = folder.path().join("out.npy");
    job.save(&outputs, &path).unwrap();
    let saved = crate::formats::npy::read_npy(&crate::formats::source::Source::open(&path).unwrap()).unwrap();
    assert_eq!(saved.shape, [5, 3]);
    let saved = saved.values.into_f64();
    assert_eq!((&saved[..3], &saved[6..9]), (&[2.0, 1.0, 0.0][..], &[4.0, 3.0, 2.0][..]));
    assert!(saved[3..6].iter().chain(&saved[9..]).all(|x| x.is_nan()));
    assert!(folder.path().join("out.vectors.npy").exists());
    job.save(&outputs, &folder.path().join("out.csv")).unwrap();
    let text = std::fs::read_to_string(folder.path().join("out.csv")).unwrap();
    assert_eq!(text.lines().count(), 7);
    assert!(text.contains("\n2,0,4.0,0.0,4.0,"), "{text}");
    assert_eq!(job.save(&outputs, &folder.path().join("out.vtu")).unwrap_err().exit_code(), 2);
    // Alone it is an error at once.
    assert_eq!(Batch::read(&[wide], None).unwrap_err().exit_code(), 4);
}

#[test]
fn masses_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let unit =
        |diagonal: [f64; 3]| (0..9).map(|i| if i % 4 == 0 { diagonal[i / 4] } else { 0.0 }).collect::<Vec<f64>>();
    let k = batch(
        folder.path(),
        "k.npy",
        &[3, 3, 3],
        &[unit([1.0, 2.0, 3.0]), unit([1.0; 3]), unit([1.0, 1.0, 0.0])].concat(),
    );
    let m = [unit([1.0; 3]), unit([1.0, -1.0, 1.0]), unit([1.0, 1.0, 0.0])].concat();
    let m = batch(folder.path(), "m.npy", &[3, 3, 3], &m);
    let job = EigenJob { batch: Batch::read(&[k], Some(&m)).unwrap(), values: Values::Hz, vectors: false, seed: 1 };
    let output = run(&job, |kernel, out| kernel.cpu(Simd::detect(), out));
    assert_eq!(output.column::<u32>(OUTCOME)[0], 0);
    assert_passes(&job, &output, "the one that is left");
    let text = job.unsolved(&[output]).unwrap_err().to_string();
    assert!(text.contains("k.npy[1]: its M is not positive definite"), "{text}");
    assert!(text.contains("k.npy[2]: its K and M are singular together"), "{text}");
}

/// `Q a Q'` with a reflection Q, or `G a` with an unsymmetric G: what leaves the eigenvalues of a pencil as they are.
fn disguised(a: &[f64], n: usize, how: &str) -> Vec<f64> {
    let v: Vec<f64> = (0..n).map(|i| 1.0 + (i * 7 % 5) as f64).collect();
    let square: f64 = v.iter().map(|x| x * x).sum();
    let q = |i: usize, j: usize| f64::from(i == j) - 2.0 * v[i] * v[j] / square;
    let g = |i: usize, j: usize| if i == j { 2.0 } else { 0.5 / (1.0 + 2.0 * i as f64 + j as f64) };
    let times = |left: &dyn Fn(usize, usize) -> f64, a: &[f64]| -> Vec<f64> {
        (0..n * n).map(|at| (0..n).map(|l| left(at / n, l) * a[l * n + at % n]).sum()).collect()
    };
    match how {
        "turned" => {
            let half = times(&q, a);
            let transposed: Vec<f64> = (0..n * n).map(|at| half[at % n * n + at / n]).collect();
            let a = times(&q, &transposed);
            (0..n * n).map(|at| 0.5 * (a[at] + a[at % n * n + at / n])).collect()
        }
        "unsymmetric" => times(&g, a),
        _ => a.to_vec(),
    }
}

fn pencil(k: &[f64], m: &[f64], n: usize, vectors: bool) -> EigenJob {
    let folder = tempfile::tempdir().unwrap();
    let (k, m) = (batch(folder.path(), "k.npy", &[n, n], k), batch(folder.path(), "m.npy", &[n, n], m));
    EigenJob { batch: Batch::read(&[k], Some(&m)).unwrap(), values: Values::Hz, vectors, seed: 1 }
}

#[test]
fn nodes_without_mass_give_infinite_frequencies_and_leave_the_others_as_they_are() {
    // A node in the middle of every spring: two springs of 2 k in a row are one of k.
    for (masses, tiny) in [(1, 0.0), (6, 0.0), (25, 0.0), (6, 1e-13), (25, 1e-9), (25, 1e-17)] {
        let n = 2 * masses;
        let (stiffness, _, _) = chain(n, 2e6, 0.25);
        let (_, _, want) = chain(masses, 1e6, 0.25);
        let mass: Vec<f64> = (0..n * n)
            .map(|at| {
                if at / n != at % n {
                    0.0
                } else if at / n % 2 == 1 {
                    0.25
                } else {
                    tiny
                }
            })
            .collect();
        for how in ["plain", "turned", "unsymmetric"] {
            // Without symmetry a mass is zero or is divided by.
            if how == "unsymmetric" && tiny > 1e-16 {
                continue;
            }
            let (k, m) = (disguised(&stiffness, n, how), disguised(&mass, n, how));
            for vectors in [false, true] {
                let job = pencil(&k, &m, n, vectors);
                for (way, output) in every_way(&job) {
                    let what = format!("{masses} masses, {tiny} between, {how}, vectors {vectors}, {way}");
                    assert_eq!(output.column::<u32>(OUTCOME)[0], 0, "{what}");
                    assert_passes(&job, &output, &what);
                    let rows = save::rows(&job.batch, &output, Values::Hz);
                    for ([re, im], want) in rows[0].as_ref().unwrap().iter().zip(&want) {
                        let hz = save::frequency(*re, *im);
                        // Tiny masses move the frequencies by their share.
                        assert!((hz / want - 1.0).abs() <= 1e-9 + 8.0 * tiny, "{what}: {hz} for {want}");
                    }
                    let answer = job.finish(&[output]).unwrap();
                    if tiny == 0.0 {
                        assert_eq!(answer.json["infinite"], masses, "{what}");
                        assert!(answer.lines.iter().any(|(name, _)| name == "infinite"));
                    }
                    assert_eq!(answer.json["frequencies_hz"].as_array().unwrap().len(), {
                        let infinite = answer.json["infinite"].as_u64().unwrap() as usize;
                        (n - infinite).min(LISTED)
                    });
                }
            }
        }
    }
}

#[test]
fn constraints_are_infinite_eigenvalues_too() {
    // Springs 3 and 5 to the wall, masses 2 and 6, x_1 = x_2 by a multiplier: one frequency, (3 + 5) / (2 + 6).
    let k = [3.0, 0.0, 1.0, 0.0, 5.0, -1.0, 1.0, -1.0, 0.0];
    let m = [2.0, 0.0, 0.0, 0.0, 6.0, 0.0, 0.0, 0.0, 0.0];
    for how in ["plain", "turned", "unsymmetric"] {
        let job = pencil(&disguised(&k, 3, how), &disguised(&m, 3, how), 3, true);
        for (way, output) in every_way(&job) {
            assert_passes(&job, &output, &format!("{how}, {way}"));
            let re = output.column::<f64>(RE);
            assert!(re[0].is_infinite() && re[1].is_infinite() && (re[2] - 1.0).abs() < 1e-14, "{how}, {way}: {re:?}");
            let x = &output.column::<f64>(kernel::VECTORS)[12..];
            assert!(x.iter().all(|x| x.is_finite()) && output.column::<f64>(kernel::VECTORS)[0].is_nan());
        }
    }
    // M = 0: nothing is finite.
    let job = pencil(&[2.0, 1.0, 1.0, 2.0], &[0.0; 4], 2, false);
    let output = run(&job, |kernel, out| kernel.cpu(Simd::detect(), out));
    assert_passes(&job, &output, "no mass");
    assert_eq!(job.finish(&[output]).unwrap().json["infinite"], 2);
}

#[test]
fn wrong_answers_of_singular_pencils_do_not_pass_the_check() {
    let n = 12;
    let (k, _, _) = chain(n, 2.0, 0.25);
    let m: Vec<f64> = (0..n * n).map(|at| if at / n == at % n && at / n % 2 == 1 { 0.25 } else { 0.0 }).collect();
    let job = pencil(&k, &m, n, false);
    let solve = || run(&job, |kernel, out| kernel.cpu(Simd::detect(), out));
    assert_passes(&job, &solve(), "as computed");
    let spoil = |at: usize, value: &dyn Fn(f64) -> f64, why: &str| {
        let mut output = solve();
        let re = &mut output.column_mut::<f64>(RE)[at];
        *re = value(*re);
        assert_fails(&job, output, why);
    };
    spoil(0, &|_| 1e3, "an infinite one made finite");
    spoil(6, &|_| f64::INFINITY, "a finite one made infinite");
    spoil(6, &|x| x * (1.0 + 1e-9), "the largest finite one off");
    spoil(11, &|x| x * (1.0 + 1e-9), "the lowest off");
    spoil(8, &|_| f64::NAN, "NaN");
}

fn assert_fails(job: &EigenJob, output: Output, why: &str) {
    let check = job.check(&[output], &Answer::default()).unwrap();
    assert!(!check.passed() && !check.detail.is_empty(), "{why}: {check:?}");
}

#[test]
fn wrong_answers_do_not_pass_the_check() {
    let job = EigenJob { batch: Batch::generate(3, 40, 5).unwrap(), values: Values::Abs, vectors: false, seed: 1 };
    let solve = || run(&job, |kernel, out| kernel.cpu(Simd::detect(), out));
    assert_passes(&job, &solve(), "as computed");
    let mut output = solve();
    output.column_mut::<f64>(RE)[45] += 1e-9;
    assert_fails(&job, output, "one eigenvalue off");
    let mut output = solve();
    output.column_mut::<f64>(RE)[80] = f64::NAN;
    assert_fails(&job, output, "NaN");
    // Two that move apart by as much: the sum holds, the sum of squares does not.
    let mut output = solve();
    output.column_mut::<f64>(RE)[0] += 1e-9;
    output.column_mut::<f64>(RE)[1] -= 1e-9;
    assert_fails(&job, output, "two eigenvalues off");
    // All wrong, with both sums right: the eigenvalues of another matrix with the same traces.
    let diagonal = |values: [f64; 3]| (0..9).map(|i| if i % 4 == 0 { values[i / 4] } else { 0.0 }).collect::<Vec<_>>();
    let folder = tempfile::tempdir().unwrap();
    let path = batch(folder.path(), "d.npy", &[3, 3], &diagonal([3.0, 0.0, 0.0]));
    let job = EigenJob { batch: Batch::read(&[path], None).unwrap(), values: Values::Abs, vectors: false, seed: 1 };
    let mut output = run(&job, |kernel, out| kernel.cpu(Simd::detect(), out));
    // 3, 0, 0 and these have the sum 3 and the sum of squares 9.
    output.column_mut::<f64>(RE).copy_from_slice(&[-1.0, 2.0, 2.0]);
    assert_fails(&job, output, "same sums");
    // Vectors that belong to other eigenvalues.
    let job = EigenJob { batch: Batch::generate(1, 10, 5).unwrap(), values: Values::Abs, vectors: true, seed: 1 };
    let mut output = run(&job, |kernel, out| kernel.cpu(Simd::detect(), out));
    assert_passes(&job, &output, "vectors");
    output.column_mut::<f64>(kernel::VECTORS).rotate_left(20);
    assert_fails(&job, output, "vectors of other eigenvalues");
}

#[test]
fn a_matrix_that_does_not_converge_is_named() {
    let job = EigenJob { batch: Batch::generate(3, 6, 5).unwrap(), values: Values::Abs, vectors: false, seed: 1 };
    let mut output = run(&job, |kernel, out| kernel.cpu(Simd::detect(), out));
    let failed = kernel::code(crate::numeric::eigen::Failure::NotConverged);
    output.column_mut::<u32>(OUTCOME)[1] = failed;
    output.column_mut::<f64>(RE)[6..12].fill(0.0);
    assert_passes(&job, &output, "the others");
    assert_eq!(save::rows(&job.batch, &output, Values::Abs).iter().filter(|row| row.is_none()).count(), 1);
    let error = job.unsolved(&[output]).unwrap_err();
    assert!(error.exit_code() == 4 && error.to_string().contains("generated[1]: the QR iteration"), "{error}");
}

#[test]
fn nothing_is_an_answer_too() {
    for (count, order) in [(0, 5), (3, 0), (0, 0)] {
        let job = EigenJob {
            batch: Batch::generate(count, order, 1).unwrap(),
            values: Values::Complex,
            vectors: true,
            seed: 1,
        };
        let output = run(&job, |kernel, out| kernel.cpu(Simd::detect(), out));
        assert_passes(&job, &output, "empty");
        let outputs = [output];
        let answer = job.finish(&outputs).unwrap();
        assert_eq!((&answer.json["count"], &answer.json["largest"]), (&json!(count), &json!(null)));
        let folder = tempfile::tempdir().unwrap();
        job.save(&outputs, &folder.path().join("a.npy")).unwrap();
    }
    assert_eq!(Batch::generate(u64::MAX, 3, 1).unwrap_err().exit_code(), 7);
    assert_eq!(Batch::generate(1 << 40, 1 << 10, 1).unwrap_err().exit_code(), 7);
}
