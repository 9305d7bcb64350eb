//! The memory of a factorization, kept from one to the next.

use crate::error::Result;
use crate::memory::Buffer;

/// The memory of a factorization, whose pages serve again in the next one: clearing fresh ones takes the system a third of
/// the time of a factorization.
#[derive(Debug, Default)]
pub struct Storage {
    /// The values of L. Whatever they are, a front clears its own before it uses them.
    pub(super) values: Option<Buffer<f64>>,
    pub(super) arena: Option<Buffer<f64>>,
    pub(super) stacks: Vec<Buffer<f64>>,
}

impl Storage {
    /// What it takes of the machine's memory, and a factorization with it therefore does not.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let arrays = self.values.iter().chain(&self.arena).chain(&self.stacks);
        arrays.map(|array| array.len() as u64 * 8).sum()
    }

    /// The storage of a factor that keeps its values: what it needs to be computed again.
    pub(in crate::sparse) fn with_values(mut self, values: Buffer<f64>) -> Self {
        self.values = Some(values);
        self
    }
}

/// An array of `length` numbers: `old` if it is that long, or a new one; and whether it is all zeros.
pub(super) fn renew(old: Option<Buffer<f64>>, length: usize, what: &str) -> Result<(Buffer<f64>, bool)> {
    match old.filter(|old| old.len() == length) {
        Some(old) => Ok((old, false)),
        None => Ok((Buffer::zeroed(length, what)?, true)),
    }
}
