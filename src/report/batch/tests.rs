//! The forms of a batch, from made-up cases.

use super::*;
use crate::measure::verify::Status as Verified;
use crate::report::style::WIDTH;
use crate::report::{build, samples};

fn case(index: usize) -> Case {
    let third = index as f64 / 3.0;
    Case {
        index,
        input: format!("cases/of/a/longer/path/plate_{index}.vtu"),
        output: Some(format!("out/plate_{index}.vtu")),
        status: Status::Delivered,
        backend: Some("cpu".into()),
        items: Some(1000 * index as u64),
        seconds: Seconds {
            read: Some(0.001 * third),
            compute: Some(0.0002 * third),
            verify: Some(0.0001 * third),
            write: Some(0.004 * third),
        },
        verify: Some(samples::verification()),
        result: serde_json::from_str(r#"{"elements": 7, "model": "solid", "max_von_mises": {"value": 1}}"#).unwrap(),
        headline: Some("2.035490e8 at element 2095, point 1".into()),
        error: None,
        exit_code: 0,
        warnings: Vec::new(),
    }
}

fn failed(index: usize) -> Case {
    let input = format!("bad{index}.vtu");
    Case {
        error: Some(format!("{input}:7: the file ends in the middle of a number")),
        exit_code: 3,
        status: Status::Failed,
        output: None,
        backend: None,
        items: None,
        seconds: Seconds { read: Some(0.1), ..Seconds::default() },
        verify: None,
        result: serde_json::Map::new(),
        headline: None,
        input,
        ..case(index)
    }
}

fn report(cases: Vec<Case>) -> Report {
    let mut inputs = samples::inputs(vec![samples::cpu()]);
    inputs.baselines = Vec::new();
    inputs.answer = crate::job::Answer { lines: vec![("cases".into(), cases.len().to_string())], ..Default::default() };
    Report { batch: Some(Batch::of(cases, 2, 1, 0.0824)), ..build(inputs) }
}

#[test]
fn a_few_cases_are_all_shown() {
    let mut wrong = case(3);
    wrong.verify.as_mut().unwrap().status = Verified::Fail;
    (wrong.status, wrong.error, wrong.exit_code) = (Status::Failed, Some("verification failed: cpu: no".into()), 8);
    let skipped = Case { status: Status::Skipped, verify: None, headline: None, ..case(4) };
    let report = report(vec![case(1), failed(2), wrong, skipped]);
    let text = super::super::forms::form(&report, "table", Style { ascii: true, colour: false });
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH && !line.ends_with(' ')), "{text}");
    insta::assert_snapshot!(text, @r"
    stress: 1_000_000 elements, generated, seed 42
    machine  Example CPU 9000, 2 cores, 2 of 4 threads usable, avx512, 24.0 GiB, Example Linux 12
    plan     cpu: asked for with --backend
    backend  cpu in f64 with 2 threads

    lane     threads     busy  share of the wall time
    -------------------------------------------------
    read           2   103 ms                    62 %
    compute        1   533 us                     1 %
    verify         1   267 us                     0 %
    write          1  10.7 ms                    13 %
    wall time 82.4 ms, 1.61x the longest lane (read, 51.3 ms)

    case                    elements     read  compute   verify    write  verified  result
    --------------------------------------------------------------------------------------------------
    ...er/path/plate_1.vtu     1_000   333 us  66.7 us  33.3 us  1.33 ms  pass      2.035490e8 at e...
    bad2.vtu                       -   100 ms        -        -        -  -
        :7: the file ends in the middle of a number
    ...er/path/plate_3.vtu     3_000  1.00 ms   200 us   100 us  4.00 ms  FAIL      2.035490e8 at e...
        verification failed: cpu: no
    ...er/path/plate_4.vtu     4_000  1.33 ms   267 us   133 us  5.33 ms  skipped

    verified cpu pass: 1_056 of 1_000_000 items recomputed, largest deviation 2.5e-10 of 4.0e-9 allowed;
                 linear field: 1.0e-12 of 1.0e-9 allowed

    cases  4
    ");
}

#[test]
fn of_many_cases_the_failed_ones_are_shown() {
    let cases = (1..=200).map(|i| if i % 50 == 0 { failed(i) } else { case(i) }).collect();
    let report = report(cases);
    let text = super::super::forms::form(&report, "table", Style { ascii: false, colour: false });
    let rows = text.lines().filter(|line| line.contains(".vtu")).count();
    assert_eq!(rows, ROWS);
    assert!(["bad50.vtu", "bad200.vtu", "and 160 more"].iter().all(|part| text.contains(part)), "{text}");
    assert_eq!(csv(&report, report.batch.as_ref().unwrap()).lines().count(), 201);
    let text = super::super::forms::form(&report, "markdown", Style::default());
    let is_case = |line: &&str| line.contains("plate_") || line.contains("ends in the middle");
    assert_eq!(text.lines().filter(is_case).count(), 200);
}

#[test]
fn lanes_and_cases_are_fields_of_the_one_report() {
    let report = report(vec![case(1), failed(2)]);
    let json: serde_json::Value = serde_json::from_str(&crate::report::json::json(&report)).unwrap();
    assert_eq!((&json["schema"], &json["cases"][1]["exit_code"]), (&"hetero.report/1".into(), &3.into()));
    assert_eq!((&json["lanes"]["longest"], &json["lanes"]["read"]["threads"]), (&"read".into(), &2.into()));
    assert!(json.get("batch").is_none() && json["runs"][0]["verify"]["status"] == "pass");
    let csv = csv(&report, report.batch.as_ref().unwrap());
    assert!(csv.lines().next().unwrap().ends_with("error,result_elements,result_model"), "{csv}");
    assert!(csv.lines().nth(1).unwrap().ends_with(",7,solid") && csv.lines().nth(2).unwrap().ends_with(",,"), "{csv}");
}
