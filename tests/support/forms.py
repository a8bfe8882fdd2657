"""Forms of schemas, and their results for the pairs of a browser. The field is ``x``."""

from __future__ import annotations

import json
from typing import Any

from fyke.domain.forms.describe import describe
from fyke.domain.forms.model import RunForm
from fyke.domain.forms.normalise import FormPairs, NormalisedInput, normalise

COLOURS = [{"label": "Red", "value": "red"}, {"label": "Blue", "value": "blue"}]
SIZES = [{"label": "One", "value": 1}, {"label": "The text 1", "value": "1"}, 2.5, True, None]


def form(*properties: dict[str, Any], **root: Any) -> RunForm:
    return describe(json.dumps({"properties": list(properties), **root}))


def item(editor: str, type: str, **options: Any) -> dict[str, Any]:
    return {"name": "x", "editor": editor, "type": type, **options}


def sent(run_form: RunForm, *pairs: tuple[str, str]) -> NormalisedInput:
    return normalise(run_form, FormPairs(pairs))


def typed(run_form: RunForm, text: str) -> Any:
    read = sent(run_form, ("f:x", text))
    assert not read.errors, read.errors
    return read.custom.get("x", "absent")


def fault(run_form: RunForm, *pairs: tuple[str, str]) -> str:
    read = sent(run_form, *pairs)
    (error,) = read.errors
    return error.message
