"""What a driver asks of Kubernetes, by a double of its API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fyke.domain.nodes.fleet import MARK_SECONDS, MAX_MARKS, FleetDriver
from fyke.errors import Forbidden, RateLimited
from fyke.fleet.kubernetes import KubernetesFleet
from fyke.fleet.kubernetes_api import KubernetesApi
from fyke.model.fleet import FleetNode
from fyke.model.placement import PoolDemand
from support.kubernetes_api import NAMESPACE, Cluster, Failure, kubernetes_api

NAME = "fyke-node-default"
COOLDOWN = 300.0
BOUNDS = {"fyke/min-nodes": "1", "fyke/max-nodes": "5"}


class Driving:
    """A driver of a cluster, with what the installation says and the time of the driver."""

    def __init__(self, cluster: Cluster, fleet: KubernetesFleet) -> None:
        self.cluster = cluster
        self.fleet = fleet
        self.now = 1000.0
        self.attempts: dict[str, int] = {}
        self.closed: set[str] = set()
        self.replacing: set[str] = set()
        self.cores = 0.0  # that the pool is asked for
        self.memory_mb = 0
        self.restart()

    def restart(self) -> None:
        self.driver = FleetDriver(self.fleet, cooldown_seconds=COOLDOWN, clock=lambda: self.now)

    def step(self, seconds: float = 15) -> list[str]:
        """Return the requests that change something."""
        self.now += seconds
        self.cluster.requests.clear()
        nodes = [
            FleetNode(
                name,
                "default",
                attempts,
                is_open=name not in self.closed | self.replacing,
                replacing=name in self.replacing,
            )
            for name, attempts in self.attempts.items()
        ]
        half = self.cores / 2
        demand = PoolDemand(
            "default", waiting_cpus=half, running_cpus=half, waiting_memory_mb=self.memory_mb
        )
        self.driver.step(nodes, [demand])
        return [request for request in self.cluster.requests if not request.startswith("GET")]

    def costs(self) -> dict[str, str | None]:
        return {name: self.cluster.cost(name) for name in self.cluster.pods()}

    def count(self) -> int:
        return len(self.cluster.pods())


@pytest.fixture
def driving(tmp_path: Path) -> Iterator[Driving]:
    with kubernetes_api(tmp_path) as cluster:
        api = KubernetesApi(cluster.url, cluster.folder)
        cluster.add_deployment(NAME)
        yield Driving(cluster, KubernetesFleet(api, NAMESPACE, "app=fyke,role=node"))
        api.close()


@pytest.fixture
def scaling(driving: Driving) -> Driving:
    """The same with a Deployment that is scaled."""
    driving.cluster.objects["deployments"][NAME]["metadata"]["annotations"] = dict(BOUNDS)
    return driving


# --- replacing ------------------------------------------------------------------------------------


def test_a_node_is_replaced_when_it_has_no_attempt_left(driving: Driving) -> None:
    [first, *others] = driving.cluster.pods()
    driving.attempts, driving.replacing, driving.cores = {first: 2}, {first}, 9
    assert driving.step() == []
    driving.attempts[first] = 0
    assert driving.step() == [f"DELETE /api/v1/namespaces/fyke/pods/{first}"]
    assert driving.cluster.ending() == [first]
    assert driving.count() == 3 and set(others) < set(driving.cluster.pods())
    assert driving.step() == []  # it may take a while to end


def test_a_node_that_only_drains_is_not_removed(driving: Driving) -> None:
    [first, *_] = driving.cluster.pods()
    driving.attempts, driving.closed, driving.cores = {first: 0}, {first}, 9
    assert driving.step() == [] and driving.cluster.ending() == []


def test_a_node_that_the_engine_does_not_have_is_named_once(driving: Driving) -> None:
    driving.attempts, driving.replacing = {"n1": 0}, {"n1"}
    with capture_logs() as logs:
        assert driving.step() == driving.step() == []
    assert [(line["event"], line["node"]) for line in logs] == [
        ("node_to_replace_is_not_of_the_engine", "n1")
    ]


# --- idle nodes first -----------------------------------------------------------------------------


def test_whatever_scales_in_takes_idle_nodes_first(driving: Driving) -> None:
    busy, idle, busier = driving.cluster.pods()
    driving.attempts = {busy: 2, idle: 0, busier: 4}
    driving.step()
    assert driving.costs() == {busy: "2", idle: None, busier: "4"}
    driving.cluster.scale(NAME, 2)  # by a person, an autoscaler or KEDA
    assert driving.cluster.ending() == [idle]
    driving.cluster.scale(NAME, 1)
    assert driving.cluster.pods() == [busier]


def test_a_node_that_takes_no_more_attempts_goes_before_an_idle_one(driving: Driving) -> None:
    idle, cordoned, busy = driving.cluster.pods()
    driving.attempts, driving.closed = {idle: 0, cordoned: 3, busy: 1}, {cordoned}
    driving.step()
    assert driving.costs() == {idle: None, cordoned: "-1997", busy: "1"}
    driving.cluster.scale(NAME, 2)
    assert driving.cluster.ending() == [cordoned]


def test_costs_are_only_written_while_the_pool_may_shrink(driving: Driving) -> None:
    driving.attempts = dict.fromkeys(driving.cluster.pods(), 4)
    driving.cores = 5  # three nodes of two cores
    assert driving.step() == []
    driving.cores, driving.memory_mb = 4, 2 * 3072 + 1
    assert driving.step() == []
    driving.memory_mb = 2 * 3072
    assert len(driving.step()) == 3
    assert driving.step() == []  # nothing has changed


def test_small_changes_wait_and_those_between_idle_and_busy_do_not(driving: Driving) -> None:
    [first, *_] = driving.cluster.pods()
    for seconds, attempts, cost in (
        (15, 4, "4"),
        (15, 3, "4"),
        (MARK_SECONDS - 16, 3, "4"),
        (1, 3, "3"),
        (1, 0, "0"),
        (1, 1, "1"),
        (1, 2, "1"),
    ):
        driving.attempts = {first: attempts}
        driving.step(seconds)
        assert driving.cluster.cost(first) == cost


def test_one_step_writes_a_limited_number_of_costs(driving: Driving) -> None:
    driving.cluster.scale(NAME, MAX_MARKS + 5)
    driving.attempts = dict.fromkeys(driving.cluster.pods(), 1)
    assert (len(driving.step()), len(driving.step()), len(driving.step())) == (MAX_MARKS, 5, 0)


def test_a_pod_that_has_not_joined_is_left_alone(driving: Driving) -> None:
    assert driving.step() == [] and set(driving.costs().values()) == {None}


# --- scaling --------------------------------------------------------------------------------------


def test_nothing_is_scaled_unless_the_deployment_says_so(driving: Driving) -> None:
    driving.cores = 100
    assert driving.step() == [] and driving.step(COOLDOWN + 1) == []
    assert driving.count() == 3


@pytest.mark.parametrize(
    ("cores", "memory_mb", "expected"),
    [(6.1, 0, 4), (0.1, 4 * 3072, 4), (8, 4 * 3072 + 1, 5), (100, 0, 5)],
)
def test_a_pool_grows_at_once_up_to_its_bound(
    scaling: Driving, cores: float, memory_mb: int, expected: int
) -> None:
    scaling.cores, scaling.memory_mb = cores, memory_mb
    assert len(scaling.step()) == 1 and scaling.count() == expected
    assert scaling.step() == []


def test_sums_that_are_not_exact_need_no_further_node(scaling: Driving) -> None:
    scaling.cores = sum([0.1] * 80) + 1e-9
    scaling.step()
    assert scaling.count() == 4


def test_a_pool_shrinks_to_what_it_needed_most_within_the_cooldown(scaling: Driving) -> None:
    for seconds, cores, expected in (
        (0, 0, 3),
        (COOLDOWN - 10, 4, 3),  # two nodes
        (10, 0, 3),
        (1, 0, 2),
        (COOLDOWN - 11, 0, 2),
        (1, 0, 1),  # the lower bound
        (0, 8, 4),
    ):
        scaling.cores = cores
        scaling.step(seconds)
        assert (seconds, scaling.count()) == (seconds, expected)


def test_a_new_driver_shrinks_nothing_before_the_cooldown(scaling: Driving) -> None:
    scaling.step()
    scaling.step(COOLDOWN - 1)
    scaling.restart()
    scaling.step(COOLDOWN - 1)
    assert scaling.count() == 3
    scaling.step(COOLDOWN)
    scaling.step(1)
    assert scaling.count() == 1


def test_a_pool_that_shrinks_loses_its_idle_node(scaling: Driving) -> None:
    busy, idle, busier = scaling.cluster.pods()
    scaling.attempts, scaling.cores = {busy: 1, idle: 0, busier: 2}, 4
    scaling.step()
    scaling.step(COOLDOWN + 1)
    assert scaling.cluster.ending() == [idle]


def test_what_keda_scales_is_left_to_keda(scaling: Driving) -> None:
    spec = {"scaleTargetRef": {"name": NAME}}
    scaling.cluster.add("scaledobjects", "by-demand", spec)
    scaling.cores = 100
    with capture_logs() as logs:
        assert scaling.step() == scaling.step() == []
    assert [(line["event"], line["why"]) for line in logs] == [
        ("group_is_not_scaled", f"The ScaledObject by-demand scales {NAME}")
    ]


@pytest.mark.parametrize("why", ["size", "several"])
def test_what_cannot_be_scaled_says_why(scaling: Driving, why: str) -> None:
    if why == "size":
        containers = scaling.cluster.objects["deployments"][NAME]["spec"]["template"]["spec"]
        containers["containers"][0]["env"] = None
    else:
        scaling.cluster.add_deployment("more", annotations=dict(BOUNDS))
    scaling.cores = 100
    with capture_logs() as logs:
        assert scaling.step() == []
    assert "size of its nodes" in logs[0]["why"] or "Several groups" in logs[0]["why"]


# --- failures -------------------------------------------------------------------------------------


def test_what_is_possible_without_a_missing_right_is_done(scaling: Driving) -> None:
    first, *_ = scaling.cluster.pods()
    scaling.attempts, scaling.replacing, scaling.cores = {first: 0}, {first}, 8
    scaling.cluster.rights = {
        *(("list", kind) for kind in scaling.cluster.objects),
        *((verb, "deployments/scale") for verb in ("get", "patch")),
    }
    with pytest.raises(Forbidden, match="DELETE"):
        scaling.step()
    assert scaling.cluster.ending() == [] and scaling.count() == 4


def test_a_server_that_is_busy_is_left_alone(scaling: Driving) -> None:
    scaling.cluster.failures = [Failure(429, "TooManyRequests", "later", 9)]
    with pytest.raises(RateLimited) as limited:
        scaling.step()
    assert limited.value.retry_after == 9 and len(scaling.cluster.requests) == 1
