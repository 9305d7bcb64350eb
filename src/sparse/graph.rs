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

/// Compresses a symmetric pattern: rows with the same neighbours that are neighbours of each other become one vertex, as
/// the degrees of freedom of a node do. They can be eliminated one after the other without loss, and a graph of nodes
/// of three is a ninth of the size. `None` when the graph has 2^32 edges or more.
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

    let upper: usize = first_row.iter().map(|row| pattern(*row as usize).len()).sum();
    let mut graph = Graph { starts: zeros(vertices + 1, "the graph")?, neighbours: Vec::new(), weights };
    crate::memory::ensure_available("the graph", upper as u64 * 4)?;
    let mut mark = zeros::<u32>(vertices, "the graph")?;
    mark.fill(NONE);
    for v in 0..vertices {
        mark[v] = v as u32;
        for row in pattern(first_row[v] as usize) {
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
        let node = [0, 2, 3, 0, 1, 3, 0, 2, 3];
        let coupled = |a: usize, b: usize| node[a] as i32 - node[b] as i32;
        let (mut starts, mut indices) = (vec![0], vec![]);
        for row in 0..9 {
            indices.extend((0..9).filter(|i| coupled(row, *i).abs() <= 1).map(|i| i as u32));
            starts.push(indices.len());
        }
        let compressed = compress(&starts, &indices, &pool).unwrap().unwrap();
        let graph = &compressed.graph;
        assert_eq!(graph.len(), 4);
        assert_eq!(graph.weights, [3, 2, 3, 1]);
        assert_eq!(compressed.rows, [0, 3, 6, 1, 7, 2, 5, 8, 4]);
        let sorted = |v: usize| {
            let mut list = graph.of(v).to_vec();
            list.sort_unstable();
            list
        };
        assert_eq!([sorted(0), sorted(1), sorted(2), sorted(3)], [vec![3], vec![2, 3], vec![1], vec![0, 1]]);
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
