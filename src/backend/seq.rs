//! `seq`: one thread, the f64 reference.

use std::time::Instant;

use super::{Backend, BackendEntry, BackendFacts, BackendOptions, Done, Lane, LaneBody, Phases};
use crate::error::Result;
use crate::job::{ChunkOut, Host, Kernel};
use crate::plan::{self, ChunkRule};
use crate::simd::Simd;

/// The registry entry.
pub const ENTRY: BackendEntry = BackendEntry {
    name: "seq",
    about: "one thread, plain f64 code: the reference that every other backend is checked against",
    numbered: false,
    device: false,
    open: |_: &BackendOptions, _| Ok(Box::new(Seq)),
    devices: |_| Vec::new(),
};

struct Seq;

impl Backend for Seq {
    fn facts(&self) -> BackendFacts {
        BackendFacts { id: ENTRY.name.into(), threads: 1, simd: "baseline", adapter: None }
    }

    fn is_reference(&self) -> bool {
        true
    }

    fn chunks(&self, kernel: &dyn Kernel) -> Result<ChunkRule> {
        Ok(plan::cpu_chunks(kernel, 1))
    }

    fn host(&self) -> Result<Host<'_>> {
        Ok(Host { simd: Simd::detect(), pool: None, done: None })
    }

    fn run<'w>(&mut self, kernel: &dyn Kernel, body: &LaneBody<'_, 'w>) -> Result<Phases> {
        let start = Instant::now();
        body(&mut SeqLane { kernel, done: None })?;
        Ok(Phases { kernel: start.elapsed().as_secs_f64(), ..Phases::default() })
    }
}

struct SeqLane<'k> {
    kernel: &'k dyn Kernel,
    done: Option<Done>,
}

impl<'w> Lane<'w> for SeqLane<'_> {
    fn depth(&self) -> usize {
        1
    }

    fn submit(&mut self, mut part: ChunkOut<'w>) -> Result<()> {
        self.kernel.seq(&mut part);
        self.done = Some(Done { chunk: part.chunk(), fold: part.fold });
        Ok(())
    }

    fn collect(&mut self) -> Result<Done> {
        Ok(self.done.take().expect("the chunk loop collects what it submitted"))
    }
}
