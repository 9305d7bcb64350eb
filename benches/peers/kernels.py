"""The kernels `pi`, `axial` and `map`. Each peer is a function that takes a size and returns a call and the items it does.

hetero's time is the kernel and the answer made from it, with the threads already there, as the peers' are.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from case import THREADS, WHOLE, Case


# --- pi ---


def pi_numba(size):
    import numba

    @numba.njit(parallel=True)
    def count(n):
        hits = 0
        for _ in numba.prange(n):
            x = np.random.random()
            y = np.random.random()
            if x * x + y * y <= 1.0:
                hits += 1
        return hits

    # Above a second the rate is constant: time a tenth of it.
    n = size if size <= 100_000_000 else size // 10
    return (lambda: count(n)), n


def pi_numpy(size):
    block = 1 << 15
    n = size if size <= 100_000_000 else size // 10

    def count(generator, n):
        hits = 0
        while n > 0:
            m = min(block, n)
            x, y = generator.random((2, m), dtype=np.float32)
            hits += int(np.count_nonzero(x * x + y * y <= 1.0))
            n -= m
        return hits

    pool = ThreadPoolExecutor(THREADS)
    generators = [np.random.Generator(np.random.SFC64(seed)) for seed in range(THREADS)]
    return (lambda: sum(pool.map(lambda g: count(g, n // THREADS), generators))), n // THREADS * THREADS


PHILOX = """
#define ROUND { \
    uint4 p = (uint4)(0xD2511F53u * c.x, mul_hi(0xD2511F53u, c.x), 0xCD9E8D57u * c.z, mul_hi(0xCD9E8D57u, c.z)); \
    c = (uint4)(p.w ^ c.y ^ k0, p.z, p.y ^ c.w ^ k1, p.x); k0 += 0x9E3779B9u; k1 += 0xBB67AE85u; }
__kernel void count(__global uint* hits, uint blocks) {
    uint id = get_global_id(0), mine = 0;
    const float scale = 1.0f / 16777216.0f;
    for (uint i = 0; i < blocks; i++) {
        uint4 c = (uint4)(id * blocks + i, 0, 0, 0);
        uint k0 = 1234, k1 = 5678;
        ROUND ROUND ROUND ROUND ROUND ROUND ROUND ROUND ROUND ROUND
        float x = (c.x >> 8) * scale, y = (c.y >> 8) * scale;
        mine += x * x + y * y <= 1.0f;
        x = (c.z >> 8) * scale; y = (c.w >> 8) * scale;
        mine += x * x + y * y <= 1.0f;
    }
    hits[id] = mine;
}
"""


def _opencl():
    """The first processor that OpenCL finds."""
    import pyopencl as cl

    devices = [d for p in cl.get_platforms() for d in p.get_devices() if d.type & cl.device_type.CPU]
    if not devices:
        raise RuntimeError("OpenCL finds no processor (pocl is missing)")
    context = cl.Context(devices[:1])
    return cl, context, cl.CommandQueue(context)


def pi_pocl(size):
    cl, context, queue = _opencl()
    kernel = cl.Kernel(cl.Program(context, PHILOX).build(), "count")
    blocks = 256
    groups = max(1, size // 2 // blocks // 64) * 64
    hits = np.empty(groups, np.uint32)
    buffer = cl.Buffer(context, cl.mem_flags.WRITE_ONLY, hits.nbytes)

    def call():
        kernel(queue, (groups,), (64,), buffer, np.uint32(blocks))
        cl.enqueue_copy(queue, hits, buffer).wait()
        return int(hits.sum(dtype=np.int64))

    return call, groups * blocks * 2


# --- axial: sigma = E |u| in f64, everything in memory ---


def _arrays(size):
    generator = np.random.default_rng(2)
    return generator.random((size, 3)), np.full(size, 210e9), np.zeros(size)


def axial_numba_norm(size):
    import numba

    @numba.njit(parallel=True)
    def stress(u, young):
        out = np.zeros(u.shape[0])
        for i in numba.prange(u.shape[0]):
            out[i] = young[i] * (np.linalg.norm(u[i]) / 1.0)
        return out

    u, young, _ = _arrays(size)
    return (lambda: stress(u, young)), size


def axial_numba(size):
    import numba

    @numba.njit(parallel=True, fastmath=True)
    def stress(u, young, out):
        for i in numba.prange(u.shape[0]):
            out[i] = young[i] * np.sqrt(u[i, 0] * u[i, 0] + u[i, 1] * u[i, 1] + u[i, 2] * u[i, 2])

    u, young, out = _arrays(size)
    return (lambda: stress(u, young, out)), size


def axial_numpy(size):
    u, young, _ = _arrays(size)
    return (lambda: young * np.sqrt(np.einsum("ij,ij->i", u, u))), size


def axial_numexpr(size):
    import numexpr

    numexpr.set_num_threads(THREADS)
    u, young, out = _arrays(size)
    arrays = {"E": young, "x": u[:, 0], "y": u[:, 1], "z": u[:, 2]}
    return (lambda: numexpr.evaluate("E * sqrt(x*x + y*y + z*z)", local_dict=arrays, out=out)), size


AXIAL = """
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
__kernel void axial(__global const double* u, __global const double* young, __global double* out) {
    size_t i = get_global_id(0);
    double x = u[3 * i], y = u[3 * i + 1], z = u[3 * i + 2];
    out[i] = young[i] * sqrt(x * x + y * y + z * z);
}
"""


def axial_pocl(size):
    cl, context, queue = _opencl()
    kernel = cl.Kernel(cl.Program(context, AXIAL).build(), "axial")
    u, young, out = _arrays(size)
    flags = cl.mem_flags
    buffers = [cl.Buffer(context, flags.READ_ONLY | flags.USE_HOST_PTR, hostbuf=array) for array in (u, young)]
    buffers.append(cl.Buffer(context, flags.WRITE_ONLY | flags.USE_HOST_PTR, hostbuf=out))

    def call():
        kernel(queue, (size,), (1000,), *buffers)
        queue.finish()

    # The arrays must outlive the buffers that stand on them.
    call.arrays = (u, young, out)
    return call, size


# --- map: the users' own expressions in f64 ---

EXPRESSIONS = {
    "cheap": "sqrt(x*x + y*y) * 0.5",
    "wave": "exp(-x) * sin(20*y) + cos(x)",
    "blend": "where(x > y, log(1 + x) / (1 + y**2), tanh(y - x) * sqrt(x))",
}


def _variables(size):
    generator = np.random.default_rng(3)
    return generator.random(size), generator.random(size), np.zeros(size)


def map_numexpr(size, text):
    import numexpr

    numexpr.set_num_threads(THREADS)
    x, y, out = _variables(size)
    return (lambda: numexpr.evaluate(text, local_dict={"x": x, "y": y}, out=out)), size


def map_numpy(size, text):
    x, y, _ = _variables(size)
    names = {name: getattr(np, name) for name in ("sqrt", "exp", "sin", "cos", "where", "log", "tanh")}
    code = compile(text, "map", "eval")
    return (lambda: eval(code, names, {"x": x, "y": y})), size


def map_numba(size, text):
    import numba

    names = {"np": np, "numba": numba}
    names |= {name: getattr(np, name) for name in ("sqrt", "exp", "sin", "cos", "log", "tanh")}
    names["where"] = numba.njit(inline="always")(lambda c, a, b: a if c else b)
    exec(f"def f(x, y, out):\n for i in numba.prange(x.size):\n  out[i] = of(x[i], y[i])\ndef of(x, y): return {text}", names)
    names["of"] = numba.njit(fastmath=True, inline="always")(names["of"])
    compiled = numba.njit(parallel=True, fastmath=True)(names["f"])
    x, y, out = _variables(size)
    return (lambda: compiled(x, y, out)), size


PEERS = {
    "pi": {
        "numba prange": pi_numba,
        "numpy SFC64 f32, threads": pi_numpy,
        "pocl Philox4x32-10 f32": pi_pocl,
    },
    "axial": {
        "numba prange, linalg.norm": axial_numba_norm,
        "numba prange, sqrt, preallocated": axial_numba,
        "numpy einsum": axial_numpy,
        "numexpr": axial_numexpr,
        "pocl f64, in place": axial_pocl,
    },
} | {
    f"map {name}": {
        "numexpr": lambda size, text=text: map_numexpr(size, text),
        "numpy": lambda size, text=text: map_numpy(size, text),
        "numba prange, fastmath": lambda size, text=text: map_numba(size, text),
    }
    for name, text in EXPRESSIONS.items()
}

COMMANDS = {
    "pi": lambda size: ["run", "pi", "--samples", str(size)],
    # As many runs as take about as long as the peers are called for in a round: what is over in 30 us is not warm after 30.
    "axial": lambda size: ["run", "stress", "--model", "axial", "--elements", str(size), "--runs", str(max(30, 300_000_000 // size))],
} | {
    f"map {name}": lambda size, text=text: ["run", "map", "--items", str(size), "--expr", text]
    for name, text in EXPRESSIONS.items()
}


def seconds(report):
    run = report["runs"][0]
    return {WHOLE: run["warm_seconds"]["median"], "kernel": run["phases"]["kernel"]}


def case(workload, size, goal):
    def scaled(make):
        def build():
            call, done = make(size)
            return {WHOLE: call}, size / done

        return build

    peers = {name: scaled(make) for name, make in PEERS[workload].items()}
    return Case(workload, f"{size:.0e}", COMMANDS[workload](size), seconds, {WHOLE: goal}, peers)


CASES = [
    case("pi", 10_000_000, 0.30),
    case("pi", 1_000_000_000, 0.30),
    case("axial", 100_000, 0.5),
    case("axial", 1_000_000, 0.9),
    case("axial", 10_000_000, 0.9),
    case("map cheap", 10_000_000, 0.7),
    case("map wave", 10_000_000, 0.7),
    case("map blend", 10_000_000, 0.7),
]
