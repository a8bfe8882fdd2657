"""An attempt of a run with stand-ins for what it needs of the platform."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from fyke.contracts.egress import NO_BROWSER, Traffic
from fyke.contracts.execution import Isolation, IsolationReport
from fyke.model.node import AttemptOrder, OrderedWorker
from fyke.model.run import AttemptKey
from fyke.model.worker import BrowserNeed
from fyke.runner.attempt import AttemptRunner
from fyke.runner.dependencies import AttemptDependencies
from fyke.runner.run_notes import RunNotes
from support.memory import a_run, a_runnable_version, a_worker

FULL = IsolationReport(Isolation.FULL, "", ())


class Bundles:
    async def ensure(self, _owner: Any, _version: Any) -> None:
        return None


def runner(
    *,
    is_operators: bool = True,
    isolation: IsolationReport = FULL,
    need: BrowserNeed = BrowserNeed.UNKNOWN,
    **tools: Any,
) -> AttemptRunner:
    run, worker = a_run("account"), a_worker("account")
    egress = SimpleNamespace(
        traffic=lambda _id: Traffic(), sites=lambda _id: tools.get("sites", ())
    )
    defaults = {
        "egress": egress, "bundles": Bundles(), "isolation": isolation, "unsafe": False,
        "browser": None, "no_browser": NO_BROWSER, "isolation_notes": RunNotes(),
        "publishing": None,
    }  # fmt: skip
    dependencies = cast(AttemptDependencies, SimpleNamespace(**(defaults | tools)))
    order = AttemptOrder(
        key=AttemptKey("A", run.id, 0, "7", 1),
        input_json="{}",
        limits=run.limits,
        region=run.region,
        egress_allow=run.egress_allow,
        browser_choice=run.browser_choice,
        browser_block=run.browser_block,
        run_subtasks=1,
        is_empty=True,
        worker=OrderedWorker.of(worker, is_operators=is_operators),
        version=a_runnable_version(worker.id, browser=need),
        environment=None,
    )
    return AttemptRunner(order, dependencies)
