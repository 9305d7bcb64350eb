//! The report and its forms, from made-up measurements.

use super::style::{Style, WIDTH};
use super::*;
use crate::measure::stats::Verdict;
use crate::measure::verify::Status;

const PLAIN: Style = Style { ascii: true, colour: false };

fn all_three() -> Report {
    build(samples::inputs(vec![samples::gpu(), samples::seq(), samples::cpu()]))
}

/// The inputs of [`all_three`] with a gpu whose answer is wrong.
fn failed() -> Report {
    let mut gpu = samples::gpu();
    gpu.verification.status = Status::Fail;
    gpu.verification.first_bad =
        Some("element 17, mises is 3.5, the reference gives 4.5 (off by 1, bound 4e-9)".into());
    build(samples::inputs(vec![gpu, samples::seq(), samples::cpu()]))
}

/// No line is too long, ends in a space, or holds anything but ASCII in ASCII style.
fn check_layout(report: &Report) {
    for ascii in [true, false] {
        let text = table::table(report, Style { ascii, colour: false });
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{} characters: {line}", line.chars().count());
            assert!(!line.ends_with(' '), "{line:?}");
            assert!(!ascii || line.is_ascii(), "{line}");
        }
    }
}

#[test]
fn three_backends() {
    check_layout(&all_three());
    insta::assert_snapshot!(table::table(&all_three(), PLAIN), @r"
    stress: 1_000_000 elements, generated, seed 42
    machine  Example CPU 9000, 2 cores, 2 of 4 threads usable, avx512, 24.0 GiB, Example Linux 12
    plan     gpu,seq,cpu: asked for with --backend

    backend  threads  precision  end to end [95 %]        runs  kernel only  elements/s  verified
    ---------------------------------------------------------------------------------------------
    gpu            1  mixed      105.2 ms [105.0, 105.5]    10      30.2 ms      9.50 M  pass
        software adapter, not a GPU: llvmpipe (LLVM 15.0.6, 256 bits) (vulkan, llvmpipe Mesa 22.3.6)
    seq            1  f64        50.4 ms [50.0, 50.8]       10      50.4 ms      19.8 M  pass
    cpu            2  f64        9.78 ms [9.70, 9.85]       10      9.58 ms       102 M  pass

    speedup               end to end [interval]     verdict     time  baseline's  kernel only
    -----------------------------------------------------------------------------------------
    gpu mixed vs seq f64  0.479x [0.474, 0.484]     slower    105 ms     50.4 ms        1.67x
    gpu mixed vs cpu f64  0.0929x [0.0920, 0.0938]  slower    105 ms     9.78 ms       0.317x
    cpu vs seq            5.16x [5.08, 5.24]        faster   9.78 ms     50.4 ms        5.26x

    phases     open  compile   upload   kernel  download  merge   verify  limit that binds
    --------------------------------------------------------------------------------------
    gpu     28.0 ms  41.0 ms  4.00 ms  30.2 ms   2.00 ms      -  2.10 ms  not measured
    seq           -        -        -  50.4 ms         -      -  2.10 ms  bandwidth 16 %
    cpu      200 us        -        -  9.58 ms         -      -  2.10 ms  bandwidth 84 %

    verified gpu pass: 1_056 of 1_000_000 items recomputed, largest deviation 2.5e-10 of 4.0e-9 allowed;
                 linear field: 1.0e-12 of 1.0e-9 allowed
    verified seq pass: 1_056 of 1_000_000 items recomputed, largest deviation 2.5e-10 of 4.0e-9 allowed;
                 linear field: 1.0e-12 of 1.0e-9 allowed
    verified cpu pass: 1_056 of 1_000_000 items recomputed, largest deviation 2.5e-10 of 4.0e-9 allowed;
                 linear field: 1.0e-12 of 1.0e-9 allowed

    largest von Mises stress  203.549 at element 2095, point 1
    ");
}

#[test]
fn one_backend_alone() {
    let mut inputs = samples::inputs(vec![samples::cpu()]);
    inputs.baselines.clear();
    let report = build(inputs);
    check_layout(&report);
    insta::assert_snapshot!(table::table(&report, PLAIN), @r"
    stress: 1_000_000 elements, generated, seed 42
    machine  Example CPU 9000, 2 cores, 2 of 4 threads usable, avx512, 24.0 GiB, Example Linux 12
    plan     cpu: asked for with --backend

    backend  threads  precision  end to end [95 %]     runs  kernel only  elements/s  verified
    ------------------------------------------------------------------------------------------
    cpu            2  f64        9.78 ms [9.70, 9.85]    10      9.58 ms       102 M  pass

    phases    open  compile  upload   kernel  download  merge   verify  limit that binds
    ------------------------------------------------------------------------------------
    cpu     200 us        -       -  9.58 ms         -      -  2.10 ms  bandwidth 84 %

    verified cpu pass: 1_056 of 1_000_000 items recomputed, largest deviation 2.5e-10 of 4.0e-9 allowed;
                 linear field: 1.0e-12 of 1.0e-9 allowed

    largest von Mises stress  203.549 at element 2095, point 1
    ");
}

#[test]
fn many_phases_stand_below_each_other_and_whole_solves_have_no_kernel() {
    let mut cpu = samples::cpu();
    for sample in &mut cpu.samples {
        sample.kernel = 0.0;
        for name in ["order", "analyse", "factor", "substitute", "reduce", "whole_modes", "reduced_modes"] {
            sample.steps.add(name, 1e-3, false);
        }
    }
    let mut inputs = samples::inputs(vec![cpu]);
    inputs.baselines.clear();
    let report = build(inputs);
    assert!(report.runs[0].kernel_seconds.is_none());
    check_layout(&report);
    let text = table::table(&report, PLAIN);
    insta::assert_snapshot!(&text[text.find("phases").unwrap()..text.find("verified cpu").unwrap()], @r"
    phases                     cpu
    ------------------------------
    open                    200 us
    order                  1.00 ms
    analyse                1.00 ms
    factor                 1.00 ms
    substitute             1.00 ms
    reduce                 1.00 ms
    whole_modes            1.00 ms
    reduced_modes          1.00 ms
    merge                        -
    verify                 2.10 ms
    limit that binds  not measured
    ");
}

#[test]
fn a_failed_verification_voids_times_and_speedups() {
    let report = failed();
    check_layout(&report);
    insta::assert_snapshot!(table::table(&report, PLAIN), @r"
    stress: 1_000_000 elements, generated, seed 42
    machine  Example CPU 9000, 2 cores, 2 of 4 threads usable, avx512, 24.0 GiB, Example Linux 12
    plan     gpu,seq,cpu: asked for with --backend

    backend  threads  precision  end to end [95 %]     runs  kernel only  elements/s  verified
    ------------------------------------------------------------------------------------------
    gpu            1  mixed      void                     -            -           -  FAIL
        software adapter, not a GPU: llvmpipe (LLVM 15.0.6, 256 bits) (vulkan, llvmpipe Mesa 22.3.6)
    seq            1  f64        50.4 ms [50.0, 50.8]    10      50.4 ms      19.8 M  pass
    cpu            2  f64        9.78 ms [9.70, 9.85]    10      9.58 ms       102 M  pass

    speedup     end to end [interval]  verdict     time  baseline's  kernel only
    ----------------------------------------------------------------------------
    cpu vs seq  5.16x [5.08, 5.24]     faster   9.78 ms     50.4 ms        5.26x

    phases    open  compile  upload   kernel  download  merge   verify  limit that binds
    ------------------------------------------------------------------------------------
    seq          -        -       -  50.4 ms         -      -  2.10 ms  bandwidth 16 %
    cpu     200 us        -       -  9.58 ms         -      -  2.10 ms  bandwidth 84 %

    verified gpu FAIL: element 17, mises is 3.5, the reference gives 4.5 (off by 1, bound 4e-9); its
                 times are void
    verified seq pass: 1_056 of 1_000_000 items recomputed, largest deviation 2.5e-10 of 4.0e-9 allowed;
                 linear field: 1.0e-12 of 1.0e-9 allowed
    verified cpu pass: 1_056 of 1_000_000 items recomputed, largest deviation 2.5e-10 of 4.0e-9 allowed;
                 linear field: 1.0e-12 of 1.0e-9 allowed

    largest von Mises stress  203.549 at element 2095, point 1
    ");
    assert_eq!(report.warnings, ["gpu failed its verification: its times and speedups are void"]);
    let value: serde_json::Value = serde_json::from_str(&json::json(&report)).unwrap();
    let gpu = &value["runs"][0];
    for field in ["seconds", "kernel_seconds", "warm_seconds", "phases", "items_per_second", "device_seconds", "limit"]
    {
        assert!(gpu[field].is_null(), "{field}: {}", gpu[field]);
    }
    assert_eq!(gpu["samples"], serde_json::json!([]));
    assert_eq!(gpu["speedup"], serde_json::json!({}));
    assert_eq!(gpu["verify"]["status"], "fail");
    let gpu_line = |form: String| form.lines().find(|line| line.contains("llvmpipe")).unwrap().to_string();
    let line = gpu_line(csv::csv(&report));
    assert!(line.ends_with(",\"element 17, mises is 3.5, the reference gives 4.5 (off by 1, bound 4e-9)\""), "{line}");
    assert!(line.contains(&(",".repeat(24) + "fail,bounded")), "no time, no speedup: {line}");
    let line = gpu_line(markdown::markdown(&report));
    assert!(line.ends_with("| 1 | mixed | void | - | - | not measured | **FAIL** |"), "{line}");
    let text = markdown::markdown(&report);
    assert!(!text.contains("gpu mixed vs") && !text.contains("gpu vs"));
}

#[test]
fn a_baseline_that_is_wrong_is_no_baseline() {
    let mut seq = samples::seq();
    seq.verification.status = Status::Fail;
    let report = build(samples::inputs(vec![samples::cpu(), seq]));
    assert_eq!(report.runs[0].speedup, Speedups::default());
}

#[test]
fn a_skipped_baseline_is_told() {
    let mut inputs = samples::inputs(vec![samples::cpu()]);
    inputs.skipped = vec![Skipped {
        backend: "seq".into(),
        why: "predicted to take 34.0 s for one run, above the limit of 10 s (run.baseline_limit)".into(),
    }];
    let report = build(inputs);
    check_layout(&report);
    let text = table::table(&report, PLAIN);
    assert!(!text.contains("speedup") && !text.contains("did not run"), "{text}");
    assert_eq!(
        table::warnings(&report.warnings, PLAIN),
        "warning: seq did not run: predicted to take 34.0 s for one run, above the limit of 10 s\n         (run.baseline_limit)\n"
    );
}

#[test]
fn an_unknown_limit_is_said_to_be_unknown() {
    let report = build(samples::inputs(vec![samples::gpu()]));
    assert_eq!(report.runs[0].limit, None);
    assert!(table::table(&report, PLAIN).contains("not measured"));
    let report = build(samples::inputs(vec![samples::cpu()]));
    let limit = report.runs[0].limit.expect("the ceilings are known");
    assert_eq!(limit.binding, limit::Binding::Bandwidth);
    // A quarter is written: three parts of the triad's traffic and one of reads.
    let ceiling = 1.0 / (0.75 / 25e9 + 0.25 / 24e9);
    assert!((limit.ceiling / ceiling - 1.0).abs() < 1e-12, "{}", limit.ceiling);
    assert!((limit.fraction - 200e6 / ceiling / (9.5e-3 * 1.008)).abs() < 1e-12, "{}", limit.fraction);
}

#[test]
fn phases_add_up_to_the_median_end_to_end() {
    for run in &all_three().runs {
        let (seconds, phases) = (run.seconds.unwrap(), run.phases.unwrap());
        assert!((phases.run.total() - seconds.median).abs() < 1e-15, "{}", run.backend);
        assert_eq!(seconds.n, 10);
        assert_eq!(run.samples.len(), 10);
    }
    let gpu = &all_three().runs[0];
    let (whole, warm) = (gpu.seconds.unwrap(), gpu.warm_seconds.unwrap());
    assert!((whole.median - warm.median - 0.069).abs() < 1e-12, "one-time costs are in the first, not in the second");
    assert_eq!(gpu.phases.unwrap().verify, 0.0021);
}

#[test]
fn speedups_name_their_baseline_and_both_times() {
    let report = all_three();
    let [gpu, seq, cpu] = &report.runs[..] else { panic!("three runs") };
    let against_cpu = gpu.speedup.get("cpu").unwrap();
    assert_eq!(against_cpu.ratio.verdict, Verdict::Slower);
    assert_eq!(against_cpu.baseline_seconds, cpu.seconds.unwrap().median);
    let expected = cpu.seconds.unwrap().median / gpu.seconds.unwrap().median;
    assert_eq!(against_cpu.ratio.ratio, expected);
    let kernels = cpu.kernel_seconds.unwrap().median / gpu.kernel_seconds.unwrap().median;
    assert_eq!(against_cpu.kernel_ratio, Some(kernels));
    assert_eq!(cpu.speedup.get("seq").unwrap().ratio.verdict, Verdict::Faster);
    assert!(seq.speedup.get("seq").is_none(), "nothing is compared with itself");
}

#[test]
fn few_runs_are_warned_about() {
    let mut cpu = samples::cpu();
    cpu.samples.truncate(3);
    let report = build(samples::inputs(vec![cpu, samples::seq()]));
    assert_eq!(report.runs[0].speedup.get("seq").unwrap().ratio.verdict, Verdict::Unclear);
    assert!(report.warnings[0].contains("--runs 5"), "{:?}", report.warnings);
    assert!(table::table(&report, PLAIN).contains("end to end [75 %]"), "the interval says what it covers");
}

#[test]
fn the_json_report_has_the_fields_of_its_schema() {
    let value: serde_json::Value = serde_json::from_str(&json::json(&all_three())).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let has = |value: &serde_json::Value, names: &str| {
        for name in names.split(' ') {
            assert!(value.get(name).is_some(), "{name} is not in {:?}", keys(value));
        }
    };
    assert_eq!(value["schema"], "hetero.report/1");
    has(&value, "schema workload command version seed machine input runs result plan warnings");
    has(&value["machine"], "cpu cores threads memory_bytes os");
    has(&value["input"], "items item source");
    let gpu = &value["runs"][0];
    has(gpu, "backend adapter precision threads chunks seconds phases items_per_second limit speedup verify");
    has(&gpu["adapter"], "name type api driver software");
    has(&gpu["seconds"], "median low high min n");
    has(&gpu["phases"], "open compile upload kernel download merge verify");
    has(&gpu["speedup"]["seq"], "ratio low high verdict kernel_ratio baseline_seconds");
    has(&gpu["verify"], "status class checked max_abs max_rel bound independent first_bad");
    let cpu = &value["runs"][2];
    has(&cpu["limit"], "binding fraction ceiling");
    assert!(cpu["adapter"].is_null() && cpu["pinned"] == true && gpu["pinned"].is_null());
    assert_eq!(
        (&gpu["precision"], &gpu["adapter"]["software"], &cpu["limit"]["binding"], &gpu["verify"]["class"]),
        (&"mixed".into(), &true.into(), &"bandwidth".into(), &"bounded".into())
    );
    assert_eq!(gpu["speedup"]["cpu"]["verdict"], "slower");
}

#[test]
fn numbers_that_are_not_finite_are_null() {
    let mut cpu = samples::cpu();
    cpu.verification.max_abs = f64::INFINITY;
    cpu.verification.bound = f64::NAN;
    let value: serde_json::Value =
        serde_json::from_str(&json::json(&build(samples::inputs(vec![cpu])))).expect("valid JSON");
    assert!(value["runs"][0]["verify"]["max_abs"].is_null() && value["runs"][0]["verify"]["bound"].is_null());
}

#[test]
fn software_adapters_are_always_named_as_such() {
    let report = all_three();
    let value: serde_json::Value = serde_json::from_str(&json::json(&report)).unwrap();
    assert_eq!(value["runs"][0]["adapter"]["software"], true);
    for form in [table::table(&report, PLAIN), markdown::markdown(&report)] {
        assert!(form.contains(SOFTWARE), "{form}");
    }
    // However long the adapter's name is.
    let mut gpu = samples::gpu();
    gpu.facts.adapter.as_mut().unwrap().name = "very long name ".repeat(20);
    let report = build(samples::inputs(vec![gpu]));
    check_layout(&report);
    assert!(table::table(&report, PLAIN).contains(SOFTWARE));
}

#[test]
fn names_cannot_move_the_cursor_or_break_a_form() {
    let mut inputs = samples::inputs(vec![samples::gpu()]);
    inputs.input.source = "evil\x1b[2J\n|,\"file\".vtu".into();
    inputs.rows[0].facts.adapter.as_mut().unwrap().name = "a\x1b]0;b\x07,\"c\"\n|d".into();
    let report = build(inputs);
    check_layout(&report);
    assert!(!table::table(&report, PLAIN).contains('\x1b'));
    let text = csv::csv(&report);
    assert!(text.contains(",\"a\x1b]0;b\x07,\"\"c\"\"\n|d\","), "{text:?}");
    let text = markdown::markdown(&report);
    assert!(!text.contains('\x1b') && text.contains("\"c\"?\\|d"), "{text}");
}

#[test]
fn extreme_numbers_still_fit() {
    for scale in [1e-4, 1e-2, 1.0, 3e5] {
        let mut rows = vec![samples::gpu(), samples::cpu(), samples::seq()];
        for row in &mut rows {
            row.facts.threads *= 256;
            row.precision = Precision::Integer;
            row.verification.items = u64::MAX;
            row.verification.checked = u64::MAX;
            for (i, sample) in row.samples.iter_mut().enumerate() {
                sample.kernel *= scale * if i % 2 == 0 { 1.0 } else { 7.0 };
            }
        }
        rows[0].facts.id = "gpu:12".into();
        let mut inputs = samples::inputs(rows);
        inputs.input.items = u64::MAX;
        inputs.input.item = "integration point";
        inputs.input.source = "a/very/long/path/".repeat(20) + "mesh.vtu";
        check_layout(&build(inputs));
    }
}

#[test]
fn colours_mark_verdicts() {
    let text = table::table(&failed(), Style { ascii: false, colour: true });
    assert!(text.contains("\x1b[1;31mFAIL\x1b[0m") && text.contains("\x1b[32mpass\x1b[0m"), "{text:?}");
    assert!(text.contains('×') && text.contains('─'));
}

#[test]
fn csv_has_one_line_per_backend() {
    insta::assert_snapshot!(csv::csv(&all_three()), @r#"
    workload,items,item,backend,adapter,adapter_type,api,driver,software,precision,threads,simd,pinned,chunks,runs,median_seconds,low_seconds,high_seconds,min_seconds,open_seconds,compile_seconds,upload_seconds,kernel_seconds,download_seconds,merge_seconds,verify_seconds,kernel_median_seconds,warm_median_seconds,device_seconds,items_per_second,bytes_per_second,flops_per_second,limit,limit_fraction,speedup_seq,speedup_seq_low,speedup_seq_high,speedup_seq_verdict,speedup_seq_kernel,baseline_seq_seconds,speedup_cpu,speedup_cpu_low,speedup_cpu_high,speedup_cpu_verdict,speedup_cpu_kernel,baseline_cpu_seconds,verify,class,checked,max_abs,max_rel,bound,first_bad
    stress,1000000,element,gpu,"llvmpipe (LLVM 15.0.6, 256 bits)",cpu,vulkan,llvmpipe Mesa 22.3.6,true,mixed,1,avx512,,12,10,0.10524000000000001,0.10500000000000001,0.10548000000000002,0.10500000000000001,0.028,0.041,0.004,0.03024,0.002,0.0,0.0021,0.03024,0.03624,0.029,9502090.459901176,6613756613.756614,9920634920.63492,,,0.47890535917901933,0.4740235115661736,0.4838095238095238,slower,1.6666666666666667,0.0504,0.09289243633599391,0.09196056124383768,0.09382857142857141,slower,0.31666666666666665,0.009776,pass,bounded,1056,2.5e-10,1.5e-12,4e-9,
    stress,1000000,element,seq,,,,,,f64,1,baseline,,12,10,0.0504,0.05,0.050800000000000005,0.05,0.0,0.0,0.0,0.0504,0.0,0.0,0.0021,0.0504,0.0504,,19841269.84126984,3968253968.2539682,5952380952.380952,bandwidth,0.1603835978835979,,,,,,,0.19396825396825396,0.19094488188976377,0.19704,slower,0.18999999999999997,0.009776,pass,bounded,1056,2.5e-10,1.5e-12,4e-9,
    stress,1000000,element,cpu,,,,,,f64,2,avx512,true,12,10,0.009776,0.0097,0.009852,0.0097,0.0002,0.0,0.0,0.009576,0.0,0.0,0.0021,0.009576,0.009576,,102291325.69558102,20885547201.336678,31328320802.005013,bandwidth,0.8441241993873575,5.155482815057283,5.075111652456354,5.237113402061856,faster,5.2631578947368425,0.0504,,,,,,,pass,bounded,1056,2.5e-10,1.5e-12,4e-9,
    "#);
}

#[test]
fn markdown_has_both_tables() {
    insta::assert_snapshot!(markdown::markdown(&all_three()), @r"
    ### stress: 1_000_000 elements

    generated, seed 42, hetero 0.1.0  
    Example CPU 9000, 2 cores, 2 of 4 threads usable, avx512, 24.0 GiB, Example Linux 12

    | backend | threads | precision | end to end [95 %] | kernel only | elements/s | limit | verified |
    | --- | --: | --- | --: | --: | --: | --- | --- |
    | gpu<br>software adapter, not a GPU: llvmpipe (LLVM 15.0.6, 256 bits) (vulkan, llvmpipe Mesa 22.3.6) | 1 | mixed | 105.2 ms [105.0, 105.5] | 30.2 ms | 9.50 M | not measured | pass |
    | seq | 1 | f64 | 50.4 ms [50.0, 50.8] | 50.4 ms | 19.8 M | bandwidth 16 % | pass |
    | cpu | 2 | f64 | 9.78 ms [9.70, 9.85] | 9.58 ms | 102 M | bandwidth 84 % | pass |

    | speedup | end to end [interval] | verdict | time | baseline's | kernel only |
    | --- | --: | --- | --: | --: | --: |
    | gpu mixed vs seq f64 | 0.479x [0.474, 0.484] | slower | 105 ms | 50.4 ms | 1.67x |
    | gpu mixed vs cpu f64 | 0.0929x [0.0920, 0.0938] | slower | 105 ms | 9.78 ms | 0.317x |
    | cpu vs seq | 5.16x [5.08, 5.24] | faster | 9.78 ms | 50.4 ms | 5.26x |

    - gpu verified: 1_056 of 1_000_000 items recomputed, largest deviation 2.5e-10 of 4.0e-9 allowed; linear field: 1.0e-12 of 1.0e-9 allowed
    - seq verified: 1_056 of 1_000_000 items recomputed, largest deviation 2.5e-10 of 4.0e-9 allowed; linear field: 1.0e-12 of 1.0e-9 allowed
    - cpu verified: 1_056 of 1_000_000 items recomputed, largest deviation 2.5e-10 of 4.0e-9 allowed; linear field: 1.0e-12 of 1.0e-9 allowed
    - largest von Mises stress: 203.549 at element 2095, point 1
    ");
}

#[test]
fn an_empty_report_is_still_a_report() {
    let report = build(samples::inputs(Vec::new()));
    check_layout(&report);
    assert_eq!(csv::csv(&report), "");
    assert!(json::json(&report).contains("\"runs\": []"));
}
