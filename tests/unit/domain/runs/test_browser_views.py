"""Who may watch and take over, and what each refusal of the gateway becomes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fyke.contracts.browser_view import (
    BrowserInput,
    Picture,
    TakeoverEnd,
    TextInput,
    ViewRefusal,
    ViewRefused,
    ViewState,
    ViewUpdate,
)
from fyke.contracts.state import Transaction
from fyke.domain.runs import browser_views
from fyke.domain.runs.browser_views import NotViewable, RunBrowserViews
from fyke.domain.runs.service import StartRequest
from fyke.errors import (
    ConfirmationNeeded,
    Conflict,
    Forbidden,
    FykeError,
    Refused,
    RunNotFound,
    SessionEnded,
    Unavailable,
)
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller, Role
from fyke.model.attempt import AttemptReport
from fyke.model.audit import AuditAction, AuditEntry
from fyke.model.browser import BrowserReport
from fyke.model.node_registry import Node
from fyke.model.run import Origin
from fyke.model.runner import NODE_PLACE, AttemptUsage, Lease
from support.app import MACHINE, RUNNER, App, open_app
from support.pages import sign_in

pytestmark = pytest.mark.anyio

PICTURE = Picture("0.T", 1, b"\xff\xd8\xff", 1, 1)


@dataclass
class ScriptedViews:
    """Raises ``refused``, or notes the call."""

    refused: ViewRefused | None = None
    updates: list[ViewUpdate | None] = field(default_factory=list)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    users: list[str] = field(default_factory=list)  # who watches
    how: asyncio.Queue[TakeoverEnd] = field(default_factory=asyncio.Queue)
    closed: int = 0

    def node(self) -> str:
        return "here"

    async def watch(
        self, attempt_id: str, page: str = "", holder: str = "", user: str = ""
    ) -> ScriptedViews:
        self.users.append(user)
        self._called("watch", attempt_id, page, holder)
        return self

    async def take_over(self, attempt_id: str, holder: str, name: str) -> ScriptedViews:
        self._called("take_over", attempt_id, holder, name)
        return self

    async def ended(self) -> TakeoverEnd:
        return await self.how.get()

    async def act(
        self,
        attempt_id: str,
        holder: str,
        page: str,
        picture: int,
        inputs: Sequence[BrowserInput],
    ) -> None:
        self._called("act", attempt_id, holder, page, str(picture))

    async def give_back(self, attempt_id: str, holder: str, *, revoked: bool = False) -> None:
        self._called("give_back", attempt_id, holder, *(["revoked"] if revoked else []))

    async def next(self, seconds: float) -> ViewUpdate | None:
        return self.updates.pop(0) if self.updates else ViewUpdate()

    def close(self) -> None:
        self.closed += 1

    def _called(self, *call: str) -> None:
        if self.refused is not None:
            raise self.refused
        self.calls.append(call)


@dataclass
class Place:
    """A run of two subtasks, whose first attempt has an open browser."""

    app: App
    views: ScriptedViews
    service: RunBrowserViews
    run: str
    leases: list[Lease]
    caller: Caller

    @property
    def attempt(self) -> str:
        return self.leases[0].attempt.id

    @property
    def session(self) -> str:
        return self.caller.session_id

    async def change(self, role: Role) -> None:
        """Give the user of the session another role."""

        def work(tx: Transaction) -> None:
            user = tx.accounts.user(self.caller.user_id)
            assert user is not None
            tx.accounts.change_user(replace(user, role=role))

        await self.app.storage.write(work)

    async def sign_out(self) -> None:
        await self.app.storage.write(lambda tx: tx.sessions.end(self.caller.user_id, tx.now))

    async def end(self, how: TakeoverEnd) -> None:
        """End what was taken over, as the gateway does; return when that is recorded."""
        self.views.how.put_nowait(how)
        await asyncio.gather(*self.service._taken)

    async def audited(self) -> list[AuditEntry]:
        def work(tx: Transaction) -> list[AuditEntry]:
            return tx.audit.page(self.caller.account_id, before=0, limit=50, action="")

        browser = (AuditAction.BROWSER_TAKEN, AuditAction.BROWSER_GIVEN_BACK)
        entries = await self.app.storage.read(work)
        return [entry for entry in reversed(entries) if entry.action in browser]


@pytest.fixture
async def place(tmp_path: Path, templates: Path) -> AsyncIterator[Place]:
    async with open_app(tmp_path, templates) as app:
        await app.register_runner()
        worker = await app.publish()
        urls = [{"url": "https://a.example/1"}, {"url": "https://a.example/2"}]
        body = {"parameters": {"custom": {"urls": urls}}}
        request = StartRequest(worker.id, None, body, "", Origin.WEB)
        run = await app.services.runs.start(app.owner, request)
        leases = await app.begin()
        usage = AttemptUsage(browser_ms=1, browser_version="headless-shell 156.0.1.2")
        report = AttemptReport(leases[0].attempt.key, usage, browser=BrowserReport(is_open=True))
        await app.attempts.report([report], 60_000)
        token = await sign_in(app.services.sessions, app)
        caller = (await app.services.sessions.authenticate(token)).caller
        views = ScriptedViews()
        yield Place(app, views, RunBrowserViews(app.storage, views), run.id, leases, caller)


async def test_the_attempts_with_an_open_browser_are_listed(place: Place) -> None:
    assert len(place.leases) == 2
    [browser] = await place.service.open_browsers(place.caller, place.run)
    assert (browser.attempt_id, browser.ordinal, browser.node) == (place.attempt, 0, "node")
    await place.app.end(place.leases[0])
    assert await place.service.open_browsers(place.caller, place.run) == ()
    with pytest.raises(RunNotFound):
        await place.service.open_browsers(place.app.other, place.run)


async def test_watching_is_for_all_who_may_read_the_run(place: Place) -> None:
    await place.change(Role.VIEWER)
    await place.service.watch(place.caller, place.run, place.attempt, "0.T")
    assert place.views.calls == [("watch", place.attempt, "0.T", "")]
    assert place.views.users == [place.caller.user_id]
    await place.change(Role.OWNER)
    await place.service.watch(place.caller, place.run, place.attempt, "0.T")
    assert place.views.calls[1:] == [("watch", place.attempt, "0.T", place.session)]
    with pytest.raises(RunNotFound):
        await place.service.watch(place.app.other, place.run, place.attempt)
    for attempt in ("01HFNONE", "", new_ulid()):
        with pytest.raises(Refused, match="no longer open"):
            await place.service.watch(place.caller, place.run, attempt)
    await place.app.end(place.leases[0])
    with pytest.raises(Refused, match="no longer open"):
        await place.service.watch(place.caller, place.run, place.attempt)


async def test_one_picture_is_the_first_that_comes(place: Place) -> None:
    state = ViewUpdate(ViewState(shown="0.T"))
    place.views.updates = [state, ViewUpdate(picture=PICTURE)]
    assert await place.service.picture(place.caller, place.run) == PICTURE
    for updates in ([state, ViewUpdate()], [state, None]):
        place.views.updates = updates
        with pytest.raises(Refused, match="shows no page"):
            await place.service.picture(place.caller, place.run, attempt_id=place.attempt)
    assert place.views.closed == 3
    place.views.updates = [ViewUpdate(picture=PICTURE)]
    assert await place.service.picture(place.caller, place.run, subtask=1) == PICTURE
    with pytest.raises(Refused, match="No browser"):
        await place.service.picture(place.caller, place.run, subtask=2)
    await place.app.end(place.leases[0])
    with pytest.raises(Refused, match="No browser"):
        await place.service.picture(place.caller, place.run)


async def test_states_without_end_do_not_put_off_the_refusal(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def another_state(seconds: float) -> ViewUpdate:
        await asyncio.sleep(0)
        return ViewUpdate(ViewState(shown="0.T"))

    monkeypatch.setattr(place.views, "next", another_state)
    async with asyncio.timeout(30):
        with pytest.raises(Refused, match="shows no page"):
            await place.service.picture(place.caller, place.run, seconds=0.01)
    assert place.views.closed == 1


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"role": Role.MEMBER}, Forbidden),
        ({"role": Role.VIEWER}, Forbidden),
        ({"session_id": "", "key_id": "K"}, Forbidden),
    ],
)
async def test_taking_over_is_for_owners_in_a_session(
    place: Place, change: dict[str, object], error: type[FykeError]
) -> None:
    caller = replace(place.caller, **change)  # type: ignore[arg-type]
    assert not place.service.may_take_over(caller)
    for asked in (
        place.service.take_over(caller, place.run, place.attempt),
        place.service.act(caller, place.run, place.attempt, "0.T", 7, [TextInput("x")]),
        place.service.give_back(caller, place.run, place.attempt),
    ):
        with pytest.raises(error):
            await asked
    assert place.views.calls == [] and await place.audited() == []


async def test_taking_over_needs_a_fresh_confirmation_and_is_logged(place: Place) -> None:
    assert place.service.may_take_over(place.caller)
    with pytest.raises(ConfirmationNeeded):
        await place.service.take_over(
            replace(place.caller, verified_at=1), place.run, place.attempt
        )
    with pytest.raises(RunNotFound):
        other = replace(place.caller, account_id=place.app.other.account_id)
        await place.service.take_over(other, place.run, place.attempt)
    assert place.views.calls == []
    await place.service.take_over(place.caller, place.run, place.attempt)
    await place.service.act(place.caller, place.run, place.attempt, "0.T", 7, [TextInput("x")])
    for _ in range(2):  # it may have ended, and a press of the button be repeated
        await place.service.give_back(place.caller, place.run, place.attempt)
    await place.end(TakeoverEnd.BY_USER)
    assert place.views.calls == [
        ("take_over", place.attempt, place.session, "owner"),
        ("act", place.attempt, place.session, "0.T", "7"),
        *[("give_back", place.attempt, place.session)] * 2,
    ]
    assert [(e.action, e.target, e.detail, e.user_name) for e in await place.audited()] == [
        (AuditAction.BROWSER_TAKEN, place.run, "subtask 1", "owner"),
        (AuditAction.BROWSER_GIVEN_BACK, place.run, "subtask 1", "owner"),
    ]


async def test_what_ends_by_itself_is_audited_too(place: Place) -> None:
    await place.service.take_over(place.caller, place.run, place.attempt)
    await place.end(TakeoverEnd.LEFT)
    await place.service.take_over(place.caller, place.run, place.attempt)
    await place.end(TakeoverEnd.TAKEN_AGAIN)  # whose end is recorded where it was taken again
    assert place.service._taken == {} and place.views.closed == 2
    assert [(entry.action, entry.detail) for entry in await place.audited()] == [
        (AuditAction.BROWSER_TAKEN, "subtask 1"),
        (AuditAction.BROWSER_GIVEN_BACK, "subtask 1: they left its page"),
        (AuditAction.BROWSER_TAKEN, "subtask 1"),
    ]


async def test_an_end_is_audited_though_its_answer_was_lost(place: Place) -> None:
    await place.service.take_over(place.caller, place.run, place.attempt)
    place.views.refused = ViewRefused(ViewRefusal.AWAY)
    with pytest.raises(Unavailable):
        await place.service.give_back(place.caller, place.run, place.attempt)
    await place.end(TakeoverEnd.BY_USER)  # the gateway was late
    actions = [entry.action for entry in await place.audited()]
    assert actions == [AuditAction.BROWSER_TAKEN, AuditAction.BROWSER_GIVEN_BACK]


async def test_a_process_that_ends_gives_back_what_it_has_taken(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = TakeoverEnd.SERVER_GONE
    monkeypatch.setattr(place.views, "close", lambda: place.views.how.put_nowait(gone))
    await place.service.take_over(place.caller, place.run, place.attempt)
    await place.service.close()
    assert [entry.detail for entry in await place.audited()][1:] == [
        "subtask 1: the server process with which they took it over has ended"
    ]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda place: place.change(Role.MEMBER), Forbidden),
        (lambda place: place.sign_out(), SessionEnded),
    ],
)
async def test_who_may_act_no_more_loses_the_browser(
    place: Place, change: Callable[[Place], Awaitable[None]], error: type[FykeError]
) -> None:
    await place.service.take_over(place.caller, place.run, place.attempt)
    place.views.calls.clear()
    revoked = ("give_back", place.attempt, place.session, "revoked")
    await change(place)
    # the caller is as the cache of a server still has it
    with pytest.raises(error):
        await place.service.act(place.caller, place.run, place.attempt, "0.T", 7, [TextInput("x")])
    assert place.views.calls == [revoked]
    with pytest.raises(error):
        await place.service.take_over(place.caller, place.run, place.attempt)
    assert place.views.calls == [revoked]


async def test_a_user_who_watches_is_checked_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_views, "CHECK_SECONDS", 0.0)
    watch = await place.service.watch(place.caller, place.run, place.attempt)
    shown = ViewUpdate(ViewState(shown="0.T"))
    place.views.updates = [shown, shown, shown]
    assert await watch.next(60) == shown
    place.views.calls.clear()
    revoked = ("give_back", place.attempt, place.session, "revoked")
    await place.change(Role.MEMBER)
    assert await watch.next(60) == shown  # who may still watch
    assert place.views.calls == [revoked]
    await place.sign_out()
    assert await watch.next(60) is None
    assert place.views.calls == [revoked, revoked]
    with pytest.raises(SessionEnded):
        await place.service.watch(place.caller, place.run, place.attempt)


async def test_what_cannot_be_logged_is_given_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(work: object) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(place.app.storage, "write", fail)
    with pytest.raises(Unavailable):
        await place.service.take_over(place.caller, place.run, place.attempt)
    assert [call[0] for call in place.views.calls] == ["take_over", "give_back"]


@pytest.mark.parametrize(
    ("refusal", "node", "error", "text"),
    [
        (ViewRefusal.TAKEN, "node", Conflict, "Ada has taken over"),
        (ViewRefusal.AWAY, "node", Unavailable, "does not answer"),
        (ViewRefusal.ELSEWHERE, "node", Refused, "no longer open"),
        (ViewRefusal.ELSEWHERE, "here", NotViewable, "on node only"),
        (ViewRefusal.FULL, "node", NotViewable, "3 users are watching"),
        (ViewRefusal.WINDOWS, "node", NotViewable, "in 3 windows already"),
        (ViewRefusal.MACHINE_FULL, "node", NotViewable, "8 users are watching"),
        (ViewRefusal.NOT_TAKEN, "node", NotViewable, "not taken over"),
        (ViewRefusal.NO_PAGE, "node", NotViewable, "not watched"),
        (ViewRefusal.REPLACED, "node", Conflict, "something else"),
    ],
)
async def test_refusals_of_the_gateway_are_explained(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    refusal: ViewRefusal,
    node: str,
    error: type[FykeError],
    text: str,
) -> None:
    monkeypatch.setattr(place.views, "node", lambda: node)
    place.views.refused = ViewRefused(refusal, "Ada")
    for asked in (
        place.service.watch(place.caller, place.run, place.attempt),
        place.service.take_over(place.caller, place.run, place.attempt),
        place.service.act(place.caller, place.run, place.attempt, "0.T", 7, [TextInput("x")]),
        place.service.give_back(place.caller, place.run, place.attempt),
    ):
        with pytest.raises(error, match=text):
            await asked
    assert await place.audited() == []


@dataclass
class ScriptedNodes:
    """``views`` are those of every node; ``asked`` are the nodes, with the gateway of each."""

    views: ScriptedViews
    asked: list[tuple[str, str]] = field(default_factory=list)

    def of(self, node: str, gateway: str) -> ScriptedViews:
        self.asked.append((node, gateway))
        return self.views


async def on_node(place: Place, gateway: str = "192.0.2.2:8110", runner: str = RUNNER) -> None:
    """Let the runner of the attempt be that of a node, which has connected with this runner."""
    await place.app.register_runner(place=f"{NODE_PLACE}{MACHINE}")
    node = Node(MACHINE, "eu", {}, "", "J1", False, 1, runner_id=runner, gateway_id=gateway)
    await place.app.storage.write(lambda tx: tx.nodes.add(node))


async def test_a_browser_on_a_node_is_watched_and_taken_over_by_its_gateway(place: Place) -> None:
    await on_node(place)
    nodes = ScriptedNodes(ScriptedViews(updates=[ViewUpdate(picture=PICTURE)]))
    service = RunBrowserViews(place.app.storage, place.views, nodes)
    [browser] = await service.open_browsers(place.caller, place.run)
    assert browser.joined
    assert await service.picture(place.caller, place.run) == PICTURE
    await service.take_over(place.caller, place.run, place.attempt)
    await service.act(place.caller, place.run, place.attempt, "0.T", 7, [TextInput("x")])
    await service.give_back(place.caller, place.run, place.attempt)
    nodes.views.calls.clear()
    await place.change(Role.MEMBER)
    with pytest.raises(Forbidden):
        await service.act(place.caller, place.run, place.attempt, "0.T", 7, [TextInput("x")])
    assert nodes.views.calls == [("give_back", place.attempt, place.session, "revoked")]
    assert nodes.asked == [(MACHINE, "192.0.2.2:8110")] * 5
    assert place.views.calls == []
    nodes.views.how.put_nowait(TakeoverEnd.REVOKED)
    await asyncio.gather(*service._taken)
    assert [entry.action for entry in await place.audited()] == [
        AuditAction.BROWSER_TAKEN, AuditAction.BROWSER_GIVEN_BACK,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("refusal", "error", "text"),
    [
        (ViewRefusal.AWAY, Unavailable, "node of this browser does not answer"),
        (ViewRefusal.ELSEWHERE, Refused, "no longer open"),
        (ViewRefusal.FULL, NotViewable, "3 users are watching"),
    ],
)
async def test_refusals_of_a_node_are_explained(
    place: Place, refusal: ViewRefusal, error: type[FykeError], text: str
) -> None:
    await on_node(place)
    nodes = ScriptedNodes(ScriptedViews(refused=ViewRefused(refusal)))
    service = RunBrowserViews(place.app.storage, place.views, nodes)
    for asked in (
        service.watch(place.caller, place.run, place.attempt),
        service.take_over(place.caller, place.run, place.attempt),
        service.act(place.caller, place.run, place.attempt, "0.T", 7, [TextInput("x")]),
        service.give_back(place.caller, place.run, place.attempt),
    ):
        with pytest.raises(error, match=text):
            await asked


@pytest.mark.parametrize(("gateway", "runner"), [("", RUNNER), ("192.0.2.2:8110", "another")])
async def test_a_node_without_a_gateway_shows_nothing(
    place: Place, gateway: str, runner: str
) -> None:
    await on_node(place, gateway, runner)
    nodes = ScriptedNodes(ScriptedViews())
    service = RunBrowserViews(place.app.storage, place.views, nodes)
    with pytest.raises(Unavailable, match="node of this browser"):
        await service.watch(place.caller, place.run, place.attempt)
    with pytest.raises(Unavailable, match="node of this browser"):
        await place.service.take_over(place.caller, place.run, place.attempt)  # of this machine
    assert nodes.asked == [] and place.views.calls == []


async def test_live_views_can_be_switched_off(place: Place) -> None:
    service = RunBrowserViews(place.app.storage, None)
    assert place.service.enabled and not service.enabled
    with pytest.raises(Refused, match="browser_live"):
        await service.watch(place.caller, place.run, place.attempt)
