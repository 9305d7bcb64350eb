//! Which items a verification recomputes: chosen by a seed, within a budget of operations, never by looking at values.

use rand::seq::{SliceRandom, index};

use crate::job::{Chunk, Kernel};
use crate::numeric::philox::Philox;

/// A map with at most this many items is recomputed whole, if the budget allows it.
const WHOLE: u64 = 4096;

/// Blocks drawn at random from a larger one. A defect in a share `p` of the blocks is met with probability
/// `1 - (1-p)^1024`: 99 % for a share of 0.45 %.
const DRAWN: usize = 1024;

/// Chunk edges whose two sides are recomputed: a wrong offset shows there first.
const EDGES: usize = 16;

/// Longest range that is recomputed at once, in items (or one grain): bounds the memory of the recomputed values.
const RANGE: u64 = 4096;

/// Bytes and operations of one item, never 0: what the budget counts.
pub(super) fn cost(kernel: &dyn Kernel) -> f64 {
    let work = kernel.work();
    let cost = work.flops + work.bytes_read + work.bytes_written;
    // A kernel that declares NaN or nothing still costs something.
    if cost >= 1.0 { cost } else { 1.0 }
}

/// The ranges of a map's items to recompute: sorted, disjoint, with edges on multiples of `grain` (the last end
/// excepted), at most a few thousand items each.
///
/// All items when they are few and the budget allows; otherwise [`DRAWN`] blocks of one grain at random, the first, the
/// last, and those on both sides of up to [`EDGES`] of the chunk starts `edges`; at least two blocks however large one
/// is.
pub(super) fn ranges(
    items: u64,
    grain: u64,
    cost: f64,
    edges: &[u64],
    operations: f64,
    rng: &mut Philox,
) -> Vec<Chunk> {
    let grain = grain.max(1);
    let blocks = items.div_ceil(grain);
    let mut chosen: Vec<u64> = if items <= WHOLE && items as f64 * cost <= operations {
        (0..blocks).collect()
    } else {
        by_priority(blocks, grain, edges, rng)
    };
    let affordable = (operations / (cost * grain as f64)).max(2.0);
    if (chosen.len() as f64) > affordable {
        chosen.truncate(affordable as usize);
    }
    chosen.sort_unstable();
    chosen.dedup();
    let longest = (RANGE / grain).max(1) * grain;
    let mut ranges: Vec<Chunk> = Vec::new();
    for block in chosen {
        let (start, end) = (block * grain, block.saturating_add(1).saturating_mul(grain).min(items));
        match ranges.last_mut() {
            Some(last) if last.end == start && end - last.start <= longest => last.end = end,
            _ => ranges.push(Chunk::new(start, end)),
        }
    }
    ranges
}

/// One random block, the ends, the chunk edges, then the other random blocks: what a small budget cuts off is last.
fn by_priority(blocks: u64, grain: u64, edges: &[u64], rng: &mut Philox) -> Vec<u64> {
    let length = usize::try_from(blocks).unwrap_or(usize::MAX);
    let mut drawn = index::sample(rng, length, DRAWN.min(length)).into_iter().map(|block| block as u64);
    let mut chosen: Vec<u64> = drawn.next().into_iter().collect();
    chosen.extend(blocks.checked_sub(1));
    chosen.push(0);
    let inner: Vec<u64> = edges.iter().map(|edge| edge / grain).filter(|block| (1..blocks).contains(block)).collect();
    for edge in index::sample(rng, inner.len(), EDGES.min(inner.len())) {
        chosen.extend([inner[edge] - 1, inner[edge]]);
    }
    chosen.extend(drawn);
    chosen
}

/// The chunks of a reduction to recompute, as indices into `lengths` (items of each chunk): all when the budget allows,
/// else random ones that fit in it, else the smallest one that holds items, whatever it costs.
pub(super) fn chunks(lengths: &[u64], cost: f64, operations: f64, rng: &mut Philox) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lengths.len()).filter(|i| lengths[*i] > 0).collect();
    let smallest = order.iter().copied().min_by_key(|i| lengths[*i]);
    order.shuffle(rng);
    let mut left = operations;
    order.retain(|i| {
        let price = lengths[*i] as f64 * cost;
        let fits = price <= left;
        if fits {
            left -= price;
        }
        fits
    });
    if order.is_empty() {
        order.extend(smallest);
    }
    order.sort_unstable();
    order
}

/// `chunk` in pieces of about `length` items, edges on multiples of `grain` from its start.
pub(super) fn pieces(chunk: Chunk, length: f64, grain: u64) -> impl Iterator<Item = Chunk> {
    let grain = grain.max(1);
    let step = (length.max(1.0) as u64).div_ceil(grain).saturating_mul(grain);
    let mut start = chunk.start;
    std::iter::from_fn(move || {
        (start < chunk.end).then(|| {
            let piece = Chunk::new(start, start.saturating_add(step).min(chunk.end));
            start = piece.end;
            piece
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(items: u64, grain: u64, cost: f64, edges: &[u64]) -> Vec<Chunk> {
        let ranges = ranges(items, grain, cost, edges, 1e8, &mut Philox::new(42, 0));
        let mut end = 0;
        for range in &ranges {
            assert!(range.start >= end && !range.is_empty() && range.end <= items, "{range:?} after {end}");
            assert!(range.start % grain == 0 && (range.end % grain == 0 || range.end == items), "{range:?}");
            end = range.end;
        }
        ranges
    }

    fn holds(ranges: &[Chunk], item: u64) -> bool {
        ranges.iter().any(|range| (range.start..range.end).contains(&item))
    }

    #[test]
    fn few_items_are_taken_whole() {
        assert_eq!(draw(0, 1, 10.0, &[]), []);
        assert_eq!(draw(1, 1, 10.0, &[0]), [Chunk::new(0, 1)]);
        assert_eq!(draw(4096, 1, 10.0, &[]), [Chunk::new(0, 4096)]);
        assert_eq!(draw(1001, 8, 10.0, &[0, 504]), [Chunk::new(0, 1001)]);
    }

    #[test]
    fn many_items_are_sampled_with_their_ends_and_edges() {
        let edges = [0, 300_000, 600_000, 999_999];
        let ranges = draw(1_000_000, 1, 100.0, &edges);
        for item in [0, 299_999, 300_000, 599_999, 600_000, 999_998, 999_999] {
            assert!(holds(&ranges, item), "{item}");
        }
        let total: u64 = ranges.iter().map(|range| range.len()).sum();
        assert!((1024..1024 + 40).contains(&total), "{total}");
        assert_eq!(ranges, draw(1_000_000, 1, 100.0, &edges), "the seed fixes the sample");
    }

    #[test]
    fn a_grain_is_sampled_whole() {
        let ranges = draw(1_000_003, 64, 1.0, &[640, 64_000]);
        assert!(holds(&ranges, 639) && holds(&ranges, 640) && holds(&ranges, 1_000_002));
    }

    #[test]
    fn the_budget_cuts_the_sample_but_never_below_two_blocks() {
        let total = |cost| draw(1_000_000, 1, cost, &[]).iter().map(|range| range.len()).sum::<u64>();
        assert_eq!(total(1e7), 10);
        assert_eq!(total(1e12), 2);
        assert_eq!(draw(3, 1, 1e12, &[]).iter().map(|range| range.len()).sum::<u64>(), 2);
    }

    #[test]
    fn chunks_fit_the_budget_or_are_the_smallest() {
        let mut rng = Philox::new(7, 0);
        let lengths = [100, 0, 50, 200, 25];
        assert_eq!(chunks(&lengths, 1.0, 1e3, &mut rng), [0, 2, 3, 4], "all that hold items");
        let some = chunks(&lengths, 1.0, 130.0, &mut rng);
        assert!(!some.is_empty() && some.iter().map(|i| lengths[*i]).sum::<u64>() <= 130);
        assert_eq!(chunks(&lengths, 1.0, 10.0, &mut rng), [4], "none fits: the smallest");
        assert_eq!(chunks(&[], 1.0, 10.0, &mut rng), [0; 0]);
    }

    #[test]
    fn pieces_tile_their_chunk() {
        let pieces: Vec<Chunk> = pieces(Chunk::new(8, 31), 5.0, 4).collect();
        assert_eq!(pieces, [Chunk::new(8, 16), Chunk::new(16, 24), Chunk::new(24, 31)]);
        assert_eq!(super::pieces(Chunk::new(u64::MAX - 3, u64::MAX), 1e300, 1).count(), 1);
    }
}
