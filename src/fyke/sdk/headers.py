"""The path in request headers, the only header that a unary gRPC server needs.

A client repeats the same few bytes once its fields are in the table. Such a block is looked up
instead of decoded, which is correct while the table does not change; a block of only references
does not change it.
"""

from __future__ import annotations

from hpack import Decoder, HPACKError
from hpack.exceptions import InvalidTableIndex

from fyke.sdk.frames import COMPRESSION_ERROR, PROTOCOL_ERROR, ProtocolError

MAX_BLOCK_BYTES = 64 * 1024
_MAX_CACHED = 64


class PathReader:
    """Decodes the header blocks of one connection, whose table it keeps."""

    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=MAX_BLOCK_BYTES)
        self._cache: dict[bytes, str] = {}

    def path(self, block: bytes) -> str:
        """The ``:path`` of a header block. Raise ``ProtocolError``."""
        cached = self._cache.get(block)
        if cached is not None:
            return cached
        path = self._decode(block)
        if not _references_only(block) or len(self._cache) >= _MAX_CACHED:
            self._cache.clear()
        else:
            self._cache[block] = path
        return path

    def skip(self, block: bytes) -> None:
        """Decode a block only to update the table (trailers, refused streams)."""
        self._decode(block)
        self._cache.clear()

    def _decode(self, block: bytes) -> str:
        try:
            fields = self._decoder.decode(block, raw=True)
        except (HPACKError, InvalidTableIndex) as error:
            raise ProtocolError(COMPRESSION_ERROR, f"header block: {error}") from error
        except (IndexError, ValueError, UnicodeDecodeError) as error:
            raise ProtocolError(PROTOCOL_ERROR, "broken header block") from error
        for name, value in fields:
            if name == b":path":
                return bytes(value).decode("ascii", "replace")
        return ""


def _references_only(block: bytes) -> bool:
    """Whether every byte is a reference to the table, so that the block does not change it."""
    return bool(block) and min(block) > 0x80 and max(block) < 0xFF
