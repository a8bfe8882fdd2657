"""Which version of a worker runs when none is named, and the tags of versions."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from fyke.contracts.parsing import ParserPool
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_editor
from fyke.domain.workers.declared_changes import DeclaredChange, declared_changes
from fyke.domain.workers.environments import request_environment
from fyke.domain.workers.history import VersionHistory
from fyke.domain.workers.input_schema import InputSchema, parse
from fyke.domain.workers.input_values import saved_problems
from fyke.domain.workers.lookup import NEWEST, find_own_worker, unknown_version
from fyke.domain.workers.schema_changes import SchemaChange
from fyke.domain.workers.submitting import share
from fyke.domain.workers.suggested_page import page_after, read_suggestions, suggesting
from fyke.errors import Conflict, InvalidRequest, NotFound, Refused, VersionUnavailable
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.task import NamedTasks, Task
from fyke.model.worker import Version, VersionState, Worker
from fyke.reasons import Reason, ReasonCode

MAX_TAGS = 50  # of a worker
MAX_TASKS = 200  # that a preview lists
MAX_TITLES = 10  # of tasks that name a tag
_RESERVED = NEWEST | {"current"}  # they would read like the current version
MAX_CHECKED = 64 * 1024  # characters of a saved input that is compared with a schema
_ACTION = "Choosing the current version"
_TAG = re.compile(r"[a-z][a-z0-9._-]{0,39}")
_NUMBER = re.compile(r"v?\d[\d.]*")


@dataclass(frozen=True, slots=True)
class FollowingTask:
    """A task that gets another version. ``next_at``: when its schedule starts it, in ms, 0 = never.
    ``refused``: the labels of the fields of its saved input that the version does not accept;
    ``checked`` is False when it could not be compared with the schema.
    """

    task: Task
    next_at: int
    refused: tuple[str, ...] = ()
    checked: bool = False


@dataclass(frozen=True, slots=True)
class Promotion:
    """What changes when ``after`` becomes the current version instead of ``before``, which is None
    when no version can run. ``tasks`` are the newest, at most ``MAX_TASKS``, of the ``tasks_total``
    tasks of the worker's account that name no version, first those that would be refused.
    ``others``: the version that other accounts keep, because ``after`` is not approved; ``""``
    when they get it too.
    """

    worker: Worker
    before: Version | None
    after: Version
    schema: tuple[SchemaChange, ...]
    declared: tuple[DeclaredChange, ...]
    tasks: tuple[FollowingTask, ...]
    tasks_total: int
    others: str


@dataclass(frozen=True, slots=True)
class StateChange:
    """What changes when a version is withdrawn, deprecated or restored. ``after``: the number of
    the version that is current then, ``""`` for none; ``promotion``: what changes with it if it is
    another one. ``others``: the version that other accounts get then, now
    ``worker.latest_approved``. ``stopped`` are the newest, at most ``MAX_TASKS``, of the
    ``stopped_total`` tasks of the worker's account that can no longer start.
    """

    worker: Worker
    version: Version
    after: str
    others: str
    promotion: Promotion | None
    stopped: tuple[FollowingTask, ...]
    stopped_total: int


class TagTaken(Refused):
    """Another version, ``number``, has the tag."""

    key = "tag_taken"

    def __init__(self, number: str, tag: str) -> None:
        super().__init__(
            f"{number} has the tag {tag}; moving it changes what runs and tasks that name it use"
        )
        self.number = number


class Promotions:
    """Changes the current version of workers, and tags. Raises ``WorkerNotFound``, ``Forbidden``
    and ``UnknownVersion``.
    """

    def __init__(
        self,
        storage: Storage,
        history: VersionHistory,
        parsers: ParserPool,
        prepares: Callable[[Caller, str], bool],
    ) -> None:
        """``prepares``: whether dependencies of the caller's worker of this name are fetched
        before a run needs them.
        """
        self._storage = storage
        self._history = history
        self._parsers = parsers
        self._prepares = prepares

    async def preview(self, caller: Caller, ref: str, number: str) -> Promotion:
        """What ``promote`` would change. Raise ``Refused`` as it does."""

        def work(tx: Transaction) -> Promotion:
            worker, after = _published(tx, caller, ref, number)
            return _unchecked(tx, worker, after)

        return await self._checked(await self._storage.read(work))

    async def preview_state(
        self, caller: Caller, ref: str, number: str, state: VersionState
    ) -> StateChange:
        """What ``Workers.set_state`` would change. Raise ``UnknownVersion``, ``VersionUnavailable``
        for a draft and ``Refused`` if the version has this state.
        """

        def work(tx: Transaction) -> StateChange:
            worker, version = _own_version(tx, caller, ref, number)
            if version.state is state:
                raise Refused(f"{version.number} is {state.value} already")
            latest, others = tx.workers.latest_with(worker.id, version.number, state)
            after = tx.workers.version(worker.id, latest) if latest != worker.latest else None
            lost = [] if latest else [""]  # the tasks that follow the current version
            if state is VersionState.WITHDRAWN:
                tags = tx.workers.tags(worker.id).items()
                lost += [version.number, *(tag for tag, tagged in tags if tagged == version.number)]
            total, stopped = _naming(tx, worker, lost) if lost else (0, ())
            promotion = _unchecked(tx, worker, after) if after else None
            return StateChange(worker, version, latest, others, promotion, stopped, total)

        found = await self._storage.read(work)
        if found.promotion is None:
            return found
        return replace(found, promotion=await self._checked(found.promotion))

    async def _checked(self, found: Promotion) -> Promotion:
        """The promotion with the changes of the schemas and the checked inputs of the tasks."""
        tasks = await asyncio.to_thread(_checked, found.tasks, found.after.input_schema)
        if found.before is None:
            return replace(found, tasks=tasks)
        schema = await self._history.schema_changes(found.worker, found.before, found.after)
        return replace(found, schema=schema, tasks=tasks)

    async def breaks(self, caller: Caller, ref: str, schema: str) -> int:
        """How many tasks that name no version, of the newest ``MAX_TASKS``, have an input that the
        current version accepts and a version with this input schema would refuse.
        """

        def work(tx: Transaction) -> tuple[tuple[FollowingTask, ...], str]:
            worker = find_own_worker(tx, caller, ref, "publish its versions")
            current = tx.workers.version(worker.id, worker.latest) if worker.latest else None
            return _naming(tx, worker, [""])[1], current.input_schema if current else schema

        tasks, current = await self._storage.read(work)
        before = await asyncio.to_thread(_refused, tasks, current)
        return len(await asyncio.to_thread(_refused, tasks, schema) - before)

    async def promote(
        self, caller: Caller, ref: str, number: str, before: str | None = None
    ) -> tuple[Worker, Version]:
        """Let runs that name no version use this one, also an earlier one; return the worker before
        the change, and the version. Other accounts keep theirs while the version is not approved;
        it is submitted then. A page that was not edited by hand becomes that of the version.
        The next publication makes the newest version the current one again. Raise ``Refused``
        unless it is published, and ``Conflict`` if ``before``, the number that a preview gave or
        ``""``, is not that of the current version any more.
        """
        require_editor(caller, _ACTION)

        def read(tx: Transaction) -> list[Version]:
            worker, version = _published(tx, caller, ref, number)
            return [version, *suggesting(worker, tx.workers.versions(worker.id))]

        texts = await self._storage.read(read)
        suggested = await read_suggestions(self._parsers, caller.account_id, texts)

        def work(tx: Transaction) -> tuple[Worker, Version]:
            worker, version = _published(tx, caller, ref, number, lock=True)
            if before is not None and worker.latest != before:
                current = worker.latest or "none"
                raise Conflict(f"the current version has changed: it is {current}; check again")
            own = next((item for item in suggested if item.version_id == version.id), None)
            if own is not None:
                page = page_after(worker, own, tx.workers.versions(worker.id), suggested)
                if page != worker.page:
                    tx.workers.update(worker.id, page, public=worker.public)
            tx.workers.set_current(
                worker.id, own=version.number, others=version.number if version.approved else None
            )
            if worker.public and not version.approved:
                share(tx, worker, version, required=True)
            if self._prepares(caller, worker.name):
                request_environment(tx, version.id)
            detail = f"{version.number}, before: {worker.latest or '-'}"
            record(tx, caller, AuditAction.PROMOTED, worker.path, detail)
            return worker, version

        return await self._storage.write(work)

    async def tag(
        self, caller: Caller, ref: str, tag: str, number: str, *, move: bool = True
    ) -> Version:
        """Give a version a tag, which runs and tasks may name; another version loses it. Raise
        ``InvalidRequest`` for a tag that is not allowed, ``Refused`` unless it is published, and
        approved if the worker is public, and without ``move`` ``TagTaken`` if another version has
        the tag.
        """
        require_editor(caller, "Tagging versions")
        name = checked_tag(tag)

        def work(tx: Transaction) -> Version:
            worker, version = _published(tx, caller, ref, number, lock=True)
            if worker.public and not version.approved:
                raise Refused(
                    f"{version.number} is not approved, and other accounts may name a tag; tag it "
                    "when it is approved"
                )
            tags = tx.workers.tags(worker.id)
            if name not in tags and len(tags) >= MAX_TAGS:
                raise Refused(f"a worker has at most {MAX_TAGS} tags; remove one")
            had = tags.get(name, version.number)
            if had != version.number and not move:
                raise TagTaken(had, name)
            if tags.get(name) != version.number:
                tx.workers.set_tag(worker.id, name, version.number)
                detail = f"{name}: {version.number}, before: {tags.get(name, '-')}"
                record(tx, caller, AuditAction.TAGGED, worker.path, detail)
            return version

        return await self._storage.write(work)

    async def tagged(self, caller: Caller, ref: str) -> dict[str, NamedTasks]:
        """The tasks of the account that name a tag of its worker, by tag, with the titles of
        ``MAX_TITLES`` each; without tags that no task names.
        """

        def work(tx: Transaction) -> dict[str, NamedTasks]:
            worker = find_own_worker(tx, caller, ref, "tag its versions")
            tags = tx.workers.tags(worker.id)
            return tx.tasks.by_version(worker.account_id, worker.id, tags, MAX_TITLES)

        return await self._storage.read(work)

    async def moved(
        self, caller: Caller, ref: str, tag: str, number: str
    ) -> tuple[int, tuple[FollowingTask, ...]]:
        """The total and the newest ``MAX_TASKS`` of the account's tasks that name a tag, as in
        ``Promotion`` if this version gets it.
        """

        def work(tx: Transaction) -> tuple[int, tuple[FollowingTask, ...], str]:
            worker, version = _published(tx, caller, ref, number)
            return *_naming(tx, worker, [checked_tag(tag)]), version.input_schema

        total, tasks, schema = await self._storage.read(work)
        return total, await asyncio.to_thread(_checked, tasks, schema)

    async def remove_tag(self, caller: Caller, ref: str, tag: str) -> None:
        """Remove a tag. Runs and tasks that name it fail to start. Raise ``NotFound``."""
        require_editor(caller, "Tagging versions")
        name = tag.strip().lower()

        def work(tx: Transaction) -> None:
            worker = find_own_worker(tx, caller, ref, "tag its versions")
            if not tx.workers.remove_tag(worker.id, name):
                raise NotFound(f"The worker has no tag {name[:40]!r}")
            record(tx, caller, AuditAction.UNTAGGED, worker.path, name)

        await self._storage.write(work)


def checked_tag(text: str) -> str:
    """A tag as it is stored. Raise ``InvalidRequest`` for one that could be something else."""
    tag = text.strip().lower()
    if tag in _RESERVED or not is_tag(tag):
        raise InvalidRequest(
            "must be 1 to 40 of a-z, 0-9, '.', '_' and '-', beginning with a letter, and not "
            "current, latest, auto or a version number",
            field="tag",
        )
    return tag


def is_tag(version: str) -> bool:
    """Whether what a run or task names is a tag, and not a number."""
    return bool(_TAG.fullmatch(version)) and not _NUMBER.fullmatch(version)


def _unchecked(tx: Transaction, worker: Worker, after: Version) -> Promotion:
    """What changes when this version becomes the current one, without what takes long to find."""
    before = tx.workers.version(worker.id, worker.latest) if worker.latest else None
    total, tasks = _naming(tx, worker, [""])
    return Promotion(
        worker,
        before,
        after,
        schema=(),
        declared=declared_changes(before, after) if before else (),
        tasks=tasks,
        tasks_total=total,
        others="" if after.approved or not worker.public else worker.latest_approved,
    )


def _naming(
    tx: Transaction, worker: Worker, versions: Collection[str]
) -> tuple[int, tuple[FollowingTask, ...]]:
    """The total and the newest ``MAX_TASKS`` of the account's tasks that name one of these versions
    or tags, ``""`` for none; unchecked.
    """
    total, tasks = tx.tasks.of_account(
        worker.account_id, offset=0, limit=MAX_TASKS, worker_id=worker.id, versions=versions
    )
    schedules = tx.schedules.of_tasks([task.id for task in tasks])
    next_at = {key: item.next_at for key, item in schedules.items() if item.enabled}
    return total, tuple(FollowingTask(task, next_at.get(task.id, 0)) for task in tasks)


def _checked(tasks: tuple[FollowingTask, ...], schema: str) -> tuple[FollowingTask, ...]:
    """The tasks with the fields that this input schema does not accept, those with some first."""
    try:
        parsed = parse(schema)
    except InvalidRequest:  # a schema of an older release that cannot be read
        return tasks
    compared = [_compared(item, parsed) for item in tasks]
    return tuple(sorted(compared, key=lambda item: not item.refused))


def _compared(item: FollowingTask, schema: InputSchema) -> FollowingTask:
    """The task with the fields that the schema does not accept; unchecked if its input is large."""
    if len(item.task.input_json) > MAX_CHECKED:
        return item
    try:
        problems = saved_problems(schema, item.task.input_json)
    except InvalidRequest:  # no version accepts this input
        return item
    return replace(item, refused=tuple(one.label for one in problems), checked=True)


def _refused(tasks: tuple[FollowingTask, ...], schema: str) -> set[str]:
    """The ids of the tasks with an input that this schema does not accept."""
    return {item.task.id for item in _checked(tasks, schema) if item.refused}


def _own_version(
    tx: Transaction, caller: Caller, ref: str, number: str, *, lock: bool = False
) -> tuple[Worker, Version]:
    """With ``lock``, both are read after a concurrent publication or choice."""
    worker = find_own_worker(tx, caller, ref, "choose its current version")
    if lock:
        worker = tx.workers.lock(worker.id)
    version = tx.workers.version(worker.id, number.strip())
    if version is None:
        raise unknown_version(worker, number)
    if version.state is VersionState.DRAFT:
        raise VersionUnavailable(Reason.of(ReasonCode.VERSION_DRAFT, number=version.number))
    return worker, version


def _published(
    tx: Transaction, caller: Caller, ref: str, number: str, *, lock: bool = False
) -> tuple[Worker, Version]:
    worker, version = _own_version(tx, caller, ref, number, lock=lock)
    if version.state is not VersionState.PUBLISHED:
        raise Refused(f"{version.number} is {version.state.value}; restore it first")
    return worker, version
