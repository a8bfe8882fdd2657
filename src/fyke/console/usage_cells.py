"""The cells of one row of usage: those of a day, a Worker, a task or a key.

Written here, because a template needs three times as long for the 3,000 cells of a year by day.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape as escape_text

from markupsafe import Markup, escape

from fyke.console import formats
from fyke.console.texts import gettext as _
from fyke.model.billing import UsageSums


def cells_of(with_money: bool, *, average: bool = False) -> Callable[[UsageSums], Markup]:
    """A function that writes the cells of some sums, with labels for cards on a phone. ``average``:
    with the time of a run.
    """

    def opening(label: str) -> str:
        return f'<td data-label="{escape(label)}" class="number">'

    runs, failed, rows = opening(_("Runs")), opening(_("Failed")), opening(_("Rows"))
    traffic, run_time = opening(_("Traffic")), opening(_("Run time"))
    per_run = opening(_("Time per run"))
    cpu, memory, spent = opening(_("CPU time")), opening(_("Memory over time")), opening(_("Spent"))

    def cells(sums: UsageSums) -> Markup:
        memory_time = formats.memory_time(sums.memory_mb_ms)
        texts = [
            f"{runs}{formats.count(sums.runs)}</td>",
            f"{failed}{formats.count(sums.failed)}</td>",
            f"{rows}{formats.count(sums.results)}</td>",
            f"{traffic}{_exact(f'{sums.traffic_bytes} B', formats.size(sums.traffic_bytes))}",
            f"{run_time}{_exact(f'{sums.run_ms} ms', formats.duration(sums.run_ms))}",
        ]
        if average:
            texts.append(f"{per_run}{_average(sums.average_ms)}")
        texts += [
            f"{cpu}{_exact(f'{sums.cpu_ms} ms', formats.duration(sums.cpu_ms))}",
            f"{memory}{_exact(formats.memory_exact(sums.memory_mb_ms), memory_time)}",
        ]
        if with_money:
            exact = f"{sums.usage_micros} / 1000000 USD"
            texts.append(f"{spent}{_exact(exact, formats.money(sums.usage_micros))}")
        return Markup("".join(texts))  # noqa: S704 - numbers and escaped texts

    return cells


def _average(ms: int | None) -> str:
    if ms is None:
        return '<span class="quiet">-</span></td>'
    return _exact(f"{ms} ms", formats.duration(ms))


def _exact(title: str, text: str) -> str:
    """The end of a cell whose exact value is its title, a number with its unit."""
    return f'<span title="{title}">{escape_text(text, quote=False)}</span></td>'
