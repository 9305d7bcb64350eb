//! The nouns that workloads offer and backends run: [`Chunk`], [`Kernel`], [`Step`], [`Job`], and the [`Output`] that a
//! kernel fills. Plain data and two traits; nothing here knows a workload, a backend or a device.

use std::borrow::Cow;
use std::marker::PhantomData;

use bytemuck::Pod;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::machine::pool::Pool;
use crate::memory::Buffer;
use crate::simd::Simd;

/// A half-open range of items `start..end`: the one unit of scheduling.
///
/// A chunk is a pure function of (job, range): it can run twice, anywhere, in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Chunk {
    /// First item.
    pub start: u64,
    /// One past the last item.
    pub end: u64,
}

impl Chunk {
    /// The range `start..end`.
    #[must_use]
    pub fn new(start: u64, end: u64) -> Self {
        assert!(start <= end, "a chunk ends before it starts: {start}..{end}");
        Self { start, end }
    }

    /// Number of items.
    #[must_use]
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// What one item costs on minimal traffic: the numbers that predict a time and name the limit that binds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Work {
    /// Floating-point operations (for integer kernels: integer operations) per item.
    pub flops: f64,
    /// Bytes that must be read per item when every input byte is read once.
    pub bytes_read: f64,
    /// Bytes that must be written per item.
    pub bytes_written: f64,
}

/// How close a kernel must come to the `seq` reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Bit-equal on every backend (integers).
    Exact,
    /// Within the kernel's own [`Kernel::bound`].
    Bounded,
    /// A solve: normalised residual below 30, LAPACK's rule, and finite.
    Residual,
}

/// The arithmetic that a kernel was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Integers throughout: the result has no rounding.
    Integer,
    /// Inputs rounded to f32, f32 arithmetic.
    F32,
    /// Node data in f64 (hi/lo pairs of f32 on a GPU), differences exact to f64, the rest in f32.
    Mixed,
    /// f64 throughout.
    F64,
}

impl Precision {
    /// The name in options and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Precision::Integer => "integer",
            Precision::F32 => "f32",
            Precision::Mixed => "mixed",
            Precision::F64 => "f64",
        }
    }
}

/// The number type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scalar {
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 32-bit unsigned integer.
    U32,
}

impl Scalar {
    /// Bytes of one value.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Scalar::F32 | Scalar::U32 => 4,
            Scalar::F64 => 8,
        }
    }
}

/// One named array of a kernel's output: `per_item` values for each item, items in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ColumnSpec {
    /// Name in files and messages.
    pub name: &'static str,
    /// Number type.
    pub scalar: Scalar,
    /// Values per item (8 for the 8 integration points of a hexahedron).
    pub per_item: usize,
}

/// Words of a [`ChunkOut::fold`].
pub const FOLD_WORDS: usize = 4;

/// A data-parallel function over items: mandatory `seq` and `cpu` slots, an optional WGSL slot, its work and its
/// tolerance. Built by a [`Job`] for one [`Precision`].
pub trait Kernel: Send + Sync {
    /// One name everywhere: WGSL entry point, buffer label, bench id, report row.
    fn name(&self) -> &'static str;

    /// What one item is, in the singular: `"element"`.
    fn item(&self) -> &'static str;

    /// Number of items.
    fn items(&self) -> u64;

    /// The precision this instance computes in.
    fn precision(&self) -> Precision;

    /// Chunk edges are multiples of this, the last end excepted.
    fn grain(&self) -> u64 {
        1
    }

    /// Cost of one item.
    fn work(&self) -> Work;

    /// Equivalence class against the reference.
    fn class(&self) -> Class;

    /// The arrays it fills. Empty for a pure reduction.
    fn columns(&self) -> Vec<ColumnSpec> {
        Vec::new()
    }

    /// How many of the [`FOLD_WORDS`] exact `u64` sums it adds to. Zero for a pure map, even one that leaves a summary
    /// of its columns in the fold (see [`Kernel::merge_fold`]).
    fn fold_words(&self) -> usize {
        0
    }

    /// Joins the folds of two sets of items into `total`: exact, and the same in any order. The default adds, word by
    /// word; all words zero must be neutral. A kernel may keep something else than sums, such as the largest value
    /// of a column and where it is; a backend that does not run the host's code leaves such words zero, so [`Job::finish`]
    /// must be able to do without.
    fn merge_fold(&self, total: &mut [u64; FOLD_WORDS], part: &[u64; FOLD_WORDS]) {
        for (sum, part) in total.iter_mut().zip(part) {
            *sum = sum.wrapping_add(*part);
        }
    }

    /// One thread, plain code, f64 (or integers): the reference. Fills `out` for `out.chunk()`.
    fn seq(&self, out: &mut ChunkOut<'_>);

    /// The fastest CPU code for one worker. The default is the reference.
    fn cpu(&self, simd: Simd, out: &mut ChunkOut<'_>) {
        let _ = simd;
        self.seq(out);
    }

    /// The WGSL slot, or the reason why this kernel stays on the CPU.
    ///
    /// # Errors
    /// One sentence for `hetero list` and for the message of a refused `--backend gpu`.
    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        Err(format!("{} has no GPU form", self.name()))
    }

    /// A second WGSL slot for devices where the resident inputs of [`Kernel::gpu`] do not fit: whatever grows with the
    /// job is streamed. `None` when there is none.
    fn gpu_streamed(&self) -> Option<GpuSlot<'_>> {
        None
    }

    /// Adds the partials that the WGSL slot wrote (see [`GpuOutput::Partials`]) to `fold`. The default reads each
    /// `u32` as a count for word 0.
    fn fold_gpu(&self, partials: &[u32], fold: &mut [u64; FOLD_WORDS]) {
        fold[0] += partials.iter().map(|count| u64::from(*count)).sum::<u64>();
    }

    /// [`Class::Bounded`]: the largest absolute error allowed for each value of `item`, columns one after the other.
    /// Derived from the arithmetic of [`Kernel::precision`], never tuned.
    fn bound(&self, item: u64, into: &mut [f64]) {
        let _ = item;
        into.fill(0.0);
    }
}

/// What a kernel needs from an adapter beyond plain WGSL; the adapter's self-test measures each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// 32-bit integer arithmetic is right: Philox4x32-10 gives its published answers.
    Integers,
    /// `f32(u32)` conversions round to nearest.
    Conversions,
    /// `(a - b)` of nearby f32 is exact and two-term (hi/lo) differences survive the optimiser.
    HiLo,
    /// `f64` in WGSL, and its arithmetic is right.
    F64,
}

/// The WGSL slot of a kernel: everything a device needs to run chunks of it. No device type appears here.
///
/// Bind group 0 is laid out in this order: binding 0 the uniform [`GpuSlot::params`] block, then one read-only storage
/// buffer per [`GpuSlot::resident`], then one per [`GpuSlot::streamed`], then one read-write storage buffer for the
/// output.
///
/// Invocations numbered `invocations` and above must neither write nor read out of turn: a dispatch may hold more than the
/// chunk needs, and one without any work compiles the kernel.
///
/// The uniform block starts with the eight words of `struct Dispatch` in `shaders/common/dispatch.wgsl`: `start_lo`,
/// `start_hi`, `count_lo`, `count_hi` (the chunk), `per_invocation` (items each invocation handles), `zero` (always 0,
/// opaque to the optimiser), `invocations`, `stride` (values between two columns of the output); then the slot's own
/// words, padded to a multiple of 16 bytes.
pub struct GpuSlot<'k> {
    /// The whole WGSL module.
    pub source: Cow<'static, str>,
    /// Values for the module's `override` constants.
    pub constants: Vec<(&'static str, f64)>,
    /// Invocations per workgroup, as the module's entry point declares.
    pub workgroup: u32,
    /// What the adapter's self-test must have passed.
    pub needs: &'static [Capability],
    /// Loop iterations that one item costs one invocation, all loops counted together. Some software adapters end an
    /// invocation silently after 65 535 of them, so the planner keeps an invocation under a checked limit.
    pub iterations_per_item: u64,
    /// How many items one invocation may handle (1 for a map; more for a reduction). A multiple of the grain.
    pub max_items_per_invocation: u64,
    /// The kernel's own uniform words, after the common ones.
    pub params: Vec<u32>,
    /// Inputs that are uploaded whole.
    pub resident: Vec<Resident<'k>>,
    /// Inputs that are uploaded chunk by chunk.
    pub streamed: Vec<Streamed<'k>>,
    /// What it writes.
    pub output: GpuOutput,
}

/// An input that every chunk needs whole (node coordinates, tables, materials).
pub struct Resident<'k> {
    /// Buffer label.
    pub label: &'static str,
    /// Its bytes, or how to make them.
    pub data: ResidentData<'k>,
}

/// The bytes of a [`Resident`] input.
pub enum ResidentData<'k> {
    /// They lie in memory.
    Plain(Cow<'k, [u8]>),
    /// They are made on their way to the device (node data split into hi/lo pairs), so that no second copy is kept.
    Made {
        /// Number of elements.
        elements: u64,
        /// Bytes of one element.
        bytes_per_element: usize,
        /// Writes the bytes of a range of elements.
        fill: Fill<'k>,
    },
}

impl Resident<'_> {
    /// Number of bytes; saturates.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        match &self.data {
            ResidentData::Plain(bytes) => bytes.len() as u64,
            ResidentData::Made { elements, bytes_per_element, .. } => {
                elements.saturating_mul(*bytes_per_element as u64)
            }
        }
    }
}

/// Writes the bytes of a range of items; the slice has exactly the bytes of that range.
pub type Fill<'k> = Box<dyn Fn(Chunk, &mut [u8]) + Send + Sync + 'k>;

/// An input of which a chunk needs only its own items (connectivity).
pub struct Streamed<'k> {
    /// Buffer label.
    pub label: &'static str,
    /// Bytes per item.
    pub bytes_per_item: usize,
    /// Writes the bytes of a chunk's items; the slice has exactly `chunk.len() * bytes_per_item` bytes.
    pub fill: Fill<'k>,
}

/// What the output buffer holds after a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuOutput {
    /// The kernel's columns one after the other, each `chunk.len() * per_item` values (the uniform's `stride` is the
    /// chunk's length).
    Columns,
    /// `words` u32 per workgroup, handed to [`Kernel::fold_gpu`].
    Partials {
        /// u32 words per workgroup.
        words: u32,
    },
}

/// The arrays and sums of one kernel over all its items.
#[derive(Debug)]
pub struct Output {
    items: u64,
    columns: Vec<Column>,
    /// Exact sums over all items.
    pub fold: [u64; FOLD_WORDS],
}

#[derive(Debug)]
struct Column {
    spec: ColumnSpec,
    /// 8-byte words, so that every number type is aligned.
    words: Buffer<u64>,
    n_bytes: usize,
}

impl Column {
    fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.n_bytes]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.n_bytes]
    }
}

impl Output {
    /// Zeroed space for all items of `kernel`.
    ///
    /// # Errors
    /// [`Error::Resource`] when the machine does not have the memory.
    pub fn for_kernel(kernel: &dyn Kernel) -> Result<Self> {
        Self::new(kernel.columns(), kernel.items())
    }

    /// Zeroed space for `items` items.
    ///
    /// # Errors
    /// [`Error::Resource`] when the machine does not have the memory.
    pub fn new(specs: Vec<ColumnSpec>, items: u64) -> Result<Self> {
        let columns = specs
            .into_iter()
            .map(|spec| {
                let size = (spec.per_item * spec.scalar.size()) as u64;
                let bytes = items.checked_mul(size).and_then(|n| usize::try_from(n).ok());
                let n_bytes = bytes.ok_or_else(|| Error::memory(spec.name, u64::MAX))?;
                Ok(Column { spec, words: Buffer::zeroed(n_bytes.div_ceil(8), spec.name)?, n_bytes })
            })
            .collect::<Result<_>>()?;
        Ok(Self { items, columns, fold: [0; FOLD_WORDS] })
    }

    /// Number of items.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.items
    }

    /// The columns' descriptions.
    pub fn specs(&self) -> impl ExactSizeIterator<Item = ColumnSpec> + '_ {
        self.columns.iter().map(|column| column.spec)
    }

    /// The values of column `index`.
    ///
    /// # Panics
    /// When `T` is not the column's number type.
    #[must_use]
    pub fn column<T: Value>(&self, index: usize) -> &[T] {
        let column = &self.columns[index];
        assert_eq!(column.spec.scalar, T::SCALAR, "column {}", column.spec.name);
        bytemuck::cast_slice(column.bytes())
    }

    /// As [`Output::column`], writable.
    #[must_use]
    pub fn column_mut<T: Value>(&mut self, index: usize) -> &mut [T] {
        let column = &mut self.columns[index];
        assert_eq!(column.spec.scalar, T::SCALAR, "column {}", column.spec.name);
        bytemuck::cast_slice_mut(column.bytes_mut())
    }

    /// One value as f64, whatever the column's type (exact for all of them).
    #[must_use]
    pub fn value(&self, column: usize, index: usize) -> f64 {
        match self.columns[column].spec.scalar {
            Scalar::F32 => f64::from(self.column::<f32>(column)[index]),
            Scalar::F64 => self.column::<f64>(column)[index],
            Scalar::U32 => f64::from(self.column::<u32>(column)[index]),
        }
    }

    /// All values of `item` as f64, columns one after the other: what verification compares.
    #[must_use]
    pub fn item_values(&self, item: u64) -> Vec<f64> {
        let item = usize::try_from(item).expect("an item in memory has a usize index");
        let mut values = Vec::new();
        for (c, column) in self.columns.iter().enumerate() {
            let per_item = column.spec.per_item;
            values.extend((item * per_item..(item + 1) * per_item).map(|i| self.value(c, i)));
        }
        values
    }

    /// Sets every sum back to zero before the next run. Columns keep their values: every run writes all of them.
    pub fn reset(&mut self) {
        self.fold = [0; FOLD_WORDS];
    }

    /// A writer over all items, whose parts can be handed to several threads.
    pub fn writer(&mut self) -> OutputWriter<'_> {
        self.writer_at(0)
    }

    /// A writer for which this output stands for items `first..first + items()` of a kernel: what recomputes a few
    /// items of a large job in a small output.
    ///
    /// # Panics
    /// When the items would end past `u64::MAX`.
    pub fn writer_at(&mut self, first: u64) -> OutputWriter<'_> {
        let end = first.checked_add(self.items).expect("item numbers are u64");
        let columns = self
            .columns
            .iter_mut()
            .map(|column| RawColumn { spec: column.spec, start: column.bytes_mut().as_mut_ptr() })
            .collect();
        OutputWriter { items: Chunk::new(first, end), columns, marker: PhantomData }
    }
}

/// A number type that a column can hold.
pub trait Value: Pod {
    /// The tag of this type.
    const SCALAR: Scalar;
}
impl Value for f32 {
    const SCALAR: Scalar = Scalar::F32;
}
impl Value for f64 {
    const SCALAR: Scalar = Scalar::F64;
}
impl Value for u32 {
    const SCALAR: Scalar = Scalar::U32;
}

/// Exclusive access to an [`Output`] that can be cut into disjoint [`ChunkOut`]s.
pub struct OutputWriter<'a> {
    items: Chunk,
    columns: Vec<RawColumn>,
    marker: PhantomData<&'a mut Output>,
}

#[derive(Clone, Copy)]
struct RawColumn {
    spec: ColumnSpec,
    start: *mut u8,
}

// SAFETY: a RawColumn is a pointer into a buffer that an OutputWriter borrows exclusively; it is only dereferenced
// through a ChunkOut, and the ChunkOuts of one writer are disjoint by the contract of `OutputWriter::chunk`.
unsafe impl Send for RawColumn {}
// SAFETY: as above; `&RawColumn` alone gives no access to the memory behind it.
unsafe impl Sync for RawColumn {}

impl<'a> OutputWriter<'a> {
    /// The part of the output that belongs to `chunk`.
    ///
    /// # Safety
    /// While a `ChunkOut` of this writer lives, no other one may cover any of its items.
    ///
    /// # Panics
    /// When the chunk reaches outside the writer's items.
    #[must_use]
    pub unsafe fn chunk<'w>(&'w self, chunk: Chunk) -> ChunkOut<'w>
    where
        'a: 'w,
    {
        let items = self.items;
        assert!(items.start <= chunk.start && chunk.end <= items.end, "chunk {chunk:?} of items {items:?}");
        ChunkOut { chunk, first: items.start, columns: &self.columns, fold: [0; FOLD_WORDS] }
    }

    /// The whole output as one part.
    pub fn whole(&mut self) -> ChunkOut<'_> {
        // SAFETY: `&mut self` is held by the returned value, so no other part can exist.
        unsafe { self.chunk(self.items) }
    }
}

/// Where one chunk's results go: its slice of every column, and its own sums.
pub struct ChunkOut<'w> {
    chunk: Chunk,
    /// The item that the columns begin with.
    first: u64,
    columns: &'w [RawColumn],
    /// Exact sums over this chunk's items, zero at first; the chunk loop adds them up.
    pub fold: [u64; FOLD_WORDS],
}

impl ChunkOut<'_> {
    /// The items to compute.
    #[must_use]
    pub fn chunk(&self) -> Chunk {
        self.chunk
    }

    /// The columns' descriptions.
    pub fn specs(&self) -> impl ExactSizeIterator<Item = ColumnSpec> + '_ {
        self.columns.iter().map(|column| column.spec)
    }

    /// This chunk's values of column `index`: `chunk.len() * per_item` of them.
    ///
    /// # Panics
    /// When `T` is not the column's number type.
    #[must_use]
    pub fn column<T: Value>(&mut self, index: usize) -> &mut [T] {
        assert_eq!(self.columns[index].spec.scalar, T::SCALAR, "column {}", self.columns[index].spec.name);
        bytemuck::cast_slice_mut(self.column_bytes(index))
    }

    /// This chunk's values of the first `N` columns, all of type `T`.
    #[must_use]
    pub fn first_columns<T: Value, const N: usize>(&mut self) -> [&mut [T]; N] {
        std::array::from_fn(|i| {
            assert_eq!(self.columns[i].spec.scalar, T::SCALAR, "column {}", self.columns[i].spec.name);
            // SAFETY: each column is its own allocation, so the N slices do not overlap; the rest as in `raw`.
            bytemuck::cast_slice_mut(unsafe { self.raw(i) })
        })
    }

    /// This chunk's bytes of column `index`, as they lie in memory.
    #[must_use]
    pub fn column_bytes(&mut self, index: usize) -> &mut [u8] {
        // SAFETY: `&mut self` makes this the only slice of this column.
        unsafe { self.raw(index) }
    }

    /// # Safety
    /// The caller must not hold another slice of the same column.
    unsafe fn raw<'s>(&self, index: usize) -> &'s mut [u8] {
        let column = self.columns[index];
        let size = column.spec.per_item * column.spec.scalar.size();
        let start = self.chunk.start - self.first;
        let start = usize::try_from(start).expect("the column was allocated, so its indices fit") * size;
        let length = usize::try_from(self.chunk.len()).expect("as above") * size;
        // SAFETY: the writer checked that the chunk lies within the items, the column has `items * size` bytes, and
        // no other ChunkOut covers these items (contract of `OutputWriter::chunk`).
        unsafe { std::slice::from_raw_parts_mut(column.start.add(start), length) }
    }
}

/// The host's processors, as a backend lends them to a [`Whole`] step.
#[derive(Debug, Clone, Copy)]
pub struct Host<'h> {
    /// The instruction set to use.
    pub simd: Simd,
    /// The threads to use; `None` for the calling one alone.
    pub pool: Option<&'h Pool>,
}

impl Host<'_> {
    /// Number of threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.pool.map_or(1, Pool::threads)
    }

    /// Runs `work` where rayon's parallel iterators use these threads, or plainly when there is but one.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

/// A step that is one solve on the host and not a function of items, such as a factorization: it is never cut into
/// chunks and never runs on a device. It describes itself as a kernel does (name, items, work, class, columns); its
/// [`Kernel::seq`] is not called. Its time is a phase of its own name.
pub trait Whole: Kernel {
    /// Does it all. `before` are the outputs of the job's earlier steps, `out` is this step's own.
    ///
    /// # Errors
    /// [`Error::Model`] when there is no answer (a singular matrix), [`Error::Resource`] when memory does not suffice.
    fn solve(&self, host: &Host<'_>, before: &[Output], out: &mut Output) -> Result<()>;

    /// Phases with names of their own that were part of the last solve, and their seconds; the rest of its time goes
    /// under its own name.
    fn parts(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// One step of a job. A job's steps run in order; each has its own output.
pub enum Step<'j> {
    /// A data-parallel kernel, run in chunks by the backends.
    Kernel(Box<dyn Kernel + 'j>),
    /// One solve on the host.
    Whole(Box<dyn Whole + 'j>),
}

impl<'j> Step<'j> {
    /// The kernel of this step; of a whole solve its description.
    #[must_use]
    pub fn kernel(&self) -> &(dyn Kernel + 'j) {
        match self {
            Step::Kernel(kernel) => kernel.as_ref(),
            Step::Whole(whole) => whole.as_ref(),
        }
    }
}

/// What a job works on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Input {
    /// Number of items, as the user counts them.
    pub items: u64,
    /// What one item is.
    pub item: &'static str,
    /// `generated`, or the file's name.
    pub source: String,
}

/// The result of a job in the terms of its workload.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The `result` object of the JSON report.
    pub json: serde_json::Map<String, serde_json::Value>,
    /// The same for people: name and value, one line each.
    pub lines: Vec<(String, String)>,
}

/// The verdict of a workload's independent check: one that shares no code with its kernels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// What was compared: `"closed form: pi/4"`.
    pub what: String,
    /// The largest deviation found.
    pub error: f64,
    /// The largest deviation allowed. `error <= bound` passes; NaN fails.
    pub bound: f64,
    /// The first thing that is wrong, for the message; empty when it passed.
    pub detail: String,
}

impl Check {
    /// Whether the check passed. NaN never does.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.error <= self.bound
    }
}

/// A prepared workload: its input is in memory, its kernels can be built for any precision it offers.
pub trait Job: Send + Sync {
    /// What it works on.
    fn input(&self) -> Input;

    /// The precisions that its kernels come in; the first one is the reference's and the cpu's default.
    fn precisions(&self) -> &[Precision];

    /// Why no device can run this job, if so: refused before one is looked for.
    fn stays_on_cpu(&self) -> Option<&'static str> {
        None
    }

    /// The default precision on a GPU.
    fn gpu_precision(&self) -> Precision {
        self.precisions()[0]
    }

    /// The steps in order, with kernels for `precision`.
    ///
    /// # Errors
    /// [`Error::Usage`] when the precision is not offered; [`Error::Resource`] when converted inputs do not fit.
    fn steps(&self, precision: Precision) -> Result<Vec<Step<'_>>>;

    /// Turns the outputs of all steps into the answer: sums, maxima, nodal averages. Timed as `merge`.
    ///
    /// # Errors
    /// [`Error::Model`] when the outputs have no meaningful answer (the first bad item is named).
    fn finish(&self, outputs: &[Output]) -> Result<Answer>;

    /// The independent check of the outputs and the answer.
    ///
    /// # Errors
    /// Only when the check could not be made; a failed check is an `Ok` that did not pass.
    fn check(&self, outputs: &[Output], answer: &Answer) -> Result<Check>;

    /// Adds to the answer what the independent check of the same run has found. Called after [`Job::check`].
    fn complete(&self, answer: &mut Answer) {
        let _ = answer;
    }

    /// Writes the outputs to `path` in the format of its ending.
    ///
    /// # Errors
    /// [`Error::Usage`] for an ending that this job cannot write; [`Error::Resource`] when the disk refuses.
    fn save(&self, outputs: &[Output], path: &std::path::Path) -> Result<()>;

    /// Writes what else was asked for beside `--output`. Called once, after the answer has passed its checks.
    ///
    /// # Errors
    /// As [`Job::save`].
    fn save_more(&self, outputs: &[Output]) -> Result<()> {
        let _ = outputs;
        Ok(())
    }

    /// What kept some items from having an answer while the others have theirs: told after everything was written, and
    /// what the run then ends in.
    ///
    /// # Errors
    /// [`Error::Model`] that names them.
    fn unsolved(&self, outputs: &[Output]) -> Result<()> {
        let _ = outputs;
        Ok(())
    }

    /// Things the user should know about the input (an inverted element that was accepted, a field that was ignored).
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}
