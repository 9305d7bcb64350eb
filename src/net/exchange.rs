//! One request and its answer on an open connection: HTTP/1.1, head and body bounded.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::Settings;
use super::budget::{Budget, Held};
use super::chunked::{Chunked, Wrong};
use super::failure::{Failure, Kind};
use crate::units::bytes;

/// Bytes of a head (status line and headers, interim answers included) at most.
const HEAD: usize = 64 << 10;

/// Header lines at most.
const HEADERS: usize = 128;

/// One read of a head, enough for it and a small body at once; and how much an unknown body grows by at first.
const READ: usize = 4 << 10;

/// A body of unknown length is read in pieces of up to this many bytes.
const PIECE: u64 = 1 << 20;

/// A connection, plain or TLS.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A body up to this size fits in any memory: nobody is asked how much there is.
const SMALL: u64 = 1 << 20;

/// The bounds of one exchange.
pub(super) struct Bounds<'b> {
    /// Without a byte.
    idle: Duration,
    /// When it must be over.
    pub(super) deadline: Instant,
    /// The largest body; 0 for what memory allows.
    max_bytes: u64,
    /// What memory allows, once it was asked.
    memory: OnceLock<u64>,
    /// What all bodies share.
    budget: &'b Budget,
}

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    /// What `Content-Length` said.
    pub(super) declared: Option<u64>,
    pub(super) body: Vec<u8>,
    /// Whether the connection may carry another request.
    pub(super) reusable: bool,
    /// The body's share of the budget, until it is handed over.
    pub(super) held: Held,
}

impl Answer {
    /// The first header of that name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    None,
    Length(u64),
    Chunked,
    /// With the connection.
    Close,
}

/// Sends `request` (its head and body) and reads the answer. The body is read when `wanted` says so of the status; `head_only`
/// for a request whose answer has none (HEAD).
pub(super) async fn exchange(
    io: &mut (dyn Io + '_),
    request: &[u8],
    head_only: bool,
    wanted: impl Fn(u16) -> bool,
    bounds: &mut Bounds<'_>,
) -> Result<Answer, Failure> {
    let sent = bounds.wait(async { io.write_all(request).await }).await?;
    sent.map_err(|e| unreachable(&format!("the request could not be sent: {e}")))?;
    let mut buffer = Vec::new();
    let (mut answer, framing) = head(io, &mut buffer, head_only, bounds).await?;
    if !wanted(answer.status) {
        answer.reusable = false;
        return Ok(answer);
    }
    match framing {
        Framing::None => answer.reusable &= buffer.is_empty(),
        Framing::Length(length) => fixed(io, buffer, length, &mut answer, bounds).await?,
        Framing::Chunked => grown(io, buffer, Some(Chunked::new()), &mut answer, bounds).await?,
        Framing::Close => grown(io, buffer, None, &mut answer, bounds).await?,
    }
    Ok(answer)
}

impl<'b> Bounds<'b> {
    /// For one request that begins now.
    pub(super) fn new(settings: &Settings, budget: &'b Budget) -> Self {
        Self {
            idle: settings.idle_timeout,
            deadline: Instant::now() + settings.total_timeout,
            max_bytes: settings.max_bytes,
            memory: OnceLock::new(),
            budget,
        }
    }

    /// Waits for `step`, at most as long as the server may be silent and never past the deadline.
    async fn wait<T>(&self, step: impl Future<Output = T>) -> Result<T, Failure> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let late = || {
            let why = match left <= self.idle {
                true => "not complete within the time for one request (net.total_timeout)".to_string(),
                false => format!("silent for {:.1} s (net.idle_timeout)", self.idle.as_secs_f64()),
            };
            Failure::new(Kind::Late, why)
        };
        // What is ready at once would be taken even by a wait of no length.
        if left.is_zero() {
            return Err(late());
        }
        timeout(self.idle.min(left), step).await.map_err(|_| late())
    }

    /// Appends what comes next to `into`, up to `most` bytes: how many, 0 at the end.
    async fn read(&self, io: &mut (dyn Io + '_), into: &mut Vec<u8>, most: u64) -> Result<usize, Failure> {
        let read = self.wait(async { io.take(most).read_buf(into).await }).await?;
        read.map_err(cut)
    }

    /// Appends what comes next to `into`, up to [`READ`] bytes that lie on the stack until they are there: a thousand
    /// requests that wait for an answer hold no memory for it.
    async fn begin(&self, io: &mut (dyn Io + '_), into: &mut Vec<u8>) -> Result<usize, Failure> {
        let read = poll_fn(|context| {
            let mut space = [MaybeUninit::uninit(); READ];
            let mut space = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *io).poll_read(context, &mut space))?;
            into.extend_from_slice(space.filled());
            Poll::Ready(Ok(space.filled().len()))
        });
        self.wait(read).await?.map_err(cut)
    }

    /// Runs `waiting` for the budget: that time is our own doing and not the server's.
    async fn budgeted<T>(&mut self, waiting: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let got = waiting.await;
        self.deadline += start.elapsed();
        got
    }

    /// The largest body, asked by one of `length` bytes.
    fn most(&self, length: u64) -> u64 {
        match self.max_bytes {
            0 if length <= SMALL => SMALL,
            // Its arrays will stand beside its bytes.
            0 => *self.memory.get_or_init(|| crate::memory::available().unwrap_or(8 << 30) / 2),
            most => most,
        }
    }

    fn check(&self, length: u64) -> Result<(), Failure> {
        if length <= self.most(length) { Ok(()) } else { Err(self.too_large(length)) }
    }

    fn too_large(&self, length: u64) -> Failure {
        let most = bytes(self.most(length));
        let limit = if self.max_bytes == 0 { "half of the free memory" } else { "net.max_bytes" };
        Failure::new(Kind::Large, format!("{} are more than one input may take here: {most} ({limit})", bytes(length)))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
fn cut(error: std::io::Error) -> Failure {
    Failure::new(Kind::Cut, format!("the connection broke: {error}"))
}

fn broken(why: impl Into<String>) -> Failure {
    Failure::new(Kind::Broken, why)
}

fn unreachable(why: &str) -> Failure {
    Failure::new(Kind::Unreachable, why)
}

/// Reads until the head of the final answer is complete. What came after it is left in `buffer`.
async fn head(
    io: &mut (dyn Io + '_),
    buffer: &mut Vec<u8>,
    head_only: bool,
    bounds: &Bounds<'_>,
) -> Result<(Answer, Framing), Failure> {
    let mut seen = 0;
    loop {
        if !buffer.is_empty() {
            match parse(buffer)? {
                // An interim answer: the real one follows.
                Some((length, answer, _)) if (100..200).contains(&answer.status) && answer.status != 101 => {
                    seen += length;
                    buffer.drain(..length);
                    if seen > HEAD {
                        return Err(broken("interim answers without end"));
                    }
                    continue;
                }
                Some((length, answer, framing)) => {
                    buffer.drain(..length);
                    let bodyless = head_only || matches!(answer.status, 101 | 204 | 304);
                    return Ok((answer, if bodyless { Framing::None } else { framing }));
                }
                None if buffer.len() >= HEAD => return Err(broken(format!("headers longer than {} KiB", HEAD >> 10))),
                None => {}
            }
        }
        let first = buffer.is_empty();
        let read = match bounds.begin(io, buffer).await {
            // Nothing was delivered yet: asking again is safe.
            Err(failure) if failure.kind == Kind::Cut && first => return Err(unreachable(&failure.why)),
            read => read?,
        };
        match read {
            0 if first => return Err(unreachable("the connection was closed without an answer")),
            0 => return Err(Failure::new(Kind::Cut, "the connection was closed within the headers")),
            _ => {}
        }
    }
}

/// The head at the begin of `text`, its length, and how the body ends; `None` when it is not complete.
fn parse(text: &[u8]) -> Result<Option<(usize, Answer, Framing)>, Failure> {
    let mut space = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut space);
    let length = match response.parse(text).map_err(|e| broken(format!("not an HTTP answer: {e}")))? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.unwrap_or(0);
    let old = response.version == Some(0);
    let mut answer = Answer { status, reusable: !old, ..Answer::default() };
    let (mut coded, mut chunked) = (false, false);
    for header in response.headers.iter() {
        let value = String::from_utf8_lossy(header.value.trim_ascii()).into_owned();
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let digits = value.bytes().all(|b| b.is_ascii_digit());
            let length = value.parse::<u64>().ok().filter(|_| digits);
            let length = length.ok_or_else(|| broken(format!("a Content-Length of '{}'", short(&value))))?;
            if answer.declared.replace(length).is_some_and(|other| other != length) {
                return Err(broken("two Content-Lengths that differ"));
            }
        } else if is("transfer-encoding") {
            coded = true;
            chunked = value.eq_ignore_ascii_case("chunked");
            if !chunked {
                return Err(broken(format!("a transfer coding '{}' that nobody asked for", short(&value))));
            }
        } else if is("connection") {
            answer.reusable &= !value.to_ascii_lowercase().split(',').any(|word| word.trim() == "close");
        }
        answer.headers.push((header.name.to_string(), value));
    }
    let framing = match answer.declared {
        _ if chunked => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::Close,
    };
    if coded {
        // The coding wins over a length (RFC 9112, 6.3), which then says nothing.
        answer.declared = None;
    }
    Ok(Some((length, answer, framing)))
}

/// A value for a message.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// A body of `length` bytes, which may begin in `buffer`.
async fn fixed(
    io: &mut (dyn Io + '_),
    buffer: Vec<u8>,
    length: u64,
    answer: &mut Answer,
    bounds: &mut Bounds<'_>,
) -> Result<(), Failure> {
    bounds.check(length)?;
    let more = |come: &str| broken(format!("{come} than the {length} bytes that its Content-Length says"));
    if buffer.len() as u64 > length {
        return Err(more("more bytes came"));
    }
    let budget = bounds.budget;
    answer.held = bounds.budgeted(budget.take(length)).await;
    let mut body = buffer;
    let left = length - body.len() as u64;
    let large = |_| Failure::new(Kind::Large, format!("{} of memory, which this machine refused", bytes(length)));
    body.try_reserve_exact(usize::try_from(left).map_err(|_| bounds.too_large(length))?).map_err(large)?;
    while (body.len() as u64) < length {
        let left = length - body.len() as u64;
        if bounds.read(io, &mut body, left).await? == 0 {
            let got = body.len();
            return Err(Failure::new(Kind::Cut, format!("the connection was closed after {got} of {length} bytes")));
        }
    }
    // What is there already beyond the end was not announced; what is not cannot be waited for.
    if let Some(Ok(1..)) = peek(io).await {
        return Err(more("more bytes came"));
    }
    answer.body = body;
    Ok(())
}

/// What a read gives without waiting: `None` for nothing yet.
pub(super) async fn peek(io: &mut (dyn Io + '_)) -> Option<std::io::Result<usize>> {
    let mut space = [0; 1];
    poll_fn(|context| {
        let mut space = ReadBuf::new(&mut space);
        Poll::Ready(match Pin::new(&mut *io).poll_read(context, &mut space) {
            Poll::Ready(read) => Some(read.map(|()| space.filled().len())),
            Poll::Pending => None,
        })
    })
    .await
}

/// A body of unknown length, chunked or up to the end of the connection.
async fn grown(
    io: &mut (dyn Io + '_),
    buffer: Vec<u8>,
    mut chunked: Option<Chunked>,
    answer: &mut Answer,
    bounds: &mut Bounds<'_>,
) -> Result<(), Failure> {
    let budget = bounds.budget;
    let mut piece = buffer;
    let mut body = Vec::new();
    answer.reusable &= chunked.is_some();
    loop {
        let upcoming = (body.len() + piece.len()) as u64;
        let mut held = std::mem::take(&mut answer.held);
        bounds.budgeted(budget.grow(&mut held, upcoming)).await;
        answer.held = held;
        let used = match &mut chunked {
            Some(chunked) => chunked.feed(&piece, &mut body, bounds.most(upcoming)).map_err(|wrong| match wrong {
                Wrong::Large => bounds.too_large(upcoming),
                Wrong::Coding(why) => broken(format!("broken chunked coding: {why}")),
            })?,
            None => {
                bounds.check(upcoming)?;
                let large = |_| Failure::new(Kind::Large, "more memory than this machine has");
                body.try_reserve(piece.len()).map_err(large)?;
                body.extend_from_slice(&piece);
                piece.len()
            }
        };
        if chunked.as_ref().is_some_and(Chunked::done) {
            answer.reusable &= used == piece.len();
            break;
        }
        piece.clear();
        piece.reserve(READ.max(body.len().min(PIECE as usize)));
        let most = piece.capacity() as u64;
        if bounds.read(io, &mut piece, most).await? == 0 {
            match chunked {
                Some(_) => return Err(Failure::new(Kind::Cut, "the connection was closed before the last chunk")),
                None => break,
            }
        }
    }
    answer.body = body;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framing(text: &str) -> Result<Framing, Kind> {
        parse(text.as_bytes()).map(|found| found.expect("complete").2).map_err(|failure| failure.kind)
    }

    #[test]
    fn the_head_says_how_the_body_ends() {
        let ok = |headers: &str| framing(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n"));
        assert_eq!(ok("Content-Length: 12\r\n"), Ok(Framing::Length(12)));
        assert_eq!(ok("content-length: 12\r\nCONTENT-LENGTH: 12\r\n"), Ok(Framing::Length(12)));
        assert_eq!(ok("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), Ok(Framing::Chunked));
        assert_eq!(ok(""), Ok(Framing::Close));
        for headers in [
            "Content-Length: -1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length:\r\n",
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            "Transfer-Encoding: gzip\r\n",
        ] {
            assert_eq!(ok(headers), Err(Kind::Broken), "{headers}");
        }
        assert_eq!(framing("FTP/1.1 200 OK\r\n\r\n"), Err(Kind::Broken));
        assert!(parse(b"HTTP/1.1 200 OK\r\nA: b\r\n").unwrap().is_none());
    }

    #[test]
    fn a_connection_is_kept_unless_somebody_closes_it() {
        let reusable = |text: &str| parse(text.as_bytes()).unwrap().unwrap().1.reusable;
        assert!(reusable("HTTP/1.1 200 OK\r\n\r\n"));
        assert!(!reusable("HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n"));
        assert!(!reusable("HTTP/1.0 200 OK\r\n\r\n"));
    }

    proptest! {
        #[test]
        fn no_head_is_a_panic(text in prop::collection::vec(any::<u8>(), 0..200), ok in any::<bool>()) {
            let text = if ok { [b"HTTP/1.1 200 OK\r\n".to_vec(), text].concat() } else { text };
            let _ = parse(&text);
        }
    }
}
