//! The lanes with stages that tell what they do and wait for each other: what overlaps is seen in the order of events,
//! never in a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;

/// Longer than any test takes; a gate that stays shut fails the test instead of hanging it.
const LONG: Duration = Duration::from_secs(20);

const LIMITS: Limits = Limits { readers: 1, writers: 1, cases: 8, bytes: u64::MAX };

/// Runs `count` cases that are their own numbers.
fn lanes(
    count: usize,
    limits: Limits,
    control: &Control,
    read: &(dyn Fn(usize) -> Result<usize, Failure> + Sync),
    compute: &mut dyn FnMut(usize) -> Result<usize, Failure>,
    write: &(dyn Fn(usize) -> Result<usize, Failure> + Sync),
) -> (Result<()>, Vec<(usize, Result<usize>)>) {
    let mut told = Vec::new();
    let stages = Stages {
        bytes: &|case: &usize| *case as u64,
        read: &|_, case| read(case),
        compute: &mut |index, case| {
            assert_eq!(index, case, "in order");
            compute(case)
        },
        write: &|_, case| write(case),
        told: &mut |finished: Finished<usize>| told.push((finished.index, finished.result)),
    };
    let ended = run(0..count, stages, limits, control);
    (ended, told)
}

fn numbers(told: &[(usize, Result<usize>)]) -> Vec<usize> {
    told.iter().map(|(index, _)| *index).collect()
}

/// Waits until `gate` is opened.
fn pass(gate: &Mutex<Receiver<()>>) -> Result<(), Failure> {
    let waited = lock(gate).recv_timeout(LONG);
    waited.map_err(|_| Failure::Batch(Error::Internal("nobody opened the gate".into())))
}

#[test]
fn a_case_is_read_and_another_written_while_one_computes() {
    // Case 1 computes until case 2 was read and case 0 is being written; case 0 is written until case 1 has begun: only
    // lanes that run side by side come to an end.
    let ((read, was_read), (write, is_written), (compute, computes)) = (channel(), channel(), channel());
    let (was_read, is_written, computes) = (was_read, is_written, Mutex::new(computes));
    let (ended, told) = lanes(
        3,
        LIMITS,
        &Control::default(),
        &|case| {
            if case == 2 {
                read.send(()).unwrap();
            }
            Ok(case)
        },
        &mut |case| {
            if case == 1 {
                compute.send(()).unwrap();
                was_read.recv_timeout(LONG).expect("case 2 is read");
                is_written.recv_timeout(LONG).expect("case 0 is written");
            }
            Ok(case)
        },
        &|case| {
            if case == 0 {
                write.send(()).unwrap();
                pass(&computes)?;
            }
            Ok(case)
        },
    );
    assert_eq!(ended, Ok(()));
    assert_eq!(numbers(&told), [0, 1, 2]);
}

#[test]
fn readers_work_side_by_side_and_results_come_in_order() {
    // The first case is read only after the second one was: with one reader this would not end.
    let (open, gate) = channel();
    let gate = Mutex::new(gate);
    let limits = Limits { readers: 2, writers: 3, ..LIMITS };
    let read = |case| {
        match case {
            0 => pass(&gate)?,
            1 => open.send(()).unwrap(),
            _ => {}
        }
        Ok(case)
    };
    let (ended, told) = lanes(50, limits, &Control::default(), &read, &mut |case| Ok(2 * case), &|case| Ok(case));
    assert_eq!(ended, Ok(()));
    assert_eq!(told, (0..50).map(|case| (case, Ok(2 * case))).collect::<Vec<_>>());
}

#[test]
fn no_more_cases_or_bytes_are_inside_than_allowed() {
    for (cases, bytes) in [(1, u64::MAX), (3, u64::MAX), (100, 40), (100, 0)] {
        let limits = Limits { readers: 2, writers: 2, cases, bytes };
        let (inside, weight, most) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let read = |case: usize| {
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let now = weight.fetch_add(case, Ordering::SeqCst) + case;
            assert!(now as u64 <= bytes.max(case as u64), "{now} bytes inside");
            Ok(case)
        };
        let write = |case: usize| {
            weight.fetch_sub(case, Ordering::SeqCst);
            inside.fetch_sub(1, Ordering::SeqCst);
            Ok(case)
        };
        let (ended, told) = lanes(60, limits, &Control::default(), &read, &mut Ok, &write);
        assert_eq!((ended, told.len()), (Ok(()), 60));
        assert!((1..=cases).contains(&most.into_inner()));
    }
}

#[test]
fn a_bad_case_is_told_in_its_place_and_the_others_go_on() {
    let bad = |case| Failure::Case(Error::input(format!("{case}"), "bad"));
    let fail = |case, at: usize| if case % 7 == at { Err(bad(case)) } else { Ok(case) };
    let limits = Limits { readers: 2, ..LIMITS };
    let (ended, told) =
        lanes(40, limits, &Control::default(), &|case| fail(case, 1), &mut |case| fail(case, 3), &|case| fail(case, 5));
    assert_eq!(ended, Ok(()));
    for (at, (index, result)) in told.iter().enumerate() {
        assert_eq!(at, *index);
        assert_eq!(result.is_err(), [1, 3, 5].contains(&(at % 7)), "{at}");
    }
    assert_eq!(told.len(), 40);
}

#[test]
fn what_stops_all_stops_the_lanes_and_what_was_computed_is_written() {
    let stop = || Failure::Batch(Error::Device { backend: "gpu".into(), why: "lost".into() });
    let (ended, told) =
        lanes(1000, LIMITS, &Control::default(), &Ok, &mut |case| if case == 5 { Err(stop()) } else { Ok(case) }, &Ok);
    assert_eq!(ended.unwrap_err().exit_code(), 6);
    assert_eq!(numbers(&told), [0, 1, 2, 3, 4, 5]);
    assert!(told[..5].iter().all(|(_, result)| result.is_ok()) && told[5].1.is_err());
    // A disk that is full takes no further case either.
    let full = |case| if case == 3 { Err(Failure::Batch(Error::Resource("full".into()))) } else { Ok(case) };
    let (ended, told) = lanes(1000, LIMITS, &Control::default(), &Ok, &mut Ok, &full);
    assert_eq!(ended.unwrap_err().exit_code(), 7);
    assert_eq!(numbers(&told), [0, 1, 2, 3]);
    // A reader's failure, too.
    let read = |case| if case == 0 { Err(stop()) } else { Ok(case) };
    let (ended, told) = lanes(1000, LIMITS, &Control::default(), &read, &mut Ok, &Ok);
    assert_eq!((ended.unwrap_err().exit_code(), numbers(&told)), (6, vec![0]));
}

#[test]
fn a_panic_in_any_stage_is_an_internal_error_and_no_hang() {
    for stage in 0..5 {
        let panics = |at: usize, case: usize| {
            assert!(at != stage || case != 2, "on purpose");
            Ok(case)
        };
        let control = Control::default();
        let ended = match stage {
            3 | 4 => {
                let cases = (0..9).inspect(|case| assert!(stage != 3 || *case != 2, "on purpose"));
                let stages = Stages {
                    bytes: &|_: &usize| 0,
                    read: &|_, case| Ok(case),
                    compute: &mut |_, case: usize| Ok(case),
                    write: &|_, case| Ok(case),
                    told: &mut |finished: Finished<usize>| assert!(stage != 4 || finished.index != 2, "on purpose"),
                };
                run(cases, stages, LIMITS, &control)
            }
            _ => lanes(9, LIMITS, &control, &|c| panics(0, c), &mut |c| panics(1, c), &|c| panics(2, c)).0,
        };
        assert_eq!(ended.unwrap_err().exit_code(), 1, "stage {stage}");
    }
}

#[test]
fn a_signal_ends_all_lanes() {
    for stage in 0..3 {
        let control = Control::default();
        let signal = |at: usize, case: usize| {
            if at == stage && case == 4 {
                control.signal.store(2, Ordering::Relaxed);
            }
            Ok(case)
        };
        let endless = usize::MAX;
        let (ended, told) =
            lanes(endless, LIMITS, &control, &|c| signal(0, c), &mut |c| signal(1, c), &|c| signal(2, c));
        assert_eq!(ended, Err(Error::Signal(2)), "stage {stage}");
        assert!(told.len() <= 4 + LIMITS.cases + 1);
        assert_eq!(numbers(&told), (0..told.len()).collect::<Vec<_>>());
    }
}

#[test]
fn no_cases_are_no_trouble() {
    assert_eq!(lanes(0, LIMITS, &Control::default(), &Ok, &mut Ok, &Ok), (Ok(()), Vec::new()));
}
