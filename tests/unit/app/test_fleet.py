"""Which engine the settings name, and what a pod of Kubernetes has for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fyke.app.fleet import open_fleet
from fyke.errors import Refused
from fyke.fleet.static import StaticFleet
from fyke.settings import Settings
from support.kubernetes_api import kubernetes_api


def environment(url: str) -> dict[str, str]:
    host, port = url.removeprefix("https://").split(":")
    return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}


def test_by_default_no_engine_is_asked(tmp_path: Path) -> None:
    with open_fleet(Settings(home=tmp_path)) as fleet:
        assert isinstance(fleet, StaticFleet)


@pytest.mark.parametrize("namespace", ["", "nodes"])
def test_a_pod_asks_the_cluster_that_it_is_in(tmp_path: Path, namespace: str) -> None:
    settings = Settings(home=tmp_path, fleet="kubernetes", fleet_namespace=namespace)
    with kubernetes_api(tmp_path) as cluster:
        cluster.add_deployment()
        if namespace:  # the double has the namespace fyke only
            (tmp_path / "namespace").write_text("other")
            settings = settings.model_copy(update={"fleet_namespace": "fyke"})
        with open_fleet(settings, environment(cluster.url), tmp_path) as fleet:
            assert [one.name for one in fleet.state().machines] == cluster.pods()


@pytest.mark.parametrize("has_token", [True, False])
def test_outside_a_cluster_it_says_so(tmp_path: Path, has_token: bool) -> None:
    if has_token:
        (tmp_path / "token").write_text("x")
    found = {} if has_token else environment("https://10.0.0.1:443")
    settings = Settings(home=tmp_path, fleet="kubernetes")
    with (
        pytest.raises(Refused, match="This is no pod of Kubernetes"),
        open_fleet(settings, found, tmp_path),
    ):
        pass
