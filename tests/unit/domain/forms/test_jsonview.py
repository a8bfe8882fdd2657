"""JSON typed by users: the errors, with position and remedy."""

from __future__ import annotations

import pytest

from fyke.domain.forms.jsonview import MAX_DEPTH, MAX_TEXT, JsonViewError, read_json
from fyke.domain.workers.jsontext import MAX_DIGITS
from support.forms import fault, form, item, sent, typed


def test_json_errors_have_line_and_column() -> None:
    made = form(item("json", "object"))
    assert typed(made, '{"a": 12345678901234567890123}') == {"a": 12345678901234567890123}
    read = sent(made, ("f:x", '{\n  "a": 1,\n}'))
    # the comma since Python 3.13, the bracket after it before
    assert (read.errors[0].line, read.errors[0].line_column) in ((2, 9), (3, 1))
    assert "comma" in read.errors[0].message
    for text, words in (
        ('{"a": NaN}', "NaN is not a JSON value"),
        ('{"a": 1, "a": 2}', 'the key "a" occurs twice'),
        ("[" * 100 + "]" * 100, "deeper than 64"),
        ('"\\ud800"', "half of a surrogate pair"),
        ("1e999", "too large"),
    ):
        assert words in fault(made, ("f:x", text))


def nested(levels: int) -> str:
    return "[" * levels + "1" + "]" * levels


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", (1, 1), "text needs double quotes"),
        ("{'a': 1}", (1, 2), "a key in double quotes is expected here"),
        ('{\n "a" 1}', (2, 6), "a colon is missing"),
        ('{"a": 1\n "b": 2}', (2, 2), "a comma is missing"),
        ('{"a": True}', (1, 7), "except true, false and null"),
        ("{}\n{}", (2, 1), "the JSON ends before this position; remove the rest"),
        ('{"a": "b', (1, 7), "has no closing quote"),
        ('{"a": "b\nc"}', (1, 9), "is written as \\n"),
        ('{"a": "C:\\dir"}', (1, 10), "a backslash in text is written as \\\\"),
    ],
)
def test_an_error_has_its_position_and_a_remedy(
    text: str, position: tuple[int, int], words: str
) -> None:
    with pytest.raises(JsonViewError) as refused:
        read_json(text)
    assert (refused.value.line, refused.value.column) == position
    assert str(refused.value).startswith(f"line {position[0]}, column {position[1]}: ")
    assert words in str(refused.value)


def test_the_error_of_a_duplicate_key_names_it() -> None:
    assert read_json('[{"a": 1}, {"a": 2}]') == [{"a": 1}, {"a": 2}]
    with pytest.raises(JsonViewError, match='"b" occurs twice in one object; remove one of them'):
        read_json('{"a": 1, "b": {"a": 1, "b": 2, "b": 2}}')


def test_numbers_keep_every_digit_up_to_a_limit() -> None:
    assert read_json("9" * MAX_DIGITS) == int("9" * MAX_DIGITS)
    with pytest.raises(JsonViewError) as refused:
        read_json("[" + "9" * (MAX_DIGITS + 1) + "]")
    assert str(refused.value) == (
        "a number has more than 4,300 digits; shorten it, or write it as text"
    )
    with pytest.raises(JsonViewError, match="the number -1e999 is too large; give a smaller one"):
        read_json("[-1e999]")


def test_values_are_nested_up_to_a_limit() -> None:
    assert read_json(nested(MAX_DEPTH))
    for levels in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(JsonViewError, match="deeper than 64 levels; reduce the nesting"):
            read_json(nested(levels))


def test_lone_surrogates_are_refused_and_pairs_are_characters() -> None:
    assert read_json('{"\\ud83d\\ude00": "\\u00e9"}') == {"\U0001f600": "é"}
    with pytest.raises(JsonViewError, match="half of a surrogate pair; write the character itself"):
        read_json('[{"\\ud83d": 1}]')


def test_a_long_text_is_refused_and_a_byte_order_mark_is_not() -> None:
    assert read_json("\ufeff{}") == read_json(" " * (MAX_TEXT - 2) + "{}") == {}
    with pytest.raises(JsonViewError, match="at most 8,388,608 characters; shorten it"):
        read_json(" " * (MAX_TEXT + 1))
