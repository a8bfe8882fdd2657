"""Shapes of several dialects: types of members, lists, and the envelope of an error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Generic, Self, TypeVar

from msgspec import UNSET, Meta, UnsetType, field

from fyke.wire.fields import Answer, PageIndex, PageSize20, Request

Item = TypeVar("Item")

EXAMPLE_ID = "01KJXT2Q7Z3C5V9B8N4M6W1E0R"  # of a run, in examples of the documents

Ulid = Annotated[str, Meta(pattern="^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
Usd = Annotated[
    str,
    Meta(pattern=r"^-?[0-9]+(\.[0-9]{1,4})?$", description="US dollars", examples=["0.0217"]),
]
ExactUsd = Annotated[
    str,
    Meta(pattern=r"^-?[0-9]+\.[0-9]{6}$", description="US dollars", examples=["0.021700"]),
]
Count = Annotated[int, Meta(ge=0)]
UnixSeconds = Annotated[int, Meta(ge=0, description="Unix seconds, 0 = not yet")]
UnixMs = Annotated[int, Meta(ge=0, description="Unix milliseconds")]
TimeOrNever = Annotated[int, Meta(ge=0, description="Unix seconds, 0 = never")]

LogSeverity = Annotated[
    int,
    Meta(
        description="1 debug, 2 information, 3 warning, 4 error",
        extra_json_schema={"enum": [1, 2, 3, 4]},
    ),
]


def known_values(values: Iterable[str], description: str | None = None) -> Meta:
    """The values of a string, for the documents; clients accept others of a newer server."""
    texts = [str(value) for value in values]
    return Meta(description=description, extra_json_schema={"enum": texts})


class Items(Answer, Generic[Item]):
    """A complete list, as a member of an object."""

    items: list[Item] = field(name="list")


class PageQuery(Request):
    """The page of a list."""

    page_index: PageIndex = 1
    page_size: PageSize20 = 20

    @property
    def offset(self) -> int:
        """The number of entries before the page."""
        return (self.page_index - 1) * self.page_size


class Page(Answer, Generic[Item]):
    """One page of a list. ``count``: the entries of all pages."""

    count: Count
    items: list[Item] = field(name="list")
    page_index: int
    page_size: int

    @classmethod
    def of(cls, count: int, items: Sequence[Item], query: PageQuery) -> Self:
        """The page of ``items`` that ``query`` requests."""
        return cls(count, list(items), query.page_index, query.page_size)


class Failure(Answer):
    """An error. ``details`` has one sentence for each problem."""

    code: int
    message: str
    data: None
    details: list[str] | UnsetType = UNSET


class FailureV2(Answer):
    """An error in the second dialect. ``details`` has one sentence for each problem."""

    code: int
    message: str
    request_id: str
    details: list[str] | None
