"""Which runs get a browser on the active runners, and which are refused without one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.runs.browsers import (
    choice_at_start,
    is_required,
    limits_at_start,
    missing_browser,
    missing_for_run,
    missing_for_start,
    reserved_where_possible,
)
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.transitions import Rules
from fyke.domain.workers.parameters import ParsedInput
from fyke.errors import InvalidRequest
from fyke.model.billing import Prices
from fyke.model.browser import (
    ANY_CHOICE,
    BrowserBlock,
    BrowserChoice,
    BrowserMode,
    BrowserProgram,
)
from fyke.model.runner import RunnerInfo
from fyke.model.worker import BrowserNeed
from fyke.reasons import Reason, ReasonCode, sentence
from support import records
from support.stores import Stores

pytestmark = pytest.mark.anyio
NONE_FOUND = "no browser was found on this machine"


def runner(browsers: int, problem: str = "", name: str = "r") -> RunnerInfo:
    return RunnerInfo(
        name, "node", "full", "", 1, 512, 0, browsers=browsers, browser_problem=problem
    )


RULES = Rules(
    Prices(), HIDING, 9, "", browser_cpus=1.0, browser_memory_mb=1024, browser_memory_max_mb=2048
)
PLAIN = records.run("account", "worker").limits


HEADFUL = BrowserChoice(BrowserMode.HEADFUL)
HEADLESS = BrowserChoice(BrowserMode.HEADLESS)
SHELL = BrowserChoice(asked=BrowserProgram.HEADLESS_SHELL)
CHROMIUM = BrowserChoice(asked=BrowserProgram.CHROMIUM)


def start(choice: BrowserChoice = ANY_CHOICE, *, memory: int = 0) -> ParsedInput:
    return ParsedInput(replace(PLAIN, browser_memory_mb=memory), choice, "", (), (), {})


BLOCKING = replace(start(), browser_block=(BrowserBlock.IMAGES,))


@pytest.mark.parametrize(
    ("need", "declared", "asked", "memory_mb"),
    [
        (BrowserNeed.REQUIRED, True, 0, 1024),
        (BrowserNeed.OPTIONAL, False, 0, 1024),
        (BrowserNeed.OPTIONAL, True, 0, 0),
        (BrowserNeed.NONE, True, 0, 0),
        (BrowserNeed.UNKNOWN, False, 0, 0),
        (BrowserNeed.REQUIRED, True, 2048, 2048),
        (BrowserNeed.OPTIONAL, True, 512, 512),
        (BrowserNeed.UNKNOWN, False, 512, 512),
    ],
)
def test_a_start_reserves_a_browser_that_is_used_for_sure_or_asked_for(
    need: BrowserNeed, declared: bool, asked: int, memory_mb: int
) -> None:
    version = records.version("worker", browser=need, browser_declared=declared)
    found = limits_at_start(RULES, version, start(memory=asked))
    cpus = 1.0 if memory_mb else 0.0
    assert found == replace(PLAIN, browser_cpus=cpus, browser_memory_mb=memory_mb)
    # what was asked for stays, since only runs that require no browser start without theirs
    assert is_required(version, start(memory=asked)) is (need.certain or bool(asked))


@pytest.mark.parametrize(
    ("rules", "need", "message"),
    [
        (
            RULES, BrowserNeed.OPTIONAL,
            "must be at most 2048 MB; ask for less; the operator can allow more with "
            "browser_memory_max_mb",
        ),
        (
            RULES, BrowserNeed.NONE,
            "is for the browser, and this version declares that it uses none; leave it out",
        ),
        (
            Rules(Prices(), HIDING, 9, ""), BrowserNeed.REQUIRED,
            "is for the browser, and this Fyke gives Workers none; leave it out",
        ),
    ],
)  # fmt: skip
def test_memory_for_a_browser_that_is_not_to_be_had_is_refused(
    rules: Rules, need: BrowserNeed, message: str
) -> None:
    version = records.version("worker", browser=need)
    with pytest.raises(InvalidRequest) as error:
        limits_at_start(rules, version, start(memory=2049))
    assert error.value.message == f"input.parameters.system.browser_memory {message}"


@pytest.mark.parametrize(
    ("rules", "need", "message"),
    [
        (
            RULES, BrowserNeed.NONE,
            "is for the browser, and this version declares that it uses none; leave it out",
        ),
        (
            Rules(Prices(), HIDING, 9, ""), BrowserNeed.UNKNOWN,
            "is for the browser, and this Fyke gives Workers none; leave it out",
        ),
    ],
)  # fmt: skip
def test_blocking_without_a_browser_is_refused(
    rules: Rules, need: BrowserNeed, message: str
) -> None:
    version = records.version("worker", browser=need)
    with pytest.raises(InvalidRequest) as error:
        limits_at_start(rules, version, BLOCKING)
    assert error.value.message == f"input.parameters.system.browser_block {message}"


def test_blocking_alone_reserves_no_browser() -> None:
    version = records.version("worker", browser=BrowserNeed.UNKNOWN)
    assert limits_at_start(RULES, version, BLOCKING) == PLAIN
    with_windows = replace(BLOCKING, browser=HEADFUL)
    assert limits_at_start(RULES, version, with_windows) == RULES.with_browser(PLAIN)


@pytest.mark.parametrize(
    ("need", "asked", "choice", "required"),
    [
        (BrowserNeed.UNKNOWN, ANY_CHOICE, ANY_CHOICE, False),
        (BrowserNeed.UNKNOWN, HEADLESS, HEADLESS, False),
        (BrowserNeed.UNKNOWN, HEADFUL, HEADFUL, True),
        (BrowserNeed.OPTIONAL, CHROMIUM, CHROMIUM, True),
        (BrowserNeed.REQUIRED, ANY_CHOICE, ANY_CHOICE, True),
        (BrowserNeed.HEADFUL, ANY_CHOICE, HEADFUL, True),
        (BrowserNeed.HEADFUL, HEADLESS, HEADLESS, True),
        (BrowserNeed.HEADFUL, SHELL, SHELL, True),
        (BrowserNeed.HEADFUL, CHROMIUM, replace(CHROMIUM, mode=BrowserMode.HEADFUL), True),
    ],
)
def test_a_start_asks_for_windows_or_its_version_declares_them(
    need: BrowserNeed, asked: BrowserChoice, choice: BrowserChoice, required: bool
) -> None:
    version = records.version("worker", browser=need, browser_declared=True)
    parsed = start(asked)
    assert choice_at_start(version, asked) == choice
    assert is_required(version, parsed) is required
    reserved = limits_at_start(RULES, version, parsed).browser_memory_mb
    assert reserved == (1024 if required else 0)


@pytest.mark.parametrize(
    ("choice", "field"), [(HEADFUL, "browser"), (SHELL, "browser_program")], ids=str
)
def test_a_version_without_a_browser_has_no_windows(choice: BrowserChoice, field: str) -> None:
    version = records.version("worker", browser=BrowserNeed.NONE)
    with pytest.raises(InvalidRequest) as error:
        limits_at_start(RULES, version, start(choice))
    assert error.value.message == (
        f"input.parameters.system.{field} is for the browser, and this version declares that it "
        "uses none; leave it out"
    )
    assert limits_at_start(RULES, version, start(HEADLESS)) == PLAIN


@pytest.mark.parametrize(
    ("programs", "display", "choice", "problem"),
    [
        ((), False, HEADFUL, ""),  # not known yet
        (("headless-shell",), False, ANY_CHOICE, ""),
        (("headless-shell",), False, HEADLESS, ""),
        (("headless-shell", "chromium"), True, HEADFUL, ""),
        (("headless-shell", "chromium"), False, CHROMIUM, ""),
        (
            ("headless-shell", "chromium"), False, HEADFUL,
            "no virtual display was found (apt install xvfb)",
        ),
        (
            ("headless-shell",), True, HEADFUL,
            "the full Chromium was not found (apt install chromium)",
        ),
        (
            ("chromium",), True, SHELL,
            "chromium-headless-shell was not found (apt install chromium-headless-shell)",
        ),
    ],
)  # fmt: skip
def test_a_runner_needs_what_the_run_asks_for(
    programs: tuple[str, ...], display: bool, choice: BrowserChoice, problem: str
) -> None:
    found = tuple(map(BrowserProgram, programs))
    one = replace(runner(3), browser_programs=found, browser_display=display)
    reason = missing_browser([runner(0), one], choice)
    assert reason == (
        Reason.of(ReasonCode.BROWSER_CHOICE_MISSING, problem=problem) if problem else None
    )
    if reason:
        assert sentence(reason).startswith(
            f"no runner has the browser that this run asks for: {problem}. Ask the operator"
        )
    assert missing_browser([one, runner(3)], choice) is None


@pytest.mark.parametrize(
    ("runners", "problem"),
    [
        ([], None),
        ([runner(3)], None),  # also while it is being checked
        ([runner(0), runner(3)], None),
        ([runner(3, "no seccomp"), runner(3)], None),
        ([runner(0)], ""),
        ([runner(0), runner(0, NONE_FOUND)], NONE_FOUND),
        ([runner(3, "no seccomp")], "no seccomp"),
    ],
)
def test_one_runner_with_a_browser_is_enough(
    runners: list[RunnerInfo], problem: str | None
) -> None:
    expected = Reason.of(ReasonCode.BROWSER_MISSING, problem=problem or None)
    assert missing_browser(runners) == (None if problem is None else expected)


def test_the_refusal_names_the_problem_and_the_way_out() -> None:
    said = missing_browser([runner(0, NONE_FOUND)])
    assert said is not None and sentence(said) == (
        "this version requires a browser, and no runner has one that can be used: no browser was "
        "found on this machine. The operator can install or repair one, see fyke doctor"
    )
    said = missing_browser([runner(0)])
    assert said is not None and "no runner has one. The operator can install" in sentence(said)


async def test_only_a_run_that_requires_a_browser_is_refused_and_others_reserve_none(
    stores: Stores,
) -> None:
    plain = records.run("account", "worker")
    limits = replace(plain.limits, browser_cpus=1.0, browser_memory_mb=1024)
    detected = replace(plain, limits=limits)
    required = replace(detected, browser_required=True)

    async def judged() -> tuple[Reason | None, bool]:
        def work(tx: Transaction) -> tuple[Reason | None, bool]:
            assert missing_for_run(tx, detected) is None
            assert reserved_where_possible(tx, plain) is plain
            assert reserved_where_possible(tx, required) is required
            kept = reserved_where_possible(tx, detected)
            assert kept in (detected, plain)
            return missing_for_run(tx, required), kept is detected

        return await stores.storage.read(work)

    async def put(one: RunnerInfo, age: int = 0) -> None:
        at = stores.clock.now_ms() - age
        await stores.write(lambda tx: tx.runs.put_runner(replace(one, heartbeat_at=at)))

    assert await judged() == (None, True)  # it waits for a runner
    await put(runner(0, NONE_FOUND))
    missing = Reason.of(ReasonCode.BROWSER_MISSING, problem=NONE_FOUND)
    assert await judged() == (missing, False)
    await put(runner(3, name="s"), RUNNER_SILENCE_MS + 1)
    assert await judged() == (missing, False)
    await put(runner(3, name="s"))
    assert await judged() == (None, True)


@pytest.mark.parametrize(
    ("need", "asked", "words"),
    [
        (BrowserNeed.OPTIONAL, False, ""),
        (BrowserNeed.OPTIONAL, True, "browser_memory asks for a browser"),
        (BrowserNeed.REQUIRED, True, "this version requires a browser"),
    ],
)
async def test_a_refusal_names_what_needs_the_browser(
    stores: Stores, need: BrowserNeed, asked: bool, words: str
) -> None:
    now = stores.clock.now_ms()
    without = replace(runner(0, NONE_FOUND), heartbeat_at=now)
    await stores.write(lambda tx: tx.runs.put_runner(without))
    run = await stores.run(browser_required=bool(words), browser_memory_asked=asked)
    version = records.version(run.worker_id, run.version, browser=need)
    await stores.write(lambda tx: tx.workers.add_version(version))

    def work(tx: Transaction) -> tuple[Reason | None, Reason | None]:
        return missing_for_run(tx, run), missing_for_start(
            tx, RULES, version, start(memory=128 if asked else 0)
        )

    for found in await stores.storage.read(work):
        assert bool(found) is bool(words)
        if found is not None:
            assert sentence(found).partition(",")[0].endswith(words)
            assert ("Leave it out" in sentence(found)) is (need is BrowserNeed.OPTIONAL)
