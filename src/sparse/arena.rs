//! One array for the updates that wait between batches: pages that were touched once serve again.
//!
//! A fresh page costs more here than the numbers that are put on it, and the updates of a tree are many times what is
//! alive at a time.

use std::sync::{Mutex, PoisonError};

use crate::error::Result;
use crate::memory::Buffer;

/// The array and what is free of it.
pub(super) struct Arena {
    base: *mut f64,
    /// Free ranges, ascending, none next to another. The lock is held for a look at a short list, and nothing in there
    /// waits for anything.
    free: Mutex<Vec<(usize, usize)>>,
    storage: Buffer<f64>,
}

// SAFETY: the pointer is only used through blocks, whose ranges are disjoint; the list of free ranges is behind a lock.
unsafe impl Sync for Arena {}
// SAFETY: as above; nothing in it belongs to a thread.
unsafe impl Send for Arena {}

/// A part of the arena, or an array of its own where there was no room.
pub(super) enum Block {
    Part(usize, usize),
    Own(Buffer<f64>),
}

impl Arena {
    /// All of `storage` is free.
    pub(super) fn new(mut storage: Buffer<f64>) -> Self {
        Self { base: storage.as_mut_ptr(), free: Mutex::new(vec![(0, storage.len())]), storage }
    }

    /// Gives the array back; all blocks are lost.
    pub(super) fn into_storage(self) -> Buffer<f64> {
        self.storage
    }

    /// A block of `size` numbers, whatever they are.
    pub(super) fn take(&self, size: usize) -> Result<Block> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        // The lowest place that fits: it has been used before.
        match free.iter_mut().find(|(start, end)| end - start >= size) {
            Some((start, _)) => {
                let block = Block::Part(*start, size);
                *start += size;
                Ok(block)
            }
            None => {
                drop(free);
                Ok(Block::Own(Buffer::zeroed(size, "an update")?))
            }
        }
    }

    /// Gives a block back.
    pub(super) fn give(&self, block: Block) {
        let Block::Part(start, size) = block else { return };
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let at = free.partition_point(|range| range.0 < start);
        free.insert(at, (start, start + size));
        if at + 1 < free.len() && free[at].1 == free[at + 1].0 {
            free[at].1 = free[at + 1].1;
            free.remove(at + 1);
        }
        if at > 0 && free[at - 1].1 == free[at].0 {
            free[at - 1].1 = free[at].1;
            free.remove(at);
        }
    }

    /// The numbers of a block.
    pub(super) fn numbers<'b>(&'b self, block: &'b mut Block) -> &'b mut [f64] {
        match block {
            Block::Own(buffer) => buffer,
            // SAFETY: the range is inside the storage and was taken from the free list, so no other block has any of it;
            // the block is borrowed for as long as the slice.
            Block::Part(start, size) => unsafe { std::slice::from_raw_parts_mut(self.base.add(*start), *size) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_disjoint_and_come_back() {
        let arena = Arena::new(Buffer::zeroed(100, "test").unwrap());
        let mut blocks: Vec<Block> = [30, 0, 50, 20].iter().map(|size| arena.take(*size).unwrap()).collect();
        assert!(blocks.iter().all(|block| matches!(block, Block::Part(..))));
        for (k, block) in blocks.iter_mut().enumerate() {
            arena.numbers(block).fill(k as f64);
        }
        assert!(matches!(arena.take(1).unwrap(), Block::Own(_)));
        for (k, block) in blocks.iter_mut().enumerate() {
            assert!(arena.numbers(block).iter().all(|x| *x == k as f64));
        }
        // In any order, until all is one range again.
        for k in [2, 0, 1, 0] {
            arena.give(blocks.remove(k));
        }
        let whole = arena.take(100).unwrap();
        assert!(matches!(whole, Block::Part(0, 100)));
        arena.give(Block::Own(Buffer::zeroed(3, "test").unwrap()));
        assert_eq!(arena.numbers(&mut arena.take(7).unwrap()).len(), 7);
    }
}
