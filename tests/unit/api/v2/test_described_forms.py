"""Texts that match the patterns and lengths in the OpenAPI document are accepted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from fyke.api.docs.schemas import member_schemas
from fyke.api.members import decode
from fyke.api.placeholders import is_placeholder
from fyke.api.start_keys import HEADER_DOC, start_key
from fyke.domain.runs.start_keys import HEADER
from fyke.errors import InvalidFields
from fyke.wire.v2.tasks import ScheduleMembers
from fyke.wire.v2.workers import PageForm

FORM: dict[str, Any] = member_schemas(PageForm, {})[0]


def key_of(text: str) -> str:
    raw = [(HEADER.lower().encode(), text.encode("latin-1"))]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": raw}
    key = start_key(Request(scope), b"")
    assert key is not None
    return key.text


@given(
    st.from_regex(HEADER_DOC.pattern.removesuffix("$") + r"\Z").filter(
        lambda text: not is_placeholder(text)
    )
)
def test_a_key_that_matches_the_described_pattern_is_accepted(text: str) -> None:
    assert key_of(text) == text == text.lstrip()


@pytest.mark.parametrize("text", ["", "a" * 256, "\xe9", "a\x7f", "\t"])
def test_another_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidFields, match="1 to 255 printable ASCII"):
        key_of(text)


@given(st.from_regex(FORM["icon"]["pattern"].removesuffix("$") + r"\Z"))
def test_an_icon_that_matches_the_described_pattern_is_accepted(text: str) -> None:
    decode(PageForm, {"icon": text}).page.check()


@pytest.mark.parametrize("name", ["title", "description", "icon"])
def test_the_described_maximum_length_of_a_page_field_is_exact(name: str) -> None:
    maximum = FORM[name]["maxLength"]
    start = "https://a.example/" if name == "icon" else ""
    decode(PageForm, {name: start.ljust(maximum, "x")}).page.check()
    with pytest.raises(InvalidFields, match=f"{name} must be .*at most {maximum:,} "):
        decode(PageForm, {name: start.ljust(maximum + 1, "x")}).page.check()


def test_the_described_maximum_number_of_categories_is_exact() -> None:
    maximum = FORM["categories"]["maxItems"]
    decode(PageForm, {"categories": [str(n + 1) for n in range(maximum)]}).page.check()
    with pytest.raises(InvalidFields, match=f"at most {maximum} numbers"):
        decode(PageForm, {"categories": ["1"] * (maximum + 1)}).page.check()


@given(st.dates().map(str) | st.just(""))
def test_every_date_and_the_empty_text_are_accepted(text: str) -> None:
    assert decode(ScheduleMembers, {"schedule_once_date": text}).schedule_once_date == text
