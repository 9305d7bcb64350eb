//! Workload `fetch`: many URLs, one after the other, by threads, or all at once. Nothing is computed: it shows what overlapping
//! does for work that waits.
//!
//! The mode says how requests overlap; the backends `seq` and `cpu` wait alike. All modes speak the same HTTP with the same
//! bounds (`[net]` of the settings), so what differs is the waiting alone.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::{Context, KernelInfo, Workload};
use crate::error::{Error, Place, Result};
use crate::formats::source::Source;
use crate::job::Job;
use crate::net::loopback::Files;
use crate::net::{self, Settings};
use crate::units;

mod answer;
mod check;
mod job;
mod modes;
mod save;
#[cfg(test)]
mod tests;

use job::{FetchJob, Wanted, Where};
use modes::Mode;

/// The registry entry.
pub struct FetchWorkload;

/// Why it has no GPU form.
const STAYS: &str = "fetch waits for servers and computes nothing that a GPU could do";

/// The most files of one run: names and results are kept in memory.
const MOST: u64 = 10_000_000;

static KERNELS: &[KernelInfo] = &[
    KernelInfo {
        name: Mode::Seq.kernel(),
        item: "file",
        precisions: "integer",
        cpu_only: Some(STAYS),
        about: "--mode seq: one after the other",
    },
    KernelInfo {
        name: Mode::Threads.kernel(),
        item: "file",
        precisions: "integer",
        cpu_only: Some(STAYS),
        about: "--mode threads: one OS thread for each request at once",
    },
    KernelInfo {
        name: Mode::Async.kernel(),
        item: "file",
        precisions: "integer",
        cpu_only: Some(STAYS),
        about: "--mode async: one thread that waits for all of them; a few for hundreds",
    },
];

impl Workload for FetchWorkload {
    fn name(&self) -> &'static str {
        "fetch"
    }

    fn about(&self) -> &'static str {
        "downloads URLs one after the other, by threads, and asynchronously: what overlapping does for waiting"
    }

    fn kernels(&self) -> &'static [KernelInfo] {
        KERNELS
    }

    fn args(&self) -> Vec<Arg> {
        let number = |name: &'static str| Arg::new(name).long(name).value_name("N");
        vec![
            Arg::new("url").value_name("URL").num_args(0..).action(ArgAction::Append).help(
                "What is fetched: http(s)://, s3://, gs://, az://. Without any: files of hetero's own server on loopback",
            ),
            Arg::new("urls")
                .long("urls")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("More URLs, one a line; # begins a comment"),
            Arg::new("mode")
                .long("mode")
                .value_name("MODE")
                .value_parser(PossibleValuesParser::new(Mode::ALL.map(Mode::name)))
                .help("How requests overlap; without it each mode fetches everything once, for comparison"),
            number("concurrency")
                .value_parser(|text: &str| at_once(text))
                .help("Requests at once [default: net.connections of the settings, 100]"),
            number("count")
                .default_value("200")
                .conflicts_with_all(["url", "urls"])
                .value_parser(|text: &str| count(text))
                .help("Files of the server on loopback"),
            Arg::new("latency")
                .long("latency")
                .value_name("TIME")
                .default_value("50ms")
                .conflicts_with_all(["url", "urls"])
                .value_parser(|text: &str| latency(text))
                .help("How long it waits before each answer (50ms, 0.2s)"),
            Arg::new("size")
                .long("size")
                .value_name("BYTES")
                .default_value("1000")
                .conflicts_with_all(["url", "urls"])
                .value_parser(|text: &str| size(text))
                .help("Bytes of one of its files"),
            Arg::new("verify-twice")
                .long("verify-twice")
                .action(ArgAction::SetTrue)
                .help("Fetch a few of the URLs once more, to see whether they give the same bytes"),
        ]
    }

    fn prepare(&self, args: &ArgMatches, context: &Context) -> Result<Box<dyn Job>> {
        let mut urls = Vec::new();
        for url in args.get_many::<String>("url").unwrap_or_default() {
            net::check(url)?;
            urls.push(url.clone());
        }
        if let Some(file) = args.get_one::<PathBuf>("urls") {
            urls.extend(listed(&Source::open(file)?)?);
        }
        let named = args.contains_id("url") && args.get_many::<String>("url").is_some() || args.contains_id("urls");
        let from = if named {
            Where::Named(urls)
        } else {
            let size = *args.get_one::<u64>("size").expect("it has a default");
            let latency = *args.get_one::<Duration>("latency").expect("it has a default");
            let size = usize::try_from(size).map_err(|_| Error::memory("one file", size))?;
            Where::own(Files { latency, size, seed: context.seed }, *args.get_one("count").expect("it has a default"))
        };
        let output = args.try_get_one::<PathBuf>("output").ok().flatten();
        if let Some(path) = output {
            save::check_output(path)?;
        }
        let mode = args.get_one::<String>("mode").map(|name| Mode::named(name));
        let settings = net::settings();
        let wanted = Wanted {
            modes: mode.map_or(Mode::ALL.to_vec(), |mode| vec![mode]),
            at_once: args.get_one("concurrency").copied().unwrap_or(settings.connections),
            verify_twice: args.get_flag("verify-twice"),
            keep: output.is_some_and(|path| !save::is_manifest(path)),
        };
        Ok(Box::new(FetchJob::new(from, wanted, settings)))
    }

    /// Files of 100 bytes that the server on loopback sends at once; at most 1000, since a request is work for both sides.
    fn sized(&self, items: u64, context: &Context) -> Result<Vec<(String, Box<dyn Job>)>> {
        let job =
            |mode: Mode| (mode.name().to_string(), Box::new(sized(items.min(1000), mode, context)) as Box<dyn Job>);
        Ok([Mode::Async, Mode::Threads, Mode::Seq].map(job).into())
    }

    fn sized_variant(&self, items: u64, variant: &str, context: &Context) -> Result<Box<dyn Job>> {
        match Mode::ALL.into_iter().find(|mode| mode.name() == variant) {
            Some(mode) => Ok(Box::new(sized(items.min(100_000), mode, context))),
            None => Err(super::no_variant("fetch", variant, items)),
        }
    }
}

fn sized(items: u64, mode: Mode, context: &Context) -> FetchJob {
    let files = Files { latency: Duration::ZERO, size: 100, seed: context.seed };
    let settings = Settings::default();
    let wanted = Wanted { modes: vec![mode], at_once: 16, verify_twice: false, keep: false };
    FetchJob::new(Where::own(files, items), wanted, settings)
}

/// The URLs of a list: one a line, `#` at the begin of a line or after a blank begins a comment.
fn listed(source: &Source) -> Result<Vec<String>> {
    let text = std::str::from_utf8(source.bytes())
        .map_err(|e| source.error(Place::Byte(e.valid_up_to() as u64), "is not UTF-8 text"))?;
    let mut urls = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        // A URL may have a fragment: only a # after a blank is a comment.
        let line = if line.trim_start().starts_with('#') { "" } else { line.split(" #").next().unwrap_or("").trim() };
        if !line.is_empty() {
            let wrong = |e: Error| source.error(Place::Line(number as u64 + 1), e.to_string());
            net::check(line).map_err(wrong)?;
            urls.push(line.to_string());
        }
    }
    if urls.is_empty() {
        return Err(source.error(Place::Whole, "names no URL; one stands on each line"));
    }
    Ok(urls)
}

fn at_once(text: &str) -> Result<usize, String> {
    match units::parse_count(text)? {
        n @ 1..=16_384 => Ok(n as usize),
        n => Err(format!("{n} requests at once are none or too many; 1 to 16384")),
    }
}

fn count(text: &str) -> Result<u64, String> {
    match units::parse_count(text)? {
        n if n <= MOST => Ok(n),
        n => Err(format!("{n} files are more than the {MOST} of one run")),
    }
}

fn size(text: &str) -> Result<u64, String> {
    match units::parse_bytes(text)? {
        n if n <= 1 << 30 => Ok(n),
        _ => Err("a file of the server on loopback has at most 1 GiB".into()),
    }
}

/// `50ms`, `0.2s`, `200us`; a plain number is seconds.
fn latency(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1e-3), ("us", 1e-6), ("s", 1.0), ("", 1.0)];
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit))).expect("'' fits");
    let seconds = number.trim().parse::<f64>().ok().map(|number| number * unit);
    match seconds.filter(|seconds| (0.0..=60.0).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
        None => Err(format!("'{text}' is no time up to a minute, such as 50ms or 0.2s")),
    }
}
