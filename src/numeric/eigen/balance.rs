//! Balancing: a permutation that splits off eigenvalues which can be read off the diagonal, and a diagonal scaling by
//! powers of two that makes the norms of each row and column of the rest alike.
//!
//! `B = D^-1 P^T A P D` has the eigenvalues of `A`. The errors of an orthogonal reduction are relative to the norm of what
//! is reduced, so a matrix whose entries span many orders of magnitude loses its small eigenvalues without this. The
//! method is Parlett and Reinsch's ("Balancing a matrix for calculation of eigenvalues and eigenvectors", 1969) with the
//! 2-norm of James, Langou and Lowery ("On matrix balancing and eigenvector computation", 2014).

use std::ops::Range;

/// Scaling stops when a step would lessen the sum of both norms by less than 5 %.
const GAIN: f64 = 0.95;

/// The scaling's range: entries stay far from overflow and underflow.
const EXTREME: f64 = 1e150;

/// Balances the `n x n` matrix `a` in place. Whether `a` is stored by rows or by columns does not matter for eigenvalues;
/// for [`undo`] it must be stored by columns.
///
/// Returns the rows and columns that are left to reduce: outside of this range the balanced matrix is upper triangular
/// (lower triangular when stored by rows) and its diagonal holds eigenvalues. `how[i]` tells what was done: inside the
/// range the scaling factor, a power of two; outside the index that `i` was exchanged with.
///
/// Entries must be finite. NaN is not noticed, but the function ends.
///
/// # Panics
/// When the slices do not have `n * n` and `n` elements.
pub fn balance(a: &mut [f64], n: usize, how: &mut [f64]) -> Range<usize> {
    assert_eq!((a.len(), how.len()), (n * n, n), "an n x n matrix and n factors");
    let active = isolate(a, n, how);
    how[active.clone()].fill(1.0);
    scale(a, n, active.clone(), how);
    active
}

/// Moves rows without entries off the diagonal to the end, then columns without such entries to the front.
fn isolate(a: &mut [f64], n: usize, how: &mut [f64]) -> Range<usize> {
    let (mut start, mut end) = (0, n);
    let alone = |a: &[f64], end: usize, row: usize| (0..end).all(|column| column == row || a[row + column * n] == 0.0);
    while let Some(row) = (0..end).rev().find(|row| alone(a, end, *row)) {
        end -= 1;
        how[end] = row as f64;
        exchange(a, n, row, end);
    }
    let alone = |a: &[f64], start: usize, column: usize| {
        let entries = &a[column * n..(column + 1) * n];
        (start..end).all(|row| row == column || entries[row] == 0.0)
    };
    while let Some(column) = (start..end).find(|column| alone(a, start, *column)) {
        how[start] = column as f64;
        exchange(a, n, column, start);
        start += 1;
    }
    start..end
}

/// Exchanges rows and columns `i` and `j`.
fn exchange(a: &mut [f64], n: usize, i: usize, j: usize) {
    if i == j {
        return;
    }
    for row in 0..n {
        a.swap(row + i * n, row + j * n);
    }
    for column in a.chunks_exact_mut(n) {
        column.swap(i, j);
    }
}

fn scale(a: &mut [f64], n: usize, active: Range<usize>, how: &mut [f64]) {
    // Each pass lessens the norm of some row and column by 5 %, and there are at most some 2000 powers of two, so this
    // ends; the limit is for NaN and rounding.
    for _ in 0..100 {
        let mut settled = true;
        for i in active.clone() {
            let column = &a[i * n..(i + 1) * n][active.clone()];
            let c = column.iter().map(|x| x * x).sum::<f64>().sqrt();
            let r = active.clone().map(|j| a[i + j * n]).map(|x| x * x).sum::<f64>().sqrt();
            if c == 0.0 || r == 0.0 {
                continue;
            }
            // The power of two nearest to sqrt(r / c): then c f and r / f are within a factor two.
            let f = (0.5 * (r.log2() - c.log2())).round().exp2();
            let all = how[i] * f;
            let in_range = (1.0 / EXTREME..=EXTREME).contains(&all) && (1.0 / EXTREME..=EXTREME).contains(&f);
            if f == 1.0 || c * f + r / f >= GAIN * (c + r) || !in_range {
                continue;
            }
            settled = false;
            how[i] = all;
            for j in 0..n {
                a[i + j * n] /= f;
            }
            for x in &mut a[i * n..(i + 1) * n] {
                *x *= f;
            }
        }
        if settled {
            break;
        }
    }
}

/// Turns a right eigenvector of the balanced matrix, or its real or imaginary part, into one of the original matrix.
pub fn undo(active: &Range<usize>, how: &[f64], vector: &mut [f64]) {
    for i in active.clone() {
        vector[i] *= how[i];
    }
    // The exchanges in reverse: the columns were last.
    for i in (0..active.start).rev() {
        vector.swap(i, how[i] as usize);
    }
    for (i, other) in how.iter().enumerate().skip(active.end) {
        vector.swap(i, *other as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(rows: &[&[f64]]) -> Vec<f64> {
        let n = rows.len();
        (0..n * n).map(|k| rows[k % n][k / n]).collect()
    }

    #[test]
    fn triangles_are_split_off_whole() {
        for flip in [false, true] {
            let n = 5;
            let mut a: Vec<f64> = (0..n * n)
                .map(|k| {
                    let (i, j) = if flip { (k / n, k % n) } else { (k % n, k / n) };
                    if i <= j { (1 + i + 10 * j) as f64 } else { 0.0 }
                })
                .collect();
            let mut before: Vec<f64> = (0..n).map(|i| a[i * n + i]).collect();
            let mut how = vec![0.0; n];
            assert!(balance(&mut a, n, &mut how).is_empty());
            let mut after: Vec<f64> = (0..n).map(|i| a[i * n + i]).collect();
            before.sort_by(f64::total_cmp);
            after.sort_by(f64::total_cmp);
            assert_eq!(before, after);
            for j in 0..n {
                assert!(a[j * n + j + 1..(j + 1) * n].iter().all(|x| *x == 0.0), "upper triangular");
            }
        }
    }

    #[test]
    fn bad_scaling_is_removed_and_what_was_done_is_undone() {
        let rows: [&[f64]; 4] = [
            &[1.0, 0.0, 1e-8, 0.0],
            &[7.0, 3.0, 2.0, 0.5], // column 1 alone: isolated
            &[1e8, 0.0, 2.0, 1e5],
            &[3e9, 0.0, 1.0, -4.0],
        ];
        let n = 4;
        let mut b = at(&rows);
        let mut how = vec![0.0; n];
        let active = balance(&mut b, n, &mut how);
        assert_eq!(active.len(), 3);
        let block: Vec<f64> =
            active.clone().flat_map(|j| active.clone().map(move |i| (i, j))).map(|(i, j)| b[i + j * n]).collect();
        assert!(block.iter().all(|x| x.abs() < 1e4), "{block:?}");
        // A (P D e_j) = P D (B e_j) for each unit vector.
        for j in 0..n {
            let mut x = vec![0.0; n];
            x[j] = 1.0;
            let mut image = b[j * n..(j + 1) * n].to_vec();
            undo(&active, &how, &mut x);
            undo(&active, &how, &mut image);
            for (i, row) in rows.iter().enumerate() {
                let product: f64 = row.iter().zip(&x).map(|(a, x)| a * x).sum();
                assert_eq!(product, image[i], "column {j} row {i}");
            }
        }
    }

    #[test]
    fn nothing_is_done_where_nothing_helps() {
        let (mut a, mut how) = (at(&[&[1.0, 2.0], &[2.0, 1.0]]), [0.0; 2]);
        assert_eq!(balance(&mut a, 2, &mut how), 0..2);
        assert_eq!((a, how), (at(&[&[1.0, 2.0], &[2.0, 1.0]]), [1.0; 2]));
        assert!(balance(&mut [], 0, &mut []).is_empty());
        // NaN ends, too.
        assert_eq!(balance(&mut [f64::NAN; 4], 2, &mut [0.0; 2]).len(), 2);
    }
}
