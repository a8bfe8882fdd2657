"""Nodes, and the tokens with which machines join as nodes. Times are Unix seconds, 0 = never."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from fyke.domain.nodes.control import MAX_DRAIN_SECONDS
from fyke.domain.nodes.machines import Availability
from fyke.domain.nodes.tokens import MAX_MINUTES, MAX_USES, TokenRequest
from fyke.kit.node_names import MAX_LABELS
from fyke.model.node import NodeState
from fyke.reasons import detail_sentence, sentence
from fyke.wire.common import Count, Items, TimeOrNever, known_values
from fyke.wire.fields import Answer, Integer, ParsedBy, Request, Text, to_object, to_text
from fyke.wire.reasons import ReasonCodeText, ReasonParams, code_of, params_of
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from fyke.domain.nodes.machines import NodeView
    from fyke.model.node_registry import NewNodeToken, NodeToken
    from fyke.model.placement import PoolDemand
    from fyke.model.runner import RunnerInfo


def to_labels(value: object) -> dict[str, str]:
    """A JSON object whose values are strings."""
    return {to_text(name): to_text(text) for name, text in to_object(value).items()}


# --- requests ------------------------------------------------------------------------------


class NodeTokenToCreate(Request):
    """What the nodes may be that join with the token."""

    pool: Annotated[
        Text, Meta(description="the pool that the nodes get; empty: the one that they ask for")
    ] = ""
    labels: Annotated[
        dict[str, str],
        ParsedBy(to_labels),
        Meta(description=f"labels that the nodes must have; at most {MAX_LABELS}"),
    ] = {}
    names: Annotated[
        Text,
        Meta(
            description="the name that a node must have, or its beginning and end with an asterisk "
            "between them; empty: any",
            examples=["gpu-*"],
        ),
    ] = ""
    uses: Annotated[
        Integer,
        Meta(ge=0, le=MAX_USES, description="how many nodes; 0 = any number, which needs a pool"),
    ] = 1
    minutes: Annotated[
        Integer, Meta(ge=1, le=MAX_MINUTES, description="how long the token is valid")
    ] = 60

    def checked(self) -> TokenRequest:
        """The same for the service, which knows the rules."""
        return TokenRequest(self.pool, self.labels, self.names, self.uses, self.minutes)


class NodeDrain(Request):
    seconds: Annotated[
        Integer,
        Meta(
            ge=0,
            le=MAX_DRAIN_SECONDS,
            description="after this time the attempts that the node still has are stopped",
        ),
    ] = 3600


# --- answers -------------------------------------------------------------------------------


class FailedCheck(Answer):
    """An isolation check that has failed, and what it has found."""

    name: str
    seen: str


class NodeItem(Answer):
    """A machine that has joined the installation."""

    name: str
    pool: str
    labels: dict[str, str]
    state: Annotated[
        NodeState,
        Meta(
            description="ready: it takes attempts; cordoned: it takes none and continues those "
            "that it has; draining: the same until `drain_until`, then they are stopped"
        ),
    ]
    state_by: Annotated[str, Meta(description="who has set the state; empty: it joined with it")]
    state_at: TimeOrNever
    reason: Annotated[str, Meta(description="`reason_code` as an English sentence")]
    reason_code: ReasonCodeText
    reason_params: ReasonParams
    drain_until: TimeOrNever
    replacing: Annotated[
        bool,
        Meta(description="whether the engine that runs it replaces it when no attempt is left"),
    ]
    connected: Annotated[
        bool, Meta(description="whether it has reported within 20 seconds and not stopped")
    ]
    attempts: Annotated[int, Meta(ge=0, description="how many it has now")]
    ephemeral: Annotated[bool, Meta(description="whether it joined with a token for several uses")]
    joined_at: TimeOrNever
    seen_at: Annotated[
        TimeOrNever, Meta(description="when it last reported; 0: not since it joined")
    ]
    address: Annotated[str, Meta(description="from which it last connected")]
    release: Annotated[str, Meta(description="of Fyke on the node; empty: not connected yet")]
    availability: Annotated[
        Availability,
        Meta(
            description="whether it takes attempts, or else why not. `not_connected`: since it "
            "joined; `stopped`: it was stopped on the machine itself; `starting`: it has not "
            "reported yet; `stopping`: it is being stopped on the machine itself; `trouble`: see "
            "there; `no_isolation`: an isolation check failed; `operator_only`: it takes only "
            "Workers of the operator, for want of hard limits"
        ),
    ]
    trouble: Annotated[str, Meta(description="why it cannot start Workers, else empty")]
    isolation: Annotated[
        str,
        known_values(["full", "no-limits", "none"]),
        Meta(description="of its sandbox; empty: it has not reported yet"),
    ]
    isolation_reason: Annotated[str, Meta(description="why its isolation is not full, else empty")]
    cpus: Annotated[float, Meta(description="cores for attempts; 0: it has not reported yet")]
    cpus_taken: Annotated[float, Meta(description="cores that its attempts reserve")]
    memory: Annotated[Count, Meta(description="MB for attempts")]
    memory_taken: Annotated[Count, Meta(description="MB that its attempts reserve")]
    browsers: Annotated[
        Count, Meta(description="how many attempts may have a browser at once; 0 = it has none")
    ]
    settings_version: Annotated[Count, Meta(description="of the settings that it got; 0: none yet")]
    newest_settings: Annotated[
        Count, Meta(description="the version of the settings that the installation has")
    ]
    failed_checks: Annotated[
        list[FailedCheck], Meta(description="isolation checks of its sandboxes that failed there")
    ]
    disk_free: Annotated[
        Count, Meta(description="bytes that are free on the disk of its data folder")
    ]
    disk_total: Annotated[Count, Meta(description="bytes; 0: it does not report its disk")]
    disk_floor: Annotated[
        Count, Meta(description="with fewer free bytes it takes no attempts (`disk_floor_mb`)")
    ]
    caches: Annotated[
        Count | None,
        Meta(
            description="bytes of bundles, environments and packages that it keeps; null: not "
            "measured yet"
        ),
    ]
    clock_ahead: Annotated[
        float,
        Meta(
            description="seconds by which its clock is ahead of that of the database, negative if "
            "it is behind; 0 if that is not known"
        ),
    ]

    @classmethod
    def of(cls, view: NodeView) -> NodeItem:
        node, runner = view.node, view.runner
        return cls(
            name=node.name,
            pool=node.pool,
            labels=dict(node.labels),
            state=node.state,
            state_by=node.state_by,
            state_at=seconds(node.state_at),
            reason=sentence(node.reason) if node.reason else "",
            reason_code=code_of(node.reason),
            reason_params=params_of(node.reason),
            drain_until=seconds(node.drain_until),
            replacing=node.replacing,
            connected=view.connected,
            attempts=view.attempts,
            ephemeral=node.ephemeral,
            joined_at=seconds(node.joined_at),
            seen_at=seconds(node.seen_at) if node.has_connected else 0,
            address=node.address,
            release=node.release,
            availability=view.availability,
            trouble=detail_sentence(runner.trouble) if runner and runner.trouble else "",
            isolation=runner.isolation if runner else "",
            isolation_reason=runner.reason if runner else "",
            cpus=runner.cpus if runner else 0.0,
            cpus_taken=view.cpus_taken,
            memory=runner.memory_mb if runner else 0,
            memory_taken=view.memory_taken_mb,
            browsers=runner.browsers if runner else 0,
            settings_version=view.settings_version,
            newest_settings=view.newest_settings,
            failed_checks=_failed_checks(runner),
            disk_free=runner.disk_free if runner else 0,
            disk_total=runner.disk_total if runner else 0,
            disk_floor=runner.disk_floor if runner else 0,
            caches=runner.measured_caches if runner else None,
            clock_ahead=runner.clock_ahead_ms / 1000 if runner else 0.0,
        )


def _failed_checks(runner: RunnerInfo | None) -> list[FailedCheck]:
    checks = runner.checks if runner else ()
    return [FailedCheck(name, seen) for name, holds, seen in checks if not holds]


class NodeList(Items[NodeItem]):
    pass


class PoolDemandItem(Answer):
    """A pool. Waiting are the subtasks that may begin now, running the attempts."""

    pool: str
    waiting: Annotated[int, Meta(ge=0, description="subtasks")]
    running: Annotated[int, Meta(ge=0, description="attempts")]
    waiting_cpus: Annotated[float, Meta(ge=0, description="cores, without browsers")]
    running_cpus: Annotated[float, Meta(ge=0, description="cores, without browsers")]
    waiting_memory_mb: Annotated[int, Meta(ge=0, description="MiB, without browsers")]
    running_memory_mb: Annotated[int, Meta(ge=0, description="MiB, without browsers")]
    waiting_browsers: Annotated[int, Meta(ge=0, description="how many of them may have a browser")]
    running_browsers: Annotated[int, Meta(ge=0, description="how many of them may have a browser")]

    @classmethod
    def of(cls, demand: PoolDemand) -> PoolDemandItem:
        return cls(**dataclasses.asdict(demand))


class NodeDemand(Items[PoolDemandItem]):
    pass


class NodeTokenItem(Answer):
    """A token, without its text. The limits are as in the request."""

    id: str
    pool: str
    labels: dict[str, str]
    names: str
    uses: int
    used: Annotated[int, Meta(ge=0, description="how many nodes have joined with it")]
    created_by: Annotated[str, Meta(description="name of the user")]
    created_at: TimeOrNever
    expires_at: TimeOrNever
    revoked_at: TimeOrNever

    @classmethod
    def of(cls, token: NodeToken) -> NodeTokenItem:
        return cls(**_members(token))


class NodeTokenList(Items[NodeTokenItem]):
    pass


class CreatedNodeToken(NodeTokenItem):
    token: Annotated[str, Meta(description="the text of the token, only in this answer")]
    gateway: Annotated[str, Meta(description="`host:port` at which machines join")]

    @classmethod
    def with_text(cls, token: NewNodeToken, gateway: str) -> CreatedNodeToken:
        return cls(**_members(token.token), token=token.text, gateway=gateway)

    def __repr__(self) -> str:  # without the token, which must not be logged
        return f"CreatedNodeToken(id={self.id!r})"


def _members(token: NodeToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "pool": token.pool,
        "labels": dict(token.labels),
        "names": token.name_pattern,
        "uses": token.uses,
        "used": token.used,
        "created_by": token.created_by,
        "created_at": seconds(token.created_at),
        "expires_at": seconds(token.expires_at),
        "revoked_at": seconds(token.revoked_at),
    }
