"""The settings of the installation reach the egress of a machine, whatever its own say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from fyke.app import runner as runners
from fyke.app.agreement import agree, installation_settings
from fyke.app.folder import create_secret, make_home
from fyke.app.runtime import open_runtime
from fyke.app.state import migrate_all, open_state
from fyke.contracts.egress import EgressGrant
from fyke.contracts.execution import Isolation, IsolationReport
from fyke.model.node import EgressPolicy, NodeState, Registered
from fyke.settings import Settings
from support.egress import ATTEMPT, SECRET, Origin, client_and_task, echo, listener, port_of, socks

pytestmark = pytest.mark.anyio


class NoSandbox:
    def tools(self, egress: Any) -> None: ...


async def test_a_runner_hands_them_to_its_egress(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", egress_upstreams={"DE": "http://127.0.0.1:9"})
    policy = EgressPolicy(allow=("127.0.0.0/8",), upstreams={"US": "http://127.0.0.1:9"})
    gateway: Any = type("Gateway", (), {"rows": None, "files": None, "contact": None})
    report = IsolationReport(Isolation.FULL, "", ())
    async with client_and_task(tmp_path) as client, Origin(echo) as origin:
        sandbox = cast(Any, NoSandbox())
        made = runners.make_runner(settings, gateway, sandbox, client, report, region="FR")
        rules = made._deps.egress_rules
        reached = [region for region in ("DE", "FR", "US") if rules.reaches(region)]
        assert reached == ["DE", "FR"] and not rules.is_known
        assert await rules.follow(Registered(NodeState.READY, 15.0, None, 2, policy))
        assert (rules.policy, rules.version) == (policy, 2)
        assert [region for region in ("DE", "FR", "US") if rules.reaches(region)] == ["FR", "US"]
        await client.open([sock := listener()], EgressGrant(ATTEMPT, SECRET, ""))
        code, _, writer = await socks(port_of(sock), "127.0.0.1", origin.port)
        assert code == 0
        writer.close()


async def test_a_role_uses_them_instead_of_what_its_file_says(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", price_cpu_hour="0.05", failed_rows="keep")
    make_home(settings)
    create_secret(settings)
    migrate_all(settings)
    edited = Settings(home=settings.home, price_cpu_hour="9", runner_slots=2)
    async with open_state(settings) as storage:
        await agree(settings, storage, print)
        assert (await installation_settings(edited, storage))[1] == 1
    async with open_runtime(edited) as runtime:
        assert str(runtime.rules.prices.cpu_hour) == "0.05" and not runtime.rules.hiding
        assert (runtime.settings.runner_slots, runtime.settings_version) == (2, 1)
