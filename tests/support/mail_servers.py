"""A small mail server for tests: SMTP over a real socket, with and without TLS and a password."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fyke.domain.callbacks.current_mail import CurrentMail
from fyke.kit.mail_servers import MailServer
from fyke.model.mail import MailConfig


@dataclass
class Mailbox:
    """A mailbox and its messages. ``refused`` are recipients that it does not accept."""

    user: str = ""
    password: str = ""
    refused: tuple[str, ...] = ()
    starttls: ssl.SSLContext | None = None
    full: bool = False  # every message gets 452
    port: int = 0
    messages: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    secured: list[bool] = field(default_factory=list)
    logins: list[bool] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Talk(self, reader, writer).go()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class _Talk:
    """One connection."""

    def __init__(
        self, mailbox: Mailbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.mailbox, self.reader, self.writer = mailbox, reader, writer
        self.sender, self.to, self.known = "", list[str](), not mailbox.user

    @property
    def secure(self) -> bool:
        return self.writer.get_extra_info("ssl_object") is not None

    async def say(self, text: str) -> None:
        self.writer.write(text.replace("\n", "\r\n").encode() + b"\r\n")
        await self.writer.drain()

    async def go(self) -> None:
        await self.say("220 mail.example ready")
        while line := (await self.reader.readline()).decode().strip():
            verb, _, rest = line.partition(" ")
            if verb.upper() == "QUIT":
                await self.say("221 bye")
                return
            await getattr(self, f"on_{verb.lower()}", self.on_other)(rest)

    async def on_other(self, _rest: str) -> None:
        await self.say("502 what")

    async def on_ehlo(self, _rest: str) -> None:
        lines = ["mail.example", "SIZE 1000000"]
        if self.mailbox.starttls and not self.secure:
            lines.append("STARTTLS")
        if self.mailbox.user:
            lines.append("AUTH PLAIN")
        first = [f"250-{line}" for line in lines[:-1]]
        await self.say("\n".join([*first, f"250 {lines[-1]}"]))

    async def on_starttls(self, _rest: str) -> None:
        assert self.mailbox.starttls is not None
        await self.say("220 go on")
        await self.writer.start_tls(self.mailbox.starttls)

    async def on_auth(self, rest: str) -> None:
        _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
        self.known = (user, password) == (self.mailbox.user, self.mailbox.password)
        self.mailbox.logins.append(self.known)
        await self.say("235 welcome" if self.known else "535 wrong user or password")

    async def on_mail(self, rest: str) -> None:
        self.sender, self.to = rest.partition("<")[2].partition(">")[0], []
        await self.say("250 ok" if self.known else "530 sign in first")

    async def on_rcpt(self, rest: str) -> None:
        address = rest.partition("<")[2].partition(">")[0]
        if address in self.mailbox.refused:
            await self.say("550 no user of this name")
            return
        self.to.append(address)
        await self.say("250 ok")

    async def on_rset(self, _rest: str) -> None:
        await self.say("250 ok")

    async def on_data(self, _rest: str) -> None:
        await self.say("354 end with a dot")
        text = await self.reader.readuntil(b"\r\n.\r\n")
        if self.mailbox.full:
            await self.say("452 no room; come back later")
            return
        self.mailbox.messages.append((self.sender, self.to, text[:-5]))
        self.mailbox.secured.append(self.secure)
        await self.say("250 taken")


def using(server: MailServer, sender: str = "Fyke <fyke@example.org>") -> CurrentMail:
    """The mail server of an operator."""
    current = CurrentMail()
    current.use(MailConfig(server, sender), 0)
    return current


@asynccontextmanager
async def mailing(
    mailbox: Mailbox, context: ssl.SSLContext | None = None
) -> AsyncIterator[Mailbox]:
    """Serve ``mailbox`` on a loopback port; with a ``context`` by TLS from the first byte."""
    server = await asyncio.start_server(mailbox.serve, "127.0.0.1", 0, ssl=context)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
