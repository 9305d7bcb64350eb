//! Stresses at elements and nodes from those at integration points.

use super::model::Model;
use super::seq::MAX_POINTS;
use crate::job::Output;
use crate::numeric::tensor::Tensor;

/// The stress tensor at stress point `ip` of `element` in the output of its block.
#[must_use]
pub fn at_ip(output: &Output, ips: usize, element: usize, ip: usize) -> Tensor {
    std::array::from_fn(|c| output.value(c, element * ips + ip))
}

/// The mean over the stress points of `element`.
#[must_use]
pub fn element_mean(output: &Output, ips: usize, element: usize) -> Tensor {
    let mut sum = [0.0; 6];
    for ip in 0..ips {
        let stress = at_ip(output, ips, element, ip);
        (0..6).for_each(|c| sum[c] += stress[c]);
    }
    sum.map(|s| s / ips as f64)
}

/// The stress at every node: each element extrapolates to its corners, a mid-side node takes the mean of its two corners,
/// and a node the unweighted mean over all its elements, across materials. NaN at nodes without an element.
#[must_use]
pub fn at_nodes(model: &Model, outputs: &[Output]) -> Vec<Tensor> {
    let mut sums = vec![[0.0; 6]; model.nodes.len()];
    let mut counts = vec![0_u32; model.nodes.len()];
    for (block, output) in model.blocks.iter().zip(outputs) {
        let tables = block.tables;
        let mut points = [[0.0; 6]; MAX_POINTS];
        let mut corners = [[0.0; 6]; 8];
        for element in 0..block.len() {
            for (ip, stress) in points.iter_mut().enumerate().take(tables.ips) {
                *stress = at_ip(output, tables.ips, element, ip);
            }
            for (corner, stress) in corners.iter_mut().enumerate().take(tables.corners) {
                let weights = &tables.extrapolation[corner * tables.ips..][..tables.ips];
                *stress = [0.0; 6];
                for (weight, point) in weights.iter().zip(&points) {
                    (0..6).for_each(|c| stress[c] += weight * point[c]);
                }
            }
            let mut add = |node: u32, stress: Tensor| {
                (0..6).for_each(|c| sums[node as usize][c] += stress[c]);
                counts[node as usize] += 1;
            };
            let nodes = block.nodes_of(element);
            (0..tables.corners).for_each(|corner| add(nodes[corner], corners[corner]));
            for ([a, b], node) in tables.midsides.iter().zip(&nodes[tables.corners..]) {
                let (a, b) = (&corners[*a as usize], &corners[*b as usize]);
                add(*node, std::array::from_fn(|c| 0.5 * (a[c] + b[c])));
            }
        }
    }
    for (sum, count) in sums.iter_mut().zip(&counts) {
        // 0 / 0: a node that no element uses has no stress.
        *sum = sum.map(|s| s / f64::from(*count));
    }
    sums
}
