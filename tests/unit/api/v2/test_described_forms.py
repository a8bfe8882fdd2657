"""The served document describes the form of texts completely: a text of that form is accepted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from fyke.api.docs.schemas import member_schemas
from fyke.api.members import decode
from fyke.api.placeholders import is_placeholder
from fyke.api.start_keys import DESCRIBED, start_key
from fyke.domain.runs.start_keys import HEADER
from fyke.errors import InvalidFields
from fyke.wire.v2.tasks import ScheduleMembers
from fyke.wire.v2.workers import PageForm

FORM: dict[str, Any] = member_schemas(PageForm, {})[0]


def key_of(text: str) -> str:
    raw = [(HEADER.lower().encode(), text.encode("latin-1"))]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": raw}
    found = start_key(Request(scope), b"")
    assert found is not None
    return found.text


@given(
    st.from_regex(DESCRIBED.pattern.removesuffix("$") + r"\Z").filter(
        lambda text: not is_placeholder(text)
    )
)
def test_a_described_key_is_taken_as_it_is(text: str) -> None:
    assert key_of(text) == text == text.lstrip()


@pytest.mark.parametrize("text", ["", "a" * 256, "\xe9", "a\x7f", "\t"])
def test_another_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidFields, match="1 to 255 printable ASCII"):
        key_of(text)


@given(st.from_regex(FORM["icon"]["pattern"].removesuffix("$") + r"\Z"))
def test_a_described_address_of_a_picture_is_taken(text: str) -> None:
    decode(PageForm, {"icon": text}).page.check()


@pytest.mark.parametrize("name", ["title", "description", "icon"])
def test_a_text_of_a_page_is_as_long_as_described_and_no_longer(name: str) -> None:
    most = FORM[name]["maxLength"]
    start = "https://a.example/" if name == "icon" else ""
    decode(PageForm, {name: start.ljust(most, "x")}).page.check()
    with pytest.raises(InvalidFields, match=f"{name} must be .*at most {most} "):
        decode(PageForm, {name: start.ljust(most + 1, "x")}).page.check()


def test_as_many_categories_as_described_and_no_more() -> None:
    most = FORM["categories"]["maxItems"]
    decode(PageForm, {"categories": [str(n + 1) for n in range(most)]}).page.check()
    with pytest.raises(InvalidFields, match=f"at most {most} numbers"):
        decode(PageForm, {"categories": ["1"] * (most + 1)}).page.check()


@given(st.dates().map(str) | st.just(""))
def test_every_date_that_there_is_is_taken_and_the_empty_text(text: str) -> None:
    assert decode(ScheduleMembers, {"schedule_once_date": text}).schedule_once_date == text
