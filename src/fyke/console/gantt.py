"""The times of subtasks on one scale: a row of a Gantt chart for each, with how long it waited and
when its attempts ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from markupsafe import Markup, escape

from fyke.console import formats
from fyke.console.texts import gettext as _
from fyke.model.run import Attempt, Outcome

WIDTH = 400.0
HEIGHT = 16.0
TOP = 2.0  # of the bar of an attempt
BASE = 12.0  # its end
MIDDLE = 7.0  # of the line of a wait
MIN_WIDTH = 2.0


@dataclass(frozen=True, slots=True)
class TimeScale:
    """Times in ms; ``end`` is after ``first``."""

    first: int
    end: int

    def x(self, at: int) -> float:
        share = (min(max(at, self.first), self.end) - self.first) / (self.end - self.first)
        return round(share * WIDTH, 1)


@dataclass(frozen=True, slots=True)
class Span:
    """A time of a subtask. ``look``: ``wait``, or as an attempt ended: ``good``, ``bad``,
    ``aborted``, ``open`` while it runs.
    """

    look: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SubtaskTimes:
    """The times of one subtask. ``svg`` is hidden from assistive technology: show the others."""

    svg: Markup
    waited_ms: int
    began_at: int  # of its first attempt, 0 before


def scale_of(created_at: int, finished_at: int, now: int) -> TimeScale:
    """From the creation of the run to its end, or until now."""
    return TimeScale(created_at, max(finished_at or now, created_at + 1))


def row_of(
    attempts: Sequence[Attempt], scale: TimeScale, now: int, zone: tzinfo, *, waits: bool
) -> SubtaskTimes:
    """``attempts`` of one subtask in order of time; ``waits``: whether it waits now."""
    spans = spans_of(attempts, scale.first, now, waits=waits)
    pieces = [
        f'<svg class="gantt" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none"'
        ' aria-hidden="true" focusable="false">'
    ]
    pieces += [_drawn(span, scale, zone) for span in spans]
    pieces.append("</svg>")
    return SubtaskTimes(
        svg=Markup("".join(pieces)),  # noqa: S704 - made of numbers and escaped texts
        waited_ms=sum(span.end - span.start for span in spans if span.look == "wait"),
        began_at=next((attempt.started_at for attempt in attempts if attempt.started_at), 0),
    )


def spans_of(attempts: Sequence[Attempt], first: int, now: int, *, waits: bool) -> list[Span]:
    """Waits and attempts by time. The time in which a runner prepares an attempt counts as a wait,
    and so does an attempt that ended before its Worker was started.
    """
    spans, at = [], first
    for attempt in attempts:
        if attempt.started_at:
            if attempt.started_at > at:
                spans.append(Span("wait", at, attempt.started_at))
            end = max(attempt.finished_at or now, attempt.started_at)
            spans.append(Span(_look(attempt.outcome), attempt.started_at, end))
            at = end
    preparing = any(attempt.outcome is None and not attempt.started_at for attempt in attempts)
    if (waits or preparing) and now > at:
        spans.append(Span("wait", at, now))
    return spans


def _look(outcome: Outcome | None) -> str:
    match outcome:
        case None:
            return "open"
        case Outcome.SUCCEEDED:
            return "good"
        case Outcome.ABORTED:
            return "aborted"
        case _:
            return "bad"


def _drawn(span: Span, scale: TimeScale, zone: tzinfo) -> str:
    left = scale.x(span.start)
    width = max(round(scale.x(span.end) - left, 1), MIN_WIDTH)
    left = min(left, WIDTH - width)
    if span.look == "wait":
        shape = f"M{left:g} {MIDDLE:g}h{width:g}"
    else:
        shape = f"M{left:g} {TOP:g}h{width:g}v{BASE - TOP:g}h-{width:g}z"
    if span.look == "bad":  # a mark below it, so that it differs by its form
        shape += f"M{left:g} {BASE + 1:g}h{width:g}v{HEIGHT - BASE - 1:g}h-{width:g}z"
    title = " · ".join((
        _LABELS[span.look](),
        formats.duration(span.end - span.start),
        f"{formats.clock(span.start, zone)} - {formats.clock(span.end, zone)}",
    ))  # fmt: skip
    return f'<path class="{span.look}" d="{shape}"><title>{escape(title)}</title></path>'


_LABELS = {
    "wait": lambda: _("Waiting"),
    "good": lambda: _("Succeeded"),
    "bad": lambda: _("Failed"),
    "aborted": lambda: _("Aborted"),
    "open": lambda: _("Running"),
}
