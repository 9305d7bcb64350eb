//! The progress bar: on stderr, only on a terminal, only for work that takes a while.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exec::Control;

/// Work that is over sooner shows no bar.
const QUIET: Duration = Duration::from_millis(500);

/// How often the bar is drawn: the chunk loop only counts.
const TICK: Duration = Duration::from_millis(100);

/// A running display; dropping it removes the bar.
pub struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Shows `control`'s counters until dropped. Without a terminal, or when `wanted` is false, it shows nothing and
    /// starts no thread.
    #[must_use]
    pub fn start(control: &Arc<Control>, wanted: bool) -> Self {
        use std::io::IsTerminal;
        if !wanted || !std::io::stderr().is_terminal() {
            return Self { stop: None, thread: None };
        }
        let (stop, stopped) = channel();
        let control = Arc::clone(control);
        let begin = Instant::now();
        let thread = std::thread::Builder::new().name("progress".into()).spawn(move || {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            let style = "{msg:18} [{bar:30}] {percent:>3}%  {human_pos} of {human_len}, {per_sec}, {eta} left";
            bar.set_style(ProgressStyle::with_template(style).expect("a constant template").progress_chars("=> "));
            let mut run = 0;
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                if begin.elapsed() < QUIET {
                    continue;
                }
                let stage = || control.stage.lock().map(|stage| stage.clone()).unwrap_or_default();
                let cases = control.cases_total.load(Ordering::Relaxed);
                if cases > 0 {
                    bar.set_message(stage());
                    bar.set_length(cases);
                    bar.set_position(control.cases_done.load(Ordering::Relaxed));
                    continue;
                }
                let now = control.runs_started.load(Ordering::Relaxed);
                if now != run {
                    run = now;
                    bar.reset();
                    bar.set_message(stage());
                    bar.set_length(control.items_total.load(Ordering::Relaxed));
                }
                bar.set_position(control.items_done.load(Ordering::Relaxed));
            }
            bar.finish_and_clear();
        });
        Self { stop: Some(stop), thread: thread.ok() }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
