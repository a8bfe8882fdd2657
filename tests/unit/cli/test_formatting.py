from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from fyke.cli import formatting
from fyke.cli.errors import CommandFailed, Exit

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_500_000, "1.5 MB"), (2 * 10**12, "2.0 TB")],
)
def test_size(count: int, text: str) -> None:
    assert formatting.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0421, "42 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 m 00 s"),
        (65, "1 m 05 s"),
        (3725, "1 h 02 m"),
    ],
)
def test_span(seconds: float, text: str) -> None:
    assert formatting.span(seconds) == text


def test_a_time_for_readers_elsewhere_has_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert formatting.when_with_zone(1_700_000_000) == "2023-11-14 23:13:20 CET"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_missing_time_is_a_hyphen() -> None:
    assert formatting.when(0) == "-"
    assert formatting.when(1_700_000_000).startswith("2023-11-")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30", datetime(2026, 12, 24, 12, tzinfo=UTC)),
        ("30d", datetime(2026, 12, 24, 12, tzinfo=UTC)),
        ("2027-01-31", datetime(2027, 2, 1, tzinfo=UTC)),
        ("2027-01-31T12:00:00", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2027-01-31T12:00:00+01:00", datetime(2027, 1, 31, 11, tzinfo=UTC)),
    ],
)
def test_expiry(text: str, moment: datetime) -> None:
    assert formatting.expiry(text, NOW) == int(moment.timestamp())


@pytest.mark.parametrize("text", ["", "soon", "2027-13-01", "-3", "99999999"])
def test_an_invalid_expiry_is_refused(text: str) -> None:
    with pytest.raises(CommandFailed, match="--expires") as caught:
        formatting.expiry(text, NOW)
    assert caught.value.code is Exit.USAGE
