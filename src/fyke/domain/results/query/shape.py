"""Rows in another shape: some of their fields, without what is empty, without nesting.

``fields`` keeps the named ones, in that order; a field inside an object comes inside that object.
``flatten`` puts the members of objects beside each other under names with dots (``a.b``); arrays
stay as they are. ``clean`` drops members that are null, empty text, empty arrays or empty objects,
at any depth of objects, then rows in which nothing is left; it also leaves out the platform's row
id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fyke.domain.results.headers import headers_from_rows
from fyke.domain.results.query.model import RowForm
from fyke.domain.results.query.picker import Picker, members_of
from fyke.model.results import Header, Row

_encode = msgspec.json.Encoder().encode
_EMPTY = frozenset((b"null", b'""', b"[]", b"{}"))
_NAMES_BYTES = 2**20  # what dotted names may add to one row; objects beyond it stay nested

_Members = Mapping[str, Any]  # msgspec.Raw, bytes of JSON, or such a mapping again


class Shape:
    """Converts rows to the requested form."""

    def __init__(self, form: RowForm) -> None:
        self._form = form
        self._pick = Picker(form.fields) if form.fields else None

    def rows(self, rows: Sequence[Row]) -> list[Row]:
        """The rows in the new form, in order; ``clean`` leaves out those that are empty."""
        if self._form.plain:
            return list(rows)
        shaped = [
            Row(row.run_id, row.position, row.attempt_id, self.apply(row.data)) for row in rows
        ]
        return [row for row in shaped if row.data != b"{}"] if self._form.clean else shaped

    def apply(self, data: bytes) -> bytes:
        """One row's JSON object in the new form."""
        members = members_of(data) if self._pick is None else self._chosen(data)
        if self._form.flatten or self._form.clean:
            members = _Walk(self._form).members(members)
        return _encode(_raw(members))

    def headers(self, declared: list[Header], sample: Sequence[Row]) -> list[Header]:
        """The columns of shaped rows, of which ``sample`` shows the first. A declared column that
        the form leaves out is left out, one that it takes apart is replaced by its parts."""
        found = {header.key: header for header in headers_from_rows(sample)}
        known = {header.key: header for header in declared}
        chosen = [self._column(field, known) for field in self._form.fields]
        names = list(dict.fromkeys(chosen)) or list(known)
        if self._form.flatten:
            names = _opened(names, found)
        return [known.get(name) or found.get(name) or _plain_header(name) for name in names]

    def _column(self, field: str, known: Mapping[str, Header]) -> str:
        if self._form.flatten or field in known:
            return field
        return field.split(".")[0]

    def _chosen(self, data: bytes) -> dict[str, Any]:
        assert self._pick is not None  # noqa: S101 - asked only then
        chosen: dict[str, Any] = {}
        own = None
        for field, token in zip(self._form.fields, self._pick(data), strict=True):
            if token is None:
                continue
            parts = field.split(".")
            if len(parts) > 1:
                own = own if own is not None else members_of(data)
                if field in own:
                    parts = [field]
            _put(chosen, parts, token)
        return chosen


def _put(chosen: dict[str, Any], parts: list[str], token: bytes) -> None:
    """Put the value at its path, unless a whole object there already contains it."""
    for part in parts[:-1]:
        chosen = chosen.setdefault(part, {})
        if not isinstance(chosen, dict):
            return
    chosen[parts[-1]] = token


def _opened(names: list[str], found: Mapping[str, Header]) -> list[str]:
    """Each name, or in its place the dotted ones that begin with it."""
    opened: dict[str, None] = {}
    for name in names:
        inner = [key for key in found if key.startswith(f"{name}.")]
        opened |= dict.fromkeys(inner if inner and name not in found else [name, *inner])
    return list(opened)


def _plain_header(name: str) -> Header:
    return Header(label=name, key=name, format="text")


def _raw(members: _Members) -> dict[str, Any]:
    return {
        key: msgspec.Raw(value)
        if isinstance(value, bytes)
        else (_raw(value) if isinstance(value, dict) else value)
        for key, value in members.items()
    }


class _Walk:
    """One row on its way through ``flatten`` and ``clean``."""

    def __init__(self, form: RowForm) -> None:
        self._clean = form.clean
        self._flatten = form.flatten
        self._room = _NAMES_BYTES

    def members(self, members: _Members) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._add(members, "", found)
        return found

    def _add(self, members: _Members, prefix: str, found: dict[str, Any]) -> None:
        for key, value in members.items():
            name = prefix + key
            inner = _inside(value)
            if inner is None:
                if not (self._clean and bytes(value) in _EMPTY):
                    found[name] = value
            elif self._flatten and inner and self._affords(name, inner):
                self._add(inner, f"{name}.", found)
            elif not self._clean:
                found[name] = value
            else:
                kept: dict[str, Any] = {}
                _Walk(RowForm(clean=True))._add(inner, "", kept)
                if kept:
                    found[name] = kept

    def _affords(self, name: str, inner: _Members) -> bool:
        self._room -= len(name) * len(inner)
        return self._room >= 0


def _inside(value: Any) -> _Members | None:
    """The members of an object, None for everything else."""
    if isinstance(value, dict):
        return value
    token = bytes(value)
    return members_of(token) if token[:1] == b"{" else None
