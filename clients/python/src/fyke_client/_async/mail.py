"""Methods of the client for the mail server of the installation, for the operator."""

from __future__ import annotations

from fyke_client import types
from fyke_client._async.connection import AsyncConnection

MAIL = "/api/fyke/installation/mail"


class AsyncMailCalls:
    """The mail server that sends alerts and links."""

    _connection: AsyncConnection

    async def mail_server(self) -> types.fyke.mail.MailServerItem:
        return await self._connection.get(MAIL, types.fyke.mail.MailServerItem)

    async def set_mail_server(
        self,
        host: str,
        *,
        port: int = 0,
        tls: str = "starttls",
        user: str = "",
        password: str | None = None,
        sender: str = "",
    ) -> types.fyke.mail.MailServerItem:
        """Send mail through this server; without a ``password`` the stored one is kept."""
        body = types.fyke.mail.MailServerFields(
            host=host, port=port, tls=tls, user=user, password=password, sender=sender
        )
        return await self._connection.put(MAIL, types.fyke.mail.MailServerItem, body)

    async def remove_mail_server(self) -> types.fyke.mail.MailServerItem:
        """Send no more mail."""
        return await self._connection.delete(MAIL, types.fyke.mail.MailServerItem)

    async def test_mail_server(self, to: str = "") -> types.fyke.mail.MailTestResult:
        """Send a mail now, to the caller's own address without ``to``."""
        body = types.fyke.mail.MailTestFields(to)
        return await self._connection.post(f"{MAIL}/test", types.fyke.mail.MailTestResult, body)
