"""The form of a worker's input: its fields, its initial input, and the preview of a start."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from fyke.contracts.parsing import ParserLimits, ParserPool
from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_task
from fyke.domain.accounts.rights import require_editor
from fyke.domain.billing.caps import SpendingMonth, month_of
from fyke.domain.forms.describe import describe
from fyke.domain.forms.importing import ImportChoice, ImportResult, import_file
from fyke.domain.forms.model import (
    ControlKind,
    FormField,
    FormSource,
    RunForm,
    dump,
)
from fyke.domain.forms.normalise import (
    NormalisedInput,
    RawInput,
    normalise,
    start_value,
)
from fyke.domain.forms.quote import Quote, SplitPreview, quote, split_preview
from fyke.domain.runs.admission import plan_limit
from fyke.domain.runs.browsers import limits_at_start, missing_for_start
from fyke.domain.runs.estimate import Basis, Estimate, estimate
from fyke.domain.runs.estimates import basis_of
from fyke.domain.runs.input_secrets import InputSecretFinder
from fyke.domain.runs.isolation import refusal_of_builds, refusal_of_runners
from fyke.domain.runs.placement import check_pool
from fyke.domain.runs.rerun import rerun_input
from fyke.domain.runs.summary import summary_of_text
from fyke.domain.runs.transitions import Rules
from fyke.domain.workers.lookup import find_version, find_worker, owns
from fyke.domain.workers.parameters import ParsedInput, parts, read_input
from fyke.errors import (
    InvalidRequest,
    NotFound,
    RunNotFound,
    UnknownVersion,
    UserMissing,
    VersionUnavailable,
)
from fyke.kit.ids import is_ulid
from fyke.model.account import Account, Caller
from fyke.model.account import Plan as AccountPlan
from fyke.model.run import Run, RunState
from fyke.model.run_list import RunLine
from fyke.model.worker import BrowserNeed, SystemDefaults, Version, VersionState, Worker
from fyke.reasons import Reason

RECENT = 5
MAX_DEFAULT = 4 * 2**20  # bytes of JSON
_IMPORT = ParserLimits(cpu_seconds=20, seconds=60)
_OFFERED = (VersionState.PUBLISHED, VersionState.DEPRECATED)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FormView:
    """The form of a version. ``numbers``: the tags of versions that may run, then the numbers of
    all of these, newest first.
    """

    worker: Worker
    version: Version
    form: RunForm
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FormStart:
    """The initial input of a form. ``ref`` is the id of the run or task that it comes from, with
    ``title`` for a task; ``version`` ``""`` is the newest.
    """

    value: NormalisedInput
    source: FormSource
    ref: str = ""
    title: str = ""
    version: str = ""
    callback_url: str = ""


@dataclass(frozen=True, slots=True)
class PastInput:
    """The input of an earlier run; ``at`` is its start in ms."""

    run_id: str
    state: RunState
    version: str
    summary: str
    at: int


@dataclass(frozen=True, slots=True)
class StartPreview:
    """The preview of a start at this moment. ``waits`` is what the run would wait for;
    ``most_runs`` is 0 without a limit. ``estimate`` is the probable usage by earlier runs, None
    when there are too few or the input has errors. ``refused`` is the reason why the run would not
    be executed.
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
    """A normalised input and the preview of its start."""

    value: NormalisedInput
    outlook: StartPreview


class RunForms:
    """The forms of all workers that a caller may see."""

    def __init__(
        self, storage: Storage, rules: Rules, parsers: ParserPool, inputs: InputSecretFinder
    ) -> None:
        self._storage = storage
        self._rules = rules
        self._parsers = parsers
        self._inputs = inputs

    def browser_mb(self, need: BrowserNeed) -> int:
        """``RunForm.browser_mb`` of a version with this need."""
        return 0 if need is BrowserNeed.NONE else self._rules.browser_memory_mb

    @property
    def priced(self) -> bool:
        """``RunForm.priced`` of all versions."""
        return self._rules.prices.any()

    async def has_nodes(self) -> bool:
        """``RunForm.has_nodes`` of all versions."""
        return await self._read(_has_nodes)

    async def open(self, caller: Caller, ref: str, number: str | None = None) -> FormView:
        """Return the form of a version, by default of the newest.

        Raise ``WorkerNotFound``, ``UnknownVersion``, ``VersionUnavailable``.
        """
        view, has_nodes = await self._read(
            lambda tx: (_form_view(tx, caller, ref, number), _has_nodes(tx))
        )
        browser_mb = self.browser_mb(view.version.browser)
        form = replace(view.form, browser_mb=browser_mb, has_nodes=has_nodes, priced=self.priced)
        return replace(view, form=form)

    async def check(self, caller: Caller, view: FormView, raw: RawInput) -> InputCheck:
        """Return the input of ``raw`` with its errors, and the preview of its start."""
        value, plan = await asyncio.to_thread(self._plan, view, raw)
        state = await self._read(
            lambda tx: _account_state(tx, self._rules, caller, view, plan.parsed)
        )
        if state.unknown_pool:
            plan = SplitPreview(0, state.unknown_pool)
        usage = None
        if plan.limits is not None:
            limits = self._rules.with_browser(plan.limits)
            usage = estimate(self._rules.prices, state.basis, limits, subtasks=plan.subtasks)
        outlook = StartPreview(
            plan=plan,
            quote=quote(self._rules, plan, state.account, state.month),
            account_plan=state.account.plan,
            waits=state.waits,
            most_subtasks=self._rules.max_subtasks,
            basis=state.basis,
            estimate=usage,
            refused=state.refused,
        )
        return InputCheck(value, outlook)

    async def past_form(self, caller: Caller, ref: str, number: str) -> RunForm | None:
        """Return the form of a version to show an earlier input, even of a withdrawn version; None
        when the caller could never see it.
        """

        def work(tx: Transaction) -> RunForm | None:
            worker = find_worker(tx, caller, ref)
            version = tx.workers.version(worker.id, number)
            if version is None or not (owns(worker, caller) or version.approved):
                return None
            return describe(version.input_schema)

        return await self._read(work)

    async def read(self, form: RunForm, raw: RawInput) -> NormalisedInput:
        """Return the input of ``raw`` for a form, with its errors."""
        return await asyncio.to_thread(normalise, form, raw)

    def _plan(self, view: FormView, raw: RawInput) -> tuple[NormalisedInput, SplitPreview]:
        defaults = view.version.defaults
        value = normalise(view.form, raw, defaults)
        plan = split_preview(view.form, value, defaults, self._rules.max_subtasks)
        if plan.parsed is None:
            return value, plan
        try:
            limits = limits_at_start(self._rules, view.version, plan.parsed)
        except InvalidRequest as error:
            return value, SplitPreview(0, error.message)
        return value, replace(plan, limits=limits)

    async def initial_input(
        self, caller: Caller, ref: str, *, from_run: str = "", task: str = "", version: str = ""
    ) -> FormStart:
        """Return the initial input of a worker's form: that of a run, of a task, the one that the
        caller has saved, or the defaults of ``version``.

        Raise ``RunNotFound``, ``TaskNotFound``, and ``InvalidRequest`` for a run or task of another
        worker.
        """

        def work(tx: Transaction) -> FormStart:
            worker = find_worker(tx, caller, ref)
            if from_run:
                return _from_run(tx, caller, worker, from_run)
            if task:
                return _from_task(tx, caller, worker, task)
            saved = tx.input_defaults.get(caller.user_id, worker.id)
            if saved is not None:
                return FormStart(_to_normalised(json.loads(saved)), "saved")
            return FormStart(NormalisedInput({}, {}), "schema")

        start = await self._read(work)
        if start.source != "schema":
            return start
        view = await self.open(caller, ref, version)
        return FormStart(NormalisedInput({}, start_value(view.form)), "schema")

    async def without_secrets(self, caller: Caller, ref: str, start: FormStart) -> FormStart:
        """Return ``start`` without the secrets in its input; without an input if that is too large
        to hide them, or its version, which says what is secret, is not known.
        """

        def work(tx: Transaction) -> Version | None:
            worker = find_worker(tx, caller, ref)
            named = tx.workers.version(worker.id, start.version) if start.version else None
            try:  # otherwise a tag, or the current one
                return named or find_version(tx, caller, worker.id, start.version)
            except (UnknownVersion, VersionUnavailable):
                return None

        version, text = await self._read(work), dump(start.value.input)
        if version is None:
            return replace(start, value=NormalisedInput({}, {}))
        secrets = await self._inputs.of_input(caller, text, version)
        shown = await self._inputs.input(caller, text, secrets)
        value = _to_normalised(json.loads(shown)) if shown else NormalisedInput({}, {})
        return replace(start, value=value)

    async def recent(self, caller: Caller, ref: str) -> list[PastInput]:
        """Return the last different inputs of the account's runs of the worker, newest first,
        without those of schedules.
        """

        def work(tx: Transaction) -> list[PastInput]:
            worker = find_worker(tx, caller, ref)
            ids = tx.run_lists.recent_inputs(caller.account_id, worker.id, RECENT)
            lines = tx.run_lists.lines(caller.account_id, ids)
            return [_past_input(lines[run_id]) for run_id in ids if run_id in lines]

        return await self._read(work)

    async def save_default(self, caller: Caller, ref: str, value: NormalisedInput) -> None:
        """Save an input, even with errors, as the caller's default for this worker's form.

        Raise ``Forbidden``, ``WorkerNotFound``, ``InvalidRequest`` for one that is too large.
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
        """Delete the caller's saved input. Raise ``Forbidden``, ``NotFound`` when there is none."""
        require_editor(caller, "Forgetting a saved input")

        def work(tx: Transaction) -> None:
            worker = find_worker(tx, caller, ref)
            if not tx.input_defaults.remove(caller.user_id, worker.id):
                raise NotFound("There is no saved input for this worker")

        await self._storage.write(work)

    async def import_file(
        self,
        caller: Caller,
        view: FormView,
        field: str,
        name: str,
        data: bytes,
        choice: ImportChoice,
    ) -> tuple[str, ImportResult]:
        """Return the name of a field and a file as its value; ``field`` ``""`` is the only list.

        Raise the errors of ``read_file``, and ``InvalidRequest`` for another field.
        """
        lists = [
            item
            for item in view.form.fields.values()
            if item.kind in (ControlKind.LIST, ControlKind.TABLE)
        ]
        target = lists[0] if not field and len(lists) == 1 else view.form.fields.get(field)
        if target is None:
            names = ", ".join(item.name for item in lists)[:300] or "none"
            raise InvalidRequest(
                f'name a list of the form, not "{field[:80]}": {names}', field="field"
            )
        return target.name, await self.read_file(caller, target, name, data, choice)

    async def read_file(
        self, caller: Caller, field: FormField, name: str, data: bytes, choice: ImportChoice
    ) -> ImportResult:
        """Return a file as the value of a list. Raise ``InvalidRequest``, ``InvalidFields``."""
        return await self._parsers.run(
            caller.account_id, import_file, field, name, data, choice, limits=_IMPORT
        )

    async def _read(self, work: Callable[[Transaction], T]) -> T:
        return await self._storage.read(work)


def _has_nodes(tx: Transaction) -> bool:
    return bool(tx.nodes.all())


def _form_view(tx: Transaction, caller: Caller, ref: str, number: str | None) -> FormView:
    worker = find_worker(tx, caller, ref)
    version = find_version(tx, caller, worker.id, number)
    own = owns(worker, caller)
    numbers = [
        item.number
        for item in tx.workers.versions(worker.id)
        if item.state in _OFFERED and (own or item.approved)
    ]
    tags = [tag for tag, named in tx.workers.tags(worker.id).items() if named in numbers]
    return FormView(worker, version, describe(version.input_schema), (*tags, *numbers))


@dataclass(frozen=True, slots=True)
class _AccountState:
    """The state of the caller's account that a start depends on."""

    account: Account
    waits: Reason | None
    month: SpendingMonth | None
    basis: Basis
    refused: Reason | None
    unknown_pool: str  # the error of a start


def _account_state(
    tx: Transaction, rules: Rules, caller: Caller, view: FormView, parsed: ParsedInput | None
) -> _AccountState:
    account = tx.accounts.get(caller.account_id)
    if account is None:
        raise UserMissing
    pool, unknown_pool = (parsed.pool if parsed else "") or rules.default_pool, ""
    try:
        check_pool(tx, rules, pool)
    except InvalidRequest as error:
        unknown_pool = error.message
    return _AccountState(
        account=account,
        waits=plan_limit(tx, account.id),
        month=month_of(tx, account),
        basis=basis_of(tx, account.id, view.worker.id, view.version.number),
        refused=refusal_of_runners(tx, view.worker, pool)
        or refusal_of_builds(view.worker, view.version)
        or missing_for_start(tx, rules, view.version, parsed),
        unknown_pool=unknown_pool,
    )


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
    """The input of a run, without options that equal the defaults of its version."""
    value = _to_normalised(rerun_input(run))
    version = tx.workers.version(run.worker_id, run.version)
    defaults = version.defaults if version else SystemDefaults()
    whole = read_input(value.input, defaults)
    for name in list(value.system):
        rest = {key: item for key, item in value.system.items() if key != name}
        parsed = read_input({"parameters": {"system": rest, "custom": {}}}, defaults)
        is_same = (parsed.limits, parsed.browser) == (whole.limits, whole.browser)
        is_default = is_same and parsed.region == run.region
        if is_default and name not in ("egress_allow", "browser_block", "pool", "labels"):
            value = NormalisedInput(rest, value.custom)
    return value


def _from_task(tx: Transaction, caller: Caller, worker: Worker, task_id: str) -> FormStart:
    task = own_task(tx, caller, task_id)
    if task.worker_id != worker.id:
        raise InvalidRequest(
            "this task is of another worker; open its own worker's form", field="task"
        )
    value = _to_normalised(json.loads(task.input_json))
    return FormStart(value, "task", task.id, task.title, task.version)


def _to_normalised(saved: object) -> NormalisedInput:
    """Return the parts of a saved ``input``, whatever its form."""
    try:
        return NormalisedInput(*parts(saved))
    except InvalidRequest:  # a task may have an input that no start would accept
        return NormalisedInput({}, saved if isinstance(saved, dict) else {})


def _past_input(run: RunLine) -> PastInput:
    summary = run.summary or summary_of_text(run.input_json)
    return PastInput(run.id, run.state, run.version, summary, run.created_at)
