"""Starting, reading, aborting and deleting runs on behalf of a caller."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from fyke.contracts.results import Results
from fyke.contracts.signals import Signals, run_topic
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_editor
from fyke.domain.billing.service import place_hold
from fyke.domain.callbacks.url import CallbackRules
from fyke.domain.runs.admission import (
    IMMEDIATE_ORIGINS,
    check_addresses,
    check_device,
    check_plan,
)
from fyke.domain.runs.browsers import (
    check_blocking,
    choice_at_start,
    is_required,
    limits_at_start,
    missing_for_run,
    reserved_where_possible,
)
from fyke.domain.runs.final_rows import KeptRows, write_end
from fyke.domain.runs.isolation import is_operators, refusal_of_runners
from fyke.domain.runs.last_pages import LastPages
from fyke.domain.runs.offers import offer_work
from fyke.domain.runs.placement import check_pool, with_node_region
from fyke.domain.runs.present import PresentFigures, present_figures
from fyke.domain.runs.rerun import rerun_input
from fyke.domain.runs.sampling import traffic_so_far
from fyke.domain.runs.split import split
from fyke.domain.runs.start_keys import StartKey, StartKind, claim, earlier_start, start_was_deleted
from fyke.domain.runs.summary import summarise
from fyke.domain.runs.traces import REQUEST, trace_of_start
from fyke.domain.runs.transitions import Rules, abort_run, charged
from fyke.domain.workers.input_schema import parse
from fyke.domain.workers.input_values import is_large, validate_input
from fyke.domain.workers.lookup import refuse_deleted
from fyke.domain.workers.parameters import ParsedInput, read_input
from fyke.domain.workers.service import Workers
from fyke.errors import (
    Refused,
    RunNotFound,
    RunRefused,
    TaskNotFound,
    Unavailable,
)
from fyke.kit.ids import is_ulid, new_subtask_number, new_ulid
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.node import RunnableVersion, environment_name
from fyke.model.run import Origin, Run, RunEvent, RunFilter, RunState, Subtask, SubtaskState
from fyke.model.worker import Version, Worker
from fyke.reasons import Reason, ReasonCode

_START_ACTION = "Starting runs"


class _Figures(NamedTuple):
    """The figures of a run at the time ``now`` that are not in its record."""

    worker: Worker | None
    usage_micros: int
    traffic_bytes: int
    hidden_attempts: frozenset[str]
    now: int
    has_attempts: bool = True  # without any, the run has no rows


class _CheckedInput(NamedTuple):
    """A valid custom input, and the inputs of its subtasks."""

    parts: list[dict[str, Any]]
    json: str
    summary: str


def _checked(input_schema: str, custom: dict[str, Any], max_subtasks: int) -> _CheckedInput:
    schema = parse(input_schema)
    validate_input(schema, custom)
    parts = split(schema, custom, limit=max_subtasks)
    return _CheckedInput(parts, _dump(custom), summarise(custom, schema.fields))


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A request to start a run. ``input`` is the whole object with ``parameters``. With the ``key``
    of an earlier start, the run of that start is returned. ``in_transaction`` is called in the
    transaction that writes the run; when it raises, no run is created.
    """

    worker_ref: str
    version: str | None
    input: object
    callback_url: str
    origin: Origin
    task_id: str = ""
    key: StartKey | None = None
    in_transaction: Callable[[Transaction, Run], None] | None = None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with its current figures, which are the final ones after its end."""

    run: Run
    worker: Worker
    results: int
    usage_micros: int
    traffic_bytes: int
    now: int  # ms, for the current duration


class Runs:
    """The runs of all accounts; each account can read only its own."""

    def __init__(
        self,
        storage: Storage,
        results: Results,
        workers: Workers,
        signals: Signals,
        rules: Rules,
        callbacks: CallbackRules,
        disk_shortage: Callable[[], Reason | None] = lambda: None,
        last_pages: LastPages | None = None,
        *,
        traces: bool = False,
    ) -> None:
        """``disk_shortage`` returns why no run can be accepted when the disk is full. Without
        ``last_pages`` runs are not removed here, or have none. ``traces``: new runs get one.
        """
        self._traces = traces
        self._last_pages = last_pages
        self._disk_shortage = disk_shortage
        self._storage = storage
        self._results = results
        self._workers = workers
        self._signals = signals
        self._rules = rules
        self._callbacks = callbacks

    async def start(self, caller: Caller, request: StartRequest) -> Run:
        """Check the request, split the input, and write run, subtasks and ledger in one
        transaction.

        With a key that was used before, return the earlier run, even if its worker was changed or
        deleted. Raises ``Conflict`` when that was another request, or its run was deleted.
        """
        require_editor(caller, _START_ACTION)
        earlier = await self._earlier_run(caller, request.key)
        if earlier is not None:
            return earlier
        run, worker, parts = await self.prepare(caller, request)
        return await self._admit(caller, request, run, worker, parts)

    async def prepare(
        self, caller: Caller, request: StartRequest
    ) -> tuple[Run, Worker, list[dict[str, Any]]]:
        """Do the checks of a start that do not depend on other runs; return the run that it would
        create, its worker and its subtasks' inputs. Nothing is written.
        """
        worker = await self._workers.find(caller, request.worker_ref)
        version = await self._workers.version(caller, worker, request.version)
        parsed = read_input(request.input, version.defaults)
        check_addresses(caller, parsed)
        checks = (version.input_schema, parsed.custom, self._rules.max_subtasks)
        checked = (
            await asyncio.to_thread(_checked, *checks)
            if is_large(parsed.custom)
            else _checked(*checks)
        )
        if request.callback_url:
            self._callbacks.check(request.callback_url)
        run = self._new_run(caller, request, worker, version, parsed, checked)
        return run, worker, checked.parts

    def check_pool(self, tx: Transaction, run: Run) -> None:
        """Raise ``InvalidRequest`` when there is no such pool."""
        check_pool(tx, self._rules, run.pool)

    def refuse_without_space(self) -> None:
        """Raise ``Unavailable`` when the disk is too full for a new run."""
        shortage = self._disk_shortage()
        if shortage is not None:
            raise Unavailable(shortage)

    async def _earlier_run(self, caller: Caller, key: StartKey | None) -> Run | None:
        if key is None:
            return None

        def work(tx: Transaction) -> Run | None:
            run_id = earlier_start(tx, caller, key, StartKind.RUN)
            return None if run_id is None else _existing_run(tx, run_id)

        earlier = await self._storage.read(work)
        key.replayed = earlier is not None
        return earlier

    def _new_run(
        self,
        caller: Caller,
        request: StartRequest,
        worker: Worker,
        version: Version,
        parsed: ParsedInput,
        checked: _CheckedInput,
    ) -> Run:
        choice = choice_at_start(version, parsed.browser)
        return Run(
            id=new_ulid(),
            account_id=caller.account_id,
            worker_id=worker.id,
            version=version.number,
            task_id=request.task_id,
            key_id=caller.key_id,
            origin=request.origin,
            state=RunState.READY,
            outcome=None,
            err_msg="",
            limits=limits_at_start(self._rules, version, parsed),
            browser_required=is_required(version, parsed),
            browser_memory_asked=parsed.limits.browser_memory_mb > 0,
            browser_mode=choice.mode,
            browser_program=choice.asked or "",
            region=parsed.region or self._rules.default_region,
            egress_allow=parsed.egress_allow,
            browser_block=parsed.browser_block,
            pool=parsed.pool or self._rules.default_pool,
            pool_asked=bool(parsed.pool),
            labels=parsed.labels,
            environment=environment_name(worker.account_id, RunnableVersion.of(version)),
            input_json=checked.json,
            callback_url=request.callback_url,
            subtasks=len(checked.parts),
            subtasks_succeeded=0,
            subtasks_failed=0,
            results=0,
            usage_micros=0,
            traffic_bytes=0,
            hold_micros=0,
            created_at=0,
            started_at=0,
            finished_at=0,
            summary=checked.summary,
        )

    async def _admit(
        self,
        caller: Caller,
        request: StartRequest,
        run: Run,
        worker: Worker,
        parts: list[dict[str, Any]],
    ) -> Run:
        self.refuse_without_space()
        trace = trace_of_start(run.id, REQUEST.get()) if self._traces else None

        def work(tx: Transaction) -> Run:
            key = request.key
            earlier = claim(tx, caller, key, StartKind.RUN, run.id) if key else None
            if earlier is not None:
                return _existing_run(tx, earlier)
            self._check_runners(tx, worker, run)
            asked = run.browser_memory_asked
            check_device(tx, run.account_id, run.limits, browser_memory_asked=asked)
            if request.origin in IMMEDIATE_ORIGINS:
                check_plan(tx, run.account_id)
            placed = replace(
                with_node_region(tx, self._rules, run), operators_worker=is_operators(tx, worker)
            )
            dated = replace(reserved_where_possible(tx, placed), created_at=tx.now)
            hold = place_hold(tx, self._rules.prices, dated)
            admitted = replace(dated, hold_micros=hold.micros, bound=hold.bound)
            tx.runs.add(admitted, _subtasks(admitted, parts, tx.now))
            if trace is not None:
                tx.traces.add(trace)
            refuse_deleted(tx, admitted.worker_id)  # after the run was added, see mark_deleted
            tx.runs.add_event(
                RunEvent(run.id, tx.now, "Accepted", "", run.state.value, run.origin.value, "")
            )
            if caller.user_id:  # starts by a schedule are recorded with the schedule
                detail = f"{worker.owner}/{worker.name} {run.version}"
                record(tx, caller, AuditAction.RUN_STARTED, run.id, detail)
            if run.task_id and not tx.tasks.note_run(run.task_id, run.id):
                raise TaskNotFound
            if request.in_transaction is not None:
                request.in_transaction(tx, admitted)
            offer_work(tx, admitted)
            return admitted

        started = await self._storage.write(work)
        if request.key is not None:
            request.key.replayed = started.id != run.id
        return started

    def _check_runners(self, tx: Transaction, worker: Worker, run: Run) -> None:
        """Raise ``RunRefused`` when no active runner of the pool may execute the worker, or none
        has the browser that the run requires, and ``InvalidRequest`` for an unknown pool, and when
        none has the browser that the run has an option for. Without any runner, the run waits.
        """
        self.check_pool(tx, run)
        reason = refusal_of_runners(tx, worker, run.pool) or missing_for_run(tx, run)
        if reason is not None:
            raise RunRefused(reason)
        check_blocking(tx, run)

    async def start_task(
        self,
        caller: Caller,
        task_ref: str,
        callback_url: str,
        origin: Origin,
        *,
        key: StartKey | None = None,
        in_transaction: Callable[[Transaction, Run], None] | None = None,
    ) -> Run:
        """Start a saved task with its input and version; ``in_transaction`` as in ``StartRequest``.
        Raises ``TaskNotFound`` and the errors of ``start``.
        """
        require_editor(caller, _START_ACTION)
        earlier = await self._earlier_run(caller, key)
        if earlier is not None:
            return earlier
        task = await self._storage.read(lambda tx: tx.tasks.get(task_ref))
        if task is None or task.account_id != caller.account_id:
            raise TaskNotFound
        request = StartRequest(
            worker_ref=task.worker_id,
            version=task.version or None,
            input=json.loads(task.input_json),
            callback_url=callback_url,
            origin=origin,
            task_id=task.id,
            key=key,
            in_transaction=in_transaction,
        )
        return await self.start(caller, request)

    async def rerun(
        self,
        caller: Caller,
        run_id: str,
        callback_url: str,
        origin: Origin,
        *,
        key: StartKey | None = None,
    ) -> Run:
        """Start a run with the worker, version, device and input of an earlier one."""
        require_editor(caller, _START_ACTION)
        earlier = await self._earlier_run(caller, key)
        if earlier is not None:
            return earlier
        source = await self._owned(caller, run_id)
        request = StartRequest(
            worker_ref=source.worker_id,
            version=source.version,
            input=rerun_input(source),
            callback_url=callback_url,
            origin=origin,
            key=key,
        )
        return await self.start(caller, request)

    async def get(self, caller: Caller, run_id: str) -> RunView:
        """The run with its current figures. Raises ``RunNotFound``, for another account's run as
        well.
        """
        if not is_ulid(run_id):
            raise RunNotFound

        def work(tx: Transaction) -> tuple[Run, _Figures]:
            run = tx.runs.get(run_id)
            if run is None or run.account_id != caller.account_id:
                raise RunNotFound
            return run, self._figures(tx, run, tx.workers.get(run.worker_id))

        return await self._view(*await self._storage.read(work))

    async def newest(self, caller: Caller, worker_id: str | None = None) -> str:
        """The id of the caller's newest run, of one worker or of all. Raises ``RunNotFound`` when
        there is none.
        """
        run_id = await self._storage.read(lambda tx: tx.runs.newest(caller.account_id, worker_id))
        if run_id is None:
            raise RunNotFound
        return run_id

    async def events(self, caller: Caller, run_id: str) -> list[RunEvent]:
        """The history of a run; with machines only for the operator. Raises ``RunNotFound``."""
        await self._owned(caller, run_id)
        events = await self._storage.read(lambda tx: tx.runs.events(run_id))
        return events if caller.operator else [replace(event, node="") for event in events]

    async def list(
        self, caller: Caller, filter: RunFilter, *, offset: int, limit: int
    ) -> tuple[int, list[RunView]]:
        """Total count and one page, newest first."""

        def work(tx: Transaction) -> tuple[int, list[tuple[Run, _Figures]]]:
            count, runs = tx.runs.page(caller.account_id, filter, offset=offset, limit=limit)
            workers = tx.workers.get_all({run.worker_id for run in runs})
            open_runs = [run for run in runs if not run.state.terminal]
            present = present_figures(tx, self._rules, open_runs)
            return count, [
                (run, _listed(run, workers.get(run.worker_id), present.get(run.id), tx.now))
                for run in runs
            ]

        count, views = await self._storage.read(work)
        return count, [await self._view(run, figures) for run, figures in views]

    async def _owned(self, caller: Caller, run_id: str) -> Run:
        run = await self._storage.read(lambda tx: tx.runs.get(run_id)) if is_ulid(run_id) else None
        if run is None or run.account_id != caller.account_id:
            raise RunNotFound
        return run

    def _figures(self, tx: Transaction, run: Run, worker: Worker | None) -> _Figures:
        """The figures of a run, from the same transaction as the run."""
        if run.state.terminal:
            return _Figures(worker, run.usage_micros, run.traffic_bytes, frozenset(), tx.now)
        return _Figures(
            worker,
            charged(tx, self._rules, run),
            traffic_so_far(tx, run.id),
            tx.runs.hidden_attempts(run.id),
            tx.now,
        )

    async def _view(self, run: Run, figures: _Figures) -> RunView:
        if figures.worker is None:
            raise RunNotFound
        rows = run.results
        if not run.state.terminal and figures.has_attempts:
            rows = (await self._results.totals(run.id, figures.hidden_attempts)).rows
        return RunView(
            run, figures.worker, rows, figures.usage_micros, figures.traffic_bytes, figures.now
        )

    async def abort(self, caller: Caller, run_id: str) -> Run:
        """Abort a run; nothing changes when it is being stopped or was aborted. Raises
        ``RunNotAbortable`` when it has succeeded or failed, ``RunNotFound``.
        """
        require_editor(caller, "Aborting runs")
        await self._owned(caller, run_id)

        def work(tx: Transaction, kept: KeptRows) -> Run:
            result = abort_run(tx, self._rules, run_id, f"account {caller.account_name}", kept)
            if result is None:
                raise RunNotFound
            before, aborted = result
            if aborted.state is not before.state:
                record(tx, caller, AuditAction.RUN_ABORTED, run_id)
            return aborted

        return await write_end(self._storage, self._results, work)

    async def delete(self, caller: Caller, run_id: str) -> None:
        """Delete an ended run with its rows and logs, but not its ledger entries. Raises
        ``Refused`` for an active run, ``RunNotFound``, ``Forbidden``.
        """
        require_editor(caller, "Deleting runs")
        run = await self._owned(caller, run_id)
        if not run.state.terminal:
            raise Refused(Reason(ReasonCode.RUN_NOT_ENDED))
        await self.remove(run_id, by=caller)

    async def remove(self, run_id: str, *, by: Caller | None = None) -> None:
        """Remove a run: first rows, logs and last pages, then its record. ``by`` is None when it
        is removed because of its age.
        """
        await self._results.delete_run(run_id)
        if self._last_pages is not None:
            await self._last_pages.remove_of(run_id)

        def work(tx: Transaction) -> None:
            tx.runs.delete(run_id)
            tx.notify(run_topic(run_id))  # so that streams of the run end
            if by is not None:
                record(tx, by, AuditAction.RUN_DELETED, run_id)

        await self._storage.write(work)

    async def wait_ended(self, run_id: str, seconds: float) -> Run:
        """Wait until the run has ended, or for the given time; return its current state."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        topics = frozenset({run_topic(run_id)})
        async with self._signals.listen() as listener:
            while True:
                run = await self._storage.read(lambda tx: tx.runs.get(run_id))
                if run is None:
                    raise RunNotFound
                left = deadline - loop.time()
                if run.state.terminal or left <= 0:
                    return run
                # a lost notification delays the end by seconds
                await listener.wait(topics, min(left, 5.0))


def _listed(run: Run, worker: Worker | None, present: PresentFigures | None, now: int) -> _Figures:
    """The figures of a run in a list; ``present`` are those of an active one."""
    if present is None:
        return _Figures(worker, run.usage_micros, run.traffic_bytes, frozenset(), now)
    usage, traffic = present.usage_micros, present.traffic_bytes
    return _Figures(worker, usage, traffic, present.hidden, now, present.has_attempts)


def _existing_run(tx: Transaction, run_id: str) -> Run:
    run = tx.runs.get(run_id)
    if run is None:
        raise start_was_deleted()
    return run


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _subtasks(run: Run, parts: list[dict[str, Any]], now: int) -> list[Subtask]:
    numbers: set[str] = set()
    while len(numbers) < len(parts):
        numbers.add(new_subtask_number(now))
    return [
        Subtask(run.id, ordinal, number, _dump(part), SubtaskState.WAITING, None, "")
        for ordinal, (number, part) in enumerate(zip(sorted(numbers), parts, strict=True))
    ]
