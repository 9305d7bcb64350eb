"""A Matrix Market file of some 200 MB, in the page cache, to compressed columns.

SciPy's `mmread` gives triplets; what hetero gives is `tocsc` further. By default it parses on all processors.
"""

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


def taken():
    """What any reader has to do: take the bytes."""
    buffer = bytearray(1 << 20)

    def call():
        with open(FILE, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

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
        limits={"read(), nothing else": taken},
    )
]
