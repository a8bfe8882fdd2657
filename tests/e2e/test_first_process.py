"""In a container the platform has the process id 1, which otherwise marks an orphan's parent."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from support.booted import PLAIN_UID

SECONDS = 60.0
UID = str(PLAIN_UID + 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes process namespaces")
@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare is not installed")
def test_the_roles_start_below_process_1() -> None:
    folder = Path(tempfile.mkdtemp(prefix="fyke-first-"))
    shutil.chown(folder, int(UID), int(UID))
    log = folder / "up.log"
    with log.open("wb") as output:
        platform = subprocess.Popen(
            [
                *("unshare", "--pid", "--fork", "--mount-proc", "--kill-child"),
                *("setpriv", "--reuid", UID, "--regid", UID, "--clear-groups"),
                *(sys.executable, "-m", "fyke.cli.entry", "up", "--port", "0"),
            ],
            env={**os.environ, "HOME": str(folder), "FYKE_HOME": str(folder / "home")},
            cwd="/",
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + SECONDS
        while b"Fyke is running at" not in log.read_bytes() and time.monotonic() < deadline:
            assert platform.poll() is None, log.read_text()
            time.sleep(0.1)
        text = log.read_text()
        assert "Fyke is running at" in text
        assert "role_ended" not in text
    finally:
        os.killpg(platform.pid, signal.SIGKILL)
        platform.wait()
        shutil.rmtree(folder, ignore_errors=True)
