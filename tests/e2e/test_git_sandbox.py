"""Fetches with git on a booted platform, through the launcher of root and as a plain user; git can
reach only the named host.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from support.booted import booted
from support.git_server import git_server

pytestmark = [
    pytest.mark.needs("git"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
]

UID = 30_000 + os.getpid() % 10_000  # unique to this test run


@pytest.mark.parametrize(
    "uid",
    [pytest.param(None, id="launcher"), pytest.param(UID, id="plain", marks=pytest.mark.long)],
)
def test_git_in_the_sandbox_reaches_the_certificate_check(tmp_path: Path, uid: int | None) -> None:
    """git refuses the certificate of the host, which is from an unknown authority."""
    with (
        git_server(tmp_path) as server,
        booted(uid=uid, git_allow=f"localhost:{server.port}") as up,
    ):
        uploads = "/api/fyke/uploads"
        upload = up.call(f"{uploads}/git", {"url": f"{server.url}/prices/.git"})

        def look() -> Any:
            found = up.read(f"{uploads}/{upload['id']}")
            return found if found["state"] == "failed" else None

        found = up.wait_for(look, "the end of the fetch", 30)
        [step] = [step for step in found["steps"] if step["name"] == "fetch"]
        assert step["note"] == "TLS: the certificate of the host is not trusted by this machine"
        assert server.requests == []
        private = up.call(f"{uploads}/git", {"url": "https://127.0.0.2/prices"})

        def refused() -> Any:
            found = up.read(f"{uploads}/{private['id']}")
            return found if found["state"] == "failed" else None

        [step, *_] = up.wait_for(refused, "the refusal", 30)["steps"]
        assert "not on the public internet" in step["note"]
