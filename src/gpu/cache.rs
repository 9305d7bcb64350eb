//! Self-test results on disk, so that a later process does not pay for them. A cache that cannot be read or written is
//! no cache; nothing else depends on it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::adapters::AdapterReport;
use super::selftest::{SHADERS, SelfTest};
use crate::config::cache_folder;

/// What is stored: the key in full, so that a hash that collides is noticed.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    key: String,
    test: SelfTest,
}

/// Adapter, driver, this program's version and its test: whatever changes one of them asks for a new test.
fn key(adapter: &AdapterReport) -> String {
    let mut shaders = DefaultHasher::new();
    SHADERS.hash(&mut shaders);
    format!(
        "{}|{:?}|{}|{}|{:x}:{:x}|{}|{:x}",
        adapter.name,
        adapter.kind,
        adapter.api,
        adapter.driver,
        adapter.vendor,
        adapter.device,
        env!("CARGO_PKG_VERSION"),
        shaders.finish()
    )
}

fn file(key: &str) -> Option<PathBuf> {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    Some(cache_folder()?.join(format!("selftest-{:016x}.json", hasher.finish())))
}

/// What is known about `adapter`; nothing when the cache has no valid entry.
pub(super) fn load(adapter: &AdapterReport) -> SelfTest {
    let key = key(adapter);
    let read = || -> Option<SelfTest> {
        let path = file(&key)?;
        // A self-test is a few hundred bytes; anything larger is not one.
        if std::fs::metadata(&path).ok()?.len() > 64 << 10 {
            return None;
        }
        let entry: Entry = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        (entry.key == key).then_some(entry.test)
    };
    read().unwrap_or_default()
}

/// Remembers what is known about `adapter`.
pub(super) fn store(adapter: &AdapterReport, test: &SelfTest) {
    let key = key(adapter);
    let write = || -> Option<()> {
        let path = file(&key)?;
        std::fs::create_dir_all(path.parent()?).ok()?;
        let text = serde_json::to_string_pretty(&Entry { key: key.clone(), test: test.clone() }).ok()?;
        crate::formats::source::write_whole(&path, |w| {
            w.write_all(text.as_bytes()).map_err(|e| crate::error::Error::io(&path, "write", &e))
        })
        .ok()
    };
    if write().is_none() {
        tracing::debug!("the self-test of {} could not be stored", adapter.name);
    }
}
