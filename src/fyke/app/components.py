"""The versions of programs and tables. All functions block: call them in a thread."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError
from uv import find_uv_bin

from fyke import __version__
from fyke.app.maintenance import versions
from fyke.errors import Unavailable
from fyke.model.installation import Component
from fyke.settings import Settings

PROGRAM_SECONDS = 5.0
WORKERS_PYTHON = "/usr/bin/python3"
_PROGRAMS = (
    ("python for Workers", WORKERS_PYTHON, "--version", "needed for Workers in Python"),
    ("bubblewrap", "bwrap", "--version", "creates the sandboxes"),
    ("node", "node", "--version", "only needed for Workers in Node.js"),
    ("git", "git", "--version", "only needed to publish from a repository"),
)


def components(settings: Settings, engine: Engine) -> list[Component]:
    """Fyke, the software it runs on, its databases, and the programs that it calls."""
    return [
        Component("Fyke", __version__),
        Component("python", platform.python_version(), platform.python_implementation()),
        Component("system", platform.release(), f"{platform.system()} on {platform.machine()}"),
        *_database(settings, engine),
        *_programs(),
    ]


def _database(settings: Settings, engine: Engine) -> Iterator[Component]:
    kind = "PostgreSQL" if settings.database_url else "SQLite"
    query = "SHOW server_version" if settings.database_url else "SELECT sqlite_version()"
    try:
        with engine.connect() as connection:
            yield Component(kind, str(connection.execute(text(query)).scalar()))
        tables = versions(settings)
    except (SQLAlchemyError, Unavailable):
        yield Component(kind, "", "it does not answer")
        return
    for name, version in (("state", tables.state), ("rows", tables.rows)):
        note = "the newest"
        if not version.up_to_date:
            note = f"this program needs {version.head}: {version.remedy}"
        yield Component(f"tables of {name}", version.current, note)


def _programs() -> Iterator[Component]:
    commands = [(name, (program, flag), use) for name, program, flag, use in _PROGRAMS]
    try:
        commands.append(("uv", (find_uv_bin(), "--version"), "installs dependencies"))
    except FileNotFoundError:
        yield Component("uv", "", "missing; installs dependencies of Workers")
    with ThreadPoolExecutor(len(commands)) as threads:
        lines = threads.map(lambda command: first_line_of(*command[1]), commands)
        for (name, _, use), line in zip(commands, lines, strict=True):
            yield Component(name, line, use if line else f"not found; {use}")


def first_line_of(*command: str) -> str:
    """The first line of a command's output; ``""`` when it fails or does not exist."""
    try:
        completed = subprocess.run(
            command, capture_output=True, text=True, timeout=PROGRAM_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    if completed.returncode != 0:
        return ""
    return (completed.stdout.splitlines() or [""])[0].strip()
