//! The profile on disk: one file for each kind of machine, so that nodes that share a home folder do not share facts.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Profile, SCHEMA};
use crate::config::cache_folder;
use crate::error::{Error, Result};
use crate::formats::source::write_whole;
use crate::machine::Machine;

/// Whose facts a profile holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Version of hetero: other versions have other kernels.
    pub version: String,
    /// Name of the processor.
    pub cpu: String,
    /// Logical CPUs that the process may use.
    pub threads: usize,
    /// Instruction set.
    pub simd: String,
}

impl Key {
    /// Of this program on `machine`.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        Self {
            // A build without optimisation is another program where time is concerned.
            version: format!("{}{}", env!("CARGO_PKG_VERSION"), if cfg!(debug_assertions) { " (debug)" } else { "" }),
            cpu: machine.cpu.clone(),
            threads: machine.usable_threads,
            simd: machine.simd.into(),
        }
    }
}

/// Larger files are not profiles of ours: those have some hundred kilobytes.
const LARGEST: u64 = 16 << 20;

/// What was found where the profile is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Facts of this machine and version.
    Ours(Box<Profile>),
    /// No file.
    None,
    /// A file that does not count here, and why.
    Stale(String),
}

impl Found {
    /// The profile of the machine that `key` describes.
    #[must_use]
    pub fn load(key: &Key) -> Self {
        match path(key) {
            Some(path) if path.exists() => match Profile::read(&path) {
                Ok(profile) => match profile.foreign(key) {
                    None => Found::Ours(Box::new(profile)),
                    Some(why) => Found::Stale(why),
                },
                Err(error) => Found::Stale(error.to_string()),
            },
            _ => Found::None,
        }
    }
}

/// Where the profile of such a machine is kept; `None` when nothing is (`HETERO_CACHE` is empty).
#[must_use]
pub fn path(key: &Key) -> Option<PathBuf> {
    let mut hasher = DefaultHasher::new();
    // Not the version: a new one finds the old file, says that it is stale, and replaces it.
    (&key.cpu, key.threads, &key.simd).hash(&mut hasher);
    Some(cache_folder()?.join(format!("profile-{:016x}.json", hasher.finish())))
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// [`Error::Input`] for what is no profile of this format.
    pub fn read(path: &Path) -> Result<Self> {
        let wrong = |why: String| Error::input(path, why);
        let size = std::fs::metadata(path).map_err(|e| wrong(format!("cannot be read: {e}")))?.len();
        if size > LARGEST {
            return Err(wrong(format!("{size} bytes are too many for a profile")));
        }
        let text = std::fs::read(path).map_err(|e| wrong(format!("cannot be read: {e}")))?;
        let profile: Self = serde_json::from_slice(&text).map_err(|e| wrong(format!("not a profile: {e}")))?;
        if profile.schema != SCHEMA {
            return Err(wrong(format!("the profile is of the format '{}', not {SCHEMA}", profile.schema)));
        }
        Ok(profile)
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Resource`] when the disk refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "make the folder", &e))?;
        }
        let text = serde_json::to_string(self).map_err(|e| Error::Internal(format!("profile: {e}")))?;
        write_whole(path, |w| w.write_all(text.as_bytes()).map_err(|e| Error::io(path, "write", &e)))
    }

    /// Why it does not count for the machine that `key` describes; `None` when it does.
    #[must_use]
    pub fn foreign(&self, key: &Key) -> Option<String> {
        let Key { version, cpu, threads, simd } = &self.key;
        let differs = |what: &str, theirs: &dyn std::fmt::Display, ours: &dyn std::fmt::Display| {
            Some(format!("the profile is of {what} {theirs}, this is {ours}"))
        };
        if *version != key.version {
            return differs("hetero", version, &key.version);
        }
        if *cpu != key.cpu {
            return differs("the processor", cpu, &key.cpu);
        }
        if *threads != key.threads {
            return Some(format!("the profile is of {threads} threads, here are {}", key.threads));
        }
        if *simd != key.simd {
            return differs("the instruction set", simd, &key.simd);
        }
        None
    }
}
