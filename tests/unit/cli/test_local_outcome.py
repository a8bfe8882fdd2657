"""The exit status of a local run."""

from __future__ import annotations

import io
import sys

import pytest

from fyke.cli.errors import Exit
from fyke.cli.local_outcome import LocalLog, exit_code, hint_lines
from fyke.domain.logs import system
from fyke.model.log import LogEntry, LogType
from fyke.model.progress import Progress, ProgressBasis


@pytest.mark.parametrize(
    ("state", "failed", "interrupted", "expected"),
    [
        ("succeeded", 0, False, Exit.OK),
        ("succeeded", 1, False, Exit.FAILED),
        ("failed", 1, False, Exit.FAILED),
        ("aborted", 0, False, Exit.FAILED),
        ("aborted", 0, True, Exit.INTERRUPTED),
        ("succeeded", 0, True, Exit.OK),  # it had ended before
    ],
)
def test_the_exit_status_says_how_the_run_ended(
    state: str, failed: int, interrupted: bool, expected: Exit
) -> None:
    assert exit_code(state, failed, interrupted) == expected


def test_the_hint_is_told_unless_it_says_nothing_new() -> None:
    hint = {"cause": "A site could not be reached", "next_step": "Open it"}
    failed = {"state": "failed", "note": "", "hint": hint}
    assert hint_lines(failed) == [
        "Likely cause: A site could not be reached.",
        "Next step: Open it.",
    ]
    assert hint_lines({**failed, "hint": None}) == hint_lines({"error": "no"}) == []
    assert hint_lines({**failed, "state": "aborted"}) == hint_lines({**failed, "note": "x"}) == []


def test_a_traceback_is_printed_once() -> None:
    trace = ["Traceback (most recent call last):", "", "  x", "ValueError: " + "a" * 900]
    failed = system.failed("1", "The Worker exited", [line[:500] for line in trace], 0).content
    log = LocalLog()
    assert "ValueError" in log.line(LogEntry(1, LogType.ERROR, "1", "\n".join(trace), 0))
    assert log.line(LogEntry(2, LogType.ERROR, "1", failed, 0)).endswith("The Worker exited")
    other = failed.replace("  x", "  y")  # not printed before
    assert "ValueError" in log.line(LogEntry(3, LogType.ERROR, "1", other, 0))
    assert "ValueError" in log.line(LogEntry(4, LogType.ERROR, "1", "\n".join(trace), 0))


def test_the_progress_is_shown_until_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    log = LocalLog()
    log._live.active = True
    log.show(Progress(ProgressBasis.WORKER, 2, 8, "page 2 \x1b[2J"))
    assert screen.getvalue() == "\r\x1b[K2 of 8 (25 %), page 2 "
    log.print(LogEntry(1, LogType.INFO, "1", "hello", 0))
    assert screen.getvalue().split("\r\x1b[K")[-1].endswith("hello\n")
    log.show(None)
    assert screen.getvalue().endswith("hello\n")
