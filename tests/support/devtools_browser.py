"""A Chromium with an open debugging port, without a platform around it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.tools import TOOLS

SECONDS = 30.0


@contextmanager
def devtools_browser(*arguments: str, program: str | None = None) -> Iterator[str]:
    """Yield the WebSocket address of the browser, whose own sandbox needs rights of the system."""
    program = program or next(filter(None, map(shutil.which, TOOLS["chromium"].programs)), None)
    assert program, "Chromium is missing: script/test installs it"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless", "--no-sandbox", "--disable-dev-shm-usage"]
        options += ["--remote-debugging-port=0", f"--user-data-dir={profile}", *arguments]
        process = subprocess.Popen(
            [program, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield _address(process, Path(profile, "DevToolsActivePort"))
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the program may be a script that starts it
            process.wait()


def _address(process: subprocess.Popen[bytes], file: Path) -> str:
    """The address that the browser writes into its profile."""
    until = time.monotonic() + SECONDS
    while not file.exists() or len(lines := file.read_text().split()) < 2:
        assert process.poll() is None and time.monotonic() < until, "Chromium did not start"
        time.sleep(0.02)
    port, path = lines
    return f"ws://127.0.0.1:{port}{path}"
