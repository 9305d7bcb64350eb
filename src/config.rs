//! Settings in layers: the built-in `config/default.toml`, the user's file, the environment, flags. Every value knows
//! where it came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Place, Result};
use crate::units;

/// The built-in settings: every knob, with its unit and reason.
pub const DEFAULT: &str = include_str!("../config/default.toml");

/// `HETERO_*` variables that are not settings but belong to the program.
const OTHER_VARIABLES: &[&str] =
    &["HETERO_CONFIG", "HETERO_LOG", "HETERO_CACHE", "HETERO_TEST_GPU", "HETERO_TEST_BROWSER"];

/// All settings, typed. Field names are the keys of `config/default.toml`, where each is documented.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config/default.toml, and a test holds the two together")]
pub struct Config {
    pub run: Run,
    pub cpu: Cpu,
    pub gpu: Gpu,
    pub net: Net,
    pub io: Io,
    pub report: ReportStyle,
}

/// `[run]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config/default.toml")]
pub struct Run {
    pub backend: String,
    pub baseline: String,
    pub precision: String,
    #[serde(deserialize_with = "any_u64")]
    pub seed: u64,
    pub runs: u32,
    pub min_runs: u32,
    pub max_runs: u32,
    pub budget: f64,
    pub baseline_limit: f64,
    pub limits: bool,
    pub hybrid: String,
    pub regret: bool,
    pub learn: bool,
}

/// `[cpu]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config/default.toml")]
pub struct Cpu {
    pub threads: usize,
    pub pin: bool,
    pub simd: String,
}

/// `[gpu]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config/default.toml")]
pub struct Gpu {
    pub adapter: String,
    pub require_hardware: bool,
    pub max_device_memory: String,
    pub dispatch_target: f64,
    pub timeout: f64,
}

/// `[net]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config/default.toml")]
pub struct Net {
    pub connections: usize,
    pub bytes_in_flight: String,
    pub connect_timeout: f64,
    pub idle_timeout: f64,
    pub total_timeout: f64,
    pub max_bytes: String,
    pub retries: u32,
    pub retry_wait: f64,
    pub redirects: u32,
}

/// `[io]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config/default.toml")]
pub struct Io {
    pub readers: usize,
    pub writers: usize,
    pub cases: usize,
    pub bytes: String,
}

impl Io {
    /// These settings with numbers of threads: where they are 0 one for every two processors, at most two, since what reads
    /// and writes computes as well; and at least `waiting` that read, for inputs that are waited for.
    #[must_use]
    pub fn with_threads(&self, waiting: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let few = |threads: usize| if threads == 0 { (processors / 2).clamp(1, 2) } else { threads };
        Self { readers: few(self.readers).max(waiting), writers: few(self.writers), ..self.clone() }
    }
}

/// `[report]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in config/default.toml")]
pub struct ReportStyle {
    pub format: String,
    pub ascii: bool,
    pub progress: bool,
}

/// TOML's integers end at 2^63 - 1; a larger seed is kept as text.
fn any_u64<'de, D: serde::Deserializer<'de>>(input: D) -> std::result::Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(input)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => units::parse_count(&text).map_err(serde::de::Error::custom),
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `config/default.toml`.
    Default,
    /// A file of the user's.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) => write!(f, "${name}"),
            Origin::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// The layers as they are put on each other.
#[derive(Debug, Clone)]
pub struct Layers {
    values: BTreeMap<String, (toml::Value, Origin)>,
    /// Knobs in the order of the file, for printing.
    order: Vec<String>,
}

impl Default for Layers {
    fn default() -> Self {
        let mut values = BTreeMap::new();
        let mut order = Vec::new();
        let table: toml::Table = DEFAULT.parse().expect("the built-in settings are valid TOML");
        // The table is sorted by key; the file's own order reads better.
        for (section, keys) in &table {
            for (key, value) in keys.as_table().expect("the built-in settings have sections") {
                values.insert(format!("{section}.{key}"), (value.clone(), Origin::Default));
            }
        }
        let mut section = "";
        for line in DEFAULT.lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end().trim_end_matches(']');
            } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
                order.push(format!("{section}.{}", key.trim()));
            }
        }
        Self { values, order }
    }
}

impl Layers {
    /// Puts a file on top.
    ///
    /// # Errors
    /// [`Error::Usage`] for broken TOML, an unknown knob or a value of the wrong type.
    pub fn file(&mut self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::Usage(format!("{}: cannot read the settings: {e}", path.display())))?;
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
            let place = e.span().map_or(Place::Whole, |span| Place::line_of(text.as_bytes(), span.start));
            Error::Usage(format!("{}{place}: not valid TOML: {}", path.display(), one_line(e.message())))
        })?;
        for (section, keys) in &table {
            let Some(keys) = keys.as_table() else {
                return Err(Error::Usage(format!("{}: '{section}' is not a section", path.display())));
            };
            for (key, value) in keys {
                self.set(&format!("{section}.{key}"), value.clone(), Origin::File(path.to_path_buf()))?;
            }
        }
        Ok(())
    }

    /// Puts `HETERO_<SECTION>_<KEY>` variables on top.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown `HETERO_` variable or a value that does not parse.
    pub fn environment(&mut self, variables: impl Iterator<Item = (String, String)>) -> Result<()> {
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix("HETERO_") else { continue };
            if OTHER_VARIABLES.contains(&name.as_str()) {
                continue;
            }
            let wanted = rest.to_ascii_lowercase();
            let Some(knob) = self.order.iter().find(|knob| knob.replace('.', "_") == wanted).cloned() else {
                return Err(Error::Usage(format!(
                    "the environment variable {name} is no setting of hetero; `hetero config` lists them"
                )));
            };
            self.parse(&knob, &text, Origin::Environment(name))?;
        }
        Ok(())
    }

    /// Puts one value on top, given as text.
    ///
    /// # Errors
    /// [`Error::Usage`] when the text is not a value of the knob's type.
    pub fn parse(&mut self, knob: &str, text: &str, origin: Origin) -> Result<()> {
        let (default, _) = &self.values[knob];
        let value = match default {
            toml::Value::Integer(_) => units::parse_count(text).ok().map(|count| {
                i64::try_from(count).map_or_else(|_| toml::Value::String(count.to_string()), toml::Value::Integer)
            }),
            toml::Value::Float(_) => text.parse::<f64>().ok().filter(|x| x.is_finite()).map(toml::Value::Float),
            toml::Value::Boolean(_) => text.parse().ok().map(toml::Value::Boolean),
            _ => Some(toml::Value::String(text.into())),
        };
        match value {
            Some(value) => self.set(knob, value, origin),
            None => Err(Error::Usage(format!("{origin}: '{text}' is not {} for {knob}", kind(default)))),
        }
    }

    fn set(&mut self, knob: &str, value: toml::Value, origin: Origin) -> Result<()> {
        let Some(slot) = self.values.get_mut(knob) else {
            return Err(Error::Usage(format!("{origin}: there is no setting '{knob}'; `hetero config` lists them")));
        };
        // A whole number is a fine value for a knob in seconds.
        let value = match (&slot.0, value) {
            (toml::Value::Float(_), toml::Value::Integer(whole)) => toml::Value::Float(whole as f64),
            (toml::Value::String(_), toml::Value::Integer(whole)) => toml::Value::String(whole.to_string()),
            (_, value) => value,
        };
        // See `any_u64`.
        let large_seed = knob == "run.seed" && value.as_str().is_some_and(|text| units::parse_count(text).is_ok());
        if value.as_integer().is_some_and(|whole| whole < 0) {
            return Err(Error::Usage(format!("{origin}: {knob} = {value} is not {}", kind(&slot.0))));
        }
        if !large_seed && !slot.0.same_type(&value) {
            return Err(Error::Usage(format!("{origin}: {knob} takes {}, not {value}", kind(&slot.0))));
        }
        *slot = (value, origin);
        Ok(())
    }

    /// The typed settings.
    ///
    /// # Errors
    /// [`Error::Usage`] when a value is out of range, naming its origin.
    pub fn config(&self) -> Result<Config> {
        let mut table = toml::Table::new();
        for (knob, (value, _)) in &self.values {
            let (section, key) = knob.split_once('.').expect("knobs are section.key");
            let section = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            section.as_table_mut().expect("inserted as a table").insert(key.into(), value.clone());
        }
        let config: Config =
            table.try_into().map_err(|e| Error::Usage(format!("settings: {}", one_line(&e.to_string()))))?;
        config.check(self)?;
        Ok(config)
    }

    /// Every knob with its value and origin, in the order of the file.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &toml::Value, &Origin)> {
        self.order.iter().map(|knob| {
            let (value, origin) = &self.values[knob];
            (knob.as_str(), value, origin)
        })
    }

    fn refuse<T>(&self, knob: &str, wanted: &str) -> Result<T> {
        let (value, origin) = &self.values[knob];
        Err(Error::Usage(format!("{origin}: {knob} = {value} is not {wanted}")))
    }
}

/// Settings that backends read, from the configuration and the flags.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackendOptions {
    /// Threads of the cpu backend; 0 means all CPUs this process may use.
    pub threads: usize,
    /// Pin each worker to one CPU.
    pub pin: bool,
    /// Highest instruction set to use: `auto`, `avx512`, `avx2`, `baseline`.
    pub simd: String,
    /// `--adapter`: index or part of the name. `None` takes `gpu:N`'s N, or the best one.
    pub adapter: Option<String>,
    /// Refuse software adapters.
    pub require_hardware: bool,
    /// Device memory that hetero may take, in bytes; 0 means what the device reports.
    pub max_device_memory: u64,
    /// How long one dispatch should take, in seconds.
    pub dispatch_target: f64,
    /// How long to wait for a device before it counts as lost, in seconds.
    pub device_timeout: f64,
}

impl Config {
    fn check(&self, layers: &Layers) -> Result<()> {
        let one_of = |knob: &str, value: &str, words: &[&str]| {
            if words.contains(&value) { Ok(()) } else { layers.refuse(knob, &format!("one of {}", words.join(", "))) }
        };
        one_of("run.precision", &self.run.precision, &["auto", "f32", "mixed", "f64"])?;
        one_of("cpu.simd", &self.cpu.simd, &["auto", "avx512", "avx2", "baseline"])?;
        one_of("report.format", &self.report.format, &["table", "json", "csv", "markdown"])?;
        for (knob, seconds) in [
            ("run.budget", self.run.budget),
            ("run.baseline_limit", self.run.baseline_limit),
            ("gpu.dispatch_target", self.gpu.dispatch_target),
            ("gpu.timeout", self.gpu.timeout),
            ("net.connect_timeout", self.net.connect_timeout),
            ("net.idle_timeout", self.net.idle_timeout),
            ("net.total_timeout", self.net.total_timeout),
            ("net.retry_wait", self.net.retry_wait),
        ] {
            if !(seconds > 0.0 && seconds <= 86_400.0) {
                return layers.refuse(knob, "between 0 and 86400 seconds");
            }
        }
        for (knob, runs) in [("run.runs", self.run.runs), ("run.max_runs", self.run.max_runs)] {
            // Each is kept, with its phases.
            if runs > 1_000_000 {
                return layers.refuse(knob, "at most 1000000");
            }
        }
        if self.run.min_runs == 0 || self.run.max_runs < self.run.min_runs {
            let set = |knob: &str| layers.values[knob].1 != Origin::Default;
            return match self.run.min_runs > 0 && set("run.max_runs") && !set("run.min_runs") {
                true => layers.refuse("run.max_runs", &format!("at least run.min_runs, {}", self.run.min_runs)),
                false => layers.refuse("run.min_runs", "between 1 and run.max_runs"),
            };
        }
        if self.cpu.threads > 4096 {
            return layers.refuse("cpu.threads", "at most 4096");
        }
        if !(1..=16_384).contains(&self.net.connections) {
            return layers.refuse("net.connections", "between 1 and 16384");
        }
        if self.net.retries > 100 || self.net.redirects > 100 {
            let knob = if self.net.retries > 100 { "net.retries" } else { "net.redirects" };
            return layers.refuse(knob, "at most 100");
        }
        for (knob, size) in [
            ("gpu.max_device_memory", &self.gpu.max_device_memory),
            ("io.bytes", &self.io.bytes),
            ("net.bytes_in_flight", &self.net.bytes_in_flight),
            ("net.max_bytes", &self.net.max_bytes),
        ] {
            if units::parse_bytes(size).is_err() {
                return layers.refuse(knob, "a size such as 512M or 2GiB");
            }
        }
        for (knob, count, most) in [("io.readers", self.io.readers, 256), ("io.writers", self.io.writers, 256)] {
            if count > most {
                return layers.refuse(knob, &format!("at most {most}"));
            }
        }
        if !(1..=65_536).contains(&self.io.cases) {
            return layers.refuse("io.cases", "between 1 and 65536");
        }
        Ok(())
    }

    /// What backends read.
    #[must_use]
    pub fn backend_options(&self) -> BackendOptions {
        BackendOptions {
            threads: self.cpu.threads,
            pin: self.cpu.pin,
            simd: self.cpu.simd.clone(),
            adapter: Some(self.gpu.adapter.clone()).filter(|name| !name.is_empty()),
            require_hardware: self.gpu.require_hardware,
            max_device_memory: units::parse_bytes(&self.gpu.max_device_memory).unwrap_or(0),
            dispatch_target: self.gpu.dispatch_target,
            device_timeout: self.gpu.timeout,
        }
    }
}

/// What a knob with this default takes, in words.
fn kind(default: &toml::Value) -> &'static str {
    match default {
        toml::Value::Integer(_) => "a whole number from 0 to 2^64 - 1",
        toml::Value::Float(_) => "a finite number",
        toml::Value::Boolean(_) => "true or false",
        _ => "a text",
    }
}

/// A message of the TOML reader without its line ends.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where the user's settings file is looked for: `$HETERO_CONFIG`, else `hetero/config.toml` in the system's place for
/// configuration (`~/.config` on Linux).
#[must_use]
pub fn user_file() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    if let Some(path) = std::env::var_os("HETERO_CONFIG") {
        return Some(path.into());
    }
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("hetero").join("config.toml"))
}

/// Where what can be measured again is kept: `$HETERO_CACHE` (empty for nowhere), else `hetero` in the system's place for
/// caches (`~/.cache` on Linux).
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    match std::env::var_os("HETERO_CACHE") {
        Some(path) if path.is_empty() => None,
        Some(path) => Some(path.into()),
        None => Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("hetero")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_file_and_the_code_have_the_same_knobs() {
        let layers = Layers::default();
        layers.config().expect("the defaults are valid");
        let mut listed = layers.order.clone();
        listed.sort();
        assert_eq!(listed, layers.values.keys().cloned().collect::<Vec<_>>(), "each knob on a line of its own");
    }

    #[test]
    fn every_knob_says_why() {
        for line in DEFAULT.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')) {
            let reason = line.split_once(" # ").map_or("", |(_, reason)| reason);
            assert!(reason.len() > 20, "no unit and reason: {line}");
        }
    }

    #[test]
    fn the_ci_file_fits() {
        let mut layers = Layers::default();
        layers.file(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config/ci.toml"))).unwrap();
        assert_eq!(layers.config().unwrap().gpu.adapter, "llvmpipe");
    }

    #[test]
    fn later_layers_win_and_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, "[run]\nseed = 1\nbudget = 2\n").unwrap();
        let mut layers = Layers::default();
        layers.file(&path).unwrap();
        let variables = [("HETERO_RUN_SEED", "2"), ("HETERO_TEST_GPU", "require"), ("PATH", "x")];
        layers.environment(variables.into_iter().map(|(k, v)| (k.into(), v.into()))).unwrap();
        assert_eq!(layers.config().unwrap().run.seed, 2);
        layers.parse("run.seed", "1e3", Origin::Flag("seed".into())).unwrap();
        let config = layers.config().unwrap();
        assert_eq!((config.run.seed, config.run.budget), (1000, 2.0));
        layers.parse("run.seed", "18446744073709551615", Origin::Flag("seed".into())).unwrap();
        assert_eq!(layers.config().unwrap().run.seed, u64::MAX);
        let origin = |knob: &str| layers.rows().find(|row| row.0 == knob).unwrap().2.to_string();
        assert_eq!(origin("run.seed"), "--seed");
        assert_eq!(origin("run.budget"), path.display().to_string());
        assert_eq!(origin("cpu.pin"), "default");
    }

    #[test]
    fn wrong_settings_are_usage_errors_that_name_their_origin() {
        let variable = |name: &str, value: &str| {
            let mut layers = Layers::default();
            let pair = (name.to_string(), value.to_string());
            layers.environment(std::iter::once(pair)).and_then(|()| layers.config().map(|_| ())).unwrap_err()
        };
        for (name, value) in [
            ("HETERO_RUN_SEDE", "1"),
            ("HETERO_RUN_SEED", "one"),
            ("HETERO_RUN_BUDGET", "-1"),
            ("HETERO_CPU_SIMD", "avx9"),
            ("HETERO_RUN_MIN_RUNS", "0"),
            ("HETERO_GPU_MAX_DEVICE_MEMORY", "lots"),
        ] {
            let error = variable(name, value);
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn lanes_get_threads_by_processors_and_by_what_is_waited_for() {
        let io = Io { readers: 0, writers: 0, cases: 32, bytes: "1GiB".into() };
        let few = io.with_threads(0);
        assert!((1..=2).contains(&few.readers) && few.writers == few.readers, "{few:?}");
        assert_eq!(io.with_threads(20), Io { readers: 20, ..few });
        let set = Io { readers: 3, writers: 5, ..io };
        assert_eq!(set.with_threads(0), set);
    }
}
