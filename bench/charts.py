"""Bar charts of figures that the README shows, as SVG files in ``docs/figures/``.

    python bench/charts.py

Written from ``docs/figures/latest.json``. The texts are texts, the colours follow the reader's
light or dark theme, and the width fits a phone. Bars of times have a logarithmic axis, because
those of the peers differ by a factor of a thousand; bars of rates begin at 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from aims import (
    BARE_READ,
    FAST_SCRAPYD,
    FLOW_RUN,
    JOBS,
    LISTJOBS,
    NODE,
    NODE_ROWS,
    Beside,
    first_line,
    nothing,
    result,
)
from records import FOLDER, Take, Takes, amount, read_takes

WIDTH, LEFT, RIGHT = 360, 12, 12
TOP, ROW, BAR, BAR_AT = 62, 40, 12, 18
STYLE = """
svg { color-scheme: light dark; font: 13px system-ui, "Segoe UI", Roboto, sans-serif }
.back { fill: #ffffff } .text { fill: #1f2328 } .soft { fill: #59636e } .grid { stroke: #d1d9e0 }
.fyke { fill: #0b7a5b } .peer { fill: #8c959f } .limit { fill: none; stroke: #59636e;
stroke-dasharray: 3 2 }
.title { font-weight: 600; font-size: 15px } .small { font-size: 12px }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117 } .text { fill: #f0f6fc } .soft { fill: #9198a1 } .grid { stroke: #3d444d }
.fyke { fill: #3fb98f } .peer { fill: #6e7681 } .limit { stroke: #9198a1 } }
"""


@dataclass(frozen=True)
class Bar:
    """``kind`` is ``fyke``, ``peer`` or ``limit``."""

    label: str
    kind: str
    of: Beside


@dataclass(frozen=True)
class Chart:
    """Times are on a logarithmic axis, rates begin at 0."""

    file: str
    title: str
    subtitle: str
    bars: tuple[Bar, ...]

    @property
    def logarithmic(self) -> bool:
        return self.bars[0].of.value == "p50_ms"


def fyke(label: str, script: str, name: str, value: str) -> Bar:
    return Bar(label, "fyke", Beside(label, script, name, value))


def peers(make, *names: tuple[str, str]) -> tuple[Bar, ...]:
    return tuple(Bar(label, "peer", make(name)) for label, name in names)


NAMES = (
    ("rq, forks a loaded process", "rq"),
    ("scrapyd, polls every 0.1 s", FAST_SCRAPYD),
    ("apify run, Node.js", NODE),
    ("Prefect, process worker", "Prefect"),
)
CHARTS = (
    Chart(
        "first-line.svg",
        "From the request to the first line",
        "of the job's own code, median; logarithmic",
        (
            fyke("Fyke, warm sandbox", "start", "POST to first line, up to 4 warm", "p50_ms"),
            fyke("Fyke, cold", "start", "POST to first line, cold", "p50_ms"),
            *peers(first_line, *NAMES),
        ),
    ),
    Chart(
        "result.svg",
        "From the request to the result",
        "of a trivial job can be read, median; logarithmic",
        (
            fyke("Fyke, sync call, warm", "sync_call", "one core, up to 4 warm", "p50_ms"),
            fyke("Fyke, sync call, cold", "sync_call", "one core, cold", "p50_ms"),
            *peers(result, *NAMES),
        ),
    ),
    Chart(
        "status-reads.svg",
        "Status reads a second",
        "32 connections, one process",
        (
            Bar("bare ASGI application, same read", "limit", BARE_READ),
            fyke("Fyke, run/detail, 64 runs", "reads",
                 "32 connections: run/detail, 64 runs", "rate_per_s"),
            fyke("Fyke, v2, one run", JOBS,
                 "Fyke: worker-runs/ID, 32 connections", "rate_per_s"),
            Bar("scrapyd, listjobs.json", "peer", LISTJOBS),
            Bar("Prefect, flow_runs/ID", "peer", FLOW_RUN),
        ),
    ),
    Chart(
        "rows.svg",
        "Rows a second of one Worker",
        "pushed one at a time, each acknowledged",
        (
            Bar("SDK service that stores nothing", "limit", nothing("process")),
            fyke("Fyke, durability process", "rows", "one Worker, process", "rate_per_s"),
            fyke("Fyke, durability disk: after a sync", "rows", "one Worker, disk", "rate_per_s"),
            Bar("apify run, Node.js: a file, no sync", "peer", NODE_ROWS),
        ),
    ),
)  # fmt: skip


def charts(takes: Takes) -> dict[str, str]:
    """The content of each file."""
    return {chart.file: svg(chart, takes) for chart in CHARTS}


def svg(chart: Chart, takes: Takes) -> str:
    found = [(bar, figure) for bar in chart.bars if (figure := bar.of.found(takes))]
    sizes = [figure.values[bar.of.value] for bar, figure in found]
    texts = [amount(bar.of.value, size) for (bar, _), size in zip(found, sizes, strict=True)]
    labels = [bar.label for bar, _ in found]
    described = "; ".join(f"{name}: {size}" for name, size in zip(labels, texts, strict=True))
    scale = Scale(sizes, chart.logarithmic)
    height = TOP + ROW * len(found) + (44 if chart.logarithmic else 24)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(f"{chart.title} {chart.subtitle}")}</title>',
        f'<desc id="desc">{escape(described)}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{height}" rx="6"/>',
        text(LEFT, 26, chart.title, "text title"),
        text(LEFT, 46, chart.subtitle, "soft small"),
        text(LEFT, height - 10, taken([figure.take for _, figure in found]), "soft small"),
    ]
    if chart.logarithmic:
        parts += grid(scale, len(found))
    for place, ((bar, _), size, label) in enumerate(zip(found, sizes, texts, strict=True)):
        parts += drawn(bar, label, TOP + ROW * place, scale.width(size))
    return "\n".join(parts) + "\n</svg>\n"


def taken(takes: Sequence[Take]) -> str:
    """When and on how many cores: ``2026-11-28, 2 cores``."""
    days = sorted({take.day for take in takes})
    machines = sorted({take.machine.partition(",")[0] for take in takes})
    return f"{' to '.join(days[:1] + days[1:][-1:])}, {' or '.join(machines)}"


class Scale:
    """Widths of bars. A logarithmic one begins at the power of ten below the smallest figure."""

    def __init__(self, figures: Sequence[float], logarithmic: bool) -> None:
        self._log = logarithmic
        self.low = 10 ** math.floor(math.log10(min(figures))) if logarithmic else 0.0
        self._high = max(figures)

    def width(self, figure: float) -> float:
        share = figure / self._high
        if self._log:
            share = math.log(figure / self.low) / math.log(self._high / self.low)
        return round(share * (WIDTH - LEFT - RIGHT), 1)

    def powers(self) -> list[float]:
        """The powers of ten from the beginning to the largest figure."""
        count = int(math.log10(self._high / self.low)) + 1
        return [self.low * 10**power for power in range(count)]


def grid(scale: Scale, count: int) -> list[str]:
    """The powers of ten below the bars, and lines behind the bars but not behind the texts."""
    bottom = TOP + ROW * count + 16
    tops = [TOP + ROW * place + BAR_AT - 3 for place in range(count)]
    parts = []
    for power in scale.powers():
        x = round(LEFT + scale.width(power), 1)
        lines = "".join(f"M{x:g} {top}v{BAR + 6}" for top in tops)
        parts.append(f'<path class="grid" d="{lines}"/>')
        at_end = x > WIDTH - RIGHT - 40
        anchor = "end" if at_end else "start"
        parts.append(text(x, bottom, amount("p50_ms", power), "soft small", anchor))
    return parts


def drawn(bar: Bar, label: str, top: int, width: float) -> list[str]:
    return [
        text(LEFT, top + 12, bar.label, "text"),
        text(WIDTH - RIGHT, top + 12, label, "text", "end"),
        f'<rect class="{bar.kind}" x="{LEFT}" y="{top + BAR_AT}" width="{max(width, 1.5):g}" '
        f'height="{BAR}" rx="2"/>',
    ]


def text(x: float, y: float, content: str, classes: str, anchor: str = "start") -> str:
    return (
        f'<text class="{classes}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">'
        f"{escape(content)}</text>"
    )


def write(takes: Takes) -> None:
    for name, content in charts(takes).items():
        (FOLDER / name).write_text(content)


if __name__ == "__main__":
    write(read_takes())
