"""Simulates ten thousand users who dictate to a cluster, and computes the replicas needed by a number of users.

`python -m lab.cluster` compares balancing policies, sizes, failures, a rolling restart at the peak and autoscaling,
prints a table and draws docs/pictures/cluster.svg. It gives the same results each time.

`python -m lab.cluster --size 200 --slots 8` only prints how many replicas serve 200 users while one has failed and one
is being restarted.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.comparison.results import percentile
from lab.cluster.balancers import in_turn, least_of, of_all, random_choice
from lab.cluster.model import Simulation
from lab.cluster.scenario import Scenario, Tally

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "cluster.svg"
MAX_BLOCKED_SHARE = 0.001  # of streams that find all slots used
# Average share of used slots: above it, the six replicas that a balancer tries are too often full.
MAX_UTILIZATION = 0.9
# Streams on a machine with a capacity of eight, and the p95 wait for a final after its endpoint: docs/measurements.md,
# "Streams carried", English.
MEASURED_SLOTS = 8
MEASURED_WAITS_S = {0: 0.0, 1: 0.02, 4: 0.09, 6: 0.13, 8: 0.31, 10: 0.67}
PERCENT = 95


def erlang_b(offered: float, slots: int) -> float:
    """Return the share of arrivals that find all slots used. Source: Erlang's loss formula, by its recurrence."""
    blocked = 1.0
    for number in range(1, slots + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked


def replicas_for(streams: int, slots: int, away: int = 2) -> int:
    """Return the number of replicas for so many average concurrent streams at the peak, while some are away."""
    serving = math.ceil(streams / slots / MAX_UTILIZATION)
    while erlang_b(streams, serving * slots) > MAX_BLOCKED_SHARE:
        serving += 1
    return serving + away


def wait_s(streams: int, slots: int) -> float:
    """Return the p95 wait for a final on a replica with so many streams, as measured on one with eight slots."""
    loads = [load / MEASURED_SLOTS for load in MEASURED_WAITS_S]
    return float(np.interp(streams / slots, loads, list(MEASURED_WAITS_S.values())))


COLUMNS = (
    "", "dictations", "gave up", "rejected, retried", "passed over", "interrupted", "resumed", "away p95, s",
    "most on a replica", "on full ones, %", "final p95, s",
)  # fmt: skip
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def row(name: str, scenario: Scenario, tally: Tally) -> str:
    near_peak = [each for each, open_ in zip(tally.full_share, tally.open, strict=True) if open_ > tally.most_open / 2]
    cells = [
        name,
        tally.arrived,
        tally.abandoned,
        tally.rejected,
        tally.passed_over,
        tally.broken,
        tally.resumed,
        "–" if not tally.waits_s else f"{percentile(tally.waits_s, PERCENT):.2f}",
        f"{max(tally.fullest)} of {scenario.slots}",
        f"{100 * np.mean(near_peak):.1f}",
        f"{wait_s(seen_load(tally), scenario.slots):.2f}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def seen_load(tally: Tally) -> int:
    """Return the number of streams on a replica that 95 of 100 streams do not see exceeded."""
    loads = sorted(tally.loads)
    shares = np.cumsum([tally.loads[load] for load in loads]) / tally.loads.total()
    return loads[int(np.searchsorted(shares, PERCENT / 100))]


def scenarios(base: Scenario) -> list[tuple[str, Scenario]]:
    """Return the compared scenarios with their names."""
    tight = replicas_for(base.streams, base.slots, away=0)
    bare = math.ceil(base.streams / base.slots)
    dying = math.ceil(base.replicas / 100)
    group = max(1, base.replicas // 50)
    return [
        ("random", replace(base, draw=random_choice)),
        ("round-robin", replace(base, draw=in_turn)),
        ("least of two", replace(base, draw=least_of(2))),
        ("least of four (shipped)", base),
        ("… behind four Envoys", replace(base, balancers=4)),
        ("least of all", replace(base, draw=of_all)),
        ("… behind four Envoys", replace(base, draw=of_all, balancers=4)),
        (f"minimum of --size: {tight}", replace(base, replicas=tight)),
        (f"slots for the average only: {bare}", replace(base, replicas=bare)),
        (f"{dying} replicas fail", replace(base, failures=dying)),
        ("… their links fail", replace(base, failures=dying, noticed_s=6.0)),
        (f"all restarted at the peak, {group} at a time", replace(base, concurrent_restarts=group)),
        ("… least of all", replace(base, concurrent_restarts=group, draw=of_all)),
        ("autoscaled to 70 %", replace(base, replicas=_at_night(base), target=0.7)),
        ("autoscaled to 90 %", replace(base, replicas=_at_night(base), target=0.9)),
    ]


def _at_night(base: Scenario) -> int:
    return math.ceil(base.replicas / 2)


def draw(tallies: Sequence[tuple[str, Scenario, Tally]], path: Path) -> None:
    """Draw the picture: users and slots over time, and the share of streams on full replicas under each policy."""
    with mpl.rc_context({"svg.hashsalt": "cluster", "svg.fonttype": "none"}):  # the same results give the same file
        figure = Figure((7.0, 6.0), layout="constrained")
        upper, lower = figure.subplots(2, sharex=True)
        for name, _, tally in tallies:
            minutes = np.array(tally.times_s) / 60
            if name.startswith("autoscaled"):
                upper.plot(minutes, tally.capacity, label=f"slots, {name}")
            elif name.startswith(("random", "round-robin", "least")):
                lower.plot(minutes, 100 * np.array(tally.full_share), label=name)
        upper.plot(minutes, tally.open, color="black", label="users")
        upper.set(ylabel="concurrently", ylim=(0, None))
        lower.set(xlabel="minutes", ylabel="streams on full replicas, %", ylim=(0, None))
        for axes in (upper, lower):
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(loc="upper right", fontsize="small")
        figure.savefig(path, metadata={"Date": None})


def main() -> int:
    """Simulate, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=10_000, help="open at once at the peak, on average")
    parser.add_argument("--slots", type=int, default=8, help="slots of a replica: its MAX_STREAMS")
    parser.add_argument("--size", type=int, metavar="STREAMS", help="only print how many replicas these users need")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    options = parser.parse_args()
    if options.size:
        print(replicas_for(options.size, options.slots))
        return 0
    replicas = math.ceil(1.2 * options.streams / options.slots)
    base = Scenario(streams=options.streams, slots=options.slots, replicas=replicas)
    print(f"{options.streams} users at the peak, {replicas} replicas of {options.slots} slots.\n\n{HEAD}", flush=True)
    tallies: list[tuple[str, Scenario, Tally]] = []
    for name, scenario in scenarios(base):
        tallies.append((name, scenario, Simulation(scenario).run()))
        print(row(*tallies[-1]), flush=True)
    draw(tallies, options.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
