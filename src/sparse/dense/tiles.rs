//! The front on the pool: tiles that any thread takes, in an order in which each needs only earlier ones.
//!
//! ```text
//! tile (i, j) of the columns: A_ij := (A_ij - L_i0 L_j0' - ... ) L_jj^-T, the one on the diagonal its Cholesky factor
//! tile (i, j) of the update:  U_ij := -L_i L_j'
//! ```
//!
//! The tiles are taken column by column, so that the threads work on some tens of them in a row of the list, and while one
//! factors a tile of the diagonal the others do what the next columns need. There is no barrier, which on a front of a
//! thousand rows would cost a third of its time. A tile's sum is one product over all columns before it, at fixed places:
//! the result does not depend on the number of threads.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use faer::dyn_stack::MemBuffer;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use super::{cholesky, divide, scratch, subtract_square};

/// Columns of a tile: narrow ones keep many threads busy in a small front, wide ones are read fewer times in a large one.
/// Found on fronts of 300 to 4800 rows with two threads: 96 was the best or within 3 % up to 1400 rows, 256 gained 10 %
/// at 4800.
const COLUMNS: std::ops::RangeInclusive<usize> = 96..=256;
/// A front is cut into about this many columns of tiles.
const PIECES: usize = 8;
/// Looks at a flag before the thread lets others have its processor: some microseconds.
const LOOKS: usize = 2000;

/// A matrix of which every thread writes its own tiles.
struct Shared<'a> {
    start: *mut f64,
    stride: isize,
    size: (usize, usize),
    matrix: std::marker::PhantomData<MatMut<'a, f64>>,
}

// SAFETY: the pointer is only used through `tile` and `read`, whose callers keep writers apart from all others.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    fn new(matrix: MatMut<'a, f64>) -> Self {
        assert_eq!(matrix.row_stride(), 1, "columns of a front are contiguous");
        let (stride, size) = (matrix.col_stride(), matrix.shape());
        Self { start: matrix.as_ptr_mut(), stride, size, matrix: std::marker::PhantomData }
    }

    fn at(&self, rows: &Span, columns: &Span) -> *mut f64 {
        assert!(rows.end <= self.size.0 && columns.end <= self.size.1, "a tile of the front");
        self.start.wrapping_add(rows.start).wrapping_offset(columns.start as isize * self.stride)
    }

    /// # Safety
    /// Nothing else reads or writes the tile as long as it is borrowed.
    unsafe fn tile(&self, rows: &Span, columns: &Span) -> MatMut<'_, f64> {
        // SAFETY: inside the matrix, which is borrowed for 'a; alone by the caller's contract.
        unsafe { MatMut::from_raw_parts_mut(self.at(rows, columns), rows.len(), columns.len(), 1, self.stride) }
    }

    /// # Safety
    /// Nobody writes the tile as long as it is borrowed.
    unsafe fn read(&self, rows: &Span, columns: &Span) -> MatRef<'_, f64> {
        // SAFETY: inside the matrix, which is borrowed for 'a; not written by the caller's contract.
        unsafe { MatRef::from_raw_parts(self.at(rows, columns), rows.len(), columns.len(), 1, self.stride) }
    }
}

type Span = std::ops::Range<usize>;

/// Pieces of `range`, `size` each.
fn pieces(range: Span, size: usize) -> impl Iterator<Item = Span> {
    let end = range.end;
    range.step_by(size).map(move |start| start..end.min(start + size))
}

/// What the threads share.
struct Front<'a> {
    columns: Shared<'a>,
    update: Shared<'a>,
    /// Rows of the tiles; the first ones are those of the front's own columns.
    rows: Vec<Span>,
    /// Columns of tiles in the front.
    own: usize,
    width: usize,
    tiles: Vec<(u32, u32)>,
    next: AtomicUsize,
    /// How many tiles of each row are done.
    done: Vec<AtomicUsize>,
    /// The first column without a positive pivot.
    failed: AtomicUsize,
    /// Whether a thread has left its tile undone, in a panic.
    abandoned: AtomicBool,
}

/// Tells those who wait for a tile that it will never be done.
struct Abandon<'f>(&'f AtomicBool);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Eliminates the columns of a front and writes the lower triangle of `update := -L21 L21'`, on the rayon pool it is called
/// from. The error is the column without a positive pivot; both are then useless.
///
/// # Panics
/// When `update` has not as many rows as `front` has below its columns.
pub(in crate::sparse) fn eliminate_parallel(front: MatMut<'_, f64>, update: MatMut<'_, f64>) -> Result<(), usize> {
    let (height, width) = front.shape();
    assert_eq!(update.shape(), (height - width, height - width), "an update for the rows below");
    let size = (width / PIECES).clamp(*COLUMNS.start(), *COLUMNS.end());
    let mut rows: Vec<Span> = pieces(0..width, size).collect();
    let own = rows.len();
    rows.extend(pieces(width..height, 2 * size));
    let below = |column: usize| (column..rows.len()).map(move |row| (row as u32, column as u32));
    let front = Front {
        columns: Shared::new(front),
        update: Shared::new(update),
        own,
        width,
        tiles: (0..rows.len()).flat_map(below).collect(),
        next: AtomicUsize::new(0),
        done: rows.iter().map(|_| AtomicUsize::new(0)).collect(),
        failed: AtomicUsize::new(usize::MAX),
        abandoned: AtomicBool::new(false),
        rows,
    };
    rayon::scope(|scope| {
        let front = &front;
        let helpers = (rayon::current_num_threads() - 1).min(front.tiles.len() - 1);
        (0..helpers).for_each(|_| scope.spawn(move |_| front.work(size)));
        front.work(size);
    });
    match front.failed.into_inner() {
        usize::MAX => Ok(()),
        column => Err(column),
    }
}

impl Front<'_> {
    /// Does tiles until none is left. Nobody waits for ever: the first tile in the list that is not done waits for none, and
    /// a panic in one thread ends all.
    fn work(&self, size: usize) {
        let _guard = Abandon(&self.abandoned);
        let mut memory = MemBuffer::new(scratch(size));
        while let Some((row, column)) = self.tiles.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let (row, column) = (*row as usize, *column as usize);
            if column < self.own {
                self.tile(row, column, &mut memory);
                self.done[row].store(column + 1, Ordering::Release);
            } else {
                self.tile_of_update(row, column);
            }
        }
    }

    /// Waits until `count` tiles of a row are done.
    fn wait(&self, row: usize, count: usize) {
        let mut looks = 0;
        while self.done[row].load(Ordering::Acquire) < count {
            looks += 1;
            if looks < LOOKS {
                spin_loop();
            } else {
                assert!(!self.abandoned.load(Ordering::Relaxed), "another thread of this front has panicked");
                std::thread::yield_now();
            }
        }
    }

    fn tile(&self, row: usize, column: usize, memory: &mut MemBuffer) {
        let (rows, columns) = (&self.rows[row], &self.rows[column]);
        let before = 0..columns.start;
        self.wait(row, column);
        // SAFETY: only this thread works on the tile, and nobody reads it before its row's flag says so; what is read here
        // are tiles that are done, by their rows' flags, and are not written again.
        unsafe {
            let left = self.columns.read(rows, &before);
            if row == column {
                subtract_square(self.columns.tile(rows, columns), Accum::Add, left);
                // After a failure all that follows is useless, but the flags must go on.
                if self.failed.load(Ordering::Relaxed) == usize::MAX
                    && let Err(place) = cholesky(self.columns.tile(rows, columns), memory)
                {
                    self.failed.store(columns.start + place, Ordering::Relaxed);
                }
                return;
            }
            self.wait(column, column);
            let right = self.columns.read(columns, &before).transpose();
            matmul(self.columns.tile(rows, columns), Accum::Add, left, right, -1.0, Par::Seq);
            self.wait(column, column + 1);
            divide(self.columns.tile(rows, columns), self.columns.read(columns, columns));
        }
    }

    fn tile_of_update(&self, row: usize, column: usize) {
        let (rows, columns) = (&self.rows[row], &self.rows[column]);
        self.wait(row, self.own);
        self.wait(column, self.own);
        let below = |span: &Span| span.start - self.width..span.end - self.width;
        let before = 0..self.width;
        // SAFETY: only this thread works on the tile of the update; the columns are done, by their rows' flags.
        unsafe {
            let target = self.update.tile(&below(rows), &below(columns));
            let left = self.columns.read(rows, &before);
            if row == column {
                subtract_square(target, Accum::Replace, left);
            } else {
                let right = self.columns.read(columns, &before).transpose();
                matmul(target, Accum::Replace, left, right, -1.0, Par::Seq);
            }
        }
    }
}
