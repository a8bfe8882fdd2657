"""Live views of a real Chromium through a gateway in a process of its own, as a server of the same
machine has them, and as one has those of a node.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from fyke.browser.client import GatewayClient
from fyke.browser.view_client import ViewClient
from fyke.contracts.browser import BrowserNote, BrowserProgram, BrowserWanted, GatewayGrant
from fyke.contracts.browser_view import (
    BrowserViews,
    BrowserWatch,
    DialogInput,
    KeyInput,
    PageTrouble,
    PointerInput,
    ScrollInput,
    TextInput,
    ViewRefusal,
    ViewRefused,
)
from support.browser_gateways import GatewayProcess, gateway_and_client
from support.browser_hosts import plain_host, until
from support.browser_views import next_picture, next_state
from support.cdp import Cdp
from support.egress import listener, port_of
from support.relayed_views import as_on_a_node

pytestmark = [pytest.mark.anyio, pytest.mark.needs("chromium"), pytest.mark.timeout(300)]
ATTEMPT, HOLDER = "01ATTEMPT", "session"
# a button in the middle, a field at the top, and a list that can be scrolled; nothing moves
PAGE = "data:text/html," + quote(
    "<!doctype html><title>Shop</title><body style='margin:0;height:4000px'>"
    "<input id=field style='position:fixed;left:0;top:0;width:100%;height:20%'>"
    "<button id=button style='position:fixed;left:0;top:40%;width:100%;height:20%'>Buy</button>"
    "<script>button.onclick = () => { document.title = 'Bought'; }</script>"
)


class ViewedUser:
    """A runner with one attempt, a Worker that is connected to its Chromium, and a viewer."""

    def __init__(
        self, client: GatewayClient, process: GatewayProcess, folder: Path, views: BrowserViews
    ) -> None:
        self.client = client
        self.process = process
        self.folder = folder
        self.views = views
        self.listener = listener()
        self.port = port_of(self.listener)
        self.notes: list[str] = []
        self.stack = AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        client.on_wanted = self._wanted
        client.on_note = self._noted

    def _wanted(self, wanted: BrowserWanted) -> None:
        self._tasks.add(asyncio.create_task(self._attach(wanted.attempt_id)))

    def _noted(self, note: BrowserNote) -> None:
        self.notes.append(note.text)

    async def _attach(self, attempt_id: str) -> None:
        _, control = await self.stack.enter_async_context(plain_host(self.folder / "profiles"))
        with control:
            shell = BrowserProgram.HEADLESS_SHELL
            await self.client.attach(attempt_id, 1, control, shell, own_sandbox=False)

    async def connect(self) -> Cdp:
        sock = socket.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        cdp = await Cdp.over(sock, "/")
        self.stack.push_async_callback(cdp.close)
        return cdp


@pytest.fixture(params=["own_runner", pytest.param("node", marks=pytest.mark.long)])
async def user(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ViewedUser]:
    async with gateway_and_client(tmp_path) as (client, process), AsyncExitStack() as stack:
        views: BrowserViews
        views = ViewClient(process.path.with_name("browser-view.sock"), tmp_path / "node")
        if request.param == "node":
            views = await stack.enter_async_context(as_on_a_node(views))
        made = ViewedUser(client, process, tmp_path, views)
        await client.open([made.listener], GatewayGrant(ATTEMPT, "s3cret"))
        made.listener.close()
        async with made.stack:
            yield made


@asynccontextmanager
async def watched(user: ViewedUser) -> AsyncIterator[BrowserWatch]:
    watch = await user.views.watch(ATTEMPT, "", HOLDER)
    try:
        yield watch
    finally:
        watch.close()


async def becomes(worker: Cdp, session: str, expression: str, expected: object) -> None:
    """Wait until a page has a value."""
    async with asyncio.timeout(60):
        while await worker.evaluate(session, expression) != expected:
            pass


async def opened(worker: Cdp, url: str = PAGE) -> str:
    """Open a page and wait until it is there; return the session."""
    session = await worker.page(url)
    await becomes(worker, session, "document.title + document.readyState", "Shopcomplete")
    return session


async def page_with(watch: BrowserWatch, title: str) -> str:
    """The id of the page of this title, once it is listed."""
    while True:
        state = await next_state(watch)
        for page in state.pages:
            if page.title == title:
                return page.id


async def test_a_page_that_does_not_change_is_shown(user: ViewedUser) -> None:
    worker = await user.connect()
    session = await opened(worker)
    async with watched(user) as watch:
        page = await page_with(watch, "Shop")
        picture = await next_picture(watch)
        while picture.page != page:
            picture = await next_picture(watch)
        assert picture.jpeg.startswith(b"\xff\xd8\xff") and picture.jpeg.endswith(b"\xff\xd9")
        size = await worker.evaluate(session, "[innerWidth, innerHeight]")
        assert [picture.width, picture.height] == size
    async with watched(user) as again:
        assert (await next_picture(again)).jpeg


async def test_pages_are_not_told_that_they_are_watched(user: ViewedUser) -> None:
    worker = await user.connect()
    session = await opened(worker)
    facts = """JSON.stringify([
  navigator.webdriver, document.visibilityState, document.hasFocus(), innerWidth, innerHeight,
  outerWidth, devicePixelRatio, screen.width, matchMedia('(pointer: fine)').matches,
])"""
    # reading the stack of a logged error is how pages notice the domain Runtime
    noticed = """new Promise((resolve) => {
  const error = new Error();
  let read = false;
  Object.defineProperty(error, 'stack', { get() { read = true; return ''; } });
  console.debug(error);
  setTimeout(() => resolve(read), 50);
})"""
    before = await worker.evaluate(session, facts)
    assert await worker.evaluate(session, noticed) is False
    events = len(worker.events)
    async with watched(user) as watch:
        await next_picture(watch)
        assert await worker.evaluate(session, facts) == before
        assert await worker.evaluate(session, noticed) is False
    assert await worker.evaluate(session, facts) == before
    assert worker.events[events:] == []


async def test_the_client_of_the_worker_keeps_its_own_screencast(user: ViewedUser) -> None:
    worker = await user.connect()
    session = await opened(worker)
    await worker.call("Page.startScreencast", session, format="png", everyNthFrame=1)
    async with watched(user) as watch:
        await next_picture(watch)
        mine = await worker.event("Page.screencastFrame")
        assert mine["params"]["data"].startswith("iVBOR")  # still PNG
    await worker.call("Page.screencastFrameAck", session, sessionId=mine["params"]["sessionId"])
    count = len(worker.events)
    await worker.evaluate(session, "document.body.style.background = 'teal'")
    await until(lambda: len(worker.events) > count)  # and it goes on


async def test_input_acts_on_the_page(user: ViewedUser) -> None:
    worker = await user.connect()
    session = await opened(worker)
    async with watched(user) as watch:
        page = await page_with(watch, "Shop")
        picture = await next_picture(watch)
        while picture.page != page:
            picture = await next_picture(watch)
        await user.views.take_over(ATTEMPT, HOLDER, "Ada")
        number = picture.number

        async def act(*inputs: PointerInput | KeyInput | TextInput | ScrollInput) -> None:
            nonlocal number
            while (update := await watch.next(0)) is not None and update.picture is not None:
                number = update.picture.number
            await user.views.act(ATTEMPT, HOLDER, page, number, inputs)

        await act(
            PointerInput("press", 0.5, 0.5, "left", 1), PointerInput("release", 0.5, 0.5, "left", 1)
        )
        await becomes(worker, session, "document.title", "Bought")
        await act(
            PointerInput("press", 0.5, 0.1, "left", 1),
            PointerInput("release", 0.5, 0.1, "left", 1),
            KeyInput(True, "a", "KeyA"),
            KeyInput(False, "a", "KeyA"),
            TextInput("bc äöü 中"),
        )
        await becomes(worker, session, "field.value", "abc äöü 中")
        await act(KeyInput(True, "Backspace", "Backspace"), KeyInput(False, "Backspace"))
        await becomes(worker, session, "field.value", "abc äöü ")
        await act(KeyInput(True, "a", "KeyA", 2), KeyInput(False, "a", "KeyA", 2), TextInput("x"))
        await becomes(worker, session, "field.value", "x")
        await act(ScrollInput(0.5, 0.9, 0, 500))
        await becomes(worker, session, "scrollY > 0", True)
        await user.views.give_back(ATTEMPT, HOLDER)
    # a loaded machine may add a note that the process did not answer in time
    taken = lambda: [note.split(" has ")[1][:5] for note in user.notes if " has " in note]  # noqa: E731
    await until(lambda: len(taken()) == 2)
    assert taken() == ["taken", "given"]


async def test_input_for_a_page_that_was_replaced_is_refused(user: ViewedUser) -> None:
    worker = await user.connect()
    session = await opened(worker)
    clicked = "document.body.onmousedown = () => { document.title = 'clicked'; }"
    press = PointerInput("press", 0.5, 0.5, "left", 1)
    async with watched(user) as watch:
        page = await page_with(watch, "Shop")
        picture = await next_picture(watch)
        while picture.page != page:
            picture = await next_picture(watch)
        await user.views.take_over(ATTEMPT, HOLDER, "Ada")
        await worker.call("Page.navigate", session, url=PAGE.replace("Shop", "Other"))
        await becomes(worker, session, "document.title + document.readyState", "Othercomplete")
        await worker.evaluate(session, clicked)
        refused = 0
        while await worker.evaluate(session, "document.title") == "Other":
            try:
                await user.views.act(ATTEMPT, HOLDER, page, picture.number, [press])
                assert refused, "the old picture was taken for one of the other page"
            except ViewRefused as error:
                assert error.refusal is ViewRefusal.REPLACED
                refused += 1
            update = await watch.next(0.1)
            assert update is not None
            picture = update.picture or picture
        await becomes(worker, session, "document.title", "clicked")


async def test_a_dialog_is_answered_and_does_not_hang_the_page_any_more(user: ViewedUser) -> None:
    worker = await user.connect()
    session = await opened(worker)
    await worker.call("Page.enable", session)
    async with watched(user) as watch:
        page = await page_with(watch, "Shop")
        await user.views.take_over(ATTEMPT, HOLDER, "Ada")
        for kind, accept, result in (
            ("prompt", True, "south"),
            ("prompt", False, None),
            ("confirm", True, True),
        ):
            question = f"window.asked = {kind}('Which shop?')"
            asking = asyncio.create_task(worker.evaluate(session, question))
            while (dialog := (await next_state(watch)).dialog) is None:
                pass
            assert (dialog.kind, dialog.text) == (kind, "Which shop?")
            answer = DialogInput(dialog.number, accept, "south")
            await user.views.act(ATTEMPT, HOLDER, page, 0, [answer])
            assert await asking == result
        while (await next_state(watch)).dialog is not None:
            pass
    closed = [event for event in worker.events if event["method"] == "Page.javascriptDialogClosed"]
    assert len(closed) == 3  # as if the client had answered


async def test_a_page_that_works_without_end_or_has_crashed_is_named(user: ViewedUser) -> None:
    worker = await user.connect()
    session = await opened(worker)
    async with watched(user) as watch:
        await page_with(watch, "Shop")
        await next_picture(watch)
        await worker.evaluate(session, "document.title = 'Later'")
        await page_with(watch, "Later")  # of which Chromium sends no event
        hang = "const end = Date.now() + 9000; while (Date.now() < end);"
        hanging = asyncio.create_task(worker.evaluate(session, hang))
        while (await next_state(watch)).trouble is not PageTrouble.SILENT:
            pass
        await hanging
        while (await next_state(watch)).trouble is not None:
            pass
        crash = asyncio.create_task(worker.call("Page.crash", session, 1))
        while (await next_state(watch)).trouble is not PageTrouble.CRASHED:
            pass
        await asyncio.gather(crash, return_exceptions=True)
        await worker.call("Page.navigate", session, url=PAGE)
        while (await next_state(watch)).trouble is not None:
            pass
        assert (await next_picture(watch)).jpeg


@pytest.mark.parametrize(
    ("width", "height", "scale"),
    [
        (1280, 720, 1),
        (1920, 1080, 1),
        (3840, 2160, 2),
        (333, 5001, 3),
        (2559, 1601, 1.5),
        (7, 3, 1),
    ],
)
async def test_every_window_has_a_picture(
    user: ViewedUser, width: int, height: int, scale: float
) -> None:
    worker = await user.connect()
    session = await opened(worker)
    size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
    await worker.call("Emulation.setDeviceMetricsOverride", session, **size)
    async with watched(user) as watch:
        while (await next_picture(watch)).width != width:
            pass
    assert not [note for note in user.notes if "leaves out" in note]


async def test_a_view_keeps_no_browser(user: ViewedUser) -> None:
    worker = await user.connect()
    await opened(worker)
    ended: list[object] = []
    user.client.on_ended = ended.append
    async with watched(user) as watch:
        await next_picture(watch)
        await worker.call("Browser.close")
        while (await next_state(watch)).pages:
            pass
        await until(lambda: ended, 60)
    assert len(ended) == 1


async def test_a_moving_page_is_shown_at_most_four_times_a_second(user: ViewedUser) -> None:
    worker = await user.connect()
    moving = PAGE + quote("<script>setInterval(() => scrollBy(0, 1), 5)</script>")
    await opened(worker, moving)
    loop = asyncio.get_running_loop()
    async with watched(user) as watch:
        await page_with(watch, "Shop")
        await next_picture(watch)
        began = loop.time()
        for _ in range(9):
            await next_picture(watch)
        assert loop.time() - began >= 7 * 0.25  # whatever the load of the machine
