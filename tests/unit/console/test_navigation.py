"""The sidebar shows what the caller may open, and pages know the entry above them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.console.navigation import GROUPS, entry_above, groups_for
from fyke.model.account import Caller, Role
from support.published import ALICE, OPERATOR

PAGES = {entry.path for group in GROUPS for entry in group.entries}


def paths(caller: Caller, pages: set[str] = PAGES) -> set[str]:
    return {entry.path for group in groups_for(caller, pages) for entry in group.entries}


def test_entries_are_those_that_the_caller_may_open() -> None:
    of_operator = {"/admin", "/admin/review"}
    assert paths(OPERATOR) == PAGES
    assert paths(ALICE) == PAGES - of_operator
    assert paths(replace(ALICE, role=Role.VIEWER)) == PAGES - of_operator - {"/dev/upload"}
    assert paths(OPERATOR, {"/", "/admin"}) == {"/", "/admin"}
    assert [group.label for group in groups_for(ALICE, {"/", "/admin"})] == [""]


@pytest.mark.parametrize(
    ("path", "above"),
    [
        ("/runs/01ABC/log", "/runs"),
        ("/w/owner/reader/settings", "/store"),
        ("/admin/review/1", "/admin/review"),
        ("/admin/nodes", "/admin"),
        ("/unknown", ""),
        ("/", ""),
    ],
)
def test_a_page_belongs_to_the_longest_entry_above_it(path: str, above: str) -> None:
    entry = entry_above(path, OPERATOR, PAGES)
    assert (entry.path if entry else "") == above
    hidden = entry_above(path, ALICE, PAGES)
    assert (hidden is None) == (above in ("", "/admin", "/admin/review"))
