"""What every engine of nodes does: Kubernetes, by a double of its API server, and none at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.contracts.fleet import Fleet
from fyke.errors import Conflict, Refused
from fyke.fleet.kubernetes import KubernetesFleet
from fyke.fleet.kubernetes_api import KubernetesApi
from fyke.fleet.static import StaticFleet
from fyke.model.fleet import FleetBounds, FleetGroup, FleetMachine, FleetState
from support.kubernetes_api import NAMESPACE, Cluster, kubernetes_api

BOUNDS = {"fyke/min-nodes": "1", "fyke/max-nodes": "5"}
UNKNOWN = FleetMachine("absent", "uid-0", "", "Running", ending=False, removal_cost=0)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with kubernetes_api(tmp_path) as cluster:
        cluster.add_deployment(annotations=dict(BOUNDS))
        yield cluster


@pytest.fixture
def fleet(cluster: Cluster) -> Iterator[Fleet]:
    api = KubernetesApi(cluster.url, cluster.folder)
    yield KubernetesFleet(api, NAMESPACE, "app=fyke,role=node")
    api.close()


def one_group(fleet: Fleet) -> FleetGroup:
    [group] = fleet.state().groups
    return group


def test_without_an_engine_nothing_is_known_and_nothing_is_done() -> None:
    fleet: Fleet = StaticFleet()
    group = FleetGroup("g", "default", 1, 2, 3072, None, "")
    assert fleet.state() == FleetState((), ())
    for ask in (
        lambda: fleet.remove(UNKNOWN),
        lambda: fleet.mark(UNKNOWN, 1),
        lambda: fleet.scale(group, 2),
    ):
        with pytest.raises(Refused, match="a person or systemd starts, replaces and removes"):
            ask()


def test_machines_and_groups_are_those_of_the_engine(fleet: Fleet, cluster: Cluster) -> None:
    cluster.add("pods", "fyke-0", {}, labels={"app": "fyke", "role": "installation"})
    state = fleet.state()
    assert state.groups == [
        FleetGroup("fyke-node-default", "default", 3, 2.0, 3072.0, FleetBounds(1, 5), "")
    ]
    assert [machine.name for machine in state.machines] == sorted(cluster.pods()[:3])
    assert {(one.group, one.state, one.ending) for one in state.machines} == {
        ("fyke-node-default", "Running", False)
    }


def test_a_removed_machine_ends_and_another_one_takes_its_place(
    fleet: Fleet, cluster: Cluster
) -> None:
    before = fleet.state().machines
    assert fleet.remove(before[0]) and fleet.remove(before[0])
    after = {machine.name: machine for machine in fleet.state().machines}
    assert after[before[0].name].ending and cluster.ending() == [before[0].name]
    assert len([one for one in after.values() if not one.ending]) == 3


def test_a_machine_that_is_gone_is_not_removed(fleet: Fleet, cluster: Cluster) -> None:
    [first, *_] = fleet.state().machines
    other = FleetMachine(first.name, "uid-0", "", "Running", ending=False, removal_cost=0)
    for gone in (UNKNOWN, other):  # other: an earlier one of this name
        assert not fleet.remove(gone) and not fleet.mark(gone, 1)
    assert cluster.ending() == [] and cluster.cost(first.name) is None


def test_marked_machines_are_taken_in_the_order_of_their_costs(
    fleet: Fleet, cluster: Cluster
) -> None:
    first, second, third = fleet.state().machines
    for machine, cost in ((first, 0), (second, 2), (third, -5)):
        assert fleet.mark(machine, cost)
    assert [one.removal_cost for one in fleet.state().machines] == [0, 2, -5]
    for count, gone in ((2, [third.name]), (1, [first.name, third.name])):
        fleet.scale(one_group(fleet), count)
        assert cluster.ending() == gone
    assert cluster.pods() == [second.name]


def test_a_group_is_scaled_to_zero_and_up_again(fleet: Fleet, cluster: Cluster) -> None:
    fleet.scale(one_group(fleet), 0)
    assert (one_group(fleet).count, cluster.pods()) == (0, [])
    fleet.scale(one_group(fleet), 2)
    assert (one_group(fleet).count, len(cluster.pods())) == (2, 2)


def test_a_group_is_not_scaled_from_a_number_that_has_changed(
    fleet: Fleet, cluster: Cluster
) -> None:
    group = one_group(fleet)
    cluster.scale(group.name, 4)
    with pytest.raises(Conflict, match="fyke-node-default was changed by someone else"):
        fleet.scale(group, 2)
    cluster.on_patch.append(lambda: cluster.scale(group.name, 5))
    with pytest.raises(Conflict, match="changed by someone else"):
        fleet.scale(one_group(fleet), 2)
    assert one_group(fleet).count == 5
