"""The reason and the hint of a run that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fyke.cli.output import data_of

if TYPE_CHECKING:
    from fyke_client.types.fyke.runs import RunSummary


def ending_data(run: RunSummary) -> dict[str, object]:
    """The reason and the hint as in the API, ``""`` and null without one."""
    data = data_of(run)
    return {name: data[name] for name in ("reason_code", "reason_params", "hint")}


def ending_fields(run: RunSummary) -> list[tuple[str, object]]:
    """The reason and the hint as fields; none while the run is active."""
    lines: list[tuple[str, object]] = []
    if run.reason_code:
        lines.append(("reason code", run.reason_code))
    if run.hint is not None:
        lines += [("likely cause", run.hint.cause), ("next step", run.hint.next_step)]
    return lines
