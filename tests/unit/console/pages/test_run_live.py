"""Where the stream of a page goes on."""

from __future__ import annotations

import pytest

from fyke.console.pages.run_live import _place
from fyke.domain.runs.stream import StreamCursor
from fyke.model.run import RunState
from support.views import view_of


def place(query: dict[str, str] | None = None, behind: str = "") -> StreamCursor:
    headers = {"last-event-id": behind} if behind else {}
    return _place(view_of("/runs/x/live", query=tuple((query or {}).items()), headers=headers))


def test_a_new_stream_goes_on_behind_the_page() -> None:
    assert place({"place": "17", "seen": "50"}) == StreamCursor(17, 50)
    assert place() == StreamCursor(0, 0)


def test_a_stream_that_was_cut_goes_on_behind_its_last_message() -> None:
    assert place({"place": "1"}, "40.running.7") == StreamCursor(40, 7, RunState.RUNNING)
    assert place({"place": "1"}, "40.-.7") == StreamCursor(40, 7, None)


@pytest.mark.parametrize(
    "behind", ["40", "40.flying.7", "40.running.", "40.RUNNING.7", "x.running.7", "1" * 11 + ".-.7"]
)
def test_a_message_id_that_is_not_ours_counts_as_none(behind: str) -> None:
    assert place({"place": "3", "seen": "4"}, behind) == StreamCursor(3, 4)


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "1" * 12])
def test_a_place_that_makes_no_sense_is_the_beginning(text: str) -> None:
    assert place({"place": text, "seen": text}) == StreamCursor(0, 0)
