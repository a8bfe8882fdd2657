"""Problems that repeat have few lines in the log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from fyke.telemetry.repeated import MAX_TEXTS, RepeatedProblem


class Watch:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def logged() -> Iterator[list[dict[str, object]]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


def test_the_first_one_a_minute_and_the_end_are_logged(logged: list[dict[str, object]]) -> None:
    watch = Watch()
    problem = RepeatedProblem("cannot_call", "calls_again", clock=watch)
    problem.ended()
    for second in range(121):
        watch.now = 1000.0 + second
        problem.occurred("cut off")
    assert problem.text == "cut off"
    problem.ended()
    problem.ended()
    assert logged == [
        {"event": "cannot_call", "log_level": "error", "error": "cut off", "times": 1},
        {"event": "cannot_call", "log_level": "error", "error": "cut off", "times": 61},
        {"event": "cannot_call", "log_level": "error", "error": "cut off", "times": 121},
        {"event": "calls_again", "log_level": "info", "times": 121},
    ]
    assert problem.text == ""
    problem.occurred("cut off")
    assert logged[4]["times"] == 1


def test_another_text_is_logged_at_once_but_not_without_end(
    logged: list[dict[str, object]],
) -> None:
    problem = RepeatedProblem("cannot_call", "calls_again", level="warning", clock=Watch())
    for _ in range(3):
        problem.occurred("refused")
        problem.occurred("no answer")
    assert [line["error"] for line in logged] == ["refused", "no answer"]
    for number in range(100):
        problem.occurred(f"no answer of {number}")
    assert len(logged) == MAX_TEXTS


def test_an_unforeseen_error_has_its_traceback(logged: list[dict[str, object]]) -> None:
    error = RuntimeError("bug")
    RepeatedProblem("cannot_call", "calls_again").occurred(repr(error), error)
    assert logged[0]["exc_info"] is error
