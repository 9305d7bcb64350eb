use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::formats::fixture::damage;

fn read(text: &str) -> Result<MtxFile> {
    read_mtx(&Source::from_bytes("a.mtx", text.as_bytes().to_vec()))
}

fn dense(text: &str) -> Vec<Vec<f64>> {
    rows(&read(text).unwrap().matrix)
}

fn rows(matrix: &Matrix) -> Vec<Vec<f64>> {
    let (rows, columns) = matrix.shape();
    (0..rows).map(|i| (0..columns).map(|j| matrix.get(i, j).copied().unwrap_or(0.0)).collect()).collect()
}

/// A file of `tests/data/mtx`.
fn file(name: &str) -> Result<MtxFile> {
    read_mtx(&Source::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mtx").join(name))?)
}

const CHAIN: [[f64; 3]; 3] = [[4.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 4.0]];

#[test]
fn all_storages_and_fields() {
    let head = "%%MatrixMarket matrix coordinate";
    assert_eq!(dense(&format!("{head} real general\n2 2 3\n1 1 1.5\n2 1 2\n2 2 -3e0\n")), [[1.5, 0.0], [2.0, -3.0]]);
    assert_eq!(dense(&format!("{head} real symmetric\n2 2 2\n1 1 1\n2 1 2\n")), [[1.0, 2.0], [2.0, 0.0]]);
    assert_eq!(dense(&format!("{head} real skew-symmetric\n2 2 1\n2 1 2\n")), [[0.0, -2.0], [2.0, 0.0]]);
    assert_eq!(dense(&format!("{head} pattern general\n1 3 2\n1 3\n1 1\n")), [[1.0, 0.0, 1.0]]);
    assert_eq!(dense(&format!("{head} integer general\n1 2 1\n1 2 -7\n")), [[0.0, -7.0]]);
    assert_eq!(dense(&format!("{head} real general\n0 0 0\n")), [[0.0; 0]; 0]);
    let head = "%%MatrixMarket matrix array";
    assert_eq!(dense(&format!("{head} real general\n2 2\n1\n2\n3\n4\n")), [[1.0, 3.0], [2.0, 4.0]]);
    assert_eq!(dense(&format!("{head} integer symmetric\n2 2\n1\n2\n3\n")), [[1.0, 2.0], [2.0, 3.0]]);
    assert_eq!(dense(&format!("{head} real skew-symmetric\n2 2\n5\n")), [[0.0, -5.0], [5.0, 0.0]]);
}

#[test]
fn what_writers_do_is_read() {
    let upper = "%%MATRIXMARKET Matrix Coordinate REAL General\n";
    for text in [
        "% c\n%\n\n1 1 1\n\n  1\t1   2.5D-01  \n\n",
        "1 1 1\r\n% c\r\n1 1 0.25\r\n",
        "1 1 1\n1 1 .25",
        "1 1 1\n1 1 +0.25",
    ] {
        assert_eq!(dense(&format!("{upper}{text}")), [[0.25]], "{text}");
    }
    // Seventeen digits, and indices of eight.
    let text = format!("{upper}1 20000000 1\n1 {} 0.30000000000000004\n", 19_999_999);
    let padded = text + &"%\n".repeat(10_000_000);
    assert_eq!(*read(&padded).unwrap().matrix.get(0, 19_999_998).unwrap(), 0.1 + 0.2);
}

#[test]
fn entries_of_one_place_are_summed_in_any_order_of_the_file() {
    let text = "%%MatrixMarket matrix coordinate real symmetric\n3 3 6\n3 2 1\n1 1 1\n3 2 2\n2 2 8\n1 1 4\n3 1 7\n";
    let matrix = read(text).unwrap().matrix;
    assert_eq!(rows(&matrix), [[5.0, 0.0, 7.0], [0.0, 8.0, 3.0], [7.0, 3.0, 0.0]]);
    assert_eq!(matrix.nnz(), 6);
}

#[test]
fn the_files_that_must_be_read() {
    for name in ["crlf.mtx", "bom.mtx", "latin1_comment.mtx", "gzip_named_mtx.mtx"] {
        assert_eq!(rows(&file(name).unwrap().matrix), CHAIN, "{name}");
    }
    assert_eq!(rows(&file("fortran_exponents.mtx").unwrap().matrix), [[4.0, 0.0], [0.0, 0.25]]);
    assert_eq!(file("rectangular.mtx").unwrap().matrix.shape(), (2, 3));
    assert_eq!(file("nonsymmetric_general_K.mtx").unwrap().storage, Storage::General);
    assert!(file("singular_K.mtx").is_ok());
}

#[test]
fn the_files_that_must_be_refused() {
    for (name, why) in [
        ("empty.mtx", "the file is empty"),
        ("truncated.mtx", "truncated.mtx:5: the size line declares 5 entries, the file has 2"),
        ("too_many_entries.mtx", "too_many_entries.mtx:6: the size line declares 3 entries, the file has 5"),
        ("zero_based.mtx", "zero_based.mtx:3: entry (0, 0): rows and columns are counted from 1"),
        ("index_too_large.mtx", "index_too_large.mtx:4: entry (4, 2) is outside the 3 x 3 matrix"),
        ("huge_header.mtx", "huge_header.mtx:2: declares 1000000000000 x 1000000000000"),
        ("huge_nnz.mtx", "huge_nnz.mtx:2: declares 9000000000000000000 entries"),
        ("claimed_symmetric.mtx", "claimed_symmetric.mtx:4: entry (1, 2) is above the diagonal"),
        ("nan_value.mtx", "nan_value.mtx:3: entry (1, 1) is not finite: `nan`"),
        ("inf_value.mtx", "inf_value.mtx:3: entry (1, 1) is not finite: `1e999`"),
        ("utf16.mtx", "is UTF-16 text"),
    ] {
        let error = file(name).unwrap_err();
        assert!(error.to_string().contains(why), "{name}: {error}");
        assert_eq!(error.exit_code(), 3, "{name}");
    }
}

#[test]
fn broken_lines_are_named() {
    let head = "%%MatrixMarket matrix coordinate real general\n";
    for (text, why) in [
        ("hello\n", "a.mtx:1: is no Matrix Market file"),
        ("%%MatrixMarket matrix coordinate real\n", "a.mtx:1: the first line must read"),
        ("%%MatrixMarket matrix coordinate complex general\n", "complex matrices are not read"),
        ("%%MatrixMarket matrix coordinate real hermitian\n", "hermitian"),
        ("%%MatrixMarket matrix coordinate quaternion general\n", "`quaternion`"),
        ("%%MatrixMarket matrix array pattern general\n", "no values"),
        ("%%MatrixMarket matrix coordinate real symmetric\n2 3 1\n1 1 1\n", "a.mtx:2: a 2 x 3 matrix is not symmetric"),
        (
            "%%MatrixMarket matrix coordinate real skew-symmetric\n2 2 1\n1 1 1\n",
            "a.mtx:3: entry (1, 1) is on the diagonal",
        ),
        ("%%MatrixMarket matrix array real general\n2 2\n1\n2\n3\n", "4 values are declared, the file has 3"),
        ("%%MatrixMarket matrix array real general\n1 1\n1\n2\n", "a.mtx:4: the file goes on after the 1 values"),
        ("%%MatrixMarket matrix array real general\n1000000 1000000\n1\n", "1000000000000, but"),
        ("%%MatrixMarket matrix array real general\n1 1\nx\n", "a.mtx:3: value (1, 1) is not a number"),
        (
            "%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 1.5\n",
            "a.mtx:3: entry (1, 1) is not a whole number",
        ),
        ("%%MatrixMarket matrix coordinate real general\n", "ends before the size line"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.to_string().contains(why), "{text}: {error}");
    }
    for (text, why) in [
        ("2 2\n", "a.mtx:2: the size line must hold rows, columns and entries, not `2 2`"),
        ("2 2 -1\n", "a.mtx:2: the size line"),
        ("2 2 1\n1 1    \n", "a.mtx:3: entry (1, 1) has no value"),
        ("2 2 1\n1     \n", "a.mtx:3: the line has no column: `1`"),
        ("2 2 1\n1 1 1 1\n", "a.mtx:3: `1` follows entry (1, 1)"),
        ("2 2 1\n1 x 1\n", "a.mtx:3: column is not a whole number from 1 on: `x`"),
        ("2 2 1\n-1 1 1\n", "a.mtx:3: row is not a whole number from 1 on: `-1`"),
        ("2 2 1\n1 1 1.5x\n", "a.mtx:3: entry (1, 1) is not a number: `1.5x`"),
        ("2 2 1\n\n1 1 1\n1 2 1\n", "a.mtx:5: the size line declares 1 entries, the file has 2"),
    ] {
        let error = read(&format!("{head}{text}")).unwrap_err();
        assert!(error.to_string().contains(why), "{text}: {error}");
        assert_eq!(error.exit_code(), 3);
    }
}

#[test]
fn long_files_are_cut_between_lines_and_lines_are_counted_through() {
    let n = 120_000usize;
    let mut text = format!("%%MatrixMarket matrix coordinate real general\n{n} {n} {n}\n");
    for i in 1..=n {
        text.push_str(&format!("{} {i} {}.5\n", n + 1 - i, i % 97));
    }
    assert!(text.len() > 3 << 19, "several parts");
    let matrix = read(&text).unwrap().matrix;
    assert!((0..n).all(|i| matrix.get(n - 1 - i, i) == Some(&(((i + 1) % 97) as f64 + 0.5))));
    let broken = text.replace("\n20001 100000 ", "\n20001 100000 x");
    assert!(read(&broken).unwrap_err().to_string().contains("a.mtx:100002: entry (20001, 100000)"));
}

#[test]
fn files_are_read_in_pieces_that_end_anywhere() {
    // Lines of many lengths, and a comment that is longer than any piece.
    let n = 30_000usize;
    let mut text = format!("%%MatrixMarket matrix coordinate real symmetric\n{n} {n} {n}\n");
    let value = |i: usize| i as f64 * [1.0, 0.5, 1.0 / 3.0, 1e-9][i % 4];
    for i in 1..=n {
        if i == n / 2 {
            text.push_str(&format!("%{}\n", "c".repeat(500_000)));
        }
        text.push_str(&format!("{i} {i} {}\n", value(i)));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mtx");
    std::fs::write(&path, &text).unwrap();
    let matrix = read_mtx(&Source::open(&path).unwrap()).unwrap().matrix;
    assert_eq!(matrix.nnz(), n);
    assert!((0..n).all(|i| matrix.get(i, i) == Some(&value(i + 1))));
    assert_eq!(read(&text).unwrap().matrix, matrix);
    std::fs::write(&path, text.replace("\n29999 29999 ", "\n29998 29999 ")).unwrap();
    let error = read_mtx(&Source::open(&path).unwrap()).unwrap_err().to_string();
    assert!(error.contains("a.mtx:30002: entry (29998, 29999) is above the diagonal"), "{error}");
}

#[test]
fn what_is_written_reads_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mtx");
    let values = [1.0 / 3.0, -2e-300, 1e22, 5e-324, 0.0, 7.0];
    write_dense(&path, (2, 3), &values, false, &["a note".into()]).unwrap();
    let matrix = read_mtx(&Source::open(&path).unwrap()).unwrap().matrix;
    for (k, value) in values.iter().enumerate() {
        assert_eq!(matrix.get(k % 2, k / 2).copied().unwrap_or(0.0).to_bits(), value.to_bits());
    }
    let text = "%%MatrixMarket matrix coordinate real symmetric\n3 3 4\n1 1 0.1\n2 1 -1e-5\n3 3 3\n3 2 0.7\n";
    let matrix = read(text).unwrap().matrix;
    for symmetric in [true, false] {
        write_sparse(&path, &matrix, symmetric, &[]).unwrap();
        assert_eq!(read_mtx(&Source::open(&path).unwrap()).unwrap().matrix, matrix);
    }
    write_dense(&path, (2, 2), &[1.0, 2.0, 2.0, 4.0], true, &[]).unwrap();
    assert_eq!(rows(&read_mtx(&Source::open(&path).unwrap()).unwrap().matrix), [[1.0, 2.0], [2.0, 4.0]]);
    assert!(write_dense(&path, (2, 2), &[1.0], false, &[]).is_err());
}

proptest! {
    #[test]
    fn damage_never_panics(damage in damage(), dense in any::<bool>()) {
        let text = if dense {
            "%%MatrixMarket matrix array real symmetric\n3 3\n4.0\n-1.0\n0.0\n4.0\n-1.0\n4.0\n"
        } else {
            "%%MatrixMarket matrix coordinate real symmetric\n% c\n3 3 5\n1 1 4.0\n2 1 -1.0\n2 2 4.0\n3 2 -1.0\n3 3 4.0\n"
        };
        if let Ok(file) = read_mtx(&Source::from_bytes("a.mtx", damage.apply(text.as_bytes()))) {
            prop_assert!(file.matrix.data().iter().all(|x| x.is_finite()));
            prop_assert!(file.matrix.outer_iterator().all(|column| column.indices().is_sorted()));
        }
    }

    #[test]
    fn any_matrix_is_read_as_the_dense_sum(
        entries in proptest::collection::vec((1usize..9, 1usize..7, -99i32..99), 0..60),
        symmetric in any::<bool>(),
    ) {
        let mut want = vec![vec![0.0; if symmetric { 8 } else { 6 }]; 8];
        let name = if symmetric { "symmetric" } else { "general" };
        let columns = want[0].len();
        let mut text = format!("%%MatrixMarket matrix coordinate real {name}\n8 {columns} {}\n", entries.len());
        for (i, j, value) in entries {
            let (i, j) = if symmetric { (i.max(j), i.min(j)) } else { (i, j) };
            let value = f64::from(value) / 4.0;
            text.push_str(&format!("{i} {j} {value}\n"));
            want[i - 1][j - 1] += value;
            if symmetric && i != j {
                want[j - 1][i - 1] += value;
            }
        }
        prop_assert_eq!(dense(&text), want);
    }
}
