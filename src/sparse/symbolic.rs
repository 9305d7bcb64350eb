//! Symbolic factorization on the graph of vertices: elimination tree, counts, supernodes, their rows.
//!
//! Everything is done on vertices (nodes of a mesh), whose weights are numbers of rows, and expanded to rows at the end:
//! for three rows a node that is a ninth of the work.

use super::assemble::zeros;
use super::graph::{Compressed, Graph};
use crate::error::Result;

/// No parent.
pub(super) const NONE: u32 = u32::MAX;

/// The cost of an order of elimination, from weighted column counts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cost {
    /// The sum over the columns of L of the squared number of entries.
    pub(super) flops: f64,
    /// Entries of L with the diagonal.
    pub(super) entries: f64,
}

/// The elimination tree of a graph in a given order, postordered.
pub(super) struct Tree {
    /// The vertices in the order of elimination, which is a postorder of the tree.
    pub(super) order: Vec<u32>,
    /// Parents, as positions in `order`; above the position itself, or [`NONE`].
    pub(super) parent: Vec<u32>,
    /// Rows in the column block of each position, its own included.
    pub(super) count: Vec<u32>,
    pub(super) cost: Cost,
}

impl Tree {
    /// The tree of `graph` eliminated in `order`; `order` itself is changed to an equivalent postorder.
    pub(super) fn new(graph: &Graph, order: &[u32]) -> Result<Self> {
        let n = graph.len();
        let mut position = zeros::<u32>(n, "the elimination tree")?;
        for (k, v) in order.iter().enumerate() {
            position[*v as usize] = k as u32;
        }
        let parent = parents(graph, order, &position)?;
        let post = postorder(&parent)?;
        // Renumber by the postorder.
        let mut moved = zeros::<u32>(n, "the elimination tree")?;
        for (k, old) in post.iter().enumerate() {
            moved[*old as usize] = k as u32;
        }
        let order: Vec<u32> = post.iter().map(|old| order[*old as usize]).collect();
        let parent: Vec<u32> = post
            .iter()
            .map(|old| parent[*old as usize])
            .map(|p| if p == NONE { NONE } else { moved[p as usize] })
            .collect();
        for (k, v) in order.iter().enumerate() {
            position[*v as usize] = k as u32;
        }
        let count = counts(graph, &order, &position, &parent)?;
        let mut cost = Cost::default();
        for (k, v) in order.iter().enumerate() {
            let (w, c) = (f64::from(graph.weights[*v as usize]), f64::from(count[k]));
            // Columns of c, c - 1, ... c - w + 1 entries.
            let squares = |m: f64| m * (m + 1.0) * (2.0 * m + 1.0) / 6.0;
            cost.flops += squares(c) - squares(c - w);
            cost.entries += w * c - 0.5 * w * (w - 1.0);
        }
        Ok(Self { order, parent, count, cost })
    }
}

/// Liu's algorithm with path compression.
fn parents(graph: &Graph, order: &[u32], position: &[u32]) -> Result<Vec<u32>> {
    let n = graph.len();
    let (mut parent, mut ancestor) = (zeros(n, "the elimination tree")?, zeros(n, "the elimination tree")?);
    parent.fill(NONE);
    ancestor.fill(NONE);
    for k in 0..n as u32 {
        for u in graph.of(order[k as usize] as usize) {
            let mut i = position[*u as usize];
            while i < k {
                let next: u32 = ancestor[i as usize];
                ancestor[i as usize] = k;
                if next == NONE {
                    parent[i as usize] = k;
                    break;
                }
                i = next;
            }
        }
    }
    Ok(parent)
}

/// A postorder of a forest whose parents come after their children; children in ascending order.
fn postorder(parent: &[u32]) -> Result<Vec<u32>> {
    let n = parent.len();
    let (mut first, mut sibling) = (zeros::<u32>(n, "the elimination tree")?, zeros::<u32>(n, "the elimination tree")?);
    first.fill(NONE);
    sibling.fill(NONE);
    for v in (0..n).rev() {
        if parent[v] != NONE {
            sibling[v] = first[parent[v] as usize];
            first[parent[v] as usize] = v as u32;
        }
    }
    let mut order = Vec::with_capacity(n);
    let mut stack = Vec::new();
    for root in (0..n as u32).filter(|v| parent[*v as usize] == NONE) {
        stack.push(root);
        while let Some(v) = stack.last().copied() {
            match first[v as usize] {
                NONE => {
                    order.push(v);
                    stack.pop();
                }
                child => {
                    first[v as usize] = sibling[child as usize];
                    stack.push(child);
                }
            }
        }
    }
    Ok(order)
}

/// Weighted column counts of a postordered tree (Gilbert, Ng and Peyton 1994): every row of L is a subtree; its weight
/// is added at the leaves, taken away where two branches meet and above its root, and summed up the tree.
fn counts(graph: &Graph, order: &[u32], position: &[u32], parent: &[u32]) -> Result<Vec<u32>> {
    let n = graph.len();
    let mut delta = zeros::<i64>(n, "the column counts")?;
    let mut first = zeros::<u32>(n, "the column counts")?;
    first.fill(NONE);
    for k in 0..n as u32 {
        if first[k as usize] == NONE {
            // A leaf of the tree.
            delta[k as usize] += i64::from(graph.weights[order[k as usize] as usize]);
        }
        let mut j = k;
        while j != NONE && first[j as usize] == NONE {
            first[j as usize] = k;
            j = parent[j as usize];
        }
    }
    let mut last_leaf = zeros::<u32>(n, "the column counts")?;
    last_leaf.fill(NONE);
    let mut newest = zeros::<u32>(n, "the column counts")?;
    newest.fill(NONE);
    let mut set: Vec<u32> = (0..n as u32).collect();
    for k in 0..n {
        if parent[k] != NONE {
            delta[parent[k] as usize] -= i64::from(graph.weights[order[k] as usize]);
        }
        for u in graph.of(order[k] as usize) {
            let i = position[*u as usize] as usize;
            // Row i gets a leaf at k if k starts a new branch of its subtree.
            if i <= k || (newest[i] != NONE && first[k] <= newest[i]) {
                continue;
            }
            let weight = i64::from(graph.weights[*u as usize]);
            delta[k] += weight;
            newest[i] = first[k];
            let before = last_leaf[i];
            last_leaf[i] = k as u32;
            if before != NONE {
                let mut root = before;
                while set[root as usize] != root {
                    root = set[root as usize];
                }
                let mut s = before;
                while s != root {
                    let next = set[s as usize];
                    set[s as usize] = root;
                    s = next;
                }
                delta[root as usize] -= weight;
            }
        }
        if parent[k] != NONE {
            set[k] = parent[k];
        }
    }
    for k in 0..n {
        if parent[k] != NONE {
            delta[parent[k] as usize] += delta[k];
        }
    }
    Ok(delta.into_iter().map(|c| u32::try_from(c).unwrap_or(u32::MAX)).collect())
}

/// The supernodes of a factor, over rows in the order of elimination.
#[derive(Debug, Default)]
pub(super) struct Supernodes {
    /// Row `permutation[k]` of the matrix is eliminated `k`-th.
    pub(super) permutation: Vec<u32>,
    /// Supernode `s` has the columns `columns[s]..columns[s + 1]`.
    pub(super) columns: Vec<u32>,
    /// Its rows below the columns, ascending: `rows[row_starts[s]..row_starts[s + 1]]`.
    pub(super) row_starts: Vec<usize>,
    pub(super) rows: Vec<u32>,
    /// The supernode of its first row, or [`NONE`]. Always a later one.
    pub(super) parent: Vec<u32>,
}

impl Supernodes {
    pub(super) fn len(&self) -> usize {
        self.parent.len()
    }

    /// Number of columns.
    pub(super) fn width(&self, s: usize) -> usize {
        (self.columns[s + 1] - self.columns[s]) as usize
    }

    /// The rows below the columns.
    pub(super) fn below(&self, s: usize) -> &[u32] {
        &self.rows[self.row_starts[s]..self.row_starts[s + 1]]
    }

    /// Merges the vertices of `tree` to supernodes and finds their rows.
    pub(super) fn new(compressed: &Compressed, tree: &Tree) -> Result<Self> {
        let graph = &compressed.graph;
        let n = graph.len();
        let weight = |k: usize| graph.weights[tree.order[k] as usize];
        // Fundamental supernodes: a chain of single children that lose just their own rows.
        let mut children = zeros::<u32>(n, "the supernodes")?;
        for p in tree.parent.iter().filter(|p| **p != NONE) {
            children[*p as usize] += 1;
        }
        let mut nodes: Vec<Node> = Vec::new();
        let mut node_of = zeros::<u32>(n, "the supernodes")?;
        for k in 0..n {
            let chained = k > 0
                && tree.parent[k - 1] == k as u32
                && children[k] == 1
                && tree.count[k - 1] == tree.count[k] + weight(k - 1);
            if chained {
                let s = nodes.len() - 1;
                nodes[s].width += weight(k);
                nodes[s].last = k as u32;
            } else {
                nodes.push(Node { width: weight(k), height: tree.count[k], last: k as u32, parent: NONE });
            }
            node_of[k] = nodes.len() as u32 - 1;
        }
        for node in &mut nodes {
            let parent = tree.parent[node.last as usize];
            node.parent = if parent == NONE { NONE } else { node_of[parent as usize] };
        }
        let into = merge(&mut nodes);

        // The merged supernodes in a postorder of their tree, and their vertices in it.
        let alive: Vec<u32> = (0..nodes.len() as u32).filter(|s| into[*s as usize] == *s).collect();
        let mut place = zeros::<u32>(nodes.len(), "the supernodes")?;
        for (k, s) in alive.iter().enumerate() {
            place[*s as usize] = k as u32;
        }
        let parent: Vec<u32> = alive
            .iter()
            .map(|s| nodes[*s as usize].parent)
            .map(|p| if p == NONE { NONE } else { place[into[p as usize] as usize] })
            .collect();
        let post = postorder(&parent)?;
        let mut moved = zeros::<u32>(post.len(), "the supernodes")?;
        for (k, old) in post.iter().enumerate() {
            moved[*old as usize] = k as u32;
        }
        let parent: Vec<u32> = post
            .iter()
            .map(|old| parent[*old as usize])
            .map(|p| if p == NONE { NONE } else { moved[p as usize] })
            .collect();
        let supernode_of = |k: usize| moved[place[into[node_of[k] as usize] as usize] as usize];
        let mut starts = zeros::<u32>(parent.len() + 1, "the supernodes")?;
        for k in 0..n {
            starts[supernode_of(k) as usize + 1] += 1;
        }
        for s in 0..parent.len() {
            starts[s + 1] += starts[s];
        }
        let mut next = starts.clone();
        let mut vertices = zeros::<u32>(n, "the supernodes")?;
        for k in 0..n {
            let slot = &mut next[supernode_of(k) as usize];
            vertices[*slot as usize] = tree.order[k];
            *slot += 1;
        }
        Self::with_rows(compressed, parent, &starts, &vertices)
    }

    /// Finds the rows of each supernode from the graph and its children, and expands vertices to rows of the matrix.
    fn with_rows(compressed: &Compressed, parent: Vec<u32>, starts: &[u32], vertices: &[u32]) -> Result<Self> {
        let (graph, count) = (&compressed.graph, parent.len());
        let mut position = zeros::<u32>(graph.len(), "the supernodes")?;
        for (k, v) in vertices.iter().enumerate() {
            position[*v as usize] = k as u32;
        }
        // First rows of the vertices in the order of elimination.
        let mut first_row = zeros::<u32>(vertices.len() + 1, "the supernodes")?;
        for (k, v) in vertices.iter().enumerate() {
            first_row[k + 1] = first_row[k] + graph.weights[*v as usize];
        }
        let mut first_child = zeros::<u32>(count, "the supernodes")?;
        let mut sibling = zeros::<u32>(count, "the supernodes")?;
        first_child.fill(NONE);
        for s in (0..count).rev() {
            if parent[s] != NONE {
                sibling[s] = first_child[parent[s] as usize];
                first_child[parent[s] as usize] = s as u32;
            }
        }
        let mut mark = zeros::<u32>(graph.len(), "the supernodes")?;
        mark.fill(NONE);
        // The rows of a supernode as positions of vertices, kept until the parent has seen them.
        let mut below: Vec<Vec<u32>> = vec![Vec::new(); count];
        let mut out = Self {
            permutation: Vec::with_capacity(compressed.rows.len()),
            columns: Vec::with_capacity(count + 1),
            row_starts: Vec::with_capacity(count + 1),
            rows: Vec::new(),
            parent,
        };
        out.columns.push(0);
        out.row_starts.push(0);
        for s in 0..count {
            let (begin, end) = (starts[s], starts[s + 1]);
            let mut list = Vec::new();
            let mut add = |k: u32| {
                if k >= end && mark[k as usize] != s as u32 {
                    mark[k as usize] = s as u32;
                    list.push(k);
                }
            };
            for v in &vertices[begin as usize..end as usize] {
                graph.of(*v as usize).iter().for_each(|u| add(position[*u as usize]));
            }
            let mut child = first_child[s];
            while child != NONE {
                std::mem::take(&mut below[child as usize]).into_iter().for_each(&mut add);
                child = sibling[child as usize];
            }
            list.sort_unstable();
            let rows: usize = list.iter().map(|k| (first_row[*k as usize + 1] - first_row[*k as usize]) as usize).sum();
            out.rows.try_reserve(rows).map_err(|_| crate::error::Error::memory("the supernodes", rows as u64 * 4))?;
            out.rows.extend(list.iter().flat_map(|k| first_row[*k as usize]..first_row[*k as usize + 1]));
            out.row_starts.push(out.rows.len());
            out.columns.push(first_row[end as usize]);
            below[s] = list;
        }
        for v in vertices {
            let (begin, end) = (compressed.row_starts[*v as usize], compressed.row_starts[*v as usize + 1]);
            out.permutation.extend_from_slice(&compressed.rows[begin as usize..end as usize]);
        }
        out.rows.shrink_to_fit();
        Ok(out)
    }
}

/// A supernode while they are being merged.
struct Node {
    /// Columns.
    width: u32,
    /// Rows, the columns included.
    height: u32,
    /// Its last vertex.
    last: u32,
    parent: u32,
}

impl Node {
    /// The time in ns that the front takes a thread, once to be factored and once for each of a hundred right-hand
    /// sides. A model of the kernels as they were measured on Zen 4 (50 GFLOP/s a thread for wide fronts): narrow fronts
    /// run slower, each entry of an update is written once and added once, each row below is gathered and scattered in
    /// a solve, and each front costs a few calls.
    fn cost(width: u32, height: u32) -> f64 {
        const SIDES: f64 = 100.0;
        let (w, h) = (f64::from(width), f64::from(height));
        let below = h - w;
        let squares = |m: f64| m * (m + 1.0) * (2.0 * m + 1.0) / 6.0;
        let rate = 50.0 * w / (w + 8.0);
        let entries = w * h - 0.5 * w * (w - 1.0);
        let factor = (squares(h) - squares(below)) / rate + 0.75 * below * below + 2000.0;
        let solve = 4.0 * entries / (50.0 * w / (w + 4.0)) + 0.4 * below + 10.0;
        factor + SIDES * solve
    }
}

/// Merges children into their parents where one front with some zeros is faster than two. Returns where each node went.
fn merge(nodes: &mut [Node]) -> Vec<u32> {
    let mut into: Vec<u32> = (0..nodes.len() as u32).collect();
    let mut first = vec![NONE; nodes.len()];
    let mut sibling = vec![NONE; nodes.len()];
    for s in (0..nodes.len()).rev() {
        let p = nodes[s].parent;
        if p != NONE {
            sibling[s] = first[p as usize];
            first[p as usize] = s as u32;
        }
    }
    // Children come before their parents, and have had their own children merged.
    let mut candidates: Vec<u32> = Vec::new();
    for p in 0..nodes.len() {
        candidates.clear();
        let mut child = first[p];
        while child != NONE {
            candidates.push(child);
            child = sibling[child as usize];
        }
        // The one that fits best first.
        candidates.sort_by_key(|c| (nodes[p].height + nodes[*c as usize].width - nodes[*c as usize].height, *c));
        for c in &candidates {
            let (child, parent) = (&nodes[*c as usize], &nodes[p]);
            let (width, height) = (child.width + parent.width, child.width + parent.height);
            let apart = Node::cost(child.width, child.height) + Node::cost(parent.width, parent.height);
            if Node::cost(width, height) < apart {
                (nodes[p].width, nodes[p].height) = (width, height);
                into[*c as usize] = p as u32;
            }
        }
    }
    // Parents come later: from the last to the first every target is final.
    for s in (0..nodes.len()).rev() {
        into[s] = into[into[s] as usize];
    }
    into
}
