"""What the server role passes to the API."""

from __future__ import annotations

import socket
from pathlib import Path

from fyke.app.server import _api_config
from fyke.settings import Settings


def test_metrics_name_the_process_and_not_the_machine(tmp_path: Path) -> None:
    """A pod has another host name after each change, and would leave its series."""
    (tmp_path / "secret.key").write_text("0" * 64)
    (tmp_path / "secret.key").chmod(0o600)
    config = _api_config(Settings(home=tmp_path), "server-2")
    assert config.server == "server-2" and socket.gethostname() not in config.server
