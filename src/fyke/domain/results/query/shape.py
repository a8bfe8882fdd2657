"""Converts rows to a form: some of their fields, without empty values, without nesting.

``fields`` keeps the named fields, in that order; a field inside an object stays inside that object.
``flatten`` replaces objects by their members under names with dots (``a.b``); arrays do not change.
``clean`` drops members that are null, empty text, empty arrays or empty objects, at any depth of
objects, then empty rows; it also leaves out the platform's row id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any

import msgspec

from fyke.domain.results.headers import headers_from_rows
from fyke.domain.results.query.model import RowForm
from fyke.domain.results.query.picker import Picker, members_of
from fyke.model.results import Header, Row, RowBlock

_encode = msgspec.json.Encoder().encode
_EMPTY = frozenset((b"null", b'""', b"[]", b"{}"))
_NAMES_BYTES = 2**20  # limit of what dotted names add to one row; further objects stay nested

_Members = Mapping[str, Any]  # of msgspec.Raw, bytes of JSON, or nested _Members


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

    def block(self, block: RowBlock) -> RowBlock:
        """Like ``rows``, for a block."""
        texts = list(map(self.apply, block.texts()))
        kept = [not self._form.clean or text != b"{}" for text in texts]
        return RowBlock.of(compress(block.positions, kept), compress(texts, kept))

    def apply(self, data: bytes) -> bytes:
        """One row's JSON object in the new form."""
        members = members_of(data) if self._pick is None else self._select(self._pick, data)
        if self._form.flatten or self._form.clean:
            members = _Transform(self._form).members(members)
        return _encode(_raw(members))

    def headers(self, declared: list[Header], sample: Sequence[Row]) -> list[Header]:
        """The columns of the converted rows; ``sample`` are the first of these. Declared columns
        that are not selected are left out; a flattened one is replaced by those of its members.
        """
        in_sample = {header.key: header for header in headers_from_rows(sample)}
        by_key = {header.key: header for header in declared}
        selected = [self._column(field, by_key) for field in self._form.fields]
        names = list(dict.fromkeys(selected)) or list(by_key)
        if self._form.flatten:
            names = _flattened_names(names, in_sample)
        return [by_key.get(name) or in_sample.get(name) or _plain_header(name) for name in names]

    def _column(self, field: str, declared: Mapping[str, Header]) -> str:
        if self._form.flatten or field in declared:
            return field
        return field.split(".")[0]

    def _select(self, pick: Picker, data: bytes) -> dict[str, Any]:
        selected: dict[str, Any] = {}
        members = None
        for field, token in zip(self._form.fields, pick(data), strict=True):
            if token is None:
                continue
            parts = field.split(".")
            if len(parts) > 1:
                members = members if members is not None else members_of(data)
                if field in members:
                    parts = [field]
            _put(selected, parts, token)
        return selected


def _put(members: dict[str, Any], parts: list[str], token: bytes) -> None:
    """Put the value at its path, unless a whole object there already contains it."""
    for part in parts[:-1]:
        members = members.setdefault(part, {})
        if not isinstance(members, dict):
            return
    members[parts[-1]] = token


def _flattened_names(names: list[str], in_sample: Mapping[str, Header]) -> list[str]:
    """The names after flattening: the dotted names of the sample replace the name of their object,
    or follow it if the sample has that name too.
    """
    result: dict[str, None] = {}
    for name in names:
        inner = [key for key in in_sample if key.startswith(f"{name}.")]
        result |= dict.fromkeys(inner if inner and name not in in_sample else [name, *inner])
    return list(result)


def _plain_header(name: str) -> Header:
    return Header(label=name, key=name, format="text")


def _raw(members: _Members) -> dict[str, Any]:
    """The members as they can be encoded: bytes of JSON become ``msgspec.Raw``, at every depth."""
    return {key: _raw_value(value) for key, value in members.items()}


def _raw_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return msgspec.Raw(value)
    return _raw(value) if isinstance(value, dict) else value


class _Transform:
    """Applies ``flatten`` and ``clean`` to one row."""

    def __init__(self, form: RowForm) -> None:
        self._clean = form.clean
        self._flatten = form.flatten
        self._bytes_left = _NAMES_BYTES

    def members(self, members: _Members) -> dict[str, Any]:
        result: dict[str, Any] = {}
        self._add(members, "", result)
        return result

    def _add(self, members: _Members, prefix: str, result: dict[str, Any]) -> None:
        for key, value in members.items():
            name = prefix + key
            inner = _object_members(value)
            if inner is None:
                if not (self._clean and bytes(value) in _EMPTY):
                    result[name] = value
            elif self._flatten and inner and self._may_flatten(name, inner):
                self._add(inner, f"{name}.", result)
            elif not self._clean:
                result[name] = value
            elif cleaned := _Transform(RowForm(clean=True)).members(inner):
                result[name] = cleaned

    def _may_flatten(self, name: str, inner: _Members) -> bool:
        self._bytes_left -= len(name) * len(inner)
        return self._bytes_left >= 0


def _object_members(value: Any) -> _Members | None:
    """The members of an object, None for everything else."""
    if isinstance(value, dict):
        return value
    token = bytes(value)
    return members_of(token) if token[:1] == b"{" else None
