"""Whether a sandbox could be opened now."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from fyke.contracts.execution import SandboxFault
from fyke.sandbox import factory
from fyke.sandbox.factory import BubblewrapSandboxes

pytestmark = pytest.mark.anyio


class SilentLauncher:
    """A spawner whose launcher is frozen."""

    async def limits(self) -> tuple[str, str]:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_launcher_that_does_not_answer_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factory, "CHECK_SECONDS", 0.01)
    with pytest.raises(SandboxFault, match="the launcher does not answer"):
        await BubblewrapSandboxes(tmp_path, cast(Any, SilentLauncher())).check()
