//! Node and element sets: numbers, generated ranges and names of other sets, resolved when a section asks.

use std::collections::{HashMap, HashSet};

use crate::error::Result;

use super::deck::{Deck, Keyword, fields, label};

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

    pub(super) fn contains(self, id: u64) -> bool {
        (self.first..=self.last).contains(&id) && (id - self.first).is_multiple_of(self.step)
    }
}

#[derive(Debug, Clone, Default)]
struct Set {
    spans: Vec<Span>,
    /// Other sets, with the place where they are named.
    names: Vec<(String, usize)>,
}

/// The sets of one kind by name.
#[derive(Debug, Clone)]
pub(super) struct Sets {
    sets: HashMap<String, Set>,
    /// `node` or `element`, for messages.
    what: &'static str,
}

impl Sets {
    pub(super) fn new(what: &'static str) -> Self {
        Self { sets: HashMap::new(), what }
    }

    /// Adds numbers that were just defined, in their order, to set `name`.
    pub(super) fn extend(&mut self, name: &str, ids: &[u64]) {
        let set = self.sets.entry(label(name)).or_default();
        ids.iter().for_each(|&id| set.push(id));
    }

    /// Reads the data lines of `*NSET` or `*ELSET`.
    pub(super) fn read(&mut self, deck: &mut Deck<'_>, keyword: &Keyword, parameter: &str) -> Result<()> {
        let Some(name) = keyword.get(parameter).filter(|name| !name.is_empty()) else {
            return Err(deck.error_at(keyword.offset, format!("*{} without {parameter}=", keyword.name)));
        };
        let set = self.sets.entry(label(name)).or_default();
        let generate = keyword.get("GENERATE").is_some();
        while let Some(line) = deck.data() {
            if generate {
                set.spans.push(generated(deck, line)?);
                continue;
            }
            for field in fields(line).filter(|field| !field.is_empty()) {
                if field.iter().all(u8::is_ascii_digit) {
                    set.push(deck.id(field, "a number in a set")?);
                } else {
                    set.names.push((label(&String::from_utf8_lossy(field)), keyword.offset));
                }
            }
        }
        Ok(())
    }

    /// Calls `each` with every span of set `name` and of the sets that it names. `budget` bounds the work of a deck's
    /// sets altogether.
    pub(super) fn visit(
        &self,
        deck: &Deck<'_>,
        name: &str,
        offset: usize,
        budget: &mut u64,
        mut each: impl FnMut(Span, &mut u64),
    ) -> Result<()> {
        let mut seen = HashSet::new();
        let mut open = vec![(label(name), offset)];
        while let Some((name, offset)) = open.pop() {
            // A set of an instance may be named `INSTANCE.SET`.
            let bare = name.rsplit_once('.').map_or(name.as_str(), |(_, bare)| bare);
            let Some((name, set)) = self.sets.get_key_value(&name).or_else(|| self.sets.get_key_value(bare)) else {
                return Err(deck.error_at(offset, format!("{} set {name} is not defined", self.what)));
            };
            if !seen.insert(name.as_str()) {
                continue;
            }
            *budget = budget.saturating_sub((set.spans.len() + set.names.len()) as u64);
            for &span in &set.spans {
                if *budget == 0 {
                    return Err(deck.error_at(offset, format!("{} sets overlap too often to be resolved", self.what)));
                }
                each(span, budget);
            }
            if *budget == 0 {
                return Err(deck.error_at(offset, format!("{} sets nest too often to be resolved", self.what)));
            }
            open.extend(set.names.iter().cloned());
        }
        Ok(())
    }
}

impl Set {
    fn push(&mut self, id: u64) {
        match self.spans.last_mut() {
            Some(span) if span.step == 1 && span.last.checked_add(1) == Some(id) => span.last = id,
            _ => self.spans.push(Span { first: id, last: id, step: 1 }),
        }
    }
}

/// A line `first, last[, step]`.
fn generated(deck: &Deck<'_>, line: &[u8]) -> Result<Span> {
    let mut numbers = [0, 0, 1];
    let mut n = 0;
    for field in fields(line) {
        if n == 3 && !field.is_empty() || n < 2 && field.is_empty() {
            return Err(deck.error("a GENERATE line is `first, last, step`"));
        }
        if !field.is_empty() {
            numbers[n] = deck.id(field, "a number of a GENERATE line")?;
            n += 1;
        }
    }
    let [first, last, step] = numbers;
    if n < 2 || step == 0 || first > last {
        return Err(deck.error("a GENERATE line is `first, last, step` with first <= last and step > 0"));
    }
    Ok(Span { first, last, step })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::source::Source;

    fn spans(text: &str, name: &str, mut budget: u64) -> Result<Vec<u64>> {
        let source = Source::from_bytes("a.inp", text.as_bytes().to_vec());
        let mut deck = Deck::new(&source)?;
        let mut sets = Sets::new("element");
        while let Some(keyword) = deck.keyword()? {
            sets.read(&mut deck, &keyword, "ELSET")?;
        }
        let mut ids = Vec::new();
        sets.visit(&deck, name, 0, &mut budget, |span, budget| {
            *budget = budget.saturating_sub(span.count());
            ids.extend((span.first..=span.last).step_by(span.step as usize));
        })?;
        ids.sort_unstable();
        Ok(ids)
    }

    #[test]
    fn sets_generate_nest_and_may_even_name_themselves() {
        let text = "*elset, elset=a, generate\n1,9,4\n 20,21\n*ELSET,ELSET=B\n3,4,5, A,\nb\n7";
        assert_eq!(spans(text, "b", 100).unwrap(), [1, 3, 4, 5, 5, 7, 9, 20, 21]);
        assert_eq!(spans(text, "Part-1.A", 100).unwrap(), [1, 5, 9, 20, 21]);
        assert!(spans(text, "c", 100).unwrap_err().to_string().contains("set C is not defined"));
        assert!(spans("*ELSET,ELSET=A,GENERATE\n9,1", "a", 9).unwrap_err().to_string().starts_with("a.inp:2:"));
        assert!(spans("*ELSET,ELSET=A,GENERATE\n1,9,0", "a", 9).is_err());
        assert!(spans("*ELSET,ELSET=A,GENERATE\n1,9,1,1", "a", 9).is_err());
        assert!(spans("*ELSET\n1", "a", 9).is_err());
    }

    #[test]
    fn a_bounded_amount_of_work_resolves_a_set() {
        let mut text = String::from("*ELSET,ELSET=S0\n1\n");
        for i in 1..100 {
            text += &format!("*ELSET,ELSET=S{i}\nS{}, S{}, {}\n", i - 1, i - 1, 3 * i);
        }
        assert_eq!(spans(&text, "s99", 10_000).unwrap().len(), 100);
        assert!(spans(&text, "s99", 50).is_err());
    }
}
