"""Private receivers that the operator allows: the next version of the settings, used by servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fyke.app.agreement import agree
from fyke.app.folder import create_secret
from fyke.app.following import SettingsTimer
from fyke.contracts.signals import SERVERS
from fyke.domain.callbacks.allowed import MAX_ENTRIES, AllowedCallbacks
from fyke.domain.callbacks.url import CallbackRules
from fyke.errors import ConfirmationNeeded, Conflict, Forbidden, InvalidRequest, NotFound
from fyke.kit.addresses import AddressRules
from fyke.model.account import Caller, Role
from fyke.model.audit import AuditAction
from fyke.model.settings_version import SettingsVersion
from fyke.settings import Settings
from support.records import account
from support.stores import open_state

pytestmark = pytest.mark.anyio
ENTRY, URL = "10.0.0.7:5678", "http://10.0.0.7:5678/hook"


class NoSignals:
    """Passes no signal on; a wait ends the timer."""

    topics: frozenset[str] = frozenset()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[NoSignals]:
        yield self

    async def wait(self, topics: frozenset[str], timeout: float) -> frozenset[str]:
        self.topics = topics
        raise asyncio.CancelledError


@dataclass
class Server:
    """One server of the installation."""

    storage: Any
    settings: Settings
    rules: CallbackRules = field(default_factory=lambda: CallbackRules(AddressRules(), OWN))

    def __post_init__(self) -> None:
        self.signals = NoSignals()
        self.timer = SettingsTimer(
            self.storage, self.signals, self.settings, self.rules, 1  # type: ignore[arg-type]
        )  # fmt: skip

    def allows(self, url: str = URL) -> bool:
        try:
            return bool(self.rules.check(url))
        except InvalidRequest:
            return False


OWN = ("10.0.0.5",)


@dataclass
class Place:
    storage: Any
    operator: Caller
    settings: Settings
    notified: list[str]

    def service(self, server: Server) -> AllowedCallbacks:
        return AllowedCallbacks(self.storage, server.rules, lambda: ["127.0.0.1:9000"])

    async def newest(self) -> SettingsVersion:
        version: SettingsVersion = await self.storage.read(lambda tx: tx.settings.newest())
        return version


@pytest.fixture
async def place(state_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    settings = Settings(home=tmp_path / "home", smtp_url="smtp://u:hunter2@mail.example")
    settings.home.mkdir()
    create_secret(settings)
    notified: list[str] = []
    async with open_state(state_url, notify=notified.append) as storage:
        operator = replace(account(), operator=True)
        await storage.write(lambda tx: tx.accounts.add(operator))
        await agree(settings, storage, print)
        caller = Caller(operator.id, operator.name, True, "u", "k", user_name="ada")
        yield Place(storage, caller, settings, notified)


async def test_an_entry_applies_to_all_servers_until_it_is_removed(place: Place) -> None:
    here, there = (Server(place.storage, place.settings) for _ in range(2))
    service = place.service(here)
    first = await place.newest()
    assert not here.allows() and not there.allows()

    allowed = await service.allow(place.operator, f" {ENTRY}")
    assert (allowed.version, allowed.by_setting, allowed.entries) == (
        2, ["127.0.0.1:9000"], [ENTRY],
    )  # fmt: skip
    assert here.allows() and not there.allows()
    assert SERVERS in place.notified
    await there.timer.follow()
    assert there.allows() and there.timer.used == 2
    second = await place.newest()
    assert (second.changed, second.stored_by) == (("callback_neighbours",), "ada while it ran")
    assert (second.sealed, second.place) == (first.sealed, first.place)
    assert {**second.config, "callback_neighbours": 0} == {**first.config, "callback_neighbours": 0}

    assert (await service.allow(place.operator, "10.0.0.7/32:5678")).version == 2  # no change
    assert (await service.forbid(place.operator, ENTRY)).entries == []
    assert not here.allows() and there.allows()
    await there.timer.follow()
    assert not there.allows() and there.timer.used == 3
    with pytest.raises(NotFound, match=r"There is no entry '10\.0\.0\.7:5678'"):
        await service.forbid(place.operator, ENTRY)


async def test_each_change_is_in_the_audit_log(place: Place) -> None:
    service = place.service(Server(place.storage, place.settings))
    await service.allow(place.operator, ENTRY)
    await service.forbid(place.operator, ENTRY)
    entries = await place.storage.read(
        lambda tx: tx.audit.page(place.operator.account_id, before=0, limit=5, action="")
    )
    assert [(one.action, one.user_name, one.target, one.detail) for one in entries] == [
        (AuditAction.INSTALLATION_SETTINGS, "ada", "version 3", f"callback_allow: removed {ENTRY}"),
        (AuditAction.INSTALLATION_SETTINGS, "ada", "version 2", f"callback_allow: allowed {ENTRY}"),
    ]


async def test_a_restart_keeps_the_entries_and_a_changed_file_too(place: Place) -> None:
    service = place.service(Server(place.storage, place.settings))
    await service.allow(place.operator, ENTRY)
    await agree(place.settings, place.storage, print)
    assert (await place.newest()).number == 2
    changed = Settings(home=place.settings.home, smtp_url=place.settings.smtp_url, keep_days=9)
    await agree(changed, place.storage, print)
    newest = await place.newest()
    assert (newest.number, newest.changed) == (3, ("keep_days",))
    restarted, earlier = Server(place.storage, changed), Server(place.storage, place.settings)
    for server in (restarted, earlier):
        await server.timer.follow()
    assert restarted.allows() and earlier.allows()
    # the health page goes on to name the server that does not use the other changes
    assert (restarted.timer.used, earlier.timer.used) == (3, 1)


async def test_the_timer_follows_and_waits_for_a_signal(place: Place) -> None:
    server = Server(place.storage, place.settings)
    await place.service(Server(place.storage, place.settings)).allow(place.operator, ENTRY)
    with pytest.raises(asyncio.CancelledError):
        await server.timer.tick()
    assert server.allows() and server.signals.topics == {SERVERS}


async def test_a_preview_changes_nothing(place: Place) -> None:
    server = Server(place.storage, place.settings)
    service = place.service(server)
    network = await service.preview(place.operator, "10.0.0.0/24:5678")
    assert (network.entry, network.target, network.port) == (
        "10.0.0.0/24:5678", "10.0.0.0/24", 5678,
    )  # fmt: skip
    assert (network.addresses, network.left_out, network.is_allowed) == (256, ["10.0.0.5"], False)
    name = await service.preview(place.operator, "N8N:5678")
    assert (name.entry, name.target, name.addresses) == ("n8n:5678", "n8n", 0)
    assert not server.allows() and (await place.newest()).number == 1
    await service.allow(place.operator, ENTRY)
    assert (await service.preview(place.operator, ENTRY)).is_allowed


async def test_refusals_name_the_field_the_rule_and_the_way_out(place: Place) -> None:
    service = place.service(Server(place.storage, place.settings))
    for call in (service.preview, service.allow):
        with pytest.raises(InvalidRequest, match=r"^entry: 10\.0\.0\.5 is an address of this"):
            await call(place.operator, "10.0.0.5:8100")
    with pytest.raises(Conflict) as by_setting:
        await service.forbid(place.operator, "127.0.0.1:9000")
    assert "config.toml" in by_setting.value.problems[0].remedy
    for number in range(MAX_ENTRIES):
        await service.allow(place.operator, f"10.1.0.{number}:5678")
    with pytest.raises(Conflict, match=f"There are {MAX_ENTRIES} entries already"):
        await service.allow(place.operator, ENTRY)
    assert not Server(place.storage, place.settings).allows()


async def test_only_owners_of_the_operators_account_change_them(place: Place) -> None:
    service = place.service(Server(place.storage, place.settings))
    other, editor = (
        replace(place.operator, operator=False),
        replace(place.operator, role=Role.MEMBER),
    )
    with pytest.raises(Forbidden):
        await service.list(other)
    with pytest.raises(Forbidden):
        await service.preview(other, ENTRY)
    stale = replace(place.operator, key_id="", session_id="s", verified_at=1)
    for caller, error in ((other, Forbidden), (editor, Forbidden), (stale, ConfirmationNeeded)):
        with pytest.raises(error):
            await service.allow(caller, ENTRY)
        with pytest.raises(error):
            await service.forbid(caller, ENTRY)
    assert service.entry_for(other, URL) == "" and service.entry_for(editor, URL) == ENTRY
    assert (await place.newest()).number == 1
