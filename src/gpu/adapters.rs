//! Which adapters this machine has: each physical device once, the best first, as plain data.

use std::time::Duration;

use serde::Serialize;

use super::device::Device;
use super::selftest::{self, SelfTest};
use crate::config::BackendOptions;
use crate::error::{Error, Result};

/// What kind of device an adapter is; the order is the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the host's memory.
    Integrated,
    /// A GPU handed to a virtual machine.
    Virtual,
    /// The driver does not say.
    Other,
    /// A program on the CPU: a software adapter, not a GPU.
    Cpu,
}

impl AdapterKind {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Other => "other",
            Self::Cpu => "cpu",
        }
    }

    fn of(kind: wgpu::DeviceType) -> Self {
        match kind {
            wgpu::DeviceType::DiscreteGpu => Self::Discrete,
            wgpu::DeviceType::IntegratedGpu => Self::Integrated,
            wgpu::DeviceType::VirtualGpu => Self::Virtual,
            wgpu::DeviceType::Cpu => Self::Cpu,
            wgpu::DeviceType::Other => Self::Other,
        }
    }
}

/// The limits of an adapter that decide what it can run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterLimits {
    /// Largest storage buffer binding in bytes.
    pub max_binding: u64,
    /// Largest buffer in bytes.
    pub max_buffer: u64,
    /// Largest uniform binding in bytes.
    pub max_uniform: u64,
    /// Storage buffers that one kernel may use.
    pub max_storage_buffers: u32,
    /// Invocations in one workgroup.
    pub max_workgroup: u32,
    /// Bytes that the invocations of a workgroup may share.
    pub max_workgroup_storage: u32,
    /// Workgroups in one dimension of a dispatch.
    pub max_workgroups: u32,
    /// Memory of the device in bytes, where the driver tells.
    pub memory: Option<u64>,
}

/// An adapter as `hetero devices` shows it. Plain data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdapterReport {
    /// Its number: `gpu:N`, `--adapter N`.
    pub index: usize,
    /// Name as the driver gives it.
    pub name: String,
    /// What kind of device it is.
    #[serde(rename = "type")]
    pub kind: AdapterKind,
    /// `vulkan`, `metal` or `dx12`.
    pub api: String,
    /// Driver name and version.
    pub driver: String,
    /// Whether it runs on the CPU: a software adapter, not a GPU.
    pub software: bool,
    /// PCI vendor number, 0 where there is none.
    pub vendor: u32,
    /// PCI device number.
    pub device: u32,
    /// PCI address, empty where the API does not tell.
    pub pci: String,
    /// Its limits.
    pub limits: AdapterLimits,
    /// Optional features that hetero uses: `f64`, `timestamps`, `direct mapping`.
    pub features: Vec<&'static str>,
    /// What its arithmetic may be trusted with.
    pub self_test: Option<SelfTest>,
    /// Why there is no self-test.
    pub problem: Option<String>,
}

impl std::fmt::Display for AdapterReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.api, self.driver)?;
        if self.software { f.write_str(", software adapter, not a GPU") } else { Ok(()) }
    }
}

/// An adapter with its handle.
pub struct Found {
    /// The handle.
    pub(super) adapter: wgpu::Adapter,
    /// The same as data, without the self-test.
    pub report: AdapterReport,
}

/// Every adapter of this machine with its self-test: what `hetero devices` lists. Empty when there is none; then
/// [`missing`](super::missing::missing) says why.
#[must_use]
pub fn adapters(options: &BackendOptions) -> Vec<AdapterReport> {
    let opened = |found: Found| {
        let mut report = found.report.clone();
        match Device::open(found, &format!("gpu:{}", report.index), options).and_then(|device| selftest::all(&device)) {
            Ok(test) => report.self_test = Some(test),
            Err(error) => report.problem = Some(error.to_string()),
        }
        report
    };
    super::device::on_own_thread(|| find().into_iter().map(opened).collect()).unwrap_or_default()
}

/// Every adapter of this machine, not opened.
pub(crate) fn reports() -> Vec<AdapterReport> {
    find().into_iter().map(|found| found.report).collect()
}

/// The number of the adapter that the backend `id` would open.
///
/// # Errors
/// As [`choose`].
pub(crate) fn chosen(reports: &[AdapterReport], id: &str, options: &BackendOptions) -> Result<usize> {
    choose(&reports.iter().collect::<Vec<_>>(), id, None, options)
}

/// Keeps Mesa's device-selection layer from printing `XDG_RUNTIME_DIR is invalid` on stderr (it looks for a desktop that
/// a compute job does not need) by turning the layer off, unless the user steers it.
///
/// # Safety
/// Changes the environment: call it first thing in `main`, before there is a second thread.
pub unsafe fn quiet_loader() {
    let steered =
        ["MESA_VK_DEVICE_SELECT", "DRI_PRIME", "NODEVICE_SELECT"].iter().any(|name| std::env::var_os(name).is_some());
    if cfg!(target_os = "linux") && !steered && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the caller promises that no other thread reads the environment now.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

/// Finds the adapters, the best first, each physical device once.
pub(super) fn find() -> Vec<Found> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    // Validation only on request (WGPU_VALIDATION=1): it doubles the time to open a device.
    descriptor.flags = wgpu::InstanceFlags::empty().with_env();
    let listed = super::errors::caught(|| {
        let instance = wgpu::Instance::new(descriptor);
        pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()))
    });
    // A driver that panics while it is asked what it is cannot be used.
    let mut found: Vec<Found> =
        listed.unwrap_or_default().into_iter().map(|adapter| Found { report: report_of(&adapter), adapter }).collect();
    found.sort_by_key(|f| (f.report.kind, api_rank(&f.report.api)));
    let keep = distinct(&found.iter().map(|f| &f.report).collect::<Vec<_>>());
    let mut keep = keep.into_iter();
    found.retain(|_| keep.next().unwrap_or(false));
    for (index, found) in found.iter_mut().enumerate() {
        found.report.index = index;
    }
    found
}

fn report_of(adapter: &wgpu::Adapter) -> AdapterReport {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let features = adapter.features();
    let kind = AdapterKind::of(info.device_type);
    let named = [
        (wgpu::Features::SHADER_F64, "f64"),
        (wgpu::Features::SHADER_INT64, "64-bit integers"),
        (wgpu::Features::TIMESTAMP_QUERY, "timestamps"),
        (wgpu::Features::MAPPABLE_PRIMARY_BUFFERS, "direct mapping"),
    ];
    AdapterReport {
        index: 0,
        name: info.name,
        kind,
        api: info.backend.to_str().into(),
        driver: [info.driver, info.driver_info].join(" ").trim().to_string(),
        software: kind == AdapterKind::Cpu,
        vendor: info.vendor,
        device: info.device,
        pci: info.device_pci_bus_id,
        limits: AdapterLimits {
            max_binding: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
            max_buffer: limits.max_buffer_size,
            max_uniform: limits.max_uniform_buffer_binding_size.min(64 << 10),
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            max_workgroup: limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x),
            max_workgroup_storage: limits.max_compute_workgroup_storage_size,
            max_workgroups: limits.max_compute_workgroups_per_dimension,
            memory: memory(adapter),
        },
        features: named.iter().filter(|(flag, _)| features.contains(*flag)).map(|(_, name)| *name).collect(),
        self_test: None,
        problem: None,
    }
}

/// The largest heap of device memory. wgpu does not tell; Vulkan does.
#[cfg(any(target_os = "linux", target_os = "windows", target_os = "freebsd"))]
fn memory(adapter: &wgpu::Adapter) -> Option<u64> {
    // Bit 0 of VkMemoryHeapFlags is VK_MEMORY_HEAP_DEVICE_LOCAL_BIT.
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: the handle is only used for a query while the guard that keeps the adapter alive is held.
    let vulkan = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let instance = vulkan.shared_instance().raw_instance();
    // SAFETY: the physical device belongs to this instance, and both live as long as the guard.
    let memory = unsafe { instance.get_physical_device_memory_properties(vulkan.raw_physical_device()) };
    let heaps = memory.memory_heaps.iter().take(memory.memory_heap_count as usize);
    heaps.filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0).map(|heap| heap.size).max()
}

#[cfg(not(any(target_os = "linux", target_os = "windows", target_os = "freebsd")))]
fn memory(_: &wgpu::Adapter) -> Option<u64> {
    None
}

/// Which API to prefer for a device that several offer: Vulkan has f64 and direct mapping most often.
fn api_rank(api: &str) -> usize {
    ["vulkan", "metal", "dx12"].iter().position(|name| *name == api).unwrap_or(usize::MAX)
}

/// For each adapter whether it is the first that stands for its physical device. The same PCI address is the same
/// device; without one, the same vendor, device and name through another API is (two equal cards appear twice in one
/// API and stay two).
fn distinct(reports: &[&AdapterReport]) -> Vec<bool> {
    let mut keep = vec![true; reports.len()];
    // Each kept adapter may stand for one adapter of every other API.
    let mut stands_for: Vec<Vec<&str>> = vec![Vec::new(); reports.len()];
    for later in 0..reports.len() {
        let b = reports[later];
        for earlier in 0..later {
            let a = reports[earlier];
            if !keep[earlier] {
                continue;
            }
            let same = if !a.pci.is_empty() && !b.pci.is_empty() {
                a.pci == b.pci
            } else {
                a.api != b.api
                    && !stands_for[earlier].contains(&b.api.as_str())
                    && (a.vendor, a.device) == (b.vendor, b.device)
                    && a.name.eq_ignore_ascii_case(&b.name)
            };
            if same {
                keep[later] = false;
                stands_for[earlier].push(&b.api);
                break;
            }
        }
    }
    keep
}

/// Chooses an adapter: `gpu:N` takes number `index`, else `--adapter` a number or a part of the name, else the first.
///
/// # Errors
/// [`Error::Unavailable`] when there is none, none of that number or name, or only a software one while hardware is
/// required; [`Error::Usage`] when a part of a name fits several.
pub(super) fn choose(
    reports: &[&AdapterReport],
    id: &str,
    index: Option<usize>,
    options: &BackendOptions,
) -> Result<usize> {
    let unavailable = |why: String| Error::Unavailable { backend: id.into(), why };
    let list = |which: &[&AdapterReport]| {
        which.iter().map(|r| format!("{} = {} ({})", r.index, r.name, r.api)).collect::<Vec<_>>().join(", ")
    };
    if reports.is_empty() {
        let mut why = super::missing::missing(&[]).join("; ");
        if why.is_empty() {
            why = "install a driver for your GPU".into();
        }
        return Err(unavailable(format!("there is no adapter: {why}; or use --backend cpu")));
    }
    let wanted = options.adapter.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let number = index.or_else(|| wanted.and_then(|text| text.parse().ok()));
    let chosen = match (number, wanted) {
        (Some(number), _) => *reports
            .get(number)
            .ok_or_else(|| unavailable(format!("there is no adapter number {number}; there are: {}", list(reports))))?,
        (None, Some(text)) => {
            let part = text.to_lowercase();
            let fits: Vec<_> = reports.iter().copied().filter(|r| r.name.to_lowercase().contains(&part)).collect();
            match fits[..] {
                [] => {
                    return Err(unavailable(format!(
                        "no adapter's name contains '{text}'; there are: {}",
                        list(reports)
                    )));
                }
                [one] => one,
                _ => {
                    return Err(Error::Usage(format!(
                        "--adapter '{text}' fits several: {}; give the number instead",
                        list(&fits)
                    )));
                }
            }
        }
        (None, None) => reports[0],
    };
    if options.require_hardware && chosen.software {
        return Err(unavailable(format!(
            "{} is a software adapter, not a GPU, and --require-hardware refuses those; install your GPU's driver or use --backend cpu",
            chosen.name
        )));
    }
    Ok(chosen.index)
}

/// The time limit of `options`, kept in a range that a clock can count.
pub(super) fn timeout(options: &BackendOptions) -> Duration {
    Duration::try_from_secs_f64(options.device_timeout.clamp(1e-6, 86_400.0)).unwrap_or(Duration::from_secs(30))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::gpu) fn report(index: usize, name: &str, kind: AdapterKind, api: &str, pci: &str) -> AdapterReport {
        AdapterReport {
            index,
            name: name.into(),
            kind,
            api: api.into(),
            driver: "driver 1".into(),
            software: kind == AdapterKind::Cpu,
            vendor: 1,
            device: 2,
            pci: pci.into(),
            limits: AdapterLimits {
                max_binding: 1,
                max_buffer: 1,
                max_uniform: 1,
                max_storage_buffers: 1,
                max_workgroup: 1,
                max_workgroup_storage: 1,
                max_workgroups: 1,
                memory: None,
            },
            features: vec![],
            self_test: None,
            problem: None,
        }
    }

    fn options(adapter: Option<&str>, require_hardware: bool) -> BackendOptions {
        BackendOptions { adapter: adapter.map(Into::into), require_hardware, ..crate::gpu::testing::options() }
    }

    #[test]
    fn one_device_through_two_apis_is_listed_once() {
        let a = report(0, "Card", AdapterKind::Discrete, "vulkan", "0000:01:00.0");
        let same = report(1, "Card (DX)", AdapterKind::Discrete, "vulkan", "0000:01:00.0");
        let twin = report(2, "Card", AdapterKind::Discrete, "vulkan", "0000:02:00.0");
        assert_eq!(distinct(&[&a, &same, &twin]), [true, false, true]);
        let v1 = report(0, "Card", AdapterKind::Discrete, "vulkan", "");
        let v2 = report(1, "Card", AdapterKind::Discrete, "vulkan", "");
        let d1 = report(2, "CARD", AdapterKind::Discrete, "dx12", "");
        let d2 = report(3, "Card", AdapterKind::Discrete, "dx12", "");
        let other = report(4, "Other", AdapterKind::Discrete, "dx12", "");
        assert_eq!(distinct(&[&v1, &v2, &d1, &d2, &other]), [true, true, false, false, true]);
        assert_eq!(distinct(&[&v1, &d1, &d2]), [true, false, true]);
    }

    #[test]
    fn kinds_are_ordered_by_preference() {
        use AdapterKind::{Cpu, Discrete, Integrated, Other, Virtual};
        let mut kinds = [Cpu, Other, Virtual, Integrated, Discrete];
        kinds.sort();
        assert_eq!(kinds, [Discrete, Integrated, Virtual, Other, Cpu]);
    }

    #[test]
    fn an_adapter_is_chosen_by_number_or_part_of_its_name() {
        let a = report(0, "Radeon Pro W7900", AdapterKind::Discrete, "vulkan", "");
        let b = report(1, "GeForce RTX", AdapterKind::Discrete, "vulkan", "");
        let c = report(2, "llvmpipe (LLVM)", AdapterKind::Cpu, "vulkan", "");
        let all = [&a, &b, &c];
        let chosen = |index, text, hardware| choose(&all, "gpu", index, &options(text, hardware));
        assert_eq!(chosen(None, None, false), Ok(0));
        assert_eq!(chosen(Some(2), None, false), Ok(2));
        assert_eq!(chosen(Some(1), Some("llvm"), false), Ok(1));
        assert_eq!(chosen(None, Some("1"), false), Ok(1));
        assert_eq!(chosen(None, Some("LLVM"), false), Ok(2));
        assert_eq!(chosen(None, Some("r"), false).unwrap_err().exit_code(), 2);
        assert_eq!(chosen(None, Some("voodoo"), false).unwrap_err().exit_code(), 5);
        assert_eq!(chosen(Some(7), None, false).unwrap_err().exit_code(), 5);
        assert_eq!(chosen(None, None, true), Ok(0));
        let refused = chosen(None, Some("llvm"), true).unwrap_err();
        assert_eq!(refused.exit_code(), 5);
        assert!(refused.to_string().contains("software adapter, not a GPU"));
        let none = choose(&[], "gpu", None, &options(None, false)).unwrap_err();
        assert_eq!(none.exit_code(), 5);
    }

    #[test]
    fn any_timeout_is_a_duration() {
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            let limit = timeout(&BackendOptions { device_timeout: seconds, ..crate::gpu::testing::options() });
            assert!(limit > Duration::ZERO && limit <= Duration::from_secs(86_400));
        }
    }
}
