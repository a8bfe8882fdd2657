"""How a Worker's runs change from one to the next: a small chart for each measure, with the places
marked at which another version began, and the same by version as numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from statistics import median

from markupsafe import Markup, escape

from fyke.console import formats
from fyke.console.run_bars import Look, look_of, state_of
from fyke.console.texts import gettext as _
from fyke.model.run import RunState
from fyke.model.run_list import RunPoint

STEP = 8.0
WIDTH = 6.0
HEIGHT = 60.0
FOOT = 5.0  # below the base line, for marks of failed runs
MIN_HEIGHT = 1.5
LEAST = 20  # steps of a chart of few runs
SHARE_OF = 10  # runs that a share of success is of
NAME_CHARS = 12  # of a version at its mark
NAME_CHAR = 2.2  # the width of a character there, in per cent of the narrowest drawing


@dataclass(frozen=True, slots=True)
class Trend:
    """One measure. ``last``: the formatted value of the newest run that has ended, "" without one;
    ``top``: that of full height, "" where it is always the same. ``svg`` and ``names``, the names
    of the versions below it, are hidden from assistive technology.
    """

    name: str
    svg: Markup
    names: Markup
    last: str
    top: str


@dataclass(frozen=True, slots=True)
class VersionRow:
    """What the runs of a version have in common; medians of those that succeeded, None without."""

    version: str
    runs: int
    ended: int
    succeeded: int
    duration_ms: int | None
    results: int | None
    usage_micros: int | None
    traffic_bytes: int | None


@dataclass(frozen=True, slots=True)
class Trends:
    """``versions``: that of the newest run first. ``points``: newest first."""

    charts: list[Trend]
    versions: list[VersionRow]
    points: list[RunPoint]


def trends_of(points: Sequence[RunPoint], now: int, zone: tzinfo, *, priced: bool) -> Trends:
    """Of the runs that have started, in the order of their creation, oldest first."""
    points = [point for point in points if point.started_at]
    measures: list[tuple[str, Callable[[RunPoint], int], Callable[[int], str]]] = [
        (_("Duration"), lambda point: point.duration_ms(now), formats.duration),
        (_("Rows"), lambda point: point.results, formats.rows),
        (_("Traffic"), lambda point: point.traffic_bytes, formats.size),
    ]
    if priced:
        measures.append((_("Cost"), lambda point: point.usage_micros, formats.money))
    charts = [_chart(name, points, value, shown, zone) for name, value, shown in measures]
    charts.insert(2, _success(points))
    return Trends(charts, _versions(points, now), [*points][::-1])


def _chart(
    name: str,
    points: Sequence[RunPoint],
    value: Callable[[RunPoint], int],
    shown: Callable[[int], str],
    zone: tzinfo,
) -> Trend:
    values = [value(point) for point in points]
    highest = max(values, default=0)
    by_rows = any(point.results for point in points)
    pieces = []
    for number, (point, height) in enumerate(zip(points, values, strict=True)):
        look = look_of(point, by_rows=by_rows)
        tall = max(height / highest * HEIGHT if highest else 0, MIN_HEIGHT)
        area = _left_of(number, points)
        left = area + (STEP - WIDTH) / 2
        bar = f"M{left:g} {HEIGHT - tall:.1f}h{WIDTH:g}v{tall:.1f}h-{WIDTH:g}z"
        mark = f"M{left:g} {HEIGHT + 2:g}h{WIDTH:g}v{FOOT - 2:g}h-{WIDTH:g}z"
        title = " · ".join((
            state_of(point), shown(height), point.version, formats.minute(point.created_at, zone),
        ))  # fmt: skip
        pieces.append(
            f'<a href="/runs/{point.id}" tabindex="-1">'
            f'<rect x="{area:g}" width="{STEP:g}" height="{HEIGHT + FOOT:g}"/>'
            f'<path class="{look}" d="{bar}{mark if look is Look.BAD else ""}"/>'
            f"<title>{escape(title)}</title></a>"
        )
    ended = [height for point, height in zip(points, values, strict=True) if point.state.terminal]
    last = shown(ended[-1]) if ended else ""
    return Trend(name, _svg(points, pieces), _names(points), last, shown(highest))


def _left_of(number: int, points: Sequence[RunPoint]) -> float:
    """Where the area of a run begins: the newest is at the right."""
    return (number + max(0, LEAST - len(points))) * STEP


def _success(points: Sequence[RunPoint]) -> Trend:
    """The share of the last ``SHARE_OF`` ended runs that succeeded, at each run."""
    places, last = [], ""
    for number in range(len(points)):
        ended = [p for p in points[: number + 1] if p.state.terminal][-SHARE_OF:]
        if ended:
            good = sum(p.state is RunState.SUCCEEDED for p in ended)
            share = good / len(ended)
            last = formats.percent(good, len(ended))
            places.append((_left_of(number, points) + STEP / 2, HEIGHT - share * (HEIGHT - 2)))
    line = "L".join(f"{x:g} {y:.1f}" for x, y in places)
    if len(places) == 1:  # a line without length is not drawn
        [(x, y)] = places
        line = f"{x - WIDTH / 2:g} {y:.1f}h{WIDTH:g}"
    pieces = [f'<path class="trend-line" d="M{line}"/>'] if places else []
    name = _("Succeeded, of the last %(n)s, from 0 to 100%%") % {"n": SHARE_OF}
    return Trend(name, _svg(points, pieces), _names(points), last, "")


def _svg(points: Sequence[RunPoint], pieces: Sequence[str]) -> Markup:
    width = max(len(points), LEAST) * STEP
    marks = [
        f'<path class="trend-version" d="M{_left_of(number, points):g} 0v{HEIGHT + FOOT:g}">'
        f"<title>{escape(_('Version %(version)s') % {'version': point.version})}</title></path>"
        for number, point in _firsts(points)
    ]
    drawing = "".join((
        f'<svg class="run-bars trend" viewBox="0 0 {width:g} {HEIGHT + FOOT:g}"'
        ' preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f'<path class="run-bars-base" d="M0 {HEIGHT:g}h{width:g}"/>',
        *pieces, *marks, "</svg>",
    ))  # fmt: skip
    return Markup(drawing)  # noqa: S704 - made of numbers, ids and escaped texts


def _firsts(points: Sequence[RunPoint]) -> list[tuple[int, RunPoint]]:
    """The first run of each other version, with its number."""
    return [
        (number, point)
        for number, point in enumerate(points)
        if number and point.version != points[number - 1].version
    ]


def _names(points: Sequence[RunPoint]) -> Markup:
    """The versions at their marks; one that would cover the name before it is left out. Not in the
    drawing, which is stretched.
    """
    width = max(len(points), LEAST) * STEP
    pieces, free = [], 0.0
    for number, point in _firsts(points):
        name = point.version[:NAME_CHARS]
        at = _left_of(number, points) / width * 100
        length = (len(name) + 1) * NAME_CHAR
        start = at if at + length <= 100 else at - length
        if start < free:
            continue
        free = start + length
        anchor = "" if start == at else ' text-anchor="end"'
        pieces.append(f'<text x="{at:.1f}%" y="11"{anchor}>{escape(name)}</text>')
    if not pieces:
        return Markup()
    drawing = '<svg class="trend-names" aria-hidden="true" focusable="false">{}</svg>'
    return Markup(drawing.format("".join(pieces)))  # noqa: S704 - numbers and escaped texts


def _versions(points: Sequence[RunPoint], now: int) -> list[VersionRow]:
    by_version: dict[str, list[RunPoint]] = {}
    for point in reversed(points):
        by_version.setdefault(point.version, []).append(point)
    return [_version(version, found, now) for version, found in by_version.items()]


def _version(version: str, points: Sequence[RunPoint], now: int) -> VersionRow:
    good = [point for point in points if point.state is RunState.SUCCEEDED]
    return VersionRow(
        version=version,
        runs=len(points),
        ended=sum(point.state.terminal for point in points),
        succeeded=len(good),
        duration_ms=_median([point.duration_ms(now) for point in good]),
        results=_median([point.results for point in good]),
        usage_micros=_median([point.usage_micros for point in good]),
        traffic_bytes=_median([point.traffic_bytes for point in good]),
    )


def _median(values: Sequence[int]) -> int | None:
    return round(median(values)) if values else None
