"""A server's report on its installation: a real data folder, programs, and a proxy."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fyke.app.folder import make_home
from fyke.app.probe import ServerProbe
from fyke.app.runtime import open_runtime
from fyke.app.state import migrate_all
from fyke.egress.process import serve_egress
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import ManualClock
from fyke.model.health import Level
from fyke.settings import Settings
from fyke.timers.loop import TimerBoard

pytestmark = [pytest.mark.anyio, pytest.mark.needs("bwrap", "node", "npm", "git", "go")]


async def test_the_probe_reports_the_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FYKE_KEEP_DAYS", "30")
    settings = Settings(
        home=tmp_path,
        default_region="DE",
        egress_upstreams={"de": "socks5h://u:secret@de.example:1080", "US": "us.example"},
    )
    make_home(settings)
    migrate_all(settings)
    async with open_runtime(settings) as app:
        probe = ServerProbe(app, TimerBoard(), ManualClock(7))
        lines = {line.name: line for line in probe.settings()}
        assert set(lines) == set(Settings.model_fields)
        assert ":secret" not in str(lines)
        assert lines["keep_days"].origin == "environment (FYKE_KEEP_DAYS)"
        assert probe.keep_days() == 30
        regions = {region.code: region for region in probe.egress_report().regions}
        assert regions["DE"].address == "socks5h://de.example:1080"
        assert regions["US"].address == "" and "must be a socks5://" in regions["US"].error
        report = await probe.storage()
        sizes = {part.name: part.bytes for part in report.parts}
        assert sizes["state"] > 100_000 and sizes["rows"] > 10_000 and report.measured_at == 7
        by_name = {component.name: component for component in await probe.components()}
        assert by_name["SQLite"].version.startswith("3.")
        assert by_name["tables of state"].note == by_name["tables of rows"].note == "the newest"
        assert by_name["uv"].version.startswith("uv ")
        [database] = await probe.database()
        assert (database.level, database.detail) == (Level.GOOD, "SQLite answers")


async def test_the_probe_connects_to_the_proxy(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    make_home(settings)
    migrate_all(settings)
    async with open_runtime(settings) as app:
        probe = ServerProbe(app, TimerBoard(), ManualClock())
        [check] = await probe.egress()
        assert check.level is Level.BAD and "does not answer" in check.detail
        ready = asyncio.Event()
        proxy = asyncio.create_task(
            serve_egress(settings.egress_socket, AddressRules(()), {}, ready=ready)
        )
        await ready.wait()
        [check] = await probe.egress()
        assert check.level is Level.GOOD
        proxy.cancel()
        await asyncio.gather(proxy, return_exceptions=True)
