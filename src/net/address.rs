//! Where a URL leads: what is connected to, and what is asked there.

use base64::Engine;
use url::{Host, Url};

use super::failure::{Failure, Kind};

/// The schemes that hetero reads, for messages.
const SCHEMES: &str = "http, https, s3, gs, az";

/// A parsed http(s) URL.
#[derive(Debug, Clone)]
pub(super) struct Address {
    url: Url,
    /// What a connection belongs to.
    pub(super) origin: Origin,
}

/// The server behind a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// Whether it speaks TLS.
    pub(super) tls: bool,
    /// Name or address; of IPv6 without brackets.
    pub(super) host: String,
    /// Port.
    pub(super) port: u16,
}

impl Address {
    /// Parses an http(s) URL.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let url = Url::parse(text).map_err(|e| Failure::new(Kind::Unusable, format!("not a URL: {e}")))?;
        Self::of(url)
    }

    fn of(url: Url) -> Result<Self, Failure> {
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            other => {
                let why = format!("hetero reads no '{other}:' URLs, only {SCHEMES}; of a file name the path");
                return Err(Failure::new(Kind::Unusable, why));
            }
        };
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_string(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => return Err(Failure::new(Kind::Unusable, "no host")),
        };
        let port = url.port_or_known_default().unwrap_or(80);
        Ok(Self { url, origin: Origin { tls, host, port } })
    }

    /// Where a redirect to `location` leads. From https it stays https, and no other scheme is followed.
    pub(super) fn redirected(&self, location: &str) -> Result<Self, Failure> {
        let broken = |why: String| Failure::new(Kind::Broken, why);
        let url = self.url.join(location).map_err(|e| broken(format!("redirected to what is no URL: {e}")))?;
        match url.scheme() {
            "https" => {}
            "http" if !self.origin.tls => {}
            "http" => return Err(broken(format!("redirected from https to {}", super::shown(url.as_str())))),
            other => return Err(broken(format!("redirected to a '{other}:' URL, which is not followed"))),
        }
        // User and password go along within the same server only.
        Self::of(url)
    }

    /// Path and query, as the request names them.
    pub(super) fn target(&self) -> &str {
        &self.url[url::Position::BeforePath..url::Position::AfterQuery]
    }

    /// The whole URL without user and fragment, as a proxy is asked.
    pub(super) fn absolute(&self) -> String {
        format!("{}://{}{}", self.url.scheme(), self.host(), self.target())
    }

    /// The `Host` header: with the port unless it is the usual one.
    pub(super) fn host(&self) -> &str {
        &self.url[url::Position::BeforeHost..url::Position::AfterPort]
    }

    /// The `Authorization` header of user and password in the URL.
    pub(super) fn authorization(&self) -> Option<String> {
        basic(&self.url)
    }
}

/// `Basic ...` of a URL's user and password, if it has them.
pub(super) fn basic(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let plain = |text: &str| percent_decoded(text);
    let pair = [&plain(url.username())[..], b":", &plain(url.password().unwrap_or(""))[..]].concat();
    Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
}

/// The bytes behind `%41`.
fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match hex.filter(|_| bytes[at] == b'%') {
            Some(byte) => (out.push(byte), at += 3).1,
            None => (out.push(bytes[at]), at += 1).1,
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn a_url_is_taken_apart() {
        let a = address("http://me:p%40ss@Host:8080/a b/c?q=1#frag");
        assert_eq!(a.origin, Origin { tls: false, host: "host".into(), port: 8080 });
        assert_eq!((a.target(), a.host()), ("/a%20b/c?q=1", "host:8080"));
        assert_eq!(a.absolute(), "http://host:8080/a%20b/c?q=1");
        assert_eq!(a.authorization().unwrap(), "Basic bWU6cEBzcw==");
        let plain = address("https://[::1]/");
        assert_eq!((plain.origin.host.as_str(), plain.origin.port, plain.host()), ("::1", 443, "[::1]"));
        assert_eq!(plain.authorization(), None);
        for bad in ["ftp://a/b", "file:///etc/passwd", "http://", "http://a:99999/"] {
            assert_eq!(Address::parse(bad).unwrap_err().kind, Kind::Unusable, "{bad}");
        }
    }

    #[test]
    fn redirects_stay_with_http_and_never_leave_tls() {
        let a = address("http://me:secret@host/dir/a");
        assert_eq!(a.redirected("b?x").unwrap().absolute(), "http://host/dir/b?x");
        assert_eq!(a.redirected("//other/b").unwrap().authorization(), None, "credentials are for their own host");
        assert!(a.redirected("/c").unwrap().authorization().is_some());
        assert_eq!(a.redirected("https://other/").unwrap().origin.port, 443);
        for to in
            ["file:///etc/passwd", "ftp://host/", "s3://bucket/key", "data:text/plain,x", "http://[", "javascript:x"]
        {
            assert_eq!(a.redirected(to).unwrap_err().kind, Kind::Broken, "{to}");
        }
        assert_eq!(address("https://host/").redirected("http://host/").unwrap_err().kind, Kind::Broken);
    }
}
