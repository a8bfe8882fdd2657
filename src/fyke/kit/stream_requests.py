"""Requests and answers over a stream, in both directions, with limits.

An end that asks waits while too much is unanswered: requests of ``CONTROL`` and of ``BULK`` are
counted apart, so rows cannot keep others from being sent, and ``URGENT`` ones hardly wait. Those of
``VIEWS`` wait for pictures and are counted apart too. An end that serves closes the connection to a
peer that does not keep these limits.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable

from fyke.kit.stream import MessageStream
from fyke.kit.stream_frames import MAX_MESSAGE, BadStreamFrame, MessageKind, SendLane, StreamMessage

_MIB = 2**20
# unanswered requests of one end
MAX_REQUESTS = {
    SendLane.URGENT: 8, SendLane.CONTROL: 64, SendLane.BULK: 64, SendLane.VIEWS: 64,
}  # fmt: skip
MAX_BYTES = {
    SendLane.URGENT: 4 * _MIB, SendLane.CONTROL: 8 * _MIB, SendLane.BULK: MAX_MESSAGE,
    SendLane.VIEWS: 4 * _MIB,
}  # fmt: skip
# what an end accepts: all lanes together, but those of ``VIEWS`` count for the others, which an end
# that asks for views hardly uses
MAX_SERVED = sum(MAX_REQUESTS.values()) - MAX_REQUESTS[SendLane.VIEWS]
MAX_SERVED_BYTES = sum(MAX_BYTES.values()) - MAX_BYTES[SendLane.VIEWS]


class StreamLost(Exception):
    """The connection has ended; it is not known whether an asked request was served."""


class RequestFailed(Exception):
    """A request was answered with an error. ``body`` is what the other end sent; raised by a
    function that serves requests, it is what is sent.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__("the request has failed")
        self.body = body


class RequestAllowance:
    """How much may be unanswered: so many requests with so many bytes."""

    def __init__(self, count: int, size: int) -> None:
        self._free, self._free_bytes = count, size
        self._most = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def acquire(self, size: int) -> None:
        """Wait until there is room; those that wait get it in their order. Raise ``ValueError`` for
        a size that never fits.
        """
        if size > self._most:
            raise ValueError(f"a request has {size} bytes; the limit is {self._most}")
        if not self._waiting and self._fits(size):
            self._take(size)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release(size)
            elif (size, turn) in self._waiting:
                self._waiting.remove((size, turn))
                self._admit()
            raise

    def release(self, size: int) -> None:
        """Return what one request has taken."""
        self._free += 1
        self._free_bytes += size
        self._admit()

    def refuse(self, error: Exception) -> None:
        """Let all that wait raise ``error``."""
        while self._waiting:
            _, turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(error)

    def _admit(self) -> None:
        while self._waiting and (self._waiting[0][1].done() or self._fits(self._waiting[0][0])):
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._take(size)
                turn.set_result(None)

    def _fits(self, size: int) -> bool:
        return self._free > 0 and self._free_bytes >= size

    def _take(self, size: int) -> None:
        self._free -= 1
        self._free_bytes -= size


class StreamRequests:
    """One end of a connection; ``stream`` is its protocol.

    ``serve`` answers requests of the other end, several at a time; it raises ``RequestFailed``, and
    whatever else it raises is passed to ``on_fault``, whose result is sent as the error. It is not
    cancelled when the connection ends: what it does may be in the middle of a transaction.
    ``on_notice`` gets notices and must not block. ``on_lost`` is called once, with the reason.
    ``most`` is the limit of a message that is received, for a peer that is not known yet, and
    ``most_answer`` that of an answer. Answers are sent in ``answers``.
    """

    def __init__(
        self,
        serve: Callable[[bytes], Awaitable[bytes]],
        on_notice: Callable[[bytes], None],
        on_lost: Callable[[str], None],
        on_fault: Callable[[Exception], bytes],
        most: int = MAX_MESSAGE,
        most_answer: int = MAX_MESSAGE,
        answers: SendLane = SendLane.CONTROL,
    ) -> None:
        self._answers = answers
        self._serve = serve
        self._on_notice = on_notice
        self._on_lost = on_lost
        self._on_fault = on_fault
        self._numbers = itertools.count(1)
        self._asked: dict[int, tuple[asyncio.Future[bytes], SendLane, int]] = {}
        self._allowances = {
            lane: RequestAllowance(MAX_REQUESTS[lane], MAX_BYTES[lane]) for lane in SendLane
        }
        self._served: dict[int, int] = {}  # bytes by number of request
        self._served_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._lost = ""
        self.stream = MessageStream(self._receive, self._lose, most, most_answer)

    async def ask(self, body: bytes, lane: SendLane = SendLane.CONTROL) -> bytes:
        """Send a request and return its answer. Raise ``StreamLost`` or ``RequestFailed``, and
        ``ValueError`` for a request above the limit of its lane.

        Cancelled, it no longer waits; the request may be served nevertheless.
        """
        if not self._lost:
            await self._allowances[lane].acquire(len(body))
        if self._lost:
            raise StreamLost(self._lost)
        number = next(self._numbers)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer, lane, len(body)
        self.stream.send(MessageKind.REQUEST, number, body, lane)
        return await answer

    def notify(self, body: bytes, lane: SendLane = SendLane.CONTROL) -> None:
        """Send a notice, which is lost if the connection ends."""
        self.stream.send(MessageKind.NOTICE, 0, body, lane)

    # --- the other end ------------------------------------------------------------------------

    def _receive(self, message: StreamMessage) -> None:
        match message.kind:
            case MessageKind.REQUEST:
                self._begin(message)
            case MessageKind.NOTICE:
                self._on_notice(message.body)
            case _:
                self._settle(message)

    def _settle(self, message: StreamMessage) -> None:
        """Give an answer or error to the one who asked."""
        if message.number not in self._asked:
            raise BadStreamFrame(f"an answer to request {message.number}, which was not asked")
        answer, lane, size = self._asked.pop(message.number)
        self._allowances[lane].release(size)
        if answer.done():  # the one who asked was cancelled
            return
        if message.kind is MessageKind.ANSWER:
            answer.set_result(message.body)
        else:
            answer.set_exception(RequestFailed(message.body))

    def _begin(self, message: StreamMessage) -> None:
        number, size = message.number, len(message.body)
        if number in self._served:
            raise BadStreamFrame(f"request {number} is repeated")
        if len(self._served) >= MAX_SERVED or self._served_bytes + size > MAX_SERVED_BYTES:
            raise BadStreamFrame("too much is unanswered")
        self._served[number] = size
        self._served_bytes += size
        task = asyncio.create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: StreamMessage) -> None:
        kind = MessageKind.ANSWER
        try:
            body = await self._serve(message.body)
            if len(body) > MAX_MESSAGE:
                raise ValueError(f"an answer has {len(body)} bytes; the limit is {MAX_MESSAGE}")
        except RequestFailed as failed:
            kind, body = MessageKind.ERROR, failed.body
        except Exception as error:
            kind, body = MessageKind.ERROR, self._on_fault(error)
        finally:
            self._served_bytes -= self._served.pop(message.number)
        self.stream.send(kind, message.number, body, self._answers)

    def _lose(self, reason: str) -> None:
        self._lost = reason or "the connection has ended"
        lost = StreamLost(self._lost)
        for answer, _, _ in self._asked.values():
            if not answer.done():
                answer.set_exception(lost)
                answer.exception()  # marks it as retrieved: the one who asked may be gone
        self._asked.clear()
        for allowance in self._allowances.values():
            allowance.refuse(lost)
        self._on_lost(self._lost)
