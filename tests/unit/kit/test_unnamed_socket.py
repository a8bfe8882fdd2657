"""A Unix socket that only holders of its address reach."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest

from fyke.kit.unnamed_socket import listen_unnamed, path_of


def test_it_is_reached_by_its_address_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 120)  # longer than the path of a Unix socket may be
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    listener, address = listen_unnamed()
    try:
        assert list(long.iterdir()) == []
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(path_of(address))
            accepted, _ = listener.accept()
            with accepted:
                client.sendall(b"ping")
                assert accepted.recv(4) == b"ping"
    finally:
        listener.close()
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client,
        pytest.raises(ConnectionRefusedError),
    ):
        client.connect(path_of(address))
    os.close(address)


def test_a_failure_leaves_no_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="missing"):
        listen_unnamed()
    assert set(os.listdir("/proc/self/fd")) == before
