"""Parsing of ANSI-styled log text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.logs.ansi import CLASSES, MAX_LINK_LENGTH, StyledSpan, link_spans, plain, spans
from support.hangs import no_hang


def test_text_without_sequences_is_one_span() -> None:
    assert spans("just words\n\tand more") == [StyledSpan("just words\n\tand more")]
    assert spans("") == []


def test_colours_and_weights_become_names() -> None:
    found = spans("a\x1b[31;1mred\x1b[0m b\x1b[92;44mon\x1b[39;49mc\x1b[3;4md\x1b[23me")
    assert found == [
        StyledSpan("a"),
        StyledSpan("red", ("ansi-red", "ansi-bold")),
        StyledSpan(" b"),
        StyledSpan("on", ("ansi-bright-green", "ansi-on-blue")),
        StyledSpan("c"),
        StyledSpan("d", ("ansi-italic", "ansi-underline")),
        StyledSpan("e", ("ansi-underline",)),
    ]


@pytest.mark.parametrize(
    "params, name",
    [
        ("38;5;1", "ansi-red"),
        ("38;5;9", "ansi-bright-red"),
        ("38;5;196", "ansi-bright-red"),
        ("38;5;255", "ansi-white"),
        ("38;2;0;200;0", "ansi-green"),
        ("38:2:0:0:238", "ansi-blue"),
        ("48;2;0;0;0", "ansi-on-black"),
    ],
)
def test_every_colour_is_one_of_sixteen(params: str, name: str) -> None:
    assert spans(f"\x1b[{params}mx") == [StyledSpan("x", (name,))]


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[2J", "\x1b[10;10H", "\x1b[?1049h", "\x1b]0;title\x07", "\x1b]8;;javascript:x\x1b\\",
        "\x1bPdevice\x1b\\", "\x1bc", "\x1b(0", "\x9b31m", "\x07", "\x08\x08", "\x00", "\u202e",
        "\x1b[38;5m", "\x1b[38;2;1m", "\x1b[999m", "\x1b[=5m", "\x9dtitle\x9c",
    ],
)  # fmt: skip
def test_other_sequences_are_dropped(sequence: str) -> None:
    found = spans(f"a{sequence}b")
    assert "".join(span.text for span in found) == "ab" == plain(f"a{sequence}b")


@pytest.mark.parametrize("end", ["\x1b[31", "\x1b]0;never ends", "\x1b", "\x9b3", "\x1bPx"])
def test_an_unterminated_sequence_is_dropped(end: str) -> None:
    assert spans("word" + end) == [StyledSpan("word")]


def test_addresses_become_links_to_themselves() -> None:
    text = "see https://a.example/b?c=1&d=(e). Or (http://x.example:8080/y), done"
    found = link_spans(text)
    assert [span.text for span in found if span.href] == [
        "https://a.example/b?c=1&d=(e)",
        "http://x.example:8080/y",
    ]
    assert all(span.href in ("", span.text) for span in found)
    assert "".join(span.text for span in found) == text


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://",
        "http://...",
        "https://bank.example@evil.example/",
        "https://a.example/" + "x" * MAX_LINK_LENGTH,
        "ftp://a.example",
    ],
)
def test_other_text_is_not_linked(text: str) -> None:
    assert link_spans(text) == [StyledSpan(text)]


def test_a_colour_inside_an_address_ends_the_link() -> None:
    found = spans("\x1b[32mhttps://a.example/\x1b[0mpath")
    assert found == [
        StyledSpan("https://a.example/", ("ansi-green",), "https://a.example/"),
        StyledSpan("path"),
    ]


@given(st.text(alphabet="\x1b\x9b[];0123mH?<>&\"' a\x07\x9d\x00:/htps.@()\n\t\u202e", max_size=300))
def test_spans_of_any_text_are_inert(text: str) -> None:
    found = spans(text)
    for span in found:
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", span.text)
        assert CLASSES.issuperset(span.classes)
        assert not span.href or re.match("https?://", span.href)
    assert "".join(span.text for span in found) == plain(text)


@pytest.mark.slow
def test_hostile_text_takes_linear_time() -> None:
    for unit in ("\x1b[", "\x1b]", "\x1b[31mx", "http://", "http://a)", "\x1b[1;2;3;"):
        text = unit * (2**18 // len(unit))
        with no_hang():
            spans(text)
