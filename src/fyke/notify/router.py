"""Routes a message to the sender for its address: HTTP or email."""

from __future__ import annotations

from fyke.contracts.delivery import Notifier, ReceiverResponse
from fyke.domain.callbacks.current_mail import NO_MAIL
from fyke.domain.callbacks.url import MAIL


class NotifierRouter:
    """Implements ``contracts.Notifier`` with two others; ``mail`` is None without a mail server."""

    def __init__(self, web: Notifier, mail: Notifier | None) -> None:
        self._web = web
        self._mail = mail

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> ReceiverResponse:
        if not url.startswith(MAIL):
            return await self._web.post(url, body, headers)
        if self._mail is None:
            return ReceiverResponse(0, NO_MAIL)
        return await self._mail.post(url, body, headers)
