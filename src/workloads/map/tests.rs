use std::path::PathBuf;

use super::*;
use crate::job::{Chunk, OutputWriter};

/// The output of the cpu's kernel, in chunks of `step` elements.
fn run(job: &MapJob, precision: Precision, simd: Simd, step: usize) -> Output {
    let steps = job.steps(precision).unwrap();
    let kernel = steps[0].kernel();
    let mut output = Output::for_kernel(kernel).unwrap();
    let mut fold = [0; FOLD_WORDS];
    {
        let writer: OutputWriter<'_> = output.writer();
        for start in (0..kernel.items()).step_by(step) {
            let chunk = Chunk::new(start, (start + step as u64).min(kernel.items()));
            // SAFETY: one part at a time.
            let mut part = unsafe { writer.chunk(chunk) };
            kernel.cpu(simd, &mut part);
            kernel.merge_fold(&mut fold, &part.fold);
        }
    }
    output.fold = fold;
    output
}

#[test]
fn the_answer_does_not_depend_on_the_split_or_the_instructions() {
    for (name, text) in VARIANTS {
        let job = generated(text, 10_007, 3).unwrap();
        let fold = |simd, step| {
            let output = run(&job, Precision::F64, simd, step);
            let answer = job.finish(&[output]).unwrap();
            (answer.json["checksum"].clone(), answer.json["min"].clone(), answer.json["max"].clone())
        };
        let best = Simd::detect();
        let whole = fold(best, 1 << 20);
        for step in [128, 640, 4096] {
            assert_eq!(fold(best, step), whole, "{name} in chunks of {step}");
        }
        // Without a fold, as after a device, the sum is found in the results.
        let mut output = run(&job, Precision::F64, best, 1 << 20);
        output.fold = [0; FOLD_WORDS];
        assert_eq!(job.finish(&[output]).unwrap().json["checksum"], whole.0, "{name}");
    }
}

#[test]
fn the_example_is_half_the_distance() {
    let job = generated(EXPRESSION, 1000, 1).unwrap();
    let output = run(&job, Precision::F64, Simd::detect(), 1 << 20);
    for (i, value) in output.column::<f64>(0).iter().enumerate() {
        let half = job.data.arrays[0][i].hypot(job.data.arrays[1][i]) / 2.0;
        assert!((value - half).abs() <= 1e-15 * half);
    }
}

#[test]
fn the_check_finds_wrong_results() {
    for precision in [Precision::F64, Precision::F32] {
        let job = generated(VARIANTS[1].1, 1000, 1).unwrap();
        let good = || run(&job, precision, Simd::detect(), 1 << 20);
        let output = good();
        let answer = job.finish(&[output]).unwrap();
        let verdict = |change: &dyn Fn(&mut Output)| {
            let mut output = good();
            change(&mut output);
            job.check(&[output], &answer).unwrap()
        };
        let check = verdict(&|_| {});
        assert!(check.passed() && check.error > 0.0, "{check:?}");
        // Off by some last places: the element is found though the sum hardly moves.
        let nudged = verdict(&|output| match precision {
            Precision::F64 => output.column_mut::<f64>(0)[500] *= 1.0 + 1e-13,
            _ => output.column_mut::<f32>(0)[500] *= 1.0 + 1e-4,
        });
        assert!(!nudged.passed(), "{nudged:?}");
        let broken = verdict(&|output| match precision {
            Precision::F64 => output.column_mut::<f64>(0)[501] = f64::NAN,
            _ => output.column_mut::<f32>(0)[501] = f32::NAN,
        });
        assert!(!broken.passed(), "{broken:?}");
        // A wrong sum or range in the answer.
        for (name, wrong) in [("checksum", 1e-9), ("min", 1e-9), ("max", 1e-3)] {
            let mut answer = answer.clone();
            let value = answer.json[name].as_f64().unwrap();
            answer.json.insert(name.into(), json!(value + wrong));
            assert!(!job.check(&[good()], &answer).unwrap().passed(), "{name}");
        }
    }
}

#[test]
fn results_that_are_not_finite_are_named() {
    let job = |text: &str, allow| {
        let expr = Expr::parse(text, &input::GENERATED).unwrap();
        MapJob::new(text, expr, Data::generate(300, 5).unwrap(), allow).unwrap()
    };
    let finish = |job: &MapJob, precision| {
        let output = run(job, precision, Simd::detect(), 128);
        job.finish(&[output])
    };
    let text = "log(x - 0.5)";
    let error = finish(&job(text, false), Precision::F64).unwrap_err();
    let message = error.to_string();
    assert_eq!(error.exit_code(), 4);
    assert!(message.contains(" of the result is NaN (x = 0.") && message.contains("--allow-nonfinite"), "{message}");
    let answer = finish(&job(text, true), Precision::F64).unwrap();
    assert!(answer.json["nonfinite"].as_u64().unwrap() > 50 && answer.json["max"].as_f64().unwrap() < -0.69);
    assert!(answer.json["checksum"].is_null());
    // A result that only f32 cannot hold.
    let error = finish(&job("exp(100 + x)", false), Precision::F32).unwrap_err().to_string();
    assert!(error.contains("use --precision f64"), "{error}");
    assert!(finish(&job("exp(100 + x)", false), Precision::F64).is_ok());
}

#[test]
fn inputs_are_told_apart() {
    let parse = |text: &str| input::assignments(&[&text.to_string()]);
    let file = |path: &str| input::Origin::File(PathBuf::from(path));
    assert_eq!(parse("x=a.npy,y=b.npy").unwrap(), [("x".into(), file("a.npy")), ("y".into(), file("b.npy"))]);
    assert_eq!(
        parse("x = a,b.npy, k=2.5").unwrap(),
        [("x".into(), file("a,b.npy")), ("k".into(), input::Origin::Number(2.5))]
    );
    assert_eq!(parse("x=a=b.npy").unwrap(), [("x".into(), file("a=b.npy"))]);
    for (text, part) in [
        ("a.npy", "is not NAME=FILE.npy"),
        ("2x=a.npy", "is not NAME=FILE.npy"),
        ("x=a.npy,x=b.npy", "given twice"),
        ("sin=a.npy", "has a meaning"),
        ("and=a.npy", "has a meaning"),
        ("x=", "missing"),
        ("x=inf", "finite"),
        ("", "is not NAME=FILE.npy"),
    ] {
        let message = parse(text).unwrap_err().to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn each_expression_has_a_variant_of_its_own() {
    let variant = |text: &str| {
        let job = generated(text, 1, 1).unwrap();
        job.steps(Precision::F64).unwrap()[0].kernel().variant()
    };
    assert_ne!(variant("x + y"), variant("x * y"));
    assert_eq!(variant("x+y"), variant(" x + y "));
}

#[test]
fn no_elements_are_no_trouble() {
    let job = generated(EXPRESSION, 0, 1).unwrap();
    let output = run(&job, Precision::F64, Simd::detect(), 128);
    let answer = job.finish(std::slice::from_ref(&output)).unwrap();
    assert!(answer.json["min"].is_null() && answer.json["checksum"] == 0.0);
    assert!(job.check(&[output], &answer).unwrap().passed());
}

/// Every function over wide ranges on the device: within the bound on each element, and not only where a sample looks.
#[cfg(feature = "gpu")]
#[test]
fn the_shader_is_within_the_bound_everywhere() {
    use crate::backend::Backend;
    use crate::backend::gpu::Gpu;
    use crate::exec::{Control, run_step};
    use crate::gpu::testing::{adapter_or_skip, options};
    use crate::numeric::expr::FUNCTIONS;

    if adapter_or_skip().is_none() {
        return;
    }
    let mut gpu = Gpu::open(&options(), None).unwrap();
    // Values of all sizes and signs that f32 holds, near multiples of pi/2, and around 0 and 1.
    let mut points: Vec<(f64, f64)> = Vec::new();
    for k in 0..4000 {
        let t = f64::from(k);
        let size = (t * 0.7391).sin() * 60.0;
        points.push(((t * 1.37).cos().signum() * size.exp2(), (t * 2.11).sin() * (t * 0.9173).sin().exp2() * 4.0));
        points.push((t * std::f64::consts::FRAC_PI_2 * 5.0, t * 0.01 - 20.0));
        points.push((t * 5e-4 - 1.0, t * 1e-3 - 2.0));
        points.push(((t - 2000.0) * 0.05, (t * 0.61).sin() * 3.0));
    }
    let names: Vec<String> = input::GENERATED.map(String::from).to_vec();
    let column = |of: fn(&(f64, f64)) -> f64| {
        let values: Vec<f64> = points.iter().map(|p| f64::from(of(p) as f32)).collect();
        Buffer::from_slice(&values, "test").unwrap()
    };
    let calls = FUNCTIONS.iter().map(|f| match f.arity {
        1 => format!("{}(x)", f.names[0]),
        2 => format!("{}(x, y)", f.names[0]),
        _ => format!("{}(x > y, x, y)", f.names[0]),
    });
    let others = [
        "x + y",
        "x - y",
        "x * y",
        "x / y",
        "x % y",
        "-x",
        "~x",
        "(x < y) + (x >= y) * 2",
        "abs(x) ** y",
        "x ** 3",
        "x ** -2",
        "x == y",
        "(x != 0) & (y > 0) | (x > 1)",
        "sqrt(x*x + y*y) - x",
        "log(1 + exp(-abs(x)))",
    ];
    let mut told = String::new();
    for text in calls.chain(others.map(String::from)) {
        let expr = Expr::parse(&text, &input::GENERATED).unwrap();
        let n = points.len();
        let data = Data {
            source: "test".into(),
            names: names.clone(),
            arrays: vec![column(|p| p.0), column(|p| p.1)],
            shape: vec![n],
            items: n as u64,
        };
        let job = MapJob::new(&text, expr, data, true).unwrap();
        let steps = job.steps(Precision::F32).unwrap();
        let kernel = steps[0].kernel();
        let mut output = Output::for_kernel(kernel).unwrap();
        let rule = gpu.chunks(kernel).unwrap();
        run_step(kernel, rule, &mut gpu, &mut output, &Control::default()).unwrap();
        let (mut used, mut compared) = (0.0f64, 0);
        for i in 0..n {
            let (reference, value) = (job.reference(i), output.value(0, i));
            let bound = job.bound(&job.program, i, reference, Arithmetic::Single);
            let at = (job.data.arrays[0][i], job.data.arrays[1][i]);
            if reference.is_nan() || reference.is_infinite() {
                assert!(!value.is_finite() || !bound.is_finite(), "{text} at {at:?}: {value} for {reference}");
            } else if bound.is_finite() {
                let off = (value - reference).abs();
                assert!(off <= bound, "{text} at {at:?}: {value} for {reference}: off {off:e}, bound {bound:e}");
                if bound > 1e-37 {
                    used = used.max(off / bound);
                }
                compared += 1;
            }
        }
        told += &format!("{text}: {compared} of {n} compared, {used:.2} of the bound used\n");
        assert!(compared > n / 10, "{text}: {compared} compared");
    }
    eprintln!("{told}");
}
