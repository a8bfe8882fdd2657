"""``script/compare-pages`` finds what differs between two pictures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).parents[2] / "script" / "lib" / "pictures"))

from picture_difference import difference

from support.browser import tab

MARK = (
    "<body style='margin:0'><div style='position:absolute;left:20px;top:10px;width:30px;"
    "height:5px;background:{}'></div>"
)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with tab(browser, "http://127.0.0.1", size={"width": 200, "height": 100}) as (page, _):
        yield page


def picture(page: Page, colour: str) -> bytes:
    page.set_content(MARK.format(colour))
    return page.screenshot()


def test_a_changed_colour_is_found_where_it_is(page: Page) -> None:
    before, after = picture(page, "rgb(10 101 93)"), picture(page, "rgb(10 101 99)")
    found = difference(page, before, after)
    assert found is not None
    assert found.share == 30 * 5 / (200 * 100)
    assert found.bounds == (20, 10, 50, 15)
    assert found.drawn.startswith(b"\x89PNG")


def test_a_longer_page_differs(page: Page) -> None:
    before = picture(page, "white")
    page.set_viewport_size({"width": 200, "height": 120})
    found = difference(page, before, picture(page, "white"))
    assert found is not None and found.bounds == (0, 100, 200, 120)


def test_the_rounding_of_a_smoothed_edge_is_no_difference(page: Page) -> None:
    before, after = picture(page, "rgb(10 101 93)"), picture(page, "rgb(10 101 94)")
    assert before != after
    assert difference(page, before, after) is None
