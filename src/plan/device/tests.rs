use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::job::{Chunk, ChunkOut, Class, ColumnSpec, Precision, Resident, ResidentData, Scalar, Streamed, Work};

/// A kernel of any shape that computes nothing.
#[derive(Debug, Clone)]
struct Shape {
    items: u64,
    grain: u64,
    flops: f64,
    columns: Vec<(usize, Scalar)>,
    streamed: Vec<usize>,
    resident: Vec<usize>,
    workgroup: u32,
    iterations: u64,
    per_invocation: u64,
    partials: Option<u32>,
}

impl Kernel for Shape {
    fn name(&self) -> &'static str {
        "shape"
    }
    fn item(&self) -> &'static str {
        "item"
    }
    fn items(&self) -> u64 {
        self.items
    }
    fn precision(&self) -> Precision {
        Precision::F32
    }
    fn grain(&self) -> u64 {
        self.grain
    }
    fn work(&self) -> Work {
        Work { flops: self.flops, bytes_read: 8.0, bytes_written: 8.0 }
    }
    fn class(&self) -> Class {
        Class::Exact
    }
    fn columns(&self) -> Vec<ColumnSpec> {
        self.columns
            .iter()
            .map(|(per_item, scalar)| ColumnSpec { name: "c", scalar: *scalar, per_item: *per_item })
            .collect()
    }
    fn seq(&self, _: &mut ChunkOut<'_>) {}
    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        Ok(GpuSlot {
            source: Cow::Borrowed(""),
            source_int64: None,
            constants: Vec::new(),
            workgroup: self.workgroup,
            needs: &[],
            iterations_per_item: self.iterations,
            max_items_per_invocation: self.per_invocation,
            block: 1,
            params: vec![0; 3],
            resident: self
                .resident
                .iter()
                .map(|n| Resident { label: "r", data: ResidentData::Plain(Cow::Owned(vec![0; *n])) })
                .collect(),
            streamed: self
                .streamed
                .iter()
                .map(|n| Streamed { label: "s", bytes_per_item: *n, fill: Box::new(|_: Chunk, _: &mut [u8]| {}) })
                .collect(),
            output: self.partials.map_or(GpuOutput::Columns, |words| GpuOutput::Partials { words }),
        })
    }
}

fn map() -> Shape {
    Shape {
        items: 10_000_000,
        grain: 1,
        flops: 10.0,
        columns: vec![(1, Scalar::F32), (2, Scalar::F32)],
        streamed: vec![16],
        resident: vec![1000],
        workgroup: 64,
        iterations: 8,
        per_invocation: 1,
        partials: None,
    }
}

fn limits() -> DeviceLimits {
    DeviceLimits {
        max_binding: 128 << 20,
        max_memory: 1 << 30,
        max_storage_buffers: 8,
        max_uniform: 64 << 10,
        max_workgroup: 256,
        max_workgroups: 65_535,
        max_iterations: SAFE_ITERATIONS,
        fill: 65_536,
        dispatch_target: 0.1,
    }
}

fn rule(shape: &Shape, limits: &DeviceLimits) -> Result<ChunkRule, Misfit> {
    chunk_rule(shape, &shape.gpu().unwrap(), limits)
}

#[test]
fn a_binding_bounds_the_chunk() {
    let rule = rule(&map(), &limits()).unwrap();
    assert_eq!(rule.max, (128 << 20) / 16);
    assert_eq!(rule.lanes, 2);
}

#[test]
fn two_chunks_and_the_resident_inputs_fit_the_memory() {
    let rule = rule(&map(), &DeviceLimits { max_memory: 1 << 20, ..limits() }).unwrap();
    assert_eq!(rule.max, ((1 << 20) - OVERHEAD - 1000) / (2 * 28));
    assert!(rule.min <= rule.max);
}

#[test]
fn what_cannot_fit_is_refused_with_both_numbers() {
    let refused = |shape: &Shape, limits: &DeviceLimits| rule(shape, limits).unwrap_err();
    assert_eq!(
        refused(&Shape { resident: vec![200 << 20], ..map() }, &limits()),
        Misfit::Binding { what: "r".into(), required: 200 << 20, max: 128 << 20 }
    );
    assert_eq!(
        refused(&map(), &DeviceLimits { max_memory: 1000, ..limits() }),
        Misfit::Memory { required: OVERHEAD + 1000 + 56, max: 1000 }
    );
    assert_eq!(refused(&Shape { workgroup: 512, ..map() }, &limits()), Misfit::Workgroup { required: 512, max: 256 });
    assert_eq!(refused(&Shape { streamed: vec![4; 8], ..map() }, &limits()), Misfit::Buffers { required: 10, max: 8 });
    assert_eq!(
        refused(&Shape { iterations: 40_000, ..map() }, &limits()),
        Misfit::Iterations { required: 40_000, max: SAFE_ITERATIONS }
    );
    assert_eq!(
        refused(&Shape { columns: vec![(1, Scalar::F32), (1, Scalar::F64)], ..map() }, &limits()),
        Misfit::Columns
    );
    assert_eq!(
        refused(&map(), &DeviceLimits { max_uniform: 32, ..limits() }),
        Misfit::Uniform { required: 48, max: 32 }
    );
    let text = refused(&map(), &DeviceLimits { max_memory: 1000, ..limits() }).to_string();
    assert_eq!(
        text,
        "it needs at least 65.0 KiB of device memory, it may take 1000 B; raise --max-device-memory or use --backend cpu"
    );
}

#[test]
fn a_reduction_shares_its_items_among_the_invocations_that_fill_the_device() {
    let sum = Shape {
        items: 1 << 40,
        grain: 4,
        columns: vec![],
        streamed: vec![],
        resident: vec![],
        iterations: 2,
        per_invocation: 1 << 20,
        partials: Some(1),
        ..map()
    };
    let slot = sum.gpu().unwrap();
    let small = geometry(&slot, 4, &limits(), 1000).unwrap();
    assert_eq!(small, Geometry { per_invocation: 4, invocations: 250, groups: [4, 1] });
    let large = geometry(&slot, 4, &limits(), 1 << 30).unwrap();
    assert_eq!(large, Geometry { per_invocation: 1 << 14, invocations: 65_536, groups: [1024, 1] });
    // 32 768 iterations at two an item: no invocation gets more than 16 384 items.
    assert_eq!(geometry(&slot, 4, &limits(), 1 << 31).unwrap().per_invocation, 1 << 14);
    assert!(rule(&sum, &limits()).unwrap().max > 1 << 32);
}

#[test]
fn more_workgroups_than_one_dimension_holds_become_rows() {
    let slot_of = map();
    let slot = slot_of.gpu().unwrap();
    let wide = geometry(&slot, 1, &limits(), 64 * 65_536).unwrap();
    assert_eq!(wide.groups, [32_768, 2]);
    assert_eq!(geometry(&slot, 1, &limits(), 0).unwrap().groups, [1, 1]);
}

#[test]
fn the_pace_does_not_chase_a_target_below_what_a_launch_costs() {
    // 0.3 ms a launch and 4 ns an item, and a target of 0.1 ms.
    let mut pace = Pace::new(1e-4, 1 << 17);
    for _ in 0..50 {
        pace.learn(pace.items(), 3e-4 + pace.items() as f64 * 4e-9);
    }
    assert!((10_000..40_000).contains(&pace.items()), "{} items", pace.items());
    // A device that has become slow is no launch.
    pace.learn(pace.items(), 1.0);
    assert!(pace.items() < 5000, "{} items", pace.items());
}

#[test]
fn the_pace_grows_slowly_shrinks_at_once_and_ignores_short_tails() {
    let mut pace = Pace::new(0.1, 1000);
    pace.learn(1000, 1e-6);
    assert_eq!(pace.items(), 4000);
    pace.learn(10, 1e-6);
    assert_eq!(pace.items(), 4000);
    pace.learn(4000, 0.4);
    assert_eq!(pace.items(), 1000);
    for wrong in [f64::NAN, f64::INFINITY, -1.0] {
        pace.learn(1000, wrong);
        assert_eq!(pace.items(), 1000);
    }
    pace.learn(1000, 1e9);
    assert_eq!(pace.items(), 125);
}

prop_compose! {
    fn any_shape()(
        items in 0_u64..1 << 40,
        grain in prop::sample::select(vec![1_u64, 2, 4, 64, 1024]),
        flops in 0.0_f64..1e6,
        columns in prop::collection::vec((1_usize..200, prop::sample::select(vec![Scalar::F32, Scalar::F64])), 0..3),
        streamed in prop::collection::vec(0_usize..4000, 0..4),
        resident in prop::collection::vec(0_usize..100_000, 0..4),
        workgroup in 1_u32..300,
        iterations in 0_u64..40_000,
        shares in 0_u64..100_000,
        partials in prop::option::of(0_u32..300),
    ) -> Shape {
        Shape {
            items, grain, flops, columns, streamed, resident, workgroup, iterations,
            per_invocation: (shares * grain).max(1), partials,
        }
    }
}

prop_compose! {
    fn any_limits()(
        max_binding in 1_u64..1 << 32,
        max_memory in 1_u64..1 << 38,
        max_workgroups in 1_u32..70_000,
        fill in 1_u64..1 << 20,
    ) -> DeviceLimits {
        DeviceLimits { max_binding, max_memory, max_workgroups, fill, ..limits() }
    }
}

proptest! {
    /// Whatever the kernel and the device: either a refusal, or every chunk that the rule can hand out keeps every
    /// limit, and its dispatch covers its items exactly once.
    #[test]
    fn every_chunk_of_a_rule_keeps_every_limit(shape in any_shape(), limits in any_limits(), cut in 0.0_f64..1.0) {
        let slot = shape.gpu().unwrap();
        let Ok(rule) = chunk_rule(&shape, &slot, &limits) else { return Ok(()) };
        prop_assert!(rule.min >= 1 && rule.min <= rule.max && rule.max % rule.grain == 0 && rule.min % rule.grain == 0);
        for items in [rule.next(shape.items), ((rule.max as f64 * cut) as u64).min(shape.items), rule.max.min(shape.items)] {
            let shape_of = geometry(&slot, rule.grain, &limits, items).unwrap();
            let invocations = u64::from(shape_of.invocations);
            prop_assert!(invocations * shape_of.per_invocation >= items);
            prop_assert!(invocations.saturating_sub(1) * shape_of.per_invocation < items.max(1));
            prop_assert!(shape_of.per_invocation * slot.iterations_per_item <= limits.max_iterations);
            prop_assert!(shape_of.per_invocation <= slot.max_items_per_invocation);
            prop_assert!(shape_of.groups.iter().all(|n| *n <= limits.max_workgroups));
            prop_assert!(shape_of.all_groups() * u64::from(slot.workgroup) >= invocations);
            let mut bytes = 0;
            for streamed in &slot.streamed {
                let buffer = items * streamed.bytes_per_item as u64;
                prop_assert!(buffer <= limits.max_binding);
                bytes += buffer;
            }
            let output = match slot.output {
                GpuOutput::Columns => items * column_bytes(&shape, &slot).unwrap(),
                GpuOutput::Partials { words } => shape_of.all_groups() * u64::from(words) * 4,
                GpuOutput::Shared { words } => u64::from(words) * 4,
            };
            prop_assert!(output <= limits.max_binding);
            bytes += output;
            let resident: u64 = slot.resident.iter().map(Resident::n_bytes).sum();
            prop_assert!(IN_FLIGHT * bytes + resident <= limits.max_memory, "{bytes} {resident}");
        }
    }
}
