"""Processes import no library that they do not use, so that the platform fits a small machine."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

LIBRARIES = """
import sys
before = set(sys.modules)
for module in sys.argv[1:]:
    __import__(module)
names = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(names - sys.stdlib_module_names))
"""


def libraries(*modules: str) -> set[str]:
    """The packages outside the standard library that ``modules`` import."""
    done = subprocess.run(
        [sys.executable, "-c", LIBRARIES, *modules], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    ["fyke.cli.root_supervisor", "fyke.cli.supervise", "fyke.sandbox.process.launcher"],
)
def test_supervisors_and_launcher_need_only_the_standard_library(module: str) -> None:
    assert libraries(module) - {"uv"} == {"fyke"}  # uv: where its program is


@pytest.mark.parametrize("role", ["fyke.app.egress", "fyke.app.browser"])
def test_a_role_needs_no_library_of_databases_or_servers(role: str) -> None:
    found = libraries(role, "fyke.app.roles", "fyke.cli.settings")
    assert "fyke" in found
    assert not found & {"sqlalchemy", "alembic", "psycopg", "starlette", "uvicorn", "jinja2"}


LAUNCHER = """
import runpy, sys
sys.argv = ["launcher", "--help"]
try:
    runpy.run_module("fyke.sandbox.process.launcher", run_name="__main__")
except SystemExit as end:
    assert not end.code
print(sorted({"asyncio", "hashlib", "_ssl", "_hashlib"} & set(sys.modules)), file=sys.stderr)
print(sys.modules["_hashlib"], file=sys.stderr)
"""


def test_the_launcher_loads_no_openssl() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER], capture_output=True, text=True, check=True
    )
    assert done.stderr == "['_hashlib', 'asyncio', 'hashlib']\nNone\n"


def test_the_launcher_takes_the_hashes_of_openssl_when_python_has_none() -> None:
    without = 'import sys\nsys.modules["_sha2"] = sys.modules["_sha256"] = None\n'
    done = subprocess.run(
        [sys.executable, "-c", f"{without}{LAUNCHER}\nimport hashlib; hashlib.sha256()"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "<module '_hashlib'" in done.stderr
