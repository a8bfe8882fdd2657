"""Brings the results tables to the newest version: all of it or nothing, one process at a time."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine

from fyke.errors import Unavailable
from fyke.storage.sql.dialects import for_writing, make_engine, migration_lock, sqlite_file

_SCRIPTS = Path(__file__).parent / "migrations"


def migrate_results(url: str) -> None:
    """Create or upgrade the tables; raise ``Unavailable`` when a newer Fyke wrote them."""
    engine = make_engine(url, durable=True)
    try:
        file = sqlite_file(engine)
        if file is not None:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with migration_lock(engine, "results"):
            _upgrade(engine)
    finally:
        engine.dispose()


def _upgrade(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with for_writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as exc:
            raise Unavailable(
                "The results database was written by a newer version of Fyke. Start that "
                f"version, or restore a backup made before the upgrade. ({exc})"
            ) from exc
