//! Who runs the client: the network's own thread behind [`super::get`], or the calling thread itself.

use std::cell::Cell;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Instant;

use futures_util::StreamExt;
use tokio::runtime::{Builder, Handle, Runtime};

use super::{Client, Failure, Reply, Settings, settings};
use crate::error::{Error, Result};

/// The thread that all inputs from the network come through. One is enough to wait for any number of them; it decrypts a
/// gigabyte a second.
pub(super) struct Service {
    handle: Handle,
    client: Arc<Client>,
}

static SHARED: OnceLock<Result<Service>> = OnceLock::new();

impl Service {
    /// The one of this process, started by whoever asks first.
    pub(super) fn shared() -> Result<&'static Self> {
        SHARED.get_or_init(|| Self::start(settings())).as_ref().map_err(Clone::clone)
    }

    fn start(settings: Settings) -> Result<Self> {
        allow_open_files(settings.connections);
        let runtime = runtime()?;
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new().name("hetero-net".into());
        let started = thread.spawn(move || runtime.block_on(std::future::pending::<()>()));
        started.map_err(|e| Error::Resource(format!("cannot start the network's thread: {e}")))?;
        Ok(Self { handle, client: Arc::new(Client::new(settings)) })
    }

    pub(super) fn get(&self, url: &str) -> Result<Vec<u8>> {
        let (client, own) = (Arc::clone(&self.client), url.to_string());
        let reply = self.wait(async move { client.get(&own).await })?;
        reply.map(|reply| reply.body).map_err(|failure| failure.error(url))
    }

    pub(super) fn list(&self, url: &str) -> Result<Vec<String>> {
        let (client, own) = (Arc::clone(&self.client), url.to_string());
        self.wait(async move { client.list(&own).await })?.map_err(|failure| failure.error(url))
    }

    /// Lets the network's thread do `work`, and waits for it.
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T> {
        let (tell, told) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // Nobody listens any more when the caller was stopped.
            let _ = tell.send(work.await);
        });
        told.recv().map_err(|_| Error::Internal("a request ended without a word".into()))
    }
}

/// A runtime for one thread.
fn runtime() -> Result<Runtime> {
    let built = Builder::new_current_thread().enable_all().build();
    built.map_err(|e| Error::Resource(format!("cannot set up waiting for the network: {e}")))
}

/// Requests that are begun before the system is asked what has come: the first ones of a thousand are then answered while the
/// last ones still connect.
const BEGUN_AT_ONCE: usize = 16;

/// Fetches `urls` (numbers into a list and the URLs) on the calling thread, `at_once` of them at a time, through a client
/// beside `client`. `each` is told the number, what it gave, and its seconds.
///
/// # Errors
/// [`Error::Resource`] when the system has no room for one more waiting thread.
pub fn fetch_many<'u>(
    client: &Client,
    urls: impl IntoIterator<Item = (usize, &'u str)>,
    at_once: usize,
    mut each: impl FnMut(usize, std::result::Result<Reply, Failure>, f64),
) -> Result<()> {
    let runtime = runtime()?;
    let client = client.beside();
    runtime.block_on(async {
        let all_begun = Cell::new(false);
        let urls = urls.into_iter().map(Some).chain(std::iter::once_with(|| {
            all_begun.set(true);
            None
        }));
        let paced = |(turn, url)| async move {
            if turn % BEGUN_AT_ONCE == BEGUN_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            url
        };
        let one = |(number, url)| {
            let client = &client;
            async move {
                let start = Instant::now();
                let reply = client.get(url).await;
                (number, reply, start.elapsed().as_secs_f64())
            }
        };
        let begun = futures_util::stream::iter(urls.enumerate()).filter_map(paced).map(one);
        let mut replies = std::pin::pin!(begun.buffer_unordered(at_once.max(1)));
        while let Some((number, reply, seconds)) = replies.next().await {
            if all_begun.get() {
                // Nobody needs a connection again: closed while the other answers are still on their way.
                client.close_kept();
            }
            each(number, reply, seconds);
        }
    });
    // Its connections belong to the runtime.
    drop(client);
    Ok(())
}

/// Raises this process's own limit of open files, as far as the system lets it, so that `connections` fit beside the usual
/// ones, and makes room for them in its table. Where they do not fit, a request says so.
///
/// While a process has one thread, room costs microseconds. Later Linux waits for all processors each time the table is
/// too small (`expand_fdtable`, measured: 8 to 20 ms), and a thousand connections outgrow it four times: better once, and
/// before anybody waits for an answer.
pub fn allow_open_files(connections: usize) {
    #[cfg(unix)]
    {
        /// Files, libraries, devices and pipes of a run.
        const OTHERS: usize = 256;
        let wanted = (connections + OTHERS) as libc::rlim_t;
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: both calls read or write the one struct that they are given.
        unsafe {
            if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && limit.rlim_cur < wanted {
                limit.rlim_cur = wanted.min(limit.rlim_max);
                libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
            }
        }
        let last = libc::c_int::try_from(limit.rlim_cur.min(wanted)).unwrap_or(libc::c_int::MAX) - 1;
        // SAFETY: makes a file that nobody knows and closes it; with a bad number the system refuses.
        unsafe {
            let file = libc::fcntl(libc::STDIN_FILENO, libc::F_DUPFD_CLOEXEC, last);
            if file >= 0 {
                libc::close(file);
            }
        }
    }
    #[cfg(not(unix))]
    let _ = connections;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_files_has_room_for_all_connections() {
        allow_open_files(1000);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap().trim();
        assert!(size.parse::<u64>().unwrap() >= 1024, "{size}, of a limit that is usually 1024 or more");
    }
}
