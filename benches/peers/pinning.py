"""Which threads of this process work, and one CPU for each of them.

Some machines pack runnable threads on one CPU for tens of milliseconds. Short parallel loops then run on half the
machine, by chance: without pinning a comparison measures the scheduler.
"""

import contextlib
import os
import time

CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _worked():
    """Nanoseconds on a CPU of each thread of this process."""
    times = {}
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            try:
                with open(f"/proc/self/task/{thread}/schedstat") as file:
                    times[int(thread)] = int(file.read().split()[0])
            except FileNotFoundError:
                with open(f"/proc/self/task/{thread}/stat") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                times[int(thread)] = (int(fields[11]) + int(fields[12])) * 10_000_000
    return times


def busy_threads(call, seconds=0.3):
    """The threads that do `call`'s work, busiest first."""
    if not CPUS:
        return []
    before, begin = _worked(), time.perf_counter()
    while time.perf_counter() - begin < seconds:
        call()
    used = {thread: t - before.get(thread, 0) for thread, t in _worked().items()}
    most = max(used.values())
    return sorted((t for t in used if used[t] > most / 10), key=lambda t: -used[t])


@contextlib.contextmanager
def pinned(threads):
    """One CPU for each of `threads`, as long as the context lasts."""
    for thread, cpu in zip(threads, CPUS * len(threads)):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(thread, {cpu})
    try:
        yield
    finally:
        for thread in threads:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(thread, set(CPUS))
