//! Against what CalculiX printed for the same decks.

use super::*;
use crate::workloads::stress::nodal;
use crate::workloads::stress::options::At;

/// `(element label, ip)` -> stress, of every stress point in the output, and the largest absolute component.
pub(super) fn by_label(job: &SolidJob, outputs: &[Output]) -> std::collections::HashMap<(u64, u64), [f64; 7]> {
    let mut all = std::collections::HashMap::new();
    for (block, output) in job.model.blocks.iter().zip(outputs) {
        for element in 0..block.len() {
            for ip in 0..block.tables.ips {
                let label = job.model.cell_label(block.cells[element]);
                let values = std::array::from_fn(|c| output.value(c, element * block.tables.ips + ip));
                all.insert((label, ip as u64 + 1), values);
            }
        }
    }
    all
}

#[test]
fn integration_points_agree_in_f64_and_mixed() {
    for case in CASES {
        let job = job(case);
        let (header, rows) = table(&format!("{case}/expected_ip.csv.gz"));
        let first = header.iter().position(|name| name == "sxx").unwrap();
        let max = rows.iter().flat_map(|row| &row[first..first + 6]).fold(0.0_f64, |m, s| m.max(s.abs()));
        let best = Simd::detect();
        for (precision, code) in [
            (Precision::F64, Code::Seq),
            (Precision::F64, Code::Cpu(Simd::Baseline)),
            (Precision::F64, Code::Cpu(best)),
            (Precision::Mixed, Code::Cpu(best)),
        ] {
            let outputs = run(&job, precision, code);
            let ours = by_label(&job, &outputs);
            let mut worst = 0.0_f64;
            for row in &rows {
                let got = ours[&(row[0] as u64, row[1] as u64)];
                for c in 0..7 {
                    let error = (got[c] - row[first + c]).abs() / max;
                    assert!(error <= 2e-6, "{case} {precision:?} {code:?} element {} ip {} column {c}", row[0], row[1]);
                    worst = worst.max(error);
                }
            }
            println!("{case} {} {code:?}: {worst:.2e} of the maximum", precision.name());
        }
    }
}

#[test]
fn positions_of_integration_points_agree() {
    for case in ["cantilever_c3d8", "wedge_c3d6"] {
        let job = job(case);
        let block = &job.model.blocks[0];
        for row in table(&format!("{case}/expected_ip.csv.gz")).1 {
            let at = job.model.stress_point(block, row[0] as usize - 1, row[1] as usize - 1);
            for k in 0..3 {
                assert!((at[k] - row[2 + k]).abs() < 1e-9 * 2.0, "{case} {row:?}: {at:?}");
            }
        }
    }
}

#[test]
fn the_largest_stress_is_where_calculix_has_it() {
    for (case, value, element, ip) in [
        ("bracket_c3d4", 203.549_168_275_464_58, 2095, 1),
        ("cantilever_c3d8", 45_416_275.282_020_41, 50, 1),
        ("le10_c3d20r", 11_136_790.032_002_553, 89, 7),
        ("pipe_c3d8r", 85_660_903.482_834_49, 551, 1),
        ("plate_hole_c3d10", 297.777_806_591_181_9, 812, 3),
        ("wedge_c3d6", 92_816_693.001_905, 62, 1),
    ] {
        let job = job(case);
        let outputs = run(&job, Precision::F64, Code::Cpu(Simd::detect()));
        let answer = job.finish(&outputs).unwrap();
        let most = &answer.json["max_von_mises"];
        assert_eq!((most["element"].as_u64(), most["ip"].as_u64()), (Some(element), Some(ip)), "{case}");
        let got = most["value"].as_f64().unwrap();
        assert!((got - value).abs() < 2e-6 * value, "{case}: {got}");
        assert!(job.check(&outputs, &answer).unwrap().passed(), "{case}");
        assert!(job.warnings().is_empty(), "{case}: {:?}", job.warnings());
    }
}

#[test]
fn element_means_agree() {
    let case = "cantilever_c3d8";
    let job = job(case);
    let outputs = run(&job, Precision::F64, Code::Seq);
    let (_, rows) = table(&format!("{case}/expected_elem_mean.csv.gz"));
    for row in &rows {
        let mean = nodal::element_mean(&outputs[0], 8, row[0] as usize - 1);
        for c in 0..6 {
            assert!((mean[c] - row[1 + c]).abs() < 2e-6 * 5.178_66e7, "{row:?}");
        }
        assert!((crate::numeric::tensor::mises(&mean) - row[7]).abs() < 2e-6 * 5.178_66e7);
    }
    assert_eq!(rows.len(), 256);
}

#[test]
fn nodal_averages_agree_to_calculix_digits() {
    for case in CASES.into_iter().filter(|case| *case != "wedge_c3d6") {
        let mut job = job(case);
        job.at = At::Node;
        let outputs = run(&job, Precision::F64, Code::Seq);
        let stress = nodal::at_nodes(&job.model, &outputs);
        let (_, rows) = table(&format!("{case}/expected_nodal.csv.gz"));
        let max = rows.iter().flat_map(|row| &row[1..7]).fold(0.0_f64, |m, s| m.max(s.abs()));
        for row in &rows {
            let got = &stress[row[0] as usize - 1];
            for c in 0..6 {
                let error = (got[c] - row[1 + c]).abs() / max;
                assert!(error <= 1e-4, "{case} node {} component {c}: {} for {}", row[0], got[c], row[1 + c]);
            }
        }
    }
}

#[test]
fn trusses_agree_with_direct_stiffness() {
    let job = job("truss25_t3d2");
    let source = std::fs::read_to_string(data("truss25_t3d2/expected_axial.csv")).unwrap();
    let expected: Vec<f64> =
        source.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect();
    let max = expected.iter().fold(0.0_f64, |m, s| m.max(s.abs()));
    for code in [Code::Seq, Code::Cpu(Simd::Baseline), Code::Cpu(Simd::detect())] {
        let outputs = run(&job, Precision::F64, code);
        assert_eq!(expected.len(), 25);
        for (element, axial) in expected.iter().enumerate() {
            let stress = nodal::at_ip(&outputs[0], 1, element, 0);
            let trace = stress[0] + stress[1] + stress[2];
            assert!((trace - axial).abs() < 1e-9 * max, "{element}: {trace} for {axial}");
            assert!((outputs[0].value(6, element) - axial.abs()).abs() < 1e-9 * max);
        }
    }
}
