"""Collects the findings of the schema checkers, with severity and line, up to a useful number."""

from __future__ import annotations

from typing import Final

from fyke.domain.workers.jsontext import Lines
from fyke.model.worker import Finding, Severity

ERROR: Final = "error"
WARNING: Final = "warning"

MAX_FINDINGS = 200
MAX_MESSAGE = 300


def shortened(message: str) -> str:
    """Return at most 300 characters; a message repeats names, and those have no limit."""
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 3] + "..."


class SchemaReport:
    """Collects the findings about one JSON file."""

    def __init__(self, file: str, text: str, blocking: frozenset[str]) -> None:
        self._file = file
        self._lines = Lines(text)
        self._blocking = blocking
        self._dropped = False
        self.findings: list[Finding] = []

    @property
    def full(self) -> bool:
        """Whether further warnings would be dropped."""
        return len(self.findings) >= MAX_FINDINGS

    def skip(self) -> None:
        """Note that something was not checked any more."""
        self._dropped = True

    def add(self, code: str, path: tuple[str | int, ...], message: str, remedy: str) -> None:
        """Note a finding about the value at ``path``; its code decides the severity."""
        severity: Severity = ERROR if code in self._blocking else WARNING
        if self.full and (severity == WARNING or len(self.findings) >= 2 * MAX_FINDINGS):
            self._dropped = True
            return
        line = self._lines.line_of(*path)
        finding = Finding(severity, code, self._file, line, shortened(message), remedy)
        self.findings.append(finding)

    def finish(self) -> list[Finding]:
        """Return the findings in the order of the file."""
        self.findings.sort(key=lambda finding: finding.line)
        if self._dropped:
            message = "further findings are not shown"
            code, remedy = "findings_cut", "fix those above and check again"
            self.findings.append(Finding(WARNING, code, self._file, 0, message, remedy))
        return self.findings
