//! A connection to a server: its name looked up once, through a proxy where there is one, with TLS where it speaks it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::address::Origin;
use super::exchange::Io;
use super::failure::{Failure, Kind};
use super::proxy::{Proxies, Proxy};
use super::tls;

/// Bytes of a proxy's answer to CONNECT at most.
const CONNECT_HEAD: usize = 16 << 10;

/// The addresses of one name, once somebody has asked.
type Name = Arc<OnceCell<Vec<SocketAddr>>>;

/// Opens connections.
#[derive(Debug)]
pub(super) struct Connector {
    limit: Duration,
    proxies: Proxies,
    /// Names that were looked up: a thousand requests to one server ask once.
    names: Mutex<HashMap<(String, u16), Name>>,
}

impl Connector {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, proxies: Proxies::from(|name| std::env::var(name).ok()), names: Mutex::default() }
    }

    /// The proxy on the way to `origin`.
    pub(super) fn proxy(&self, origin: &Origin) -> Result<Option<Proxy>, Failure> {
        self.proxies.of(origin)
    }

    /// Connects to `origin`, within the limit.
    pub(super) async fn connect(&self, origin: &Origin, proxy: Option<&Proxy>) -> Result<Box<dyn Io>, Failure> {
        let connected = timeout(self.limit, async {
            let (host, port) = proxy.map_or((&origin.host, origin.port), |proxy| (&proxy.host, proxy.port));
            let mut stream = self.tcp(host, port).await?;
            if !origin.tls {
                return Ok(Box::new(stream) as Box<dyn Io>);
            }
            // A handshake is several small writes.
            let _ = stream.set_nodelay(true);
            if let Some(proxy) = proxy {
                tunnel(&mut stream, origin, proxy).await?;
            }
            tls::handshake(stream, &origin.host).await
        });
        let late = |_| {
            let why = format!("no connection within {:.1} s (net.connect_timeout)", self.limit.as_secs_f64());
            Failure::new(Kind::Unreachable, why)
        };
        connected.await.map_err(late)?
    }

    async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, Failure> {
        let refused = |e: std::io::Error| Failure::new(Kind::Unreachable, format!("cannot connect: {e}"));
        if let Ok(ip) = host.parse::<IpAddr>() {
            return TcpStream::connect((ip, port)).await.map_err(refused);
        }
        let name = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(names.entry((host.to_string(), port)).or_default())
        };
        let unknown = |why: String| Failure::new(Kind::Unreachable, format!("'{host}' has no address: {why}"));
        let found = name.get_or_try_init(|| async {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((host, port)).await.map_err(|e| unknown(e.to_string()))?.collect();
            if found.is_empty() { Err(unknown("the name is empty".into())) } else { Ok(found) }
        });
        TcpStream::connect(&found.await?[..]).await.map_err(refused)
    }
}

/// Asks `proxy` to pass everything on to `origin`.
async fn tunnel(stream: &mut TcpStream, origin: &Origin, proxy: &Proxy) -> Result<(), Failure> {
    let broke = |e: std::io::Error| Failure::new(Kind::Unreachable, format!("the proxy went away: {e}"));
    let to = if origin.host.contains(':') {
        format!("[{}]:{}", origin.host, origin.port)
    } else {
        format!("{}:{}", origin.host, origin.port)
    };
    let authorization =
        proxy.authorization.as_ref().map_or(String::new(), |value| format!("Proxy-Authorization: {value}\r\n"));
    stream
        .write_all(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{authorization}\r\n").as_bytes())
        .await
        .map_err(broke)?;
    let mut head = Vec::new();
    // Byte by byte: what follows the head belongs to TLS.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= CONNECT_HEAD {
            return Err(Failure::new(Kind::Broken, "the proxy's answer has no end"));
        }
        head.push(stream.read_u8().await.map_err(broke)?);
    }
    let mut space = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut space);
    let parsed = answer.parse(&head);
    match answer.code {
        Some(200..=299) if parsed.is_ok() => Ok(()),
        Some(status) => {
            let why = format!("the proxy {} answered {status} instead of a connection", proxy.host);
            Err(Failure::new(Kind::Status, why))
        }
        None => Err(Failure::new(Kind::Broken, "the proxy does not speak HTTP")),
    }
}
