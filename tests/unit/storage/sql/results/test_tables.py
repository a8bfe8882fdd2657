"""Keys: run above, position below."""

from __future__ import annotations

import pytest

from fyke.storage.sql.results.tables import LAST_POSITION, first_key, key, position_of


@pytest.mark.parametrize(("run", "position"), [(1, 1), (1, LAST_POSITION), (2**31 - 1, 12345)])
def test_a_key_holds_run_and_position(run: int, position: int) -> None:
    made = key(run, position)
    assert 0 < made < 2**63
    assert position_of(made) == position
    assert first_key(run) < made <= key(run, LAST_POSITION) < first_key(run + 1) + 1


@pytest.mark.parametrize("position", [-1, -(2**70), 0])
def test_positions_below_one_are_the_first(position: int) -> None:
    assert key(3, position) == first_key(3)


def test_positions_above_stay_within_the_run() -> None:
    assert key(3, 2**70) == key(3, LAST_POSITION) < first_key(4)
