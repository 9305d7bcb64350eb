//! Differences for a device that does not gather node rows itself: made by all lanes here, streamed to the shaders.

use super::Task;
use super::ahead::Ask;
use super::stage::{Double, Mixed, Mode, Single, gather};
use super::vector::{self, Lanes, Real, Vector, portable};
use crate::numeric::elements::ElementTables;
use crate::simd::Simd;
use crate::workloads::stress::model::{MAX_NODES, NodeRow};

/// Elements of a block. Each value of a block's elements lies side by side, as the lanes that make them have it, and so
/// that neighbouring invocations read neighbouring bytes, several elements at once if they like.
pub(in super::super) const BLOCK: usize = 16;

/// Values of one element: dx dy dz du dv dw of each node but the first, then, with `thermal`, the temperature of each
/// node.
pub(in super::super) fn values(tables: &ElementTables, thermal: bool) -> usize {
    6 * (tables.nodes - 1) + if thermal { tables.nodes } else { 0 }
}

/// Where value `v` of `element` stands among `values` of each.
fn place(element: usize, values: usize, v: usize) -> usize {
    (element / BLOCK * values + v) * BLOCK + element % BLOCK
}

type RealOf<M> = <<M as Mode>::Vector as Lanes>::Real;

/// `name(simd, task, into)` fills `into`, [`values`] for each element of `task` in whole blocks, compiled for each SIMD
/// level. What fills up the last block means nothing.
macro_rules! gathered {
    ($(#[$meta:meta])* $name:ident, $node:ty, $real:ty, $mode:ident, $vector:ident) => {
        $(#[$meta])*
        pub(in super::super) fn $name(simd: Simd, task: &Task<'_, $node>, into: &mut [$real]) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
                fn avx512(task: &Task<'_, $node>, into: &mut [$real]) {
                    fill::<$mode<vector::avx512::$vector>>(task, into);
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2(task: &Task<'_, $node>, into: &mut [$real]) {
                    fill::<$mode<vector::avx2::$vector>>(task, into);
                }
                assert!(simd <= Simd::detect(), "{simd:?} is not available on this CPU");
                match simd {
                    // SAFETY: the assertion above says that the CPU has the features of this level.
                    Simd::Avx512 => return unsafe { avx512(task, into) },
                    // SAFETY: as above.
                    Simd::Avx2 => return unsafe { avx2(task, into) },
                    Simd::Baseline => {}
                }
            }
            let _ = simd;
            fill::<$mode<portable::$vector>>(task, into);
        }
    };
}
gathered!(
    /// Differences in f64.
    gather_f64, NodeRow, f64, Double, F64
);
gathered!(
    /// Differences formed in f64, without the element's rotation, rounded to f32.
    gather_mixed, NodeRow, f32, Mixed, F32
);
gathered!(
    /// Differences of rows in f32.
    gather_f32, [f32; 8], f32, Single, F32
);

/// All elements: whole vectors, the rest filled up to one, temperatures.
#[inline(always)]
fn fill<M: Mode>(task: &Task<'_, M::Node>, into: &mut [RealOf<M>]) {
    let (whole, rest) = task.split(M::Vector::W);
    walk::<M>(&whole, 0, into);
    if let Some(rest) = rest {
        walk::<M>(&Task { connectivity: &rest.connectivity, ..rest.task }, rest.start, into);
    }
    if task.thermal {
        temperatures(task, into);
    }
}

/// The differences of a whole number of vectors of elements, the first of which is element `start` of `into`.
#[inline(always)]
fn walk<M: Mode>(task: &Task<'_, M::Node>, start: usize, into: &mut [RealOf<M>]) {
    // A constant for the commonest element, so that its loops unroll.
    if task.tables.nodes == 4 {
        walk_nodes::<M>(task, 4, start, into)
    } else {
        walk_nodes::<M>(task, task.tables.nodes, start, into)
    }
}

/// As in the cpu's own walk the gather runs one vector ahead.
#[inline(always)]
fn walk_nodes<M: Mode>(task: &Task<'_, M::Node>, nodes: usize, start: usize, into: &mut [RealOf<M>]) {
    let width = M::Vector::W;
    let values = values(task.tables, task.thermal);
    let centre: Vec<[RealOf<M>; 3]> = task.tables.centre.iter().map(|row| row.map(Real::from_f64)).collect();
    let mut wide = [[[M::Wide::zero(); 6]; MAX_NODES]; 2];
    let mut narrow = [[M::Vector::zero(); 6]; MAX_NODES];
    let mut cells = task.connectivity.chunks_exact(width * nodes);
    let ask = Ask::of(task.connectivity, width * nodes);
    for step in 0..=cells.len() {
        ask.ahead_of(step, task.nodes, task.connectivity);
        if let Some(cells) = cells.next() {
            gather::<M>(task.nodes, cells, &mut wide[step % 2][..nodes]);
        }
        if step == 0 {
            continue;
        }
        let differences = M::narrow(&wide[(step - 1) % 2][..nodes], &centre, &mut narrow[..nodes]);
        let first = place(start + (step - 1) * width, values, 0);
        for (difference, into) in differences[1..].iter().zip(into[first..].chunks_mut(6 * BLOCK)) {
            for (lanes, into) in difference.iter().zip(into.chunks_mut(BLOCK)) {
                into[..width].copy_from_slice(lanes.lanes());
            }
        }
    }
}

/// The nodes' temperatures, behind the differences.
fn temperatures<Node, T: Real>(task: &Task<'_, Node>, into: &mut [T]) {
    let (nodes, values) = (task.tables.nodes, values(task.tables, task.thermal));
    for (element, points) in task.connectivity.chunks_exact(nodes).enumerate() {
        for (a, point) in points.iter().enumerate() {
            into[place(element, values, 6 * (nodes - 1) + a)] = T::from_f64(task.rows[*point as usize][6]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::elements::{VARIANTS, tables};

    fn task<'a, Node>(
        tables: &'static ElementTables,
        thermal: bool,
        connectivity: &'a [u32],
        rows: &'a [NodeRow],
        nodes: &'a [Node],
    ) -> Task<'a, Node> {
        Task { tables, nodes, rows, connectivity, material_ids: &[], materials: &[], thermal, stream: false }
    }

    /// One element's values by plain code.
    fn plain(task: &Task<'_, NodeRow>, element: usize) -> Vec<f64> {
        let points = &task.connectivity[element * task.tables.nodes..][..task.tables.nodes];
        let rows: Vec<NodeRow> = points.iter().map(|point| task.rows[*point as usize]).collect();
        let mut all: Vec<f64> = rows[1..].iter().flat_map(|row| (0..6).map(|c| row[c] - rows[0][c])).collect();
        if task.thermal {
            all.extend(rows.iter().map(|row| row[6]));
        }
        all
    }

    /// What was taken from the displacements `exact` must be W dx with one skew W for all nodes, whatever its estimate:
    /// then dx_a . W dx_b + dx_b . W dx_a = 0 for any two nodes, and no strain has changed.
    fn only_turned(exact: &[f64], got: &[f64]) {
        let largest = |values: &[f64]| values.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        let allowed = 3e-6 * largest(exact) * (largest(exact) + largest(got));
        let taken = |node: usize, i: usize| exact[6 * node + 3 + i] - got[6 * node + 3 + i];
        for a in 0..exact.len() / 6 {
            for b in 0..=a {
                let sum: f64 = (0..3).map(|i| exact[6 * a + i] * taken(b, i) + exact[6 * b + i] * taken(a, i)).sum();
                assert!(sum.abs() <= allowed, "nodes {a} and {b}: {sum:e}, allowed {allowed:e}");
            }
        }
    }

    #[test]
    fn every_level_and_count_gives_the_plain_differences_in_the_shader_s_order() {
        let random = |i: usize| ((i * 7919 + 13) % 1009) as f64 / 1009.0;
        let rows: Vec<NodeRow> = (0..64).map(|r| std::array::from_fn(|c| random(8 * r + c))).collect();
        let single: Vec<[f32; 8]> = rows.iter().map(|row| row.map(|x| x as f32)).collect();
        for (v, (kind, integration, name)) in VARIANTS.into_iter().enumerate() {
            let (tables, thermal) = (tables(kind, integration).unwrap(), v % 2 == 1);
            let (n, differences) = (values(tables, thermal), 6 * (tables.nodes - 1));
            for count in [1, 3, 4, 7, 16, 37] {
                let connectivity: Vec<u32> = (0..count * tables.nodes).map(|i| (i * 37 % 61) as u32).collect();
                let exact = task(tables, thermal, &connectivity, &rows, &rows);
                let rounded = task(tables, thermal, &connectivity, &rows, &single);
                for simd in Simd::available() {
                    let all = count.next_multiple_of(BLOCK) * n;
                    let (mut double, mut mixed, mut f32s) =
                        (vec![0.0_f64; all], vec![0.0_f32; all], vec![0.0_f32; all]);
                    gather_f64(simd, &exact, &mut double);
                    gather_mixed(simd, &exact, &mut mixed);
                    gather_f32(simd, &rounded, &mut f32s);
                    for element in 0..count {
                        // Block by block, value by value, element by element.
                        let at = |v: usize| element / 16 * 16 * n + 16 * v + element % 16;
                        let want = plain(&exact, element);
                        let got: Vec<f64> = (0..n).map(|v| f64::from(mixed[at(v)])).collect();
                        for v in 0..n {
                            let what = format!("{name} {simd:?} {count} element {element} value {v}");
                            assert_eq!(double[at(v)], want[v], "{what}");
                            assert!((f64::from(f32s[at(v)]) - want[v]).abs() <= 1e-6, "{what}");
                            let displacement = v < differences && v % 6 >= 3;
                            assert!(displacement || (got[v] - want[v]).abs() <= 1e-6, "{what}");
                        }
                        only_turned(&want[..differences], &got[..differences]);
                    }
                }
            }
        }
    }
}
