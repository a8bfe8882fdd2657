"""Requests are counted by few classes, whatever a client sends."""

from __future__ import annotations

import pytest

from fyke.api.request_meter import RequestMeter, route_class
from fyke.telemetry.exposition import text_of
from support.metrics import parse_metrics


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        ("/api/v1/run/detail", {}, "v1"),
        ("/api/v2/worker-runs/{runId:run}", {}, "v2"),
        ("/api/v2/workers/{workerId:worker}/runs", {"starts": True}, "starts"),
        ("/api/fyke/nodes", {}, "fyke"),
        ("/files/{token}/{name}", {}, "files"),
        ("/readyz", {}, "health"),
        ("/runs/{run}", {"page": True}, "console"),
        ("", {}, "other"),
        ("/api/store", {}, "other"),
    ],
)
def test_the_class_of_a_route(path: str, options: dict[str, bool], expected: str) -> None:
    assert route_class(path, **options) == expected


def test_counts_and_durations_are_added_up() -> None:
    meter = RequestMeter()
    for seconds in (0.005, 0.006, 30.0):
        meter.count("v2", 200, seconds)
    meter.count("v2", 404, 0.0)
    meter.count("v1", 0, 0.1)
    meter.active = 2
    values = parse_metrics(text_of(meter.metrics("s:1")))

    def of(name: str, labels: str) -> float:
        return values[f'fyke_http_{name}{{server="s:1"{labels}}}']

    assert of("requests_total", ',route="v2",status="2xx"') == 3
    assert of("requests_total", ',route="v2",status="4xx"') == 1
    assert of("requests_total", ',route="v1",status="none"') == 1
    times = "request_duration_seconds"
    assert of(f"{times}_bucket", ',route="v2",le="0.005"') == 2
    assert of(f"{times}_bucket", ',route="v2",le="0.01"') == 3
    assert of(f"{times}_bucket", ',route="v2",le="10.0"') == 3
    assert of(f"{times}_bucket", ',route="v2",le="+Inf"') == 4
    assert of(f"{times}_count", ',route="v2"') == 4
    assert of(f"{times}_sum", ',route="v2"') == pytest.approx(30.011)
    assert of("requests_active", "") == 2
