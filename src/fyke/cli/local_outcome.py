"""The outcome of a local run as JSON values, and its log."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fyke.cli.errors import Exit
from fyke.cli.output import LiveLine, Output
from fyke.cli.run_watch import log_line, progress_text

if TYPE_CHECKING:
    from fyke.app.local import LocalRunResult
    from fyke.model.log import LogEntry
    from fyke.model.progress import Progress
    from fyke.settings import Settings


def outcome(settings: Settings, end: LocalRunResult) -> dict[str, Any]:
    """The result of a run as JSON values; ``code`` is its exit status."""
    from fyke.app.local import missing_browser
    from fyke.cli.output import data_of
    from fyke.reasons import ReasonCode, cause, next_step
    from fyke.wire.fyke.run_browser import RunBrowserReport

    run = end.run
    is_browser_missing = run.reason is not None and run.reason.code is ReasonCode.NO_BROWSER
    return {
        "state": run.state.value,
        "err_msg": run.err_msg,
        "reason_code": run.reason.code.value if run.reason else "",
        "note": f"{missing_browser(settings).text}." if is_browser_missing else "",
        "hint": {"cause": cause(end.hint), "next_step": next_step(end.hint)} if end.hint else None,
        "results": run.results,
        "hidden": end.hidden,
        "subtasks": run.subtasks,
        "subtasks_failed": run.subtasks_failed,
        "traffic": run.traffic_bytes,
        "duration": run.duration_ms() / 1000,
        "browser": data_of(RunBrowserReport.of(end.browser)) if end.browser else None,
        "code": exit_code(run.state.value, run.subtasks_failed, end.interrupted),
    }


def hint_lines(result: dict[str, Any]) -> list[str]:
    """The likely cause and the next step, as ``fyke run show`` says them; none for a run that the
    user has ended, and for one whose outcome has a note that says more.
    """
    hint = result.get("hint")
    if not hint or result.get("note") or result.get("state") == "aborted":
        return []
    return [f"Likely cause: {hint['cause']}.", f"Next step: {hint['next_step']}."]


def exit_code(state: str, failed: int, interrupted: bool) -> int:
    """The exit status of a run in this state with so many failed subtasks."""
    if interrupted and state == "aborted":
        return int(Exit.INTERRUPTED)
    return int(Exit.OK if state == "succeeded" and not failed else Exit.FAILED)


class LocalLog:
    """Prints the log of local runs to standard error, without what it repeats, and on a terminal
    below it how far the run is.
    """

    def __init__(self) -> None:
        from fyke.domain.logs.repeats import ShownLines

        self._shown = ShownLines()
        self._live = LiveLine(Output(as_json=False))

    def show(self, progress: Progress | None) -> None:
        """Show how far the run is until the next line; None: nothing."""
        if progress is None:
            self._live.clear()
        else:
            self._live.show(progress_text(progress))

    def print(self, entry: LogEntry) -> None:
        self._live.clear()
        print(self.line(entry), file=sys.stderr, flush=True)

    def line(self, entry: LogEntry) -> str:
        """An entry as text."""
        return log_line(replace(entry, content=self._shown.next(entry.content)), short=True)
