"""Blobs that are larger than memory go to S3 and come from there."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import astuple
from pathlib import Path

import pytest

from support import s3_process
from support.s3_servers import s3_server

MIB = 256
MOST_MIB = 64  # parts on their way, in both directions


@pytest.mark.slow
@pytest.mark.parametrize("name", ["s3rver", "live"])
def test_a_stream_takes_the_memory_of_a_few_parts(name: str, tmp_path: Path) -> None:
    """moto would have the whole object in memory, in this process."""
    with s3_server(name, tmp_path) as server:
        place, access = server.new_place(), astuple(server.access)
        command = [sys.executable, s3_process.__file__, str(MIB), str(place), *access]
        completed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(completed.stdout) / 1024 < MOST_MIB
