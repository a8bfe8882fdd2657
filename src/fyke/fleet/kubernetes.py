"""Nodes that are pods of Deployments, in one namespace of Kubernetes.

Kubernetes restarts pods, makes new ones for those that end, and gives each the time to drain. What
it cannot know is which one is idle, which one is to be replaced, and how many a pool needs.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fyke.errors import Conflict, Forbidden, NotFound
from fyke.fleet.kubernetes_api import KubernetesApi
from fyke.model.fleet import FleetBounds, FleetGroup, FleetMachine, FleetState
from fyke.model.placement import DEFAULT_POOL

COST = "controller.kubernetes.io/pod-deletion-cost"
LEAST, MOST = "fyke/min-nodes", "fyke/max-nodes"  # annotations of a Deployment that is scaled
POOL = "pool"  # the label of the pods of a Deployment
CPUS, MEMORY_MB = "FYKE_RUNNER_CPUS", "FYKE_RUNNER_MEMORY_MB"  # variables of a node
DEPLOYMENT = "Deployment"
CHANGED = "The number of nodes of {name} was changed by someone else; it is not scaled now"


class Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    deletion_timestamp: str | None = None


class PodStatus(msgspec.Struct, rename="camel"):
    phase: str = "Unknown"


class Pod(msgspec.Struct, rename="camel"):
    metadata: Meta
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class Variable(msgspec.Struct, rename="camel"):
    name: str
    value: str = ""


class Container(msgspec.Struct, rename="camel"):
    env: list[Variable] | None = None


class PodSpec(msgspec.Struct, rename="camel"):
    containers: list[Container]


class PodTemplate(msgspec.Struct, rename="camel"):
    spec: PodSpec
    metadata: Meta = msgspec.field(default_factory=Meta)


class Selector(msgspec.Struct, rename="camel"):
    match_labels: dict[str, str] | None = None


class DeploymentSpec(msgspec.Struct, rename="camel"):
    selector: Selector
    template: PodTemplate
    replicas: int = 1


class Deployment(msgspec.Struct, rename="camel"):
    metadata: Meta
    spec: DeploymentSpec


class ScaleSpec(msgspec.Struct, rename="camel"):
    replicas: int = 0


class Scale(msgspec.Struct, rename="camel"):
    metadata: Meta
    spec: ScaleSpec = msgspec.field(default_factory=ScaleSpec)


class ScaleTarget(msgspec.Struct, rename="camel"):
    name: str
    kind: str = DEPLOYMENT


class AutoscalerSpec(msgspec.Struct, rename="camel"):
    scale_target_ref: ScaleTarget


class Autoscaler(msgspec.Struct, rename="camel"):
    """A HorizontalPodAutoscaler, or a ScaledObject of KEDA."""

    metadata: Meta
    spec: AutoscalerSpec


class KubernetesFleet:
    """Implements ``Fleet``. ``selector``: the labels of the Deployments of nodes and of their
    pods.
    """

    def __init__(self, api: KubernetesApi, namespace: str, selector: str) -> None:
        self._api = api
        self._selector = selector
        self._namespace = namespace
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"

    def state(self) -> FleetState:
        """See ``Fleet.state``."""
        deployments = self._api.read_all(self._deployments, Deployment, self._selector)
        pods = self._api.read_all(self._pods, Pod, self._selector)
        unknown, owners = "", dict[str, str]()
        try:
            owners = self._owners()
        except Forbidden as error:
            unknown = f"Whether something else scales it is not known. {error}"
        groups = [_group(one, owners.get(one.metadata.name, unknown)) for one in deployments]
        machines = [_machine(pod, deployments) for pod in pods if _is_alive(pod)]
        return FleetState(
            sorted(groups, key=lambda group: group.name),
            sorted(machines, key=lambda machine: machine.name),
        )

    def remove(self, machine: FleetMachine) -> bool:
        """See ``Fleet.remove``: the pod gets the time that its Deployment gives it."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": machine.id},
        }
        try:
            self._api.delete(f"{self._pods}/{machine.name}", options)
        except (NotFound, Conflict):
            return False
        return True

    def mark(self, machine: FleetMachine, cost: int) -> bool:
        """See ``Fleet.mark``. A ReplicaSet that shrinks reads this annotation."""
        change = {"metadata": {"uid": machine.id, "annotations": {COST: str(cost)}}}
        try:
            self._api.patch(f"{self._pods}/{machine.name}", change)
        except (NotFound, Conflict):
            return False
        return True

    def scale(self, group: FleetGroup, count: int) -> None:
        """See ``Fleet.scale``."""
        if owner := self._owners().get(group.name):
            raise Conflict(owner)
        if not self._set_count(group, count) and not self._set_count(group, count):
            raise Conflict(CHANGED.format(name=group.name))

    def _set_count(self, group: FleetGroup, count: int) -> bool:
        """Scale from the known number; False if the Deployment has changed meanwhile, as it does
        whenever one of its pods does.
        """
        path = f"{self._deployments}/{group.name}/scale"
        scale = self._api.get(path, Scale)
        if scale.spec.replicas != group.count:
            raise Conflict(CHANGED.format(name=group.name))
        change = {
            "metadata": {"resourceVersion": scale.metadata.resource_version},
            "spec": {"replicas": count},
        }
        try:
            self._api.patch(path, change)
        except Conflict:
            return False
        return True

    def _owners(self) -> dict[str, str]:
        """What scales a Deployment, as a sentence, by the name of the Deployment. A ScaledObject
        makes a HorizontalPodAutoscaler, and is what a person has to change.
        """
        found = {}
        for kind, group in (
            ("HorizontalPodAutoscaler", "autoscaling/v2"),
            ("ScaledObject", "keda.sh/v1alpha1"),
        ):
            path = f"/apis/{group}/namespaces/{self._namespace}/{kind.lower()}s"
            try:
                objects = self._api.read_all(path, Autoscaler)
            except NotFound:  # the cluster has no such kind
                continue
            for one in objects:
                target = one.spec.scale_target_ref
                if target.kind == DEPLOYMENT:
                    sentence = f"The {kind} {one.metadata.name} scales {target.name}"
                    found[target.name] = sentence
        return found


def _group(deployment: Deployment, obstacle: str) -> FleetGroup:
    template, annotations = deployment.spec.template, deployment.metadata.annotations or {}
    labels = template.metadata.labels or {}
    variables = {
        variable.name: variable.value
        for container in template.spec.containers
        for variable in container.env or ()
    }
    bounds, wrong = _bounds(annotations)
    return FleetGroup(
        name=deployment.metadata.name,
        pool=labels.get(POOL, DEFAULT_POOL),
        count=deployment.spec.replicas,
        cpus=_number(variables.get(CPUS, "")),
        memory_mb=_number(variables.get(MEMORY_MB, "")),
        bounds=bounds,
        obstacle=wrong or obstacle,
    )


def _bounds(annotations: Mapping[str, str]) -> tuple[FleetBounds | None, str]:
    """The bounds of a Deployment, and what is wrong with them."""
    if LEAST not in annotations and MOST not in annotations:
        return None, ""
    texts = annotations.get(LEAST, "0"), annotations.get(MOST, "")
    if all(text.isascii() and text.isdecimal() for text in texts):
        least, most = map(int, texts)
        if least <= most:
            return FleetBounds(least, most), ""
    return FleetBounds(0, 0), f"The annotations {LEAST} and {MOST} must be two numbers, in order"


def _machine(pod: Pod, deployments: list[Deployment]) -> FleetMachine:
    labels, annotations = pod.metadata.labels or {}, pod.metadata.annotations or {}
    groups = [
        one.metadata.name
        for one in deployments
        if (wanted := one.spec.selector.match_labels) and wanted.items() <= labels.items()
    ]
    return FleetMachine(
        name=pod.metadata.name,
        id=pod.metadata.uid,
        group=groups[0] if groups else "",
        state=pod.status.phase,
        ending=pod.metadata.deletion_timestamp is not None,
        removal_cost=_cost(annotations.get(COST, "")),
    )


def _is_alive(pod: Pod) -> bool:
    return pod.status.phase not in ("Succeeded", "Failed")


def _cost(text: str) -> int:
    """As Kubernetes reads the annotation, where what is no number counts as 0."""
    try:
        return int(text)
    except ValueError:
        return 0


def _number(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0
