"""One contender, in a process of its own: `contender.py CASE NAME`.

Threads that wait by spinning would slow whoever comes next in the same process. Says "ready" when it is warm; then, for
each line of its input, does one round and prints the seconds of each phase, all of them kept, as one line of JSON.
"""

import json
import sys
import time

import cases
import pinning
from case import WHOLE

# A contender is timed again within a round until this much time has gone.
ROUND_SECONDS = 0.25

# OpenMP's threads spin this long when there is nothing left to do.
SPIN_SECONDS = 0.25


def main():
    case = next(case for case in cases.CASES if case.name() == sys.argv[1])
    steps, scale = (case.peers | case.limits)[sys.argv[2]]()
    threads = {}
    for phase, step in steps.items():
        step()  # compile, first touch
        # Threads are found by who worked during a warm-up, and pinned only while this phase is timed.
        threads[phase] = pinning.busy_threads(step) if case.pin else []
    print("ready", flush=True)
    for _ in sys.stdin:
        rounds, begin = [], time.perf_counter()
        while not rounds or time.perf_counter() - begin < ROUND_SECONDS:
            seconds = {}
            for phase, step in steps.items():
                with pinning.pinned(threads[phase]):
                    start = time.perf_counter()
                    step()
                    seconds[phase] = (time.perf_counter() - start) * scale
            seconds[WHOLE] = sum(seconds.values())
            rounds.append(seconds)
        time.sleep(SPIN_SECONDS)
        print(json.dumps(rounds), flush=True)


if __name__ == "__main__":
    main()
