"""What the gateway allows. Sizes in bytes, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.browser import WAIT_SECONDS


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """The limits of one attempt's connections."""

    connections: int = 64
    instances: int = 4  # Chromiums that programs launch, and sessions; the setting is given
    head_bytes: int = 16 * 1024
    head_seconds: float = 10.0
    idle_seconds: float = 60.0  # between two requests on one connection
    large: int = 4  # bodies and answers in memory at once
    body_bytes: int = 4 * 2**20  # of a request
    launch_bytes: int = 60 * 1024  # of a request to launch a browser, which is sent on in a frame
    session_bytes: int = 64 * 1024  # of a request for a session of WebDriver, which is parsed
    answer_bytes: int = 2**19  # of an answer of Chromium that is parsed
    protocol_bytes: int = 4 * 2**20  # of its description of the protocol, which has 1.6 MB
    answer_seconds: float = 20.0
    wait_seconds: float = WAIT_SECONDS  # for a browser
    start_seconds: float = 20.0  # of Chromium; the host itself gives up after 15
    dial_seconds: float = 10.0
    keep_seconds: float = 12.0  # how long a sandbox without Chromium is kept for the next one
    close_seconds: float = 5.0  # from Browser.close to the end of Chromium
