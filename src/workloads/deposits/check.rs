//! The independent check of `deposits`: what was paid in is known without adding it up.

use super::AMOUNT;
use super::kernel::{BALANCE, THREADS};
use super::method::Method;
use crate::job::{Check, Output};

/// Deposits that are missing from a balance.
pub(super) fn lost(deposits: u64, balance: u64) -> u64 {
    (deposits * AMOUNT).saturating_sub(balance) / AMOUNT
}

/// Checks the balance of every step: the product of deposits and amount where none can be lost, or where one thread made
/// them all; otherwise at most that, and what some deposits make (the last one to write leaves at least its own).
pub(super) fn check(steps: &[(Method, u64)], outputs: &[Output]) -> Check {
    let mut check = Check {
        what: "balances against deposits x amount (at most that where updates may be lost)".into(),
        error: 0.0,
        bound: 0.0,
        detail: String::new(),
    };
    for ((method, deposits), output) in steps.iter().zip(outputs) {
        let (balance, expected) = (output.fold[BALANCE], deposits * AMOUNT);
        let least = if method.sync.is_exact() || output.fold[THREADS] <= 1 { expected } else { AMOUNT.min(expected) };
        let right = (least..=expected).contains(&balance) && balance.is_multiple_of(AMOUNT);
        if !right && check.detail.is_empty() {
            check.error = (balance.abs_diff(expected) as f64).max(1.0);
            let named = method.sync.name();
            check.detail = format!("{named}: the balance is {balance}, {deposits} deposits make {expected}");
        }
    }
    check
}

#[cfg(test)]
mod tests {
    use super::super::method::Sync;
    use super::*;

    fn verdict(sync: Sync, deposits: u64, balance: u64, threads: u64) -> Check {
        let mut output = Output::new(Vec::new(), deposits).unwrap();
        output.fold = [balance, 1, threads, 0];
        check(&[(Method { sync, wait: None }, deposits)], &[output])
    }

    #[test]
    fn an_exact_balance_must_be_exact() {
        for sync in Sync::ALL.into_iter().filter(|sync| sync.is_exact()) {
            assert!(verdict(sync, 1000, 10_000, 2).passed());
            for wrong in [0, 9_990, 9_999, 10_001, 10_010, u64::MAX] {
                let found = verdict(sync, 1000, wrong, 2);
                assert!(!found.passed() && found.detail.contains(sync.name()), "{sync:?} {wrong}");
            }
        }
    }

    #[test]
    fn an_unsynchronised_balance_may_be_short_and_nothing_else() {
        for (balance, threads, right) in [
            (10_000, 2, true),
            (4_320, 2, true),
            (10, 2, true),
            (0, 2, false),
            (4_321, 2, false),
            (10_010, 2, false),
            // Alone nobody overwrites anything.
            (10_000, 1, true),
            (9_990, 1, false),
        ] {
            assert_eq!(verdict(Sync::None, 1000, balance, threads).passed(), right, "{balance} {threads}");
        }
        assert!(verdict(Sync::None, 0, 0, 2).passed() && !verdict(Sync::None, 0, 10, 2).passed());
        assert_eq!((lost(1000, 4_320), lost(1000, 10_000), lost(0, 0)), (568, 0, 0));
    }
}
