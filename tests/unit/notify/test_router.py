"""The choice between HTTP and email."""

from __future__ import annotations

from contextlib import closing

import pytest

from fyke.contracts.delivery import ReceiverResponse
from fyke.domain.callbacks.current_mail import NO_MAIL
from fyke.kit.mail_servers import parse_server
from fyke.notify.mail import SmtpMailer
from fyke.notify.router import NotifierRouter
from support.mail_servers import Mailbox, mailing, using

pytestmark = pytest.mark.anyio


async def test_messages_are_routed_by_address() -> None:
    class Web:
        async def post(self, url: str, body: bytes, headers: dict[str, str]) -> ReceiverResponse:
            return ReceiverResponse(204)

    web, mail = "https://a.example/", "mailto:ada@example.org"
    router = NotifierRouter(Web(), None)
    assert await router.post(web, b"", {}) == ReceiverResponse(204)
    assert await router.post(mail, b"", {}) == ReceiverResponse(0, NO_MAIL)
    async with mailing(Mailbox()) as mailbox:
        server = parse_server(f"smtp://127.0.0.1:{mailbox.port}")
        with closing(SmtpMailer(using(server, "Fyke <fyke@example.org>"))) as mailer:
            assert await NotifierRouter(Web(), mailer).post(mail, b"{}", {}) == ReceiverResponse(
                250, reply="taken"
            )
