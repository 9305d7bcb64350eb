//! The independent checks of `sumsq`: the closed form for counted numbers, residues for data.

use rayon::prelude::*;

use crate::job::Check;

/// The sum of `i^2` for `i < n`: `(n - 1) n (2 n - 1) / 6`. Up to `n = 2^42` the product stays below 2^127.
fn below(n: u64) -> u128 {
    let n = u128::from(n);
    n * n.saturating_sub(1) * (2 * n).saturating_sub(1) / 6
}

/// Compares `sum` with the closed form of the squares of `first..first + n`.
pub(super) fn counted(first: u64, n: u64, sum: u128) -> Check {
    let expected = below(first + n) - below(first);
    let what = "closed form (n - 1) n (2 n - 1) / 6";
    verdict(what, sum == expected, || format!("the sum is {sum}, it should be {expected}"))
}

/// Values that one task looks at.
const TASK: usize = 1 << 14;

/// Mersenne primes, to which numbers are reduced without a division.
const M31: u64 = (1 << 31) - 1;
const M61: u64 = (1 << 61) - 1;

/// Compares the residues of `sum` with those of the squares of `values`, modulo 2^64, 2^61 - 1 and 2^31 - 1.
///
/// The three have no common factor and a product above 2^128: by the Chinese remainder theorem only one number below 2^128
/// has all three residues. Nothing here is ever wider than one product, so no carry can be wrong in the same way.
pub(super) fn residues(values: &[u64], sum: u128) -> Check {
    let expected = values
        .par_chunks(TASK)
        .map(of_values)
        .reduce(|| [0; 3], |a, b| [a[0].wrapping_add(b[0]), (a[1] + b[1]) % M61, (a[2] + b[2]) % M31]);
    let found = [sum as u64, (sum % u128::from(M61)) as u64, (sum % u128::from(M31)) as u64];
    verdict("residues modulo 2^64, 2^61 - 1 and 2^31 - 1", found == expected, || {
        format!("the sum {sum} has the residues {found:?}, the squares add up to {expected:?}")
    })
}

fn of_values(values: &[u64]) -> [u64; 3] {
    values.iter().fold([0; 3], |[words, m61, m31], &x| {
        let a = x % M61;
        let square = u128::from(a) * u128::from(a);
        let square = (square as u64 & M61) + (square >> 61) as u64;
        let b = x % M31;
        [words.wrapping_add(x.wrapping_mul(x)), (m61 + square) % M61, (m31 + b * b) % M31]
    })
}

fn verdict(what: &str, right: bool, detail: impl FnOnce() -> String) -> Check {
    let (error, detail) = if right { (0.0, String::new()) } else { (f64::INFINITY, detail()) };
    Check { what: what.into(), error, bound: 0.0, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closed_form_is_the_sum() {
        let mut sum = 0;
        for n in 0..1000 {
            assert_eq!(below(n), sum);
            sum += u128::from(n * n);
        }
        assert_eq!(below(1 << 42), 28_356_863_910_068_533_882_057_634_318_924_120_064);
    }

    #[test]
    fn wrong_sums_of_counted_numbers_fail() {
        for (first, n) in [(0, 0), (0, 1), (0, 10_000_000), ((1 << 42) - 7, 7), (0, 1 << 42)] {
            let right = below(first + n) - below(first);
            assert!(counted(first, n, right).passed(), "{first} {n}");
            for wrong in [right + 1, right.wrapping_sub(1), right ^ 1 << 64, right + (1 << 100)] {
                assert!(!counted(first, n, wrong).passed(), "{first} {n} {wrong}");
            }
        }
        // What a peer with 64 bits gives.
        assert!(!counted(0, 10_000_000, below(10_000_000) % (1 << 64)).passed());
    }

    #[test]
    fn wrong_sums_of_data_fail() {
        let values: Vec<u64> = (0..40_000_u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 9).collect();
        let right: u128 = values.iter().map(|x| u128::from(*x).pow(2)).sum();
        assert!(residues(&values, right).passed());
        for bit in 0..128 {
            let found = residues(&values, right ^ 1 << bit);
            assert!(!found.passed() && found.detail.contains("residues"), "bit {bit}");
        }
        // Right modulo 2^64, and right modulo both primes.
        assert!(!residues(&values, right % (1 << 64)).passed());
        assert!(!residues(&values, right + u128::from(M61) * u128::from(M31)).passed());
        assert!(residues(&[], 0).passed() && !residues(&[], 1).passed());
        assert!(residues(&[u64::MAX], u128::from(u64::MAX).pow(2)).passed());
    }
}
