"""What is taken for left behind. Integration tests kill the launcher for real."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from fyke.sandbox.process import cleanup

pytestmark = pytest.mark.anyio


@dataclass
class Remains:
    """The folders and the control groups of a machine, by name."""

    found: set[str]
    removed: list[str] = field(default_factory=list)

    def names(self) -> set[str]:
        return self.found

    def places(self, names: frozenset[str]) -> dict[str, tuple[int, int]]:
        return {}

    def remove(self, name: str) -> None:
        self.removed.append(name)

    def find(self, name: str) -> Group:
        return Group()


class Group:
    def kill(self) -> None: ...

    def remove(self) -> bool:
        return True


async def test_what_is_not_kept_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "abandoned_groups", list)
    folders, groups = Remains({"B", "A"}), Remains({"C", "A"})
    removed = await cleanup.remove_stale(*args(folders, groups), lambda: frozenset({"A"}))
    assert removed == folders.removed == ["B", "C"]


async def test_a_sandbox_that_starts_meanwhile_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the one in which the browser is checked, at the start of a runner."""
    folders, groups = Remains({"OLD"}), Remains(set())
    starting: set[str] = set()

    def abandoned_groups() -> list[Any]:  # the first that is awaited
        starting.add("NEW")
        folders.found.add("NEW")
        return []

    monkeypatch.setattr(cleanup, "abandoned_groups", abandoned_groups)
    removed = await cleanup.remove_stale(*args(folders, groups), lambda: frozenset(starting))
    assert removed == folders.removed == ["OLD"]


def args(folders: Remains, groups: Remains) -> tuple[Any, Any]:
    return folders, groups
