"""Encoded answers that depend on nothing but the stores, such as the detail of an ended run.

An ended run still changes: its worker is renamed, it is deleted. So every request compares the
version of the stores, which each commit changes, and all answers of an older version are dropped.
An answer is therefore never older than the question.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

MAX_ANSWERS = 4096
MAX_BYTES = 16 * 1024  # of one answer; a detail has about 400
MAX_TOTAL_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Encoded:
    """``data`` of an answer as JSON; ``tag`` is its ``ETag`` where the operation has one."""

    data: bytes
    tag: str = ""


class KeptAnswers:
    """At most six megabytes. The key must include the caller's account."""

    def __init__(self) -> None:
        self._version: Hashable = None
        self._answers: dict[Hashable, Encoded] = {}
        self._bytes = 0

    def get(self, version: Hashable, key: Hashable) -> Encoded | None:
        """The answer that was kept at the same ``version``."""
        if version != self._version:
            self._clear()
            self._version = version
        return self._answers.get(key)

    def put(self, version: Hashable, key: Hashable, answer: Encoded) -> None:
        """Keep an answer that was read after ``version``."""
        if version == self._version and len(answer.data) <= MAX_BYTES:
            if len(self._answers) >= MAX_ANSWERS or self._bytes > MAX_TOTAL_BYTES:
                self._clear()
            self._answers[key] = answer
            self._bytes += len(answer.data)

    def _clear(self) -> None:
        self._answers.clear()
        self._bytes = 0
