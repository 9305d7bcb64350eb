use super::*;

/// What a device that computes exactly like the host would answer.
fn host(cases: &[FloatCase]) -> Vec<u32> {
    let answer = |(x, [a, b, c]): &FloatCase| {
        let (s, d) = (a + b, a - b);
        let t = s - a;
        let error = (a - (s - t)) + (b - t);
        [*x as f32, d + c, d + c, error, error, a.mul_add(*b, *c), a * b + c, *a].map(f32::to_bits)
    };
    cases.iter().flat_map(answer).collect()
}

#[test]
fn the_judge_accepts_the_host_and_sees_each_flaw() {
    let cases = float_cases();
    let right = host(&cases);
    let sound = judge_floats(&cases, &right);
    assert!(sound.conversions && sound.differences && sound.opaque_differences && sound.two_sum);
    assert!(sound.opaque_two_sum && sound.fma_fused && sound.denormals);
    assert!(!sound.contracts, "a * b + c rounds twice on the host");
    let flawed = |word: usize, flaw: &dyn Fn(&FloatCase) -> f32| {
        let mut got = right.clone();
        for (case, words) in cases.iter().zip(got.chunks_exact_mut(8)) {
            words[word] = flaw(case).to_bits();
        }
        judge_floats(&cases, &got)
    };
    let truncated =
        |x: u32| f32::from_bits(((x as f32).to_bits()).wrapping_sub(u32::from(x as f32 as f64 > f64::from(x))));
    assert!(!flawed(0, &|(x, _)| truncated(*x)).conversions);
    assert!(!flawed(1, &|(_, [a, b, c])| a - (b - c)).differences);
    assert!(!flawed(2, &|(_, [a, b, c])| (a + c) - b).opaque_differences);
    assert!(!flawed(3, &|_| 0.0).two_sum);
    assert!(!flawed(5, &|(_, [a, b, c])| a * b + c).fma_fused);
    assert!(flawed(6, &|(_, [a, b, c])| a.mul_add(*b, *c)).contracts);
    assert!(!flawed(7, &|(_, [a, ..])| if a.is_normal() { *a } else { 0.0 }).denormals);
}

#[test]
fn the_double_judge_sees_f32_arithmetic() {
    let cases = double_cases();
    let exact = |[a, b]: &[f64; 2]| [a + b, a - b, a * b, a / b, (a * a).sqrt(), f64::from(*a as f32)];
    let right: Vec<f64> = cases.iter().flat_map(exact).collect();
    assert!(judge_doubles(&cases, &right));
    let single: Vec<f64> = right.iter().map(|x| f64::from(*x as f32)).collect();
    assert!(!judge_doubles(&cases, &single));
    assert!(!judge_doubles(&cases, &right[..6]));
}

#[test]
fn the_host_gives_the_published_answers() {
    let (input, expected) = integer_cases();
    for (case, words) in input.chunks_exact(6).zip(expected.chunks_exact(4)) {
        let counter = [case[0], case[1], case[2], case[3]];
        assert_eq!(philox4x32_10(counter, [case[4], case[5]]), words);
    }
}

#[test]
fn a_part_that_did_not_run_is_neither_passed_nor_failed() {
    let test = SelfTest::default();
    assert_eq!(test.has(Capability::HiLo), None);
    assert_eq!(test.max_iterations(), SAFE_ITERATIONS);
    assert_eq!(SelfTest { loops: Some(0), ..test.clone() }.max_iterations(), 0);
    assert_eq!(SelfTest { integers: Some(true), ..test }.capabilities(), [Capability::Integers]);
}
