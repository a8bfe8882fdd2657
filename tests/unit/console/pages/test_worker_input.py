"""The label that names the source of a form's initial input."""

from __future__ import annotations

import pytest

from fyke.console.pages.worker_input import _source_label
from fyke.domain.forms.model import FormSource
from fyke.domain.forms.normalise import NormalisedInput
from fyke.domain.forms.service import FormStart


def label(kind: FormSource, missing_version: str = "") -> str:
    start = FormStart(NormalisedInput({}, {}), kind, title="Prices")
    return _source_label(start, missing_version)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("run", "Input of an earlier run"),
        ("saved", "Your default"),
        ("task", "Input of the task Prices"),
        ("schema", ""),
    ],
)
def test_a_run_a_task_and_a_saved_default_are_named(kind: FormSource, text: str) -> None:
    assert label(kind) == text


def test_a_missing_version_is_named_with_its_replacement() -> None:
    assert label("task", "v1.0.1") == (
        "Input of the task Prices; version v1.0.1 can no longer run, so the form uses the current "
        "version"
    )
    assert label("schema", "v1.0.1") == ""
