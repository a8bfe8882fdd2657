"""Checks the invariants after a fault, from the observations of one round, without I/O.

An acknowledged row is one whose push returned in the Worker. Each Worker pushes the rows 1, 2, 3
and so on, one after another, so its highest acknowledged number determines the rows that must
exist.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

STUCK_SECONDS = 30.0
CHARGE_SLACK_SECONDS = 3.0  # allowed between the clocks of the platform and of this command
ENDED = ("succeeded", "failed", "aborted")
PLATFORM = ("runner_lost", "platform_stopped", "internal", "not_started")  # no Worker causes these

UPSERT_EVERY, UPSERT_TOGETHER = 5, 20  # numbers; see the Worker in ``reliability.load``

LOST = "row lost"
DOUBLED = "row duplicated"
FOREIGN = "row that was not pushed"
ORDER = "rows out of order"
COUNTS = "counts differ"
TWO_ENDS = "two ends"
NOT_STARTED = "ended before it started"
ENDED_BY_FAULT = "ended by a harmless fault"
STUCK = "stuck"
STARTS = "start lost or duplicated"
OVERCHARGED = "overcharged"
LEFT = "left behind"
LEDGER = "ledger"
DATABASE = "db check"
DOWN = "not back in time"
UNSEALED = "nothing sealed"
AT_ONCE = "executed twice at once"
RAN_ON = "ran on after its end"


@dataclass(frozen=True)
class Violation:
    rule: str
    text: str


@dataclass(frozen=True)
class RunSeen:
    """One run after a fault. Times are in seconds."""

    run: str
    state: str  # of the run in the database
    reason: str = ""  # code
    started: bool = True  # an attempt of it has started
    planned: int = 0  # how many rows its Worker pushes without a fault
    acknowledged: int = 0  # the highest number whose push returned
    pushed: int | None = None  # the highest number that may have been pushed; None if unknown
    rows: tuple[int, ...] = ()  # in all pages
    exported: tuple[int, ...] = ()
    count: int = 0  # total in the list of results
    results: int = 0  # of the run
    ends: tuple[str, ...] = ()  # the different ends that were seen or announced by callbacks
    silence: float = 0.0  # the longest time without any progress after the fault
    charged: float = 0.0  # time that was charged
    lived: float = 0.0  # from the accepted start to the end, without the time of pauses
    harmless: bool = False  # the fault must not end it
    patience: float = STUCK_SECONDS  # the longest silence that is allowed
    # rows with merged values: group of numbers and highest number; None if its Worker merges none
    merged: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True)
class Execution:
    """A process of a Worker: when it existed, in monotonic seconds of this machine."""

    tag: str  # of its subtask
    where: str
    began: float
    beat: float  # the last time


@dataclass(frozen=True)
class RoundSeen:
    """All runs of one round, and the state of the whole installation after it."""

    runs: Sequence[RunSeen] = ()
    starts: dict[str, int] = field(default_factory=dict)  # accepted start: number of its runs
    left: Sequence[str] = ()  # processes, folders, mounts, control groups
    accounts: Sequence[tuple[str, str, str]] = ()  # name, amounts of the account, of its ledger
    findings: Sequence[str] = ()  # of fyke db check
    down: Sequence[str] = ()  # parts that did not recover in time
    sealed: int = 0  # how many runs had their rows moved into files
    at_once: Sequence[str] = ()  # executions of one subtask at the same time
    ran_on: Sequence[str] = ()  # executions after the end of their run
    unsealed: Sequence[str] = ()  # why no rows were moved into files, if none were


def violations(seen: RoundSeen) -> list[Violation]:
    """All violations; empty for a round that passed."""
    found = [item for run in seen.runs for item in _of_run(run)]
    found += [
        Violation(STARTS, f"the start {tag} created {number} runs")
        for tag, number in seen.starts.items()
        if number != 1
    ]
    found += [
        Violation(LEDGER, f"{name} has {amounts}, its ledger adds up to {sums}")
        for name, amounts, sums in seen.accounts
        if amounts != sums
    ]
    for rule, texts in (
        (LEFT, seen.left),
        (DATABASE, seen.findings),
        (DOWN, seen.down),
        (UNSEALED, seen.unsealed),
        (AT_ONCE, seen.at_once),
        (RAN_ON, seen.ran_on),
    ):
        found += [Violation(rule, text) for text in texts]
    return found


def _of_run(run: RunSeen) -> Iterator[Violation]:
    name = f"run {run.run} ({run.state}{', ' if run.reason else ''}{run.reason})"
    for rule, text in (*_rows(run), *_merged(run), *_end(run)):
        yield Violation(rule, f"{name}: {text}")


def _rows(run: RunSeen) -> Iterator[tuple[str, str]]:
    required = set(range(1, run.acknowledged + 1))
    if run.state == "succeeded":
        required |= set(range(1, run.planned + 1))
    for name, numbers in (("pages", run.rows), ("export", run.exported)):
        if missing := required - set(numbers):
            yield LOST, f"{shortened(missing)} of {len(required)} are not in its {name}"
        if doubled := [number for number, times in Counter(numbers).items() if times > 1]:
            yield DOUBLED, f"{shortened(doubled)} are in its {name} more than once"
        if run.pushed is not None and (more := [n for n in numbers if not 0 < n <= run.pushed]):
            yield FOREIGN, f"{shortened(more)} in its {name}, of {run.pushed} pushed at most"
    if list(run.rows) != sorted(run.rows):
        yield ORDER, f"its pages begin with {run.rows[:20]}"
    if run.state not in ENDED:
        return  # its results are not counted yet
    numbers = run.results, run.count, len(run.rows), len(run.exported)
    if len(set(numbers)) > 1:
        yield COUNTS, "results {}, count {}, pages {}, export {}".format(*numbers)


def _merged(run: RunSeen) -> Iterator[tuple[str, str]]:
    """A merged row has the highest number of its group that was acknowledged, or a later one."""
    if run.merged is None:
        return
    done = run.planned if run.state == "succeeded" else run.acknowledged
    needed = {
        number // UPSERT_TOGETHER: number for number in range(UPSERT_EVERY, done + 1, UPSERT_EVERY)
    }
    found = dict(sorted(run.merged))
    if late := [number for group, number in needed.items() if found.get(group, 0) < number]:
        yield LOST, f"merged {shortened(late)} are not in its pages"
    if len(found) != len(run.merged):
        doubled = [group for group, times in Counter(g for g, _ in run.merged).items() if times > 1]
        yield DOUBLED, f"merged {shortened(doubled)} are in its pages more than once"
    if run.pushed is not None and (more := [n for n in found.values() if n > run.pushed]):
        yield FOREIGN, f"merged {shortened(more)}, of {run.pushed} pushed at most"


def _end(run: RunSeen) -> Iterator[tuple[str, str]]:
    if len(run.ends) > 1:
        yield TWO_ENDS, "; ".join(run.ends)
    if run.state not in ENDED and run.silence <= run.patience:
        yield STUCK, "it has not ended"
    if run.silence > run.patience:
        yield STUCK, f"{run.silence:.0f} s without progress"
    if run.state == "failed" and run.reason in PLATFORM and not run.started:
        yield NOT_STARTED, "none of its attempts had started"
    elif run.state == "failed" and run.harmless:
        yield ENDED_BY_FAULT, f"after row {run.acknowledged} of {run.planned}"
    if run.charged > run.lived + CHARGE_SLACK_SECONDS:
        yield OVERCHARGED, f"{run.charged:.1f} s were charged, it existed for {run.lived:.1f} s"


def ended_by_fault(seen: RoundSeen) -> int:
    """How many runs had started and were ended by the fault: no Worker fails by itself."""
    return sum(run.state == "failed" and run.started for run in seen.runs)


def at_once(executions: Sequence[Execution]) -> list[str]:
    """Executions of the same subtask that existed at the same time."""
    found = []
    ordered = sorted(executions, key=lambda one: (one.tag, one.began))
    for one, other in pairwise(ordered):
        if one.tag == other.tag and other.began < one.beat:
            both = f"{one.where} and {other.where}"
            found.append(f"{one.tag} for {one.beat - other.began:.1f} s, in {both}")
    return found


def lived(start: float, end: float, over: float, paused: float) -> float:
    """The time from ``start`` to ``end``, minus its overlap with a pause of ``paused`` seconds that
    ended at ``over``.
    """
    return end - start - max(0.0, min(end, over) - max(start, over - paused))


def silence(over: float, until: float, signs: Iterable[float]) -> float:
    """The longest time without a sign of progress from ``over``, the end of the fault, to
    ``until``, the end of the run or now.
    """
    times = [over, *sorted(at for at in signs if over < at < until), max(over, until)]
    return max(after - before for before, after in pairwise(times))


def shortened(numbers: Iterable[int], most: int = 8) -> str:
    """The first numbers, and how many more there are."""
    ordered = sorted(set(numbers))
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return f"rows {', '.join(map(str, ordered[:most]))}{more}"
