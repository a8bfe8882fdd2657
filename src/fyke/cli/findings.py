"""Findings of a project check, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fyke.cli import formatting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fyke.model.worker import Finding
    from fyke_client.types.findings import ProjectFinding


def describe(finding: Finding | ProjectFinding) -> str:
    """The finding in one line, in the format of compilers."""
    location = ":".join(str(part) for part in (finding.file, finding.line) if part)
    prefix = f"{location}: " if location else ""
    return f"{prefix}{finding.severity}: {finding.message}; {finding.remedy} [{finding.code}]"


def verdict(findings: Sequence[Finding | ProjectFinding]) -> str:
    """How many errors and warnings there are; other findings are no problems."""
    severities = [finding.severity for finding in findings]
    errors, warnings = severities.count("error"), severities.count("warning")
    if not errors and not warnings:
        return "No problems found."
    parts = [
        formatting.count(n, word) for n, word in ((errors, "error"), (warnings, "warning")) if n
    ]
    return " and ".join(parts) + ("; it cannot be published." if errors else ".")
