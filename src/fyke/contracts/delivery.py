"""One HTTP POST to a user's server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

StepName = Literal["resolve", "connect", "send", "answer"]


@dataclass(frozen=True, slots=True)
class ReceiverResponse:
    """What a callback receiver said: a status, or an error in words (then status is 0).

    ``sent`` is False when nothing left us because too many deliveries to this host were waiting;
    such a try should not count. ``reply`` is how the body of the answer begins.
    """

    status: int
    error: str = ""
    sent: bool = True
    reply: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryStep:
    """One step of a call: what was done, what came of it, and when it was over."""

    name: StepName
    detail: str
    at_ms: int  # since the call began
    ok: bool = True


class Notifier(Protocol):
    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> ReceiverResponse:
        """POST once. Never follows redirects, never reaches a private address unless allowed,
        never takes longer than 15 seconds. Does not raise for what the receiver does.
        """
        ...


class Prober(Protocol):
    async def probe(
        self, url: str, body: bytes, headers: dict[str, str]
    ) -> tuple[ReceiverResponse, list[DeliveryStep]]:
        """As ``Notifier.post``, and tell the steps as far as they went."""
        ...
