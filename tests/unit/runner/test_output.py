"""Splitting the output of a Worker into lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fyke.runner.output import MAX_PENDING, OutputLines


def collect(chunks: list[bytes]) -> list[str]:
    lines = OutputLines()
    texts = [text for chunk in chunks for text in lines.feed("stdout", chunk)]
    return texts + [text for _, text in lines.rest()]


def test_lines_are_complete_wherever_the_chunks_end() -> None:
    assert collect(["né\nto".encode()[:2], "né\nto".encode()[2:], b"p\r\nend"]) == [
        "né",
        "top",
        "end",
    ]


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    assert collect([b"a\xff\xfeb\n"]) == ["a\ufffd\ufffdb"]


def test_a_long_line_is_cut() -> None:
    lines = collect([b"x" * (3 * MAX_PENDING + 1)])
    assert [len(line) for line in lines] == [MAX_PENDING, MAX_PENDING, MAX_PENDING, 1]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r")), st.integers(1, 7))
def test_nothing_is_lost(text: str, size: int) -> None:
    data = text.encode()
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    assert "\n".join(collect(chunks)) == text.removesuffix("\n")


def test_streams_do_not_mix() -> None:
    lines = OutputLines()
    assert list(lines.feed("stdout", b"one")) == []
    assert list(lines.feed("stderr", b"two\n")) == ["two"]
    assert list(lines.feed("stdout", b" more\n")) == ["one more"]
