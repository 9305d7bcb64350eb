//! Which limit of the machine a run comes closest to, and how close: a roofline over bandwidth, arithmetic, transfers
//! and dispatches. A pure function of declared work, measured times and measured ceilings.

use serde::Serialize;

use crate::backend::Phases;
use crate::job::{Job, Precision, Step};

/// What a job costs in all on minimal traffic (every input byte read once, every output byte written once).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Items that a run goes through, as the user counts them.
    pub items: f64,
    /// Floating-point operations; for integer kernels integer operations.
    pub flops: f64,
    /// Bytes read.
    pub bytes_read: f64,
    /// Bytes written.
    pub bytes_written: f64,
}

impl Totals {
    /// The items of `job`, and the declared work of all `steps` that run in chunks: what the kernel's time is spent on.
    #[must_use]
    pub fn of(job: &dyn Job, steps: &[Step<'_>]) -> Self {
        let mut totals = Self { items: job.items_of_a_run() as f64, ..Self::default() };
        for kernel in steps.iter().filter(|step| matches!(step, Step::Kernel(_))).map(Step::kernel) {
            let (items, work) = (kernel.items() as f64, kernel.work());
            totals.flops += items * work.flops;
            totals.bytes_read += items * work.bytes_read;
            totals.bytes_written += items * work.bytes_written;
        }
        totals
    }

    /// Bytes read and written.
    #[must_use]
    pub fn bytes(&self) -> f64 {
        self.bytes_read + self.bytes_written
    }
}

/// What this machine, or one device of it, was measured to reach. `None`: not measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Ceilings {
    /// Bytes per second read from main (device) memory.
    pub read_bandwidth: Option<f64>,
    /// Bytes per second written to main (device) memory.
    pub write_bandwidth: Option<f64>,
    /// Bytes per second of a triad (two reads, one write) on main (device) memory.
    pub triad_bandwidth: Option<f64>,
    /// Size in bytes of what surely fits in the last-level cache that all threads share.
    pub cache_bytes: Option<f64>,
    /// Bytes per second out of that cache.
    pub cache_bandwidth: Option<f64>,
    /// f64 operations per second, a fused multiply-add being two.
    pub flops_f64: Option<f64>,
    /// f32 operations per second, a fused multiply-add being two.
    pub flops_f32: Option<f64>,
    /// Integer operations per second, as the integer kernels count them.
    pub int_ops: Option<f64>,
    /// Bytes per second between host and device.
    pub transfer_bandwidth: Option<f64>,
    /// Seconds to hand out one empty chunk and wait for it.
    pub dispatch_seconds: Option<f64>,
}

impl Ceilings {
    /// Bytes per second when `written` of `bytes` are written: those that were measured for reading alone, for the triad
    /// (a third) and for writing alone, and between them what follows when a byte of each kind takes its time. A mix
    /// beyond the triad whose other end was not measured is held against the triad.
    #[must_use]
    pub fn memory(&self, bytes: f64, written: f64) -> Option<f64> {
        const TRIAD: f64 = 1.0 / 3.0;
        if written == 0.0 {
            return self.read_bandwidth;
        }
        let share = written / bytes;
        let (end, distance) = match share <= TRIAD {
            true => (self.read_bandwidth, 1.0 - share / TRIAD),
            false => (self.write_bandwidth, (share - TRIAD) / (1.0 - TRIAD)),
        };
        let triad = self.triad_bandwidth?;
        Some(end.map_or(triad, |end| 1.0 / (distance / end + (1.0 - distance) / triad)))
    }
}

/// What keeps a run from being faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Binding {
    /// Memory traffic of the kernel.
    Bandwidth,
    /// Arithmetic.
    Compute,
    /// Copies between host and device.
    Transfer,
    /// Handing out chunks.
    Latency,
}

impl Binding {
    /// The word in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Binding::Bandwidth => "bandwidth",
            Binding::Compute => "compute",
            Binding::Transfer => "transfer",
            Binding::Latency => "latency",
        }
    }
}

/// The limit that binds, and the fraction of it that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limit {
    /// The resource that needs the most time at its ceiling.
    pub binding: Binding,
    /// That time divided by the time that was measured for the phase in question. Above 1 the ceiling was measured too
    /// low, or the traffic was less than declared.
    pub fraction: f64,
    /// The ceiling of that resource: bytes or operations per second, or for dispatches chunks per second.
    pub ceiling: f64,
}

/// The limit of one run.
///
/// Each resource has a least time: bytes over bandwidth (the cache's when all bytes fit in it, else memory's for that mix
/// of reads and writes, [`Ceilings::memory`]), operations over rate, transferred bytes over the link's bandwidth, chunks
/// times the cost of an empty one. The largest binds; its fraction is that time over the time measured: `upload +
/// download` for transfers, the kernels' for the rest.
///
/// `None`, "not measured", when a ceiling is missing that could be the one that binds, or when the run has no declared
/// work or no measured time.
#[must_use]
pub fn limit(
    totals: &Totals,
    precision: Precision,
    chunks: u64,
    phases: &Phases,
    ceilings: &Ceilings,
) -> Option<Limit> {
    let in_cache = ceilings.cache_bytes.is_some_and(|size| totals.bytes() <= size);
    let bandwidth = match in_cache {
        true => ceilings.cache_bandwidth,
        false => ceilings.memory(totals.bytes(), totals.bytes_written),
    };
    let rate = match precision {
        Precision::Integer => ceilings.int_ops,
        Precision::F32 | Precision::Mixed => ceilings.flops_f32,
        Precision::F64 => ceilings.flops_f64,
    };
    let transferred = phases.upload + phases.download;
    let computing = phases.computing();
    let candidates = [
        (Binding::Bandwidth, least(totals.bytes(), bandwidth)?, computing),
        (Binding::Compute, least(totals.flops, rate)?, computing),
        (
            Binding::Transfer,
            match ceilings.transfer_bandwidth {
                Some(_) if transferred > 0.0 => least(totals.bytes(), ceilings.transfer_bandwidth)?,
                None if transferred > computing => return None,
                _ => 0.0,
            },
            transferred,
        ),
        (Binding::Latency, chunks as f64 * ceilings.dispatch_seconds.unwrap_or(0.0), computing),
    ];
    let (binding, least, measured) = candidates.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let amount = match binding {
        Binding::Bandwidth | Binding::Transfer => totals.bytes(),
        Binding::Compute => totals.flops,
        Binding::Latency => chunks as f64,
    };
    let fraction = least / measured;
    (least > 0.0 && fraction.is_finite()).then_some(Limit { binding, fraction, ceiling: amount / least })
}

/// Least time for `amount` at `ceiling`: nothing takes no time; something without a ceiling is not known.
fn least(amount: f64, ceiling: Option<f64>) -> Option<f64> {
    if amount == 0.0 { Some(0.0) } else { ceiling.filter(|c| *c > 0.0).map(|c| amount / c) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Ceilings = Ceilings {
        read_bandwidth: Some(24e9),
        write_bandwidth: Some(20e9),
        triad_bandwidth: Some(25e9),
        cache_bytes: Some(32e6),
        cache_bandwidth: Some(119e9),
        flops_f64: Some(115e9),
        flops_f32: Some(228e9),
        int_ops: None,
        transfer_bandwidth: None,
        dispatch_seconds: None,
    };

    fn work(flops: f64, bytes_read: f64, bytes_written: f64) -> Totals {
        Totals { items: 1.0, flops, bytes_read, bytes_written }
    }

    fn kernel(seconds: f64) -> Phases {
        Phases { kernel: seconds, ..Phases::default() }
    }

    fn of(totals: Totals, precision: Precision, phases: Phases, ceilings: Ceilings) -> Option<(Binding, f64)> {
        limit(&totals, precision, 10, &phases, &ceilings)
            .map(|limit| (limit.binding, (limit.fraction * 1e6).round() / 1e6))
    }

    #[test]
    fn the_resource_with_the_largest_least_time_binds() {
        // 240 MB of triad traffic need 9.6 ms; 1e8 operations 0.87 ms.
        let stream = work(1e8, 160e6, 80e6);
        assert_eq!(of(stream, Precision::F64, kernel(10e-3), HOST), Some((Binding::Bandwidth, 0.96)));
        // 2.3e9 operations need 20 ms.
        let dense = work(2.3e9, 150e6, 50e6);
        assert_eq!(of(dense, Precision::F64, kernel(25e-3), HOST), Some((Binding::Compute, 0.8)));
        // The same at f32 need half of it.
        let (binding, fraction) = of(dense, Precision::Mixed, kernel(25e-3), HOST).unwrap();
        assert_eq!((binding, fraction), (Binding::Compute, 0.403509));
    }

    #[test]
    fn the_ceiling_fits_the_traffic() {
        let read = of(work(0.0, 240e6, 0.0), Precision::F64, kernel(20e-3), HOST);
        assert_eq!(read, Some((Binding::Bandwidth, 0.5)));
        let cached = of(work(0.0, 11.9e6, 0.0), Precision::F64, kernel(1e-3), HOST);
        assert_eq!(cached, Some((Binding::Bandwidth, 0.1)));
        let written = of(work(0.0, 0.0, 200e6), Precision::F64, kernel(20e-3), HOST);
        assert_eq!(written, Some((Binding::Bandwidth, 0.5)));
    }

    #[test]
    fn a_mix_of_reads_and_writes_takes_the_time_of_its_parts() {
        let memory = |written: f64| HOST.memory(1.0, written).unwrap();
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-12;
        assert!(near(memory(0.0), 24e9) && near(memory(1.0 / 3.0), 25e9) && near(memory(1.0), 20e9));
        // Four reads and a write are 0.6 of the triad's traffic and 0.4 of reads; a read and two writes are half and half.
        assert!(near(memory(0.2), 1.0 / (0.6 / 25e9 + 0.4 / 24e9)), "{}", memory(0.2));
        assert!(near(memory(2.0 / 3.0), 1.0 / (0.5 / 25e9 + 0.5 / 20e9)), "{}", memory(2.0 / 3.0));
        let triad_only = Ceilings { read_bandwidth: None, write_bandwidth: None, ..HOST };
        assert_eq!([0.0, 0.2, 0.9].map(|written| triad_only.memory(1.0, written)), [None, Some(25e9), Some(25e9)]);
        assert_eq!(Ceilings { triad_bandwidth: None, ..HOST }.memory(1.0, 0.2), None);
    }

    #[test]
    fn transfers_and_dispatches_can_bind_on_a_device() {
        let device = Ceilings { transfer_bandwidth: Some(5e9), dispatch_seconds: Some(1e-4), ..HOST };
        let phases = Phases { upload: 40e-3, kernel: 10e-3, download: 10e-3, ..Phases::default() };
        assert_eq!(
            of(work(1e8, 150e6, 50e6), Precision::F32, phases, device),
            Some((Binding::Transfer, 0.8)),
            "200 MB at 5 GB/s need 40 ms of the 50"
        );
        assert_eq!(of(work(1e3, 1e3, 1e3), Precision::F32, kernel(2e-3), device), Some((Binding::Latency, 0.5)));
    }

    #[test]
    fn what_was_not_measured_is_not_guessed() {
        let pi = work(31e7, 0.0, 0.0);
        assert_eq!(of(pi, Precision::Integer, kernel(1e-3), HOST), None);
        let with_int = Ceilings { int_ops: Some(620e9), ..HOST };
        assert_eq!(of(pi, Precision::Integer, kernel(1e-3), with_int), Some((Binding::Compute, 0.5)));
        assert_eq!(of(work(1e8, 2e8, 0.0), Precision::F64, kernel(1e-2), Ceilings::default()), None);
        let copies = Phases { upload: 9e-3, kernel: 1e-3, ..Phases::default() };
        assert_eq!(of(work(1e8, 2e8, 0.0), Precision::F64, copies, HOST), None, "the link was not measured");
        assert_eq!(of(work(0.0, 0.0, 0.0), Precision::F64, kernel(1e-3), HOST), None, "no declared work");
        assert_eq!(of(work(1e8, 2e8, 0.0), Precision::F64, kernel(0.0), HOST), None, "no measured time");
    }
}
