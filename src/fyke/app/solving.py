"""Resolving the requirements of a Python project before it is published, with uv on this machine.

Nothing is installed, and no code of a package runs: uv reads metadata from the registries that it
is configured for here, which may differ from those of the platform. So the findings are warnings.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fyke.model.worker import Finding

if TYPE_CHECKING:
    from fyke.domain.workers import requirements

MAX_SECONDS = 60
_FILE = "requirements.txt"
_UNREACHABLE = re.compile(
    r"failed to fetch|request failed|error sending request|could not connect|dns error|timed out"
    r"|valid authentication credentials|returned a 403 Forbidden",
    re.IGNORECASE,
)


def solve_folder(folder: Path) -> list[Finding]:
    """Findings about requirements.txt of a project without errors; none for other languages."""
    from fyke.domain.workers import project_file, requirements

    text = _text(folder / _FILE)
    if not text or not (folder / "main.py").is_file():
        return []
    declared, _ = project_file.read(_text(folder / project_file.FILE) or "{}")
    return solve(requirements.parse(text), builds=declared.builds)


def _text(path: Path) -> str:
    return path.read_text("utf-8-sig") if path.is_file() else ""


def solve(packages: list[requirements.Requirement], *, builds: bool) -> list[Finding]:
    """Findings if uv finds no versions that fit, or no wheel where nothing may be built."""
    from uv import find_uv_bin

    from fyke.sandbox.packages.environment_python import BASE_SET, explain

    if {package.name for package in packages} <= {item.name for item in BASE_SET}:
        return []
    lines = "".join(f"{package.text}\n" for package in packages)
    command = [
        find_uv_bin(), "pip", "compile", "-", "--quiet", "--no-sources",
        "--no-progress", "--color", "never", "--no-python-downloads",
        *([] if builds else ["--no-build"]),
        *([] if sys.platform == "linux" else ["--python-platform", "linux"]),
    ]  # fmt: skip
    try:
        completed = subprocess.run(
            command,
            input=lines,
            env={"UV_HTTP_TIMEOUT": "15", **os.environ},
            capture_output=True,
            text=True,
            timeout=MAX_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return [_not_checked(f"uv took more than {MAX_SECONDS} s")]
    if not completed.returncode:
        return []
    problem = explain(completed.stderr)
    if _UNREACHABLE.search(completed.stderr):
        return [_not_checked(problem)]
    source = _indexes()
    message = f"the requirements cannot be resolved here{source}: {problem}"
    remedy = "choose other versions or packages, unless Fyke uses another index"
    return [_finding("requirements_unsolvable", message, remedy)]


def _indexes() -> str:
    """The indexes that uv uses here, for a message; "" if there are none."""
    from fyke.sandbox.packages.registry_report import report_python

    report = asyncio.run(report_python(os.environ))
    urls = [registry.url for registry in report.registries]
    return f", with {' and '.join(urls)}" if urls else ""


def _not_checked(why: str) -> Finding:
    message = f"the requirements could not be resolved here: {why}"
    return _finding("requirements_not_checked", message, "check again where uv can reach packages")


def _finding(code: str, message: str, remedy: str) -> Finding:
    from fyke.domain.workers.schema_report import WARNING, shortened

    return Finding(WARNING, code, _FILE, 0, shortened(message), remedy)
