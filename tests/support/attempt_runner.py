"""An attempt of a run with stand-ins for what it needs of the platform."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from fyke.contracts.egress import NO_BROWSER, Traffic
from fyke.contracts.execution import Isolation, IsolationReport
from fyke.model.run import Attempt, Subtask, SubtaskState
from fyke.model.runner import Lease
from fyke.model.worker import BrowserNeed
from fyke.reasons import Reason
from fyke.runner.attempt import AttemptDependencies, AttemptRunner
from support.memory import a_run, a_version, a_worker

FULL = IsolationReport(Isolation.FULL, "", ())


class Bundles:
    async def ensure(self, _version: Any) -> None:
        return None


class Noted:
    """Records what attempts find out about environments, unless ``error`` is set."""

    def __init__(self, error: Exception | None = None) -> None:
        self.found: list[Reason | None] = []
        self._error = error

    async def note(self, _version: Any, _known: Any, reason: Reason | None) -> None:
        self.found.append(reason)
        if self._error is not None:
            raise self._error


def runner(
    *,
    is_operators: bool = True,
    isolation: IsolationReport = FULL,
    need: BrowserNeed = BrowserNeed.UNKNOWN,
    **tools: Any,
) -> AttemptRunner:
    run = a_run("account")
    leased = Attempt("A", run.id, 0, "7", "R", 1, 0, None, "", 0, 0, 0, 0, 0, 0)
    lease = Lease(leased, Subtask(run.id, 0, "7", "{}", SubtaskState.RUNNING, None, ""), run)
    egress = SimpleNamespace(
        traffic=lambda _id: Traffic(), sites=lambda _id: tools.get("sites", ())
    )
    defaults = {
        "egress": egress, "bundles": Bundles(), "isolation": isolation, "unsafe": False,
        "version_environments": Noted(), "browser": None, "no_browser": NO_BROWSER,
    }  # fmt: skip
    worker = a_worker("account")
    dependencies = cast(AttemptDependencies, SimpleNamespace(**(defaults | tools)))
    version = a_version(worker.id, browser=need)
    return AttemptRunner(lease, worker, version, is_operators, dependencies)
