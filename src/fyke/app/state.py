"""The state of an installation: its addresses, migrations and first account."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fyke.app.folder import create_secret, secret_fingerprint, write_private
from fyke.contracts.signals import SignalReader, Signals
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.service import Accounts
from fyke.domain.runs.outcome import HIDING
from fyke.errors import Conflict
from fyke.kit.clock import SystemClock
from fyke.settings import Settings
from fyke.storage.signals.datagram import DatagramSignals
from fyke.storage.sql.dialects import sqlite_url
from fyke.storage.sql.state.storage import SqlStorage, open_storage

FINGERPRINT = "secret_fingerprint"  # the fact about the installation


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of the databases of state and results."""

    state: str
    results: str


def addresses(settings: Settings) -> Addresses:
    """Two SQLite files, or one PostgreSQL database for both."""
    if settings.database_url:
        return Addresses(settings.database_url, settings.database_url)
    return Addresses(sqlite_url(settings.home / "state.db"), sqlite_url(settings.home / "rows.db"))


def migrate_all(settings: Settings) -> None:
    """Bring both schemas up to date; a lock keeps servers that start together apart."""
    # Alembic takes half of the import time of a role and is needed only here.
    from fyke.storage.sql.results.migrate import migrate_results
    from fyke.storage.sql.state.schema import migrate

    urls = addresses(settings)
    migrate(urls.state)
    migrate_results(urls.results)


async def claim_secret(settings: Settings, storage: Storage) -> None:
    """Create ``secret.key`` at the first start, and record its fingerprint in the database. From
    then on raise ``Conflict`` for a data folder with another one, or with none.
    """
    stored = await storage.read(lambda tx: tx.installation.fact(FINGERPRINT))
    if stored is None:
        create_secret(settings)
        own_fingerprint = secret_fingerprint(settings)
        stored = await storage.write(
            lambda tx: tx.installation.settle(FINGERPRINT, own_fingerprint)
        )
    if secret_fingerprint(settings) != stored:
        which = "another" if settings.secret_file.exists() else "no"
        raise Conflict(
            f"The data folder {settings.home} has {which} secret.key. Secrets and links of the "
            "installation in this database need its own: copy secret.key from the data folder of "
            "that installation or from a backup. If it is lost: fyke db accept-secret"
        )


async def accept_secret(settings: Settings) -> None:
    """Make the ``secret.key`` of this data folder that of the installation; create a missing one.
    What the old one has sealed is lost.
    """
    create_secret(settings)
    own_fingerprint = secret_fingerprint(settings)
    async with open_state(settings) as storage:
        await storage.write(lambda tx: tx.installation.replace(FINGERPRINT, own_fingerprint))


async def bootstrap(settings: Settings, storage: Storage) -> None:
    """Create the operator's account and its key at the first start. A SQLite database belongs to
    its data folder alone, so there a missing key is created anew; a shared database may have other
    folders, whose key must stay valid.
    """
    accounts = Accounts(storage, SystemClock())
    account, key = await accounts.bootstrap()
    if key is None and not settings.database_url and not settings.owner_key_file.exists():
        key = (await accounts.create_local_key(account.id)).key
    if key is not None:
        write_private(settings.owner_key_file, key)


async def replace_owner_key(settings: Settings) -> None:
    """Write a new ``owner.key`` to this data folder; the key of every other folder is revoked."""
    async with open_state(settings) as storage:
        accounts = Accounts(storage, SystemClock())
        account, key = await accounts.bootstrap()
        key = key or (await accounts.create_local_key(account.id)).key
        write_private(settings.owner_key_file, key)


async def owner_has_password(settings: Settings) -> bool:
    """Whether a user of the operator's account has a password."""
    async with open_state(settings) as storage:

        def work(tx: Transaction) -> bool:
            operator = tx.accounts.operator()
            users = tx.accounts.users(operator.id) if operator else []
            return any(user.password_hash for user in users)

        return await storage.read(work)


def open_signals(settings: Settings, reader: SignalReader | None = None) -> Signals:
    """A datagram socket in the data folder, or LISTEN/NOTIFY for a shared database. ``reader``:
    the role of this process, None for all.
    """
    if settings.database_url:
        from fyke.storage.signals.postgres import PostgresSignals

        return PostgresSignals(settings.database_url, reader)
    return DatagramSignals(settings.signals_dir, reader)


def hiding(settings: Settings) -> frozenset[str]:
    """The outcomes for which the rows of an attempt are hidden."""
    return HIDING if settings.failed_rows == "hide" else frozenset()


@contextlib.asynccontextmanager
async def open_state(
    settings: Settings, signals: Signals | None = None
) -> AsyncIterator[SqlStorage]:
    """Open only the state; close it at the end."""
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
