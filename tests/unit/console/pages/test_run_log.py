"""Addresses of positions in the log, and links between its pages."""

from __future__ import annotations

from typing import Any, cast

import pytest
from starlette.datastructures import QueryParams

from fyke.console.pages.run_frame import RunFrame
from fyke.console.pages.run_log import AROUND, LINES, LogAddress, _adjacent_pages, _position, read
from fyke.domain.logs.reading import LogPage, LogPosition
from fyke.errors import NotFound
from fyke.model.log import MAX_SEARCHED_TEXT, LogExcerpt
from support.views import view_of


class Frame:
    at = "/runs/x"


def adjacent_pages(address: LogAddress, page: LogPage) -> dict[str, str]:
    return _adjacent_pages(cast(RunFrame, Frame()), address, page)


def page(first: int, last: int, *, count: int = 2000, reached: int = 0, complete: bool) -> LogPage:
    lines = [LogExcerpt(n, 2, "1", "x", 5, 1) for n in range(first, last + 1)]
    return LogPage(lines, count, reached or last, complete)


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ("", LogAddress()),
        ("level=3&search=a+b&after=7", LogAddress(3, "a b", after=7)),
        ("before=12", LogAddress(before=12)),
        ("line=700", LogAddress(line=700)),
        ("level=0&line=-5&after=x", LogAddress()),
        ("level=9", LogAddress(4)),
        ("level=\u0663&before=1234567890", LogAddress()),  # digits of other scripts, ten digits
        ("search=" + "y" * (MAX_SEARCHED_TEXT + 1), LogAddress(search="y" * MAX_SEARCHED_TEXT)),
    ],
)
def test_invalid_values_are_ignored(query: str, address: LogAddress) -> None:
    assert read(QueryParams(query)) == address


def test_a_link_to_a_line_also_shows_lines_before_it() -> None:
    assert LogAddress(line=700).position == LogPosition(after=700 - AROUND)
    assert LogAddress(line=5).position == LogPosition(after=0)
    assert LogAddress(after=3).position == LogPosition(after=3)
    assert LogAddress(before=3).position == LogPosition(None, 3)


@pytest.mark.parametrize("address", [LogAddress(after=0), LogAddress(before=9), LogAddress(line=1)])
def test_new_lines_are_streamed_only_at_the_end(address: LogAddress) -> None:
    assert LogAddress(3, "x").at_end
    assert not address.at_end


def test_an_address_keeps_the_search_and_changes_the_position() -> None:
    address = LogAddress(3, "a&b", after=9)
    assert address.path("/runs/x", before=4) == "/runs/x/log?level=3&search=a%26b&before=4"
    assert LogAddress().path("/runs/x") == "/runs/x/log"


def test_the_last_page_has_only_a_link_to_earlier_lines() -> None:
    found = adjacent_pages(LogAddress(), page(1501, 2000, reached=1501, complete=False))
    assert found == {"earlier": "/runs/x/log?before=1501", "later": "", "more": ""}
    whole = adjacent_pages(LogAddress(), page(1, 40, count=40, reached=1, complete=True))
    assert whole == {"earlier": "", "later": "", "more": ""}


def test_adjacent_pages_have_no_gap_and_no_overlap() -> None:
    forward = adjacent_pages(LogAddress(after=500), page(501, 1000, complete=False))
    assert forward["earlier"] == "/runs/x/log?before=501"
    assert forward["later"] == "/runs/x/log?after=1000"
    back = adjacent_pages(LogAddress(before=501), page(1, 500, reached=1, complete=True))
    assert back["later"] == "/runs/x/log?after=500"
    assert back["earlier"] == ""


def test_the_first_page_has_no_link_to_earlier_lines() -> None:
    assert adjacent_pages(LogAddress(after=0), page(1, LINES, complete=False))["earlier"] == ""


def test_a_search_that_reached_its_limit_continues_there() -> None:
    address = LogAddress(search="x", after=0)
    found = adjacent_pages(address, page(3, 3, reached=900, complete=False))
    assert found["more"] == found["later"] == "/runs/x/log?search=x&after=900"
    assert adjacent_pages(address, page(1, LINES, complete=False))["more"] == "", "the page is full"
    back = adjacent_pages(LogAddress(search="x"), LogPage([], 2000, 1100, complete=False))
    assert back["more"] == back["earlier"] == "/runs/x/log?search=x&before=1100"
    assert adjacent_pages(LogAddress(search="x"), LogPage([], 2000, 1, complete=True))["more"] == ""


def position(text: str) -> Any:
    return _position(view_of("/runs/x/log", parameters={"position": text}))


def test_a_position_is_a_whole_number_of_at_most_nine_digits() -> None:
    assert position("999999999") == 999_999_999
    for text in ("", "-1", "1.5", "x", "\u0663", "1000000000"):
        with pytest.raises(NotFound):
            position(text)
