"""Error tables and the texts of error answers."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from starlette.requests import Request
from structlog.testing import capture_logs

from fyke import errors
from fyke.api.errors import ERROR_HEADER, REASON_HEADER, Refusal, on_fyke_error, table_of
from fyke.api.v1.errors import TABLE
from fyke.api.v2.errors import TABLE_V2
from fyke.reasons import Reason, ReasonCode

FIRST, SECOND = table_of("/api/v1/rerun"), table_of("/api/v2/store")


def _body(error: errors.FykeError) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(bytes(FIRST.answer(error, "r").body))
    return body


def test_every_error_of_the_tree_has_a_row() -> None:
    for _, cls in inspect.getmembers(errors, inspect.isclass):
        if issubclass(cls, errors.FykeError):
            assert cls in TABLE, cls


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "level"),
    [(errors.BlobsAway("no answer"), "warning"), (errors.Unavailable("no answer"), "error")],
)
async def test_an_outage_of_blobs_is_one_line_without_a_traceback(
    error: errors.FykeError, level: str
) -> None:
    request = Request({"type": "http", "path": "/api/v1/rerun", "headers": []})
    with capture_logs() as lines:
        assert (await on_fyke_error(request, error)).status_code == 503
    [line] = lines
    assert line["log_level"] == level and ("exc_info" in line) == (level == "error")
    assert line.get("error", "no answer") == "no answer"


def test_a_new_error_is_answered_like_its_parent() -> None:
    class OutOfStock(errors.Refused):
        pass

    assert FIRST.row(OutOfStock()) == TABLE[errors.Refused]


def test_the_message_starts_with_the_published_text_and_details_do_not() -> None:
    body = _body(errors.InvalidRequest("version must be a string; the latest is v1.0.2"))
    assert body["message"] == (
        "Invalid request parameters: version must be a string; the latest is v1.0.2"
    )
    assert body["details"] == ["version must be a string; the latest is v1.0.2"]
    several = _body(errors.InvalidRequest("a; b", details=["a", "b"]))
    assert several["details"] == ["a", "b"]
    assert "details" not in _body(errors.InvalidRequest())


WITHDRAWN = Reason.of(ReasonCode.VERSION_WITHDRAWN, number="v1.0.1")


def test_each_dialect_starts_the_message_with_its_published_text() -> None:
    error = errors.VersionUnavailable(WITHDRAWN)
    assert error.message == "version v1.0.1 was withdrawn"
    assert _body(error)["message"] == "Worker version unavailable: version v1.0.1 was withdrawn"
    answer = SECOND.answer(error, "r")
    assert json.loads(bytes(answer.body))["message"] == (
        "the worker version is not available: version v1.0.1 was withdrawn"
    )


def test_the_code_of_a_reason_is_in_a_header() -> None:
    for table in (FIRST, SECOND):
        answer = table.answer(errors.VersionUnavailable(WITHDRAWN), "r")
        assert answer.headers[REASON_HEADER] == "version_withdrawn"
        assert REASON_HEADER not in table.answer(errors.VersionUnavailable("gone"), "r").headers
        silent = errors.WorkerNotFound(Reason(ReasonCode.WORKER_NOT_FOUND))
        assert REASON_HEADER not in table.answer(silent, "r").headers


def test_the_key_of_an_error_is_in_a_header() -> None:
    for table in (FIRST, SECOND):
        assert table.answer(errors.Refused("no"), "r").headers[ERROR_HEADER] == "refused"
        invalid = table.answer(errors.InvalidFields("is wrong", field="name"), "r")
        assert invalid.headers[ERROR_HEADER] == "invalid_fields"
        refused = table.refusal(Refusal(405, "no", headers={"allow": "GET"}), "r")
        assert refused.headers[ERROR_HEADER] == "invalid_request"
        assert refused.headers["allow"] == "GET"
        assert ERROR_HEADER not in table.answer(errors.WorkerNotFound(), "r").headers


def test_an_error_without_detail_has_only_the_published_text() -> None:
    for cls, row in TABLE.items():
        if not issubclass(cls, errors.RateLimited):
            assert _body(cls())["message"] == row.text
    for cls, row in TABLE_V2.items():
        if not issubclass(cls, errors.RateLimited):
            body = json.loads(bytes(SECOND.answer(cls(), "r").body))
            assert body["message"] == row.text


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
def test_some_errors_do_not_reveal_their_cause(error: errors.FykeError) -> None:
    body = _body(error)
    assert body["message"] == FIRST.row(error).text
    assert "details" not in body


def test_a_rate_limit_has_a_retry_after_header() -> None:
    assert FIRST.answer(errors.RateLimited(0), "r").headers["retry-after"] == "1"


def test_refusals_keep_their_status() -> None:
    answer = FIRST.refusal(Refusal(413, "the body must be at most 10 MiB"), "r")
    assert answer.status_code == 413
    assert json.loads(bytes(answer.body))["code"] == 4000


def test_v2_distinguishes_invalid_types_from_invalid_values() -> None:
    shape = SECOND.answer(errors.InvalidFields("limit must be an integer"), "r")
    meaning = SECOND.answer(errors.InvalidRequest("keyword is required"), "r")
    assert (shape.status_code, meaning.status_code) == (422, 400)
    assert json.loads(bytes(shape.body)) == {
        "code": 11000,
        "message": "invalid argument: limit must be an integer",
        "request_id": "r",
        "details": ["limit must be an integer"],
    }


def test_v2_distinguishes_a_missing_key_from_an_invalid_one() -> None:
    none, bad = SECOND.row(errors.MissingKey()), SECOND.row(errors.InvalidKey())
    assert (none.code, bad.code, none.status, bad.status) == (12001, 12002, 401, 401)


def test_a_plan_limit_has_a_retry_after_header() -> None:
    answer = SECOND.answer(errors.PlanLimitReached(retry_after=7), "r")
    row = TABLE_V2[errors.PlanLimitReached]
    assert (answer.status_code, answer.headers["retry-after"], row.code) == (400, "7", 30003)


def test_every_v2_code_is_in_the_contract() -> None:
    known = {10000, 11000, 11004, 12001, 12002, 13000, 14000, 16000}
    known |= {30001, 30003, 50001, 50002, 50003, 60001, 70001, 70002}
    assert {row.code for row in TABLE_V2.values()} <= known
