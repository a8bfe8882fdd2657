"""Where a sign-in may lead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.console.view import own_address


@pytest.mark.parametrize("address", ["/", "/runs", "/w/owner/name?from_run=A&x=a%3Ab", "/a/b?c=:"])
def test_an_address_of_ours_stays(address: str) -> None:
    assert own_address(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "runs", "//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "/x:y/z"],
)
def test_anything_else_leads_home(address: str) -> None:
    assert own_address(address) == "/"


@given(st.text())
def test_it_is_always_a_path_of_this_server(text: str) -> None:
    found = own_address(text)
    assert found.startswith("/") and not found.startswith("//") and "\\" not in found
