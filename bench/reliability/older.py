"""The program as it was before the last migration, to run beside the one of this clone."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = [f"src/fyke/storage/sql/{store}/migrations/versions" for store in ("state", "results")]


def older_commit() -> str:
    """The last commit before the one that added the last migration; "" without a clone."""
    command = ["log", "-1", "--diff-filter=A", "--format=%H^", "--", *MIGRATIONS]
    newest = _git(*command)
    return _git("rev-parse", "--verify", "--quiet", newest) if newest else ""


def older_program(folder: Path) -> tuple[str, ...]:
    """Unpack that program, and return the command that replaces the interpreter of another one: it
    is put before ``python -m fyke.cli.entry ...``. The packages are those of this environment.
    """
    source, environment = folder / "source", folder / "environment"
    source.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", older_commit()], check=True, capture_output=True
    ).stdout
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    [packages] = environment.glob("lib/python*/site-packages")
    shared = sysconfig.get_path("purelib")
    # the first line wins over the clone that the packages of this environment name
    lines = [str(source / "src"), f"import site; site.addsitedir({shared!r})"]
    (packages / "older.pth").write_text("\n".join(lines) + "\n")
    python = str(environment / "bin" / "python")
    subprocess.run([python, "-m", "compileall", "-q", str(source / "src")], check=False)
    for path in (folder, source, environment):
        path.chmod(0o755)
    return ("sh", "-c", 'shift; exec "$0" "$@"', python)


def _git(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
