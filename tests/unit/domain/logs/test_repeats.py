"""What a log repeats is shown once."""

from __future__ import annotations

from fyke.domain.logs import system
from fyke.domain.logs.repeats import ShownLines
from fyke.model.log import LogExcerpt, LogType

TRACE = ["Traceback (most recent call last):", "", "  x", "ValueError: " + "a" * 900]


def failed(lines: list[str]) -> str:
    return system.failed("1", "The Worker exited", [line[:500] for line in lines], 0).content


def test_a_traceback_is_shown_once() -> None:
    shown = ShownLines()
    assert "ValueError" in shown.next("\n".join(TRACE))
    assert shown.next(failed(TRACE)).endswith("The Worker exited")
    assert "ValueError" in shown.next(failed([*TRACE[:2], "  y", TRACE[3]]))  # not shown before
    assert "ValueError" in shown.next("\n".join(TRACE))  # another run of the same code


def test_what_is_left_out_counts_as_cut_off() -> None:
    texts = ["\n".join(TRACE), failed(TRACE)[:200]]
    entries = [LogExcerpt(n, LogType.ERROR, "1", text, 0, 2000) for n, text in enumerate(texts)]
    first, second = ShownLines().excerpts(entries)
    assert first == entries[0]
    assert second.content.endswith("The Worker exited") and second.cut


def test_lines_of_a_worker_are_never_left_out() -> None:
    shown = ShownLines()
    assert shown.next("a\nb") == shown.next("a\nb") == "a\nb"
