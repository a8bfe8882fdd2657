"""Records as rows and back: enums, reasons, what a row has beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import pytest
from sqlalchemy import create_engine, text

from fyke.model.account import Role, User
from fyke.model.run import Outcome, RunEvent, Subtask
from fyke.reasons import Reason, ReasonCode
from fyke.storage.sql.state.records import columns, many, one, reason_values, record
from support import records


@dataclass(frozen=True)
class Day:
    day: str
    runs: int


CODE_1 = Reason.of(ReasonCode.EXIT_CODE, exit_code=1, last_words="ça, “no” more")


def test_a_record_is_stored_as_columns_and_read_back() -> None:
    user = records.user("acme", role=Role.VIEWER, disabled=True)
    row = columns(user)
    assert (row["role"], row["disabled"], row["name"]) == ("viewer", True, user.name)
    assert record(row, User) == user


def test_columns_that_the_record_does_not_have_are_left_out() -> None:
    user = records.user("acme")
    assert record({**columns(user), "colour": "red"}, User) == user


@pytest.mark.parametrize("stored", [0, 1])
def test_numbers_of_sqlite_become_booleans(stored: int) -> None:
    row = {**columns(records.user("acme")), "disabled": stored}
    assert record(row, User).disabled is bool(stored)


def test_an_invalid_value_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match="role"):
        record({**columns(records.user("acme")), "role": "emperor"}, User)


def test_a_reason_is_stored_in_two_columns_and_read_back() -> None:
    ended = replace(records.subtask("run", 0), outcome=Outcome.EXIT_CODE, reason=CODE_1)
    row = columns(ended)
    assert "reason" not in row
    assert row["reason_code"] == "exit_code"
    assert "ça, “no” more" in row["reason_params"]  # readable in the database
    assert record(row, Subtask) == ended


def test_no_reason_is_two_empty_columns() -> None:
    event = records.event("run")
    assert reason_values(None) == {"reason_code": "", "reason_params": ""}
    assert columns(event).items() >= reason_values(None).items()
    assert record(columns(event), RunEvent).reason is None


@pytest.mark.parametrize("code", ["", "unheard_of"])
def test_a_row_of_another_release_has_no_reason(code: str) -> None:
    row = {**columns(records.event("run", detail="stored")), "reason_code": code}
    kept = record({**row, "reason_params": '{"a":1}'}, RunEvent)
    assert (kept.reason, kept.detail) == (None, "stored")


def test_a_reason_without_parameters_is_a_reason() -> None:
    row = {**columns(records.event("run")), "reason_code": "exit_code", "reason_params": ""}
    assert record(row, RunEvent).reason == Reason(ReasonCode.EXIT_CODE, {})


def test_a_query_returns_the_first_or_all_records() -> None:
    engine = create_engine("sqlite://")
    rows = text("SELECT 'a' AS day, 1 AS runs UNION SELECT 'b', 2 ORDER BY 1")
    with engine.connect() as connection:
        assert one(connection.execute(rows), Day) == Day("a", 1)
        assert many(connection.execute(rows), Day) == [Day("a", 1), Day("b", 2)]
        nothing = text("SELECT 'a' AS day, 1 AS runs WHERE 0")
        assert one(connection.execute(nothing), Day) is None
        assert many(connection.execute(nothing), Day) == []
    engine.dispose()
