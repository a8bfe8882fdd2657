"""What is made of answers about live views, which a hostile machine may send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import pytest

from fyke.contracts.browser_view import (
    MAX_MACHINE_WINDOWS,
    MAX_PICTURE,
    Picture,
    TakeoverEnd,
    TextInput,
    ViewedPage,
    ViewRefusal,
    ViewRefused,
    ViewState,
    ViewUpdate,
)
from fyke.errors import FykeError
from fyke.kit.stream_requests import RequestFailed
from fyke.relay import asking
from fyke.relay.asking import RemoteViews, ViewStream
from fyke.wire.browser_views import ViewDone
from fyke.wire.node_views import (
    MAX_ANSWER,
    AwaitGivenBack,
    CloseView,
    NextUpdate,
    OpenView,
    decode_view_request,
)
from fyke.wire.nodes import encode, encode_error
from support.browser_hosts import until
from support.jpegs import jpeg
from support.relayed_views import view_stream

pytestmark = pytest.mark.anyio

SHOWN = ViewUpdate(ViewState(shown="0.T1"))


@dataclass
class ScriptedEnd:
    """Answers requests by their type; ``silent`` ones are not answered."""

    answers: dict[type, Any] = field(default_factory=dict)
    silent: set[type] = field(default_factory=set)
    requests: list[Any] = field(default_factory=list)

    async def serve(self, body: bytes) -> bytes:
        request = decode_view_request(body)
        self.requests.append(request)
        if type(request) in self.silent:
            await asyncio.Event().wait()
        answer = self.answers.get(type(request), ViewDone())
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, bytes) else encode(answer)

    def asked(self, kind: type) -> int:
        return sum(isinstance(request, kind) for request in self.requests)


@asynccontextmanager
async def scripted(late_seconds: float = 30.0) -> AsyncIterator[tuple[RemoteViews, ScriptedEnd]]:
    end = ScriptedEnd()
    async with asyncio.timeout(60), view_stream(end.serve, late_seconds=late_seconds) as stream:

        async def connected() -> ViewStream:
            return stream

        yield RemoteViews(connected, "n1"), end


def picture(data: bytes) -> ViewUpdate:
    return ViewUpdate(picture=Picture("0.T1", 1, data, 800, 600))


def large(size: int) -> bytes:
    """A picture of so many bytes."""
    return jpeg("x" * (size - len(jpeg(""))))


async def test_the_largest_picture_is_accepted() -> None:
    async with scripted() as (views, end):
        watch = await views.watch("A1")
        end.answers[NextUpdate] = picture(large(MAX_PICTURE))
        update = await watch.next(1)
        assert update is not None and update.picture is not None
        assert len(update.picture.jpeg) == MAX_PICTURE


@pytest.mark.parametrize(
    "answer",
    [
        picture(large(MAX_PICTURE + 1)),
        picture(b"no jpeg"),
        picture(jpeg("x", 4000, 3000)),
        ViewUpdate(ViewState(pages=(ViewedPage("0.T1", "x" * 70_000, ""),))),
        b"\xc1",
        bytes(2 * MAX_ANSWER),  # after which the connection has ended
        RequestFailed(encode_error(FykeError("This node serves no requests"))),
        None,
    ],
)
async def test_a_view_ends_with_an_answer_that_is_none(answer: object) -> None:
    async with scripted() as (views, end):
        watch = await views.watch("A1")
        end.answers[NextUpdate] = encode(None) if answer is None else answer
        assert await watch.next(1) is None
        asked = end.asked(NextUpdate)
        assert await watch.next(1) is None
        assert end.asked(NextUpdate) == asked == 1


async def test_so_many_pictures_a_second_are_asked_for() -> None:
    async with scripted() as (views, end):
        watch = await views.watch("A1")
        end.answers[NextUpdate] = picture(jpeg("x"))
        began = monotonic()
        for _ in range(4):
            assert await watch.next(1) is not None
        assert monotonic() - began >= 3 * asking.PICTURE_SECONDS


@pytest.mark.parametrize("silent", [OpenView, NextUpdate])
async def test_an_end_that_does_not_answer_is_away(silent: type) -> None:
    async with scripted(late_seconds=0.1) as (views, end):
        end.silent.add(silent)
        if silent is NextUpdate:
            watch = await views.watch("A1")
            assert await watch.next(0) is None
        else:
            with pytest.raises(ViewRefused) as refused:
                await views.watch("A1")
            assert refused.value.refusal is ViewRefusal.AWAY
        await until(lambda: end.asked(CloseView))  # it may have been opened late


async def test_a_connection_has_so_many_views() -> None:
    async with scripted() as (views, end):
        end.silent.add(AwaitGivenBack)
        watches = [await views.watch("A1") for _ in range(MAX_MACHINE_WINDOWS)]
        taken = [await views.take_over("A1", "H", "Ada") for _ in range(asking.MAX_TAKEN)]
        more: list[Callable[[], Any]] = [
            lambda: views.watch("A1"),
            lambda: views.take_over("A1", "H", "Ada"),
        ]
        for one in more:
            with pytest.raises(ViewRefused) as refused:
                await one()
            assert refused.value.refusal is ViewRefusal.MACHINE_FULL
        assert end.asked(OpenView) == len(watches) + len(taken)
        watches[0].close()
        taken[0].close()
        for one in more:
            await one()


async def test_refusals_are_passed_on() -> None:
    async with scripted() as (views, end):
        end.answers[OpenView] = ViewDone(ViewRefusal.TAKEN, "Ada")
        with pytest.raises(ViewRefused) as refused:
            await views.take_over("A1", "H", "Bob")
        assert (refused.value.refusal, refused.value.name) == (ViewRefusal.TAKEN, "Ada")
        await views.act("A1", "H", "0.T1", 1, [TextInput("x")])


async def test_the_end_of_what_was_taken_over_is_heard() -> None:
    async with scripted() as (views, end):
        end.answers[AwaitGivenBack] = TakeoverEnd.LEFT
        assert await (await views.take_over("A1", "H", "Ada")).ended() is TakeoverEnd.LEFT
        end.answers[AwaitGivenBack] = RequestFailed(encode_error(FykeError("failed")))
        assert await (await views.take_over("A1", "H", "Ada")).ended() is TakeoverEnd.LOST
        end.silent.add(AwaitGivenBack)
        taken = await views.take_over("A1", "H", "Ada")
        taken.close()
        assert await taken.ended() is TakeoverEnd.SERVER_GONE
        await until(lambda: end.asked(CloseView) == 3)
