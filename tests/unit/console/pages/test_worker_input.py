"""Where the first input of a form comes from."""

from __future__ import annotations

import pytest

from fyke.console.pages.worker_input import _source
from fyke.domain.forms.model import FormSource
from fyke.domain.forms.normalise import NormalisedInput
from fyke.domain.forms.service import FormStart


def source(kind: FormSource, gone: str = "") -> str:
    return _source(FormStart(NormalisedInput({}, {}), kind, title="Prices"), gone)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("run", "Input of an earlier run"),
        ("saved", "Your default"),
        ("task", "Input of the task Prices"),
        ("schema", ""),
    ],
)
def test_an_input_of_the_users_own_is_named(kind: FormSource, text: str) -> None:
    assert source(kind) == text


def test_a_version_that_is_gone_is_named_with_what_is_used_instead() -> None:
    assert source("task", "v1.0.1") == (
        "Input of the task Prices; version v1.0.1 can no longer run, so the form uses the latest "
        "version"
    )
    assert source("schema", "v1.0.1") == ""
