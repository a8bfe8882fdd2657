"""Findings of the check of a project."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from fyke.model.worker import Severity
from fyke.wire.common import Count
from fyke.wire.fields import Answer

if TYPE_CHECKING:
    from fyke.model.worker import Finding


class ProjectFinding(Answer):
    """A finding of the check of a project."""

    severity: Severity
    code: str
    file: str
    line: Annotated[Count, Meta(description="1-based; 0 = the whole file")]
    message: str
    remedy: str

    @classmethod
    def all_of(cls, findings: Iterable[Finding]) -> list[ProjectFinding]:
        return [cls(f.severity, f.code, f.file, f.line, f.message, f.remedy) for f in findings]
