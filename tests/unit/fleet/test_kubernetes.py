"""Requests to a double of the API server of Kubernetes: rights, versions, failures, and owners."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.errors import Conflict, Forbidden, InvalidRequest, NotFound, RateLimited, Unavailable
from fyke.fleet import kubernetes_api as module
from fyke.fleet.kubernetes import Deployment, KubernetesFleet, Pod
from fyke.fleet.kubernetes_api import KubernetesApi
from fyke.model.fleet import FleetBounds
from support.authority import make_authority
from support.kubernetes_api import NAMESPACE, Cluster, Failure, kubernetes_api

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
TARGET = {"kind": "Deployment", "name": "fyke-node-default"}
SELECTOR = "app=fyke,role=node"


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


@pytest.fixture
def fleet(api: KubernetesApi) -> KubernetesFleet:
    return KubernetesFleet(api, NAMESPACE, SELECTOR)


# --- the connection -------------------------------------------------------------------------------


def test_the_token_is_read_for_each_request(api: KubernetesApi, cluster: Cluster) -> None:
    assert len(api.read_all(PODS, Pod)) == 3
    cluster.tokens = {"token-2"}
    with pytest.raises(Forbidden, match="status 401: Unauthorized"):
        api.read_all(PODS, Pod)
    (cluster.folder / "token").write_text("token-2\n")
    assert len(api.read_all(PODS, Pod)) == 3


def test_a_server_with_another_authority_gets_no_token(
    api: KubernetesApi, cluster: Cluster, tmp_path: Path
) -> None:
    right = (cluster.folder / "ca.crt").read_bytes()
    (tmp_path / "other").mkdir()
    make_authority(tmp_path / "other")
    (cluster.folder / "ca.crt").write_bytes((tmp_path / "other" / "ca.pem").read_bytes())
    with pytest.raises(Unavailable, match=r"does not answer: .*certificate verify failed"):
        api.read_all(PODS, Pod)
    assert cluster.requests == []
    (cluster.folder / "ca.crt").write_bytes(right)  # a new authority is used without a restart
    assert len(api.read_all(PODS, Pod)) == 3


def test_a_server_that_does_not_answer_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")  # not used
    with kubernetes_api(tmp_path) as cluster:
        url = cluster.url
        assert KubernetesApi(url, tmp_path).read_all(PODS, Pod) == []
    with pytest.raises(Unavailable, match="The API server of Kubernetes does not answer"):
        KubernetesApi(url, tmp_path).read_all(PODS, Pod)
    (tmp_path / "token").unlink()
    with pytest.raises(Unavailable, match=r"does not answer: .*token"):
        KubernetesApi(url, tmp_path).read_all(PODS, Pod)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, InvalidRequest),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (422, InvalidRequest),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_failures_say_what_was_refused(
    api: KubernetesApi, cluster: Cluster, status: int, expected: type[Exception]
) -> None:
    cluster.failures = [Failure(status, "Reason", "because of a test")]
    with pytest.raises(expected, match=f"GET {PODS}/x with status {status}: because of a test"):
        api.get(f"{PODS}/x", Pod)


@pytest.mark.parametrize(
    ("status", "pause", "expected"), [(429, 7, 7), (503, 2, 2), (429, 9999, 300)]
)
def test_the_pause_that_the_server_asks_for_is_known(
    api: KubernetesApi, cluster: Cluster, status: int, pause: int, expected: int
) -> None:
    cluster.failures = [Failure(status, "TooManyRequests", "later", pause)]
    with pytest.raises(RateLimited, match="later") as limited:
        api.read_all(PODS, Pod)
    assert limited.value.retry_after == expected


def test_a_list_is_read_in_parts(
    api: KubernetesApi, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    cluster.scale("fyke-node-default", 5)
    names = [pod.metadata.name for pod in api.read_all(PODS, Pod, SELECTOR)]
    assert names == cluster.pods() and len(cluster.requests) == 3
    assert api.read_all(PODS, Pod, "role=installation") == []


def test_a_list_that_expires_is_read_from_its_beginning(
    api: KubernetesApi, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    answer, parts = cluster.answer, list[str]()

    def expire_once(method: str, target: str, *more: Any) -> Any:
        if "continue" in target:
            parts.append(target)
        cluster.oldest_list = cluster.version + 1 if len(parts) == 1 else 0
        return answer(method, target, *more)

    monkeypatch.setattr(cluster, "answer", expire_once)
    assert [pod.metadata.name for pod in api.read_all(PODS, Pod)] == cluster.pods()
    assert len(cluster.requests) == 4


def test_an_answer_that_cannot_be_read_is_unavailable(api: KubernetesApi, cluster: Cluster) -> None:
    cluster.add("pods", "odd", {}, labels=["not", "an object"])
    with pytest.raises(Unavailable, match="The answer of Kubernetes cannot be read"):
        api.get(f"{PODS}/odd", Pod)


# --- what scales a Deployment ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("horizontalpodautoscalers", "HorizontalPodAutoscaler"),
        ("scaledobjects", "ScaledObject"),
    ],
)
def test_what_something_else_scales_is_not_scaled(
    fleet: KubernetesFleet, cluster: Cluster, kind: str, name: str
) -> None:
    [group] = fleet.state().groups
    cluster.add(kind, "other", {"scaleTargetRef": {"kind": "StatefulSet", "name": group.name}})
    cluster.add(kind, "by-demand", {"scaleTargetRef": TARGET})  # since the state was read
    with pytest.raises(Conflict, match=f"The {name} by-demand scales fyke-node-default"):
        fleet.scale(group, 5)
    assert fleet.state().groups[0].obstacle == f"The {name} by-demand scales fyke-node-default"
    assert fleet.state().groups[0].count == 3


def test_a_scaled_object_is_named_rather_than_what_it_has_made(
    fleet: KubernetesFleet, cluster: Cluster
) -> None:
    cluster.add("scaledobjects", "pool", {"scaleTargetRef": {"name": "fyke-node-default"}})
    made = {"scaleTargetRef": TARGET | {"apiVersion": "apps/v1"}}
    cluster.add("horizontalpodautoscalers", "keda-hpa-pool", made)
    assert fleet.state().groups[0].obstacle == "The ScaledObject pool scales fyke-node-default"


def test_a_cluster_without_keda_has_no_scaled_objects(
    fleet: KubernetesFleet, cluster: Cluster
) -> None:
    cluster.has_keda = False
    [group] = fleet.state().groups
    fleet.scale(group, 1)
    assert (group.obstacle, fleet.state().groups[0].count) == ("", 1)


def test_without_the_right_to_look_nothing_is_scaled(
    fleet: KubernetesFleet, cluster: Cluster
) -> None:
    cluster.rights = {("list", "pods"), ("list", "deployments"), ("list", "scaledobjects")}
    [group] = fleet.state().groups
    assert group.obstacle.startswith("Whether something else scales it is not known")
    with pytest.raises(Forbidden, match="cannot list it"):
        fleet.scale(group, 1)


def test_a_right_that_is_missing_is_named(fleet: KubernetesFleet, cluster: Cluster) -> None:
    [machine, *_] = fleet.state().machines
    cluster.rights = set()
    with pytest.raises(Forbidden, match=f"DELETE {PODS}/{machine.name} .*cannot delete it"):
        fleet.remove(machine)
    with pytest.raises(Forbidden, match=r"PATCH .*cannot patch it"):
        fleet.mark(machine, 1)


def test_another_change_of_the_deployment_is_no_reason_to_give_up(
    fleet: KubernetesFleet, cluster: Cluster
) -> None:
    [group] = fleet.state().groups
    deployment = cluster.objects["deployments"][group.name]
    cluster.on_patch.append(lambda: cluster.changed(deployment))  # its status, as a pod has ended
    fleet.scale(group, 2)
    assert len(cluster.pods()) == 2
    cluster.on_patch.extend([lambda: cluster.changed(deployment)] * 2)
    with pytest.raises(Conflict, match="it is not scaled now"):
        fleet.scale(fleet.state().groups[0], 1)
    assert len(cluster.pods()) == 2


# --- what is read of Deployments and pods ---------------------------------------------------------


@pytest.mark.parametrize(
    ("annotations", "bounds", "is_wrong"),
    [
        ({}, None, False),
        ({"fyke/max-nodes": "4"}, FleetBounds(0, 4), False),
        ({"fyke/min-nodes": "2", "fyke/max-nodes": "2"}, FleetBounds(2, 2), False),
        ({"fyke/min-nodes": "2"}, FleetBounds(0, 0), True),
        ({"fyke/min-nodes": "3", "fyke/max-nodes": "2"}, FleetBounds(0, 0), True),
        ({"fyke/max-nodes": "-1"}, FleetBounds(0, 0), True),
        ({"fyke/max-nodes": "many"}, FleetBounds(0, 0), True),
    ],
)
def test_annotations_bound_a_group(
    fleet: KubernetesFleet,
    cluster: Cluster,
    annotations: dict[str, str],
    bounds: FleetBounds | None,
    is_wrong: bool,
) -> None:
    cluster.objects["deployments"]["fyke-node-default"]["metadata"]["annotations"] = annotations
    [group] = fleet.state().groups
    assert group.bounds == bounds
    assert ("must be two numbers" in group.obstacle) is is_wrong


def test_a_size_that_is_not_said_is_not_known(fleet: KubernetesFleet, cluster: Cluster) -> None:
    cluster.add_deployment("odd", "odd", 0, size={"FYKE_RUNNER_CPUS": "many"})
    [_, odd] = fleet.state().groups
    assert (odd.pool, odd.cpus, odd.memory_mb, odd.has_size) == ("odd", 0, 3072, False)


def test_pods_that_have_ended_are_no_machines(fleet: KubernetesFleet, cluster: Cluster) -> None:
    first, second, third = cluster.pods()
    cluster.objects["pods"][first]["status"]["phase"] = "Failed"
    cluster.objects["pods"][second]["status"]["phase"] = "Pending"
    cluster.objects["pods"][third]["metadata"]["annotations"] = {
        "controller.kubernetes.io/pod-deletion-cost": "high"
    }
    machines = {one.name: (one.state, one.removal_cost) for one in fleet.state().machines}
    assert machines == {second: ("Pending", 0), third: ("Running", 0)}


def test_a_deployment_says_how_many_by_default() -> None:
    import msgspec

    text = (
        b'{"metadata": {"name": "x"}, "spec": {"selector": {}, "template": {"spec": '
        b'{"containers": [{"name": "node"}]}}}}'
    )
    assert msgspec.json.decode(text, type=Deployment).spec.replicas == 1
