"""Nodes, which are machines that have joined an installation, and the tokens to join with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fyke.model.node import NodeState
from fyke.reasons import Reason


@dataclass(frozen=True, slots=True)
class Node:
    """A machine that has joined. Times in ms since the epoch, 0 = not yet.

    ``join_id`` is new at each join and part of the certificate: an earlier certificate of the name
    is not valid any more. ``epoch`` rises when the runner of the node is another one.
    ``gateway_id`` is where servers reach the gateway which has welcomed the runner (``host:port``),
    "" once the runner has stopped.
    ``ephemeral``: an engine has made the node, and it is forgotten a day after it was last seen.
    ``reason`` and ``state_by`` say why and by whom ``state`` was set. ``replacing``: when it has no
    attempt left, the engine that runs it is to replace it.
    """

    name: str
    pool: str
    labels: Mapping[str, str]
    region: str
    join_id: str
    ephemeral: bool
    joined_at: int
    state: NodeState = NodeState.READY
    state_by: str = ""
    state_at: int = 0
    reason: Reason | None = None
    drain_until: int = 0
    replacing: bool = False
    epoch: int = 0
    runner_id: str = ""
    gateway_id: str = ""
    address: str = ""
    release: str = ""
    seen_at: int = 0

    @property
    def has_connected(self) -> bool:
        """Whether it has reported since it joined."""
        return self.seen_at > self.joined_at


@dataclass(frozen=True, slots=True)
class NodeToken:
    """What a token allows; only its digest is stored. Times in ms since the epoch.

    ``pool`` and ``labels``: what the nodes get, where "" and no labels leave that to them.
    ``name_pattern``: which names they may have, such as ``gpu-*``, "" for all. ``uses`` is how many
    may join with it, 0 for any number; ``used`` is how many have.
    """

    id: str
    digest: str
    pool: str
    labels: Mapping[str, str]
    name_pattern: str
    uses: int
    expires_at: int
    created_by: str  # the name of a user
    created_at: int
    used: int = 0
    revoked_at: int = 0

    def is_valid(self, now: int) -> bool:
        """Whether a machine may join with it."""
        has_uses = not self.uses or self.used < self.uses
        return has_uses and not self.revoked_at and self.expires_at > now


@dataclass(frozen=True, slots=True)
class NewNodeToken:
    """A new token, the only time that its text is known."""

    text: str = field(repr=False)
    token: NodeToken
