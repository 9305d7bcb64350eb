//! Asking for node rows before they are gathered, where the caches do not have them still.

/// Whether and which node rows are asked for before they are gathered.
pub(super) struct Ask {
    /// Points of a group of elements.
    group: usize,
    /// Whether it is worth it.
    scattered: bool,
}

impl Ask {
    /// Groups between asking for rows and gathering them: some 300 ns of work, the time of a read from memory.
    const AHEAD: usize = 4;

    /// Rows that lie this close to each other are in the cache still from the groups before: half a megabyte of them.
    /// Asking costs a tenth of the time of everything else, for nothing where the mesh is numbered in order.
    const NEAR: u32 = 8192;

    /// Groups that are looked at.
    const LOOKS: usize = 8;

    /// Looks at a few of the groups of `group` points each.
    pub(super) fn of(connectivity: &[u32], group: usize) -> Self {
        let groups = connectivity.chunks_exact(group);
        let step = groups.len().div_ceil(Self::LOOKS).max(1);
        let span = |points: &[u32]| points.iter().max().unwrap_or(&0) - points.iter().min().unwrap_or(&0);
        Self { group, scattered: groups.step_by(step).any(|points| span(points) > Self::NEAR) }
    }

    /// Asks for the rows that will be gathered some groups after group `step`. A row that is not there is nobody's error
    /// yet.
    #[inline(always)]
    pub(super) fn ahead_of<Node>(&self, step: usize, nodes: &[Node], connectivity: &[u32]) {
        if !self.scattered {
            return;
        }
        let start = ((step + Self::AHEAD) * self.group).min(connectivity.len());
        let end = (start + self.group).min(connectivity.len());
        #[cfg(target_arch = "x86_64")]
        for point in &connectivity[start..end] {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch reads nothing; the address need not be valid.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(nodes.as_ptr().wrapping_add(*point as usize).cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (nodes, start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_asked_for_where_a_group_s_points_lie_far_apart() {
        let near: Vec<u32> = (0..3200).map(|i| i / 4 + i % 4 * 1000).collect();
        assert!(!Ask::of(&near, 32).scattered);
        assert!(!Ask::of(&near[..31], 32).scattered, "no whole group");
        assert!(!Ask::of(&[], 32).scattered);
        let far: Vec<u32> = (0..3200).map(|i| (i * 7919) % 100_003).collect();
        assert!(Ask::of(&far, 32).scattered);
    }
}
