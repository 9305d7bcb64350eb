"""`sumsq` and `deposits`, the two demonstrations of what threads do in Python and outside it.

hetero's time is the kernel and the answer made from it, with the threads already there. The loop of `sumsq` has no peer:
what compiles a loop over i * i puts its closed form in its place, so only Python itself is timed, a hundredth of it.
"""

import threading

import numpy as np
from case import THREADS, WHOLE, Case

# --- sumsq ---


def sumsq_python(size):
    part = size // 100

    def call():
        total = 0
        for i in range(part):
            total += i * i
        return total

    return {WHOLE: call}, size / part


def sumsq_numba(parallel):
    def make(size):
        import numba

        @numba.njit(parallel=parallel)
        def total(a):
            t = 0
            for i in numba.prange(a.size):
                t += a[i] * a[i]
            return t

        a = np.arange(size, dtype=np.int64)
        return {WHOLE: lambda: total(a)}, 1.0

    return make


def sumsq_numpy(size):
    a = np.arange(size, dtype=np.int64)
    return {WHOLE: lambda: int(np.dot(a, a))}, 1.0


def seconds(report):
    return {WHOLE: report["runs"][0]["warm_seconds"]["median"]}


def sumsq(size, method, goal, peers):
    command = ["run", "sumsq", "--n", str(size), "--method", method]
    made = {name: (lambda make=make: make(size)) for name, make in peers.items()}
    return Case("sumsq", f"{method} {size:.0e}", command, seconds, {WHOLE: goal}, made)


# Their sums wrap around above 3 million; hetero's do not.
ARRAYS = {
    "numba prange, int64 array": sumsq_numba(True),
    "numba, int64 array, one thread": sumsq_numba(False),
    "numpy dot, int64": sumsq_numpy,
}


# --- deposits ---


def threads(work):
    def call():
        team = [threading.Thread(target=work) for _ in range(THREADS)]
        for thread in team:
            thread.start()
        for thread in team:
            thread.join()

    return call


class Account:
    def __init__(self):
        self.balance = 0
        self.lock = threading.Lock()


def python_lock(deposits):
    account, share = Account(), deposits // THREADS

    def work():
        for _ in range(share):
            with account.lock:
                account.balance += 10

    return threads(work)


def python_local(deposits):
    account, share = Account(), deposits // THREADS

    def work():
        own = 0
        for _ in range(share):
            own += 10
        with account.lock:
            account.balance += own

    return threads(work)


PHASES = {"add_mutex": python_lock, "add_reduce": python_local}


def deposit_seconds(report):
    return {phase: report["runs"][0]["phases"][phase] for phase in PHASES}


def deposits(count):
    def python():
        return {phase: make(count) for phase, make in PHASES.items()}, 1.0

    command = ["run", "deposits", "--deposits", str(count)]
    goals = dict.fromkeys(PHASES)
    # Threads are made anew in each call.
    return Case("deposits", f"{count:.0e}", command, deposit_seconds, goals, {"python threading": python}, pin=False)


CASES = [
    sumsq(10_000_000, "loop", None, {"python": sumsq_python}),
    sumsq(1_000_000_000, "loop", None, {"python": sumsq_python}),
    sumsq(10_000_000, "data", 1.0, ARRAYS),
    sumsq(100_000_000, "data", 1.0, ARRAYS),
    deposits(1_000_000),
]
