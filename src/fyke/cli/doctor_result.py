"""The result of a check of ``fyke doctor``."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, FAILED = "ok", "warning", "failed"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check. ``remedy`` is ignored if the state is ok."""

    name: str
    state: str
    detail: str
    remedy: str = ""
