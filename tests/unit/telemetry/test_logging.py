"""No secret of any kind may reach the platform's log."""

from __future__ import annotations

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
        ("socks5://name:pa55word@proxy:1080", "pa55word"),
    ],
)
def test_secrets_are_masked(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert "***" in redact(text)


def test_the_rest_of_the_line_is_kept() -> None:
    assert redact(f"run 01ABC with {KEY} done").startswith("run 01ABC with scraper_api_01KJ***")
    assert redact("nothing to hide at http://host:80/path") == (
        "nothing to hide at http://host:80/path"
    )
