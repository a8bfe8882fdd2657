"""The cursor of a resumed stream."""

from __future__ import annotations

import pytest

from fyke.console.pages.run_live import _cursor
from fyke.domain.runs.stream import StreamCursor
from fyke.model.run import RunState
from support.views import view_of


def cursor(query: dict[str, str] | None = None, last_id: str = "") -> StreamCursor:
    headers = {"last-event-id": last_id} if last_id else {}
    return _cursor(view_of("/runs/x/live", query=tuple((query or {}).items()), headers=headers))


def test_a_new_stream_continues_after_the_page() -> None:
    assert cursor({"place": "17", "seen": "50"}) == StreamCursor(17, 50)
    assert cursor() == StreamCursor(0, 0)


def test_an_interrupted_stream_continues_after_its_last_message() -> None:
    assert cursor({"place": "1"}, "40.running.7") == StreamCursor(40, 7, RunState.RUNNING)
    assert cursor({"place": "1"}, "40.-.7") == StreamCursor(40, 7, None)


@pytest.mark.parametrize(
    "last_id",
    ["40", "40.flying.7", "40.running.", "40.RUNNING.7", "x.running.7", "1" * 11 + ".-.7"],
)
def test_an_invalid_message_id_is_ignored(last_id: str) -> None:
    assert cursor({"place": "3", "seen": "4"}, last_id) == StreamCursor(3, 4)


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "1" * 12])
def test_an_invalid_position_starts_at_the_beginning(text: str) -> None:
    assert cursor({"place": text, "seen": text}) == StreamCursor(0, 0)
