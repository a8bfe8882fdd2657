"""Nodes, and the tokens to join with."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from fyke.model.node_registry import Node, NodeToken


class NodeStore(Protocol):
    """Nodes by name."""

    def get(self, name: str) -> Node | None: ...
    def lock(self, name: str) -> Node | None: ...
    def named(self, names: Collection[str]) -> dict[str, Node]:
        """Those of these nodes that there are, by name."""
        ...

    def lock_named(self, names: Collection[str]) -> dict[str, Node]:
        """The same, locked."""
        ...

    def note_seen(self, names: Collection[str], at: int) -> None:
        """Store that these nodes, which the caller has locked, were seen at this time."""
        ...

    def all(self) -> list[Node]:
        """All nodes by name."""
        ...

    def add(self, node: Node) -> bool:
        """Add a node; False when there is one of this name."""
        ...

    def change(self, node: Node) -> None:
        """Store all fields of a node that the caller has locked."""
        ...

    def remove(self, name: str) -> bool: ...


class NodeTokenStore(Protocol):
    """Tokens to join with, by their digests."""

    def add(self, token: NodeToken) -> None: ...
    def by_digest(self, digest: str) -> NodeToken | None: ...
    def all(self) -> list[NodeToken]:
        """All tokens, the newest first."""
        ...

    def use(self, digest: str, now: int) -> bool:
        """Count one more use, if the token still allows one. Of several concurrent callers no more
        get one than it allows.
        """
        ...

    def revoke(self, token_id: str, now: int) -> bool:
        """Revoke a token; False when there is none, or it was revoked before."""
        ...

    def remove_expired(self, before: int) -> int:
        """Remove the tokens that have expired before then; return how many."""
        ...
