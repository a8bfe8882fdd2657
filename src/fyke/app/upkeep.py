"""Looking after an installation: versions of its tables, checks, copies while it is in use."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import fyke.storage.sql
import fyke.storage.sql.results
from fyke.app.state import addresses, migrate_all
from fyke.settings import Settings

STATE, ROWS = "state.db", "rows.db"


def schema_heads() -> tuple[str, str]:
    """The newest versions of the tables that this program knows: of the state, of the rows."""
    return (
        _newest(Path(fyke.storage.sql.__file__).parent),
        _newest(Path(fyke.storage.sql.results.__file__).parent),
    )


def _newest(package: Path) -> str:
    scripts = (package / "migrations" / "versions").glob("*_*.py")
    return max(script.name.partition("_")[0] for script in scripts)
