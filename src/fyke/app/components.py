"""The versions of programs and tables. Everything blocks: call it in a thread."""

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

ASK_SECONDS = 5.0
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
    question = "SHOW server_version" if settings.database_url else "SELECT sqlite_version()"
    try:
        with engine.connect() as connection:
            yield Component(kind, str(connection.execute(text(question)).scalar()))
        found = versions(settings)
    except (SQLAlchemyError, Unavailable):
        yield Component(kind, "", "it does not answer")
        return
    for name, at in (("state", found.state), ("rows", found.rows)):
        note = "the newest" if at.up_to_date else f"this program wants {at.head}: {at.remedy}"
        yield Component(f"tables of {name}", at.current, note)


def _programs() -> Iterator[Component]:
    asked = [(name, (program, flag), use) for name, program, flag, use in _PROGRAMS]
    try:
        asked.append(("uv", (find_uv_bin(), "--version"), "installs dependencies"))
    except FileNotFoundError:
        yield Component("uv", "", "missing; installs dependencies of Workers")
    with ThreadPoolExecutor(len(asked)) as threads:
        answers = threads.map(lambda one: ask(*one[1]), asked)
        for (name, _, use), answer in zip(asked, answers, strict=True):
            yield Component(name, answer, use if answer else f"not found; {use}")


def ask(*command: str) -> str:
    """The first line of a program's output, ``""`` when it does not run."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=ASK_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout.splitlines() or [""])[0].strip() if done.returncode == 0 else ""
