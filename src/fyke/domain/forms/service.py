"""The run form of a worker: its fields, its initial input, and the preview of a start."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_task
from fyke.domain.accounts.rights import require_editor
from fyke.domain.billing.caps import SpendingMonth, month_of
from fyke.domain.forms.describe import describe
from fyke.domain.forms.importing import ImportChoice, ImportResult, import_file
from fyke.domain.forms.model import ControlKind, FormSource, RunForm, dump
from fyke.domain.forms.normalise import NormalisedInput, RawInput, normalise, start_value
from fyke.domain.forms.quote import Quote, SplitPreview, quote, split_preview
from fyke.domain.runs.admission import beyond_plan
from fyke.domain.runs.estimate import Basis, Estimate, estimate
from fyke.domain.runs.estimates import basis_of
from fyke.domain.runs.isolation import refusal_of_builds, refusal_of_runners
from fyke.domain.runs.rerun import rerun_input
from fyke.domain.runs.summary import summary_of_text
from fyke.domain.runs.transitions import Rules
from fyke.domain.workers.lookup import find_version, find_worker, owns
from fyke.domain.workers.parameters import parts, read_input
from fyke.errors import InvalidRequest, NotFound, RunNotFound, UserMissing
from fyke.kit.ids import is_ulid
from fyke.model.account import Account, Caller
from fyke.model.account import Plan as AccountPlan
from fyke.model.run import Run, RunFilter, RunState
from fyke.model.worker import SystemDefaults, Version, VersionState, Worker
from fyke.reasons import Reason

RECENT = 5
MAX_DEFAULT = 4 * 2**20  # bytes of JSON
_OFFERED = (VersionState.PUBLISHED, VersionState.DEPRECATED)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FormView:
    """A worker's form at one of its versions. ``numbers`` are the versions that may run, newest
    first.
    """

    worker: Worker
    version: Version
    form: RunForm
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FormStart:
    """The initial input of a form. ``source`` is ``run``, ``task``, ``saved`` or ``schema``;
    ``ref`` the id of the run or task; ``version`` ``""`` for the newest.
    """

    value: NormalisedInput
    source: FormSource
    ref: str = ""
    title: str = ""
    version: str = ""
    callback_url: str = ""


@dataclass(frozen=True, slots=True)
class PastInput:
    """A past input, as a list shows it. ``at`` is ms."""

    run_id: str
    state: RunState
    version: str
    summary: str
    at: int


@dataclass(frozen=True, slots=True)
class StartPreview:
    """The preview of a start at this moment. ``waits`` says what it would wait for; ``most_runs``
    is 0 without a limit. ``estimate``: the probable usage by earlier runs, None when there are too
    few or the input has errors. ``refused`` says why a run would not be executed at all.
    """

    plan: SplitPreview
    quote: Quote
    account_plan: AccountPlan
    waits: Reason | None
    most_subtasks: int
    basis: Basis
    estimate: Estimate | None
    refused: Reason | None = None

    @property
    def most_runs(self) -> int:
        return self.account_plan.max_runs or 0


@dataclass(frozen=True, slots=True)
class InputCheck:
    """A normalised input, and the preview of its start."""

    value: NormalisedInput
    outlook: StartPreview


class RunForms:
    """The forms of all workers that a caller may see."""

    def __init__(self, storage: Storage, rules: Rules) -> None:
        self._storage = storage
        self._rules = rules

    async def open(self, caller: Caller, ref: str, number: str | None = None) -> FormView:
        """The form of a version, the newest without a number.

        Raises ``WorkerNotFound``, ``UnknownVersion``, ``VersionUnavailable``.
        """
        return await self._read(lambda tx: _open(tx, caller, ref, number))

    async def check(self, caller: Caller, view: FormView, raw: RawInput) -> InputCheck:
        """Check the input of ``raw``. Never refuses one: its errors are in the answer."""
        value, found = await asyncio.to_thread(self._plan, view, raw)
        standing = await self._read(lambda tx: _standing(tx, caller, view))
        account, prices = standing.account, self._rules.prices
        made = None
        if found.limits is not None:
            made = estimate(prices, standing.basis, found.limits, subtasks=found.subtasks)
        outlook = StartPreview(
            plan=found,
            quote=quote(prices, found, account, standing.month),
            account_plan=account.plan,
            waits=standing.waits,
            most_subtasks=self._rules.max_subtasks,
            basis=standing.basis,
            estimate=made,
            refused=standing.refused,
        )
        return InputCheck(value, outlook)

    async def past_form(self, caller: Caller, ref: str, number: str) -> RunForm | None:
        """The form of any version that the caller could ever see, even a withdrawn one, to show an
        earlier input.
        """

        def work(tx: Transaction) -> RunForm | None:
            worker = find_worker(tx, caller, ref)
            version = tx.workers.version(worker.id, number)
            seen = version is not None and (owns(worker, caller) or version.approved)
            return describe(version.input_schema) if version is not None and seen else None

        return await self._read(work)

    async def read(self, form: RunForm, raw: RawInput) -> NormalisedInput:
        """The input of ``raw`` for a form, with its errors."""
        return await asyncio.to_thread(normalise, form, raw)

    def _plan(self, view: FormView, raw: RawInput) -> tuple[NormalisedInput, SplitPreview]:
        defaults = view.version.defaults
        value = normalise(view.form, raw, defaults)
        return value, split_preview(view.form, value, defaults, self._rules.max_subtasks)

    async def initial_input(
        self, caller: Caller, ref: str, *, from_run: str = "", task: str = "", version: str = ""
    ) -> FormStart:
        """The initial input of a worker's form: from a run, from a task, the caller's own default,
        or the defaults of ``version``. Raises ``RunNotFound``, ``TaskNotFound``, and
        ``InvalidRequest`` for those of another worker.
        """

        def work(tx: Transaction) -> FormStart:
            worker = find_worker(tx, caller, ref)
            if from_run:
                return _from_run(tx, caller, worker, from_run)
            if task:
                return _from_task(tx, caller, worker, task)
            saved = tx.input_defaults.get(caller.user_id, worker.id)
            if saved is not None:
                return FormStart(_taken_apart(json.loads(saved)), "saved")
            return FormStart(NormalisedInput({}, {}), "schema")

        found = await self._read(work)
        if found.source != "schema":
            return found
        untouched = start_value((await self.open(caller, ref, version)).form)
        return FormStart(NormalisedInput({}, untouched), "schema")

    async def recent(self, caller: Caller, ref: str) -> list[PastInput]:
        """The inputs of the account's last runs of the worker, newest first."""

        def work(tx: Transaction) -> list[PastInput]:
            worker = find_worker(tx, caller, ref)
            its = RunFilter(worker_id=worker.id)
            _, found = tx.runs.page(caller.account_id, its, offset=0, limit=RECENT)
            return [_recent(run) for run in found]

        return await self._read(work)

    async def save_default(self, caller: Caller, ref: str, value: NormalisedInput) -> None:
        """Save an input as the caller's default for this worker's form, even with errors. Raises
        ``Forbidden``, ``WorkerNotFound``, ``InvalidRequest`` for one that is too large.
        """
        require_editor(caller, "Saving an input")
        text = dump(value.input)
        if len(text.encode()) > MAX_DEFAULT:
            raise InvalidRequest(
                f"must be at most {MAX_DEFAULT:,} bytes of JSON; shorten it", field="input"
            )

        def work(tx: Transaction) -> None:
            worker = find_worker(tx, caller, ref)
            tx.input_defaults.put(caller.user_id, worker.id, text, tx.now)

        await self._storage.write(work)

    async def forget_default(self, caller: Caller, ref: str) -> None:
        """Remove the saved default of the form. Raises ``Forbidden``, and ``NotFound`` when there
        is none.
        """
        require_editor(caller, "Forgetting a saved input")

        def work(tx: Transaction) -> None:
            worker = find_worker(tx, caller, ref)
            if not tx.input_defaults.remove(caller.user_id, worker.id):
                raise NotFound("There is no saved input for this worker")

        await self._storage.write(work)

    async def import_file(
        self, view: FormView, field: str, name: str, data: bytes, choice: ImportChoice
    ) -> tuple[str, ImportResult]:
        """The name of the field, and a file as its value; without a name the form's only list.

        Raises ``InvalidRequest``, ``InvalidFields``.
        """
        lists = [
            each
            for each in view.form.fields.values()
            if each.kind in (ControlKind.LIST, ControlKind.TABLE)
        ]
        found = lists[0] if not field and len(lists) == 1 else view.form.fields.get(field)
        if found is None:
            known = ", ".join(each.name for each in lists)[:300] or "none"
            raise InvalidRequest(
                f'name a list of the form, not "{field[:80]}": {known}', field="field"
            )
        return found.name, await asyncio.to_thread(import_file, found, name, data, choice)

    async def _read(self, work: Callable[[Transaction], T]) -> T:
        return await self._storage.read(work)


def _open(tx: Transaction, caller: Caller, ref: str, number: str | None) -> FormView:
    worker = find_worker(tx, caller, ref)
    version = find_version(tx, caller, worker.id, number)
    own = owns(worker, caller)
    numbers = [
        each.number
        for each in tx.workers.versions(worker.id)
        if each.state in _OFFERED and (own or each.approved)
    ]
    return FormView(worker, version, describe(version.input_schema), tuple(numbers))


@dataclass(frozen=True, slots=True)
class _AccountState:
    """The state of the caller's account that a start depends on."""

    account: Account
    waits: Reason | None
    month: SpendingMonth | None
    basis: Basis
    refused: Reason | None


def _standing(tx: Transaction, caller: Caller, view: FormView) -> _AccountState:
    account = tx.accounts.get(caller.account_id)
    if account is None:
        raise UserMissing
    past = basis_of(tx, account.id, view.worker.id, view.version.number)
    refused = refusal_of_runners(tx, view.worker) or refusal_of_builds(view.worker, view.version)
    return _AccountState(account, beyond_plan(tx, account.id), month_of(tx, account), past, refused)


def _from_run(tx: Transaction, caller: Caller, worker: Worker, run_id: str) -> FormStart:
    run = tx.runs.get(run_id) if is_ulid(run_id) else None
    if run is None or run.account_id != caller.account_id:
        raise RunNotFound
    if run.worker_id != worker.id:
        raise InvalidRequest(
            "this run is of another worker; open its own worker's form", field="from_run"
        )
    value = _without_defaults(tx, run)
    return FormStart(value, "run", run.id, "", run.version, run.callback_url)


def _without_defaults(tx: Transaction, run: Run) -> NormalisedInput:
    """The input of a run, without the options that are the defaults of its version."""
    value = _taken_apart(rerun_input(run))
    version = tx.workers.version(run.worker_id, run.version)
    defaults = version.defaults if version else SystemDefaults()
    wanted = read_input(value.input, defaults).limits
    for name in list(value.system):
        rest = {key: each for key, each in value.system.items() if key != name}
        given = read_input({"parameters": {"system": rest, "custom": {}}}, defaults)
        if given.limits == wanted and given.region == run.region and name != "egress_allow":
            value = NormalisedInput(rest, value.custom)
    return value


def _from_task(tx: Transaction, caller: Caller, worker: Worker, task_id: str) -> FormStart:
    task = own_task(tx, caller, task_id)
    if task.worker_id != worker.id:
        raise InvalidRequest(
            "this task is of another worker; open its own worker's form", field="task"
        )
    value = _taken_apart(json.loads(task.input_json))
    return FormStart(value, "task", task.id, task.title, task.version)


def _taken_apart(saved: object) -> NormalisedInput:
    try:
        return NormalisedInput(*parts(saved))
    except InvalidRequest:  # a task may have an input that no start would accept
        return NormalisedInput({}, saved if isinstance(saved, dict) else {})


def _recent(run: Run) -> PastInput:
    summary = run.summary or summary_of_text(run.input_json)
    return PastInput(run.id, run.state, run.version, summary, run.created_at)
