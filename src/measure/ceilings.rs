//! The measured ceilings of what a backend computes on. The host's are measured when they are asked for, with as many
//! threads as the backend has: a limit that all cores together reach says nothing about one. A GPU's come from the
//! profile.

use super::limit::Ceilings;
use crate::backend::BackendFacts;
use crate::error::Result;
use crate::machine::Machine;
use crate::machine::limits::{self, Limits};
use crate::machine::pool::Pool;
use crate::machine::profile::{BackendProfile, Found, Key, Profile, Rate};
use crate::simd::Simd;

/// Finds the ceilings of backends.
#[derive(Debug)]
pub struct Host {
    pin: bool,
    /// What `hetero calibrate` left, once it was looked for.
    profile: Option<Option<Box<Profile>>>,
}

impl Host {
    /// `pin`: whether the backends pin their workers.
    #[must_use]
    pub fn new(pin: bool) -> Self {
        Self { pin, profile: None }
    }

    /// The ceilings of what computes for a backend, now, when a run goes over `bytes`: that many threads of the host, or all of them for a software
    /// adapter, which is the same silicon, measured in about 0.1 s. Of a GPU, whose memory and link are not the host's, what `hetero calibrate`
    /// found; nothing without.
    ///
    /// # Errors
    /// [`crate::error::Error::Resource`] when the arrays of the measurement do not fit in memory.
    pub fn of(&mut self, facts: &BackendFacts, bytes: f64) -> Result<Ceilings> {
        match &facts.adapter {
            None => self.threads(facts.threads, bytes),
            Some(adapter) if adapter.software => self.threads(0, bytes),
            Some(adapter) => {
                let profile = self.profile.get_or_insert_with(|| match Found::load(&Key::of(&Machine::discover())) {
                    Found::Ours(profile) => Some(profile),
                    _ => None,
                });
                let known = profile.as_ref().and_then(|profile| profile.backend(&facts.id));
                let same = known.filter(|known| {
                    known.adapter.as_ref().is_some_and(|key| {
                        (&key.name, &key.kind, &key.api, &key.driver)
                            == (&adapter.name, &adapter.kind, &adapter.api, &adapter.driver)
                    })
                });
                Ok(same.map_or_else(Ceilings::default, Ceilings::from))
            }
        }
    }

    /// `threads` of the host; 0 for all it may use.
    fn threads(&self, threads: usize, bytes: f64) -> Result<Ceilings> {
        let pool = Pool::shared(threads, self.pin)?;
        Ok(Ceilings::from(&limits::measure_for(&pool, Simd::detect(), bytes as u64)?))
    }
}

impl From<&Limits> for Ceilings {
    fn from(limits: &Limits) -> Self {
        Self {
            read_bandwidth: Some(limits.read),
            write_bandwidth: Some(limits.write),
            // The better of the two: whether stores pass the caches is the kernel's choice, not the machine's.
            triad_bandwidth: Some(limits.triad.max(limits.triad_streaming)),
            // Half of it: the rest is for what else runs, and for what a pass finds there although it is larger.
            cache_bytes: Some(limits.cache_bytes as f64 / 2.0),
            cache_bandwidth: Some(limits.cache_read),
            flops_f64: Some(limits.flops_f64),
            flops_f32: Some(limits.flops_f32),
            int_ops: Some(limits.int_ops),
            ..Self::default()
        }
    }
}

impl From<&BackendProfile> for Ceilings {
    fn from(device: &BackendProfile) -> Self {
        let reach = device.reach.unwrap_or_default();
        let best = |rates: &[Rate]| rates.iter().map(|rate| rate.per_second).reduce(f64::max);
        Self {
            read_bandwidth: reach.read,
            triad_bandwidth: reach.triad,
            flops_f64: reach.flops_f64,
            flops_f32: reach.flops_f32,
            int_ops: reach.int_ops,
            // The faster way of the two: a run may copy in either.
            transfer_bandwidth: best(&device.upload).into_iter().chain(best(&device.download)).reduce(f64::max),
            dispatch_seconds: device.launch.value(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::AdapterFacts;
    use crate::machine::profile::{AdapterKey, Reach};

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
    fn the_host_is_measured_at_each_call_and_a_gpu_is_not_the_host() {
        let mut host = Host::new(true);
        let one = BackendFacts { adapter: None, ..facts(false) };
        let first = host.of(&one, 1e9).unwrap();
        assert!(first.triad_bandwidth.unwrap() > 0.0);
        assert_ne!(host.of(&one, 1e9).unwrap(), first, "what was measured before says nothing about now");
        host.profile = Some(None);
        assert_eq!(host.of(&facts(false), 1e9).unwrap(), Ceilings::default());
        assert!(host.of(&facts(true), 4e7).unwrap().flops_f32.unwrap() > 0.0);
    }

    #[test]
    fn a_gpu_has_the_ceilings_of_its_profile_and_of_no_other_driver() {
        let key = |driver: &str| AdapterKey {
            name: "card".into(),
            kind: "discrete".into(),
            api: "vulkan".into(),
            driver: driver.into(),
            software: false,
            max_binding: 0,
            memory: 0,
            lacks: Vec::new(),
        };
        let machine = Key { version: "1".into(), cpu: "a cpu".into(), threads: 2, simd: "avx2".into() };
        let mut profile = Profile::new(machine);
        let known = profile.backend_mut("gpu", Some(&key("1")), 1);
        known.reach = Some(Reach { triad: Some(3e12), flops_f32: Some(5e13), ..Reach::default() });
        known.upload = vec![Rate { bytes: 1e5, per_second: 1e9 }, Rate { bytes: 1e8, per_second: 2e10 }];
        known.launch.add(2e-5);
        let of = |driver: &str| {
            let mut host = Host::new(true);
            host.profile = Some(Some(Box::new(profile.clone())));
            let AdapterKey { name, kind, api, driver, software, .. } = key(driver);
            let adapter = Some(AdapterFacts { name, kind, api, driver, software });
            host.of(&BackendFacts { adapter, ..facts(false) }, 1e9).unwrap()
        };
        let expected = Ceilings {
            triad_bandwidth: Some(3e12),
            flops_f32: Some(5e13),
            transfer_bandwidth: Some(2e10),
            dispatch_seconds: Some(2e-5),
            ..Ceilings::default()
        };
        assert_eq!(of("1"), expected);
        assert_eq!(of("2"), Ceilings::default());
    }
}
