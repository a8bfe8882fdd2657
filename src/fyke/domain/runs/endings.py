"""Looks up what a hint about the end of a run is made of."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.domain.logs.model import LogFilter, LogLine, LogType
from fyke.domain.logs.reading import LogPlace, LogReading
from fyke.domain.runs.hints import MOST_LINES, Hint, hint
from fyke.domain.runs.model import RunState
from fyke.domain.runs.service import RunView


@dataclass(frozen=True, slots=True)
class Ending:
    """``hint`` is None when there is nothing to say. ``errors``: the last error lines."""

    hint: Hint | None
    errors: list[LogLine]


class RunEndings:
    """Tells of ends of runs that the caller has looked up already."""

    def __init__(self, logs: LogReading) -> None:
        self._logs = logs

    async def of(self, view: RunView) -> Ending:
        """The log is only read of a run that has ended badly or with nothing."""
        run = view.run
        if not run.state.terminal:
            return Ending(None, [])
        if run.state is RunState.SUCCEEDED and view.results:
            return Ending(hint(run, view.results, []), [])
        page = await self._logs.page_of(
            run.id, LogPlace(), LogFilter(level=LogType.ERROR), limit=MOST_LINES
        )
        return Ending(hint(run, view.results, [line.content for line in page.lines]), page.lines)
