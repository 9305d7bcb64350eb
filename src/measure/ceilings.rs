//! The measured ceilings of what a backend computes on. The host's are measured once per number of threads, with that
//! many threads: a limit that all cores together reach says nothing about one.

use super::limit::Ceilings;
use crate::backend::BackendFacts;
use crate::error::Result;
use crate::machine::limits::{self, Limits};
use crate::machine::pool::Pool;
use crate::simd::Simd;

/// The host's ceilings by number of threads, each measured when it is first asked for: about 0.1 s.
#[derive(Debug)]
pub struct Host {
    pin: bool,
    known: Vec<(usize, Ceilings)>,
}

impl Host {
    /// Nothing measured yet. `pin`: whether the backends pin their workers.
    #[must_use]
    pub fn new(pin: bool) -> Self {
        Self { pin, known: Vec::new() }
    }

    /// The ceilings of what computes for a backend: that many threads of the host, or all of them for a software
    /// adapter, which is the same silicon. Nothing is known of a GPU: its memory and its link are not the host's.
    ///
    /// # Errors
    /// [`crate::error::Error::Resource`] when the arrays of the measurement do not fit in memory.
    pub fn of(&mut self, facts: &BackendFacts) -> Result<Ceilings> {
        match &facts.adapter {
            None => self.threads(facts.threads),
            Some(adapter) if adapter.software => self.threads(0),
            Some(_) => Ok(Ceilings::default()),
        }
    }

    /// `threads` of the host; 0 for all it may use.
    fn threads(&mut self, threads: usize) -> Result<Ceilings> {
        let pool = Pool::shared(threads, self.pin)?;
        let threads = pool.threads();
        if let Some((_, ceilings)) = self.known.iter().find(|(known, _)| *known == threads) {
            return Ok(*ceilings);
        }
        let ceilings = Ceilings::from(&limits::measure(&pool, Simd::detect(), true)?);
        self.known.push((threads, ceilings));
        Ok(ceilings)
    }
}

impl From<&Limits> for Ceilings {
    fn from(limits: &Limits) -> Self {
        Self {
            read_bandwidth: Some(limits.read),
            // The better of the two: whether stores pass the caches is the kernel's choice, not the machine's.
            triad_bandwidth: Some(limits.triad.max(limits.triad_streaming)),
            cache_bytes: Some(limits.cache_bytes as f64),
            cache_bandwidth: Some(limits.cache_read),
            flops_f64: Some(limits.flops_f64),
            flops_f32: Some(limits.flops_f32),
            int_ops: Some(limits.int_ops),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::AdapterFacts;

    fn facts(software: bool) -> BackendFacts {
        let adapter = AdapterFacts {
            name: String::new(),
            kind: String::new(),
            api: String::new(),
            driver: String::new(),
            software,
        };
        BackendFacts { id: "gpu".into(), threads: 1, simd: "baseline", adapter: Some(adapter) }
    }

    #[test]
    fn each_number_of_threads_is_measured_once_and_a_gpu_is_not_the_host() {
        let mut host = Host::new(true);
        let one = BackendFacts { adapter: None, ..facts(false) };
        let first = host.of(&one).unwrap();
        assert!(first.triad_bandwidth.unwrap() > 0.0);
        assert_eq!(host.of(&one).unwrap(), first, "measured again");
        assert_eq!(host.of(&facts(false)).unwrap(), Ceilings::default());
        assert!(host.of(&facts(true)).unwrap().flops_f32.unwrap() > 0.0);
    }
}
