"""JSON files written by hand: the limits, and the line of each value."""

from __future__ import annotations

import json

import pytest

from fyke.domain.workers.jsontext import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_NODES,
    BadJson,
    Lines,
    decode_text,
    loads,
)


def test_digits_and_characters_are_read_exactly() -> None:
    assert loads('\ufeff{"a": 123456789012345678901234567890}') == {
        "a": 123456789012345678901234567890
    }
    assert decode_text(b"\xef\xbb\xbfx") == "x"
    with pytest.raises(BadJson) as caught:
        decode_text(b"a\n\xff")
    assert caught.value.line == 2
    assert loads('"\\ud83d\\ude00"') == "\U0001f600"


def nested(levels: int) -> str:
    """A value inside nested arrays; ``levels`` includes the value."""
    return "[" * (levels - 1) + "1" + "]" * (levels - 1)


AT_LIMIT = [
    '"' + "x" * (MAX_BYTES - 2) + '"',
    nested(MAX_DEPTH),
    json.dumps([0] * (MAX_NODES - 1)),
    "9" * MAX_DIGITS,
    "\ufeff[]",
]


@pytest.mark.parametrize("text", AT_LIMIT, ids=["bytes", "depth", "values", "digits", "mark"])
def test_a_file_at_a_limit_is_read(text: str) -> None:
    assert loads(text) == json.loads(text.removeprefix("\ufeff"))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('"' + "x" * (MAX_BYTES - 1) + '"', "the file is larger than 500,000 bytes"),
        ('"' + "é" * (MAX_BYTES // 2) + '"', "the file is larger than 500,000 bytes"),
        (nested(MAX_DEPTH + 1), "values are nested deeper than 32 levels"),
        ("[" * 200_000, "values are nested deeper than 32 levels"),
        (json.dumps([0] * MAX_NODES), "the file has more than 20,000 values"),
        (json.dumps({str(n): 0 for n in range(MAX_NODES)}), "the file has more than 20,000 values"),
        ("9" * (MAX_DIGITS + 1), "a number has more than 4,300 digits"),
        ("[-Infinity]", "-Infinity is not a JSON value"),
    ],
    ids=["bytes", "bytes of text", "depth", "open", "values", "members", "digits", "no number"],
)
def test_a_file_beyond_a_limit_is_refused_as_a_whole(text: str, rule: str) -> None:
    with pytest.raises(BadJson) as refused:
        loads(text)
    assert (refused.value.rule, refused.value.line) == (rule, 0)


def test_an_error_has_its_line_and_column() -> None:
    with pytest.raises(BadJson) as refused:
        loads('{\n  "a": 1\n  "b": 2\n}')
    assert (refused.value.rule, refused.value.line) == ("Expecting ',' delimiter (column 3)", 3)
    with pytest.raises(BadJson, match="byte 3 is not UTF-8; save the file as UTF-8") as refused:
        decode_text("ab\né".encode("latin-1"))
    assert refused.value.line == 2


@pytest.mark.parametrize("text", ['"\\ud800"', '{"\\uDFFF": 1}', '["\\ude00\\ud83d"]'])
def test_a_lone_surrogate_is_refused_anywhere(text: str) -> None:
    with pytest.raises(BadJson, match="half of a surrogate pair; write the character itself"):
        loads(text)
    assert loads('"\\\\ud800"') == "\\ud800"  # a backslash and letters


TEXT = """{
  "a": {"b":
    [1,
     {"c\\"]}": null}],
    "d": {}
  },
  "e": [[[ [
    5 ]]]],
  "a2": "{[",
  "twice": 1,
  "twice": 2
}"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("a",), 2),
        (("a", "b", 0), 3),
        (("a", "b", 1), 4),
        (("a", "b", 1, 'c"]}'), 4),
        (("a", "d"), 5),
        (("a2",), 9),
        (("twice",), 11),
        (("a", "d", "nothing", 5), 5),
        (("nothing",), 1),
    ],
)
def test_every_value_has_its_line_or_that_of_its_nearest_parent(
    path: tuple[str | int, ...], line: int
) -> None:
    loads(TEXT)
    assert Lines(TEXT).line_of(*path) == line
    assert Lines("\ufeff\n" + TEXT).line_of(*path) == line + 1


def test_deeper_values_have_the_line_of_the_deepest_indexed_parent() -> None:
    assert Lines(TEXT, depth=5).line_of("e", 0, 0, 0, 0) == 8
    assert Lines(TEXT, depth=4).line_of("e", 0, 0, 0, 0) == 7
