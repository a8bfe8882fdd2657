"""The columns of a worker's rows: from its schema, and from the rows of the newest run with any."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.state import Storage
from fyke.domain.results.headers import headers_from_rows
from fyke.domain.results.service import RunResults
from fyke.domain.runs.recent import LAST
from fyke.domain.workers import output_schema
from fyke.errors import InvalidRequest, RunNotFound
from fyke.model.account import Caller
from fyke.model.results import Header
from fyke.model.run_list import RunsOf
from fyke.model.worker import Version, Worker

SAMPLE = 20  # rows of the run that are read


@dataclass(frozen=True, slots=True)
class OutputField:
    """One column. ``declared``: the schema has it; ``in_rows``: the rows that are read have it."""

    key: str
    label: str
    format: str
    declared: bool
    in_rows: bool


@dataclass(frozen=True, slots=True)
class WorkerOutputFields:
    """Declared columns first, in their order. ``run_id`` is the newest run with rows, ``""`` when
    none of the last runs of the worker in the caller's account has rows; ``problem`` is the reason
    why the schema is unusable.
    """

    fields: tuple[OutputField, ...]
    run_id: str = ""
    problem: str = ""

    @property
    def mismatch(self) -> bool:
        """Whether the schema and the rows have different columns."""
        return bool(self.run_id) and any(f.declared != f.in_rows for f in self.fields)


class OutputFields:
    """Finds the columns of a worker's rows, from the caller's own runs of it."""

    def __init__(self, storage: Storage, results: RunResults) -> None:
        self._storage = storage
        self._results = results

    async def get(
        self, caller: Caller, worker: Worker, version: Version | None
    ) -> WorkerOutputFields:
        """Return the columns of ``version`` and of the account's newest run of the worker that has
        rows.

        Runs of other accounts are never read.
        """
        declared, problem = _declared(version)
        last = await self._storage.read(
            lambda tx: tx.run_lists.last_runs(caller.account_id, RunsOf.WORKER, [worker.id], LAST)
        )
        newest_first = last.get(worker.id, [])[::-1]
        # the newest may have rows that are not counted yet
        worth_reading = newest_first[:1] + [run for run in newest_first[1:] if run.results][:1]
        for run in worth_reading:
            if actual := await self._columns_of_rows(caller, run.id):
                return WorkerOutputFields(_merged(declared, actual), run.id, problem)
        return WorkerOutputFields(_merged(declared, []), "", problem)

    async def _columns_of_rows(self, caller: Caller, run_id: str) -> list[Header]:
        """The columns that the first rows of a run have, declared or not."""
        try:
            page = await self._results.page(caller, run_id, 1, SAMPLE)
        except RunNotFound:  # deleted since its id was read
            return []
        return headers_from_rows(page.rows)


def _declared(version: Version | None) -> tuple[list[Header], str]:
    try:
        return output_schema.headers(version.output_schema if version else ""), ""
    except InvalidRequest as error:
        return [], error.message


def _merged(declared: list[Header], actual: list[Header]) -> tuple[OutputField, ...]:
    by_key = {header.key: header for header in (*actual, *declared)}
    declared_keys, actual_keys = [h.key for h in declared], [h.key for h in actual]
    order = dict.fromkeys([*declared_keys, *actual_keys])
    return tuple(
        OutputField(
            key,
            by_key[key].label,
            by_key[key].format,
            declared=key in declared_keys,
            in_rows=key in actual_keys,
        )
        for key in order
    )
