"""Which marks of the usage charts belong to which line of their table."""

from __future__ import annotations

from fyke.domain.runs.usage import RunUsage
from fyke.model.run import RunEvent
from fyke.model.usage_marks import UsageMark


def marked_rows(usage: RunUsage) -> list[str]:
    """For each sample the numbers of the marks between the sample before and it. Those after the
    last sample belong to the last.
    """
    spans = [_span(mark) for mark in usage.timeline]
    rows: list[str] = []
    before = 0
    for sample in usage.samples:
        is_last = sample is usage.samples[-1]
        numbers = [
            str(number)
            for number, (since, until) in enumerate(spans, 1)
            if (since <= sample.at or is_last) and until > before
        ]
        rows.append(", ".join(numbers))
        before = sample.at
    return rows


def _span(mark: RunEvent | UsageMark) -> tuple[int, int]:
    return (mark.since, mark.until) if isinstance(mark, UsageMark) else (mark.at, mark.at)
