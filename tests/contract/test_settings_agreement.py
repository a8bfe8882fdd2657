"""The contract of the settings that must agree, and what a server that starts makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fyke.app.agreement import START_MS, agree, installation_settings
from fyke.app.folder import create_secret, place
from fyke.contracts.state import Transaction
from fyke.errors import Conflict, InvalidRequest
from fyke.model.audit import AuditAction
from fyke.model.settings_version import SERVER_SILENCE_MS, ServerBeat, SettingsVersion
from fyke.settings import Settings
from support.records import account
from support.stores import open_state

pytestmark = pytest.mark.anyio
AT = 1_700_000_000_000


@pytest.fixture
async def fresh(state_url: str) -> AsyncIterator[Any]:
    async with open_state(state_url) as storage:
        yield storage


async def test_versions_are_stored_once(fresh: Any) -> None:
    version = SettingsVersion(1, {"keep_days": 3}, "s", ("keep_days",), "host", "place", AT)
    assert await fresh.read(lambda tx: tx.settings.newest()) is None
    assert await fresh.read(lambda tx: tx.settings.newest_number()) == 0
    assert await fresh.write(lambda tx: tx.settings.add(version))
    assert not await fresh.write(lambda tx: tx.settings.add(replace(version, config={})))
    assert await fresh.read(lambda tx: tx.settings.newest()) == version
    newer = replace(version, number=12, config={"a": ["ü", {}]}, changed=())
    assert await fresh.write(lambda tx: tx.settings.add(newer))
    assert await fresh.read(lambda tx: tx.settings.newest()) == newer
    assert await fresh.read(lambda tx: tx.settings.newest_number()) == 12


async def test_servers_say_where_they_are_and_what_they_use(fresh: Any) -> None:
    beats = [ServerBeat("b", 200, "p", 3), ServerBeat("a", 100), ServerBeat("a", 300, "q", 4)]
    for beat in beats:
        await fresh.write(lambda tx, beat=beat: tx.servers.heartbeat(beat))
    assert await fresh.read(lambda tx: tx.servers.active(200)) == [beats[2], beats[0]]
    assert await fresh.read(lambda tx: tx.servers.active(201)) == [beats[2]]


# --- a server that starts ---------------------------------------------------------------------


@dataclass
class Installation:
    """One database, and the data folders of its servers."""

    storage: Any
    folder: Path
    said: list[str] = field(default_factory=list)

    def settings(self, name: str = "one", **values: Any) -> Settings:
        home = self.folder / name
        home.mkdir(exist_ok=True)
        settings = Settings(home=home, **values)
        if not settings.secret_file.exists():
            first = self.folder / "one" / "secret.key"
            if first.exists():
                settings.secret_file.write_bytes(first.read_bytes())
            create_secret(settings)
        return settings

    async def start(self, settings: Settings, **how: Any) -> None:
        how = {"pause": self.no_pause} | how
        await agree(settings, self.storage, self.said.append, **how)

    @staticmethod
    async def no_pause(seconds: float) -> None:
        await asyncio.sleep(0)

    async def newest(self) -> SettingsVersion:
        version: SettingsVersion = await self.storage.read(lambda tx: tx.settings.newest())
        return version

    async def forget_start(self) -> None:
        """As if the newest version was stored long ago."""
        newest = await self.newest()
        number = newest.number + 1
        await self.storage.write(
            lambda tx: tx.settings.add(replace(newest, number=number, stored_at=AT))
        )

    async def beat(self, settings: Settings, server: str = "s", ago: int = 0) -> None:
        def work(tx: Transaction) -> None:
            tx.servers.heartbeat(ServerBeat(server, tx.now - ago, place(settings), 1))

        await self.storage.write(work)

    def beating(self, settings: Settings) -> Callable[[float], Awaitable[None]]:
        async def pause(seconds: float) -> None:
            await self.beat(settings)

        return pause


@pytest.fixture
def installation(fresh: Any, tmp_path: Path) -> Installation:
    (tmp_path / "homes").mkdir()
    return Installation(fresh, tmp_path / "homes")


async def test_the_first_start_stores_the_settings(installation: Installation) -> None:
    upstreams = {"US": "socks5h://u:hunter2@us.example:1080"}
    settings = installation.settings(egress_upstreams=upstreams, price_cpu_hour="0.05")
    assert await installation_settings(settings, installation.storage) == (settings, 0)
    await installation.start(settings)
    first = await installation.newest()
    assert (first.number, first.config["price_cpu_hour"]) == (1, "0.05")
    assert "hunter2" not in repr(first) and "runner_slots" not in first.config
    await installation.start(settings)
    assert await installation.newest() == first
    found, number = await installation_settings(settings, installation.storage)
    assert (found, number) == (settings, 1)


async def test_a_single_server_changes_them(installation: Installation) -> None:
    before = installation.settings(price_cpu_hour="0.05")
    await installation.start(before)
    after = installation.settings(price_cpu_hour="0.0500", keep_days=9, runner_slots=1)
    await installation.start(after)
    newest = await installation.newest()
    assert (newest.number, newest.changed) == (2, ("keep_days",))
    assert not installation.said
    # a role that is started again with the earlier file uses the new ones
    found, number = await installation_settings(before, installation.storage)
    assert (found.keep_days, found.runner_slots, number) == (9, before.runner_slots, 2)


async def test_a_change_beside_another_server_is_refused(installation: Installation) -> None:
    other = installation.settings("other", review="off")
    await installation.start(other)
    await installation.beat(other)
    mine = installation.settings(keep_days=9, price_cpu_hour="1")
    with pytest.raises(Conflict) as refused:
        await installation.start(mine, pause=installation.beating(other))
    assert "keep_days, price_cpu_hour, review are different here" in str(refused.value)
    [problem] = refused.value.problems
    assert "version 1" in problem.remedy and "--change-settings" in problem.remedy
    assert (await installation.newest()).number == 1
    # the way of a rolling restart
    await installation.start(mine, change=True)
    assert (await installation.newest()).changed == ("keep_days", "price_cpu_hour", "review")
    same = installation.settings("other", keep_days=9, price_cpu_hour="1")
    await installation.start(same)
    assert (await installation.newest()).number == 2


async def test_a_killed_server_is_waited_for(installation: Installation) -> None:
    other = installation.settings("other")
    await installation.start(other)
    await installation.forget_start()
    await installation.beat(other, ago=1000)
    waits = 0

    async def pause(seconds: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 3:
            await installation.beat(other, ago=SERVER_SILENCE_MS + 1000)

    mine = installation.settings(keep_days=9)
    await installation.start(mine, pause=pause)
    assert waits == 3 and (await installation.newest()).changed == ("keep_days",)
    assert len(installation.said) == 1 and "keep_days" in installation.said[0]


async def test_times_from_before_the_clock_was_set_back_delay_no_start(
    installation: Installation,
) -> None:
    other, hour = installation.settings("other"), 3_600_000
    await installation.start(other)
    newest = await installation.newest()

    def work(tx: Transaction) -> None:
        number = newest.number + 1
        tx.settings.add(replace(newest, number=number, stored_at=tx.now + hour))

    await installation.storage.write(work)
    await installation.beat(other, ago=-hour)

    async def pause(seconds: float) -> None:
        pytest.fail("waited for a server that is gone")

    await installation.start(installation.settings(keep_days=9), pause=pause)
    assert (await installation.newest()).changed == ("keep_days",)


async def test_servers_of_the_own_folder_have_the_same_file(installation: Installation) -> None:
    mine = installation.settings()
    await installation.start(mine)
    await installation.beat(mine)
    changed = installation.settings(keep_days=9)
    await installation.start(changed)
    assert (await installation.newest()).number == 2


async def test_a_server_that_has_just_stored_a_version_is_not_overtaken(
    installation: Installation,
) -> None:
    await installation.start(installation.settings("other"))
    mine, waits = installation.settings(keep_days=9), 0

    class Enough(Exception):
        pass

    async def pause(seconds: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 3:
            raise Enough

    with pytest.raises(Enough):
        await installation.start(mine, pause=pause)
    assert (await installation.newest()).number == 1 and START_MS > 0


async def test_names_of_other_releases_are_no_difference(installation: Installation) -> None:
    settings = installation.settings(keep_days=9)
    await installation.start(settings)
    first = await installation.newest()
    config = {name: value for name, value in first.config.items() if name != "review"}
    later = replace(first, number=2, config=config | {"later": 1})
    await installation.storage.write(lambda tx: tx.settings.add(later))
    await installation.beat(installation.settings("other"))
    await installation.start(settings)
    newest = await installation.newest()
    assert (newest.number, newest.changed) == (3, ())
    assert newest.config["later"] == 1 and newest.config["review"] == "required"


async def test_a_change_is_in_the_audit_log(installation: Installation) -> None:
    operator = replace(account(), operator=True)
    await installation.storage.write(lambda tx: tx.accounts.add(operator))
    await installation.start(installation.settings(smtp_url="smtp://u:hunter2@mail.example"))
    await installation.start(installation.settings(keep_days=9))
    entries = await installation.storage.read(
        lambda tx: tx.audit.page(operator.id, before=0, limit=5, action="")
    )
    [entry] = [one for one in entries if one.action is AuditAction.INSTALLATION_SETTINGS]
    assert entry.target == "version 2" and "keep_days, smtp_url, by the start of" in entry.detail
    assert "hunter2" not in repr(entries)


async def test_a_malformed_proxy_is_refused(installation: Installation) -> None:
    settings = installation.settings(egress_upstreams={"US": "ftp://u:hunter2@a.example"})
    with pytest.raises(InvalidRequest, match="region US") as refused:
        await installation.start(settings)
    assert "hunter2" not in str(refused.value)
    assert await installation.newest() is None
