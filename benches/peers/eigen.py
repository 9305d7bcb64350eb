"""Eigenvalues of a batch of dense random matrices, one matrix a thread, BLAS on one thread inside."""

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import solvers
from case import DATA, THREADS, WHOLE, Case
from threadpoolctl import threadpool_limits

# Count, order, and what hetero's time may be as a share of the best peer's.
SIZES = [(80, 200, 0.8), (100, 300, 0.8), (20, 100, 0.8)]


def path(count, order):
    return f"{DATA}/batch_{count}x{order}.npy"


def prepare(count, order):
    os.makedirs(DATA, exist_ok=True)
    np.save(path(count, order), np.random.default_rng(1).random((count, order, order)))


def descending(values):
    return np.sort(np.abs(values))[::-1]


def on_threads(count, order, solve):
    """Calls `solve` for each matrix, on as many threads as the machine has."""
    batch, pool = np.load(path(count, order)), ThreadPoolExecutor(THREADS)
    return {WHOLE: lambda: list(pool.map(solve, batch))}, 1


def numpy_threads(count, order):
    threadpool_limits(1)
    return on_threads(count, order, lambda a: descending(np.linalg.eigvals(a)))


def mkl_dgeev(count, order):
    mkl = solvers.mkl()
    column_major, none, integer = ctypes.c_int(102), ctypes.c_char(b"N"), ctypes.c_int

    def solve(matrix):
        mkl.MKL_Set_Num_Threads_Local(1)
        # Row by row the matrix is its transpose, which has the same eigenvalues.
        a, n = matrix.copy(), integer(order)
        re, im = np.empty(order), np.empty(order)
        pointers = [solvers.address(array) for array in (a, re, im)]
        failed = mkl.LAPACKE_dgeev(
            column_major, none, none, n, pointers[0], n, pointers[1], pointers[2], None, integer(1), None, integer(1)
        )
        if failed:
            raise RuntimeError(f"dgeev ended with {failed}")
        return descending(np.hypot(re, im))

    return on_threads(count, order, solve)


def case(count, order, goal):
    return Case(
        "eigen",
        f"{count}x{order}x{order}",
        ["run", "eigen", "--batch", path(count, order)],
        lambda report: {WHOLE: report["runs"][0]["warm_seconds"]["median"]},
        {WHOLE: goal},
        {
            "NumPy eigvals, threads": lambda: numpy_threads(count, order),
            "MKL dgeev, threads": lambda: mkl_dgeev(count, order),
        },
        prepare=lambda: prepare(count, order),
    )


CASES = [case(*size) for size in SIZES]
