from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.runs.summary import (
    MAX_CHARS,
    MAX_INPUT_CHARS,
    summarise,
    summary_of_start,
    summary_of_text,
)
from fyke.domain.workers.input_schema import InputField, Labels

LABELS: Labels = {(str, "oom"): "Out of\nmemory", (int, 1): "Once"}
FIELDS = (
    InputField("urls", "array", False, "Pages"),
    InputField("depth", "number", False),
    InputField("deep", "boolean", False, "Follow links"),
    InputField("mode", "", False, "Mode", LABELS),
)


@pytest.mark.parametrize(
    ("custom", "expected"),
    [
        ({}, ""),
        ({"urls": [{"url": "https://a.example"}]}, "Pages: https://a.example"),
        ({"depth": 3, "urls": ["https://a", "b", "c"]}, "Pages: https://a (+2); depth: 3"),
        ({"other": "x", "deep": True, "depth": 1.5}, "depth: 1.5; Follow links: yes; other: x"),
        ({"deep": False, "urls": [], "depth": None, "x": "", "y": {}}, "Follow links: no"),
        ({"mode": "oom"}, "Mode: Out of memory"),
        ({"mode": ["oom", 1]}, "Mode: Out of memory (+1)"),
        ({"mode": True}, "Mode: yes"),
        ({"mode": 10**5000}, "Mode: a very large number"),
        ({"mode": {"url": "oom"}}, "Mode: oom"),
        ({"x": {"city": "Rome", "n": 2}}, "x: city=Rome (+1)"),
        ({"x": {"a": {"b": 1}}}, "x: a={\u2026}"),
        ({"x": [[], 2]}, "x: empty (+1)"),
        ({"x": "two\nlines\tand\x1b[31m colour"}, "x: two lines and [31m colour"),
        ({"x": 10**5000}, "x: a very large number"),
        ({"x": "<script>alert(1)</script>"}, "x: <script>alert(1)</script>"),
    ],
)
def test_an_input_is_summarised_in_one_line(custom: dict[str, Any], expected: str) -> None:
    assert summarise(custom, FIELDS) == expected


def test_a_long_input_is_cut() -> None:
    long = summarise({f"field{n}": "v" * 500 for n in range(900)})
    assert len(long) == MAX_CHARS and long.startswith("field0: vvv") and long.endswith("\u2026")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES, max_size=6), st.dictionaries(st.text(), st.text()))
def test_the_summary_of_any_input_is_one_short_line(
    custom: dict[str, Any], titles: dict[str, str]
) -> None:
    fields = [InputField(name, "", False, title) for name, title in titles.items()]
    line = summarise(custom, fields)
    assert len(line) <= MAX_CHARS
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in line)


def test_only_the_size_of_a_large_stored_input_is_shown() -> None:
    assert summary_of_text('{"n": 1}') == "n: 1"
    assert summary_of_text("") == summary_of_text("[1]") == summary_of_text("{broken") == ""
    large = json.dumps({"n": "x" * MAX_INPUT_CHARS * 20})
    assert summary_of_text(large) == summary_of_start(large) == "input of 1.3 MB"
    started = '{"parameters": {"system": {}, "custom": {"n": 1}}}'
    assert summary_of_start(started) == "n: 1"
    for broken in ("{", "[]", '{"parameters": 1}', '{"parameters": {"custom": 1}}'):
        assert summary_of_start(broken) == ""
