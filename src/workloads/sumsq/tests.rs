//! The kernels as the chunk loop calls them, the answer, the options.

use super::*;
use crate::job::{Chunk, FOLD_WORDS};
use crate::simd::Simd;

fn fold_of(kernel: &dyn Kernel, simd: Option<Simd>, chunk: Chunk) -> [u64; FOLD_WORDS] {
    let mut output = Output::new(Vec::new(), chunk.len()).unwrap();
    let mut writer = output.writer_at(chunk.start);
    let mut part = writer.whole();
    match simd {
        Some(simd) => kernel.cpu(simd, &mut part),
        None => kernel.seq(&mut part),
    }
    part.fold
}

#[test]
fn chunks_add_up_in_any_order_with_their_carries() {
    // The squares of the last numbers below 2^42 are near 2^84: 3000 of them carry into the second word.
    let kernel = Loop { first: MAX_N - 3000, n: 3000 };
    let chunks = [Chunk::new(1000, 1001), Chunk::new(0, 1000), Chunk::new(1001, 3000)];
    for simd in std::iter::once(None).chain(Simd::available().into_iter().map(Some)) {
        let mut total = [0; FOLD_WORDS];
        for chunk in chunks {
            kernel.merge_fold(&mut total, &fold_of(&kernel, simd, chunk));
        }
        assert!(total[1] > 0 && check::counted(kernel.first, kernel.n, kernel::sum(&total)).passed(), "{simd:?}");
    }
}

#[test]
fn ten_million_numbers() {
    let kernel = Loop { first: 0, n: 10_000_000 };
    let fold = fold_of(&kernel, Some(Simd::detect()), Chunk::new(0, kernel.n));
    assert_eq!(kernel::sum(&fold), 333_333_283_333_335_000_000);
}

#[test]
fn the_answer_says_what_64_bits_make_of_it() {
    let text = |n: u64, sum: u128| serde_json::to_string(&answer("loop", n, sum).json).unwrap();
    assert_eq!(
        text(10_000_000, 333_333_283_333_335_000_000),
        r#"{"n":10000000,"method":"loop","sum":null,"sum_text":"333333283333335000000","wraps_int64":true,"#.to_owned()
            + r#""int64_text":"1291890006563070912"}"#
    );
    assert!(text(5, 30).contains(r#""sum":30,"sum_text":"30","wraps_int64":false,"int64_text":"30""#));
    // The first n whose sum leaves 63 bits.
    let sum = |n: u128| (n - 1) * n * (2 * n - 1) / 6;
    assert!(text(3_024_617, sum(3_024_617)).contains(r#""wraps_int64":false"#));
    assert!(text(3_024_618, sum(3_024_618)).contains(r#""wraps_int64":true"#));
}

#[cfg(feature = "gpu")]
#[test]
fn a_device_adds_up_every_width() {
    use crate::exec::{Control, run_step};

    let Some(adapter) = crate::gpu::testing::adapter_or_skip() else { return };
    eprintln!("adapter: {} ({})", adapter.name, adapter.driver);
    let options = crate::config::Layers::default().config().unwrap().backend_options();
    let mut gpu = crate::backend::open("gpu", &options).unwrap();
    // Up to 59 bits: 5000 squares stay below 2^128. And one value that fills all of them.
    let mixed: Vec<u64> = (1..=5000_u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (5 + i % 50)).collect();
    for values in [vec![], vec![u64::MAX], vec![(1 << 32) - 1; 5000], mixed] {
        let kernel = Data { values: &values, largest: values.iter().copied().max().unwrap_or(0) };
        let mut output = Output::for_kernel(&kernel).unwrap();
        let rule = gpu.chunks(&kernel).unwrap().at_most(1500);
        run_step(&kernel, rule, gpu.as_mut(), &mut output, &Control::default()).unwrap();
        assert_eq!(kernel::sum(&output.fold), cpu::data_seq(&values), "{} values", values.len());
    }
}
