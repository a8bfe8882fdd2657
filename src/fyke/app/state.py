"""The state of an installation: where it lives, bringing it up to date, the first account."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from fyke.app.folder import write_private
from fyke.contracts.signals import Signals
from fyke.contracts.state import Transaction
from fyke.domain.accounts.service import Accounts
from fyke.domain.runs.outcome import HIDING
from fyke.kit.clock import SystemClock
from fyke.settings import Settings
from fyke.storage.signals.datagram import DatagramSignals
from fyke.storage.sql.state.storage import SqlStorage, open_storage


def sqlite_url(path: Path) -> str:
    """The address of a SQLite file for SQLAlchemy."""
    return f"sqlite:///{path.absolute()}"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where state and results live under these settings."""

    state: str
    results: str


def addresses(settings: Settings) -> Addresses:
    """Two SQLite files, or one PostgreSQL database for both."""
    if settings.database_url:
        return Addresses(settings.database_url, settings.database_url)
    return Addresses(sqlite_url(settings.home / "state.db"), sqlite_url(settings.home / "rows.db"))


def migrate_all(settings: Settings) -> None:
    """Bring both schemas up to date, under a lock that servers starting together share."""
    # Alembic is half of the import time of a role, and only needed here.
    from fyke.storage.sql.results.migrate import migrate_results
    from fyke.storage.sql.state.schema import migrate

    where = addresses(settings)
    migrate(where.state)
    migrate_results(where.results)


async def bootstrap(settings: Settings) -> None:
    """Make the operator's account at the first start, and its local credential when missing."""
    async with open_state(settings) as storage:
        accounts = Accounts(storage, SystemClock())
        account, key = await accounts.bootstrap()
        if key is None and not settings.owner_key_file.exists():
            key = (await accounts.create_local_key(account.id)).key
        if key is not None:
            write_private(settings.owner_key_file, key)


async def owner_has_password(settings: Settings) -> bool:
    """Whether the operator's account has a user who can sign in from elsewhere."""
    async with open_state(settings) as storage:

        def work(tx: Transaction) -> bool:
            operator = tx.accounts.operator()
            users = tx.accounts.users(operator.id) if operator else []
            return any(user.password_hash for user in users)

        return await storage.read(work)


def open_signals(settings: Settings) -> Signals:
    """A datagram socket in the data folder, or LISTEN/NOTIFY where the state is shared."""
    if settings.database_url:
        from fyke.storage.signals.postgres import PostgresSignals

        return PostgresSignals(settings.database_url)
    return DatagramSignals(settings.signals_dir)


def hiding(settings: Settings) -> frozenset[str]:
    """The outcomes that hide the rows of their attempt."""
    return HIDING if settings.failed_rows == "hide" else frozenset()


@contextlib.asynccontextmanager
async def open_state(
    settings: Settings, signals: Signals | None = None
) -> AsyncIterator[SqlStorage]:
    """The state alone, for a short job."""
    storage = open_storage(
        addresses(settings).state,
        durable=settings.durability == "disk",
        notify=signals.notify if signals else lambda topic: None,
        hiding=hiding(settings),
    )
    try:
        yield storage
    finally:
        await storage.close()
