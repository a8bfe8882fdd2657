"""The sentences people read at the end of a run."""

from __future__ import annotations

import pytest

from fyke.domain.billing.pricing import millionths
from fyke.domain.runs.outcome import SENTENCES, sentence
from fyke.model.run import Outcome


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (97, "0.000097"),
        (400_000, "0.4"),
        (1_000_000, "1"),
        (10_000_000, "10"),
        (12_345_670_000, "12345.67"),
        (1_234_567_800_000, "1234567.8"),
        (10**18, "1000000000000"),
    ],
)
def test_millionths_lose_no_digit(count: int, text: str) -> None:
    assert millionths(count) == text


def test_every_outcome_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Outcome)


def test_last_words_follow_only_what_the_worker_itself_said() -> None:
    assert sentence(Outcome.EXIT_CODE, code=3, last_words="no") == (
        "The Worker exited with code 3: no"
    )
    assert sentence(Outcome.TIMEOUT, seconds=5, last_words="no").endswith("of 5 s")
