"""Waiting for a run and following its log, with a scripted server."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import convert, to_builtins

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import Output
from fyke.cli.run_watch import SUMMARY_LINE, RunWatch, log_line, progress_text, summary
from fyke.model.progress import Progress, ProgressBasis
from fyke.wire.fyke.runs import ProgressItem
from fyke_client import ApiError, Unreachable
from fyke_client.types.fyke.run_logs import LogItem
from fyke_client.types.fyke.runs import ProgressItem as ClientProgressItem
from fyke_client.types.fyke.runs import RunSummary
from fyke_client.types.v1 import RunDetail
from unit.cli.test_run_ended import summary as run_summary

READY, RUNNING, SUCCEEDED, FAILED = 1, 2, 3, 4


def detail(status: int, err_msg: str = "") -> RunDetail:
    return RunDetail(status, err_msg, "R1", "Title", "W1", 3, "0", 1, 2, 65, "api", 1500, "v1.0.1")


def entry(position: int, content: str = "", type: int = 2) -> LogItem:
    return LogItem(position, type, "7", content or f"line {position}", 1_700_000_000_123)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Client:
    """Returns the next of ``details``, or raises it if it is an exception."""

    def __init__(self, details: list[Any], log: Callable[[], list[LogItem]] = list) -> None:
        self.details = details
        self.log = log

    def run(self, run: str) -> RunDetail:
        answer = self.details.pop(0) if len(self.details) > 1 else self.details[0]
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    def run_summary(self, run: str) -> RunSummary:
        return run_summary("", None, 5.2)

    def log_after(self, run: str, position: int) -> list[LogItem]:
        return [e for e in self.log() if e.position > position][:2]


class Server:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.out = Output(False, io.StringIO(), io.StringIO())


def watch(
    client: Client, seconds: float | None = None, on_log: Callable[[LogItem], None] | None = None
) -> tuple[RunWatch, Clock]:
    clock = Clock()
    server: Any = Server(client)
    return RunWatch(
        server, "R1", seconds, on_log, clock=lambda: clock.now, sleep=clock.sleep
    ), clock


def test_until_end_returns_the_ended_run() -> None:
    waiting, _ = watch(Client([detail(READY), detail(RUNNING), detail(FAILED, "broken")]))
    assert waiting.until_end().err_msg == "broken"


def test_a_timeout_is_exit_status_124() -> None:
    waiting, clock = watch(Client([detail(RUNNING)]), seconds=5)
    with pytest.raises(CommandFailed, match="still running") as caught:
        waiting.until_end()
    assert caught.value.code is Exit.TIMEOUT
    assert clock.now == pytest.approx(5)


def test_every_entry_of_the_log_is_printed_once() -> None:
    stored: list[LogItem] = []
    client = Client([detail(RUNNING), detail(RUNNING), detail(SUCCEEDED)])

    def log() -> list[LogItem]:
        """A log that grows with every read; the summary is added after the end of the run."""
        ended = client.details[0].ended
        last = f"{SUMMARY_LINE} Total 1" if len(stored) == 12 and ended else ""
        if len(stored) < 12 or last:
            stored.append(entry(len(stored) + 1, last))
        return stored

    client.log = log
    printed: list[LogItem] = []
    waiting, _ = watch(client, on_log=printed.append)
    waiting.until_end()
    assert [e.position for e in printed] == list(range(1, 14))
    assert SUMMARY_LINE in printed[-1].content


def test_a_summary_is_not_awaited_without_a_log() -> None:
    waiting, clock = watch(Client([detail(FAILED)]), on_log=lambda e: None)
    waiting.until_end()
    assert clock.now == 0


def test_a_missing_summary_is_awaited_for_two_seconds() -> None:
    waiting, clock = watch(Client([detail(FAILED)], lambda: [entry(1)]), on_log=lambda e: None)
    waiting.until_end()
    assert clock.now == pytest.approx(2, abs=0.2)


def test_an_unavailable_server_is_retried() -> None:
    away = [
        Unreachable("gone"),
        ApiError(503, 5000, "down"),
        ApiError(429, 4290, "", retry_after=3),
    ]
    waiting, clock = watch(Client([detail(RUNNING), *away, detail(SUCCEEDED)]))
    assert waiting.until_end().status == SUCCEEDED
    assert clock.now >= 5


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("gone for good"),
        Unreachable("an answer of another version", temporary=False),
        ApiError(404, 70001, "Run record does not exist"),
    ],
)
def test_permanent_errors_are_raised(error: Exception) -> None:
    waiting, clock = watch(Client([error]))
    with pytest.raises(type(error)):
        waiting.until_end()
    assert clock.now == 0 or (isinstance(error, Unreachable) and error.temporary)


def test_log_entries_have_a_short_and_a_full_format() -> None:
    two = entry(1, "first\nsecond \x1b[31mred\x1b[0m", 4)
    assert log_line(two, short=False) == ("2023-11-14T22:13:20.123Z ERROR [7] first\n\tsecond red")
    short = log_line(two, short=True).splitlines()
    assert short[0].endswith("ERROR first")
    assert short[1].strip() == "second red"


def test_the_summary_has_state_figures_and_reason() -> None:
    assert summary(detail(FAILED, "Timeout"), 0.142) == ("failed (3 rows, 1.5 kB, 142 ms): Timeout")


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(ProgressBasis.SUBTASKS, 3, 8), "3 of 8 subtasks"),
        (Progress(ProgressBasis.ROWS, 5, 10), "about 50 %"),
        (Progress(ProgressBasis.ROWS, 5, 10, "signs in"), "about 50 %, signs in"),
        (Progress(ProgressBasis.WORKER, 3, 12, "page 3"), "3 of 12 (25 %), page 3"),
        (Progress(ProgressBasis.WORKER, 3, None), "3 done"),
        (Progress(ProgressBasis.WORKER, 0, None, "signs in"), "signs in"),
    ],
)
def test_the_progress_has_figures_and_the_text_of_the_worker(progress: Progress, text: str) -> None:
    item = convert(to_builtins(ProgressItem.of(progress)), ClientProgressItem)
    assert progress_text(item) == text
    assert summary(detail(RUNNING), 1.0, item).startswith(f"running ({text}, 3 rows,")


def test_the_live_line_shows_the_current_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    waiting, _ = watch(Client([detail(RUNNING), detail(SUCCEEDED)]))
    screen = io.StringIO()
    waiting._live.active, waiting._live._stream = True, screen
    ended = waiting.until_end()
    assert "running (3 rows, 1.5 kB, 5 s)" in screen.getvalue()
    assert waiting.summary(ended) == "succeeded (3 rows, 1.5 kB, 5 s)"
