"""Metrics as text."""

from __future__ import annotations

from fyke.telemetry.exposition import Metric, MetricKind, text_of
from support.metrics import parse_metrics


def test_a_metric_has_help_type_and_a_line_for_each_sample() -> None:
    metric = Metric("fyke_rows_total", MetricKind.COUNTER, "Rows.")
    metric.add(3)
    metric.add(2**63 + 1, pool="a")
    metric.add(0.1, pool="b", state="c")
    metric.add(4.0, pool="c")
    text = text_of([metric, Metric("fyke_empty", MetricKind.GAUGE, "Nothing.")])
    assert text == (
        "# HELP fyke_rows_total Rows.\n"
        "# TYPE fyke_rows_total counter\n"
        "fyke_rows_total 3\n"
        'fyke_rows_total{pool="a"} 9223372036854775809\n'
        'fyke_rows_total{pool="b",state="c"} 0.1\n'
        'fyke_rows_total{pool="c"} 4\n'
    )


def test_a_label_cannot_end_its_line() -> None:
    metric = Metric("fyke_x", MetricKind.GAUGE, "X.")
    metric.add(1, pool='a"} 9\nfyke_y{b="\\')
    assert len(parse_metrics(text_of([metric]))) == 1
