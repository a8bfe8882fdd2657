"""What the launcher makes of its arguments, and prints for those who started it."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from fyke.sandbox.process import launcher as module
from fyke.sandbox.process.user_claims import ActiveClaim


@pytest.mark.parametrize("quiet", [False, True])
def test_other_users_than_the_configured_ones_are_printed_unless_it_is_quiet(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    quiet: bool,
) -> None:
    others = [ActiveClaim(range(39_995, 40_005), "/srv/a"), ActiveClaim(range(9), "/srv/b")]
    claim = MagicMock(users=range(50_000, 50_010), others=others)
    monkeypatch.setattr(module, "claim_users", lambda *_, **__: claim)
    monkeypatch.setattr(module, "Launcher", MagicMock())
    monkeypatch.setattr(module, "end_with_parent", lambda _: None)
    monkeypatch.setattr(module.asyncio, "run", lambda _: None)
    words = ["--socket", str(tmp_path / "s"), "--home", str(tmp_path), "--uid", "3", "--gid", "3"]
    words += ["--uid-base", "40000", "--uid-count", "10", "--parent", str(os.getpid())]
    module.main(words + ["--quiet"] * quiet)
    printed = capsys.readouterr().err
    assert printed == (
        ""
        if quiet
        else "fyke: some of the users 40000 to 40009 run sandboxes of /srv/a and /srv/b on this "
        f"machine; those of {tmp_path} run as 50000 to 50009\n"
    )
    claim.close.assert_called_once_with()
