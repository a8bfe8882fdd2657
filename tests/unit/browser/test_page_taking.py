"""What is taken of a page, and what is left out."""

from __future__ import annotations

import base64

import pytest

from fyke.browser import page_keeper as module
from fyke.model.last_page import (
    MAX_READ_HTML,
    MAX_READ_TEXT,
    MAX_SCREENSHOT,
    PageFileKind,
    PageGap,
)
from support.jpegs import jpeg
from support.pages_of_a_site import PICTURE_COMMAND as HOLD
from support.pages_of_a_site import shop

pytestmark = pytest.mark.anyio
PICTURE, HTML = PageFileKind.SCREENSHOT, PageFileKind.HTML


async def test_without_events_a_page_of_a_site_is_chosen() -> None:
    async with shop() as one:
        page = await one.last()
        assert page is not None
        assert page.title == "Shop" and one.site.attached() == ["P"]
    async with shop() as one:
        one.site.targets = one.site.targets[:2]
        assert await one.last() is None


async def test_other_targets_may_have_long_addresses() -> None:
    async with shop() as one:
        worker, blank, _ = one.site.targets
        worker["url"] = "data:," + "x" * 5 * 2**20  # not read
        blank["url"] = "data:," + "x" * 2**20
        page = await one.last()
        assert page is not None and page.title == "Shop"


async def test_what_a_hanging_page_has_answered_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOLD_SECONDS", 2.0)
    async with shop() as one:
        one.site.answers = {HOLD: None}
        await one.open()
        await one.say("Browser.close")
        page = await one.last()
    assert page is not None and page.html == b"<html>shown</html>"
    assert page.gaps == {PICTURE: PageGap.NO_ANSWER}


async def test_too_large_answers_are_left_out() -> None:
    async with shop() as one:
        one.site.html = "x" * (MAX_READ_HTML + 10)
        one.site.answers = {HOLD: {"data": base64.b64encode(b"x" * (MAX_SCREENSHOT + 1)).decode()}}
        one.site.targets[2]["title"] = "t" * 9000
        await one.open()
        page = await one.last()
        assert page is not None
        assert page.gaps == {PICTURE: PageGap.TOO_LARGE} and page.is_cut
        assert len(page.html) == MAX_READ_HTML and len(page.title) == MAX_READ_TEXT
    async with shop() as one:
        one.site.html = "x" * (5 * 2**20)
        one.site.answers = {HOLD: {"data": "A" * (3 * 2**20)}}
        one.site.targets[2]["title"] = "t" * 2**20
        await one.open()
        page = await one.last()
        assert page is not None
        assert page.gaps == {PICTURE: PageGap.TOO_LARGE, HTML: PageGap.TOO_LARGE}
        assert page.title == ""


@pytest.mark.parametrize("size", [(4096, 4096), (8193, 1), (65_535, 65_535)])
async def test_a_picture_of_too_many_pixels_is_left_out(size: tuple[int, int]) -> None:
    async with shop() as one:
        one.site.answers = {HOLD: {"data": base64.b64encode(jpeg("", *size)).decode()}}
        await one.open()
        page = await one.last()
        assert page is not None
    assert page.gaps == {PICTURE: PageGap.TOO_LARGE} and not page.screenshot


@pytest.mark.parametrize("data", ["no base64!", base64.b64encode(b"<svg>").decode(), 7])
async def test_what_is_no_jpeg_is_not_kept(data: object) -> None:
    async with shop() as one:
        one.site.answers = {HOLD: {"data": data}, "DOM.getOuterHTML": {"outerHTML": 7}}
        await one.open()
        page = await one.last()
        assert page is not None
    assert page.gaps == {PICTURE: PageGap.NO_ANSWER, HTML: PageGap.NO_ANSWER}


async def test_answers_that_are_not_utf8_are_left_out() -> None:
    async with shop() as one:
        one.site.answers = {
            "Target.getTargetInfo": b'{"targetInfo":{"targetId":"P","title":"\xff"}}',
            HOLD: b'{"data":"\xff"}',
            "DOM.getOuterHTML": b'{"outerHTML":"\xff"}',
        }
        await one.open()
        page = await one.last()
        assert page is not None
    assert page.gaps == {PICTURE: PageGap.NO_ANSWER, HTML: PageGap.NO_ANSWER} and not page.title
    async with shop() as one:
        one.site.answers = {"Target.getTargets": b'{"targetInfos":[{"targetId":"\xff"}]}'}
        assert await one.last() is None


async def test_text_that_is_not_valid_is_replaced() -> None:
    async with shop() as one:
        one.site.html = "<p>\ud800 \U0001f600 \udc01</p>"
        await one.open()
        page = await one.last()
        assert page is not None
    assert page.html.decode() == "<p>\ufffd \U0001f600 \ufffd</p>"
