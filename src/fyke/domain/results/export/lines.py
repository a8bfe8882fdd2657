"""JSON and JSON lines: the stored rows, unchanged, one after the other.

Without a choice of columns no row is even parsed. With one, the members are cut out of the row as
they stand, so that numbers keep their digits here too. Rows carry no id: an export is the data.
"""

from __future__ import annotations

import msgspec

from fyke.domain.results.export.meta import ExportMeta
from fyke.model.results import Header, Row

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Objects:
    """Rows as JSON objects, all of their members or the chosen ones in the chosen order."""

    def __init__(self, columns: list[Header] | None, meta: ExportMeta) -> None:
        self._names: list[tuple[str, bytes]] | None = None
        if columns is not None:
            self._names = [(c.key, _name(c.key)) for c in columns]

    def objects(self, rows: list[Row]) -> list[bytes]:
        if self._names is None:
            return [row.data for row in rows]
        return [self._chosen(row.data, self._names) for row in rows]

    @staticmethod
    def _chosen(data: bytes, names: list[tuple[str, bytes]]) -> bytes:
        members = _members(data)
        parts = [name + bytes(members[key]) for key, name in names if key in members]
        return b"{" + b",".join(parts) + b"}"


class JsonLinesWriter(_Objects):
    """One object a line."""

    def head(self) -> bytes:
        return b""

    def page(self, rows: list[Row]) -> bytes:
        return b"".join(part for data in self.objects(rows) for part in (data, b"\n"))

    def tail(self) -> bytes:
        return b""


class JsonWriter(_Objects):
    """One array of objects, an object a line so that it can be looked at and compared."""

    def __init__(self, columns: list[Header] | None, meta: ExportMeta) -> None:
        super().__init__(columns, meta)
        self._separator = b"\n"

    def head(self) -> bytes:
        return b"["

    def page(self, rows: list[Row]) -> bytes:
        if not rows:
            return b""
        start, self._separator = self._separator, b",\n"
        return start + b",\n".join(self.objects(rows))

    def tail(self) -> bytes:
        return b"\n]\n"


def _name(key: str) -> bytes:
    text = key.encode("utf-8", "replace").decode()
    return msgspec.json.encode(text) + b":"
