"""Measures the CPU time of what the platform does beside a browser, by process.

    python bench/browser_costs.py PART [--rounds 3] [--number 1000] [--seconds 4]

The parts, each below 90 seconds:

* ``commands``: small commands of a client, with the last page kept (``browser_keep``: those that
  act on a page are parsed) and without; and the same parsing alone, in this process
* ``pages``: the same for a page with 200 requests, of which the client gets no events, or all
* ``view``: a page that does not move and one that does, each second, watched and not watched
* ``blocking``: a page with 100 images, 4 videos and 4 fonts, with ``browser_block`` and without
* ``cache``: filtering and copying a browser's cache of 1,000 entries of 50 kB, in this process
* ``starts``: browsers that start with such a cache, and without one

What is compared is taken in turn, and figures are medians of the rounds. CPU time is that of the
platform's own processes, as the kernel counts it, and of all processes in the sandboxes of its
browsers, ended ones included; other work on the machine changes it little. A step of a Worker ends
with a request to the local site, which reads these times before it answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import struct
import sys
import tempfile
import threading
import time
import zlib
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import Mock

import httpx2
from common import Api, Booted, arguments, cpu_seconds, head, line, platform_up, temporary_folder

from fyke.browser.page_holds import PageHold
from fyke.browser.taps import Taps, standard_taps
from fyke.sandbox.isolation.browser_host import fill_cache
from fyke.sandbox.process.saved_caches import FOLDER, SavedCaches
from support.booted import descendants
from support.cache_entries import PUBLIC, entry
from support.javascript_site import JavascriptSite, javascript_site
from support.left_over import LAUNCHER
from support.projects import python_project
from zoo.bundles import DEVTOOLS

ROLES = {"browser": "gateway", "server": "server", "runner": "runner", "egress": "egress"}
HOST = "browser_host"  # the first process of a browser's sandbox has it among its arguments
FIRST_UIDS = ("30000", "34096")  # of the sandboxes of two platforms
READINGS = 20_000
POLL = 1.0  # seconds between two reads of a run
PAGES = 2  # openings of a page in one step
BATCH = 100  # commands that are sent before their answers are read
REQUESTS = 200
PASSWORD = "a long enough secret"
CACHED = 1000
CACHED_BYTES = 50_000
CACHE_MB = 64
FILLS = {"with": 1, "without": 0}  # subtasks that find no cache and leave the first one
MB = 1_000_000

PRELUDE = """
import base64, os, time, urllib.request

from devtools import Devtools
from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
LOGIN = base64.b64encode(os.environ["PROXY_AUTH"].encode()).decode()


def mark(name):
    request = urllib.request.Request(f"{given['url']}mark/{name.replace(' ', '_')}")
    request.set_proxy(os.environ["PROXY_DOMAIN"], "http")
    request.add_header("Proxy-Authorization", f"Basic {LOGIN}")
    urllib.request.urlopen(request, timeout=200).read()


def opened(*domains):
    page = browser.page()
    for domain in ("Page", *domains):
        browser.ask(f"{domain}.enable", page)
    return page


def load(page):
    for _ in range(given["pages"]):
        browser.open(page, given["url"])
        browser.events.clear()
"""
COMMANDS = """
browser = Devtools()
page = opened()
EVALUATE = {"expression": "1", "returnByValue": True}
mark("start")
for _ in range(given["number"]):
    browser.ask("Runtime.evaluate", page, **EVALUATE)
mark("one by one")
for _ in range(given["number"] // given["batch"]):
    for _ in range(given["batch"]):
        last = browser.send("Runtime.evaluate", page, **EVALUATE)
    while browser.receive().get("id") != last:
        pass
mark("in batches")
"""
PAGES_READ = """
browser = Devtools()
page = opened()
mark("start")
load(page)
mark("page")
page = opened("Network", "Runtime", "Log")
mark("")
load(page)
mark("page with events")
"""
VIEW = """
browser = Devtools()
page = opened()
for kind in ("still", "moving"):
    browser.open(page, given["url"] + kind)
    mark(kind)
"""
BLOCKING = """
mark("pause")
browser = Devtools()
page = opened()
mark("start")
load(page)
mark("page")
"""
CACHE = """
given["url"] = given["urls"][0].rpartition("/")[0] + "/"
time.sleep(1)  # the end of the subtask before is over
mark("pause")
browser = Devtools()
page = opened()
mark("start")
browser.open(page, given["urls"][0])
mark("page")
"""
CACHE_SCHEMA = {"properties": [{"name": "urls", "type": "array"}], "b": "urls"}

Used = dict[str, float]  # CPU seconds by role


class Meter:
    """The CPU time of a platform by role; the sandboxes of browsers are one of them."""

    def __init__(self, running: Booted) -> None:
        self._pids = {name: running.role(role) for role, name in ROLES.items()}
        tree = running.tree().items()
        self._launcher = next(pid for pid, command in tree if LAUNCHER in command)

    def read(self) -> Used:
        used = {name: precise_seconds(pid) for name, pid in self._pids.items()}
        used["launcher"] = precise_seconds(self._launcher)
        return used | {"Chromium": sum(map(seconds_with_ended, self._in_sandboxes()))}

    def _in_sandboxes(self) -> set[int]:
        """The processes in the sandboxes of browsers, with those that make them."""
        below = descendants(self._launcher).items()
        hosts = [pid for pid, words in below if any(HOST in word for word in words)]
        return {pid for host in hosts for pid in descendants(host)}


def precise_seconds(pid: int) -> float:
    """The CPU time of a process by its clock; ``/proc`` has the same in hundredths of a second."""
    return time.clock_gettime(~pid << 3 | 2)


def seconds_with_ended(pid: int) -> float:
    """The same of ``/proc``, with the children that it has waited for; 0 if it has ended."""
    try:
        return cpu_seconds(pid, with_ended=True)
    except OSError:
        return 0.0


class Steps:
    """What the steps of Workers have used, for each step the rounds. A step lasts from one mark to
    the next; ``begin`` says that the next mark ends none.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.rounds: dict[str, list[Used]] = {}
        self._before: Used | None = None

    def begin(self) -> None:
        self._before = None

    def mark(self, name: str) -> None:
        now = self.meter.read()
        if self._before is not None:
            taken = self.rounds.setdefault(name, [])
            taken.append({k: now[k] - self._before[k] for k in now})
        self._before = self.meter.read()

    def forget_first(self) -> None:
        """Leave the first round out: nothing was in the caches of the machine."""
        self.rounds = {step: taken[1:] for step, taken in self.rounds.items()}

    def median(self, step: str) -> Used:
        return medians(self.rounds[step])


def medians(rounds: list[Used]) -> Used:
    return {role: statistics.median(used[role] for used in rounds) for role in rounds[0]}


def show(name: str, used: Used, number: float = 1, note: str = "", unit: str = "ms") -> None:
    """Print and record the CPU time by role, divided by ``number``, of roles that need any."""
    factor = {"ms": 1000, "us": 1_000_000}[unit] / number
    shown = {role: seconds * factor for role, seconds in used.items() if seconds * factor >= 0.05}
    texts = ", ".join(f"{role} {value:,.1f}" for role, value in shown.items())
    values = {f"cpu_{role.lower()}_{unit}": value for role, value in shown.items()}
    line(name, f"CPU, {unit}: {texts}{note}", **values)


@contextlib.contextmanager
def site_of(
    files: Mapping[str, bytes], on_mark: Callable[[str], None], **headers: str
) -> Iterator[JavascriptSite]:
    """A site with the files by path; ``on_mark`` gets the names of marks before they are
    answered.
    """
    kinds = {
        "png": "image/png",
        "js": "text/javascript",
        "webm": "video/webm",
        "woff2": "font/woff2",
    }
    typed = {path: (kinds.get(path.rpartition(".")[2], "text/html"), content)
             for path, content in files.items()}  # fmt: skip
    marks = ("", "pause", "start", "page", "page_with_events", "one_by_one", "in_batches",
             "still", "moving")  # fmt: skip
    typed |= {f"/mark/{name}": ("text/plain", b"") for name in marks}

    def requested(path: str) -> None:
        _, is_mark, name = path.partition("/mark/")
        if is_mark:
            on_mark(name.replace("_", " "))

    with javascript_site(typed, requested, **headers) as site:
        yield site


def pushed(running: Booted, code: str, **more: Any) -> str:
    files = {"devtools.py": DEVTOOLS.read_text()}
    return running.push(python_project(PRELUDE + code, **more, **files), "bench-browser-costs")


def page_of(body: str) -> bytes:
    return b"<!doctype html><title>x</title><link rel=icon href=data:,>" + body.encode()


# --- commands ---------------------------------------------------------------------------------


def measure_commands(options: Namespace) -> None:
    steps = kept_or_not(options, COMMANDS, {})
    for step in ("one by one", "in batches"):
        for name, each in steps.items():
            text = f"a command, {step}, last page {name}"
            show(text, each.median(step), options.number, unit="us")
    # sessions of no page, so that the two others are not asked
    hold = PageHold(Mock(), Mock(), 1, lambda session: "")
    taps = {"kept": hold.taps(standard_taps(None)), "not kept": standard_taps(None)}
    found = {name: reading_seconds(Taps(each), options.rounds) for name, each in taps.items()}
    for name, seconds in found.items():
        show(f"reading one alone, last page {name}", {"gateway": seconds}, unit="us")


def measure_pages(options: Namespace) -> None:
    files = {f"/{number}.js": b"// a small file" for number in range(REQUESTS)}
    files["/"] = page_of("".join(f"<script src={path}></script>" for path in files))
    steps = kept_or_not(options, PAGES_READ, files)
    for step in ("page", "page with events"):
        for name, each in steps.items():
            show(f"a {step}, last page {name}", each.median(step), PAGES)


def kept_or_not(options: Namespace, code: str, files: Mapping[str, bytes]) -> dict[str, Steps]:
    """The steps of a Worker on platforms that keep its last page if it fails, or never."""
    settings = {"kept": {"browser_keep": "failed"}, "not kept": {"browser_keep": "never"}}
    with both(options, settings) as platforms:
        steps = {name: Steps(Meter(running)) for name, (running, _) in platforms.items()}
        workers = {name: pushed(running, code) for name, (running, _) in platforms.items()}
        current = ""
        with site_of(
            files, lambda mark: steps[current].mark(mark), Cache_Control="no-store"
        ) as site:
            given = {"url": site.url, "number": options.number, "batch": BATCH, "pages": PAGES}
            for current in turns(list(platforms), options.rounds):
                steps[current].begin()
                _, api = platforms[current]
                started = api.start(workers[current], given, egress_allow=[site.target])
                api.ended(started["run_slug"], POLL)
    for each in steps.values():
        each.forget_first()
    return steps


def turns(names: list[str], rounds: int) -> list[str]:
    """Each name once, which is not to count, and then ``rounds`` times. The first one of a round is
    the last one of the next, since what comes first takes longer.
    """
    orders = names, names[::-1]
    return [name for number in range(1 + rounds) for name in orders[number % 2]]


def reading_seconds(taps: Taps, rounds: int) -> float:
    """The time that a small command takes, the median of some rounds."""
    params = {"expression": "1", "returnByValue": True}
    command = {"id": 7, "method": "Runtime.evaluate", "params": params, "sessionId": "0" * 32}
    message = json.dumps(command).encode()
    taken = []
    for _ in range(rounds):
        before = time.process_time()
        for _ in range(READINGS):
            taps.read(message)
        taken.append((time.process_time() - before) / READINGS)
    return statistics.median(taken)


@contextlib.contextmanager
def both(
    options: Namespace, settings: Mapping[str, dict[str, str]]
) -> Iterator[dict[str, tuple[Booted, Api]]]:
    """Two platforms that differ in their settings."""
    with contextlib.ExitStack() as opened:
        yield {
            name: opened.enter_context(platform_of(options, attempt_uid_base=uid, **more))
            for uid, (name, more) in zip(FIRST_UIDS, settings.items(), strict=True)
        }


def platform_of(
    options: Namespace, **more: str
) -> contextlib.AbstractContextManager[tuple[Booted, Api]]:
    """A platform where nothing waits for a next run, and one subtask runs after the other."""
    never = dict.fromkeys(("warm_browsers", "warm_sandboxes"), "0")
    program = {"browser_program": options.program, "runner_memory_mb": "4096"}
    return platform_up(runner_slots="1", **never, **program, **more)


# --- live view --------------------------------------------------------------------------------


MOVING = """<style>body { margin: 0 } div { width: 300px; height: 300px; background: teal }</style>
<div></div><p></p><script>
const move = (time) => {
  document.querySelector("div").style.marginLeft = `${time / 5 % 500}px`;
  document.querySelector("p").textContent = time;
  requestAnimationFrame(move);
};
requestAnimationFrame(move);
</script>"""


class Watcher:
    """The owner, who watches the browser of a run in the console."""

    def __init__(self, running: Booted) -> None:
        token = running.setup_link().partition("/setup?token=")[2]
        headers = {"origin": running.url}
        self._client = httpx2.Client(base_url=running.url, headers=headers, timeout=60)
        self._client.post("/setup", data={"token": token, "password": PASSWORD})
        answer = self._client.post("/login", data={"name": "owner", "password": PASSWORD})
        if answer.status_code != 303:
            raise RuntimeError(f"the owner could not sign in: {answer.status_code}")
        self.pictures = self.bytes = 0

    @contextlib.contextmanager
    def watching(self, run: str) -> Iterator[None]:
        """Watch from the first picture on."""
        seen, over = threading.Event(), threading.Event()
        thread = threading.Thread(target=self._watch, args=(run, seen, over))
        thread.start()
        if not seen.wait(60):
            raise RuntimeError("the live view has shown no picture")
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _watch(self, run: str, seen: threading.Event, over: threading.Event) -> None:
        with self._client.stream("GET", f"/runs/{run}/browser/live") as answer:
            for text in answer.iter_lines():
                if over.is_set():
                    return
                self.bytes += len(text)
                if text == "event: picture":
                    self.pictures += 1
                    seen.set()


def measure_view(options: Namespace) -> None:
    files = {
        "/still": page_of("<h1>A page</h1>" + "<p>some text</p>" * 50),
        "/moving": page_of(MOVING),
    }
    with platform_of(options) as (running, api):
        meter, watcher, worker = Meter(running), Watcher(running), pushed(running, VIEW)
        run = ""
        rounds: dict[str, list[Used]] = defaultdict(list)
        sent: dict[str, list[tuple[int, int]]] = defaultdict(list)

        def second() -> Used:
            before = meter.read()
            time.sleep(options.seconds)
            now = meter.read()
            return {role: now[role] - before[role] for role in now}

        def marked(page: str) -> None:
            for _ in range(options.rounds):
                rounds[f"{page} page, not watched"].append(second())
                with watcher.watching(run):
                    watcher.pictures = watcher.bytes = 0
                    rounds[f"{page} page, watched"].append(second())
                    sent[f"{page} page, watched"].append((watcher.pictures, watcher.bytes))

        with site_of(files, marked) as site:
            run = api.start(worker, {"url": site.url}, egress_allow=[site.target])["run_slug"]
            api.ended(run, POLL)
    for name, taken in rounds.items():
        pictures, size = map(statistics.median, zip(*sent.get(name, [(0, 0)]), strict=True))
        pictures, kb = pictures / options.seconds, size / options.seconds / 1000
        note = f"; {pictures:.1f} pictures, {kb:.0f} kB" if pictures else ""
        show(f"{name}, a second", medians(taken), options.seconds, note)


# --- blocking ---------------------------------------------------------------------------------


def png(random: Random, width: int = 150, height: int = 100) -> bytes:
    """A picture of about 40 kB: gradients with some noise."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack("!I", len(content)) + kind + content + struct.pack("!I", check)

    values = [[x + y * part for x in range(width) for part in (1, 2, 3)] for y in range(height)]
    noisy = ((value + random.getrandbits(1) * 3) % 256 for row in values for value in row)
    rows = (b"\0" + bytes(islice(noisy, 3 * width)) for _ in range(height))
    size = struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = zlib.compress(b"".join(rows), 6)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    )


def media_files() -> dict[str, bytes]:
    """Videos and fonts are not valid, so they are loaded and not decoded."""
    random = Random(1)
    files = {f"/{number}.png": png(random) for number in range(100)}
    files |= {f"/{number}.webm": random.randbytes(300_000) for number in range(4)}
    files |= {f"/{number}.woff2": random.randbytes(60_000) for number in range(4)}
    parts = [f"<img src={path}>" for path in files if path.endswith("png")]
    parts += [f"<video preload=auto src={path}></video>" for path in files if path.endswith("webm")]
    for number in range(4):
        rule = f"@font-face {{ font-family: f{number}; src: url(/{number}.woff2) }}"
        parts.append(f"<style>{rule}</style><p style='font-family: f{number}'>text</p>")
    return files | {"/": page_of("".join(parts))}


def measure_blocking(options: Namespace) -> None:
    files = media_files()
    with platform_of(options) as (running, api):
        worker, meter = pushed(running, BLOCKING), Meter(running)
        kinds = {"loaded": {}, "blocked": {"browser_block": ["images", "media", "fonts"]}}
        steps = {name: Steps(meter) for name in kinds}
        sent: dict[str, list[int]] = defaultdict(list)
        asked: dict[str, list[int]] = defaultdict(list)
        current = ""
        with site_of(
            files, lambda mark: steps[current].mark(mark), Cache_Control="no-store"
        ) as site:
            for current in turns(list(kinds), options.rounds):
                steps[current].begin()
                site.requests.clear()
                given = {"url": site.url, "pages": PAGES}
                started = api.start(worker, given, egress_allow=[site.target], **kinds[current])
                api.ended(started["run_slug"], POLL)
                paths = [path for path in site.requests if path in files]
                asked[current].append(len(paths))
                sent[current].append(sum(len(files[path]) for path in paths))
    for name, each in steps.items():
        each.forget_first()
        size = statistics.median(sent[name]) / PAGES
        note = f"; {statistics.median(asked[name]) / PAGES:.0f} requests, {size / MB:.3f} MB"
        show(f"start of the browser, {name}", each.median("start"))
        show(f"a page, {name}", each.median("page"), PAGES, note)


# --- cache ------------------------------------------------------------------------------------


def measure_cache(options: Namespace) -> None:
    asyncio.run(copy_caches(options.rounds))


async def copy_caches(rounds: int) -> None:
    """Save caches from a memory file system to the disk, and fill another one from the copy."""
    private = ("Content-Type: text/javascript", "Cache-Control: private, max-age=600")
    sets = {"all public": lambda _: PUBLIC, "half of them": lambda n: (PUBLIC, private)[n % 2],
            "none public": lambda _: private}  # fmt: skip
    used: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as memory,
        tempfile.TemporaryDirectory(dir=temporary_folder()) as disk,
    ):
        works = {}
        for name, headers in sets.items():
            folder = Path(memory, name).joinpath(*FOLDER)
            folder.mkdir(parents=True)
            for number in range(CACHED):
                content = entry(*headers(number), size=CACHED_BYTES)
                (folder / f"{number:016x}_0").write_bytes(content)
            works[name] = os.open(Path(memory, name), os.O_RDONLY)
        for number, name in enumerate(list(works) * rounds):
            caches = SavedCaches(Path(disk))
            before = time.process_time()
            saved = await caches.save("RUN", works[name], CACHE_MB * 2**20)
            middle = time.process_time()
            copy = caches.open("RUN")
            if copy is not None:
                fill_cache(copy, f"{memory}/{number}")
            used[name].append((middle - before, time.process_time() - middle, saved))
            caches.close()
    for name, taken in used.items():
        save, fill, saved = map(statistics.median, zip(*taken, strict=True))
        text = f"CPU, ms: {save * 1000:.0f} to filter and copy {saved / MB:.0f} MB"
        text += f", {fill * 1000:.0f} in the next sandbox"
        line(f"{CACHED:,} entries of 50 kB, {name}", text,
             cpu_save_ms=save * 1000, cpu_fill_ms=fill * 1000)  # fmt: skip


def measure_starts(options: Namespace) -> None:
    content = b"// " + b"x" * (CACHED_BYTES - 600)
    files = {f"/{number}.js": content for number in range(CACHED)}
    files["/"] = page_of("".join(f"<script async src={path}></script>" for path in files))
    megabytes = {"with": str(CACHE_MB), "without": "0"}
    settings = {name: {"browser_cache_mb": value} for name, value in megabytes.items()}
    with both(options, settings) as platforms:
        steps = {name: Steps(Meter(running)) for name, (running, _) in platforms.items()}
        workers = {
            name: pushed(running, CACHE, schema=CACHE_SCHEMA)
            for name, (running, _) in platforms.items()
        }
        current = ""
        headers = {"Cache_Control": "public, max-age=3600"}
        with site_of(files, lambda mark: steps[current].mark(mark), **headers) as site:
            for current, (_, api) in platforms.items():
                urls = [site.url] * (options.rounds + FILLS[current])
                started = api.start(workers[current], {"urls": urls}, egress_allow=[site.target])
                api.ended(started["run_slug"], POLL)
    texts = {
        "start": "start of a browser",
        "page": "a page of 1,000 files",
        "pause": "its end and the next Worker",
    }
    for step, text in texts.items():
        for name, each in steps.items():
            first = 0 if step == "pause" else FILLS[name]
            show(f"{text}, {name} a cache", medians(each.rounds[step][first:]))


PARTS = {
    "commands": measure_commands,
    "pages": measure_pages,
    "view": measure_view,
    "blocking": measure_blocking,
    "cache": measure_cache,
    "starts": measure_starts,
}


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--number", type=int, default=1000, help="commands of a step")
    parser.add_argument("--seconds", type=float, default=4.0, help="of watching in a round")
    parser.add_argument("--program", default="headless-shell", help="or chromium")
    options = parser.parse_args()
    head(f"CPU time beside browsers: {options.part}, {options.program}")
    PARTS[options.part](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
