//! The check of `fetch` against wrong files, and its list of URLs.

use std::time::Duration;

use super::*;
use crate::job::Output;

fn job(count: u64) -> FetchJob {
    let files = Files { latency: Duration::ZERO, size: 40, seed: 3 };
    let wanted = Wanted { modes: vec![Mode::Seq, Mode::Async], at_once: 4, verify_twice: false, keep: true };
    FetchJob::new(Where::own(files, count), wanted, Settings::default())
}

/// Runs all steps.
fn outputs(job: &FetchJob) -> Vec<Output> {
    let host = crate::job::Host { simd: crate::simd::Simd::detect(), pool: None, done: None };
    let mut outputs: Vec<Output> = Vec::new();
    for step in job.steps(crate::job::Precision::Integer).unwrap() {
        let crate::job::Step::Whole(whole) = step else { panic!("fetch has whole steps") };
        let mut output = Output::for_kernel(whole.as_ref()).unwrap();
        whole.solve(&host, &outputs, &mut output).unwrap();
        outputs.push(output);
    }
    outputs
}

#[test]
fn right_files_pass_and_wrong_ones_do_not() {
    let job = job(7);
    let mut outputs = outputs(&job);
    let answer = job.finish(&outputs).unwrap();
    assert_eq!((&answer.json["urls"], &answer.json["bytes"]), (&7.into(), &280.into()));
    let passes = |outputs: &[Output], answer: &crate::job::Answer| job.check(outputs, answer).unwrap().passed();
    assert!(passes(&outputs, &answer));
    job.unsolved(&outputs).unwrap();
    // Another byte, another length, a file that did not come, a wrong sum, a wrong column: each is seen.
    let change = |change: &dyn Fn(&mut job::File), says: &str| {
        let right = job.read(|state| state.rounds[1].files[5].clone());
        job.write(|state| change(&mut state.rounds[1].files[5]));
        let check = job.check(&outputs, &answer).unwrap();
        assert!(!check.passed() && check.detail.contains(says), "{check:?}");
        job.write(|state| state.rounds[1].files[5] = right);
    };
    change(&|file| file.sha256 = Some([0; 32]), "file 5 (async) has other bytes");
    change(&|file| file.declared = Some(41), "has 40 bytes of Some(41)");
    change(
        &|file| {
            file.failure =
                Some(net::Failure { kind: net::Kind::Cut, status: None, why: "broke".into(), retry_after: None });
        },
        "file 5 (async) did not come: broke",
    );
    assert!(passes(&outputs, &answer));
    let mut wrong = answer.clone();
    wrong.json.insert("bytes".into(), 281.into());
    assert!(!passes(&outputs, &wrong));
    outputs[0].column_mut::<f64>(1)[2] = 41.0;
    assert!(!passes(&outputs, &answer));
}

#[test]
fn no_file_at_all_is_fine() {
    let job = job(0);
    let outputs = outputs(&job);
    let answer = job.finish(&outputs).unwrap();
    assert!(job.check(&outputs, &answer).unwrap().passed());
    assert_eq!(answer.json["failed"], 0);
}

#[test]
fn lists_have_comments_and_wrong_lines_are_named() {
    let read = |text: &str| listed(&Source::from_bytes("list.txt", text.into()));
    assert_eq!(read("# a\n http://h/a#b \nhttp://h/c # d\n").unwrap(), ["http://h/a#b", "http://h/c"]);
    assert_eq!(read("\u{feff}s3://bucket/key\r\n").unwrap(), ["s3://bucket/key"]);
    for (text, says) in [("http://h\nx", "list.txt:2: "), ("# nothing", "names no URL"), ("ftp://h/", "list.txt:1: ")] {
        let error = read(text).unwrap_err();
        assert!(error.exit_code() == 3 && error.to_string().contains(says), "{error}");
    }
}

#[test]
fn times_and_counts_read_as_people_write_them() {
    assert_eq!(latency("50ms").unwrap(), Duration::from_millis(50));
    assert_eq!(latency("0.2s").unwrap(), Duration::from_millis(200));
    assert_eq!(latency("0").unwrap(), Duration::ZERO);
    for bad in ["", "ms", "-1s", "61s", "nan", "inf", "1h"] {
        assert!(latency(bad).is_err(), "{bad}");
    }
    assert!(at_once("0").is_err() && at_once("1e6").is_err() && at_once("1_000").unwrap() == 1000);
    assert!(count("1e7").is_ok() && count("1e8").is_err());
}

#[test]
fn hundreds_at_once_are_shared_by_threads_and_all_come() {
    let files = Files { latency: Duration::ZERO, size: 40, seed: 3 };
    let wanted = Wanted { modes: vec![Mode::Async], at_once: 600, verify_twice: false, keep: false };
    let job = FetchJob::new(Where::own(files, 1100), wanted, Settings::default());
    let outputs = outputs(&job);
    let answer = job.finish(&outputs).unwrap();
    assert_eq!((&answer.json["bytes"], &answer.json["failed"]), (&44_000.into(), &0.into()));
    assert!(job.check(&outputs, &answer).unwrap().passed());
}
