"""Reads the text format of Prometheus, and refuses what its parser would refuse."""

from __future__ import annotations

import re

_NAME = r"[a-z_:][a-z0-9_:]*"
_LABEL = r'[a-z_]+="(?:[^"\\\n]|\\[\\n"])*"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (-?[0-9.e+-]+)")
_KINDS = ("counter", "gauge", "histogram")


def parse_metrics(text: str) -> dict[str, float]:
    """The values by name and labels, as they are written. Every sample has a type before it, the
    samples of a metric are together, and none is there twice.
    """
    values: dict[str, float] = {}
    kinds: dict[str, str] = {}
    current = ""
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            current, help_text = line.removeprefix("# HELP ").split(" ", 1)
            assert help_text.endswith(".") and current not in kinds
        elif line.startswith("# TYPE "):
            name, kind = line.removeprefix("# TYPE ").split(" ")
            assert name == current and kind in _KINDS
            assert (kind == "counter") == name.endswith("_total")
            kinds[name] = kind
        else:
            found = _SAMPLE.fullmatch(line)
            assert found is not None, line
            parts = ("_bucket", "_sum", "_count") if kinds[current] == "histogram" else ("",)
            assert found[1] in {current + part for part in parts}, line
            key = line.rpartition(" ")[0]
            assert key not in values
            values[key] = float(found[3])
    return values
