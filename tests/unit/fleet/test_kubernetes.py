"""Requests to a double of the API server of Kubernetes: rights, versions, and owners."""

from __future__ import annotations

import pytest

from fyke.errors import Conflict, Forbidden
from fyke.fleet.kubernetes import Deployment, KubernetesFleet
from fyke.fleet.kubernetes_api import KubernetesApi
from fyke.model.fleet import FleetBounds
from support.kubernetes_api import NAMESPACE, Cluster

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
TARGET = {"kind": "Deployment", "name": "fyke-node-default"}
SELECTOR = "app=fyke,role=node"


@pytest.fixture
def fleet(api: KubernetesApi) -> KubernetesFleet:
    return KubernetesFleet(api, NAMESPACE, SELECTOR)


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
