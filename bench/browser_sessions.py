"""Run many sessions with a browser, and compare what the processes of the platform have before and
after them: memory, descriptors, and what is left of the sessions.

    python bench/browser_sessions.py [--sessions 1000] [--minutes N] [--at-once 2]

A session is a run whose Worker takes the rows of a page that needs scripts, and then closes its
browser, leaves it open, crashes it and takes them again, launches another one, or leaves a session
of WebDriver: one after the other. After every ``BATCH`` sessions the command waits until nothing is
left of them, and notes the memory and the descriptors of each role.

The results are added to ``docs/browser_sessions.toml`` after every batch, and the tables of
``docs/reliability.md`` are written from it. So it can be stopped at any moment; Ctrl-C finishes the
batch first. The next call continues until ``--sessions`` were run with the current code. Memory is
compared within one call, because the processes are new in the next one. Exits with 1 if a session
ended otherwise, or if something was left.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common import ROOT, Api, Booted, arguments, head, line, platform_up, tested_commit
from markdown_tables import header, row, write_page
from reliability.records import locked, replace_text, toml_table

from support.javascript_site import ROWS, JavascriptSite, javascript_site
from support.left_over import descriptors, left_over
from support.projects import python_project
from zoo.bundles import DEVTOOLS

COMMAND = "bench/browser_sessions.py"
HEAD = f"# Written by {COMMAND}: each call, with the commit that was tested.\n"
RECORDS = ROOT / "docs" / "browser_sessions.toml"
PAGE = ROOT / "docs" / "reliability.md"
BATCH = 50
KINDS = ("closes", "leaves", "crashes", "launches", "drives")
LEFT_SECONDS = 10.0
SUCCEEDED = 3
WORKER = '''
import json

from devtools import Devtools, request
from sdk import CoreSDK

ITEMS = """new Promise((resolve, reject) => {
  setTimeout(reject, 20000);
  const read = () => {
    const items = [...document.querySelectorAll(".item")];
    if (!items.length) return setTimeout(read, 10);
    resolve(items.map((item) => ({name: item.textContent, price: +item.dataset.price})));
  };
  read();
})"""
given = CoreSDK.Parameter.get_input_json_dict()
kind, url = given["kind"], given["url"]


def rows(path="/"):
    browser = Devtools(path)
    found = browser.value(browser.page(url), ITEMS)
    return browser, found


if kind == "launches":
    _, answer, launched = request("POST", "/fyke/launch", {"arguments": []}, keep=True)
    number, path = answer.split()
    browser, found = rows(f"/fyke/instance/{number}{path}")
elif kind == "drives":
    body = {"capabilities": {"alwaysMatch": {"browserName": "chrome"}}}
    status, text = request("POST", "/session", body)
    if status != 200:
        raise SystemExit(text)
    session = json.loads(text)["value"]["sessionId"]
    browser, found = rows(f"/session/{session}/se/cdp")
else:
    browser, found = rows()
if kind == "closes":
    browser.ask("Browser.close")
elif kind == "crashes":
    browser.send("Browser.crash")
    _, found = rows()
for item in found:
    CoreSDK.Result.push_data(item)
'''


# --- the file -------------------------------------------------------------------------------------


@dataclass
class Sitting:
    """One call of the command. ``wrong`` sessions did not end as they must, ``left`` counts what
    was left of a batch ten seconds after its end. ``memory`` has for each role the MiB after the
    first batch and after the last one, and the growth in KiB for 1,000 sessions, by the method of
    least squares; ``descriptors`` has their number after the first batch and after the last one.
    """

    commit: str
    began: str  # UTC
    sessions: int = 0
    wrong: int = 0
    left: int = 0
    seconds: int = 0
    memory: dict[str, list[float]] = field(default_factory=dict)
    descriptors: dict[str, list[int]] = field(default_factory=dict)


def read_sittings(path: Path) -> list[Sitting]:
    read = tomllib.loads(path.read_text()) if path.exists() else {}
    return [Sitting(**item) for item in read.get("sitting", ())]


def store(path: Path, sitting: Sitting) -> None:
    """Add a sitting to the file, or replace what was stored of it; several may run at once."""
    with locked(path.parent):
        key = (sitting.commit, sitting.began)
        kept = [one for one in read_sittings(path) if (one.commit, one.began) != key]
        tables = (toml_table("sitting", asdict(one)) for one in [*kept, sitting])
        replace_text(path, HEAD + "".join(tables))


def sessions_of(sittings: Sequence[Sitting], commit: str) -> int:
    return sum(one.sessions for one in sittings if one.commit == commit)


def page_part(sittings: Sequence[Sitting]) -> str:
    """The totals of each commit, and what the roles had in each call."""
    if not sittings:
        return "None yet.\n"
    lines = header("commit", "sessions", "not ended as they must", "left behind", "days")
    for commit in dict.fromkeys(one.commit for one in sittings):
        same = [one for one in sittings if one.commit == commit]
        days = sorted({one.began[:10] for one in same})
        sums = (sum(getattr(one, name) for one in same) for name in ("sessions", "wrong", "left"))
        lines.append(row(f"`{commit}`", *sums, " to ".join(dict.fromkeys((days[0], days[-1])))))
    lines += [""]
    lines += header("commit", "began (UTC)", "sessions", "role", "memory, MiB",
                    "growth in 1,000 sessions, KiB", "descriptors")  # fmt: skip
    for one in sittings:
        for role, (first, last, growth) in one.memory.items():
            lines.append(
                row(
                    f"`{one.commit}`",
                    one.began,
                    one.sessions,
                    role,
                    f"{first:.1f} to {last:.1f}",
                    f"{growth:.0f}",
                    " to ".join(map(str, one.descriptors[role])),
                )
            )
    return "\n".join(lines) + "\n"


# --- the measurement ------------------------------------------------------------------------------


@dataclass
class Sample:
    """What a role has after a number of sessions: memory of its own in KiB, and descriptors."""

    sessions: int
    memory: int
    descriptors: int


def own_memory(pid: int) -> int:
    """The memory of a process that is no file, in KiB."""
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return sum(int(fields[name].split()[0]) for name in ("RssAnon", "RssShmem"))


def growth(samples: Sequence[Sample]) -> float:
    """KiB for 1,000 sessions, by the method of least squares; 0 for fewer than two samples."""
    count = len(samples)
    if count < 2:
        return 0.0
    middle = sum(sample.sessions for sample in samples) / count
    mean = sum(sample.memory for sample in samples) / count
    spread = sum((sample.sessions - middle) ** 2 for sample in samples)
    both = sum((sample.sessions - middle) * (sample.memory - mean) for sample in samples)
    return 1000 * both / spread


def note_samples(sitting: Sitting, samples: Mapping[str, Sequence[Sample]]) -> None:
    for role, taken in samples.items():
        mib = [round(sample.memory / 1024, 2) for sample in (taken[0], taken[-1])]
        sitting.memory[role] = [*mib, round(growth(taken), 1)]
        sitting.descriptors[role] = [taken[0].descriptors, taken[-1].descriptors]


class Measurement:
    """A platform, and its sessions so far."""

    def __init__(self, running: Booted, api: Api, site: JavascriptSite) -> None:
        self._running = running
        self._api = api
        self._site = site
        project = python_project(WORKER, **{"devtools.py": DEVTOOLS.read_text()})
        self._worker = running.push(project, "bench-browser-sessions")
        self._kinds = self._next_kinds()
        self.samples: dict[str, list[Sample]] = {}

    def _next_kinds(self) -> Iterator[str]:
        while True:
            yield from KINDS

    def batch(self, number: int, at_once: int) -> int:
        """Run ``number`` sessions; return how many did not end as they must."""
        wrong = 0
        open_runs: list[tuple[str, str]] = []
        for left in reversed(range(number)):
            kind = next(self._kinds)
            given = {"kind": kind, "url": self._site.url}
            started = self._api.start(self._worker, given, egress_allow=[self._site.target])
            open_runs.append((kind, started["run_slug"]))
            while open_runs and (len(open_runs) >= at_once or not left):
                wrong += not self._ended_well(*open_runs.pop(0))
        return wrong

    def _ended_well(self, kind: str, run: str) -> bool:
        detail = self._running.ended(run, 120)
        found = self._running.rows(run)
        if detail["status"] == SUCCEEDED and found == ROWS:
            return True
        line(f"    {kind} {run}", f"{detail['status']} {detail['err_msg']} {found}")
        return False

    def left(self) -> int:
        """How much is left when there was time to remove it."""
        until = time.monotonic() + LEFT_SECONDS
        while found := left_over(self._running):
            if time.monotonic() > until:
                line("    left behind", ", ".join(found)[:300])
                return len(found)
            time.sleep(0.2)
        return 0

    def sample(self, sessions: int) -> None:
        for role, (pid, number) in descriptors(self._running).items():
            taken = self.samples.setdefault(role, [])
            taken.append(Sample(sessions, own_memory(pid), number))


class Stop:
    """The first SIGINT or SIGTERM stops the command after the batch."""

    def __init__(self) -> None:
        self.requested = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        if self.requested:
            os._exit(1)
        self.requested = True


def run_sessions(sitting: Sitting, options: Any, measurement: Measurement) -> None:
    """Run batches until there are enough sessions, the time is over, or a stop is requested."""
    began, stop = time.monotonic(), Stop()
    before = sessions_of(read_sittings(options.records), sitting.commit)
    seconds = options.minutes * 60 if options.minutes else float("inf")
    while (
        before + sitting.sessions < options.sessions
        and time.monotonic() - began < seconds
        and not stop.requested
    ):
        number = min(BATCH, options.sessions - before - sitting.sessions)
        sitting.wrong += measurement.batch(number, options.at_once)
        sitting.left += measurement.left()
        sitting.sessions += number
        sitting.seconds = round(time.monotonic() - began)
        measurement.sample(sitting.sessions)
        note_samples(sitting, measurement.samples)
        store(options.records, sitting)
        texts = (
            f"{role} {taken[-1].memory / 1024:.1f} MiB {taken[-1].descriptors}"
            for role, taken in measurement.samples.items()
        )
        line(f"{before + sitting.sessions} sessions, {sitting.wrong} wrong", ", ".join(texts))


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--sessions", type=int, default=1000, help="in total, with this code")
    parser.add_argument("--minutes", type=float, help="start no batch after this time")
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--records", type=Path, default=RECORDS, help="file that gets the results")
    options = parser.parse_args()
    head("Browser sessions")
    sitting = Sitting(tested_commit(), f"{datetime.now(UTC):%Y-%m-%d %H:%M}")
    # what waits for a next run would count as left: no sandbox does, and a browser for 3 seconds
    settings = {"warm_sandboxes": "0", "warm_idle_seconds": "3"}
    with javascript_site() as site, platform_up(**settings) as (running, api):
        run_sessions(sitting, options, Measurement(running, api, site))
    sittings = read_sittings(options.records)
    if options.records == RECORDS:
        write_page(PAGE, COMMAND, page_part(sittings))
    print(page_part([sitting]))
    return int(bool(sitting.wrong or sitting.left))


if __name__ == "__main__":
    sys.exit(main())
