"""Request headers, of which a unary gRPC server needs only the path.

A client repeats the same few bytes once its fields are in the table: such a block is looked up
instead of decoded. That is correct while the table does not change, and only blocks with other
than references change it.
"""

from __future__ import annotations

from hpack import Decoder, HPACKError
from hpack.exceptions import InvalidTableIndex

from fyke.sdk.frames import COMPRESSION_ERROR, PROTOCOL_ERROR, ProtocolError

MAX_BLOCK_BYTES = 64 * 1024
_REMEMBERED = 64


class PathReader:
    """One per connection, because the table is the connection's."""

    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=MAX_BLOCK_BYTES)
        self._known: dict[bytes, str] = {}

    def path(self, block: bytes) -> str:
        """The ``:path`` of a header block. Raises ``ProtocolError``."""
        known = self._known.get(block)
        if known is not None:
            return known
        path = self._decode(block)
        if not _references_only(block) or len(self._known) >= _REMEMBERED:
            self._known.clear()
        else:
            self._known[block] = path
        return path

    def skip(self, block: bytes) -> None:
        """Decode for the sake of the table alone (trailers, refused streams)."""
        self._decode(block)
        self._known.clear()

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
    """Every byte one reference into the table: nothing in it changes the table."""
    return bool(block) and min(block) > 0x80 and max(block) < 0xFF
