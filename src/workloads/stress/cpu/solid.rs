//! The 4-node tetrahedron, elements straight from their tables, and the truss.

use super::Group;
use super::core::{adjugate, product, symmetric, with_mises, zero_matrix};
use super::vector::Vector;
use super::write::Sink;

/// The 4-node tetrahedron: the columns of J are its edges from the first node.
#[inline(always)]
pub(super) fn tet4<V: Vector>(group: &Group<'_, V>, out: &mut impl Sink<V>) {
    let [_, a, b, c] = group.differences else { return };
    let (mut j, mut g) = (zero_matrix::<V>(), zero_matrix::<V>());
    for i in 0..3 {
        (j[i], g[i]) = ([a[i], b[i], c[i]], [a[3 + i], b[3 + i], c[3 + i]]);
    }
    let (adj, det) = adjugate(&j);
    let strain = group.elastic(symmetric(&product(&g, &adj), V::number(1.0) / det), 0);
    out.put(0, &with_mises(group.material.stress(&strain)));
}

/// Any element whose evaluation points are its stress points.
#[inline(always)]
pub(super) fn solid<V: Vector>(group: &Group<'_, V>, out: &mut impl Sink<V>) {
    let one = V::number(1.0);
    for (p, dn) in group.numbers.derivatives.chunks_exact(group.numbers.nodes).enumerate() {
        let (mut j, mut g) = (zero_matrix::<V>(), zero_matrix::<V>());
        // By component: six running sums stay in registers on AVX2 too.
        for i in 0..3 {
            let mut x_sums = [V::zero(); 3];
            let mut u_sums = [V::zero(); 3];
            for (d, dn) in group.differences.iter().zip(dn).skip(1) {
                for k in 0..3 {
                    x_sums[k] = d[i].scale_add(dn[k], x_sums[k]);
                    u_sums[k] = d[3 + i].scale_add(dn[k], u_sums[k]);
                }
            }
            (j[i], g[i]) = (x_sums, u_sums);
        }
        let (adj, det) = adjugate(&j);
        let strain = group.elastic(symmetric(&product(&g, &adj), one / det), p);
        out.put(p, &with_mises(group.material.stress(&strain)));
    }
}

/// The 2-node truss: E (dx . du / L^2 - thermal strain) n (x) n.
#[inline(always)]
pub(super) fn truss<V: Vector>(group: &Group<'_, V>, out: &mut impl Sink<V>) {
    let [x, y, z, u, v, w] = group.differences[1];
    let square = z.fma(z, y.fma(y, x * x));
    let inverse = V::number(1.0) / square;
    let mut strain = z.fma(w, y.fma(v, x * u)) * inverse;
    if let Some(free) = group.free.first() {
        strain = strain - free[0];
    }
    let axial = strain * group.material.young * inverse;
    let direct = [axial * (x * x), axial * (y * y), axial * (z * z)];
    let shear = [axial * (x * y), axial * (x * z), axial * (y * z)];
    let stress = [direct[0], direct[1], direct[2], shear[0], shear[1], shear[2]];
    out.put(0, &with_mises(stress));
}
