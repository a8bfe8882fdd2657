"""No secret of any kind may reach the platform's log."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fyke.telemetry.logging import redact

KEY = "scraper_api_01KJXSR49GEMBEZZ5FZDPVNBWK"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"GET /api/v1/x?token={KEY}&a=1", "5FZDPVNBWK"),
        ("x?token=anything-else&a=1", "anything-else"),
        (f"api-key={KEY}", "5FZDPVNBWK"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8"),
        ("fyken_Ab-c_9.Zz-y_8", "Ab-c"),
        ("socks5://name:pa55word@proxy:1080", "pa55word"),
    ],
)
def test_secrets_are_masked(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert "***" in redact(text)


def test_other_text_is_unchanged() -> None:
    assert redact(f"run 01ABC with {KEY} done").startswith("run 01ABC with scraper_api_01KJ***")
    assert redact("nothing to hide at http://host:80/path") == (
        "nothing to hide at http://host:80/path"
    )


FULL = """
import logging, sys
import structlog
from fyke.telemetry.logging import configure
sys.stderr = open("/dev/full", "w", buffering=1)
configure("runner", "info")
structlog.get_logger().error("role_ended", code=-9)
logging.getLogger("uvicorn").error("the same")
print("goes on")
sys.stdout.flush()
import os
os._exit(0)
"""


@pytest.mark.slow
def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=True)
    assert done.stdout == "goes on\n"
