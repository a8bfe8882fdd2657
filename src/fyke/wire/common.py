"""What several dialects share: types of members, lists, and the envelope of an error."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import UNSET, Meta, UnsetType, field

from fyke.wire.fields import Answer

Item = TypeVar("Item")

Ulid = Annotated[str, Meta(pattern="^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
Usd = Annotated[
    str,
    Meta(pattern=r"^-?[0-9]+(\.[0-9]{1,4})?$", description="US dollars", examples=["0.0217"]),
]
Count = Annotated[int, Meta(ge=0)]
UnixSeconds = Annotated[int, Meta(ge=0, description="Unix seconds, 0 = not yet")]
TimeOrNever = Annotated[int, Meta(ge=0, description="Unix seconds, 0 = never")]

OriginWord = Literal["api", "api_v2", "web", "schedule"]


class Items(Answer, Generic[Item]):
    """A list that is whole, in an object of its own."""

    items: list[Item] = field(name="list")


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
