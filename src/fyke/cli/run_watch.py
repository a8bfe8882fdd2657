"""Waits for a run and follows its log.

The log is read by position, so every line is shown exactly once. A restart of the server only
causes a pause, because the runner executes the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from fyke.cli import formatting
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import LiveLine, data_of

if TYPE_CHECKING:
    from fyke.cli.context import ServerContext
    from fyke.model.log import LogEntry
    from fyke.model.progress import Progress
    from fyke_client.types.fyke.run_logs import LogItem
    from fyke_client.types.fyke.runs import ProgressItem
    from fyke_client.types.v1 import RunDetail

T = TypeVar("T")

FIRST_PAUSE = 0.1
MAX_PAUSE = 1.0
RETRY_SECONDS = 60.0  # how long an unavailable server is retried
SUMMARY_SECONDS = 2.0  # the summary is written just after the run has ended
SUMMARY_LINE = "All subtasks have completed execution!"
LEVELS = {1: "DEBUG", 2: "INFO", 3: "WARN", 4: "ERROR"}
STYLES = {1: "dim", 3: "yellow", 4: "red"}


class WatchOptions(NamedTuple):
    """How to follow a started run. ``seconds`` is the longest wait, None for no limit."""

    wait: bool
    follow: bool
    seconds: float | None


def report_start(server: ServerContext, run: str, options: WatchOptions) -> None:
    """Print the slug of a started run, and wait for the run if requested."""
    if not options.wait and not options.follow:
        if server.out.as_json:
            server.out.json({"slug": run})
            return
        server.out.raw(run)
        server.out.say(f'Watch it with "fyke run show {run}" or "fyke run log {run} --follow".')
        return
    if not server.out.as_json:
        server.out.raw(run)
    on_log = log_to_stderr(server) if options.follow else None
    watch = RunWatch(server, run, options.seconds, on_log)
    detail = watch.until_end()
    if server.out.as_json:
        server.out.json(detail_data(detail))
    else:
        server.out.say(watch.summary(detail))
    exit_with(detail)


def exit_with(detail: RunDetail) -> None:
    """Exit with status 1 unless the run succeeded."""
    if detail.status_name != "succeeded":
        raise SystemExit(int(Exit.FAILED))


def detail_data(detail: RunDetail) -> dict[str, object]:
    """The run as in the API, with the name of its state."""
    return {**data_of(detail), "state": detail.status_name}


def progress_text(progress: ProgressItem | Progress) -> str:
    """How far a running run is, with what its Worker says."""
    return ", ".join(part for part in (_progress_figures(progress), progress.text) if part)


def _progress_figures(progress: ProgressItem | Progress) -> str:
    match progress.basis:
        case "subtasks":
            return f"{progress.done} of {progress.total} subtasks"
        case "rows":
            return f"about {progress.percent} %"
    if progress.total is None:
        return f"{progress.done} done" if progress.done else ""
    return f"{progress.done} of {progress.total} ({progress.percent} %)"


def summary(detail: RunDetail, seconds: float, progress: ProgressItem | None = None) -> str:
    """State, figures and reason of a run that has taken ``seconds``."""
    figures = ", ".join(
        [
            *([progress_text(progress)] if progress else []),
            formatting.count(detail.results, "row"),
            formatting.size(detail.traffic),
            formatting.span(seconds),
        ]
    )
    reason = f": {detail.err_msg}" if detail.err_msg else ""
    return f"{detail.status_name} ({figures}){reason}"


class RunWatch:
    """Polls one run until it has ended."""

    def __init__(
        self,
        server: ServerContext,
        run: str,
        seconds: float | None,
        on_log: Callable[[LogItem], None] | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._server = server
        self._run = run
        self._seconds = seconds
        self._on_log = on_log
        self._clock = clock
        self._sleep = sleep
        self._live = LiveLine(server.out)
        self._position = 0
        self._has_summary = False

    def until_end(self) -> RunDetail:
        """Return the ended run. Raises ``CommandFailed`` (exit status 124) on timeout."""
        started_at, pause = self._clock(), FIRST_PAUSE
        try:
            while True:
                detail = self._retry(lambda: self._server.client.run(self._run))
                has_new = self._read_log()
                if detail.ended:
                    self._read_summary()
                    return detail
                if self._live.active:
                    self._live.show(f"{self.summary(detail)}  {self._run}")
                remaining = (
                    None if self._seconds is None else started_at + self._seconds - self._clock()
                )
                if remaining is not None and remaining <= 0:
                    raise self._timeout(detail)
                pause = FIRST_PAUSE if has_new else min(MAX_PAUSE, pause * 1.5)
                self._sleep(pause if remaining is None else min(pause, remaining))
        except KeyboardInterrupt:
            self._live.clear()
            self._server.out.say(f'The run continues; stop it with "fyke run abort {self._run}".')
            raise
        finally:
            self._live.clear()

    def summary(self, detail: RunDetail) -> str:
        """The run in one line. The times in ``detail`` are whole seconds, and 0 until the end."""
        current = self._retry(lambda: self._server.client.run_summary(self._run))
        return summary(detail, current.duration, current.progress)

    def _timeout(self, detail: RunDetail) -> CommandFailed:
        return CommandFailed(
            f"The run {self._run} is still {detail.status_name} after {self._seconds:g} s; "
            "it continues",
            Exit.TIMEOUT,
        )

    # --- the log --------------------------------------------------------------------------

    def _read_log(self) -> bool:
        """Call ``on_log`` for every new entry; return whether there was one."""
        if self._on_log is None:
            return False
        has_new = False
        while entries := self._retry(
            lambda: self._server.client.log_after(self._run, self._position)
        ):
            self._live.clear()
            for entry in entries:
                self._on_log(entry)
                self._has_summary = self._has_summary or SUMMARY_LINE in entry.content
            self._position = entries[-1].position
            has_new = True
        return has_new

    def _read_summary(self) -> None:
        if self._on_log is None or self._position == 0:
            return  # no subtask was started, so no last line follows
        deadline = self._clock() + SUMMARY_SECONDS
        while not self._has_summary and self._clock() < deadline:
            if not self._read_log():
                self._sleep(FIRST_PAUSE)

    # --- a server that is temporarily unavailable -------------------------------------------

    def _retry(self, request: Callable[[], T]) -> T:
        from fyke_client import ApiError, Unreachable

        deadline = self._clock() + RETRY_SECONDS
        while True:
            try:
                return request()
            except Unreachable as error:
                if not error.temporary or self._clock() > deadline:
                    raise
                pause = MAX_PAUSE
            except ApiError as error:
                if error.status not in (429, 503) or self._clock() > deadline:
                    raise
                pause = float(error.retry_after or MAX_PAUSE)
            self._live.show("waiting for the server")
            self._sleep(pause)


# --- lines of a log -------------------------------------------------------------------------


def log_line(entry: LogItem | LogEntry, *, short: bool) -> str:
    """One entry as text; ``short`` omits date and subtask, for a terminal."""
    from fyke.domain.logs.text import clean, render
    from fyke.model.log import LogEntry as Stored

    if not short:
        stored = Stored(entry.position, entry.type, entry.group, entry.content, entry.timestamp)
        return render(stored).rstrip("\n")
    moment = time.strftime("%H:%M:%S", time.localtime(entry.timestamp / 1000))
    text = clean(entry.content).rstrip("\n").replace("\n", "\n               ")
    return f"{moment} {LEVELS.get(entry.type, 'INFO'):<5} {text}"


def log_to_stderr(server: ServerContext) -> Callable[[LogItem], None]:
    """Print entries of the log to standard error."""

    def on_log(entry: LogItem) -> None:
        server.out.say(log_line(entry, short=True))

    return on_log


def log_to_data(server: ServerContext) -> Callable[[LogItem], None]:
    """Print entries of the log to standard output."""
    out = server.out

    def on_log(entry: LogItem) -> None:
        if out.as_json:
            out.json(data_of(entry))
        else:
            out.line(log_line(entry, short=out.on_terminal), STYLES.get(entry.type, ""))

    return on_log
