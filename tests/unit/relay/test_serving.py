"""Live views that are served on a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from fyke.contracts.browser_view import (
    MAX_INPUTS,
    MAX_MACHINE_WINDOWS,
    BrowserInput,
    BrowserViews,
    TakeoverEnd,
    TextInput,
    ViewRefusal,
    ViewRefused,
    ViewState,
    ViewUpdate,
)
from fyke.kit.stream_requests import RequestFailed
from fyke.relay.asking import MAX_TAKEN
from fyke.relay.serving import ServedViews
from fyke.wire.browser_views import SendInput, TakeOver, ViewDone, Watch
from fyke.wire.node_views import (
    ActOnBrowser,
    AwaitGivenBack,
    CloseView,
    NextUpdate,
    OpenView,
)
from fyke.wire.nodes import NodeRequest, decode_answer, encode
from support.relayed_views import relayed

pytestmark = pytest.mark.anyio

WATCH = Watch("A1", "", "H", "U")
TAKE = TakeOver("A1", "H", "Ada")
SHOWN = ViewUpdate(ViewState(shown="0.T1"))


@dataclass
class OneBrowser:
    """Views of one browser, whose watches and takings are this object too."""

    updates: list[ViewUpdate | None] = field(default_factory=list)
    how: asyncio.Future[TakeoverEnd] = field(default_factory=asyncio.Future)
    may_open: asyncio.Event = field(default_factory=asyncio.Event)
    is_waited_for: asyncio.Event = field(default_factory=asyncio.Event)
    acted: int = 0
    closed: int = 0

    def node(self) -> str:
        return "n1"

    async def watch(
        self, attempt_id: str, page: str = "", holder: str = "", user: str = ""
    ) -> OneBrowser:
        self.is_waited_for.set()
        await self.may_open.wait()
        return self

    async def take_over(self, attempt_id: str, holder: str, name: str) -> OneBrowser:
        return self

    async def act(
        self,
        attempt_id: str,
        holder: str,
        page: str,
        picture: int,
        inputs: Sequence[BrowserInput],
    ) -> None:
        self.acted += len(inputs)

    async def give_back(self, attempt_id: str, holder: str, *, revoked: bool = False) -> None:
        self.how.set_result(TakeoverEnd.REVOKED if revoked else TakeoverEnd.BY_USER)

    async def next(self, seconds: float) -> ViewUpdate | None:
        return self.updates.pop(0)

    async def ended(self) -> TakeoverEnd:
        return await asyncio.shield(self.how)

    def close(self) -> None:
        self.closed += 1


class Found:
    """``allowed`` is for whom there are views: a node and its attempt."""

    def __init__(self, views: BrowserViews) -> None:
        self.views = views
        self.allowed = {("n1", "A1")}

    def __call__(self, node: str, attempt_id: str) -> BrowserViews:
        if (node, attempt_id) not in self.allowed:
            raise ViewRefused(ViewRefusal.ELSEWHERE)
        return self.views


@pytest.fixture
async def browser() -> OneBrowser:
    browser = OneBrowser()
    browser.may_open.set()
    return browser


@pytest.fixture
async def found(browser: OneBrowser) -> Found:
    return Found(browser)


@pytest.fixture
async def served(found: Found) -> ServedViews:
    return ServedViews(found)


async def ask(served: ServedViews, request: NodeRequest[object]) -> object:
    return decode_answer(request, await served.serve(encode(request)))


async def test_an_attempt_of_another_node_is_refused(
    served: ServedViews, browser: OneBrowser
) -> None:
    refused = ViewDone(ViewRefusal.ELSEWHERE)
    assert await ask(served, OpenView(1, WATCH, "n2")) == refused
    assert await ask(served, OpenView(1, Watch("A2", "", ""), "n1")) == refused
    inputs = SendInput("A1", "H", "0.T1", 1, [TextInput("x")])
    assert await ask(served, ActOnBrowser(inputs, "n2")) == refused
    assert browser.acted == 0


async def test_a_view_ends_with_what_allowed_it(
    served: ServedViews, browser: OneBrowser, found: Found
) -> None:
    assert await ask(served, OpenView(1, WATCH, "n1")) == ViewDone()
    assert await ask(served, OpenView(2, TAKE, "n1")) == ViewDone()
    browser.updates = [SHOWN, SHOWN]
    assert await ask(served, NextUpdate(1, 1)) == SHOWN
    assert await ask(served, AwaitGivenBack(2, 0)) is None
    found.allowed.clear()
    assert await ask(served, NextUpdate(1, 1)) is None
    assert await ask(served, AwaitGivenBack(2, 60)) is TakeoverEnd.ATTEMPT_OVER
    assert browser.closed == 2 and browser.updates == [SHOWN]


async def test_a_view_of_an_earlier_connection_of_the_node_ends(
    served: ServedViews, browser: OneBrowser, found: Found
) -> None:
    await ask(served, OpenView(1, WATCH, "n1"))
    found.views = OneBrowser()
    assert await ask(served, NextUpdate(1, 1)) is None
    assert browser.closed == 1


async def test_what_is_closed_while_it_is_opened_does_not_stay(
    served: ServedViews, browser: OneBrowser
) -> None:
    browser.may_open.clear()
    opening = asyncio.create_task(ask(served, OpenView(1, WATCH, "n1")))
    await browser.is_waited_for.wait()
    assert await ask(served, CloseView(1)) is None
    browser.may_open.set()
    assert await opening == ViewDone(ViewRefusal.AWAY)
    assert browser.closed == 1


async def test_views_end_with_the_connection(served: ServedViews, browser: OneBrowser) -> None:
    await ask(served, OpenView(1, WATCH, "n1"))
    await ask(served, OpenView(2, TAKE, "n1"))
    served.close()
    assert browser.closed == 2
    assert await ask(served, OpenView(3, WATCH, "n1")) == ViewDone(ViewRefusal.MACHINE_FULL)


async def test_a_browser_is_given_back(served: ServedViews, found: Found) -> None:
    async with relayed(found) as views:
        taken = await views.take_over("A1", "H", "Ada")
        await views.give_back("A1", "H", revoked=True)
        assert await taken.ended() is TakeoverEnd.REVOKED


async def test_a_connection_has_bounds(served: ServedViews, browser: OneBrowser) -> None:
    most = MAX_MACHINE_WINDOWS + MAX_TAKEN
    for number in range(most):
        assert await ask(served, OpenView(number, WATCH, "n1")) == ViewDone()
    full = ViewDone(ViewRefusal.MACHINE_FULL)
    assert await ask(served, OpenView(most, WATCH, "n1")) == full
    await ask(served, CloseView(0))
    assert await ask(served, OpenView(1, WATCH, "n1")) == full  # which is open
    inputs = [TextInput("x")] * (MAX_INPUTS + 1)
    act = ActOnBrowser(SendInput("A1", "H", "0.T1", 1, inputs), "n1")
    assert await ask(served, act) == ViewDone(ViewRefusal.AWAY)
    assert browser.acted == 0
    with pytest.raises(RequestFailed):
        await served.serve(b"\xc1")
