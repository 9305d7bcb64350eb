//! The WGSL slots: `shaders/deposits.wgsl`, one entry point a method.

use std::borrow::Cow;

use super::AMOUNT;
use super::method::{Method, Sync};
use crate::job::{Capability, GpuOutput, GpuSlot};

const SOURCE: &str =
    concat!(include_str!("../../../shaders/common/dispatch.wgsl"), include_str!("../../../shaders/deposits.wgsl"));

/// `@workgroup_size` of the entry points.
const WORKGROUP: u32 = 64;

/// The most deposits of one invocation: under the iteration limit of every known adapter, and a workgroup's balance
/// far below 2^32.
const SHARE: u64 = 1 << 14;
const _: () = assert!(SHARE < 32_768 && SHARE * WORKGROUP as u64 * AMOUNT < u32::MAX as u64);

/// Why a race has no WGSL form.
pub(super) const NO_RACE: &str = "WGSL gives a race between plain reads and writes no meaning, so lost updates are shown \
     on the CPU (--sync atomic, sharded or reduce run on a device)";

/// Why a lock has none.
pub(super) const NO_LOCK: &str = "WGSL does not promise that a thread which waits for a lock lets its holder go on, so a \
     lock may never be free (--sync atomic, sharded or reduce run on a device)";

/// Why a wait has none.
const NO_WAIT: &str = "the threads of a device cannot sleep, so a --delay stays on the CPU";

/// The reason why `method` stays on the CPU, if it does.
pub(super) fn stays_on_cpu(method: Method) -> Option<&'static str> {
    match method.sync {
        _ if method.wait.is_some() => Some(NO_WAIT),
        Sync::None => Some(NO_RACE),
        Sync::Mutex => Some(NO_LOCK),
        Sync::Atomic | Sync::Sharded | Sync::Reduce => None,
    }
}

pub(super) fn slot(method: Method) -> Result<GpuSlot<'static>, String> {
    if let Some(why) = stays_on_cpu(method) {
        return Err(why.into());
    }
    let output = match method.sync {
        // The balance in two words.
        Sync::Atomic => GpuOutput::Shared { words: 2 },
        _ => GpuOutput::Partials { words: 1 },
    };
    Ok(GpuSlot {
        source: Cow::Borrowed(SOURCE),
        source_int64: None,
        constants: Vec::new(),
        workgroup: WORKGROUP,
        needs: &[Capability::Integers],
        iterations_per_item: 1,
        max_items_per_invocation: SHARE,
        block: 1,
        // `struct Params` of the shader, after its `dispatch`.
        params: vec![AMOUNT as u32, 0, 0, 0],
        resident: Vec::new(),
        streamed: Vec::new(),
        output,
    })
}
