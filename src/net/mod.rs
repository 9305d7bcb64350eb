//! Inputs that are not files: `http(s)://`, and `s3://`, `gs://`, `az://` of object stores. Every wait, size, redirect and
//! number of connections is bounded ([`Settings`], `[net]` of the settings), and nothing is fetched that was not named.
//!
//! The network's own thread starts with the first request: a run without URLs never has one.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use crate::config;
#[cfg(not(feature = "net"))]
use crate::error::Error;
use crate::error::Result;
pub use crate::location::{is_object, is_url, path_of, shown, url_of};

#[cfg(feature = "net")]
mod address;
#[cfg(feature = "net")]
mod budget;
#[cfg(feature = "net")]
mod chunked;
#[cfg(feature = "net")]
mod client;
#[cfg(feature = "net")]
mod connect;
#[cfg(feature = "net")]
mod exchange;
#[cfg(feature = "net")]
mod failure;
#[cfg(feature = "net")]
mod http;
#[cfg(feature = "net")]
pub mod loopback;
#[cfg(feature = "net")]
mod proxy;
#[cfg(feature = "net")]
mod service;
#[cfg(feature = "net")]
mod store;
#[cfg(feature = "net")]
mod tls;

#[cfg(feature = "net")]
pub use client::Client;
#[cfg(feature = "net")]
pub use failure::{Failure, Kind};
#[cfg(feature = "net")]
pub use http::Reply;
#[cfg(feature = "net")]
pub use service::{allow_open_files, fetch_many};

/// The bounds of every request: `[net]` of the settings, where each is explained.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Requests that run at once.
    pub connections: usize,
    /// Bytes of bodies that are being read at once, all requests together.
    pub bytes_in_flight: u64,
    /// To reach a server, TLS included.
    pub connect_timeout: Duration,
    /// Without a byte from it.
    pub idle_timeout: Duration,
    /// One request with its retries, from its turn on.
    pub total_timeout: Duration,
    /// The largest body; 0 for half of the memory that is free.
    pub max_bytes: u64,
    /// How often a request is made again after what passes.
    pub retries: u32,
    /// The longest pause between two tries.
    pub retry_wait: Duration,
    /// Redirects that are followed, one after the other.
    pub redirects: u32,
}

impl From<&config::Net> for Settings {
    fn from(net: &config::Net) -> Self {
        let bytes = |text: &str| crate::units::parse_bytes(text).unwrap_or(0);
        Self {
            connections: net.connections,
            bytes_in_flight: bytes(&net.bytes_in_flight),
            connect_timeout: Duration::from_secs_f64(net.connect_timeout),
            idle_timeout: Duration::from_secs_f64(net.idle_timeout),
            total_timeout: Duration::from_secs_f64(net.total_timeout),
            max_bytes: bytes(&net.max_bytes),
            retries: net.retries,
            retry_wait: Duration::from_secs_f64(net.retry_wait),
            redirects: net.redirects,
        }
    }
}

impl Default for Settings {
    /// Those of `config/default.toml`.
    fn default() -> Self {
        let config = config::Layers::default().config().expect("the built-in settings are valid");
        Self::from(&config.net)
    }
}

/// What [`configure`] was told.
static SETTINGS: RwLock<Option<Settings>> = RwLock::new(None);

/// Sets the bounds of [`get`] and [`list`]. What counts is what was said last before the first request.
pub fn configure(settings: Settings) {
    *SETTINGS.write().unwrap_or_else(PoisonError::into_inner) = Some(settings);
}

/// The bounds in force: those of [`configure`], else the built-in ones.
#[must_use]
pub fn settings() -> Settings {
    SETTINGS.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
}

/// Whether `url` is of a kind that [`get`] fetches, without asking anybody.
///
/// # Errors
/// [`crate::error::Error::Usage`] that says what is.
#[cfg(feature = "net")]
pub fn check(url: &str) -> Result<()> {
    let wrong = |failure: Failure| failure.error(url);
    match is_object(url) {
        true => store::check(url).map_err(wrong),
        false => address::Address::parse(url).map(drop).map_err(wrong),
    }
}

/// The bytes behind `url`. Waits; may be called from many threads at once, which then share [`Settings::connections`] and
/// [`Settings::bytes_in_flight`].
///
/// # Errors
/// [`crate::error::Error::Usage`] for what is no URL that hetero reads; [`crate::error::Error::Input`] when the server says that there is nothing, or sends
/// what contradicts itself; [`crate::error::Error::Resource`] when it cannot be reached, takes too long, or sends more than fits.
#[cfg(feature = "net")]
pub fn get(url: &str) -> Result<Vec<u8>> {
    service::Service::shared()?.get(url)
}

/// As with the feature `net`, which this build lacks.
///
/// # Errors
/// Always [`crate::error::Error::Usage`].
#[cfg(not(feature = "net"))]
pub fn get(url: &str) -> Result<Vec<u8>> {
    Err(without_net(url))
}

/// The URLs of all objects below `url`, a prefix in an object store, sorted.
///
/// # Errors
/// As [`get`]; [`crate::error::Error::Usage`] for http(s), which has no listing.
#[cfg(feature = "net")]
pub fn list(url: &str) -> Result<Vec<String>> {
    service::Service::shared()?.list(url)
}

/// As with the feature `net`, which this build lacks.
///
/// # Errors
/// Always [`crate::error::Error::Usage`].
#[cfg(not(feature = "net"))]
pub fn list(url: &str) -> Result<Vec<String>> {
    Err(without_net(url))
}

#[cfg(not(feature = "net"))]
fn without_net(url: &str) -> Error {
    Error::Usage(format!("{}: this build reads no URLs (feature net); fetch it first and name the file", shown(url)))
}

#[cfg(all(test, not(feature = "net")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_net_says_so() {
        let error = get("http://me:secret@127.0.0.1/a").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("feature net") && !error.to_string().contains("secret"), "{error}");
        assert_eq!(list("s3://a/b").unwrap_err().exit_code(), 2);
    }
}
