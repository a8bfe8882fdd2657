"""Exit codes and messages of errors."""

from __future__ import annotations

import pytest

from fyke import errors
from fyke.cli.errors import CommandFailed, Exit, add_missing_name, exit_code, failure_of
from fyke_client import ApiError, Unreachable

ANSWERS = [
    (401, 20001, "Invalid API key", Exit.AUTH),
    (401, 20002, "API key expired", Exit.AUTH),
    (401, 4010, "Unauthorized access: Listing accounts is for the operator", Exit.AUTH),
    (404, 50001, "Worker does not exist", Exit.NOT_FOUND),
    (404, 60001, "Task does not exist", Exit.NOT_FOUND),
    (404, 70001, "Run record does not exist", Exit.NOT_FOUND),
    (404, 4040, "Resource not found", Exit.NOT_FOUND),
    (400, 4000, "Invalid request parameters: input is required", Exit.USAGE),
    (400, 4000, "Request refused: abort it first", Exit.CONFLICT),
    (400, 4000, "Invalid request parameters: worker: unknown worker", Exit.NOT_FOUND),
    (409, 4000, "Conflict: the name is taken", Exit.CONFLICT),
    (429, 4290, "Too many requests, please try again later", Exit.CONFLICT),
    (400, 30001, "Insufficient balance", Exit.CONFLICT),
    (400, 30002, "Insufficient traffic quota", Exit.CONFLICT),
    (400, 70002, "Run abort failed", Exit.CONFLICT),
    (400, 50003, "Worker version unavailable", Exit.CONFLICT),
    (400, 50003, "Worker version unavailable: there is no v9", Exit.NOT_FOUND),
    (400, 50002, "Worker execution failed", Exit.FAILED),
    (400, 11000, "invalid argument: scraper_file differs", Exit.USAGE),
    (422, 11000, "invalid argument: icon must be a URL", Exit.USAGE),
    (403, 11000, "operation not permitted: only the owner", Exit.AUTH),
    (503, 5000, "Service temporarily unavailable", Exit.UNREACHABLE),
    (500, 5000, "Internal server error", Exit.FAILED),
]


KEYS = {
    "Request refused: abort it first": "refused",
    "Invalid request parameters: worker: unknown worker": "unknown_filter",
    "Worker version unavailable: there is no v9": "unknown_version",
}


@pytest.mark.parametrize(("status", "code", "message", "expected"), ANSWERS)
def test_error_answers_have_exit_codes(
    status: int, code: int, message: str, expected: Exit
) -> None:
    key = KEYS.get(message, "")
    assert exit_code(status, code, key) is expected
    failure = failure_of(ApiError(status, code, message, key=key))
    assert failure is not None
    assert (failure.code, str(failure).startswith(message)) == (expected, True)


def test_the_error_for_an_invalid_key_has_a_remedy() -> None:
    assert "--key" in str(failure_of(ApiError(401, 20001, "Invalid API key")))
    assert "--key" not in str(failure_of(ApiError(401, 4010, "Unauthorized access")))


@pytest.mark.parametrize(
    ("code", "arguments", "words"),
    [
        (50001, {"worker": "owner/x", "input": None}, ("not exist: owner/x.", "fyke worker list")),
        (50001, {"ref": "owner/x"}, ("not exist: owner/x.", "fyke worker list")),
        (60001, {"task": "T1"}, ("not exist: T1.", "fyke task list")),
        (70001, {"run": "R1"}, ("not exist: R1.", "fyke run list")),
        (70001, {}, ("not exist.", "fyke run list")),
        (4040, {"account": "nobody", "name": "ci"}, ("not exist: nobody",)),
    ],
)
def test_a_missing_entity_is_named_with_the_list_command(
    code: int, arguments: dict[str, object], words: tuple[str, ...]
) -> None:
    error = ApiError(404, code, "It does not exist")
    add_missing_name(error, arguments)
    for word in words:
        assert word in str(failure_of(error))


def test_other_errors_do_not_change() -> None:
    error = ApiError(400, 4000, "Invalid request parameters")
    add_missing_name(error, {"run": "R1"})
    add_missing_name(KeyError("x"), {"run": "R1"})
    assert error.message == "Invalid request parameters"


def test_several_problems_are_on_separate_lines() -> None:
    error = ApiError(400, 4000, "Invalid request parameters: a; b", ["a is bad", "b is bad"])
    assert str(failure_of(error)).splitlines()[1:] == ["  a is bad", "  b is bad"]


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (Unreachable("http://x cannot be reached"), Exit.UNREACHABLE, "fyke up"),
        (errors.InvalidRequest("name is wrong"), Exit.USAGE, "name"),
        (errors.WorkerNotFound(), Exit.NOT_FOUND, "Worker"),
        (errors.UnknownVersion("there is no v9"), Exit.NOT_FOUND, "v9"),
        (errors.Conflict("taken"), Exit.CONFLICT, "taken"),
        (errors.NodeEnded("it is forgotten"), Exit.NODE_ENDED, "forgotten"),
        (errors.NodeEnded("it was idle", was_idle=True), Exit.NODE_IDLE, "idle"),
        (errors.Unavailable("disk full"), Exit.FAILED, "disk"),
        (FileNotFoundError(2, "No such file or directory", "x.zip"), Exit.FAILED, "x.zip"),
        (CommandFailed("no", Exit.TIMEOUT), Exit.TIMEOUT, "no"),
    ],
)
def test_local_errors_have_exit_codes(error: Exception, code: Exit, word: str) -> None:
    failure = failure_of(error)
    assert failure is not None
    assert failure.code is code
    assert word in str(failure)


def test_an_unexpected_error_keeps_its_traceback() -> None:
    assert failure_of(KeyError("x")) is None
