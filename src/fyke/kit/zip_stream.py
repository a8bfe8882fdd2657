"""A ZIP archive that is written as a stream: its bytes are taken while its files are added."""

from __future__ import annotations

import zipfile


class UnsentBytes:
    """A file that cannot be sought: collects what the archive writes."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def take(self) -> bytes:
        """What was written since the last call."""
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken


class StreamedZip(zipfile.ZipFile):
    """An archive over ``UnsentBytes``."""

    def __del__(self) -> None:
        """Do not write the end of the file: the client of a file that is not finished is gone."""
