//! Orders of elimination of a graph: minimum degree, and nested dissection with minimum degree in its leaves.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::sparse::SymbolicSparseColMatRef;
use faer::sparse::linalg::amd;

use super::graph::Graph;
use super::separator::{BETWEEN, LEFT, RIGHT, separator};
use crate::error::{Error, Result};

/// Pieces of this many vertices and fewer go to minimum degree.
const LEAF: usize = 80;
/// Pieces of more vertices than this are worth another thread: a separator of them takes about 1 ms.
const SPLIT_WORK: usize = 1500;

/// Approximate minimum degree: the vertices in the order of elimination.
pub(super) fn minimum_degree(graph: &Graph) -> Result<Vec<u32>> {
    let n = graph.len();
    let (mut order, mut inverse) = (vec![0u32; n], vec![0u32; n]);
    if n > 1 {
        let pattern = SymbolicSparseColMatRef::new_unsorted_checked(n, n, &graph.starts, None, &graph.neighbours);
        let request = amd::order_maybe_unsorted_scratch::<u32>(n, graph.neighbours.len());
        let bytes = request.unaligned_bytes_required() as u64;
        crate::memory::ensure_available("the ordering", bytes)?;
        let mut memory = MemBuffer::try_new(request).map_err(|_| Error::memory("the ordering", bytes))?;
        amd::order_maybe_unsorted(&mut order, &mut inverse, pattern, Default::default(), MemStack::new(&mut memory))
            .map_err(|e| Error::Resource(format!("the ordering is too large: {e}")))?;
    }
    Ok(order)
}

/// Nested dissection: the vertices in the order of elimination. Runs on the rayon pool it is called from; the order
/// does not depend on the number of threads.
pub(super) fn nested_dissection(graph: Graph) -> Result<Vec<u32>> {
    let mut order = vec![0; graph.len()];
    let names = (0..graph.len() as u32).collect();
    dissect(graph, names, &mut order, 1)?;
    Ok(order)
}

/// Writes the order of `graph`, whose vertices are called `names`, to `order`.
fn dissect(graph: Graph, names: Vec<u32>, order: &mut [u32], seed: u64) -> Result<()> {
    let n = graph.len();
    if n <= LEAF {
        for (place, v) in order.iter_mut().zip(minimum_degree(&graph)?) {
            *place = names[v as usize];
        }
        return Ok(());
    }
    let side = match components(&graph) {
        Some(side) => side,
        None => separator(&graph, seed),
    };
    let count = |which: u8| side.iter().filter(|s| **s == which).count();
    let (left, right) = (count(LEFT), count(RIGHT));
    if left == 0 || right == 0 {
        // Nothing to cut: a graph that is nearly complete.
        for (place, v) in order.iter_mut().zip(minimum_degree(&graph)?) {
            *place = names[v as usize];
        }
        return Ok(());
    }
    let (left_order, rest) = order.split_at_mut(left);
    let (right_order, between) = rest.split_at_mut(right);
    let last = names.iter().zip(&side).filter(|(_, s)| **s == BETWEEN);
    for (place, (name, _)) in between.iter_mut().zip(last) {
        *place = *name;
    }
    let ((left_graph, left_names), (right_graph, right_names)) = halves(&graph, &names, &side);
    drop((graph, names, side));
    let go_left = || dissect(left_graph, left_names, left_order, seed.wrapping_mul(2));
    let go_right = || dissect(right_graph, right_names, right_order, seed.wrapping_mul(2) | 1);
    if n > SPLIT_WORK {
        let (a, b) = rayon::join(go_left, go_right);
        a.and(b)
    } else {
        go_left()?;
        go_right()
    }
}

/// The two halves as graphs of their own, with the names of their vertices.
fn halves(graph: &Graph, names: &[u32], side: &[u8]) -> ((Graph, Vec<u32>), (Graph, Vec<u32>)) {
    let mut new = vec![0u32; graph.len()];
    let mut next = [0u32; 3];
    for (v, s) in side.iter().enumerate() {
        new[v] = next[*s as usize];
        next[*s as usize] += 1;
    }
    let take = |which: u8| {
        let n = next[which as usize] as usize;
        let mut part = Graph {
            starts: Vec::with_capacity(n + 1),
            neighbours: Vec::with_capacity(graph.neighbours.len() / 2),
            weights: Vec::with_capacity(n),
        };
        let mut part_names = Vec::with_capacity(n);
        part.starts.push(0);
        for v in (0..graph.len()).filter(|v| side[*v] == which) {
            part.neighbours
                .extend(graph.of(v).iter().filter(|u| side[**u as usize] == which).map(|u| new[*u as usize]));
            part.starts.push(part.neighbours.len() as u32);
            part.weights.push(graph.weights[v]);
            part_names.push(names[v]);
        }
        (part, part_names)
    };
    (take(LEFT), take(RIGHT))
}

/// A split of a graph that falls apart: whole components to the left up to about half of the vertices, the others to
/// the right. `None` for a connected graph.
fn components(graph: &Graph) -> Option<Vec<u8>> {
    let n = graph.len();
    let mut side = vec![RIGHT; n];
    let mut stack: Vec<u32> = Vec::new();
    let mut taken = 0;
    for root in 0..n {
        if side[root] == LEFT {
            continue;
        }
        let before = taken;
        side[root] = LEFT;
        stack.push(root as u32);
        while let Some(v) = stack.pop() {
            taken += 1;
            for u in graph.of(v as usize) {
                if side[*u as usize] != LEFT {
                    side[*u as usize] = LEFT;
                    stack.push(*u);
                }
            }
        }
        if before == 0 && taken == n {
            return None;
        }
        if taken >= n / 2 && taken < n {
            break;
        }
        if taken == n {
            // The last component is the large one: it goes to the right, alone.
            let mut stack = vec![root as u32];
            side[root] = RIGHT;
            while let Some(v) = stack.pop() {
                for u in graph.of(v as usize) {
                    if side[*u as usize] != RIGHT {
                        side[*u as usize] = RIGHT;
                        stack.push(*u);
                    }
                }
            }
            break;
        }
    }
    Some(side)
}

#[cfg(test)]
mod tests {
    use super::super::separator::tests::grid;
    use super::*;

    fn is_permutation(order: &[u32]) -> bool {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        sorted.into_iter().eq(0..order.len() as u32)
    }

    #[test]
    fn every_vertex_is_ordered_once() {
        let empty = |n: usize| Graph { starts: vec![0; n + 1], neighbours: vec![], weights: vec![1; n] };
        let complete = {
            let neighbours = (0..200u32).flat_map(|v| (0..200).filter(move |u| *u != v)).collect();
            Graph { starts: (0..=200).map(|v| v * 199).collect(), neighbours, weights: vec![1; 200] }
        };
        let path = {
            let n = 5000u32;
            let neighbours: Vec<Vec<u32>> =
                (0..n).map(|v| [v.wrapping_sub(1), v + 1].into_iter().filter(|u| *u < n).collect()).collect();
            let mut starts = vec![0];
            neighbours.iter().for_each(|list| starts.push(starts[starts.len() - 1] + list.len() as u32));
            Graph { starts, neighbours: neighbours.concat(), weights: vec![1; n as usize] }
        };
        for graph in [empty(0), empty(1), empty(3000), complete, path, grid(15, 15, 15), grid(300, 3, 2)] {
            let n = graph.len();
            assert!(is_permutation(&minimum_degree(&graph).unwrap()), "{n}");
            let order = nested_dissection(graph).unwrap();
            assert!(order.len() == n && is_permutation(&order), "{n}");
        }
    }

    #[test]
    fn components_are_kept_whole() {
        assert!(components(&grid(5, 5, 5)).is_none());
        // Two grids of different size, the large one second.
        for (first, second) in [(3, 6), (6, 3), (4, 4)] {
            let (a, b) = (grid(first, 3, 3), grid(second, 3, 3));
            let shift = a.len() as u32;
            let mut both = a.clone();
            both.starts.extend(b.starts[1..].iter().map(|s| s + a.neighbours.len() as u32));
            both.neighbours.extend(b.neighbours.iter().map(|u| u + shift));
            both.weights.extend(&b.weights);
            let side = components(&both).unwrap();
            assert!(side[..a.len()].iter().all(|s| *s == side[0]));
            assert!(side[a.len()..].iter().all(|s| *s == 1 - side[0]));
        }
    }

    #[test]
    fn the_order_does_not_depend_on_the_threads() {
        let order = |threads| {
            let pool = crate::machine::pool::Pool::shared(threads, false).unwrap();
            pool.install(|| nested_dissection(grid(16, 16, 16))).unwrap()
        };
        assert_eq!(order(1), order(3));
    }
}
