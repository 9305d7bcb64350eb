//! HTTP: a request with its redirects and retries, over connections that are kept for the next one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::address::{Address, Origin};
use super::budget::Budget;
use super::connect::Connector;
use super::exchange::{Answer, Bounds, Io, exchange, peek};
use super::failure::{Failure, Kind};
use super::{Settings, shown};

/// How long an unused connection is kept: servers drop them after 5 s and more.
const KEPT: Duration = Duration::from_secs(4);

/// The pause before the first retry; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What a GET gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 200, or another success.
    pub status: u16,
    /// What `Content-Length` said, where it did. The body has as many bytes.
    pub declared: Option<u64>,
    /// The body.
    pub body: Vec<u8>,
}

/// What several clients share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) slots: Semaphore,
    budget: Budget,
    connector: Connector,
}

/// HTTP, for everything that speaks it.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) settings: Settings,
    pub(super) shared: Arc<Shared>,
    kept: Mutex<HashMap<Origin, Vec<Kept>>>,
}

/// An open connection that nobody uses.
struct Kept {
    io: Box<dyn Io>,
    since: Instant,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("since", &self.since).finish_non_exhaustive()
    }
}

/// A request to one address.
pub(super) struct Request<'r> {
    pub(super) method: &'r str,
    pub(super) address: &'r Address,
    pub(super) headers: &'r [(&'r str, &'r str)],
    pub(super) body: &'r [u8],
}

impl Shared {
    /// What clients with these bounds share.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            slots: Semaphore::new(settings.connections),
            budget: Budget::new(settings.bytes_in_flight),
            connector: Connector::new(settings.connect_timeout),
        }
    }
}

impl Http {
    /// Without connections yet.
    pub(super) fn new(settings: Settings, shared: Arc<Shared>) -> Self {
        Self { settings, shared, kept: Mutex::default() }
    }

    /// Closes the connections that no request uses.
    pub(super) fn close_kept(&self) {
        // Closed after the lock was given back.
        drop(std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner)));
    }

    /// The bounds of a request that begins now.
    pub(super) fn bounds(&self) -> Bounds<'_> {
        Bounds::new(&self.settings, &self.shared.budget)
    }

    /// GET with redirects, again after what passes.
    pub(super) async fn get(&self, url: &str) -> Result<Reply, Failure> {
        let address = Address::parse(url)?;
        let mut bounds = self.bounds();
        let mut pause = FIRST_PAUSE;
        for tried in 0.. {
            let failure = match self.follow(&address, &mut bounds).await {
                Ok(answer) => return Ok(Reply { status: answer.status, declared: answer.declared, body: answer.body }),
                Err(failure) => failure,
            };
            let own = pause.min(self.settings.retry_wait);
            let wait = failure.retry_after.map_or(own, |asked| asked.max(own));
            if wait > self.settings.retry_wait && failure.passes() {
                let asked = wait.as_secs_f64();
                let why = format!("{}; it asks to wait {asked:.0} s, longer than net.retry_wait", failure.why);
                return Err(Failure { why, ..failure });
            }
            if !failure.passes() || tried >= self.settings.retries || Instant::now() + wait >= bounds.deadline {
                return Err(after(failure, tried));
            }
            tracing::debug!("{}: {}; trying again in {wait:?}", shown(url), failure.why);
            tokio::time::sleep(wait).await;
            pause *= 2;
        }
        unreachable!("the loop returns")
    }

    /// GET with redirects.
    async fn follow(&self, first: &Address, bounds: &mut Bounds<'_>) -> Result<Answer, Failure> {
        let mut address = first.clone();
        for followed in 0.. {
            let authorization = address.authorization();
            let headers = [("Authorization", authorization.as_deref().unwrap_or_default())];
            let headers = if authorization.is_some() { &headers[..] } else { &[] };
            let request = Request { method: "GET", address: &address, headers, body: &[] };
            let answer = self.once(&request, success, bounds).await?;
            if success(answer.status) {
                return Ok(answer);
            }
            let location = answer.header("location").filter(|_| matches!(answer.status, 301 | 302 | 303 | 307 | 308));
            let Some(location) = location else { return Err(refusal(&answer)) };
            if followed >= self.settings.redirects {
                let why = format!("redirected more than {followed} times (net.redirects)");
                return Err(Failure { status: Some(answer.status), ..Failure::new(Kind::Broken, why) });
            }
            address = address.redirected(location)?;
        }
        unreachable!("the loop returns")
    }

    /// One request and its answer, over a kept connection where there is one.
    pub(super) async fn once(
        &self,
        request: &Request<'_>,
        wanted: impl Fn(u16) -> bool,
        bounds: &mut Bounds<'_>,
    ) -> Result<Answer, Failure> {
        let origin = &request.address.origin;
        let proxy = self.shared.connector.proxy(origin)?;
        let target = match &proxy {
            Some(_) if !origin.tls => request.address.absolute(),
            _ => request.address.target().to_string(),
        };
        let mut text = format!("{} {target} HTTP/1.1\r\nHost: {}\r\n", request.method, request.address.host());
        let agent = concat!("hetero/", env!("CARGO_PKG_VERSION"));
        let mut header = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                text.push_str(part);
            }
        };
        if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
            header("User-Agent", agent);
        }
        header("Accept-Encoding", "identity");
        request.headers.iter().for_each(|(name, value)| header(name, value));
        if let Some(value) = proxy.as_ref().and_then(|proxy| proxy.authorization.as_ref()).filter(|_| !origin.tls) {
            header("Proxy-Authorization", value);
        }
        if !request.body.is_empty() || !["GET", "HEAD"].contains(&request.method) {
            header("Content-Length", &request.body.len().to_string());
        }
        text.push_str("\r\n");
        let mut message = text.into_bytes();
        message.extend_from_slice(request.body);
        loop {
            let kept = self.kept(origin).await;
            let fresh = kept.is_none();
            let mut io = match kept {
                Some(io) => io,
                None => self.shared.connector.connect(origin, proxy.as_ref()).await?,
            };
            match exchange(io.as_mut(), &message, request.method == "HEAD", &wanted, bounds).await {
                Ok(answer) => {
                    if answer.reusable {
                        self.keep(origin, io);
                    }
                    return Ok(answer);
                }
                // The server closed a kept connection at the same moment: that says nothing about it.
                Err(failure) if failure.kind == Kind::Unreachable && !fresh => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// A kept connection on which nothing has happened.
    async fn kept(&self, origin: &Origin) -> Option<Box<dyn Io>> {
        loop {
            let mut kept = {
                let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                all.get_mut(origin)?.pop()?
            };
            if kept.since.elapsed() < KEPT && peek(kept.io.as_mut()).await.is_none() {
                return Some(kept.io);
            }
        }
    }

    fn keep(&self, origin: &Origin, io: Box<dyn Io>) {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = Kept { io, since: Instant::now() };
        match all.get_mut(origin) {
            Some(of_it) => of_it.push(kept),
            None => drop(all.insert(origin.clone(), vec![kept])),
        }
    }
}

/// Statuses with a whole body: 206 would be a part that nobody asked for.
fn success(status: u16) -> bool {
    (200..300).contains(&status) && status != 206
}

/// The failure that an answer without success is.
fn refusal(answer: &Answer) -> Failure {
    let status = answer.status;
    let word = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    let why = format!("the server answered {status}{}", word.map_or(String::new(), |word| format!(" {word}")));
    let kind = if matches!(status, 429 | 503) { Kind::Busy } else { Kind::Status };
    // A date instead of seconds is as good as no word: the pauses of our own then count.
    let retry_after = answer.header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
    Failure { status: Some(status), retry_after, ..Failure::new(kind, why) }
}

/// Says how often it was tried, when it was more than once.
fn after(failure: Failure, retries: u32) -> Failure {
    match retries {
        0 => failure,
        _ => Failure { why: format!("{} (tried {} times)", failure.why, retries + 1), ..failure },
    }
}
