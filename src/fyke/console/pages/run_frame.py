"""The common frame of a run's pages: figures, tabs and actions."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.console.reasons import why
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.console.waits import wait_text
from fyke.domain.results.service import RunResults
from fyke.domain.runs.endings import RunEnding, RunEndings
from fyke.domain.runs.progress import RunProgress
from fyke.domain.runs.service import Runs, RunView
from fyke.domain.runs.subtask_reader import SubtaskReader
from fyke.domain.runs.waiting import WaitReason, WaitReasons
from fyke.model.progress import Progress
from fyke.model.run import Outcome, RunState

AREA = "/runs"

Tab = tuple[str, str, int | None]


@dataclass(frozen=True, slots=True)
class RunFrame:
    """``live``: the address of the page's stream, "" when no update can follow.
    ``hidden``: the number of stored rows that are left out because their Worker failed.
    ``progress``: None when the run is not running or nothing is known.
    """

    view: RunView
    ending: RunEnding
    waits: WaitReason | None
    nodes: list[str]
    current: str
    live: str
    hidden: int = 0
    progress: Progress | None = None

    @property
    def at(self) -> str:
        return f"/runs/{self.view.run.id}"

    @property
    def over(self) -> bool:
        return self.view.run.state.terminal

    @property
    def duration_ms(self) -> int | None:
        run = self.view.run
        if not run.started_at:
            return None
        return run.duration_ms(self.view.now)

    @property
    def reason(self) -> str:
        """Why the run failed, was aborted or waits, in one sentence; "" otherwise."""
        run = self.view.run
        if run.state in (RunState.FAILED, RunState.ABORTED):
            return why(run)
        return wait_text(self.waits.reason) if self.waits else ""

    @property
    def failed(self) -> bool:
        return self.view.run.state is RunState.FAILED

    @property
    def aborted(self) -> bool:
        return self.view.run.outcome is Outcome.ABORTED

    @property
    def tabs(self) -> list[Tab]:
        run = self.view.run
        browser = (f"{self.at}/browser", _("Browser"), None)
        return [
            (self.at, _("Output"), self.view.results),
            (f"{self.at}/log", _("Log"), None),
            (f"{self.at}/input", _("Input"), None),
            (f"{self.at}/usage", _("Usage"), None),
            (f"{self.at}/traffic", _("Traffic"), None),
            *([browser] if run.limits.browser_memory_mb else []),
            (f"{self.at}/subtasks", _("Subtasks"), run.subtasks),
            (f"{self.at}/events", _("Events"), None),
        ]


@dataclass(frozen=True, slots=True)
class RunFrames:
    runs: Runs
    endings: RunEndings
    waiting: WaitReasons
    subtasks: SubtaskReader
    results: RunResults
    progress: RunProgress

    async def get(self, view: View, tab: str = "", live: str = "") -> RunFrame:
        """The frame of the run that the path names. ``live``: the query of the stream, ""
        for a page without one. Raise ``RunNotFound``.
        """
        run_view = await self.runs.get(view.caller, view.param("id"))
        run = run_view.run
        waits = None
        if run.state in (RunState.READY, RunState.RUNNING) or run.limits.max_retries:
            waits = await self.waiting.reason(view.caller, run.id)
        at = f"/runs/{run.id}"
        return RunFrame(
            view=run_view,
            ending=await self.endings.of(run_view),
            waits=waits,
            nodes=await self.subtasks.nodes(view.caller, run.id),
            current=at + tab,
            live=f"{at}/live?{live}" if live and not run.state.terminal else "",
            hidden=await self.results.hidden_count(view.caller, run.id),
            progress=await self.progress.of(run, run_view.results),
        )
