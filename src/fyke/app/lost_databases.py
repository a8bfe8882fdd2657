"""Databases that an installation has had and that are missing now.

The first start creates both and then the operator's account. So if only one of them is there, the
other was lost: its disk is not mounted, or a copy was not complete. With a new, empty one in its
place, the installation would look healthy and have no rows, or no accounts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fyke.app.state import addresses, open_state
from fyke.errors import Conflict
from fyke.kit.clock import SystemClock
from fyke.model.results import ROWS_LOST_AT
from fyke.settings import Settings
from fyke.storage.sql.presence import Presence, presence
from fyke.storage.sql.schema import unavailable_when_down

_OF_STATE = "accounts, Workers, runs and the ledger"
_OF_ROWS = "the rows and logs of all runs"
_PUT_BACK = "Put it back: mount its disk, or restore a backup with fyke restore"
_ACCEPT = "If it is lost: fyke db accept-lost-rows"


@dataclass(frozen=True, slots=True)
class Loss:
    """What is missing, and the remedy, as sentences without the final full stop."""

    database: str  # "state" or "rows"
    finding: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.finding}. {self.remedy}"


def find_loss(settings: Settings) -> Loss | None:
    """Compare both databases and the data folder. Changes nothing; raises ``SQLAlchemyError``."""
    # read before the databases, because a first start at the same time writes the key after them
    started = not settings.database_url and settings.owner_key_file.exists()
    urls = addresses(settings)
    present = presence(urls.state, urls.results)
    if not present.state and (present.rows or started):
        return _lost_state(settings, present)
    if present.accounts and not present.rows:
        return _lost_rows(settings)
    return None


def refuse_loss(settings: Settings) -> None:
    """Raise ``Conflict`` for an installation that lacks one of its databases, and
    ``Unavailable`` when a database cannot be reached.
    """
    with unavailable_when_down():
        loss = find_loss(settings)
    if loss is not None:
        raise Conflict(f"{loss}. Nothing was changed")


def accept_lost_rows(settings: Settings) -> None:
    """Create empty tables for rows that are lost. Raises ``Conflict`` when they are not."""
    from fyke.storage.sql.results.migrate import migrate_results
    from fyke.storage.sql.state.schema import migrate

    with unavailable_when_down():
        loss = find_loss(settings)
    if loss is None:
        raise Conflict("The rows are not missing; nothing was changed")
    if loss.database != "rows":
        raise Conflict(f"{loss}. Nothing was changed")
    urls = addresses(settings)
    migrate(urls.state)
    asyncio.run(_record(settings))
    migrate_results(urls.results)


async def _record(settings: Settings) -> None:
    now = str(SystemClock().now_ms())
    async with open_state(settings) as storage:
        await storage.write(lambda tx: tx.installation.replace(ROWS_LOST_AT, now))


def _lost_state(settings: Settings, present: Presence) -> Loss:
    if settings.database_url:
        return Loss(
            "state",
            f"The tables of the state ({_OF_STATE}) are missing from the database, which has "
            "those of the rows",
            "Restore its dump with pg_restore. If it is lost, start with an empty database and an "
            "empty data folder",
        )
    other_file = "rows.db" if present.rows else "owner.key"
    remedy = f"{_PUT_BACK}. "
    if not present.rows:
        remedy += "If the installation uses PostgreSQL, set FYKE_DATABASE_URL. "
    return Loss(
        "state",
        f"state.db ({_OF_STATE}) is missing from the data folder {settings.home}, which has "
        f"{other_file}",
        f"{remedy}If it is lost, move the data folder away: a start without it creates a new "
        "installation",
    )


def _lost_rows(settings: Settings) -> Loss:
    if settings.database_url:
        return Loss(
            "rows",
            f"The tables of the rows ({_OF_ROWS}) are missing from the database, which has those "
            "of the state",
            "Restore its dump with pg_restore. If they are lost: fyke db accept-lost-rows",
        )
    return Loss(
        "rows",
        f"rows.db ({_OF_ROWS}) is missing from the data folder {settings.home}, which has state.db",
        f"{_PUT_BACK}. {_ACCEPT}",
    )
