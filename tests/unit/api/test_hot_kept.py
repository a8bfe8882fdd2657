"""Kept answers: when they are dropped, and how many there are."""

from __future__ import annotations

from fyke.api.hot.kept import MAX_ANSWERS, MAX_BYTES, MAX_TOTAL_BYTES, Encoded, KeptAnswers

ANSWER = Encoded(b"{}")


def test_an_answer_is_kept_for_its_version_only() -> None:
    kept = KeptAnswers()
    assert kept.get(1, "a") is None
    kept.put(1, "a", ANSWER)
    assert kept.get(1, "a") is ANSWER
    assert kept.get(1, "b") is None
    assert kept.get(2, "a") is None
    assert kept.get(1, "a") is None


def test_an_answer_of_an_earlier_version_is_not_kept() -> None:
    kept = KeptAnswers()
    kept.get(1, "a")
    kept.get(2, "b")
    kept.put(1, "a", ANSWER)
    assert kept.get(2, "a") is None


def test_the_size_and_the_number_of_answers_are_limited() -> None:
    kept = KeptAnswers()
    kept.get(1, "")
    kept.put(1, "large", Encoded(b"x" * (MAX_BYTES + 1)))
    assert kept.get(1, "large") is None
    for answer in (ANSWER, Encoded(b"x" * MAX_BYTES)):
        for number in range(3 * MAX_ANSWERS):
            kept.put(1, number, answer)
            assert kept.get(1, number) is answer
        found = [kept.get(1, number) for number in range(3 * MAX_ANSWERS)]
        sizes = [len(item.data) for item in found if item is not None]
        assert len(sizes) <= MAX_ANSWERS
        assert sum(sizes) <= MAX_TOTAL_BYTES + MAX_BYTES
