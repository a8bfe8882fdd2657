"""Counts the requests that this process answers, and their durations, by class of route.

The classes are few and fixed, so that no client can make the metrics grow.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate

from fyke.telemetry.exposition import Metric, MetricKind

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
STARTS, CONSOLE, OTHER = "starts", "console", "other"
_CLASSES = (
    ("/api/v1/", "v1"),
    ("/api/v2/", "v2"),
    ("/api/fyke/", "fyke"),
    ("/files/", "files"),
    ("/docs/", "docs"),
    ("/openapi.json", "docs"),
    ("/healthz", "health"),
    ("/readyz", "health"),
    ("/version", "health"),
    ("/metrics", "metrics"),
)


def route_class(path: str, *, starts: bool = False, page: bool = False) -> str:
    """The class of a route by the template of its path, "" without a route. ``starts``: it starts a
    run, and its answer may wait for the end of that. ``page``: it is one of the console.
    """
    if starts:
        return STARTS
    if page:
        return CONSOLE
    return next((name for start, name in _CLASSES if path.startswith(start)), OTHER)


@dataclass(slots=True)
class _Times:
    """The durations of one class: how many are in each bucket and above all, and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0


class RequestMeter:
    """The requests since the start of this process, and how many are being answered."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int], int] = {}
        self._times: dict[str, _Times] = {}
        self.active = 0

    def count(self, name: str, status: int, seconds: float) -> None:
        """Count a request of a class, which took so long until its answer began. ``status`` is 0 if
        its client has gone before.
        """
        key = name, status // 100
        self._answers[key] = self._answers.get(key, 0) + 1
        times = self._times.get(name)
        if times is None:
            times = self._times[name] = _Times()
        times.counts[bisect_left(BUCKETS, seconds)] += 1
        times.seconds += seconds

    def metrics(self, server: str) -> list[Metric]:
        """The counts as metrics of this server."""
        answers = Metric(
            "fyke_http_requests_total",
            MetricKind.COUNTER,
            "Requests by class of their path and of the status of the answer.",
        )
        for (name, hundreds), number in sorted(self._answers.items()):
            status = f"{hundreds}xx" if hundreds else "none"
            answers.add(number, server=server, route=name, status=status)
        durations = Metric(
            "fyke_http_request_duration_seconds",
            MetricKind.HISTOGRAM,
            "Time from the head of a request to the beginning of its answer.",
        )
        for name, times in sorted(self._times.items()):
            _add_times(durations, times, {"server": server, "route": name})
        active = Metric(
            "fyke_http_requests_active", MetricKind.GAUGE, "Requests that are being answered."
        )
        active.add(self.active, server=server)
        return [answers, durations, active]


def _add_times(metric: Metric, times: _Times, labels: dict[str, str]) -> None:
    sums = [*accumulate(times.counts)]
    for most, number in zip((*map(str, BUCKETS), "+Inf"), sums, strict=True):
        metric.add(number, suffix="_bucket", **labels, le=most)
    metric.add(times.seconds, suffix="_sum", **labels)
    metric.add(sums[-1], suffix="_count", **labels)
