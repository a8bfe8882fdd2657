"""The first of some rows that are found in another order than the one in which they are wanted."""

from __future__ import annotations


class FirstRows:
    """The data of the first of ``count`` rows, at least of one, as many as have ``max_bytes``
    together. Of what is found, only so much is kept.
    """

    def __init__(self, count: int, max_bytes: int) -> None:
        self._data: list[bytes | None] = [None] * count
        self._left = max_bytes

    def wants(self, index: int) -> bool:
        """Whether the row number ``index``, from 0 on, may be one of the first."""
        return index < len(self._data)

    def add(self, index: int, data: bytes) -> None:
        """Add the row number ``index``, which is wanted."""
        self._data[index] = data
        self._left -= len(data)
        while self._left < 0 and len(self._data) > 1:
            self._left += len(self._data.pop() or b"")

    def in_order(self) -> list[bytes]:
        """The first rows, up to the first that was not added."""
        rows: list[bytes] = []
        for data in self._data:
            if data is None:
                break
            rows.append(data)
        return rows
