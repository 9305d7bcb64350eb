//! The job: a step for each mode, and what they leave for the report.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::modes::{Got, Mode, cpu_seconds, fetch};
use super::{STAYS, answer, check, save};
use crate::error::{Error, Result};
use crate::job::{
    Answer, Check, ChunkOut, Class, ColumnSpec, Host, Input, Job, Kernel, Output, Precision, Repeat, Scalar, Step,
    Whole, Work,
};
use crate::net::loopback::{Files, Server};
use crate::net::{Client, Failure, Settings, allow_open_files};

/// What is fetched.
#[derive(Debug)]
pub(super) enum Where {
    /// URLs that somebody named.
    Named(Vec<String>),
    /// Files of a server of our own, started when it is first asked.
    Own { files: Files, count: u64, started: OnceLock<Result<(Server, Vec<String>)>> },
}

impl Where {
    pub(super) fn own(files: Files, count: u64) -> Self {
        Where::Own { files, count, started: OnceLock::new() }
    }

    pub(super) fn count(&self) -> u64 {
        match self {
            Where::Named(urls) => urls.len() as u64,
            Where::Own { count, .. } => *count,
        }
    }

    /// The URLs. Starts the server.
    pub(super) fn urls(&self) -> Result<&[String]> {
        match self {
            Where::Named(urls) => Ok(urls),
            Where::Own { files, count, started } => {
                let start = || {
                    let server = Server::start(*files, 0)?;
                    let urls = (0..*count).map(|index| server.url(index)).collect();
                    Ok((server, urls))
                };
                started.get_or_init(start).as_ref().map(|(_, urls)| &urls[..]).map_err(Clone::clone)
            }
        }
    }

    /// What the server of our own sends, if it is that.
    pub(super) fn files(&self) -> Option<Files> {
        match self {
            Where::Named(_) => None,
            Where::Own { files, .. } => Some(*files),
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) modes: Vec<Mode>,
    pub(super) at_once: usize,
    pub(super) verify_twice: bool,
    /// Whether the bodies are written in the end.
    pub(super) keep: bool,
}

/// One file, as a mode got it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct File {
    /// 0 without an answer.
    pub(super) status: u16,
    pub(super) bytes: u64,
    /// What `Content-Length` said.
    pub(super) declared: Option<u64>,
    pub(super) seconds: f64,
    /// Of the body; `None` when there is none.
    pub(super) sha256: Option<[u8; 32]>,
    pub(super) failure: Option<Failure>,
}

/// What one mode did in the last run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Round {
    pub(super) mode: Mode,
    pub(super) seconds: f64,
    /// Of the whole process.
    pub(super) cpu_seconds: Option<f64>,
    pub(super) files: Vec<File>,
}

impl Round {
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub(super) fn failed(&self) -> u64 {
        self.files.iter().filter(|file| file.failure.is_some()).count() as u64
    }
}

/// What the last run left.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By mode, in the order of the steps.
    pub(super) rounds: Vec<Round>,
    /// Of the last mode, when they are to be written.
    pub(super) bodies: Vec<Option<Vec<u8>>>,
    /// How many URLs gave other bytes in another mode.
    pub(super) changed: u64,
}

/// A list of URLs to fetch.
#[derive(Debug)]
pub(super) struct FetchJob {
    pub(super) from: Where,
    pub(super) wanted: Wanted,
    pub(super) settings: Settings,
    /// Written by steps and after a run, read afterwards.
    pub(super) state: RwLock<State>,
}

impl FetchJob {
    pub(super) fn new(from: Where, wanted: Wanted, settings: Settings) -> Self {
        let settings = Settings { connections: wanted.at_once, ..settings };
        Self { from, wanted, settings, state: RwLock::default() }
    }

    pub(super) fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn write<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The step of one mode. Fills the columns `status` and `bytes`.
struct Fetch<'j> {
    job: &'j FetchJob,
    mode: Mode,
    /// Whether it is the last step, whose bodies are kept.
    last: bool,
    /// Seconds of hashing in the last run.
    hashing: Mutex<f64>,
}

impl Kernel for Fetch<'_> {
    fn name(&self) -> &'static str {
        self.mode.kernel()
    }

    fn item(&self) -> &'static str {
        "file"
    }

    fn items(&self) -> u64 {
        self.job.from.count()
    }

    fn precision(&self) -> Precision {
        Precision::Integer
    }

    /// It waits: nothing that a processor or its memory would do for it.
    fn work(&self) -> Work {
        Work { flops: 0.0, bytes_read: 0.0, bytes_written: 0.0 }
    }

    fn size(&self) -> f64 {
        self.items() as f64
    }

    fn class(&self) -> Class {
        Class::Exact
    }

    fn columns(&self) -> Vec<ColumnSpec> {
        let column = |name, scalar| ColumnSpec { name, scalar, per_item: 1 };
        vec![column("status", Scalar::U32), column("bytes", Scalar::F64)]
    }

    fn seq(&self, _: &mut ChunkOut<'_>) {}
}

impl Whole for Fetch<'_> {
    fn solve(&self, host: &Host<'_>, before: &[Output], out: &mut Output) -> Result<()> {
        let job = self.job;
        if before.is_empty() {
            job.write(|state| *state = State::default());
        }
        let urls = job.from.urls()?;
        // A server of our own has the other end of each connection.
        let ends = if job.from.files().is_some() { 2 } else { 1 };
        allow_open_files(ends * job.wanted.at_once);
        let client = Client::new(job.settings.clone());
        let most = crate::memory::available().unwrap_or(8 << 30) / 2;
        let nobody = AtomicU64::new(0);
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let got = fetch(self.mode, urls, job.wanted.at_once, &client, most, host.done.unwrap_or(&nobody))?;
        let seconds = start.elapsed().as_secs_f64();
        let cpu_seconds = cpu.and_then(|before| Some(cpu_seconds()? - before));
        let start = Instant::now();
        let keep = self.last && job.wanted.keep;
        let (files, bodies): (Vec<File>, Vec<Option<Vec<u8>>>) = match host.pool {
            Some(pool) => pool.install(|| got.into_par_iter().map(|got| file(got, keep)).unzip()),
            None => got.into_iter().map(|got| file(got, keep)).unzip(),
        };
        *self.hashing.lock().unwrap_or_else(PoisonError::into_inner) = start.elapsed().as_secs_f64();
        for (to, file) in out.column_mut::<u32>(0).iter_mut().zip(&files) {
            *to = u32::from(file.status);
        }
        for (to, file) in out.column_mut::<f64>(1).iter_mut().zip(&files) {
            *to = file.bytes as f64;
        }
        job.write(|state| {
            state.rounds.push(Round { mode: self.mode, seconds, cpu_seconds, files });
            state.bodies = bodies;
        });
        Ok(())
    }

    fn parts(&self) -> Vec<(&'static str, f64)> {
        vec![("hash", *self.hashing.lock().unwrap_or_else(PoisonError::into_inner))]
    }
}

/// What is told of one URL, and its body if it is to be kept.
fn file((reply, seconds): Got, keep: bool) -> (File, Option<Vec<u8>>) {
    match reply {
        Ok(reply) => {
            let sha256 = Some(Sha256::digest(&reply.body).into());
            let (bytes, declared) = (reply.body.len() as u64, reply.declared);
            let file = File { status: reply.status, bytes, declared, seconds, sha256, failure: None };
            (file, keep.then_some(reply.body))
        }
        Err(failure) => {
            let status = failure.status.unwrap_or(0);
            (File { status, bytes: 0, declared: None, seconds, sha256: None, failure: Some(failure) }, None)
        }
    }
}

impl Job for FetchJob {
    fn input(&self) -> Input {
        let source = match &self.from {
            Where::Own { files, .. } => format!(
                "from hetero's own server on loopback, {} and {} each",
                crate::units::seconds(files.latency.as_secs_f64()),
                crate::units::bytes(files.size as u64)
            ),
            Where::Named(urls) => match &urls[..] {
                [] => "none".into(),
                [one] => crate::net::shown(one),
                [first, ..] => format!("{} and {} more", crate::net::shown(first), urls.len() - 1),
            },
        };
        Input { items: self.from.count(), item: "file", source }
    }

    fn items_of_a_run(&self) -> u64 {
        self.from.count() * self.wanted.modes.len() as u64
    }

    fn precisions(&self) -> &[Precision] {
        &[Precision::Integer]
    }

    fn stays_on_cpu(&self) -> Option<&'static str> {
        Some(STAYS)
    }

    fn repeat(&self) -> Repeat {
        Repeat::AsAsked
    }

    fn steps(&self, precision: Precision) -> Result<Vec<Step<'_>>> {
        if precision != Precision::Integer {
            return Err(Error::Usage(format!("fetch computes nothing in {}; leave --precision out", precision.name())));
        }
        let modes = &self.wanted.modes;
        let step = |(i, mode): (usize, &Mode)| {
            let fetch = Fetch { job: self, mode: *mode, last: i + 1 == modes.len(), hashing: Mutex::new(0.0) };
            Step::Whole(Box::new(fetch))
        };
        Ok(modes.iter().enumerate().map(step).collect())
    }

    fn finish(&self, _: &[Output]) -> Result<Answer> {
        self.write(answer::compare);
        Ok(self.read(|state| answer::answer(self, state)))
    }

    fn check(&self, outputs: &[Output], answer: &Answer) -> Result<Check> {
        self.read(|state| check::check(self, state, outputs, answer))
    }

    fn save(&self, _: &[Output], path: &Path) -> Result<()> {
        let urls = self.from.urls()?;
        self.read(|state| save::save(urls, state, path))
    }

    fn unsolved(&self, _: &[Output]) -> Result<()> {
        let urls = self.from.urls()?;
        self.read(|state| answer::unsolved(urls, state))
    }

    fn warnings(&self) -> Vec<String> {
        self.read(|state| answer::warnings(self, state))
    }
}
