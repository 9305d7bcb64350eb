"""A Matrix Market file of some 200 MB, in the page cache, to compressed columns.

SciPy's `mmread` gives triplets; what hetero gives is `tocsc` further. By default it parses on all processors.
"""

import ctypes
import mmap
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pinning
import scipy.io
import scipy.io._fast_matrix_market as fast
from case import DATA, THREADS, WHOLE, Case
from guyan import matrix

FILE = f"{DATA}/bar.mtx"

HUGE = 2 << 20
PIECE = 512 << 10


def mmread(threads, columns=False):
    def call():
        fast.PARALLELISM = threads
        matrix = scipy.io.mmread(FILE)
        if columns:
            matrix.tocsc()

    return lambda: ({WHOLE: call}, 1)


def python_mmread():
    """SciPy's reader before 1.12, which it still ships: a loop in Python, on one thread."""
    from scipy.io import _mmio

    return {WHOLE: lambda: _mmio.mmread(FILE)}, 1


def touched(threads):
    """What any reader has to do, on pinned threads: take the file's bytes, and fill new memory with the matrix's.

    In the way that was the fastest of those tried on 2 processors, for 203 and 152 MB, each on its own: the file by `pread`
    into pieces that stay in the caches (6 to 8 ms; mapped and read 11, mapped with MAP_POPULATE 19), and memory on huge
    pages (5 ms; on those of 4 KiB 33, with MADV_POPULATE_WRITE first 9). One after the other they take 19 ms.
    """

    def build():
        with open(FILE) as file:
            next(file)
            rows, _, entries = map(int, next(file).split())
        # Both triangles: row and value of each entry.
        n_new = -(-(2 * entries - rows) * 12 // HUGE) * HUGE
        n_file = os.path.getsize(FILE)
        file = os.open(FILE, os.O_RDONLY)
        pools = [ThreadPoolExecutor(1, initializer=pin, initargs=(k,)) for k in range(threads)]
        pieces = [bytearray(PIECE) for _ in pools]

        def share(total, k):
            """Where the bytes of thread `k` begin and end, on whole huge pages but for the file's end."""
            pages = -(-total // HUGE)
            return [min(pages * j // threads * HUGE, total) for j in (k, k + 1)]

        def work(k, new):
            at, end = share(n_file, k)
            while at < end:
                at += os.preadv(file, [pieces[k]], at)
            at, end = share(n_new, k)
            ctypes.memset(new + at, 1, end - at)

        def call():
            memory = mmap.mmap(-1, n_new, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            memory.madvise(mmap.MADV_HUGEPAGE)
            new = np.frombuffer(memory, np.uint8).ctypes.data
            for done in [pool.submit(work, k, new) for k, pool in enumerate(pools)]:
                done.result()

        return {WHOLE: call}, 1

    return build


def pin(k):
    """The calling thread to CPU `k` of those that there are."""
    os.sched_setaffinity(0, {pinning.CPUS[k]})


def case(size, goal, peers, **more):
    return Case(
        "reading",
        size,
        ["run", "guyan", "--stiffness", FILE, "--masters", "1", "--runs", "1"],
        lambda report: {WHOLE: report["result"]["read_seconds"]},
        {WHOLE: goal},
        peers,
        prepare=lambda: matrix("bar"),
        pin=False,
        **more,
    )


BYTES = "bytes in and out, nothing else"

CASES = [
    case(
        "bar.mtx",
        0.1,
        {
            "SciPy mmread": mmread(0),
            "SciPy mmread, one thread": mmread(1),
            "SciPy mmread, tocsc": mmread(0, columns=True),
        },
        limits={BYTES: touched(THREADS), f"{BYTES}, one thread": touched(1)},
    ),
    case("bar.mtx as before SciPy 1.12", None, {"SciPy mmread in Python": python_mmread}, rounds=1, large=True),
]
