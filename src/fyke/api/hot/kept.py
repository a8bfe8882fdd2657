"""Encoded answers that depend on nothing but the stores, such as the detail of an ended run.

An ended run still changes: its worker is renamed, it is deleted. So every request compares the
version of the stores, which each commit changes. An answer of an older version is used only if the
revision of what it shows is still the same. It is therefore never older than the question.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

MAX_ANSWERS = 4096
MAX_BYTES = 16 * 1024  # of one answer; a detail has about 400
MAX_TOTAL_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Encoded:
    """``data`` of an answer as JSON; ``tag`` is its ``ETag`` where the operation has one."""

    data: bytes
    tag: str = ""


@dataclass(slots=True)
class _Kept:
    """An answer that was current at ``version``, and is while what it shows has ``revision``."""

    answer: Encoded
    version: Hashable
    revision: object


class KeptAnswers:
    """At most six megabytes. The key must include the caller's account."""

    def __init__(self, version: Callable[[], Hashable] | None = None) -> None:
        """``version`` returns the current version of the stores; without it, versions are those of
        what is shown, and each never returns after a change.
        """
        self._version = version
        self._answers: dict[Hashable, _Kept] = {}
        self._bytes = 0

    def get(
        self, version: Hashable, key: Hashable, revision: Callable[[], object] | None = None
    ) -> Encoded | None:
        """The answer that is current at ``version``. ``revision`` reads that of what is shown;
        without it, an answer of another version is not current.
        """
        kept = self._answers.get(key)
        if kept is None:
            return None
        if kept.version != version:
            if revision is None or kept.revision is None or revision() != kept.revision:
                return None
            kept.version = version
        return kept.answer

    def put(
        self, version: Hashable, key: Hashable, answer: Encoded, revision: object = None
    ) -> None:
        """Keep an answer that was read after ``version``, as ``revision``, unless there was a
        commit since, because it is not known whether both are of the same moment.
        """
        if len(answer.data) > MAX_BYTES or (self._version and self._version() != version):
            return
        earlier = self._answers.pop(key, None)
        if earlier is not None:
            self._bytes -= len(earlier.answer.data)
        if len(self._answers) >= MAX_ANSWERS or self._bytes > MAX_TOTAL_BYTES:
            self._answers.clear()
            self._bytes = 0
        self._answers[key] = _Kept(answer, version, revision)
        self._bytes += len(answer.data)
