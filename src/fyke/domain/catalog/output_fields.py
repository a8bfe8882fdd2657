"""The columns of a worker's rows: those of its schema, and those of the last run."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.state import Storage
from fyke.domain.results.headers import headers_from_rows
from fyke.domain.results.service import RunResults
from fyke.domain.workers import output_schema
from fyke.errors import InvalidRequest, RunNotFound
from fyke.model.account import Caller
from fyke.model.results import Header
from fyke.model.worker import Version, Worker

SAMPLE = 20  # rows that are looked at


@dataclass(frozen=True, slots=True)
class OutputField:
    """One column. ``declared``: the schema has it; ``seen``: the last run had it."""

    key: str
    label: str
    format: str
    declared: bool
    seen: bool


@dataclass(frozen=True, slots=True)
class WorkerOutputFields:
    """Declared columns first, in their order. ``run_id`` is the run that was looked at, ``""``
    when the caller's account has none of this worker or it has no rows;
    ``problem`` says why a schema is unusable.
    """

    fields: tuple[OutputField, ...]
    run_id: str = ""
    problem: str = ""

    @property
    def mismatch(self) -> bool:
        """Whether schema and run disagree."""
        return bool(self.run_id) and any(f.declared != f.seen for f in self.fields)


class OutputFields:
    """Finds the columns of a worker's rows, from the caller's own runs of it."""

    def __init__(self, storage: Storage, results: RunResults) -> None:
        self._storage = storage
        self._results = results

    async def get(
        self, caller: Caller, worker: Worker, version: Version | None
    ) -> WorkerOutputFields:
        """The columns of ``version``, next to those of the account's newest run of the worker.
        Runs of other accounts are never read.
        """
        declared, problem = _declared(version)
        run_id = await self._storage.read(
            lambda tx: tx.runs.newest(caller.account_id, worker.id) or ""
        )
        seen = await self._seen(caller, run_id) if run_id else []
        return WorkerOutputFields(_merged(declared, seen), run_id if seen else "", problem)

    async def _seen(self, caller: Caller, run_id: str) -> list[Header]:
        """The columns that the first rows really have, whatever was declared."""
        try:
            page = await self._results.page(caller, run_id, 1, SAMPLE)
        except RunNotFound:  # deleted a moment ago
            return []
        return headers_from_rows(page.rows)


def _declared(version: Version | None) -> tuple[list[Header], str]:
    try:
        return output_schema.headers(version.output_schema if version else ""), ""
    except InvalidRequest as unusable:
        return [], unusable.message


def _merged(declared: list[Header], seen: list[Header]) -> tuple[OutputField, ...]:
    by_key = {header.key: header for header in (*seen, *declared)}
    declared_keys, seen_keys = {h.key for h in declared}, {h.key for h in seen}
    order = dict.fromkeys([*(h.key for h in declared), *(h.key for h in seen)])
    return tuple(
        OutputField(
            key,
            by_key[key].label,
            by_key[key].format,
            declared=key in declared_keys,
            seen=key in seen_keys,
        )
        for key in order
    )
