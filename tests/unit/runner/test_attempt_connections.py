"""The browser of an attempt: who serves its ports, how it explains an end, and its usage."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from fyke.contracts.egress import EgressGrant
from fyke.contracts.execution import SandboxUsage
from fyke.domain.runs.outcome import end_of
from fyke.domain.secrets.masking import Masker
from fyke.errors import Unavailable
from fyke.model.attempt import SiteTraffic
from fyke.model.browser import BrowserBlock
from fyke.model.last_page import KeepPages
from fyke.model.node import EgressPolicy
from fyke.model.run import SUCCESS, Outcome
from fyke.model.usage_marks import MarkKind, UsageMark
from fyke.model.worker import BrowserNeed
from fyke.reasons import Reason, ReasonCode
from fyke.runner.browser_generation import BrowserTotals
from fyke.runner.egress_rules import EgressRules
from support.attempt_runner import runner
from support.blocking_results import BlockableResults, running

KEPT = EgressRules(EgressPolicy())
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("asked", "need", "code", "expected"),
    [
        (True, BrowserNeed.UNKNOWN, ReasonCode.EXIT_CODE, ReasonCode.NO_BROWSER),
        (True, BrowserNeed.NONE, ReasonCode.EXIT_CODE, ReasonCode.BROWSER_NOT_DECLARED),
        (False, BrowserNeed.NONE, ReasonCode.EXIT_CODE, ReasonCode.EXIT_CODE),
        (True, BrowserNeed.UNKNOWN, ReasonCode.TIMEOUT, ReasonCode.TIMEOUT),
    ],
)
async def test_a_worker_that_fails_without_its_browser_ends_for_that_reason(
    results: BlockableResults,
    asked: bool,
    need: BrowserNeed,
    code: ReasonCode,
    expected: ReasonCode,
) -> None:
    async with running(results) as intake:
        taking = await intake.open("run", "A", "7")
        one = runner(need=need, no_browser="there is none yet")
        one._intake = taking
        for _ in range(2 if asked else 0):
            one.connections.note_missing_browser()
        end = one.connections.explained(
            end_of(Reason.of(code, exit_code=1, last_words="Error: 503"))
        )
        await taking.flush()
    assert end.reason is not None and end.reason.code is expected
    line = "SYSTEM: Subtask-[7] - The Worker asked for a browser; there is none yet."
    assert results.lines == [line] * asked
    assert one.connections.explained(SUCCESS) is SUCCESS
    if expected is ReasonCode.NO_BROWSER:
        assert end.message == (
            "The Worker asked for a browser, and this Fyke has none; it exited with code 1: "
            "Error: 503"
        )
        assert end.outcome is Outcome.EXIT_CODE


class GatewayPorts:
    """The parts of gateway and egress for browser ports; records who serves them."""

    def __init__(self, *, answers: bool = True, missing: bool = False) -> None:
        self.missing = missing
        self.keep = KeepPages.NEVER
        self.gateway = self
        self.served: list[tuple[str, int | str]] = []
        self.address: int | None = None
        self.blocked: tuple[BrowserBlock, ...] | None = None
        self._answers = answers

    async def open(self, listeners: Any, _grant: Any, browser: int | None = None) -> None:
        if isinstance(_grant, EgressGrant):
            self.address = browser
            return
        if not self._answers:
            raise Unavailable
        self.served.append(("gateway", len(listeners)))
        self.blocked = _grant.block

    async def refuse_browser(self, _attempt: str, listener: Any, _callback: Any) -> None:
        self.served.append(("refused", listener if isinstance(listener, int) else "unnamed"))


REFUSED = [("refused", 9222), ("refused", 80), ("refused", "unnamed")]


@pytest.mark.parametrize(
    ("ports", "served"),
    [
        (GatewayPorts(), [("gateway", 3)]),
        (GatewayPorts(missing=True), REFUSED),
        (GatewayPorts(answers=False), REFUSED),
        (None, REFUSED),
    ],
)
async def test_browser_ports_are_served_by_the_gateway_or_refused(
    results: BlockableResults, ports: GatewayPorts | None, served: list[tuple[str, int | str]]
) -> None:
    listeners = {"proxy": 1080, "proxy6000": 6000, "cdp": 9222, "cdp80": 80}
    egress = ports or GatewayPorts()
    async with running(results) as intake:
        taking = await intake.open("run", "A", "7")
        one = runner(egress=egress, browser=ports, gateway=None, egress_rules=KEPT)
        block = (BrowserBlock.IMAGES,)
        one.connections._order = replace(one.order, browser_block=block)
        await one.connections.open(cast(Any, listeners), "p")
        await taking.flush()
    assert egress.served == served
    assert egress.address is not None
    assert (one.browser is not None) is (served[0][0] == "gateway")
    assert egress.blocked == (block if one.browser else None)


@pytest.mark.parametrize("names", [("cdp", "cdp80"), ()])
async def test_without_a_temporary_folder_only_the_proxy_leads_to_no_browser(
    results: BlockableResults,
    names: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    ports = GatewayPorts()
    listeners = dict.fromkeys(("proxy", "proxy6000", *names), 1)
    async with running(results) as intake:
        await intake.open("run", "A", "7")
        one = runner(egress=ports, browser=ports, gateway=None, egress_rules=KEPT)
        with capture_logs() as logs:
            await one.connections.open(cast(Any, listeners), "p")
    assert ports.served == ([("gateway", 2)] if names else [])
    assert ports.address is None
    assert [line["event"] for line in logs] == ["browser_not_at_proxy"] * bool(names)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (ReasonCode.EXIT_CODE, ReasonCode.BROWSER_BUSY),
        (ReasonCode.TIMEOUT, ReasonCode.TIMEOUT),
    ],
)
def test_a_worker_that_fails_without_a_free_browser_ends_for_that_reason(
    code: ReasonCode, expected: ReasonCode
) -> None:
    one = runner()
    failure = Reason.of(ReasonCode.BROWSER_BUSY, seconds=55)
    one.connections.browser = cast(Any, SimpleNamespace(failure=failure))
    end = one.connections.explained(
        end_of(Reason.of(code, exit_code=1, last_words="503", seconds=9))
    )
    assert end.reason is not None and end.reason.code is expected
    if expected is ReasonCode.BROWSER_BUSY:
        assert end.outcome is Outcome.EXIT_CODE
        assert end.message == (
            "The Worker asked for a browser, and none was free within 55 s; it exited with "
            "code 1: 503"
        )
    one.connections.browser = cast(Any, SimpleNamespace(failure=None))
    failed = end_of(Reason.of(ReasonCode.EXIT_CODE, exit_code=1))
    assert one.connections.explained(failed) is failed


def test_a_browser_is_charged_no_longer_than_its_worker_runs() -> None:
    one = runner()
    totals = BrowserTotals(3000, 7, 8, 9, "headless-shell 1.2", 10)
    one.connections.browser = cast(Any, SimpleNamespace(totals=totals))
    watch = SimpleNamespace(usage=SandboxUsage(), memory_mb_ms=0, busy_ms=2000)
    one._watch = cast(Any, watch)
    usage = one._usage()
    assert (usage.browser_ms, usage.browser_cpu_ms, usage.browser_memory_peak_bytes) == (2000, 7, 8)
    assert (usage.browser_memory_mb_ms, usage.browser_version) == (9, "headless-shell 1.2")
    assert usage.browser_memory_bytes == 10
    watch.busy_ms = 4000
    assert one._usage().browser_ms == 3000


def test_marks_are_reported_until_they_are_stored() -> None:
    sites = (SiteTraffic("a.example", statuses={"429": 3}),)
    one = runner(sites=sites)
    one._masker = Masker({})
    watch = SimpleNamespace(usage=SandboxUsage(), memory_mb_ms=0, busy_ms=4000)
    one._watch = cast(Any, watch)
    assert one.report().marks is None
    watch.busy_ms = 6000
    reported = one.report()
    assert reported.marks == (UsageMark(MarkKind.TOO_MANY, 0, 6000, 3),)
    one.confirm_report(reported)
    one._mark_reports._next = 0.0
    assert one.report().marks is None
