"""Errors carry the field and the rule as data; sentences are made of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fyke
from fyke.errors import FykeError, InvalidRequest, Problem, Refused
from fyke.reasons import Reason, ReasonCode

SOURCE = Path(fyke.__file__).parent
FIELD_FIRST = re.compile(r"[a-z_]+(: | must | is | has )")
# the API's own rules are sentences only; published words of starts begin with a name too
SENTENCES = ("api", "domain/runs/split.py", "domain/workers/parameters.py")


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (Problem("must be 1 to 7", "days"), "days must be 1 to 7"),
        (Problem("there is no tag 'x'", "ref"), "ref: there is no tag 'x'"),
        (Problem("is taken", "name", "choose another"), "name is taken; choose another"),
        (
            Problem("the archive is empty", remedy="pack it again"),
            "the archive is empty; pack it again",
        ),
    ],
)
def test_a_message_consists_of_field_rule_and_remedy(problem: Problem, sentence: str) -> None:
    assert problem.sentence == sentence


def test_an_error_has_its_problem_and_its_message() -> None:
    error = InvalidRequest("must be a number", field="limit", remedy="leave it out")
    assert error.message == "limit must be a number; leave it out"
    assert error.problems == (Problem("must be a number", "limit", "leave it out"),)


def test_an_error_for_several_problems_keeps_their_order() -> None:
    problems = [Problem("is required", "url"), Problem("choose one", "events")]
    error = InvalidRequest.of(problems)
    assert error.message == "url is required; events: choose one"
    assert error.details == ["url is required", "events: choose one"]
    assert error.problems == tuple(problems)


def test_an_error_without_text_has_that_of_its_class() -> None:
    assert Refused().problems == (Problem(Refused.default),)
    assert Refused().detail == ""


def test_an_error_with_a_reason_has_its_message() -> None:
    error = Refused(Reason(ReasonCode.NO_VERSION))
    assert error.message == "no version is published"
    assert error.problems == (Problem("no version is published"),)


def _raised(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and first words of each error that is made of one sentence."""
    for node in ast.walk(tree):
        name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if name in {"InvalidRequest", "InvalidFields"} and node.args:
            first = node.args[0]
            head = first.values[0] if isinstance(first, ast.JoinedStr) else first
            if isinstance(head, ast.Constant) and not node.keywords:
                yield node.lineno, str(head.value)


@pytest.mark.slow
def test_a_field_is_not_part_of_the_message() -> None:
    """Otherwise a form would have to look for its field in the words."""
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {text}"
        for path in sorted(SOURCE.rglob("*.py"))
        if not path.relative_to(SOURCE).as_posix().startswith(SENTENCES)
        if "InvalidRequest(" in (source := path.read_text()) or "InvalidFields(" in source
        for line, text in _raised(ast.parse(source))
        if FIELD_FIRST.match(text)
    ]
    assert found == []


def test_every_error_has_a_key() -> None:
    classes, found = [FykeError], set()
    while classes:
        cls = classes.pop()
        found.add(cls.key)
        classes += cls.__subclasses__()
    assert all(re.fullmatch("[a-z_]+", key) for key in found)
