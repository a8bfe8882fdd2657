"""The revisions of a folder of migrations, from its file names, without loading Alembic."""

from __future__ import annotations

from pathlib import Path


def revisions(migrations: Path) -> list[str]:
    """Return the revisions, oldest first: ``versions/s0001_initial.py`` is revision s0001."""
    scripts = (migrations / "versions").glob("*_*.py")
    return sorted(script.name.partition("_")[0] for script in scripts)
