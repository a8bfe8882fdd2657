"""The examples in six languages, each with its real toolchain and a key limited to two requests per
second: every example gets "too many requests" and has to wait.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.booted import Booted
from support.projects import python_project

pytestmark = pytest.mark.timeout(300)  # the first build with Go compiles what it needs
EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS = 205  # three pages
PUSHES = f"""
from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
CoreSDK.Result.set_table_header([{{"label": "N", "key": "n", "format": "integer"}}])
for n in range({ROWS}):
    CoreSDK.Result.push_data({{"n": n, "text": given["text"]}})
"""
TEXT = 'caf\u00e9, "quoted" \\ \U0001f41f'


@pytest.fixture(scope="module")
def settings(platform: Booted) -> dict[str, str]:
    """The variables that the examples read, except the port of their receiver."""
    made = platform.call("/api/fyke/keys", {"name": "examples", "rate_limit": 2})
    return {
        "FYKE_URL": platform.url,
        "FYKE_KEY": made["key"],
        "FYKE_WORKER": platform.push(python_project(PUSHES), "owner/example"),
        "FYKE_INPUT": json.dumps({"text": TEXT}),
        "FYKE_WEBHOOK_SECRET": platform.read("/api/fyke/account")["webhook_secret"],
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(command: list[str], folder: Path, settings: dict[str, str]) -> list[str]:
    """Return what the example prints; it writes its export into ``folder``."""
    environment = {
        **os.environ,
        **settings,
        "FYKE_CALLBACK_PORT": str(free_port()),
        "HOME": str(folder),
    }
    done = subprocess.run(
        [*command, str(folder / "results.csv")],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def curl(folder: Path) -> list[str]:
    return [str(EXAMPLES / "curl" / "run.sh")]


def python(folder: Path) -> list[str]:
    return [sys.executable, str(EXAMPLES / "python" / "run.py")]


def node(folder: Path) -> list[str]:
    shutil.copytree(EXAMPLES / "node", folder / "node")
    npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(npm, cwd=folder / "node", check=True, capture_output=True, timeout=100)
    return ["node", str(folder / "node" / "run.mjs")]


def java(folder: Path) -> list[str]:
    compiler = ["javac", "--release", "11", "-Werror", "-d", str(folder)]
    subprocess.run([*compiler, str(EXAMPLES / "java" / "Run.java")], check=True, timeout=100)
    return ["java", "-cp", str(folder), "Run"]


def php(folder: Path) -> list[str]:
    return ["php", str(EXAMPLES / "php" / "run.php")]


def go(folder: Path) -> list[str]:
    build = ["go", "build", "-o", str(folder / "example"), "."]
    subprocess.run(build, cwd=EXAMPLES / "go", check=True, timeout=280)
    return [str(folder / "example")]


BUILDS: dict[Callable[[Path], list[str]], tuple[str, ...]] = {
    curl: ("curl", "jq", "nc", "openssl"),
    python: (),
    node: ("node", "npm"),
    java: ("java",),
    php: ("php", "php_curl"),
    go: ("go",),
}
LONG = (java, php, go)  # the ordinary suite needs neither a JDK nor PHP


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            build,
            marks=[pytest.mark.needs(*tools), *([pytest.mark.long] if build in LONG else [])],
            id=build.__name__,
        )
        for build, tools in BUILDS.items()
    ],
)
def command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """An example, built once."""
    build: Callable[[Path], list[str]] = request.param
    return build(tmp_path_factory.mktemp(build.__name__))


def test_an_example_runs_from_the_start_to_the_file(
    command: list[str], settings: dict[str, str], tmp_path: Path
) -> None:
    lines = run(command, tmp_path, settings)
    assert lines[0].startswith("started ")
    assert lines[1].startswith("succeeded after ")
    assert lines[2] == f"read {ROWS} rows"
    assert lines[3].startswith("exported ")
    assert lines[4] == "callback says succeeded"
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["n"] for row in rows] == [str(n) for n in range(ROWS)]
    assert {row["text"] for row in rows} == {TEXT}


def test_a_failing_example_reports_the_reason(
    command: list[str], settings: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match="50001 Worker does not exist"):
        run(command, tmp_path, settings | {"FYKE_WORKER": "owner/nobody"})
