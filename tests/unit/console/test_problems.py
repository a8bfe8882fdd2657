"""A sentence of the domain finds its field."""

from __future__ import annotations

from fyke.console.problems import WHOLE, faults_of
from fyke.errors import InvalidFields, InvalidRequest

FIELDS = {"name": "name", "expires_at": "expires"}


def test_a_sentence_goes_to_the_field_that_it_names() -> None:
    assert faults_of(InvalidRequest("name: it is taken"), FIELDS) == {"name": "It is taken"}
    late = InvalidRequest("expires_at must lie in the future")
    assert faults_of(late, FIELDS) == {"expires": "Must lie in the future"}


def test_what_names_no_field_of_the_form_is_for_the_whole() -> None:
    for text in ("other: wrong", "the disk is full", "name and number differ"):
        assert faults_of(InvalidRequest(text), FIELDS) == {WHOLE: text[0].upper() + text[1:]}


def test_each_problem_of_several_goes_to_its_own() -> None:
    error = InvalidFields("both", details=["name is required", "expires_at has no form"])
    assert faults_of(error, FIELDS) == {"name": "Is required", "expires": "Has no form"}
