//! Against stresses that can be written down.

use super::*;
use crate::numeric::elements::{VARIANTS, shape};
use crate::numeric::tensor::{Stiffness, mises};
use crate::workloads::stress::nodal;

const A: [[f64; 3]; 3] = [[1.1e-3, -4e-4, 7e-4], [3e-4, -8e-4, 2e-4], [-6e-4, 9e-4, 5e-4]];

fn affine(x: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|i| 0.01 + (0..3).map(|j| A[i][j] * x[j]).sum::<f64>())
}

fn strain() -> [f64; 6] {
    let half = |i: usize, j: usize| 0.5 * (A[i][j] + A[j][i]);
    [A[0][0], A[1][1], A[2][2], half(0, 1), half(0, 2), half(1, 2)]
}

/// A distorted cell of `kind`, its nodes in VTK order.
fn distorted(kind: CellKind) -> Vec<[f64; 3]> {
    let corners = shape::corner_coordinates(kind);
    let bend = |[x, y, z]: [f64; 3]| {
        [1.3 * x + 0.2 * y + 0.05 * x * z, 0.9 * y - 0.1 * z + 0.04 * x * y, 1.1 * z + 0.15 * x - 0.03 * y * z]
    };
    let middles = shape::corners(kind).1.iter().map(|[a, b]| {
        let (a, b) = (corners[*a as usize], corners[*b as usize]);
        std::array::from_fn(|k| 0.5 * (a[k] + b[k]) + 0.03)
    });
    corners.iter().copied().chain(middles).map(bend).collect()
}

/// The nodes of `kind` in the mirrored order: det J changes sign.
fn mirrored(kind: CellKind) -> Vec<usize> {
    match kind {
        CellKind::Truss2 => vec![1, 0],
        CellKind::Tet4 => vec![0, 2, 1, 3],
        CellKind::Tet10 => vec![0, 2, 1, 3, 6, 5, 4, 7, 9, 8],
        CellKind::Hex8 => vec![4, 5, 6, 7, 0, 1, 2, 3],
        CellKind::Hex20 => vec![4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11, 16, 17, 18, 19],
        CellKind::Wedge6 => vec![0, 2, 1, 3, 5, 4],
        CellKind::Wedge15 => vec![0, 2, 1, 3, 5, 4, 8, 7, 6, 11, 10, 9, 12, 14, 13],
    }
}

#[test]
fn the_patch_test_holds_for_every_element_in_both_orientations() {
    let stiffness = Stiffness::new(&isotropic(2.1e11, 0.3)).unwrap();
    let expected = stiffness.stress(&strain());
    for (kind, integration, name) in VARIANTS.into_iter().filter(|v| v.0 != CellKind::Truss2) {
        for flip in [false, true] {
            let mut points = distorted(kind);
            if flip {
                points = mirrored(kind).into_iter().map(|i| points[i]).collect();
            }
            let options = SolidOptions { integration: Some(integration), ..steel() };
            let job = prepare(single(kind, points, affine), &options).unwrap();
            let wedge = matches!(kind, CellKind::Wedge6 | CellKind::Wedge15);
            assert_eq!(job.warnings().len(), usize::from(flip && !wedge), "{name}: {:?}", job.warnings());
            if flip && !wedge {
                assert!(job.warnings()[0].contains("one.vtu: element 1 "), "{:?}", job.warnings());
            }
            for (precision, code, tolerance) in [
                (Precision::F64, Code::Seq, 1e-12),
                (Precision::F64, Code::Cpu(Simd::detect()), 1e-12),
                (Precision::F64, Code::Cpu(Simd::Baseline), 1e-12),
                (Precision::Mixed, Code::Cpu(Simd::detect()), 1e-5),
                (Precision::F32, Code::Cpu(Simd::detect()), 1e-3),
            ] {
                let outputs = run(&job, precision, code);
                let ips = job.model.blocks[0].tables.ips;
                for ip in 0..ips {
                    let got = nodal::at_ip(&outputs[0], ips, 0, ip);
                    for c in 0..6 {
                        let error = (got[c] - expected[c]).abs() / mises(&expected);
                        assert!(error < tolerance, "{name} {flip} {precision:?} {code:?} ip {ip} {c}: {error:e}");
                    }
                }
            }
        }
    }
}

#[test]
fn incompatible_modes_bend_a_beam_exactly() {
    // Pure bending of a slender brick: sigma_xx = E k z. Full integration locks (parasitic shear), the modes do not.
    let corners = shape::corner_coordinates(CellKind::Hex8);
    let points: Vec<_> = corners.iter().map(|c| [5.0 * c[0], 0.5 * c[1], 0.5 * c[2]]).collect();
    let (young, k) = (2.1e11, 1e-4);
    let bend = move |x: [f64; 3]| [k * x[0] * x[2], 0.0, -0.5 * k * x[0] * x[0]];
    let stress = |integration| {
        let options =
            SolidOptions { integration: Some(integration), young: Some(young), poisson: Some(0.0), ..steel() };
        let job = prepare(single(CellKind::Hex8, points.clone(), bend), &options).unwrap();
        let outputs = run(&job, Precision::F64, Code::Cpu(Simd::detect()));
        let seq = run(&job, Precision::F64, Code::Seq);
        for (a, b) in outputs[0].item_values(0).iter().zip(seq[0].item_values(0)) {
            assert!((a - b).abs() < 1e-12 * young * k);
        }
        (0..8).map(|ip| nodal::at_ip(&seq[0], 8, 0, ip)).collect::<Vec<_>>()
    };
    let exact = young * k * 0.5 / 3.0_f64.sqrt();
    for (ip, s) in stress(Integration::Incompatible).iter().enumerate() {
        let sign = if ip < 4 { -1.0 } else { 1.0 };
        assert!((s[0] - sign * exact).abs() < 1e-10 * exact, "{ip}: {s:?}");
        assert!(s[1..].iter().all(|c| c.abs() < 1e-10 * exact), "{ip}: {s:?}");
    }
    let locked = stress(Integration::Full);
    assert!(locked.iter().all(|s| s[4].abs() > exact), "full integration shows parasitic shear: {locked:?}");
}

#[test]
fn a_truss_carries_its_axis_alone() {
    let points = vec![[1.0, 2.0, 3.0], [3.0, 3.0, 1.0]];
    let n = [2.0 / 3.0, 1.0 / 3.0, -2.0 / 3.0];
    let job = prepare(single(CellKind::Truss2, points, affine), &steel()).unwrap();
    let stretch: f64 = (0..3).map(|i| n[i] * (0..3).map(|j| A[i][j] * n[j]).sum::<f64>()).sum();
    let sigma = 2.1e11 * stretch;
    for (precision, code, tolerance) in [
        (Precision::F64, Code::Seq, 1e-12),
        (Precision::F64, Code::Cpu(Simd::detect()), 1e-12),
        (Precision::Mixed, Code::Cpu(Simd::detect()), 1e-5),
    ] {
        let outputs = run(&job, precision, code);
        let got = nodal::at_ip(&outputs[0], 1, 0, 0);
        for (c, (i, j)) in [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)].into_iter().enumerate() {
            assert!((got[c] - sigma * n[i] * n[j]).abs() < tolerance * sigma.abs(), "{code:?} {c}");
        }
        assert!((outputs[0].value(6, 0) - sigma.abs()).abs() < tolerance * sigma.abs());
    }
}

#[test]
fn orthotropic_and_thermal_stresses_match_hookes_law() {
    let ply = Material {
        name: "PLY".into(),
        elastic: Elastic::Orthotropic { young: [140.0, 10.0, 8.0], poisson: [0.3, 0.25, 0.4], shear: [5.0, 4.0, 3.5] },
        alpha: [-1e-6, 3e-5, 2.5e-5],
        reference_temperature: 20.0,
    };
    for (kind, integration, name) in VARIANTS.into_iter().filter(|v| v.0 != CellKind::Truss2) {
        let mut mesh = single(kind, distorted(kind), affine);
        mesh.point_fields.push(field("NDTEMP", 1, vec![120.0; kind.nodes()]));
        let options = SolidOptions {
            materials: Some(vec![ply.clone()]),
            integration: Some(integration),
            ..SolidOptions::default()
        };
        let job = prepare(mesh, &options).unwrap();
        // e = strain - alpha dT; the compliance of the engineering constants must give e back from the stress.
        let mut e = strain();
        [-1e-6, 3e-5, 2.5e-5].iter().enumerate().for_each(|(i, alpha)| e[i] -= alpha * 100.0);
        for code in [Code::Seq, Code::Cpu(Simd::detect()), Code::Cpu(Simd::Baseline)] {
            let outputs = run(&job, Precision::F64, code);
            let ips = job.model.blocks[0].tables.ips;
            for ip in 0..ips {
                let s = nodal::at_ip(&outputs[0], ips, 0, ip);
                let back = [
                    s[0] / 140.0 - 0.3 / 140.0 * s[1] - 0.25 / 140.0 * s[2],
                    -0.3 / 140.0 * s[0] + s[1] / 10.0 - 0.4 / 10.0 * s[2],
                    -0.25 / 140.0 * s[0] - 0.4 / 10.0 * s[1] + s[2] / 8.0,
                    s[3] / (2.0 * 5.0),
                    s[4] / (2.0 * 4.0),
                    s[5] / (2.0 * 3.5),
                ];
                for c in 0..6 {
                    assert!((back[c] - e[c]).abs() < 1e-14, "{name} {code:?} ip {ip} {c}: {} for {}", back[c], e[c]);
                }
            }
        }
    }
}

#[test]
fn heat_without_strain_presses_on_all_sides() {
    let mut material = isotropic(2e11, 0.25);
    material.alpha = [1e-5; 3];
    material.reference_temperature = 10.0;
    let mut mesh = single(CellKind::Tet10, distorted(CellKind::Tet10), |_| [0.0; 3]);
    // Linear in space: the element's own (quadratic) functions reproduce it at its points.
    let heat = |x: &[f64; 3]| 30.0 + 4.0 * x[0] - 2.0 * x[1] + x[2];
    let values = mesh.points.iter().map(heat).collect();
    mesh.point_fields.push(field("T", 1, values));
    let options = SolidOptions { materials: Some(vec![material]), ..SolidOptions::default() };
    let job = prepare(mesh, &options).unwrap();
    let outputs = run(&job, Precision::F64, Code::Cpu(Simd::detect()));
    for ip in 0..4 {
        let rise = heat(&job.model.stress_point(&job.model.blocks[0], 0, ip)) - 10.0;
        let s = nodal::at_ip(&outputs[0], 4, 0, ip);
        // -E alpha dT / (1 - 2 nu).
        let expected = -2e11 * 1e-5 * rise / 0.5;
        for c in 0..6 {
            let want = if c < 3 { expected } else { 0.0 };
            assert!((s[c] - want).abs() < 1e-9 * expected.abs(), "{ip} {c}: {} for {want}", s[c]);
        }
    }
}

#[test]
fn children_of_a_tetrahedron_have_its_stress() {
    for levels in [1, 2, 3] {
        let options = SolidOptions { refine: levels, ..steel() };
        let coarse = prepare(box_mesh(CellKind::Tet4, 50, 3).unwrap(), &steel()).unwrap();
        let fine = prepare(box_mesh(CellKind::Tet4, 50, 3).unwrap(), &options).unwrap();
        assert_eq!(fine.model.elements(), 50 << (3 * levels));
        let parents = run(&coarse, Precision::F64, Code::Seq);
        let children = run(&fine, Precision::F64, Code::Cpu(Simd::detect()));
        let top = parents[0].column::<f64>(6).iter().fold(0.0_f64, |m, x| m.max(*x));
        for element in 0..fine.model.elements() as usize {
            for c in 0..7 {
                let (got, want) = (children[0].value(c, element), parents[0].value(c, element >> (3 * levels)));
                assert!((got - want).abs() < 1e-11 * top, "{levels} {element} {c}: {got} for {want}");
            }
        }
        let answer = fine.finish(&children).unwrap();
        assert!(fine.check(&children, &answer).unwrap().passed());
        for precision in [Precision::Mixed, Precision::F32] {
            let outputs = run(&fine, precision, Code::Cpu(Simd::detect()));
            let check = fine.check(&outputs, &answer).unwrap();
            assert!(check.passed(), "{precision:?}: {check:?}");
        }
    }
}

#[test]
fn refinement_keeps_the_volume_and_shares_every_new_point() {
    for (kind, cells) in [(CellKind::Tet4, 6 * 27), (CellKind::Hex8, 27)] {
        let volume = |job: &SolidJob| {
            let block = &job.model.blocks[0];
            let mut sum = 0.0;
            for element in 0..block.len() {
                let rows = job.model.rows(block, element);
                for p in 0..block.tables.points.len() {
                    let dn = block.tables.derivatives_at(p);
                    sum += block.tables.weights[p]
                        * crate::workloads::stress::seq::Point::new(dn, &rows[..kind.nodes()]).det;
                }
            }
            sum
        };
        let coarse = prepare(box_mesh(kind, cells, 3).unwrap(), &steel()).unwrap();
        let fine = prepare(box_mesh(kind, cells, 3).unwrap(), &SolidOptions { refine: 2, ..steel() }).unwrap();
        assert!((volume(&coarse) - volume(&fine)).abs() < 1e-12 * volume(&coarse));
        // A conforming refinement of a 3x3x3 box has the points of a 12x12x12 one.
        assert_eq!(fine.model.nodes.len(), 13 * 13 * 13, "{}", kind.name());
        let affine_everywhere = |mut mesh: Mesh| {
            mesh.point_fields[0].values = mesh.points.iter().flat_map(|x| affine(*x)).collect();
            mesh
        };
        let options = SolidOptions { refine: 2, ..steel() };
        let job = prepare(affine_everywhere(box_mesh(kind, cells, 3).unwrap()), &options).unwrap();
        let outputs = run(&job, Precision::F64, Code::Seq);
        let expected = Stiffness::new(&isotropic(2.1e11, 0.3)).unwrap().stress(&strain());
        for i in 0..outputs[0].column::<f64>(0).len() {
            for c in 0..6 {
                assert!((outputs[0].value(c, i) - expected[c]).abs() < 1e-9 * mises(&expected));
            }
        }
    }
}
