"""The output of runs, as the gateway counts it."""

from __future__ import annotations

import pytest

from fyke.domain.nodes.authority import NODE_SECONDS, NodeIdentity
from fyke.gateway import node_output
from fyke.gateway.node_output import NodeOutput, NodeOutputs, TooMuchOutput
from fyke.kit.clock import ManualClock
from fyke.model.log import LogType, NewLogEntry
from fyke.model.results import AttemptBatch, PushedRow, RunTotals

pytestmark = pytest.mark.anyio
ROW = b'{"a":1}'


class Stored:
    """The rows that the store has of each run, and how often it was asked."""

    def __init__(self, rows: int = 0, row_bytes: int = 0) -> None:
        self.found = RunTotals(rows, row_bytes)
        self.asked: list[str] = []

    async def totals(self, run_id: str) -> RunTotals:
        self.asked.append(run_id)
        return self.found


def batch(rows: int = 0, lines: int = 0, run_id: str = "R1") -> AttemptBatch:
    log = [NewLogEntry(2, "1", "x" * 84, 0)] * lines  # 100 bytes each
    return AttemptBatch(run_id, "A1", [PushedRow(ROW)] * rows, log=log, number=1)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_output, "MAX_ROWS", 10)
    monkeypatch.setattr(node_output, "MAX_ROW_BYTES", 100)
    monkeypatch.setattr(node_output, "MAX_LOG_BYTES", 1000)


async def test_a_run_has_no_more_rows_than_a_run_may_have() -> None:
    output, stored = NodeOutput(), Stored()
    output.begin("R1")  # it has none, so they are not counted
    await output.admit(batch(10), stored.totals)
    assert stored.asked == []
    stored.found = RunTotals(10, 70)
    with pytest.raises(TooMuchOutput):
        await output.admit(batch(1), stored.totals)
    with pytest.raises(TooMuchOutput):  # the refused one is not counted
        await output.admit(batch(1), stored.totals)
    await output.admit(batch(1, run_id="R2"), Stored().totals)


async def test_rows_that_replaced_others_count_once() -> None:
    output, stored = NodeOutput(), Stored(rows=3)
    output.begin("R1")
    for _ in range(20):
        await output.admit(batch(4), stored.totals)
    assert stored.asked


async def test_the_bytes_of_rows_are_limited() -> None:
    output = NodeOutput()
    output.begin("R1")
    large = AttemptBatch("R1", "A1", [PushedRow(b"x" * 101)], number=1)
    with pytest.raises(TooMuchOutput):
        await output.admit(large, Stored().totals)


async def test_what_a_run_has_stored_before_counts() -> None:
    output, stored = NodeOutput(), Stored(8, 56)
    await output.admit(batch(2), stored.totals)
    assert stored.asked == ["R1"]
    stored.found = RunTotals(10, 70)
    with pytest.raises(TooMuchOutput):
        await output.admit(batch(1), stored.totals)


async def test_lines_beyond_the_limit_of_a_log_are_dropped_and_a_line_says_so() -> None:
    output, stored = NodeOutput(), Stored()
    first, second, third = batch(lines=9), batch(rows=1, lines=3), batch(rows=1, lines=1)
    for each in (first, second, third):
        await output.admit(each, stored.totals)
    assert len(first.log) == 9
    kept, said = second.log
    assert (kept.content, said.content) == ("x" * 84, node_output.LOG_FULL)
    assert (said.type, said.group) == (LogType.WARN, "1")
    assert third.log == [] and len(second.rows) == len(third.rows) == 1, "rows are kept"
    other = batch(lines=1, run_id="R2")
    await output.admit(other, stored.totals)
    assert len(other.log) == 1


async def test_the_line_about_dropped_lines_is_written_again_if_it_was_not_stored() -> None:
    output, stored = NodeOutput(), Stored()
    lost = batch(lines=11)
    await output.admit(lost, stored.totals)
    output.forget(lost)
    again = batch(lines=11)
    await output.admit(again, stored.totals)
    assert [entry.content for entry in again.log[9:]] == ["x" * 84, node_output.LOG_FULL]


async def test_the_latest_runs_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_output, "REMEMBERED_RUNS", 2)
    output, stored = NodeOutput(), Stored()
    for run_id in ("R1", "R2", "R1", "R3", "R1", "R2"):
        await output.admit(batch(1, run_id=run_id), stored.totals)
    assert stored.asked == ["R1", "R2", "R3", "R2"]


def test_output_is_known_for_as_long_as_a_node_may_come_back() -> None:
    clock = ManualClock()
    outputs = NodeOutputs(clock)
    first, second, third = (NodeIdentity(name, "J1") for name in ("a", "b", "c"))
    output = outputs.of(first)
    outputs.of(second)
    outputs.left(first)
    clock.advance(NODE_SECONDS / 2)
    assert outputs.of(first) is output  # it is back, and stays
    clock.advance(NODE_SECONDS)
    assert outputs.of(first) is output and len(outputs) == 2
    outputs.left(second)
    outputs.left(third)  # it was never welcome
    clock.advance(NODE_SECONDS + 1)
    outputs.of(third)
    assert outputs.of(first) is output and len(outputs) == 2
    assert outputs.of(NodeIdentity("a", "J2")) is not output
    outputs.drop(first)
    outputs.drop(first)
    assert outputs.of(first) is not output
