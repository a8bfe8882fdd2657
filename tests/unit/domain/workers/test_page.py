"""Validation of a page, and how changes are merged with the stored page."""

from __future__ import annotations

import pytest

from fyke.domain.workers.page import MAX_CATEGORY, PageChange
from fyke.errors import InvalidFields
from fyke.model.worker import WorkerPage

STORED = WorkerPage("Prices", "All of them", (7,), "https://a.example/i.png")
VALID = [
    PageChange(),
    PageChange("", "", (), ""),
    PageChange("x" * 200, "y" * 2000, tuple(range(1, 21)), "http://[2001:db8::1]:8080/i.png"),
    PageChange(categories=(1, MAX_CATEGORY), icon="https://a.example/%C3%A4?x=1#y"),
]
INVALID = [
    (PageChange(title="x" * 201), "title"),
    (PageChange(title="a\0b"), "title"),
    (PageChange(description="x" * 2001), "description"),
    (PageChange(categories=tuple(range(1, 22))), "categories"),
    (PageChange(categories=(0,)), "categories"),
    (PageChange(categories=(MAX_CATEGORY + 1,)), "categories"),
    (PageChange(icon="/i.png"), "icon"),
    (PageChange(icon="ftp://a.example/i.png"), "icon"),
    (PageChange(icon="https:///i.png"), "icon"),
    (PageChange(icon="https://user@a.example/i.png"), "icon"),
    (PageChange(icon="https://a.example:99999/i.png"), "icon"),
    (PageChange(icon="https://a.example:0/i.png"), "icon"),
    (PageChange(icon="https://a.example/\n"), "icon"),
    (PageChange(icon="https://a.example/" + "x" * 2000), "icon"),
]


@pytest.mark.parametrize("change", VALID)
def test_valid_changes_are_accepted(change: PageChange) -> None:
    change.check()
    assert change.applied_to(STORED).title


@pytest.mark.parametrize(("change", "field"), INVALID)
def test_the_error_of_an_invalid_change_names_the_field(change: PageChange, field: str) -> None:
    with pytest.raises(InvalidFields, match=f"^{field} must"):
        change.check()


def test_omitted_fields_stay() -> None:
    assert PageChange().applied_to(STORED) == STORED
    assert PageChange("", "", (), "").applied_to(STORED) == WorkerPage("Prices", "", (), "")
    change = PageChange("New", "Fresh", (9, 3, 9), "https://b.example/")
    assert change.applied_to(STORED) == WorkerPage("New", "Fresh", (9, 3), "https://b.example/")


def test_omitted_fields_are_empty_when_the_whole_page_is_given() -> None:
    assert PageChange().replacing(STORED) == WorkerPage("Prices", "", (), "")
    assert PageChange("New", categories=(3,)).replacing(STORED) == WorkerPage("New", "", (3,), "")
