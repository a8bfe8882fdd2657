"""Connections of nodes: hello first, only with a valid certificate, one for each node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

import pytest

from fyke.contracts.signals import PREPARE, SITES, STOP, WORK
from fyke.domain.nodes.authority import (
    NODE_SECONDS,
    NodeAuthority,
    NodeIdentity,
    certify_gateway,
    certify_node,
)
from fyke.domain.nodes.presence import FORGOTTEN, NodePresence
from fyke.domain.nodes.tokens import TokenRequest
from fyke.errors import Forbidden, InvalidRequest, StaleLease, Unavailable
from fyke.gateway import node_output, node_session, operations, work_rounds
from fyke.gateway.node_output import NodeOutputs
from fyke.gateway.node_session import NodeSessions
from fyke.gateway.node_signals import NodeSignals
from fyke.kit.certificates import CertifiedKey, expiry_of, new_authority, new_request
from fyke.kit.clock import ManualClock, SystemClock
from fyke.kit.sealing import Sealer
from fyke.kit.stream_frames import SendLane
from fyke.kit.stream_requests import RequestFailed, StreamLost, StreamRequests
from fyke.kit.tls import client_context
from fyke.link.connect import connect
from fyke.link.join import JoinedInstallation, join
from fyke.model.node import AttemptOrder, ContactState, Registered
from fyke.model.results import AttemptBatch, PushedRow, RunTotals
from fyke.model.run import AttemptKey
from fyke.model.runner import Capacity
from fyke.model.secret import InjectedSecrets
from fyke.wire.nodes import (
    ALPN,
    AnyRequest,
    AttemptsStopped,
    CheckContact,
    CheckNode,
    CommitRows,
    EndPreparation,
    Hello,
    KnownNode,
    LeaseAttempts,
    LeaveNode,
    ListAttempts,
    NodeRequest,
    OutdatedNode,
    PreparationWaits,
    RegisterNode,
    RenewCertificate,
    SitesChanged,
    StartAttempt,
    SupersededNode,
    UnknownNode,
    Welcome,
    WorkWaits,
    decode_answer,
    decode_error,
    decode_notice,
    encode,
)
from support.app import App, open_app
from support.egress import until
from support.gateways import Gateway, open_gateway
from support.remote_nodes import SIZE
from support.samples import sample
from support.scripted_gateway import ScriptedGateway

pytestmark = pytest.mark.anyio
A = TypeVar("A")

HELLO = Hello((1, 1), "1.2.3", "R1")
LEASE = LeaseAttempts(Capacity(SIZE.cpus, SIZE.memory_mb, 4), idle=True)


@dataclass
class Place:
    """A gateway for nodes, and a machine that has joined."""

    app: App
    gateway: Gateway
    sessions: NodeSessions
    node: JoinedInstallation
    runner: ScriptedGateway
    presence_clock: ManualClock
    links: list[StreamRequests] = field(default_factory=list)

    async def connect(self, own: CertifiedKey | None = None, link: Link | None = None) -> Link:
        link = link or Link()
        self.links.append(link.requests)
        authority = self.gateway.authority.certificate
        await connect(
            self.gateway.address,
            client_context(authority, own or self.node.own, [ALPN]),
            link.requests,
        )
        return link

    async def begin_hello(self, monkeypatch: Any) -> tuple[Link, asyncio.Task[Any], asyncio.Event]:
        """Connect and send a hello, which is answered when the event is set. Later ones are not
        delayed.
        """
        entered, gate = asyncio.Event(), asyncio.Event()

        async def slow() -> list[AttemptKey]:
            entered.set()
            await gate.wait()
            return []

        link = await self.connect()
        with monkeypatch.context() as patch:
            patch.setattr(self.runner, "active", slow)
            asked = asyncio.create_task(link.ask(HELLO))
            await entered.wait()
        return link, asked, gate

    async def join(self, name: str = "n1") -> JoinedInstallation:
        """Join, or join again, also while it is connected."""
        caller = replace(self.app.owner, local=True)
        token = await self.gateway.tokens.create(caller, TokenRequest())
        return await join(self.gateway.address, token.text, name, "", {}, replace=True)


class Link:
    """The node's end."""

    def __init__(self) -> None:
        self.losses: list[str] = []
        self.notices: list[Any] = []
        self.requests = StreamRequests(refuse, self._notice, self.losses.append, lambda _: b"")

    def _notice(self, body: bytes) -> None:
        self.notices.append(decode_notice(body))

    async def ask(self, request: NodeRequest[A]) -> A:
        try:
            return decode_answer(request, await self.requests.ask(encode(request)))
        except RequestFailed as failed:
            raise decode_error(failed.body) from None


async def refuse(body: bytes) -> bytes:
    raise AssertionError(body)


def ignore(_notice: object) -> None:
    return


@pytest.fixture
async def place(tmp_path: Path, templates: Path) -> AsyncIterator[Place]:
    async with open_app(tmp_path, templates) as app:
        authority = NodeAuthority(app.storage, Sealer(b"master"), SystemClock())
        clock = ManualClock(SystemClock().now_ms())
        presence = NodePresence(app.storage, authority, clock, "G1")
        runner = ScriptedGateway()
        runner.answers |= {"register": sample(Registered), "replace_earlier": 0}
        signals = NodeSignals(runner.listen)
        sessions = NodeSessions(presence, "1.2.3", lambda _: runner, SystemClock(), signals)
        async with open_gateway(app.storage, {ALPN: sessions.accept}) as gateway:
            caller = replace(app.owner, local=True)
            token = await gateway.tokens.create(caller, TokenRequest())
            node = await join(gateway.address, token.text, "n1", "", {})
            place = Place(app, gateway, sessions, node, runner, clock)
            yield place
            for link in place.links:
                link.stream.close("done")
            sessions.close()


async def test_a_node_is_welcome_and_renews_its_certificate(place: Place) -> None:
    link = await place.connect()
    assert await link.ask(HELLO) == Welcome(1, "n1", 1)
    request = new_request()
    certificate = await link.ask(RenewCertificate(request.certificate))
    assert expiry_of(certificate) > time.time() + 86_000
    renewed = await place.connect(CertifiedKey(certificate, request.key))
    assert await renewed.ask(hello(1)) == Welcome(1, "n1", 1)


def hello(epoch: int, runner_id: str = "R1") -> Hello:
    return Hello((1, 1), "1.2.3", runner_id, epoch)


async def test_signals_and_operations_of_the_runner_pass_through(place: Place) -> None:
    link = await place.connect()
    await link.ask(HELLO)
    for topic in (WORK, STOP, PREPARE, SITES):
        place.runner.topics.put_nowait(topic)
    expected = [WorkWaits(), AttemptsStopped(), PreparationWaits(), SitesChanged()]
    await until(lambda: link.notices == expected)
    key = AttemptKey("A", "R", 0, "1", 1)
    with pytest.raises(StaleLease):
        await link.ask(StartAttempt(key))
    place.runner.answers["active"] = [key]
    place.runner.answers["start"] = InjectedSecrets({"TOKEN": "x"})
    assert await link.ask(ListAttempts()) == [key]
    assert (await link.ask(StartAttempt(key))).environment == {"TOKEN": "x"}
    place.runner.answers["start"] = RuntimeError("broken")
    with pytest.raises(Unavailable, match="The gateway failed"):
        await link.ask(StartAttempt(key))


async def test_a_start_is_offered_to_others_until_a_lease_has_left_nothing(
    place: Place, monkeypatch: Any
) -> None:
    monkeypatch.setattr(work_rounds, "ANSWER_SECONDS", 60.0)
    links = []
    for name in ("n1", "n2", "n3"):
        own = place.node.own if name == "n1" else (await place.join(name)).own
        link = await place.connect(own)
        await link.ask(HELLO)
        await link.ask(RegisterNode(SIZE))
        assert await link.ask(LEASE) == []  # so it waits
        links.append(link)
    runner = place.runner
    told = lambda: [link.notices.count(WorkWaits()) for link in links]  # noqa: E731

    async def leases(number: int, *orders: AttemptOrder) -> None:
        runner.answers["lease"] = [*orders]
        await links[number].ask(LEASE)
        for link in links:
            await link.ask(ListAttempts())  # what it was told before has arrived

    runner.topics.put_nowait(WORK)
    await until(lambda: told() == [1, 0, 0])
    await leases(0, sample(AttemptOrder))
    assert told() == [1, 1, 1]
    for number in (1, 2, 0):  # all wait again
        await leases(number)
    assert told() == [1, 1, 1]
    runner.saw_all = False  # as when it is refused, or leaves some to others
    runner.topics.put_nowait(WORK)
    await until(lambda: told() == [1, 2, 1])
    await leases(1)
    assert told() == [1, 2, 2]
    runner.left_none = True
    await leases(2, replace(sample(AttemptOrder), is_last=True))
    assert told() == [1, 2, 2]
    runner.left_none = False
    runner.topics.put_nowait(WORK)
    await until(lambda: told() == [2, 2, 2])
    await leases(0)
    await leases(1)
    assert told() == [2, 3, 3]  # the last one has not asked again


async def test_a_lease_during_a_start_is_followed_by_another_one(place: Place) -> None:
    link = await place.connect()
    await link.ask(HELLO)
    await link.ask(RegisterNode(SIZE))
    place.runner.delays["lease"] = entered, gate = asyncio.Event(), asyncio.Event()
    asked = asyncio.create_task(link.ask(LEASE))
    await entered.wait()
    place.runner.topics.put_nowait(WORK)
    place.runner.topics.put_nowait(STOP)
    await until(lambda: AttemptsStopped() in link.notices)
    assert WorkWaits() not in link.notices
    gate.set()
    assert await asked == []
    await until(lambda: WorkWaits() in link.notices)
    assert await link.ask(LEASE) == []
    await link.ask(ListAttempts())
    assert link.notices.count(WorkWaits()) == 1


async def test_a_node_has_one_connection(place: Place) -> None:
    first = await place.connect()
    await first.ask(HELLO)
    second = await place.connect()
    await second.ask(hello(1))
    await until(lambda: bool(first.losses))
    assert second.losses == []
    node = await place.app.storage.read(lambda tx: tx.nodes.get("n1"))
    assert node is not None and (node.epoch, node.gateway_id) == (1, "G1")


async def test_a_hello_that_is_answered_too_late_changes_nothing(
    place: Place, monkeypatch: Any
) -> None:
    first, asked, gate = await place.begin_hello(monkeypatch)
    [session] = place.sessions._open
    first.requests.stream.close("gone")
    with pytest.raises(StreamLost):
        await asked
    await until(lambda: not place.sessions._open)
    refused = Link()
    with pytest.raises((StreamLost, Unavailable)):  # as long as the first hello is being answered
        await place.connect(link=refused)
        await refused.ask(hello(1))
    again = await place.join()
    second = await place.connect(again.own)
    await second.ask(hello(0, "R2"))
    gate.set()
    await until(lambda: not session.requests._served)
    assert await (await place.connect()).ask(HELLO) == UnknownNode()
    assert await second.ask(ListAttempts()) == []
    await until(lambda: place.runner.listeners == 1)
    assert len(place.sessions._open) == 1


async def test_a_node_has_one_connection_without_a_welcome(place: Place) -> None:
    links = [await place.connect() for _ in range(4)]
    for link in links[:3]:
        await until(lambda link=link: bool(link.losses))
    assert len(place.sessions._open) == 1
    await links[3].ask(HELLO)
    last = await place.connect()
    assert links[3].losses == [] and last.losses == []
    await last.ask(hello(1))
    assert place.sessions._unknown == {}


async def test_messages_are_small_before_the_welcome(place: Place) -> None:
    link = await place.connect()
    with pytest.raises(StreamLost):
        await link.requests.ask(bytes(node_session.HELLO_BYTES + 1))
    link = await place.connect()
    await link.ask(HELLO)
    with pytest.raises(RequestFailed):  # it is read, and no message of the protocol
        await link.requests.ask(bytes(4 * node_session.HELLO_BYTES))


@pytest.mark.parametrize("body", [b"x" * 100, encode(RegisterNode(replace(SIZE, cpus=-1.0)))])
async def test_a_connection_ends_after_a_few_requests_that_no_runner_makes(
    place: Place, body: bytes
) -> None:
    link = await place.connect()
    await link.ask(HELLO)
    for _ in range(node_session.MAX_IMPOSSIBLE - 1):
        with pytest.raises(RequestFailed):
            await link.requests.ask(body)
    assert await link.ask(CheckContact()) is ContactState.CUT_OFF
    with pytest.raises(RequestFailed):
        await link.requests.ask(body)
    await until(lambda: bool(link.losses))


async def test_requests_after_the_last_bad_one_are_not_read(place: Place) -> None:
    link = await place.connect()
    await link.ask(HELLO)
    asked = [link.requests.ask(b"x") for _ in range(node_session.MAX_IMPOSSIBLE)]
    late = link.requests.ask(encode(LeaveNode()))
    *_, answer = await asyncio.gather(*asked, late, return_exceptions=True)
    assert isinstance(answer, RequestFailed | StreamLost)
    assert place.runner.called("leave") == []


async def test_a_large_request_is_refused_unless_it_has_rows(place: Place) -> None:
    link = await place.connect()
    await link.ask(HELLO)
    large = EndPreparation("x" * (node_session.REQUEST_BYTES + 1))
    with pytest.raises(RequestFailed) as failed:
        await link.requests.ask(encode(large), SendLane.BULK)
    assert decode_error(failed.value.body).message == "The request is too large"
    assert place.runner.called("end_preparation") == []


async def test_a_connection_ends_when_a_run_puts_out_too_much(
    place: Place, monkeypatch: Any
) -> None:
    monkeypatch.setattr(node_output, "MAX_ROWS", 1)
    own = AttemptKey("A1", "R1", 0, "1", 7)
    place.runner.answers |= {"active": [own], "totals": RunTotals(1, 7)}
    batch = AttemptBatch("R1", "A1", [PushedRow(b"{}")], number=1)
    for _ in range(2):  # connecting again changes nothing
        link = await place.connect()
        await link.ask(HELLO)
        with pytest.raises(InvalidRequest, match="more rows than a run may"):
            await link.ask(CommitRows((batch,), 5))
        await until(lambda link=link: bool(link.losses))
    assert place.runner.called("commit") == []


async def test_a_connection_has_one_hello(place: Place) -> None:
    link = await place.connect()
    await link.ask(HELLO)
    with pytest.raises(Forbidden, match="one hello"):
        await link.ask(hello(0, "R2"))
    assert await place.app.storage.read(epoch_of) == 1


@pytest.mark.parametrize(
    "change",
    [
        "removed",
        *(pytest.param(c, marks=pytest.mark.long) for c in ("joined again", "another runner")),
    ],
)
async def test_a_node_that_lost_its_name_is_served_no_more(
    place: Place, change: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(node_session, "ROWS_SECONDS", 0.0)

    def work(tx: Any) -> None:
        changes = {"joined again": {"join_id": "J2"}, "another runner": {"runner_id": "R2"}}
        if change == "removed":
            tx.nodes.remove("n1")
        else:
            tx.nodes.change(replace(tx.nodes.lock("n1"), **changes[change]))

    def restore(tx: Any) -> None:
        tx.nodes.remove("n1")
        tx.nodes.add(node)

    for request_kind in get_args(AnyRequest):
        if request_kind in (Hello, CheckContact, CheckNode):  # they need no welcome
            continue
        link = await place.connect()
        await link.ask(HELLO)
        request = sample(request_kind)
        with suppress(StaleLease, InvalidRequest):
            await link.ask(request)
        calls = len(place.runner.calls)
        node = await place.app.storage.read(lambda tx: tx.nodes.get("n1"))
        await place.app.storage.write(work)
        with pytest.raises(Forbidden):
            await link.ask(request)
        await until(lambda link=link: bool(link.losses))
        assert len(place.runner.calls) == calls
        await place.app.storage.write(restore)


async def test_rows_are_checked_once_a_second(place: Place, monkeypatch: Any) -> None:
    link = await place.connect()
    await link.ask(HELLO)
    await link.ask(ListAttempts())
    checks: list[object] = []

    async def check(node: object) -> None:
        checks.append(node)

    monkeypatch.setattr(place.sessions.presence, "check", check)
    monkeypatch.setattr(node_session, "ROWS_SECONDS", 3600.0)
    assert await link.ask(CommitRows((), 0)) == [] and checks == []
    monkeypatch.setattr(node_session, "ROWS_SECONDS", 0.0)
    assert await link.ask(CommitRows((), 0)) == [] and len(checks) == 1


async def test_no_request_is_served_after_the_certificate_has_expired(place: Place) -> None:
    clock = ManualClock(SystemClock().now_ms())
    place.sessions.clock = clock
    link = await place.connect()
    await link.ask(HELLO)
    clock.step(86_401)
    with pytest.raises(Forbidden, match="The certificate of the node has expired"):
        await link.ask(ListAttempts())
    await until(lambda: bool(link.losses))


async def test_what_a_node_says_of_itself_has_a_limit(place: Place) -> None:
    link = await place.connect()
    await link.ask(HELLO)
    request = sample(RegisterNode)
    info = replace(request.info, reason="x" * node_session.REGISTER_BYTES)
    calls = len(place.runner.calls)
    with pytest.raises(InvalidRequest, match="too much"):
        await link.ask(RegisterNode(info))
    assert len(place.runner.calls) == calls


async def test_a_node_that_registers_was_seen(place: Place) -> None:
    link = await place.connect()
    await link.ask(HELLO)

    def forget(tx: Any) -> None:
        tx.nodes.change(replace(tx.nodes.lock("n1"), seen_at=1, state_by="ada"))

    await place.app.storage.write(forget)
    await link.ask(RegisterNode(SIZE))
    node = await place.app.storage.read(lambda tx: tx.nodes.get("n1"))
    assert node is not None and node.seen_at > 1 and node.state_by == "ada"


async def test_a_connection_ends_with_the_certificate_of_its_node(place: Place) -> None:
    expiry = expiry_of(place.node.own.certificate)
    place.sessions.clock = ManualClock(int(expiry * 1000))
    link = await place.connect()
    await until(lambda: bool(link.losses))
    assert place.sessions._open == set()


async def test_a_connection_lasts_longer_when_its_certificate_is_renewed(place: Place) -> None:
    link = await place.connect()
    await link.ask(HELLO)
    [session] = place.sessions._open
    before = session._expiry
    assert before is not None
    place.presence_clock.step(3600)
    await link.ask(RenewCertificate(new_request().certificate))
    after = session._expiry
    # A certificate counts whole seconds.
    assert after is not None and after.when() - before.when() > 3590
    assert before.cancelled()


async def test_a_runner_that_was_replaced_meanwhile_does_not_end_the_later_one(
    place: Place, monkeypatch: Any
) -> None:
    _, asked, gate = await place.begin_hello(monkeypatch)
    second = await place.connect((await place.join()).own)
    await second.ask(hello(0, "R2"))
    gate.set()
    assert isinstance(await asked, SupersededNode)
    assert await second.ask(ListAttempts()) == []


async def test_of_two_copies_the_later_one_stays(place: Place) -> None:
    first = await place.connect()
    await first.ask(HELLO)
    copy = await place.connect()
    assert await copy.ask(hello(0, "R2")) == Welcome(1, "n1", 2)
    await until(lambda: bool(first.losses))
    back = await place.connect()
    answer = await back.ask(hello(1))
    assert isinstance(answer, SupersededNode) and answer.address == "127.0.0.1"
    await until(lambda: bool(back.losses))
    assert copy.losses == []


async def test_a_forgotten_node_is_refused_with_its_certificate(place: Place) -> None:
    link = await place.connect()
    await link.ask(HELLO)
    await place.app.storage.write(lambda tx: tx.nodes.remove("n1"))
    with pytest.raises(Forbidden) as refused:
        await link.ask(RenewCertificate(new_request().certificate))
    assert refused.value.message == FORGOTTEN
    await until(lambda: bool(link.losses))
    back = await place.connect()
    assert await back.ask(hello(1)) == UnknownNode()
    await until(lambda: bool(back.losses))


@pytest.mark.parametrize("registers", [True, False])
async def test_a_forgotten_node_leases_nothing(
    place: Place, monkeypatch: Any, registers: bool
) -> None:
    refusal = Forbidden(FORGOTTEN)

    async def refuse_node(_node: Any) -> None:
        raise refusal

    monkeypatch.setattr(operations, "REGISTER_SECONDS", 0.0)
    monkeypatch.setattr(place.sessions.presence, "check", refuse_node)
    link = await place.connect()
    await link.ask(HELLO)
    if registers:
        await link.ask(RegisterNode(SIZE))
    if registers:  # then the lease itself looks, and it is not looked up before
        assert await link.ask(LEASE) == []
        place.runner.answers["lease"] = refusal
    with pytest.raises(Forbidden) as refused:
        await link.ask(LEASE)
    assert refused.value.message == FORGOTTEN
    await until(lambda: bool(link.losses))
    assert len(place.runner.called("lease")) == 2 * registers


async def test_what_a_forgotten_node_has_put_out_is_forgotten(place: Place) -> None:
    place.runner.answers["leave"] = None
    first = await place.connect()
    await first.ask(HELLO)
    assert len(place.sessions.outputs) == 1
    await first.ask(LeaveNode())
    assert len(place.sessions.outputs) == 1  # it may come back
    await place.app.storage.write(lambda tx: tx.nodes.remove("n1"))
    second = await place.connect()
    assert await second.ask(hello(1)) == UnknownNode()
    assert len(place.sessions.outputs) == 0
    place.node = await place.join()
    third = await place.connect()
    await third.ask(hello(0, "R3"))
    assert len(place.sessions.outputs) == 1
    await third.ask(LeaveNode(forget=True))
    assert len(place.sessions.outputs) == 0


async def test_what_a_node_has_put_out_is_known_while_it_is_away(place: Place) -> None:
    clock = ManualClock()
    place.sessions.outputs = outputs = NodeOutputs(clock)
    first = await place.connect()
    await first.ask(HELLO)
    [session] = place.sessions._open
    identity = session.identity
    output = outputs.of(identity)
    second = await place.connect()
    await second.ask(hello(1))
    await until(lambda: bool(first.losses) and len(place.sessions._open) == 1)
    clock.advance(NODE_SECONDS + 1)  # it has a connection still
    outputs.of(NodeIdentity("n2", "J"))
    assert outputs.of(identity) is output
    second.requests.stream.close("done")
    await until(lambda: not place.sessions._open)
    clock.advance(NODE_SECONDS + 1)
    outputs.of(NodeIdentity("n3", "J"))
    assert outputs.of(identity) is not output


@pytest.mark.parametrize("protocols", [(2, 3), (0, 0)])
async def test_a_node_of_another_release_is_refused_with_ours(
    place: Place, protocols: tuple[int, int]
) -> None:
    link = await place.connect()
    assert await link.ask(Hello(protocols, "9.9", "R1")) == OutdatedNode("1.2.3", (1, 1))
    await until(lambda: bool(link.losses))


async def test_a_node_that_speaks_more_is_answered_in_ours(place: Place) -> None:
    link = await place.connect()
    assert await link.ask(Hello((0, 7), "9.9", "R1")) == Welcome(1, "n1", 1)


async def test_nothing_is_served_before_the_hello(place: Place, monkeypatch: Any) -> None:
    link = await place.connect()
    for request in (ListAttempts(), RenewCertificate(new_request().certificate)):
        with pytest.raises(Forbidden, match="first request"):
            await link.ask(request)
    with pytest.raises(RequestFailed) as failed:
        await link.requests.ask(b"?")
    assert decode_error(failed.value.body).message == "The message is not one of this protocol"
    monkeypatch.setattr(node_session, "HELLO_SECONDS", 0.05)
    silent = await place.connect()
    await until(lambda: bool(silent.losses))


async def test_the_contact_of_the_gateway_is_told_without_a_welcome(place: Place) -> None:
    link = await place.connect()
    assert await link.ask(CheckContact()) is ContactState.CUT_OFF  # it cannot find out here
    assert place.runner.calls == []


async def test_a_check_tells_whether_the_node_is_known_and_takes_no_name(place: Place) -> None:
    runner = await place.connect()
    assert isinstance(await runner.ask(HELLO), Welcome)
    other = await place.connect()
    known = await other.ask(CheckNode())
    assert isinstance(known, KnownNode) and known.address == "127.0.0.1"
    assert await runner.ask(ListAttempts()) == [] and not runner.losses
    await place.app.storage.write(lambda tx: tx.nodes.remove("n1"))
    assert await other.ask(CheckNode()) == UnknownNode()


async def test_a_certificate_has_one_check_at_a_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, found, calls = asyncio.Event(), place.sessions.presence.find, 0

    async def slow(identity: NodeIdentity) -> Any:
        nonlocal calls
        calls += 1
        await gate.wait()
        return await found(identity)

    monkeypatch.setattr(place.sessions.presence, "find", slow)
    link = await place.connect()
    asked = [asyncio.create_task(link.ask(CheckNode())) for _ in range(3)]
    await until(lambda: calls > 0)
    await link.ask(CheckContact())  # the others were received before
    gate.set()
    assert all(isinstance(known, KnownNode) for known in await asyncio.gather(*asked))
    assert calls == 1


def certified(authority: CertifiedKey, at: float) -> CertifiedKey:
    request = new_request()
    identity = NodeIdentity("n1", "01JOIN")
    return CertifiedKey(certify_node(authority, request.certificate, identity, at), request.key)


@pytest.mark.parametrize("kind", ["none", "foreign", "expired", "gateway"])
async def test_connections_without_a_valid_certificate_of_a_node_end(
    place: Place, kind: str
) -> None:
    authority, now = place.gateway.authority, time.time()
    own = {
        "none": None,
        "foreign": certified(new_authority("Fyke nodes", now, 3600), now),
        "expired": certified(authority, now - 2 * 86_400),
        "gateway": certify_gateway(authority, now),
    }[kind]
    link = Link()
    place.links.append(link.requests)
    context = client_context(authority.certificate, own, [ALPN])
    with pytest.raises((StreamLost, Unavailable)):
        await connect(place.gateway.address, context, link.requests)
        await link.ask(HELLO)
    assert await place.app.storage.read(epoch_of) == 0


def epoch_of(tx: Any) -> int:
    return int(tx.nodes.get("n1").epoch)
