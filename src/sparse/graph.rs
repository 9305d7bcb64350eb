//! The graph of a symmetric pattern, with rows of the same pattern as one vertex.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rayon::prelude::*;

use super::assemble::zeros;
use crate::error::Result;
use crate::machine::pool::Pool;

/// An undirected graph without loops: the neighbours of `v` are `neighbours[starts[v]..starts[v + 1]]`.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    pub(super) starts: Vec<u32>,
    pub(super) neighbours: Vec<u32>,
    /// How many rows a vertex stands for.
    pub(super) weights: Vec<u32>,
}

impl Graph {
    pub(super) fn len(&self) -> usize {
        self.weights.len()
    }

    pub(super) fn of(&self, vertex: usize) -> &[u32] {
        &self.neighbours[self.starts[vertex] as usize..self.starts[vertex + 1] as usize]
    }

    pub(super) fn total_weight(&self) -> u64 {
        self.weights.iter().map(|w| u64::from(*w)).sum()
    }
}

/// A graph whose vertices stand for rows.
#[derive(Debug)]
pub(super) struct Compressed {
    pub(super) graph: Graph,
    /// The rows of vertex `v`, ascending: `rows[row_starts[v]..row_starts[v + 1]]`.
    pub(super) row_starts: Vec<u32>,
    pub(super) rows: Vec<u32>,
}

/// Rows of this share of common neighbours become one vertex, if they follow each other. The rows of a node share more
/// even where couplings that vanish are left out (0.75 for hexahedra), those of two nodes less (0.5 in a regular mesh).
const SIMILAR: f64 = 0.65;

/// Compresses a symmetric pattern: rows with the same neighbours that are neighbours of each other become one vertex, as
/// the degrees of freedom of a node do. They can be eliminated one after the other without loss, and a graph of nodes
/// of three is a ninth of the size. Rows that are nearly the same follow where they stand next to each other: the
/// first elimination makes them the same. `None` when the graph has 2^32 edges or more.
pub(super) fn compress(starts: &[usize], indices: &[u32], pool: &Pool) -> Result<Option<Compressed>> {
    let n = starts.len() - 1;
    let pattern = |row: usize| &indices[starts[row]..starts[row + 1]];
    // The hash of a set: a sum, so that it can be made in any order. 0: no diagonal entry, a vertex of its own.
    let mut hashes = zeros::<u64>(n, "the graph")?;
    pool.install(|| {
        hashes.par_iter_mut().enumerate().with_min_len(1024).for_each(|(row, hash)| {
            if pattern(row).binary_search(&(row as u32)).is_ok() {
                *hash = pattern(row).iter().fold(1, |sum, i| mix(sum ^ u64::from(*i))) | 1;
            }
        });
    });
    const NONE: u32 = u32::MAX;
    let mut vertex_of = zeros::<u32>(n, "the graph")?;
    let mut first_row: Vec<u32> = Vec::new();
    let mut exact: Vec<bool> = Vec::new();
    let mut by_hash: HashMap<u64, u32> = HashMap::new();
    for row in 0..n {
        let hash = hashes[row];
        let same = |vertex: u32| {
            let other = first_row[vertex as usize] as usize;
            hash != 0 && hashes[other] == hash && pattern(other) == pattern(row)
        };
        let fresh = first_row.len() as u32;
        // Nearly always the row before it, if any.
        let last = if row > 0 { vertex_of[row - 1] } else { NONE };
        let vertex = if last != NONE && same(last) {
            last
        } else if last != NONE && hash != 0 && similar(pattern(first_row[last as usize] as usize), pattern(row), row) {
            exact[last as usize] = false;
            last
        } else if hash == 0 {
            fresh
        } else {
            match by_hash.entry(hash) {
                Entry::Occupied(entry) if same(*entry.get()) => *entry.get(),
                Entry::Occupied(_) => fresh,
                Entry::Vacant(entry) => *entry.insert(fresh),
            }
        };
        if vertex == fresh {
            first_row.push(row as u32);
            exact.push(true);
        }
        vertex_of[row] = vertex;
    }
    drop(by_hash);
    drop(hashes);

    let vertices = first_row.len();
    let mut row_starts = zeros::<u32>(vertices + 1, "the graph")?;
    for vertex in &vertex_of {
        row_starts[*vertex as usize + 1] += 1;
    }
    let weights = row_starts[1..].to_vec();
    for v in 0..vertices {
        row_starts[v + 1] += row_starts[v];
    }
    let mut next = row_starts.clone();
    let mut rows = zeros::<u32>(n, "the graph")?;
    for (row, vertex) in vertex_of.iter().enumerate() {
        let slot = &mut next[*vertex as usize];
        rows[*slot as usize] = row as u32;
        *slot += 1;
    }

    let of_vertex = |v: usize| {
        let all = &rows[row_starts[v] as usize..row_starts[v + 1] as usize];
        if exact[v] { &all[..1] } else { all }
    };
    let mut graph = Graph { starts: zeros(vertices + 1, "the graph")?, neighbours: Vec::new(), weights };
    crate::memory::ensure_available("the graph", indices.len() as u64 * 4)?;
    let mut mark = zeros::<u32>(vertices, "the graph")?;
    mark.fill(NONE);
    for v in 0..vertices {
        mark[v] = v as u32;
        for row in of_vertex(v).iter().flat_map(|row| pattern(*row as usize)) {
            let other = vertex_of[*row as usize];
            if mark[other as usize] != v as u32 {
                mark[other as usize] = v as u32;
                graph.neighbours.push(other);
            }
        }
        match u32::try_from(graph.neighbours.len()) {
            Ok(end) => graph.starts[v + 1] = end,
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(Compressed { graph, row_starts, rows }))
}

/// Whether two sorted patterns have enough in common; `a` must contain `row`, that of `b`.
fn similar(a: &[u32], b: &[u32], row: usize) -> bool {
    let (short, long) = (a.len().min(b.len()), a.len().max(b.len()));
    if (short as f64) < SIMILAR * long as f64 || a.binary_search(&(row as u32)).is_err() {
        return false;
    }
    let (mut i, mut j, mut common) = (0, 0, 0usize);
    while i < a.len() && j < b.len() {
        let (x, y) = (a[i], b[j]);
        common += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    common as f64 >= SIMILAR * (a.len() + b.len() - common) as f64
}

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^ (x >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_degrees_of_freedom_of_a_node_become_one_vertex() {
        let pool = Pool::shared(2, false).unwrap();
        // A chain of nodes with 3, 1, 2 and 3 rows, in a shuffled order.
        let node = [0i32, 2, 0, 2, 0, 3, 1, 3, 3];
        let coupled = |a: usize, b: usize| node[a] - node[b];
        let (mut starts, mut indices) = (vec![0], vec![]);
        for row in 0..9 {
            indices.extend((0..9).filter(|i| coupled(row, *i).abs() <= 1).map(|i| i as u32));
            starts.push(indices.len());
        }
        let compressed = compress(&starts, &indices, &pool).unwrap().unwrap();
        let graph = &compressed.graph;
        assert_eq!(graph.len(), 4);
        assert_eq!(graph.weights, [3, 2, 3, 1]);
        assert_eq!(compressed.rows, [0, 2, 4, 1, 3, 5, 7, 8, 6]);
        let sorted = |v: usize| {
            let mut list = graph.of(v).to_vec();
            list.sort_unstable();
            list
        };
        assert_eq!([sorted(0), sorted(1), sorted(2), sorted(3)], [vec![3], vec![2, 3], vec![1], vec![0, 1]]);
    }

    #[test]
    fn rows_that_are_nearly_the_same_follow_each_other() {
        let pool = Pool::shared(1, false).unwrap();
        // Two nodes of three rows; the first row of the second one has lost a coupling.
        let (mut starts, mut indices) = (vec![0], vec![]);
        for row in 0..6u32 {
            indices.extend((0..6).filter(|i| (row, *i) != (3, 0) && (row, *i) != (0, 3)));
            starts.push(indices.len());
        }
        let compressed = compress(&starts, &indices, &pool).unwrap().unwrap();
        assert_eq!(compressed.graph.weights.iter().sum::<u32>(), 6);
        assert!(compressed.graph.len() <= 2, "{:?}", compressed.graph);
        // A chain stays a chain.
        let chain: Vec<Vec<u32>> = (0..50u32).map(|i| (i.saturating_sub(1)..(i + 2).min(50)).collect()).collect();
        let mut starts = vec![0];
        chain.iter().for_each(|row| starts.push(starts[starts.len() - 1] + row.len()));
        let compressed = compress(&starts, &chain.concat(), &pool).unwrap().unwrap();
        assert!(compressed.graph.len() >= 48);
    }

    #[test]
    fn rows_that_are_not_coupled_stay_apart() {
        let pool = Pool::shared(1, false).unwrap();
        // No diagonal entries: the same neighbours are not enough.
        let compressed = compress(&[0, 1, 2, 4], &[2, 2, 0, 1], &pool).unwrap().unwrap();
        assert_eq!(compressed.graph.weights, [1, 1, 1]);
        let diagonal = compress(&[0, 1, 2], &[0, 1], &pool).unwrap().unwrap();
        assert_eq!(diagonal.graph.starts, [0, 0, 0]);
        assert_eq!(compress(&[0], &[], &pool).unwrap().unwrap().graph.len(), 0);
    }
}
