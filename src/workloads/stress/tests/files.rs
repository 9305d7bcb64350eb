//! What is saved.

use super::*;
use crate::formats::npy::read_npy;
use crate::formats::source::Source;
use crate::numeric::principal::principal;
use crate::numeric::tensor::mises;
use crate::workloads::stress::nodal;
use crate::workloads::stress::options::At;

fn saved(job: &SolidJob, outputs: &[Output], name: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    job.save(outputs, &path).unwrap();
    std::fs::read(&path).unwrap()
}

fn lines(job: &SolidJob, outputs: &[Output]) -> Vec<String> {
    String::from_utf8(saved(job, outputs, "out.csv")).unwrap().lines().map(str::to_string).collect()
}

#[test]
fn csv_at_points_elements_and_nodes() {
    let mut job = job("cantilever_c3d8");
    let outputs = run(&job, Precision::F64, Code::Seq);
    let ip = lines(&job, &outputs);
    assert_eq!(ip[0], "element,ip,x,y,z,sxx,syy,szz,sxy,sxz,syz,mises");
    assert_eq!(ip.len(), 1 + 2048);
    let second: Vec<f64> = ip[2].split(',').map(|x| x.parse().unwrap()).collect();
    assert_eq!(&second[..2], [1.0, 2.0]);
    assert!((second[2] - 9.859_438_464e-2).abs() < 1e-10 && (second[5] + 4.276_459e7).abs() < 50.0, "{second:?}");
    job.at = At::Element;
    let element = lines(&job, &outputs);
    assert_eq!(element[0], "element,sxx,syy,szz,sxy,sxz,syz,mises");
    assert_eq!(element.len(), 1 + 256);
    job.at = At::Node;
    job.principal = true;
    let node = lines(&job, &outputs);
    assert_eq!(node[0], "node,sxx,syy,szz,sxy,sxz,syz,mises,s1,s2,s3");
    assert_eq!(node.len(), 1 + 425);
    let row: Vec<f64> = node[425].split(',').map(|x| x.parse().unwrap()).collect();
    let tensor: [f64; 6] = std::array::from_fn(|c| row[1 + c]);
    assert_eq!(row[7], mises(&tensor));
    assert_eq!(&row[8..], principal(&tensor));
}

#[test]
fn mixed_meshes_keep_the_files_order_and_its_numbers() {
    let mut mesh = box_mesh(CellKind::Hex8, 4, 1).unwrap();
    mesh.cell_fields.push(field("n_ip", 1, vec![1.0, 8.0, 1.0, 8.0]));
    mesh.cell_ids = Some(vec![10, 20, 30, 40]);
    let mut job = prepare(mesh, &steel()).unwrap();
    assert_eq!(job.model.blocks.len(), 2);
    let outputs = run(&job, Precision::Mixed, Code::Cpu(Simd::detect()));
    let rows = lines(&job, &outputs);
    let labels: Vec<(u64, u64)> = rows[1..]
        .iter()
        .map(|line| {
            let mut parts = line.split(',').map(|x| x.parse().unwrap_or(0));
            (parts.next().unwrap(), parts.next().unwrap())
        })
        .collect();
    let mut expected = Vec::new();
    for (label, ips) in [(10, 1), (20, 8), (30, 1), (40, 8)] {
        expected.extend((1..=ips).map(|ip| (label, ip)));
    }
    assert_eq!(labels, expected);
    // f32 values are printed with the digits they have.
    let value = rows[1].split(',').nth(5).unwrap();
    assert_eq!(value.parse::<f32>().unwrap(), outputs[1].column::<f32>(0)[0]);
    assert!(value.len() < 16, "{value}");
    job.at = At::Element;
    let labels: Vec<String> = lines(&job, &outputs)[1..].iter().map(|l| l.split(',').next().unwrap().into()).collect();
    assert_eq!(labels, ["10", "20", "30", "40"]);
    let npy = read_npy(&Source::from_bytes("o.npy", saved(&job, &outputs, "o.npy"))).unwrap();
    assert_eq!(npy.shape, [4, 7]);
}

#[test]
fn vtu_reads_back_with_stresses() {
    let mut mesh = box_mesh(CellKind::Hex8, 4, 1).unwrap();
    mesh.cell_fields.push(field("n_ip", 1, vec![1.0, 8.0, 1.0, 8.0]));
    let mut job = prepare(mesh, &steel()).unwrap();
    let outputs = run(&job, Precision::F64, Code::Seq);
    let read = |job: &SolidJob| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.vtu");
        job.save(&outputs, &path).unwrap();
        crate::formats::read_mesh(&path)
    };
    job.at = At::Element;
    let back = read(&job).unwrap();
    assert_eq!(back.blocks[0].cells.len(), 4);
    let stress = back.cell_field("stress").unwrap().unwrap();
    assert_eq!(stress.components, 6);
    // Cell 1 is the first of the fully integrated block; VTK swaps the last two components.
    let mean = nodal::element_mean(&outputs[0], 8, 0);
    assert_eq!(&stress.values[6..12], [mean[0], mean[1], mean[2], mean[3], mean[5], mean[4]]);
    assert_eq!(back.cell_field("mises").unwrap().unwrap().values[1], mises(&mean));
    assert_eq!(back.cell_field("principal").unwrap().unwrap().values[3..6], principal(&mean));
    job.at = At::Node;
    let back = read(&job).unwrap();
    assert_eq!(back.point_field("mises").unwrap().unwrap().values.len(), back.points.len());
    for (a, b) in back.points.iter().flatten().zip(box_mesh(CellKind::Hex8, 4, 1).unwrap().points.iter().flatten()) {
        assert_eq!(a, b);
    }
    assert_eq!(
        back.point_field("displacement").unwrap().unwrap().values,
        box_mesh(CellKind::Hex8, 4, 1).unwrap().point_fields[0].values
    );
}

#[test]
fn other_endings_are_refused() {
    let job = generated(CellKind::Tet4, Integration::Full, 2);
    let outputs = run(&job, Precision::F64, Code::Seq);
    let error = job.save(&outputs, std::path::Path::new("out.xyz")).unwrap_err();
    assert_eq!(error.exit_code(), 2);
}
