"""Shared by the benchmarks: facts about the machine, figures, a platform, a fast client.

Every benchmark prints the same header: date, machine, versions and the load average before its
start, because figures are meaningless without them. Nothing here is asserted. If the environment
has ``BENCH_FIGURES``, the header and all figures are also appended to that file, as JSON lines; see
``records.py``.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import fyke  # noqa: E402
from fyke.settings import Settings  # noqa: E402
from support.booted import Booted, booted  # noqa: E402

FIGURES = "BENCH_FIGURES"
PACKAGES = ("uvicorn", "uvloop", "msgspec", "sqlalchemy", "grpcio")
FINAL = (3, 4, 5)  # status numbers of a run that has ended
SYNC_BYTES = 4096
KEPT_SECONDS = 2.0


# --- the header of every report -------------------------------------------------------------


def head(title: str) -> None:
    """Print the subject, the date, the machine and the versions."""
    date, load = f"{datetime.now(UTC):%Y-%m-%d %H:%M}", round(os.getloadavg()[0], 2)
    print(f"## {title}")
    print(f"date      {date} UTC")
    print(f"machine   {machine()}")
    print(f"versions  {versions()}")
    print(f"load      {load:.2f} (average of the minute before)", flush=True)
    command = " ".join(["bench/" + Path(sys.argv[0]).name, *sys.argv[1:]])
    where = {"machine": machine(), "versions": versions(), "load": load}
    record(command=command, date=date, commit=commit(), **where)


def machine() -> str:
    """Processor, cores, memory, kernel and the file system of temporary folders."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {names[0] if names else platform.machine()}, {memory:.0f} GiB, "
        f"Linux {platform.release()}, {file_system(Path(temporary_folder()))}"
    )


def file_system(path: Path) -> str:
    """The type of the file system of ``path``."""
    best, kind = "", "unknown file system"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, at, type_, *_ = line.split()
        if len(at) > len(best) and path.is_relative_to(at):
            best, kind = at, type_
    return kind


def temporary_folder() -> str:
    return os.environ.get("TMPDIR", "/tmp")


def versions() -> str:
    found = [f"Fyke {fyke.__version__} ({commit()})", f"Python {platform.python_version()}"]
    found += [f"SQLite {sqlite3.sqlite_version}"]
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    return ", ".join(found)


def commit() -> str:
    """The commit of the clone, with a ``+`` if files other than pages were changed since."""
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs", ":!*.md")
    return (git("rev-parse", "--short=8", "HEAD") + ("+" if changed else "")) or "no commit"


def tested_commit() -> str:
    """The last commit that changed the program; ``+`` marks uncommitted changes."""
    program = ["--", "src", "sdk"]
    last = git("log", "-1", "--format=%h", *program)
    return f"{last or 'no commit'}{'+' * bool(git('status', '--porcelain', *program))}"


def git(*words: str) -> str:
    """The output of a command of git in the clone, "" when it fails."""
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


# --- figures --------------------------------------------------------------------------------


def percentile(values: Sequence[float], share: float) -> float:
    """The measured value below which ``share`` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(values: Sequence[float], unit: str = "ms", digits: int = 1) -> str:
    """Median, p90, p99 and the number of values."""
    figures = [statistics.median(values), percentile(values, 0.9), percentile(values, 0.99)]
    texts = [f"{figure:,.{digits}f}" for figure in figures]
    return f"p50 {texts[0]}  p90 {texts[1]}  p99 {texts[2]} {unit}  (n={len(values)})"


def line(name: str, text: str, **values: float) -> None:
    """Print a line, and record the ``values`` under its name. The name of a value ends in its unit,
    one of ``records.UNITS``.
    """
    print(f"{name:52} {text}", flush=True)
    if values:
        record(name=name.strip(), **values)


def times(name: str, values: Sequence[float], unit: str = "ms", digits: int = 1) -> None:
    """Print and record the ``spread`` of some values."""
    line(name, spread(values, unit, digits), **spread_values(values, unit))


def spread_values(values: Sequence[float], unit: str = "ms") -> dict[str, float]:
    """Median, p90, p99 and the number of values, for ``line``."""
    shares = {"p50": statistics.median(values)}
    shares |= {"p90": percentile(values, 0.9), "p99": percentile(values, 0.99)}
    return {f"{name}_{unit.lower()}": value for name, value in shares.items()} | {"n": len(values)}


def record(**members: object) -> None:
    """Append an object to the file of ``BENCH_FIGURES``, if there is one."""
    if path := os.environ.get(FIGURES):
        rounded = {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in members.items()}
        with Path(path).open("a") as file:
            file.write(json.dumps(rounded) + "\n")


def sync_times(folder: Path, seconds: float = 1.0) -> list[float]:
    """Seconds for each append of a page with ``fdatasync``, the minimum cost of a commit."""
    found: list[float] = []
    path = folder / "one-disk-sync"
    with path.open("wb", buffering=0) as file:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            started = time.perf_counter()
            file.write(bytes(SYNC_BYTES))
            os.fdatasync(file.fileno())
            found.append(time.perf_counter() - started)
    path.unlink()
    return found


def cpu_seconds(pid: int, *, with_ended: bool = False) -> float:
    """User and system time of a process, and of the children that it has waited for if
    ``with_ended``.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if with_ended else 13])) / os.sysconf("SC_CLK_TCK")


# --- a platform -----------------------------------------------------------------------------


def compile_program() -> None:
    """Write bytecode next to the sources, as in an installation. The environment of a clone may
    have none, and the service user may not write it. Then every process compiles its imports, which
    doubles its memory and its start time.
    """
    folders = {sysconfig.get_path("purelib"), str(Path(fyke.__file__).parent)}
    command = [sys.executable, "-m", "compileall", "-q", "-q", "-j", "0", *sorted(folders)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, env=environment, check=False)  # fails for templates in packages


class Api:
    """A client of v1 with one persistent connection, using ``http.client`` for low overhead."""

    def __init__(self, url: str, key: str) -> None:
        where = urlsplit(url)
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=300)
        self._headers = {"api-key": key, "content-type": "application/json"}
        self._used = 0.0

    def post(self, path: str, body: Any) -> Any:
        """``data`` of the answer. Raises ``RuntimeError`` when the code is not 0."""
        if time.monotonic() - self._used > KEPT_SECONDS:
            self._connection.close()  # the server closes an idle connection after five seconds
        self._connection.request("POST", path, json.dumps(body), self._headers)
        answer = json.loads(self._connection.getresponse().read())
        self._used = time.monotonic()
        if answer["code"] != 0:
            raise RuntimeError(f"{path}: {answer}")
        return answer["data"]

    def start(self, worker: str, custom: Any = None, *, sync: bool = False, **system: Any) -> Any:
        """Start a run; ``system`` contains the members of ``parameters.system``."""
        parameters = {"system": system, "custom": custom or {}}
        body = {
            "scraper_slug": worker,
            "input": {"parameters": parameters},
            "is_async": not sync,
        }
        return self.post("/api/v1/scraper/run", body)

    def ended(self, run: str, pause: float = 0.1) -> dict[str, Any]:
        """Wait for the end of a run; raises ``RuntimeError`` unless it succeeded."""
        while True:
            detail: dict[str, Any] = self.post("/api/v1/run/detail", {"run_slug": run})
            if detail["status"] in FINAL:
                break
            time.sleep(pause)
        if detail["status"] != FINAL[0]:
            raise RuntimeError(f"run {run} did not succeed: {detail['err_msg']}")
        return detail

    def rows(self, run: str, size: int = 100) -> list[dict[str, Any]]:
        """The first page of rows."""
        body = {"run_slug": run, "page_index": 1, "page_size": size}
        rows: list[dict[str, Any]] = self.post("/api/v1/run/result/list", body)["list"]
        return rows


@contextlib.contextmanager
def platform_up(**settings: str) -> Iterator[tuple[Booted, Api]]:
    """A whole platform in a temporary folder, without a rate limit and otherwise with the default
    settings, and a client of it.
    """
    compile_program()
    names = "warm_sandboxes", "warm_browsers"
    defaults = {name: str(Settings.model_fields[name].default) for name in names}
    with booted(rate_limit="0", **(defaults | settings)) as running:
        yield running, Api(running.url, running.key)


def ended_at_ms(running: Booted, runs: Sequence[str]) -> list[int]:
    """The end of each run, read from the database, because v1 answers in whole seconds."""
    with contextlib.closing(sqlite3.connect(running.home / "state.db")) as state:
        return [
            int(state.execute("SELECT finished_at FROM runs WHERE id = ?", (run,)).fetchone()[0])
            for run in runs
        ]


def arguments(documentation: str | None) -> argparse.ArgumentParser:
    """A parser that shows the benchmark's own docstring as its help."""
    return argparse.ArgumentParser(
        description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter
    )
