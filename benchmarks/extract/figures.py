"""From runs to figures: medians of interleaved rounds, ratios where results are equal, bars. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.extract.measure import Run

FLOOR, FLOOR_AS_OURS, OURS, OURS_FILE = "floor", "floor, asked as we do", "Tributary", "Tributary, file"
FEWEST_ROUNDS = 3


@dataclass(slots=True)
class Contestant:
    """All runs of one reader on one shape.

    :param rounds: begun by it, whether or not they came to an end.
    :param problem: the first reason for which it has no ratio: a difference in its result, or a failure.
    :param notes: what a reader of the table should know, such as DECIMALs that came as DOUBLE.
    """

    name: str
    runs: list[Run] = field(default_factory=list)
    problem: str | None = None
    notes: list[str] = field(default_factory=list)
    rounds: int = 0

    def middle(self, figure: str) -> float:
        """Median of one figure of its runs."""
        return median(float(getattr(run, figure)) for run in self.runs)

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)


@dataclass(frozen=True, slots=True)
class Bar:
    """One promise of speed: `name` ÷ `by`, in seconds, at most or at least `limit`."""

    name: str
    by: str
    limit: float
    at_most: bool

    def __str__(self) -> str:
        return f"{self.name} ÷ {self.by} {'≤' if self.at_most else '≥'} {self.limit}"


# Of lineitem at scale 1, on two cores with both servers on the same machine.
BARS = (
    Bar(OURS, FLOOR, 1.3, at_most=True),
    Bar(OURS_FILE, FLOOR, 1.2, at_most=True),
    Bar("SqlToS3Operator", OURS, 10, at_most=False),
    Bar("dlt, connectorx", OURS, 2.5, at_most=False),
    Bar("ConnectorX", OURS, 1.6, at_most=False),
)
# Above an idle task process, beside four times the largest value.
MEMORY_MIB = 256


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one bar is met; `value` is None where there is no figure to compare."""

    bar: str
    value: float | None
    met: bool
    why: str = ""


def ratio(contestants: Mapping[str, Contestant], name: str, by: str) -> float | None:
    """Median seconds of one by those of another; None where either has no result, or another result than was expected."""
    one, other = contestants.get(name), contestants.get(by)
    if one is None or other is None or one.problem or other.problem or not one.runs or not other.runs:
        return None
    return one.middle("seconds") / other.middle("seconds")


def judge(contestants: Mapping[str, Contestant], bars: Sequence[Bar] = BARS) -> list[Verdict]:
    """Every bar. One without a ratio is missed: what was not shown is not true."""
    verdicts = []
    for bar in bars:
        value = ratio(contestants, bar.name, bar.by)
        runs = min((len(contestants[name].runs) for name in (bar.name, bar.by) if name in contestants), default=0)
        if value is None:
            verdicts.append(Verdict(str(bar), None, met=False, why=_why(contestants, bar)))
        elif runs < FEWEST_ROUNDS:
            verdicts.append(Verdict(str(bar), value, met=False, why=f"{runs} rounds; a bar needs {FEWEST_ROUNDS}"))
        else:
            met = value <= bar.limit if bar.at_most else value >= bar.limit
            verdicts.append(Verdict(str(bar), value, met=met, why="" if met else _out_of_reach(contestants, bar)))
    return verdicts


def _out_of_reach(contestants: Mapping[str, Contestant], bar: Bar) -> str:
    """Said of a peer that is so near the lower floor that a reader without any work of its own would miss the bar."""
    to_floor = max((found for floor in (FLOOR, FLOOR_AS_OURS) if (found := ratio(contestants, bar.name, floor))), default=bar.limit)
    if bar.at_most or to_floor >= bar.limit:
        return ""
    return f"at {to_floor:.2f} × the floor, the floor itself misses it"


def _why(contestants: Mapping[str, Contestant], bar: Bar) -> str:
    for name in (bar.name, bar.by):
        if name not in contestants:
            return f"{name} did not run"
        problem = contestants[name].problem
        if problem:
            return f"{name}: {problem}"
    return "no runs"


def judge_memory(said: str, runs: Sequence[Run], largest_value_bytes: int, why: str = "") -> Verdict:
    """Whether task processes stayed within their bound, the largest of them counts."""
    limit = MEMORY_MIB + 4 * largest_value_bytes / 2**20
    bar = f"memory above idle, {said} ≤ {limit:.0f} MiB"
    if why or not runs:
        return Verdict(bar, None, met=False, why=why or "did not run")
    grown = max(run.peak_mib - run.idle_mib for run in runs)
    return Verdict(bar, grown, met=grown <= limit)


def order(names: Sequence[str], round_number: int) -> list[str]:
    """The order of one round: each begins with another, so that none always runs after the same."""
    at = round_number % len(names)
    return [*names[at:], *names[:at]]
