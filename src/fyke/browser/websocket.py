"""Frames of the WebSocket protocol (RFC 6455) in a stream of bytes that is passed on.

Only whole text messages of limited size are looked into. All other bytes are passed on unread,
also what a correct peer would not send: the other end is a whole WebSocket implementation.
"""

from __future__ import annotations

from collections.abc import Callable

MAX_READ = 64 * 1024  # bytes of a message that is looked into
_FINAL, _OPCODE, _MASKED, _LENGTH = 0x80, 0x0F, 0x80, 0x7F
_CONTROL = 0x8
TEXT, CLOSE = 0x81, 0x88  # first bytes of whole messages

Look = Callable[[bytes], bool]


class BadFrame(Exception):
    """The length of a frame is not possible, so that the next one cannot be found."""


class FrameStream:
    """One direction of a connection. ``look`` gets the payload of each unfragmented text message
    of ``min_read`` to ``max_read`` bytes, and returns whether to pass it on.
    """

    def __init__(
        self, look: Look | None = None, *, min_read: int = 0, max_read: int = MAX_READ
    ) -> None:
        self._look = look
        self._min_read = min_read
        self._max_read = max_read if look is not None else -1
        self._held = bytearray()  # an incomplete head, or message that is looked into
        self._needed = 0  # bytes in ``_held`` before it is worth reading
        self._unread = 0  # bytes of a frame that still pass
        self._fragmented = False

    @property
    def between_messages(self) -> bool:
        """Whether a message of ours may be sent in this direction now."""
        return not (self._unread or self._held or self._fragmented)

    def feed(self, data: bytes) -> list[bytes]:
        """Return what to pass on of the bytes held so far and of ``data``. Raise ``BadFrame``."""
        data = self._with_held(data)
        passed: list[bytes] = []
        start = position = 0  # what lies between them passes
        size = len(data)
        while position < size:
            if self._unread:
                step = min(self._unread, size - position)
                self._unread -= step
                position += step
                continue
            head = read_head(data, position)
            if head is None:
                break
            first, masked, body_at, length = head
            end = body_at + length
            readable = first == TEXT and self._min_read <= length <= self._max_read
            if not readable:
                self._skip(first, length)
                position = body_at
                continue
            if end > size:
                self._needed = end - position
                break
            if not self._passes(data, body_at, length, masked):
                passed.append(data[start:position])
                start = end
            position = end
        passed.append(data if start == 0 and position == size else data[start:position])
        self._held += data[position:]
        return [piece for piece in passed if piece]

    def _with_held(self, data: bytes) -> bytes:
        """The bytes to read now; none before a held message is whole, so that the work is linear
        however small the pieces are.
        """
        if not self._held:
            return data
        self._held += data
        if len(self._held) < self._needed:
            return b""
        data = bytes(self._held)
        self._held.clear()
        self._needed = 0
        return data

    def _skip(self, first: int, length: int) -> None:
        """Pass a frame on unread."""
        if first & _OPCODE < _CONTROL:
            self._fragmented = not first & _FINAL
        self._unread = length

    def _passes(self, data: bytes, body_at: int, length: int, masked: bool) -> bool:
        payload = data[body_at : body_at + length]
        if masked:
            payload = unmasked(payload, data[body_at - 4 : body_at])
        assert self._look is not None  # noqa: S101 - otherwise no message is readable
        return self._look(payload)


def read_head(data: bytes, at: int) -> tuple[int, bool, int, int] | None:
    """First byte, whether there is a mask, where the payload starts, and its length; None for an
    incomplete head. Raise ``BadFrame``.
    """
    if len(data) - at < 2:
        return None
    first, second = data[at], data[at + 1]
    masked, length, end = bool(second & _MASKED), second & _LENGTH, at + 2
    if length >= 126:
        size = 2 if length == 126 else 8
        if len(data) < end + size:
            return None
        length = int.from_bytes(data[end : end + size], "big")
        end += size
        if length >= 2**63:
            raise BadFrame(f"a frame of {length} bytes")
    end += 4 if masked else 0
    if len(data) < end:
        return None
    return first, masked, end, length


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """The payload of a client's frame."""
    size = len(payload)
    whole = (mask * (size // 4 + 1))[:size]
    number = int.from_bytes(payload, "little") ^ int.from_bytes(whole, "little")
    return number.to_bytes(size, "little")


def rest_of_head(second: int) -> int:
    """How many bytes of the head follow its first two, by the second one."""
    length = second & _LENGTH
    return {126: 2, 127: 8}.get(length, 0) + (4 if second & _MASKED else 0)


def text_frame(text: bytes) -> bytes:
    """A text message of a server."""
    return _head(len(text), 0) + text


def client_frame(text: bytes) -> bytes:
    """A text message of a client. Its mask, which protects proxies from us, changes nothing."""
    return _head(len(text), _MASKED) + bytes(4) + text


def _head(size: int, masked: int) -> bytes:
    if size < 126:
        return bytes((TEXT, masked | size))
    if size < 2**16:
        return bytes((TEXT, masked | 126)) + size.to_bytes(2, "big")
    return bytes((TEXT, masked | 127)) + size.to_bytes(8, "big")
