//! Ctrl-C and SIGTERM: the first one asks the chunk loop to stop; what does not stop within a second is ended here, with
//! unfinished output files removed; the second one ends it at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::exec::Control;

/// Notes signals in `control` from now on. Costs one sleeping thread.
#[cfg(unix)]
pub fn watch(control: &Arc<Control>) {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use std::time::Duration;

    /// Long enough for a chunk in flight to finish, short enough to answer within a second.
    const GRACE: Duration = Duration::from_millis(900);

    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else {
        return; // without handlers the system's default ends the process
    };
    let control = Arc::clone(control);
    let watcher = std::thread::Builder::new().name("signals".into());
    let _ = watcher.spawn(move || {
        for number in signals.forever() {
            if control.signal.swap(number, Ordering::Relaxed) != 0 {
                end(number);
            }
            let timer = std::thread::Builder::new().name("grace".into());
            let _ = timer.spawn(move || {
                std::thread::sleep(GRACE);
                end(number);
            });
        }
    });

    fn end(number: i32) -> ! {
        crate::formats::source::remove_unfinished();
        eprintln!("hetero: {}", crate::error::Error::Signal(number));
        std::process::exit(128 + number)
    }
}

/// Notes Ctrl-C in `control` from now on.
#[cfg(not(unix))]
pub fn watch(control: &Arc<Control>) {
    let control = Arc::clone(control);
    // SAFETY: the handler only stores to an atomic, which is allowed in a signal handler.
    let _ = unsafe {
        signal_hook::low_level::register(signal_hook::consts::SIGINT, move || {
            control.signal.store(signal_hook::consts::SIGINT, Ordering::Relaxed);
        })
    };
}
