//! The threads of a software adapter. Mesa's llvmpipe starts one for each processor and leaves them to the system, which may
//! run all of them on one: kernels then take as many times as long as there are processors, for as long as that lasts.

use crate::machine::topology;

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
/// without a name, which then have that of the thread that opened the adapter.
fn compute(threads: &[(u32, String)], opener: &str) -> Vec<u32> {
    let is_rasterizer = |name: &str| name.starts_with("llvmpipe-");
    let Some(first) = threads.iter().position(|(_, name)| is_rasterizer(name)) else { return Vec::new() };
    let count = threads.iter().filter(|(_, name)| is_rasterizer(name)).count();
    let unnamed = threads[first..].iter().filter(|(_, name)| name == opener);
    unnamed.map(|(thread, _)| *thread).take(count).collect()
}

/// Gives each thread that runs compute shaders a processor of its own, as the pool's workers have. To be called on the
/// thread that opened the adapter, right after that; without effect where its threads cannot be told.
pub(super) fn spread() {
    let opener = std::thread::current().name().unwrap_or_default().to_string();
    let cpus = topology::placement(topology::usable_threads()).unwrap_or_default();
    for (thread, cpu) in compute(&threads(), &opener).into_iter().zip(cpus.into_iter().cycle()) {
        topology::pin_thread(thread, cpu);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compute_threads_follow_the_rasterizers() {
        let names = ["hetero", "opener", "llvmpipe-0", "llvmpipe-1", "opener", "opener", "hetero:disk$0", "opener"];
        let threads: Vec<(u32, String)> = (10..).zip(names.map(str::to_string)).collect();
        assert_eq!(compute(&threads, "opener"), [14, 15]);
        assert!(compute(&threads, "another").is_empty());
        assert!(compute(&threads[..2], "opener").is_empty(), "no software adapter");
    }
}
