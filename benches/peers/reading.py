"""A Matrix Market file of some 200 MB, in the page cache, to compressed columns.

SciPy's `mmread` gives triplets; what hetero gives is `tocsc` further. By default it parses on all processors.
"""

import numpy as np
import scipy.io
import scipy.io._fast_matrix_market as fast
from case import DATA, WHOLE, Case
from guyan import matrix

FILE = f"{DATA}/bar.mtx"


def mmread(threads, columns=False):
    def call():
        fast.PARALLELISM = threads
        matrix = scipy.io.mmread(FILE)
        if columns:
            matrix.tocsc()

    return lambda: ({WHOLE: call}, 1)


def touched():
    """What any reader has to do, on one thread: take the file's bytes, and fill new memory with the matrix's."""
    with open(FILE) as file:
        next(file)
        rows, _, entries = map(int, next(file).split())
    # Both triangles: row and value of each entry.
    n_bytes = (2 * entries - rows) * 12
    buffer = bytearray(1 << 20)

    def call():
        with open(FILE, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
        np.empty(n_bytes, np.uint8).fill(1)

    return {WHOLE: call}, 1


CASES = [
    Case(
        "reading",
        "bar.mtx",
        ["run", "guyan", "--stiffness", FILE, "--masters", "1", "--runs", "1"],
        lambda report: {WHOLE: report["result"]["read_seconds"]},
        {WHOLE: 0.1},
        {
            "SciPy mmread": mmread(0),
            "SciPy mmread, one thread": mmread(1),
            "SciPy mmread, tocsc": mmread(0, columns=True),
        },
        prepare=lambda: matrix("bar"),
        pin=False,
        limits={"bytes in and out, nothing else": touched},
    )
]
