"""The dashboard for Grafana asks for metrics that ``/metrics`` has, with their labels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from fyke import __version__
from fyke.api.metrics import MetricsRoutes
from fyke.api.request_meter import RequestMeter
from fyke.domain.installation.metrics import InstallationMetrics
from fyke.domain.runs.transitions import Rules
from fyke.kit.clock import SystemClock
from fyke.model.billing import Prices
from fyke.storage.sql.state.storage import open_storage
from support.prepared import state_in

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parents[3] / "deploy" / "grafana"
OF_PROMETHEUS = {"job", "instance"}
_METRIC = re.compile(r"\b(fyke_[a-z_]+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'([a-z_]+)(?:=~|=|!=|!~)"')
_BY = re.compile(r"\bby \(([^)]*)\)")
_SAMPLE = re.compile(r"(fyke_[a-z_]+)(?:\{(.*)\})? ")
_LABEL = re.compile(r'([a-z_]+)="')


def dashboard() -> dict[str, Any]:
    board: dict[str, Any] = json.loads((FOLDER / "fyke.json").read_text())
    return board


def queries() -> Iterator[tuple[str, str]]:
    """Each query with its legend, those of the variables too."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"], target["legendFormat"]
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["definition"], ""


@pytest.fixture
async def published(tmp_path: Path) -> dict[str, set[str]]:
    """The labels of each metric that a server publishes, as in its answer."""
    meter = RequestMeter()
    meter.count("v1", 200, 0.1)
    storage = open_storage(
        state_in(tmp_path), durable=False, notify=lambda topic: None, hiding=frozenset()
    )
    rules = Rules(Prices(0, 0, 0, 0), frozenset(), 1, "")
    installation = InstallationMetrics(storage, rules, SystemClock())
    routes = MetricsRoutes(installation, meter, "server")
    answer = await routes.answer_token(None)  # type: ignore[arg-type]  # it reads no request
    await storage.close()
    text = bytes(answer.body).decode()
    assert f'version="{__version__}"' in text
    known: dict[str, set[str]] = {}
    # a metric without a value has no sample, and its labels are those of its declaration
    known["fyke_oldest_waiting_runs"] = {"pool", "reason"}
    for line in text.splitlines():
        if (found := _SAMPLE.match(line)) is not None:
            known.setdefault(found[1], set()).update(_LABEL.findall(found[2] or ""))
    return known


async def test_each_metric_is_published_with_the_labels_that_are_used(
    published: dict[str, set[str]],
) -> None:
    asked = set()
    for expression, legend in queries():
        labels: set[str] = set()
        for name, matchers in _METRIC.findall(expression):
            assert name in published, expression
            asked.add(name)
            labels |= published[name] | OF_PROMETHEUS
            used = set(_MATCHER.findall(matchers))
            assert used <= published[name] | OF_PROMETHEUS, expression
        assert labels, expression
        grouped = {label.strip() for by in _BY.findall(expression) for label in by.split(",")}
        assert grouped <= labels, expression
        # what is added up by a label has no other
        assert set(re.findall(r"\{\{([a-z_]+)\}\}", legend)) <= grouped, expression
    assert asked == set(published)  # and each metric is on the dashboard


def test_the_dashboard_is_complete() -> None:
    board = dashboard()
    panels = board["panels"]
    assert board["schemaVersion"] == 39
    assert board["uid"] == "fyke"
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    assert all(panel["title"] and "gridPos" in panel for panel in panels)
    shown = [panel for panel in panels if panel["type"] != "row"]
    assert all(panel["description"].endswith(".") and panel["targets"] for panel in shown)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))  # no two panels overlap
    assert max(x for x, _ in cells) == 23
    variables = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)\b", json.dumps(board)))
    assert used == variables
    for panel in shown:
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references))


def test_the_provisioning_files_name_the_folder_and_the_source() -> None:
    folder = FOLDER / "provisioning"
    provider = yaml.safe_load((folder / "dashboards" / "fyke.yaml").read_text())
    source = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())
    assert provider["providers"][0]["options"]["path"] == "/var/lib/grafana/dashboards/fyke"
    assert source["datasources"][0]["type"] == "prometheus"
    page = (FOLDER.parents[1] / "docs" / "how-to" / "metrics.md").read_text()
    assert "/var/lib/grafana/dashboards/fyke" in page
