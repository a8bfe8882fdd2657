"""Operations of a node: each only on its own attempts, whatever the node says."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any, get_args

import pytest

from fyke.errors import Forbidden, InvalidRequest, StaleLease, Unavailable
from fyke.gateway import leased_orders, node_output
from fyke.gateway import operations as module
from fyke.gateway.bounds import ImpossibleRequest
from fyke.gateway.leased_orders import ANSWER_BYTES
from fyke.gateway.node_output import TooMuchOutput
from fyke.gateway.operations import LEASE_SLOTS, MAX_AGE_MS, MAX_HELD, NodeOperations
from fyke.kit.clock import ManualClock
from fyke.model.attempt import AfterAttempt, AttemptEnd, AttemptReport, RunnerOrders, SiteTraffic
from fyke.model.last_page import MAX_HTML, MAX_TEXT, LastPage, PageFile, PageFileKind
from fyke.model.log import NewLogEntry
from fyke.model.node import AttemptOrder
from fyke.model.results import LAST_BATCH, AttemptBatch, Header, PushedRow, RunTotals
from fyke.model.run import SUCCESS, AttemptKey, End, Outcome, RunLimits
from fyke.model.runner import AttemptUsage, Capacity, RunnerInfo
from fyke.model.sites import SiteUse
from fyke.reasons import Detail, DetailCode
from fyke.wire.nodes import (
    AnyRequest,
    CheckContact,
    CheckNode,
    CheckPageRoom,
    CloseRows,
    CommitRows,
    CountRows,
    DiscardPage,
    EndAttempt,
    EndPreparation,
    FileOwner,
    FindBundle,
    FindEnvironment,
    GiveAttemptBack,
    Hello,
    LeaseAttempts,
    LeaveNode,
    ListAttempts,
    NoteEnvironment,
    ReachLimit,
    RegisterNode,
    RenewCertificate,
    ReplaceEarlier,
    ReportAttempts,
    ReserveBrowser,
    ShareSites,
    StartAttempt,
    StorePage,
    TakePreparation,
)
from support.samples import sample
from support.scripted_gateway import ScriptedGateway

pytestmark = pytest.mark.anyio

OWN = AttemptKey("A1", "R1", 0, "1", 7)
FOREIGN = AttemptKey("A2", "R2", 0, "1", 3)
LIES = [
    FOREIGN,
    replace(OWN, token=6),  # a lease that it has lost
    replace(OWN, id="A9"),
]
FAULT = Detail(DetailCode.STORE_AWAY)
NOW = 1_700_000_000_000
ENDED = AttemptEnd(SUCCESS, AttemptUsage(), closed_rows=99)
INFO = RunnerInfo("", "", "full", "", 8.0, 4096, 0, browsers=2, browser_share=0.5)

# what a request asks of the contract, for each that has the key of an attempt
BY_KEY = {
    StartAttempt: (lambda key: StartAttempt(key), "start"),
    ReserveBrowser: (lambda key: ReserveBrowser(key, 1.0, 512), "reserve_browser"),
    ReachLimit: (lambda key: ReachLimit(key, End(Outcome.ROW_CAP, "full")), "limit_reached"),
    CloseRows: (lambda key: CloseRows(key), "close"),
    CountRows: (lambda key: CountRows(key), "totals"),
    NoteEnvironment: (lambda key: NoteEnvironment(key, None, None), "note_environment"),
    CheckPageRoom: (lambda key: CheckPageRoom(key), "page_room"),
    DiscardPage: (lambda key: DiscardPage(key), "discard_page"),
}
# those that are shown below to concern own attempts only, or no attempt
OTHERS = {
    ReportAttempts, CommitRows, EndAttempt, GiveAttemptBack, LeaseAttempts, ListAttempts,
    ReplaceEarlier, RegisterNode, LeaveNode, TakePreparation, EndPreparation, ShareSites,
}  # fmt: skip
BY_SESSION = {Hello, RenewCertificate, CheckContact, CheckNode}
BY_FILES = {FindBundle, FindEnvironment, StorePage}


async def opened(*held: AttemptKey) -> tuple[NodeOperations, ScriptedGateway]:
    gateway = ScriptedGateway(*held)
    operations = NodeOperations(gateway, ManualClock(NOW))
    await operations.load()
    return operations, gateway


async def registered(*held: AttemptKey) -> tuple[NodeOperations, ScriptedGateway]:
    operations, gateway = await opened(*held)
    await operations.serve(RegisterNode(INFO))
    return operations, gateway


def test_every_request_is_looked_at() -> None:
    """A new request is refused until it is listed here, with how it is kept to own attempts."""
    assert {*BY_KEY} | OTHERS | BY_SESSION | BY_FILES == {*get_args(AnyRequest)}


@pytest.mark.parametrize("kind", BY_KEY)
async def test_an_attempt_of_another_node_is_refused(kind: Any) -> None:
    make, method = BY_KEY[kind]
    operations, gateway = await opened(OWN)
    for key in LIES:
        with pytest.raises(StaleLease):
            await operations.serve(make(key))
    assert gateway.called(method) == []
    # what the node says of the run does not count
    await operations.serve(make(replace(OWN, run_id="R2", ordinal=5, number="9")))
    [args] = gateway.called(method)
    assert args[0] in (OWN, OWN.id, OWN.run_id)


@pytest.mark.parametrize("kind", sorted(BY_SESSION | BY_FILES, key=str))
async def test_other_requests_are_not_served(kind: Any) -> None:
    operations, gateway = await opened(OWN)
    with pytest.raises(InvalidRequest, match="does not serve"):
        await operations.serve(sample(kind))
    assert len(gateway.calls) == 1  # of ``load``


async def test_reports_of_other_attempts_are_lost() -> None:
    operations, gateway = await opened(OWN, other := replace(OWN, id="A3"))
    gateway.answers["report"] = RunnerOrders({}, frozenset({"A3"}))
    reports = tuple(AttemptReport(key, AttemptUsage()) for key in (OWN, other, FOREIGN))
    orders = await operations.serve(ReportAttempts(reports))
    assert orders.lost == {"A2", "A3"}
    assert [report.key for report in gateway.called("report")[0][0]] == [OWN, other]
    with pytest.raises(StaleLease):  # what was lost is not held any more
        await operations.serve(StartAttempt(other))


async def test_rows_of_other_attempts_count_as_closed() -> None:
    operations, gateway = await opened(OWN)
    row = PushedRow(b'{"a":1}')
    batches = (
        AttemptBatch("R2", "A2", [row], number=1),
        AttemptBatch("R1", "A1", [row], number=1),
        AttemptBatch("R2", "A1", [row], number=1),  # an own attempt, and the run of another
    )
    assert await operations.serve(CommitRows(batches, NOW)) == [False, True, False]
    assert gateway.called("commit") == [([batches[1]],)]
    assert await operations.serve(CommitRows(batches[:1], NOW)) == [False]
    assert len(gateway.called("commit")) == 1


async def test_output_is_counted_when_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_output, "MAX_ROWS", 2)
    operations, gateway = await opened(OWN)
    batch = AttemptBatch("R1", "A1", [PushedRow(b'{"a":1}')], number=1)

    async def away(batches: list[AttemptBatch]) -> list[bool]:
        raise Unavailable("away")

    async def closed(batches: list[AttemptBatch]) -> list[bool]:
        return [False for _ in batches]

    for commit in (away, closed):
        with monkeypatch.context() as patch, suppress(Unavailable):
            patch.setattr(gateway, "commit", commit)
            for _ in range(3):
                await operations.serve(CommitRows((batch,), NOW))
    for number in (1, 2):
        await operations.serve(CommitRows((replace(batch, number=number),), NOW))
    gateway.answers["totals"] = RunTotals(2, 14)
    with pytest.raises(TooMuchOutput):
        await operations.serve(CommitRows((replace(batch, number=3),), NOW))
    assert len(gateway.called("commit")) == 2


@pytest.mark.parametrize(
    ("batch", "problem"),
    [
        ({"rows": [PushedRow(b"[1]")]}, "not a JSON object"),
        ({"rows": [PushedRow(b'{"a":')]}, "not a JSON object"),
        ({"rows": [PushedRow(b'{"a":"\xff"}')]}, "not a JSON object"),
        ({"rows": [PushedRow(b'{"a":"' + bytes(17 * 2**20) + b'"}')]}, "too large"),
        ({"log": [NewLogEntry(2, "1", "x" * (16 * 1024 + 1), NOW)]}, "log line"),
        ({"log": [NewLogEntry(2, "1", "é" * (8 * 1024 + 1), NOW)]}, "log line"),
        ({"rows": [PushedRow(b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}")]}, "JSON object"),
        ({"headers": [Header("", "", "")] * 10_001}, "headers"),
        ({"log": [NewLogEntry(2, "1", "a\0", NOW)]}, "log line"),  # which PostgreSQL refuses
        ({"log": [NewLogEntry(9, "1", "x", NOW)]}, "log line"),
        ({"headers": [Header("x" * (2**20 + 1), "", "")]}, "headers"),
        ({"number": 0}, "no number"),
        ({"number": -1}, "no number"),
        ({"number": 2**63}, "no number"),  # which no database can store
    ],
)
async def test_what_no_runner_puts_out_is_refused(batch: dict[str, Any], problem: str) -> None:
    operations, gateway = await opened(OWN)
    with pytest.raises(InvalidRequest, match=problem):
        sent = AttemptBatch("R1", "A1", **{"number": 1} | batch)
        await operations.serve(CommitRows((sent,), NOW))
    assert gateway.called("commit") == []


@pytest.mark.parametrize(
    ("stamp", "node_clock", "expected"),
    [
        (NOW - 500, NOW, NOW - 500),
        (5_000 - 500, 5_000, NOW - 500),  # the clock of the node is wrong
        (NOW + 10**9, NOW + 10**9, NOW),
        (NOW + 500, NOW, NOW),  # no line is of the future
        (0, NOW, NOW - MAX_AGE_MS),
    ],
)
async def test_lines_are_dated_by_the_clock_of_the_gateway(
    stamp: int, node_clock: int, expected: int
) -> None:
    operations, gateway = await opened(OWN)
    lines = [NewLogEntry(2, "x" * 2**20, "hello", stamp)]
    batch = AttemptBatch("R1", "A1", log=lines, number=1)
    await operations.serve(CommitRows((batch,), node_clock))
    [[[stored]]] = gateway.called("commit")
    assert stored.log == [NewLogEntry(2, "1", "hello", expected)]


async def test_an_end_counts_the_rows_of_the_gateway_and_may_be_repeated() -> None:
    operations, gateway = await opened(OWN)
    gateway.answers["end"] = AfterAttempt(True)
    lie = replace(OWN, run_id="R2")
    assert await operations.serve(EndAttempt(lie, ENDED)) == AfterAttempt(True)
    assert gateway.called("end") == [(OWN, replace(ENDED, closed_rows=None))]
    with pytest.raises(StaleLease):
        await operations.serve(StartAttempt(OWN))
    await operations.serve(EndAttempt(OWN, ENDED))  # the contract checks the key
    assert len(gateway.called("end")) == 2


async def test_an_earlier_lease_of_an_attempt_is_lost() -> None:
    operations, gateway = await opened(OWN)
    earlier = replace(OWN, token=6)
    assert await operations.serve(EndAttempt(earlier, ENDED)) is None
    assert await operations.serve(GiveAttemptBack(earlier, FAULT)) is None
    assert gateway.called("end") == gateway.called("give_back") == []
    await operations.serve(StartAttempt(OWN))  # the node still has the later one
    assert gateway.called("start") == [(OWN,)]


@pytest.mark.parametrize(
    ("cpus", "memory_mb"),
    [(float("nan"), 512), (float("inf"), 512), (-1.0, 512), (0.0, 512), (1.0, 0), (1.0, -1),
     (1e18, 512), (1.0, 2**62)],
)  # fmt: skip
async def test_limits_that_no_browser_has_are_refused(cpus: float, memory_mb: int) -> None:
    operations, gateway = await opened(OWN)
    with pytest.raises(ImpossibleRequest):
        await operations.serve(ReserveBrowser(OWN, cpus, memory_mb))
    assert gateway.called("reserve_browser") == []


async def test_a_returned_attempt_is_not_held() -> None:
    operations, gateway = await opened(OWN)
    gateway.answers["give_back"] = AfterAttempt(False, 1000)
    request = GiveAttemptBack(OWN, FAULT, unstarted_only=True)
    assert await operations.serve(request) == AfterAttempt(False, 1000)
    assert gateway.calls[-1] == ("give_back", (OWN, FAULT), {"unstarted_only": True})
    with pytest.raises(StaleLease):
        await operations.serve(StartAttempt(OWN))


async def test_leased_attempts_are_held() -> None:
    operations, gateway = await registered()
    order = replace(sample(AttemptOrder), key=OWN)
    gateway.answers["lease"] = [order]
    capacity = Capacity(1.0, 512, 1)
    assert await operations.serve(LeaseAttempts(capacity, idle=True)) == [order]
    gateway.answers["reserve_browser"] = RunLimits(1.0, 512, 60, 0, 0)
    await operations.serve(ReserveBrowser(OWN, 1.0, 512))
    gateway.answers["active"] = []
    assert await operations.serve(ListAttempts()) == []
    with pytest.raises(StaleLease):
        await operations.serve(StartAttempt(OWN))


async def test_what_is_leased_while_the_attempts_are_listed_is_held() -> None:
    operations, gateway = await registered()
    order = replace(sample(AttemptOrder), key=OWN)
    gateway.answers |= {"lease": [order], "active": []}
    entered, gate = gateway.delays["active"] = asyncio.Event(), asyncio.Event()
    listing = asyncio.create_task(operations.serve(ListAttempts()))
    await entered.wait()
    leasing = asyncio.create_task(operations.serve(LeaseAttempts(Capacity(1.0, 512, 1), idle=True)))
    for _ in range(5):  # a lease that does not wait would be over
        await asyncio.sleep(0)
    gate.set()
    assert await listing == [] and await leasing == [order]
    await operations.serve(StartAttempt(OWN))
    assert gateway.called("start") == [(OWN,)]


async def test_a_list_does_not_wait_until_the_node_has_said_what_it_is() -> None:
    operations, _ = await opened(OWN)
    request = LeaseAttempts(Capacity(1.0, 512, 1), idle=True)
    leasing = asyncio.create_task(operations.serve(request))
    await asyncio.sleep(0)
    assert await operations.serve(ListAttempts()) == [OWN]
    assert not leasing.done()
    await operations.serve(RegisterNode(INFO))
    await leasing


async def test_a_large_order_of_an_attempt_that_is_lost_delays_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A report says that it is lost while an earlier large one is ended."""
    monkeypatch.setattr(leased_orders, "MAX_ORDER_BYTES", 100_000)
    operations, gateway = await registered()
    large = replace(sample(AttemptOrder), key=FOREIGN, input_json="x" * 100_001)
    later, order = replace(large, key=replace(OWN, id="A5")), replace(sample(AttemptOrder), key=OWN)
    gateway.answers |= {"lease": [large, later, order]}
    gateway.answers["report"] = RunnerOrders({}, frozenset({"A5"}))
    entered, gate = gateway.delays["end"] = asyncio.Event(), asyncio.Event()
    request = LeaseAttempts(Capacity(1.0, 512, 3), idle=True)
    leasing = asyncio.create_task(operations.serve(request))
    await entered.wait()
    await operations.serve(ReportAttempts(()))
    gate.set()
    assert await leasing == [order]


async def test_an_attempt_with_a_large_order_that_cannot_be_ended_delays_no_other() -> None:
    operations, gateway = await registered()
    large = replace(sample(AttemptOrder), key=FOREIGN, input_json="x" * 25 * 2**20)
    order = replace(large, key=OWN, input_json="{}")
    gateway.answers |= {"lease": [large, order], "end": Unavailable("away")}
    assert await operations.serve(LeaseAttempts(Capacity(1.0, 512, 2), idle=True)) == [order]
    assert len(gateway.called("end")) == 1
    with pytest.raises(StaleLease):
        await operations.serve(StartAttempt(FOREIGN))


async def test_a_node_says_only_what_a_runner_can_say_of_itself() -> None:
    operations, gateway = await opened()
    with pytest.raises(InvalidRequest):
        await operations.serve(RegisterNode(replace(INFO, browser_share=float("nan"))))
    assert gateway.called("register") == []
    await operations.serve(RegisterNode(INFO))
    assert gateway.called("register") == [(INFO,)]


async def test_a_node_leases_no_more_than_it_has() -> None:
    operations, gateway = await registered(*(replace(OWN, id=f"A{n}") for n in range(10)))
    huge = Capacity(1e15, 2**50, 10**9, browsers=10**9, browser_share=0.1)
    await operations.serve(LeaseAttempts(huge, idle=True))
    total = INFO.cpus, INFO.memory_mb
    leased = replace(huge, cpus=8.0, memory_mb=4096, slots=LEASE_SLOTS, browsers=2, total=total)
    assert gateway.called("lease") == [(leased,)]
    small = Capacity(-1.0, 100, 3, browsers=-1)
    await operations.serve(LeaseAttempts(small, idle=False))
    assert gateway.called("lease")[1] == (replace(small, total=total),)
    for strange in ({"cpus": float("nan")}, {"cpus": float("inf")}, {"browser_share": 2.0}):
        with pytest.raises(ImpossibleRequest):
            await operations.serve(LeaseAttempts(replace(small, **strange), idle=True))
    assert len(gateway.called("lease")) == 2


async def test_an_idle_node_that_asks_with_all_that_it_has_leaves_none() -> None:
    operations, gateway = await registered()
    whole = Capacity(8.0, 4096, 4, browsers=2, browser_ready=True)

    async def none_left(capacity: Capacity, *, idle: bool = True) -> bool:
        await operations.serve(LeaseAttempts(capacity, idle))
        return operations.none_left

    assert await none_left(whole)
    for less in ({"cpus": 7.9}, {"memory_mb": 4095}, {"slots": 0}, {"browser_ready": False}):
        assert not await none_left(replace(whole, **less))
    assert not await none_left(whole, idle=False)
    gateway.saw_all = False  # it was refused, or has left some to others
    assert not await none_left(whole)


@pytest.mark.parametrize("found", [False, True])
async def test_a_lease_with_any_room_may_leave_none(found: bool) -> None:
    operations, gateway = await registered()
    gateway.answers["lease"] = [replace(sample(AttemptOrder), key=OWN)] if found else []
    request = LeaseAttempts(Capacity(1.0, 512, 1, browser_ready=True), idle=False)
    for left_none in (False, True):
        gateway.left_none = left_none
        await operations.serve(request)
        assert operations.none_left is left_none
    blind = replace(request.capacity, browser_ready=False)
    await operations.serve(LeaseAttempts(blind, idle=False))
    assert not operations.none_left  # one with a browser may wait


async def test_a_lease_that_fails_or_brings_only_a_large_order_may_leave_some() -> None:
    operations, gateway = await registered()
    request = LeaseAttempts(Capacity(8.0, 4096, 4, browser_ready=True), idle=True)
    large = replace(sample(AttemptOrder), key=FOREIGN, input_json="x" * 25 * 2**20)
    for answer in ([large], Unavailable("away")):
        gateway.answers["lease"] = []
        await operations.serve(request)
        assert operations.none_left
        gateway.answers["lease"] = answer
        with suppress(Unavailable):
            assert await operations.serve(request) == []
        assert not operations.none_left


async def test_what_is_left_of_a_lease_is_given_only_to_a_node_that_still_has_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusals = list[Forbidden]()

    async def check() -> None:
        for refusal in refusals:
            raise refusal

    gateway = ScriptedGateway()
    operations = NodeOperations(gateway, ManualClock(NOW), check=check)
    await operations.serve(RegisterNode(INFO))
    orders = [replace(sample(AttemptOrder), key=replace(OWN, id=f"A{n}")) for n in range(2)]
    gateway.answers["lease"] = orders
    monkeypatch.setattr(leased_orders, "ANSWER_BYTES", 1)
    request = LeaseAttempts(Capacity(1.0, 512, 2), idle=True)
    assert await operations.serve(request) == orders[:1]
    refusals.append(Forbidden("gone"))
    with pytest.raises(Forbidden):
        await operations.serve(request)
    refusals.clear()
    assert await operations.serve(request) == orders[1:]
    assert len(gateway.called("lease")) == 1


async def test_a_node_has_a_limited_number_of_attempts() -> None:
    held = [replace(OWN, id=f"A{n}") for n in range(MAX_HELD - 2)]
    operations, gateway = await registered(*held)
    await operations.serve(LeaseAttempts(Capacity(1.0, 512, 10), idle=True))
    assert gateway.called("lease")[0][0].slots == 2


async def test_nothing_is_leased_before_the_node_has_said_what_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operations, gateway = await opened()
    order = replace(sample(AttemptOrder), key=OWN)
    gateway.answers["lease"] = [order]
    request = LeaseAttempts(Capacity(1.0, 512, 1), idle=True)
    asked = asyncio.create_task(operations.serve(request))
    await asyncio.sleep(0)
    assert gateway.called("lease") == []
    await operations.serve(RegisterNode(INFO))
    assert await asked == [order]
    monkeypatch.setattr(module, "REGISTER_SECONDS", 0)
    silent, gateway = await opened()
    assert await silent.serve(request) == [] == gateway.called("lease")


async def test_two_leases_at_the_same_time_hold_the_orders_of_one() -> None:
    operations, gateway = await registered()
    size = ANSWER_BYTES // 2 + 1
    key = replace(OWN, id="A5")
    orders = [replace(sample(AttemptOrder), key=key, input_json="x" * size) for key in (OWN, key)]
    gateway.answers["lease"] = orders
    request = LeaseAttempts(Capacity(1.0, 512, 2), idle=True)
    both = await asyncio.gather(operations.serve(request), operations.serve(request))
    assert both == [orders[:1], orders[1:]]
    assert len(gateway.called("lease")) == 1


async def test_operations_without_an_attempt_are_passed_on() -> None:
    operations, gateway = await opened()
    for request in (
        ReplaceEarlier(), LeaveNode(), TakePreparation(), EndPreparation("V1", None, FAULT),
        ShareSites(SiteUse(("a.example",)), urgent=True),
    ):  # fmt: skip
        await operations.serve(request)
    names = ["replace_earlier", "leave", "take_preparation", "end_preparation", "share_sites"]
    assert [name for name, _, _ in gateway.calls] == ["active", *names]
    assert gateway.calls[-2][1] == ("V1", FAULT)
    assert gateway.calls[-1][1:] == ((SiteUse(("a.example",)),), {"urgent": True})
    await operations.serve(LeaveNode(forget=True))
    assert gateway.calls[2][2] == {"forget": False} and gateway.calls[-1][2] == {"forget": True}


BAD_COUNTS = [
    AttemptReport(OWN, AttemptUsage(traffic_bytes=-1)),
    AttemptReport(OWN, AttemptUsage(cpu_ms=2**63)),
    AttemptReport(OWN, AttemptUsage(memory_mb_ms=2**49)),  # sums of it overflow
    AttemptReport(OWN, AttemptUsage(), (SiteTraffic("a.example", bytes_down=-5),)),
]


@pytest.mark.parametrize("report", BAD_COUNTS)
async def test_counters_that_no_runner_reports_are_refused(report: AttemptReport) -> None:
    """They are what the run is charged for."""
    operations, gateway = await opened(OWN)
    with pytest.raises(InvalidRequest, match="A counter is negative, or too large"):
        await operations.serve(ReportAttempts((report,)))
    with pytest.raises(InvalidRequest, match="A counter is negative, or too large"):
        await operations.serve(EndAttempt(OWN, AttemptEnd(SUCCESS, report.usage, report.sites)))
    assert gateway.called("report") == gateway.called("end") == []


async def test_ends_that_no_runner_decides_are_refused() -> None:
    operations, gateway = await opened(OWN)
    returned = AttemptEnd(End(Outcome.RETURNED, ""), AttemptUsage())
    with pytest.raises(InvalidRequest, match="does not end"):
        await operations.serve(EndAttempt(OWN, returned))
    with pytest.raises(InvalidRequest, match="because of a limit"):
        await operations.serve(ReachLimit(OWN, SUCCESS))
    assert gateway.called("end") == gateway.called("limit_reached") == []


async def test_the_number_of_the_line_about_a_return_is_not_for_nodes() -> None:
    operations, gateway = await opened(OWN)
    batch = AttemptBatch(OWN.run_id, OWN.id, number=LAST_BATCH)
    with pytest.raises(InvalidRequest, match="has no number"):
        await operations.serve(CommitRows((batch,), NOW))
    assert gateway.called("commit") == []


# --- files -------------------------------------------------------------------------------------


class Access:
    """Notes whose files are asked for."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def bundle(self, owner: FileOwner, digest: str, *, direct: bool) -> str:
        self.asked.append((owner, digest) if direct else "indirect")
        return "bundle"

    async def environment(self, owner: FileOwner, keys: tuple[str, ...], *, direct: bool) -> str:
        self.asked.append((owner, keys, direct))
        return "environment"

    async def page(self, key: AttemptKey, sizes: dict[str, int]) -> str:
        self.asked.append((key, sizes))
        return "page"


async def test_files_are_those_of_own_attempts() -> None:
    access: Any = Access()
    operations = NodeOperations(ScriptedGateway(OWN), ManualClock(NOW), access)
    await operations.load()
    for lie in LIES:
        requests = (
            FindBundle(FileOwner(attempt=lie), "d"),
            FindEnvironment(FileOwner(attempt=lie), ("k",)),
            StorePage(lie, {}),
        )
        for request in requests:
            with pytest.raises(StaleLease):
                await operations.serve(request)
    assert access.asked == []
    other = replace(OWN, run_id="R2")
    assert await operations.serve(FindBundle(FileOwner(attempt=other), "d")) == "bundle"
    assert await operations.serve(StorePage(other, {"html": 1})) == "page"
    assert await operations.serve(FindBundle(FileOwner(version_id="V"), "d")) == "bundle"
    assert await operations.serve(FindBundle(FileOwner(attempt=OWN), "d", False)) == "bundle"
    assert access.asked.pop() == "indirect"
    assert access.asked == [
        (FileOwner(attempt=OWN), "d"),
        (OWN, {"html": 1}),
        (FileOwner(version_id="V"), "d"),  # which the contract checks
    ]


HTML = PageFileKind.HTML


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (LastPage(5, "", "", (PageFile(HTML, MAX_HTML + 1),)), "files"),
        (LastPage(5, "", "", (PageFile(HTML, -1),)), "files"),
        (LastPage(5, "", "", (PageFile(HTML, 1), PageFile(HTML, 1))), "files"),
        (LastPage(5, "x" * (MAX_TEXT + 1), "", ()), "address"),
        (LastPage(5, "", "x" * (MAX_TEXT + 1), ()), "title"),
    ],
)
async def test_a_page_that_no_runner_has_made_is_refused(page: LastPage, problem: str) -> None:
    operations, gateway = await opened(OWN)
    with pytest.raises(InvalidRequest, match=problem):
        await operations.serve(EndAttempt(OWN, replace(ENDED, page=page)))
    assert gateway.called("end") == []
    largest = LastPage(5, "x" * MAX_TEXT, "", (PageFile(HTML, MAX_HTML),))
    await operations.serve(EndAttempt(OWN, replace(ENDED, page=largest)))
    assert gateway.called("end")[0][1].page == largest
