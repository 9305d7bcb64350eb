//! Proxies, as the environment names them: `https_proxy`, `http_proxy`, `all_proxy`, and `no_proxy` (names, with everything
//! below them; `*` for all; no address ranges). A loopback address is never asked for through a proxy.

use std::net::IpAddr;

use url::Url;

use super::address::{Origin, basic};
use super::failure::{Failure, Kind};

/// What the environment says.
#[derive(Debug, Clone, Default)]
pub(super) struct Proxies {
    http: Option<String>,
    https: Option<String>,
    except: Vec<String>,
}

/// One proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// The `Proxy-Authorization` header.
    pub(super) authorization: Option<String>,
}

impl Proxies {
    /// From the variables that `variable` looks up.
    pub(super) fn from(variable: impl Fn(&str) -> Option<String>) -> Self {
        let named = |name: &str| {
            let upper = || variable(&name.to_ascii_uppercase());
            variable(name).or_else(upper).filter(|text| !text.is_empty())
        };
        let all = named("all_proxy");
        let except = named("no_proxy").unwrap_or_default();
        Self {
            http: named("http_proxy").or_else(|| all.clone()),
            https: named("https_proxy").or(all),
            except: except.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|n| !n.is_empty()).collect(),
        }
    }

    /// The proxy for `origin`, if there is one.
    pub(super) fn of(&self, origin: &Origin) -> Result<Option<Proxy>, Failure> {
        let Some(text) = (if origin.tls { &self.https } else { &self.http }) else { return Ok(None) };
        if is_loopback(&origin.host) || self.except.iter().any(|name| excepts(name, origin)) {
            return Ok(None);
        }
        let text = if text.contains("://") { text.clone() } else { format!("http://{text}") };
        let unusable = |why: &str| Failure::new(Kind::Unusable, format!("the proxy {}: {why}", super::shown(&text)));
        let url = Url::parse(&text).map_err(|e| unusable(&e.to_string()))?;
        if url.scheme() != "http" {
            return Err(unusable("hetero speaks to http:// proxies only; set no_proxy to go without"));
        }
        let host = url.host_str().ok_or_else(|| unusable("it has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_string();
        Ok(Some(Proxy { host, port: url.port_or_known_default().unwrap_or(80), authorization: basic(&url) }))
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether the `no_proxy` entry `name` (`host`, `.host`, `host:port`, `*`) means `origin`.
fn excepts(name: &str, origin: &Origin) -> bool {
    let (name, port) = match name.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => (name, port.parse().ok()),
        _ => (name, None),
    };
    let host = origin.host.to_ascii_lowercase();
    let name = name.trim_start_matches("*.").trim_start_matches('.');
    let below = host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    (name == "*" || below) && port.is_none_or(|port: u16| port == origin.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(variables: &[(&str, &str)], url: (bool, &str, u16)) -> Option<Proxy> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        Proxies::from(find).of(&Origin { tls: url.0, host: url.1.into(), port: url.2 }).unwrap()
    }

    #[test]
    fn the_environment_names_proxies_and_exceptions() {
        let set = [
            ("http_proxy", "http://me:pw@proxy:3128"),
            ("HTTPS_PROXY", "secure"),
            ("no_proxy", "intern.org, *.lab,a:81"),
        ];
        let proxy = ask(&set, (false, "example.org", 80)).unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy", 3128));
        assert_eq!(proxy.authorization.as_deref(), Some("Basic bWU6cHc="));
        assert_eq!(ask(&set, (true, "example.org", 443)).unwrap().host, "secure");
        for direct in ["intern.org", "x.intern.org", "x.lab", "localhost", "127.0.0.1", "::1"] {
            assert_eq!(ask(&set, (false, direct, 80)), None, "{direct}");
        }
        assert!(ask(&set, (false, "notintern.org", 80)).is_some());
        assert!(ask(&set, (false, "a", 80)).is_some() && ask(&set, (false, "a", 81)).is_none());
        assert_eq!(ask(&[("all_proxy", "p"), ("NO_PROXY", "*")], (true, "a", 443)), None);
        assert_eq!(ask(&[], (true, "a", 443)), None);
        let socks = Proxies::from(|name| (name == "all_proxy").then(|| "socks5://me:secret@p".to_string()));
        let failure = socks.of(&Origin { tls: true, host: "a".into(), port: 443 }).unwrap_err();
        assert!(failure.kind == Kind::Unusable && !failure.why.contains("secret"), "{}", failure.why);
    }
}
