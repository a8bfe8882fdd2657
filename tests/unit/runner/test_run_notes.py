"""Notes that the log of a run has once."""

from __future__ import annotations

import pytest

from fyke.runner import run_notes
from fyke.runner.run_notes import RunNotes


def test_each_run_has_one_note_and_the_latest_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_notes, "MOST_RUNS", 2)
    notes = RunNotes()
    assert [notes.is_first(run) for run in "aabbab"] == [True, False, True, False, False, False]
    assert notes.is_first("c")
    assert [notes.is_first(run) for run in "bca"] == [False, False, True]
