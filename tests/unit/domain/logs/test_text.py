from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.logs.text import clean, log_file, render
from fyke.model.log import LogEntry

pytestmark = pytest.mark.anyio


def entry(content: str, type: int = 2, group: str = "1", timestamp: int = 1773383784438):
    return LogEntry(1, type, group, content, timestamp)


def test_an_entry_is_time_level_group_and_content():
    assert render(entry("hello")) == "2026-03-13T06:36:24.438Z INFO  [1] hello\n"
    levels = [render(entry("x", number)).split()[1] for number in (1, 2, 3, 4, 9)]
    assert levels == ["DEBUG", "INFO", "WARN", "ERROR", "INFO"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x85"])
def test_further_lines_are_indented(end: str):
    assert render(entry(f"a{end}b{end}")).split(" [1] ")[1] == "a\n\tb\n"


def test_a_worker_cannot_forge_an_entry():
    forged = "x\r\n2026-03-13T06:36:24.438Z ERROR [1] forged"
    lines = render(entry(forged, group="1\n2026")).splitlines()
    assert [line[:4] for line in lines] == ["2026", "\t202"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://a\x1b\\link", "link"),
        ("a\x00b\x07c\x7fd\x9be", "abcde"),
        ("tab\tstays", "tab\tstays"),
        ("a\u202eb\u2066c", "abc"),
        ("\x1b\x1b[1", "[1"),
    ],
)
def test_control_characters_are_removed(text: str, expected: str):
    assert clean(text) == expected


@given(st.text(), st.integers(-(2**63), 2**63))
def test_exactly_one_line_starts_with_a_time_for_any_content(content: str, at: int):
    text = render(entry(content, timestamp=at))
    assert text.endswith("\n")
    first, *rest = text[:-1].split("\n")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO  \[1\] ", first)
    assert all(line.startswith("\t") for line in rest)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", text)


@pytest.mark.slow
def test_hostile_text_takes_linear_time():
    assert len(clean("\x1b[" * 500_000)) == 500_000
    assert len(clean("\x1b]" * 500_000)) == 500_000


async def test_the_file_is_streamed_page_by_page():
    async def pages():
        yield [entry("one"), entry("two")]
        yield [entry("three \ud800")]

    pieces = [piece async for piece in log_file(pages())]
    assert [piece.count(b"\n") for piece in pieces] == [2, 1]
    assert pieces[1].endswith(b"three ?\n")
