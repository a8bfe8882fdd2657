"""Reads the members of a request by the rules of its type, see ``fyke.wire.fields``.

Members are looked up by name, and by their other names in order; ``null`` is the same as absent.
Unknown members are ignored, except by ``/api/fyke``. All problems are reported at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from fyke.errors import InvalidFields
from fyke.wire.fields import Aliases, FieldError, ParsedBy, Request

R = TypeVar("R", bound=Request)

# Limits on the report of unknown members: a body may have 250,000 of them.
_MAX_UNKNOWN = 10
_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its attribute, the names it may be sent by, and its rule."""

    attribute: str
    names: tuple[str, ...]
    rule: Callable[[Any], Any] | None
    required: bool
    repeated: bool = False

    @classmethod
    def of(cls, attribute: str, name: str, annotation: Any, *, required: bool) -> Member:
        """The member that ``annotation`` describes."""
        marks = marks_of(annotation)
        reads = next((mark for mark in marks if isinstance(mark, ParsedBy)), None)
        aliases = [alias for mark in marks if isinstance(mark, Aliases) for alias in mark.names]
        return cls(
            attribute,
            (name, *aliases),
            reads.rule if reads else None,
            required,
            reads.repeated if reads else False,
        )


def marks_of(annotation: Any) -> Sequence[Any]:
    """The metadata of an ``Annotated`` type, even of one that may be absent."""
    if hasattr(annotation, "__metadata__"):
        return tuple(annotation.__metadata__)
    return [mark for choice in get_args(annotation) for mark in getattr(choice, "__metadata__", ())]


@cache
def members_of(shape: type[Request]) -> tuple[Member, ...]:
    """The members of a request type, in order."""
    hints = get_type_hints(shape, include_extras=True)
    return tuple(
        Member.of(field.name, field.encode_name, hints[field.name], required=field.required)
        for field in msgspec.structs.fields(shape)
    )


def read_members(
    members: Sequence[Member], raw: Mapping[str, Any], problems: list[str]
) -> dict[str, Any]:
    """The values by attribute; adds a sentence to ``problems`` for each problem."""
    values: dict[str, Any] = {}
    for member in members:
        for name in member.names:
            value = raw.get(name)
            if value is None:
                continue
            try:
                values[member.attribute] = member.rule(value) if member.rule else value
            except FieldError as error:
                problems.append(f"{name} {error}")
            break
        else:
            if member.required:
                problems.append(f"{member.names[0]} is required")
    return values


def unknown_members(
    members: Sequence[Member], sent: Iterable[str], noun: str = "member"
) -> list[str]:
    """A sentence for each name in ``sent`` that no member has, 10 at most. ``noun`` is what the
    client calls a member.
    """
    names = [name for member in members for name in member.names]
    unknown = islice((name for name in sent if name not in names), _MAX_UNKNOWN)
    return [f"{name[:_MAX_NAME]}: {_remedy(name, names, noun)}" for name in unknown]


def _remedy(name: str, names: Sequence[str], noun: str) -> str:
    if not names:
        return f"unknown {noun}; this operation takes none"
    matches = get_close_matches(name, names, 1) if len(name) <= _MAX_NAME else []
    if matches:
        return f"unknown {noun}; did you mean {matches[0]}?"
    return f"unknown {noun}; the {noun}s are {', '.join(names)}"


def decode(shape: type[R], raw: Mapping[str, Any], *, strict: bool = False) -> R:
    """``raw`` as ``shape``; ``strict`` refuses unknown members.

    Raise ``InvalidFields`` with one sentence for each problem.
    """
    members = members_of(shape)
    problems = unknown_members(members, raw) if strict else []
    values = read_members(members, raw, problems)
    raise_problems(problems)
    return shape(**values)


def raise_problems(problems: list[str]) -> None:
    """Raise ``InvalidFields`` when there are problems."""
    if problems:
        raise InvalidFields("; ".join(problems), details=problems)
