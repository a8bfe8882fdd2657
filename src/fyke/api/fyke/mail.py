"""The mail server of the installation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import delete, get, post, put
from fyke.domain.callbacks.mail import InstallationMail, MailFields
from fyke.errors import Conflict, Forbidden, InvalidRequest, RateLimited, Refused
from fyke.model.account import Scope
from fyke.wire.fyke import mail as wire

PATH = "/api/fyke/installation/mail"


@dataclass(frozen=True, slots=True)
class MailRoutes:
    tag: ClassVar[str] = "Operator"

    mail: InstallationMail

    @get(PATH, scope=Scope.ADMIN, errors=(Forbidden,))
    async def get_mail_server(self, call: Call) -> wire.MailServerItem:
        """The mail server of the installation.

        For the operator. The password is never returned.
        """
        return wire.MailServerItem.of(await self.mail.get(call.caller))

    @put(PATH, scope=Scope.ADMIN, errors=(Forbidden, InvalidRequest, Conflict))
    async def set_mail_server(self, call: Call, body: wire.MailServerFields) -> wire.MailServerItem:
        """Send mail through this server from now on.

        For owners of the operator's account. All servers use it within five seconds, without a
        restart. It may be in a private network, but is never the server itself or a host that its
        settings name. A setting `smtp_url` wins; then this is refused.
        """
        fields = MailFields(body.host, body.port, body.tls, body.user, body.password, body.sender)
        return wire.MailServerItem.of(await self.mail.set(call.caller, fields))

    @delete(PATH, scope=Scope.ADMIN, errors=(Forbidden, Conflict))
    async def remove_mail_server(self, call: Call) -> wire.MailServerItem:
        """Send no more mail.

        For owners of the operator's account. Mail that waits is tried again on the usual schedule.
        """
        return wire.MailServerItem.of(await self.mail.remove(call.caller))

    @post(
        f"{PATH}/test", scope=Scope.ADMIN, errors=(Forbidden, InvalidRequest, Refused, RateLimited)
    )
    async def test_mail_server(self, call: Call, body: wire.MailTestFields) -> wire.MailTestResult:
        """Send a test mail now, and return what the mail server has answered.

        For owners of the operator's account.
        """
        return wire.MailTestResult.of(await self.mail.test(call.caller, body.to))
