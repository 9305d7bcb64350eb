use proptest::prelude::*;

use super::*;
use crate::backend::{self, BackendOptions};
use crate::exec::{Control, run_step};
use crate::job::Chunk;

const PRECISIONS: [Precision; 3] = [Precision::F64, Precision::F32, Precision::Mixed];

fn job(elements: u64, lengths: bool, seed: u64) -> AxialJob {
    AxialJob::new(Model::generate(elements, lengths, seed).unwrap())
}

/// A job on arrays in memory, through the reader of files.
fn from_arrays(u: &[[f64; 3]], young: Option<&[f64]>, lengths: Option<&[f64]>) -> Result<AxialJob> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    npy::write_npy_f64(&path("u.npy"), &[u.len(), 3], u.as_flattened()).unwrap();
    let each = |name: &str, values: Option<&[f64]>| {
        values.map(|values| {
            npy::write_npy_f64(&path(name), &[values.len()], values).unwrap();
            path(name)
        })
    };
    let (young, lengths) = (each("e.npy", young), each("l.npy", lengths));
    Ok(AxialJob::new(Model::read(&path("u.npy"), young.as_deref(), lengths.as_deref())?))
}

fn options(simd: Simd) -> BackendOptions {
    let mut config = crate::config::Layers::default().config().unwrap();
    config.cpu.simd = simd.name().into();
    config.backend_options()
}

/// One run with the answer and its check.
fn run(job: &AxialJob, backend: &str, precision: Precision, simd: Simd) -> (Output, Result<Answer>) {
    let mut backend = backend::open(backend, &options(simd)).unwrap();
    let steps = job.steps(precision).unwrap();
    let kernel = steps[0].kernel();
    let mut output = Output::for_kernel(kernel).unwrap();
    let rule = backend.chunks(kernel).unwrap();
    run_step(kernel, rule, backend.as_mut(), &mut output, &Control::default()).unwrap();
    let outputs = [output];
    let answer = job.finish(&outputs);
    let [output] = outputs;
    (output, answer)
}

#[test]
fn lengths_of_pythagorean_quadruples_are_exact() {
    let u = [[1.0, 2.0, 2.0], [-2.0, 3.0, 6.0], [0.0, 0.0, 0.0], [4.0, -4.0, 7.0], [0.0, -5.0, 0.0]];
    let young = [2.0, 10.0, 3.0, 1.0, 8.0];
    let length = [1.0, 2.0, 4.0, 3.0, 0.5];
    let stress = [6.0, 70.0, 0.0, 9.0, 40.0];
    let job = from_arrays(&u, Some(&young), None).unwrap();
    let bars = from_arrays(&u, Some(&young), Some(&length)).unwrap();
    for precision in PRECISIONS {
        for (backend, simd) in [("seq", Simd::Baseline), ("cpu", Simd::Baseline), ("cpu", Simd::detect())] {
            let (output, answer) = run(&job, backend, precision, simd);
            let (with_lengths, peak) = run(&bars, backend, precision, simd);
            for i in 0..5 {
                assert_eq!(output.value(0, i), stress[i]);
                assert_eq!(with_lengths.value(0, i), stress[i] / length[i]);
            }
            let peaks = [answer, peak].map(|answer| answer.unwrap().json["max_von_mises"].clone());
            assert_eq!(peaks[0], json!({ "value": 70.0, "element": 2, "ip": 1 }));
            assert_eq!(peaks[1], json!({ "value": 80.0, "element": 5, "ip": 1 }));
        }
    }
}

#[test]
fn every_level_is_within_the_bound_past_the_caches_too() {
    for (elements, lengths) in [(0, false), (1, false), (3, true), (127, false), (128, true), (5001, false)] {
        let job = job(elements, lengths, 11);
        let (reference, _) = run(&job, "seq", Precision::F64, Simd::Baseline);
        for precision in PRECISIONS {
            for simd in Simd::available() {
                for streaming in [false, true] {
                    let steps = job.steps(precision).unwrap();
                    let single = (precision != Precision::F64).then(|| job.single.get().unwrap().as_ref().unwrap());
                    let kernel = Axial { model: &job.model, precision, single, streaming };
                    let mut output = Output::for_kernel(&kernel).unwrap();
                    let mut writer = output.writer();
                    let mut part = writer.whole();
                    kernel.cpu(simd, &mut part);
                    let fold = part.fold;
                    let mut bound = [0.0];
                    for i in 0..elements as usize {
                        kernel.bound(i as u64, &mut bound);
                        let error = (output.value(0, i) - reference.value(0, i)).abs();
                        assert!(error <= bound[0], "{precision:?} {simd:?} {i}: {error} > {bound:?}");
                    }
                    let (most, place) = check::peak(&output);
                    assert_eq!(fold, [elements, most.to_bits(), place as u64, 0]);
                    drop(steps);
                }
            }
        }
    }
}

#[test]
fn generated_elements_do_not_depend_on_how_many_there_are() {
    let (small, large) = (job(100, true, 5).model, job(70_000, true, 5).model);
    for i in 0..100 {
        assert_eq!(small.displacement(i), large.displacement(i));
        assert_eq!(small.young[i], large.young[i]);
        assert_eq!(small.length.as_ref().unwrap()[i], large.length.as_ref().unwrap()[i]);
    }
    assert_ne!(job(1, false, 5).model.young[0], job(1, false, 6).model.young[0]);
}

#[test]
fn the_check_passes_what_is_right_and_fails_what_is_not() {
    for lengths in [false, true] {
        for elements in [1, 1000, 250_001] {
            let job = job(elements, lengths, 3);
            for precision in [Precision::F64, Precision::F32] {
                let (output, answer) = run(&job, "cpu", precision, Simd::detect());
                let answer = answer.unwrap();
                let mut outputs = [output];
                let check = job.check(&outputs, &answer).unwrap();
                assert!(check.passed(), "{elements} {precision:?}: {check:?}");
                // The first element is in every sample. One bit of it, of three kinds.
                let place = if precision == Precision::F64 { [40, 52, 63] } else { [14, 23, 31] };
                for bit in place {
                    match precision {
                        Precision::F64 => flip(&mut outputs[0].column_mut::<f64>(0)[0], bit),
                        _ => flip_f32(&mut outputs[0].column_mut::<f32>(0)[0], bit),
                    }
                    assert!(!job.check(&outputs, &answer).unwrap().passed(), "bit {bit} of {precision:?}");
                    match precision {
                        Precision::F64 => flip(&mut outputs[0].column_mut::<f64>(0)[0], bit),
                        _ => flip_f32(&mut outputs[0].column_mut::<f32>(0)[0], bit),
                    }
                }
                // A peak that is not the largest.
                let mut wrong = answer.clone();
                wrong.json.insert("max_von_mises".into(), json!({ "value": 1.0, "element": 1, "ip": 1 }));
                assert!(!job.check(&outputs, &wrong).unwrap().passed());
                wrong.json.shift_remove("max_von_mises");
                assert!(!job.check(&outputs, &wrong).unwrap().passed());
                if precision == Precision::F64 {
                    outputs[0].column_mut::<f64>(0)[0] = f64::NAN;
                    assert!(!job.check(&outputs, &answer).unwrap().passed());
                }
            }
        }
    }
}

fn flip(value: &mut f64, bit: u32) {
    *value = f64::from_bits(value.to_bits() ^ 1 << bit);
}

fn flip_f32(value: &mut f32, bit: u32) {
    *value = f32::from_bits(value.to_bits() ^ 1 << bit);
}

#[test]
fn a_peak_is_found_with_and_without_the_fold() {
    let job = job(5000, false, 1);
    let (output, answer) = run(&job, "cpu", Precision::F64, Simd::detect());
    let mut outputs = [output];
    outputs[0].reset();
    assert_eq!(job.finish(&outputs).unwrap(), answer.unwrap());
}

#[test]
fn a_stress_that_overflows_is_an_error_that_names_its_element() {
    let mut u = vec![[1e-3; 3]; 300];
    u[200] = [1e200, 0.0, 0.0];
    let job = from_arrays(&u, None, None).unwrap();
    let (_, answer) = run(&job, "cpu", Precision::F64, Simd::detect());
    let error = answer.unwrap_err();
    assert_eq!(error.exit_code(), 4);
    assert!(error.to_string().contains("element 201"), "{error}");
    // In f32 already the input is out of range.
    let error = job.steps(Precision::F32).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("element 201"), "{error}");
    assert!(job.steps(Precision::Integer).is_err());
}

#[test]
fn arrays_that_do_not_fit_together_are_refused() {
    let u = [[1.0, 0.0, 0.0]; 4];
    let code = |job: Result<AxialJob>| job.map(|_| ()).unwrap_err().exit_code();
    assert_eq!(code(from_arrays(&u, Some(&[1.0; 3]), None)), 3);
    assert_eq!(code(from_arrays(&u, Some(&[1.0, 1.0, 0.0, 1.0]), None)), 3);
    assert_eq!(code(from_arrays(&u, None, Some(&[1.0, -1.0, 1.0, 1.0]))), 3);
    assert_eq!(code(from_arrays(&[[1.0, f64::NAN, 0.0]], None, None)), 3);
    let error = from_arrays(&[[0.0; 3], [0.0, 0.0, f64::INFINITY]], None, None).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("element 2: its z displacement is inf"), "{error}");
    assert!(matches!(Model::generate(u64::MAX / 8, false, 1), Err(Error::Resource(_))));
}

#[test]
fn options_generate_or_read() {
    let command = || clap::Command::new("axial").no_binary_name(true).args(args());
    let context = Context { seed: 1 };
    let prepare = |arguments: &[&str]| prepare(&command().try_get_matches_from(arguments).unwrap(), &context);
    assert_eq!(prepare(&[]).unwrap().input().items, 1_000_000);
    assert_eq!(prepare(&["--elements", "1e3"]).unwrap().input().items, 1000);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("u.npy");
    npy::write_npy_f64(&file, &[2, 3], &[3.0, 4.0, 0.0, 0.0, 0.0, 1.0]).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(prepare(&["--displacements", file]).unwrap().input().items, 2);
    assert!(matches!(prepare(&["--displacements", file, "--elements", "2"]), Err(Error::Usage(_))));
    assert!(command().try_get_matches_from(["--young-array", file]).is_err());
    // (2, 3) is no list of moduli.
    assert_eq!(prepare(&["--displacements", file, "--young-array", file]).map(|_| ()).unwrap_err().exit_code(), 3);
}

#[test]
fn results_are_saved_as_npy_and_csv() {
    let job = from_arrays(&[[3.0, 4.0, 0.0], [0.0, 0.0, 0.5]], Some(&[1.0, 3.0]), None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for precision in [Precision::F64, Precision::F32] {
        let (output, _) = run(&job, "seq", precision, Simd::Baseline);
        let outputs = [output];
        let csv = folder.path().join("s.csv");
        job.save(&outputs, &csv).unwrap();
        assert_eq!(std::fs::read_to_string(&csv).unwrap(), "element,sigma\n1,5.0\n2,1.5\n");
        let array = folder.path().join("s.npy");
        job.save(&outputs, &array).unwrap();
        let read = npy::read_npy(&source::Source::open(&array).unwrap()).unwrap();
        assert_eq!((read.shape, read.values.into_f64()), (vec![2], vec![5.0, 1.5]));
        assert_eq!(job.save(&outputs, &folder.path().join("s.vtu")).unwrap_err().exit_code(), 2);
    }
}

proptest! {
    #[test]
    fn the_fold_does_not_depend_on_the_split(
        elements in 1u64..3000, seed: u64, cuts in prop::collection::vec(0u64..3000, 0..5),
    ) {
        let job = job(elements, false, seed);
        let steps = job.steps(Precision::F64).unwrap();
        let kernel = steps[0].kernel();
        let mut edges: Vec<u64> = cuts.into_iter().map(|cut| cut.min(elements)).chain([0, elements]).collect();
        edges.sort_unstable();
        let mut output = Output::for_kernel(kernel).unwrap();
        let mut parts: Vec<_> = edges.windows(2).map(|edge| {
            let mut writer = output.writer();
            // SAFETY: one part at a time.
            let mut part = unsafe { writer.chunk(Chunk::new(edge[0], edge[1])) };
            kernel.cpu(Simd::detect(), &mut part);
            let fold = part.fold;
            let _ = &mut writer;
            fold
        }).collect();
        let join = |parts: &[[u64; FOLD_WORDS]]| {
            let mut total = [0; FOLD_WORDS];
            parts.iter().for_each(|part| kernel.merge_fold(&mut total, part));
            total
        };
        let forwards = join(&parts);
        parts.reverse();
        prop_assert_eq!(forwards, join(&parts));
        let (most, place) = check::peak(&output);
        prop_assert_eq!(forwards, [elements, most.to_bits(), place as u64, 0]);
    }

    #[test]
    fn extreme_numbers_pass_their_own_check(
        u in prop::array::uniform3(-1e100f64..1e100), small in 0i32..300, modulus in 1e-30f64..1e30, length in 1e-9f64..1e9,
    ) {
        let u = u.map(|x| x * 10f64.powi(-small));
        let job = from_arrays(&[u], Some(&[modulus]), Some(&[length])).unwrap();
        let (output, answer) = run(&job, "cpu", Precision::F64, Simd::detect());
        let check = job.check(&[output], &answer.unwrap()).unwrap();
        prop_assert!(check.passed(), "{:?}", check);
    }
}
