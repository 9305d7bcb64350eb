use proptest::prelude::*;

use super::*;

fn key() -> Key {
    Key { version: "1".into(), cpu: "a cpu".into(), threads: 2, simd: "avx2".into() }
}

fn kernel_time(kernel: f64) -> Times {
    Times { kernel, ..Times::default() }
}

#[test]
fn one_spike_changes_nothing_and_a_changed_machine_is_believed_in_the_end() {
    let mut robust = Robust::default();
    assert_eq!(robust.value(), None);
    robust.add(2.0);
    robust.add(50.0);
    assert_eq!(robust.value(), Some(2.0), "of two the smaller");
    for _ in 0..3 {
        robust.add(2.0);
    }
    for wrong in [f64::NAN, f64::INFINITY, -1.0] {
        robust.add(wrong);
        assert_eq!(robust.value(), Some(2.0));
    }
    for _ in 0..3 {
        robust.add(3.0);
    }
    assert_eq!((robust.value(), robust.count()), (Some(3.0), 5));
    assert_eq!(Robust::of(0.000_123_456_789).value(), Some(1.235e-4), "four digits");
}

#[test]
fn a_curve_goes_through_its_points_and_on_in_proportion() {
    let mut curve = Curve::default();
    assert_eq!(curve.at(1e6, 0.0), None);
    for cost in [1e3, 1e5, 1e7] {
        curve.add(cost, &kernel_time(1e-5 + cost * 1e-9));
    }
    let at = |cost: f64| curve.at(cost, 8e-6).unwrap().kernel;
    for cost in [1e3, 1e5, 1e7] {
        assert!((at(cost) / (1e-5 + cost * 1e-9) - 1.0).abs() < 1e-3);
    }
    assert!((at(1e9) / at(1e7) - 100.0).abs() < 1e-9);
    assert_eq!(at(1.0), 8e-6, "no less than a run with nothing to do");
    assert_eq!(curve.range(), Some((1e3, 1e7)));
}

#[test]
fn another_adapter_driver_or_code_starts_anew() {
    let adapter = |driver: &str| AdapterKey {
        name: "card".into(),
        kind: "discrete".into(),
        api: "vulkan".into(),
        driver: driver.into(),
        software: false,
        max_binding: 0,
        memory: 0,
        lacks: Vec::new(),
    };
    let mut profile = Profile::new(key());
    profile.backend_mut("gpu", Some(&adapter("1")), 1).kernel_mut("pi", "integer", 7).compile.add(0.5);
    let known = |profile: &Profile, hash: u64| profile.backend("gpu").unwrap().kernel("pi", "integer", hash).is_some();
    assert!(known(&profile, 7) && !known(&profile, 8));
    profile.backend_mut("gpu", Some(&adapter("1")), 1).kernel_mut("pi", "integer", 8);
    assert!(known(&profile, 8) && known(&profile, 7), "one name may stand for several texts");
    for hash in [9, 10, 11, 12, 13, 14, 15, 8] {
        profile.backend_mut("gpu", Some(&adapter("1")), 1).kernel_mut("pi", "integer", hash);
    }
    assert!(known(&profile, 8) && !known(&profile, 7), "and old code is forgotten in time");
    let failed = AdapterKey { lacks: vec!["f64".into()], memory: 9, ..adapter("1") };
    profile.backend_mut("gpu", Some(&failed), 1);
    profile.backend_mut("gpu", Some(&AdapterKey { lacks: vec![], ..failed.clone() }), 1);
    assert!(known(&profile, 8), "a test that failed is no other adapter");
    assert_eq!(profile.backend("gpu").unwrap().adapter.as_ref(), Some(&failed), "and is not forgotten");
    profile.backend_mut("gpu", Some(&adapter("2")), 1);
    assert!(!known(&profile, 8), "a new driver knows nothing");
    assert_eq!(profile.backends.len(), 1);
}

#[test]
fn a_profile_survives_its_file_and_foreign_ones_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep").join("profile.json");
    let mut profile = Profile::new(key());
    profile.host.read.push(Rate { bytes: 1e6, per_second: 2e10 });
    profile.backend_mut("cpu", None, 2).kernel_mut("pi", "integer", 0).curve.add(1e6, &kernel_time(0.1));
    profile.write(&path).unwrap();
    assert_eq!(Profile::read(&path).unwrap(), profile);
    assert_eq!(profile.foreign(&key()), None);
    for (other, word) in [
        (Key { version: "2".into(), ..key() }, "hetero"),
        (Key { cpu: "b".into(), ..key() }, "processor"),
        (Key { threads: 3, ..key() }, "threads"),
        (Key { simd: "avx512".into(), ..key() }, "instruction set"),
    ] {
        assert!(profile.foreign(&other).unwrap().contains(word));
    }
    for broken in [
        "",
        "{}",
        "[1]",
        "{\"schema\":\"hetero.profile/9\",\"key\":{\"version\":\"1\",\"cpu\":\"\",\"threads\":1,\"simd\":\"\"}}",
    ] {
        std::fs::write(&path, broken).unwrap();
        assert_eq!(Profile::read(&path).unwrap_err().exit_code(), 3, "{broken}");
    }
    assert_eq!(Profile::read(folder.path()).unwrap_err().exit_code(), 3);
}

#[test]
fn copies_follow_the_measured_sizes() {
    let rates = [Rate { bytes: 1e3, per_second: 1e8 }, Rate { bytes: 1e6, per_second: 1e10 }];
    assert_eq!(copy_seconds(&[], 1.0), None);
    assert!((copy_seconds(&rates, 1e7).unwrap() - 1e-3).abs() < 1e-12);
    let between = copy_seconds(&rates, 1e5).unwrap();
    assert!(between > 1e-5 && between < 1e-4, "{between}");
}

#[test]
fn what_was_not_measured_this_time_is_kept() {
    let mut old = Profile::new(key());
    old.backend_mut("gpu", None, 1).open.add(1.0);
    let cpu = old.backend_mut("cpu", None, 2);
    cpu.launch.add(9.0);
    cpu.kernel_mut("pi", "integer", 0).curve.add(1e3, &kernel_time(9.0));
    cpu.kernel_mut("tet4", "f32", 0).curve.add(1e3, &kernel_time(9.0));
    let mut new = Profile::new(key());
    let cpu = new.backend_mut("cpu", None, 2);
    cpu.launch.add(1.0);
    cpu.kernel_mut("pi", "integer", 0).curve.add(1e3, &kernel_time(1.0));
    new.keep(old.clone());
    let cpu = new.backend("cpu").unwrap();
    assert_eq!(cpu.launch.value(), Some(1.0));
    assert_eq!(cpu.kernel("pi", "integer", 0).unwrap().curve.at(1e3, 0.0).unwrap().kernel, 1.0);
    assert_eq!(cpu.kernel("tet4", "f32", 0).unwrap().curve.at(1e3, 0.0).unwrap().kernel, 9.0);
    assert!(new.backend("gpu").is_some());
    let mut four = Profile::new(key());
    four.backend_mut("cpu", None, 4);
    four.keep(old);
    assert!(four.backend("cpu").unwrap().kernels.is_empty(), "other threads are another backend");
}

proptest! {
    /// A curve never falls below its smallest nor above its largest neighbour between two points.
    #[test]
    fn between_two_points_lies_between_them(costs in prop::collection::btree_set(1u32..40, 2..10), seconds in prop::collection::vec(1e-7..10.0f64, 10), at in 0.0..1.0f64) {
        let mut curve = Curve::default();
        let points: Vec<(f64, f64)> = costs.iter().zip(&seconds).map(|(e, s)| (f64::from(*e).exp2(), *s)).collect();
        for (cost, seconds) in &points {
            curve.add(*cost, &kernel_time(*seconds));
        }
        for pair in points.windows(2) {
            let cost = pair[0].0 + at * (pair[1].0 - pair[0].0);
            let found = curve.at(cost, 0.0).unwrap().kernel;
            let (low, high) = (pair[0].1.min(pair[1].1), pair[0].1.max(pair[1].1));
            prop_assert!(found >= low * (1.0 - 1e-3) && found <= high * (1.0 + 1e-3));
        }
    }
}

#[test]
fn phases_that_took_no_time_take_no_place() {
    let mut curve = Curve::default();
    for cost in [100.0, 200.0] {
        curve.add(cost, &Times { kernel: cost / 1024.0, ..Times::default() });
    }
    let text = serde_json::to_string(&curve).unwrap();
    assert!(text.contains("kernel") && !text.contains("upload") && !text.contains("merge"), "{text}");
    let back: Curve = serde_json::from_str(&text).unwrap();
    assert_eq!(back.at(200.0, 0.0), curve.at(200.0, 0.0));
    let broken: Curve = serde_json::from_str(r#"{"class": 1}"#).unwrap();
    assert!(broken.is_empty() && broken.at(1.0, 0.0).is_none());
    // A point that has a phase beside one that has not.
    let mut copies = back;
    copies.add(800.0, &Times { upload: 1e-3, kernel: 8e-4, ..Times::default() });
    let upload = copies.at(400.0, 0.0).unwrap().upload;
    assert!(upload > 0.0 && upload < 1e-3, "{upload}");
}
