"""Allowed targets of a redirect after the sign-in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.console.view import own_address


@pytest.mark.parametrize("address", ["/", "/runs", "/w/owner/name?from_run=A&x=a%3Ab", "/a/b?c=:"])
def test_a_path_of_this_server_is_kept(address: str) -> None:
    assert own_address(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "runs", "//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "/x:y/z"],
)
def test_any_other_address_becomes_the_start_page(address: str) -> None:
    assert own_address(address) == "/"


@given(st.text())
def test_the_result_is_always_a_path_of_this_server(text: str) -> None:
    path = own_address(text)
    assert path.startswith("/") and not path.startswith("//") and "\\" not in path
