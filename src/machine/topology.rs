//! The processors that this process may use, where its threads should sit, and how large the last-level cache is.
//!
//! Two limits apply: the affinity mask (`taskset`, a cpuset, a batch system) and the control group's quota (a
//! container's `--cpus`). The mask says *which* CPUs, the quota only *how much*; a thread is pinned only where the mask
//! is what binds. Pinning to CPUs of one's own choice under a quota would crowd all containers of a host onto the
//! same few CPUs.

use std::sync::OnceLock;

/// The CPUs in this process's affinity mask, ascending, as they were at the first call. Empty where the system does
/// not tell (then nothing is pinned).
///
/// Call it before pinning a thread: a pinned thread sees its own mask.
pub fn allowed() -> &'static [usize] {
    static ALLOWED: OnceLock<Vec<usize>> = OnceLock::new();
    ALLOWED.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect())
}

/// How many threads may run at the same time: the affinity mask, or the control group's quota if that is less.
#[must_use]
pub fn usable_threads() -> usize {
    static USABLE: OnceLock<usize> = OnceLock::new();
    *USABLE.get_or_init(|| {
        let _ = allowed();
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
    })
}

/// The CPU for each of `threads` threads, or `None` when they are better left to the system: more threads than
/// allowed CPUs, an unknown mask, or a quota below the mask.
#[must_use]
pub fn placement(threads: usize) -> Option<Vec<usize>> {
    let cpus = allowed();
    let quota_binds = usable_threads() < cpus.len();
    if threads == 0 || threads > cpus.len() || quota_binds {
        return None;
    }
    if threads == cpus.len() {
        return Some(cpus.to_vec());
    }
    Some(spread(cpus, threads, first_sibling))
}

/// `threads` of `cpus`, one a core before the second hardware thread of any core. `core` names a CPU's core.
fn spread(cpus: &[usize], threads: usize, core: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
    let (first, second): (Vec<usize>, Vec<usize>) = cpus.iter().partition(|cpu| seen.insert(core(**cpu)));
    first.into_iter().chain(second).take(threads).collect()
}

/// The lowest CPU on the same core as `cpu`, or `cpu` where the system does not tell.
fn first_sibling(cpu: usize) -> usize {
    let file = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    let list = std::fs::read_to_string(file).unwrap_or_default();
    list.split([',', '-']).next().and_then(|first| first.trim().parse().ok()).unwrap_or(cpu)
}

/// Ties a thread of this process, named by the system's number, to `cpu`. `false` when the system refused.
pub fn pin_thread(thread: u32, cpu: usize) -> bool {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: a cpu_set_t is an array of integers, for which zero is a value.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        if cpu >= 8 * size_of_val(&set) {
            return false;
        }
        // SAFETY: the CPU lies inside the set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
        // SAFETY: the pointer is to a live cpu_set_t of the size that is passed.
        unsafe { libc::sched_setaffinity(thread.cast_signed(), size_of_val(&set), &raw const set) == 0 }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (thread, cpu);
        false
    }
}

/// Ties the calling thread to `cpu` for good. `false` when the system refused; the thread then runs where it likes.
pub fn pin(cpu: usize) -> bool {
    core_affinity::set_for_current(core_affinity::CoreId { id: cpu })
}

/// The CPU that the calling thread is on right now, where the system tells.
#[must_use]
pub fn current_cpu() -> Option<usize> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: sched_getcpu takes nothing and only returns a number, negative when it failed.
        usize::try_from(unsafe { libc::sched_getcpu() }).ok()
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Keeps the calling thread on one CPU until dropped, then gives it back the mask it had.
#[derive(Debug)]
pub struct PinGuard {
    #[cfg(target_os = "linux")]
    before: libc::cpu_set_t,
    /// The mask belongs to the thread that set it.
    not_send: std::marker::PhantomData<*const ()>,
}

impl PinGuard {
    /// Moves the calling thread to `cpu`. `None` where the system refuses or cannot give the mask back.
    #[must_use]
    pub fn new(cpu: usize) -> Option<Self> {
        #[cfg(target_os = "linux")]
        {
            // SAFETY: a cpu_set_t is an array of integers, for which zero is a value.
            let mut before: libc::cpu_set_t = unsafe { std::mem::zeroed() };
            // SAFETY: the pointer is to a live cpu_set_t of the size that is passed.
            let known = unsafe { libc::sched_getaffinity(0, size_of_val(&before), &raw mut before) } == 0;
            (known && pin(cpu)).then_some(Self { before, not_send: std::marker::PhantomData })
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = cpu;
            None
        }
    }
}

impl Drop for PinGuard {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        {
            // SAFETY: `before` is a live mask that the system itself filled in.
            // A refusal leaves the thread pinned, which only costs speed.
            let _ = unsafe { libc::sched_setaffinity(0, size_of_val(&self.before), &raw const self.before) };
        }
    }
}

/// Bytes of the last-level cache that the first allowed CPU shares; 32 MiB where the system does not tell.
#[must_use]
pub fn last_level_cache() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    *BYTES.get_or_init(|| {
        let cpu = allowed().first().copied().unwrap_or(0);
        let size = |index: u32| {
            let file = format!("/sys/devices/system/cpu/cpu{cpu}/cache/index{index}/size");
            crate::units::parse_bytes(std::fs::read_to_string(file).ok()?.trim()).ok()
        };
        (0..5).filter_map(size).max().filter(|bytes| *bytes > 0).unwrap_or(32 << 20)
    })
}

/// Whether a step that touches `bytes` of memory should write past the caches: the data cannot stay in them from one
/// pass to the next, and a plain store would first read the line that it overwrites.
///
/// From five eighths of the last-level cache on. Measured on a 32 MiB cache with three words read for each one
/// written: plain stores win at 16 MB (1.0x), non-temporal ones at 24 MB (1.25x) and above (1.2-1.4x).
#[must_use]
pub fn outgrows_caches(bytes: u64) -> bool {
    bytes > last_level_cache() / 8 * 5
}

/// Lets threads that wake up take the CPU of the calling one at once, instead of waiting up to 3 ms for its turn to end: Linux
/// prefers those whose turns are shorter (6.12 on; earlier ones know no such wish). It gets as much of a CPU as before, in
/// longer turns.
pub fn let_others_in() {
    #[cfg(target_os = "linux")]
    {
        /// Nanoseconds of a turn: the usual one times seven. The system takes up to 100 ms.
        const TURN: u64 = 20_000_000;

        /// The system's `struct sched_attr`, as long as it was at first.
        #[repr(C)]
        struct Attributes {
            size: u32,
            policy: u32,
            flags: u64,
            nice: i32,
            priority: u32,
            runtime: u64,
            deadline: u64,
            period: u64,
        }
        // SAFETY: asks for the calling thread's nice value, and hands over a struct that lives until the call returns. Where
        // the system refuses nothing happens.
        unsafe {
            let wish = Attributes {
                size: size_of::<Attributes>() as u32,
                policy: libc::SCHED_OTHER as u32,
                flags: 0,
                nice: libc::getpriority(libc::PRIO_PROCESS, 0),
                priority: 0,
                runtime: TURN,
                deadline: 0,
                period: 0,
            };
            // Another policy was somebody's choice.
            if libc::sched_getscheduler(0) == libc::SCHED_OTHER {
                libc::syscall(libc::SYS_sched_setattr, 0, &raw const wish, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_come_before_their_second_threads() {
        // Linux numbering: CPUs 0..4 are the first threads of four cores, 4..8 the second ones.
        let core = |cpu: usize| cpu % 4;
        assert_eq!(spread(&[0, 1, 2, 3, 4, 5, 6, 7], 3, core), [0, 1, 2]);
        assert_eq!(spread(&[0, 1, 4, 5], 3, core), [0, 1, 4]);
        assert_eq!(spread(&[0, 4, 5], 2, core), [0, 5]);
    }

    #[test]
    fn a_placement_is_distinct_allowed_cpus() {
        assert_eq!(placement(0), None);
        assert_eq!(placement(allowed().len() + 1), None);
        if usable_threads() == allowed().len() {
            for threads in 1..=allowed().len() {
                let cpus = placement(threads).unwrap();
                assert_eq!(cpus.len(), threads);
                assert!(cpus.iter().all(|cpu| allowed().contains(cpu)));
                let distinct: std::collections::HashSet<_> = cpus.iter().collect();
                assert_eq!(distinct.len(), threads);
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_guard_gives_the_mask_back() {
        let mask = || core_affinity::get_core_ids().unwrap().iter().map(|core| core.id).collect::<Vec<_>>();
        let before = mask();
        let cpu = *allowed().last().unwrap();
        {
            let _guard = PinGuard::new(cpu).unwrap();
            assert_eq!(mask(), [cpu]);
            assert_eq!(current_cpu(), Some(cpu));
        }
        assert_eq!(mask(), before);
    }

    #[test]
    fn the_cache_has_a_size() {
        assert!(last_level_cache() >= 64 << 10);
        assert!(outgrows_caches(u64::MAX) && !outgrows_caches(1));
    }
}
