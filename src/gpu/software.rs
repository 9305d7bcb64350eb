//! The threads of a software adapter. Mesa's llvmpipe starts one for each processor and leaves them to the system, which may
//! run all of them on one: kernels then take as many times as long as there are processors, for as long as that lasts.

use std::time::Duration;

use crate::machine::topology;

/// How often, and how long apart, to look for threads that have not named themselves yet: new ones take microseconds.
const LOOKS: usize = 20;
const APART: Duration = Duration::from_micros(100);

/// The threads of this process by number, with their names; none where the system does not tell.
fn threads() -> Vec<(u32, String)> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let name = |task: std::fs::DirEntry| {
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
        Some((task.file_name().to_str()?.parse().ok()?, name.trim_end().to_string()))
    };
    let mut threads: Vec<_> = tasks.filter_map(name).collect();
    threads.sort_unstable();
    threads
}

/// Those of `threads` that run compute shaders. After `n` rasterizers `llvmpipe-0`, `llvmpipe-1` .. llvmpipe starts as many
/// without a name, which then have that of the thread that opened the adapter; so has a rasterizer that did not come to
/// name itself yet, and then they cannot be told apart: `None`.
fn compute(threads: &[(u32, String)], opener: &str) -> Option<Vec<u32>> {
    let is_rasterizer = |name: &str| name.starts_with("llvmpipe-");
    let first = threads.iter().position(|(_, name)| is_rasterizer(name))?;
    let rasterizers = threads.iter().filter(|(_, name)| is_rasterizer(name)).count();
    let unnamed: Vec<u32> =
        threads[first..].iter().filter(|(_, name)| name == opener).map(|(thread, _)| *thread).collect();
    (unnamed.len() == rasterizers).then_some(unnamed)
}

/// Gives each thread that runs compute shaders a processor of its own, as the pool's workers have. To be called on the
/// thread that opened the adapter, right after that; without effect where its threads cannot be told.
pub(super) fn spread() {
    let opener = std::thread::current().name().unwrap_or_default().to_string();
    let cpus = topology::placement(topology::usable_threads()).unwrap_or_default();
    for _ in 0..LOOKS {
        if let Some(workers) = compute(&threads(), &opener) {
            for (thread, cpu) in workers.into_iter().zip(cpus.into_iter().cycle()) {
                topology::pin_thread(thread, cpu);
            }
            return;
        }
        std::thread::sleep(APART);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(names: &[&str]) -> Vec<(u32, String)> {
        (10..).zip(names.iter().map(ToString::to_string)).collect()
    }

    #[test]
    fn compute_threads_follow_the_rasterizers() {
        let threads = numbered(&["hetero", "opener", "llvmpipe-0", "llvmpipe-1", "opener", "opener", "hetero:disk$0"]);
        assert_eq!(compute(&threads, "opener"), Some(vec![14, 15]));
        assert_eq!(compute(&threads, "another"), None);
        assert_eq!(compute(&threads[..2], "opener"), None, "no software adapter");
    }

    #[test]
    fn a_rasterizer_without_its_name_is_waited_for() {
        for names in [["opener", "llvmpipe-1"], ["llvmpipe-0", "opener"], ["opener", "opener"]] {
            let threads = numbered(&["hetero", "opener", names[0], names[1], "opener", "opener"]);
            assert_eq!(compute(&threads, "opener"), None, "{names:?}");
        }
    }
}
