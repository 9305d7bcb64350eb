use proptest::prelude::*;

use super::model::{UNROLLED, WIDEST, loops};
use super::*;
use crate::backend::{self, BackendOptions};
use crate::exec::{Control, run_step};
use crate::job::Chunk;

const PRECISIONS: [Precision; 2] = [Precision::F64, Precision::F32];

fn generated(rows: u64, columns: u64, iterations: u32) -> SincosJob {
    SincosJob { model: Model::generate(rows, columns, iterations, 9).unwrap() }
}

/// A job on an array in memory, through the reader of files.
fn from_rows(columns: usize, values: &[f64], iterations: u32) -> Result<SincosJob> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.npy");
    npy::write_npy_f64(&path, &[values.len() / columns, columns], values).unwrap();
    Ok(SincosJob { model: Model::read(&path, iterations)? })
}

fn options(simd: Simd) -> BackendOptions {
    let mut config = crate::config::Layers::default().config().unwrap();
    config.cpu.simd = simd.name().into();
    config.backend_options()
}

fn run(job: &SincosJob, backend: &str, precision: Precision, simd: Simd) -> (Output, Answer) {
    let mut backend = backend::open(backend, &options(simd)).unwrap();
    let steps = job.steps(precision).unwrap();
    let kernel = steps[0].kernel();
    let mut output = Output::for_kernel(kernel).unwrap();
    let rule = backend.chunks(kernel).unwrap();
    run_step(kernel, rule, backend.as_mut(), &mut output, &Control::default()).unwrap();
    let outputs = [output];
    let answer = job.finish(&outputs).unwrap();
    let [output] = outputs;
    (output, answer)
}

/// Two rows of arguments of every kind, and the sums of their rows after some iterations, from mpmath with 60 digits
/// (400 where an argument is large).
const KNOWN: [f64; 12] = [
    0.0,
    -0.5,
    0.9999,
    3.0,
    -12345.678,
    1e22,
    -3.25e300,
    1e-3,
    std::f64::consts::FRAC_PI_4,
    std::f64::consts::FRAC_PI_2,
    1_073_741_824.0,
    -5e-324,
];
const KNOWN_SUMS: [(u32, f64, f64); 4] = [
    (1, -0.051655236218147715, 0.38275311828544084),
    (2, -0.08451335017420737, 0.344148144804426),
    (10, -0.11532353375307257, 0.22455903287873),
    (100, -0.07321389132124713, 0.08502635221601056),
];

#[test]
fn sums_of_every_kind_of_argument_are_those_of_a_multiprecision_library() {
    for (iterations, first, second) in KNOWN_SUMS {
        let job = from_rows(6, &KNOWN, iterations).unwrap();
        for precision in PRECISIONS {
            let bound = Bound::new(precision, iterations).of(6);
            for (backend, simd) in
                Simd::available().into_iter().map(|simd| ("cpu", simd)).chain([("seq", Simd::Baseline)])
            {
                let (output, answer) = run(&job, backend, precision, simd);
                let sums: Vec<f64> = job.row_sums(&output).collect();
                for (got, want) in sums.iter().zip([first, second]) {
                    assert!((got - want).abs() <= bound, "{iterations} {precision:?} {backend} {simd:?}: {got} {want}");
                }
                let outputs = [output];
                let check = job.check(&outputs, &answer).unwrap();
                assert!(check.passed(), "{iterations} {precision:?} {backend} {simd:?}: {check:?}");
            }
        }
    }
}

#[test]
fn the_bound_is_what_the_text_derives() {
    // One iteration of f64: 10 u of at most 1/2; two elements are added with 1 u of their sum, and so by the reference.
    let u = 2f64.powi(-53);
    let one = Bound::new(Precision::F64, 1);
    assert!((one.of(1) / (5.0 * u) - 1.0).abs() < 2e-3 && (one.of(2) / (12.0 * u) - 1.0).abs() < 2e-3);
    // What `hetero list` says of 100 iterations.
    assert!((5e-15..5.5e-15).contains(&Bound::new(Precision::F64, 100).of(1)));
    assert!((2e-6..2.5e-6).contains(&Bound::new(Precision::F32, 100).of(1)));
    // No element is ever above the largest one, and the largest is nearly reached.
    let mut t = std::f64::consts::FRAC_PI_4;
    for k in 1..2000 {
        t = (2.0 * t).sin() / 2.0;
        let most = bound::largest(k);
        assert!(t <= most * (1.0 + 1e-14) && t > 0.9 * most, "{k}: {t} {most}");
    }
    // An error of each step, all of one sign and as large as they may be, stays within the bound, and the worst is near it.
    for iterations in [1, 2, 7, 100, 3000] {
        let mut worst = 0.0_f64;
        for i in 1..200 {
            let (mut t, mut error) = (f64::from(i) / 200.0 * std::f64::consts::FRAC_PI_4, 0.0);
            for _ in 0..iterations {
                error *= (2.0 * t).cos();
                t = (2.0 * t).sin() / 2.0;
                error += 10.0 * u * t;
            }
            worst = worst.max(error);
        }
        let most = Bound::new(Precision::F64, iterations).of(1);
        assert!(worst <= most && worst > 0.8 * most, "{iterations}: {worst:e} of {most:e}");
    }
}

#[test]
fn results_do_not_depend_on_the_chunks() {
    let job = generated(50, 67, 3);
    for precision in PRECISIONS {
        let kernel = Sincos::new(&job.model, precision);
        for simd in Simd::available() {
            let whole = run(&job, "cpu", precision, simd).0;
            let mut cut = Output::for_kernel(&kernel).unwrap();
            {
                let writer = cut.writer();
                let edges = [0, 1, 2, 50, 97, 98, 149, 150];
                for pair in edges.windows(2) {
                    // SAFETY: the chunks do not overlap.
                    kernel.cpu(simd, &mut unsafe { writer.chunk(Chunk::new(pair[0], pair[1])) });
                }
            }
            for block in 0..150 {
                assert_eq!(whole.value(0, block).to_bits(), cut.value(0, block).to_bits(), "{block} {simd:?}");
            }
        }
    }
}

#[test]
fn generated_rows_do_not_depend_on_how_many_there_are() {
    let (few, many) = (generated(3, 40, 1).model, generated(100, 40, 1).model);
    assert_eq!(few.values[..], many.values[..120]);
    assert!(many.values.iter().all(|x| (0.0..1.0).contains(x)));
    assert_ne!(Model::generate(3, 40, 1, 10).unwrap().values[..], few.values[..]);
    assert!(matches!(Model::generate(1 << 40, 1 << 40, 1, 0), Err(Error::Resource(_))));
}

#[test]
fn the_check_passes_what_is_right_and_fails_what_is_not() {
    for (rows, columns, iterations) in [(1, 1, 1), (40, 100, 30), (5, 33, 100)] {
        let job = generated(rows, columns, iterations);
        for precision in PRECISIONS {
            let (output, answer) = run(&job, "cpu", precision, Simd::detect());
            let mut outputs = [output];
            assert!(job.check(&outputs, &answer).unwrap().passed());
            let blocks = outputs[0].items() as usize;
            // The first and the last block are in every sample: a part in 10^12 (f64), in 10^4 (f32) of one of them, more
            // than can be, and what is no number; with and without a checksum that goes with it.
            for place in [0, blocks - 1] {
                let right = outputs[0].value(0, place);
                let near = if precision == Precision::F32 { right * (1.0 + 1e-3) } else { right * (1.0 + 2e-12) };
                for wrong in [near, -right, 40.0, f64::NAN, f64::INFINITY] {
                    set(&mut outputs[0], place, wrong);
                    let new = job.finish(&outputs).unwrap();
                    assert!(!job.check(&outputs, &new).unwrap().passed(), "{rows} {precision:?} {place}: {wrong}");
                    assert!(!job.check(&outputs, &answer).unwrap().passed());
                }
                set(&mut outputs[0], place, right);
            }
            assert!(job.check(&outputs, &answer).unwrap().passed());
            for checksum in [json!(1e9), json!(null), json!("many")] {
                let mut wrong = answer.clone();
                wrong.json.insert("checksum".into(), checksum);
                assert!(!job.check(&outputs, &wrong).unwrap().passed());
            }
        }
    }
    let empty = generated(0, 5, 1);
    let (output, answer) = run(&empty, "cpu", Precision::F64, Simd::detect());
    assert_eq!(answer.json["checksum"], json!(0.0));
    assert!(empty.check(&[output], &answer).unwrap().passed());
}

fn set(output: &mut Output, place: usize, value: f64) {
    if output.specs().any(|column| column.scalar == Scalar::F32) {
        output.column_mut::<f32>(0)[place] = value as f32;
    } else {
        output.column_mut::<f64>(0)[place] = value;
    }
}

#[test]
fn arguments_for_a_device_have_the_same_product() {
    let model = from_rows(12, &KNOWN, 1).unwrap().model;
    for simd in Simd::available() {
        let mut arguments = [f32::NAN; WIDEST as usize];
        gpu::reduced(simd, &model.values[model.block(0)], &mut arguments);
        for (x, r) in KNOWN.iter().zip(arguments) {
            assert!(r.abs() <= std::f32::consts::FRAC_PI_4 + 1e-6, "{x:e}: {r}");
            let (want, got) = (x.sin() * x.cos(), f64::from(r).sin() * f64::from(r).cos());
            assert!((want - got).abs() <= 2f64.powi(-25) + 1e-15, "{x:e}: {got} for {want}");
        }
        assert!(arguments[12..].iter().all(|r| *r == 0.0));
    }
}

#[test]
fn bad_arrays_are_refused_with_the_place() {
    let message = |columns, values: &[f64]| from_rows(columns, values, 1).err().unwrap();
    let error = message(2, &[1.0, 2.0, 3.0, f64::NAN]);
    assert!(error.exit_code() == 3 && error.to_string().contains("row 1, column 1 is NaN"), "{error}");
    assert!(message(1, &[f64::INFINITY]).to_string().contains("row 0, column 0 is inf"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.npy");
    for (shape, values) in [(vec![4], vec![0.0; 4]), (vec![2, 2, 1], vec![0.0; 4]), (vec![1 << 40, 0], vec![])] {
        npy::write_npy_f64(&path, &shape, &values).unwrap();
        let error = Model::read(&path, 1).err().unwrap();
        assert!(error.exit_code() == 3 && error.to_string().contains("shape"), "{error}");
    }
    npy::write_npy_f64(&path, &[0, 1 << 40], &[]).unwrap();
    assert_eq!(Model::read(&path, 1).unwrap().blocks(), 0);
}

proptest! {
    #[test]
    fn blocks_tile_every_row_and_fit_an_invocation(
        rows in 1u64..6,
        columns in 1u64..300,
        iterations in prop_oneof![1u32..200, 1000u32..600_000, Just(u32::MAX)],
    ) {
        let model = Model::generate(rows, columns, iterations, 1).unwrap();
        prop_assert!((1..=WIDEST).contains(&model.width));
        let mut end = 0;
        for block in 0..model.blocks() {
            let range = model.block(block);
            prop_assert!(range.start == end && !range.is_empty() && range.len() as u64 <= model.width);
            prop_assert!(range.start / columns as usize == (range.end - 1) / columns as usize, "a block in two rows");
            end = range.end;
        }
        prop_assert_eq!(end as u64, rows * columns);
        let slot = gpu::slot(&model);
        prop_assert_eq!(slot.params[1] * UNROLLED + slot.params[2], iterations);
        // Blocks of one column are as small as it gets: more iterations than that are for the processor.
        prop_assert!(slot.iterations_per_item <= 32_768 || model.width == 1 && loops(iterations) > 32_000);
    }
}
