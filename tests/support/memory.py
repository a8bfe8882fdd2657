"""The state and the rows in plain dictionaries, for unit tests of domain services.

It has only the stores that those services use, with only what the contracts promise.
``tests/contract`` tests the real stores and uses none of these.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from fyke.errors import Conflict
from fyke.kit.clock import Clock, ManualClock
from fyke.kit.ids import new_ulid
from fyke.model.account import Account, ApiKey, Caller, Role, User
from fyke.model.alert import Rule
from fyke.model.audit import NewAudit
from fyke.model.billing import EntryKind, LedgerEntry, UsageKey, UsageSums
from fyke.model.log import LogEntry, LogExcerpt, LogFilter
from fyke.model.node import RunnableVersion
from fyke.model.results import Header, Row, RowBlock, RunTotals
from fyke.model.run import Origin, Run, RunLimits, RunState
from fyke.model.task import Task
from fyke.model.worker import Language, SystemDefaults, Version, VersionState, Worker
from support.exports import block_of

T = TypeVar("T")


class MemoryAccounts:
    def __init__(self) -> None:
        self.rows: dict[str, Account] = {}
        self.user_rows: dict[str, User] = {}
        self.key_rows: dict[str, ApiKey] = {}

    def add(self, account: Account) -> None:
        if self.by_name(account.name):
            raise Conflict
        self.rows[account.id] = account

    def get(self, account_id: str) -> Account | None:
        return self.rows.get(account_id)

    lock = get

    def by_name(self, name: str) -> Account | None:
        return next((a for a in self.rows.values() if a.name == name), None)

    def operator(self) -> Account | None:
        return next((a for a in self.rows.values() if a.operator), None)

    def all(self) -> list[Account]:
        return list(self.rows.values())

    def add_user(self, user: User) -> None:
        self.user_rows[user.id] = user

    def user(self, user_id: str) -> User | None:
        return self.user_rows.get(user_id)

    def users(self, account_id: str) -> list[User]:
        return [u for u in self.user_rows.values() if u.account_id == account_id]

    def add_key(self, key: ApiKey) -> None:
        self.key_rows[key.id] = key

    def key(self, key_id: str) -> ApiKey | None:
        return self.key_rows.get(key_id)

    def key_by_digest(self, digest: str) -> ApiKey | None:
        return next((k for k in self.key_rows.values() if k.digest == digest), None)

    def keys(self, account_id: str) -> list[ApiKey]:
        return [k for k in self.key_rows.values() if k.account_id == account_id]

    def revoke_key(self, account_id: str, key_id: str, at: int) -> bool:
        for key in self.keys(account_id):
            if key_id in (key.id, key.name) and not key.revoked_at:
                self.key_rows[key.id] = replace(key, revoked_at=at)
                return True
        return False

    def touch_key(self, key_id: str, at: int) -> None:
        self.key_rows[key_id] = replace(self.key_rows[key_id], last_used_at=at)


class MemoryLedger:
    def __init__(self, accounts: MemoryAccounts) -> None:
        self._accounts = accounts
        self.rows: list[LedgerEntry] = []

    def append(self, entry: LedgerEntry) -> None:
        account = self._accounts.rows[entry.account_id]
        if entry.kind in (EntryKind.HOLD, EntryKind.RELEASE):
            account = replace(account, held_micros=account.held_micros - entry.usd_micros)
        else:
            account = replace(
                account,
                balance_micros=account.balance_micros + entry.usd_micros,
                traffic_bytes=account.traffic_bytes + entry.traffic_bytes,
            )
        self._accounts.rows[account.id] = account
        self.rows.append(entry)

    def entries(self, account_id: str, *, limit: int) -> list[LedgerEntry]:
        return [e for e in reversed(self.rows) if e.account_id == account_id][:limit]

    def sums(self, account_id: str) -> tuple[int, int, int]:
        entries = [e for e in self.rows if e.account_id == account_id]
        moving = [e for e in entries if e.kind in (EntryKind.CREDIT, EntryKind.USAGE)]
        reserved = -sum(e.usd_micros for e in entries if e not in moving)
        return (
            sum(e.usd_micros for e in moving),
            reserved,
            sum(e.traffic_bytes for e in moving),
        )


class MemoryAdmission:
    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger

    def largest_hold(self, account_id: str, *, besides: str) -> tuple[str, int] | None:
        held: dict[str, int] = {}
        for entry in self._ledger.rows:
            of_run = entry.account_id == account_id and entry.run_id not in ("", besides)
            if of_run and entry.kind in (EntryKind.HOLD, EntryKind.RELEASE):
                held[entry.run_id] = held.get(entry.run_id, 0) - entry.usd_micros
        found = max(held.items(), key=lambda item: item[1], default=("", 0))
        return found if found[1] else None


class MemoryUsage:
    def __init__(self) -> None:
        self.rows: dict[UsageKey, UsageSums] = {}

    def add(self, key: UsageKey, sums: UsageSums) -> None:
        self.rows[key] = self.rows.get(key, UsageSums()) + sums

    def days(self, account_id: str, first: int, last: int) -> dict[int, UsageSums]:
        by_day: dict[int, UsageSums] = {}
        for key, sums in self.rows.items():
            if key.account_id == account_id and first <= key.day <= last:
                by_day[key.day] = by_day.get(key.day, UsageSums()) + sums
        return by_day


class MemoryTasks:
    def __init__(self) -> None:
        self.rows: dict[str, Task] = {}

    def add(self, task: Task) -> None:
        self.rows[task.id] = task

    def get(self, task_id: str) -> Task | None:
        return self.rows.get(task_id)

    def get_all(self, ids: Collection[str]) -> dict[str, Task]:
        return {one: self.rows[one] for one in ids if one in self.rows}

    lock = get

    def of_account(
        self,
        account_id: str,
        *,
        offset: int,
        limit: int,
        worker_id: str = "",
        keyword: str = "",
        versions: Collection[str] = (),
    ) -> tuple[int, list[Task]]:
        own_runs = [
            task
            for task in reversed(self.rows.values())
            if task.account_id == account_id
            and worker_id in ("", task.worker_id)
            and (not versions or task.version in versions)
            and keyword.casefold() in f"{task.id} {task.title}".casefold()
        ]
        return len(own_runs), own_runs[offset : offset + limit]

    def update(self, task: Task) -> bool:
        known = task.id in self.rows
        if known:
            self.rows[task.id] = task
        return known

    def delete(self, task_id: str) -> None:
        del self.rows[task_id]


class MemorySchedules:
    """No task has a schedule."""

    def get(self, task_id: str) -> None:
        return None

    def of_tasks(self, task_ids: Any) -> dict[str, Any]:
        return {}


class MemorySubmissions:
    """Nothing waits for a review."""

    def waiting_of(self, worker_id: str) -> None:
        return None


class MemoryWorkers:
    def __init__(self) -> None:
        self.rows: dict[str, Worker] = {}
        self.version_rows: dict[tuple[str, str], Version] = {}

    def get(self, worker_id: str) -> Worker | None:
        return self.rows.get(worker_id)

    def get_all(self, worker_ids: Collection[str]) -> dict[str, Worker]:
        return {key: worker for key, worker in self.rows.items() if key in worker_ids}

    def version(self, worker_id: str, number: str) -> Version | None:
        return self.version_rows.get((worker_id, number))


class MemoryRuns:
    def __init__(self) -> None:
        self.rows: dict[str, Run] = {}
        self.hidden: dict[str, frozenset[str]] = {}
        self.replaced: dict[str, frozenset[str]] = {}

    def get(self, run_id: str) -> Run | None:
        return self.rows.get(run_id)

    def get_all(self, ids: Collection[str]) -> dict[str, Run]:
        return {one: self.rows[one] for one in ids if one in self.rows}

    def hidden_attempts(self, run_id: str) -> frozenset[str]:
        return self.hidden.get(run_id, frozenset())

    def replaced_attempts(self, run_id: str) -> frozenset[str]:
        return self.replaced.get(run_id, frozenset())


class MemoryAudit:
    def __init__(self) -> None:
        self.rows: list[NewAudit] = []

    def add(self, entry: NewAudit) -> None:
        self.rows.append(entry)


class MemoryAlerts:
    def __init__(self) -> None:
        self.rows: list[Rule] = []

    def add_rule(self, rule: Rule) -> None:
        self.rows.append(rule)

    def rules(self, account_id: str) -> list[Rule]:
        return [rule for rule in self.rows if rule.account_id == account_id]

    def delete_rule(self, rule_id: str) -> None:
        self.rows = [rule for rule in self.rows if rule.id != rule_id]


class MemoryInstallation:
    def __init__(self) -> None:
        self._facts: dict[str, str] = {}

    def fact(self, name: str) -> str | None:
        return self._facts.get(name)

    def replace(self, name: str, value: str) -> None:
        self._facts[name] = value


class MemoryTransaction:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.alerts = MemoryAlerts()
        self.audit = MemoryAudit()
        self.accounts = MemoryAccounts()
        self.ledger = MemoryLedger(self.accounts)
        self.admission = MemoryAdmission(self.ledger)
        self.usage = MemoryUsage()
        self.tasks = MemoryTasks()
        self.schedules = MemorySchedules()
        self.workers = MemoryWorkers()
        self.submissions = MemorySubmissions()
        self.runs = MemoryRuns()
        self.installation = MemoryInstallation()

    @property
    def now(self) -> int:
        return self._clock.now_ms()


class MemoryStorage:
    """Counts its reads and writes; the changes of a failed write are undone."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.tx: Any = MemoryTransaction(self.clock)
        self.reads = 0
        self.writes = 0
        self.write_error: Exception | None = None

    async def read(self, work: Callable[[Any], T]) -> T:
        self.reads += 1
        return work(self.tx)

    async def write(self, work: Callable[[Any], T]) -> T:
        self.writes += 1
        if self.write_error:
            raise self.write_error
        before = copy.deepcopy(self.tx.__dict__)
        try:
            return work(self.tx)
        except Exception:
            self.tx.__dict__ = before
            raise

    async def close(self) -> None:
        return None


@dataclass
class MemoryResults:
    """Rows by run, in order of position."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    declared: dict[str, list[Header]] = field(default_factory=dict)
    noted: dict[str, list[str]] = field(default_factory=dict)  # keys by run
    log: dict[str, list[LogEntry]] = field(default_factory=dict)
    limits: list[int] = field(default_factory=list)  # of the calls of rows_after
    scanned: list[tuple[int, int]] = field(default_factory=list)  # by the calls of log_scan

    def push(self, run_id: str, *data: bytes, attempt_id: str = "a") -> None:
        rows = self.rows.setdefault(run_id, [])
        for text in data:
            rows.append(Row(run_id, len(rows) + 1, attempt_id, text))

    def _visible(self, run_id: str, hidden: frozenset[str]) -> list[Row]:
        return [r for r in self.rows.get(run_id, []) if r.attempt_id not in hidden]

    async def totals(self, run_id: str, hidden: frozenset[str]) -> RunTotals:
        rows = self._visible(run_id, hidden)
        return RunTotals(len(rows), sum(len(r.data) for r in rows))

    async def headers(self, run_id: str) -> list[Header]:
        return self.declared.get(run_id, [])

    async def keys(self, run_id: str, hidden: frozenset[str]) -> list[str] | None:
        return self.noted.get(run_id)

    async def page(
        self, run_id: str, hidden: frozenset[str], *, offset: int, limit: int
    ) -> list[Row]:
        return self._visible(run_id, hidden)[offset : offset + limit]

    async def rows_after(
        self, run_id: str, hidden: frozenset[str], *, position: int, limit: int
    ) -> list[Row]:
        self.limits.append(limit)
        return [r for r in self._visible(run_id, hidden) if r.position > position][:limit]

    async def block_after(
        self, run_id: str, hidden: frozenset[str], *, position: int, limit: int
    ) -> RowBlock:
        return block_of(await self.rows_after(run_id, hidden, position=position, limit=limit))

    async def rows_at(self, run_id: str, positions: Sequence[int]) -> list[Row]:
        rows = {row.position: row for row in self.rows.get(run_id, [])}
        return [rows[position] for position in positions if position in rows]

    async def data_at(
        self, run_id: str, positions: Sequence[int], *, max_bytes: int
    ) -> list[bytes]:
        rows = {row.position: row.data for row in self.rows.get(run_id, [])}
        found: list[bytes] = []
        for position in positions:
            max_bytes -= len(rows.get(position, b""))
            if position not in rows or (found and max_bytes < 0):
                break
            found.append(rows[position])
        return found

    async def log_tail(self, run_id: str, limit: int) -> list[LogEntry]:
        return self.log.get(run_id, [])[-limit:]

    async def log_count(self, run_id: str) -> int:
        return len(self.log.get(run_id, []))

    async def log_scan(
        self,
        run_id: str,
        filter: LogFilter,
        *,
        low: int,
        high: int,
        limit: int,
        cut: int,
        newest: bool = False,
    ) -> list[LogExcerpt]:
        self.scanned.append((low, high))
        lines = [
            LogExcerpt(e.position, e.type, e.group, e.content[:cut], e.timestamp, len(e.content))
            for e in self.log.get(run_id, [])
            if low < e.position <= high and filter.matches(e)
        ]
        return lines[len(lines) - min(limit, len(lines)) :] if newest else lines[:limit]

    async def log_after(self, run_id: str, position: int, limit: int) -> list[LogEntry]:
        return [e for e in self.log.get(run_id, []) if e.position > position][:limit]


def add_account(storage: MemoryStorage, name: str = "acme", **changes: Any) -> Account:
    account = Account(new_ulid(), name, False, 0, 0, 0, 0, storage.clock.now_ms())
    account = replace(account, **changes)
    storage.tx.accounts.add(account)
    return account


def caller_of(account: Account, role: Role = Role.OWNER) -> Caller:
    return Caller(account.id, account.name, account.operator, "u", "k", role)


def a_run(account_id: str, **changes: Any) -> Run:
    """A run that is ready to start: 0.125 cores, 512 MB, half an hour, no caps."""
    limits = changes.pop("limits", None) or RunLimits(0.125, 512, 1800, 0, 0)
    run = Run(
        id=new_ulid(),
        account_id=account_id,
        worker_id=new_ulid(),
        version="v1.0.1",
        task_id="",
        key_id="",
        origin=Origin.API,
        state=RunState.READY,
        outcome=None,
        err_msg="",
        limits=limits,
        region="",
        egress_allow=(),
        input_json="{}",
        callback_url="",
        subtasks=1,
        subtasks_succeeded=0,
        subtasks_failed=0,
        results=0,
        usage_micros=0,
        traffic_bytes=0,
        hold_micros=0,
        created_at=0,
        started_at=0,
        finished_at=0,
    )
    return replace(run, **changes)


def a_worker(account_id: str, **changes: Any) -> Worker:
    worker = Worker(new_ulid(), account_id, "acme", "prices", "Prices", "", False, 0, "v1.0.1")
    return replace(worker, **changes)


def a_runnable_version(worker_id: str, **changes: Any) -> RunnableVersion:
    return RunnableVersion.of(a_version(worker_id, **changes))


def a_version(worker_id: str, number: str = "v1.0.1", **changes: Any) -> Version:
    version = Version(
        id=new_ulid(),
        worker_id=worker_id,
        number=number,
        digest="0" * 64,
        language=Language.PYTHON,
        state=VersionState.PUBLISHED,
        input_schema='{"properties":[]}',
        output_schema="",
        readme="",
        requirements="",
        defaults=SystemDefaults(),
        created_at=0,
    )
    return replace(version, **changes)
