"""One role by itself."""

from __future__ import annotations

import os

import pytest

from fyke.app.roles import RoleName
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.serve import serve


@pytest.mark.parametrize("role", RoleName)
def test_no_role_runs_as_root(monkeypatch: pytest.MonkeyPatch, role: RoleName) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(CommandFailed, match=f"runuser -u fyke -- fyke serve --role {role}") as no:
        serve(role)
    assert no.value.code is Exit.USAGE
