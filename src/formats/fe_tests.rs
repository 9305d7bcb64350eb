//! The finite-element formats against each other: the same model as Gmsh mesh, deck, result and table.

use super::fixture::source;
use super::frd::{read_frd, read_frd_mesh};
use super::inp::read_inp;
use super::mesh::{CellKind, Mesh};
use super::msh::read_msh;
use super::nodal::{attach, read_displacement_csv};

/// CalculiX prints six digits (half a unit of the last: 5e-6); its solution differs from the table by up to 5e-7.
const FRD: f64 = 5.5e-6;

/// Sum of |u_i| over all components of the displacement.
fn total(mesh: &Mesh) -> f64 {
    mesh.point_field("displacement").unwrap().unwrap().values.iter().map(|u| u.abs()).sum()
}

/// Largest difference, divided by the largest magnitude of `b`.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    a.iter().zip(b).fold(0.0f64, |m, (a, b)| m.max((a - b).abs())) / largest
}

/// `mesh` holds the points and cells of `deck`; coordinates differ by at most `digits` (relative).
fn same_mesh(mesh: &Mesh, deck: &Mesh, digits: f64) {
    assert_eq!(mesh.point_ids, deck.point_ids);
    assert!(difference(mesh.points.as_flattened(), deck.points.as_flattened()) <= digits);
    assert_eq!((mesh.n_cells, &mesh.cell_ids), (deck.n_cells, &deck.cell_ids));
    assert_eq!(mesh.blocks, deck.blocks);
}

fn displacement(mesh: &Mesh) -> &[f64] {
    &mesh.point_field("displacement").unwrap().unwrap().values
}

#[test]
fn the_cantilever_is_the_same_in_every_format() {
    let mut deck = read_inp(&source("cantilever_c3d8.inp.gz")).unwrap();
    assert_eq!((deck.points.len(), deck.n_cells, deck.blocks[0].kind), (425, 256, CellKind::Hex8));
    assert_eq!(deck.warnings, [""; 0]);
    attach(&mut deck, &read_displacement_csv(&source("cantilever_c3d8.csv.gz")).unwrap()).unwrap();
    assert!((total(&deck) - 0.560_459_286_9).abs() < 5e-11);
    for name in ["gmsh22_ascii", "gmsh22_bin", "gmsh41_ascii", "gmsh41_ascii_crlf", "gmsh41_bin"] {
        let mesh = read_msh(&source(&format!("{name}.msh.gz"))).unwrap();
        assert_eq!(mesh.warnings, [""; 0], "{name}");
        // The deck has 13 digits, the text meshes 16, the table 17.
        same_mesh(&mesh, &deck, 5e-13);
        assert!(difference(displacement(&mesh), displacement(&deck)) <= 1e-15, "{name}");
    }
    // meshio names every hexahedron C3D8RH; what it means is left to the user.
    let only = read_inp(&source("mesh_only.inp.gz")).unwrap();
    same_mesh(&only, &deck, 5e-13);
    assert_eq!((only.warnings.len(), &only.integration), (1, &Some(vec![0; 256])));
    let frd = read_frd_mesh(&source("ccx.frd.gz")).unwrap();
    same_mesh(&frd, &deck, FRD);
    assert!(difference(displacement(&frd), displacement(&deck)) <= FRD);
    let mut joined = only;
    attach(&mut joined, &read_frd(&source("ccx.frd.gz")).unwrap()).unwrap();
    assert_eq!(joined.point_fields, frd.point_fields);
}

/// Reads `case` as deck, mesh, result and table.
fn all_agree(case: &str, kind: CellKind, points: usize, cells: usize, integration: u8) -> Mesh {
    let mut deck = read_inp(&source(&format!("{case}.inp.gz"))).unwrap();
    assert_eq!((deck.points.len(), deck.n_cells, deck.blocks[0].kind), (points, cells, kind));
    assert_eq!(deck.integration, Some(vec![integration; cells]));
    attach(&mut deck, &read_displacement_csv(&source(&format!("{case}.csv.gz"))).unwrap()).unwrap();
    let mesh = read_msh(&source(&format!("{case}.msh.gz"))).unwrap();
    same_mesh(&mesh, &deck, 5e-13);
    assert!(difference(displacement(&mesh), displacement(&deck)) <= 1e-15);
    let frd = read_frd_mesh(&source(&format!("{case}.frd.gz"))).unwrap();
    same_mesh(&frd, &deck, FRD);
    assert!(difference(displacement(&frd), displacement(&deck)) <= FRD);
    deck
}

#[test]
fn twenty_node_bricks_agree_in_every_order_of_nodes() {
    let mesh = all_agree("le10_c3d20r", CellKind::Hex20, 645, 96, 8);
    // Each edge node stands in the middle of its edge, as far as edges are straight: the vertical ones are.
    let block = &mesh.blocks[0];
    for cell in block.connectivity.chunks(20) {
        for (i, middle) in cell[16..].iter().enumerate() {
            let [low, high, middle] = [cell[i], cell[i + 4], *middle].map(|p| mesh.points[p as usize]);
            assert!((0..3).all(|k| (0.5 * (low[k] + high[k]) - middle[k]).abs() < 1e-12));
        }
    }
}

#[test]
fn wedges_agree() {
    all_agree("wedge_c3d6", CellKind::Wedge6, 220, 240, 0);
}

#[test]
fn ten_node_tetrahedra_agree() {
    let deck = read_inp(&source("plate_hole_c3d10.inp.gz")).unwrap();
    let mesh = read_msh(&source("plate_hole_c3d10.msh.gz")).unwrap();
    assert_eq!((deck.points.len(), deck.n_cells, deck.blocks[0].kind), (1744, 816, CellKind::Tet10));
    same_mesh(&mesh, &deck, 5e-13);
    assert_eq!(displacement(&mesh).len(), 3 * 1744);
}

#[test]
fn reduced_bricks_and_trusses() {
    let pipe = read_inp(&source("pipe_c3d8r.inp.gz")).unwrap();
    assert_eq!((pipe.points.len(), pipe.integration), (858, Some(vec![1; 600])));
    let deck = read_inp(&source("truss25_t3d2.inp")).unwrap();
    let mesh = read_msh(&source("truss25_t3d2.msh")).unwrap();
    assert_eq!((deck.materials.len(), &deck.cell_material[..8]), (7, &[0, 0, 0, 1, 1, 1, 1, 2][..]));
    // The mesh numbers its trusses anew.
    let sorted = |mesh: &Mesh| {
        let mut bars: Vec<&[u32]> = mesh.blocks[0].connectivity.chunks(2).collect();
        bars.sort_unstable();
        bars.concat()
    };
    assert_eq!((mesh.blocks[0].kind, sorted(&mesh)), (CellKind::Truss2, sorted(&deck)));
    assert!(difference(mesh.points.as_flattened(), deck.points.as_flattened()) <= 5e-13);
    assert_eq!(displacement(&mesh)[0], "0.009310557757216649".parse::<f64>().unwrap());
}
