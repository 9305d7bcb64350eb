//! The fast CPU code: 4 to 16 elements at a time, compiled for each SIMD level.
//!
//! Node data come as one cache line per node ([`stage`]), the arithmetic runs on vectors ([`core`], [`hex8`], [`solid`]),
//! results go to the columns in their order and, when they exceed what the caches hold, past them ([`write`]).

#![expect(clippy::needless_range_loop, reason = "indices are those of the formulas")]

use crate::formats::mesh::CellKind;
use crate::memory::streaming_fence;
use crate::numeric::elements::{ElementTables, Integration};
use crate::numeric::tensor::Stiffness;
use crate::simd::Simd;

use super::model::{MAX_NODES, NodeRow};

mod ahead;
mod core;
mod gathered;
mod hex8;
mod solid;
mod stage;
mod vector;
mod write;

use self::core::Material;
use ahead::Ask;
pub(super) use gathered::{BLOCK, gather_f32, gather_f64, gather_mixed, values as gathered_values};
use stage::{Double, Mixed, Mode, Single, gather};
use vector::{Lanes, Real, Vector, portable};
use write::{Direct, Sink, Staged, aligned, flush};

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
    fn count(&self) -> usize {
        self.connectivity.len() / self.tables.nodes
    }

    fn material(&self, element: usize) -> &Stiffness {
        &self.materials[self.material_ids.get(element).map_or(0, |id| *id as usize)]
    }

    /// Thermal strain of the elements from `start` on, `[stress point][direction]`. Not inlined: no vector instructions.
    #[inline(never)]
    fn free_strain<V: Vector>(&self, start: usize, into: &mut [[V; 3]]) {
        let n = self.tables.nodes;
        for l in 0..V::W {
            let element = start + l;
            let material = self.material(element);
            let points = &self.connectivity[element * n..][..n];
            for (ip, strain) in into.iter_mut().enumerate() {
                let mut rise = 0.0;
                for (value, point) in self.tables.temperature_at(ip).iter().zip(points) {
                    rise += value * (self.rows[*point as usize][6] - material.reference_temperature);
                }
                for i in 0..3 {
                    strain[i].lanes_mut()[l] = V::Real::from_f64(material.alpha[i] * rise);
                }
            }
        }
    }
}

/// The elements past the last whole group, filled up to a group with copies of the last one.
struct Rest<'a, Node> {
    task: Task<'a, Node>,
    connectivity: Vec<u32>,
    material_ids: Vec<u32>,
    start: usize,
    count: usize,
}

impl<'a, Node> Task<'a, Node> {
    /// The part of whole groups of `width` elements, and the rest.
    fn split(&self, width: usize) -> (Task<'a, Node>, Option<Rest<'a, Node>>) {
        let (count, n) = (self.count(), self.tables.nodes);
        let start = count / width * width;
        let whole = Task {
            connectivity: &self.connectivity[..start * n],
            material_ids: &self.material_ids[..start.min(self.material_ids.len())],
            ..*self
        };
        let fill = |values: &[u32], n: usize| {
            let (own, last) = (&values[start * n..], &values[values.len() - n..]);
            own.iter().chain(last.iter().cycle()).take(width * n).copied().collect()
        };
        let rest = (start < count).then(|| Rest {
            task: Task { stream: false, ..*self },
            connectivity: fill(self.connectivity, n),
            material_ids: if self.material_ids.is_empty() { Vec::new() } else { fill(self.material_ids, 1) },
            start,
            count: count - start,
        });
        (whole, rest)
    }
}

impl<Node> Rest<'_, Node> {
    /// Computes the filled group and keeps the results of its own elements.
    fn run<T: Real>(&self, run: impl Fn(&Task<'_, Node>, &mut [&mut [T]; 7]), columns: &mut [&mut [T]; 7]) {
        let task = Task { connectivity: &self.connectivity, material_ids: &self.material_ids, ..self.task };
        let ips = task.tables.ips;
        let values = task.count() * ips;
        let mut results = vec![T::default(); 7 * values];
        let mut parts = results.chunks_exact_mut(values);
        run(&task, &mut std::array::from_fn(|_| parts.next().expect("seven parts")));
        for (column, part) in columns.iter_mut().zip(results.chunks_exact(values)) {
            column[self.start * ips..].copy_from_slice(&part[..self.count * ips]);
        }
    }
}

/// An element's tables in the core's number type.
struct Numbers<T> {
    nodes: usize,
    /// `[point * nodes + node]`.
    derivatives: Vec<[T; 3]>,
    centre: Vec<[T; 3]>,
    /// Of the 8-node hexahedron.
    weights: hex8::Weights<T>,
}

impl<T: Real> Numbers<T> {
    fn new(tables: &ElementTables) -> Self {
        let convert = |rows: &[[f64; 3]]| rows.iter().map(|row| row.map(T::from_f64)).collect();
        Self {
            nodes: tables.nodes,
            derivatives: convert(&tables.derivatives),
            centre: convert(&tables.centre),
            weights: if tables.kind == CellKind::Hex8 { hex8::weights(tables) } else { hex8::Weights::default() },
        }
    }
}

/// As many elements as a vector has lanes, ready to compute.
struct Group<'a, V: Vector> {
    numbers: &'a Numbers<V::Real>,
    /// `[node][component]`; node 0's are zero.
    differences: &'a [[V; 6]],
    material: &'a Material<V>,
    /// `[stress point][direction]`; empty without thermal strain.
    free: &'a [[V; 3]],
}

impl<V: Vector> Group<'_, V> {
    /// `strain` less the thermal strain of stress point `ip`.
    #[inline(always)]
    fn elastic(&self, mut strain: [V; 6], ip: usize) -> [V; 6] {
        if let Some(free) = self.free.get(ip) {
            for i in 0..3 {
                strain[i] = strain[i] - free[i];
            }
        }
        strain
    }
}

/// What computes a group.
///
/// Trait instead of closure: its functions are inlined into the function that is compiled for the level.
trait Core<V: Vector> {
    /// Nodes and stress points of the element where the core serves one alone, so that loops over them unroll; 0 where
    /// the tables say.
    const NODES: usize;
    const IPS: usize;
    fn compute(group: &Group<'_, V>, out: &mut impl Sink<V>);
}

macro_rules! core {
    ($name:ident, $nodes:literal, $ips:literal, $function:path) => {
        struct $name;
        impl<V: Vector> Core<V> for $name {
            const NODES: usize = $nodes;
            const IPS: usize = $ips;
            #[inline(always)]
            fn compute(group: &Group<'_, V>, out: &mut impl Sink<V>) {
                $function(group, out);
            }
        }
    };
}
core!(Truss, 2, 1, solid::truss);
core!(Tet4, 4, 1, solid::tet4);
core!(Solid, 0, 0, solid::solid);
core!(Hex8, 8, 8, hex8::full);
core!(Hex8Reduced, 8, 1, hex8::reduced);
core!(Hex8Incompatible, 8, 8, hex8::incompatible);

/// A precision and element compiled for each SIMD level: `levels!(name, node, real, mode, vector, core)`.
macro_rules! levels {
    ($name:ident, $node:ty, $real:ty, $mode:ident, $vector:ident, $core:ty) => {
        fn $name(simd: Simd, task: &Task<'_, $node>, columns: &mut [&mut [$real]; 7]) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
                fn avx512(task: &Task<'_, $node>, columns: &mut [&mut [$real]; 7]) {
                    walk::<$mode<vector::avx512::$vector>, $core>(task, columns);
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2(task: &Task<'_, $node>, columns: &mut [&mut [$real]; 7]) {
                    walk::<$mode<vector::avx2::$vector>, $core>(task, columns);
                }
                assert!(simd <= Simd::detect(), "{simd:?} is not available on this CPU");
                match simd {
                    // SAFETY: the assertion above says that the CPU has the features of this level.
                    Simd::Avx512 => return unsafe { avx512(task, columns) },
                    // SAFETY: as above.
                    Simd::Avx2 => return unsafe { avx2(task, columns) },
                    Simd::Baseline => {}
                }
            }
            let _ = simd;
            walk::<$mode<portable::$vector>, $core>(task, columns);
        }
    };
}

macro_rules! precision {
    ($(#[$meta:meta])* $name:ident, $node:ty, $real:ty, $mode:ident, $vector:ident, $widest:literal) => {
        $(#[$meta])*
        pub(super) fn $name(simd: Simd, task: &Task<'_, $node>, columns: &mut [&mut [$real]; 7]) {
            levels!(truss, $node, $real, $mode, $vector, Truss);
            levels!(tet4, $node, $real, $mode, $vector, Tet4);
            levels!(solid, $node, $real, $mode, $vector, Solid);
            levels!(hex8, $node, $real, $mode, $vector, Hex8);
            levels!(hex8_reduced, $node, $real, $mode, $vector, Hex8Reduced);
            levels!(hex8_incompatible, $node, $real, $mode, $vector, Hex8Incompatible);
            if task.connectivity.is_empty() {
                return;
            }
            let run = match (task.tables.kind, task.tables.integration) {
                (CellKind::Truss2, _) => truss,
                (CellKind::Tet4, _) => tet4,
                (CellKind::Hex8, Integration::Full) => hex8,
                (CellKind::Hex8, Integration::Reduced) => hex8_reduced,
                (CellKind::Hex8, Integration::Incompatible) => hex8_incompatible,
                _ => solid,
            };
            let (whole, rest) = task.split($widest);
            if whole.count() > 0 {
                run(simd, &whole, columns);
            }
            if let Some(rest) = &rest {
                rest.run(|task, columns| run(simd, task, columns), columns);
            }
            if task.stream {
                streaming_fence();
            }
        }
    };
}
precision!(
    /// f64 throughout.
    run_f64, NodeRow, f64, Double, F64, 8
);
precision!(
    /// Differences in f64, the rest in f32.
    run_mixed, NodeRow, f32, Mixed, F32, 16
);
precision!(
    /// f32 throughout.
    run_f32, [f32; 8], f32, Single, F32, 16
);

/// Gives each lane its element's material, `W` elements from `start` on. Not inlined: it has no vector instructions, and
/// most models have one material.
#[inline(never)]
fn pick_materials<Node, V: Vector>(task: &Task<'_, Node>, start: usize, into: &mut Material<V>) {
    for l in 0..V::W {
        into.set(l, task.material(start + l));
    }
}

/// Walks a whole number of groups, each of as many elements as a vector has lanes: material constants, gather, core,
/// results. The gather runs one group ahead: its cache misses overlap with arithmetic, and what it stored four values at a
/// time has left the store buffer when it is read eight at a time.
#[inline(always)]
fn walk<M: Mode, C: Core<M::Vector>>(task: &Task<'_, M::Node>, columns: &mut [&mut [<M::Vector as Lanes>::Real]; 7]) {
    let width = M::Vector::W;
    let numbers = Numbers::new(task.tables);
    let nodes = if C::NODES > 0 { C::NODES } else { task.tables.nodes };
    let ips = if C::IPS > 0 { C::IPS } else { task.tables.ips };
    let mut wide = [[[M::Wide::zero(); 6]; MAX_NODES]; 2];
    let mut narrow = [[M::Vector::zero(); 6]; MAX_NODES];
    let stream = task.stream && aligned::<M::Vector>(columns);
    let mut staged = Staged::<M::Vector> { values: vec![Default::default(); 7 * width * ips], ips };
    let mut free = vec![[M::Vector::zero(); 3]; if task.thermal { ips } else { 0 }];
    let mut material = Material::uniform(task.material(0));
    let mut groups = task.connectivity.chunks_exact(width * nodes);
    let ask = Ask::of(task.connectivity, width * nodes);
    for step in 0..=groups.len() {
        ask.ahead_of(step, task.nodes, task.connectivity);
        if let Some(cells) = groups.next() {
            gather::<M>(task.nodes, cells, &mut wide[step % 2][..nodes]);
        }
        if step == 0 {
            continue;
        }
        let start = (step - 1) * width;
        if !task.material_ids.is_empty() {
            pick_materials(task, start, &mut material);
        }
        if task.thermal {
            task.free_strain(start, &mut free);
        }
        let differences = M::narrow(&wide[(step - 1) % 2][..nodes], &numbers.centre, &mut narrow[..nodes]);
        let group = Group { numbers: &numbers, differences, material: &material, free: &free };
        if C::IPS == 1 {
            C::compute(&group, &mut Direct { columns, start, stream });
        } else {
            C::compute(&group, &mut staged);
            flush(&staged, columns, start * ips, stream);
        }
    }
}
