"""The default run options of a worker, set by its owner.

They belong to the worker: they are written to all its versions, and its next version inherits them.
Runs keep the options that they were started with.
"""

from __future__ import annotations

from collections.abc import Mapping

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_editor
from fyke.domain.workers.lookup import find_own_worker
from fyke.domain.workers.parameters import read_input
from fyke.errors import InvalidFields, InvalidRequest, Problem
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.worker import SystemDefaults

NAMES = (
    "memory",
    "execute_limit_time_seconds",
    "max_total_charge",
    "max_total_traffic",
    "max_retries",
)


class DefaultRunOptions:
    """Reads and changes the options."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def get(self, caller: Caller, ref: str) -> SystemDefaults:
        """Return the options of a worker of the caller. Raise ``Forbidden``, ``WorkerNotFound``."""

        def work(tx: Transaction) -> SystemDefaults:
            worker = find_own_worker(tx, caller, ref, "see its default run options")
            versions = tx.workers.versions(worker.id)
            return versions[0].defaults if versions else SystemDefaults()

        return await self._storage.read(work)

    async def change(
        self, caller: Caller, ref: str, options: Mapping[str, object]
    ) -> SystemDefaults:
        """Replace all options. ``options`` has members of ``NAMES`` in the units of a start (MB,
        seconds, USD, MB, number; 0 of the two caps = no limit); a member that is missing, None or
        ``""`` is reset to Fyke's own default.

        Raise ``InvalidFields`` for the first invalid one, ``Forbidden``, ``WorkerNotFound``.
        """
        require_editor(caller, "Changing workers")
        for message in option_errors(options).values():
            raise InvalidFields(message)
        defaults = _read({name: options.get(name) for name in NAMES})

        def work(tx: Transaction) -> SystemDefaults:
            worker = find_own_worker(tx, caller, ref, "change its default run options")
            tx.workers.set_defaults(worker.id, defaults)
            record(
                tx,
                caller,
                AuditAction.WORKER_CHANGED,
                worker.path,
                "run options",
            )
            return defaults

        return await self._storage.write(work)


def option_errors(options: Mapping[str, object]) -> dict[str, str]:
    """Return the validation error of each invalid option, a sentence that begins with its name."""
    errors = {}
    for name in NAMES:
        try:
            _read({name: options.get(name)})
        except InvalidRequest as error:
            errors[name] = Problem(error.problems[0].rule, name).sentence
    return errors


def _read(system: Mapping[str, object]) -> SystemDefaults:
    raw = {"parameters": {"system": dict(system), "custom": {}}}
    limits = read_input(raw, SystemDefaults()).limits
    return SystemDefaults(
        memory_mb=limits.memory_mb,
        timeout_s=limits.timeout_s,
        max_charge_micros=limits.max_charge_micros,
        max_traffic_bytes=limits.max_traffic_bytes,
        max_retries=limits.max_retries,
    )
