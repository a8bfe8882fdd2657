"""The orders that a node has leased and was not sent yet, in answers that fit into a message."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from fyke.domain.runs.outcome import end_of
from fyke.kit.stream_frames import MAX_MESSAGE
from fyke.model.attempt import AttemptEnd
from fyke.model.node import AttemptOrder
from fyke.model.runner import AttemptUsage
from fyke.reasons import Reason, ReasonCode
from fyke.wire.nodes import encode

ANSWER_BYTES = 12 * 2**20  # an answer has more only if one order alone has more
_LIST_BYTES = 16  # of an answer beside its orders
MAX_ORDER_BYTES = MAX_MESSAGE - _LIST_BYTES


class LeasedOrders:
    """Orders that wait to be asked for."""

    def __init__(self) -> None:
        self._waiting: deque[AttemptOrder] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, orders: Iterable[AttemptOrder]) -> None:
        self._waiting.extend(orders)

    def take_all(self) -> list[AttemptOrder]:
        """All of them, which are not kept."""
        orders = [*self._waiting]
        self._waiting.clear()
        return orders

    def take(self) -> tuple[list[AttemptOrder], list[AttemptOrder]]:
        """Those of the next answer, and those that fit into none."""
        fitting, too_large = list[AttemptOrder](), list[AttemptOrder]()
        left = ANSWER_BYTES
        while self._waiting:
            size = len(encode(self._waiting[0]))
            if size > MAX_ORDER_BYTES:
                too_large.append(self._waiting.popleft())
            elif fitting and size > left:
                break
            else:
                fitting.append(self._waiting.popleft())
                left -= size
        return fitting, too_large


def end_of_too_large(order: AttemptOrder) -> AttemptEnd:
    """The end of an attempt whose order fits into no message."""
    size = len(encode(order)) / 2**20
    detail = (
        f"the input and the list of packages of this run are too large to be sent to a node "
        f"({size:.1f} MiB; at most {MAX_MESSAGE // 2**20})"
    )
    return AttemptEnd(end_of(Reason.of(ReasonCode.INTERNAL, detail=detail)), AttemptUsage())
