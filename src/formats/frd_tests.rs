use proptest::prelude::*;

use super::*;
use crate::formats::fixture;

/// A header line of a block with its format in column 74.
fn header(start: &str, format: &str) -> String {
    format!("{start:<73}{format}\n")
}

/// One wedge15 in the long format, or in the short one.
fn wedge(long: bool) -> String {
    let (id, format) = if long { (10, "1") } else { (5, "0") };
    let mut text = String::from("    1Ctest\n    1UDATE\n") + &header("    2C", format);
    for node in 1..=15 {
        text += &format!(" -1{node:>id$} {:.5E}-1.00000E+00 0.00000E+00\n", f64::from(node)).replace("E0", "E+00");
    }
    text += " -3\n";
    text += &(header("    3C", format) + &format!(" -1{:>id$}    5    0    1\n -2", 7));
    // The deck's order is 1 to 15; cgx writes the vertical edges (13, 14, 15) before the top (10, 11, 12).
    for node in [1, 2, 3, 4, 5, 6, 7, 8, 9, 13] {
        text += &format!("{node:>id$}");
    }
    text += if long { "\n -2" } else { "" };
    [14, 15, 10, 11, 12].iter().for_each(|node| text += &format!("{node:>id$}"));
    text + "\n -3\n"
}

fn disp(long: bool, first: &str) -> String {
    let id = if long { 10 } else { 5 };
    let mut text = header("  100CL  101", if long { "1" } else { "" });
    text += " -4  DISP        4    1\n -5  D1          1    2    1    0\n";
    for node in 1..=15 {
        text += &format!(" -1{node:>id$}{first}-2.00000E-05 3.00000E+00\n");
    }
    text + " -3\n"
}

fn source(text: &str) -> Source {
    Source::from_bytes("r.frd", text.as_bytes().to_vec())
}

#[test]
fn long_and_short_formats_and_the_order_of_wedges() {
    for long in [true, false] {
        let text = wedge(long) + &disp(long, " 1.00000E+00") + &disp(long, "-1.00000E-03") + " 9999\n";
        let mesh = read_frd_mesh(&source(&text)).unwrap();
        assert_eq!(mesh.points[14], [1.5, -1.0, 0.0].map(|x| if x == 1.5 { 15.0 } else { x }));
        assert_eq!(mesh.blocks[0].kind, CellKind::Wedge15);
        assert_eq!(mesh.blocks[0].connectivity, (0..15).collect::<Vec<_>>());
        assert_eq!(mesh.cell_ids, Some(vec![7]));
        // The last step counts.
        assert_eq!(&mesh.point_field("displacement").unwrap().unwrap().values[..3], [-1e-3, -2e-5, 3.0]);
    }
}

#[test]
fn numbers_may_touch_and_exponents_may_have_three_digits() {
    for (line, expected) in [
        (" 1.00000E+00-2.00000E-05 3.00000E+00", [1.0, -2e-5, 3.0]),
        ("-1.00000E-10-2.00000E-05-3.00000E+00", [-1e-10, -2e-5, -3.0]),
        ("-1.00000E-100-2.00000E-05 3.00000E+00", [-1e-100, -2e-5, 3.0]),
        ("-1.00000E-1001.00000E-1003.00000E-100", [-1e-100, 1e-100, 3e-100]),
        (" 1.00000E+00 2.00000E+00-1.00000E-100", [1.0, 2.0, -1e-100]),
        (" 1.00000E+00 2.00000E+00 3.00000E+00 9.00000E+00", [1.0, 2.0, 3.0]),
    ] {
        let mut values = [0.0; 3];
        assert!(split(line.as_bytes(), &mut values), "{line}");
        assert_eq!(values, expected, "{line}");
    }
    for line in
        ["", " 1.00000E+00-2.00000E-05", " 1.00000E+00 nan 3.00000E+00", " 1.0 2.0 3.0 x", "1.0E+999 2.0 3.0", "..."]
    {
        assert!(!split(line.as_bytes(), &mut [0.0; 3]), "{line}");
    }
}

#[test]
fn temperatures_come_along() {
    let temperature = |nodes: &[u32]| {
        let mut text = header("  100CL  101", "1") + " -4  NDTEMP      1    1\n -5  T           1    1    0    0\n";
        nodes.iter().for_each(|node| text += &format!(" -1{node:>10} 2.{node:02}000E+01\n"));
        text + " -3\n"
    };
    let all: Vec<u32> = (1..=15).rev().collect();
    let text = wedge(true) + &temperature(&all) + &disp(true, " 1.00000E+00") + " 9999\n";
    let result = read_frd(&source(&text)).unwrap();
    assert_eq!(result.temperature.unwrap()[2], 20.3);
    let text = wedge(true) + &temperature(&all[1..]) + &disp(true, " 1.00000E+00") + " 9999\n";
    assert!(
        read_frd(&source(&text)).unwrap_err().to_string().contains("node 15 has a displacement, but no temperature")
    );
}

#[test]
fn a_refusal_names_the_line_and_the_remedy() {
    let good = wedge(true) + &disp(true, " 1.00000E+00") + " 9999\n";
    for (text, why) in [
        ("hello\n".into(), "r.frd:1: is not a CalculiX .frd file: `hello`"),
        (header("    1C", "") + &header("    2C", "2"), "r.frd:2: binary .frd files are not read; use *NODE FILE"),
        (good.replace(" 9999\n", ""), "9999, is missing: the file is cut short"),
        (wedge(true) + " 9999\n", "has no displacements; ask for them in the deck"),
        (good.replace("-2.00000E-05", "     inf    "), "expected 3 finite numbers for node 1"),
        (good.split_at(good.len() - 12).0.into(), "the block of displacements has no end (-3)"),
        (good.replace(" -4  DISP", " -1  DISP"), "expected the name of a result (-4)"),
        (good.replace(" -5  D1", " -9  D1"), "not a line of the displacements"),
    ] {
        let message = read_frd(&source(&text)).unwrap_err().to_string();
        assert!(message.contains(why), "expected {why:?}, got {message:?}");
    }
    for (text, why) in [
        (good.replace("    5    0    1", "   55    0    1"), "element 7: element type 55 is not known"),
        (good.replace("        10        11        12\n", "        10        11\n"), "element 7: 1 nodes miss"),
        (good.replace("        12\n -3", "        12         1\n -3"), "more nodes than the element has"),
        (good.replace("        12\n -3", "        99\n -3"), "element 7 refers to node 99"),
    ] {
        let message = read_frd_mesh(&source(&text)).unwrap_err().to_string();
        assert!(message.contains(why), "expected {why:?}, got {message:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_damage_panics(case in fixture::damage()) {
        let good = wedge(true) + &disp(true, " 1.00000E+00") + &wedge(false) + " 9999\n";
        let damaged = Source::from_bytes("r.frd", case.apply(good.as_bytes()));
        let _ = read_frd(&damaged);
        let _ = read_frd_mesh(&damaged);
    }
}
