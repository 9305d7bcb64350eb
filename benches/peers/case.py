"""What a comparison is made of."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

# Input files that several programs read.
DATA = "target/peers-data"

# The phase of work that is timed as one; for work in several phases their sum.
WHOLE = ""


@dataclass
class Case:
    """One piece of work that hetero and its peers do."""

    workload: str
    size: str
    # hetero's command line, and its seconds for each phase, from its report.
    command: list[str]
    seconds: Callable[[dict], dict[str, float]]
    # What hetero's time may be at most, as a share of the best peer's; None for a phase without a goal.
    goals: dict[str, float | None]
    # Makes each peer: the calls of its phases in their order, and what their times are to be multiplied with when they do
    # less than all of the work.
    peers: dict[str, Callable[[], tuple[dict[str, Callable], float]]]
    # Timed like peers, but not compared: what the machine allows.
    limits: dict[str, Callable[[], tuple[dict[str, Callable], float]]] = field(default_factory=dict)
    # Makes the input files that are missing.
    prepare: Callable[[], None] = lambda: None
    rounds: int = 5
    # Not for peers that make new threads in each call, which would all inherit the one CPU.
    pin: bool = True
    # Only when it is asked for.
    large: bool = False

    def name(self):
        return f"{self.workload} {self.size}"
