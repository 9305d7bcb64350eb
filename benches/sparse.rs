//! The sparse solver on the matrices of a static condensation: `cargo bench --bench sparse [-- NAMES [REPEATS]]`.
//!
//! `fe20k`, `fe60k`, `fe190k`: linear elasticity on a block of 8-node hexahedra, clamped at one face, 500 degrees of
//! freedom of the other face are the masters. `random3000`: a random matrix of 7 entries a row. Prints each phase with
//! the fraction of the machine's measured peak that it reaches.
//!
//! `cargo bench --bench sparse -- write FOLDER NAMES` writes the whole matrices as Matrix Market files instead, with
//! their masters beside them, so that other solvers get the same ones (`benches/peers`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use hetero::error::{Error, Result};
use hetero::formats::mtx::write_sparse;
use hetero::formats::source::write_whole;
use hetero::machine::limits::measure;
use hetero::machine::pool::Pool;
use hetero::simd::Simd;
use hetero::sparse::{self, Analysis, Factor, Matrix, Options};

/// Right-hand sides: the masters of each case.
const MASTERS: usize = 500;
/// Columns that one thread solves at a time.
const CHUNK: usize = 128;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let test = std::env::args().any(|argument| argument == "--test");
    let (repeats, names): (Vec<_>, Vec<_>) = arguments.into_iter().partition(|a| a.parse::<usize>().is_ok());
    let repeats = repeats.first().and_then(|r| r.parse().ok()).unwrap_or(5);
    let names = match (test, names.is_empty()) {
        (true, _) => vec!["fe1k".to_string()],
        (_, true) => ["random3000", "fe20k", "fe60k"].map(String::from).to_vec(),
        _ => names,
    };
    let pool = Pool::shared(0, true)?;
    if let [word, folder, names @ ..] = &names[..]
        && word == "write"
    {
        return names.iter().try_for_each(|name| write(Path::new(folder), name, &pool));
    }
    let peak = measure(&pool, Simd::detect(), true)?.flops_f64;
    println!("{} threads, measured peak {:.1} GFLOP/s", pool.threads(), peak / 1e9);
    for name in names {
        let (whole, masters) = matrix(&name, &pool)?;
        let blocks = sparse::partition(&whole, &masters, &pool)?;
        drop(whole);
        run(&name, &blocks.ss, &blocks.sm, if test { 1 } else { repeats }, peak, &pool)?;
    }
    Ok(())
}

/// A whole stiffness matrix and its masters. `bar` has many entries and little to factor.
fn matrix(name: &str, pool: &Pool) -> Result<(Matrix, Vec<u32>)> {
    match name {
        "random3000" => random(pool),
        "fe1k" => elasticity((8, 7, 7), pool),
        "fe20k" => elasticity((24, 17, 17), pool),
        "fe60k" => elasticity((27, 27, 27), pool),
        "fe190k" => elasticity((40, 40, 40), pool),
        "bar" => elasticity((4700, 4, 4), pool),
        other => Err(Error::Usage(format!("there is no case '{other}'"))),
    }
}

/// Writes `NAME.mtx`, and the masters, counted from 1, to `NAME.masters`.
fn write(folder: &Path, name: &str, pool: &Pool) -> Result<()> {
    let (whole, masters) = matrix(name, pool)?;
    write_sparse(&folder.join(format!("{name}.mtx")), &whole, true, &[])?;
    let path = folder.join(format!("{name}.masters"));
    let lines: String = masters.iter().map(|row| format!("{}\n", row + 1)).collect();
    write_whole(&path, |file| file.write_all(lines.as_bytes()).map_err(|e| Error::io(&path, "write", &e)))
}

fn run(name: &str, k_ss: &Matrix, k_sm: &Matrix, repeats: usize, peak: f64, pool: &Pool) -> Result<()> {
    let (n, columns) = k_sm.shape();
    let mut seconds = [const { Vec::new() }; 4];
    let mut dense = vec![0.0; n * columns];
    let mut last = None;
    for _ in 0..repeats.max(1) {
        // The factor of the round before leaves its memory.
        let storage = last.take().map(|(_, factor): (_, Factor)| factor.into_storage()).unwrap_or_default();
        let start = Instant::now();
        let analysis = Arc::new(Analysis::new(k_ss, &Options::default(), pool)?);
        seconds[0].push(analysis.order_seconds());
        seconds[1].push(start.elapsed().as_secs_f64() - analysis.order_seconds());
        let start = Instant::now();
        let factor = Factor::new_in(storage, &analysis, k_ss, pool)?;
        seconds[2].push(start.elapsed().as_secs_f64());
        scatter(k_sm, &mut dense);
        let start = Instant::now();
        solve(&factor, &mut dense, pool)?;
        seconds[3].push(start.elapsed().as_secs_f64());
        last = Some((analysis, factor));
    }
    let Some((analysis, factor)) = last else { return Ok(()) };
    let median = |k: usize| {
        let mut sorted: Vec<f64> = seconds[k].clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    let least = |k: usize| seconds[k].iter().copied().fold(f64::INFINITY, f64::min);
    println!(
        "{name}: order {n}, {} entries, {} right-hand sides; {}, {}, {:.2} M entries ({:.2} M stored), condition {:.1e}",
        k_ss.nnz(),
        columns,
        factor.method().name(),
        analysis.ordering().name(),
        analysis.factor_entries() as f64 / 1e6,
        factor.stored_entries() as f64 / 1e6,
        factor.condition()
    );
    let work = [0.0, 0.0, analysis.flops(), analysis.solve_flops() * columns as f64];
    for (k, phase) in ["order", "analyse", "factor", "solve"].iter().enumerate() {
        let (time, best) = (median(k), least(k));
        print!("  {phase:8}{:10.2} ms  (least {:.2})", time * 1e3, best * 1e3);
        if work[k] > 0.0 {
            let (rate, limit) = (work[k] / time, work[k] / peak);
            print!(
                "  {:7.2} GFLOP, {:5.1} GFLOP/s, limit {:.2} ms, {:.0} %",
                work[k] / 1e9,
                rate / 1e9,
                limit * 1e3,
                100.0 * limit / time
            );
        }
        println!();
    }
    let total: f64 = (0..4).map(median).sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let high = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("").trim().to_string();
    println!(
        "  total   {:10.2} ms; residual {:.1e}; predicted {:.2} GB, most memory so far {high}",
        total * 1e3,
        residual(k_ss, k_sm, &dense),
        analysis.peak_bytes() as f64 / 1e9
    );
    Ok(())
}

/// All columns, in chunks over the pool.
fn solve(factor: &Factor, dense: &mut [f64], pool: &Pool) -> Result<()> {
    let n = factor.order();
    let chunks: Vec<std::sync::Mutex<&mut [f64]>> = dense.chunks_mut(n * CHUNK).map(std::sync::Mutex::new).collect();
    let next = AtomicUsize::new(0);
    let scratches: Vec<_> = (0..pool.threads()).map(|_| factor.scratch(CHUNK)).collect::<Result<_>>()?;
    pool.install(|| {
        rayon::scope(|scope| {
            for mut scratch in scratches {
                let (chunks, next) = (&chunks, &next);
                scope.spawn(move |_| {
                    while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                        factor.solve(&mut chunk.lock().unwrap_or_else(|e| e.into_inner()), &mut scratch);
                    }
                });
            }
        });
    });
    Ok(())
}

fn scatter(matrix: &Matrix, dense: &mut [f64]) {
    let n = matrix.rows();
    dense.fill(0.0);
    for (value, (row, column)) in matrix {
        dense[column as usize * n + row as usize] = *value;
    }
}

/// `max |K X - B| / max |B|`.
fn residual(k: &Matrix, b: &Matrix, x: &[f64]) -> f64 {
    let n = k.rows();
    let (mut worst, mut scale) = (0.0f64, 0.0f64);
    for (column, x) in x.chunks_exact(n).enumerate() {
        let mut r = vec![0.0; n];
        sparse::add_transposed_product(1.0, k, x, &mut r, 1);
        for (row, value) in b.outer_view(column).iter().flat_map(|c| c.iter().map(|(r, v)| (r, *v)).collect::<Vec<_>>())
        {
            r[row] -= value;
            scale = scale.max(value.abs());
        }
        worst = r.iter().fold(worst, |m, r| if r.is_nan() { f64::INFINITY } else { m.max(r.abs()) });
    }
    worst / scale
}

/// `R + R' + 10 I` with a random R of density 0.1 %, 3000 x 3000, coupled at the same density to 500 masters, the last
/// rows, which have 10 on their diagonal.
fn random(pool: &Pool) -> Result<(Matrix, Vec<u32>)> {
    const SLAVES: usize = 3000;
    let mut state = 1u64;
    let mut uniform = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let order = SLAVES + MASTERS;
    let mut triplets: Vec<_> = (0..order as u32).map(|i| (i, i, 10.0)).collect();
    for (first, columns) in [(0, SLAVES), (SLAVES, MASTERS)] {
        for _ in 0..SLAVES * columns / 1000 {
            let (i, j) = ((uniform() * SLAVES as f64) as u32, first as u32 + (uniform() * columns as f64) as u32);
            let value = uniform();
            triplets.extend([(i, j, value), (j, i, value)]);
        }
    }
    Ok((assemble((order, order), &triplets, pool)?, (SLAVES as u32..order as u32).collect()))
}

fn assemble(shape: (usize, usize), triplets: &[(u32, u32, f64)], pool: &Pool) -> Result<Matrix> {
    let rows: Vec<u32> = triplets.iter().map(|t| t.0).collect();
    let columns: Vec<u32> = triplets.iter().map(|t| t.1).collect();
    let values: Vec<f64> = triplets.iter().map(|t| t.2).collect();
    sparse::from_triplets(shape, &rows, &columns, &values, pool)
}

/// The stiffness of an elastic block of `shape` nodes, clamped at one face, and its masters, at the face opposite.
fn elasticity(shape: (usize, usize, usize), pool: &Pool) -> Result<(Matrix, Vec<u32>)> {
    let (nx, ny, nz) = shape;
    let element = hexahedron();
    let node = |x: usize, y: usize, z: usize| (x * ny + y) * nz + z;
    let mut triplets = Vec::new();
    for (x, y, z) in (0..nx - 1).flat_map(|x| (0..ny - 1).flat_map(move |y| (0..nz - 1).map(move |z| (x, y, z)))) {
        let rows: Vec<usize> = CORNERS
            .iter()
            .flat_map(|c| (0..3).map(move |d| (c, d)))
            .map(|(c, d)| 3 * node(x + c[0], y + c[1], z + c[2]) + d)
            .collect();
        for (i, row) in rows.iter().enumerate() {
            for (j, column) in rows.iter().enumerate() {
                triplets.push((*row as u32, *column as u32, element[i][j]));
            }
        }
    }
    let order = 3 * nx * ny * nz;
    let whole = assemble((order, order), &triplets, pool)?;
    drop(triplets);
    // The clamped face goes; masters are spread over the opposite one.
    let face = 3 * ny * nz;
    let free: Vec<u32> = (face as u32..order as u32).collect();
    let free = sparse::partition(&whole, &free, pool)?.mm;
    drop(whole);
    let masters = MASTERS.min(face);
    let first = order - 2 * face;
    let masters: Vec<u32> = (0..masters).map(|k| (first + k * (face / masters)) as u32).collect();
    Ok((free, masters))
}

const CORNERS: [[usize; 3]; 8] =
    [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]];

/// The stiffness of a unit cube of 8 nodes, Young's modulus 1, Poisson's ratio 0.3, 2 x 2 x 2 Gauss points.
fn hexahedron() -> Vec<[f64; 24]> {
    let (nu, mut stiffness) = (0.3, vec![[0.0; 24]; 24]);
    let (lambda, mu) = (nu / ((1.0 + nu) * (1.0 - 2.0 * nu)), 0.5 / (1.0 + nu));
    let points = [0.5 - 0.5 / 3f64.sqrt(), 0.5 + 0.5 / 3f64.sqrt()];
    for p in 0..8 {
        let at = [points[p & 1], points[p >> 1 & 1], points[p >> 2]];
        // Gradients of the trilinear shape functions.
        let gradient: Vec<[f64; 3]> = CORNERS
            .iter()
            .map(|c| {
                let value = |d: usize| if c[d] == 1 { at[d] } else { 1.0 - at[d] };
                let slope = |d: usize| if c[d] == 1 { 1.0 } else { -1.0 };
                [slope(0) * value(1) * value(2), value(0) * slope(1) * value(2), value(0) * value(1) * slope(2)]
            })
            .collect();
        for (a, ga) in gradient.iter().enumerate() {
            for (b, gb) in gradient.iter().enumerate() {
                let dot: f64 = (0..3).map(|d| ga[d] * gb[d]).sum();
                for i in 0..3 {
                    for j in 0..3 {
                        let same = if i == j { mu * dot } else { 0.0 };
                        stiffness[3 * a + i][3 * b + j] += (lambda * ga[i] * gb[j] + mu * ga[j] * gb[i] + same) / 8.0;
                    }
                }
            }
        }
    }
    stiffness
}
