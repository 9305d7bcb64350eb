//! Made-up measurements for tests of the report's forms.

use super::{Inputs, PlanFacts, Row};
use crate::backend::{AdapterFacts, BackendFacts, Phases};
use crate::job::{Answer, Check, Class, Input, Precision};
use crate::machine::{Cache, Machine};
use crate::measure::limit::{Ceilings, Totals};
use crate::measure::verify::{Status, Verification};

pub(crate) fn machine() -> Machine {
    Machine {
        cpu: "Example CPU 9000".into(),
        cores: 2,
        threads: 4,
        memory_bytes: Some(24 << 30),
        os: "Example Linux 12".into(),
        kernel: "Linux 6.1.0".into(),
        arch: "x86_64",
        usable_threads: 2,
        simd: "avx512",
        memory_available_bytes: Some(20 << 30),
        caches: vec![
            Cache { level: 1, bytes: 32 << 10, shared_by: 1 },
            Cache { level: 2, bytes: 1 << 20, shared_by: 1 },
            Cache { level: 3, bytes: 32 << 20, shared_by: 4 },
        ],
        numa_nodes: 1,
        huge_pages: Some("madvise".into()),
        cpu_quota: Some(1.5),
        memory_limit_bytes: None,
    }
}

pub(crate) fn verification() -> Verification {
    Verification {
        status: Status::Pass,
        class: Class::Bounded,
        checked: 1056,
        items: 1_000_000,
        values: 7392,
        max_abs: 2.5e-10,
        max_rel: 1.5e-12,
        coarseness: 1.5e-12,
        bound: 4e-9,
        bound_used: 0.07,
        independent: Check { what: "linear field".into(), error: 1e-12, bound: 1e-9, detail: String::new() },
        first_bad: None,
        seconds: 0.0021,
    }
}

/// Ten runs around `kernel` seconds.
pub(crate) fn runs(kernel: f64, upload: f64, download: f64) -> Vec<Phases> {
    (0..10)
        .map(|i| Phases { upload, kernel: kernel * (1.0 + 0.004 * f64::from(i % 5)), download, ..Phases::default() })
        .collect()
}

fn row(id: &str, threads: usize, samples: Vec<Phases>) -> Row {
    Row {
        facts: BackendFacts { id: id.into(), threads, simd: "avx512", adapter: None },
        precision: Precision::F64,
        pinned: None,
        shares: Vec::new(),
        chunks: 12,
        samples,
        open: 0.0,
        compile: 0.0,
        device_seconds: None,
        totals: Totals { items: 1e6, flops: 3e8, bytes_read: 150e6, bytes_written: 50e6 },
        ceilings: Ceilings {
            read_bandwidth: Some(24e9),
            triad_bandwidth: Some(25e9),
            flops_f64: Some(115e9),
            flops_f32: Some(228e9),
            ..Ceilings::default()
        },
        verification: verification(),
    }
}

pub(crate) fn seq() -> Row {
    Row {
        facts: BackendFacts { simd: "baseline", ..row("seq", 1, vec![]).facts },
        ..row("seq", 1, runs(0.050, 0.0, 0.0))
    }
}

pub(crate) fn cpu() -> Row {
    Row { pinned: Some(true), open: 0.0002, ..row("cpu", 2, runs(0.0095, 0.0, 0.0)) }
}

pub(crate) fn gpu() -> Row {
    let mut row = row("gpu", 1, runs(0.030, 0.004, 0.002));
    row.facts.adapter = Some(AdapterFacts {
        name: "llvmpipe (LLVM 15.0.6, 256 bits)".into(),
        kind: "cpu".into(),
        api: "vulkan".into(),
        driver: "llvmpipe Mesa 22.3.6".into(),
        software: true,
    });
    row.precision = Precision::Mixed;
    row.open = 0.028;
    row.compile = 0.041;
    row.device_seconds = Some(0.029);
    row.ceilings = Ceilings::default();
    row
}

pub(crate) fn inputs(rows: Vec<Row>) -> Inputs {
    let mut json = serde_json::Map::new();
    json.insert("elements".into(), 1_000_000.into());
    Inputs {
        workload: "stress".into(),
        command: ["hetero", "run", "stress"].map(String::from).to_vec(),
        seed: 42,
        machine: machine(),
        input: Input { items: 1_000_000, item: "element", source: "generated".into() },
        plan: PlanFacts {
            policy: "named".into(),
            chosen: rows.iter().map(|row| row.facts.id.clone()).collect::<Vec<_>>().join(","),
            reason: "asked for with --backend".into(),
            ..PlanFacts::default()
        },
        rows,
        baselines: ["seq", "cpu"].map(String::from).to_vec(),
        skipped: Vec::new(),
        answer: Answer {
            json,
            lines: vec![("largest von Mises stress".into(), "203.549 at element 2095, point 1".into())],
        },
        warnings: Vec::new(),
    }
}
