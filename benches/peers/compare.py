"""hetero beside its peers, interleaved and pinned.

Every round times each contender once or more, so that a slow minute of the machine falls on all of them; the figure of a
contender is the median over all its times. The peers' worker threads are pinned to one CPU each while they are timed
(hetero pins its own). hetero's times come from its JSON report: the kernel and the answer made from it, with the threads
already there, as the peers' are.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import contenders
import pinning

# (workload, size, what hetero's time may be at most as a share of the best peer's)
CASES = [
    ("pi", 10_000_000, 0.30),
    ("pi", 1_000_000_000, 0.30),
    ("axial", 100_000, 0.5),
    ("axial", 1_000_000, 0.9),
    ("axial", 10_000_000, 0.9),
]

# A contender is timed again within a round until this much time has gone.
ROUND_SECONDS = 0.25

HETERO = {
    "pi": lambda size: ["run", "pi", "--samples", str(size)],
    "axial": lambda size: ["run", "stress", "--model", "axial", "--elements", str(size)],
}


def hetero_run(program, workload, size):
    """One process of hetero: the record of its run."""
    command = [program, *HETERO[workload](size), "--backend", "cpu", "--baseline", "none", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    run = json.loads(done.stdout)["runs"][0]
    if run["verify"]["status"] != "pass":
        sys.exit(f"{' '.join(command)}: the answer failed its verification")
    return run


def timed(call):
    """Times `call` until the share of this round is used up."""
    times, begin = [], time.perf_counter()
    while not times or time.perf_counter() - begin < ROUND_SECONDS:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def compare(program, workload, size, rounds):
    peers = {}
    for name, make in contenders.PEERS[workload].items():
        try:
            call, done = make(size)
            call()  # compile, first touch
        except Exception as why:  # a peer that is not installed is left out, and said so
            print(f"  {name} left out: {why}", file=sys.stderr)
            continue
        # Threads are found by who worked during a warm-up, and pinned only while this peer is timed.
        peers[name] = (call, size / done, pinning.busy_threads(call), [])
    medians, kernels = [], []
    for _ in range(rounds):
        for call, scale, threads, times in peers.values():
            with pinning.pinned(threads):
                times += [t * scale for t in timed(call)]
        run = hetero_run(program, workload, size)
        medians.append(run["warm_seconds"]["median"])
        kernels.append(run["phases"]["kernel"])
    table = {name: statistics.median(times) for name, (_, _, _, times) in peers.items()}
    return table, statistics.median(medians), statistics.median(kernels)


def show(seconds):
    return f"{seconds * 1e3:.3f} ms" if seconds < 1 else f"{seconds:.3f} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", help=f"of {', '.join(HETERO)}; all when none is named")
    parser.add_argument("--hetero", default="target/release/hetero", help="the program")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", default="target/bench-peers.json", help="every figure, as JSON")
    arguments = parser.parse_args()
    if unknown := set(arguments.workloads) - set(HETERO):
        parser.error(f"there is no workload {', '.join(unknown)}")

    results, rows = [], []
    for workload, size, goal in CASES:
        if arguments.workloads and workload not in arguments.workloads:
            continue
        print(f"{workload} {size:.0e}", file=sys.stderr)
        table, hetero, kernel = compare(arguments.hetero, workload, size, arguments.rounds)
        for name, seconds in sorted(table.items(), key=lambda row: row[1]):
            print(f"  {name:34} {show(seconds):>12}  {seconds / hetero:8.2f} x hetero", file=sys.stderr)
        print(f"  {'hetero, kernel and answer':34} {show(hetero):>12}  (kernel {show(kernel)})", file=sys.stderr)
        results.append({"workload": workload, "size": size, "peers": table, "hetero": hetero, "kernel": kernel})
        if table:
            best = min(table, key=table.get)
            ratio = hetero / table[best]
            verdict = "met" if ratio <= goal else "missed"
            rows.append(
                f"| {workload} | {size:.0e} | {best} | {show(table[best])} | {show(hetero)} | {ratio:.2f} | {goal} | {verdict} |"
            )
    with open(arguments.output, "w") as file:
        json.dump({"cpus": pinning.CPUS, "rounds": arguments.rounds, "results": results}, file, indent=1)
    print("| work | size | best peer | its time | hetero | ratio | goal | |")
    print("|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
