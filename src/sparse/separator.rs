//! Vertex separators by the multilevel scheme: match along heavy edges until the graph is small, grow two halves there,
//! and refine the separator between them on the way back (Karypis and Kumar 1998; the refinement is that of Fiduccia
//! and Mattheyses, on vertices).

use std::collections::BinaryHeap;

use super::graph::Graph;

/// Coarsening ends at this many vertices.
const COARSEST: usize = 120;
/// Halves grown on the coarsest graph, the best is kept.
const TRIES: usize = 8;
/// Splits of a graph of a sixteenth of the size, the best is kept.
const SPLITS: usize = 5;
/// A half may weigh this much more than an even share: a smaller separator is worth some imbalance.
const IMBALANCE: f64 = 1.2;
/// Sweeps over one level, by turns to the left and to the right; most of the gain is in the first four.
const PASSES: usize = 12;
/// A sweep ends after this many moves without a better separator.
const PATIENCE: usize = 300;

/// Where a vertex is.
pub(super) const LEFT: u8 = 0;
pub(super) const RIGHT: u8 = 1;
pub(super) const BETWEEN: u8 = 2;

/// Splits `graph` so that no edge joins a left and a right vertex; `BETWEEN` is small and the halves about even.
/// The same graph and seed give the same split. Every vertex may end up in one half when there is nothing to split.
pub(super) fn separator(graph: &Graph, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let finest = Weighted { graph: graph.clone(), edges: vec![1; graph.neighbours.len()] };
    // On a graph that is a sixteenth of the size, whole multilevel splits cost little: several, and the best one.
    let small = graph.len() / 16;
    if small <= COARSEST {
        return split(&finest, &mut random);
    }
    let levels = coarsen_to(&finest, small, &mut random);
    let coarse = levels.last().map_or(&finest, |(level, _)| level);
    let mut best: Option<((u64, u64), Vec<u8>)> = None;
    for _ in 0..SPLITS {
        let side = split(coarse, &mut random);
        keep_better(&coarse.graph, side, &mut best);
    }
    let side = best.map_or_else(|| vec![LEFT; coarse.graph.len()], |(_, side)| side);
    refine_through(&finest, &levels, side, &mut random)
}

/// One multilevel split.
fn split(finest: &Weighted, random: &mut Random) -> Vec<u8> {
    let levels = coarsen_to(finest, COARSEST, random);
    let side = grow(&levels.last().map_or(finest, |(level, _)| level).graph, random);
    refine_through(finest, &levels, side, random)
}

/// Ever coarser graphs, each with the map from the one before it, down to `target` vertices if that goes.
fn coarsen_to(finest: &Weighted, target: usize, random: &mut Random) -> Vec<(Weighted, Vec<u32>)> {
    let limit = (finest.graph.total_weight() / (COARSEST as u64 / 2)).max(1);
    let mut levels: Vec<(Weighted, Vec<u32>)> = Vec::new();
    loop {
        let current = levels.last().map_or(finest, |(level, _)| level);
        if current.graph.len() <= target {
            return levels;
        }
        let (coarse, map) = coarsen(current, limit, random);
        if coarse.graph.len() as f64 > 0.95 * current.graph.len() as f64 {
            return levels;
        }
        levels.push((coarse, map));
    }
}

/// Takes a split of the coarsest graph back to the finest one, refined on each.
fn refine_through(
    finest: &Weighted,
    levels: &[(Weighted, Vec<u32>)],
    mut side: Vec<u8>,
    random: &mut Random,
) -> Vec<u8> {
    for (k, (_, map)) in levels.iter().enumerate().rev() {
        let finer = if k == 0 { finest } else { &levels[k - 1].0 };
        side = map.iter().map(|coarse| side[*coarse as usize]).collect();
        refine(&finer.graph, &mut side, random);
    }
    side
}

fn keep_better(graph: &Graph, side: Vec<u8>, best: &mut Option<((u64, u64), Vec<u8>)>) {
    let weights = sums(graph, &side);
    let key = (cost(&weights), weights[0].abs_diff(weights[1]));
    if best.as_ref().is_none_or(|(other, _)| key < *other) {
        *best = Some((key, side));
    }
}

/// A graph with the number of original edges behind each edge.
struct Weighted {
    graph: Graph,
    edges: Vec<u32>,
}

/// A linear congruence: the separators need variety, not quality.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        ((self.0 >> 33) as usize) % end.max(1)
    }
}

/// Joins vertices along their heaviest edges, light vertices first, none above `limit`.
fn coarsen(fine: &Weighted, limit: u64, random: &mut Random) -> (Weighted, Vec<u32>) {
    const FREE: u32 = u32::MAX;
    let graph = &fine.graph;
    let n = graph.len();
    // Counting sort by degree: vertices of few neighbours have few chances. A random start within equal degrees.
    let degree = |v: usize| graph.of(v).len().min(255);
    let mut bucket = [0usize; 257];
    for v in 0..n {
        bucket[degree(v) + 1] += 1;
    }
    for d in 0..256 {
        bucket[d + 1] += bucket[d];
    }
    let mut order = vec![0u32; n];
    let shift = random.below(n);
    for k in 0..n {
        let v = (k + shift) % n;
        order[bucket[degree(v)]] = v as u32;
        bucket[degree(v)] += 1;
    }
    let mut map = vec![FREE; n];
    let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(n / 2 + 1);
    for v in order {
        if map[v as usize] != FREE {
            continue;
        }
        let (mut best, mut heaviest) = (v, 0);
        for (k, u) in graph.of(v as usize).iter().enumerate() {
            let weight = u64::from(graph.weights[*u as usize]) + u64::from(graph.weights[v as usize]);
            let edge = fine.edges[graph.starts[v as usize] as usize + k];
            if map[*u as usize] == FREE && edge > heaviest && weight <= limit {
                (best, heaviest) = (*u, edge);
            }
        }
        map[v as usize] = pairs.len() as u32;
        map[best as usize] = pairs.len() as u32;
        pairs.push((v, best));
    }
    let m = pairs.len();
    let mut coarse = Weighted {
        graph: Graph {
            starts: Vec::with_capacity(m + 1),
            neighbours: Vec::with_capacity(graph.neighbours.len() / 2),
            weights: Vec::with_capacity(m),
        },
        edges: Vec::with_capacity(graph.neighbours.len() / 2),
    };
    coarse.graph.starts.push(0);
    // Where an edge to this coarse vertex was put last.
    let mut place = vec![FREE; m];
    for (c, (a, b)) in pairs.iter().enumerate() {
        let begin = coarse.graph.neighbours.len() as u32;
        let mut add = |v: u32| {
            for (k, u) in graph.of(v as usize).iter().enumerate() {
                let other = map[*u as usize];
                let edge = fine.edges[graph.starts[v as usize] as usize + k];
                if other as usize == c {
                    continue;
                }
                let at = place[other as usize];
                if at != FREE && at >= begin {
                    coarse.edges[at as usize] += edge;
                } else {
                    place[other as usize] = coarse.graph.neighbours.len() as u32;
                    coarse.graph.neighbours.push(other);
                    coarse.edges.push(edge);
                }
            }
        };
        add(*a);
        let mut weight = graph.weights[*a as usize];
        if a != b {
            add(*b);
            weight += graph.weights[*b as usize];
        }
        coarse.graph.weights.push(weight);
        coarse.graph.starts.push(coarse.graph.neighbours.len() as u32);
    }
    (coarse, map)
}

/// A first split of a small graph: breadth-first from random vertices until half the weight is reached; the layer around
/// it is the separator.
fn grow(graph: &Graph, random: &mut Random) -> Vec<u8> {
    let n = graph.len();
    let half = graph.total_weight() / 2;
    let mut best: Option<((u64, u64), Vec<u8>)> = None;
    for _ in 0..TRIES.min(n) {
        let mut side = vec![RIGHT; n];
        let mut queue = std::collections::VecDeque::from([random.below(n) as u32]);
        let mut seen = vec![false; n];
        seen[queue[0] as usize] = true;
        let mut weight = 0;
        while weight < half {
            let v = match queue.pop_front() {
                Some(v) => v as usize,
                // Another component.
                None => match seen.iter().position(|seen| !seen) {
                    Some(v) => v,
                    None => break,
                },
            };
            seen[v] = true;
            side[v] = LEFT;
            weight += u64::from(graph.weights[v]);
            for u in graph.of(v) {
                if !seen[*u as usize] {
                    seen[*u as usize] = true;
                    queue.push_back(*u);
                }
            }
        }
        for v in 0..n {
            if side[v] == LEFT && graph.of(v).iter().any(|u| side[*u as usize] == RIGHT) {
                side[v] = BETWEEN;
            }
        }
        refine(graph, &mut side, random);
        keep_better(graph, side, &mut best);
    }
    best.map_or_else(|| vec![LEFT; n], |(_, side)| side)
}

fn sums(graph: &Graph, side: &[u8]) -> [u64; 3] {
    let mut weights = [0; 3];
    for (side, weight) in side.iter().zip(&graph.weights) {
        weights[*side as usize] += u64::from(*weight);
    }
    weights
}

/// The weight between, far worse when one half is too heavy.
fn cost(weights: &[u64; 3]) -> u64 {
    let total: u64 = weights.iter().sum();
    let allowed = (IMBALANCE * 0.5 * total as f64) as u64;
    weights[2] + 4 * weights[0].max(weights[1]).saturating_sub(allowed)
}

/// Sweeps of moves from the separator to one half, by turns; the neighbours in the other half come into the separator.
/// One direction at a time: a separator two layers thick then loses one of them, instead of patches of both. The best
/// moment of a sweep is kept.
fn refine(graph: &Graph, side: &mut [u8], random: &mut Random) {
    let n = graph.len();
    let mut weights = sums(graph, side);
    let total: u64 = weights.iter().sum();
    let allowed = (IMBALANCE * 0.5 * total as f64) as u64;
    // What a move of a separator vertex pulls in from the other half.
    let mut pulled = vec![0u64; n];
    let mut queue: BinaryHeap<(i64, u32, u32)> = BinaryHeap::new();
    // Moves, and where the vertices that each pulled in begin.
    let mut moves: Vec<(u32, u32)> = Vec::new();
    let mut pulls: Vec<u32> = Vec::new();
    let weight_of = |v: u32| u64::from(graph.weights[v as usize]);
    let first = u8::from(weights[1] < weights[0]);
    let mut idle = 0;
    for pass in 0..PASSES as u8 {
        let to = (first + pass) % 2;
        let from = 1 - to;
        queue.clear();
        moves.clear();
        pulls.clear();
        let from_neighbours = |side: &[u8], v: u32| -> u64 {
            graph.of(v as usize).iter().filter(|u| side[**u as usize] == from).map(|u| weight_of(*u)).sum()
        };
        for v in (0..n as u32).filter(|v| side[*v as usize] == BETWEEN) {
            pulled[v as usize] = from_neighbours(side, v);
            let gain = weight_of(v) as i64 - pulled[v as usize] as i64;
            queue.push((gain, random.below(1 << 16) as u32, v));
        }
        let start = (cost(&weights), weights[0].abs_diff(weights[1]));
        let (mut best, mut best_moves) = (start, 0);
        while let Some((gain, _, v)) = queue.pop() {
            let current = weight_of(v) as i64 - pulled[v as usize] as i64;
            if side[v as usize] != BETWEEN || gain != current {
                continue;
            }
            if weights[to as usize] + weight_of(v) > allowed.max(weights[from as usize]) {
                continue;
            }
            side[v as usize] = to;
            weights[2] -= weight_of(v);
            weights[to as usize] += weight_of(v);
            moves.push((v, pulls.len() as u32));
            for u in graph.of(v as usize) {
                if side[*u as usize] != from {
                    continue;
                }
                side[*u as usize] = BETWEEN;
                weights[from as usize] -= weight_of(*u);
                weights[2] += weight_of(*u);
                pulls.push(*u);
                let mut sum = 0;
                for x in graph.of(*u as usize) {
                    if side[*x as usize] == from {
                        sum += weight_of(*x);
                    } else if side[*x as usize] == BETWEEN {
                        // u is no longer there to be pulled in.
                        let entry = &mut pulled[*x as usize];
                        *entry = entry.saturating_sub(weight_of(*u));
                        queue.push((weight_of(*x) as i64 - *entry as i64, 0, *x));
                    }
                }
                pulled[*u as usize] = sum;
                queue.push((weight_of(*u) as i64 - sum as i64, random.below(1 << 16) as u32, *u));
            }
            let now = (cost(&weights), weights[0].abs_diff(weights[1]));
            if now < best {
                (best, best_moves) = (now, moves.len());
            } else if moves.len() > best_moves + PATIENCE {
                break;
            }
        }
        // Back to the best moment.
        while moves.len() > best_moves {
            let Some((v, first_pull)) = moves.pop() else { break };
            for u in pulls.drain(first_pull as usize..) {
                side[u as usize] = from;
                weights[2] -= weight_of(u);
                weights[from as usize] += weight_of(u);
            }
            side[v as usize] = BETWEEN;
            weights[to as usize] -= weight_of(v);
            weights[2] += weight_of(v);
        }
        idle = if best < start { 0 } else { idle + 1 };
        if idle == 2 {
            break;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The graph of a grid with all diagonals, as of 8-node hexahedra.
    pub(in super::super) fn grid(nx: usize, ny: usize, nz: usize) -> Graph {
        let mut graph = Graph { starts: vec![0], ..Graph::default() };
        for v in 0..nx * ny * nz {
            let (x, y, z) = (v % nx, v / nx % ny, v / nx / ny);
            for u in 0..27 {
                let (i, j, k) = (x + u % 3, y + u / 3 % 3, z + u / 9);
                let inside = (1..=nx).contains(&i) && (1..=ny).contains(&j) && (1..=nz).contains(&k);
                if inside && u != 13 {
                    graph.neighbours.push((i - 1 + nx * (j - 1 + ny * (k - 1))) as u32);
                }
            }
            graph.starts.push(graph.neighbours.len() as u32);
            graph.weights.push(3);
        }
        graph
    }

    #[test]
    fn no_edge_crosses_and_a_grid_is_cut_about_as_well_as_by_a_plane() {
        for (shape, plane) in [((20, 9, 9), 81), ((40, 40, 1), 40), ((13, 13, 13), 169)] {
            let graph = grid(shape.0, shape.1, shape.2);
            let side = separator(&graph, 1);
            for v in 0..graph.len() {
                assert!(graph.of(v).iter().all(|u| side[v] + side[*u as usize] != 1 || side[v] == side[*u as usize]));
            }
            let weights = sums(&graph, &side);
            assert!(weights[2] <= 3 * plane * 5 / 4, "{shape:?}: {weights:?}, a plane has {}", 3 * plane);
            assert!(weights[0].max(weights[1]) as f64 <= IMBALANCE * 0.5 * graph.total_weight() as f64, "{weights:?}");
        }
    }

    #[test]
    fn graphs_without_edges_or_vertices_are_split_too() {
        for n in [0, 1, 5, 1000] {
            let graph = Graph { starts: vec![0; n + 1], neighbours: vec![], weights: vec![1; n] };
            let side = separator(&graph, 1);
            assert_eq!(side.len(), n);
        }
    }
}
