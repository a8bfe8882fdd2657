"""Reading the members of a request by the rules of its type, see ``fyke.wire.fields``.

Members are looked up by name, and by their other names in order; ``null`` is the same as absent.
Unknown members are ignored, but not in the bodies of our own operations. All that is wrong is
reported at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from fyke.errors import InvalidFields
from fyke.wire.fields import Also, FieldError, Reads, Request

R = TypeVar("R", bound=Request)

# Limits of what is said of unknown members: a body may have a million of them.
_MAX_UNKNOWN = 10
_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Member:
    """One member: the attribute it becomes, the names it may be sent by, its rule."""

    attribute: str
    names: tuple[str, ...]
    rule: Callable[[Any], Any] | None
    required: bool
    repeated: bool = False

    @classmethod
    def of(cls, attribute: str, name: str, annotation: Any, *, required: bool) -> Member:
        """The member that ``annotation`` describes."""
        marks = marks_of(annotation)
        reads = next((mark for mark in marks if isinstance(mark, Reads)), None)
        others = [other for mark in marks if isinstance(mark, Also) for other in mark.names]
        return cls(
            attribute,
            (name, *others),
            reads.rule if reads else None,
            required,
            reads.repeated if reads else False,
        )


def marks_of(annotation: Any) -> Sequence[Any]:
    """What ``Annotated`` says of a type, even of one that may be absent."""
    if hasattr(annotation, "__metadata__"):
        return tuple(annotation.__metadata__)
    return [mark for choice in get_args(annotation) for mark in getattr(choice, "__metadata__", ())]


@cache
def members_of(shape: type[Request]) -> tuple[Member, ...]:
    """The members of a request."""
    hints = get_type_hints(shape, include_extras=True)
    return tuple(
        Member.of(each.name, each.encode_name, hints[each.name], required=each.required)
        for each in msgspec.structs.fields(shape)
    )


def read_members(
    members: Sequence[Member], given: Mapping[str, Any], problems: list[str]
) -> dict[str, Any]:
    """The values by attribute; what is wrong is added to ``problems``, a sentence for each."""
    found: dict[str, Any] = {}
    for member in members:
        for name in member.names:
            value = given.get(name)
            if value is None:
                continue
            try:
                found[member.attribute] = member.rule(value) if member.rule else value
            except FieldError as error:
                problems.append(f"{name} {error}")
            break
        else:
            if member.required:
                problems.append(f"{member.names[0]} is required")
    return found


def unknown_members(members: Sequence[Member], given: Mapping[str, Any]) -> list[str]:
    """A sentence for each name in ``given`` that no member has, 10 at most."""
    names = [name for member in members for name in member.names]
    unknown = islice((name for name in given if name not in names), _MAX_UNKNOWN)
    return [f"{name[:_MAX_NAME]}: {_remedy(name, names)}" for name in unknown]


def _remedy(name: str, names: Sequence[str]) -> str:
    if not names:
        return "unknown member; send an empty body"
    near = get_close_matches(name, names, 1) if len(name) <= _MAX_NAME else []
    if near:
        return f"unknown member; did you mean {near[0]}?"
    return f"unknown member; the members are {', '.join(names)}"


def decode(shape: type[R], given: Mapping[str, Any], *, strict: bool = False) -> R:
    """``given`` as ``shape``; ``strict``: without unknown members.

    Raise ``InvalidFields`` with one sentence for each problem.
    """
    members = members_of(shape)
    problems = unknown_members(members, given) if strict else []
    values = read_members(members, given, problems)
    refuse(problems)
    return shape(**values)


def refuse(problems: list[str]) -> None:
    """Raise ``InvalidFields`` when there are problems."""
    if problems:
        raise InvalidFields("; ".join(problems), details=problems)
