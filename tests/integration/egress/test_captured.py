"""The meter compared with the byte count of the site and with captured packets."""

from __future__ import annotations

import pytest

from support.closed_network import closed


@pytest.mark.parametrize(
    ("connections", "seed"),
    [(24, 1), pytest.param(1000, 2, marks=[pytest.mark.long, pytest.mark.timeout(600)])],
)
def test_the_meter_the_site_and_the_captured_packets_have_the_same_byte_count(
    connections: int, seed: int
) -> None:
    counts = closed(
        "support.captured_trials:counted", 590, connections=connections, seed=seed, limit=None
    )
    metered = counts["metered"]
    assert metered[0] == connections
    assert metered == counts["origin"]
    assert counts["dropped"] == 0
    assert metered[1:] == counts["captured"]
    assert counts["arrived"] == metered[2]
    assert counts["packets"] > connections


def test_bytes_beyond_the_limit_are_never_sent() -> None:
    """Every sent byte was counted, and every counted byte was transferred."""
    limit = 5_000_001
    counts = closed("support.captured_trials:counted", connections=40, seed=3, limit=limit)
    _, up, down = counts["metered"]
    assert up + down == limit
    assert counts["captured"][0] == up  # what the proxy sent
    # bytes that the kernel received before the end are not counted
    assert counts["captured"][1] >= down
    assert counts["arrived"] <= down
