//! `hetero devices`: what can run here, and why something is missing.

use serde::Serialize;
use serde_json::json;

use super::SOFTWARE;
use super::style::{Cell, Grid, Paint, Style, wrap};
#[cfg(feature = "gpu")]
use crate::gpu::{adapters::AdapterReport, selftest::SelfTest};
use crate::machine::Machine;
use crate::units::bytes;
#[cfg(feature = "gpu")]
use crate::units::grouped;

/// An adapter as the text form shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceRow {
    /// Its number: `gpu:N`, `--adapter N`.
    pub index: usize,
    /// Name as the driver gives it.
    pub name: String,
    /// `cpu`, `integrated`, `discrete`, `virtual` or `other`.
    pub kind: String,
    /// `vulkan`, `metal` or `dx12`.
    pub api: String,
    /// Driver name and version.
    pub driver: String,
    /// Whether it runs on the CPU.
    pub software: bool,
    /// Its limits: name and value with its unit.
    pub limits: Vec<(String, String)>,
    /// Optional features that it has.
    pub features: Vec<String>,
    /// The self-test.
    pub tests: Vec<TestRow>,
    /// Why it cannot be used at all.
    pub problem: Option<String>,
}

/// One line of an adapter's self-test.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TestRow {
    /// What was tested.
    pub name: String,
    /// Whether kernels that need it may run.
    pub passed: bool,
    /// What was found.
    pub detail: String,
}

#[cfg(feature = "gpu")]
impl From<&AdapterReport> for DeviceRow {
    fn from(report: &AdapterReport) -> Self {
        let limits = &report.limits;
        let size = |name: &str, value: u64| (name.to_string(), bytes(value));
        let count = |name: &str, value: u32| (name.to_string(), grouped(u64::from(value)));
        let mut rows = vec![size("largest binding", limits.max_binding), size("largest buffer", limits.max_buffer)];
        rows.extend(limits.memory.map(|memory| size("memory", memory)));
        rows.push(count("workgroup", limits.max_workgroup));
        rows.push(size("workgroup memory", u64::from(limits.max_workgroup_storage)));
        rows.push(count("workgroups per dimension", limits.max_workgroups));
        rows.push(count("storage buffers", limits.max_storage_buffers));
        Self {
            index: report.index,
            name: report.name.clone(),
            kind: report.kind.name().into(),
            api: report.api.clone(),
            driver: report.driver.clone(),
            software: report.software,
            limits: rows,
            features: report.features.iter().map(ToString::to_string).collect(),
            tests: report.self_test.as_ref().map(test_rows).unwrap_or_default(),
            problem: report.problem.clone(),
        }
    }
}

/// What the self-test found, one line for each thing that a kernel may need, then the facts that explain them.
#[cfg(feature = "gpu")]
fn test_rows(test: &SelfTest) -> Vec<TestRow> {
    let mut rows = Vec::new();
    let mut row = |name: &str, passed: Option<bool>, detail: String| {
        let name = name.to_string();
        rows.extend(passed.map(|passed| TestRow { name, passed, detail }));
    };
    row("integers", test.integers, "Philox4x32-10 gives its published answers".into());
    row("64-bit integers", test.int64, "the same with 64-bit products".into());
    let enough = |loops: u64| loops >= crate::plan::device::SAFE_ITERATIONS;
    let shown = test.loops.map(|n| format!("{} iterations of one invocation were carried out", grouped(n)));
    row("loops", test.loops.map(enough), shown.unwrap_or_default());
    if let Some(floats) = &test.floats {
        let word = |yes: bool, text: &str| format!("{}{text}", if yes { "" } else { "not " });
        row("conversions", Some(floats.conversions), "f32(u32) rounds to nearest".into());
        let rewritten = if floats.differences { "" } else { "; without a guard the optimiser rewrites them" };
        row("hi/lo differences", Some(floats.opaque_differences), format!("two-term differences are exact{rewritten}"));
        let facts = [
            word(floats.fma_fused, "fused by fma()"),
            word(floats.contracts, "contracted as written"),
            format!("denormals {}", if floats.denormals { "kept" } else { "flushed" }),
        ];
        row("multiply-add", Some(true), facts.join(", "));
    }
    row("f64", test.doubles, "f64 in WGSL agrees with the host".into());
    rows
}

/// The devices as text. `missing` are sentences: what is not here, why, what to install.
#[must_use]
pub fn text(machine: &Machine, adapters: &[DeviceRow], missing: &[String], style: Style) -> String {
    let mut out = String::new();
    host(&mut out, machine, style);
    for adapter in adapters {
        device(&mut out, adapter, style);
    }
    if adapters.is_empty() {
        out.push('\n');
        wrap(&mut out, "", "No adapter: the gpu backend cannot run here. seq and cpu can.");
    }
    for (i, sentence) in missing.iter().enumerate() {
        if i == 0 {
            out.push('\n');
        }
        let mut line = String::new();
        wrap(&mut line, "missing: ", &style.clean(sentence));
        out.push_str(&line.replacen("missing:", &style.paint("missing:", Paint::Warn), 1));
    }
    out
}

fn host(out: &mut String, machine: &Machine, style: Style) {
    let mut grid = Grid::new(style, &["cpu", &style.clean(&machine.cpu)]);
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            grid.row(vec![format!("  {name}").into(), value.into()]);
        }
    };
    let usable = match machine.usable_threads {
        usable if usable == machine.threads => String::new(),
        usable => format!(", {usable} usable by this process"),
    };
    fact("cores", format!("{} with {} threads{usable}", machine.cores, machine.threads));
    fact("instructions", format!("{} on {}", machine.simd, machine.arch));
    let caches = machine.caches.iter().map(|cache| {
        let shared = if cache.shared_by > 1 { format!(" for {} threads", cache.shared_by) } else { String::new() };
        format!("L{} {}{shared}", cache.level, bytes(cache.bytes))
    });
    fact("caches", caches.collect::<Vec<_>>().join(", "));
    let available = machine.memory_available_bytes.map_or_else(String::new, |n| format!(", {} available", bytes(n)));
    let total = machine.memory_bytes.map_or_else(|| "unknown".into(), bytes);
    fact("memory", format!("{total}{available}"));
    fact("memory nodes", if machine.numa_nodes > 1 { machine.numa_nodes.to_string() } else { String::new() });
    fact("huge pages", machine.huge_pages.clone().unwrap_or_default());
    let group = [
        machine.cpu_quota.map(|cpus| format!("{cpus:.2} CPUs of time")),
        machine.memory_limit_bytes.map(|limit| format!("{} of memory", bytes(limit))),
    ];
    fact("control group", group.into_iter().flatten().collect::<Vec<_>>().join(", "));
    let system = [machine.os.as_str(), machine.kernel.as_str()];
    fact("system", system.into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join(", "));
    fact("backends", "seq, cpu".into());
    grid.write(out);
}

fn device(out: &mut String, adapter: &DeviceRow, style: Style) {
    out.push('\n');
    let mut grid = Grid::new(style, &[&format!("gpu:{}", adapter.index), &style.clean(&adapter.name)]);
    let mut fact = |name: &str, value: Cell| grid.row(vec![format!("  {name}").into(), value]);
    if adapter.software {
        fact("type", Cell::painted(SOFTWARE, Paint::Warn));
    } else {
        fact("type", format!("{} GPU", adapter.kind).into());
    }
    fact("driver", format!("{}, {}", adapter.api, adapter.driver).into());
    for (name, value) in &adapter.limits {
        fact(name, value.as_str().into());
    }
    let features = if adapter.features.is_empty() { "none".into() } else { adapter.features.join(", ") };
    fact("features", features.into());
    for test in &adapter.tests {
        let (word, paint) = if test.passed { ("pass", Paint::Good) } else { ("FAIL", Paint::Bad) };
        let detail = if test.detail.is_empty() { String::new() } else { format!(": {}", test.detail) };
        fact(&format!("test {}", test.name), Cell::painted(format!("{word}{detail}"), paint));
    }
    match &adapter.problem {
        Some(why) => fact("cannot be used", Cell::painted(why.as_str(), Paint::Bad)),
        None => fact("backend", format!("gpu:{}", adapter.index).into()),
    }
    grid.write(out);
}

/// The devices as one JSON document, `hetero.devices/1`; `adapters` in their own full form.
#[must_use]
pub fn json<A: Serialize>(machine: &Machine, adapters: &[A], missing: &[String]) -> String {
    let devices = json!({ "schema": "hetero.devices/1", "machine": machine, "adapters": adapters, "missing": missing });
    format!("{devices:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    const PLAIN: Style = Style { ascii: true, colour: false };

    fn software() -> DeviceRow {
        let test = |name: &str, passed, detail: &str| TestRow { name: name.into(), passed, detail: detail.into() };
        DeviceRow {
            index: 0,
            name: "llvmpipe (LLVM 15.0.6, 256 bits)".into(),
            kind: "cpu".into(),
            api: "vulkan".into(),
            driver: "llvmpipe Mesa 22.3.6".into(),
            software: true,
            limits: vec![("buffer".into(), "2.00 GiB".into()), ("binding".into(), "128 MiB".into())],
            features: vec!["f64".into(), "timestamps".into()],
            tests: vec![
                test("integers", true, ""),
                test("iterations", true, "65_535"),
                test("hi/lo differences", false, "the compiler turns (a+b)-a into b"),
            ],
            problem: None,
        }
    }

    #[test]
    fn an_adapter_is_told_with_its_limits_and_tests() {
        insta::assert_snapshot!(text(&samples::machine(), &[software()], &[], PLAIN), @r"
    cpu              Example CPU 9000
    --------------------------------------------------------------------
      cores          2 with 4 threads, 2 usable by this process
      instructions   avx512 on x86_64
      caches         L1 32.0 KiB, L2 1.00 MiB, L3 32.0 MiB for 4 threads
      memory         24.0 GiB, 20.0 GiB available
      huge pages     madvise
      control group  1.50 CPUs of time
      system         Example Linux 12, Linux 6.1.0
      backends       seq, cpu

    gpu:0                     llvmpipe (LLVM 15.0.6, 256 bits)
    -----------------------------------------------------------------
      type                    software adapter, not a GPU
      driver                  vulkan, llvmpipe Mesa 22.3.6
      buffer                  2.00 GiB
      binding                 128 MiB
      features                f64, timestamps
      test integers           pass
      test iterations         pass: 65_535
      test hi/lo differences  FAIL: the compiler turns (a+b)-a into b
      backend                 gpu:0
    ");
    }

    #[test]
    fn what_is_missing_is_told_with_what_to_do() {
        let missing =
            ["No Vulkan loader was found (libvulkan.so.1); install it: apt-get install libvulkan1".to_string()];
        insta::assert_snapshot!(text(&samples::machine(), &[], &missing, PLAIN), @r"
    cpu              Example CPU 9000
    --------------------------------------------------------------------
      cores          2 with 4 threads, 2 usable by this process
      instructions   avx512 on x86_64
      caches         L1 32.0 KiB, L2 1.00 MiB, L3 32.0 MiB for 4 threads
      memory         24.0 GiB, 20.0 GiB available
      huge pages     madvise
      control group  1.50 CPUs of time
      system         Example Linux 12, Linux 6.1.0
      backends       seq, cpu

    No adapter: the gpu backend cannot run here. seq and cpu can.

    missing: No Vulkan loader was found (libvulkan.so.1); install it: apt-get install libvulkan1
    ");
    }

    #[test]
    fn an_adapter_that_cannot_be_used_says_why() {
        let broken = DeviceRow { problem: Some("the driver returned out of memory".into()), ..software() };
        let text = text(&samples::machine(), &[broken], &[], PLAIN);
        assert!(text.contains("cannot be used") && text.contains("the driver returned out of memory"), "{text}");
        assert!(!text.contains("  backend  "), "{text}");
    }

    #[test]
    fn the_json_form_is_one_document() {
        let text = json(&samples::machine(), &[serde_json::json!({"name": "x"})], &["why".into()]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["schema"], "hetero.devices/1");
        assert_eq!((&value["adapters"][0]["name"], &value["missing"][0]), (&"x".into(), &"why".into()));
        assert_eq!(value["machine"]["cores"], 2);
    }
}
