"""The installation as a runner on another machine sees it, over a real gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.signals import PREPARE, STOP, WORK
from fyke.domain.runs.outcome import end_of
from fyke.errors import (
    CapReached,
    Forbidden,
    InvalidRequest,
    OutcomeUnknown,
    StaleLease,
    Unavailable,
)
from fyke.gateway import contact as gateway_contact
from fyke.gateway.leased_orders import ANSWER_BYTES
from fyke.gateway.node_session import MAX_IMPOSSIBLE
from fyke.link import gateway as remote_gateway
from fyke.link import node_link
from fyke.link.gateway import RemoteGateway
from fyke.link.node_link import LinkEnd
from fyke.model.attempt import AfterAttempt, AttemptEnd, AttemptReport, RunnerOrders, SiteTraffic
from fyke.model.log import NewLogEntry
from fyke.model.node import (
    AttemptOrder,
    ContactState,
    PreparationOrder,
    Registered,
)
from fyke.model.progress import WorkerProgress
from fyke.model.results import AttemptBatch, Header, PushedRow, RunTotals
from fyke.model.run import SUCCESS, Outcome, RunLimits
from fyke.model.runner import AttemptUsage, Capacity, RunnerInfo
from fyke.model.secret import InjectedSecrets
from fyke.model.sites import SitePause, SiteShares, SiteUse
from fyke.model.worker import VersionEnvironment
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode
from fyke.wire.nodes import CommitRows, encode
from support.app import open_app
from support.egress import until
from support.remote_nodes import OWN, SIZE, RemoteNode, open_remote
from support.samples import sample

pytestmark = pytest.mark.anyio

FAULT = Detail(DetailCode.STORE_AWAY)
FAILED = Reason.of(ReasonCode.BAD_REQUIREMENT, line="-e .")
CAPPED = end_of(Reason.of(ReasonCode.TRAFFIC_CAP, traffic_bytes=5))
ENDED = AttemptEnd(SUCCESS, AttemptUsage(), sites=(SiteTraffic("a.example", 3),))
ROOM = Capacity(8.0, 4096, 8, total=(8.0, 4096))
PROGRESS = WorkerProgress(2, 8, "page 2")
USE = SiteUse(("a.example",), True, (SitePause("b.example", 1.5, 2, 503),))
BATCH = AttemptBatch(
    "R1",
    "A1",
    [PushedRow('{"a":"é"}'.encode(), "a", "é")],
    [Header("A", "a", "text")],
    [NewLogEntry(2, "1", "hello", 1_700_000_000_000)],
    number=1,
)


@pytest.fixture
async def place(tmp_path: Path, templates: Path) -> AsyncIterator[RemoteNode]:
    async with open_app(tmp_path, templates) as app, open_remote(app, tmp_path / "b") as place:
        yield place


# name, call, and the arguments that arrive
Call = Callable[[RemoteGateway], Awaitable[Any]]
INFO = replace(
    sample(RunnerInfo), isolation="full", browsers=4, idle_sandboxes=2, environments=("0f" * 16,)
)
CALLS: list[tuple[str, Call, Any, tuple[Any, ...]]] = [
    ("replace_earlier", lambda g: g.replace_earlier(), 3, ()),
    ("register", lambda g: g.register(INFO), sample(Registered), (INFO,)),
    ("share_sites", lambda g: g.share_sites(USE), sample(SiteShares), (USE,)),
    ("leave", lambda g: g.leave(), None, ()),
    ("lease", lambda g: g.lease(ROOM, idle=True), [sample(AttemptOrder)], (ROOM,)),
    ("active", lambda g: g.active(), [OWN, replace(OWN, id="A2")], ()),
    ("start", lambda g: g.start(OWN), InjectedSecrets({"TOKEN": "x"}), (OWN,)),
    ("reserve_browser", lambda g: g.reserve_browser(OWN, 1.5, 99), sample(RunLimits),
     (OWN, 1.5, 99)),
    ("limit_reached", lambda g: g.limit_reached(OWN, CAPPED), None, (OWN, CAPPED)),
    ("end", lambda g: g.end(OWN, ENDED), AfterAttempt(True, 5), (OWN, ENDED)),
    ("give_back", lambda g: g.give_back(OWN, FAULT), AfterAttempt(False, 5), (OWN, FAULT)),
    ("note_environment", lambda g: g.note_environment(OWN, sample(VersionEnvironment), FAILED),
     None, (OWN, sample(VersionEnvironment), FAILED)),
    ("take_preparation", lambda g: g.take_preparation(), sample(PreparationOrder), ()),
    ("end_preparation", lambda g: g.end_preparation("V1", FAILED), None, ("V1", FAILED)),
    ("end_preparation", lambda g: g.end_preparation("V1", FAULT), None, ("V1", FAULT)),
    ("end_preparation", lambda g: g.end_preparation("V1", None), None, ("V1", None)),
    ("close", lambda g: g.rows.close("A1"), 7, ("A1",)),
    ("totals", lambda g: g.rows.totals("R1"), RunTotals(7, 99), ("R1",)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "call", "answer", "arrives"), CALLS)
async def test_an_operation_arrives_and_its_answer_comes_back(
    place: RemoteNode, name: str, call: Call, answer: Any, arrives: tuple[Any, ...]
) -> None:
    remote, _ = await place.connected()
    place.runner.answers[name] = answer
    assert await call(remote) == answer
    assert place.runner.called(name)[-1] == arrives


async def test_options_arrive(place: RemoteNode) -> None:
    remote, _ = await place.connected()
    await remote.lease(ROOM, idle=False)
    assert place.runner.calls[-1] == ("lease", (ROOM,), {"idle": False})
    place.runner.answers["share_sites"] = SiteShares()
    await remote.share_sites(USE, urgent=True)
    assert place.runner.calls[-1] == ("share_sites", (USE,), {"urgent": True})
    place.runner.answers["give_back"] = None
    assert await remote.give_back(OWN, FAULT, unstarted_only=True) is None
    assert place.runner.calls[-1] == ("give_back", (OWN, FAULT), {"unstarted_only": True})


async def test_errors_of_the_installation_come_back(place: RemoteNode) -> None:
    remote, _ = await place.connected()
    reason = Reason.of(ReasonCode.TRAFFIC_CAP, traffic_bytes=5)
    place.runner.answers["reserve_browser"] = CapReached(reason)
    with pytest.raises(CapReached) as refused:
        await remote.reserve_browser(OWN, 1.0, 99)
    assert refused.value.reason == reason
    with pytest.raises(StaleLease):
        await remote.start(replace(OWN, token=6))


async def test_rows_of_an_attempt_that_the_runner_does_not_have_are_not_counted(
    place: RemoteNode,
) -> None:
    remote, _ = await place.connected()
    place.runner.answers["end"] = AfterAttempt(True)
    await remote.end(OWN, ENDED)
    for call in (remote.rows.close("A1"), remote.rows.totals("R1")):
        with pytest.raises(StaleLease):
            await call
    assert not place.runner.called("close") and not place.runner.called("totals")


# --- lost connections --------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "call", "answer", "arrives"), CALLS)
async def test_an_operation_whose_connection_is_lost_is_made_again(
    place: RemoteNode, name: str, call: Call, answer: Any, arrives: tuple[Any, ...]
) -> None:
    remote, link = await place.connected()
    entered, gate = asyncio.Event(), asyncio.Event()
    place.runner.answers[name] = answer
    place.runner.delays[name] = entered, gate
    asked = asyncio.create_task(call(remote))  # type: ignore[arg-type]
    await entered.wait()  # it is served; the answer is lost
    place.sessions.close()
    with pytest.raises(OutcomeUnknown):
        await asked
    with pytest.raises(Unavailable):  # without a connection
        await call(remote)
    gate.set()
    del place.runner.delays[name]
    place.runner.answers["active"] = [OWN] if name != "active" else answer
    await link.connected.wait()
    if name == "lease":
        await remote.register(SIZE)  # as a node does when it has connected
    assert await call(remote) == answer
    assert place.runner.called(name)[-2:] == [arrives] * 2


async def test_a_gateway_that_does_not_share_sites_is_asked_once_on_each_connection(
    place: RemoteNode,
) -> None:
    remote, link = await place.connected()
    wrong = InvalidRequest("The message is not one of this protocol")  # of an earlier release
    place.runner.answers["share_sites"] = wrong
    for count in (1, 2):
        await link.connected.wait()
        with pytest.raises(InvalidRequest):
            await remote.share_sites(USE)
        for _ in range(MAX_IMPOSSIBLE):
            with pytest.raises(Unavailable):
                await remote.share_sites(USE, urgent=True)
        assert len(place.runner.called("share_sites")) == count
        place.sessions.close()
        await until(lambda: not link.connected.is_set())
    place.runner.answers["share_sites"] = SiteShares(2)
    await link.connected.wait()
    assert await remote.share_sites(USE) == SiteShares(2)


async def test_the_connection_is_made_again_when_another_one_has_the_name(
    place: RemoteNode, monkeypatch: Any
) -> None:
    remote, link = await place.connected()
    check, refusals = place.sessions.presence.check, [Forbidden("the node was removed")]

    async def refusing(node: Any) -> None:
        if refusals:
            raise refusals.pop()
        await check(node)

    monkeypatch.setattr(place.sessions.presence, "check", refusing)
    with pytest.raises(Unavailable, match="the node was removed"):
        await remote.active()
    await link.connected.wait()
    assert await remote.active() == [OWN]


# --- rows --------------------------------------------------------------------------------------


def rows(size: int, attempt_id: str = "A1") -> AttemptBatch:
    return AttemptBatch("R1", attempt_id, [PushedRow(b'{"a":"%s"}' % (b"x" * size))], number=1)


async def test_rows_arrive_as_they_are(place: RemoteNode) -> None:
    remote, _ = await place.connected()
    assert await remote.rows.append(BATCH) is None  # type: ignore[func-returns-value]
    assert await remote.rows.commit([BATCH]) == [True]
    [[[stored]]] = place.runner.called("commit")
    assert (stored.rows, stored.headers) == (BATCH.rows, BATCH.headers)
    assert stored.log[0].content == "hello"
    assert await remote.rows.commit([]) == []


async def test_batches_are_sent_in_messages_that_fit(place: RemoteNode, monkeypatch: Any) -> None:
    monkeypatch.setattr(remote_gateway, "ROWS_BYTES", 100_000)
    remote, _ = await place.connected()
    batches = [rows(size) for size in (40_000, 40_000, 40_000, 250_000, 5, 5)]
    batches.insert(2, rows(10, "A9"))
    assert await remote.rows.commit(batches) == [True, True, False, True, True, True, True]
    arrived = [
        [len(batch.rows[0].data) - 8 for batch in part] for [part] in place.runner.called("commit")
    ]
    assert arrived == [[40_000, 40_000], [40_000], [250_000], [5, 5]]


async def test_the_largest_row_fits(place: RemoteNode) -> None:
    remote, _ = await place.connected()
    large = rows(16 * 2**20 - 100)
    assert await remote.rows.commit([large, rows(1), large]) == [True] * 3
    sizes = [
        [len(batch.rows[0].data) for batch in part] for [part] in place.runner.called("commit")
    ]
    assert sum(map(len, sizes)) == 3 and max(map(sum, sizes)) < 24 * 2**20


async def test_a_batch_that_fits_into_no_message_is_refused_alone(place: RemoteNode) -> None:
    remote, link = await place.connected()
    too_large = rows(25 * 2**20)
    with pytest.raises(InvalidRequest, match="too large"):
        await remote.rows.commit([rows(1), too_large])
    assert place.runner.called("commit") == []
    assert link.connected.is_set()


def test_the_estimate_of_a_batch_is_no_less_than_its_size() -> None:
    texts = ["", "x" * 1000, "é" * 1000, "\U0001f600" * 1000]
    for text in texts:
        batch = AttemptBatch(
            text,
            text,
            [PushedRow(text.encode(), text, text)] * 50,
            [Header(text, text, text)] * 50,
            [NewLogEntry(2, text, text, 2**50)] * 50,
        )
        assert remote_gateway._size(batch) >= len(encode(CommitRows((batch,), 2**50)))


# --- reports and leases ------------------------------------------------------------------------


async def test_large_reports_are_sent_in_parts(place: RemoteNode, monkeypatch: Any) -> None:
    keys = [replace(OWN, id=f"A{number}") for number in range(5)]
    monkeypatch.setattr(remote_gateway, "REPORT_BYTES", 500)
    remote, _ = await place.connected()
    place.runner.answers["active"] = keys
    await remote.active()
    answers = [
        RunnerOrders({"A0": SUCCESS}, frozenset()),
        RunnerOrders({}, frozenset({"A1"})),
        RunnerOrders({}, frozenset({"A2"}), 700),
        RunnerOrders({}, frozenset(), 900),
        RunnerOrders({"A4": SUCCESS}, frozenset(), 300),
    ]
    arrived: list[AttemptReport] = []

    async def report(reports: list[AttemptReport]) -> RunnerOrders:
        arrived.extend(reports)
        return answers.pop(0)

    monkeypatch.setattr(place.runner, "report", report, raising=False)
    reports = [AttemptReport(key, AttemptUsage(rows=1), progress=PROGRESS) for key in keys]
    orders = await remote.report(reports)
    expected = {"A0": SUCCESS, "A4": SUCCESS}
    assert orders == RunnerOrders(expected, frozenset({"A1", "A2"}), 300)
    assert [(report.key.id, report.progress) for report in arrived] == [
        (key.id, PROGRESS) for key in keys
    ]
    with pytest.raises(StaleLease):
        await remote.rows.close("A1")


def orders_of(*sizes: int) -> list[AttemptOrder]:
    limits = RunLimits(1.0, 512, 60, 0, 0)
    order = replace(sample(AttemptOrder), limits=limits)
    return [
        replace(order, key=replace(OWN, id=f"A{n}"), input_json=json.dumps("x" * (size - 2)))
        for n, size in enumerate(sizes)
    ]


async def test_orders_with_large_inputs_come_in_several_answers(place: RemoteNode) -> None:
    """The first ones are returned at once: their leases are renewed only once they run."""
    remote, _ = await place.connected()
    large = 10 * 2**20  # the largest
    orders = orders_of(large, large, large, 10, 10)
    place.runner.answers["lease"] = orders
    found: list[AttemptOrder] = []
    answers = 0
    while len(found) < len(orders):
        found += (part := await remote.lease(ROOM, idle=True))
        answers += 1
        assert part
    assert found == orders and answers > 1
    assert place.runner.called("lease") == [(ROOM,)]


async def test_the_packages_of_a_version_count_once_for_each_order(place: RemoteNode) -> None:
    remote, _ = await place.connected()
    largest = 8 * 2**20
    orders = [
        replace(order, version=replace(order.version, requirements="x" * largest))
        for order in orders_of(10, 10, 10, 10)
    ]
    place.runner.answers["lease"] = orders
    found: list[AttemptOrder] = []
    while len(found) < len(orders):
        found += (part := await remote.lease(ROOM, idle=True))
        assert part
    assert found == orders


async def test_an_order_that_fits_into_no_message_ends_its_attempt_alone(
    place: RemoteNode,
) -> None:
    remote, link = await place.connected()
    orders = orders_of(10, 25 * 2**20, 10)
    place.runner.answers["lease"] = orders
    assert await remote.lease(ROOM, idle=True) == [orders[0], orders[2]]
    [(key, ended)] = place.runner.called("end")
    assert key == orders[1].key and link.connected.is_set()
    assert ended.end.outcome is Outcome.INTERNAL
    assert "too large to be sent to a node (25.0 MiB; at most 24)" in ended.end.message
    with pytest.raises(StaleLease):
        await remote.start(orders[1].key)


async def test_orders_that_were_not_asked_for_again_are_forgotten(place: RemoteNode) -> None:
    remote, _ = await place.connected()
    place.runner.answers["lease"] = orders_of(ANSWER_BYTES, 10)
    [first] = await remote.lease(ROOM, idle=True)
    place.runner.answers["active"] = [first.key, replace(OWN, id="A1")]
    assert await remote.active() == place.runner.answers["active"]
    place.runner.answers["lease"] = []
    assert await remote.lease(ROOM, idle=True) == []


# --- notices -----------------------------------------------------------------------------------


async def test_notices_wake_the_runner(place: RemoteNode) -> None:
    remote, link = place.connect()
    all_topics = frozenset({WORK, STOP, PREPARE})
    async with remote.listen() as listener:
        await link.connected.wait()
        found = {await listener.wait(all_topics, 10) for _ in all_topics}
        assert found == all_topics  # what may have been missed
        await until(lambda: place.runner.listeners == 1)
        for topic in (STOP, WORK, PREPARE):
            place.runner.topics.put_nowait(topic)
            assert await listener.wait(all_topics, 10) == topic


# --- contact -----------------------------------------------------------------------------------


@pytest.fixture
def at_once(monkeypatch: Any) -> None:
    """No answer counts for a while."""
    monkeypatch.setattr(remote_gateway, "ANSWERED_SECONDS", -1.0)
    monkeypatch.setattr(gateway_contact, "AGE_SECONDS", -1.0)


async def test_an_answer_shows_that_there_is_contact(place: RemoteNode) -> None:
    remote, _ = await place.connected()
    assert await remote.contact() == ContactState.ANSWERED
    assert place.asked == 0
    place.runner.answers["start"] = Unavailable("the database is away")
    place.state = ContactState.DOWN_FOR_ALL
    with pytest.raises(Unavailable):
        await remote.start(OWN)
    assert await remote.contact() == ContactState.DOWN_FOR_ALL
    assert place.asked == 1


@pytest.mark.parametrize("state", [ContactState.ANSWERED, ContactState.DOWN_FOR_ALL])
async def test_the_gateway_is_asked_without_the_state(
    place: RemoteNode, at_once: None, monkeypatch: Any, state: ContactState
) -> None:
    remote, link = await place.connected()

    async def away(_node: object) -> None:
        raise Unavailable("the database is away")

    monkeypatch.setattr(place.sessions.presence, "check", away)
    place.state = state
    assert await remote.contact() == state
    assert link.connected.is_set()


async def test_the_next_gateway_is_tried_when_this_one_is_cut_off(
    place: RemoteNode, at_once: None
) -> None:
    remote, link = place.connect(
        "R1", ("localhost", place.gateway.address[1]), place.gateway.address
    )
    await link.connected.wait()
    assert link.files()[0][0] == "localhost"
    place.state = ContactState.CUT_OFF
    assert await remote.contact() == ContactState.CUT_OFF
    await until(lambda: not link.connected.is_set())
    await link.connected.wait()
    assert link.files()[0] == place.gateway.address


async def test_a_gateway_that_answers_no_hello_says_why(
    place: RemoteNode, at_once: None, monkeypatch: Any
) -> None:
    remote, link = await place.connected()
    greet = place.sessions.presence.greet

    async def away(*_: object) -> None:
        raise Unavailable("the database is away")

    monkeypatch.setattr(place.sessions.presence, "greet", away)
    place.state = ContactState.DOWN_FOR_ALL
    place.sessions.close()
    await until(lambda: not link.connected.is_set())
    assert await remote.contact() == ContactState.DOWN_FOR_ALL
    place.state = ContactState.CUT_OFF
    await until(lambda: link._noted is not None and link._noted[0] is ContactState.CUT_OFF)
    assert await remote.contact() == ContactState.CUT_OFF
    monkeypatch.setattr(place.sessions.presence, "greet", greet)
    await link.connected.wait()
    place.state = ContactState.ANSWERED
    assert await remote.contact() == ContactState.ANSWERED


async def test_a_gateway_that_is_slow_with_a_hello_says_why(
    place: RemoteNode, at_once: None, monkeypatch: Any
) -> None:
    monkeypatch.setattr(node_link, "PATIENCE_SECONDS", 0.0)
    gate = asyncio.Event()
    greet = place.sessions.presence.greet

    async def slow(*arguments: Any) -> Any:
        await gate.wait()
        return await greet(*arguments)

    monkeypatch.setattr(place.sessions.presence, "greet", slow)
    place.state = ContactState.DOWN_FOR_ALL
    remote, link = place.connect()
    assert await remote.contact() == ContactState.DOWN_FOR_ALL
    gate.set()
    await link.connected.wait()


async def test_without_a_connection_a_runner_is_cut_off(
    place: RemoteNode, at_once: None, monkeypatch: Any
) -> None:
    monkeypatch.setattr(remote_gateway, "CONTACT_SECONDS", 0.2)
    remote, _ = place.connect("R1", ("127.0.0.1", 9))  # where nothing listens
    assert await remote.contact() == ContactState.CUT_OFF
    assert place.asked == 0


async def test_a_gateway_that_does_not_know_is_cut_off(
    place: RemoteNode, at_once: None, monkeypatch: Any
) -> None:
    async def broken() -> ContactState:
        raise RuntimeError("broken")

    monkeypatch.setattr(remote_gateway, "CONTACT_SECONDS", 0.2)
    remote, link = await place.connected()
    monkeypatch.setattr(place, "contact", broken)
    assert await remote.contact() == ContactState.CUT_OFF
    assert link.connected.is_set()  # another gateway need not know more


async def test_a_superseded_runner_is_cut_off(place: RemoteNode) -> None:
    remote, _ = await place.connected()
    _, second = place.connect("R2")
    await second.connected.wait()
    ended = await place.tasks[0]
    assert ended.end is LinkEnd.SUPERSEDED
    assert await remote.contact() is ContactState.CUT_OFF
    with pytest.raises(Unavailable, match="Another machine has the name"):
        await remote.active()


async def test_a_forgotten_runner_is_cut_off(place: RemoteNode) -> None:
    remote, _ = await place.connected()
    await place.gateway.storage.write(lambda tx: tx.nodes.remove("n1"))
    place.sessions.close()
    await place.tasks[0]
    assert await remote.contact() == ContactState.CUT_OFF
