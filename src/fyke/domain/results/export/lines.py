"""JSON and JSON lines: the stored rows, unchanged.

Without a selection of columns no row is parsed. With one, members are copied from the JSON text of
the row, so that numbers keep their digits. Rows have no id.
"""

from __future__ import annotations

import msgspec

from fyke.domain.results.export.meta import ExportMeta
from fyke.model.results import Header, RowBlock

_members = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


class _Objects:
    """Rows as JSON objects, with all members or only the selected ones in their order."""

    def __init__(self, columns: list[Header] | None, meta: ExportMeta) -> None:
        self._names: list[tuple[str, bytes]] | None = None
        if columns is not None:
            self._names = [(c.key, _name(c.key)) for c in columns]

    def objects(self, block: RowBlock) -> list[bytes]:
        if self._names is None:
            return block.texts()
        return [self._select(members, self._names) for members in _members(block.data)]

    @staticmethod
    def _select(members: dict[str, msgspec.Raw], names: list[tuple[str, bytes]]) -> bytes:
        parts = [name + bytes(members[key]) for key, name in names if key in members]
        return b"{" + b",".join(parts) + b"}"


class JsonLinesWriter(_Objects):
    """One object per line."""

    def head(self) -> bytes:
        return b""

    def page(self, block: RowBlock) -> bytes:
        return b"\n".join([*self.objects(block), b""])

    def tail(self) -> bytes:
        return b""


class JsonWriter(_Objects):
    """One array of objects, with one object per line so that files can be compared."""

    def __init__(self, columns: list[Header] | None, meta: ExportMeta) -> None:
        super().__init__(columns, meta)
        self._separator = b"\n"

    def head(self) -> bytes:
        return b"["

    def page(self, block: RowBlock) -> bytes:
        if not block:
            return b""
        start, self._separator = self._separator, b",\n"
        return start + b",\n".join(self.objects(block))

    def tail(self) -> bytes:
        return b"\n]\n"


def _name(key: str) -> bytes:
    text = key.encode("utf-8", "replace").decode()
    return msgspec.json.encode(text) + b":"
