//! A web server on the loopback interface that answers after a while: what requests that wait are shown and tested with.
//!
//! File `i` of a server with `seed` has `size` bytes: the little-endian words of SplitMix64 started at
//! `seed + i * 0x9E3779B97F4A7C15` (mod 2^64).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;

use crate::error::{Error, Result};

/// What it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Files {
    /// Between a request and its answer.
    pub latency: Duration,
    /// Bytes of one file.
    pub size: usize,
    /// What the contents follow from.
    pub seed: u64,
}

/// A server on threads of its own, for as long as this lives.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Bytes of a request's head at most.
const HEAD: usize = 8 << 10;

/// Connections that wait to be taken: a thousand may come at the same moment.
const BACKLOG: u32 = 4096;

impl Server {
    /// Serves `files` on `port` of 127.0.0.1; 0 for any that is free.
    ///
    /// # Errors
    /// [`Error::Resource`] when the port or a thread is refused.
    pub fn start(files: Files, port: u16) -> Result<Self> {
        let refused = |e: std::io::Error| Error::Resource(format!("cannot serve on 127.0.0.1: {e}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
        let listener = {
            let _inside = runtime.enter();
            let socket = TcpSocket::new_v4().map_err(refused)?;
            socket.set_reuseaddr(true).map_err(refused)?;
            socket.bind(SocketAddr::from(([127, 0, 0, 1], port))).map_err(refused)?;
            socket.listen(BACKLOG).map_err(refused)?
        };
        let address = listener.local_addr().map_err(refused)?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("hetero-server".into()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = accept(listener, files) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { address, stop: Some(stop), thread: Some(thread.map_err(refused)?) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of file `index`.
    #[must_use]
    pub fn url(&self, index: u64) -> String {
        format!("http://{}/files/{index}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Dropping the sender stops it as well.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The contents of file `index`.
#[must_use]
pub fn contents(files: Files, index: u64) -> Vec<u8> {
    let mut state = files.seed.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut bytes = Vec::with_capacity(files.size + 8);
    while bytes.len() < files.size {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(files.size);
    bytes
}

async fn accept(listener: TcpListener, files: Files) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, files))),
            // Out of file handles: those that are served give some back.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Answers the requests of one connection until it closes.
async fn serve(mut stream: TcpStream, files: Files) {
    let mut head = Vec::with_capacity(1024);
    loop {
        let length = loop {
            if let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") {
                break end + 4;
            }
            if head.len() > HEAD || !matches!(stream.read_buf(&mut head).await, Ok(1..)) {
                return;
            }
        };
        let index = index(&head[..length]);
        head.drain(..length);
        if !files.latency.is_zero() {
            tokio::time::sleep(files.latency).await;
        }
        let answer = match index {
            Some(index) => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
                    files.size
                );
                [head.into_bytes(), contents(files, index)].concat()
            }
            None => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// The file that a request names: any path that ends in a number, after `/`.
fn index(head: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(head.split(|b| *b == b'\r').next()?).ok()?;
    let path = line.strip_prefix("GET ")?.split(' ').next()?;
    path.rsplit('/').next()?.parse().ok()
}
