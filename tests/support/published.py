"""Workers and versions in a state, for tests of who may see and run them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from fyke.contracts.state import Storage, Transaction
from fyke.kit.ids import new_ulid
from fyke.model.account import Account, Caller
from fyke.model.submission import Submission, SubmissionState
from fyke.model.worker import Language, SystemDefaults, Version, VersionState, Worker

T = TypeVar("T")


def caller(name: str, *, operator: bool = False) -> Caller:
    return Caller(new_ulid(), name, operator, new_ulid(), new_ulid())


ALICE, BOB, OPERATOR = caller("alice"), caller("bob"), caller("owner", operator=True)


class PublishedState:
    """A state with the accounts of alice, bob and the operator."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    async def begin(self) -> PublishedState:
        def work(tx: Transaction) -> None:
            for item in (ALICE, BOB, OPERATOR):
                account = Account(item.account_id, item.account_name, item.operator, 0, 0, 0, 0, 0)
                tx.accounts.add(account)

        await self.write(work)
        return self

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self.storage.write(work)

    async def read(self, work: Callable[..., T], *arguments: Any) -> T:
        """Call ``work`` with a transaction and the arguments."""
        return await self.storage.read(lambda tx: work(tx, *arguments))

    async def do(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call ``STORE.METHOD`` of a transaction."""
        store, name = method.split(".")
        return await self.write(lambda tx: getattr(getattr(tx, store), name)(*arguments, **named))

    async def worker(self, name: str = "quotes", **changes: Any) -> Worker:
        """A new Worker of alice without a version, private by default."""
        worker = Worker(
            id=new_ulid(),
            account_id=ALICE.account_id,
            owner=ALICE.account_name,
            name=name,
            title=name,
            description="",
            public=False,
            created_at=0,
            latest="",
        )
        worker = replace(worker, **changes)
        await self.do("workers.add", worker)
        return worker

    async def version(self, worker: Worker, number: str = "v1.0.1", **changes: Any) -> Version:
        """A published version; each number has a different content."""
        version = a_version(worker, number)
        version = replace(version, **changes)
        await self.do("workers.add_version", version)
        return version

    async def withdraw(self, worker: Worker, number: str, notice: str = "") -> None:
        state = VersionState.WITHDRAWN
        await self.do("workers.set_version_state", worker.id, number, state, notice)

    async def submit(self, worker: Worker, number: str = "v1.0.1") -> Submission:
        submission = Submission(
            id=new_ulid(),
            account_id=worker.account_id,
            worker_id=worker.id,
            version=number,
            state=SubmissionState.WAITING,
            note="",
            created_at=0,
        )
        await self.do("submissions.add", submission)
        return submission


def a_version(worker: Worker, number: str = "v1.0.1") -> Version:
    return Version(
        id=new_ulid(),
        worker_id=worker.id,
        number=number,
        digest=number,
        language=Language.PYTHON,
        state=VersionState.PUBLISHED,
        input_schema='{"properties": []}',
        output_schema="",
        readme="",
        requirements="",
        defaults=SystemDefaults(),
        created_at=0,
    )
