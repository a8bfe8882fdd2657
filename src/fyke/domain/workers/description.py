"""Page and input schema of a worker, for the operations that need no key.

Clients of the original platform request both without a key, right after publishing. A private
worker is therefore visible by its slug, which has 80 random bits, but not by its name. That view
has no README, none of the limits that its owner has set, and no value of a secret field. A setting
disables it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fyke.contracts.state import Storage, Transaction
from fyke.domain.workers.jsontext import loads
from fyke.domain.workers.lookup import find_any_worker, find_version, find_worker
from fyke.domain.workers.secret_fields import without_secret_defaults
from fyke.errors import VersionUnavailable, WorkerNotFound
from fyke.kit.ids import is_ulid
from fyke.model.account import Caller
from fyke.model.worker import SystemDefaults, Version, Worker


@dataclass(frozen=True, slots=True)
class WorkerDescription:
    """A worker with its newest version and the part of the input schema that may be shown."""

    worker: Worker
    version: Version
    schema: dict[str, Any]


class WorkerDescriptions:
    """Workers as the caller may see them; the caller is None without a valid key."""

    def __init__(self, storage: Storage, *, by_slug: bool = True) -> None:
        """``by_slug``: whether a request without a key finds a private worker by its slug."""
        self._storage = storage
        self._by_slug = by_slug

    async def page(self, caller: Caller | None, ref: str) -> Worker:
        """The worker with its page. Raise ``WorkerNotFound``."""
        worker, _ = await self._storage.read(lambda tx: self._find(tx, caller, ref))
        return worker

    async def newest(self, caller: Caller | None, ref: str) -> WorkerDescription:
        """The worker with its newest version. Raise ``WorkerNotFound``, and
        ``VersionUnavailable`` when none is published.
        """

        def work(tx: Transaction) -> tuple[Worker, Version, bool]:
            worker, private = self._find(tx, caller, ref)
            if not private:
                return worker, find_version(tx, caller, worker.id, None), False
            version = tx.workers.version(worker.id, worker.latest) if worker.latest else None
            if version is None:
                raise VersionUnavailable("Worker version unavailable: no version is published")
            return worker, version, True

        worker, version, private = await self._storage.read(work)
        return _redacted(worker, version) if private else _complete(worker, version)

    def _find(self, tx: Transaction, caller: Caller | None, ref: str) -> tuple[Worker, bool]:
        """The worker, and whether it is only visible by its slug."""
        try:
            return find_worker(tx, caller, ref), False
        except WorkerNotFound:
            if caller is not None:
                raise
        if self._by_slug and is_ulid(ref.strip()):
            try:
                return find_any_worker(tx, ref), True
            except WorkerNotFound:
                pass  # the error below is the same as for a private worker
        raise WorkerNotFound(details=[self._hint])

    @property
    def _hint(self) -> str:
        """The remedy for a 404 without a key; it does not depend on whether the worker exists."""
        by_slug = ", or ask for it by its slug" if self._by_slug else ""
        return f"If this Worker is private, send an API key of its account{by_slug}"


def _complete(worker: Worker, version: Version) -> WorkerDescription:
    return WorkerDescription(worker, version, loads(version.input_schema))


def _redacted(worker: Worker, version: Version) -> WorkerDescription:
    """The description for a request with the slug only; limits are those of the platform."""
    public_version = replace(version, readme="", defaults=SystemDefaults())
    schema = without_secret_defaults(loads(version.input_schema), version.secrets)
    rules = schema.get("concurrency")
    if isinstance(rules, dict):
        schema["concurrency"] = {key: rule for key, rule in rules.items() if key != "limits"}
    return WorkerDescription(worker, public_version, schema)
