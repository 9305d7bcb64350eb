"""Static condensation: K_ss X = K_sm for 500 masters, on matrices that hetero and its peers read from the same files.

`analyse` is the ordering and the symbolic factorization, `factor` the numbers, `solve` all right-hand sides; the whole is
their sum. SciPy orders while it factors. `benches/sparse.rs` makes the matrices: `random3000` of 7 entries a row, and
linear elasticity on blocks of 8-node hexahedra, clamped at one face, with the masters on the other.
"""

import os
import subprocess

import numpy as np
import scipy.io
import scipy.sparse as sparse
import solvers
from case import DATA, WHOLE, Case


def matrix(name):
    """Writes the matrix and its masters, when they are missing."""
    if not os.path.exists(f"{DATA}/{name}.masters"):
        os.makedirs(DATA, exist_ok=True)
        bench = ["cargo", "bench", "--locked", "--bench", "sparse", "--", "write", DATA, name]
        subprocess.run(bench, check=True, stdout=subprocess.DEVNULL)


def blocks(name):
    """K_ss and K_sm, the latter dense."""
    whole = sparse.csc_matrix(scipy.io.mmread(f"{DATA}/{name}.mtx"))
    masters = np.loadtxt(f"{DATA}/{name}.masters", dtype=np.int64) - 1
    slaves = np.setdiff1d(np.arange(whole.shape[0]), masters)
    of_slaves = whole[:, slaves]
    return sparse.csc_matrix(of_slaves[slaves]), np.asfortranarray(of_slaves[masters].T.toarray())


def peer(name, make):
    def build():
        k, b = blocks(name)
        return solvers.checked(make(k, b), k, b), 1

    return build


def seconds(report):
    phases = report["runs"][0]["phases"]
    found = {
        "analyse": phases["order"] + phases["analyse"],
        "factor": phases["factor"],
        "solve": phases["solve"],
    }
    return found | {WHOLE: sum(found.values())}


def case(name, goals, peers, runs, **more):
    files = ["--stiffness", f"{DATA}/{name}.mtx", "--masters", f"{DATA}/{name}.masters"]
    return Case(
        "guyan",
        name,
        ["run", "guyan", *files, "--runs", str(runs)],
        seconds,
        goals,
        {title: peer(name, make) for title, make in peers.items()},
        prepare=lambda: matrix(name),
        **more,
    )


CHOLMOD = {"CHOLMOD, METIS": lambda k, b: solvers.Cholmod(k, b, "METIS")}
PARDISO = {"MKL PARDISO": solvers.Pardiso}
SMALL = {
    "CHOLMOD, AMD": lambda k, b: solvers.Cholmod(k, b, "AMD"),
    "SciPy factorized, columns": lambda k, b: solvers.SuperLu(k, b, 0),
    "SciPy factorized, 8 threads": lambda k, b: solvers.SuperLu(k, b, 8),
}
GOALS = {"analyse": None, "factor": 0.7, "solve": None, WHOLE: 0.6}

CASES = [
    case("random3000", {"analyse": None, "factor": 0.5, "solve": 0.5, WHOLE: None}, PARDISO | CHOLMOD | SMALL, 20),
    case("fe20k", GOALS, PARDISO | CHOLMOD, 5),
    case("fe60k", GOALS, PARDISO | CHOLMOD, 3, rounds=3),
    case("fe190k", GOALS | {WHOLE: 0.75}, PARDISO | CHOLMOD, 3, rounds=2, large=True),
]
