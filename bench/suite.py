"""Measures the CPU time of each part of the suite: of tests and of the processes that they start.

    python bench/suite.py [--top 20] -- -n 2 --fast

Runs pytest with these arguments and prints the seconds of CPU by folder, file and test, then those
of collecting. The time of a process is counted when it has ended, so that of a shared platform is
counted for the last test that uses it. Other work on the machine makes every figure larger.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

FOLDER = "SUITE_CPU"  # in the environment: where each process of pytest writes its lines
COLLECTING = "collecting"


def used() -> tuple[float, float]:
    """Seconds of this process and of those that it has started and waited for."""
    now = os.times()
    return now.user + now.system, now.children_user + now.children_system


def note(name: str, before: tuple[float, float]) -> None:
    own, started = (after - first for after, first in zip(used(), before, strict=True))
    with Path(os.environ[FOLDER], f"{os.getpid()}.jsonl").open("a") as file:
        file.write(json.dumps([name, own, started]) + "\n")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    found = yield
    note(COLLECTING, (0, 0))  # including the imports before it
    return found


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    before = used()
    try:
        return (yield)
    finally:
        note(item.nodeid, before)


def lines(folder: Path) -> Iterator[tuple[str, float, float]]:
    for path in folder.iterdir():
        yield from map(json.loads, path.read_text().splitlines())


def table(folder: Path, title: str, part: Callable[[str], str], top: int) -> None:
    from common import line

    sums: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0])
    for name, own, started in lines(folder):
        if name != COLLECTING:
            sums[part(name)] = [
                a + b for a, b in zip(sums[part(name)], (own, started, 1), strict=True)
            ]
    print(f"\n{title}")
    for name, (own, started, count) in sorted(
        sums.items(), key=lambda entry: -entry[1][0] - entry[1][1]
    )[:top]:
        line(name[-52:], f"{own:7.1f} s  started {started:7.1f} s  {count:5.0f} tests")


def main() -> int:
    from common import ROOT, arguments, head, line  # here: pytest reads this file too

    parser = arguments(__doc__)
    parser.add_argument("--top", type=int, default=20)
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, after --")
    options = parser.parse_args()
    head("The suite")
    with tempfile.TemporaryDirectory() as name:
        paths = os.pathsep.join(map(str, (ROOT / "bench", ROOT / "src")))
        command = [sys.executable, "-m", "pytest", "-p", "suite", *options.pytest]
        environment = {**os.environ, FOLDER: name, "PYTHONPATH": paths}
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        folder = Path(name)
        table(folder, "By folder", lambda test: test.split("::")[0].rpartition("/")[0], options.top)
        table(folder, "By file", lambda test: test.split("::")[0], options.top)
        table(folder, "By test", lambda test: test.split("[")[0], options.top)
        found = list(lines(folder))
        print()
        line(COLLECTING, f"{sum(own for name, own, _ in found if name == COLLECTING):7.1f} s")
        tests = sum(own + started for name, own, started in found if name != COLLECTING)
        line("tests", f"{tests:7.1f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
