"""The figures that the benchmarks have recorded: ``docs/figures/latest.json``.

A *take* is one call of one benchmark: its command, date, commit, machine and load, and its figures.
A figure has a name and values; the name of a value ends in its unit, such as ``p50_ms``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "figures"
LATEST = FOLDER / "latest.json"

# The unit at the end of a value's name, and how it is shown. Longer ones first.
UNITS = {
    "mb_per_s": " MB/s",
    "per_s": "/s",
    "ms": " ms",
    "us": " us",
    "s": " s",
    "mib": " MiB",
    "mb": " MB",
    "kb": " kB",
    "n": "",
    "count": "",
    "percent": " %",
    "ratio": "",
    "syncs": " syncs",
    "times": " times",
}
WORDS = {
    "cpu": "{} of CPU",
    "grown": "memory +{}",
    "first": "first byte after {}",
    "ratio": "{} of the limit",
    **{share: f"{share} {{}}" for share in ("p50", "p95", "p99")},
}


@dataclass(frozen=True)
class Take:
    """``seconds`` is how long the command took, 0 if that was not recorded."""

    script: str
    command: str
    date: str  # UTC, to the minute; those copied from older pages may have only the day
    commit: str  # empty if it was not recorded
    machine: str
    versions: str = ""
    load: float | None = None  # the average of the minute before
    seconds: int = 0
    figures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def day(self) -> str:
        return self.date[:10]

    def values(self, name: str) -> Mapping[str, float]:
        """The values of a figure, none if it was not recorded."""
        found = [figure for figure in self.figures if figure["name"] == name]
        return {k: v for k, v in found[-1].items() if k != "name"} if found else {}


@dataclass(frozen=True)
class Figure:
    """The values of one figure, and the take that they come from."""

    take: Take
    values: Mapping[str, float]


class Takes:
    """Takes of several benchmarks, at most a few of each."""

    def __init__(self, takes: Iterable[Take]) -> None:
        self.takes = sorted(takes, key=lambda take: take.date, reverse=True)

    def find(self, script: str, name: str, value: str) -> Figure | None:
        """The latest figure of this name with this value."""
        for take in self.takes:
            if take.script == script and value in (values := take.values(name)):
                return Figure(take, values)
        return None

    def names(self, script: str) -> set[str]:
        return {f["name"] for take in self.takes if take.script == script for f in take.figures}

    def replaced_by(self, newer: Sequence[Take]) -> tuple[Takes, list[Take]]:
        """These takes with newer ones instead of all others of the same benchmarks, and those."""
        scripts = {take.script for take in newer}
        kept = [take for take in self.takes if take.script not in scripts]
        replaced = [each for each in self.takes if each not in kept and each not in newer]
        return Takes([*kept, *newer]), replaced


def read_takes(path: Path = LATEST) -> Takes:
    """The takes of a file, none if it does not exist."""
    if not path.exists():
        return Takes([])
    return Takes(Take(**each) for each in json.loads(path.read_text())["takes"])


def write_takes(takes: Takes, path: Path = LATEST) -> None:
    """Write a file, at once, with one line for each figure."""
    texts = []
    for take in takes.takes:
        members = asdict(take)
        figures = ",\n    ".join(json.dumps(figure) for figure in members.pop("figures"))
        texts.append(f'  {json.dumps(members)[:-1]}, "figures": [\n    {figures}\n  ]}}')
    new = path.with_name(f".{path.name}.new")
    new.write_text('{"takes": [\n' + ",\n".join(texts) + "\n]}\n")
    new.replace(path)


def from_lines(script: str, text: str, seconds: int) -> Take:
    """The take of a benchmark that appended ``text`` to its file. Raises ``ValueError`` if it did
    not begin with its header.
    """
    lines = [json.loads(line) for line in text.splitlines()]
    if not lines or "command" not in lines[0]:
        raise ValueError(f"bench/{script}.py recorded no header")
    figures = [line for line in lines if "command" not in line]
    return Take(script=script, seconds=seconds, figures=figures, **lines[0])


# --- texts ------------------------------------------------------------------------------------


def unit_of(value: str) -> str:
    """The unit of a value: ``ms`` of ``p50_ms``. Raises ``KeyError``."""
    for unit in UNITS:
        if value == unit or value.endswith(f"_{unit}"):
            return unit
    raise KeyError(f"{value} does not end in a unit: {', '.join(UNITS)}")


def number(value: float) -> str:
    """At least the whole number, else three digits: 0.35, 25.3, 8,063."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def amount(value: str, figure: float) -> str:
    """A figure with its unit: ``25.3 ms``, ``8,063/s``."""
    unit = unit_of(value)
    return (
        f"{number(figure / 1000)} s"
        if unit == "ms" and figure >= 1000
        else (number(figure) + UNITS[unit])
    )


def shown(value: str, figure: float) -> str:
    """The same with what it is: ``p50 25.3 ms``, ``130 us of CPU``."""
    return WORDS.get(value.partition("_")[0], "{}").format(amount(value, figure))
