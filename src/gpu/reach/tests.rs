use super::*;
use crate::gpu::device::on_own_thread;
use crate::gpu::pipeline::run_once;
use crate::gpu::testing::{adapter_or_skip, options};

/// The first `words` numbers that `name` writes for `b` and `c` with four workgroups.
fn run(name: &str, b: &[f32], c: &[f32], rounds: u32) -> Vec<f32> {
    let words = on_own_thread(|| {
        let device = Device::find("gpu", None, &options()).unwrap();
        let text = format!("alias real = f32;\n{TEXT}");
        let program = Program { name, source: &text, constants: &[], inputs: 2, workgroup: WORKGROUP };
        let pipeline = Pipeline::compile(&device, &program).unwrap();
        let uniform = [(b.len() / 4) as u32, rounds, 4 * WORKGROUP, 0];
        let inputs = [bytemuck::cast_slice(b), bytemuck::cast_slice(c)];
        run_once(&device, &pipeline, name, &uniform, &inputs, b.len(), 4).unwrap()
    });
    bytemuck::cast_slice(&words.unwrap()).to_vec()
}

#[test]
fn the_probes_do_the_work_that_is_counted() {
    if adapter_or_skip().is_none() {
        return;
    }
    // Two vectors for each of the 256 invocations, and some.
    let n = 4 * (2 * 256 + 3);
    let b: Vec<f32> = (0..n).map(|i| (i % 1000) as f32).collect();
    let c: Vec<f32> = (0..n).map(|i| (i % 17) as f32).collect();
    let expected: Vec<f32> = b.iter().zip(&c).map(|(b, c)| b + 3.0 * c).collect();
    assert_eq!(run("triad", &b, &c, 0), expected);

    let sums = run("read_all", &b, &c, 0);
    let expected: Vec<f32> = (0..4 * 256).map(|i| b[i..].iter().step_by(4 * 256).sum()).collect();
    assert_eq!(sums[..4 * 256], expected, "all of the array is read");

    // s -> s / 2 + 1 is exact for a few rounds: chain k of invocation i starts at (i & 7) + k.
    let chains = |i: usize, rounds: i32| -> f32 {
        let one = |k: i32| 2.0 + ((i & 7) as f32 + k as f32 - 2.0) * 0.25_f32.powi(rounds);
        (0..8).map(one).sum()
    };
    let got = run("multiply_adds", &b, &c, 3);
    (0..256).for_each(|i| assert_eq!(got[4 * i..4 * i + 4], [chains(i, 3); 4], "invocation {i}"));

    let got = run("integers", &b, &c, 5);
    let chain = |s: u32| (0..10).fold(s, |s, _| s.wrapping_add(0x9E37_79B9) ^ 0xBB67_AE85);
    for (at, got) in got[..4 * 256].iter().enumerate() {
        let first = (at / 4 + 8 * (at % 4)) as u32;
        let s: Vec<u32> = (0..8).map(|k| chain(first + k)).collect();
        let sum = s.chunks(2).fold(0_u32, |sum, pair| sum.wrapping_add(pair[0] ^ pair[1]));
        assert_eq!(*got, (sum & 0xffff) as f32, "number {at}");
    }
}

#[test]
fn a_device_reaches_something_and_f64_only_where_it_has_it() {
    if adapter_or_skip().is_none() {
        return;
    }
    let (reach, has_f64) = on_own_thread(|| {
        let device = Device::find("gpu", None, &options()).unwrap();
        (measure(&device, 4096, 4 << 20).unwrap(), device.has_f64())
    })
    .unwrap();
    for rate in [reach.read, reach.triad, reach.flops_f32, reach.int_ops] {
        let rate = rate.expect("measured");
        assert!(rate > 1e6 && rate < 1e18, "{reach:?}");
    }
    assert_eq!(reach.flops_f64.is_some(), has_f64, "{reach:?}");
}
