"""A picture of the last runs: one bar for each, in a strip as wide as ``COUNT`` bars.

The height of a bar is its number of rows or, if none of the runs has rows, its duration. The colour
is the outcome, which the form also shows: a failed run has a mark below the base line, and a run
that has not ended is an outline. The newest run is at the right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import ClassVar

from markupsafe import Markup, escape

from fyke.console import formats
from fyke.console.texts import current_language, ngettext
from fyke.console.texts import gettext as _
from fyke.model.run import RunState
from fyke.model.run_list import RunPoint
from fyke.model.worker import GOOD, WorkerFacts

COUNT = 30
STEP = 8.0  # from one bar to the next
WIDTH = 6.0  # of a bar
HEIGHT = 28.0  # of the largest bar
FOOT = 5.0  # below the base line, for marks
MIN_HEIGHT = 2.0
DRAWING_WIDTH = COUNT * STEP
DRAWING_HEIGHT = HEIGHT + FOOT
# parts of a drawing that are the same for all bars
_AREA = f'" width="{STEP:g}" height="{DRAWING_HEIGHT:g}"/>'
_TO_THE_RIGHT = f"h{WIDTH:g}"
_BACK = f"h-{WIDTH:g}z"
_MARK = f"h{WIDTH:g}v{FOOT - 2:g}h-{WIDTH:g}z"
OPEN_HEIGHT = 14.0  # of a run that has not ended and has neither rows nor a duration yet


class Look(StrEnum):
    """What the colour and the form of a bar say."""

    GOOD = "good"
    EMPTY = "empty"  # succeeded without a row, where others have rows
    BAD = "bad"
    ABORTED = "aborted"
    OPEN = "open"  # has not ended


@dataclass(frozen=True, slots=True)
class RunBar:
    """One bar. ``value``: its rows, or its duration in ms with ``by_duration``."""

    run: RunPoint
    look: Look
    left: float  # of the area that belongs to the bar, ``STEP`` wide
    x: float
    y: float
    height: float
    value: int


@dataclass(frozen=True, slots=True)
class RunBars:
    """Bars in a drawing of ``DRAWING_WIDTH`` by ``DRAWING_HEIGHT``. ``looks``: how many of each
    there are, without those of which there is none.
    """

    bars: tuple[RunBar, ...]
    looks: tuple[tuple[Look, int], ...]
    by_duration: bool
    now: int  # ms; the end of a duration that lasts


def bars_of(points: Sequence[RunPoint], now: int) -> RunBars:
    """The picture of the last runs, oldest first."""
    shown = points[-COUNT:]
    by_duration = not any(point.results for point in shown)
    values = [point.duration_ms(now) if by_duration else point.results for point in shown]
    highest = max(values, default=0)
    offset = (COUNT - len(shown)) * STEP
    bars = tuple(
        _bar(point, value, highest, offset + number * STEP, by_duration=by_duration)
        for number, (point, value) in enumerate(zip(shown, values, strict=True))
    )
    found = Counter(bar.look for bar in bars)
    looks = tuple((look, found[look]) for look in Look if found[look])
    return RunBars(bars, looks, by_duration, now)


def _bar(point: RunPoint, value: int, highest: int, left: float, *, by_duration: bool) -> RunBar:
    look = look_of(point, by_rows=not by_duration)
    height = round(value / highest * HEIGHT, 1) if highest else 0.0
    height = max(height, MIN_HEIGHT if value or look is not Look.OPEN else OPEN_HEIGHT)
    return RunBar(
        run=point,
        look=look,
        left=left,
        x=left + (STEP - WIDTH) / 2,
        y=round(HEIGHT - height, 1),
        height=height,
        value=value,
    )


def look_of(point: RunPoint, *, by_rows: bool) -> Look:
    """``by_rows``: a success without rows differs from one with rows."""
    match point.state:
        case RunState.SUCCEEDED:
            return Look.GOOD if point.results or not by_rows else Look.EMPTY
        case RunState.FAILED:
            return Look.BAD
        case RunState.ABORTED:
            return Look.ABORTED
        case _:
            return Look.OPEN


@dataclass(frozen=True, slots=True)
class DrawnRuns:
    """The picture as SVG, and what it shows as sentences, for those who do not see it."""

    svg: Markup
    summary: str  # how the runs ended
    measure: str  # what the height is
    count: int
    succeeded: int
    failed: int
    most: ClassVar[int] = COUNT


def drawn(
    points: Sequence[RunPoint], now: int, zone: tzinfo, foreign: Collection[str] = ()
) -> DrawnRuns | None:
    """The picture of the last runs, oldest first; None without runs. Each bar is a link to its run,
    unless it is one of the ids in ``foreign``.

    The drawing is hidden from assistive technology and the Tab key: show ``summary`` with it, and
    a link to a list of the runs. Written here, because a template needs three times as long for
    the hundreds of bars of a page.
    """
    if not points:
        return None
    shown = tuple(points[-COUNT:])
    if all(point.finished_at for point in shown):
        now = 0  # does not show, and pages are often read again before a run was added
    return _drawn(shown, now, zone, frozenset(foreign), current_language().locale)


@lru_cache(maxsize=512)
def _drawn(
    shown: tuple[RunPoint, ...], now: int, zone: tzinfo, foreign: frozenset[str], _language: str
) -> DrawnRuns:
    bars = bars_of(shown, now)
    looks = dict(bars.looks)
    parts = [
        f'<svg class="run-bars" viewBox="0 0 {DRAWING_WIDTH:g} {DRAWING_HEIGHT:g}"'
        ' preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f'<path class="run-bars-base" d="M0 {HEIGHT:g}h{DRAWING_WIDTH:g}"/>'
    ]
    title_of = _titles(now, zone)
    for bar in bars.bars:
        mark = f"m0 {bar.height + 2:g}{_MARK}" if bar.look is Look.BAD else ""
        is_foreign = bar.run.id in foreign
        parts.append(
            ("<g>" if is_foreign else f'<a href="/runs/{bar.run.id}" tabindex="-1">')
            + f'<rect x="{bar.left:g}{_AREA}<path class="{bar.look}" d="M{bar.x:g} {bar.y:g}'
            f'{_TO_THE_RIGHT}v{bar.height:g}{_BACK}{mark}"/><title>{escape(title_of(bar.run))}'
            + ("</title></g>" if is_foreign else "</title></a>")
        )
    parts.append("</svg>")
    return DrawnRuns(
        svg=Markup("".join(parts)),  # noqa: S704 - made of numbers, ids and an escaped title
        summary=", ".join(_counted(look, number) for look, number in bars.looks),
        measure=_("taller bars: longer runs") if bars.by_duration else _("taller bars: more rows"),
        count=len(bars.bars),
        succeeded=looks.get(Look.GOOD, 0) + looks.get(Look.EMPTY, 0),
        failed=looks.get(Look.BAD, 0),
    )


@dataclass(frozen=True, slots=True)
class SuccessRate:
    """``basis`` says which runs it is of: the account's with ``is_own``, otherwise all."""

    percent: str
    basis: str
    is_own: bool


def success_rate(picture: DrawnRuns | None, facts: WorkerFacts) -> SuccessRate | None:
    """The rate beside a picture of a Worker's runs: of the same runs. Where the account has none
    that says something about the Worker, that of all accounts; None without any.
    """
    if picture and (ended := picture.succeeded + picture.failed):
        basis = _("Your account's last runs: %(succeeded)s succeeded, %(failed)s failed") % {
            "succeeded": picture.succeeded,
            "failed": picture.failed,
        }
        return SuccessRate(formats.percent(picture.succeeded, ended), basis, is_own=True)
    if not facts.rated_runs:
        return None
    basis = ngettext(
        "of the last run of all accounts",
        "of the last %(num)s runs of all accounts",
        facts.rated_runs,
    ) % {"num": facts.rated_runs}
    percent = formats.percent(facts.recent.count(GOOD), facts.rated_runs)
    return SuccessRate(percent, basis, is_own=False)


def _titles(now: int, zone: tzinfo) -> Callable[[RunPoint], str]:
    """Makes the titles of bars; what several of them say is translated once."""
    known_states: dict[tuple[RunState, bool], str] = {}

    def title_of(run: RunPoint) -> str:
        kind = run.state, run.started_at > 0
        state = known_states.get(kind)
        if state is None:
            state = known_states[kind] = state_of(run)
        at = formats.minute(run.created_at, zone)
        if not run.started_at:
            return f"{state} · {formats.rows(run.results)} · {at}"
        duration = formats.duration(run.duration_ms(now))
        return f"{state} · {formats.rows(run.results)} · {duration} · {at}"

    return title_of


def state_of(point: RunPoint) -> str:
    """The state of the run as a word."""
    match look_of(point, by_rows=False):
        case Look.BAD:
            return _("Failed")
        case Look.ABORTED:
            return _("Aborted")
        case Look.OPEN:
            return _("Running") if point.started_at else _("Waiting")
        case _:
            return _("Succeeded")


def _counted(look: Look, number: int) -> str:
    match look:
        case Look.GOOD:
            text = ngettext("%(n)s succeeded", "%(n)s succeeded", number)
        case Look.EMPTY:
            text = ngettext("%(n)s without rows", "%(n)s without rows", number)
        case Look.BAD:
            text = ngettext("%(n)s failed", "%(n)s failed", number)
        case Look.ABORTED:
            text = ngettext("%(n)s aborted", "%(n)s aborted", number)
        case Look.OPEN:
            text = ngettext("%(n)s active", "%(n)s active", number)
    return text % {"n": formats.count(number)}
