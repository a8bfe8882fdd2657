from __future__ import annotations

from fyke.console.pages.queue import gauges_of
from fyke.domain.queue.board import Slots


def test_no_more_than_all_is_used() -> None:
    """A run that is larger than its runner has taken all of it."""
    slots = Slots(
        busy=1, most=None, runners=1, cpus=2, cpus_taken=4, memory_mb=4096, memory_taken_mb=8192
    )
    assert [gauge.text for gauge in gauges_of(slots)] == ["2 of 2", "4 GiB of 4 GiB"]
