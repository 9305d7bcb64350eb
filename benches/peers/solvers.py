"""Direct solvers for symmetric positive definite matrices, behind one face.

A solver is made from K (scipy CSC, both triangles) and B (dense, Fortran order) and has `steps`: named calls in their
order, each of which replaces what it made before. `x` is the solution after the last one.
"""

import ctypes
import glob
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse as sparse
from case import THREADS

HERE = os.path.dirname(os.path.abspath(__file__))


def address(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def mkl():
    """Intel's library of the `mkl` wheel."""
    found = glob.glob(os.path.join(sys.prefix, "lib", "libmkl_rt.so*"))
    if not found:
        raise RuntimeError("the mkl wheel is missing")
    return ctypes.CDLL(found[0])


class Pardiso:
    """MKL PARDISO, L L' with nested dissection, all right-hand sides in one call."""

    ANALYSE, FACTOR, SOLVE = 11, 22, 33

    def __init__(self, k, b):
        self.library = mkl()
        self.library.MKL_Set_Num_Threads(THREADS)
        upper = sparse.csr_matrix(sparse.triu(k))
        upper.sort_indices()
        self.starts, self.columns = (a.astype(np.int32) for a in (upper.indptr, upper.indices))
        self.values, self.b, self.x = upper.data, b, np.empty_like(b, order="F")
        self.handle, self.settings = np.zeros(64, np.int64), np.zeros(64, np.int32)
        # No defaults; METIS; small pivots would be raised by 1e-8; C indices.
        self.settings[[0, 1, 9, 34]] = 1, 2, 8, 1
        self.steps = {
            "analyse": lambda: self.phase(self.ANALYSE),
            "factor": lambda: self.phase(self.FACTOR),
            "solve": lambda: self.phase(self.SOLVE),
        }

    def phase(self, phase):
        number = lambda value: ctypes.byref(ctypes.c_int32(value))
        error, order, columns = ctypes.c_int32(0), *self.b.shape
        definite = 2
        self.library.pardiso(
            address(self.handle), number(1), number(1), number(definite), number(phase), number(order),
            address(self.values), address(self.starts), address(self.columns), number(0), number(columns),
            address(self.settings), number(0), address(self.b), address(self.x), ctypes.byref(error),
        )  # fmt: skip
        if error.value:
            raise RuntimeError(f"PARDISO ended phase {phase} with {error.value}")


class Cholmod:
    """SuiteSparse CHOLMOD with OpenBLAS; blocks of right-hand sides on a pool of threads, the fastest way it has."""

    BLOCK = 64

    def __init__(self, k, b, ordering):
        self.library = cholmod_library()
        lower = sparse.csc_matrix(sparse.tril(k))
        lower.sort_indices()
        parts = [a.astype(np.int64) for a in (lower.indptr, lower.indices)] + [lower.data]
        self.solver = self.library.solver_open(
            ctypes.c_long(k.shape[0]), *map(address, parts), ctypes.c_int(ordering == "METIS")
        )
        self.b, self.x = b, np.empty_like(b, order="F")
        self.pool = ThreadPoolExecutor(THREADS)
        self.steps = {"analyse": self.analyse, "factor": self.factor, "solve": self.solve}

    def analyse(self):
        self.check(self.library.solver_analyse(self.solver))

    def factor(self):
        self.check(self.library.solver_factor(self.solver, ctypes.c_int(THREADS)))

    def solve(self):
        self.library.one_thread_each()
        for failed in self.pool.map(self.solve_block, range(0, self.b.shape[1], self.BLOCK)):
            self.check(failed)

    def solve_block(self, first):
        b, x = (a[:, first : first + self.BLOCK] for a in (self.b, self.x))
        return self.library.solver_solve(self.solver, ctypes.c_long(b.shape[1]), address(b), address(x))

    def check(self, failed):
        if failed:
            raise RuntimeError(f"CHOLMOD failed with {failed}")


def cholmod_library():
    """Compiles cholmod.c, whose structures differ from version to version, against the one that is installed."""
    source, library = os.path.join(HERE, "cholmod.c"), os.path.abspath("target/peers-cholmod.so")
    if not os.path.exists(library) or os.path.getmtime(library) < os.path.getmtime(source):
        command = ["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-lcholmod", "-lopenblas"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"cholmod.c does not compile ({done.stderr.splitlines()[0]}); it needs SuiteSparse, OpenBLAS")
    loaded = ctypes.CDLL(library)
    loaded.solver_open.restype = ctypes.c_void_p
    for name in ("analyse", "factor", "solve"):
        getattr(loaded, f"solver_{name}").argtypes = [ctypes.c_void_p] + {
            "factor": [ctypes.c_int],
            "solve": [ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p],
        }.get(name, [])
    return loaded


class SuperLu:
    """SciPy's `factorized`, as people write it: one column after the other, on a pool of threads if `threads`."""

    def __init__(self, k, b, threads):
        self.k, self.b, self.x = k, b, np.empty_like(b, order="F")
        self.pool = ThreadPoolExecutor(threads) if threads else None
        self.steps = {"factor": self.factor, "solve": self.solve}

    def factor(self):
        self.solution = sparse.linalg.factorized(self.k)

    def solve(self):
        def column(j):
            self.x[:, j] = self.solution(self.b[:, j])

        for _ in (self.pool.map if self.pool else map)(column, range(self.b.shape[1])):
            pass


def checked(solver, k, b):
    """The steps of a solver whose answer is right."""
    for step in solver.steps.values():
        step()
    residual = np.abs(k @ solver.x[:, :20] - b[:, :20]).max() / np.abs(b).max()
    if not residual < 1e-12:
        raise RuntimeError(f"a residual of {residual}")
    return solver.steps
