"""Workers, their versions, and statistics of both."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Select,
    Table,
    UniqueConstraint,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from fyke.domain.workers.facts import BAD, RECENT
from fyke.errors import Conflict, WorkerNotFound
from fyke.kit.typed import decode
from fyke.model.worker import (
    GOOD,
    BrowserNeed,
    Finding,
    SystemDefaults,
    Version,
    VersionFacts,
    VersionState,
    Worker,
    WorkerFacts,
    WorkerOrder,
    WorkerPage,
)
from fyke.storage.sql.dialects import (
    contains,
    driver_sql,
    fetch_one,
    insert_new,
    last_characters,
    locking,
    run_sql,
    to_storable_text,
)
from fyke.storage.sql.state.columns import (
    flag_column,
    metadata,
    number_column,
    ref_column,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, columns, many, record, was_applied

workers = Table(
    "workers",
    metadata,
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    text_column("owner"),
    text_column("name"),
    text_column("title"),
    text_column("description"),
    flag_column("public"),
    number_column("created_at"),
    text_column("latest"),
    text_column("search_text"),  # case-folded; see ``search_text``
    text_column("categories"),  # JSON list
    text_column("icon"),
    number_column("deleted_at"),
    text_column("latest_approved"),
    flag_column("builds_allowed"),
    # numbers of the versions that ``latest`` and ``latest_approved`` shall be; "" = the newest
    text_column("current_version"),
    text_column("current_approved"),
    UniqueConstraint("owner", "name"),
    Index(None, "account_id"),
)

version_tags = Table(
    "version_tags",
    metadata,
    ref_column("worker_id", "workers.id", key=True, cascade=True),
    text_column("tag", key=True),
    text_column("number"),
)

versions = Table(
    "versions",
    metadata,
    text_column("id", key=True),
    ref_column("worker_id", "workers.id"),
    number_column("seq"),  # order of publication within the worker
    text_column("number"),
    text_column("digest"),
    text_column("language"),
    text_column("state"),
    text_column("input_schema"),
    text_column("output_schema"),
    text_column("readme"),
    text_column("requirements"),
    number_column("memory_mb"),
    number_column("timeout_s"),
    number_column("max_charge_micros"),
    number_column("max_traffic_bytes"),
    number_column("created_at"),
    flag_column("approved"),
    text_column("notice"),
    text_column("egress", null=True),  # JSON list of domains; NULL = nothing declared
    flag_column("builds"),
    text_column("secrets"),  # JSON list of names
    text_column("browser"),
    flag_column("browser_declared"),
    number_column("max_retries"),
    UniqueConstraint("worker_id", "number"),
    UniqueConstraint("worker_id", "seq"),
)

# no reference, because it would lock the worker: all runs of a worker update the same row
worker_facts = Table(
    "worker_facts",
    metadata,
    text_column("worker_id", key=True),
    number_column("runs"),
    number_column("succeeded"),
    number_column("failed"),
    number_column("last_ok_at"),
    text_column("recent"),
)

version_facts = Table(
    "version_facts",
    metadata,
    ref_column("version_id", "versions.id", key=True),
    number_column("size"),
    text_column("findings"),  # JSON list
)

worker_categories = Table(
    "worker_categories",
    metadata,
    ref_column("worker_id", "workers.id", key=True),
    Column("category", BigInteger, primary_key=True, autoincrement=False),
    Index(None, "category", "worker_id"),
)

_BY_ID = "SELECT * FROM workers WHERE id = ?"
_BY_NUMBER = "SELECT * FROM versions WHERE worker_id = ? AND number = ?"
# Appended, with the id, to the name of a deleted worker, so that the name is free again. No name
# contains it.
_DELETED_MARK = "~"
_NOT_DELETED = workers.c.deleted_at == 0
# Between the searchable texts, so that no match spans two of them.
_SEPARATOR = "\x1f"


def search_text(worker_id: str, path: str, title: str, description: str) -> str:
    """Return the searchable text. It is case-folded here, because in SQL the databases fold only
    ASCII letters, or each in its own way.
    """
    return _SEPARATOR.join((worker_id, path, title, description)).casefold()


_NEWEST = workers.c.created_at.desc(), workers.c.id.desc()
_ORDERS: dict[WorkerOrder, tuple[ColumnElement[Any], ...]] = {
    WorkerOrder.NEW: _NEWEST,
    WorkerOrder.USED: (func.coalesce(worker_facts.c.runs, 0).desc(), *_NEWEST),
    WorkerOrder.NAME: (func.lower(workers.c.title), workers.c.id),
}


def _searchable(account_id: str | None) -> ColumnElement[bool]:
    """The condition for public workers with an approved version, and the account's own with any
    published one.
    """
    public = and_(workers.c.public, workers.c.latest_approved != "")
    if account_id is None:
        return public
    return or_(public, and_(workers.c.account_id == account_id, workers.c.latest != ""))


_USES_BROWSER = tuple(need.value for need in BrowserNeed if need.possible)


def _with_browser(account_id: str | None) -> ColumnElement[bool]:
    """The condition for workers whose newest version, as the account sees it, uses a browser."""
    newest = case(
        (workers.c.account_id == account_id, workers.c.latest), else_=workers.c.latest_approved
    )
    return (
        select(versions.c.id)
        .where(
            versions.c.worker_id == workers.c.id,
            versions.c.number == newest,
            versions.c.browser.in_(_USES_BROWSER),
        )
        .exists()
    )


def _browser_filter(account_id: str | None, browser: bool | None) -> list[ColumnElement[bool]]:
    if browser is None:
        return []
    uses_one = _with_browser(account_id)
    return [uses_one if browser else not_(uses_one)]


def _worker(row: Mapping[Any, Any]) -> Worker:
    values: dict[str, Any] = dict(row)
    values["name"] = values["name"].partition(_DELETED_MARK)[0]
    values["categories"] = json.loads(values["categories"])
    return record(values, Worker)


def _version(row: Mapping[Any, Any]) -> Version:
    values: dict[str, Any] = dict(row)
    values["defaults"] = record(row, SystemDefaults)
    values["egress"] = None if values["egress"] is None else json.loads(values["egress"])
    values["secrets"] = json.loads(values["secrets"])
    return record(values, Version)


class SqlWorkers(SqlStore):
    """Implements ``WorkerStore``."""

    def add(self, worker: Worker) -> None:
        text = search_text(worker.id, worker.path, worker.title, worker.description)
        values = columns(worker) | {"search_text": text}
        values["categories"] = json.dumps(worker.categories)
        if not was_applied(self._db.execute(insert_new(self._db, workers), values)):
            raise Conflict(f"There is a worker {worker.path!r} already; choose another name")
        self._add_categories(worker.id, worker.categories)

    def get(self, worker_id: str) -> Worker | None:
        # runs with every request for a run, hence directly on the driver
        row = fetch_one(self._db, _BY_ID, (to_storable_text(worker_id),))
        return None if row is None else _worker(row)

    def get_all(self, worker_ids: Collection[str]) -> dict[str, Worker]:
        if not worker_ids:
            return {}
        rows = self._db.execute(select(workers).where(workers.c.id.in_(worker_ids))).mappings()
        return {row["id"]: _worker(row) for row in rows}

    def by_path(self, owner: str, name: str) -> Worker | None:
        path = workers.c.owner == owner, workers.c.name == name
        query = select(workers).where(*path, _NOT_DELETED)
        row = self._db.execute(query).mappings().first()
        return None if row is None else _worker(row)

    def update(self, worker_id: str, page: WorkerPage, *, public: bool) -> None:
        worker = self.get(worker_id)
        if worker is None:
            raise WorkerNotFound()
        text = search_text(worker.id, worker.path, page.title, page.description)
        values = columns(page) | {"categories": json.dumps(page.categories)}
        change = update(workers).where(workers.c.id == worker_id)
        self._db.execute(change.values(**values, public=public, search_text=text))
        if page.categories != worker.categories:
            of_worker = worker_categories.c.worker_id == worker_id
            self._db.execute(delete(worker_categories).where(of_worker))
            self._add_categories(worker_id, page.categories)

    def _add_categories(self, worker_id: str, categories: tuple[int, ...]) -> None:
        rows = [{"worker_id": worker_id, "category": category} for category in set(categories)]
        if rows:
            self._db.execute(insert(worker_categories), rows)

    def mark_deleted(self, worker_id: str, at: int) -> bool:
        change = update(workers).where(workers.c.id == worker_id, _NOT_DELETED)
        return was_applied(self._db.execute(change.values(deleted_at=at)))

    def free_name(self, worker_id: str) -> None:
        # On PostgreSQL an update of a key column waits for open transactions that refer to the row.
        # The worker must be marked as deleted in an earlier transaction, so that no new references
        # are added; otherwise a busy worker could delay this update forever.
        name = workers.c.name + literal(_DELETED_MARK) + workers.c.id
        change = update(workers).where(
            workers.c.id == worker_id,
            workers.c.deleted_at > 0,
            workers.c.name.not_like(f"%{_DELETED_MARK}%"),
        )
        self._db.execute(change.values(name=name))

    def of_account(self, account_id: str) -> list[Worker]:
        query = select(workers).where(workers.c.account_id == account_id, _NOT_DELETED)
        return [_worker(row) for row in self._db.execute(query.order_by(workers.c.name)).mappings()]

    def own_page(
        self, account_id: str, text: str, *, offset: int, limit: int
    ) -> tuple[int, list[Worker]]:
        return self._page([workers.c.account_id == account_id], text, offset, limit)

    def search(
        self,
        text: str,
        *,
        account_id: str | None,
        offset: int,
        limit: int,
        category: int | None = None,
        browser: bool | None = None,
        order: WorkerOrder = WorkerOrder.NEW,
    ) -> tuple[int, list[Worker]]:
        conditions = [_searchable(account_id), *_browser_filter(account_id, browser)]
        if category is not None:
            of_category = select(worker_categories.c.worker_id)
            of_category = of_category.where(worker_categories.c.category == category)
            conditions.append(workers.c.id.in_(of_category))
        return self._page(conditions, text, offset, limit, order)

    def categories(
        self, text: str, *, account_id: str | None, browser: bool | None = None
    ) -> dict[int, int]:
        conditions = [_searchable(account_id), *_browser_filter(account_id, browser)]
        conditions += [_NOT_DELETED, *self._matching(text)]
        query = (
            select(worker_categories.c.category, func.count())
            .join(workers, workers.c.id == worker_categories.c.worker_id)
            .where(*conditions)
            .group_by(worker_categories.c.category)
        )
        return {row[0]: row[1] for row in self._db.execute(query)}

    def _page(
        self,
        conditions: list[ColumnElement[bool]],
        text: str,
        offset: int,
        limit: int,
        order: WorkerOrder = WorkerOrder.NEW,
    ) -> tuple[int, list[Worker]]:
        conditions = [*conditions, _NOT_DELETED, *self._matching(text)]
        count = select(func.count()).select_from(workers).where(*conditions)
        query = select(workers).where(*conditions).order_by(*_ORDERS[order])
        if order is WorkerOrder.USED:
            query = query.outerjoin(worker_facts, worker_facts.c.worker_id == workers.c.id)
        rows = self._db.execute(query.offset(offset).limit(limit)).mappings()
        return self._db.execute(count).scalar_one(), [_worker(row) for row in rows]

    def _matching(self, text: str) -> list[ColumnElement[bool]]:
        if not text:
            return []
        folded = text.casefold()
        # the searchable text has paths with a slash, responses of v2 have them with a tilde
        forms = dict.fromkeys((folded, folded.replace("~", "/")))
        return [or_(*(contains(self._db, workers.c.search_text, form) for form in forms))]

    def allow_builds(self, worker_id: str, *, allowed: bool) -> None:
        change = update(workers).where(workers.c.id == worker_id)
        self._db.execute(change.values(builds_allowed=allowed))

    def add_version(self, version: Version) -> None:
        self._lock(version.worker_id)
        last = select(func.coalesce(func.max(versions.c.seq), 0))
        last = last.where(versions.c.worker_id == version.worker_id)
        values = columns(version)
        values |= values.pop("defaults")
        values["egress"] = None if version.egress is None else json.dumps(version.egress)
        values["secrets"] = json.dumps(version.secrets)
        values["seq"] = self._db.execute(last).scalar_one() + 1
        if not was_applied(self._db.execute(insert_new(self._db, versions), values)):
            raise Conflict(
                f"Version {version.number!r} already exists, and versions never change; "
                "raise the number"
            )
        self._set_latest(version.worker_id)

    def version(self, worker_id: str, number: str) -> Version | None:
        # runs with every page of rows and every start
        row = fetch_one(
            self._db, _BY_NUMBER, (to_storable_text(worker_id), to_storable_text(number))
        )
        return None if row is None else _version(row)

    def version_by_id(self, version_id: str) -> Version | None:
        query = select(versions).where(versions.c.id == to_storable_text(version_id))
        row = self._db.execute(query).mappings().first()
        return None if row is None else _version(row)

    def browser_needs(self, newest: Mapping[str, str]) -> dict[str, BrowserNeed]:
        version = versions.c.worker_id, versions.c.number
        query = select(*version, versions.c.browser).where(tuple_(*version).in_([*newest.items()]))
        return {row.worker_id: BrowserNeed(row.browser) for row in self._db.execute(query)}

    def set_browser(
        self, worker_id: str, number: str, need: BrowserNeed, *, declared: bool
    ) -> None:
        self._change_version(worker_id, number, browser=need.value, browser_declared=declared)

    def versions(self, worker_id: str) -> list[Version]:
        query = select(versions).where(versions.c.worker_id == worker_id)
        rows = self._db.execute(query.order_by(versions.c.seq.desc())).mappings()
        return [_version(row) for row in rows]

    def approve(self, worker_id: str, number: str) -> None:
        self._lock(worker_id)
        self._change_version(worker_id, number, approved=True)
        current, _ = self._current(worker_id)
        if current in ("", number):  # otherwise other accounts follow the owner's choice
            self._change(worker_id, current_approved=current)
        self._set_latest(worker_id)

    def lock(self, worker_id: str) -> Worker:
        self._lock(worker_id)
        worker = self.get(worker_id)
        if worker is None:
            raise WorkerNotFound
        return worker

    def set_current(
        self, worker_id: str, *, own: str | None = None, others: str | None = None
    ) -> None:
        self._lock(worker_id)
        chosen = {"current_version": own, "current_approved": others}
        self._change(worker_id, **{name: n for name, n in chosen.items() if n is not None})
        self._set_latest(worker_id)

    def tags(self, worker_id: str) -> dict[str, str]:
        of_worker = version_tags.c.worker_id == to_storable_text(worker_id)
        query = select(version_tags.c.tag, version_tags.c.number).where(of_worker)
        return {row.tag: row.number for row in self._db.execute(query.order_by(version_tags.c.tag))}

    def set_tag(self, worker_id: str, tag: str, number: str) -> None:
        self._lock(worker_id)
        self.remove_tag(worker_id, tag)
        values = {"worker_id": worker_id, "tag": tag, "number": number}
        self._db.execute(version_tags.insert(), values)

    def remove_tag(self, worker_id: str, tag: str) -> bool:
        named = version_tags.c.worker_id == worker_id, version_tags.c.tag == tag
        return was_applied(self._db.execute(delete(version_tags).where(*named)))

    def set_version_state(
        self, worker_id: str, number: str, state: VersionState, notice: str = ""
    ) -> None:
        self._lock(worker_id)
        self._change_version(worker_id, number, state=str(state), notice=notice)
        chosen = self._current(worker_id)
        if state is not VersionState.PUBLISHED and number in chosen:
            own, others = _without(number, chosen)
            self._change(worker_id, current_version=own, current_approved=others)
        self._set_latest(worker_id)

    def latest_with(self, worker_id: str, number: str, state: VersionState) -> tuple[str, str]:
        chosen = self._current(worker_id)
        if state is not VersionState.PUBLISHED:
            chosen = _without(number, chosen)
        as_if = case((versions.c.number == number, str(state)), else_=versions.c.state)
        latest = self._db.execute(select(*_latest(worker_id, chosen, as_if))).one()
        return latest[0], latest[1]

    def set_defaults(self, worker_id: str, defaults: SystemDefaults) -> None:
        self._lock(worker_id)
        change = update(versions).where(versions.c.worker_id == worker_id)
        self._db.execute(change.values(**columns(defaults)))

    def _change_version(self, worker_id: str, number: str, **values: Any) -> None:
        version = versions.c.worker_id == worker_id, versions.c.number == number
        self._db.execute(update(versions).where(*version).values(**values))

    def _lock(self, worker_id: str) -> None:
        """Allow one publication at a time per worker: ``latest`` depends on all its versions."""
        statement = driver_sql(self._db, "SELECT id FROM workers WHERE id = ? AND deleted_at = 0")
        statement += locking(self._db, "FOR NO KEY UPDATE")
        if self._db.exec_driver_sql(statement, (to_storable_text(worker_id),)).first() is None:
            raise WorkerNotFound()

    def _change(self, worker_id: str, **values: Any) -> None:
        if values:
            self._db.execute(update(workers).where(workers.c.id == worker_id).values(**values))

    def _current(self, worker_id: str) -> tuple[str, str]:
        query = select(workers.c.current_version, workers.c.current_approved)
        row = self._db.execute(query.where(workers.c.id == worker_id)).one()
        return row.current_version, row.current_approved

    def _set_latest(self, worker_id: str) -> None:
        latest, approved = _latest(worker_id, self._current(worker_id), versions.c.state)
        self._change(worker_id, latest=latest, latest_approved=approved)


def _without(number: str, chosen: tuple[str, str]) -> tuple[str, str]:
    """The choices of the account and for others, without those of this version."""
    own, others = chosen
    return "" if own == number else own, "" if others == number else others


def _latest(
    worker_id: str, chosen: tuple[str, str], state: ColumnElement[str]
) -> tuple[ColumnElement[str], ColumnElement[str]]:
    """The number of the latest version, and of that of other accounts, ``""`` for none. ``chosen``:
    the versions that were chosen as the current ones, ``""`` = the newest.
    """
    own, others = chosen
    # as text, "published" is greater than "deprecated"
    in_use = [str(VersionState.PUBLISHED), str(VersionState.DEPRECATED)]
    usable = select(versions.c.number).where(versions.c.worker_id == worker_id, state.in_(in_use))

    def first(query: Select[tuple[str]], current: str) -> ColumnElement[str]:
        is_current = and_(versions.c.number == current, state == str(VersionState.PUBLISHED))
        order = case((is_current, 0), else_=1), state.desc(), versions.c.seq.desc()
        return func.coalesce(query.order_by(*order).limit(1).scalar_subquery(), "")

    return first(usable, own), first(usable.where(versions.c.approved), others or own)


_ADD = (
    "INSERT INTO worker_facts (worker_id, runs, succeeded, failed, last_ok_at, recent)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (worker_id) DO UPDATE SET"
    " runs = worker_facts.runs + excluded.runs,"
    " succeeded = worker_facts.succeeded + excluded.succeeded,"
    " failed = worker_facts.failed + excluded.failed,"
    " last_ok_at = CASE WHEN excluded.last_ok_at > worker_facts.last_ok_at"
    " THEN excluded.last_ok_at ELSE worker_facts.last_ok_at END,"
    " recent = {recent}"
)


class SqlWorkerFacts(SqlStore):
    """Implements ``WorkerFactStore``. As with ``RunCounts``, the changes of a transaction are
    written at its end and in a fixed order, because all runs of a worker update one row: it is
    locked briefly, and the transaction waits for no other lock in the meantime.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._ends: dict[str, list[tuple[str, int]]] = {}

    def note_end(self, worker_id: str, verdict: str, at: int) -> None:
        self._ends.setdefault(to_storable_text(worker_id), []).append((verdict, at))

    def flush(self) -> None:
        """Write the changes; called before the commit."""
        recent = last_characters(self._db, "worker_facts.recent || excluded.recent", RECENT)
        statement = _ADD.format(recent=recent)
        for worker_id, ends in sorted(self._ends.items()):
            signs = "".join(sign for sign, _ in ends)
            last_ok = max((at for sign, at in ends if sign == GOOD), default=0)
            run_sql(
                self._db,
                statement,
                (
                    worker_id,
                    len(ends),
                    signs.count(GOOD),
                    signs.count(BAD),
                    last_ok,
                    signs[-RECENT:],
                ),
            )
        self._ends.clear()

    def of_workers(self, worker_ids: Collection[str]) -> dict[str, WorkerFacts]:
        self.flush()
        query = select(worker_facts).where(worker_facts.c.worker_id.in_(sorted(worker_ids)))
        return {facts.worker_id: facts for facts in many(self._db.execute(query), WorkerFacts)}

    def add_version(self, version_id: str, facts: VersionFacts) -> None:
        findings = json.dumps([columns(finding) for finding in facts.findings])
        values = {"version_id": version_id, "size": facts.size, "findings": findings}
        self._db.execute(insert(version_facts), values)

    def of_versions(self, worker_id: str) -> dict[str, VersionFacts]:
        query = (
            select(versions.c.number, version_facts.c.size, version_facts.c.findings)
            .join(version_facts, version_facts.c.version_id == versions.c.id)
            .where(versions.c.worker_id == worker_id)
        )
        return {
            row.number: VersionFacts(row.size, tuple(decode(row.findings, list[Finding])))
            for row in self._db.execute(query)
        }
