"""A double of the API server of Kubernetes with one Deployment, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.fleet.kubernetes_api import KubernetesApi
from support.kubernetes_api import Cluster, kubernetes_api


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with kubernetes_api(tmp_path) as cluster:
        cluster.add_deployment()
        yield cluster


@pytest.fixture
def api(cluster: Cluster) -> Iterator[KubernetesApi]:
    api = KubernetesApi(cluster.url, cluster.folder, timeout=5)
    yield api
    api.close()
