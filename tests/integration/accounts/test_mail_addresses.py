"""Confirming mail addresses with a real mail server."""

from __future__ import annotations

import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from fyke.domain.accounts.mail_addresses import LIFE_MS, PATH, MailAddresses
from fyke.errors import Forbidden, LinkSpent, RateLimited, Refused
from fyke.kit.mail_servers import parse_server
from fyke.kit.sealing import Sealer
from fyke.model.audit import AuditAction
from fyke.notify.mail import SmtpMailer
from support.auth import AWAY, Auth
from support.mail_servers import Mailbox, mailing, using

pytestmark = pytest.mark.anyio
ADA = "ada@example.org"
ORIGIN = "https://fyke.example"


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with mailing(Mailbox()) as mailbox:
        yield mailbox


@pytest.fixture
async def addresses(auth: Auth, mailbox: Mailbox) -> AsyncIterator[MailAddresses]:
    server = parse_server(f"smtp://127.0.0.1:{mailbox.port}")
    with closing(SmtpMailer(using(server, "Fyke <fyke@example.org>"))) as mailer:
        yield MailAddresses(auth.storage, auth.clock, Sealer(b"secret"), mailer)


def token_in(mailbox: Mailbox) -> str:
    """The token of the newest mail."""
    _, [to], text = mailbox.messages[-1]
    assert to == ADA
    message = email.message_from_bytes(text, policy=email.policy.default)
    assert message["subject"] == "[Fyke] Confirm your mail address"
    start = f"{ORIGIN}{PATH}?token="
    [line] = [line for line in message.get_content().splitlines() if line.startswith(start)]
    return str(line.removeprefix(start))


async def test_an_address_is_confirmed_by_a_link_in_a_mail(
    auth: Auth, addresses: MailAddresses, mailbox: Mailbox
) -> None:
    caller = await auth.caller(await auth.add(ADA))
    status = await addresses.status(caller)
    assert (status.possible, status.confirmed_at) == (True, 0)
    assert await addresses.send(caller, ORIGIN) == ADA
    token = token_in(mailbox)
    assert await addresses.read(token) == ADA
    assert (await addresses.status(caller)).confirmed_at == 0
    assert await addresses.confirm(token, AWAY) == ADA
    assert (await addresses.status(caller)).confirmed_at == auth.clock.now_ms()
    assert await addresses.confirm(token, AWAY) == ADA  # a second click
    logged = [
        entry
        for entry in await auth.audit.page(auth.owner)
        if entry.action is AuditAction.ADDRESS_CONFIRMED
    ]
    assert [(entry.user_name, entry.address) for entry in logged] == [(ADA, AWAY)]


async def test_a_link_has_no_padding_and_is_valid_with_it(
    auth: Auth, addresses: MailAddresses, mailbox: Mailbox
) -> None:
    await addresses.send(await auth.caller(await auth.add(ADA)), ORIGIN)
    token = token_in(mailbox)
    assert "=" not in token and len(token) % 4
    padded = token + "=" * (-len(token) % 4)
    for form in (token, padded):
        assert await addresses.read(form) == ADA


async def test_a_link_expires_after_a_day_and_with_its_user(
    auth: Auth, addresses: MailAddresses, mailbox: Mailbox
) -> None:
    caller = await auth.caller(await auth.add(ADA))
    await addresses.send(caller, ORIGIN)
    first = token_in(mailbox)
    other = MailAddresses(auth.storage, auth.clock, Sealer(b"another"), None)
    with pytest.raises(LinkSpent):
        await other.read(first)
    for wrong in ("", "x", first[:-8], first + "AAAA", "\u00e9" * 20):
        with pytest.raises(LinkSpent):
            await addresses.confirm(wrong, AWAY)
    auth.clock.advance(LIFE_MS / 1000)
    with pytest.raises(LinkSpent):
        await addresses.confirm(first, AWAY)
    await addresses.send(await auth.caller(await auth.enter(ADA)), ORIGIN)
    second = token_in(mailbox)
    await auth.users.disable(auth.owner, ADA)
    with pytest.raises(LinkSpent):
        await addresses.confirm(second, AWAY)
    await auth.users.remove(auth.owner, ADA)
    with pytest.raises(LinkSpent):
        await addresses.read(second)


async def test_links_are_rate_limited_and_sent_only_to_mail_addresses(
    auth: Auth, addresses: MailAddresses, mailbox: Mailbox
) -> None:
    caller = await auth.caller(await auth.add(ADA))
    for _ in range(3):
        await addresses.send(caller, ORIGIN)
    with pytest.raises(RateLimited, match="to send a link; try again in 20 minutes"):
        await addresses.send(caller, ORIGIN)
    assert len(mailbox.messages) == 3
    ben = await auth.caller(await auth.add("ben"))
    assert not (await addresses.status(ben)).possible
    with pytest.raises(Refused, match="is a mail address"):
        await addresses.send(ben, ORIGIN)
    with pytest.raises(Forbidden):
        await addresses.send(auth.owner, ORIGIN)
    without = MailAddresses(auth.storage, auth.clock, Sealer(b"secret"), None)
    assert not (await without.status(caller)).possible
    with pytest.raises(Refused):
        await without.send(caller, ORIGIN)


async def test_an_error_of_the_mail_server_is_reported(
    auth: Auth, addresses: MailAddresses, mailbox: Mailbox
) -> None:
    mailbox.refused = (ADA,)
    caller = await auth.caller(await auth.add(ADA))
    with pytest.raises(Refused, match="did not accept the message: 550 no user of this name"):
        await addresses.send(caller, ORIGIN)
