"""Live views of a browser on a node, over a real gateway: who gets them, and when they end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fyke.contracts.browser_view import (
    BrowserViews,
    TakeoverEnd,
    TextInput,
    ViewRefusal,
    ViewRefused,
)
from fyke.domain.nodes.authority import certify_server
from fyke.kit.certificates import CertifiedKey
from fyke.kit.clock import SystemClock
from fyke.kit.hostports import join_host_port
from fyke.link.gateway import RemoteGateway
from fyke.link.gateway_views import GatewayViews
from fyke.link.node_link import NodeLink
from fyke.model.attempt import AttemptReport, RunnerOrders
from fyke.model.runner import AttemptUsage
from support.app import open_app
from support.browser_hosts import until
from support.browser_views import ViewedPlace, next_picture, next_state, viewed_place
from support.jpegs import jpeg
from support.remote_nodes import OWN, RemoteNode, open_remote

pytestmark = pytest.mark.anyio

HOLDER = "session"


@dataclass
class ViewedNode:
    """A node with an attempt and its browser, and a server of the installation."""

    remote: RemoteNode
    node: RemoteGateway
    link: NodeLink
    browser: ViewedPlace
    server: GatewayViews

    @property
    def address(self) -> str:
        return join_host_port(*self.remote.gateway.address)

    @property
    def views(self) -> BrowserViews:
        return self.server.of("n1", self.address)


async def refusal(views: BrowserViews, attempt_id: str = OWN.id) -> ViewRefusal:
    """Why an attempt cannot be watched, taken over, sent input or given back."""
    found = set()
    for asked in (
        views.watch(attempt_id),
        views.take_over(attempt_id, HOLDER, "Ada"),
        views.act(attempt_id, HOLDER, "0.T1", 1, [TextInput("x")]),
        views.give_back(attempt_id, HOLDER),
    ):
        with pytest.raises(ViewRefused) as refused:
            await asked
        found.add(refused.value.refusal)
    [only] = found
    return only


@asynccontextmanager
async def server_with(
    remote: RemoteNode, own: CertifiedKey | None = None
) -> AsyncIterator[GatewayViews]:
    """A server, with a certificate of its own or another one."""
    authority = remote.gateway.authority

    async def credentials() -> tuple[str, CertifiedKey]:
        made = own or certify_server(authority, SystemClock().now_ms() / 1000)
        return authority.certificate, made

    server = GatewayViews(credentials)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
async def place(tmp_path: Path, templates: Path) -> AsyncIterator[ViewedNode]:
    async with (
        open_app(tmp_path, templates) as app,
        open_remote(app, tmp_path / "blobs") as remote,
        viewed_place(tmp_path, OWN.id) as browser,
        server_with(remote) as server,
    ):
        node, link = await remote.connected(lambda _node, _attempt: browser.views)
        await browser.open_browser()
        yield ViewedNode(remote, node, link, browser, server)


async def test_pictures_come_from_a_node_and_input_goes_there(place: ViewedNode) -> None:
    watch = await place.views.watch(OWN.id, "", HOLDER, "U")
    picture = await next_picture(watch)
    assert (picture.page, picture.jpeg) == ("0.T1", jpeg("first"))
    taken = await place.views.take_over(OWN.id, HOLDER, "Ada")
    while not (state := await next_state(watch)).yours:
        pass
    assert state.taken_by == "Ada"
    [viewing] = place.browser.viewing
    viewing.frame("T1", "second")
    picture = await next_picture(watch)
    assert picture.jpeg == jpeg("second")
    await place.views.act(OWN.id, HOLDER, "0.T1", picture.number, [TextInput("äb")])
    await until(lambda: viewing.sent("Input.insertText"))
    assert viewing.sent("Input.insertText") == [("S-T1", {"text": "äb"})]
    with pytest.raises(ViewRefused) as refused:
        await place.views.take_over(OWN.id, "another", "Bob")
    assert (refused.value.refusal, refused.value.name) == (ViewRefusal.TAKEN, "Ada")
    await place.views.give_back(OWN.id, HOLDER)
    assert await taken.ended() is TakeoverEnd.BY_USER
    watch.close()
    await until(lambda: not place.browser.live.watchers)


async def test_attempts_that_the_node_does_not_have_are_not_shown(place: ViewedNode) -> None:
    assert await refusal(place.views, "A2") is ViewRefusal.ELSEWHERE
    assert await refusal(place.server.of("n2", place.address)) is ViewRefusal.AWAY
    assert not place.browser.viewing


async def test_a_view_ends_with_the_lease(place: ViewedNode) -> None:
    watch = await place.views.watch(OWN.id)
    taken = await place.views.take_over(OWN.id, HOLDER, "Ada")
    assert await next_picture(watch)
    place.remote.runner.answers["report"] = RunnerOrders({}, frozenset({OWN.id}))
    await place.node.report([AttemptReport(OWN, AttemptUsage())])
    while await watch.next(1) is not None:
        pass
    assert await taken.ended() is TakeoverEnd.ATTEMPT_OVER
    await until(lambda: not place.browser.live._views)  # on the node too
    assert await refusal(place.views) is ViewRefusal.ELSEWHERE


async def test_a_view_ends_with_the_attempt(place: ViewedNode) -> None:
    watch = await place.views.watch(OWN.id)
    taken = await place.views.take_over(OWN.id, HOLDER, "Ada")
    place.browser.gateway.close(OWN.id, final=True)
    while await watch.next(1) is not None:
        pass
    assert await taken.ended() is TakeoverEnd.ATTEMPT_OVER


async def test_a_view_ends_with_the_connection_of_the_node(place: ViewedNode) -> None:
    watch = await place.views.watch(OWN.id)
    taken = await place.views.take_over(OWN.id, HOLDER, "Ada")
    place.link.leave("a test")
    while await watch.next(1) is not None:
        pass
    assert await taken.ended() is TakeoverEnd.LOST
    await until(lambda: not place.browser.live._views)
    await until(place.link.connected.is_set)
    await place.node.active()
    again = await place.views.watch(OWN.id)  # on the new connection
    assert (await next_picture(again)).page == "0.T1"


async def test_views_end_with_the_server(place: ViewedNode) -> None:
    await next_picture(await place.views.watch(OWN.id))
    taken = await place.views.take_over(OWN.id, HOLDER, "Ada")
    place.server.close()
    assert await taken.ended() is TakeoverEnd.LOST
    await until(lambda: not place.browser.live._views)
    assert any("given the browser back" in line for line in place.browser.log)


async def test_another_server_sees_and_takes_over_the_same_browser(place: ViewedNode) -> None:
    async with server_with(place.remote) as other:
        watch = await place.views.watch(OWN.id, "", HOLDER, "U")
        await next_picture(watch)
        await other.of("n1", place.address).take_over(OWN.id, HOLDER, "Ada")
        while not (state := await next_state(watch)).taken_by:
            pass
        assert state.taken_by == "Ada"


async def test_only_servers_get_views(place: ViewedNode) -> None:
    of_node = place.remote.certificates[-1]
    async with server_with(place.remote, of_node) as stranger:
        assert await refusal(stranger.of("n1", place.address)) is ViewRefusal.AWAY
    authority = place.remote.gateway.authority
    own = certify_server(authority, SystemClock().now_ms() / 1000)
    joined = replace(place.remote.joined, own=own)
    _, link = place.remote.connect("R2", joined=joined)
    await until(lambda: link.problem != "The node has not connected yet")
    assert link.connections == 0 and link.ended is None
    assert not place.browser.viewing


@pytest.mark.parametrize("gateway", ["", "01K0GATEWAY", "127.0.0.1:1"])
async def test_a_gateway_that_cannot_be_reached_is_away(place: ViewedNode, gateway: str) -> None:
    assert await refusal(place.server.of("n1", gateway)) is ViewRefusal.AWAY
