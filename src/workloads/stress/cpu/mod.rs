//! The fast CPU code: 8 (f64) or 16 (f32) elements at a time, one body for each element, compiled for each SIMD level.
//!
//! Node data come as one cache line per node ([`stage`]), the arithmetic runs on lanes ([`core`], [`hex8`]), results are
//! staged in the columns' order and, when they exceed what the caches hold, streamed past them ([`write`]).

#![expect(clippy::needless_range_loop, reason = "indices are those of the formulas")]

use crate::formats::mesh::CellKind;
use crate::multiversion;
use crate::numeric::elements::{ElementTables, Integration};
use crate::numeric::simd::Simd;
use crate::numeric::tensor::Stiffness;

use super::model::NodeRow;

mod core;
mod hex8;
mod lanes;
mod stage;
mod write;

use self::core::{Material, Matrix, adjugate, product, symmetric, with_mises, zero_matrix};
use lanes::{Lanes, Real};
use stage::{Differences, Double, Mixed, Mode, Single, gather};
use write::Staged;

/// What a chunk of one block needs.
#[derive(Clone, Copy)]
pub(super) struct Task<'a, Node> {
    /// The element.
    pub(super) tables: &'static ElementTables,
    /// The rows that the precision reads.
    pub(super) nodes: &'a [Node],
    /// The f64 rows, for temperatures.
    pub(super) rows: &'a [NodeRow],
    /// The chunk's cells.
    pub(super) connectivity: &'a [u32],
    /// The chunk's material indices; empty when all have material 0.
    pub(super) material_ids: &'a [u32],
    /// All materials.
    pub(super) materials: &'a [Stiffness],
    /// Whether thermal strain is subtracted.
    pub(super) thermal: bool,
    /// Whether results are written past the caches.
    pub(super) stream: bool,
}

impl<Node> Task<'_, Node> {
    fn material(&self, element: usize) -> &Stiffness {
        &self.materials[self.material_ids.get(element).map_or(0, |id| *id as usize)]
    }

    /// Thermal strain of `W` elements from `start` on, `[stress point][direction]`.
    #[inline(always)]
    fn free_strain<T: Real, const P: usize, const W: usize>(&self, start: usize, into: &mut [[Lanes<T, W>; 3]; P]) {
        let n = self.tables.nodes;
        let count = self.connectivity.len() / n;
        for l in 0..W {
            let element = (start + l).min(count - 1);
            let material = self.material(element);
            let points = &self.connectivity[element * n..][..n];
            for (ip, strain) in into.iter_mut().enumerate() {
                let mut rise = 0.0;
                for (value, point) in self.tables.temperature_at(ip).iter().zip(points) {
                    rise += value * (self.rows[*point as usize][6] - material.reference_temperature);
                }
                for i in 0..3 {
                    strain[i].0[l] = T::from_f64(material.alpha[i] * rise);
                }
            }
        }
    }
}

/// f64 throughout.
pub(super) fn run_f64(simd: Simd, task: &Task<'_, NodeRow>, columns: &mut [&mut [f64]; 7]) {
    by_element::f64(simd, task, columns);
}

/// Differences in f64, the rest in f32.
pub(super) fn run_mixed(simd: Simd, task: &Task<'_, NodeRow>, columns: &mut [&mut [f32]; 7]) {
    by_element::mixed(simd, task, columns);
}

/// f32 throughout.
pub(super) fn run_f32(simd: Simd, task: &Task<'_, [f32; 8]>, columns: &mut [&mut [f32]; 7]) {
    by_element::f32(simd, task, columns);
}

/// One compiled function for each precision, element and SIMD level.
mod by_element {
    use super::*;

    macro_rules! precision {
        ($name:ident, $module:ident, $mode:ty, $real:ty, $node:ty, $width:literal) => {
            pub(super) fn $name(simd: Simd, task: &Task<'_, $node>, columns: &mut [&mut [$real]; 7]) {
                if task.connectivity.is_empty() {
                    return;
                }
                let run = match (task.tables.kind, task.tables.integration) {
                    (CellKind::Truss2, _) => $module::truss2,
                    (CellKind::Tet4, _) => $module::tet4,
                    (CellKind::Tet10, _) => $module::tet10,
                    (CellKind::Hex8, Integration::Full) => $module::hex8,
                    (CellKind::Hex8, Integration::Reduced) => $module::hex8_reduced,
                    (CellKind::Hex8, Integration::Incompatible) => $module::hex8_incompatible,
                    (CellKind::Hex20, Integration::Reduced) => $module::hex20_reduced,
                    (CellKind::Hex20, _) => $module::hex20,
                    (CellKind::Wedge6, _) => $module::wedge6,
                    (CellKind::Wedge15, _) => $module::wedge15,
                };
                run(simd, task, columns);
                if task.stream {
                    write::fence();
                }
            }

            mod $module {
                use super::*;

                precision!(@one $mode, $real, $node, truss2_body, truss::<FMA, $mode, $width>, truss2);
                precision!(@one $mode, $real, $node, tet4_body, tet4_all::<FMA, $mode, $width>, tet4);
                precision!(@one $mode, $real, $node, tet10_body, solid::<FMA, $mode, 10, 4, $width>, tet10);
                precision!(@one $mode, $real, $node, hex8_body, hex8_full::<FMA, $mode, $width>, hex8);
                precision!(@one $mode, $real, $node, reduced_body, hex8_average::<FMA, $mode, $width>, hex8_reduced);
                precision!(@one $mode, $real, $node, modes_body, hex8_modes::<FMA, $mode, $width>, hex8_incompatible);
                precision!(@one $mode, $real, $node, hex20_body, solid::<FMA, $mode, 20, 27, $width>, hex20);
                precision!(@one $mode, $real, $node, hex20r_body, solid::<FMA, $mode, 20, 8, $width>, hex20_reduced);
                precision!(@one $mode, $real, $node, wedge6_body, solid::<FMA, $mode, 6, 2, $width>, wedge6);
                precision!(@one $mode, $real, $node, wedge15_body, solid::<FMA, $mode, 15, 9, $width>, wedge15);
            }
        };
        (@one $mode:ty, $real:ty, $node:ty, $body:ident, $generic:expr, $name:ident) => {
            #[inline(always)]
            fn $body<const FMA: bool>(task: &Task<'_, $node>, columns: &mut [&mut [$real]; 7]) {
                $generic(task, columns);
            }
            multiversion!(
                pub(super) fn $name = $body(task: &Task<'_, $node>, columns: &mut [&mut [$real]; 7]);
            );
        };
    }

    precision!(f64, double, Double, f64, NodeRow, 8);
    precision!(mixed, mixed_kernels, Mixed, f32, NodeRow, 16);
    precision!(f32, single, Single, f32, [f32; 8], 16);
}

/// What is computed for a group of `W` elements with `N` nodes and `P` stress points. A trait and not a closure: a closure
/// cannot be marked `#[inline(always)]`, and one that the compiler leaves out of line loses the instruction set of the
/// function that calls it (each `mul_add` is then a library call).
trait Element<T: Real, const N: usize, const P: usize, const W: usize> {
    fn compute<const FMA: bool>(
        &self,
        d: &Differences<T, N, W>,
        material: &Material<T, W>,
        free: Option<&[[Lanes<T, W>; 3]; P]>,
        out: &mut Staged<T, P, W>,
    );
}

/// Walks the chunk in groups of `W` elements: material constants, gather, `element.compute`, results.
#[inline(always)]
fn groups<const FMA: bool, M: Mode, const N: usize, const P: usize, const W: usize>(
    task: &Task<'_, M::Node>,
    columns: &mut [&mut [M::Real]; 7],
    element: &impl Element<M::Real, N, P, W>,
) {
    let count = task.connectivity.len() / N;
    let centre = std::array::from_fn(|a| task.tables.centre[a].map(M::Real::from_f64));
    let (mut wide, mut narrow) = ([[Lanes::zero(); 6]; N], [[Lanes::zero(); 6]; N]);
    let mut staged = Staged::new();
    let mut free = [[Lanes::zero(); 3]; P];
    let mut material = Material::uniform(&task.materials[0]);
    for start in (0..count).step_by(W) {
        if !task.material_ids.is_empty() {
            material = Material::each(|l| task.material((start + l).min(count - 1)));
        }
        gather::<FMA, M, N, W>(task.nodes, task.connectivity, start, &mut wide);
        let differences = M::narrow::<FMA, N, W>(&wide, &centre, &mut narrow);
        let free = if task.thermal {
            task.free_strain(start, &mut free);
            Some(&free)
        } else {
            None
        };
        element.compute::<FMA>(differences, &material, free, &mut staged);
        staged.flush(columns, start, W.min(count - start), task.stream);
    }
}

/// Any element, from its tables: dN/dxi at P points, each of which is a stress point.
struct Solid<T, const N: usize, const P: usize> {
    dn: [[[T; 3]; N]; P],
}

impl<T: Real, const N: usize, const P: usize, const W: usize> Element<T, N, P, W> for Solid<T, N, P> {
    #[inline(always)]
    fn compute<const FMA: bool>(
        &self,
        d: &Differences<T, N, W>,
        material: &Material<T, W>,
        free: Option<&[[Lanes<T, W>; 3]; P]>,
        out: &mut Staged<T, P, W>,
    ) {
        for p in 0..P {
            let (mut j, mut g) = (zero_matrix::<T, W>(), zero_matrix::<T, W>());
            // By component: six running sums stay in registers on AVX2 too.
            for i in 0..3 {
                let mut sums = [[Lanes::zero(); 3]; 2];
                for a in 1..N {
                    let (x, u) = (d[a][i], d[a][3 + i]);
                    for k in 0..3 {
                        sums[0][k] = x.scale_add::<FMA>(self.dn[p][a][k], sums[0][k]);
                        sums[1][k] = u.scale_add::<FMA>(self.dn[p][a][k], sums[1][k]);
                    }
                }
                (j[i], g[i]) = (sums[0], sums[1]);
            }
            finish::<FMA, T, P, W>(&j, &g, p, material, free, out);
        }
    }
}

/// Stress of J and G at point `p`.
#[inline(always)]
fn finish<const FMA: bool, T: Real, const P: usize, const W: usize>(
    j: &Matrix<T, W>,
    g: &Matrix<T, W>,
    p: usize,
    material: &Material<T, W>,
    free: Option<&[[Lanes<T, W>; 3]; P]>,
    out: &mut Staged<T, P, W>,
) {
    let one = Lanes::splat(T::from_f64(1.0));
    let (adj, det) = adjugate::<FMA, T, W>(j);
    let mut strain = symmetric(&product::<FMA, T, W>(g, &adj), one / det);
    if let Some(free) = free {
        for i in 0..3 {
            strain[i] = strain[i] - free[p][i];
        }
    }
    out.put(p, &with_mises::<FMA, T, W>(material.stress::<FMA>(&strain)));
}

#[inline(always)]
fn solid<const FMA: bool, M: Mode, const N: usize, const P: usize, const W: usize>(
    task: &Task<'_, M::Node>,
    columns: &mut [&mut [M::Real]; 7],
) {
    let dn = std::array::from_fn(|p| std::array::from_fn(|a| task.tables.derivatives_at(p)[a].map(M::Real::from_f64)));
    groups::<FMA, M, N, P, W>(task, columns, &Solid::<M::Real, N, P> { dn });
}

/// The 4-node tetrahedron: the columns of J are its edges from the first node.
struct Tet4;

impl<T: Real, const W: usize> Element<T, 4, 1, W> for Tet4 {
    #[inline(always)]
    fn compute<const FMA: bool>(
        &self,
        d: &Differences<T, 4, W>,
        material: &Material<T, W>,
        free: Option<&[[Lanes<T, W>; 3]; 1]>,
        out: &mut Staged<T, 1, W>,
    ) {
        let (mut j, mut g) = (zero_matrix::<T, W>(), zero_matrix::<T, W>());
        for i in 0..3 {
            for k in 0..3 {
                (j[i][k], g[i][k]) = (d[k + 1][i], d[k + 1][3 + i]);
            }
        }
        finish::<FMA, T, 1, W>(&j, &g, 0, material, free, out);
    }
}

#[inline(always)]
fn tet4_all<const FMA: bool, M: Mode, const W: usize>(task: &Task<'_, M::Node>, columns: &mut [&mut [M::Real]; 7]) {
    groups::<FMA, M, 4, 1, W>(task, columns, &Tet4);
}

/// The 8-node hexahedron, fully integrated.
struct Hex8Full<T>(hex8::Weights<T>);
/// The 8-node hexahedron with the volume-averaged gradient.
struct Hex8Average<T>(hex8::Weights<T>);
/// The 8-node hexahedron with incompatible modes: weights and the derivatives at the centre.
struct Hex8Modes<T>(hex8::Weights<T>, [[T; 3]; 8]);

impl<T: Real, const W: usize> Element<T, 8, 8, W> for Hex8Full<T> {
    #[inline(always)]
    fn compute<const FMA: bool>(
        &self,
        d: &Differences<T, 8, W>,
        material: &Material<T, W>,
        free: Option<&[[Lanes<T, W>; 3]; 8]>,
        out: &mut Staged<T, 8, W>,
    ) {
        hex8::full::<FMA, T, W>(d, &self.0, material, free, out);
    }
}

impl<T: Real, const W: usize> Element<T, 8, 1, W> for Hex8Average<T> {
    #[inline(always)]
    fn compute<const FMA: bool>(
        &self,
        d: &Differences<T, 8, W>,
        material: &Material<T, W>,
        free: Option<&[[Lanes<T, W>; 3]; 1]>,
        out: &mut Staged<T, 1, W>,
    ) {
        hex8::reduced::<FMA, T, W>(d, &self.0, material, free, out);
    }
}

impl<T: Real, const W: usize> Element<T, 8, 8, W> for Hex8Modes<T> {
    #[inline(always)]
    fn compute<const FMA: bool>(
        &self,
        d: &Differences<T, 8, W>,
        material: &Material<T, W>,
        free: Option<&[[Lanes<T, W>; 3]; 8]>,
        out: &mut Staged<T, 8, W>,
    ) {
        hex8::incompatible::<FMA, T, W>(d, (&self.0, &self.1), material, free, out);
    }
}

#[inline(always)]
fn hex8_full<const FMA: bool, M: Mode, const W: usize>(task: &Task<'_, M::Node>, columns: &mut [&mut [M::Real]; 7]) {
    groups::<FMA, M, 8, 8, W>(task, columns, &Hex8Full(hex8::weights(task.tables)));
}

#[inline(always)]
fn hex8_average<const FMA: bool, M: Mode, const W: usize>(task: &Task<'_, M::Node>, columns: &mut [&mut [M::Real]; 7]) {
    groups::<FMA, M, 8, 1, W>(task, columns, &Hex8Average(hex8::weights(task.tables)));
}

#[inline(always)]
fn hex8_modes<const FMA: bool, M: Mode, const W: usize>(task: &Task<'_, M::Node>, columns: &mut [&mut [M::Real]; 7]) {
    let centre = std::array::from_fn(|a| task.tables.centre[a].map(M::Real::from_f64));
    groups::<FMA, M, 8, 8, W>(task, columns, &Hex8Modes(hex8::weights(task.tables), centre));
}

/// The 2-node truss: E (dx . du / L^2 - thermal strain) n (x) n.
struct Truss;

impl<T: Real, const W: usize> Element<T, 2, 1, W> for Truss {
    #[inline(always)]
    fn compute<const FMA: bool>(
        &self,
        d: &Differences<T, 2, W>,
        material: &Material<T, W>,
        free: Option<&[[Lanes<T, W>; 3]; 1]>,
        out: &mut Staged<T, 1, W>,
    ) {
        let d = &d[1];
        let dot = |a: usize, b: usize| d[a + 2].fma::<FMA>(d[b + 2], d[a + 1].fma::<FMA>(d[b + 1], d[a] * d[b]));
        let inverse = Lanes::splat(T::from_f64(1.0)) / dot(0, 0);
        let mut strain = dot(0, 3) * inverse;
        if let Some(free) = free {
            strain = strain - free[0][0];
        }
        let axial = strain * material.young * inverse;
        let stress = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)].map(|(i, k)| axial * (d[i] * d[k]));
        out.put(0, &with_mises::<FMA, T, W>(stress));
    }
}

#[inline(always)]
fn truss<const FMA: bool, M: Mode, const W: usize>(task: &Task<'_, M::Node>, columns: &mut [&mut [M::Real]; 7]) {
    groups::<FMA, M, 2, 1, W>(task, columns, &Truss);
}
