use super::*;
use crate::formats::fixture;
use crate::formats::mesh::CellKind;

fn read(text: &str) -> Result<Mesh> {
    read_msh(&Source::from_bytes("m.msh", text.as_bytes().to_vec()))
}

fn refusal(text: &str) -> String {
    let error = read(text).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    error.to_string()
}

/// Two tets and a triangle with numbers out of order, in both versions; `(number, x, y, z)`.
const NODES: [(i32, f64, f64, f64); 5] =
    [(70, 0.0, 0.0, 0.0), (3, 1.0, 0.0, 0.0), (900_000, 0.0, 1.0, 0.0), (1, 0.0, 0.0, 1.0), (2, 1.0, 1.0, 1.0)];
const TETS: [(i32, [i32; 4]); 2] = [(12, [70, 3, 900_000, 1]), (11, [3, 900_000, 1, 2])];

const HEAD_2: &str = "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n";
const HEAD_4: &str = "$MeshFormat\n4.1 0 8\n$EndMeshFormat\n";

fn ascii_2() -> String {
    let mut text = format!("{HEAD_2}$Nodes\n5\n");
    NODES.iter().for_each(|(id, x, y, z)| text += &format!("{id} {x} {y} {z}\n"));
    text += "$EndNodes\n$Elements\n3\n5 2 2 9 1 70 3 1\n";
    TETS.iter().for_each(|(id, [a, b, c, d])| text += &format!("{id} 4 2 -8 1 {a} {b} {c} {d}\n"));
    text + "$EndElements\n"
}

fn ascii_4() -> String {
    let mut text = format!(
        "{HEAD_4}$Comments\n$Nodes of a comment\n$EndComments\n$Entities\n1 0 1 1\n7 0 0 0 1 4\n\
         5 0 0 0 1 1 0 1 9 0\n6 0 0 0 1 1 1 2 -8 9 1 -5\n$EndEntities\n$Nodes\n2 5 1 900000\n3 6 1 2\n70\n3\n\
         0 0 0 0.1 0.2 0.3\n1 0 0 0.4 0.5 0.6\n3 6 0 3\n900000\n1\n2\n0 1 0\n0 0 1\n1 1 1\n$EndNodes\n"
    );
    text += "$Elements\n2 3 5 12\n2 5 2 1\n5 70 3 1\n3 6 4 2\n";
    TETS.iter().for_each(|(id, [a, b, c, d])| text += &format!("{id} {a} {b} {c} {d}\n"));
    text + "$EndElements\n"
}

/// Dimension and number of the entity of each of `NODES`, and the place on it.
const PLACES: [(i32, i32, &[f64]); 5] =
    [(0, 1, &[]), (1, 12, &[0.25]), (2, 3, &[0.5, f64::NAN]), (3, 1, &[]), (2, 4, &[-1.0, 2.0])];

/// As Mesh.SaveParametric=1 writes it.
fn parametric_2() -> String {
    let mut text = format!("{HEAD_2}$ParametricNodes\n5\n");
    for ((id, x, y, z), (dimension, entity, place)) in NODES.iter().zip(PLACES) {
        text += &format!("{id} {x} {y} {z} {dimension} {entity}");
        place.iter().for_each(|value| text += &format!(" {value}"));
        text += "\n";
    }
    text + "$EndParametricNodes\n" + ascii_2().split_once("$EndNodes\n").unwrap().1
}

const VIEWS: &str = "$NodeData\n1\n\"displacement\"\n1\n0\n3\n0\n3\n5\n1 1 2 3\n2 4 5 6\n3 7 8 9\n70 1 1 1\n900000 2 2 2\n\
                     $EndNodeData\n$ElementData\n2\n\"n_ip\"\n\"scheme\"\n0\n4\n0\n1\n2\n0\n11 1\n12 2\n$EndElementData\n";

fn check_small(mesh: &Mesh) {
    assert_eq!(mesh.points[2], [0.0, 1.0, 0.0]);
    assert_eq!(mesh.point_ids.as_deref(), Some(&[70, 3, 900_000, 1, 2][..]));
    assert_eq!((mesh.n_cells, mesh.cell_ids.as_deref()), (3, Some(&[5, 12, 11][..])));
    assert_eq!(mesh.blocks.len(), 1);
    assert_eq!((mesh.blocks[0].kind, &mesh.blocks[0].cells[..]), (CellKind::Tet4, &[1, 2][..]));
    assert_eq!(mesh.blocks[0].connectivity, [0, 1, 2, 3, 1, 2, 3, 4]);
    assert_eq!(mesh.warnings, ["skipped elements without a stress model: 1 triangles"]);
}

#[test]
fn both_versions_give_the_same_mesh() {
    for text in [ascii_2(), parametric_2(), ascii_4()] {
        let mesh = read(&(text.clone() + VIEWS)).unwrap();
        check_small(&mesh);
        let displacement = mesh.point_field("Displacement").unwrap().unwrap();
        assert_eq!(displacement.values, [1., 1., 1., 7., 8., 9., 2., 2., 2., 1., 2., 3., 4., 5., 6.]);
        // The triangle has no value and no stress: zero.
        assert_eq!(mesh.cell_field("n_ip").unwrap().unwrap().values, [0.0, 2.0, 1.0]);
        let sign = if text.contains("4.1") { 8.0 } else { -8.0 };
        assert_eq!(mesh.cell_field(PHYSICAL).unwrap().unwrap().values, [9.0, sign, sign]);
        assert_eq!(read(&text.replace('\n', "\r\n")).unwrap().points, mesh.points);
    }
}

/// Little- or big-endian bytes of a binary file.
struct Bytes(Vec<u8>, bool);

impl Bytes {
    fn put<const N: usize>(&mut self, mut bytes: [u8; N]) -> &mut Self {
        if self.1 {
            bytes.reverse();
        }
        self.0.extend(bytes);
        self
    }
    fn int(&mut self, value: i32) -> &mut Self {
        self.put(value.to_le_bytes())
    }
    fn size(&mut self, value: u64) -> &mut Self {
        self.put(value.to_le_bytes())
    }
    fn double(&mut self, value: f64) -> &mut Self {
        self.put(value.to_le_bytes())
    }
    fn text(&mut self, text: &str) -> &mut Self {
        self.0.extend(text.as_bytes());
        self
    }
}

#[test]
fn both_byte_orders_of_version_2() {
    for (big, section) in [(false, "Nodes"), (true, "Nodes"), (false, "ParametricNodes"), (true, "ParametricNodes")] {
        let mut b = Bytes(Vec::new(), big);
        b.text("$MeshFormat\n2.2 1 8\n").int(1).text("\n$EndMeshFormat\n").text(&format!("${section}\n5\n"));
        for ((id, x, y, z), (dimension, entity, place)) in NODES.into_iter().zip(PLACES) {
            b.int(id).double(x).double(y).double(z);
            if section != "Nodes" {
                b.int(dimension).int(entity);
                place.iter().for_each(|&value| _ = b.double(value));
            }
        }
        b.text(&format!("\n$End{section}\n$Elements\n3\n")).int(2).int(1).int(0).int(5).int(70).int(3).int(1);
        b.int(4).int(2).int(1);
        for (id, nodes) in TETS {
            b.int(id).int(8);
            nodes.iter().for_each(|&node| _ = b.int(node));
        }
        b.text("\n$EndElements\n$NodeData\n1\n\"T\"\n0\n3\n0\n1\n5\n");
        NODES.iter().for_each(|node| _ = b.int(node.0).double(node.1));
        b.text("\n$EndNodeData\n");
        let mesh = read_msh(&Source::from_bytes("m.msh", b.0)).unwrap();
        check_small(&mesh);
        assert_eq!(mesh.point_field("T").unwrap().unwrap().values, [0.0, 1.0, 0.0, 0.0, 1.0]);
        assert_eq!(mesh.cell_field(PHYSICAL).unwrap().unwrap().values, [0.0, 8.0, 8.0]);
    }
}

#[test]
fn both_byte_orders_of_version_4() {
    for big in [false, true] {
        let mut b = Bytes(Vec::new(), big);
        b.text("$MeshFormat\n4.1 1 8\n").int(1).text("\n$EndMeshFormat\n$Entities\n");
        b.size(1).size(0).size(0).size(1).int(3).double(0.).double(0.).double(0.).size(1).int(7);
        b.int(6);
        (0..6).for_each(|_| _ = b.double(1.0));
        b.size(1).int(8).size(2).int(-1).int(2).text("\n$EndEntities\n$Nodes\n").size(1).size(5).size(1).size(900_000);
        b.int(3).int(6).int(0).size(5);
        NODES.iter().for_each(|node| _ = b.size(node.0 as u64));
        NODES.iter().for_each(|node| _ = b.double(node.1).double(node.2).double(node.3));
        b.text("\n$EndNodes\n$Elements\n").size(2).size(3).size(5).size(12);
        b.int(2).int(1).int(2).size(1).size(5).size(70).size(3).size(1).int(3).int(6).int(4).size(2);
        for (id, nodes) in TETS {
            b.size(id as u64);
            nodes.iter().for_each(|&node| _ = b.size(node as u64));
        }
        b.text("\n$EndElements\n");
        let twice = read_msh(&Source::from_bytes("m.msh", b.0.repeat(2))).unwrap();
        let mesh = read_msh(&Source::from_bytes("m.msh", b.0.clone())).unwrap();
        assert_eq!(twice, mesh);
        check_small(&mesh);
        assert_eq!(mesh.cell_field(PHYSICAL).unwrap().unwrap().values, [0.0, 8.0, 8.0]);
        // The last node of the last element is eight bytes before the end of its section.
        let last = b.0.len() - "\n$EndElements\n".len() - 8;
        b.0[last..last + 8].fill(4);
        let refused = read_msh(&Source::from_bytes("m.msh", b.0)).unwrap_err().to_string();
        assert!(
            refused.contains("element 11 refers to node 289360691352306692, which $Nodes does not have"),
            "{refused}"
        );
    }
}

/// `gmsh.view.write(view, file, append=True)` writes the mesh again before each view, by then maybe a smaller part of it.
#[test]
fn a_mesh_that_comes_again_before_each_view_is_one_mesh() {
    for (text, part) in [(ascii_2(), ascii_2().replace("3\n5 2 2 9 1 70 3 1\n", "2\n")), (ascii_4(), ascii_4())] {
        let (displacement, count) = VIEWS.split_once("$ElementData").unwrap();
        let mesh = read(&format!("{text}{part}{displacement}{part}$ElementData{count}")).unwrap();
        check_small(&mesh);
        assert_eq!(mesh.cell_field(PHYSICAL).unwrap().unwrap().values.len(), 3);
        assert_eq!((mesh.point_fields.len(), mesh.cell_field("n_ip").unwrap().unwrap().values[1]), (1, 2.0));
        let more = "$Nodes\n1\n8 2 2 2\n$EndNodes\n$Elements\n2\n12 4 0 70 3 1 2\n13 4 0 70 3 1 8\n$EndElements\n";
        if text.starts_with(HEAD_2) {
            let mesh = read(&(text + more)).unwrap();
            assert_eq!(mesh.blocks[0].connectivity, [0, 1, 2, 3, 1, 2, 3, 4, 0, 1, 3, 5]);
            assert_eq!(mesh.cell_field(PHYSICAL).unwrap().unwrap().values, [9.0, -8.0, -8.0, 0.0]);
        }
    }
}

#[test]
fn lines_are_trusses_only_on_their_own() {
    let nodes = format!("{HEAD_2}$Nodes\n3\n1 0 0 0\n2 1 0 0\n3 0 1 0\n$EndNodes\n$Elements\n");
    let mesh = read(&format!("{nodes}2\n1 1 0 1 2\n2 15 0 1\n$EndElements\n")).unwrap();
    assert_eq!((mesh.blocks[0].kind, &mesh.blocks[0].connectivity[..]), (CellKind::Truss2, &[0, 1][..]));
    let why = refusal(&format!("{nodes}2\n1 1 0 1 2\n2 2 0 1 2 3\n$EndElements\n"));
    assert!(why.contains("found only 1 triangles, 1 lines"), "{why}");
}

#[test]
fn a_refusal_names_the_place_and_the_remedy() {
    let nodes = format!("{HEAD_2}$Nodes\n1\n1 0 0 0\n$EndNodes\n");
    for (text, why) in [
        ("".into(), "m.msh:1: the file is empty"),
        ("$NOD\n".into(), "m.msh:1: MSH version 1 is not read; convert it: gmsh"),
        ("$MeshFormat\n4 0 8\n".into(), "m.msh:2: MSH version 4 is not read; convert it"),
        ("$MeshFormat\n4.1 0 4\n".into(), "m.msh:2: data-size `4` is not read"),
        ("$MeshFormat\n4.1 1 8\n\u{2}\u{2}\u{2}\u{2}\n".into(), "the byte order mark"),
        (HEAD_4.into(), "m.msh: has no $Nodes section"),
        (format!("{HEAD_4}hello\n"), "m.msh:4: expected the start of a section, found `hello`"),
        (format!("{HEAD_4}$Comments\n"), "m.msh:4: section $Comments is not closed"),
        (format!("{HEAD_4}$Elements\n"), "m.msh:4: $Elements stands before $Nodes"),
        (format!("{HEAD_2}$Nodes\n-1\n"), "m.msh:5: the number of nodes is not a non-negative integer: `-1`"),
        (
            format!("{HEAD_2}$Nodes\n99999999999\n1 0 0 0\n"),
            "99999999999 nodes are declared, but only 8 bytes are left",
        ),
        (format!("{HEAD_2}$Nodes\n1\n1 0 nan 0\n"), "m.msh:6: y of a node is not finite: `nan`"),
        (format!("{HEAD_2}$Nodes\n1\n1 0 0 z\n$EndNodes"), "m.msh:6: z of a node is not a number: `z`"),
        (format!("{HEAD_2}$Nodes\n1\n1 0 0 0\n2 0 0 0\n$EndNodes\n"), "m.msh:7: expected $EndNodes, found `2`"),
        (format!("{HEAD_2}$Nodes\n2\n1 0 0 0\n1 0 0 1\n$EndNodes\n"), "node 1 comes twice with different coordinates"),
        (
            format!("{HEAD_2}$ParametricNodes\n1\n1 0 0 0 4 1\n$EndParametricNodes\n"),
            "m.msh:6: an entity dimension must be 0 to 3, found 4",
        ),
        (
            format!("{HEAD_2}$ParametricNodes\n1\n1 0 0 0 2 1 0.5\n$EndParametricNodes\n"),
            "m.msh:7: a parametric coordinate is not a number: `$EndParametricNodes`",
        ),
        (format!("{nodes}$Nodes\n1\n1 0 0 9\n$EndNodes\n"), "node 1 comes twice with different coordinates"),
        (format!("{nodes}{HEAD_4}"), "m.msh:10: a second $MeshFormat that differs from the first"),
        (nodes.clone() + &"$Nodes\n0\n$EndNodes\n".repeat(200), "the mesh is repeated more than 100 times"),
        (format!("{nodes}$Elements\n1\n4 4 0 1 1 1 2\n$EndElements\n"), "m.msh:10: element 4 refers to node 2, which"),
        (
            format!("{nodes}$Elements\n1\n4 7 0 1 1 1 1 1\n"),
            "m.msh:10: 5-node pyramids (element type 7) have no stress",
        ),
        (format!("{nodes}$Elements\n1\n4 77 0 1 1 1 1 1\n"), "m.msh:10: element type 77 is not known"),
        (
            format!("{nodes}$Elements\n1\n4 15 0 1\n$EndElements\n"),
            "m.msh: no element with a stress model: found only 1 points",
        ),
        (format!("{nodes}$NodeData\n1\n\"u\"\n0\n3\n0\n3\n99\n1 0 0 0\n"), "99 entries are declared, but only 8 bytes"),
        (format!("{nodes}$NodeData\n1\n\"u\"\n0\n3\n0\n10\n1\n"), "a view has 1 to 9 values for each entry, not 10"),
        (format!("{nodes}$NodeData\n1\n\"u\"\n0\n2\n0\n1\n"), "a view needs three integer tags"),
    ] {
        let message = refusal(&text);
        assert!(message.contains(why), "expected {why:?}, got {message:?}");
    }
}

#[test]
fn views_merge_by_part_and_the_last_step_stays() {
    let view = |step: u32, entries: &str, n: u32| {
        format!("$NodeData\n1\n\"T\"\n1\n0.5\n3\n{step}\n1\n{n}\n{entries}\n$EndNodeData\n")
    };
    let first = view(0, "1 9\n2 9\n3 9\n70 9\n900000 9", 5);
    let parts = view(1, "1 1\n2 2", 2) + &view(1, "3 3\n70 4\n900000 5", 3);
    let mesh = read(&(ascii_2() + &first + &parts)).unwrap();
    assert_eq!(mesh.point_field("T").unwrap().unwrap().values, [4.0, 3.0, 5.0, 1.0, 2.0]);
    assert!(mesh.warnings[0].contains("1 earlier time steps of node views"), "{:?}", mesh.warnings);
    let short = read(&(ascii_2() + &view(0, "1 1", 1))).unwrap();
    assert_eq!(short.point_fields, []);
    assert!(short.warnings[1].contains("field `T` covers 1 of 5 nodes; left out"), "{:?}", short.warnings);
}

#[test]
fn broken_files_are_refused_where_they_break() {
    let refused = |name| read_msh(&fixture::source(name)).unwrap_err().to_string();
    assert!(refused("truncated_41_ascii.msh.gz").contains(":1215: the file ends where the number of an entry"));
    let binary = refused("truncated_41_bin.msh.gz");
    assert!(binary.contains("at byte ") && binary.contains("cut short"), "{binary}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_damage_panics(case in fixture::damage()) {
        for text in [ascii_2() + VIEWS, parametric_2() + VIEWS, ascii_4() + VIEWS] {
            let _ = read_msh(&Source::from_bytes("m.msh", case.apply(text.as_bytes())));
        }
        for name in ["gmsh22_bin.msh.gz", "gmsh41_bin.msh.gz"] {
            let _ = read_msh(&Source::from_bytes("m.msh", case.apply(fixture::source(name).bytes())));
        }
    }
}

#[test]
fn a_view_that_is_not_finite_is_an_error_only_for_those_who_want_it() {
    let view = |name: &str, last: &str| {
        format!("$NodeData\n1\n\"{name}\"\n0\n3\n0\n1\n5\n1 1\n2 2\n3 3\n70 4\n900000 {last}\n$EndNodeData\n")
    };
    let mesh = read(&(ascii_2() + &view("T", "5") + &view("S", "nan"))).unwrap();
    assert_eq!(mesh.point_field("T").unwrap().unwrap().values.len(), 5);
    let error = mesh.point_field("S").unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().ends_with("a value of a view is not finite: `nan`"), "{error}");
    assert!(refusal(&(ascii_2() + &view("S", "none"))).contains("not a number"));
}
