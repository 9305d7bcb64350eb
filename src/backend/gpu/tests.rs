use std::borrow::Cow;

use super::*;
use crate::backend::seq;
use crate::exec::{Control, run_step};
use crate::gpu::device::Fault;
use crate::gpu::testing::{adapter_or_skip, options};
use crate::job::{
    Capability, Chunk, Class, ColumnSpec, FOLD_WORDS, GpuOutput, Output, Resident, ResidentData, Scalar, Streamed, Work,
};
use crate::numeric::philox::philox4x32_10;

const DISPATCH: &str = include_str!("../../../shaders/common/dispatch.wgsl");
const PHILOX: &str = include_str!("../../../shaders/common/philox.wgsl");
const PHILOX_INT64: &str = include_str!("../../../shaders/common/philox_int64.wgsl");

/// y = table[i % 16] * x[i], z = (x[i] + 1, i as a float): a map with a resident and a streamed input and two columns.
/// Every operation is one exact or correctly rounded f32 operation, so the answers are equal bit by bit.
struct Map {
    table: Vec<f32>,
    x: Vec<f32>,
    source: Cow<'static, str>,
    needs: &'static [Capability],
    workgroup: u32,
    iterations: u64,
}

const MAP: &str = "
struct Params { dispatch: Dispatch, tables: u32, factor: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
override scale: f32 = 0.0;
@compute @workgroup_size(64)
fn map(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
       @builtin(local_invocation_index) local: u32) {
    let d = params.dispatch;
    let i = linear_group(group, groups) * 64u + local;
    if i >= d.invocations || i >= arrayLength(&x) { return; }
    let item = d.start_lo + i;
    output[i] = table[item % params.tables] * x[i];
    output[d.stride + 2u * i] = x[i] + scale;
    output[d.stride + 2u * i + 1u] = f32(item);
}
";

impl Map {
    fn new(n: usize) -> Self {
        Self {
            table: (0..16).map(|i| 0.5 + i as f32 * 0.125).collect(),
            x: (0..n).map(|i| (i % 1000) as f32 * 0.25 - 17.0).collect(),
            source: format!("{DISPATCH}{MAP}").into(),
            needs: &[],
            workgroup: 64,
            iterations: 1,
        }
    }
}

impl Kernel for Map {
    fn name(&self) -> &'static str {
        "map"
    }
    fn item(&self) -> &'static str {
        "number"
    }
    fn items(&self) -> u64 {
        self.x.len() as u64
    }
    fn precision(&self) -> Precision {
        Precision::F32
    }
    fn work(&self) -> Work {
        Work { flops: 2.0, bytes_read: 4.0, bytes_written: 12.0 }
    }
    fn class(&self) -> Class {
        Class::Exact
    }
    fn columns(&self) -> Vec<ColumnSpec> {
        vec![
            ColumnSpec { name: "y", scalar: Scalar::F32, per_item: 1 },
            ColumnSpec { name: "z", scalar: Scalar::F32, per_item: 2 },
        ]
    }
    fn seq(&self, out: &mut ChunkOut<'_>) {
        let chunk = out.chunk();
        let [y, z] = out.first_columns::<f32, 2>();
        for (i, item) in (chunk.start as usize..chunk.end as usize).enumerate() {
            y[i] = self.table[item % 16] * self.x[item];
            z[2 * i] = self.x[item] + 1.0;
            z[2 * i + 1] = item as f32;
        }
    }
    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        Ok(GpuSlot {
            source: self.source.clone(),
            source_int64: None,
            constants: vec![("scale", 1.0)],
            workgroup: self.workgroup,
            needs: self.needs,
            iterations_per_item: self.iterations,
            max_items_per_invocation: 1,
            block: 1,
            params: vec![16, 7],
            resident: vec![Resident {
                label: "table",
                data: ResidentData::Plain(Cow::Borrowed(bytemuck::cast_slice(&self.table))),
            }],
            streamed: vec![Streamed {
                label: "x",
                bytes_per_item: 4,
                fill: Box::new(|chunk: Chunk, bytes: &mut [u8]| {
                    bytes.copy_from_slice(bytemuck::cast_slice(&self.x[chunk.start as usize..chunk.end as usize]));
                }),
            }],
            output: GpuOutput::Columns,
        })
    }
}

/// Counts the Philox blocks whose word 0 is below a limit, and adds up the low byte of word 1: two exact sums.
struct Count {
    items: u64,
    limit: u32,
}

const COUNT: &str = "
struct Params { dispatch: Dispatch, limit: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
var<workgroup> shared_sums: array<vec2<u32>, 64>;
@compute @workgroup_size(64)
fn count(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(local_invocation_index) local: u32) {
    let d = params.dispatch;
    let g = linear_group(group, groups);
    let me = g * 64u + local;
    var sums = vec2<u32>(0u);
    if me < d.invocations {
        let offset = multiply_64(me, d.per_invocation);
        let first = add_64(vec2<u32>(d.start_lo, d.start_hi + offset.y), offset.x);
        // The last invocation may get fewer: the chunk's length less what the others have (below 2^32).
        var n = d.per_invocation;
        if me == d.invocations - 1u { n = d.count_lo - offset.x; }
        for (var i = 0u; i < n; i++) {
            let w = philox4x32_10(vec4<u32>(add_64(first, i), 0u, 0u), vec2<u32>(7u, 9u));
            sums += vec2<u32>(select(0u, 1u, w.x < params.limit), w.y & 255u);
        }
    }
    shared_sums[local] = sums;
    workgroupBarrier();
    if local == 0u {
        var total = vec2<u32>(0u);
        for (var i = 0u; i < 64u; i++) { total += shared_sums[i]; }
        output[2u * g] = total.x;
        output[2u * g + 1u] = total.y;
    }
}
";

impl Kernel for Count {
    fn name(&self) -> &'static str {
        "count"
    }
    fn item(&self) -> &'static str {
        "block"
    }
    fn items(&self) -> u64 {
        self.items
    }
    fn precision(&self) -> Precision {
        Precision::Integer
    }
    fn work(&self) -> Work {
        Work { flops: 100.0, bytes_read: 0.0, bytes_written: 0.0 }
    }
    fn class(&self) -> Class {
        Class::Exact
    }
    fn fold_words(&self) -> usize {
        2
    }
    fn seq(&self, out: &mut ChunkOut<'_>) {
        for i in out.chunk().start..out.chunk().end {
            let words = philox4x32_10([i as u32, (i >> 32) as u32, 0, 0], [7, 9]);
            out.fold[0] += u64::from(words[0] < self.limit);
            out.fold[1] += u64::from(words[1] & 255);
        }
    }
    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        Ok(GpuSlot {
            source: format!("{DISPATCH}{PHILOX}{COUNT}").into(),
            source_int64: Some(format!("{DISPATCH}{PHILOX_INT64}{COUNT}").into()),
            constants: vec![],
            workgroup: 64,
            needs: &[Capability::Integers],
            iterations_per_item: 11,
            max_items_per_invocation: 1 << 20,
            block: 1,
            params: vec![self.limit],
            resident: vec![],
            streamed: vec![],
            output: GpuOutput::Partials { words: 2 },
        })
    }
    fn fold_gpu(&self, partials: &[u32], fold: &mut [u64; FOLD_WORDS]) {
        for pair in partials.chunks_exact(2) {
            fold[0] += u64::from(pair[0]);
            fold[1] += u64::from(pair[1]);
        }
    }
}

fn open(change: impl FnOnce(&mut BackendOptions)) -> Gpu {
    let mut options = options();
    change(&mut options);
    Gpu::open(&options, None).unwrap()
}

/// Runs `kernel` and gives its output and the number of chunks.
fn run_on(backend: &mut dyn Backend, kernel: &dyn Kernel) -> Result<(Output, u64)> {
    let mut output = Output::for_kernel(kernel)?;
    let rule = backend.chunks(kernel)?;
    let trace = run_step(kernel, rule, backend, &mut output, &Control::default())?;
    let phases = trace.phases;
    assert!([phases.upload, phases.kernel, phases.download, phases.merge].iter().all(|t| *t >= 0.0));
    Ok((output, trace.chunks))
}

fn expected(kernel: &dyn Kernel) -> Output {
    let mut seq = (seq::ENTRY.open)(&options(), None).unwrap();
    run_on(seq.as_mut(), kernel).unwrap().0
}

fn assert_same(kernel: &dyn Kernel, got: &Output) {
    let want = expected(kernel);
    assert_eq!(got.fold, want.fold);
    for (c, spec) in kernel.columns().iter().enumerate() {
        let (got, want) = (got.column::<f32>(c), want.column::<f32>(c));
        assert!(got == want, "column {} of {} items differs", spec.name, kernel.items());
    }
}

#[test]
fn a_map_equals_seq_at_every_size() {
    let Some(_) = adapter_or_skip() else { return };
    let mut gpu = open(|_| {});
    for n in [0, 1, 63, 64, 65, 1000, 100_003] {
        let kernel = Map::new(n);
        let (output, _) = run_on(&mut gpu, &kernel).unwrap();
        assert_same(&kernel, &output);
    }
    assert_eq!(gpu.compiled.len(), 1, "one kernel compiles once");
}

#[test]
fn a_map_larger_than_the_device_memory_streams_through_it() {
    let Some(_) = adapter_or_skip() else { return };
    let mut gpu = open(|o| o.max_device_memory = 256 << 10);
    let kernel = Map::new(300_001);
    for _ in 0..2 {
        let (output, chunks) = run_on(&mut gpu, &kernel).unwrap();
        assert!(chunks > 40, "{chunks} chunks");
        assert_same(&kernel, &output);
    }
}

#[test]
fn staging_buffers_give_the_same_as_direct_mapping() {
    let Some(_) = adapter_or_skip() else { return };
    let mut gpu = open(|_| {});
    gpu.device.forbid_direct_mapping();
    for n in [1, 1000, 500_000, 65] {
        let kernel = Map::new(n);
        let (output, _) = run_on(&mut gpu, &kernel).unwrap();
        assert_same(&kernel, &output);
    }
    let (output, _) = run_on(&mut gpu, &Count { items: 1000, limit: 1 << 31 }).unwrap();
    assert_same(&Count { items: 1000, limit: 1 << 31 }, &output);
}

#[test]
fn the_module_with_64_bit_integers_is_for_adapters_that_have_them() {
    let Some(_) = adapter_or_skip() else { return };
    let mut gpu = open(|_| {});
    let kernel = Count { items: 1003, limit: 1 << 30 };
    let wide = gpu.has(Capability::Int64).unwrap();
    let taken = |gpu: &Gpu| gpu.slot(&kernel).unwrap().0.source.contains("u64");
    assert_eq!(taken(&gpu), wide);
    // One that computes wrongly is like one that has none.
    gpu.test.get_mut().unwrap().int64 = Some(false);
    assert!(!taken(&gpu));
    let (output, _) = run_on(&mut gpu, &kernel).unwrap();
    assert_same(&kernel, &output);
}

#[test]
fn pi_counts_the_same_with_and_without_64_bit_integers() {
    let Some(_) = adapter_or_skip() else { return };
    let (mut with, mut without) = (open(|_| {}), open(|_| {}));
    without.device.forbid_int64();
    let workload = crate::workloads::find("pi").unwrap();
    for size in [0, 1, 3, 4, 15, 16, 17, 1003, 70_001] {
        for (_, job) in workload.sized(size, &crate::workloads::Context { seed: u64::MAX }).unwrap() {
            for step in job.steps(Precision::Integer).unwrap() {
                for gpu in [&mut with, &mut without] {
                    let (output, _) = run_on(gpu, step.kernel()).unwrap();
                    assert_same(step.kernel(), &output);
                }
            }
        }
    }
}

#[test]
fn a_reduction_equals_seq_at_every_size() {
    let Some(_) = adapter_or_skip() else { return };
    let mut gpu = open(|_| {});
    for items in [0, 1, 63, 64, 65, 1000, 300_017] {
        let kernel = Count { items, limit: 0x3000_0000 };
        let (output, _) = run_on(&mut gpu, &kernel).unwrap();
        assert_same(&kernel, &output);
    }
    // Two kernels share one device and its buffers.
    let map = Map::new(777);
    assert_same(&map, &run_on(&mut gpu, &map).unwrap().0);
    assert_eq!(gpu.compiled.len(), 2);
}

#[test]
fn a_dispatch_target_cuts_chunks_by_time() {
    let Some(_) = adapter_or_skip() else { return };
    let mut gpu = open(|o| o.dispatch_target = 1e-4);
    let kernel = Map::new(2_000_000);
    let (output, first) = run_on(&mut gpu, &kernel).unwrap();
    assert_same(&kernel, &output);
    let (_, second) = run_on(&mut gpu, &kernel).unwrap();
    assert!(second > 8, "{first} then {second} chunks");
}

#[test]
fn a_wrong_shader_is_an_error_of_the_device() {
    let Some(_) = adapter_or_skip() else { return };
    let mut gpu = open(|_| {});
    for (wrong, says) in [
        ("fn broken( {", "does not parse"),
        ("@compute @workgroup_size(64) fn other() {}", "no entry point"),
        ("@compute @workgroup_size(32) fn map() {}", "32 invocations"),
        ("@compute @workgroup_size(64) fn map() { let x = 1u + 1.5f; }", "refused"),
        (
            "@group(0) @binding(9) var<storage, read_write> o: array<u32>; @compute @workgroup_size(64) fn map() { o[0] = 1u; }",
            "refused",
        ),
    ] {
        let kernel = Map { source: wrong.into(), ..Map::new(10) };
        let error = run_on(&mut gpu, &kernel).unwrap_err();
        assert_eq!(error.exit_code(), 6, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains('\n'));
    }
    let shared = "var<workgroup> big: array<u32, 1000000>; @compute @workgroup_size(64) fn map() { big[0] = 1u; }";
    let error = run_on(&mut gpu, &Map { source: shared.into(), ..Map::new(10) }).unwrap_err();
    assert_eq!(error.exit_code(), 5, "{error}");
    // The device survives all of it.
    assert_same(&Map::new(10), &run_on(&mut gpu, &Map::new(10)).unwrap().0);
}

#[test]
fn a_kernel_that_does_not_fit_is_refused_with_the_numbers() {
    let Some(_) = adapter_or_skip() else { return };
    let gpu = open(|o| o.max_device_memory = 1000);
    let error = gpu.chunks(&Map::new(10)).unwrap_err();
    assert_eq!(error.exit_code(), 5);
    assert!(error.to_string().contains("it may take 1000 B"), "{error}");
    let gpu = open(|_| {});
    let error = gpu.chunks(&Map { iterations: 1 << 40, ..Map::new(10) }).unwrap_err();
    assert!(error.to_string().contains("loop iterations"), "{error}");
    assert!(gpu.chunks(&Map { workgroup: 1 << 20, ..Map::new(10) }).is_err());
}

#[test]
fn a_failed_self_test_refuses_the_kernels_that_need_it() {
    let Some(_) = adapter_or_skip() else { return };
    let gpu = open(|_| {});
    *gpu.test.lock().unwrap() = SelfTest { integers: Some(false), ..SelfTest::default() };
    let error = gpu.chunks(&Count { items: 10, limit: 1 }).unwrap_err();
    assert_eq!(error.exit_code(), 5);
    assert!(error.to_string().contains("self-test of 32-bit integers"), "{error}");
    assert!(gpu.chunks(&Map::new(10)).is_ok());
}

#[test]
fn a_lost_device_ends_in_its_error_and_stays_lost() {
    let Some(_) = adapter_or_skip() else { return };
    let mut gpu = open(|_| {});
    run_on(&mut gpu, &Map::new(100)).unwrap();
    gpu.device().inject(Fault::Lost);
    for _ in 0..2 {
        let error = run_on(&mut gpu, &Map::new(100_000)).unwrap_err();
        assert_eq!(error.exit_code(), 6, "{error}");
        assert!(error.to_string().contains("lost"), "{error}");
    }
    // Another device of the same adapter works.
    assert_same(&Map::new(10), &run_on(&mut open(|_| {}), &Map::new(10)).unwrap().0);
}

#[test]
fn a_device_that_does_not_answer_is_given_up() {
    let Some(_) = adapter_or_skip() else { return };
    let mut gpu = open(|o| o.device_timeout = 1.5);
    run_on(&mut gpu, &Map::new(10)).unwrap();
    gpu.device().inject(Fault::Timeout);
    let error = run_on(&mut gpu, &Map::new(10)).unwrap_err();
    assert_eq!(error.exit_code(), 6, "{error}");
    assert!(error.to_string().contains("no answer within 1.50 s"), "{error}");
    let error = run_on(&mut gpu, &Count { items: 1, limit: 1 }).unwrap_err();
    assert!(error.to_string().contains("not used again"), "{error}");
}

#[test]
fn a_panic_inside_wgpu_is_an_error() {
    let Some(_) = adapter_or_skip() else { return };
    let mut gpu = open(|_| {});
    gpu.device().inject(Fault::Panic);
    let error = run_on(&mut gpu, &Map::new(100)).unwrap_err();
    assert_eq!(error.exit_code(), 6, "{error}");
    assert!(error.to_string().contains("simulated loss"), "{error}");
}

#[test]
fn out_of_memory_is_the_host_s_to_solve_and_the_device_survives() {
    let Some(_) = adapter_or_skip() else { return };
    let mut gpu = open(|_| {});
    gpu.device().inject(Fault::OutOfMemory);
    let error = run_on(&mut gpu, &Map::new(100)).unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
    assert_same(&Map::new(100), &run_on(&mut gpu, &Map::new(100)).unwrap().0);
}

#[test]
fn an_adapter_reports_itself_and_a_software_one_can_be_refused() {
    let Some(adapter) = adapter_or_skip() else { return };
    let facts = open(|_| {}).facts();
    let reported = facts.adapter.unwrap();
    assert_eq!((reported.name.as_str(), reported.software), (adapter.name.as_str(), adapter.software));
    assert_eq!(reported.software, reported.kind == "cpu");
    assert!(Gpu::open(&options(), Some(99)).is_err());
    let refused = Gpu::open(&BackendOptions { require_hardware: true, ..options() }, None);
    assert_eq!(refused.is_err(), adapter.software);
}

#[test]
fn every_adapter_has_a_self_test() {
    let Some(_) = adapter_or_skip() else { return };
    for adapter in crate::gpu::adapters(&options()) {
        eprintln!("{}", serde_json::to_string_pretty(&adapter).unwrap());
        let test = adapter.self_test.expect("the self-test runs");
        assert_eq!(test.integers, Some(true));
        assert!(test.loops >= Some(32_768), "{test:?}");
        assert_eq!(test.doubles.unwrap(), adapter.features.contains(&"f64"));
    }
}

#[test]
fn timestamps_are_counted_or_dropped() {
    let Some(adapter) = adapter_or_skip() else { return };
    let mut gpu = open(|_| {});
    gpu.device.stamp_always();
    let begin = Instant::now();
    run_on(&mut gpu, &Map::new(1_000_000)).unwrap();
    let wall = begin.elapsed().as_secs_f64();
    match gpu.device_seconds() {
        Some(seconds) => assert!(seconds > 0.0 && seconds <= wall, "{seconds} of {wall}"),
        None => assert!(gpu.dropped_timestamps() > 0 || !adapter.features.contains(&"timestamps")),
    }
}
