"""Metrics as text, in the format that Prometheus reads (version 0.0.4)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class MetricKind(StrEnum):
    """How a metric may change: a counter only grows, until its process is another one."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Sample:
    """A value with its labels. ``suffix`` is that of a part of a histogram, such as ``_sum``."""

    value: float
    labels: tuple[tuple[str, str], ...] = ()
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with its samples. ``help`` says what is counted, with the unit."""

    name: str
    kind: MetricKind
    help: str
    samples: list[Sample] = field(default_factory=list)

    def add(self, value: float, *, suffix: str = "", **labels: str) -> None:
        self.samples.append(Sample(value, tuple(labels.items()), suffix))


def text_of(metrics: Iterable[Metric]) -> str:
    """The text of a whole answer. Metrics without samples are left out."""
    lines = (line for metric in metrics if metric.samples for line in _lines(metric))
    return "".join(f"{line}\n" for line in lines)


def _lines(metric: Metric) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.kind.value}"
    for sample in metric.samples:
        labels = ",".join(f'{name}="{text.translate(_ESCAPES)}"' for name, text in sample.labels)
        name = f"{metric.name}{sample.suffix}"
        yield (
            f"{name}{{{labels}}} {_number(sample.value)}"
            if labels
            else (f"{name} {_number(sample.value)}")
        )


def _number(value: float) -> str:
    """Exact for integers of any length."""
    if isinstance(value, int):
        return str(int(value))
    if math.isfinite(value) and value.is_integer():
        return str(int(value))
    return repr(value)
