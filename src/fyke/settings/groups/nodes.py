"""The settings of nodes, and of the engine that runs them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from fyke.model.gateway import GATEWAY_PORT, MAX_GATEWAYS
from fyke.settings.marks import FOR_NODES, SECONDS, SHARED, CommaList, TypeText, Unit


class NodeSettings(BaseModel):
    """Nodes."""

    gateway_host: str = Field(default="127.0.0.1", examples=["0.0.0.0"])  # noqa: S104 - an example
    """The address on which the gateway accepts nodes, which are other machines of this
    installation. With the default only this machine reaches it; set the address that nodes use.
    ``fyke up`` starts the gateway when the first token for a node is made. Nodes need PostgreSQL,
    see ``database_url``.
    """

    gateway_port: int = Field(default=GATEWAY_PORT, ge=1, le=65535, examples=["9110"])
    """The port of the gateway. Nodes speak TLS there with certificates of this installation, so a
    load balancer has to pass on TCP connections as they are.
    """

    gateway_addresses: Annotated[
        CommaList, TypeText("list of `host` or `host:port`"), FOR_NODES
    ] = Field(default=(), max_length=MAX_GATEWAYS, examples=["10.0.0.2,10.0.0.3:9110"])
    """The addresses of all gateways of this installation, if several servers have one each and no
    load balancer is in front of them. Nodes learn them when they connect and keep them, and try one
    after the other when a connection fails. Nodes that have not joined yet need one of them for
    ``fyke node join``.
    """

    node_leave: bool = Field(default=False, examples=["1"])
    """On a node that has joined with a token for several uses: whether it leaves the installation
    when it is stopped, so that it does not stay in the list of nodes. For engines that create and
    remove nodes; ``fyke node up --leave`` sets it.
    """

    node_idle_minutes: Annotated[float, Unit("minutes")] = Field(default=0, ge=0, examples=["5"])
    """On a node: after how long without an attempt it stops by itself, as with SIGTERM, and ends
    with exit status 0. 0: never. For machines that are paid for as long as they run, such as the
    pilots of Slurm; ``fyke node up --idle-minutes`` sets it.
    """

    fleet: Annotated[Literal["static", "kubernetes"], SHARED] = Field(
        default="static", examples=["kubernetes"]
    )
    """Which engine the installation asks to replace and scale nodes. ``static``: none, because a
    person or systemd starts them. ``kubernetes``: ``fyke fleet up``, in a pod of its own, asks its
    cluster. See docs/how-to/kubernetes.md.
    """

    fleet_namespace: str = Field(
        default="", pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$", examples=["nodes"]
    )
    """For ``fyke fleet``: the namespace of the nodes. Empty: that of its own pod."""

    fleet_selector: str = Field(default="app=fyke,role=node", examples=["role=node"])
    """For ``fyke fleet``: the labels of the Deployments of nodes and of their pods, as in
    ``kubectl --selector``.
    """

    fleet_seconds: Annotated[float, SECONDS] = Field(default=15, ge=1, le=600, examples=["30"])
    """For ``fyke fleet up``: the pause between two looks at nodes and cluster."""

    fleet_cooldown_seconds: Annotated[float, SECONDS] = Field(default=300, ge=0, examples=["600"])
    """For ``fyke fleet up``: a Deployment that it scales shrinks to the highest number of nodes
    that its pool needed within this time. It grows at once.
    """
