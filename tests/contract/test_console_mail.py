"""The mail server that an operator names: the next version of the settings, used by servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fyke.app.agreement import agree
from fyke.app.folder import create_secret, master_secret
from fyke.app.following import SettingsTimer
from fyke.contracts.delivery import ReceiverResponse
from fyke.contracts.signals import SERVERS
from fyke.domain.callbacks.current_mail import CurrentMail
from fyke.domain.callbacks.mail import TEST_ALLOWANCE, InstallationMail, MailFields, mail_of
from fyke.domain.callbacks.url import CallbackRules
from fyke.errors import (
    ConfirmationNeeded,
    Conflict,
    Forbidden,
    InvalidRequest,
    RateLimited,
    Refused,
)
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import SystemClock
from fyke.kit.mail_servers import MailServer, MailTls
from fyke.kit.sealing import Sealer
from fyke.model.account import Caller, Role
from fyke.model.audit import AuditAction
from fyke.model.mail import MailConfig, MailOrigin
from fyke.model.settings_version import SettingsVersion
from fyke.settings import Settings
from support.records import account
from support.stores import open_state

pytestmark = pytest.mark.anyio
RELAY = MailFields("10.0.0.9", 0, "none", sender="fyke@example.org")
HOSTED = MailFields("mail.example.org", 0, "starttls", "fyke", "p@ss-word", "Fyke <a@b.example>")


class NoSignals:
    """Passes no signal on."""

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[NoSignals]:
        yield self

    async def wait(self, topics: frozenset[str], timeout: float) -> frozenset[str]:
        raise asyncio.CancelledError


class Sent:
    """A mailer that only records."""

    def __init__(self, current: CurrentMail) -> None:
        self.current = current
        self.to: list[str] = []

    def exists(self) -> bool:
        return self.current.exists()

    async def send(self, to: str, subject: str, text: str) -> ReceiverResponse:
        self.to.append(to)
        return ReceiverResponse(535, reply="wrong password")


@dataclass
class Place:
    storage: Any
    operator: Caller
    settings: Settings
    notified: list[str]

    def server(self, fixed: MailConfig | None = None) -> tuple[InstallationMail, CurrentMail]:
        current = CurrentMail(fixed)
        rules = CallbackRules(AddressRules(), ("10.0.0.5", "db.internal"))
        sealer = Sealer(master_secret(self.settings))
        self.sent = Sent(current)
        service = InstallationMail(self.storage, current, rules, sealer, self.sent, SystemClock())
        return service, current

    async def follow(self, current: CurrentMail, settings: Settings | None = None) -> None:
        rules = CallbackRules(AddressRules())
        timer = SettingsTimer(
            self.storage, NoSignals(), settings or self.settings, rules, 1, current  # type: ignore[arg-type]
        )  # fmt: skip
        await timer.follow()

    async def newest(self) -> SettingsVersion:
        version: SettingsVersion = await self.storage.read(lambda tx: tx.settings.newest())
        return version


@pytest.fixture
async def place(state_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    settings = Settings(home=tmp_path / "home")
    settings.home.mkdir()
    create_secret(settings)
    notified: list[str] = []
    async with open_state(state_url, notify=notified.append) as storage:
        operator = replace(account(), operator=True)
        await storage.write(lambda tx: tx.accounts.add(operator))
        await agree(settings, storage, print)
        caller = Caller(operator.id, operator.name, True, "u", "k", user_name="ada@example.org")
        yield Place(storage, caller, settings, notified)


async def test_all_servers_use_the_mail_server_until_it_is_removed(place: Place) -> None:
    mail, here = place.server()
    _other, there = place.server()
    assert (await mail.get(place.operator)).origin is MailOrigin.NONE
    report = await mail.set(place.operator, HOSTED)
    assert (report.version, report.origin, report.port, report.has_password) == (
        2, MailOrigin.OPERATOR, 587, True,
    )  # fmt: skip
    wanted = MailConfig(
        MailServer("mail.example.org", 587, MailTls.STARTTLS, "fyke", "p@ss-word"), HOSTED.sender
    )
    assert here.config == wanted and not there.exists()
    assert SERVERS in place.notified
    await place.follow(there)
    assert there.config == wanted
    version = await place.newest()
    assert (version.changed, version.stored_by) == (
        ("console_mail",), "ada@example.org while it ran",
    )  # fmt: skip
    assert "p@ss-word" not in json.dumps(dict(version.config)) + version.sealed

    await mail.remove(place.operator)
    await place.follow(there)
    assert not here.exists() and not there.exists()
    entries = await place.storage.read(
        lambda tx: tx.audit.page(place.operator.account_id, before=0, limit=10, action="")
    )
    details = [e.detail for e in entries if e.action is AuditAction.INSTALLATION_SETTINGS]
    assert sorted(details) == [
        "mail server: mail.example.org:587 as fyke", "mail server: removed",
    ]  # fmt: skip


async def test_a_password_is_kept_for_the_same_host_and_user_only(place: Place) -> None:
    mail, here = place.server()
    await mail.set(place.operator, HOSTED)
    again = await mail.set(place.operator, replace(HOSTED, password=None, port=2525, sender=""))
    assert (again.port, again.has_password, again.sender) == (2525, True, "fyke@mail.example.org")
    assert here.config is not None and here.config.server.password == "p@ss-word"
    for change in ({"host": "evil.example"}, {"user": "eve"}):
        with pytest.raises(InvalidRequest, match=r"^password: enter the password of this user"):
            await mail.set(place.operator, replace(HOSTED, password=None, **change))
    relay = await mail.set(place.operator, RELAY)
    assert (relay.port, relay.user, relay.has_password) == (25, "", False)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"host": ""}, "host: "),
        ({"host": "127.0.0.1"}, "host: 127.0.0.1 is this installation itself, or in no public"),
        ({"host": "localhost"}, "host: localhost is this installation itself"),
        ({"host": "10.0.0.5"}, "host: 10.0.0.5 is this installation itself"),
        ({"host": "db.internal"}, "host: db.internal is this installation itself"),
        ({"host": "169.254.169.254"}, "host: 169.254.169.254 is this installation"),
        ({"port": 22}, "port: it must be 25, 465, 587 or from 1024"),
        ({"tls": "ssl"}, "tls: there is no 'ssl'; use one of tls, starttls, none"),
        ({"tls": "offered"}, "tls: there is no 'offered'"),
        ({"user": "u", "password": "p"}, "tls: a password is sent with TLS only"),
        ({"password": "p"}, "user: a password needs a user"),
        ({"user": "a\r\nb", "tls": "tls", "password": "p"}, "user: it must have at most 254"),
        ({"user": "u", "tls": "tls", "password": "pä"}, "password: only ASCII characters can be"),
        ({"user": "ü", "tls": "tls", "password": "p"}, "user: only ASCII characters can be sent"),
        ({"sender": "Fyke\u2028Alerts <a@b.example>"}, "sender: it must be an email address"),
        ({"sender": "nobody"}, "sender: it must be an email address"),
        ({"sender": "a@b.example\nBcc: c@d.example"}, "sender: it must be an email address"),
    ],
)
async def test_each_error_names_the_field_and_the_rule(
    place: Place, changes: dict[str, Any], sentence: str
) -> None:
    mail, here = place.server()
    with pytest.raises(InvalidRequest) as caught:
        await mail.set(place.operator, replace(RELAY, **changes))
    assert caught.value.message.startswith(sentence)
    assert not here.exists()


async def test_the_settings_win(place: Place) -> None:
    fixed = MailConfig(MailServer("set.example", 25, MailTls.OFFERED, "u", "secret"), "a@b.example")
    other, _current = place.server()
    await other.set(place.operator, RELAY)
    mail, here = place.server(fixed)
    await place.follow(here)
    report = await mail.get(place.operator)
    assert (report.origin, report.host, report.has_password) == (
        MailOrigin.SETTING, "set.example", True,
    )  # fmt: skip
    assert here.config is fixed and "secret" not in repr(here.config) + repr(report)
    for act in (mail.set(place.operator, RELAY), mail.remove(place.operator)):
        with pytest.raises(Conflict, match="The setting smtp_url names the mail server"):
            await act


async def test_a_password_of_another_key_is_asked_for_again(place: Place) -> None:
    mail, here = place.server()
    await mail.set(place.operator, HOSTED)
    settings = place.settings.model_copy(update={"home": place.settings.home.parent / "other"})
    settings.home.mkdir()
    create_secret(settings)
    await place.follow(here, settings)
    assert not here.exists()
    other = replace(place, settings=settings)
    service, _current = other.server()
    assert (await service.get(place.operator)).unreadable
    with pytest.raises(InvalidRequest, match=r"^password: "):
        await service.set(place.operator, replace(HOSTED, password=None))


async def test_a_test_goes_to_the_operator_and_shows_the_answer(place: Place) -> None:
    mail, _current = place.server()
    with pytest.raises(Refused, match="has no mail server"):
        await mail.test(place.operator)
    await mail.set(place.operator, RELAY)
    result = await mail.test(place.operator)
    assert (result.to, result.status, result.reply) == ("ada@example.org", 535, "wrong password")
    assert not result.accepted
    assert (await mail.test(place.operator, " eve@example.org ")).to == "eve@example.org"
    with pytest.raises(InvalidRequest, match=r"^to: enter a mail address"):
        await mail.test(replace(place.operator, user_name="ada"))
    for _ in range(TEST_ALLOWANCE.free - 2):
        await mail.test(place.operator)
    with pytest.raises(RateLimited, match="to send a test mail; try again in"):
        await mail.test(place.operator)


async def test_only_owners_of_the_operators_account_change_it(place: Place) -> None:
    mail, here = place.server()
    stranger = replace(place.operator, operator=False)
    viewer = replace(place.operator, role=Role.MEMBER)
    session = replace(place.operator, key_id="", session_id="s", verified_at=1)
    for caller, error in (
        (stranger, Forbidden), (viewer, Forbidden), (session, ConfirmationNeeded),
    ):  # fmt: skip
        with pytest.raises(error):
            await mail.set(caller, RELAY)
        with pytest.raises(error):
            await mail.remove(caller)
    with pytest.raises(Forbidden):
        await mail.get(stranger)
    for caller in (stranger, viewer):
        with pytest.raises(Forbidden):
            await mail.test(caller)
    assert not here.exists() and place.sent.to == []


def test_what_a_later_release_stores_stops_no_server() -> None:
    sealer = Sealer(b"x")
    for value in (None, [], {}, {"host": "a"}, {"host": "a", "tls": "quantum"}, {"servers": [1]}):
        version = SettingsVersion(1, {"console_mail": value}, "", (), "", "", 0)
        assert mail_of(version, sealer) is None, value


async def test_it_is_known_only_when_the_settings_were_read(place: Place) -> None:
    current = CurrentMail(read=False)
    assert not current.known()
    await place.follow(current)
    assert current.known() and not current.exists()


async def test_an_installation_without_settings_has_none(place: Place) -> None:
    class Empty:
        async def read(self, _work: Any) -> int:
            return 0  # the number of the newest version

    current = CurrentMail(read=False)
    await replace(place, storage=Empty()).follow(current)
    assert current.known() and not current.exists()


async def test_a_restart_with_other_settings_keeps_it(place: Place) -> None:
    mail, _current = place.server()
    await mail.set(place.operator, HOSTED)
    changed = Settings(home=place.settings.home, keep_days=9)
    await agree(changed, place.storage, print)
    _service, later = place.server()
    await place.follow(later, changed)
    assert later.config is not None and later.config.server.password == "p@ss-word"
