"""Collects the findings about a JSON file, with severity and line, up to a limit."""

from __future__ import annotations

from typing import Final

from fyke.domain.workers.jsontext import Lines
from fyke.model.worker import Finding, Severity

ERROR: Final = "error"
WARNING: Final = "warning"
INFO: Final = "info"

MAX_FINDINGS = 200
MAX_MESSAGE = 300


def shortened(message: str) -> str:
    """Cut a message to ``MAX_MESSAGE`` characters; it may quote a name, which has no limit."""
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
        """Record that further parts of the file are not checked."""
        self._dropped = True

    def add(self, code: str, path: tuple[str | int, ...], message: str, remedy: str) -> None:
        """Add a finding about the value at ``path``; its code determines the severity."""
        severity: Severity = ERROR if code in self._blocking else WARNING
        if self.full and (severity == WARNING or len(self.findings) >= 2 * MAX_FINDINGS):
            self._dropped = True
            return
        line = self._lines.line_of(*path)
        finding = Finding(severity, code, self._file, line, shortened(message), remedy)
        self.findings.append(finding)

    def finish(self) -> list[Finding]:
        """Return the findings sorted by line."""
        self.findings.sort(key=lambda finding: finding.line)
        if self._dropped:
            message = "further findings are not shown"
            code, remedy = "findings_cut", "fix those above and check again"
            self.findings.append(Finding(WARNING, code, self._file, 0, message, remedy))
        return self.findings
