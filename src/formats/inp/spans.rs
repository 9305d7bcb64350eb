//! Runs of node or element numbers.

use std::collections::BTreeSet;

/// Numbers `first`, `first + step` ... up to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) step: u64,
}

impl Span {
    /// How many numbers.
    pub(super) fn count(self) -> u64 {
        ((self.last - self.first) / self.step).saturating_add(1)
    }

    /// The spans between the `holes`.
    pub(super) fn without(self, holes: &BTreeSet<u64>) -> impl Iterator<Item = Self> {
        let ends = holes.range(self.first..=self.last).copied().filter(move |&id| self.contains(id));
        let mut next = Some(self.first);
        ends.map(Some).chain([None]).filter_map(move |hole| {
            let first = next?;
            let last = match hole {
                Some(hole) => {
                    next = hole.checked_add(self.step).filter(|next| *next <= self.last);
                    hole.checked_sub(self.step).filter(|last| *last >= first)?
                }
                None => self.last,
            };
            Some(Self { first, last, ..self })
        })
    }

    pub(super) fn contains(self, id: u64) -> bool {
        (self.first..=self.last).contains(&id) && (id - self.first).is_multiple_of(self.step)
    }
}

/// Adds a number to the last span if it goes on there.
pub(super) fn push(spans: &mut Vec<Span>, id: u64) {
    match spans.last_mut() {
        Some(span) if span.step == 1 && span.last.checked_add(1) == Some(id) => span.last = id,
        _ => spans.push(Span { first: id, last: id, step: 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_leave_out_what_is_not_meant() {
        let pieces = |first, last, step, holes: &[u64]| {
            let holes = holes.iter().copied().collect();
            Span { first, last, step }.without(&holes).map(|s| (s.first, s.last, s.step)).collect::<Vec<_>>()
        };
        assert_eq!(pieces(1, 9, 1, &[]), [(1, 9, 1)]);
        assert_eq!(pieces(1, 9, 1, &[0, 1, 2, 5, 9, 10]), [(3, 4, 1), (6, 8, 1)]);
        assert_eq!(pieces(1, 9, 2, &[2, 5, 6]), [(1, 3, 2), (7, 9, 2)]);
        assert_eq!(pieces(0, u64::MAX, 1, &[0, u64::MAX]), [(1, u64::MAX - 1, 1)]);
        assert_eq!(pieces(4, 4, 3, &[4]), []);
    }
}
