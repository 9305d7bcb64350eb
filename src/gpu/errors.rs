//! Everything that can go wrong inside wgpu, as one of this crate's errors with one line of text.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::error::Error;

/// The most text of a driver's or compiler's message that fits a line.
const LONGEST: usize = 400;

/// `text` on one line: line breaks and runs of blanks become single blanks, a long tail is cut.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() > LONGEST {
            line.push_str(" ...");
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// What wgpu said while `doing` something on device `id`.
pub(super) fn from_wgpu(id: &str, doing: &str, error: &wgpu::Error) -> Error {
    match error {
        wgpu::Error::OutOfMemory { .. } => out_of_memory(id, doing),
        wgpu::Error::Validation { description, .. } => {
            failed(id, format!("{doing}: refused: {}; use --backend cpu and report this", one_line(description)))
        }
        wgpu::Error::Internal { description, .. } => {
            failed(id, format!("{doing}: the driver failed: {}; update the driver", one_line(description)))
        }
    }
}

/// The device has no memory left.
pub(super) fn out_of_memory(id: &str, doing: &str) -> Error {
    Error::Resource(format!(
        "{id}: {doing}: the device is out of memory; lower --max-device-memory or close programs that use it"
    ))
}

/// A device that failed.
pub(super) fn failed(id: &str, why: String) -> Error {
    Error::Device { backend: id.into(), why }
}

/// A device that cannot be used.
pub(super) fn unavailable(id: &str, why: String) -> Error {
    Error::Unavailable { backend: id.into(), why }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`; a panic inside becomes its message and prints nothing. wgpu panics on a device that is lost while it
/// waits, and its error text would otherwise appear beside ours.
pub(super) fn caught<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let earlier = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                earlier(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    QUIET.set(before);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        one_line(text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("panicked without a message"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_fit_one_line() {
        assert_eq!(one_line("a\n   b\tc\n"), "a b c");
        assert!(one_line(&"word ".repeat(1000)).len() <= LONGEST + 4);
    }

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(caught(|| 3), Ok(3));
        assert_eq!(caught(|| -> () { panic!("lost {}", 7) }), Err("lost 7".into()));
        assert_eq!(caught(|| -> () { panic!("plain") }), Err("plain".into()));
    }

    #[test]
    fn each_kind_of_wgpu_error_has_its_exit_code() {
        let source = || -> wgpu::ErrorSource { "x".into() };
        let code = |error: wgpu::Error| from_wgpu("gpu", "testing", &error).exit_code();
        assert_eq!(code(wgpu::Error::OutOfMemory { source: source() }), 7);
        assert_eq!(code(wgpu::Error::Validation { source: source(), description: "bad".into() }), 6);
        assert_eq!(code(wgpu::Error::Internal { source: source(), description: "bad".into() }), 6);
        assert_eq!(unavailable("gpu", String::new()).exit_code(), 5);
    }
}
