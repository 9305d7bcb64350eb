//! Node and element sets: numbers, generated ranges and names of other sets, resolved when a section asks.
//!
//! Names are local to where they are defined: Abaqus/CAE calls the first set of a part and the first of the assembly `Set-1`
//! both.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::error::Result;
use crate::formats::text::parse_u64;

use super::deck::{Deck, Keyword, fields, label};
use super::spans::{Span, push};

/// Where a name is defined or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// In the part or its instance.
    Part,
    /// In the assembly, or in the model around it: all of a deck without parts.
    Model,
}

impl Scope {
    /// The scopes in the order in which names used in this one are looked up. The other one is a courtesy to decks written by
    /// hand.
    fn order(self) -> [Self; 2] {
        match self {
            Self::Part => [Self::Part, Self::Model],
            Self::Model => [Self::Model, Self::Part],
        }
    }
}

/// The name of a set where something uses it.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    name: String,
    from: Scope,
    /// For messages.
    offset: usize,
}

impl Reference {
    pub(super) fn new(name: &str, from: Scope, offset: usize) -> Self {
        Self { name: label(name), from, offset }
    }
}

#[derive(Debug, Clone, Default)]
struct Set {
    spans: Vec<Span>,
    /// Numbers that the assembly gives without `INSTANCE=`: those that it defines itself are its own, others the part's.
    unqualified: Vec<Span>,
    /// Other sets.
    names: Vec<Reference>,
}

/// The sets of one kind by name.
#[derive(Debug, Clone)]
pub(super) struct Sets {
    part: HashMap<String, Set>,
    model: HashMap<String, Set>,
    /// Name of the assembly, where it was given.
    assembly: Option<String>,
    /// Numbers of the nodes or elements that the assembly defines itself (reference points). They are not read.
    own: BTreeSet<u64>,
    /// `node` or `element`, for messages.
    what: &'static str,
}

impl Sets {
    pub(super) fn new(what: &'static str) -> Self {
        Self { part: HashMap::new(), model: HashMap::new(), assembly: None, own: BTreeSet::new(), what }
    }

    /// Notes what the assembly is called.
    pub(super) fn name_assembly(&mut self, name: &str) {
        self.assembly = Some(label(name));
    }

    /// Notes the data lines of a `*NODE` or `*ELEMENT` of the assembly.
    pub(super) fn skip_own(&mut self, deck: &mut Deck<'_>) {
        while let Some(line) = deck.data() {
            self.own.extend(fields(line).next().and_then(parse_u64));
        }
    }

    /// Whether the assembly defines any.
    pub(super) fn has_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// Adds numbers that were just defined, in their order, to set `name`.
    pub(super) fn extend(&mut self, scope: Scope, name: &str, ids: &[u64]) {
        let set = self.set_mut(scope, name);
        ids.iter().for_each(|&id| push(&mut set.spans, id));
    }

    fn set_mut(&mut self, scope: Scope, name: &str) -> &mut Set {
        let sets = match scope {
            Scope::Part => &mut self.part,
            Scope::Model => &mut self.model,
        };
        sets.entry(label(name)).or_default()
    }

    /// Reads the data lines of `*NSET` or `*ELSET`; `assembly`: of the assembly's own.
    pub(super) fn read(
        &mut self,
        deck: &mut Deck<'_>,
        keyword: &Keyword,
        parameter: &str,
        scope: Scope,
        assembly: bool,
    ) -> Result<()> {
        let Some(name) = keyword.get(parameter).filter(|name| !name.is_empty()) else {
            return Err(deck.error_at(keyword.offset, format!("*{} without {parameter}=", keyword.name)));
        };
        let in_instance = keyword.get("INSTANCE").is_some();
        let from = if in_instance { Scope::Part } else { scope };
        let set = self.set_mut(scope, name);
        let spans = if assembly && !in_instance { &mut set.unqualified } else { &mut set.spans };
        let generate = keyword.get("GENERATE").is_some();
        while let Some(line) = deck.data() {
            if generate {
                spans.push(generated(deck, line)?);
                continue;
            }
            for field in fields(line).filter(|field| !field.is_empty()) {
                if field.iter().all(u8::is_ascii_digit) {
                    push(spans, deck.id(field, "a number in a set")?);
                } else {
                    set.names.push(Reference::new(&String::from_utf8_lossy(field), from, keyword.offset));
                }
            }
        }
        Ok(())
    }

    /// The set that `reference` means, with its scope and name.
    fn find(&self, reference: &Reference) -> Option<(Scope, &str, &Set)> {
        let named = |scope, name: &str| {
            let sets = match scope {
                Scope::Part => &self.part,
                Scope::Model => &self.model,
            };
            sets.get_key_value(name).map(|(name, set)| (scope, name.as_str(), set))
        };
        let search = |from: Scope, name: &str| from.order().into_iter().find_map(|scope| named(scope, name));
        search(reference.from, &reference.name).or_else(|| {
            // `INSTANCE.SET`, `ASSEMBLY.INSTANCE.SET` or `ASSEMBLY.SET`.
            let (owner, name) = reference.name.rsplit_once('.')?;
            let from = if self.assembly.as_deref() == Some(owner) { Scope::Model } else { Scope::Part };
            search(from, name)
        })
    }

    /// Calls `each` with every span of the set that `reference` means and of the sets that it names. `budget` bounds the work
    /// of a deck's sets altogether.
    pub(super) fn visit(
        &self,
        deck: &Deck<'_>,
        reference: &Reference,
        budget: &mut u64,
        mut each: impl FnMut(Span, &mut u64),
    ) -> Result<()> {
        let mut seen = HashSet::new();
        let mut open = vec![reference];
        while let Some(reference) = open.pop() {
            let offset = reference.offset;
            let Some((scope, name, set)) = self.find(reference) else {
                let why = format!("{} set {} is not defined", self.what, reference.name);
                return Err(deck.error_at(offset, why));
            };
            if !seen.insert((scope, name)) {
                continue;
            }
            let of_part = set.unqualified.iter().flat_map(|span| span.without(&self.own));
            *budget = budget.saturating_sub((set.spans.len() + set.names.len()) as u64);
            for span in &set.unqualified {
                if *budget == 0 {
                    break;
                }
                *budget = budget.saturating_sub(1 + self.own.range(span.first..=span.last).count() as u64);
            }
            for span in set.spans.iter().copied().chain(of_part) {
                if *budget == 0 {
                    return Err(deck.error_at(offset, format!("{} sets overlap too often to be resolved", self.what)));
                }
                each(span, budget);
            }
            if *budget == 0 {
                return Err(deck.error_at(offset, format!("{} sets nest too often to be resolved", self.what)));
            }
            open.extend(&set.names);
        }
        Ok(())
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
            sets.read(&mut deck, &keyword, "ELSET", Scope::Model, false)?;
        }
        let mut ids = Vec::new();
        sets.visit(&deck, &Reference::new(name, Scope::Model, 0), &mut budget, |span, budget| {
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
