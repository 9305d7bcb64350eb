use super::*;
use crate::formats::fixture;

fn read(text: &str) -> Result<Mesh> {
    read_inp(&Source::from_bytes("m.inp", text.as_bytes().to_vec()))
}

fn refusal(text: &str) -> String {
    let error = read(text).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    error.to_string()
}

/// Nodes of a unit cube, 11 to 18, in set ALL.
const CUBE: &str = "*Heading\n a cube, *not a keyword\n** comment\n*NODE, NSET=All\n11, 0, 0, 0\n12, 1., 0, 0\n13, 1, 1\n\
                    14, 0, 1,\n15, 0, 0, 1\n16, 1, 0, 1\n17, 1, 1, 1\n18, 0, 1, 1D0\n";
const STEEL: &str = "*MATERIAL, NAME=Steel\n*ELASTIC\n2.1e11, 0.3\n*EXPANSION, ZERO=20.\n1.2e-5\n";

fn cube(rest: &str) -> String {
    format!("{CUBE}*ELEMENT, TYPE=C3D8, ELSET=E1\n 5, 11,12,13,14,\n15,16,17,18\n{rest}")
}

#[test]
fn a_deck_of_many_types() {
    let deck = cube(
        "*element , type = c3d8r, elset=\"E 2\"\n6,11,12,13,14,15,16,17,18\n*ELEMENT,TYPE=C3D8I\n7,11,12,13,14,15,16,17,18\n\
         *ELEMENT,TYPE=S4R,ELSET=SHELL\n8,11,12,13,14\n*ELEMENT,TYPE=T3D2,ELSET=E2\n9,11,17\n*ELEMENT,TYPE=C3D6\n\
         4,11,12,13,15,16,17\n*ELEMENT,TYPE=C3D4\n3,11,12,13,15\n*NODE PRINT,NSET=ALL\nU\n*EL PRINT\nS\n",
    );
    for text in [deck.clone(), deck.replace('\n', "\r\n")] {
        let mesh = read(&text).unwrap();
        assert_eq!(mesh.points[7], [0.0, 1.0, 1.0]);
        assert_eq!(mesh.point_ids.as_ref().unwrap()[7], 18);
        assert_eq!(mesh.cell_ids, Some(vec![5, 6, 7, 8, 9, 4, 3]));
        assert_eq!(mesh.integration, Some(vec![8, 1, Mesh::INCOMPATIBLE, 0, 0, 0, 0]));
        let kinds: Vec<_> = mesh.blocks.iter().map(|block| (block.kind, block.cells.clone())).collect();
        assert_eq!(
            kinds,
            [
                (CellKind::Truss2, vec![4]),
                (CellKind::Tet4, vec![6]),
                (CellKind::Hex8, vec![0, 1, 2]),
                (CellKind::Wedge6, vec![5])
            ]
        );
        assert_eq!(mesh.blocks[2].connectivity[..8], [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(mesh.warnings, ["skipped elements without a stress model: 1 S4R"]);
        assert_eq!((mesh.materials.len(), mesh.cell_material.len()), (0, 0));
    }
}

#[test]
fn sections_give_materials_to_sets() {
    let more = "*ELEMENT,TYPE=C3D8,ELSET=E2\n6,11,12,13,14,15,16,17,18\n7,11,12,13,14,15,16,17,18\n8,11,12,13,14,15,16,17,18\n";
    let aluminium = "*MATERIAL,NAME=UNUSED\n*DENSITY\n1\n*MATERIAL,NAME=PLY\n*ELASTIC,TYPE=ENGINEERING CONSTANTS\n\
                     1.4e11,1e10,1e10,.3,.3,.4,5e9,5e9\n3.5e9,20.\n*EXPANSION,TYPE=ORTHO\n0,3e-5,3e-5\n";
    let sections = "*SOLID SECTION,ELSET=BOTH,MATERIAL=steel\n*SOLID SECTION,MATERIAL=Ply,\nELSET=ODD\n\
                    *ELSET,ELSET=ODD,GENERATE\n7,999999999999,2\n*ELSET,ELSET=BOTH\nE1,E2\n";
    let mesh = read(&cube(&format!("{more}{STEEL}{aluminium}{sections}"))).unwrap();
    assert_eq!(mesh.materials.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["Steel", "PLY"]);
    assert_eq!(mesh.cell_material, [0, 0, 1, 0]);
    assert_eq!(mesh.materials[0].elastic, Elastic::Isotropic { young: 2.1e11, poisson: 0.3 });
    assert_eq!((mesh.materials[0].alpha, mesh.materials[0].reference_temperature), ([1.2e-5; 3], 20.0));
    let ply = Elastic::Orthotropic { young: [1.4e11, 1e10, 1e10], poisson: [0.3, 0.3, 0.4], shear: [5e9, 5e9, 3.5e9] };
    assert_eq!((mesh.materials[1].elastic, mesh.materials[1].alpha), (ply, [0.0, 3e-5, 3e-5]));
}

#[test]
fn an_orthotropic_stiffness_becomes_engineering_constants() {
    // nu = 0: the stiffness is diagonal.
    let deck = cube(
        "*MATERIAL,NAME=M\n*ELASTIC,TYPE=ORTHO\n3.,0.,4.,0.,0.,5.,6.,7.\n8.\n*SOLID SECTION,ELSET=E1,MATERIAL=M\n",
    );
    let expected = Elastic::Orthotropic { young: [3.0, 4.0, 5.0], poisson: [0.0; 3], shear: [6.0, 7.0, 8.0] };
    assert_eq!(read(&deck).unwrap().materials[0].elastic, expected);
}

#[test]
fn what_a_section_needs_must_be_there() {
    let section = "*SOLID SECTION, ELSET=E1, MATERIAL=M\n";
    for (rest, why) in [
        (section.into(), "m.inp:16: material M is not defined"),
        (format!("{STEEL}*SOLID SECTION,ELSET=E9,MATERIAL=STEEL\n"), "m.inp:21: element set E9 is not defined"),
        (format!("{section}*MATERIAL,NAME=M\n*DENSITY\n1\n"), "m.inp:17: material M has no *ELASTIC"),
        (
            format!("{section}*MATERIAL,NAME=M\n*ELASTIC\n1,.3,20\n2,.3,40\n"),
            "m.inp:18: material M: *ELASTIC depends on temperature",
        ),
        (format!("{section}*MATERIAL,NAME=M\n*ELASTIC,TYPE=ANISO\n1\n"), "TYPE=ANISO is not supported"),
        (format!("{section}*MATERIAL,NAME=M\n*ELASTIC,TYPE=ORTHO\n1,2\n"), "needs nine constants, found 2"),
        (
            format!("{section}*MATERIAL,NAME=M\n*ELASTIC\n1,.6\n"),
            "material M: nu must be above -1 and below 0.5, not 0.6",
        ),
        (
            String::from(
                "*SOLID SECTION,ELSET=E1,MATERIAL=M,ORIENTATION=O\n*MATERIAL,NAME=M\n*ELASTIC,TYPE=ENGINEERINGCONSTANTS\n\
                 1,1,1,0,0,0,1,1\n1\n",
            ),
            "material M is orthotropic with an ORIENTATION",
        ),
        ("*SOLID SECTION, ELSET=E1\n".into(), "*SOLID SECTION without MATERIAL="),
        ("*ELASTIC\n1,.3\n".into(), "m.inp:16: *ELASTIC stands before any *MATERIAL"),
        (format!("{STEEL}{STEEL}"), "material Steel is defined twice"),
    ] {
        let message = refusal(&cube(&rest));
        assert!(message.contains(why), "expected {why:?}, got {message:?}");
    }
    let plastic = format!("{STEEL}*PLASTIC\n1e8,0\n*SOLID SECTION,ELSET=E1,MATERIAL=STEEL\n");
    assert!(read(&cube(&plastic)).unwrap().warnings[0].contains("*PLASTIC"));
}

#[test]
fn a_refusal_names_the_line_and_the_remedy() {
    for (text, why) in [
        ("hello".into(), "m.inp: is not a deck"),
        (CUBE.into(), "no element with a stress model: it has no elements"),
        ("*NODE\n1,0,0,x\n".into(), "m.inp:2: a coordinate is not a number: `x`"),
        ("*NODE\n1,0,0,1e400\n".into(), "m.inp:2: a coordinate is not finite"),
        ("*NODE\n-1,0,0,0\n".into(), "m.inp:2: a node number is not a positive integer: `-1`"),
        ("*NODE\n1,0,0,0\n1,0,0,1\n".into(), "m.inp: node 1 comes twice with different coordinates"),
        ("*NODE,SYSTEM=C\n".into(), "cylindrical"),
        ("*ELEMENT\n".into(), "m.inp:1: *ELEMENT without TYPE="),
        (
            format!("{CUBE}*ELEMENT,TYPE=C3D8\n5,11,12\n*STEP\n"),
            "m.inp:14: element 5: a C3D8 has 8 nodes, 2 are listed",
        ),
        (format!("{CUBE}*ELEMENT,TYPE=C3D4\n5,11,12,13,14,15\n"), "m.inp:14: element 5: a C3D4 has 4 nodes, more are"),
        (format!("{CUBE}*ELEMENT,TYPE=C3D4\n5,11,12,13,99\n"), "m.inp:13: element 5 refers to node 99, which is not"),
        (format!("{CUBE}*ELEMENT,TYPE=C3D10M\n"), "m.inp:13: element type C3D10M has no stress model; known are C3D4"),
        (cube("*ELEMENT,TYPE=S3\n5,11,12,13\n"), "element 5 is defined twice"),
        (cube("*Include\n"), "m.inp:16: *INCLUDE: names no file; write INPUT=FILE"),
        (cube("*ELGEN\n"), "generated nodes and elements are not read"),
        (cube("*SYSTEM\n1,1,1\n"), "write nodes in global coordinates"),
        ("*PART,NAME=A\n*END PART\n*PART,NAME=B\n".into(), "m.inp:3: *PART: several parts"),
    ] {
        let message = refusal(&text);
        assert!(message.contains(why), "expected {why:?}, got {message:?}");
    }
}

#[test]
fn one_part_that_does_not_move_reads_as_if_alone() {
    let part = cube("*End Part\n*Assembly\n*Instance, name=I, part=P\n");
    let end = "*End Instance\n*Node\n1, 0, 0, 0\n*Elset, elset=S, instance=I\n5\n*End Assembly\n";
    let text = format!("*Part, name=P\n{part}{end}{STEEL}*SOLID SECTION, ELSET=I.S, MATERIAL=STEEL\n");
    let mesh = read(&text).unwrap();
    assert_eq!((mesh.points.len(), mesh.n_cells, &mesh.cell_material[..]), (8, 1, &[0][..]));
    assert_eq!(mesh.warnings, ["nodes and elements of the assembly (reference points) are skipped"]);
    let moved = format!("*Part, name=P\n{part}1., 0., 0.\n{end}");
    assert!(refusal(&moved).contains("an instance that is moved"));
}

/// A part with element 5 in set `Set-1` and 6 in `Set-2`, nodes 11 to 18 (`Set-1`), and an assembly whose sets have the same
/// names, as Abaqus/CAE writes by default.
fn of_same_names(in_assembly: &str, in_model: &str) -> String {
    let part = cube(
        "*Element, type=C3D8\n6,11,12,13,14,15,16,17,18\n*Nset, nset=Set-1, generate\n11, 18\n*Elset, elset=Set-1\n5\n\
         *Elset, elset=Set-2\n6\n*Solid Section, elset=Set-2, material=Other\n*Solid Section, elset=Set-1, \
         material=Steel\n*End Part\n*Assembly, name=Whole\n*Instance, name=I, part=P\n*End Instance\n",
    );
    let other = "*MATERIAL, NAME=Other\n*ELASTIC\n7e10, 0.3\n";
    format!("*Part, name=P\n{part}{in_assembly}*End Assembly\n{STEEL}{other}{in_model}")
}

#[test]
fn sets_of_the_part_and_of_the_assembly_share_names_and_nothing_else() {
    let sets = "*Nset, nset=Set-1, instance=I\n11\n*Elset, elset=Set-1, instance=I\n6\n";
    let (assembly, part) = (of_same_names(sets, ""), of_same_names("", ""));
    assert_eq!(read(&assembly).unwrap().cell_material, [0, 1]);
    assert_eq!(read(&assembly).unwrap().cell_material, read(&part).unwrap().cell_material);
    // A section of the instance belongs to the part.
    let instance = assembly.replacen("*End Instance", "*Solid Section, elset=Set-1, material=Other\n*End Instance", 1);
    assert_eq!(read(&instance).unwrap().cell_material, [1, 1]);

    let temperature = |sets: &str, given: &str| {
        let deck = of_same_names(sets, &format!("*Temperature\n{given}\n"));
        let mesh = read(&deck).unwrap();
        mesh.point_field("temperature").unwrap().unwrap().values.iter().map(|&t| t as i32).collect::<Vec<_>>()
    };
    let (one, all) = ([80, 20, 20, 20, 20, 20, 20, 20], [80; 8]);
    assert_eq!(temperature(sets, "Set-1, 80."), one);
    assert_eq!(temperature(sets, "Whole.Set-1, 80."), one);
    assert_eq!(temperature(sets, "I.Set-1, 80."), all);
    assert_eq!(temperature(sets, "Whole.I.Set-1, 80."), all);
    assert_eq!(temperature("", "Set-1, 80."), all);
    // Names among the data lines are looked up like the numbers there.
    assert_eq!(temperature(&format!("{sets}*Nset, nset=S, instance=I\nSet-1\n"), "S, 80."), all);
    assert_eq!(temperature(&format!("{sets}*Nset, nset=S\nSet-1\n"), "S, 80."), one);
    assert_eq!(temperature(&format!("{sets}*Nset, nset=S\nI.Set-1\n"), "S, 80."), all);
}

#[test]
fn numbers_of_the_assembly_are_its_reference_points_where_it_has_such() {
    let temperature = |assembly: &str| {
        let deck = of_same_names(assembly, "*Temperature\nS, 80.\n");
        read(&deck).unwrap().point_field("temperature").unwrap().unwrap().values[..3].to_vec()
    };
    let set = "*Nset, nset=S\n11, 12\n";
    assert_eq!(temperature(set), [80.0, 80.0, 20.0]);
    assert_eq!(temperature(&format!("{set}*Node\n11, 0, 0, 0\n")), [20.0, 80.0, 20.0]);
    let instance = "*Nset, nset=S, instance=I\n13\n";
    assert_eq!(temperature(&format!("*Node\n11, 0, 0, 0\n12, 1, 0, 0\n{set}{instance}")), [20.0, 20.0, 80.0]);
}

/// Gmsh writes edges as T3D2 and faces as CPS3 into its decks.
#[test]
fn edges_of_surfaces_are_no_trusses_unless_a_section_says_so() {
    let edges = "*ELEMENT,TYPE=CPS3,ELSET=F\n7,11,12,13\n*ELEMENT,TYPE=T3D2,ELSET=L\n8,11,12\n";
    let mesh = read(&cube(edges)).unwrap();
    assert_eq!((mesh.blocks.len(), mesh.n_cells), (1, 3));
    assert!(mesh.warnings[0].contains("1 CPS3, 1 T3D2 beside them"), "{:?}", mesh.warnings);
    let sections = "*SOLID SECTION,ELSET=E1,MATERIAL=STEEL\n*SOLID SECTION,ELSET=L,MATERIAL=STEEL\n";
    assert_eq!(read(&cube(&format!("{edges}{STEEL}{sections}"))).unwrap().blocks.len(), 2);
}

#[test]
fn temperatures_are_measured_from_the_initial_ones() {
    let section = "*SOLID SECTION,ELSET=E1,MATERIAL=STEEL\n";
    let field = |mesh: &Mesh, name| mesh.point_field(name).unwrap().map(|field| field.values.clone());
    // ZERO has no say once there is an initial temperature: the expansion is constant.
    let uniform =
        "*INITIAL CONDITIONS, TYPE=TEMPERATURE\nALL, 25.\n*STEP\n*TEMPERATURE\nALL, 100.\n11, 50.\n*END STEP\n";
    let mesh = read(&cube(&format!("{STEEL}{section}{uniform}"))).unwrap();
    assert_eq!(field(&mesh, "temperature").unwrap(), [50., 100., 100., 100., 100., 100., 100., 100.]);
    assert_eq!((mesh.materials[0].reference_temperature, mesh.warnings.len()), (25.0, 0));
    let varying = uniform.replace("ALL, 25.\n", "ALL, 25.\n12, 30.\n");
    let mesh = read(&cube(&format!("{STEEL}{section}{varying}"))).unwrap();
    assert_eq!(field(&mesh, "temperature").unwrap(), [25., 70., 75., 75., 75., 75., 75., 75.]);
    assert_eq!(field(&mesh, "initial_temperature").unwrap()[1], 30.0);
    assert_eq!((mesh.materials[0].reference_temperature, mesh.warnings.len()), (0.0, 1));
    // Without one ZERO is the reference, and nodes without a temperature have it.
    let mesh = read(&cube(&format!("{STEEL}{section}*TEMPERATURE\n11, 50.\n"))).unwrap();
    assert_eq!(field(&mesh, "temperature").unwrap(), [50., 20., 20., 20., 20., 20., 20., 20.]);
    assert_eq!(mesh.materials[0].reference_temperature, 20.0);
    assert!(refusal(&cube("*TEMPERATURE\n11\n")).contains("m.inp:17: a temperature line is"));
    assert!(refusal(&cube("*TEMPERATURE\nNONE, 1\n")).contains("m.inp:16: node set NONE is not defined"));
    assert_eq!(field(&read(&cube("")).unwrap(), "temperature"), None);
}

#[test]
fn sets_without_end_end_in_an_error_soon() {
    let mut text = cube("*NSET,NSET=N,GENERATE\n1,18446744073709551615,2\n2,18446744073709551614,2\n*TEMPERATURE\n");
    (0..200).for_each(|_| text += "N, 1.\n");
    assert!(refusal(&text).contains("node sets overlap too often"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_damage_panics(case in fixture::damage()) {
        let deck = cube(&format!(
            "{STEEL}*SOLID SECTION,ELSET=S,MATERIAL=STEEL\n*ELSET,ELSET=S,GENERATE\n1,9,2\n*ELSET,ELSET=T\nS,E1,4\n\
             *INITIAL CONDITIONS,TYPE=TEMPERATURE\nALL,1\n*TEMPERATURE\n12,3\n"
        ));
        let _ = read_inp(&Source::from_bytes("m.inp", case.apply(deck.as_bytes())));
        let sets = "*Node\n1, 0, 0, 0\n*Nset, nset=Set-1\n1, I.Set-1\n*Elset, elset=Set-1, instance=I\n6\n";
        let parts = of_same_names(sets, "*TEMPERATURE\nWhole.Set-1,3\n");
        let _ = read_inp(&Source::from_bytes("m.inp", case.apply(parts.as_bytes())));
        let _ = read_inp(&Source::from_bytes("m.inp", case.apply(fixture::source("truss25_t3d2.inp").bytes())));
    }
}
