from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.workers.naming import checked_name, name_from_title, next_number, split_path
from fyke.errors import InvalidRequest

PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@pytest.mark.parametrize(
    ("given_name", "stored"),
    [("Quotes", "quotes"), (" My  Worker ", "my-worker"), ("a.b_c-1", "a.b_c-1"), ("9", "9")],
)
def test_names_are_normalised(given_name: str, stored: str) -> None:
    assert checked_name(given_name) == stored


@pytest.mark.parametrize(
    "bad", ["", "a/b", "a~b", "../x", ".a", "-a", "ü", "a" * 64, "a\0", "a%2fb"]
)
def test_invalid_names_are_refused(bad: str) -> None:
    with pytest.raises(InvalidRequest, match="name must be 1 to 63"):
        checked_name(bad)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Café & Bar: Reviews!", "cafe-bar-reviews"),
        ("Google/Maps~X", "google-maps-x"),
        ("x" * 80, "x" * 63),
    ],
)
def test_a_name_is_derived_from_a_title(title: str, name: str) -> None:
    assert name_from_title(title) == name


def test_a_title_without_letters_gives_no_name() -> None:
    with pytest.raises(InvalidRequest, match="name"):
        name_from_title("抓取")


@given(st.text(max_size=100))
def test_a_derived_name_is_valid(title: str) -> None:
    try:
        name = name_from_title(title)
    except InvalidRequest:
        return
    assert PATTERN.fullmatch(name)
    assert checked_name(name) == name


@given(owner=st.from_regex(PATTERN, fullmatch=True), name=st.from_regex(PATTERN, fullmatch=True))
def test_paths_round_trip(owner: str, name: str) -> None:
    for sign in ("/", "~", "%2F", "%2f", "%7E"):
        assert split_path(f"{owner}{sign}{name}") == (owner, name)


@pytest.mark.parametrize("ref", ["", "abc", "a/b/c", "a~b/c"])
def test_other_references_are_not_paths(ref: str) -> None:
    assert split_path(ref) == ("", "")


@pytest.mark.parametrize(
    ("numbers", "following"),
    [
        ([], "v1.0.1"),
        (["odd"], "v1.0.1"),
        (["v1.0.1"], "v1.0.2"),
        (["v1.0.9", "v1.0.10", "v1.0.2"], "v1.0.11"),
        (["v1.0.9", "v2.3.0"], "v2.3.1"),
    ],
)
def test_the_next_number_follows_the_highest(numbers: list[str], following: str) -> None:
    assert next_number(numbers) == following
