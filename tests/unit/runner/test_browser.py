"""The browser of an attempt: what opens, refuses, measures and ends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from fyke.contracts.browser import (
    BrowserEndCause,
    BrowserEnded,
    BrowserForm,
    BrowserInfo,
    BrowserLimits,
    BrowserNote,
    BrowserProgram,
    BrowserSpec,
    BrowserUsage,
    BrowserWanted,
)
from fyke.contracts.execution import IdleSandboxes, SandboxFault
from fyke.errors import InsufficientBalance, StaleLease, Unavailable
from fyke.model.browser import (
    ANY_CHOICE,
    BrowserActivity,
    BrowserChoice,
    BrowserMode,
    ConsoleLevel,
    ConsoleLine,
)
from fyke.model.last_page import KeepPages, TakenPage
from fyke.model.log import LogType
from fyke.model.run import AttemptKey, RunLimits
from fyke.reasons import Reason, ReasonCode
from fyke.runner import browser as module
from fyke.runner import browser_generation
from fyke.runner.browser import AttemptBrowser, BrowserState
from fyke.runner.browser_dependencies import BrowserDependencies
from fyke.runner.browser_generation import BrowserTotals
from fyke.runner.browser_places import Missing
from fyke.runner.run_caches import RunCaches

pytestmark = pytest.mark.anyio
MIB = 2**20
SHELL, CHROMIUM = BrowserProgram.HEADLESS_SHELL, BrowserProgram.CHROMIUM
INFO = BrowserInfo(SHELL, "1.2.3.4", versions={SHELL: "1.2.3.4"}, own_sandbox=True)
HEADFUL = BrowserChoice(BrowserMode.HEADFUL)
WANTED = BrowserWanted("A", BrowserForm.CDP)
KEY = AttemptKey("A", "run", 0, "7", 1)


class Sandbox:
    """One browser sandbox; ``readings`` are its usage, the last one for ever."""

    def __init__(self) -> None:
        self.control, self._peer = socket.socketpair()
        self.proxy = socket.socket()
        self.last_words = "segmentation fault\n"
        self.readings = [BrowserUsage(10, 5 * MIB, 6 * MIB)]
        self.calls: list[str] = []
        self.holds: asyncio.Event | None = None  # the next reading
        self.fault: Exception | None = None  # of ``kill``
        self.full = False  # the disk
        self.cached = 0

    async def usage(self) -> BrowserUsage:
        if self.holds is not None:
            holds, self.holds = self.holds, None
            await holds.wait()
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    async def apply_cpu_limit(self) -> None:
        self.calls.append("limit")

    async def kill(self) -> None:
        self.calls.append("kill")
        if self.fault is not None:
            raise self.fault

    async def save_cache(self, limit: int) -> int:
        self.calls.append(f"save {limit}")
        if self.full:
            raise SandboxFault("no space")
        return 70_000

    async def close(self) -> None:
        self.calls.append("close")
        self.proxy.close()
        self._peer.close()


@dataclass
class Setup:
    """The surroundings of an attempt's browser; ``calls`` are what it asked of them, in order."""

    info: BrowserInfo = INFO
    lacks: Missing | None = None
    missing: str = ""  # for which a browser waits first
    error: Exception | None = None  # of the reservation
    fault: Exception | None = None  # of the sandbox
    lost: bool = False  # the gateway does not answer
    gate: asyncio.Event | None = None  # holds the start up
    checked: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    unchecked: bool = False  # the browser of the machine is being checked
    calls: list[Any] = field(default_factory=list)
    notes: list[tuple[LogType, str]] = field(default_factory=list)
    sandboxes: list[Sandbox] = field(default_factory=list)
    specs: list[BrowserSpec] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    keep: KeepPages = KeepPages.NEVER
    keeps: bool | None = None  # whether the gateway was told to keep pages
    caches: RunCaches = field(default_factory=lambda: RunCaches(1000, _none))
    cached: int = 0  # bytes of the cache that the next sandbox starts with

    def browser(
        self, *, declined: bool = False, choice: BrowserChoice = ANY_CHOICE
    ) -> AttemptBrowser:
        if not self.unchecked:
            self.checked.set()
        limits = BrowserLimits(1.0, 1024 * MIB)
        own = cast(Any, self)
        deps = BrowserDependencies(
            _Browsers(self),
            _Gateway(self),
            limits,
            6,
            0.15,
            self.checked,
            tuple,
            self.wanted,
            self.keep,
            self.caches,
        )
        return AttemptBrowser(KEY, deps, own, own, own, self.note, declined=declined, choice=choice)

    def did(self, *call: Any) -> None:
        self.calls.append(call)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def note(self, kind: LogType, text: str) -> None:
        self.notes.append((kind, text))
        self.changed.set()

    # the part of ``BrowserPlaces``

    async def reserve(self, attempt_id: str, on_wait: Callable[[str], None]) -> Missing | None:
        self.did("reserve", attempt_id)
        if self.missing:
            on_wait(self.missing)
        return self.lacks

    def release(self, attempt_id: str) -> None:
        self.did("release", attempt_id)

    # the part of ``Attempts``

    def leased(self, attempt_id: str, limits: RunLimits) -> None:
        """Record what is reserved in the end."""
        self.reserved = limits

    async def reserve_browser(self, key: AttemptKey, cpus: float, memory_mb: int) -> RunLimits:
        if self.error is not None:
            raise self.error
        self.did("granted", cpus, memory_mb)
        return RunLimits(1, 512, 60, 0, 0, browser_cpus=2.0, browser_memory_mb=512)

    # the part of ``Egress``

    async def add_listener(
        self, attempt_id: str, listener: socket.socket, *, passwordless: bool
    ) -> int:
        assert passwordless and listener is self.sandboxes[-1].proxy
        self.did("add", attempt_id)
        return 77

    async def remove_listener(self, attempt_id: str, key: int) -> None:
        self.did("remove", attempt_id, key)


async def _none(name: str) -> None:
    """Drop nothing."""


class _Browsers:
    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def info(self) -> BrowserInfo:
        return self._setup.info

    async def idle_sandboxes(self) -> IdleSandboxes:
        return IdleSandboxes()

    async def drop_cache(self, name: str) -> None: ...

    async def open(self, spec: BrowserSpec) -> Any:
        setup = self._setup
        setup.did("open")
        if setup.gate is not None:
            await setup.gate.wait()
        if setup.fault is not None:
            raise setup.fault
        setup.specs.append(spec)
        setup.sandboxes.append(Sandbox())
        setup.sandboxes[-1].cached = setup.cached
        return setup.sandboxes[-1]


class _Gateway:
    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.on_wanted = self.on_started = self.on_ended = self.on_note = cast(Any, None)
        self.on_activity = cast(Any, None)

    async def check(self) -> None: ...

    async def open(self, listeners: Any, grant: Any) -> None:
        self._setup.did("serve", grant.attempt_id, grant.secret)
        self._setup.keeps = grant.keep

    async def attach(
        self,
        attempt_id: str,
        generation: int,
        control: Any,
        program: Any,
        *,
        own_sandbox: bool,
        display: bool = False,
    ) -> None:
        if self._setup.lost:
            raise Unavailable("the gateway does not answer")
        windows = ("windows",) if display else ()
        self._setup.did("attach", generation, program, own_sandbox, *windows)

    async def refuse(
        self, attempt_id: str, status: int, text: str, *, retry_after: int = 0
    ) -> None:
        self._setup.did("refuse", status, text, retry_after)

    async def finish(self, attempt_id: str) -> TakenPage | None:
        self._setup.did("finish")
        return TakenPage(5)

    async def close(self, attempt_id: str) -> None:
        self._setup.did("close gateway")


def attached(setup: Setup, generation: int = 1) -> Callable[[], bool]:
    return lambda: any(call[:2] == ("attach", generation) for call in setup.calls)


def refused(setup: Setup) -> Callable[[], bool]:
    return lambda: any(call[0] == "refuse" for call in setup.calls)


def ended(cause: BrowserEndCause, generation: int = 1, detail: str = "") -> BrowserEnded:
    return BrowserEnded("A", generation, cause, detail)


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> Setup:
    monkeypatch.setattr(browser_generation, "CPU_GRACE_SECONDS", 0.0)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.001)
    return Setup()


async def test_a_wanted_browser_is_reserved_opened_served_and_attached(setup: Setup) -> None:
    browser = setup.browser()
    await browser.open([], "secret")
    browser.wanted(WANTED)
    browser.wanted(WANTED)  # another connection waits for the same one
    await setup.until(attached(setup))
    assert setup.calls == [
        ("serve", "A", "secret"), ("reserve", "A"), ("granted", 1.0, 1024), ("open",),
        ("add", "A"), ("attach", 1, BrowserProgram.HEADLESS_SHELL, True),
    ]  # fmt: skip
    # the limits are those that the run was granted, the others the runner's own
    [spec] = setup.specs
    assert (spec.name, spec.limits.cpus, spec.limits.memory) == ("A-B1", 2.0, 512 * MIB)
    assert spec.limits.processes == 1024
    assert spec.program is BrowserProgram.HEADLESS_SHELL
    assert setup.reserved is not None and setup.reserved.browser_memory_mb == 512
    browser.started(1)
    assert setup.notes == [
        (LogType.INFO, "The browser has started: headless-shell 1.2.3.4, with up to 2 CPU and "
         "512 MB."),
    ]  # fmt: skip
    [sandbox] = setup.sandboxes
    await browser.close()
    await browser.closed()
    assert browser.state is BrowserState.CLOSED and browser.failure is None
    assert sandbox.calls[-2:] == ["kill", "close"]
    assert setup.calls[-1] == ("close gateway",)  # the egress of the attempt is closed as a whole
    browser.wanted(WANTED)
    assert browser.state is BrowserState.CLOSED


@pytest.mark.parametrize("form", [BrowserForm.WEBDRIVER, BrowserForm.LAUNCH])
async def test_a_browser_with_arguments_of_the_worker_is_not_started_ahead(
    setup: Setup, form: BrowserForm
) -> None:
    browser = setup.browser()
    browser.wanted(replace(WANTED, form=form))
    await setup.until(attached(setup))
    assert setup.specs[0].program is None
    await browser.close()


async def test_a_connection_waits_for_the_check_of_the_browser(setup: Setup) -> None:
    """And lets it begin."""
    setup.unchecked = True
    setup.info = replace(INFO, reason="bubblewrap ended")  # a try that failed
    browser = setup.browser()
    assert not setup.wanted.is_set()
    browser.wanted(WANTED)
    await setup.wanted.wait()
    assert setup.calls == []
    setup.info = INFO
    setup.checked.set()
    await setup.until(attached(setup))
    assert not refused(setup)()
    await browser.close()


async def test_a_connection_does_not_wait_for_ever_for_the_check(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROOM_SECONDS", 0.0)
    setup.unchecked = True
    setup.info = replace(INFO, version="", reason="bubblewrap ended")
    browser = setup.browser()
    browser.wanted(WANTED)
    await setup.until(refused(setup))
    text = "the browser of this machine cannot be used: bubblewrap ended"
    assert setup.calls[-1] == ("refuse", 503, text, 5)  # not for the rest of the attempt
    await browser.close()


async def test_a_closed_browser_makes_room_for_the_next(setup: Setup) -> None:
    browser = setup.browser()
    for number in (1, 2):
        browser.wanted(WANTED)
        await setup.until(attached(setup, number))
        browser.started(number)
        browser.ended(ended(BrowserEndCause.CLOSED, 3))  # of another generation: ignored
        assert browser.state is BrowserState.ATTACHED
        browser.ended(ended(BrowserEndCause.CLOSED, number))
        assert browser.state is BrowserState.IDLE
    await browser.closed()
    assert [spec.name for spec in setup.specs] == ["A-B1", "A-B2"]
    assert setup.calls.count(("remove", "A", 77)) == 2
    assert all(sandbox.calls[-2:] == ["kill", "close"] for sandbox in setup.sandboxes)
    assert browser.failure is None
    await browser.close()


def split_run(setup: Setup) -> RunCaches:
    """Let the attempt belong to a run of several subtasks."""
    setup.caches.begin(KEY.run_id, 2)
    return setup.caches


async def test_a_browser_leaves_its_cache_for_the_next_one_of_the_run(setup: Setup) -> None:
    caches = split_run(setup)
    browser = setup.browser()
    for number, setup.cached in ((1, 0), (2, 70_000), (3, 0)):  # others needed its room
        browser.wanted(WANTED)
        await setup.until(attached(setup, number))
        browser.started(number)
        assert bool(caches.take("run", "B")) is bool(setup.cached)
        browser.ended(ended(BrowserEndCause.CLOSED, number))
        await browser.closed()
    assert [spec.cache for spec in setup.specs] == ["RUN-run"] * 3
    assert setup.sandboxes[0].calls[-3:] == ["kill", "save 1000", "close"]
    assert [note[1].partition(" and 512 MB")[2] for note in setup.notes[::2]] == [
        ".",
        ", and 68 KB from the cache of this run.",
        ".",
    ]
    await browser.close()


@pytest.mark.parametrize("form", [BrowserForm.WEBDRIVER, BrowserForm.LAUNCH, None])
async def test_only_a_shared_browser_of_a_split_run_has_its_cache(
    setup: Setup, form: BrowserForm | None
) -> None:
    if form is not None:
        split_run(setup)
    browser = setup.browser()
    browser.wanted(replace(WANTED, form=form or BrowserForm.CDP))
    await setup.until(attached(setup))
    await browser.close()
    await browser.closed()
    assert setup.specs[0].cache == ""
    assert setup.sandboxes[0].calls[-2:] == ["kill", "close"]


async def test_a_failed_browser_leaves_no_cache(setup: Setup) -> None:
    caches = split_run(setup)
    browser = setup.browser()
    browser.wanted(WANTED)
    await setup.until(attached(setup))
    browser.ended(ended(BrowserEndCause.CRASHED))
    await browser.closed()
    browser.wanted(WANTED)
    await setup.until(attached(setup, 2))
    setup.sandboxes[-1].readings = [BrowserUsage(ooms=1)]
    browser.ended(ended(BrowserEndCause.CLOSED, 2))
    await browser.closed()
    assert [one.calls[-2:] for one in setup.sandboxes] == [["kill", "close"]] * 2
    assert [caches.take("run", browser) for browser in "BC"] == ["RUN-run", ""]
    caches.left("run", "B", None)
    browser.wanted(WANTED)
    await setup.until(attached(setup, 3))
    setup.sandboxes[-1].full = True
    await browser.close()
    await browser.closed()
    assert setup.sandboxes[-1].calls[-2:] == ["save 1000", "close"]  # removed nevertheless
    setup.fault = SandboxFault("no room")
    other = setup.browser()
    other.wanted(WANTED)
    await setup.until(refused(setup))
    assert caches.take("run", "B") == "RUN-run"  # no browser has it now
    await other.close()


async def test_the_use_of_all_browsers_is_added_up(setup: Setup) -> None:
    browser = setup.browser()
    assert browser.totals == BrowserTotals()
    for number in (1, 2):
        browser.wanted(WANTED)
        await setup.until(attached(setup, number))
        setup.sandboxes[-1].readings = [BrowserUsage(number * 10, MIB, number * MIB)]
        await browser.measure()
        assert browser.totals.memory == MIB, "only the one that is there"
        browser.ended(ended(BrowserEndCause.CLOSED, number))
        await browser.closed()
    totals = browser.totals
    assert (totals.cpu_ms, totals.memory_peak, totals.memory) == (30, 2 * MIB, 0)
    assert totals.version == "headless-shell 1.2.3.4"
    await browser.close()
    assert browser.totals == totals  # no clock runs any more


async def test_what_all_browsers_did_is_added_up(setup: Setup) -> None:
    browser = setup.browser()
    assert browser.report is None
    line = ConsoleLine(1, ConsoleLevel.INFO, "1")
    for number in (1, 2):
        browser.wanted(WANTED)
        await setup.until(attached(setup, number))
        browser.started(number)
        for count in (1, 5):  # the numbers of a browser are those since its start
            lines = (replace(line, text=f"{number}.{count}"),)
            browser.acted(number, BrowserActivity({"image": count}, pages=count, lines=lines))
        assert browser.report is not None and browser.report.is_open
        browser.ended(ended(BrowserEndCause.CLOSED, number))
    report = browser.report
    assert (report.starts, report.is_open, report.own_sandbox) == (2, False, True)
    assert (report.activity.requests, report.activity.pages) == ({"image": 10}, 10)
    assert [line.text for line in report.activity.lines] == ["1.1", "1.5", "2.1", "2.5"]
    await browser.close()
    browser.acted(2, BrowserActivity({"image": 6}))  # its last words come while it is closed
    assert browser.report.activity.requests == {"image": 11}
    await browser.closed()


async def test_an_attempt_with_many_browsers_keeps_only_their_sums(setup: Setup) -> None:
    browser = setup.browser()
    for number in range(1, 6):
        browser.wanted(WANTED)
        await setup.until(attached(setup, number))
        browser.started(number)
        browser.acted(number, BrowserActivity({"image": 1}, urls=(str(number),)))
        setup.sandboxes[-1].readings = [BrowserUsage(10, MIB, MIB)]
        browser.ended(ended(BrowserEndCause.CLOSED, number))
        await browser.closed()
    assert len(browser._generations) == 1 and not browser._removals
    assert (browser.totals.cpu_ms, browser.totals.memory) == (50, 0)
    assert browser.report is not None
    assert browser.report.activity.requests == {"image": 5}
    browser.acted(1, BrowserActivity({"image": 9}))  # too late
    assert browser.report.activity.requests == {"image": 5}
    await browser.close()


async def test_a_page_that_is_out_of_memory_is_reported_once(setup: Setup) -> None:
    browser = setup.browser()
    browser.wanted(WANTED)
    await setup.until(attached(setup))
    setup.sandboxes[0].readings = [BrowserUsage(ooms=n) for n in range(4)]
    await setup.until(lambda: bool(setup.notes))
    browser.started(1)
    browser.ended(ended(BrowserEndCause.CLOSED))
    await browser.closed()
    assert [kind for kind, _ in setup.notes] == [LogType.WARN, LogType.INFO, LogType.INFO]
    assert browser.failure == Reason.of(ReasonCode.BROWSER_OUT_OF_MEMORY, memory_mb=512)
    await browser.close()


async def test_files_that_leave_little_space_are_reported_once(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 1000)
    browser = setup.browser()
    browser.wanted(WANTED)
    await setup.until(attached(setup))
    sizes = (100, 200, 250, 10, 250)
    setup.sandboxes[0].readings = [BrowserUsage(tmp_bytes=size * MIB) for size in sizes]
    for _ in sizes:
        await browser.measure()
    await browser.close()
    [(kind, line)] = setup.notes
    assert kind is LogType.WARN and "take 200 MB, of at most 256 MB" in line


async def test_memory_is_read_once_more_before_an_end_is_explained(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 1000)
    browser = setup.browser()
    browser.wanted(WANTED)
    await setup.until(attached(setup))
    setup.sandboxes[0].readings = [BrowserUsage(ooms=1)]
    assert browser.failure is None
    await browser.measure()
    assert browser.failure is not None
    browser.ended(ended(BrowserEndCause.CLOSED))
    await browser.measure()
    await browser.close()


async def test_a_browser_that_cannot_be_killed_is_closed(setup: Setup) -> None:
    browser = setup.browser()
    browser.wanted(WANTED)
    await setup.until(attached(setup))
    [sandbox] = setup.sandboxes
    sandbox.fault = SandboxFault("no launcher")
    await browser.close()
    await browser.closed()
    assert sandbox.calls == ["kill", "close"]


async def test_a_browser_is_measured_while_an_earlier_one_is_forgotten(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 1000)
    browser = setup.browser()
    browser.wanted(WANTED)
    await setup.until(attached(setup))
    setup.sandboxes[0].holds = holds = asyncio.Event()
    browser.ended(ended(BrowserEndCause.CLOSED))
    browser.wanted(WANTED)
    await setup.until(attached(setup, 2))
    setup.sandboxes[1].readings = [BrowserUsage(ooms=1)]
    first = browser._generations[0]

    async def forget() -> None:
        await first.measured.wait()
        browser._forget_measured()

    forgetting = asyncio.create_task(forget())
    await asyncio.sleep(0)  # so that it is the first that goes on
    measuring = asyncio.create_task(browser.measure())
    await asyncio.sleep(0)
    holds.set()
    await asyncio.gather(forgetting, measuring)
    assert browser.failure is not None
    await browser.close()


@pytest.mark.parametrize(
    ("changes", "code", "text", "retry_after"),
    [
        ({"info": replace(INFO, version="")}, ReasonCode.NO_BROWSER, "this Fyke has no", 0),
        (
            {"info": replace(INFO, reason="no seccomp")},
            ReasonCode.BROWSER_FAILED, "cannot be used: no seccomp", 5,
        ),
        ({"lacks": Missing("no place")}, ReasonCode.BROWSER_BUSY, "no place", 5),
        ({"error": StaleLease()}, ReasonCode.BROWSER_FAILED, "the run is being stopped", 0),
        ({"error": Unavailable("no disk")}, ReasonCode.BROWSER_FAILED, "no disk", 5),
        (
            {"error": InsufficientBalance(Reason(ReasonCode.TRAFFIC_QUOTA))},
            ReasonCode.BROWSER_FAILED, "quota", 30,
        ),
        ({"error": KeyError("a")}, ReasonCode.BROWSER_FAILED, "the log of Fyke says why", 5),
        ({"fault": SandboxFault("no launcher")}, ReasonCode.BROWSER_FAILED, "no launcher", 5),
        ({"lost": True}, ReasonCode.BROWSER_FAILED, "the gateway does not answer", 5),
    ],
)  # fmt: skip
async def test_what_prevents_a_browser_is_answered_and_logged(
    setup: Setup, changes: dict[str, Any], code: ReasonCode, text: str, retry_after: int
) -> None:
    for name, value in changes.items():
        setattr(setup, name, value)
    browser = setup.browser()
    browser.wanted(WANTED)
    await setup.until(refused(setup))
    [(_, status, answer, after)] = [call for call in setup.calls if call[0] == "refuse"]
    assert (status, after) == (503, retry_after) and text in answer
    [(kind, line)] = setup.notes
    assert kind is LogType.WARN and answer in line
    assert browser.failure is not None and browser.failure.code is code
    assert browser.state is BrowserState.IDLE
    assert ("release", "A") in setup.calls  # another attempt may have its place
    await browser.closed()
    for sandbox in setup.sandboxes:
        assert sandbox.calls[-2:] == ["kill", "close"]
    # the next connection finds better times
    setup.info, setup.lacks, setup.error, setup.fault, setup.lost = INFO, None, None, None, False
    browser.wanted(WANTED)
    await setup.until(lambda: browser.state is BrowserState.ATTACHED)
    number = setup.calls.count(("open",))  # no name is used twice
    await setup.until(attached(setup, number))
    assert setup.specs[-1].name == f"A-B{number}"
    browser.started(number)
    assert browser.failure is None
    await browser.close()
    await browser.closed()


async def test_the_reason_of_a_refusal_says_whether_memory_was_missing(setup: Setup) -> None:
    for lacks, reason in (
        (Missing("no place"), Reason.of(ReasonCode.BROWSER_BUSY, seconds=55)),
        (
            Missing("no memory", 300, 400),
            Reason.of(ReasonCode.BROWSER_BUSY, seconds=55, free_mb=300, needed_mb=400),
        ),
    ):
        setup.lacks = lacks
        setup.calls.clear()
        browser = setup.browser()
        browser.wanted(WANTED)
        await setup.until(refused(setup))
        assert browser.failure == reason


async def test_a_worker_that_declares_to_use_no_browser_gets_none(setup: Setup) -> None:
    browser = setup.browser(declined=True)
    browser.wanted(WANTED)
    await setup.until(refused(setup))
    text = "fyke.json of this Worker declares that it uses no browser"
    assert [call for call in setup.calls if call[0] != "release"] == [("refuse", 403, text, 0)]
    assert setup.notes == [(LogType.WARN, f"The Worker gets no browser: {text}.")]
    assert browser.failure == Reason(ReasonCode.BROWSER_NOT_DECLARED)
    await browser.close()


async def test_a_connection_that_waits_for_a_place_is_logged_at_once(setup: Setup) -> None:
    setup.missing = "all places for browsers of this runner are taken (6)"
    browser = setup.browser()
    browser.wanted(WANTED)
    await setup.until(attached(setup))
    line = f"A connection waits for a browser, at most 55 s: {setup.missing}."
    assert setup.notes == [(LogType.INFO, line)]
    await browser.close()


async def test_windows_need_a_display_and_the_full_chromium(setup: Setup) -> None:
    browser = setup.browser(choice=HEADFUL)
    browser.wanted(WANTED)
    await setup.until(refused(setup))
    text = (
        "the run asks for a browser with windows, and on this machine the full Chromium was not "
        "found (apt install chromium), and no virtual display was found (apt install xvfb)"
    )
    assert setup.calls[-1] == ("refuse", 503, text, 0)
    assert browser.failure == Reason.of(ReasonCode.BROWSER_FAILED, problem=text)
    assert setup.notes == [(LogType.WARN, f"The Worker gets no browser: {text}.")]
    assert not setup.specs
    await browser.close()


async def test_a_browser_with_windows_is_the_full_chromium(setup: Setup) -> None:
    setup.info = replace(INFO, versions={SHELL: "1.2.3.4", CHROMIUM: "5.6.7.8"}, display=True)
    browser = setup.browser(choice=HEADFUL)
    browser.wanted(WANTED)
    await setup.until(attached(setup))
    [spec] = setup.specs
    assert (spec.display, spec.program) == (True, CHROMIUM)
    assert setup.calls[-1] == ("attach", 1, CHROMIUM, True, "windows")
    browser.started(1)
    assert "chromium 5.6.7.8, with windows, with up to" in setup.notes[-1][1]
    assert browser.totals.version == "chromium 5.6.7.8"
    await browser.close()


async def test_a_run_gets_the_program_that_it_asks_for_or_none(setup: Setup) -> None:
    browser = setup.browser(choice=BrowserChoice(asked=CHROMIUM))
    browser.wanted(WANTED)
    await setup.until(refused(setup))
    assert "asks for chromium, and on this machine the full Chromium" in setup.calls[-1][2]
    await browser.close()
    setup.info = replace(INFO, versions={SHELL: "1.2.3.4", CHROMIUM: "5.6.7.8"})
    browser = setup.browser(choice=BrowserChoice(asked=CHROMIUM))
    browser.wanted(WANTED)
    await setup.until(attached(setup))
    assert setup.calls[-1] == ("attach", 1, CHROMIUM, True)
    assert (setup.specs[0].display, setup.specs[0].program) == (False, CHROMIUM)
    await browser.close()


@pytest.mark.parametrize(
    ("cause", "detail", "line"),
    [
        (BrowserEndCause.CRASHED, "signal 11", "The browser ended by itself: signal 11"),
        (BrowserEndCause.CRASHED, "", "The browser ended by itself: segmentation fault"),
        (BrowserEndCause.NOT_STARTED, "", "The browser did not start: segmentation fault"),
        (BrowserEndCause.GATEWAY_ENDED, "x", "The connection to the browser was lost: x"),
    ],
)
async def test_an_end_that_nobody_asked_for_is_a_warning(
    setup: Setup, cause: BrowserEndCause, detail: str, line: str
) -> None:
    browser = setup.browser()
    browser.wanted(WANTED)
    await setup.until(attached(setup))
    browser.ended(ended(cause, detail=detail))
    await browser.closed()
    assert setup.notes == [(LogType.WARN, line)]
    if cause is BrowserEndCause.NOT_STARTED:
        assert browser.failure == Reason.of(
            ReasonCode.BROWSER_FAILED, problem="it did not start: segmentation fault"
        )
    else:
        assert browser.failure is None
    await browser.close()
    await browser.closed()
    assert setup.sandboxes[0].calls == ["kill", "close"]


async def test_a_lost_wait_is_the_reason_until_a_browser_has_started(setup: Setup) -> None:
    setup.gate = asyncio.Event()
    browser = setup.browser()
    browser.wanted(WANTED)
    lost = ended(BrowserEndCause.GATEWAY_ENDED, 0, "the process ended")
    browser.ended(lost)
    assert setup.notes == [
        (LogType.WARN, "The connections that waited for a browser were lost: the process ended.")
    ]
    assert browser.failure == Reason.of(ReasonCode.BROWSER_FAILED, problem="the process ended")
    setup.gate.set()
    await setup.until(attached(setup))
    browser.started(1)
    assert browser.failure is None
    await browser.close()
    browser.ended(lost)
    assert browser.failure is None


@pytest.mark.parametrize(
    ("cause", "last", "likely"),
    [
        (BrowserEndCause.CRASHED, BrowserUsage(memory_peak=500 * MIB), True),
        (BrowserEndCause.SANDBOX_ENDED, BrowserUsage(memory_peak=300 * MIB, ooms=1), True),
        (BrowserEndCause.CRASHED, BrowserUsage(memory_peak=400 * MIB), False),
        (BrowserEndCause.GATEWAY_ENDED, BrowserUsage(memory_peak=500 * MIB), False),
    ],
)
async def test_memory_is_named_as_the_likely_cause_of_an_end(
    setup: Setup,
    monkeypatch: pytest.MonkeyPatch,
    cause: BrowserEndCause,
    last: BrowserUsage,
    likely: bool,
) -> None:
    """By a reading after the end: a page can fill the memory between two readings."""
    monkeypatch.setattr(module, "POLL_SECONDS", 1000)
    browser = setup.browser()
    browser.wanted(WANTED)
    await setup.until(attached(setup))
    setup.sandboxes[0].readings = [last]
    browser.ended(ended(cause, detail="signal 5 (SIGTRAP)"))
    await browser.measure()
    kind, line = setup.notes[-1]
    used = f"probably out of memory: it has used {last.memory_peak // MIB} of its 512 MB"
    assert (kind, used in line) == (LogType.WARN, likely)
    assert "signal 5 (SIGTRAP)" in line
    of_memory = Reason.of(ReasonCode.BROWSER_OUT_OF_MEMORY, memory_mb=512)
    assert browser.failure == (of_memory if likely else None)
    await browser.close()


async def test_an_attempt_that_ends_meanwhile_leaves_no_browser(setup: Setup) -> None:
    setup.gate = asyncio.Event()
    browser = setup.browser()
    browser.wanted(WANTED)
    await setup.until(lambda: ("open",) in setup.calls)
    await browser.close()
    assert not refused(setup)() and not setup.specs
    assert setup.calls[-1] == ("close gateway",)
    setup.gate.set()  # the sandbox comes too late
    await browser.closed()
    assert setup.sandboxes[0].calls == ["close"]


async def test_lines_of_the_gateway_and_a_missing_sandbox_are_logged(setup: Setup) -> None:
    setup.info = replace(INFO, own_sandbox=False)
    browser = setup.browser()
    browser.noted(BrowserNote("A", "lightpanda", "LightpandaDomain is served by Chromium"))
    browser.wanted(WANTED)
    await setup.until(attached(setup))
    browser.started(1)
    assert setup.notes[0] == (LogType.INFO, "LightpandaDomain is served by Chromium")
    kind, line = setup.notes[2]
    assert kind is LogType.WARN and "without a sandbox of its own" in line
    await browser.close()


@pytest.mark.parametrize("code", ["browser_instances", "download", "file_path", "context_proxy"])
async def test_what_a_worker_probably_fails_by_is_a_warning(setup: Setup, code: str) -> None:
    setup.browser().noted(BrowserNote("A", code, "text"))
    assert setup.notes == [(LogType.WARN, "text")]


async def test_browsers_that_crash_are_started_few_times(setup: Setup) -> None:
    browser = setup.browser()
    for number in range(1, 22):
        browser.wanted(WANTED)
        await setup.until(attached(setup, number))
        cause = BrowserEndCause.CLOSED if number == 1 else BrowserEndCause.CRASHED
        browser.ended(ended(cause, number))
    browser.wanted(WANTED)
    await setup.until(refused(setup))
    assert setup.calls[-1][2] == "the attempt has started 20 browsers within a minute"
    await browser.close()
    await browser.closed()


@pytest.mark.parametrize(
    ("keep", "of_failed", "of_successes"),
    [
        (KeepPages.NEVER, False, False),
        (KeepPages.FAILED, True, False),
        (KeepPages.ALWAYS, True, True),
    ],
)
async def test_of_which_attempts_the_last_page_is_kept(
    setup: Setup, keep: KeepPages, of_failed: bool, of_successes: bool
) -> None:
    setup.keep = keep
    browser = setup.browser()
    await browser.open([], "s")
    assert setup.keeps is (keep is not KeepPages.NEVER)
    assert not browser.keeps_page(succeeded=False)  # there was no browser
    browser.wanted(WANTED)
    await setup.until(attached(setup))
    assert browser.keeps_page(succeeded=False) is of_failed
    assert browser.keeps_page(succeeded=True) is of_successes
    assert await browser.last_page() == TakenPage(5)
    await browser.close()
    assert setup.calls.index(("finish",)) < setup.calls.index(("close gateway",))
