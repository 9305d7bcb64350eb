//! Ctrl-C, SIGTERM, SIGQUIT and the end of a terminal (SIGHUP): the first one asks the chunk loop to stop; what does not stop within a second is ended here, with
//! unfinished output files removed; the second one ends it at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::exec::Control;

/// Notes signals in `control` from now on. Costs one sleeping thread.
#[cfg(unix)]
pub fn watch(control: &Arc<Control>) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use std::io::Write;
    use std::time::Duration;

    /// Long enough for a chunk in flight to finish, short enough to answer within a second.
    const GRACE: Duration = Duration::from_millis(900);

    /// Whether whoever started this process had the signal ignored, as `nohup` does: then it stays so.
    fn ignored(number: i32) -> bool {
        let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: asks for the action and sets none; zeros are a valid value of the plain structure that is filled.
        unsafe {
            libc::sigaction(number, std::ptr::null(), action.as_mut_ptr());
            action.assume_init().sa_sigaction == libc::SIG_IGN
        }
    }

    // A file beyond the limit (`ulimit -f`) is an error of the write, with a message, not the end of the process.
    // SAFETY: no handler is installed, the signal is ignored.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let wanted = [SIGINT, SIGTERM, SIGHUP, SIGQUIT].into_iter().filter(|number| !ignored(*number));
    let Ok(mut signals) = signal_hook::iterator::Signals::new(wanted) else {
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
        let _ = writeln!(std::io::stderr(), "hetero: {}", crate::error::Error::Signal(number));
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
