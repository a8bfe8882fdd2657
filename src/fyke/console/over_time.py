"""The picture of runs over time: a stacked bar for each step of time, and the table of the same
numbers. A click on a bar shows the runs of its step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from markupsafe import Markup, escape

from fyke.console import formats
from fyke.console.texts import gettext as _
from fyke.model.run import RunState
from fyke.model.run_list import RunsOverTime, TimeSteps

MOST_STEPS = 60
HEIGHT = 100.0
STEP = 10.0
WIDTH = 8.0
MIN_HEIGHT = 2.0  # of a part that is not 0
_MINUTE = 60_000
SHORTEST = 30 * _MINUTE
_HOUR = 60 * _MINUTE
DAY = 24 * _HOUR
_LENGTHS = (
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 4, 12)),
    *(days * DAY for days in (1, 2, 7, 30, 365)),
)
# from the base line up
_PARTS: tuple[tuple[str, tuple[RunState, ...]], ...] = (
    ("good", (RunState.SUCCEEDED,)),
    ("aborted", (RunState.ABORTED,)),
    ("open", (RunState.READY, RunState.RUNNING, RunState.ENDING, RunState.ABORTING)),
    ("bad", (RunState.FAILED,)),
)


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step in which runs were created."""

    start: int  # ms
    label: str  # when it starts
    address: str  # of its runs
    total: int
    parts: dict[str, int]  # good, aborted, open, bad


@dataclass(frozen=True, slots=True)
class DrawnOverTime:
    """``rows``: newest first. ``looks``: the parts that some step has. ``counted_from``: ms before
    which nothing was counted, else 0.
    """

    svg: Markup
    rows: list[StepRow]
    looks: frozenset[str]
    top: int  # of the largest step
    labels: tuple[str, str]  # the first time and the last
    counted_from: int
    total: int


def steps_of(first: int, until: int, zone: tzinfo) -> TimeSteps:
    """At most ``MOST_STEPS`` steps that contain both times (ms). Steps of hours and days start at
    those of the zone.
    """
    span = max(until - first, _MINUTE)
    length = next((n for n in _LENGTHS if span <= n * (MOST_STEPS - 1)), _LENGTHS[-1])
    offset = datetime.fromtimestamp(until / 1000, zone).utcoffset()
    shift = round(offset.total_seconds() * 1000) if offset else 0
    start = (first + shift) // length * length - shift
    number = min(MOST_STEPS, -(-(until - start) // length))
    return TimeSteps(max(start, until - number * length, 0), length, max(1, number))


def closer_steps(over: RunsOverTime, until: int, zone: tzinfo) -> TimeSteps | None:
    """Steps from the first of these runs on, for at least ``SHORTEST``; None when that is where the
    steps start, or not all runs were counted.
    """
    number = next((number for number, counts in enumerate(over.counts) if counts), 0)
    if over.counted_from or not number:
        return None
    start = min(over.steps.first + number * over.steps.length, until - SHORTEST)
    steps = steps_of(start, until, zone)
    return steps if steps.first > over.steps.first else None


def drawn(
    over: RunsOverTime,
    zone: tzinfo,
    address: Callable[[str, str], str],
    *,
    until_now: bool = False,
) -> DrawnOverTime:
    """``address``: the list of runs between two times, which are written as in its filters.
    ``until_now``: the last step contains the present, and ends later.
    """
    steps = over.steps
    totals = [sum(counts.values()) for counts in over.counts]
    highest = max(totals, default=0)
    rows = []
    pieces = [
        f'<svg class="over-time" viewBox="0 0 {steps.number * STEP:g} {HEIGHT:g}"'
        ' preserveAspectRatio="none" aria-hidden="true" focusable="false">'
    ]
    for number, (counts, total) in enumerate(zip(over.counts, totals, strict=True)):
        start = steps.first + number * steps.length
        link = address(_typed(start, zone), _typed(start + steps.length, zone))
        parts = {name: sum(counts.get(state, 0) for state in states) for name, states in _PARTS}
        left = number * STEP
        pieces.append(
            f'<a href="{escape(link)}" tabindex="-1">'
            f'<rect x="{left:g}" width="{STEP:g}" height="{HEIGHT:g}"/>'
            f"{_stack(parts, highest, left + (STEP - WIDTH) / 2)}"
            f"<title>{escape(_title(start, parts, zone))}</title></a>"
        )
        if total:
            rows.append(StepRow(start, formats.minute(start, zone), link, total, parts))
    pieces.append(f'<path class="run-bars-base" d="M0 {HEIGHT:g}h{steps.number * STEP:g}"/></svg>')
    return DrawnOverTime(
        svg=Markup("".join(pieces)),  # noqa: S704 - made of numbers and escaped texts
        rows=rows[::-1],
        looks=frozenset(name for row in rows for name, number in row.parts.items() if number),
        top=highest,
        labels=(
            formats.minute(steps.first, zone),
            _("now") if until_now else formats.minute(steps.end, zone),
        ),
        counted_from=steps.first + over.counted_from * steps.length if over.counted_from else 0,
        total=sum(totals),
    )


def _stack(parts: dict[str, int], highest: int, x: float) -> str:
    pieces, base = [], HEIGHT
    for name, number in parts.items():
        if number:
            height = min(base, max(round(number / highest * HEIGHT, 1), MIN_HEIGHT))
            base = round(base - height, 1)
            shape = f"M{x:g} {base:g}h{WIDTH:g}v{height:g}h-{WIDTH:g}z"
            pieces.append(f'<path class="{name}" d="{shape}"/>')
    return "".join(pieces)


def _title(start: int, parts: dict[str, int], zone: tzinfo) -> str:
    labels = {
        "good": _("%(n)s succeeded"),
        "aborted": _("%(n)s aborted"),
        "open": _("%(n)s active"),
        "bad": _("%(n)s failed"),
    }
    numbers = [labels[name] % {"n": formats.count(n)} for name, n in parts.items() if n]
    return " · ".join([formats.minute(start, zone), *(numbers or [_("No runs")])])


def _typed(ms: int, zone: tzinfo) -> str:
    """The time as it is typed into a filter. In the hour that is repeated at the end of summer
    time it has its offset, because the local time is ambiguous.
    """
    at = datetime.fromtimestamp(ms / 1000, zone)
    local = at.replace(tzinfo=None).isoformat(timespec="minutes")
    if at.replace(fold=1 - at.fold).utcoffset() == at.utcoffset():
        return local
    return local + at.isoformat(timespec="minutes").removeprefix(local)
