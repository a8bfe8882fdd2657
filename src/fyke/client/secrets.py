"""The part of the client that is about the secrets of workers."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from fyke.client.connection import Connection, segment


@dataclass(frozen=True, slots=True)
class Secret:
    """All but the value, which no server tells. Times in Unix seconds, 0 = never."""

    name: str
    set_by: str
    set_at: int
    used_at: int
    readable: bool


Secrets = list[Secret]
Names = list[str]


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is, what the worker's newest version needs, and what of that is missing."""

    list: Secrets
    needed: Names
    missing: Names


class SecretCalls:
    """The secrets that one's own account keeps for a worker."""

    _wire: Connection

    def secrets(self, worker: str) -> Kept:
        return msgspec.convert(self._wire.call("GET", _path(worker)), Kept)

    def set_secret(self, worker: str, name: str, value: str) -> Secret:
        """Add it, or replace its value."""
        path = f"{_path(worker)}/{segment(name)}"
        return msgspec.convert(self._wire.call("PUT", path, json={"value": value}), Secret)

    def delete_secret(self, worker: str, name: str) -> None:
        self._wire.call("DELETE", f"{_path(worker)}/{segment(name)}")


def _path(worker: str) -> str:
    return f"/api/fyke/workers/{segment(worker.replace('/', '~'))}/secrets"
