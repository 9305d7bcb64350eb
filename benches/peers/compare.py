"""hetero beside its peers, interleaved and pinned.

Every round times each contender once or more, so that a slow minute of the machine falls on all of them; the figure of a
contender is the median over all its times. Each has a process of its own, whose worker threads are pinned to one CPU each
while they are timed (hetero pins its own). hetero's times come from its JSON report.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

import pinning
from cases import CASES


def hetero_run(program, case):
    """One process of hetero: the seconds of its phases."""
    command = [program, *case.command, "--backend", "cpu", "--baseline", "none", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    if report["runs"][0]["verify"]["status"] != "pass":
        sys.exit(f"{' '.join(command)}: the answer failed its verification")
    return case.seconds(report)


def start(case, name):
    """The contender's process, warmed up; None when it is not installed, which is said."""
    command = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "contender.py"), case.name(), name]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if process.stdout.readline().strip() == "ready":
        return process
    why = process.communicate()[1].strip().splitlines()
    print(f"  {name} left out: {why[-1] if why else 'it ended'}", file=sys.stderr)
    return None


def one_round(process):
    """The seconds of each phase, once or more."""
    process.stdin.write("go\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def medians(rounds):
    return {phase: statistics.median(seconds[phase] for seconds in rounds) for phase in rounds[0]}


def compare(program, case, rounds):
    """Medians by contender and phase: of the peers, the limits, and hetero."""
    case.prepare()
    started = {name: start(case, name) for name in case.peers | case.limits}
    there = {name: process for name, process in started.items() if process}
    times, own = {name: [] for name in there}, []
    for _ in range(rounds):
        for name, process in there.items():
            times[name] += one_round(process)
        own.append(hetero_run(program, case))
    for process in there.values():
        process.communicate()
    table = {name: medians(of_it) for name, of_it in times.items()}
    peers = {name: of_it for name, of_it in table.items() if name in case.peers}
    limits = {name: of_it for name, of_it in table.items() if name in case.limits}
    return peers, limits, medians(own)


def show(seconds):
    return f"{seconds * 1e3:.3f} ms" if seconds < 1 else f"{seconds:.3f} s"


def report(case, peers, limits, hetero):
    """Prints every figure of a case; returns its rows of the table."""
    rows = []
    for phase, goal in case.goals.items():
        found = {name: times[phase] for name, times in (peers | limits).items() if phase in times}
        print(f"  {phase or 'the whole'}", file=sys.stderr)
        for name, seconds in sorted(found.items(), key=lambda row: row[1]):
            print(f"    {name:34} {show(seconds):>12}  {seconds / hetero[phase]:8.2f} x hetero", file=sys.stderr)
        print(f"    {'hetero':34} {show(hetero[phase]):>12}", file=sys.stderr)
        of_peers = {name: seconds for name, seconds in found.items() if name in peers}
        if of_peers:
            best = min(of_peers, key=of_peers.get)
            ratio = hetero[phase] / of_peers[best]
            verdict = "" if goal is None else "met" if ratio <= goal else "missed"
            work = f"{case.workload}, {phase}" if phase else case.workload
            rows.append(
                f"| {work} | {case.size} | {best} | {show(of_peers[best])} | {show(hetero[phase])} "
                f"| {ratio:.2f} | {'' if goal is None else goal} | {verdict} |"
            )
    return rows


def main():
    names = list(dict.fromkeys(case.workload for case in CASES))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", help=f"of {', '.join(names)}, or one size of them; all when none is named")
    parser.add_argument("--hetero", default="target/release/hetero", help="the program")
    parser.add_argument("--rounds", type=int, help="instead of each case's own")
    parser.add_argument("--large", action="store_true", help="the cases that take minutes as well")
    parser.add_argument("--output", default="target/bench-peers.json", help="every figure, as JSON")
    arguments = parser.parse_args()
    if unknown := set(arguments.workloads) - set(names) - {case.size for case in CASES}:
        parser.error(f"there is no workload {', '.join(unknown)}")

    results, rows = [], []
    for case in CASES:
        if arguments.workloads and not {case.workload, case.size} & set(arguments.workloads):
            continue
        if case.large and not arguments.large:
            continue
        print(case.name(), file=sys.stderr)
        peers, limits, hetero = compare(arguments.hetero, case, arguments.rounds or case.rounds)
        rows += report(case, peers, limits, hetero)
        results.append(
            {"workload": case.workload, "size": case.size, "peers": peers, "limits": limits, "hetero": hetero}
        )
    with open(arguments.output, "w") as file:
        json.dump({"cpus": pinning.CPUS, "results": results}, file, indent=1)
    print("| work | size | best peer | its time | hetero | ratio | goal | |")
    print("|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
