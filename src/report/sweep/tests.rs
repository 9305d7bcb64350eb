//! The comparison and its forms, from made-up measurements.

use std::path::Path;

use super::samples::{SIZES, failed, inputs, small, sweep};
use super::*;
use crate::measure::stats::Verdict;
use crate::report::style::{Style, WIDTH};

const PLAIN: Style = Style { ascii: true, colour: false };

/// No line is too long, ends in a space, or holds anything but ASCII in ASCII style.
fn check_layout(sweep: &Sweep) {
    for ascii in [true, false] {
        for line in table::table(sweep, Style { ascii, colour: false }).lines() {
            assert!(line.chars().count() <= WIDTH, "{} characters: {line}", line.chars().count());
            assert!(!line.ends_with(' ') && (!ascii || line.is_ascii()), "{line:?}");
        }
    }
}

fn saved(sweep: &Sweep) -> Saved {
    Saved::parse(Path::new("saved.json"), forms::json(sweep).as_bytes()).expect("what was written can be read")
}

#[test]
fn the_table() {
    check_layout(&sweep());
    insta::assert_snapshot!(table::table(&small(), PLAIN), @r"
    stress: axial, 1_000 to 10_000_000 elements, seed 42
    machine  Example CPU 9000, 2 cores, 2 of 4 threads usable, avx512, 24.0 GiB, Example Linux 12

    backend  threads  precision  opened in  compiled in
    ---------------------------------------------------
    seq            1  f64          0.00 ns            -
    cpu            2  f64           200 us            -
    gpu            1  mixed        28.0 ms      41.0 ms
        software adapter, not a GPU: llvmpipe (LLVM 15.0.6, 256 bits) (vulkan, llvmpipe Mesa 22.3.6)

      elements  backend  warm [95 %]           kernel only  vs cpu [interval]         verdict
    -----------------------------------------------------------------------------------------
         1_000  seq      4.04 us [4.00, 4.08]      4.04 us  1.50x [1.47, 1.53]        faster
                cpu      6.06 us [6.00, 6.12]      6.06 us
                gpu      81.1 us [80.3, 81.9]      40.5 us  0.0747x [0.0733, 0.0762]  slower
       100_000  seq      404 us [400, 408]          404 us  0.263x [0.257, 0.268]     slower
                cpu      106 us [105, 107]          106 us
                gpu      111 us [110, 112]         50.5 us  0.955x [0.936, 0.974]     unclear
    10_000_000  seq      40.4 ms [40.0, 40.8]      40.4 ms  0.250x [0.245, 0.255]     slower
                cpu      10.1 ms [10.0, 10.2]      10.1 ms
                gpu      3.11 ms [3.08, 3.14]      1.05 ms  3.25x [3.18, 3.31]        faster
    9 of 9 rows verified against the f64 reference

    speedup over cpu, warm, both axes logarithmic
        3.2x |                                                           ....^ gpu
             |                                                 ..........
             |o...                                    .........
          1x |----.......--------------------.^.......------------------------ cpu
             |           ......          ....
             |                 ..........
             |                 .....  .......
             |            .....              .o..............................o seq
             |        ....
             |   .....
      0.075x |^..
             +----------------------------------------------------------------
              1.00 k                          100 k                     10.0 M

    faster than cpu from  start                   elements [interval]
    ---------------------------------------------------------------------------------------
    seq                   cold process            not at 10_000_000, only up to about 1_000
                          warm, data on the host  not at 10_000_000, only up to about 1_000
                          data on the device      not at 10_000_000, only up to about 1_000
    gpu                   cold process            never up to 10_000_000
                          warm, data on the host  119_000 [91_700, 143_000]
                          data on the device      27_400 [25_200, 29_900]
    ");
}

#[test]
fn the_table_of_a_wrong_row() {
    check_layout(&failed());
    let text = table::table(&failed(), PLAIN);
    assert!(text.contains("void: FAILED ITS CHECK") && text.contains("20 of 21 rows verified"), "{text}");
    let [wrong, skipped] = failed().warnings.try_into().unwrap();
    assert!(wrong.starts_with("gpu failed its verification at 100_000: element 17"), "{wrong}");
    assert!(skipped.starts_with("no backend ran at 1_099_511_627_776: the bars need 24.0 TiB"), "{skipped}");
}

#[test]
fn the_csv_form() {
    insta::assert_snapshot!(forms::csv(&small()).lines().take(4).collect::<Vec<_>>().join("\n"), @r#"
    workload,variant,size,items,item,backend,adapter,software,precision,threads,runs,cold_median_seconds,cold_low_seconds,cold_high_seconds,warm_median_seconds,warm_low_seconds,warm_high_seconds,kernel_median_seconds,kernel_low_seconds,kernel_high_seconds,baseline,cold_speedup,cold_speedup_low,cold_speedup_high,cold_verdict,warm_speedup,warm_speedup_low,warm_speedup_high,warm_verdict,kernel_speedup,kernel_speedup_low,kernel_speedup_high,kernel_verdict,verify,first_bad
    stress,axial,1000,1000,element,seq,,,f64,1,10,4.040000000000001e-6,4.000000000000001e-6,4.080000000000001e-6,4.040000000000001e-6,4.000000000000001e-6,4.080000000000001e-6,4.040000000000001e-6,4.000000000000001e-6,4.080000000000001e-6,cpu,51.00495049504949,50.49019607843137,51.529999999999994,faster,1.4999999999999998,1.4705882352941173,1.5299999999999998,faster,1.4999999999999998,1.4705882352941173,1.5299999999999998,faster,pass,
    stress,axial,1000,1000,element,cpu,,,f64,2,10,0.00020606000000000002,0.00020600000000000002,0.00020612,6.0600000000000004e-6,6e-6,6.12e-6,6.0600000000000004e-6,6e-6,6.12e-6,cpu,,,,,,,,,,,,,pass,
    stress,axial,1000,1000,element,gpu,"llvmpipe (LLVM 15.0.6, 256 bits)",true,mixed,1,10,0.069081103,0.06908030000000001,0.06908190600000001,8.110300000000001e-5,8.03e-5,8.190600000000001e-5,4.0501000000000004e-5,4.0100000000000006e-5,4.090200000000001e-5,cpu,0.0029828707280484504,0.002981967521278292,0.0029837739558166362,slower,0.074719800747198,0.0732547066149,0.07621419676214196,slower,0.14962593516209477,0.1466920932961713,0.15261845386533662,slower,pass,
    "#);
    let text = forms::csv(&sweep());
    let fields = text.lines().next().unwrap().split(',').count();
    assert_eq!(text.lines().count(), 1 + 3 * SIZES.len());
    let failed = forms::csv(&failed());
    let wrong = failed.lines().find(|line| line.contains("fail")).expect("a row failed");
    // The adapter's name holds a comma and the reason two, in quotes.
    assert_eq!(wrong.split(',').count(), fields + 3, "{wrong}");
    assert!(wrong.contains(&",".repeat(10)), "no times, no speedups: {wrong}");
}

#[test]
fn the_markdown_form() {
    insta::assert_snapshot!(forms::markdown(&small()), @r"
    ### stress: axial, by elements

    seed 42, hetero 0.1.0  
    Example CPU 9000, 2 cores, 2 of 4 threads usable, avx512, 24.0 GiB, Example Linux 12

    - seq: 1 thread, f64; opened in 0.00 ns
    - cpu: 2 threads, f64; opened in 200 us
    - gpu: 1 thread, mixed, software adapter, not a GPU: llvmpipe (LLVM 15.0.6, 256 bits) (vulkan, llvmpipe Mesa 22.3.6); opened in 28.0 ms, compiled in 41.0 ms

    | faster than cpu from | cold process | warm, data on the host | data on the device |
    | --- | --: | --: | --: |
    | seq | not at 10_000_000, only up to about 1_000 | not at 10_000_000, only up to about 1_000 | not at 10_000_000, only up to about 1_000 |
    | gpu | never up to 10_000_000 | 119_000 [91_700, 143_000] | 27_400 [25_200, 29_900] |

    | elements | backend | cold | warm | kernel only | vs cpu | verdict | verified |
    | --: | --- | --: | --: | --: | --: | --- | --- |
    | 1_000 | seq | 4.04 us | 4.04 us [4.00, 4.08] | 4.04 us | 1.50x [1.47, 1.53] | faster | pass |
    | 1_000 | cpu | 206 us | 6.06 us [6.00, 6.12] | 6.06 us | - | - | pass |
    | 1_000 | gpu | 69.1 ms | 81.1 us [80.3, 81.9] | 40.5 us | 0.0747x [0.0733, 0.0762] | slower | pass |
    | 100_000 | seq | 404 us | 404 us [400, 408] | 404 us | 0.263x [0.257, 0.268] | slower | pass |
    | 100_000 | cpu | 306 us | 106 us [105, 107] | 106 us | - | - | pass |
    | 100_000 | gpu | 69.1 ms | 111 us [110, 112] | 50.5 us | 0.955x [0.936, 0.974] | unclear | pass |
    | 10_000_000 | seq | 40.4 ms | 40.4 ms [40.0, 40.8] | 40.4 ms | 0.250x [0.245, 0.255] | slower | pass |
    | 10_000_000 | cpu | 10.3 ms | 10.1 ms [10.0, 10.2] | 10.1 ms | - | - | pass |
    | 10_000_000 | gpu | 72.1 ms | 3.11 ms [3.08, 3.14] | 1.05 ms | 3.25x [3.18, 3.31] | faster | pass |
    ");
}

#[test]
fn the_json_form_has_the_fields_of_its_schema() {
    let value: serde_json::Value = serde_json::from_str(&forms::json(&sweep())).unwrap();
    assert_eq!(value["schema"], "hetero.compare/1");
    let has = |value: &serde_json::Value, names: &str| {
        for name in names.split(' ') {
            assert!(value.get(name).is_some(), "{name} is not in {value:#}");
        }
    };
    has(&value, "workload variant command version seed machine item rules baseline backends rows break_even skipped");
    has(&value, "against warnings");
    has(&value["rules"], "runs passes min_runs max_runs budget_seconds warm_up row_limit_seconds");
    has(&value["backends"][2], "id threads simd adapter precision pinned open compile");
    let gpu = &value["rows"][2];
    has(
        gpu,
        "size items backend precision cold_seconds warm_seconds kernel_seconds samples kernel_samples speedup verify",
    );
    has(&gpu["speedup"]["warm"], "ratio low high verdict");
    has(&gpu["warm_seconds"], "median low high min n coverage");
    assert!(value["rows"][1]["speedup"]["warm"].is_null(), "the baseline is not compared with itself");
    let row =
        value["break_even"].as_array().unwrap().iter().find(|row| row["backend"] == "gpu" && row["start"] == "warm");
    assert_eq!(row.unwrap()["answer"], "at");
    has(row.unwrap(), "against size low high open");
}

#[test]
fn the_three_break_even_sizes_are_those_of_the_curves() {
    let sweep = sweep();
    let at = |start| match sweep.break_even_of("gpu", start) {
        Some(BreakEven::At { size, low, high, open: false }) => (*low, *size, *high),
        other => panic!("{start:?}: {other:?}"),
    };
    // Where the made-up times are equal: a + b n = c + d n. The sizes are a decade apart, so the straight lines between
    // them are off by up to h^2 / 8 times the curvature 1/4, 17 % in time: a tenth of a decade in size.
    for (start, truth) in
        [(Start::Cold, 0.0688739 / 0.7e-9), (Start::Warm, 75e-6 / 0.7e-9), (Start::Kernel, 35e-6 / 0.9e-9)]
    {
        let (low, size, high) = at(start);
        assert!(low < size && size < high, "{start:?}");
        assert!((size / truth).log10().abs() < 0.1, "{start:?}: {size:e} for {truth:e}");
    }
    assert!(at(Start::Kernel).1 < at(Start::Warm).1 && at(Start::Warm).1 < at(Start::Cold).1);
    // seq is faster at 1000 items, where the pool costs more than it gives; not at the largest.
    assert!(matches!(sweep.break_even_of("seq", Start::Warm), Some(BreakEven::Never { .. })));
    assert!(sweep.break_even_of("cpu", Start::Warm).is_none(), "the baseline has none");
}

#[test]
fn a_cold_start_is_the_first_one_of_the_process() {
    let mut inputs = inputs(&SIZES);
    for point in inputs.points.iter_mut().filter(|point| point.size > SIZES[0]) {
        (point.open, point.compile) = (0.0, 0.0);
    }
    assert_eq!(build(inputs), sweep(), "what opening took later does not count");
}

#[test]
fn a_wrong_row_has_no_times_and_no_ratios() {
    let sweep = failed();
    let row = sweep.rows.iter().find(|row| !row.verify.passed()).unwrap();
    assert!(Start::ALL.iter().all(|start| row.seconds(*start).is_none() && row.speedup(*start).is_none()));
    assert!(row.samples.is_empty() && row.kernel_samples.is_empty());
    // Nor does it count as the baseline of others.
    let mut inputs = inputs(&SIZES);
    for point in inputs.points.iter_mut().filter(|point| point.facts.id == "cpu") {
        point.verification.status = crate::measure::verify::Status::Fail;
    }
    let sweep = build(inputs);
    assert!(sweep.rows.iter().all(|row| row.speedup.warm.is_none()));
    assert!(sweep.break_even.iter().all(|row| row.answer == BreakEven::NotMeasured));
    check_layout(&sweep);
}

#[test]
fn skips_are_told_once() {
    let mut inputs = inputs(&[1000, 2000]);
    inputs.points.retain(|point| point.facts.id != "gpu");
    inputs.skipped = vec![
        (Some("gpu".into()), 1000, "no adapter".into()),
        (Some("gpu".into()), 2000, "no adapter".into()),
        (Some("seq".into()), 2000, "predicted 11 s a run".into()),
    ];
    let sweep = build(inputs);
    assert_eq!(sweep.warnings, ["gpu did not run: no adapter", "seq did not run at 2_000: predicted 11 s a run"]);
    check_layout(&sweep);
}

#[test]
fn strange_sweeps_are_still_laid_out() {
    check_layout(&build(inputs(&[])));
    check_layout(&build(inputs(&[7])));
    check_layout(&build(inputs(&[1, 1_000_000_000_000, 1_000_000_000_000_000])));
    let mut long = inputs(&SIZES);
    long.item = "integration point".into();
    long.variant = "very long variant ".repeat(20);
    for point in &mut long.points {
        point.facts.threads = 4096;
        if let Some(adapter) = &mut point.facts.adapter {
            point.facts.id = "gpu:12".into();
            adapter.name = "evil\x1b[2J name ".repeat(20);
        }
        for (i, sample) in point.samples.iter_mut().enumerate() {
            sample.kernel *= if i % 2 == 0 { 1.0 } else { 7.0 };
        }
    }
    check_layout(&build(long));
}

#[test]
fn the_words_of_every_answer() {
    let say = answer;
    assert_eq!(say(&BreakEven::Already { from: 1000.0 }), "already at 1_000");
    let at = BreakEven::At { size: 23_104.7, low: 19_050.0, high: 28_440.0, open: false };
    assert_eq!(say(&at), "23_100 [19_100, 28_400]");
    let open = BreakEven::At { size: 1000.0, low: 1000.0, high: 28_440.0, open: true };
    assert_eq!(say(&open), "1_000 [at most 1_000, 28_400]");
    assert_eq!(say(&BreakEven::Never { up_to: 1e7, once: None }), "never up to 10_000_000");
    assert_eq!(say(&BreakEven::Never { up_to: 1e7, once: Some(3e4) }), "not at 10_000_000, only up to about 30_000");
    assert_eq!(say(&BreakEven::Unclear { not_below: None }), "the runs do not tell");
    assert_eq!(say(&BreakEven::Unclear { not_below: Some(999.9) }), "the runs do not tell; not below 1_000");
    assert_eq!(say(&BreakEven::NotMeasured), "not measured");
}

#[test]
fn a_comparison_with_itself_is_the_same() {
    let now = sweep();
    let same = against::against(&now, &saved(&now), "saved.json");
    assert_eq!(same.rows.len(), now.rows.len());
    assert!(same.rows.iter().all(|row| row.ratio.verdict == Verdict::Same && (row.ratio.ratio - 1.0).abs() < 1e-14));
    assert!(same.only_before.is_empty() && same.only_now.is_empty() && same.warnings.is_empty(), "{same:?}");
    assert!(same.slower().is_empty());
}

#[test]
fn slower_and_faster_rows_are_found_and_one_sided_ones_named() {
    let before = saved(&sweep());
    let mut changed = inputs(&[1_000, 10_000, 100_000, 2_000_000]);
    for point in &mut changed.points {
        let factor = match (point.facts.id.as_str(), point.size) {
            ("cpu", 100_000) => 1.3,
            ("seq", 100_000) => 0.5,
            _ => 1.0,
        };
        point.samples.iter_mut().for_each(|sample| sample.kernel *= factor);
    }
    changed.machine.cpu = "Another CPU".into();
    let mut now = build(changed);
    let result = against::against(&now, &before, "before.json");
    let verdict = |backend: &str, items| {
        let row = result.rows.iter().find(|row| row.backend == backend && row.items == items).expect("in both");
        row.ratio.verdict
    };
    assert_eq!(verdict("cpu", 100_000), Verdict::Slower);
    assert_eq!(verdict("seq", 100_000), Verdict::Faster);
    assert_eq!(verdict("cpu", 10_000), Verdict::Same);
    assert_eq!(result.slower(), ["cpu f64 at 100_000: 138 us instead of 106 us"]);
    assert_eq!(result.only_now, ["seq f64 at 2_000_000", "cpu f64 at 2_000_000", "gpu mixed at 2_000_000"]);
    assert_eq!(result.only_before.len(), 12, "1e6 to 1e9: {:?}", result.only_before);
    assert_eq!(result.warnings.len(), 1, "{:?}", result.warnings);
    assert!(result.warnings[0].contains("Example CPU 9000") && result.warnings[0].contains("Another CPU"));
    now.against = Some(result);
    check_layout(&now);
    let text = table::table(&now, PLAIN);
    assert!(text.contains("against before.json") && text.contains("only now: seq f64 at 2_000_000"), "{text}");
    let text = forms::markdown(&now);
    assert!(text.contains("| 100_000 | cpu | 106 us | 138 us | 0.769x"), "{text}");
    let text = forms::csv(&now);
    assert!(
        text.lines().next().unwrap().ends_with("before_median_seconds,before_ratio,before_verdict,before_measured")
    );
    assert_eq!(text.lines().filter(|line| line.ends_with(",slower,1")).count(), 1);
}

/// The sweep of `factors[0]`, held against the one of [`sweep`] and then measured again as `hetero compare` does: the
/// cpu's time at 100_000 is multiplied by the next of `factors` at each measurement.
fn confirmed(factors: &[f64]) -> Sweep {
    let before = saved(&sweep());
    let times = |factor: f64, runs: &[Phases]| -> Vec<Phases> {
        runs.iter().map(|run| Phases { kernel: factor * run.kernel, ..*run }).collect()
    };
    let mut inputs = inputs(&SIZES);
    let at = inputs.points.iter().position(|point| point.facts.id == "cpu" && point.size == 100_000).unwrap();
    let quiet = inputs.points[at].samples.clone();
    inputs.points[at].samples = times(factors[0], &quiet);
    for next in 1.. {
        let mut now = build(inputs.clone());
        now.against = Some(against::against(&now, &before, "before.json"));
        match factors.get(next) {
            Some(factor) if !now.changed().is_empty() => {
                assert_eq!(now.changed(), [at], "nothing else is measured again");
                inputs.points[at].again.push(times(*factor, &quiet));
            }
            _ => return now,
        }
    }
    unreachable!("the loop returns")
}

#[test]
fn a_change_has_to_show_in_every_measurement() {
    let outcome = |factors: &[f64]| {
        let now = confirmed(factors);
        check_layout(&now);
        let result = now.against.unwrap();
        let row = result.rows.iter().find(|row| row.backend == "cpu" && row.items == 100_000).unwrap().clone();
        (row.ratio.verdict, row.measured, result.slower().len())
    };
    // Noise in the first pass, or in the first two, and in neither direction: not slower, and no reason to exit 8.
    assert_eq!(outcome(&[1.3, 1.0, 1.0]), (Verdict::Unclear, 2, 0));
    assert_eq!(outcome(&[1.3, 1.3, 1.0]), (Verdict::Unclear, 3, 0));
    assert_eq!(outcome(&[1.3, 0.5, 1.3]), (Verdict::Unclear, 2, 0));
    assert_eq!(outcome(&[0.5, 1.0, 0.5]), (Verdict::Unclear, 2, 0));
    // A real one: every time.
    assert_eq!(outcome(&[1.3, 1.2, 1.5]), (Verdict::Slower, 3, 1));
    assert_eq!(outcome(&[0.5, 0.6, 0.5]), (Verdict::Faster, 3, 0));
    // Without a change nothing is measured again.
    assert_eq!(outcome(&[1.0, 1.3, 1.3]), (Verdict::Same, 1, 0));
}

#[test]
fn what_spares_some_runs_is_not_a_slower_program() {
    let before = saved(&sweep());
    let slower = |quiet_runs: usize| {
        let mut inputs = inputs(&SIZES);
        let point = inputs.points.iter_mut().find(|point| point.facts.id == "cpu" && point.size == 100_000).unwrap();
        point.samples.iter_mut().skip(quiet_runs).for_each(|run| run.kernel *= 1.3);
        point.again = vec![point.samples.clone(); 2];
        let result = against::against(&build(inputs), &before, "before.json");
        let row = result.rows.iter().find(|row| row.backend == "cpu" && row.items == 100_000).unwrap();
        assert!(row.again.iter().all(|later| later.ratio.verdict == Verdict::Slower), "each by itself");
        result.slower().len()
    };
    assert_eq!(slower(0), 1, "a slower program has no run as fast as before");
    assert_eq!(slower(1), 0, "nine of ten runs disturbed");
}

#[test]
fn later_measurements_are_kept_and_told() {
    let now = confirmed(&[1.3, 1.2, 1.5]);
    let value: serde_json::Value = serde_json::from_str(&forms::json(&now)).unwrap();
    let rows = value["against"]["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["measured"] == 3).unwrap();
    assert_eq!((&row["verdict"], &row["backend"], &row["items"]), (&"slower".into(), &"cpu".into(), &100_000.into()));
    assert_eq!(row["again"].as_array().unwrap().len(), 2);
    assert!(row["again"][0]["ratio"].as_f64() > row["ratio"].as_f64(), "each has its own times");
    let kept: Vec<usize> = now.rows.iter().flat_map(|row| row.again_samples.iter().map(Vec::len)).collect();
    assert_eq!(kept, [10, 10], "every run of every measurement");
    // What is saved for later, and its speedups, are the first measurement's, which every row has.
    assert_eq!(now.rows.iter().map(|row| row.samples.len()).collect::<Vec<_>>(), [10; 21]);
    let text = table::table(&now, PLAIN);
    let line = text.lines().find(|line| line.ends_with("  3x")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("cpu") && line.contains("slower"), "{line}");
    assert!(text.contains("all rows: 1.00x (median)") && text.contains("measured again"), "{text}");
    let text = forms::markdown(&now);
    assert!(text.contains("| slower | 3x |") && text.contains("| same | 1x |"), "{text}");
    assert_eq!(forms::csv(&now).lines().filter(|line| line.ends_with(",slower,3")).count(), 1);
}

#[test]
fn a_row_that_is_wrong_when_measured_again_has_no_times() {
    let mut inputs = inputs(&SIZES);
    let runs = inputs.points[0].samples.clone();
    inputs.points[0].again.push(runs);
    inputs.points[0].verification.status = crate::measure::verify::Status::Fail;
    let now = build(inputs);
    assert!(now.rows[0].again_samples.is_empty() && now.rows[0].samples.is_empty());
    assert_eq!(against::against(&now, &saved(&sweep()), "x").only_before, ["seq f64 at 1_000"]);
}

#[test]
fn a_shift_of_the_whole_machine_shows_in_one_line() {
    let before = saved(&sweep());
    let mut inputs = inputs(&SIZES);
    for sample in inputs.points.iter_mut().flat_map(|point| &mut point.samples) {
        (sample.kernel, sample.upload) = (1.25 * sample.kernel, 1.25 * sample.upload);
    }
    let mut now = build(inputs);
    let result = against::against(&now, &before, "before.json");
    assert!((result.median_ratio.unwrap() - 0.8).abs() < 1e-12);
    now.against = Some(result);
    assert!(table::table(&now, PLAIN).contains("\nall rows: 0.800x (median)\n"));
    let none = against::against(&build(super::samples::inputs(&[])), &before, "x");
    assert!(none.median_ratio.is_none() && none.summary_lines("x").is_empty());
}

#[test]
fn a_row_that_became_wrong_is_on_one_side_only() {
    let result = against::against(&failed(), &saved(&sweep()), "x");
    assert_eq!(result.only_before, ["gpu mixed at 100_000"]);
    let result = against::against(&sweep(), &saved(&failed()), "x");
    assert_eq!(result.only_now, ["gpu mixed at 100_000"]);
}

#[test]
fn broken_saved_files_are_input_errors_with_their_place() {
    let whole = forms::json(&sweep());
    let parse = |text: &str| Saved::parse(Path::new("saved.json"), text.as_bytes());
    let value: serde_json::Value = serde_json::from_str(&whole).unwrap();
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = value.clone();
        change(&mut value);
        value.to_string()
    };
    let row = |field: &'static str, number: serde_json::Value| {
        with(&move |value| value["rows"][1]["warm_seconds"][field] = number.clone())
    };
    for (text, why) in [
        (String::new(), "EOF"),
        ("[]".into(), "not a comparison"),
        ("{\"schema\": 1}".into(), "not a comparison"),
        (format!("{{\"more\": {}", "[".repeat(100_000)), "EOF"),
        (whole[..whole.len() / 2].into(), "saved.json:"),
        (with(&|value| value["schema"] = "hetero.report/1".into()), "schema"),
        (with(&|value| value["rows"] = "many".into()), "a sequence"),
        (with(&|value| value["rows"][0]["items"] = (-1).into()), "u64"),
        (with(&|value| value["rows"][1] = value["rows"][0].clone()), "rows[1] is rows[0] once more"),
        (row("median", 0.0.into()), "not a positive"),
        (row("low", (-1.0).into()), "not a positive"),
        (row("low", 1e9.into()), "does not hold"),
        (row("high", 1e-30.into()), "does not hold"),
        (row("n", 0.into()), "0 runs"),
        (row("coverage", 1.5.into()), "1.5"),
        (row("median", serde_json::Value::Null), "invalid type: null"),
    ] {
        let error = parse(&text).expect_err(why);
        assert_eq!(error.exit_code(), 3);
        let message = error.to_string();
        assert!(message.contains(why) && message.contains("saved.json"), "{why}: {message}");
    }
    let saved = parse(&whole).unwrap();
    assert!(saved.check_job(Path::new("x"), "stress", "axial").is_ok());
    for (workload, variant) in [("pi", "axial"), ("stress", "tet4")] {
        assert_eq!(saved.check_job(Path::new("x"), workload, variant).unwrap_err().exit_code(), 3);
    }
}

proptest::proptest! {
    #[test]
    fn no_saved_file_is_too_strange(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let _ = Saved::parse(Path::new("x"), &bytes);
    }

    #[test]
    fn a_saved_file_with_a_flipped_byte_is_read_or_refused(at in 0usize..6000, byte: u8) {
        let mut bytes = forms::json(&sweep()).into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(saved) = Saved::parse(Path::new("x"), &bytes) {
            let _ = against::against(&sweep(), &saved, "x");
        }
    }
}
