"""One HTTP POST to a user's server, or one mail to a user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

StepName = Literal["resolve", "connect", "send", "answer"]


@dataclass(frozen=True, slots=True)
class ReceiverResponse:
    """The response of a callback receiver: an HTTP status, or 0 and an error message.

    ``sent`` is False when nothing was sent because too many deliveries to this host were waiting;
    that does not count as an attempt. ``reply`` is the beginning of the response body.
    ``retry_after`` is for how many seconds a receiver with too many requests wants no other.
    """

    status: int
    error: str = ""
    sent: bool = True
    reply: str = ""
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class DeliveryStep:
    """One step of a call, its result, and when it ended."""

    name: StepName
    detail: str
    at_ms: int  # since the call began
    ok: bool = True


class Notifier(Protocol):
    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> ReceiverResponse:
        """POST once. Does not follow redirects, does not connect to a private address unless
        exempted, takes at most 15 seconds, and reports errors of the receiver without raising.
        """
        ...


class Mailer(Protocol):
    def exists(self) -> bool:
        """Whether there is a mail server; it may change while the server runs."""
        ...

    async def send(self, to: str, subject: str, text: str) -> ReceiverResponse:
        """Send one mail now. The status is 250 when the mail server accepted it; errors are
        reported without raising.
        """
        ...


class Prober(Protocol):
    async def probe(
        self, url: str, body: bytes, headers: dict[str, str]
    ) -> tuple[ReceiverResponse, list[DeliveryStep]]:
        """Like ``Notifier.post``; also return the completed steps."""
        ...
