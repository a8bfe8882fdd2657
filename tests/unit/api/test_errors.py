"""The table, and what a text may say."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

from fyke import errors
from fyke.api.errors import TABLE, Refusal, answer_to, refusal_answer, wire_error


def _body(error: errors.FykeError) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(bytes(answer_to(error).body))
    return body


def test_every_error_of_the_tree_has_a_row() -> None:
    for _, cls in inspect.getmembers(errors, inspect.isclass):
        if issubclass(cls, errors.FykeError):
            assert cls in TABLE, cls


def test_a_new_error_is_answered_like_its_parent() -> None:
    class OutOfStock(errors.Refused):
        pass

    assert wire_error(OutOfStock()) == TABLE[errors.Refused]


def test_the_tables_words_come_first_and_the_bare_sentence_in_details() -> None:
    body = _body(errors.InvalidRequest("version must be a string; the latest is v1.0.2"))
    assert body["message"] == (
        "Invalid request parameters: version must be a string; the latest is v1.0.2"
    )
    assert body["details"] == ["version must be a string; the latest is v1.0.2"]
    several = _body(errors.InvalidRequest("a; b", details=["a", "b"]))
    assert several["details"] == ["a", "b"]
    assert "details" not in _body(errors.InvalidRequest())


def test_a_text_that_has_the_words_already_is_not_doubled() -> None:
    body = _body(errors.VersionUnavailable("Worker version unavailable: v1.0.1 was withdrawn"))
    assert body["message"] == "Worker version unavailable: v1.0.1 was withdrawn"


@pytest.mark.parametrize(
    "error",
    [
        errors.RunNotFound("run X of account Y"),
        errors.InvalidKey("digest abc"),
        errors.StaleLease("attempt 5"),
        errors.FykeError("/var/lib/fyke"),
        errors.UserMissing("u"),
    ],
)
def test_some_errors_say_nothing_of_their_own(error: errors.FykeError) -> None:
    body = _body(error)
    assert body["message"] == wire_error(error).text
    assert "details" not in body


def test_rate_limits_say_when_to_come_back() -> None:
    assert answer_to(errors.RateLimited(0)).headers["retry-after"] == "1"


def test_refusals_keep_their_status() -> None:
    answer = refusal_answer(Refusal(413, "the body must be at most 10 MiB"))
    assert answer.status_code == 413
    assert json.loads(bytes(answer.body))["code"] == 4000
