"""The engine that runs the nodes, by the settings."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from fyke.contracts.fleet import Fleet
from fyke.errors import Refused
from fyke.fleet.kubernetes import KubernetesFleet
from fyke.fleet.kubernetes_api import KubernetesApi
from fyke.fleet.static import StaticFleet
from fyke.kit.hostports import join_host_port
from fyke.settings import Settings

# where Kubernetes mounts what a pod needs to ask the API server
POD_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"


@contextlib.contextmanager
def open_fleet(
    settings: Settings, environment: Mapping[str, str] = os.environ, folder: Path = POD_FOLDER
) -> Iterator[Fleet]:
    """Open what the setting ``fleet`` names. Raises ``Refused`` outside a pod of Kubernetes."""
    if settings.fleet == "static":
        yield StaticFleet()
        return
    host = environment.get(_HOST, "")
    if not host or not (folder / "token").exists():
        raise Refused(
            "This is no pod of Kubernetes with a service account: fyke fleet runs in the pod of "
            "deploy/kubernetes/fleet"
        )
    api = KubernetesApi(
        f"https://{join_host_port(host, int(environment.get(_PORT, '443')))}", folder
    )
    namespace = settings.fleet_namespace or (folder / "namespace").read_text().strip()
    try:
        yield KubernetesFleet(api, namespace, settings.fleet_selector)
    finally:
        api.close()
