"""The problems of an error are assigned to the fields of a form."""

from __future__ import annotations

from fyke.console.problems import WHOLE, faults_of
from fyke.errors import Conflict, InvalidFields, InvalidRequest, Problem, VersionUnavailable
from fyke.reasons import Reason, ReasonCode

FIELDS = {"name": "name", "expires_at": "expires"}


def test_an_error_is_assigned_to_its_field() -> None:
    assert faults_of(Conflict("it is taken", field="name"), FIELDS) == {"name": "It is taken"}
    late = InvalidRequest("must be in the future", field="expires_at")
    assert faults_of(late, FIELDS) == {"expires": "Must be in the future"}


def test_an_error_of_another_field_belongs_to_the_whole_form() -> None:
    wrong = InvalidRequest("must be a number", field="other")
    assert faults_of(wrong, FIELDS) == {WHOLE: "Other must be a number"}
    for text in ("the disk is full", "name: and number differ"):
        assert faults_of(InvalidRequest(text), FIELDS) == {WHOLE: text[0].upper() + text[1:]}
    assert faults_of(wrong, FIELDS, "name") == {"name": "Other must be a number"}


def test_several_problems_are_assigned_to_their_fields() -> None:
    problems = [Problem("is required", "name"), Problem("has no form", "expires_at")]
    error = InvalidFields.of(problems)
    assert faults_of(error, FIELDS) == {"name": "Is required", "expires": "Has no form"}


def test_a_reason_belongs_to_the_whole_form() -> None:
    error = VersionUnavailable(Reason(ReasonCode.NO_VERSION))
    assert faults_of(error, FIELDS) == {WHOLE: "No version is published"}
