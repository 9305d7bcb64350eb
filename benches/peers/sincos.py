"""t = sin t * cos t, 100 times for each of 100 columns, and the sums of 8000 rows, on the same array from a file.

The pools of processes are made in each call, as people write it.
"""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from case import DATA, THREADS, WHOLE, Case

ROWS, COLUMNS, ITERATIONS = 8000, 100, 100
FILE = f"{DATA}/sincos_{ROWS}x{COLUMNS}.npy"
# Rows that stay in a core's cache together.
BLOCK = 64


def prepare():
    os.makedirs(DATA, exist_ok=True)
    np.save(FILE, np.random.default_rng(0).random((ROWS, COLUMNS)))


def process_chunk(rows):
    """As people write it: a loop over rows, NumPy inside."""
    result = np.zeros(len(rows))
    for i in range(len(rows)):
        t = rows[i]
        for _ in range(ITERATIONS):
            t = np.sin(t) * np.cos(t)
        result[i] = np.sum(t)
    return result


def pool(processes):
    """`multiprocessing.Pool`, a chunk a process."""
    chunks = np.array_split(np.load(FILE), processes)

    def call():
        with multiprocessing.Pool(processes) as workers:
            return np.concatenate(workers.map(process_chunk, chunks))

    return checked(call)


def numpy_loop():
    array = np.load(FILE)
    return checked(lambda: process_chunk(array))


def numpy_threads():
    """Blocks of rows in place, on as many threads as the machine has; NumPy lets go of the interpreter's lock."""
    array, workers = np.load(FILE), ThreadPoolExecutor(THREADS)

    def block(first):
        t = array[first : first + BLOCK].copy()
        s, c = np.empty_like(t), np.empty_like(t)
        for _ in range(ITERATIONS):
            np.sin(t, out=s)
            np.cos(t, out=c)
            np.multiply(s, c, out=t)
        return t.sum(axis=1)

    return checked(lambda: np.concatenate(list(workers.map(block, range(0, ROWS, BLOCK)))))


def numba_elements():
    import numba

    @numba.njit(parallel=True)
    def sums(array):
        out = np.empty(array.shape[0])
        for i in numba.prange(array.shape[0]):
            total = 0.0
            for j in range(array.shape[1]):
                t = array[i, j]
                for _ in range(ITERATIONS):
                    t = np.sin(t) * np.cos(t)
                total += t
            out[i] = total
        return out

    array = np.load(FILE)
    return checked(lambda: sums(array))


def numba_rows():
    """The loop over columns inside, so that it may become vector code."""
    import numba

    @numba.njit(parallel=True, fastmath=True)
    def sums(array):
        out = np.empty(array.shape[0])
        for i in numba.prange(array.shape[0]):
            t = array[i].copy()
            for _ in range(ITERATIONS):
                for j in range(t.size):
                    t[j] = np.sin(t[j]) * np.cos(t[j])
            total = 0.0
            for j in range(t.size):
                total += t[j]
            out[i] = total
        return out

    array = np.load(FILE)
    return checked(lambda: sums(array))


def checked(call):
    """The call, if its sum is that of t = sin(2 t) / 2, which is the same, to 12 digits."""
    t = np.load(FILE)
    for _ in range(ITERATIONS):
        t = np.sin(2 * t) / 2
    total, want = float(np.sum(call())), float(np.sum(t))
    if not abs(total - want) < 1e-12 * want:
        raise RuntimeError(f"a sum of {total} and not {want}")
    return {WHOLE: call}, 1


def case(title, goal, peers, pin):
    return Case(
        "sincos",
        title,
        ["run", "sincos", "--input", FILE, "--iterations", str(ITERATIONS)],
        lambda report: {WHOLE: report["runs"][0]["warm_seconds"]["median"]},
        {WHOLE: goal},
        peers,
        prepare=prepare,
        pin=pin,
    )


CASES = [
    case(
        "8000x100x100",
        0.12,
        {
            "numba prange fastmath, rows": numba_rows,
            "numba prange, elements": numba_elements,
            "numpy in blocks, threads": numpy_threads,
        },
        True,
    ),
    # New processes inherit the one CPU that their maker is pinned to.
    case(
        "8000x100x100, processes",
        0.04,
        {
            "multiprocessing.Pool(8)": lambda: pool(8),
            "multiprocessing.Pool, one a CPU": lambda: pool(THREADS),
            "numpy, one process": numpy_loop,
        },
        False,
    ),
]
