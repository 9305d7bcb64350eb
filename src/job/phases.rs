//! Where the time of a run goes: predicted by a plan, measured by backends, printed by reports.

use serde::Serialize;

/// Seconds spent in each phase. They do not overlap: their sum is the wall time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Phases {
    /// Finding and opening the device.
    pub open: f64,
    /// Compiling kernels.
    pub compile: f64,
    /// Handing input to the device.
    pub upload: f64,
    /// Computing; with overlapping copies, the time in which the host did nothing but wait for the kernel.
    pub kernel: f64,
    /// Fetching results.
    pub download: f64,
    /// Putting partial results together.
    pub merge: f64,
    /// The steps of a job that holds whole solves, each by its own name; `kernel` is then 0.
    #[serde(flatten)]
    pub steps: StepTimes,
}

/// Seconds by step name, in the order of the steps.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StepTimes([Option<StepTime>; StepTimes::MOST]);

#[derive(Debug, Clone, Copy, PartialEq)]
struct StepTime {
    name: &'static str,
    seconds: f64,
    chunked: bool,
}

impl StepTimes {
    /// The most steps that are told apart; the times of further ones are added to the last.
    pub const MOST: usize = 12;

    /// Adds the time of the step `name`; `chunked` when it ran as chunks.
    pub fn add(&mut self, name: &'static str, seconds: f64, chunked: bool) {
        let same = |slot: &Option<StepTime>| slot.is_none_or(|time| time.name == name);
        let at = self.0.iter().position(same).unwrap_or(Self::MOST - 1);
        self.0[at].get_or_insert(StepTime { name, seconds: 0.0, chunked }).seconds += seconds;
    }

    /// Names and seconds, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        self.0.iter().flatten().map(|time| (time.name, time.seconds))
    }

    /// Seconds of all steps.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.0.iter().flatten().map(|time| time.seconds).sum()
    }

    /// Seconds of those that ran as chunks.
    #[must_use]
    pub fn chunked(&self) -> f64 {
        self.0.iter().flatten().filter(|time| time.chunked).map(|time| time.seconds).sum()
    }

    /// All times multiplied by `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        self.0.iter_mut().flatten().for_each(|time| time.seconds *= factor);
        self
    }
}

impl Serialize for StepTimes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl Phases {
    /// Wall time: the sum of all phases.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.open + self.compile + self.upload + self.kernel + self.download + self.merge + self.steps.total()
    }

    /// Seconds in which chunks were computed: `kernel`, or the chunked steps where steps are told apart.
    #[must_use]
    pub fn computing(&self) -> f64 {
        self.kernel + self.steps.chunked()
    }

    /// Adds `other` phase by phase.
    pub fn add(&mut self, other: &Phases) {
        self.open += other.open;
        self.compile += other.compile;
        self.upload += other.upload;
        self.kernel += other.kernel;
        self.download += other.download;
        self.merge += other.merge;
        for time in other.steps.0.iter().flatten() {
            self.steps.add(time.name, time.seconds, time.chunked);
        }
    }
}
