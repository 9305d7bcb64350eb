//! Finding out what this computer is: files below `/proc` and `/sys` on Linux, `sysctl` on macOS, the environment
//! elsewhere. No process is started and no file is read whole that grows with the number of CPUs.

use super::Machine;
use crate::simd::Simd;

/// This computer: what the system tells, completed by what the standard library knows everywhere.
pub(super) fn machine() -> Machine {
    let mut machine = system();
    let usable = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    machine.usable_threads = usable;
    machine.threads = machine.threads.max(usable);
    if machine.cores == 0 {
        machine.cores = machine.threads;
    }
    machine.numa_nodes = machine.numa_nodes.max(1);
    machine.arch = std::env::consts::ARCH;
    machine.simd = Simd::detect().name();
    machine.memory_available_bytes = crate::memory::available();
    for (name, otherwise) in [(&mut machine.cpu, machine.arch), (&mut machine.os, std::env::consts::OS)] {
        if name.is_empty() {
            *name = otherwise.to_string();
        }
    }
    machine
}

#[cfg(target_os = "linux")]
fn system() -> Machine {
    linux::machine(std::path::Path::new("/"))
}

#[cfg(target_os = "macos")]
fn system() -> Machine {
    macos::machine()
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn system() -> Machine {
    // Windows describes its processor in the environment of every process.
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    Machine {
        cpu: variable("PROCESSOR_IDENTIFIER"),
        threads: variable("NUMBER_OF_PROCESSORS").parse().unwrap_or(0),
        ..Machine::default()
    }
}

#[cfg(any(target_os = "linux", test))]
mod linux {
    use std::fs;
    use std::io::Read;
    use std::path::{Path, PathBuf};

    use crate::machine::{Cache, Machine};

    /// Reading one CPU's topology costs some 10 us, so that above this many CPUs all cores count as alike.
    const READ_EACH: usize = 64;

    /// The machine whose root directory is `root`.
    pub(super) fn machine(root: &Path) -> Machine {
        let cpus = root.join("sys/devices/system/cpu");
        let online = list(&text(&cpus.join("online")));
        let (cpu_quota, memory_limit_bytes) = group_limits(root);
        Machine {
            cpu: cpu_name(root),
            cores: cores(&cpus, &online),
            threads: online.len(),
            memory_bytes: memory(root),
            os: os_name(root),
            kernel: format!("Linux {}", text(&root.join("proc/sys/kernel/osrelease"))).trim_end().to_string(),
            caches: caches(&cpus),
            numa_nodes: list(&text(&root.join("sys/devices/system/node/online"))).len(),
            huge_pages: huge_pages(root),
            cpu_quota,
            memory_limit_bytes,
            ..Machine::default()
        }
    }

    /// A short file without the white space at its ends; empty when it cannot be read.
    fn text(path: &Path) -> String {
        // One page is what the kernel fills at once: `/proc/cpuinfo` of 256 CPUs is not read whole.
        let mut bytes = Vec::new();
        let read = fs::File::open(path).and_then(|file| file.take(4096).read_to_end(&mut bytes));
        read.map_or_else(|_| String::new(), |_| String::from_utf8_lossy(&bytes).trim().to_string())
    }

    fn number(path: &Path) -> Option<u64> {
        text(path).parse().ok()
    }

    /// The numbers of a list as the kernel writes it: `0-3,8,10-11`. What is not a number is left out.
    fn list(text: &str) -> Vec<usize> {
        let mut numbers = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            if let (Ok(first), Ok(last)) = (first.trim().parse::<usize>(), last.trim().parse::<usize>())
                && last.saturating_sub(first) < 1 << 16
            {
                numbers.extend(first..=last);
            }
        }
        numbers
    }

    /// The value of the first line `key : value` or `key=value` whose key is `key`.
    fn field<'t>(text: &'t str, separator: char, key: &str) -> Option<&'t str> {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(separator)?;
            (name.trim() == key).then(|| value.trim().trim_matches('"'))
        })
    }

    fn cpu_name(root: &Path) -> String {
        let info = text(&root.join("proc/cpuinfo"));
        let named = ["model name", "Model", "cpu model", "cpu"].iter().find_map(|key| field(&info, ':', key));
        if let Some(name) = named {
            return name.to_string();
        }
        let model = text(&root.join("sys/firmware/devicetree/base/model"));
        if !model.is_empty() {
            return model.trim_end_matches('\0').to_string();
        }
        // ARM servers name neither: their numbers can at least be looked up.
        match (field(&info, ':', "CPU implementer"), field(&info, ':', "CPU part")) {
            (Some(implementer), Some(part)) => {
                format!("{} (implementer {implementer}, part {part})", std::env::consts::ARCH)
            }
            _ => String::new(),
        }
    }

    /// Physical cores: CPUs that are the first of their siblings. 0 when the kernel does not tell.
    fn cores(cpus: &Path, online: &[usize]) -> usize {
        let siblings = |cpu: usize| list(&text(&cpus.join(format!("cpu{cpu}/topology/thread_siblings_list"))));
        let Some(first) = online.first().map(|cpu| siblings(*cpu)).filter(|siblings| !siblings.is_empty()) else {
            return 0;
        };
        if online.len() > READ_EACH {
            return online.len().div_ceil(first.len());
        }
        online.iter().filter(|cpu| siblings(**cpu).first().is_none_or(|first| first == *cpu)).count()
    }

    fn caches(cpus: &Path) -> Vec<Cache> {
        let folder = cpus.join("cpu0/cache");
        let mut caches: Vec<Cache> = (0..8)
            .map_while(|i| {
                let index = folder.join(format!("index{i}"));
                Some((text(&index.join("type")), number(&index.join("level"))?, index))
            })
            .filter(|(kind, ..)| kind != "Instruction")
            .filter_map(|(_, level, index)| {
                Some(Cache {
                    level: u32::try_from(level).ok()?,
                    bytes: crate::units::parse_bytes(&text(&index.join("size"))).ok()?,
                    shared_by: list(&text(&index.join("shared_cpu_list"))).len().max(1),
                })
            })
            .collect();
        caches.sort_by_key(|cache| cache.level);
        caches
    }

    fn memory(root: &Path) -> Option<u64> {
        let info = text(&root.join("proc/meminfo"));
        let kib = field(&info, ':', "MemTotal")?.strip_suffix("kB")?.trim().parse::<u64>().ok()?;
        kib.checked_mul(1024)
    }

    fn os_name(root: &Path) -> String {
        ["etc/os-release", "usr/lib/os-release"]
            .iter()
            .find_map(|file| field(&text(&root.join(file)), '=', "PRETTY_NAME").map(str::to_string))
            .unwrap_or_default()
    }

    /// The word in brackets of `always [madvise] never`.
    fn huge_pages(root: &Path) -> Option<String> {
        let setting = text(&root.join("sys/kernel/mm/transparent_hugepage/enabled"));
        Some(setting.split_once('[')?.1.split_once(']')?.0.to_string())
    }

    /// CPU and memory limits of this process's control group and all groups above it: the tightest of each.
    fn group_limits(root: &Path) -> (Option<f64>, Option<u64>) {
        let groups = text(&root.join("proc/self/cgroup"));
        let (mut cpu, mut memory) = (None::<f64>, None::<u64>);
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let has = |name: &str| controllers.split(',').any(|controller| controller == name);
            let base = root.join("sys/fs/cgroup");
            if controllers.is_empty() {
                for group in ancestors(&base, path) {
                    tighten(&mut cpu, quota_v2(&text(&group.join("cpu.max"))));
                    tighten(&mut memory, number(&group.join("memory.max")));
                }
            } else if has("cpu") {
                for group in ancestors(&base.join("cpu"), path) {
                    let quota = number(&group.join("cpu.cfs_quota_us"));
                    let period = number(&group.join("cpu.cfs_period_us")).filter(|period| *period > 0);
                    tighten(&mut cpu, quota.zip(period).map(|(quota, period)| quota as f64 / period as f64));
                }
            } else if has("memory") {
                for group in ancestors(&base.join("memory"), path) {
                    // "No limit" is the largest multiple of a page.
                    let limit = number(&group.join("memory.limit_in_bytes"));
                    tighten(&mut memory, limit.filter(|limit| *limit < 1 << 62));
                }
            }
        }
        (cpu, memory)
    }

    /// The folder of group `path` below `base` and those of all groups above it. In a container the path may belong to
    /// the host's tree: then only `base` exists, and it is the container's own group.
    fn ancestors(base: &Path, path: &str) -> Vec<PathBuf> {
        let inner = path.trim_matches('/');
        let climbs = inner.split('/').any(|part| part == "..");
        let mut folders = vec![base.to_path_buf()];
        if !inner.is_empty() && !climbs {
            let mut folder = base.to_path_buf();
            // Deeper nesting than any system's is cut off.
            for part in inner.split('/').take(32) {
                folder.push(part);
                folders.push(folder.clone());
            }
        }
        folders
    }

    /// CPUs from `quota period`; `None` for `max period`.
    fn quota_v2(text: &str) -> Option<f64> {
        let (quota, period) = text.split_once(' ')?;
        let (quota, period) = (quota.parse::<f64>().ok()?, period.trim().parse::<f64>().ok()?);
        (quota > 0.0 && period > 0.0).then(|| quota / period)
    }

    fn tighten<T: PartialOrd + Copy>(limit: &mut Option<T>, other: Option<T>) {
        if let Some(other) = other
            && limit.is_none_or(|limit| other < limit)
        {
            *limit = Some(other);
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// A root directory with these files.
        fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
            let root = tempfile::tempdir().unwrap();
            for (path, content) in files {
                let path = root.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            root
        }

        #[test]
        fn an_empty_system_gives_open_facts() {
            let machine = machine(root(&[]).path());
            assert_eq!(machine, Machine { kernel: "Linux".into(), ..Machine::default() });
        }

        #[test]
        fn a_desktop_is_described() {
            let root = root(&[
                ("proc/cpuinfo", "processor\t: 0\nmodel name\t: Fast CPU 9\ncpu cores\t: 2\n"),
                ("proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n"),
                ("proc/sys/kernel/osrelease", "6.1.0-13\n"),
                ("etc/os-release", "NAME=\"X\"\nPRETTY_NAME=\"Example Linux 12\"\n"),
                ("sys/devices/system/cpu/online", "0-3\n"),
                ("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,2\n"),
                ("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "1,3\n"),
                ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "0,2\n"),
                ("sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "1,3\n"),
                ("sys/devices/system/cpu/cpu0/cache/index0/type", "Data\n"),
                ("sys/devices/system/cpu/cpu0/cache/index0/level", "1\n"),
                ("sys/devices/system/cpu/cpu0/cache/index0/size", "32K\n"),
                ("sys/devices/system/cpu/cpu0/cache/index0/shared_cpu_list", "0,2\n"),
                ("sys/devices/system/cpu/cpu0/cache/index1/type", "Instruction\n"),
                ("sys/devices/system/cpu/cpu0/cache/index1/level", "1\n"),
                ("sys/devices/system/cpu/cpu0/cache/index1/size", "32K\n"),
                ("sys/devices/system/cpu/cpu0/cache/index2/type", "Unified\n"),
                ("sys/devices/system/cpu/cpu0/cache/index2/level", "3\n"),
                ("sys/devices/system/cpu/cpu0/cache/index2/size", "32768K\n"),
                ("sys/devices/system/cpu/cpu0/cache/index2/shared_cpu_list", "0-3\n"),
                ("sys/devices/system/node/online", "0-1\n"),
                ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
                ("proc/self/cgroup", "0::/user/app\n"),
                ("sys/fs/cgroup/user/cpu.max", "150000 100000\n"),
                ("sys/fs/cgroup/user/app/cpu.max", "max 100000\n"),
                ("sys/fs/cgroup/user/memory.max", "max\n"),
                ("sys/fs/cgroup/user/app/memory.max", "1048576\n"),
            ]);
            let expected = Machine {
                cpu: "Fast CPU 9".into(),
                cores: 2,
                threads: 4,
                memory_bytes: Some(16 << 20),
                os: "Example Linux 12".into(),
                kernel: "Linux 6.1.0-13".into(),
                caches: vec![
                    Cache { level: 1, bytes: 32 << 10, shared_by: 2 },
                    Cache { level: 3, bytes: 32 << 20, shared_by: 4 },
                ],
                numa_nodes: 2,
                huge_pages: Some("madvise".into()),
                cpu_quota: Some(1.5),
                memory_limit_bytes: Some(1 << 20),
                ..Machine::default()
            };
            assert_eq!(machine(root.path()), expected);
        }

        #[test]
        fn older_control_groups_and_arm_are_understood() {
            let root = root(&[
                ("proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"),
                ("sys/devices/system/cpu/online", "0-127\n"),
                ("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,64\n"),
                ("proc/self/cgroup", "4:memory:/a/b\n1:cpu,cpuacct:/docker/not-here\n0::/\n"),
                ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "4194304\n"),
                ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n"),
                ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ]);
            let machine = machine(root.path());
            assert!(machine.cpu.ends_with("(implementer 0x41, part 0xd0c)"), "{}", machine.cpu);
            assert_eq!((machine.threads, machine.cores), (128, 64));
            assert_eq!((machine.cpu_quota, machine.memory_limit_bytes), (Some(0.5), Some(4 << 20)));
        }

        #[test]
        fn broken_lists_lose_only_what_is_broken() {
            assert_eq!(list("0-2,5,x,7-,9-10\n"), [0, 1, 2, 5, 9, 10]);
            assert_eq!(list(""), [0; 0]);
            assert_eq!(list("0-99999999999"), [0; 0]);
        }
    }
}

#[cfg(target_os = "macos")]
mod macos {
    use std::ffi::CStr;

    use crate::machine::{Cache, Machine};

    pub(super) fn machine() -> Machine {
        let caches = [(1, c"hw.l1dcachesize"), (2, c"hw.l2cachesize"), (3, c"hw.l3cachesize")];
        let caches = caches.into_iter().filter_map(|(level, name)| {
            Some(Cache { level, bytes: number(name).filter(|bytes| *bytes > 0)?, shared_by: 1 })
        });
        let count = |name| number(name).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        Machine {
            cpu: text(c"machdep.cpu.brand_string"),
            cores: count(c"hw.physicalcpu"),
            threads: count(c"hw.logicalcpu"),
            memory_bytes: number(c"hw.memsize"),
            os: format!("macOS {}", text(c"kern.osproductversion")).trim_end().to_string(),
            kernel: format!("Darwin {}", text(c"kern.osrelease")).trim_end().to_string(),
            caches: caches.collect(),
            ..Machine::default()
        }
    }

    /// What `sysctl` knows under `name`, at most 256 bytes.
    fn bytes(name: &CStr) -> Option<Vec<u8>> {
        let mut buffer = vec![0u8; 256];
        let mut length = buffer.len();
        // SAFETY: `name` ends in a zero, `buffer` has `length` writable bytes, and the call changes nothing (null new
        // value); it stores in `length` how many bytes it wrote.
        let failed = unsafe {
            libc::sysctlbyname(name.as_ptr(), buffer.as_mut_ptr().cast(), &mut length, std::ptr::null_mut(), 0)
        };
        buffer.truncate(length);
        (failed == 0).then_some(buffer)
    }

    fn text(name: &CStr) -> String {
        bytes(name).map_or_else(String::new, |b| String::from_utf8_lossy(&b).trim_end_matches('\0').trim().to_string())
    }

    fn number(name: &CStr) -> Option<u64> {
        let bytes = bytes(name)?;
        match bytes.len() {
            4 => Some(u64::from(u32::from_ne_bytes(bytes.try_into().ok()?))),
            8 => Some(u64::from_ne_bytes(bytes.try_into().ok()?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described_and_quickly() {
        let machine = machine();
        assert!(!machine.cpu.is_empty() && !machine.os.is_empty());
        assert!(machine.cores >= 1 && machine.threads >= machine.usable_threads && machine.usable_threads >= 1);
        // The best of many: other tests run beside this one. Measured 0.3 ms on two CPUs.
        let best = (0..50)
            .map(|_| {
                let start = std::time::Instant::now();
                std::hint::black_box(super::machine());
                start.elapsed().as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min);
        println!("discovery takes {best:e} s");
        assert!(best < 5e-3, "{best} s");
    }
}
