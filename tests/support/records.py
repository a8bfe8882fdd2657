"""Records for storage tests, complete and valid; keywords change their fields."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from fyke.contracts.state import Transaction
from fyke.kit.ids import CROCKFORD
from fyke.model.account import Account, ApiKey, Role, User
from fyke.model.billing import EntryKind, LedgerEntry
from fyke.model.callback import Delivery, DeliveryState
from fyke.model.run import Origin, Run, RunEvent, RunLimits, RunState, Subtask, SubtaskState
from fyke.model.task import Task
from fyke.model.worker import Language, SystemDefaults, Version, VersionState, Worker

_numbers = itertools.count(1)
START = 1_700_000_000_000


def ordered_id() -> str:
    """A ULID-shaped id that sorts after all earlier ones."""
    number, text = next(_numbers), ""
    while number:
        number, digit = divmod(number, 32)
        text = CROCKFORD[digit] + text
    return "01HF" + text.rjust(22, "0")


def account(**changes: Any) -> Account:
    name = ordered_id()
    base = Account(name, f"account-{name}", False, 0, 0, 0, 0, START)
    return replace(base, **changes)


def user(account_id: str, **changes: Any) -> User:
    name = ordered_id()
    base = User(name, account_id, f"user-{name.lower()}", Role.OWNER, False, "", START)
    return replace(base, **changes)


def key(account_id: str, **changes: Any) -> ApiKey:
    name = ordered_id()
    base = ApiKey(name, account_id, "u", "ci", "scraper_api_ab", f"digest-{name}", START, 0, 0, 0)
    return replace(base, **changes)


def worker(account_id: str, **changes: Any) -> Worker:
    name = ordered_id()
    base = Worker(name, account_id, "acme", f"w-{name}", "Title", "Text", True, START, "")
    return replace(base, **changes)


def version(worker_id: str, number: str = "1.0.0", **changes: Any) -> Version:
    base = Version(
        id=ordered_id(),
        worker_id=worker_id,
        number=number,
        digest="d" * 64,
        language=Language.PYTHON,
        state=VersionState.PUBLISHED,
        input_schema='{"a": 1}',
        output_schema="",
        readme="# Read",
        requirements="",
        defaults=SystemDefaults(memory_mb=256, timeout_s=60),
        created_at=START,
    )
    return replace(base, **changes)


def task(account_id: str, worker_id: str, **changes: Any) -> Task:
    base = Task(ordered_id(), account_id, worker_id, "Saved", "", "{}", START, START)
    return replace(base, **changes)


def run(account_id: str, worker_id: str, **changes: Any) -> Run:
    limits = RunLimits(
        cpus=changes.pop("cpus", 1.0),
        memory_mb=changes.pop("memory_mb", 512),
        timeout_s=60,
        max_charge_micros=0,
        max_traffic_bytes=2**40,
        browser_cpus=changes.pop("browser_cpus", 0.0),
        browser_memory_mb=changes.pop("browser_memory_mb", 0),
    )
    base = Run(
        id=ordered_id(),
        account_id=account_id,
        worker_id=worker_id,
        version="1.0.0",
        task_id="",
        key_id="",
        origin=Origin.API,
        state=RunState.READY,
        outcome=None,
        err_msg="",
        limits=limits,
        region="",
        egress_allow=("db.example:5432",),
        input_json='{"n": 12345678901234567890}',
        callback_url="",
        subtasks=1,
        subtasks_succeeded=0,
        subtasks_failed=0,
        results=0,
        usage_micros=0,
        traffic_bytes=0,
        hold_micros=0,
        created_at=START,
        started_at=0,
        finished_at=0,
    )
    return replace(base, **changes)


def subtask(run_id: str, ordinal: int, **changes: Any) -> Subtask:
    base = Subtask(run_id, ordinal, f"{ordinal:017d}", "{}", SubtaskState.WAITING, None, "")
    return replace(base, **changes)


def event(run_id: str, **changes: Any) -> RunEvent:
    return replace(RunEvent(run_id, START, "moved", "ready", "running", "runner a", ""), **changes)


def entry(account_id: str, kind: EntryKind, usd: int, traffic: int = 0) -> LedgerEntry:
    return LedgerEntry(ordered_id(), account_id, START, kind, usd, traffic, "", "note")


def delivery(account_id: str, run_id: str, **changes: Any) -> Delivery:
    base = Delivery(
        ordered_id(), account_id, run_id, "http://127.0.0.1/hook", '{"a":1}',
        DeliveryState.PENDING, 0, START, 0, "", START, 0,
    )  # fmt: skip
    return replace(base, **changes)


def seed(tx: Transaction) -> tuple[str, str]:
    """Add an account and a worker; return their ids."""
    owner = account()
    tx.accounts.add(owner)
    added = worker(owner.id)
    tx.workers.add(added)
    return owner.id, added.id


def seed_run(tx: Transaction, owner: str, worker_id: str, parts: int = 1, **changes: Any) -> Run:
    """Add a run with its waiting subtasks."""
    added = run(owner, worker_id, subtasks=parts, **changes)
    tx.runs.add(added, [subtask(added.id, ordinal) for ordinal in range(parts)])
    return added
