"""Kept answers: when they are current, and how many there are."""

from __future__ import annotations

from itertools import count

from fyke.api.hot.kept import MAX_ANSWERS, MAX_BYTES, MAX_TOTAL_BYTES, Encoded, KeptAnswers

ANSWER = Encoded(b"{}")


def test_an_answer_is_kept_for_its_version_only() -> None:
    kept = KeptAnswers(lambda: 1)
    assert kept.get(1, "a") is None
    kept.put(1, "a", ANSWER)
    assert kept.get(1, "a") is ANSWER
    assert kept.get(1, "b") is None
    assert kept.get(2, "a") is None
    assert kept.get(2, "a", lambda: b"r") is None


def test_an_answer_is_kept_as_long_as_its_revision() -> None:
    kept, revision = KeptAnswers(lambda: 1), b"r"
    kept.put(1, "a", ANSWER, revision)
    for version in (2, 3):
        assert kept.get(version, "a", lambda: revision) is ANSWER
        assert kept.get(version, "a") is ANSWER
    assert kept.get(4, "a") is None
    assert kept.get(4, "a", lambda: b"s") is None
    assert kept.get(4, "a", lambda: None) is None


def test_an_answer_without_a_revision_is_not_kept_for_long() -> None:
    """As when the run has been deleted before and after."""
    kept = KeptAnswers(lambda: 1)
    kept.put(1, "a", ANSWER, None)
    assert kept.get(2, "a", lambda: None) is None


def test_an_answer_that_was_read_during_a_commit_is_not_kept() -> None:
    kept = KeptAnswers(lambda: 2)
    kept.put(1, "a", ANSWER, b"r")
    for version in (1, 2):
        assert kept.get(version, "a", lambda: b"r") is None


def test_an_answer_replaces_an_earlier_one() -> None:
    versions = count(1)
    kept = KeptAnswers(lambda: next(versions))
    for version in range(1, 3 * MAX_TOTAL_BYTES // MAX_BYTES):
        answer = Encoded(b"x" * (MAX_BYTES - version % 2))
        kept.put(version, "a", answer)
        assert kept.get(version, "a") is answer
    kept.put(version + 1, "b", ANSWER)
    assert kept.get(version, "a") is answer


def test_the_size_and_the_number_of_answers_are_limited() -> None:
    kept = KeptAnswers(lambda: 1)
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
