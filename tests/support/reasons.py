"""Declares the reason codes that a test obtains from the real platform, and checks them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest

from fyke.reasons import HintCode, ReasonCode
from fyke.reasons.texts import SENTENCES

Code = ReasonCode | HintCode
MARK = "reaches"

_seen: set[Code] = set()


def reaches(*codes: Code) -> pytest.MarkDecorator:
    """The test must obtain each of these codes from a running platform, or it fails."""
    return getattr(pytest.mark, MARK)(*codes)  # type: ignore[no-any-return]


def begin() -> None:
    """Forget the codes that earlier tests have obtained."""
    _seen.clear()


def note_reason(code: str) -> None:
    """Record the code of a response of the platform."""
    if code:
        _seen.add(ReasonCode(code))


def note_summary(summary: dict[str, Any]) -> None:
    """Record the codes of a response of ``GET /api/fyke/runs/{slug}``."""
    note_reason(summary["reason_code"])
    if summary["hint"]:
        _seen.add(HintCode(summary["hint"]["code"]))


def note_text(text: str, codes: Iterable[ReasonCode]) -> None:
    """Record the codes of a text of the run queue, whose published items have no field for them."""
    for part in text.split("; "):
        _seen.update(code for code in codes if any(_is(part, form) for form in SENTENCES[code]))


def _is(text: str, form: str) -> bool:
    pattern = re.sub(r"%\\\(\w+\\\)s", ".+", re.escape(form))
    return re.fullmatch(pattern, text) is not None


def missing(item: pytest.Item) -> list[str]:
    """The declared codes that the test has not obtained."""
    declared = {code for mark in item.iter_markers(MARK) for code in mark.args}
    return sorted(f"{type(code).__name__}.{code.name}" for code in declared - _seen)
